//! The fake's statements.
//!
//! | statement | what it does |
//! |---|---|
//! | `create table T [C[:TYPE] ...]`, `drop table T` | columns are texts without a type |
//! | `add column T.C[:TYPE]`, `drop column T.C` | |
//! | `set not null T.C`, `drop not null T.C` | |
//! | `add constraint T.K`, `validate constraint T.K`, `drop constraint T.K` | added without validation |
//! | `create index T.I`, `create unique index T.I`, `drop index T.I` | unique: fails where `double T` was done |
//! | `insert T N`, `double T`, `single T` | N new rows; the last row twice; each row once |
//! | `copy T` | a row for each line that comes with it |
//! | `set KEY VALUE` | of the session, until `reset()` |
//! | `fail WORDS` | fails, and says WORDS |
//! | `nothing WORDS` | succeeds |
//! | `forget lock` | the session loses its run lock and does not know it |
//! | `commit` | within a batch: commits what was done so far |
//!
//! Queries: `select T` (a row's first column is its number, the others are NULL), `count T`, `tables`,
//! `show KEY`, `values V ...` (`null` is NULL).

use std::collections::BTreeMap;

use crate::Rows;

/// What the tables hold, by their names.
pub(super) type Content = BTreeMap<String, Table>;

/// The settings of a session.
pub(super) type Settings = BTreeMap<String, String>;

/// One table.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    pub(super) columns: Vec<Column>,
    /// Each with whether it was validated.
    pub(super) constraints: BTreeMap<String, bool>,
    pub(super) indexes: BTreeMap<String, Index>,
    /// Their numbers.
    pub(super) rows: Vec<u64>,
}

/// One column.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) ty: String,
    pub(super) not_null: bool,
}

/// One index.
#[derive(Debug, Clone, Copy)]
pub(super) struct Index {
    pub(super) unique: bool,
    pub(super) valid: bool,
}

/// Does a statement. The error is the server's own words.
pub(super) fn perform(
    content: &mut Content,
    settings: &mut Settings,
    statement: &str,
    copy_rows: Option<&str>,
) -> Result<(), String> {
    let words: Vec<&str> = statement.split_whitespace().collect();
    match words.as_slice() {
        ["create", "table", name, columns @ ..] => {
            if content.contains_key(*name) {
                return Err(format!("table {name} is there already"));
            }
            let columns = columns.iter().map(|c| column(c)).collect();
            content.insert((*name).to_owned(), Table { columns, ..Table::default() });
        }
        ["drop", "table", name] => {
            content.remove(*name).ok_or_else(|| absent("table", name))?;
        }
        ["add", "column", path] => {
            let (table, new) = inside(content, path)?;
            let new = column(new);
            if table.columns.iter().any(|c| c.name == new.name) {
                return Err(format!("column {path} is there already"));
            }
            table.columns.push(new);
        }
        ["drop", "column", path] => {
            let (table, name) = inside(content, path)?;
            let before = table.columns.len();
            table.columns.retain(|c| c.name != name);
            if table.columns.len() == before {
                return Err(absent("column", path));
            }
        }
        [how @ ("set" | "drop"), "not", "null", path] => {
            let (table, name) = inside(content, path)?;
            let found = table.columns.iter_mut().find(|c| c.name == name);
            found.ok_or_else(|| absent("column", path))?.not_null = *how == "set";
        }
        [how @ ("add" | "validate" | "drop"), "constraint", path] => {
            let (table, name) = inside(content, path)?;
            match (*how, table.constraints.contains_key(name)) {
                ("add", true) => return Err(format!("constraint {path} is there already")),
                ("validate" | "drop", false) => return Err(absent("constraint", path)),
                ("drop", _) => drop(table.constraints.remove(name)),
                (how, _) => drop(table.constraints.insert(name.to_owned(), how == "validate")),
            }
        }
        ["create", "index", path] => create_index(content, path, false)?,
        ["create", "unique", "index", path] => create_index(content, path, true)?,
        ["drop", "index", path] => {
            let (table, name) = inside(content, path)?;
            table.indexes.remove(name).ok_or_else(|| absent("index", path))?;
        }
        ["insert", name, count] => {
            let count: u64 = count.parse().map_err(|_| format!("{count} is not a number of rows"))?;
            insert(content, name, count)?;
        }
        ["copy", name] => {
            let lines = copy_rows.map_or(0, |rows| rows.lines().count());
            insert(content, name, u64::try_from(lines).unwrap_or(u64::MAX))?;
        }
        ["double", name] => {
            let table = content.get_mut(*name).ok_or_else(|| absent("table", name))?;
            let last = *table.rows.last().ok_or_else(|| format!("table {name} is empty"))?;
            table.rows.push(last);
        }
        ["single", name] => {
            let table = content.get_mut(*name).ok_or_else(|| absent("table", name))?;
            table.rows.dedup();
        }
        ["set", key, value] => drop(settings.insert((*key).to_owned(), (*value).to_owned())),
        ["fail", words @ ..] => return Err(words.join(" ")),
        // The last two are the session's: see `commit.rs` and `session.rs`.
        ["nothing", ..] | ["forget", "lock"] | ["commit"] => {}
        _ => return Err(format!("syntax error in {statement:?}")),
    }
    Ok(())
}

