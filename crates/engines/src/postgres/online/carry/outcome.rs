//! What became of the copy, told as of the table itself.

use std::collections::{BTreeMap, BTreeSet};

use cofferdam_core::fault::Result;

use super::catalog::ident;
use super::dress::StandIns;
use super::foreign_keys::ForeignKey;
use super::mapping::Pairs;
use super::reading::Reading;
use super::sequences::Sequence;

/// The server wrote or read all of the table, or of an index, under a lock that stops writers: its file is another
/// one, an index was built, a constraint was proved.
pub(super) fn rewrites(dressed: &Reading, after: &Reading) -> bool {
    let old_files: BTreeSet<_> = dressed.indexes.iter().map(|i| i.file).collect();
    let old_checks: BTreeSet<_> = dressed.checks.iter().filter(|c| c.valid).map(|c| c.oid).collect();
    let old_keys: BTreeSet<_> = dressed.foreign_keys.iter().filter(|k| k.valid).map(|k| k.oid).collect();
    let proved_not_null = |name: &str| {
        let Ok(name) = ident(name) else { return false };
        let bare = name.trim_matches('"').to_owned();
        dressed.checks.iter().any(|c| {
            c.valid && [&name, &bare].iter().any(|n| c.definition == format!("CHECK (({n} IS NOT NULL))"))
        })
    };
    let null_before = |number| dressed.columns.iter().any(|c| c.number == number && !c.not_null);
    dressed.table.file != after.table.file
        || after.indexes.iter().any(|i| !old_files.contains(&i.file))
        || after.checks.iter().any(|c| c.valid && !old_checks.contains(&c.oid))
        || after.foreign_keys.iter().any(|k| k.valid && k.enforced && !old_keys.contains(&k.oid))
        || after
            .columns
            .iter()
            .any(|c| c.not_null && c.not_null_valid && null_before(c.number) && !proved_not_null(&c.name))
}

/// Which column came of which: a column that is dropped and added again under its name is another one.
pub(super) fn lineage(before: &Reading, dressed: &Reading, after: &Reading) -> BTreeMap<String, String> {
    let old = before.columns.iter().zip(&dressed.columns);
    old.filter_map(|(old, copy)| {
        let new = after.columns.iter().find(|c| c.number == copy.number)?;
        Some((new.name.clone(), old.name.clone()))
    })
    .collect()
}

/// Puts the true tables where stand-ins were, and what the copy was not given because it would act, or could not be
/// given because there is but one of it.
pub(super) fn come_home(
    before: &Reading,
    after: &mut Reading,
    stand_ins: &StandIns,
    pairs: &Pairs,
) -> Result<()> {
    let copy = after.table.oid;
    let find = |printed: &str| {
        stand_ins.iter().find(|(name, _)| name.replace('"', "") == printed.replace('"', "")).map(|(_, t)| t)
    };
    let mut keys: Vec<ForeignKey> = Vec::new();
    for mut key in std::mem::take(&mut after.foreign_keys) {
        let parent = if key.parent == copy || key.parent == before.table.oid {
            Some((copy, before.table.printed.clone()))
        } else {
            find(&key.parent_printed).cloned()
        };
        if let Some((oid, printed)) = parent {
            key.definition = key.to(&printed)?;
            (key.parent, key.parent_printed) = (oid, printed);
        }
        if key.child != copy {
            // Those that clauses elsewhere made cannot be: they are of stand-ins, or of nobody.
            let Some((oid, printed)) = find(&key.child_printed).cloned() else { continue };
            (key.child, key.child_printed) = (oid, printed);
        }
        let was = before.foreign_keys.iter().find(|b| {
            let child = if b.child == before.table.oid { copy } else { b.child };
            b.name == key.name && child == key.child
        });
        keys.push(key.commented_as(was));
    }
    after.foreign_keys = keys;
    let triggers = std::mem::take(&mut after.triggers);
    after.triggers = triggers
        .into_iter()
        .filter_map(|t| {
            let was = before.triggers.iter().find(|b| b.name == t.name)?;
            Some(t.firing_as(was))
        })
        .collect();
    after.table.row_security = before.table.row_security;
    after.table.force_row_security = before.table.force_row_security;
    after.table.acl.clone_from(&before.table.acl);
    for new in &mut after.columns {
        let old = pairs.from.get(&new.name).and_then(|name| before.column(name));
        new.acl = old.and_then(|o| o.acl.clone());
    }
    for serial in before.sequences.iter().filter(|s| !s.identity) {
        if let Some(column) = pairs.successor(&serial.column) {
            let mut serial: Sequence = serial.clone();
            serial.column = column.to_owned();
            after.sequences.push(serial);
        }
    }
    Ok(())
}
