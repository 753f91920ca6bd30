//! What is put aside in place of being dropped, and brought back or dropped for good later.
//!
//! A plan stores a [`Parking`]: it says what is put aside and for how long. Where it is put follows from the server's
//! clock when it is done, and the database's table `cofferdam.parked` says it: that is [`Parked`].

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::ident::Name;
use crate::plan::sha256_hex;
use crate::text::Text;

/// How long something stays parked where nobody says, in seconds: seven days.
pub const KEEP_SECONDS: u64 = 7 * 24 * 60 * 60;

/// A table with so many bytes (heap and TOAST) at most is small: its values are copied under the lock that a DROP
/// COLUMN takes anyway, in well under a second.
pub const SMALL_BYTES: u64 = 16 << 20;

/// What one statement would drop, and is to be put aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parking {
    /// What names it for its way back: it follows from the migration and the step, so that a plan can hold both.
    pub label: String,
    /// What is put aside.
    pub object: Object,
    /// The statement as it is written. It is tried, so that what the server refuses is refused.
    pub sql: Text,
    /// How long it is to be kept, in seconds. After that `cofferdam finalize --expired` drops it for good; nothing
    /// else does.
    pub keep_seconds: u64,
}

/// What is put aside. Closed: it is a file format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "object")]
pub enum Object {
    /// The tables of a `DROP TABLE`, all of them together.
    Tables {
        /// As the statement names them.
        names: Vec<Name>,
        /// It says CASCADE.
        #[serde(default)]
        cascade: bool,
    },
    /// The values of columns that an `ALTER TABLE` drops.
    Columns {
        /// The table.
        table: Name,
        /// The columns that it drops.
        columns: Vec<String>,
    },
}

impl Object {
    /// The tables that it is about.
    pub fn tables(&self) -> &[Name] {
        match self {
            Object::Tables { names, .. } => names,
            Object::Columns { table, .. } => std::slice::from_ref(table),
        }
    }
}

/// For people: `table orders`, `tables a, b`, `column users.plan`.
impl std::fmt::Display for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let several = |all: usize| if all == 1 { "" } else { "s" };
        match self {
            Object::Tables { names, .. } => {
                let list: Vec<String> = names.iter().map(Name::to_string).collect();
                write!(f, "table{} {}", several(names.len()), list.join(", "))
            }
            Object::Columns { table, columns } => {
                let list: Vec<String> = columns.iter().map(|column| format!("{table}.{column}")).collect();
                write!(f, "column{} {}", several(columns.len()), list.join(", "))
            }
        }
    }
}

/// What is done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deed {
    /// It is put aside.
    Park,
    /// It is brought back.
    Undrop,
    /// Foreign keys that came back are checked against the rows of today. Outside of any transaction, and as often as
    /// one likes.
    Validate,
    /// It is dropped for good.
    Discard,
}

impl Deed {
    /// Its name in messages.
    pub fn word(self) -> &'static str {
        match self {
            Deed::Park => "park",
            Deed::Undrop => "undrop",
            Deed::Validate => "validate the foreign keys of",
            Deed::Discard => "drop for good",
        }
    }
}

/// What the database says of something that was parked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Parked {
    /// Its name, with the day in it: the schema in which it is kept.
    pub name: String,
    /// See [`Parking::label`].
    pub label: String,
    /// What it was, with the schemas that the server found.
    pub object: Object,
    /// Where its tables are now; of columns the table that holds their values. Empty once it ended.
    pub kept_in: Vec<Name>,
    /// The run that parked it.
    pub run: Uuid,
    /// The migration, or what the run was otherwise for.
    pub key: String,
    /// Since when, RFC 3339 in UTC.
    pub parked_at: String,
    /// By whom.
    pub parked_by: String,
    /// Until when it is kept, RFC 3339 in UTC.
    pub until: String,
    /// That time has passed by the server's clock.
    pub expired: bool,
    /// How large it is with its indexes, as the server's catalog has it; `None` once it ended.
    pub bytes: Option<u64>,
    /// When it ended, RFC 3339 in UTC.
    pub ended_at: Option<String>,
    /// How: `undropped`, `dropped`, or `nothing` where there was nothing to park.
    pub ended: Option<String>,
    /// What a person should know: what could not be brought back as it was.
    pub notes: Vec<String>,
}

