//! Columns.

use super::{Written, counter, ident, literal, qualified, table};
use crate::model::{Body, Column, Identity, Object};
use crate::{Key, Schema};

/// As it stands in CREATE TABLE and behind ADD COLUMN.
pub(super) fn line(object: &Object, column: &Column, default: Option<&Object>) -> String {
    let mut out = format!("{} {}", ident(&object.key.name), column.ty);
    if let Some(collation) = &column.collation {
        out += &format!(" COLLATE {collation}");
    }
    if let Some(Object { body: Body::Default(expression), .. }) = default {
        out += &format!(" DEFAULT {expression}");
    }
    if let Some(generated) = &column.generated {
        let how = if generated.is_virtual { "VIRTUAL" } else { "STORED" };
        out += &format!(" GENERATED ALWAYS AS ({}) {how}", generated.expression);
    }
    if let Some(identity) = &column.identity {
        out += &format!(" {}", self::identity(&object.key, identity));
    }
    if column.not_null {
        out += " NOT NULL";
    }
    out
}

/// `GENERATED ALWAYS AS IDENTITY`, with the options that are not the usual ones.
fn identity(key: &Key, identity: &Identity) -> String {
    let mut options = counter::unusual(&identity.counter);
    let usual = (key.schema.clone(), format!("{}_{}_seq", key.on, key.name));
    if identity.sequence != usual {
        options =
            format!(" SEQUENCE NAME {}{options}", qualified(&identity.sequence.0, &identity.sequence.1));
    }
    let options = options.trim_start();
    let options = if options.is_empty() { String::new() } else { format!(" ({options})") };
    format!("GENERATED {} AS IDENTITY{options}", when(identity))
}

fn when(identity: &Identity) -> &'static str {
    if identity.always { "ALWAYS" } else { "BY DEFAULT" }
}

pub(super) fn add(object: &Object, column: &Column, default: Option<&Object>) -> Vec<String> {
    let sql = format!("ALTER TABLE {} ADD COLUMN {}", object.key.on_sql(), line(object, column, default));
    std::iter::once(sql).chain(settings(&object.key, None, column)).collect()
}

fn prefix(key: &Key) -> String {
    format!("ALTER TABLE ONLY {} ALTER COLUMN {}", key.on_sql(), ident(&key.name))
}

/// What cannot stand beside the type in every version.
pub(super) fn settings(key: &Key, old: Option<&Column>, new: &Column) -> Vec<String> {
    let (prefix, mut out) = (prefix(key), Vec::new());
    if old.and_then(|old| old.storage.as_ref()) != new.storage.as_ref() {
        // Only 16 and later know DEFAULT.
        out.push(format!("{prefix} SET STORAGE {}", new.storage.as_deref().unwrap_or("DEFAULT")));
    }
    if old.and_then(|old| old.compression.as_ref()) != new.compression.as_ref() {
        out.push(format!("{prefix} SET COMPRESSION {}", new.compression.as_deref().unwrap_or("default")));
    }
    if old.and_then(|old| old.target) != new.target {
        out.push(format!("{prefix} SET STATISTICS {}", new.target.unwrap_or(-1)));
    }
    let none = Default::default();
    out.extend(table::column_options(&prefix, old.map_or(&none, |old| &old.options), &new.options));
    out
}

