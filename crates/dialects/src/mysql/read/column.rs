//! Columns: their types and everything that may stand behind them.

use cofferdam_core::change::{Column, Position};

use super::super::lex::Token;
use super::cursor::Cursor;
use super::{Read, index};

/// A column's definition without its name, up to the comma, the parenthesis or the end behind it.
pub(super) fn definition(cursor: &mut Cursor<'_>, name: String) -> Read<Column> {
    let mut column = Column { name, ..Column::default() };
    data_type(cursor, &mut column)?;
    // In an ALTER TABLE partitions may follow without a comma.
    let ends =
        |c: &Cursor<'_>| c.at_end() || c.sees(&[","]) || c.sees(&[")"]) || c.sees(&["partition", "by"]);
    while !ends(cursor) {
        if !(attribute(cursor, &mut column)? || value(cursor, &mut column)? || upkeep(cursor)?) {
            return Err(cursor.unexpected("an attribute of a column was expected"));
        }
    }
    Ok(column)
}

/// Types of more than one word, and the words that may follow theirs.
const SECOND_WORDS: &[(&str, &[&str])] = &[
    ("double", &["precision"]),
    ("character", &["varying"]),
    ("char", &["varying", "byte"]),
    ("long", &["varchar", "varbinary", "text"]),
    ("national", &["varchar", "char", "character"]),
];

fn data_type(cursor: &mut Cursor<'_>, column: &mut Column) -> Read<()> {
    let mut ty = cursor.word()?;
    // `GENERATED ALWAYS AS` needs no type in MariaDB.
    if let Some((_, second)) = SECOND_WORDS.iter().find(|(first, _)| *first == ty) {
        for word in *second {
            if cursor.eat(&[word]) {
                ty = format!("{ty} {word}");
                if ty.starts_with("national") && cursor.eat(&["varying"]) {
                    ty.push_str(" varying");
                }
                break;
            }
        }
    }
    if cursor.sees(&["("]) {
        ty = format!("{ty}({})", without_space(cursor.parentheses()?));
    }
    if ty == "serial" {
        // An alias of the server's.
        (ty, column.not_null, column.identity, column.unique) =
            ("bigint unsigned".to_owned(), true, true, true);
    }
    for word in ["signed", "unsigned", "zerofill", "unsigned", "signed"] {
        if cursor.eat(&[word]) && word != "signed" {
            ty = format!("{ty} {word}");
        }
    }
    column.ty = ty;
    Ok(())
}

/// What stands in the parentheses of a type, without white space outside of quotes.
fn without_space(text: &str) -> String {
    let (mut out, mut quote) = (String::new(), None);
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match (quote, c) {
            (Some(_), '\\') => {
                out.push(c);
                out.extend(characters.next());
                continue;
            }
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, c) if c.is_whitespace() => continue,
            _ => {}
        }
        out.push(c);
    }
    out
}

/// What a column is and demands.
fn attribute(cursor: &mut Cursor<'_>, column: &mut Column) -> Read<bool> {
    if cursor.eat(&["not", "null"]) {
        column.not_null = true;
    } else if cursor.eat(&["null"]) {
        column.not_null = false;
    } else if cursor.eat(&["auto_increment"]) {
        column.identity = true;
    } else if cursor.eat(&["unique"]) {
        cursor.eat(&["key"]);
        column.unique = true;
    } else if cursor.eat(&["primary", "key"]) || cursor.eat(&["primary"]) || cursor.eat(&["key"]) {
        column.primary_key = true;
    } else if cursor.eat(&["character", "set"]) || cursor.eat(&["char", "set"]) || cursor.eat(&["charset"]) {
        column.charset = Some(charset(cursor)?);
    } else if cursor.eat(&["collate"]) {
        column.collate = Some(charset(cursor)?);
    } else if cursor.eat_one(&["binary", "ascii", "unicode", "byte"]) {
        // Short forms of a character set or collation, and they say which only with the table's.
        column.collate.get_or_insert_with(|| "binary".to_owned());
    } else if cursor.eat(&["references"]) {
        let (table, columns) = index::references(cursor)?;
        column.references = Some((table, columns));
    } else if cursor.sees(&["constraint"]) || cursor.sees(&["check"]) {
        if cursor.eat(&["constraint"]) && !cursor.sees(&["check"]) {
            cursor.plain()?;
        }
        cursor.expect(&["check"])?;
        column.check = Some(cursor.parentheses()?.to_owned());
        let _ = cursor.eat(&["not", "enforced"]) || cursor.eat(&["enforced"]);
    } else if cursor.eat(&["first"]) {
        column.position = Some(Position::First);
    } else if cursor.eat(&["after"]) {
        column.position = Some(Position::After(cursor.plain()?));
    } else {
        return Ok(false);
    }
    Ok(true)
}

