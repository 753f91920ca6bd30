//! The key by which a row is found on both sides.

use super::blueprint::KeyColumn;
use super::columns::Column;
use super::indexes::Index;
use super::mapping::{Pairs, loses};
use super::reading::Reading;

/// A key that will do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) columns: Vec<KeyColumn>,
    /// The index of the new table that backs it.
    pub(super) index: String,
}

/// The best key, or why there is none.
pub(super) fn choose(before: &Reading, after: &Reading, pairs: &Pairs) -> Result<Key, String> {
    let mut candidates: Vec<&Index> = before.indexes.iter().filter(|i| i.unique).collect();
    candidates.sort_by_key(|i| (!i.primary, mixed(i), i.keys.len(), i.name.clone()));
    let mut reasons = Vec::new();
    for index in candidates {
        let key = usable(index, before).and_then(|columns| survives(&columns, after, pairs));
        match key {
            Ok(key) => return Ok(key),
            Err(why) => reasons.push(format!("{}: {why}", index.name)),
        }
    }
    let looked = match reasons.is_empty() {
        true => "it has no unique index".to_owned(),
        false => reasons.join("; "),
    };
    Err(format!(
        "{} has no key by which its rows can be found again ({looked}); a PRIMARY KEY would do, or a unique index \
         (CREATE UNIQUE INDEX CONCURRENTLY) on NOT NULL columns that the change keeps, without expressions and \
         without WHERE",
        before.table.printed
    ))
}

/// Sorted one way by one column and the other way by another: it cannot serve ranges of keys.
fn mixed(index: &Index) -> bool {
    index.keys.windows(2).any(|w| w[0].descending != w[1].descending)
}

/// The columns of an index that tells any two rows apart, at any moment.
fn usable<'r>(index: &Index, before: &'r Reading) -> Result<Vec<&'r Column>, String> {
    if !index.valid {
        return Err("it is not valid".into());
    }
    if index.method != "btree" {
        return Err(format!("it is a {} index, which knows no order", index.method));
    }
    if index.partial {
        return Err("it covers only part of the rows".into());
    }
    if !index.immediate {
        return Err("it is deferrable, so that two rows can have one value for a moment".into());
    }
    let mut columns = Vec::new();
    for part in &index.keys {
        let Some(column) = part.column.as_ref().and_then(|c| before.column(c)) else {
            return Err("it is on an expression".into());
        };
        if !column.not_null || !column.not_null_valid {
            return Err(format!(
                "its column {0} can be NULL: ALTER COLUMN {0} SET NOT NULL would do",
                column.name
            ));
        }
        if !part.default_class || !part.own_collation {
            return Err(format!("it does not sort {} as the column itself is sorted", column.name));
        }
        columns.push(column);
    }
    Ok(columns)
}

/// The same columns are a key of the new table.
fn survives(columns: &[&Column], after: &Reading, pairs: &Pairs) -> Result<Key, String> {
    let mut key = Vec::new();
    for old in columns {
        let Some(new) = pairs.successor(&old.name).and_then(|name| after.column(name)) else {
            return Err(format!("the change drops its column {}", old.name));
        };
        if pairs.converted(&new.name) {
            return Err(format!("the change computes its column {} anew", old.name));
        }
        if !keeps_order(old, new) {
            return Err(format!("{} of type {} does not sort as {} does", old.name, new.ty, old.ty));
        }
        if old.collation != new.collation {
            return Err(format!("the change sorts its column {} otherwise", old.name));
        }
        if !new.not_null || !new.not_null_valid {
            return Err(format!("its column {} can be NULL after the change", old.name));
        }
        if old.generated != new.generated || (!new.stored() && old.default != new.default) {
            return Err(format!("the change computes its column {} otherwise", old.name));
        }
        key.push(KeyColumn {
            name: new.name.clone(),
            ty: old.ty.clone(),
            new_ty: new.ty.clone(),
            collation: old.collation.clone(),
            generated: !new.stored(),
        });
    }
    let names: Vec<&str> = key.iter().map(|k| k.name.as_str()).collect();
    let same = |index: &&Index| {
        let theirs: Vec<&str> = index.keys.iter().filter_map(|k| k.column.as_deref()).collect();
        theirs.len() == index.keys.len()
            && theirs.len() == names.len()
            && names.iter().all(|n| theirs.contains(n))
            && usable(index, after).is_ok()
    };
    let mut backing: Vec<&Index> = after.indexes.iter().filter(|i| i.unique).filter(same).collect();
    backing.sort_by_key(|i| {
        let theirs: Vec<&str> = i.keys.iter().filter_map(|k| k.column.as_deref()).collect();
        (theirs != names, mixed(i), !i.primary, i.name.clone())
    });
    match backing.first() {
        Some(index) => Ok(Key { columns: key, index: index.name.clone() }),
        None => Err("no index of the new table tells rows apart by the same columns".into()),
    }
}

/// Values of the new type are equal where those of the old one are, and sorted as they are.
fn keeps_order(old: &Column, new: &Column) -> bool {
    if old.ty == new.ty {
        return true;
    }
    let (Some(from), Some(to)) = (old.base.as_deref(), new.base.as_deref()) else { return false };
    const GROUPS: &[&[&str]] = &[&["int2", "int4", "int8", "numeric"], &["text", "varchar"]];
    let together = GROUPS.iter().any(|g| g.contains(&from) && g.contains(&to));
    (from == to || together) && loses(old, new).is_none()
}
