//! Types: what `ALTER COLUMN ... TYPE` does to the rows.

/// A type in parts: `timestamp(3) with time zone` is `timestamp with time zone` with the modifier 3.
#[derive(Debug, PartialEq, Eq)]
struct Type {
    base: String,
    modifiers: Vec<i64>,
    array: bool,
}

/// Other spellings of PostgreSQL's own types, and how the server prints them.
const SPELLINGS: &[(&str, &str)] = &[
    ("bool", "boolean"),
    ("int", "integer"),
    ("int2", "smallint"),
    ("int4", "integer"),
    ("int8", "bigint"),
    ("float4", "real"),
    ("float8", "double precision"),
    ("dec", "numeric"),
    ("decimal", "numeric"),
    ("char", "character"),
    ("nchar", "character"),
    ("national char", "character"),
    ("national character", "character"),
    ("varchar", "character varying"),
    ("char varying", "character varying"),
    ("nchar varying", "character varying"),
    ("national char varying", "character varying"),
    ("national character varying", "character varying"),
    ("varbit", "bit varying"),
    ("time", "time without time zone"),
    ("timetz", "time with time zone"),
    ("timestamp", "timestamp without time zone"),
    ("timestamptz", "timestamp with time zone"),
];

/// PostgreSQL's own types under the names that the server prints.
const KNOWN: &[&str] = &[
    "bigint",
    "bit",
    "bit varying",
    "boolean",
    "box",
    "bpchar",
    "bytea",
    "character",
    "character varying",
    "cidr",
    "circle",
    "date",
    "daterange",
    "double precision",
    "inet",
    "int4range",
    "int8range",
    "integer",
    "interval",
    "json",
    "jsonb",
    "line",
    "lseg",
    "macaddr",
    "macaddr8",
    "money",
    "name",
    "numeric",
    "numrange",
    "oid",
    "path",
    "point",
    "polygon",
    "real",
    "smallint",
    "text",
    "time with time zone",
    "time without time zone",
    "timestamp with time zone",
    "timestamp without time zone",
    "tsquery",
    "tsrange",
    "tstzrange",
    "tsvector",
    "uuid",
    "xml",
];

/// From, to: the stored bytes are the same and stay. From `pg_cast` with `castmethod = 'b'`, and those that the
/// extension citext adds.
const SAME_BYTES: &[(&str, &str)] = &[
    ("bit", "bit varying"),
    ("bit varying", "bit"),
    ("character", "bpchar"),
    ("character varying", "bpchar"),
    ("character varying", "citext"),
    ("character varying", "text"),
    ("cidr", "inet"),
    ("citext", "bpchar"),
    ("citext", "character varying"),
    ("citext", "text"),
    ("integer", "oid"),
    ("oid", "integer"),
    ("text", "bpchar"),
    ("text", "character varying"),
    ("text", "citext"),
    ("xml", "bpchar"),
    ("xml", "character varying"),
    ("xml", "text"),
];

const TIMESTAMP: &str = "timestamp without time zone";
const TIMESTAMPTZ: &str = "timestamp with time zone";

/// Digits after the second that a time keeps when its type names no number.
const FULL_PRECISION: i64 = 6;

fn parse(text: &str) -> Type {
    let text = text.trim().to_ascii_lowercase();
    let array = text.contains('[') || text.ends_with(" array");
    let text = text.split('[').next().unwrap_or_default().trim_end_matches(" array");
    let (mut words, mut modifiers) = (text.to_owned(), Vec::new());
    if let (Some(open), Some(close)) = (text.find('('), text.find(')')) {
        modifiers = text[open + 1..close].split(',').filter_map(|m| m.trim().parse().ok()).collect();
        words = format!("{} {}", &text[..open], &text[close + 1..]);
    }
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    let words = words.strip_prefix("pg_catalog.").unwrap_or(&words);
    let base = SPELLINGS.iter().find(|(from, _)| *from == words).map_or(words, |(_, to)| *to).to_owned();
    let mut ty = Type { base, modifiers, array };
    match (ty.base.as_str(), ty.modifiers.as_slice()) {
        ("character" | "bit", []) => ty.modifiers.push(1),
        // Without a length it has none, unlike `char`.
        ("bpchar", [_]) => ty.base = "character".to_owned(),
        ("numeric", [_]) => ty.modifiers.push(0),
        ("float", [digits]) => {
            ty.base = if *digits <= 24 { "real" } else { "double precision" }.to_owned();
            ty.modifiers.clear();
        }
        ("float", []) => ty.base = "double precision".to_owned(),
        _ => {}
    }
    ty
}

/// The type as the server prints it (`format_type`); `None` for one that is not PostgreSQL's own.
pub(in crate::postgres) fn printed(text: &str) -> Option<String> {
    let ty = parse(text);
    if !KNOWN.contains(&ty.base.as_str()) {
        return None;
    }
    let array = if ty.array { "[]" } else { "" };
    if ty.modifiers.is_empty() {
        return Some(format!("{}{array}", ty.base));
    }
    let modifiers: Vec<String> = ty.modifiers.iter().map(i64::to_string).collect();
    let modifiers = modifiers.join(",");
    // The number stands after the first word of a time, and at the end of all others.
    Some(match ty.base.split_once(' ') {
        Some((first, rest)) if first.starts_with("time") => format!("{first}({modifiers}) {rest}{array}"),
        _ => format!("{}({modifiers}){array}", ty.base),
    })
}