pub(super) fn change(from: &Schema, key: &Key, old: &Column, new: &Column) -> Option<Vec<Written>> {
    let alter = format!("ALTER TABLE {} ALTER COLUMN {}", key.on_sql(), ident(&key.name));
    let mut out: Vec<Written> = Vec::new();
    match (&old.generated, &new.generated) {
        (was, is) if was == is => {}
        // Its values stay, as they were computed.
        (Some(was), None) if !was.is_virtual && from.major() >= 13 => {
            out.push(format!("{alter} DROP EXPRESSION").into());
        }
        (Some(was), Some(is)) if was.is_virtual == is.is_virtual && from.major() >= 17 => {
            out.push(format!("{alter} SET EXPRESSION AS ({})", is.expression).into());
        }
        _ => return None,
    }
    if (&old.ty, &old.collation) != (&new.ty, &new.collation) {
        // The expression could not be read with the other type.
        if old.generated.is_some() {
            return None;
        }
        out.push(set_type(&alter, key, old, new));
    }
    if old.identity.is_some() && new.identity.is_none() {
        out.push(format!("{alter} DROP IDENTITY").into());
    }
    if old.not_null != new.not_null {
        out.push(format!("{alter} {} NOT NULL", if new.not_null { "SET" } else { "DROP" }).into());
    }
    if let Some(is) = &new.identity {
        out.extend(change_identity(&alter, key, old.identity.as_ref(), is));
    }
    out.extend(settings(key, Some(old), new).into_iter().map(Into::into));
    Some(out)
}

fn set_type(alter: &str, key: &Key, old: &Column, new: &Column) -> Written {
    let collation = new.collation.as_ref().map(|c| format!(" COLLATE {c}")).unwrap_or_default();
    let using = match assigned(&old.ty, &new.ty) {
        true => String::new(),
        false => format!(" USING {}", by_text(&ident(&key.name), &old.ty, &new.ty)),
    };
    let loses = loses(&old.ty, &new.ty).then(|| {
        let Key { schema, on, name, .. } = key;
        format!("what of the values of {schema}.{on}.{name} does not fit into {}", new.ty)
    });
    Written { sql: format!("{alter} TYPE {}{collation}{using}", new.ty), loses }
}

/// To a new type that took the name of the old one.
pub(super) fn retype(key: &Key, ty: &str) -> String {
    let name = ident(&key.name);
    format!("ALTER TABLE {} ALTER COLUMN {name} TYPE {ty} USING {}", key.on_sql(), by_text(&name, ty, ty))
}

/// Every type has a text. One that does not read as the other type is refused, never made into something else.
fn by_text(name: &str, old: &str, new: &str) -> String {
    let text = if old.ends_with("[]") && new.ends_with("[]") { "text[]" } else { "text" };
    match TEXTS.contains(&plain(old).as_str()) {
        true => format!("{name}::{new}"),
        false => format!("{name}::{text}::{new}"),
    }
}

/// The type is not one of the server's own.
fn own(ty: &str) -> bool {
    ty.contains('.')
}

/// A type without its modifiers: `numeric` of `numeric(10,2)`.
pub(crate) fn plain(ty: &str) -> String {
    match (ty.find('('), ty.find(')')) {
        (Some(open), Some(close)) if open < close => format!("{}{}", ty[..open].trim_end(), &ty[close + 1..]),
        _ => ty.to_owned(),
    }
}

const NUMBERS: &[&str] = &["smallint", "integer", "bigint", "numeric", "real", "double precision"];
const TEXTS: &[&str] = &["text", "character varying", "character"];
const TIMES: &[&str] = &["timestamp without time zone", "timestamp with time zone", "date"];

/// The server converts by itself what is assigned, and refuses what would be cut.
fn assigned(old: &str, new: &str) -> bool {
    let (old, new) = (plain(old), plain(new));
    let both = |family: &[&str]| family.contains(&old.as_str()) && family.contains(&new.as_str());
    old == new || both(NUMBERS) || both(TEXTS) || both(TIMES) || TEXTS.contains(&new.as_str()) && !own(&old)
}