impl Parked {
    /// It is there.
    pub fn is_there(&self) -> bool {
        self.ended_at.is_none()
    }

    /// It is what a person calls so: its name, or that of a table of it, with or without the schema.
    pub fn is_called(&self, wanted: &str) -> bool {
        let table = |name: &Name| name.name == wanted || name.to_string() == wanted;
        let column = match &self.object {
            Object::Tables { .. } => false,
            Object::Columns { table, columns } => columns
                .iter()
                .any(|c| wanted == format!("{table}.{c}") || wanted == format!("{}.{c}", table.name)),
        };
        self.name == wanted || column || self.object.tables().iter().any(table)
    }
}

/// `table public.orders is parked as ... until ... UTC: cofferdam undrop ... brings it back`.
pub fn told(object: &Object, name: &str, until: &str) -> String {
    let until = until.get(..16).unwrap_or(until).replace('T', " ");
    format!("{object} is parked as {name} until {until} UTC: cofferdam undrop {name} brings it back")
}

/// The label of what a step of a migration parks.
pub fn label(key: &str, step: &str, sql: &str) -> String {
    sha256_hex(format!("{key}\0{step}\0{sql}").as_bytes())[..12].to_owned()
}

/// A time in words: `7 days`, `36 hours`, `90 s`.
pub fn for_so_long(seconds: u64) -> String {
    let (number, unit) = match seconds {
        s if s >= 86_400 && s % 86_400 == 0 => (s / 86_400, "day"),
        s if s >= 3_600 && s % 3_600 == 0 => (s / 3_600, "hour"),
        s if s >= 60 && s % 60 == 0 => (s / 60, "minute"),
        s => return format!("{s} s"),
    };
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parked(object: Object) -> Parked {
        Parked {
            name: "cofferdam_parked_20261122_orders".into(),
            label: label("1", "1", "DROP TABLE orders"),
            object,
            kept_in: vec![],
            run: Uuid::nil(),
            key: "1".into(),
            parked_at: String::new(),
            parked_by: String::new(),
            until: String::new(),
            expired: false,
            bytes: None,
            ended_at: None,
            ended: None,
            notes: vec![],
        }
    }

    #[test]
    fn what_is_parked_is_found_by_what_people_call_it() {
        let tables = parked(Object::Tables {
            names: vec![Name::qualified("public", "orders"), Name::qualified("app", "Items")],
            cascade: false,
        });
        for wanted in ["orders", "public.orders", "Items", "app.Items", "cofferdam_parked_20261122_orders"] {
            assert!(tables.is_called(wanted), "{wanted}");
        }
        assert!(!tables.is_called("items") && !tables.is_called("app.orders"));
        let columns = parked(Object::Columns {
            table: Name::qualified("public", "users"),
            columns: vec!["plan".into()],
        });
        for wanted in ["users", "public.users", "users.plan", "public.users.plan"] {
            assert!(columns.is_called(wanted), "{wanted}");
        }
        assert!(!columns.is_called("plan"));
    }

    #[test]
    fn it_is_a_file_format() {
        let parking = Parking {
            label: "0123456789ab".into(),
            object: Object::Columns { table: Name::plain("t"), columns: vec!["c".into()] },
            sql: "ALTER TABLE t DROP COLUMN c".into(),
            keep_seconds: 60,
        };
        let text = r#"{"label":"0123456789ab","object":{"object":"columns","table":{"name":"t"},"columns":["c"]},"sql":"ALTER TABLE t DROP COLUMN c","keep_seconds":60}"#;
        assert_eq!(serde_json::to_string(&parking).unwrap(), text);
        assert_eq!(serde_json::from_str::<Parking>(text).unwrap(), parking);
        assert_ne!(label("1", "1", "x"), label("1", "2", "x"));
    }

    #[test]
    fn times_are_words() {
        for (seconds, words) in [
            (604_800, "7 days"),
            (86_400, "1 day"),
            (129_600, "36 hours"),
            (120, "2 minutes"),
            (61, "61 s"),
            (0, "0 s"),
        ] {
            assert_eq!(for_so_long(seconds), words);
        }
    }
}
