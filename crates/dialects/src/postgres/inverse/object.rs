//! The way back of what makes and drops indexes, views, types, routines and the like.

use cofferdam_core::change::{Action, Change, CreateIndex};
use cofferdam_core::plan::Act;
use cofferdam_core::{Facts, Name, QuotedLiteral};

use super::{Back, Way, list, names, no_way, quoted, sequence, sql_name};
use crate::postgres::sequence::text;

/// `DROP <kind> <name>`, where the object was made by the statement and not there before.
fn drops(kind: &str, name: &str) -> Way {
    Ok(Back::sql(format!("DROP {kind} {name}")))
}

fn drops_named(kind: &str, name: &Name) -> Way {
    drops(kind, &sql_name(name)?)
}

/// Whether an object was there before, by what the facts list; `None`: they list nothing at all. A name without a
/// schema may be in any.
fn there(facts: &Facts, kind: &str, name: &Name) -> Option<bool> {
    if facts.objects.is_empty() {
        return None;
    }
    let whole = name.to_string();
    let elsewhere = |listed: &str| listed.split_once('.').is_some_and(|(_, own)| own == name.name);
    Some(facts.has(kind, &whole) || name.schema.is_none() && facts.of_kind(kind).any(elsewhere))
}

/// What `IF NOT EXISTS` decides.
fn unless_there(facts: &Facts, kind: &str, name: &Name, drop: Way) -> Way {
    match there(facts, kind, name) {
        Some(true) => Ok(Back::nothing()),
        Some(false) => drop,
        None => no_way(format!("whether {kind} {name} was there before is not known")),
    }
}

pub(super) fn way(change: &Change, facts: &Facts) -> Way {
    match &change.action {
        Action::CreateView { name, or_replace, materialized, if_not_exists } => {
            let kind = if *materialized { "MATERIALIZED VIEW" } else { "VIEW" };
            match facts.table(name).map(|t| t.exists) {
                Some(true) if *if_not_exists => Ok(Back::nothing()),
                Some(true) | None if *or_replace => {
                    no_way(format!("the definition of {name} before is not known"))
                }
                None if *if_not_exists => no_way(format!("whether {name} was there before is not known")),
                _ => drops_named(kind, name),
            }
        }
        Action::CreateSequence { name, if_not_exists } => {
            let drop = drops_named("SEQUENCE", name);
            if *if_not_exists { unless_there(facts, "sequence", name, drop) } else { drop }
        }
        Action::CreateSchema { name, if_not_exists } => {
            let drop = drops("SCHEMA", &quoted(name)?.to_string());
            if *if_not_exists {
                unless_there(facts, "schema", &Name::plain(name.as_str()), drop)
            } else {
                drop
            }
        }
        Action::CreateExtension { name, if_not_exists } => {
            let drop = drops("EXTENSION", &quoted(name)?.to_string());
            if *if_not_exists {
                unless_there(facts, "extension", &Name::plain(name.as_str()), drop)
            } else {
                drop
            }
        }
        Action::CreateType { name } => drops_named("TYPE", name),
        Action::CreateDomain { name } => drops_named("DOMAIN", name),
        Action::DomainAddConstraint { name, .. } => match domain_constraint(&change.text) {
            Some(constraint) => Ok(Back::sql(format!(
                "ALTER DOMAIN {} DROP CONSTRAINT {}",
                sql_name(name)?,
                quoted(&constraint)?
            ))),
            None => no_way(format!("the name that the server gave to the constraint of {name} is not known")),
        },
        Action::EnumRenameValue { name, from, to } => {
            let literal = |v: &str| QuotedLiteral::new(v).map_err(|e| e.to_string());
            let (to, from) = (literal(to)?, literal(from)?);
            Ok(Back::sql(format!("ALTER TYPE {} RENAME VALUE {to} TO {from}", sql_name(name)?)))
        }
        Action::EnumAddValue { name, value, .. } => {
            no_way(format!("PostgreSQL cannot take the value {value} out of the enum {name}"))
        }
        Action::CreateRoutine { name, or_replace: true, .. }
            if there(facts, "function", name) != Some(false) =>
        {
            no_way(format!("the definition of {name} before is not known"))
        }
        Action::CreateRoutine { signature, procedure, .. } => {
            drops(if *procedure { "PROCEDURE" } else { "FUNCTION" }, signature)
        }
        Action::CreateTrigger { name, or_replace: true, .. } => {
            no_way(format!("the definition of trigger {name} before is not known"))
        }
        Action::CreateTrigger { name, table, .. } => {
            drops("TRIGGER", &format!("{} ON {}", quoted(name)?, sql_name(table)?))
        }
        Action::CreatePolicy { name, table } => {
            drops("POLICY", &format!("{} ON {}", quoted(name)?, sql_name(table)?))
        }
        Action::CreateStatistics { name: Some(name) } => drops_named("STATISTICS", name),
        Action::CreateStatistics { name: None } => {
            no_way("the name that the server gave to the statistics is not known")
        }
        Action::CreateDatabase { name } => {
            let drop = Act::sql(format!("DROP DATABASE IF EXISTS {}", quoted(name)?));
            Ok(Back::loose(vec![drop]).losing(format!("all of the database {name}")))
        }
        Action::DropDatabase { name, .. } => no_way(format!("all of the database {name} would be gone")),
        Action::DropSchema { names, .. } => no_way(format!("what is in {} would be gone", names.join(", "))),
        Action::DropView { names, .. } | Action::DropType { names, .. } => {
            no_way(format!("the definition of {} is not known", list(names)))
        }
        Action::DropSequence { names, .. } => {
            no_way(format!("the position of {} would be gone", list(names)))
        }
        Action::DropRoutine { names, .. } => {
            no_way(format!("the definition of {} is not known", names.join(", ")))
        }
        Action::DropTrigger { name, table, .. } => {
            no_way(format!("the definition of trigger {name} of {table} is not known"))
        }
        Action::DropExtension { names, .. } => {
            no_way(format!("what belongs to the extension {} would be gone", names.join(", ")))
        }
        _ => no_way("how the statement is taken back is not known"),
    }
}

