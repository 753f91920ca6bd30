//! Everything that is made and dropped and is neither a table nor an index.

use cofferdam_core::{Action, Name};

use super::super::Flavour;
use super::cursor::Cursor;
use super::{Read, alter_table, index, table};

/// `CREATE`, behind that word.
pub(super) fn create(cursor: &mut Cursor<'_>) -> Read<Action> {
    let or_replace = cursor.eat(&["or", "replace"]);
    if cursor.eat(&["temporary"]) {
        return table::create(cursor, true);
    }
    if cursor.sees(&["table"]) {
        if or_replace {
            // MariaDB drops the table first. A reader of the result would take it for a new one.
            cursor.skip_all();
            return Err(
                "CREATE OR REPLACE TABLE drops what is there: write DROP TABLE and CREATE TABLE".to_owned()
            );
        }
        return table::create(cursor, false);
    }
    cursor.eat_all(&["online", "offline"]);
    if cursor.sees_one(&["unique", "fulltext", "spatial", "vector", "index"])
        && !cursor.sees(&["spatial", "reference"])
    {
        return index::create(cursor);
    }
    view_options(cursor)?;
    cursor.eat(&["aggregate"]);
    if cursor.eat(&["view"]) {
        let if_not_exists = cursor.if_not_exists();
        let name = cursor.name()?;
        cursor.skip_all();
        return Ok(Action::CreateView { name, or_replace, materialized: false, if_not_exists });
    }
    if cursor.sees_one(&["procedure", "function"]) {
        let procedure = cursor.eat(&["procedure"]) || !cursor.eat(&["function"]);
        return routine(cursor, or_replace, procedure);
    }
    if cursor.eat(&["trigger"]) {
        cursor.if_not_exists();
        let name = cursor.name()?.name;
        cursor.eat_one(&["before", "after"]);
        // MariaDB 12 takes several events.
        cursor.eat_all(&["insert", "update", "delete", "or"]);
        cursor.expect(&["on"])?;
        let table = cursor.name()?;
        cursor.skip_all();
        return Ok(Action::CreateTrigger { name, table, or_replace });
    }
    if cursor.eat(&["event"]) {
        return named(cursor, "EVENT", or_replace);
    }
    if cursor.eat_one(&["database", "schema"]) {
        let if_not_exists = cursor.if_not_exists();
        let name = cursor.plain()?;
        cursor.skip_all();
        return Ok(if or_replace {
            Action::Unparsed { why: "CREATE OR REPLACE DATABASE drops what is there".to_owned() }
        } else {
            Action::CreateSchema { name, if_not_exists }
        });
    }
    if cursor.eat(&["sequence"]) {
        let if_not_exists = cursor.if_not_exists();
        let name = cursor.name()?;
        cursor.skip_all();
        return Ok(Action::CreateSequence { name, if_not_exists });
    }
    others(cursor, "CREATE")
}

/// What may stand between CREATE and the object's kind.
fn view_options(cursor: &mut Cursor<'_>) -> Read<()> {
    loop {
        if cursor.eat(&["algorithm"]) {
            cursor.eat_equals();
            cursor.word()?;
        } else if cursor.eat(&["definer"]) {
            cursor.eat_equals();
            // 'user'@'host', CURRENT_USER, or MariaDB's CURRENT_ROLE.
            cursor.next();
            if cursor.sees(&["("]) {
                cursor.parentheses()?;
            }
            if cursor.peek().is_some_and(|t| t.text.starts_with('@')) {
                cursor.next();
                // `user@host` without quotes: the host may have more parts.
                while cursor.eat(&["."]) || cursor.eat(&["-"]) {
                    cursor.next();
                }
            }
        } else if cursor.eat(&["sql", "security"]) {
            cursor.word()?;
        } else {
            return Ok(());
        }
    }
}

fn routine(cursor: &mut Cursor<'_>, or_replace: bool, procedure: bool) -> Read<Action> {
    cursor.if_not_exists();
    let name = cursor.name()?;
    if cursor.sees(&["("]) {
        cursor.parentheses()?;
    }
    // A loadable function of a library has a name and nothing else.
    cursor.skip_all();
    Ok(Action::CreateRoutine { signature: name.to_string(), name, or_replace, procedure })
}

