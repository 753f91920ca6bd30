//! Views.

use super::{Written, ident, with};
use crate::Key;
use crate::model::{MaterializedView, View};

fn query(definition: &str) -> &str {
    definition.trim().trim_end_matches(';')
}

pub(super) fn create(key: &Key, view: &View, how: &str) -> String {
    format!("{how} {}{} AS\n {}", key.sql(), with(&view.options), query(&view.definition))
}

/// In place, where its columns stay as they are and new ones come last.
pub(super) fn change(key: &Key, old: &View, new: &View) -> Option<Vec<Written>> {
    new.columns.starts_with(&old.columns).then(|| vec![create(key, new, "CREATE OR REPLACE VIEW").into()])
}

pub(super) fn create_materialized(key: &Key, view: &MaterializedView) -> String {
    let using = view.method.as_ref().map(|m| format!(" USING {}", ident(m))).unwrap_or_default();
    let tablespace =
        view.tablespace.as_ref().map(|t| format!(" TABLESPACE {}", ident(t))).unwrap_or_default();
    format!(
        "CREATE MATERIALIZED VIEW {}{using}{}{tablespace} AS\n {}{}",
        key.sql(),
        with(&view.options),
        query(&view.definition),
        if view.populated { "" } else { "\nWITH NO DATA" }
    )
}
