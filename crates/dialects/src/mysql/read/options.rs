//! Options of a table.

use cofferdam_core::change::MySqlClause;

use super::super::lex::Token;
use super::cursor::Cursor;
use super::{Read, column};

/// Options of one word.
const NAMES: &[&str] = &[
    "auto_increment",
    "autoextend_size",
    "avg_row_length",
    "checksum",
    "comment",
    "compression",
    "connection",
    "delay_key_write",
    "encrypted",
    "encryption",
    "encryption_key_id",
    "engine",
    "engine_attribute",
    "ietf_quotes",
    "insert_method",
    "key_block_size",
    "max_rows",
    "min_rows",
    "pack_keys",
    "page_checksum",
    "page_compressed",
    "page_compression_level",
    "password",
    "row_format",
    "secondary_engine",
    "secondary_engine_attribute",
    "sequence",
    "stats_auto_recalc",
    "stats_persistent",
    "stats_sample_pages",
    "storage",
    "table_checksum",
    "tablespace",
    "transactional",
    "type",
    "union",
];

/// One option, or `None` where none begins here.
pub(super) fn option(cursor: &mut Cursor<'_>) -> Read<Option<MySqlClause>> {
    let from = cursor.mark();
    cursor.eat(&["default"]);
    if cursor.eat(&["character", "set"]) || cursor.eat(&["char", "set"]) || cursor.eat(&["charset"]) {
        cursor.eat_equals();
        return Ok(Some(named("charset", column::charset(cursor)?)));
    }
    if cursor.eat(&["collate"]) {
        cursor.eat_equals();
        return Ok(Some(named("collate", column::charset(cursor)?)));
    }
    cursor.back_to(from);
    for (words, name) in
        [(["data", "directory"], "data directory"), (["index", "directory"], "index directory")]
    {
        if cursor.eat(&words) {
            return value(cursor, name).map(Some);
        }
    }
    if cursor.eat(&["with", "system", "versioning"]) {
        return Ok(Some(MySqlClause::SystemVersioning { add: true }));
    }
    match NAMES.iter().find(|name| cursor.eat(&[name])) {
        Some(name) => value(cursor, name).map(Some),
        None => Ok(None),
    }
}

fn named(name: &str, value: String) -> MySqlClause {
    MySqlClause::Option { name: name.to_owned(), value }
}

fn value(cursor: &mut Cursor<'_>, name: &str) -> Read<MySqlClause> {
    cursor.eat_equals();
    let from = cursor.mark();
    if cursor.sees(&["("]) {
        cursor.parentheses()?;
    } else {
        cursor.eat(&["-"]);
        match cursor.next() {
            Some(t) if matches!(t.kind, Token::Word | Token::Number | Token::Text | Token::QuotedName) => {}
            _ => {
                return Err(
                    cursor.unexpected(&format!("a value of {} was expected before", name.to_uppercase()))
                );
            }
        }
    }
    let text = cursor.text_from(from).to_owned();
    if name == "tablespace" && cursor.eat(&["storage"]) {
        cursor.word()?;
    }
    Ok(named(name, text))
}