/// Answers a query; it can write nothing.
pub(super) fn query(content: &Content, settings: &Settings, query: &str) -> Result<Rows, String> {
    let words: Vec<&str> = query.split_whitespace().collect();
    let one = |column: &str, cells: Vec<Option<String>>| Rows {
        columns: vec![column.to_owned()],
        rows: cells.into_iter().map(|cell| vec![cell]).collect(),
    };
    Ok(match words.as_slice() {
        ["select", name] => {
            let table = content.get(*name).ok_or_else(|| absent("table", name))?;
            let columns: Vec<String> = table.columns.iter().map(|c| c.name.clone()).collect();
            let row = |number: &u64| {
                (0..columns.len()).map(|at| (at == 0).then(|| number.to_string())).collect::<Vec<_>>()
            };
            Rows { rows: table.rows.iter().map(row).collect(), columns }
        }
        ["count", name] => {
            let table = content.get(*name).ok_or_else(|| absent("table", name))?;
            one("count", vec![Some(table.rows.len().to_string())])
        }
        ["tables"] => one("table", content.keys().cloned().map(Some).collect()),
        ["show", key] => one(key, vec![settings.get(*key).cloned()]),
        ["values", values @ ..] => {
            one("value", values.iter().map(|v| (*v != "null").then(|| (*v).to_owned())).collect())
        }
        _ => return Err(format!("{query:?} is not a query")),
    })
}

/// The table that a statement is about, if it is about one.
pub(super) fn table_of(statement: &str) -> Option<&str> {
    let words: Vec<&str> = statement.split_whitespace().collect();
    match words.as_slice() {
        ["nothing" | "fail" | "set", key, ..] if *key != "not" => None,
        ["insert" | "copy" | "double" | "single", name, ..] | [_, "table", name, ..] => Some(name),
        [_, .., path] => path.rsplit_once('.').map(|(table, _)| table),
        _ => None,
    }
}

/// What a statement leaves that ended half-way outside of a transaction: of an index its catalog entry, of
/// anything else nothing.
pub(super) fn leave_halfway(content: &mut Content, statement: &str) {
    if let Some((path, unique)) = index_of(statement)
        && let Ok((table, name)) = inside(content, path)
    {
        table.indexes.entry(name.to_owned()).or_insert(Index { unique, valid: false });
    }
}

/// Makes way for an index that is to be built: an invalid one of its name goes.
pub(super) fn remove_invalid(content: &mut Content, statement: &str) {
    if let Some((path, _)) = index_of(statement)
        && let Ok((table, name)) = inside(content, path)
        && table.indexes.get(name).is_some_and(|i| !i.valid)
    {
        table.indexes.remove(name);
    }
}