/// `CREATE INDEX` as written.
pub(super) fn index(index: &CreateIndex, facts: &Facts) -> Way {
    let mut used = names::Names::around(&index.table, facts);
    if let (true, Some(name)) = (index.if_not_exists, &index.name) {
        if used.is_relation(name) {
            return Ok(Back::nothing());
        }
        if facts.table(&index.table).is_none() {
            return no_way(format!("whether index {name} was there before is not known"));
        }
    }
    if let Some(leaf) = sequence::with_an_own_index(index, facts) {
        return no_way(format!("{} has such an index of its own, which would go, too", leaf.name));
    }
    // A name that is only worked out is not dropped IF EXISTS: were it wrong, the server should say so.
    let if_exists = if index.name.is_some() { "IF EXISTS " } else { "" };
    let name = match &index.name {
        Some(name) => name.clone(),
        None => used.index(&index.table.name, &names::part_names(&index.on)),
    };
    let home = Name { schema: names::schema_of(&index.table, facts), name };
    let home = sql_name(&home)?;
    if index.concurrently {
        Ok(Back::loose(vec![Act::sql(format!("DROP INDEX CONCURRENTLY {if_exists}{home}"))]))
    } else {
        Ok(Back::sql(format!("DROP INDEX {if_exists}{home}")))
    }
}

/// `DROP INDEX`: what the facts show is built again, last first.
pub(super) fn index_dropped(dropped: &[Name], if_exists: bool, cascade: bool, facts: &Facts) -> Way {
    if cascade {
        return no_way(format!("what CASCADE drops with {} is not known", list(dropped)));
    }
    let mut acts = Vec::new();
    for name in dropped.iter().rev() {
        match sequence::rebuilt_index(name, facts) {
            Ok(build) => acts.extend(build),
            Err(_) if if_exists && sequence::found_index(name, facts).is_none() => {
                return no_way(format!("whether index {name} was there, and its definition, are not known"));
            }
            Err(why) => return Err(why),
        }
    }
    Ok(Back::loose(acts))
}

/// The name in `ALTER DOMAIN ... ADD CONSTRAINT name`.
fn domain_constraint(sql: &str) -> Option<String> {
    let words = text::words(sql);
    words.windows(2).find(|pair| pair[0].is("constraint")).and_then(|pair| pair[1].identifier())
}
