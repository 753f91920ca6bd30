//! Constraints of tables.

use super::{Written, ident};
use crate::Key;
use crate::model::Constraint;

const NOT_VALID: &str = " NOT VALID";

pub(super) fn add(key: &Key, constraint: &Constraint) -> Vec<String> {
    let only = if constraint.only { "ONLY " } else { "" };
    let mut out = vec![format!(
        "ALTER TABLE {only}{} ADD CONSTRAINT {} {}",
        key.on_sql(),
        ident(&key.name),
        constraint.definition
    )];
    out.extend(identifies(key, constraint.replica_identity));
    out
}

pub(super) fn change(key: &Key, old: &Constraint, new: &Constraint) -> Option<Vec<Written>> {
    let mut out = Vec::new();
    if old.definition.strip_suffix(NOT_VALID) == Some(new.definition.as_str()) {
        out.push(format!("ALTER TABLE {} VALIDATE CONSTRAINT {}", key.on_sql(), ident(&key.name)).into());
    } else if old.definition != new.definition {
        return None;
    }
    out.extend(identifies(key, new.replica_identity && !old.replica_identity).map(Into::into));
    Some(out)
}

/// Its index identifies rows for logical replication.
pub(super) fn identifies(key: &Key, so: bool) -> Option<String> {
    so.then(|| format!("ALTER TABLE {} REPLICA IDENTITY USING INDEX {}", key.on_sql(), ident(&key.name)))
}

/// It is made with its table.
pub(crate) fn inline(constraint: &Constraint) -> bool {
    constraint.sort != 'f' && !constraint.definition.ends_with(NOT_VALID) && !constraint.replica_identity
}
