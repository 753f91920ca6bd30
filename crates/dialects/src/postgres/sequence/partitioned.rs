//! An index on a partitioned table, for which the server refuses CONCURRENTLY: leaf by leaf.
//!
//! Each partition that holds rows gets its own index first, CONCURRENTLY and under the name that the server would give
//! it. Then the statement itself builds nothing: the server looks for a matching index on each partition first, and
//! only hangs those that it finds under the parent's
//! (<https://www.postgresql.org/docs/current/sql-createindex.html>), which is work in the catalog. What is deliberately
//! missing: a partition that somebody attaches meanwhile with rows in it is built by that last statement, which blocks
//! writes to all of them while it is.

use cofferdam_core::change::CreateIndex;
use cofferdam_core::facts::{LeafFacts, Table};
use cofferdam_core::ident::QuotedIdent;
use cofferdam_core::plan::{Act, Probe};
use cofferdam_core::{Facts, Name};

use super::super::locks::{Effect, Lock};
use super::names::{self, Names};
use super::{SafeStep, index, text, undone_by};

/// `None`: the partitions are not known, or one of them can have no index, or has one that the statement would take
/// for its own; or the index is there.
pub(super) fn create(index: &CreateIndex, facts: &Facts) -> Option<Vec<SafeStep>> {
    let table = facts.table(&index.table)?;
    let tables = table.leaves.iter().all(|leaf| leaf.kind == "table");
    if table.leaves.is_empty() || !tables || with_an_own_index(index, facts).is_some() {
        return None;
    }
    let mut names = Names::around(&index.table, facts);
    let parts = names::part_names(&index.on);
    let name = match &index.name {
        Some(name) if names.is_relation(name) => return None,
        Some(name) => {
            names.take(name);
            name.clone()
        }
        None => names.index(&index.table.name, &parts),
    };
    let mut steps = Vec::new();
    for leaf in &table.leaves {
        steps.push(on_leaf(index, leaf, &mut names, &parts, facts)?);
    }
    steps.push(attach(index, table, &name, facts)?);
    Some(steps)
}

/// A partition that has an index on the same columns: the statement may take it for its own.
pub(in crate::postgres) fn with_an_own_index<'f>(
    index: &CreateIndex,
    facts: &'f Facts,
) -> Option<&'f LeafFacts> {
    let columns: Vec<&str> = index.columns.iter().map(|c| c.as_deref().unwrap_or_default()).collect();
    let leaves = facts.table(&index.table).map(|table| table.leaves.as_slice()).unwrap_or_default();
    leaves.iter().find(|leaf| !index.only && leaf.indexed.iter().any(|i| *i == columns))
}

fn on_leaf(
    index: &CreateIndex,
    leaf: &LeafFacts,
    names: &mut Names<'_>,
    parts: &[String],
    facts: &Facts,
) -> Option<SafeStep> {
    let own = names.index(&leaf.name.name, parts);
    let unique = if index.unique { "UNIQUE " } else { "" };
    let sql = format!(
        "CREATE {unique}INDEX CONCURRENTLY {} ON {} {}",
        QuotedIdent::new(&own).ok()?,
        leaf.name.to_sql().ok()?,
        after_the_table(index)?
    );
    index::build(&leaf.name, &own, index.unique, sql, facts)
}

/// The statement itself, which finds the indexes of the partitions.
fn attach(index: &CreateIndex, table: &Table, name: &str, facts: &Facts) -> Option<SafeStep> {
    let whole = Name { schema: names::schema_of(&index.table, facts), name: name.to_owned() };
    let unique = if index.unique { "UNIQUE " } else { "" };
    let sql = format!("CREATE {unique}INDEX {} {}", QuotedIdent::new(name).ok()?, index.on);
    let of = table.leaves.len();
    Some(SafeStep {
        title: format!("create index {name} of those of {of} partition{}", if of == 1 { "" } else { "s" }),
        act: Act::sql(sql),
        probe: Probe::IndexValid { index: whole.clone() },
        undo: undone_by(format!("DROP INDEX IF EXISTS {}", whole.to_sql().ok()?)),
        atomic: true,
        effect: Effect::taking(Lock::Share),
    })
}

/// What follows `ON table`. `None`: the table is named again behind it, as its partition is not called.
fn after_the_table(index: &CreateIndex) -> Option<&str> {
    let words = text::words(&index.on);
    let (_, rest) = words.split_first().filter(|(on, _)| on.is("on"))?;
    let end = 1 + text::name_length(rest);
    let again = |i: usize| {
        let named = words[i].identifier().as_deref() == Some(index.table.name.as_str());
        named && words.get(i + 1).is_some_and(|next| next.is("."))
    };
    if (end..words.len()).any(again) {
        return None;
    }
    words.get(end).map(|after| &index.on[after.start..])
}
