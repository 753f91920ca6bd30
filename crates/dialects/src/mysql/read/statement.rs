//! One statement to its [`Action`].

use cofferdam_core::Action;
use cofferdam_core::change::TransactionControl;

use super::cursor::Cursor;
use super::{Read, alter_table, data, object, session, table};

/// What a statement does.
pub(super) fn statement(cursor: &mut Cursor<'_>) -> Read<Action> {
    // MariaDB: settings for one statement.
    while cursor.eat(&["set", "statement"]) {
        let Some(inner) = cursor.find(&["for"]) else { return Err("FOR was expected".to_owned()) };
        cursor.back_to(inner);
        cursor.eat(&["for"]);
    }
    if let Some(action) = alter_table::alter(cursor)? {
        return Ok(action);
    }
    // `(SELECT ...) UNION ...`
    if cursor.sees(&["("]) {
        return Ok(data::query(cursor));
    }
    let from = cursor.mark();
    let verb = cursor.word()?;
    Ok(match verb.as_str() {
        "create" => object::create(cursor)?,
        "alter" => object::alter(cursor)?,
        "drop" => object::drop(cursor)?,
        "rename" if cursor.sees_one(&["table", "tables"]) => table::rename(cursor)?,
        "truncate" => table::truncate(cursor)?,
        "insert" => data::insert(cursor, false)?,
        "replace" => data::insert(cursor, true)?,
        "update" => data::update(cursor)?,
        "delete" => data::delete(cursor)?,
        "load" => data::load(cursor)?,
        "select" | "values" | "table" => {
            cursor.back_to(from);
            data::query(cursor)
        }
        "with" => data::with(cursor)?,
        "set" => session::set(cursor)?,
        "lock" if cursor.sees_one(&["tables", "table"]) => table::lock(cursor)?,
        "analyze" | "optimize" => upkeep(cursor, verb == "optimize")?,
        "grant" => data::grant(cursor),
        "revoke" => whole(cursor, Action::Revoke),
        "call" => whole(cursor, Action::Call),
        // What these do is decided while they run.
        "do" | "execute" => whole(cursor, Action::Do),
        "begin" if cursor.eat(&["not", "atomic"]) => whole(cursor, Action::Do),
        _ => match transaction(cursor, &verb) {
            Some(control) => Action::Transaction(control),
            None => other(cursor, &verb)?,
        },
    })
}

fn whole(cursor: &mut Cursor<'_>, action: Action) -> Action {
    cursor.skip_all();
    action
}

/// ANALYZE and OPTIMIZE. MariaDB's `ANALYZE statement` carries the statement out.
fn upkeep(cursor: &mut Cursor<'_>, optimize: bool) -> Read<Action> {
    cursor.eat_one(&["no_write_to_binlog", "local"]);
    if !cursor.eat_one(&["table", "tables"]) {
        if cursor.eat(&["format"]) {
            cursor.eat_equals();
            cursor.word()?;
        }
        // One level only: the statement cannot be such a one again.
        if optimize || cursor.sees_one(&["analyze", "set", "optimize"]) {
            return Err(cursor.unexpected("TABLE was expected"));
        }
        return statement_behind_analyze(cursor);
    }
    if optimize {
        return data::optimize(cursor);
    }
    Ok(whole(cursor, Action::Analyze))
}

fn statement_behind_analyze(cursor: &mut Cursor<'_>) -> Read<Action> {
    let from = cursor.mark();
    match cursor.word()?.as_str() {
        "insert" => data::insert(cursor, false),
        "replace" => data::insert(cursor, true),
        "update" => data::update(cursor),
        "delete" => data::delete(cursor),
        "with" => data::with(cursor),
        "select" => Ok(data::query(cursor)),
        _ => {
            cursor.back_to(from);
            Err(cursor.unexpected("what ANALYZE is about is not known"))
        }
    }
}

fn transaction(cursor: &mut Cursor<'_>, verb: &str) -> Option<TransactionControl> {
    let control = match verb {
        "begin" => TransactionControl::Begin,
        "start" if cursor.sees(&["transaction"]) => TransactionControl::Begin,
        "commit" => TransactionControl::Commit,
        "rollback" if cursor.says(&["to"]) => TransactionControl::Savepoint,
        "rollback" => TransactionControl::Rollback,
        "savepoint" | "release" => TransactionControl::Savepoint,
        "xa" => TransactionControl::TwoPhase,
        _ => return None,
    };
    cursor.skip_all();
    Some(control)
}

/// Statements of which no more than their words matters, by their first one.
const OTHERS: &[&str] = &[
    "backup",
    "binlog",
    "cache",
    "change",
    "check",
    "checksum",
    "clone",
    "deallocate",
    "desc",
    "describe",
    "explain",
    "flush",
    "get",
    "handler",
    "import",
    "install",
    "kill",
    "lock",
    "prepare",
    "purge",
    "rename",
    "repair",
    "reset",
    "resignal",
    "restart",
    "show",
    "shutdown",
    "signal",
    "start",
    "stop",
    "uninstall",
    "unlock",
    "use",
];

/// Those whose second word says what they do.
const TWO_WORDS: &[&str] =
    &["lock", "rename", "start", "stop", "install", "uninstall", "flush", "check", "repair"];

fn other(cursor: &mut Cursor<'_>, verb: &str) -> Read<Action> {
    if !OTHERS.contains(&verb) {
        return Err(format!("no statement is known that begins with {}", verb.to_uppercase()));
    }
    let second = if TWO_WORDS.contains(&verb) { cursor.word().ok() } else { None };
    cursor.skip_all();
    let kind = second.map_or_else(|| verb.to_uppercase(), |second| format!("{verb} {second}").to_uppercase());
    Ok(Action::Other { kind })
}
