//! Indexes and constraints, as `CREATE TABLE`, `ALTER TABLE` and `CREATE INDEX` declare them.

use cofferdam_core::change::{Constraint, ConstraintKind, CreateIndex};
use cofferdam_core::{Action, Name};

use super::super::lex::Token;
use super::Read;
use super::cursor::Cursor;

/// What is declared between the columns of a table.
pub(super) enum Declared {
    Index(CreateIndex),
    Constraint(Constraint),
}

/// An index or constraint of a table, or `None` where none begins here.
pub(super) fn declared(cursor: &mut Cursor<'_>, table: &Name) -> Read<Option<Declared>> {
    let from = cursor.mark();
    let mut symbol = None;
    if cursor.eat(&["constraint"]) {
        if !cursor.sees_one(&["primary", "unique", "foreign", "check"]) {
            cursor.if_not_exists();
            symbol = Some(cursor.plain()?);
        }
        if !cursor.sees_one(&["primary", "unique", "foreign", "check"]) {
            return Err(cursor.unexpected("a constraint was expected"));
        }
    }
    let body = cursor.mark();
    if cursor.eat(&["check"]) {
        let expression = cursor.parentheses()?.to_owned();
        let not_enforced = cursor.eat(&["not", "enforced"]);
        let _ = not_enforced || cursor.eat(&["enforced"]);
        let kind = ConstraintKind::Check { expression };
        return Ok(Some(Declared::Constraint(constraint(cursor, body, symbol, kind, not_enforced))));
    }
    if cursor.eat(&["primary", "key"]) {
        cursor.if_not_exists();
        let method = using(cursor)?;
        if method.is_none() && !cursor.sees(&["("]) {
            // A name is taken and ignored.
            cursor.plain()?;
            using(cursor)?;
        }
        let columns = parts(cursor)?.into_iter().map(Option::unwrap_or_default).collect();
        index_options(cursor)?;
        let kind = ConstraintKind::PrimaryKey { columns, using_index: None };
        return Ok(Some(Declared::Constraint(constraint(cursor, body, symbol, kind, false))));
    }
    if cursor.eat(&["foreign", "key"]) {
        cursor.if_not_exists();
        let name = if cursor.sees(&["("]) { None } else { Some(cursor.plain()?) };
        let columns = columns(cursor)?;
        cursor.expect(&["references"])?;
        let (parent, parent_columns) = references(cursor)?;
        let kind = ConstraintKind::ForeignKey { columns, parent, parent_columns };
        return Ok(Some(Declared::Constraint(constraint(cursor, body, symbol.or(name), kind, false))));
    }
    let (unique, kind) = if cursor.eat(&["unique"]) {
        (true, "btree")
    } else if cursor.eat(&["fulltext"]) {
        (false, "fulltext")
    } else if cursor.eat(&["spatial"]) {
        (false, "spatial")
    } else if cursor.sees(&["vector", "index"])
        || cursor.sees(&["vector", "key"])
        || cursor.sees(&["vector", "("])
    {
        cursor.next();
        (false, "vector")
    } else if cursor.sees_one(&["index", "key"]) {
        (false, "btree")
    } else {
        cursor.back_to(from);
        return Ok(None);
    };
    cursor.eat_one(&["index", "key"]);
    let if_not_exists = cursor.if_not_exists();
    let name = match using(cursor)? {
        Some(_) => None,
        None if cursor.sees(&["("]) => None,
        None => Some(cursor.plain()?),
    };
    let index = rest(cursor, body, table.clone(), name.or(symbol), unique, kind, if_not_exists)?;
    Ok(Some(Declared::Index(index)))
}

fn constraint(
    cursor: &Cursor<'_>,
    body: usize,
    name: Option<String>,
    kind: ConstraintKind,
    not_enforced: bool,
) -> Constraint {
    Constraint { name, kind, not_valid: false, not_enforced, definition: cursor.text_from(body).to_owned() }
}

/// The parts and options of an index, whose name was read.
fn rest(
    cursor: &mut Cursor<'_>,
    body: usize,
    table: Name,
    name: Option<String>,
    unique: bool,
    kind: &str,
    if_not_exists: bool,
) -> Read<CreateIndex> {
    let before = using(cursor)?;
    let columns = parts(cursor)?;
    let behind = index_options(cursor)?;
    let method = before.or(behind).filter(|_| kind == "btree").unwrap_or_else(|| kind.to_owned());
    Ok(CreateIndex {
        name,
        table,
        unique,
        concurrently: false,
        if_not_exists,
        only: false,
        method,
        columns,
        partial: false,
        on: cursor.text_from(body).to_owned(),
    })
}

