//! The file as it is written. The JSON Schema is derived from these types.

use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_saphyr::Spanned;

/// The databases, policies and versions of one project.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ProjectConfig {
    /// The version of this form: `v1`.
    #[serde(rename = "apiVersion")]
    #[allow(dead_code, reason = "reading it is what checks it")]
    pub(super) api_version: ApiVersion,
    /// `ProjectConfig`.
    #[allow(dead_code, reason = "reading it is what checks it")]
    pub(super) kind: Kind,
    /// What the project is called.
    pub(super) metadata: Metadata,
    /// What it consists of.
    pub(super) spec: Spec,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(super) enum ApiVersion {
    #[serde(rename = "v1")]
    V1,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(super) enum Kind {
    ProjectConfig,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Metadata {
    /// The name of the project, which is that of its directory: small letters, digits and `-`.
    #[schemars(with = "String", regex(pattern = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"), length(max = 63))]
    pub(super) name: Spanned<String>,
    /// What it is, in a sentence.
    #[serde(default)]
    pub(super) description: Option<String>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Spec {
    /// The databases by a name of yours (`primary`), in the order in which they are changed.
    #[schemars(extend("minProperties" = 1))]
    pub(super) databases: Ordered<DatabaseEntry>,
    /// How migrations are made.
    #[serde(default)]
    pub(super) migration: Migration,
    /// For each version the versions that it upgrades to and rolls back to.
    #[schemars(extend("minProperties" = 1, "propertyNames" = {"pattern": VERSION}))]
    pub(super) compatibility_matrix: Ordered<MatrixEntry>,
}

/// What a version of a project looks like, for editors; `Release::parse` decides.
const VERSION: &str = r"^v?(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)$";

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DatabaseEntry {
    /// What it speaks.
    #[serde(rename = "type")]
    pub(super) kind: DatabaseType,
    /// Its name on the server.
    #[schemars(length(min = 1))]
    pub(super) name: String,
    /// The schemas that the scripts are about.
    #[serde(default)]
    pub(super) schemas: Vec<String>,
}

/// What a database speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DatabaseType {
    /// PostgreSQL.
    Postgresql,
    /// MySQL.
    Mysql,
    /// MariaDB.
    Mariadb,
    /// MongoDB, whose scripts are JavaScript.
    Mongodb,
}

impl DatabaseType {
    /// All of them.
    pub const ALL: [DatabaseType; 4] =
        [DatabaseType::Postgresql, DatabaseType::Mysql, DatabaseType::Mariadb, DatabaseType::Mongodb];

    /// As it is written in the file and in the names of directories.
    pub fn id(self) -> &'static str {
        match self {
            DatabaseType::Postgresql => "postgresql",
            DatabaseType::Mysql => "mysql",
            DatabaseType::Mariadb => "mariadb",
            DatabaseType::Mongodb => "mongodb",
        }
    }

    /// The one that is written so.
    pub fn of(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.id() == id)
    }

    /// Its scripts are SQL.
    pub fn is_sql(self) -> bool {
        self != DatabaseType::Mongodb
    }
}

impl fmt::Display for DatabaseType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Migration {
    /// What every script must have, and what comes before it runs.
    #[serde(default)]
    pub(super) policies: Policies,
}

/// What every script must have, and what comes before it runs. What is left out is required.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Policies {
    /// Each script has one that takes it back, and each upgrade a way back in the matrix.
    pub require_rollback: bool,
    /// Each script has one that proves it.
    pub require_validation: bool,
    /// The plans of all databases are made and judged before the first is changed.
    pub dry_run_first: bool,
    /// What an upgrade destroys is saved before, and an upgrade without a place for it is refused.
    pub backup_before_upgrade: bool,
}

impl Default for Policies {
    fn default() -> Self {
        Self {
            require_rollback: true,
            require_validation: true,
            dry_run_first: true,
            backup_before_upgrade: true,
        }
    }
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MatrixEntry {
    /// Later versions that this one upgrades to in one step.
    #[serde(default)]
    #[schemars(with = "Vec<String>", inner(regex(pattern = VERSION)))]
    pub(super) upgrades_to: Vec<Spanned<String>>,
    /// Earlier versions that this one is taken back to in one step.
    #[serde(default)]
    #[schemars(with = "Vec<String>", inner(regex(pattern = VERSION)))]
    pub(super) rollback_to: Vec<Spanned<String>>,
}

/// A mapping that keeps the order of the file, and the place of each key.
#[derive(Debug, Clone)]
pub(super) struct Ordered<T>(pub(super) Vec<(Spanned<String>, T)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Ordered<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Entries(PhantomData))
    }
}

struct Entries<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
    type Value = Ordered<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Ordered(entries))
    }
}

impl<T: JsonSchema> JsonSchema for Ordered<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("OrderedMapOf{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        std::collections::BTreeMap::<String, T>::json_schema(generator)
    }
}
