//! How the values of a column are read, carried, written and hashed, by its type.
//!
//! What is executed is put together from words of a list and from quoted names: a backup from a database that somebody
//! else owns must not be able to run anything in this one.

use cofferdam_core::backup::{ColumnShape, Shape, is_modifier};
use cofferdam_core::fault::Result;
use cofferdam_core::{Code, Fault, Refusal};

use super::super::names;

/// How values are carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// A text, by the bytes of its column's character set.
    Text,
    /// As they are kept.
    Bytes,
    /// MySQL's own JSON, as a text.
    Json,
    /// ENUM and SET, by their numbers: a text may be a member's, or the number of another one.
    Member,
    /// As a whole number.
    Bits,
    /// With all its digits: a FLOAT that is printed has six of them.
    Real,
    /// As it is printed, which is all of it: whole numbers, decimals, times.
    Printed,
}

/// Every type that can be saved. <https://dev.mysql.com/doc/refman/en/data-types.html>,
/// <https://mariadb.com/kb/en/data-types/>.
const TYPES: &[(&str, Way)] = &[
    ("char", Way::Text),
    ("varchar", Way::Text),
    ("tinytext", Way::Text),
    ("text", Way::Text),
    ("mediumtext", Way::Text),
    ("longtext", Way::Text),
    ("binary", Way::Bytes),
    ("varbinary", Way::Bytes),
    ("tinyblob", Way::Bytes),
    ("blob", Way::Bytes),
    ("mediumblob", Way::Bytes),
    ("longblob", Way::Bytes),
    ("vector", Way::Bytes),
    ("geometry", Way::Bytes),
    ("point", Way::Bytes),
    ("linestring", Way::Bytes),
    ("polygon", Way::Bytes),
    ("multipoint", Way::Bytes),
    ("multilinestring", Way::Bytes),
    ("multipolygon", Way::Bytes),
    ("geometrycollection", Way::Bytes),
    ("geomcollection", Way::Bytes),
    ("json", Way::Json),
    ("enum", Way::Member),
    ("set", Way::Member),
    ("bit", Way::Bits),
    ("float", Way::Real),
    ("double", Way::Real),
    ("tinyint", Way::Printed),
    ("smallint", Way::Printed),
    ("mediumint", Way::Printed),
    ("int", Way::Printed),
    ("bigint", Way::Printed),
    ("decimal", Way::Printed),
    ("year", Way::Printed),
    ("date", Way::Printed),
    ("time", Way::Printed),
    ("datetime", Way::Printed),
    ("timestamp", Way::Printed),
    ("uuid", Way::Printed),
    ("inet4", Way::Printed),
    ("inet6", Way::Printed),
];

/// What may stand behind a type.
const ATTRIBUTES: &[&str] = &["unsigned", "zerofill"];

/// The type, as it is in the list.
fn known(column: &ColumnShape) -> Result<(&'static str, Way)> {
    let found = TYPES.iter().find(|(name, _)| column.ty.schema.is_none() && *name == column.ty.name);
    found.copied().ok_or_else(|| {
        Refusal::new(Code::RestoreRefused, format!("the column {} is of the type {}", column.name, column.ty))
            .cause("how its values are saved and restored is not known")
            .help("leave the table out, or save it with mysqldump or mariadb-dump")
            .into()
    })
}

/// Refuses a table with a column that cannot be carried.
pub(super) fn refuse_unknown(shape: &Shape) -> Result<()> {
    for column in &shape.columns {
        known(column).map_err(|fault| match fault {
            Fault::Refused(mut why) => {
                why.code = Code::BackupNotTaken;
                why.what = format!("{} cannot be saved: {}", shape.table, why.what);
                Fault::Refused(why)
            }
            other => other,
        })?;
    }
    Ok(())
}

