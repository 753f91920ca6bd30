//! Indexes, and what is a partition of what.

use super::{Written, constraint, qualified};
use crate::Key;
use crate::model::{Attachment, Index};

pub(super) fn create(key: &Key, index: &Index) -> Vec<String> {
    let mut out = vec![index.definition.clone()];
    out.extend(constraint::identifies(key, index.replica_identity));
    out
}

pub(super) fn change(key: &Key, old: &Index, new: &Index) -> Option<Vec<Written>> {
    if (&old.definition, old.invalid) != (&new.definition, new.invalid) {
        return None;
    }
    let so = new.replica_identity && !old.replica_identity;
    Some(constraint::identifies(key, so).into_iter().map(Into::into).collect())
}

pub(super) fn attach(key: &Key, it: &Attachment) -> String {
    let parent = qualified(&it.parent.0, &it.parent.1);
    match &it.bound {
        Some(bound) => format!("ALTER TABLE ONLY {parent} ATTACH PARTITION {} {bound}", key.on_sql()),
        None => format!("ALTER INDEX {parent} ATTACH PARTITION {}", key.sql()),
    }
}

/// Of a table; an index cannot be.
pub(super) fn detach(key: &Key, it: &Attachment) -> String {
    let parent = qualified(&it.parent.0, &it.parent.1);
    format!("ALTER TABLE ONLY {parent} DETACH PARTITION {}", key.on_sql())
}