/// Where its values come from.
fn value(cursor: &mut Cursor<'_>, column: &mut Column) -> Read<bool> {
    if cursor.eat(&["default"]) {
        column.default = Some(expression(cursor)?);
    } else if cursor.eat(&["on", "update"]) {
        column.on_update = Some(expression(cursor)?);
    } else if cursor.eat(&["generated", "always", "as", "row"]) || cursor.eat(&["as", "row"]) {
        // A column of MariaDB's system versioning.
        if !cursor.eat_one(&["start", "end"]) {
            return Err(cursor.unexpected("START or END was expected"));
        }
    } else if cursor.eat(&["generated", "always", "as"]) || cursor.eat(&["as"]) {
        cursor.parentheses()?;
        column.generated_stored = cursor.eat_one(&["stored", "persistent"]);
        column.generated_virtual = !column.generated_stored;
        cursor.eat(&["virtual"]);
    } else {
        return Ok(false);
    }
    Ok(true)
}

/// What no rule asks for.
fn upkeep(cursor: &mut Cursor<'_>) -> Read<bool> {
    if cursor.eat(&["comment"]) {
        text(cursor)?;
    } else if cursor.eat_one(&["engine_attribute", "secondary_engine_attribute"]) {
        cursor.eat_equals();
        text(cursor)?;
    } else if cursor.eat_one(&["column_format", "storage", "srid"]) {
        cursor.next();
    } else if cursor.eat(&["ref_system_id"]) || cursor.eat(&["compressed"]) {
        if cursor.eat_equals() {
            cursor.next();
        }
    } else {
        return Ok(cursor.eat_one(&["visible", "invisible"])
            || cursor.eat(&["not", "secondary"])
            || cursor.eat(&["with", "system", "versioning"])
            || cursor.eat(&["without", "system", "versioning"]));
    }
    Ok(true)
}

fn text(cursor: &mut Cursor<'_>) -> Read<()> {
    match cursor.next() {
        Some(token) if token.kind == Token::Text => Ok(()),
        _ => Err(cursor.unexpected("a text was expected before")),
    }
}

/// The name of a character set or collation, also quoted, in lower case.
pub(super) fn charset(cursor: &mut Cursor<'_>) -> Read<String> {
    match cursor.peek() {
        Some(token) if token.kind == Token::Text => {
            let name = token.text.trim_matches(['\'', '"']).to_ascii_lowercase();
            cursor.next();
            Ok(name)
        }
        _ => Ok(cursor.plain()?.to_ascii_lowercase()),
    }
}

/// The expression of a default, as written: in parentheses, or values, names and calls with operators between them.
fn expression(cursor: &mut Cursor<'_>) -> Read<String> {
    let from = cursor.mark();
    loop {
        cursor.eat_all(&["-", "+", "~", "!"]);
        if cursor.sees(&["("]) {
            cursor.parentheses()?;
        } else {
            operand(cursor)?;
        }
        let operator = ["+", "-", "*", "/", "%", "|", "&", "^", "."].iter().any(|sign| cursor.eat(&[sign]));
        if !operator {
            break;
        }
        cursor.eat(&["|"]);
    }
    Ok(cursor.text_from(from).to_owned())
}

fn operand(cursor: &mut Cursor<'_>) -> Read<()> {
    if cursor.eat(&["next", "value", "for"]) {
        return cursor.name().map(drop);
    }
    let Some(token) = cursor.next() else { return Err(cursor.unexpected("a value was expected")) };
    match token.kind {
        Token::Number | Token::Text => {
            while cursor.peek().is_some_and(|t| t.kind == Token::Text) && token.kind == Token::Text {
                cursor.next();
            }
            Ok(())
        }
        // `now(6)`, `x'00'`, `_utf8mb4'a'`, `DATE '2020-01-01'`.
        Token::Word | Token::QuotedName => {
            if cursor.sees(&["("]) {
                cursor.parentheses()?;
            } else if cursor.peek().is_some_and(|t| t.kind == Token::Text) {
                cursor.next();
            }
            Ok(())
        }
        _ if token.text == "." => operand_behind_dot(cursor),
        _ => Err(format!("a value was expected at byte {}", token.at.start)),
    }
}

/// `.5`
fn operand_behind_dot(cursor: &mut Cursor<'_>) -> Read<()> {
    match cursor.next() {
        Some(token) if token.kind == Token::Number => Ok(()),
        _ => Err(cursor.unexpected("a number was expected before")),
    }
}
