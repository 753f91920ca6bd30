//! `CREATE TABLE`, and what else is done with whole tables.

use cofferdam_core::Action;
use cofferdam_core::change::{Constraint, ConstraintKind, CreateTable};

use super::cursor::Cursor;
use super::index::{Declared, declared};
use super::{Read, column, options};

/// `CREATE [TEMPORARY] TABLE`, from TABLE on.
pub(super) fn create(cursor: &mut Cursor<'_>, temporary: bool) -> Read<Action> {
    cursor.expect(&["table"])?;
    let if_not_exists = cursor.if_not_exists();
    let name = cursor.name()?;
    let mut table =
        CreateTable { name: Some(name.clone()), if_not_exists, temporary, ..CreateTable::default() };
    if cursor.eat(&["like"]) {
        cursor.name()?;
        table.copies_structure = true;
        return Ok(Action::CreateTable(table));
    }
    if cursor.eat(&["(", "like"]) {
        cursor.name()?;
        cursor.expect(&[")"])?;
        table.copies_structure = true;
        return Ok(Action::CreateTable(table));
    }
    // `CREATE TABLE t (SELECT ...)` has no columns of its own.
    if cursor.sees(&["("]) && !(cursor.sees(&["(", "select"]) || cursor.sees(&["(", "with"])) {
        cursor.eat(&["("]);
        columns(cursor, &mut table)?;
    }
    while options::option(cursor)?.is_some() {
        cursor.eat(&[","]);
    }
    if cursor.sees(&["partition", "by"]) {
        // The query behind the partitions, if there is one, is the end of the statement.
        table.from_query = cursor.says(&["select"]);
        cursor.skip_all();
        return Ok(Action::CreateTable(table));
    }
    cursor.eat_one(&["ignore", "replace"]);
    cursor.eat(&["as"]);
    if cursor.sees_one(&["select", "with", "(", "values", "table"]) {
        table.from_query = true;
        cursor.skip_all();
    }
    Ok(Action::CreateTable(table))
}

fn columns(cursor: &mut Cursor<'_>, table: &mut CreateTable) -> Read<()> {
    let own = table.name.clone().unwrap_or_else(|| cofferdam_core::Name::plain(""));
    loop {
        if cursor.sees(&["period", "for"]) {
            cursor.skip_part()?;
        } else {
            match declared(cursor, &own)? {
                Some(Declared::Constraint(constraint)) => table.constraints.push(constraint),
                // A unique index is what a unique constraint is.
                Some(Declared::Index(index)) if index.unique => {
                    let columns = index.columns.into_iter().map(Option::unwrap_or_default).collect();
                    table.constraints.push(Constraint {
                        name: index.name,
                        kind: ConstraintKind::Unique { columns, using_index: None },
                        not_valid: false,
                        not_enforced: false,
                        definition: index.on,
                    });
                }
                Some(Declared::Index(_)) => {}
                None => {
                    let name = cursor.plain()?;
                    table.columns.push(column::definition(cursor, name)?);
                }
            }
        }
        if !cursor.eat(&[","]) {
            return cursor.expect(&[")"]);
        }
    }
}

/// `DROP [TEMPORARY] TABLE`, from TABLE on.
pub(super) fn drop(cursor: &mut Cursor<'_>, temporary: bool) -> Read<Action> {
    cursor.eat_one(&["table", "tables"]);
    let if_exists = cursor.if_exists();
    let names = cursor.names()?;
    wait(cursor);
    // Both words are taken and mean nothing.
    cursor.eat_one(&["restrict", "cascade"]);
    if temporary {
        // It belongs to the session, and nobody else ever saw it.
        return Ok(Action::Other { kind: "DROP TEMPORARY TABLE".to_owned() });
    }
    Ok(Action::DropTable { names, if_exists, cascade: false })
}

/// `RENAME TABLE`, from TABLE on.
pub(super) fn rename(cursor: &mut Cursor<'_>) -> Read<Action> {
    cursor.eat_one(&["table", "tables"]);
    cursor.if_exists();
    let mut renames = Vec::new();
    loop {
        let from = cursor.name()?;
        wait(cursor);
        cursor.expect(&["to"])?;
        renames.push((from, cursor.name()?));
        if !cursor.eat(&[","]) {
            return Ok(Action::RenameTables { renames });
        }
    }
}

/// `TRUNCATE [TABLE]`, behind that word.
pub(super) fn truncate(cursor: &mut Cursor<'_>) -> Read<Action> {
    cursor.eat(&["table"]);
    let tables = vec![cursor.name()?];
    wait(cursor);
    Ok(Action::Truncate { tables, cascade: false })
}

/// MariaDB's `WAIT n` and `NOWAIT`.
pub(super) fn wait(cursor: &mut Cursor<'_>) {
    if cursor.eat(&["wait"]) {
        cursor.next();
    }
    cursor.eat(&["nowait"]);
}

/// `LOCK TABLES`, from TABLES on.
pub(super) fn lock(cursor: &mut Cursor<'_>) -> Read<Action> {
    cursor.eat_one(&["tables", "table"]);
    let mut tables = Vec::new();
    loop {
        tables.push(cursor.name()?);
        if cursor.eat(&["as"]) || !cursor.sees_one(&["read", "write", "low_priority", "concurrent"]) {
            cursor.plain()?;
        }
        cursor.eat_all(&["low_priority", "concurrent", "read", "write", "local"]);
        if !cursor.eat(&[","]) {
            wait(cursor);
            return Ok(Action::LockTable { tables });
        }
    }
}