/// A column, by what `information_schema.COLUMNS` says: `DATA_TYPE`, `COLUMN_TYPE` and `COLLATION_NAME`.
pub(super) fn column(
    name: String,
    (data_type, column_type): (&str, &str),
    collation: Option<String>,
) -> ColumnShape {
    let ty = data_type.to_ascii_lowercase();
    let way = TYPES.iter().find(|(known, _)| *known == ty).map(|(_, way)| *way);
    // A comment of MariaDB says how the column is kept: `varchar(9) /*M!100301 COMPRESSED*/`.
    let written = column_type.split("/*").next().unwrap_or_default().trim();
    let inside = written.split_once('(').and_then(|(_, rest)| rest.rsplit_once(')'));
    let (inside, behind) =
        inside.unwrap_or_else(|| ("", written.split_once(' ').map_or("", |(_, rest)| rest)));
    let member = way == Some(Way::Member);
    let words: Vec<String> = inside.split(',').map(|word| word.trim().to_owned()).collect();
    let plain = !member && words.iter().all(|word| is_modifier(word));
    let behind = behind.to_ascii_lowercase();
    let attributes = behind.split_whitespace().filter(|word| ATTRIBUTES.contains(word));
    ColumnShape {
        name,
        modifiers: if plain { words } else { Vec::new() },
        not_null: false,
        generated: false,
        attributes: attributes.map(str::to_owned).collect(),
        members: if member { members(inside) } else { Vec::new() },
        collation: collation.filter(|_| matches!(way, Some(Way::Text | Way::Member))),
        ty: cofferdam_core::Name::plain(ty),
    }
}

/// `'a','b''c'` is `a` and `b'c`.
fn members(list: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut chars = list.chars().peekable();
    while chars.by_ref().any(|c| c == '\'') {
        let mut member = String::new();
        while let Some(c) = chars.next() {
            match c {
                '\'' if chars.peek() == Some(&'\'') => member.extend(chars.next()),
                '\'' => break,
                '\\' => member.extend(chars.next().map(|escaped| match escaped {
                    'n' => '\n',
                    'r' => '\r',
                    '0' => '\0',
                    'Z' => '\u{1a}',
                    other => other,
                })),
                other => member.push(other),
            }
        }
        all.push(member);
    }
    all
}

/// A member as a definition takes it, under a `sql_mode` in which a backslash escapes.
fn literal(member: &str) -> String {
    format!("'{}'", member.replace('\\', "\\\\").replace('\'', "''").replace('\0', "\\0"))
}

/// A column of a table that is made: without what it demands, if that is not wanted.
pub(super) fn definition(column: &ColumnShape, demands: bool) -> Result<String> {
    let (ty, way) = known(column)?;
    let words = || column.modifiers.iter().chain(&column.attributes).chain(&column.collation);
    if let Some(word) = words().find(|word| !is_modifier(word)) {
        return Err(Fault::Bug(format!("{word:?} is no modifier of a type")));
    }
    let inside = match way {
        Way::Member => column.members.iter().map(|member| literal(member)).collect::<Vec<_>>().join(", "),
        _ => column.modifiers.join(", "),
    };
    let inside = if inside.is_empty() { inside } else { format!("({inside})") };
    let attributes = column.attributes.iter().filter(|word| ATTRIBUTES.contains(&word.as_str()));
    let attributes: String = attributes.map(|word| format!(" {word}")).collect();
    let collation = column.collation.as_ref().map(|name| format!(" COLLATE {name}")).unwrap_or_default();
    // A TIMESTAMP is told that it takes NULL: else some servers make it one that does not.
    let null = if demands && column.not_null { "NOT NULL" } else { "NULL" };
    Ok(format!("{} {ty}{inside}{attributes}{collation} {null}", names::quoted(&column.name)?))
}

/// Both have the same type: what is kept of a value of the one is that value in the other.
pub(super) fn same_type(one: &ColumnShape, other: &ColumnShape) -> bool {
    let ty = |column: &ColumnShape| {
        let ColumnShape { ty, modifiers, attributes, members, collation, .. } = column.clone();
        (ty, modifiers, attributes, members, collation)
    };
    ty(one) == ty(other)
}

/// The columns' names, joined, of those that are wanted.
pub(super) fn names(shape: &Shape, which: impl Fn(&ColumnShape) -> bool) -> Result<String> {
    let names = shape.columns.iter().filter(|column| which(column));
    let names = names.map(|column| names::quoted(&column.name).map(|name| name.to_string()));
    Ok(names.collect::<std::result::Result<Vec<_>, _>>()?.join(", "))
}

/// What is selected of the row `t`, so that each value comes as [`super::lines`] writes it. Results must not be converted
/// to another character set.
pub(super) fn read(shape: &Shape) -> Result<String> {
    let value = |column: &ColumnShape| {
        let (_, way) = known(column)?;
        let name = format!("t.{}", names::quoted(&column.name)?);
        Ok(match way {
            Way::Member | Way::Bits => format!("CAST({name} AS UNSIGNED)"),
            Way::Real => format!("{name} + 0e0"),
            Way::Text | Way::Bytes | Way::Json | Way::Printed => name,
        })
    };
    Ok(shape.columns.iter().map(value).collect::<Result<Vec<String>>>()?.join(", "))
}

