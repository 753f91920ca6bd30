//! Statements that read and write rows, and the upkeep of tables.

use cofferdam_core::Action;

use super::super::lex::Token;
use super::Read;
use super::cursor::Cursor;

/// INSERT and REPLACE, behind that word.
pub(super) fn insert(cursor: &mut Cursor<'_>, replace: bool) -> Read<Action> {
    cursor.eat_all(&["low_priority", "delayed", "high_priority", "ignore", "into"]);
    let table = cursor.name()?;
    cursor.skip_all();
    Ok(if replace { Action::Replace { table } } else { Action::Insert { table } })
}

/// UPDATE, behind that word. Of several tables the names of the columns decide which is written.
pub(super) fn update(cursor: &mut Cursor<'_>) -> Read<Action> {
    cursor.eat_all(&["low_priority", "ignore"]);
    let several = || Action::Other { kind: "UPDATE OF SEVERAL TABLES".to_owned() };
    if cursor.sees(&["("]) {
        cursor.skip_all();
        return Ok(several());
    }
    let table = cursor.name()?;
    partitions(cursor)?;
    if cursor.eat(&["as"])
        || !cursor.sees_one(&["set"]) && cursor.peek().is_some_and(is_name) && !joins(cursor)
    {
        cursor.plain()?;
    }
    if !cursor.eat(&["set"]) {
        let known = cursor.says(&["set"]);
        cursor.skip_all();
        return if known { Ok(several()) } else { Err("SET was expected".to_owned()) };
    }
    let filtered = cursor.says(&["where", "limit"]);
    cursor.skip_all();
    Ok(Action::Update { table, filtered })
}

/// DELETE, behind that word.
pub(super) fn delete(cursor: &mut Cursor<'_>) -> Read<Action> {
    cursor.eat_all(&["low_priority", "quick", "ignore"]);
    let several = Ok(Action::Other { kind: "DELETE FROM SEVERAL TABLES".to_owned() });
    if cursor.eat(&["history"]) {
        cursor.skip_all();
        return Ok(Action::Other { kind: "DELETE HISTORY".to_owned() });
    }
    if !cursor.eat(&["from"]) {
        cursor.skip_all();
        return several;
    }
    let table = cursor.name()?;
    partitions(cursor)?;
    // `DELETE FROM a, b USING ...` and `DELETE FROM t.* USING ...`
    if cursor.sees(&[","]) || cursor.sees(&["using"]) || cursor.sees(&["."]) {
        cursor.skip_all();
        return several;
    }
    let filtered = cursor.says(&["where", "limit"]);
    cursor.skip_all();
    Ok(Action::Delete { table, filtered })
}

fn is_name(token: &super::cursor::Tok<'_>) -> bool {
    matches!(token.kind, Token::Word | Token::QuotedName)
}

fn joins(cursor: &Cursor<'_>) -> bool {
    cursor.sees_one(&[
        "join",
        "inner",
        "left",
        "right",
        "cross",
        "natural",
        "straight_join",
        "use",
        "force",
        "ignore",
    ])
}

fn partitions(cursor: &mut Cursor<'_>) -> Read<()> {
    if cursor.eat(&["partition"]) {
        cursor.parentheses()?;
    }
    Ok(())
}

/// LOAD DATA and LOAD XML, behind LOAD.
pub(super) fn load(cursor: &mut Cursor<'_>) -> Read<Action> {
    if !cursor.eat_one(&["data", "xml"]) {
        cursor.skip_all();
        return Ok(Action::Other { kind: "LOAD INDEX".to_owned() });
    }
    cursor.eat_all(&["low_priority", "concurrent"]);
    let local = cursor.eat(&["local"]);
    let Some(into) = cursor.find(&["into"]) else { return Err("INTO TABLE was expected".to_owned()) };
    cursor.back_to(into);
    cursor.expect(&["into", "table"])?;
    let table = cursor.name()?;
    cursor.skip_all();
    Ok(Action::LoadData { table, local })
}

/// A query. INTO a file writes that.
pub(super) fn query(cursor: &mut Cursor<'_>) -> Action {
    let writes = cursor.find(&["into"]).is_some_and(|into| {
        let mark = cursor.mark();
        cursor.back_to(into);
        let file = cursor.sees(&["into", "outfile"]) || cursor.sees(&["into", "dumpfile"]);
        cursor.back_to(mark);
        file
    });
    cursor.skip_all();
    if writes { Action::CopyTo { program: false } } else { Action::Select }
}

/// WITH, from that word on: what its main statement does.
pub(super) fn with(cursor: &mut Cursor<'_>) -> Read<Action> {
    let main = cursor.find(&["select", "update", "delete", "insert", "replace", "values", "table"]);
    let Some(main) = main else {
        cursor.skip_all();
        return Ok(Action::Select);
    };
    cursor.back_to(main);
    if cursor.eat(&["update"]) {
        update(cursor)
    } else if cursor.eat(&["delete"]) {
        delete(cursor)
    } else if cursor.sees_one(&["insert", "replace"]) {
        let replace = cursor.eat(&["replace"]) || !cursor.eat(&["insert"]);
        insert(cursor, replace)
    } else {
        Ok(query(cursor))
    }
}

/// The tables of OPTIMIZE, behind TABLE.
pub(super) fn optimize(cursor: &mut Cursor<'_>) -> Read<Action> {
    let tables = cursor.names()?;
    super::table::wait(cursor);
    Ok(Action::Optimize { tables })
}

/// GRANT, behind that word.
pub(super) fn grant(cursor: &mut Cursor<'_>) -> Action {
    let on_all = cursor.find(&["on"]).is_some_and(|on| {
        cursor.back_to(on);
        cursor.sees(&["on", "*", ".", "*"])
    });
    let to_public = cursor.find(&["to"]).is_some_and(|to| {
        cursor.back_to(to);
        cursor.sees(&["to", "public"])
    });
    cursor.skip_all();
    Action::Grant { on_all, to_public }
}
