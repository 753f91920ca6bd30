//! What the change would break elsewhere.

use std::collections::BTreeSet;

use serde::Deserialize;

use cofferdam_core::fault::Result;

use super::catalog::{Catalog, literal};
use super::dress::view_name;
use super::mapping::Pairs;
use super::reading::Reading;

/// Views that the change takes with it: only with CASCADE, else the server refuses.
pub(super) async fn lost_readers(
    catalog: &Catalog<'_>,
    before: &Reading,
    schema: &str,
) -> Result<Vec<String>> {
    let mut out = Vec::new();
    for view in before.readers().filter(|r| r.is_view && r.kind == "v") {
        let name = literal(&view_name(schema, view.oid)?)?;
        if catalog.text(&format!("SELECT pg_catalog.to_regclass({name})::oid::text")).await?.is_none() {
            out.push(format!(
                "CASCADE would drop the view {}: drop it first, so that it is clear what goes with it",
                view.on
            ));
        }
    }
    Ok(out)
}

/// What reads the table elsewhere and had no stand-in: the server would refuse to change a column that it reads.
pub(super) fn changed_columns_in_use(before: &Reading, after: &Reading, pairs: &Pairs) -> Vec<String> {
    let changed = |number: &i16| {
        let old = before.columns.iter().find(|c| c.number == *number)?;
        let new = pairs.successor(&old.name).and_then(|name| after.column(name));
        (!new.is_some_and(|n| n.ty == old.ty && n.collation == old.collation)).then(|| old.name.clone())
    };
    let rules = before
        .readers()
        .filter(|r| !r.is_view)
        .map(|r| (format!("the rule {} on {}", r.name, r.on), &r.reads));
    let policies =
        before.policies_elsewhere.iter().map(|p| (format!("the policy {} on {}", p.name, p.table), &p.reads));
    let functions = before.functions.iter().map(|f| (format!("the function {}", f.name), &f.reads));
    let mut out = Vec::new();
    for (what, reads) in rules.chain(policies).chain(functions) {
        for column in reads.iter().filter_map(changed) {
            out.push(format!(
                "{what} uses {}.{column}, which the change alters: drop it before and make it again afterwards",
                before.table.printed
            ));
        }
    }
    out
}

#[derive(Deserialize)]
struct Taken {
    name: String,
}

/// Indexes and sequences that the clauses add get a name of which the server knows here only that it is free beside
/// the copy.
pub(super) async fn taken_names(
    catalog: &Catalog<'_>,
    before: &Reading,
    after: &Reading,
) -> Result<Vec<String>> {
    let query = "SELECT c.relname AS name FROM pg_catalog.pg_class c JOIN pg_catalog.pg_class t ON t.relnamespace = c.relnamespace
        WHERE t.oid = $1 AND c.relkind <> 'c'";
    let names = |of: &Reading| -> BTreeSet<String> {
        let indexes = of.indexes.iter().map(|i| i.name.clone());
        indexes.chain(of.sequences.iter().map(|s| s.name.clone())).collect()
    };
    let added: Vec<String> = names(after).difference(&names(before)).cloned().collect();
    if added.is_empty() {
        return Ok(Vec::new());
    }
    let taken: BTreeSet<String> =
        catalog.rows::<Taken>(query, before.table.oid).await?.into_iter().map(|t| t.name).collect();
    Ok(added
        .into_iter()
        .filter(|name| taken.contains(name))
        .map(|name| {
            format!(
                "the change makes an index or sequence called {name}, and there is one of that name already: give it \
                 a name of its own (ADD CONSTRAINT name ...)"
            )
        })
        .collect())
}
