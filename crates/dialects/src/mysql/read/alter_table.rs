//! `ALTER TABLE`, and the statements that the servers carry out as one.

use std::ops::Range;

use cofferdam_core::change::{Column, MySqlClause, PartitionAction};
use cofferdam_core::{Action, Name, TableChange};

use super::cursor::Cursor;
use super::index::{Declared, declared};
use super::{Read, column, index, options, partition};

/// A clause and where it stands.
pub(super) type Part = (TableChange, Range<usize>);

/// `ALTER TABLE`, from ALTER on; `None` for another statement.
pub(super) fn alter(cursor: &mut Cursor<'_>) -> Read<Option<Action>> {
    let Some((table, if_exists)) = head(cursor)? else { return Ok(None) };
    let changes = all(cursor, &table)?.into_iter().map(|(change, _)| change).collect();
    Ok(Some(Action::AlterTable { table, if_exists, changes }))
}

/// `DROP INDEX name ON table`, from INDEX on: the server makes an `ALTER TABLE` of it.
pub(super) fn drop_index(cursor: &mut Cursor<'_>) -> Read<Action> {
    cursor.expect(&["index"])?;
    let if_exists = cursor.if_exists();
    let name = cursor.plain()?;
    cursor.expect(&["on"])?;
    let table = cursor.name()?;
    index::index_algorithm(cursor)?;
    let clause = if name.eq_ignore_ascii_case("primary") {
        MySqlClause::DropPrimaryKey
    } else {
        MySqlClause::DropIndex { name, if_exists }
    };
    Ok(Action::AlterTable { table, if_exists: false, changes: vec![TableChange::MySql(clause)] })
}

/// The clauses of the statement, each with its place; `None` where it is no `ALTER TABLE`.
pub(super) fn parts(cursor: &mut Cursor<'_>) -> Read<Option<Vec<Part>>> {
    match head(cursor)? {
        Some((table, _)) => all(cursor, &table).map(Some),
        None => Ok(None),
    }
}

fn head(cursor: &mut Cursor<'_>) -> Read<Option<(Name, bool)>> {
    let from = cursor.mark();
    if !cursor.eat(&["alter"]) {
        return Ok(None);
    }
    cursor.eat_all(&["online", "offline", "ignore"]);
    if !cursor.eat(&["table"]) {
        cursor.back_to(from);
        return Ok(None);
    }
    let if_exists = cursor.if_exists();
    let table = cursor.name()?;
    if cursor.eat(&["wait"]) {
        cursor.next();
    }
    cursor.eat(&["nowait"]);
    Ok(Some((table, if_exists)))
}

fn all(cursor: &mut Cursor<'_>, table: &Name) -> Read<Vec<Part>> {
    let mut found = Vec::new();
    while !cursor.at_end() {
        let from = cursor.mark();
        let changes = clause(cursor, table)?;
        let mut behind = cursor.at_end() || cursor.sees(&[","]);
        // Options and partitions need no comma before them.
        let option = matches!(changes.as_slice(), [TableChange::MySql(MySqlClause::Option { .. })]);
        behind |= option || cursor.sees(&["partition", "by"]) || cursor.sees(&["remove", "partitioning"]);
        if !behind {
            // Something is left: the whole clause is not understood.
            cursor.skip_clause()?;
            let text = cursor.text_from(from).to_owned();
            found.push((TableChange::Other { text }, cursor.range_from(from)));
        } else {
            found.extend(changes.into_iter().map(|change| (change, cursor.range_from(from))));
        }
        if cursor.eat(&[","]) && cursor.at_end() {
            return Err(cursor.unexpected("a clause was expected"));
        }
    }
    Ok(found)
}

/// One clause; several changes where `ADD COLUMN (a int, b int)` makes them of it.
fn clause(cursor: &mut Cursor<'_>, table: &Name) -> Read<Vec<TableChange>> {
    let from = cursor.mark();
    if let Some(found) = partition::clause(cursor)? {
        return Ok(vec![TableChange::MySql(found)]);
    }
    let found = if cursor.eat(&["add"]) {
        return add(cursor, table);
    } else if cursor.eat(&["drop"]) {
        drop(cursor)?
    } else if cursor.eat(&["alter"]) {
        alter_part(cursor)?
    } else if cursor.eat(&["modify"]) || cursor.eat(&["change"]) {
        cursor.back_to(from);
        redefine(cursor)?
    } else if cursor.eat(&["rename"]) {
        rename(cursor, table)?
    } else {
        other(cursor)?
    };
    match found {
        Some(change) => Ok(vec![change]),
        None => {
            cursor.back_to(from);
            cursor.skip_clause()?;
            Ok(vec![TableChange::Other { text: cursor.text_from(from).to_owned() }])
        }
    }
}