/// Whether `ALTER COLUMN ... TYPE new` without USING writes every row anew, by the table measured on PostgreSQL
/// 12 to 18. What is not known to be free counts as a rewrite. `time_zone` is the session's.
pub fn type_change_rewrites(old: &str, new: &str, time_zone: &str) -> bool {
    let (old, new) = (parse(old), parse(new));
    if old == new {
        return false;
    }
    if old.array || new.array {
        return !(old.array && new.array && array_keeps(&old, &new));
    }
    if old.base == new.base {
        return !widens(&old, &new);
    }
    let free = [(TIMESTAMP, TIMESTAMPTZ), (TIMESTAMPTZ, TIMESTAMP)];
    if free.contains(&(old.base.as_str(), new.base.as_str())) {
        return !(is_utc(time_zone) && precision(&new) == FULL_PRECISION);
    }
    !(SAME_BYTES.contains(&(old.base.as_str(), new.base.as_str())) && unlimited(&new))
}

/// Every value of `old` is one of `new`, of the same name, with the same bytes.
fn widens(old: &Type, new: &Type) -> bool {
    match new.base.as_str() {
        "character varying" | "bit varying" => match (old.modifiers.first(), new.modifiers.first()) {
            (_, None) => true,
            (Some(old), Some(new)) => old <= new,
            (None, Some(_)) => false,
        },
        "numeric" => match (old.modifiers.as_slice(), new.modifiers.as_slice()) {
            (_, []) => true,
            ([old_digits, old_scale], [digits, scale]) => old_scale == scale && old_digits <= digits,
            _ => false,
        },
        "interval" => precision(old) <= precision(new),
        base if base.starts_with("time") => precision(old) <= precision(new),
        _ => false,
    }
}

fn array_keeps(old: &Type, new: &Type) -> bool {
    if old.base == new.base { widens(old, new) && unlimited(new) } else { false }
}

fn precision(ty: &Type) -> i64 {
    ty.modifiers.first().copied().unwrap_or(FULL_PRECISION)
}

fn unlimited(ty: &Type) -> bool {
    ty.modifiers.is_empty()
}

/// The zones that are always at UTC: only under them a timestamp and a timestamptz have the same bytes.
fn is_utc(time_zone: &str) -> bool {
    const ZONES: [&str; 9] =
        ["utc", "etc/utc", "gmt", "etc/gmt", "uct", "etc/uct", "zulu", "universal", "greenwich"];
    ZONES.contains(&time_zone.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_printed_as_the_server_prints_them() {
        let cases = [
            ("varchar(20)", Some("character varying(20)")),
            ("INT", Some("integer")),
            ("int8[]", Some("bigint[]")),
            ("numeric(10)", Some("numeric(10,0)")),
            ("decimal(10, 2)", Some("numeric(10,2)")),
            ("timestamptz(3)", Some("timestamp(3) with time zone")),
            ("timestamp(3) with time zone", Some("timestamp(3) with time zone")),
            ("time", Some("time without time zone")),
            ("char", Some("character(1)")),
            ("float(24)", Some("real")),
            ("pg_catalog.int4", Some("integer")),
            ("bit varying(5)", Some("bit varying(5)")),
            ("app.mood", None),
            ("\"char\"", None),
        ];
        for (written, expected) in cases {
            assert_eq!(printed(written).as_deref(), expected, "{written}");
        }
    }

    #[test]
    fn types_are_changed_with_and_without_a_rewrite_as_the_server_does() {
        const FREE: bool = false;
        const REWRITE: bool = true;
        let cases = [
            ("character varying(20)", "varchar(40)", FREE),
            ("character varying(20)", "varchar(10)", REWRITE),
            ("character varying(20)", "varchar", FREE),
            ("character varying", "varchar(20)", REWRITE),
            ("character varying(20)", "text", FREE),
            ("text", "character varying", FREE),
            ("text", "varchar(20)", REWRITE),
            ("text", "citext", FREE),
            ("character(5)", "text", REWRITE),
            ("character(5)", "char(10)", REWRITE),
            ("character(5)", "bpchar", FREE),
            ("numeric(10,2)", "numeric(12,2)", FREE),
            ("numeric(10,2)", "numeric(12,3)", REWRITE),
            ("numeric(10,2)", "numeric", FREE),
            ("numeric", "numeric(10,2)", REWRITE),
            ("integer", "bigint", REWRITE),
            ("integer", "int4", FREE),
            ("bit(4)", "bit(8)", REWRITE),
            ("bit varying(4)", "varbit(8)", FREE),
            ("bit(4)", "bit varying", FREE),
            ("timestamp(3) without time zone", "timestamp", FREE),
            ("timestamp without time zone", "timestamp(3)", REWRITE),
            ("timestamp without time zone", "timestamptz", FREE),
            ("timestamp without time zone", "timestamptz(3)", REWRITE),
            ("timestamp with time zone", "timestamp", FREE),
            ("interval(3)", "interval(6)", FREE),
            ("json", "jsonb", REWRITE),
            ("cidr", "inet", FREE),
            ("inet", "cidr", REWRITE),
            ("character varying(20)[]", "varchar[]", FREE),
            ("integer[]", "bigint[]", REWRITE),
            ("text", "app.mood", REWRITE),
        ];
        for (old, new, rewrites) in cases {
            assert_eq!(type_change_rewrites(old, new, "Etc/UTC"), rewrites, "{old} to {new}");
        }
        assert!(type_change_rewrites("timestamp without time zone", "timestamptz", "Europe/Berlin"));
        assert!(type_change_rewrites("timestamp without time zone", "timestamptz", ""));
    }
}
