//! Many writes to a history table: what they make of its rows, and which of them one statement can do.

use std::collections::BTreeSet;

use crate::history::{Cells, HistoryCodec, Write};

/// What a row is found by, a cell for each column of the key.
type Key = Vec<Option<String>>;

/// Does a write to rows in memory as the server does it to the table, so that a codec can be asked what comes after it.
/// What the server fills in stays `None`.
pub fn perform(codec: &HistoryCodec, rows: &mut Vec<Cells>, write: &Write) {
    match write {
        Write::Insert(cells) => rows.push(cells.clone()),
        Write::Update { key, set } => {
            let found = rows.iter_mut().filter(|cells| key_of(codec, cells) == *key);
            found.for_each(|cells| assign(codec, cells, set));
        }
        Write::Delete { key } => rows.retain(|cells| key_of(codec, cells) != *key),
    }
}

/// The writes in the same order, in groups of such as one statement can do together: of one form, and none about a row
/// that another one of them is about. A change of the row that the write before it made or changed becomes a part of
/// that one: a mark that moves a thousand times moves once.
pub fn grouped(codec: &HistoryCodec, writes: Vec<Write>) -> Vec<Vec<Write>> {
    let mut groups: Vec<Vec<Write>> = Vec::new();
    let mut about: BTreeSet<Key> = BTreeSet::new();
    for write in writes {
        if let Some(last) = groups.last_mut().and_then(|group| group.last_mut())
            && merged(codec, last, &write)
        {
            continue;
        }
        let key = match &write {
            Write::Insert(_) => None,
            Write::Update { key, .. } | Write::Delete { key } => Some(key.clone()),
        };
        let free = key.as_ref().is_none_or(|key| !about.contains(key));
        match groups.last_mut() {
            Some(group) if free && group.first().is_some_and(|first| alike(codec, first, &write)) => {
                group.push(write);
            }
            _ => {
                about.clear();
                groups.push(vec![write]);
            }
        }
        about.extend(key);
    }
    groups
}

/// Makes one write of two about the same row, where the second changes what the first made or changed.
fn merged(codec: &HistoryCodec, before: &mut Write, write: &Write) -> bool {
    let Write::Update { key, set } = write else { return false };
    match before {
        Write::Insert(cells) if key.iter().all(Option::is_some) && key_of(codec, cells) == *key => {
            assign(codec, cells, set);
            true
        }
        Write::Update { key: found, set: first } if moved(codec, found, first) == *key => {
            for (column, value) in set {
                match first.iter_mut().find(|(name, _)| name == column) {
                    Some((_, old)) => old.clone_from(value),
                    None => first.push((column, value.clone())),
                }
            }
            true
        }
        _ => false,
    }
}

/// One statement can do both: they have the same columns, and no row is found by what the other one sets.
fn alike(codec: &HistoryCodec, one: &Write, other: &Write) -> bool {
    match (one, other) {
        (Write::Insert(_), Write::Insert(_)) | (Write::Delete { .. }, Write::Delete { .. }) => true,
        (Write::Update { set: one, .. }, Write::Update { set: other, .. }) => {
            let names = |set: &[(&'static str, Option<String>)]| -> Vec<&str> {
                set.iter().map(|(name, _)| *name).collect()
            };
            let names_of_one = names(one);
            names_of_one == names(other) && !names_of_one.iter().any(|name| codec.key.contains(name))
        }
        _ => false,
    }
}

/// The key of a row once these columns are set.
fn moved(codec: &HistoryCodec, key: &Key, set: &[(&'static str, Option<String>)]) -> Key {
    let value = |(column, old): (&&'static str, &Option<String>)| {
        let new = set.iter().find(|(name, _)| name == column);
        new.map_or_else(|| old.clone(), |(_, new)| new.clone())
    };
    codec.key.iter().zip(key).map(value).collect()
}

fn key_of(codec: &HistoryCodec, cells: &Cells) -> Key {
    codec.key.iter().map(|column| cells.get(place(codec, column)?)?.clone()).collect()
}

fn assign(codec: &HistoryCodec, cells: &mut Cells, set: &[(&'static str, Option<String>)]) {
    for (column, value) in set {
        if let Some(cell) = place(codec, column).and_then(|at| cells.get_mut(at)) {
            cell.clone_from(value);
        }
    }
}

fn place(codec: &HistoryCodec, name: &str) -> Option<usize> {
    codec.columns.iter().position(|column| column.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{dbmate, golang_migrate, sqlx};

    fn cell(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    fn mark(from: &str, to: &str) -> Write {
        Write::Update { key: vec![cell(from)], set: vec![("version", cell(to)), ("dirty", cell("false"))] }
    }

    fn described(key: &str) -> Write {
        Write::Update { key: vec![cell(key)], set: vec![("description", cell("x"))] }
    }

    fn sizes(groups: &[Vec<Write>]) -> Vec<usize> {
        groups.iter().map(Vec::len).collect()
    }

    #[test]
    fn a_mark_that_moves_often_moves_once() {
        let first = Write::Insert(vec![cell("1"), cell("true")]);
        let codec = &golang_migrate::CODEC;
        let groups = grouped(codec, vec![first.clone(), mark("1", "2"), mark("2", "7")]);
        assert_eq!(groups, [[Write::Insert(vec![cell("7"), cell("false")])]]);
        assert_eq!(grouped(codec, vec![mark("1", "2"), mark("2", "7")]), [[mark("1", "7")]]);
        // Of another row: by what the first sets, the second would find it.
        assert_eq!(sizes(&grouped(codec, vec![mark("1", "2"), mark("3", "4")])), [1, 1]);
        let mut rows = vec![];
        for write in [first, mark("1", "2"), mark("2", "7"), mark("9", "1")] {
            perform(codec, &mut rows, &write);
        }
        assert_eq!(rows, [[cell("7"), cell("false")]]);
    }

    #[test]
    fn what_is_of_one_form_and_about_other_rows_goes_together() {
        let insert = |version: &str| Write::Insert(vec![cell(version)]);
        let delete = |version: &str| Write::Delete { key: vec![cell(version)] };
        let codec = &dbmate::CODEC;
        let writes = vec![insert("1"), insert("2"), delete("1"), delete("3"), delete("1"), insert("1")];
        assert_eq!(sizes(&grouped(codec, writes.clone())), [2, 2, 1, 1]);
        assert_eq!(grouped(codec, writes.clone()).concat(), writes, "in the same order");
        let mut rows = vec![];
        writes.iter().for_each(|write| perform(codec, &mut rows, write));
        assert_eq!(rows, [[cell("2")], [cell("1")]]);
        let other = Write::Update { key: vec![cell("3")], set: vec![("checksum", cell("y"))] };
        let writes = vec![described("1"), described("2"), other, described("1")];
        assert_eq!(sizes(&grouped(&sqlx::CODEC, writes)), [2, 1, 1]);
    }
}
