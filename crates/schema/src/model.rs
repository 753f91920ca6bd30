//! The objects, as a server describes them. They are read from JSON that its catalog makes, and a file that records a
//! schema holds the same.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Key, Kind};

/// All that a database is made of, but for what [`Schema::left_out`] says. It is a file format: a later version reads
/// what an earlier one wrote.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Schema {
    /// The server's version, as `server_version_num` has it: 150018.
    pub version: u32,
    /// The objects.
    #[serde(serialize_with = "listed", deserialize_with = "keyed")]
    pub objects: BTreeMap<Key, Object>,
    /// What is there and was not read.
    #[serde(default)]
    pub left_out: Vec<LeftOut>,
}

/// Each has its key in it.
fn listed<S: Serializer>(objects: &BTreeMap<Key, Object>, to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(objects.values())
}

fn keyed<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<Key, Object>, D::Error> {
    let objects = Vec::<Object>::deserialize(from)?;
    Ok(objects.into_iter().map(|object| (object.key.clone(), object)).collect())
}

/// What was not read, or is not compared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LeftOut {
    /// `aggregate`, `table`.
    pub what: String,
    /// Its name, with its schema.
    pub name: String,
    /// Why, where it is not that Cofferdam knows no such objects.
    #[serde(default)]
    pub why: Option<String>,
}

/// One object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Object {
    /// What identifies it.
    pub key: Key,
    /// What it is.
    pub body: Body,
    /// Its comment.
    #[serde(default)]
    pub comment: Option<String>,
    /// Whose it is, where that is kept of such an object. Not compared: it differs between any two places.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// What roles other than its owner may do with it.
    #[serde(default)]
    pub grants: BTreeSet<Grant>,
    /// Other objects that it cannot be without, at first hand.
    #[serde(default)]
    pub needs: BTreeSet<Key>,
}

/// A privilege.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Grant {
    /// The role; `None`: PUBLIC.
    pub to: Option<String>,
    /// `SELECT`.
    pub privilege: String,
    /// WITH GRANT OPTION.
    pub grantable: bool,
}

/// What an object is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the types say it")]
pub enum Body {
    Schema {},
    Extension(Extension),
    /// Its labels in order.
    Enum(Vec<String>),
    Domain(Domain),
    Composite(Composite),
    /// What stands between the brackets of CREATE TYPE ... AS RANGE.
    Range(String),
    Sequence(Counter),
    Routine(Routine),
    Table(Table),
    Column(Column),
    /// The expression.
    Default(String),
    Ownership(Owned),
    Constraint(Constraint),
    Index(Index),
    Attachment(Attachment),
    View(View),
    MaterializedView(MaterializedView),
    /// The whole statement, and its target for statistics.
    Statistics(String, Option<i32>),
    Rule(Rule),
    Trigger(Trigger),
    Policy(Policy),
}

/// An extension that is installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Extension {
    pub version: String,
    pub schema: String,
}

/// A domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Domain {
    pub base: String,
    pub collation: Option<String>,
    pub default: Option<String>,
    pub not_null: bool,
    pub checks: Vec<Check>,
}

/// A constraint of a domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Check {
    pub name: String,
    pub definition: String,
}

/// A composite type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Composite {
    /// In order.
    pub attributes: Vec<Attribute>,
}

/// An attribute of a composite type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Attribute {
    pub name: String,
    pub ty: String,
    pub collation: Option<String>,
}

/// How a sequence counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Counter {
    /// `bigint`.
    pub ty: String,
    pub start: i64,
    pub increment: i64,
    pub minimum: i64,
    pub maximum: i64,
    pub cache: i64,
    pub cycle: bool,
    #[serde(default)]
    pub unlogged: bool,
}

/// A function or procedure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Routine {
    /// For DROP: the qualified name and the types of its arguments.
    pub signature: String,
    /// The whole `CREATE OR REPLACE`.
    pub definition: String,
    /// It is a procedure.
    pub procedure: bool,
    /// Its arguments with names and modes, without defaults.
    pub arguments: String,
    /// What it returns.
    pub result: Option<String>,
    /// How many arguments have a default.
    pub defaults: i32,
}

/// A table without its columns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// UNLOGGED.
    pub unlogged: bool,
    /// `RANGE (at)`.
    pub partition_by: Option<String>,
    /// Schema and name of the tables that it inherits from, or is a partition of.
    pub parents: Vec<(String, String)>,
    /// It is a partition.
    pub partition: bool,
    /// `fillfactor=70`, `toast.autovacuum_enabled=off`.
    pub options: BTreeSet<String>,
    /// Its access method.
    pub method: Option<String>,
    /// Its tablespace, where it is not the database's.
    pub tablespace: Option<String>,
    /// ENABLE ROW LEVEL SECURITY.
    pub row_security: bool,
    /// FORCE ROW LEVEL SECURITY.
    pub force_row_security: bool,
    /// `d` the key, `f` the whole row, `n` nothing, `i` an index.
    pub replica_identity: String,
}

/// A column, without its default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its number. Not compared: a column cannot be moved.
    pub position: i32,
    /// Its type, qualified.
    pub ty: String,
    /// Where it is not the type's.
    pub collation: Option<String>,
    /// NOT NULL.
    pub not_null: bool,
    /// It is computed.
    pub generated: Option<Generated>,
    /// It is an identity column.
    pub identity: Option<Identity>,
    /// Where it is not the type's: `EXTERNAL`.
    pub storage: Option<String>,
    /// `pglz`, `lz4`.
    pub compression: Option<String>,
    /// The target for statistics.
    pub target: Option<i32>,
    /// `n_distinct=5`.
    pub options: BTreeSet<String>,
    /// It comes from a parent alone.
    pub inherited: bool,
}

