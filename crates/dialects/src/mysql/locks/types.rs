//! What `MODIFY COLUMN` does to the rows, by the old and the new type.

/// What a change of a column's type means for its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TypeChange {
    /// The same type, however it is written.
    Same,
    /// `VARCHAR` or `VARBINARY` with more room, and as many bytes for its length as before.
    Longer,
    /// As `Longer`, but the length may need a second byte: from up to 255 bytes to more.
    LongerPast255,
    /// `ENUM` or `SET` with new values behind the old ones, stored in as many bytes as before.
    MoreValues,
    /// `ENUM` or `SET` whose values are others, or in another order.
    OtherValues,
    /// Any other.
    Other,
}

/// A type in parts: `int(11) unsigned` is `int` with the flag `unsigned`.
#[derive(Debug, PartialEq, Eq)]
struct Type {
    base: String,
    /// What stands in the parentheses.
    inside: String,
    flags: Vec<String>,
}

/// Other spellings, and how the server prints them.
const SPELLINGS: &[(&str, &str, Option<&str>)] = &[
    ("integer", "int", None),
    ("int1", "tinyint", None),
    ("int2", "smallint", None),
    ("int3", "mediumint", None),
    ("middleint", "mediumint", None),
    ("int4", "int", None),
    ("int8", "bigint", None),
    ("bool", "tinyint", None),
    ("boolean", "tinyint", None),
    ("dec", "decimal", None),
    ("numeric", "decimal", None),
    ("fixed", "decimal", None),
    ("float4", "float", None),
    ("float8", "double", None),
    ("double precision", "double", None),
    ("real", "double", None),
    ("character", "char", Some("1")),
    ("national char", "char", Some("1")),
    ("nchar", "char", Some("1")),
    ("character varying", "varchar", None),
    ("char varying", "varchar", None),
    ("national varchar", "varchar", None),
    ("nvarchar", "varchar", None),
    ("long varchar", "mediumtext", None),
    ("long varbinary", "mediumblob", None),
];

/// What the parentheses are taken for where there are none.
const DEFAULTS: &[(&str, &str)] = &[
    ("char", "1"),
    ("binary", "1"),
    ("bit", "1"),
    ("decimal", "10,0"),
    ("datetime", "0"),
    ("timestamp", "0"),
    ("time", "0"),
];

/// Whole numbers, whose parentheses say how they are shown.
const WHOLE: &[&str] = &["tinyint", "smallint", "mediumint", "int", "bigint", "year"];

fn parse(text: &str) -> Type {
    let text = text.trim();
    let (head, rest) = match text.split_once('(') {
        Some((head, rest)) => (head, rest),
        None => (text, ""),
    };
    // The last one closes it: a value of an ENUM may hold one.
    let (inside, behind) = rest.rsplit_once(')').unwrap_or(("", ""));
    let mut words: Vec<String> = head.split_whitespace().map(str::to_ascii_lowercase).collect();
    let mut flags: Vec<String> = Vec::new();
    words.retain(|word| {
        let flag = matches!(word.as_str(), "unsigned" | "zerofill");
        if flag {
            flags.push(word.clone());
        }
        !flag
    });
    flags.extend(behind.split_whitespace().map(str::to_ascii_lowercase));
    // ZEROFILL makes it unsigned.
    if flags.iter().any(|f| f == "zerofill") {
        flags.push("unsigned".to_owned());
    }
    flags.sort();
    flags.dedup();
    let mut base = words.join(" ");
    let mut inside = if matches!(base.as_str(), "enum" | "set") {
        inside.to_owned()
    } else {
        inside.chars().filter(|c| !c.is_whitespace()).collect()
    };
    if let Some((_, to, length)) = SPELLINGS.iter().find(|(from, ..)| *from == base) {
        base = (*to).to_owned();
        if inside.is_empty() {
            inside = length.unwrap_or_default().to_owned();
        }
    }
    if inside.is_empty() {
        inside =
            DEFAULTS.iter().find(|(of, _)| *of == base).map(|(_, d)| (*d).to_owned()).unwrap_or_default();
    }
    if base == "decimal" && !inside.contains(',') {
        inside.push_str(",0");
    }
    if WHOLE.contains(&base.as_str()) {
        inside.clear();
    }
    Type { base, inside, flags }
}

