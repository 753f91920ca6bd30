//! Indexes: CREATE, DROP and REINDEX, each CONCURRENTLY.

use cofferdam_core::change::{CreateIndex, ReindexTarget};
use cofferdam_core::facts::{IndexFacts, Table};
use cofferdam_core::ident::QuotedIdent;
use cofferdam_core::plan::{Act, Probe, Undo};
use cofferdam_core::{Facts, Name};

use super::super::locks::{Effect, Lock};
use super::names::{self, Names};
use super::{SafeStep, is_new, is_partitioned, partitioned, text};

/// `CREATE INDEX`, also one that was written with CONCURRENTLY: as [`Act::BuildIndex`], which clears away what
/// a failed try left behind.
pub(super) fn create(index: &CreateIndex, facts: &Facts) -> Option<Vec<SafeStep>> {
    let new = is_new(&index.table, facts) && !index.concurrently;
    if new || index.only {
        return None;
    }
    if is_partitioned(&index.table, facts) {
        return partitioned::create(index, facts);
    }
    let mut names = Names::around(&index.table, facts);
    let there = index.if_not_exists && index.name.as_ref().is_some_and(|n| names.is_relation(n));
    let name = match &index.name {
        Some(name) => name.clone(),
        None => names.index(&index.table.name, &names::part_names(&index.on)),
    };
    let unknown = index.if_not_exists && facts.table(&index.table).is_none();
    let invalid = facts.table(&index.table).and_then(|t| t.index(&name)).is_some_and(|i| !i.valid);
    let unique = if index.unique { "UNIQUE " } else { "" };
    let if_not_exists = if index.if_not_exists { "IF NOT EXISTS " } else { "" };
    let sql = format!(
        "CREATE {unique}INDEX CONCURRENTLY {if_not_exists}{} {}",
        QuotedIdent::new(&name).ok()?,
        index.on
    );
    let mut step = build(&index.table, &name, index.unique, sql, facts)?;
    if unknown {
        step.undo = Undo::Impossible { why: format!("whether index {name} was there before is not known") };
    } else if there && !invalid {
        step.undo = Undo::Nothing;
        step.effect = Effect::taking(Lock::ShareUpdateExclusive);
    }
    Some(vec![step])
}

/// The step that builds an index with this statement.
pub(super) fn build(table: &Name, name: &str, unique: bool, sql: String, facts: &Facts) -> Option<SafeStep> {
    let index = Name { schema: names::schema_of(table, facts), name: name.to_owned() };
    let drop = format!("DROP INDEX CONCURRENTLY IF EXISTS {}", index.to_sql().ok()?);
    let unique = if unique { "unique " } else { "" };
    Some(SafeStep {
        title: format!("create {unique}index concurrently {name}"),
        act: Act::BuildIndex { index: index.clone(), sql: sql.into() },
        probe: Probe::IndexValid { index },
        undo: Undo::Acts { acts: vec![Act::sql(drop)], atomic: false, loses: None },
        atomic: false,
        effect: Effect::taking(Lock::ShareUpdateExclusive).building(),
    })
}

/// `DROP INDEX`, one after the other. Not those of constraints, which go only with their constraint, nor those of
/// partitioned tables, for which CONCURRENTLY is refused.
pub(super) fn drop(names: &[Name], if_exists: bool, facts: &Facts) -> Option<Vec<SafeStep>> {
    let kept = |name: &Name| {
        found(name, facts).is_some_and(|(table, index)| {
            table.kind == "partitioned table"
                || table.constraint(&index.name).is_some_and(|c| has_index(&c.kind))
        })
    };
    if names.iter().any(kept) {
        return None;
    }
    let if_exists = if if_exists { "IF EXISTS " } else { "" };
    let step = |name: &Name| {
        Some(SafeStep {
            title: format!("drop index concurrently {}", name.name),
            act: Act::sql(format!("DROP INDEX CONCURRENTLY {if_exists}{}", name.to_sql().ok()?)),
            probe: Probe::IndexAbsent { index: name.clone() },
            undo: match rebuilt(name, facts) {
                Ok(acts) if acts.is_empty() => Undo::Nothing,
                Ok(acts) => Undo::Acts { acts, atomic: false, loses: None },
                Err(why) => Undo::Impossible { why },
            },
            atomic: false,
            effect: Effect::taking(Lock::ShareUpdateExclusive),
        })
    };
    names.iter().map(step).collect()
}

fn has_index(kind: &str) -> bool {
    matches!(kind, "primary key" | "unique" | "exclude")
}

/// The table and the index of this name, where the facts know it.
pub(in crate::postgres) fn found<'a>(name: &Name, facts: &'a Facts) -> Option<(&'a Table, &'a IndexFacts)> {
    facts.tables.values().find_map(|table| {
        let schema = table.resolved.as_ref().and_then(|n| n.schema.as_ref());
        let same = name.schema.is_none() || schema.is_none() || schema == name.schema.as_ref();
        table.index(&name.name).filter(|_| same).map(|index| (table, index))
    })
}

/// What builds an index again that is about to be dropped; nothing for one that no query could use. `Err` says
/// why that cannot be told.
pub(in crate::postgres) fn rebuilt(name: &Name, facts: &Facts) -> Result<Vec<Act>, String> {
    let Some((table, index)) = found(name, facts) else {
        return Err(format!("the definition of index {name} is not known"));
    };
    if !index.valid {
        return Ok(Vec::new());
    }
    if table.kind == "partitioned table" {
        return Err(format!("index {name} has parts on partitions, which would not come back as they were"));
    }
    let words = text::words(&index.definition);
    let Some(after) = words.iter().find(|w| w.is("index")).map(|w| w.end()) else {
        return Err(format!("the definition of index {name} is not known"));
    };
    let (before, rest) = index.definition.split_at(after);
    let schema = table.resolved.as_ref().and_then(|n| n.schema.clone()).or_else(|| name.schema.clone());
    Ok(vec![Act::BuildIndex {
        index: Name { schema, name: name.name.clone() },
        sql: format!("{before} CONCURRENTLY{rest}").into(),
    }])
}

/// `REINDEX INDEX` and `TABLE`. Not system tables nor the indexes of exclusion constraints, for which the server
/// refuses CONCURRENTLY.
pub(super) fn reindex(sql: &str, target: ReindexTarget, name: &Name, facts: &Facts) -> Option<Vec<SafeStep>> {
    let word = match target {
        ReindexTarget::Index => "index",
        ReindexTarget::Table => "table",
        _ => return None,
    };
    let major = facts.server.major();
    let too_old = major != 0 && (major < 12 || major < 14 && is_partitioned(name, facts));
    let system = name.schema.as_deref().is_some_and(|s| s == "pg_catalog" || s == "pg_toast");
    let exclusion = found(name, facts)
        .and_then(|(table, index)| table.constraint(&index.name))
        .is_some_and(|c| c.kind == "exclude");
    if too_old || system || exclusion || is_new(name, facts) {
        return None;
    }
    let words = text::words(sql);
    let depths = text::depths(&words);
    let after = (0..words.len()).find(|&i| depths[i] == 0 && words[i].is(word)).map(|i| words[i].end())?;
    let (before, rest) = sql.split_at(after);
    Some(vec![SafeStep {
        title: format!("reindex {word} concurrently {}", name.name),
        act: Act::sql(format!("{before} CONCURRENTLY{rest}")),
        probe: Probe::Repeatable,
        undo: Undo::Nothing,
        atomic: false,
        effect: Effect::taking(Lock::ShareUpdateExclusive).building(),
    }])
}
