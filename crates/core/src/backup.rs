//! What a backup is, as data: the manifest that stands beside its parts, and the row that the journal keeps of it.
//!
//! A backup is a folder of parts with a manifest, which is written last: a folder without one is no backup. Nothing in
//! a manifest is a piece of SQL. What a restore makes of it is put together from names and words that are checked.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::ident::Name;

/// What every manifest says it is.
pub const FORMAT: &str = "cofferdam-backup";
/// The version that is written. Another one is not read.
pub const VERSION: u32 = 1;

/// What stands in `manifest.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: String,
    /// [`VERSION`].
    pub version: u32,
    /// The folder's name, by which the backup is asked for.
    pub id: String,
    /// When its snapshot was taken, RFC 3339 in UTC: what was written later is not in it.
    pub taken_at: String,
    /// Who took it.
    pub by: String,
    /// Where it is from.
    pub origin: Origin,
    /// The run that it was taken for, before its first step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Uuid>,
    /// The digest of that run's plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// The migration of that run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migration: Option<String>,
    /// The public keys that every part is encrypted to; empty: not encrypted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub encrypted_to: Vec<String>,
    /// Its tables were restored beside and compared, before this was written.
    pub verified: bool,
    /// Why not, where it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unverified: Option<String>,
    /// The tables.
    pub tables: Vec<TableCopy>,
    /// The whole database, as the server's own program wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole: Option<WholeCopy>,
}

/// Which database.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Origin {
    /// As a person reads it: `15.20`.
    pub server_version: String,
    /// What tells the server from every other; empty where it may not be read.
    pub server: String,
    /// The database.
    pub database: String,
    /// Where its write-ahead log was when the snapshot was taken; empty where it may not be read.
    #[serde(default)]
    pub lsn: String,
}

/// One table of a backup.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TableCopy {
    /// What it looked like.
    pub shape: Shape,
    /// What it held.
    pub sum: Sum,
    /// Its rows, in order.
    pub parts: Vec<Part>,
}

/// The whole database.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WholeCopy {
    /// What wrote it, and in which format: `pg_dump (PostgreSQL) 15.20, custom format`.
    pub written_by: String,
    /// In order.
    pub parts: Vec<Part>,
}

/// A table's columns: what is needed to read its rows again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shape {
    /// With its schema.
    pub table: Name,
    /// In order.
    pub columns: Vec<ColumnShape>,
    /// The columns of its primary key, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<String>,
    /// How its rows are written.
    pub encoding: Encoding,
}

/// One column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ColumnShape {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: Name,
    /// What stands in parentheses behind the type: `["10", "2"]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub modifiers: Vec<String>,
    /// It refuses NULL.
    #[serde(default)]
    pub not_null: bool,
    /// The server computes it of other columns.
    #[serde(default)]
    pub generated: bool,
    /// What stands behind the type on MySQL and MariaDB: `unsigned`, `zerofill`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<String>,
    /// The members of an ENUM or a SET of MySQL and MariaDB, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<String>,
    /// What a text of MySQL and MariaDB is compared by, which names its character set too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collation: Option<String>,
}

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// `COPY` in its binary format.
    Binary,
    /// `COPY` in its text format: where a type is not the server's own, because its binary form may name it by a number
    /// that another database does not know.
    Text,
    /// Lines as `LOAD DATA` of MySQL and MariaDB reads them: texts by the bytes of their column's character set, numbers
    /// in place of the members of an ENUM or a SET and of a BIT.
    LoadData,
}

/// What tells two tables with different rows apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sum {
    /// How many rows.
    pub rows: u64,
    /// The sum of a hash of each row, as a decimal number.
    pub hash: String,
}

/// One object of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    /// Its name below the backup's folder.
    pub object: String,
    /// How long it is, in bytes.
    pub bytes: u64,
    /// How long what is in it is, in bytes, once it is decrypted and unpacked.
    pub holds: u64,
    /// SHA-256 of the object, in hex.
    pub sha256: String,
}

/// What the journal keeps of a backup that was taken before a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Taken {
    /// Where it is: the URL of its folder.
    pub location: String,
    /// Its parts together, in bytes.
    pub bytes: u64,
    /// SHA-256 of its manifest, in hex, which has that of every part.
    pub sha256: String,
    /// Its tables were restored beside and compared.
    pub verified: bool,
    /// Why not, where it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unverified: Option<String>,
    /// Its tables.
    pub tables: Vec<Name>,
}

impl Manifest {
    /// All its parts.
    pub fn parts(&self) -> impl Iterator<Item = &Part> {
        let whole = self.whole.iter().flat_map(|whole| &whole.parts);
        self.tables.iter().flat_map(|table| &table.parts).chain(whole)
    }

    /// What the journal keeps of it, where it lies there and its text has this digest.
    pub fn taken(&self, location: String, sha256: String) -> Taken {
        Taken {
            location,
            bytes: self.bytes(),
            sha256,
            verified: self.verified,
            unverified: self.unverified.clone(),
            tables: self.tables.iter().map(|copy| copy.shape.table.clone()).collect(),
        }
    }