/// What the change means. The character set of the column is taken to stay as it is; how many bytes a character has is not
/// known, so that up to four are counted.
pub fn type_change(old: &str, new: &str) -> TypeChange {
    let (old, new) = (parse(old), parse(new));
    if old == new {
        return TypeChange::Same;
    }
    if old.base != new.base || old.flags != new.flags {
        return TypeChange::Other;
    }
    match new.base.as_str() {
        "varchar" | "varbinary" => {
            let (Ok(from), Ok(to)) = (old.inside.parse::<u64>(), new.inside.parse::<u64>()) else {
                return TypeChange::Other;
            };
            let widest = if new.base == "varchar" { 4 } else { 1 };
            // The length has one byte in both, or two in both, whatever a character takes.
            let alike = [1, 2, 3, 4]
                .into_iter()
                .take_while(|n| *n <= widest)
                .all(|n| (from * n > 255) == (to * n > 255));
            match (from <= to, alike) {
                (false, _) => TypeChange::Other,
                (true, true) => TypeChange::Longer,
                (true, false) => TypeChange::LongerPast255,
            }
        }
        "enum" | "set" => {
            let (from, to) = (values(&old.inside), values(&new.inside));
            let bytes = |count: usize| match (new.base.as_str(), count) {
                ("enum", 0..=255) => 1,
                ("enum", _) => 2,
                (_, 0..=8) => 1,
                (_, 9..=16) => 2,
                (_, 17..=24) => 3,
                (_, 25..=32) => 4,
                _ => 8,
            };
            if to.starts_with(&from) && bytes(from.len()) == bytes(to.len()) {
                TypeChange::MoreValues
            } else {
                TypeChange::OtherValues
            }
        }
        _ => TypeChange::Other,
    }
}

/// The values of an ENUM or SET, in order, without quotes.
fn values(inside: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut characters = inside.chars().peekable();
    while let Some(open) = characters.next() {
        if !matches!(open, '\'' | '"') {
            continue;
        }
        let mut value = String::new();
        while let Some(c) = characters.next() {
            match c {
                '\\' => value.extend(characters.next()),
                c if c == open && characters.peek() == Some(&open) => value.extend(characters.next()),
                c if c == open => break,
                c => value.push(c),
            }
        }
        all.push(value);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use TypeChange::*;

    #[test]
    fn types_are_compared_as_the_servers_do() {
        let cases = [
            ("int(11)", "INTEGER", Same),
            ("int", "int unsigned", Other),
            ("int unsigned", "INT(10) UNSIGNED", Same),
            ("int(10) unsigned zerofill", "int zerofill", Same),
            ("int", "bigint", Other),
            ("tinyint(1)", "boolean", Same),
            ("varchar(20)", "varchar(60)", Longer),
            ("varchar(20)", "character varying(63)", Longer),
            ("varchar(20)", "varchar(64)", LongerPast255),
            ("varchar(20)", "varchar(300)", LongerPast255),
            ("varchar(256)", "varchar(1000)", Longer),
            ("varchar(100)", "varchar(200)", LongerPast255),
            ("varchar(60)", "varchar(20)", Other),
            ("varbinary(100)", "varbinary(255)", Longer),
            ("varbinary(255)", "varbinary(256)", LongerPast255),
            ("enum('a','b')", "ENUM('a', 'b', 'c')", MoreValues),
            ("enum('a','b')", "enum('a','c','b')", OtherValues),
            ("enum('a','b')", "enum('a')", OtherValues),
            ("enum('it''s','b,)')", "enum('it\\'s','b,)','c')", MoreValues),
            ("set('a','b','c','d','e','f','g','h')", "set('a','b','c','d','e','f','g','h','i')", OtherValues),
            ("decimal(10,2)", "numeric(10, 2)", Same),
            ("decimal(10,0)", "decimal", Same),
            ("decimal(10,2)", "decimal(12,2)", Other),
            ("char(1)", "char", Same),
            ("char(5)", "char(6)", Other),
            ("datetime", "datetime(6)", Other),
            ("double", "real", Same),
            ("text", "varchar(20)", Other),
            ("json", "json", Same),
        ];
        for (old, new, expected) in cases {
            assert_eq!(type_change(old, new), expected, "{old} to {new}");
        }
    }
}