/// How a column is computed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Generated {
    pub expression: String,
    pub is_virtual: bool,
}

/// How an identity column counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Identity {
    pub always: bool,
    /// Schema and name of its sequence.
    pub sequence: (String, String),
    pub counter: Counter,
}

/// The column that a sequence goes with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Owned {
    pub schema: String,
    pub table: String,
    pub column: String,
}

/// A constraint of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Constraint {
    /// `c` CHECK, `p` PRIMARY KEY, `u` UNIQUE, `x` EXCLUDE, `f` FOREIGN KEY.
    pub sort: char,
    /// As it stands behind `CONSTRAINT name`.
    pub definition: String,
    /// The columns that it is about.
    pub columns: Vec<String>,
    /// Schema and name of the table that a foreign key leads to.
    pub references: Option<(String, String)>,
    /// It comes from a parent alone.
    pub inherited: bool,
    /// Its index identifies rows for logical replication.
    #[serde(default)]
    pub replica_identity: bool,
    /// Its table is partitioned: its partitions have constraints of their own, which are attached.
    #[serde(default)]
    pub only: bool,
}

/// An index that no constraint stands on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// The whole statement.
    pub definition: String,
    /// A build of it that failed, or is at work.
    pub invalid: bool,
    /// It identifies rows for logical replication.
    #[serde(default)]
    pub replica_identity: bool,
}

/// That a table or an index is a partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Schema and name of what it is a partition of.
    pub parent: (String, String),
    /// `FOR VALUES IN (1)`; `None`: it is an index.
    pub bound: Option<String>,
}

/// A view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// Its query.
    pub definition: String,
    /// `security_invoker=true`.
    pub options: BTreeSet<String>,
    /// In order.
    pub columns: Vec<ViewColumn>,
}

/// A column of a view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct ViewColumn {
    pub name: String,
    pub ty: String,
    #[serde(default)]
    pub collation: Option<String>,
}

/// A materialized view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaterializedView {
    /// Its query.
    pub definition: String,
    /// `fillfactor=70`.
    pub options: BTreeSet<String>,
    /// Its access method.
    pub method: Option<String>,
    /// Its tablespace, where it is not the database's.
    pub tablespace: Option<String>,
    /// It can be read. Not compared.
    pub populated: bool,
}

/// A rule other than a view's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// The whole statement.
    pub definition: String,
    /// `O`, `D`, `R` or `A`.
    pub enabled: String,
}

/// A trigger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trigger {
    /// The whole statement.
    pub definition: String,
    /// `O`, `D`, `R` or `A`.
    pub enabled: String,
}

/// A policy of row security.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// `ALL`, `SELECT`, ...
    pub command: String,
    /// AS PERMISSIVE.
    pub permissive: bool,
    /// NULL in it: PUBLIC.
    pub roles: BTreeSet<Option<String>>,
    /// USING.
    pub using: Option<String>,
    /// WITH CHECK.
    pub check: Option<String>,
}

impl Schema {
    /// The objects of one kind on a table or view, in the order of their names.
    pub(crate) fn parts<'s>(&'s self, of: &Key, kind: Kind) -> impl Iterator<Item = &'s Object> + use<'s> {
        let low = Key::on(kind, &of.schema, &of.name, "");
        let (schema, on) = (low.schema.clone(), low.on.clone());
        self.objects
            .range(low..)
            .take_while(move |(key, _)| key.kind == kind && key.schema == schema && key.on == on)
            .map(|(_, object)| object)
    }

    /// The columns of a table, in their order.
    pub(crate) fn columns<'s>(&'s self, table: &Key) -> Vec<(&'s Object, &'s Column)> {
        let mut columns: Vec<_> = self
            .parts(table, Kind::Column)
            .filter_map(|object| Some((object, object.body.column()?)))
            .collect();
        columns.sort_by_key(|(_, column)| column.position);
        columns
    }

    /// The table that a key stands on, or is.
    pub(crate) fn table(&self, key: &Key) -> Option<&Table> {
        self.objects.get(&key.table()).and_then(|object| object.body.table())
    }

    /// What a part stands on: a table, a view, or a materialized view.
    pub(crate) fn holder(&self, key: &Key) -> Option<Key> {
        [Kind::Table, Kind::View, Kind::MaterializedView]
            .into_iter()
            .map(|kind| Key::new(kind, &key.schema, &key.on))
            .find(|holder| self.objects.contains_key(holder))
    }

    /// Its major version.
    pub fn major(&self) -> u32 {
        self.version / 10_000
    }
}

impl Body {
    pub(crate) fn table(&self) -> Option<&Table> {
        if let Body::Table(table) = self { Some(table) } else { None }
    }

    pub(crate) fn column(&self) -> Option<&Column> {
        if let Body::Column(column) = self { Some(column) } else { None }
    }

    pub(crate) fn constraint(&self) -> Option<&Constraint> {
        if let Body::Constraint(constraint) = self { Some(constraint) } else { None }
    }
}

impl Object {
    /// The grants that the server gives when it makes such an object.
    pub(crate) fn given(&self) -> BTreeSet<Grant> {
        let privilege = match self.key.kind {
            Kind::Routine => "EXECUTE",
            Kind::Type => "USAGE",
            _ => return BTreeSet::new(),
        };
        BTreeSet::from([Grant { to: None, privilege: privilege.into(), grantable: false }])
    }
}
