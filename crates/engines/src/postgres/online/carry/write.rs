//! Writing the blueprint down.

use std::collections::{BTreeMap, BTreeSet};

use cofferdam_core::Fault;
use cofferdam_core::fault::Result;
use cofferdam_core::online::Online;

use super::Known;
use super::blueprint::{Blueprint, Proof};
use super::catalog::{ident, qualified};
use super::compare::{compared, compared_back};
use super::foreign_keys::ForeignKey;
use super::mapping::{backward, forward};
use super::shadow::{self, Place};
use super::swap::{Side, exchange, settle};

/// The blueprint of a change that was tried in the schema of its shadow.
pub(super) fn blueprint(change: &Online, known: &Known) -> Result<Blueprint> {
    let Known { before, trial, key, fingerprint } = known;
    let after = &trial.after;
    let (new_schema, old_schema) = (change.new_schema(), change.old_schema());
    let place = Place {
        schema: &new_schema,
        leaked: &trial.leaked,
        leaked_sequences: &trial.leaked_sequences,
        user: &trial.user,
    };
    let shadow_table = place.table(before)?;
    let home = qualified(&before.table.schema, &before.table.name)?;
    let columns = forward(before, after, &trial.pairs, &new_schema)?;
    let back = backward(before, after, &trial.pairs, &old_schema)?;
    let backing = after.indexes.iter().find(|i| i.name == key.index);
    let key_index = backing
        .map(|i| i.create(&shadow_table))
        .transpose()?
        .flatten()
        .ok_or_else(|| Fault::Bug(format!("the key's index {} cannot be made", key.index)))?;
    let mut create = shadow::create(after, &place)?;
    create.push(format!("CREATE SCHEMA {}", ident(&old_schema)?));
    if before.table.owner != trial.user {
        let owner = ident(&before.table.owner)?;
        create.push(format!("GRANT USAGE, CREATE ON SCHEMA {} TO {owner}", ident(&old_schema)?));
    }
    let old = Side { of: before, apart: &old_schema, made: false };
    let new = Side { of: after, apart: &new_schema, made: true };
    Ok(Blueprint {
        table_oid: before.table.oid,
        fingerprint: fingerprint.clone(),
        key: key.columns.clone(),
        compare: compared(before, after, &trial.pairs, &columns)?,
        compare_back: compared_back(before, &back)?,
        columns,
        back,
        create,
        key_index,
        indexes: shadow::indexes(after, &place, Some(&key.index))?,
        constraints: shadow::constraints(after, &place)?,
        proofs: proofs(known, &shadow_table)?,
        lock_first: locked_first(known)?,
        lock: locked(known, home.clone()),
        swap: exchange(&old, &new, before)?,
        swap_back: exchange(&new, &old, before)?,
        settle: settle(after, &home)?,
        settle_back: settle(before, &home)?,
    })
}

/// Foreign keys that the change adds, or whose columns it changes, must hold before the swap: afterwards it would be
/// too late to say that they do not.
fn proofs(known: &Known, shadow_table: &str) -> Result<Vec<Proof>> {
    let Known { before, trial, key, .. } = known;
    let after = &trial.after;
    let same_columns = |new: &ForeignKey| {
        new.columns.iter().all(|(child, _)| {
            let find = |of: &super::Reading| {
                of.columns
                    .iter()
                    .find(|c| c.name == *child || ident(&c.name).is_ok_and(|n| n == *child))
                    .map(|c| c.ty.clone())
            };
            find(before) == find(after)
        })
    };
    let known_to_hold = |new: &ForeignKey| {
        before.references().any(|old| {
            old.name == new.name && old.valid && old.definition == new.definition && same_columns(new)
        })
    };
    let mut shown = Vec::new();
    for column in &key.columns {
        shown.push(format!("n.{}::pg_catalog.text", ident(&column.name)?));
    }
    let mut out = Vec::new();
    for new in after.references().filter(|k| k.valid && k.enforced && !known_to_hold(k)) {
        let parent = if new.parent == after.table.oid { shadow_table } else { &new.parent_printed };
        out.push(Proof {
            what: format!("foreign key {}", new.name),
            query: format!(
                "SELECT {} FROM ONLY {shadow_table} n WHERE {} LIMIT 10",
                shown.join(", "),
                new.broken(parent)
            ),
        });
    }
    Ok(out)
}

/// What holds the table by its identity, before all others: a query on a view locks the view, then the table.
fn locked_first(known: &Known) -> Result<Vec<String>> {
    let mut out = Vec::new();
    for reader in known.before.readers() {
        out.push(reader.lock()?);
    }
    out.extend(known.before.policies_elsewhere.iter().map(super::policies::Policy::lock));
    let mut seen = BTreeSet::new();
    out.retain(|statement| seen.insert(statement.clone()));
    Ok(out)
}

/// The tables that refer to it, itself, those that it refers to: whoever writes a row locks them in this order,
/// because foreign keys are checked after the row is written. Among themselves they stand by their OIDs.
fn locked(known: &Known, home: String) -> Vec<String> {
    let own = |oid| oid == known.before.table.oid || oid == known.trial.after.table.oid;
    let (mut children, mut parents) = (BTreeMap::new(), BTreeMap::new());
    for key in [&known.before, &known.trial.after].into_iter().flat_map(|r| &r.foreign_keys) {
        if !own(key.child) {
            children.insert(key.child, key.child_printed.clone());
        }
        if !own(key.parent) {
            parents.insert(key.parent, key.parent_printed.clone());
        }
    }
    parents.retain(|oid, _| !children.contains_key(oid));
    children.into_values().chain([home]).chain(parents.into_values()).collect()
}
