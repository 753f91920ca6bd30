//! What identifies an object.

use std::fmt;

use cofferdam_core::QuotedIdent;
use serde::{Deserialize, Serialize};

/// What an object is. In the order in which they are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "they are the server's words, but for those that say more")]
pub enum Kind {
    Schema,
    Extension,
    /// An enum, a domain, a composite type or a range.
    Type,
    Sequence,
    /// A function or a procedure.
    Routine,
    Table,
    Column,
    /// The default of a column.
    Default,
    /// That a sequence goes with a column.
    Ownership,
    Constraint,
    Index,
    /// That a table, or an index, is a partition of another.
    Attachment,
    View,
    MaterializedView,
    Statistics,
    Rule,
    Trigger,
    Policy,
}

impl Kind {
    /// In words: `materialized view`.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Schema => "schema",
            Kind::Extension => "extension",
            Kind::Type => "type",
            Kind::Sequence => "sequence",
            Kind::Routine => "function",
            Kind::Table => "table",
            Kind::Column => "column",
            Kind::Default => "default",
            Kind::Ownership => "owner column",
            Kind::Constraint => "constraint",
            Kind::Index => "index",
            Kind::Attachment => "partition",
            Kind::View => "view",
            Kind::MaterializedView => "materialized view",
            Kind::Statistics => "statistics",
            Kind::Rule => "rule",
            Kind::Trigger => "trigger",
            Kind::Policy => "policy",
        }
    }

    /// Those that are parts of what they stand on, and go with it.
    pub(crate) const PARTS: &[Kind] = &[
        Kind::Column,
        Kind::Default,
        Kind::Constraint,
        Kind::Index,
        Kind::Attachment,
        Kind::Rule,
        Kind::Trigger,
        Kind::Policy,
    ];

    /// See [`Kind::PARTS`].
    pub(crate) fn is_part(self) -> bool {
        Self::PARTS.contains(&self)
    }
}

/// What identifies an object in its database.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// What it is.
    pub kind: Kind,
    /// Its schema; that of a schema or an extension is empty.
    pub schema: String,
    /// The table or view that it stands on; empty for what stands by itself.
    pub on: String,
    /// Its name; that of a function with the types of its arguments.
    pub name: String,
}

impl Key {
    /// Something that stands by itself.
    pub fn new(kind: Kind, schema: impl Into<String>, name: impl Into<String>) -> Self {
        Self { kind, schema: schema.into(), on: String::new(), name: name.into() }
    }

    /// A part of a table or view.
    pub fn on(kind: Kind, schema: impl Into<String>, on: impl Into<String>, name: impl Into<String>) -> Self {
        Self { kind, schema: schema.into(), on: on.into(), name: name.into() }
    }

    /// A part of the same table, or one of it.
    pub fn beside(&self, kind: Kind, name: impl Into<String>) -> Self {
        let on = if self.kind == Kind::Table { &self.name } else { &self.on };
        Self::on(kind, &self.schema, on, name)
    }

    /// The table that it stands on, or would, were it a table.
    pub fn table(&self) -> Self {
        let name = if self.on.is_empty() { &self.name } else { &self.on };
        Self::new(Kind::Table, &self.schema, name)
    }

    /// Its name for SQL, with its schema.
    pub(crate) fn sql(&self) -> String {
        qualified(&self.schema, &self.name)
    }

    /// The name of what it stands on, for SQL.
    pub(crate) fn on_sql(&self) -> String {
        qualified(&self.schema, &self.on)
    }
}

/// For people: `column public.orders.note`.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, Key { schema, on, name, .. }) = (self.kind.word(), self);
        match self.kind {
            Kind::Schema | Kind::Extension => write!(f, "{word} {name}"),
            Kind::Column | Kind::Default => write!(f, "{word} {schema}.{on}.{name}"),
            Kind::Ownership => write!(f, "{word} of sequence {schema}.{name}"),
            Kind::Attachment if name.is_empty() => write!(f, "{word} {schema}.{on}"),
            Kind::Attachment => write!(f, "{word} {schema}.{name}"),
            Kind::Constraint | Kind::Rule | Kind::Trigger | Kind::Policy => {
                write!(f, "{word} {name} on {schema}.{on}")
            }
            _ => write!(f, "{word} {schema}.{name}"),
        }
    }
}

/// A name, quoted. A server gives no other names than those that can be.
pub(crate) fn ident(name: &str) -> String {
    QuotedIdent::new(name).map(|quoted| quoted.to_string()).unwrap_or_else(|_| "\"\"".to_owned())
}

/// A name in a schema, quoted.
pub(crate) fn qualified(schema: &str, name: &str) -> String {
    if schema.is_empty() { ident(name) } else { format!("{}.{}", ident(schema), ident(name)) }
}