fn index_of(statement: &str) -> Option<(&str, bool)> {
    match statement.split_whitespace().collect::<Vec<_>>().as_slice() {
        ["create", "index", path] => Some((path, false)),
        ["create", "unique", "index", path] => Some((path, true)),
        _ => None,
    }
}

fn create_index(content: &mut Content, path: &str, unique: bool) -> Result<(), String> {
    let (table, name) = inside(content, path)?;
    if table.indexes.contains_key(name) {
        return Err(format!("index {path} is there already"));
    }
    if unique && table.rows.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(format!("index {path} cannot be unique: a row is there twice"));
    }
    table.indexes.insert(name.to_owned(), Index { unique, valid: true });
    Ok(())
}

fn insert(content: &mut Content, name: &str, count: u64) -> Result<(), String> {
    let table = content.get_mut(name).ok_or_else(|| absent("table", name))?;
    let last = table.rows.last().copied().unwrap_or(0);
    table.rows.extend((1..=count).map(|n| last + n));
    Ok(())
}

fn column(text: &str) -> Column {
    let (name, ty) = text.split_once(':').unwrap_or((text, "text"));
    Column { name: name.to_owned(), ty: ty.to_owned(), not_null: false }
}

/// Splits `T.X`; T may itself have a schema.
fn inside<'c, 'p>(content: &'c mut Content, path: &'p str) -> Result<(&'c mut Table, &'p str), String> {
    let (table, name) = path.rsplit_once('.').ok_or_else(|| format!("{path} names no table"))?;
    Ok((content.get_mut(table).ok_or_else(|| absent("table", table))?, name))
}

fn absent(kind: &str, name: &str) -> String {
    format!("{kind} {name} is not there")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Statements, then what the last of them said: `ok` or the server's words.
    const CASES: &[(&[&str], &str)] = &[
        (&["create table t a b:int"], "ok"),
        (&["create table t", "create table t"], "table t is there already"),
        (&["drop table t"], "table t is not there"),
        (&["create table s.t", "add column s.t.c", "drop column s.t.c"], "ok"),
        (&["create table t c", "add column t.c"], "column t.c is there already"),
        (&["create table t", "drop column t.c"], "column t.c is not there"),
        (&["create table t c", "set not null t.c", "drop not null t.c"], "ok"),
        (&["create table t", "validate constraint t.k"], "constraint t.k is not there"),
        (&["create table t", "add constraint t.k", "validate constraint t.k", "drop constraint t.k"], "ok"),
        (
            &["create table t", "insert t 2", "double t", "create unique index t.i"],
            "index t.i cannot be unique: a row is there twice",
        ),
        (&["create table t", "insert t 2", "double t", "single t", "create unique index t.i"], "ok"),
        (&["create table t", "create index t.i", "drop index t.i", "create index t.i"], "ok"),
        (&["fail no luck"], "no luck"),
        (&["nothing at all", "set a b", "commit", "forget lock"], "ok"),
        (&["select 1"], "syntax error in \"select 1\""),
    ];

    #[test]
    fn statements_do_what_the_table_says() {
        for (statements, expected) in CASES {
            let (mut content, mut settings) = (Content::new(), Settings::new());
            let mut said = String::new();
            for (at, statement) in statements.iter().enumerate() {
                said = match perform(&mut content, &mut settings, statement, None) {
                    Ok(()) => "ok".into(),
                    Err(words) => words,
                };
                assert!(said == "ok" || at + 1 == statements.len(), "{statement}: {said}");
            }
            assert_eq!(said, *expected, "{statements:?}");
        }
    }

    #[test]
    fn the_table_of_a_statement_is_found() {
        for (statement, table) in [
            ("create table t a", Some("t")),
            ("add column s.t.c", Some("s.t")),
            ("set not null t.c", Some("t")),
            ("create unique index t.i", Some("t")),
            ("insert t 3", Some("t")),
            ("set a.b c", None),
            ("fail a.b", None),
            ("commit", None),
        ] {
            assert_eq!(table_of(statement), table, "{statement}");
        }
    }
}