/// What stands in `VALUES` for one row whose values are parameters of bytes.
pub(super) fn written(shape: &Shape) -> Result<String> {
    let value = |column: &ColumnShape| {
        Ok(match known(column)?.1 {
            Way::Text | Way::Bytes => "?",
            // A parameter that is cast itself is taken by MySQL for a number with a sign.
            Way::Member | Way::Bits => "CAST(CONVERT(? USING utf8mb4) AS UNSIGNED)",
            Way::Json | Way::Real | Way::Printed => "CONVERT(? USING utf8mb4)",
        })
    };
    let values = shape.columns.iter().map(value).collect::<Result<Vec<&str>>>()?.join(", ");
    Ok(format!("({values})"))
}

/// One number for the row `t`, of 64 bits. What two values that are equal may differ in (`1.0` and `1.00`, `a` and `A`)
/// tells them apart.
pub(super) fn hash(shape: &Shape) -> Result<String> {
    let value = |column: &ColumnShape| {
        let (_, way) = known(column)?;
        let name = format!("t.{}", names::quoted(&column.name)?);
        let some = match way {
            Way::Text | Way::Bytes => format!("SHA2(CAST({name} AS BINARY), 256)"),
            Way::Json => format!("SHA2(CONVERT({name} USING utf8mb4), 256)"),
            // The number and what it stands for.
            Way::Member => {
                format!("CONCAT(CAST({name} AS UNSIGNED), '=', SHA2(CAST({name} AS BINARY), 256))")
            }
            Way::Bits => format!("CAST({name} AS UNSIGNED)"),
            Way::Real => format!("{name} + 0e0"),
            Way::Printed => format!("CAST({name} AS CHAR)"),
        };
        Ok(format!("IF({name} IS NULL, 'N', {some})"))
    };
    let values = shape.columns.iter().map(value).collect::<Result<Vec<String>>>()?.join(", ',', ");
    Ok(format!("CONV(LEFT(SHA2(CONCAT({values}, ','), 256), 16), 16, 10)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_and_written_again() {
        for (data_type, column_type, collation, expected) in [
            ("int", "int(10) unsigned zerofill", None, "int(10) unsigned zerofill"),
            ("bigint", "bigint unsigned", None, "bigint unsigned"),
            ("decimal", "decimal(10,2)", None, "decimal(10, 2)"),
            (
                "varchar",
                "varchar(9) /*M!100301 COMPRESSED*/",
                Some("latin1_bin"),
                "varchar(9) COLLATE latin1_bin",
            ),
            ("json", "json", None, "json"),
            ("datetime", "datetime(6)", None, "datetime(6)"),
            (
                "enum",
                r"enum('a','b''c','d,(e)','f\\g')",
                Some("utf8mb4_bin"),
                r"enum('a', 'b''c', 'd,(e)', 'f\\g') COLLATE utf8mb4_bin",
            ),
            ("set", "set('x')", Some("ascii_bin"), "set('x') COLLATE ascii_bin"),
        ] {
            let column = column("c".into(), (data_type, column_type), collation.map(str::to_owned));
            assert_eq!(definition(&column, true).unwrap(), format!("`c` {expected} NULL"), "{column_type}");
        }
    }

    #[test]
    fn what_a_stranger_wrote_is_not_carried_out() {
        let mut evil = column("c".into(), ("int", "int"), None);
        evil.ty.name = "int, PRIMARY KEY (evil())".into();
        assert!(definition(&evil, true).is_err());
        let mut evil = column("c".into(), ("char", "char(1)"), None);
        evil.collation = Some("utf8mb4_bin DEFAULT (evil())".into());
        assert!(definition(&evil, true).is_err());
        let mut evil = column("c".into(), ("enum", "enum('a')"), None);
        evil.members = vec![r"a\', evil('".into()];
        assert_eq!(definition(&evil, true).unwrap(), r"`c` enum('a\\'', evil(''') NULL");
        evil.attributes = vec!["DEFAULT".into()];
        assert!(!definition(&evil, true).unwrap().contains("DEFAULT"));
    }
}