fn named(cursor: &mut Cursor<'_>, kind: &str, or_replace: bool) -> Read<Action> {
    let if_not_exists = cursor.if_not_exists();
    let name = cursor.name()?;
    cursor.skip_all();
    Ok(Action::CreateObject { kind: kind.to_owned(), name, or_replace, if_not_exists })
}

/// `DROP`, behind that word.
pub(super) fn drop(cursor: &mut Cursor<'_>) -> Read<Action> {
    let temporary = cursor.eat(&["temporary"]);
    if cursor.sees_one(&["table", "tables"]) {
        return table::drop(cursor, temporary);
    }
    cursor.eat_all(&["online", "offline"]);
    if cursor.sees(&["index"]) {
        return alter_table::drop_index(cursor);
    }
    if cursor.eat(&["view"]) {
        let if_exists = cursor.if_exists();
        let names = cursor.names()?;
        cursor.eat_one(&["restrict", "cascade"]);
        return Ok(Action::DropView { names, materialized: false, if_exists, cascade: false });
    }
    if cursor.sees_one(&["procedure", "function"]) {
        let procedure = cursor.eat(&["procedure"]) || !cursor.eat(&["function"]);
        let if_exists = cursor.if_exists();
        return Ok(Action::DropRoutine { names: vec![cursor.name()?.to_string()], procedure, if_exists });
    }
    for (word, kind) in [("trigger", "TRIGGER"), ("event", "EVENT")] {
        if cursor.eat(&[word]) {
            let if_exists = cursor.if_exists();
            return Ok(Action::DropObject { kind: kind.to_owned(), names: vec![cursor.name()?], if_exists });
        }
    }
    if cursor.eat_one(&["database", "schema"]) {
        let if_exists = cursor.if_exists();
        // All that is in it goes with it; there is no other form.
        return Ok(Action::DropSchema { names: vec![cursor.plain()?], if_exists, cascade: true });
    }
    if cursor.eat(&["sequence"]) {
        let if_exists = cursor.if_exists();
        return Ok(Action::DropSequence { names: cursor.names()?, if_exists, cascade: false });
    }
    if cursor.sees(&["prepare"]) {
        cursor.skip_all();
        return Ok(Action::Other { kind: "DROP PREPARE".to_owned() });
    }
    others(cursor, "DROP")
}

/// `ALTER` of anything but a table, behind that word.
pub(super) fn alter(cursor: &mut Cursor<'_>) -> Read<Action> {
    view_options(cursor)?;
    let known = ["database", "schema", "event", "function", "procedure", "sequence", "instance"];
    if cursor.eat(&["view"]) {
        // The view's name and query are those of CREATE OR REPLACE VIEW.
        let name: Name = cursor.name()?;
        cursor.skip_all();
        return Ok(Action::CreateView { name, or_replace: true, materialized: false, if_not_exists: false });
    }
    if let Some(kind) = known.into_iter().find(|kind| cursor.sees(&[kind])) {
        cursor.skip_all();
        return Ok(Action::Other { kind: format!("ALTER {}", kind.to_uppercase()) });
    }
    others(cursor, "ALTER")
}

/// Accounts, servers and storage: nothing that a rule or strategy asks for.
fn others(cursor: &mut Cursor<'_>, verb: &str) -> Read<Action> {
    let mut known = vec!["user", "role", "server", "tablespace", "undo", "logfile", "resource", "spatial"];
    if cursor.flavour == Flavour::MariaDb {
        known.push("package");
    }
    match known.into_iter().find(|kind| cursor.sees(&[kind])) {
        Some(kind) => {
            cursor.skip_all();
            Ok(Action::Other { kind: format!("{verb} {}", kind.to_uppercase()) })
        }
        None => Err(cursor.unexpected(&format!("what {verb} is about is not known"))),
    }
}