fn mysql(clause: MySqlClause) -> Option<TableChange> {
    Some(TableChange::MySql(clause))
}

fn add(cursor: &mut Cursor<'_>, table: &Name) -> Read<Vec<TableChange>> {
    if cursor.eat(&["system", "versioning"]) {
        return Ok(vec![TableChange::MySql(MySqlClause::SystemVersioning { add: true })]);
    }
    if cursor.sees(&["period", "for"]) {
        cursor.skip_clause()?;
        return Ok(vec![TableChange::Other { text: "ADD PERIOD".to_owned() }]);
    }
    match declared(cursor, table)? {
        Some(Declared::Index(index)) => return Ok(vec![TableChange::MySql(MySqlClause::AddIndex(index))]),
        Some(Declared::Constraint(constraint)) => return Ok(vec![TableChange::AddConstraint(constraint)]),
        None => {}
    }
    cursor.eat(&["column"]);
    let if_not_exists = cursor.if_not_exists();
    if !cursor.eat(&["("]) {
        let column = named_column(cursor)?;
        return Ok(vec![TableChange::AddColumn { column, if_not_exists }]);
    }
    let mut added = Vec::new();
    loop {
        added.push(match declared(cursor, table)? {
            Some(Declared::Index(index)) => TableChange::MySql(MySqlClause::AddIndex(index)),
            Some(Declared::Constraint(constraint)) => TableChange::AddConstraint(constraint),
            None => TableChange::AddColumn { column: named_column(cursor)?, if_not_exists },
        });
        if !cursor.eat(&[","]) {
            cursor.expect(&[")"])?;
            return Ok(added);
        }
    }
}

fn named_column(cursor: &mut Cursor<'_>) -> Read<Column> {
    let name = cursor.plain()?;
    column::definition(cursor, name)
}

fn drop(cursor: &mut Cursor<'_>) -> Read<Option<TableChange>> {
    if cursor.eat(&["primary", "key"]) {
        return Ok(mysql(MySqlClause::DropPrimaryKey));
    }
    if cursor.eat(&["system", "versioning"]) {
        return Ok(mysql(MySqlClause::SystemVersioning { add: false }));
    }
    if cursor.sees(&["period", "for"]) {
        return Ok(None);
    }
    if cursor.eat_one(&["index", "key"]) {
        let if_exists = cursor.if_exists();
        return Ok(mysql(MySqlClause::DropIndex { name: cursor.plain()?, if_exists }));
    }
    if cursor.eat(&["foreign", "key"]) || cursor.eat_one(&["check", "constraint"]) {
        let if_exists = cursor.if_exists();
        return Ok(Some(TableChange::DropConstraint { name: cursor.plain()?, if_exists, cascade: false }));
    }
    cursor.eat(&["column"]);
    let if_exists = cursor.if_exists();
    let name = cursor.plain()?;
    // Both words are taken and mean nothing.
    cursor.eat_one(&["restrict", "cascade"]);
    Ok(Some(TableChange::DropColumn { name, if_exists, cascade: false }))
}

fn alter_part(cursor: &mut Cursor<'_>) -> Read<Option<TableChange>> {
    if cursor.eat_one(&["index", "key"]) {
        cursor.if_exists();
        let name = cursor.plain()?;
        let visible = cursor.eat(&["visible"]) || cursor.eat(&["not", "ignored"]);
        let hidden = !visible && cursor.eat_one(&["invisible", "ignored"]);
        let known = visible || hidden;
        return Ok(known.then_some(TableChange::MySql(MySqlClause::IndexVisibility { name, visible })));
    }
    if cursor.eat_one(&["check", "constraint"]) {
        let name = cursor.plain()?;
        let not = cursor.eat(&["not", "enforced"]);
        let known = not || cursor.eat(&["enforced"]);
        return Ok(
            known.then_some(TableChange::MySql(MySqlClause::EnforceConstraint { name, enforced: !not }))
        );
    }
    cursor.eat(&["column"]);
    cursor.if_exists();
    let column = cursor.plain()?;
    if cursor.eat(&["drop", "default"]) {
        return Ok(Some(TableChange::DropDefault { column }));
    }
    if cursor.eat(&["set", "default"]) {
        let from = cursor.mark();
        cursor.skip_clause()?;
        return Ok(Some(TableChange::SetDefault { column, expression: cursor.text_from(from).to_owned() }));
    }
    let visible = cursor.eat(&["set", "visible"]);
    let known = visible || cursor.eat(&["set", "invisible"]);
    Ok(known.then_some(TableChange::MySql(MySqlClause::ColumnVisibility { column, visible })))
}