/// `CREATE [UNIQUE | FULLTEXT | SPATIAL | VECTOR] INDEX name ON table (parts)`, its words up to INDEX not yet read.
pub(super) fn create(cursor: &mut Cursor<'_>) -> Read<Action> {
    let unique = cursor.eat(&["unique"]);
    let kind =
        ["fulltext", "spatial", "vector"].into_iter().find(|kind| cursor.eat(&[kind])).unwrap_or("btree");
    cursor.expect(&["index"])?;
    let if_not_exists = cursor.if_not_exists();
    let name = cursor.plain()?;
    let named = using(cursor)?;
    let on = cursor.mark();
    cursor.expect(&["on"])?;
    let table = cursor.name()?;
    let mut index = rest(cursor, on, table, Some(name), unique, kind, if_not_exists)?;
    if let Some(method) = named.filter(|_| kind == "btree") {
        index.method = method;
    }
    index_algorithm(cursor)?;
    Ok(Action::CreateIndex(index))
}

/// The `WAIT n` of MariaDB, and `ALGORITHM = x` and `LOCK = x`, in any order.
pub(super) fn index_algorithm(cursor: &mut Cursor<'_>) -> Read<()> {
    loop {
        if cursor.eat_one(&["algorithm", "lock"]) {
            cursor.eat_equals();
            cursor.word()?;
        } else if cursor.eat(&["wait"]) {
            cursor.next();
        } else if !cursor.eat(&["nowait"]) {
            return Ok(());
        }
    }
}

fn using(cursor: &mut Cursor<'_>) -> Read<Option<String>> {
    if cursor.eat(&["using"]) || cursor.sees(&["type"]) && cursor.eat(&["type"]) {
        return cursor.word().map(Some);
    }
    Ok(None)
}

/// Options behind the parts of an index. Returns the method, where one is named.
fn index_options(cursor: &mut Cursor<'_>) -> Read<Option<String>> {
    let mut method = None;
    loop {
        if let Some(named) = using(cursor)? {
            method = Some(named);
        } else if cursor.eat_one(&[
            "key_block_size",
            "comment",
            "engine_attribute",
            "secondary_engine_attribute",
            "clustering",
            "distance",
            "m",
        ]) {
            cursor.eat_equals();
            cursor.next();
        } else if cursor.eat(&["with", "parser"]) {
            cursor.plain()?;
        } else if !(cursor.eat_one(&["visible", "invisible", "ignored"]) || cursor.eat(&["not", "ignored"])) {
            return Ok(method);
        }
    }
}

/// The parts of a key: the column's name, or `None` for an expression or the beginning of a column.
fn parts(cursor: &mut Cursor<'_>) -> Read<Vec<Option<String>>> {
    cursor.expect(&["("])?;
    let mut all = Vec::new();
    loop {
        if cursor.sees(&["("]) {
            cursor.parentheses()?;
            all.push(None);
        } else {
            let name = cursor.plain()?;
            let begun = cursor.sees(&["("]);
            if begun {
                cursor.parentheses()?;
            }
            all.push(Some(name).filter(|_| !begun));
        }
        cursor.eat_one(&["asc", "desc"]);
        // MariaDB: a period of which no two may overlap.
        cursor.eat(&["without", "overlaps"]);
        if !cursor.eat(&[","]) {
            break;
        }
    }
    cursor.expect(&[")"])?;
    Ok(all)
}

/// Names in parentheses.
fn columns(cursor: &mut Cursor<'_>) -> Read<Vec<String>> {
    cursor.expect(&["("])?;
    let all = cursor.plains()?;
    cursor.expect(&[")"])?;
    Ok(all)
}

/// What follows REFERENCES: the table, its columns, and what happens to those who refer.
pub(super) fn references(cursor: &mut Cursor<'_>) -> Read<(Name, Vec<String>)> {
    let table = cursor.name()?;
    let named =
        if cursor.peek().is_some_and(|t| t.kind == Token::Open) { columns(cursor)? } else { Vec::new() };
    loop {
        if cursor.eat(&["match"]) {
            cursor.word()?;
        } else if cursor.sees(&["on", "delete"]) || cursor.sees(&["on", "update"]) {
            let mark = cursor.mark();
            cursor.eat(&["on"]);
            cursor.next();
            let known = cursor.eat_one(&["restrict", "cascade"])
                || cursor.eat(&["set", "null"])
                || cursor.eat(&["set", "default"])
                || cursor.eat(&["no", "action"]);
            if !known {
                // `ON UPDATE` of the column, not of the key.
                cursor.back_to(mark);
                return Ok((table, named));
            }
        } else {
            return Ok((table, named));
        }
    }
}