    /// Its parts together, in bytes.
    pub fn bytes(&self) -> u64 {
        self.parts().map(|part| part.bytes).sum()
    }

    /// A table by the name that a person gives, with its schema or, where that is clear, without.
    pub fn table(&self, name: &Name) -> Option<&TableCopy> {
        let mut fits = self.tables.iter().filter(|copy| {
            let table = &copy.shape.table;
            table.name == name.name && (name.schema.is_none() || name.schema == table.schema)
        });
        let first = fits.next()?;
        fits.next().is_none().then_some(first)
    }

    /// What is wrong with it; `None`: it can be read. Bytes from outside are not believed: every name of an object
    /// stays in the backup's folder, and every word of a type is one.
    pub fn fault(&self) -> Option<String> {
        if self.format != FORMAT {
            return Some(format!("it says that it is {:?}", self.format));
        }
        if self.version != VERSION {
            return Some(format!("it is of version {}, and this Cofferdam reads {VERSION}", self.version));
        }
        if !is_id(&self.id) {
            return Some(format!("{:?} is no name of a backup", self.id));
        }
        if let Some(part) = self.parts().find(|part| !is_object(&part.object)) {
            return Some(format!("{:?} is no name of a part", part.object));
        }
        let columns = || self.tables.iter().flat_map(|table| &table.shape.columns);
        let words = |column: &ColumnShape| {
            let mut words = column.modifiers.iter().chain(&column.attributes).chain(&column.collation);
            words.find(|word| !is_modifier(word)).cloned()
        };
        columns().find_map(words).map(|word| format!("{word:?} is no modifier of a type"))
    }
}

/// Letters, digits, `-`, `_` and `.`, and not only points.
pub fn is_id(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 200
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        && text.bytes().any(|b| b != b'.')
}

fn is_object(text: &str) -> bool {
    text.split('/').count() <= 3 && text.split('/').all(is_id)
}

/// A number or a word: nothing that could end the parentheses that it stands in.
pub fn is_modifier(text: &str) -> bool {
    let word = text.strip_prefix('-').unwrap_or(text);
    !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let column = ColumnShape {
            name: "price".into(),
            ty: Name { schema: Some("pg_catalog".into()), name: "numeric".into() },
            modifiers: vec!["10".into(), "2".into()],
            not_null: true,
            generated: false,
            attributes: vec![],
            members: vec![],
            collation: None,
        };
        let part = Part { object: "tables/1/1.zst".into(), bytes: 3, holds: 9, sha256: "00".into() };
        let copy = |schema: &str, name: &str| TableCopy {
            shape: Shape {
                table: Name { schema: Some(schema.into()), name: name.into() },
                columns: vec![column.clone()],
                key: vec![],
                encoding: Encoding::Binary,
            },
            sum: Sum { rows: 1, hash: "-7".into() },
            parts: vec![part.clone()],
        };
        Manifest {
            format: FORMAT.into(),
            version: VERSION,
            id: "shop-1".into(),
            taken_at: "2026-01-01T00:00:00Z".into(),
            by: "me".into(),
            origin: Origin::default(),
            run: None,
            plan: None,
            migration: None,
            encrypted_to: vec![],
            verified: true,
            unverified: None,
            tables: vec![copy("public", "orders"), copy("app", "orders"), copy("app", "users")],
            whole: None,
        }
    }

    #[test]
    fn a_manifest_reads_back_and_finds_its_tables() {
        let one = manifest();
        let text = serde_json::to_string(&one).unwrap();
        assert_eq!(serde_json::from_str::<Manifest>(&text).unwrap(), one);
        assert_eq!((one.fault(), one.bytes()), (None, 9));
        let name = |schema: Option<&str>, name: &str| Name {
            schema: schema.map(str::to_owned),
            name: name.to_owned(),
        };
        assert_eq!(one.table(&name(None, "users")).unwrap().shape.table.to_string(), "app.users");
        assert!(one.table(&name(None, "orders")).is_none(), "two are called so");
        assert!(one.table(&name(Some("app"), "orders")).is_some());
    }

    #[test]
    fn what_a_stranger_wrote_is_not_believed() {
        let wrong = |change: &dyn Fn(&mut Manifest)| {
            let mut one = manifest();
            change(&mut one);
            assert!(one.fault().is_some(), "{one:?}");
        };
        wrong(&|m| m.version = 2);
        wrong(&|m| m.format = "zip".into());
        wrong(&|m| m.id = "..".into());
        wrong(&|m| m.tables[0].parts[0].object = "../../other/1".into());
        wrong(&|m| m.tables[0].parts[0].object = "/etc/passwd".into());
        wrong(&|m| m.tables[0].shape.columns[0].modifiers = vec!["2) DEFAULT evil(".into()]);
        wrong(&|m| m.tables[0].shape.columns[0].attributes = vec!["unsigned, evil int".into()]);
        wrong(&|m| m.tables[0].shape.columns[0].collation = Some("utf8mb4_bin CHECK (evil())".into()));
    }
}