/// MODIFY and CHANGE.
fn redefine(cursor: &mut Cursor<'_>) -> Read<Option<TableChange>> {
    let change = cursor.eat(&["change"]) || !cursor.eat(&["modify"]);
    cursor.eat(&["column"]);
    cursor.if_exists();
    let from = cursor.plain()?;
    let column = if change { named_column(cursor)? } else { column::definition(cursor, from.clone())? };
    Ok(mysql(if change {
        MySqlClause::ChangeColumn { from, column }
    } else {
        MySqlClause::ModifyColumn { column }
    }))
}

fn rename(cursor: &mut Cursor<'_>, table: &Name) -> Read<Option<TableChange>> {
    if cursor.eat(&["column"]) {
        cursor.if_exists();
        let from = cursor.plain()?;
        cursor.expect(&["to"])?;
        return Ok(Some(TableChange::RenameColumn { from, to: cursor.plain()? }));
    }
    if cursor.eat_one(&["index", "key"]) {
        cursor.if_exists();
        let from = cursor.plain()?;
        cursor.expect(&["to"])?;
        return Ok(mysql(MySqlClause::RenameIndex { from, to: cursor.plain()? }));
    }
    cursor.eat_one(&["to", "as", "="]);
    let to = cursor.name()?;
    // Into another database it is more than a rename, and seldom enough to be left to a person.
    let stays = to.schema.is_none() || to.schema == table.schema;
    Ok(stays.then_some(TableChange::RenameTo { to: to.name }))
}

fn other(cursor: &mut Cursor<'_>) -> Read<Option<TableChange>> {
    if cursor.eat(&["convert", "to"]) {
        let known =
            cursor.eat(&["character", "set"]) || cursor.eat(&["char", "set"]) || cursor.eat(&["charset"]);
        if !known {
            return Ok(None);
        }
        let charset = column::charset(cursor)?;
        let collate = if cursor.eat(&["collate"]) { Some(column::charset(cursor)?) } else { None };
        return Ok(mysql(MySqlClause::ConvertCharset { charset, collate }));
    }
    if cursor.eat(&["force"]) {
        return Ok(mysql(MySqlClause::Force));
    }
    if cursor.eat(&["order", "by"]) {
        loop {
            cursor.name()?;
            cursor.eat_one(&["asc", "desc"]);
            if !cursor.eat(&[","]) {
                return Ok(mysql(MySqlClause::OrderBy));
            }
        }
    }
    for (word, enable) in [("enable", true), ("disable", false)] {
        if cursor.eat(&[word, "keys"]) {
            return Ok(mysql(MySqlClause::Keys { enable }));
        }
    }
    for (word, import) in [("import", true), ("discard", false)] {
        if cursor.eat(&[word, "tablespace"]) {
            return Ok(mysql(MySqlClause::Tablespace { import }));
        }
    }
    for (word, with) in [("with", true), ("without", false)] {
        if cursor.eat(&[word, "validation"]) {
            return Ok(mysql(MySqlClause::Validation { with }));
        }
    }
    if cursor.eat(&["algorithm"]) {
        cursor.eat_equals();
        return Ok(mysql(MySqlClause::Algorithm { name: cursor.word()? }));
    }
    if cursor.eat(&["lock"]) {
        cursor.eat_equals();
        return Ok(mysql(MySqlClause::Lock { name: cursor.word()? }));
    }
    if cursor.eat(&["upgrade", "partitioning"]) {
        return Ok(mysql(MySqlClause::Partition {
            action: PartitionAction::Rebuild,
            names: Vec::new(),
            table: None,
        }));
    }
    Ok(options::option(cursor)?.map(TableChange::MySql))
}