/// The conversion rounds or cuts without a word. What merely may be refused loses nothing.
fn loses(old: &str, new: &str) -> bool {
    let (was, is) = (plain(old), plain(new));
    let rank = |ty: &str| NUMBERS.iter().position(|n| *n == ty);
    match (rank(&was), rank(&is)) {
        // Integers are refused where they do not fit.
        (Some(0..=2), Some(0..=2)) => false,
        (Some(0..=2), Some(_)) => is == "real",
        (Some(3), Some(3)) => scale(new).is_some_and(|new| scale(old).is_none_or(|old| new < old)),
        (Some(was), Some(is)) => is < was || is == 5 && was == 3,
        _ => {
            let time = |ty: &str| ty.starts_with("timestamp");
            time(&was) && (is == "date" || is.starts_with("time ") || was == is && old != new && precise(new))
                || was == "json" && is == "jsonb"
        }
    }
}

/// `timestamp(0) with time zone` rounds.
fn precise(ty: &str) -> bool {
    ty.contains('(')
}

/// 2 of `numeric(10,2)`; `None` of `numeric`.
fn scale(ty: &str) -> Option<i32> {
    let inner = ty.split_once('(')?.1.split_once(')')?.0;
    Some(inner.split_once(',').map_or(0, |(_, scale)| scale.trim().parse().unwrap_or(0)))
}

fn change_identity(alter: &str, key: &Key, old: Option<&Identity>, new: &Identity) -> Vec<Written> {
    let Some(old) = old else {
        let (table, column) = (key.on_sql(), ident(&key.name));
        return vec![
            format!("{alter} ADD {}", identity(key, new)).into(),
            // It goes on behind what is there.
            format!(
                "SELECT pg_catalog.setval(pg_catalog.pg_get_serial_sequence({}, {}), \
                 greatest((SELECT max({column}) FROM {table}) + {}, {}), false)",
                literal(&table),
                literal(&key.name),
                new.counter.increment,
                new.counter.start
            )
            .into(),
        ];
    };
    let mut out = Vec::new();
    if old.sequence != new.sequence {
        let name = qualified(&old.sequence.0, &old.sequence.1);
        out.push(format!("ALTER SEQUENCE {name} RENAME TO {}", ident(&new.sequence.1)).into());
    }
    if old.always != new.always {
        out.push(format!("{alter} SET GENERATED {}", when(new)).into());
    }
    if old.counter != new.counter {
        let words = counter::all(&new.counter);
        let set = words
            .replace(" INCREMENT", " SET INCREMENT")
            .replace(" MINVALUE", " SET MINVALUE")
            .replace(" MAXVALUE", " SET MAXVALUE")
            .replace(" START", " SET START")
            .replace(" CACHE", " SET CACHE");
        let set = match set.strip_suffix(" NO CYCLE") {
            Some(rest) => format!("{rest} SET NO CYCLE"),
            None => set.replace(" CYCLE", " SET CYCLE"),
        };
        out.push(format!("{alter}{set}").into());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rounds_or_cuts_is_known() {
        for (old, new, expected) in [
            ("integer", "bigint", false),
            ("bigint", "integer", false),
            ("integer", "real", true),
            ("integer", "double precision", false),
            ("double precision", "integer", true),
            ("numeric(10,4)", "numeric(10,2)", true),
            ("numeric(10,2)", "numeric(12,2)", false),
            ("numeric", "numeric(12,2)", true),
            ("numeric(12,2)", "numeric", false),
            ("numeric", "integer", true),
            ("timestamp with time zone", "date", true),
            ("date", "timestamp with time zone", false),
            ("timestamp with time zone", "timestamp(0) with time zone", true),
            ("character varying(20)", "character varying(10)", false),
            ("json", "jsonb", true),
        ] {
            assert_eq!(loses(old, new), expected, "{old} -> {new}");
        }
    }

    #[test]
    fn a_conversion_is_written_only_where_the_server_would_not_make_it() {
        for (old, new, expected) in [
            ("integer", "bigint", true),
            ("integer", "text", true),
            ("text", "integer", false),
            ("character varying(10)", "character varying(20)", true),
            ("app.state", "text", false),
        ] {
            assert_eq!(assigned(old, new), expected, "{old} -> {new}");
        }
    }
}
