//! `spec.migration`: what is carried out, and from where it comes.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::closed::closed;
use crate::reference::{LocalRef, SecretKeyRef};
use crate::value::{ConfigMapSource, EnvName, ImageReference, ObjectName, ScriptName, Sha256, Span};

/// What is carried out, and from where it comes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(
    "(has(self.scripts) ? 1 : 0) + (has(self.image) ? 1 : 0) + (has(self.configMaps) ? 1 : 0) \
     + (has(self.container) ? 1 : 0) == 1",
).message("spec.migration: give exactly one of scripts, image, configMaps and container"))]
#[x_kube(validation = Rule::new("!has(self.dir) || has(self.image)")
    .message("spec.migration.dir: goes with image only; leave it out, or name the image that has the directory")
    .field_path(".dir"))]
#[x_kube(validation = Rule::new("!has(self.verify) || has(self.image) || has(self.container)")
    .message("spec.migration.verify: goes with image or container only; leave it out")
    .field_path(".verify"))]
#[x_kube(validation = Rule::new("!has(self.format) || has(self.image) || has(self.configMaps)")
    .message("spec.migration.format: goes with image or configMaps only; leave it out")
    .field_path(".format"))]
#[x_kube(validation = Rule::new("!has(self.history) || has(self.image) || has(self.configMaps)")
    .message("spec.migration.history: goes with image or configMaps only, whose directory a tool may know; leave it out")
    .field_path(".history"))]
#[x_kube(validation = Rule::new(
    "!has(self.history) || self.history != 'tool' || (has(self.format) && !(self.format in ['auto', 'plain']))",
).message(
        "spec.migration.history: where the tool's table is the only history, format must name the tool: taking the \
         change back has no directory that would",
    )
    .field_path(".history"))]
#[x_kube(validation = Rule::new("!has(self.targetVersion) || has(self.image) || has(self.configMaps)")
    .message("spec.migration.targetVersion: goes with image or configMaps only; leave it out")
    .field_path(".targetVersion"))]
#[x_kube(validation = Rule::new("!has(self.container) || self.strategy in ['auto', 'direct']")
    .message(
        "spec.migration.strategy: a container runs its own statements, so only auto or direct fits; for an online \
         change use scripts, image or configMaps",
    )
    .field_path(".strategy"))]
#[x_kube(validation = Rule::new("!has(self.container) || !has(self.drop) || self.drop == 'drop'")
    .message("spec.migration.drop: what a container drops cannot be parked; leave it out, or use scripts, image or configMaps")
    .field_path(".drop"))]
#[x_kube(validation = Rule::new("!has(self.parkFor) || (has(self.drop) && self.drop == 'park')")
    .message("spec.migration.parkFor: says how long what is parked is kept, and nothing is parked; set drop to park")
    .field_path(".parkFor"))]
#[x_kube(validation = Rule::new(
    "!has(self.scripts) || self.scripts.all(s, !has(s.dependsOn) || s.dependsOn.all(d, d != s.name \
     && self.scripts.exists(o, o.name == d)))",
).message("spec.migration.scripts: dependsOn names a script that is not in the list, or the script itself")
    .field_path(".scripts"))]
pub struct Migration {
    /// How the change is made.
    #[serde(default)]
    pub strategy: Strategy,
    /// Scripts by name, each a key of a ConfigMap. They run in the order of this list, but none before those that it
    /// depends on. At most 32; what is more is a directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub scripts: Option<Vec<Script>>,
    /// A container image with a directory of migrations. It is read, never started, and pinned to its digest when the
    /// run begins. Example: `myapp:v2.0.0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageReference>,
    /// The directory in the image. Default: `/migrations`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), regex(pattern = r"^(/[A-Za-z0-9_@+-][A-Za-z0-9._@+-]*)+/?$"))]
    pub dir: Option<String>,
    /// ConfigMaps in the same namespace whose keys together are the files of one directory of migrations. At most 16.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub config_maps: Option<Vec<LocalRef>>,
    /// Your own migration image (Alembic, Drizzle, anything), run as it is. What it did is believed only when the
    /// version signal in the database says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<Container>,
    /// What tool the directory was written for. Default: `auto`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// Where it is kept what is applied. Default: in both where the table of the directory's tool is there, or where only
    /// that tool can have written the directory; else in Cofferdam's own history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<HistoryMode>,
    /// The newest version that is applied. Default: `latest`, all that there are. Example: `1.5.0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9._+-]*$"))]
    pub target_version: Option<String>,
    /// How the image's signature is checked. Default: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<Verify>,
    /// Name of the DatabaseMigration in the same namespace that must have succeeded before this one runs. Default:
    /// none. Example: `orders-2025-05`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<ObjectName>,
    /// What becomes of the tables and columns that a statement drops, also where the change is taken back. Default:
    /// `drop`.
    #[serde(default, skip_serializing_if = "DropPolicy::is_default")]
    pub drop: DropPolicy,
    /// How long what is parked is kept at least; nothing but `cofferdam finalize` ever drops it for good. Default:
    /// `7d`. Example: `14d`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub park_for: Option<Span>,
}

/// One script.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Script {
    /// Its name among the scripts of this object; with the object's name before it also its version in the history, as in
    /// `users/schema-changes`. Example: `schema-changes`.
    pub name: ScriptName,
    /// What it changes. Default: `schema`.
    #[serde(default, skip_serializing_if = "ScriptType::is_default")]
    pub r#type: ScriptType,
    /// Where it stands: `configmap://NAME/KEY`, a ConfigMap in the same namespace. Example:
    /// `configmap://migrations/001_schema.sql`.
    pub source: ConfigMapSource,
    /// SHA-256 of the script's bytes, as `sha256:` and 64 hexadecimal digits. A script that has another one is not
    /// run. Default: not checked, but kept in the history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<Sha256>,
    /// Names of scripts that must have succeeded before, at most 8. Default: none. Example: `[schema-changes]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "set"))]
    pub depends_on: Vec<ScriptName>,
}

/// In the order of the list, but none before those that it depends on.
///
/// # Errors
/// Those that wait for each other, or for a script that is not there.
pub fn in_order(list: &[Script]) -> Result<Vec<&Script>, Vec<&Script>> {
    let mut left: Vec<&Script> = list.iter().collect();
    let mut done: Vec<&Script> = Vec::new();
    while !left.is_empty() {
        let ready = left.iter().position(|next| {
            next.depends_on.iter().all(|wanted| done.iter().any(|before| before.name == *wanted))
        });
        match ready {
            Some(ready) => done.push(left.remove(ready)),
            None => return Err(left),
        }
    }
    Ok(done)
}

/// The scripts of type `validation`, each with the script at whose end its queries run: the last of those that it depends
/// on, or the one before it in the list.
///
/// # Errors
/// Why one has no place, for people: nothing stands before it, it is about another validation, or a script has two.
pub fn validations(list: &[Script]) -> Result<Vec<(&Script, &Script)>, String> {
    // Where they wait for each other there is no order, which is said elsewhere.
    let ordered = in_order(list).unwrap_or_default();
    let mut all: Vec<(&Script, &Script)> = Vec::new();
    for (place, script) in list.iter().enumerate().filter(|(_, script)| script.validates()) {
        let name = script.name.as_str();
        let about = match script.depends_on.is_empty() {
            true => list[..place].iter().rev().find(|before| !before.validates()),
            false => ordered.iter().rev().find(|other| script.depends_on.contains(&other.name)).copied(),
        };
        let Some(about) = about else {
            if ordered.is_empty() {
                continue;
            }
            return Err(format!("{name} validates nothing: no script stands before it; give it dependsOn"));
        };
        if about.validates() {
            return Err(format!("{name} depends on {}, which changes nothing", about.name.as_str()));
        }
        if let Some((first, _)) = all.iter().find(|(_, known)| known.name == about.name) {
            return Err(format!(
                "{} is validated by {} and by {name}; put their queries into one script",
                about.name.as_str(),
                first.name.as_str()
            ));
        }
        all.push((script, about));
    }
    Ok(all)
}

impl Script {
    /// It changes nothing: its queries must return no row.
    pub fn validates(&self) -> bool {
        self.r#type == ScriptType::Validation
    }
}

/// What is said of scripts that have no order.
pub fn knotted(left: &[&Script]) -> String {
    let names: Vec<&str> = left.iter().map(|script| script.name.as_str()).collect();
    format!("{} wait for each other, or for a script that is not there; correct dependsOn", names.join(", "))
}

/// Your own migration image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.backoffLimit == 0 || self.idempotent")
    .message(
        "spec.migration.container.backoffLimit: a container that fails is started again only if it may run twice; set \
         idempotent to true, or backoffLimit to 0",
    )
    .field_path(".backoffLimit"))]
pub struct Container {
    /// The image. It is started as a user that is not root, without a shell of ours, with a read-only root file system
    /// and an empty `/tmp`. Example: `registry.example.com/team/myapp-migrations:v2.0.0`.
    pub image: ImageReference,
    /// The program and its first arguments, in place of the image's entry point. No shell reads them. Default: as the
    /// image says. Example: `[alembic]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), inner(length(max = 4096)))]
    pub command: Option<Vec<String>>,
    /// Arguments. Default: as the image says. Example: `[upgrade, head]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), inner(length(max = 4096)))]
    pub args: Option<Vec<String>>,
    /// Variables of its environment. `DATABASE_URL` is there without being named, made from `spec.database`; where the
    /// Secret has `username` and `password` in place of `url`, so are `PGHOST`, `PGPORT`, `PGDATABASE`, `PGUSER` and
    /// `PGPASSWORD` (for mysql and mariadb `MYSQL_HOST` and so on), and a value may refer to them as `$(PGHOST)`. At
    /// most 64. Default: none beside those.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub env: Vec<EnvVar>,
    /// How many Pods of it run at the same time, from 1 to 32: for backfills that share out their work by
    /// `JOB_COMPLETION_INDEX`. The signal is read when all of them have ended.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 32))]
    pub parallelism: u32,
    /// It may run twice without harm: one that failed can be started again without a person who looks at what it did.
    #[serde(default)]
    pub idempotent: bool,
    /// How often it is started again after a failure, from 0 to 10.
    #[serde(default)]
    #[schemars(range(min = 0, max = 10))]
    pub backoff_limit: u32,
    /// Where the database says which version it has.
    pub signal: Signal,
    /// What the container will do to the schema. Each is held against the live database before it is started, as the
    /// statement itself would be. At most 64. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub hints: Vec<Hint>,
}

fn one() -> u32 {
    1
}

/// A variable of the environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.value) != has(self.secretKeyRef)")
    .message("spec.migration.container.env: give exactly one of value and secretKeyRef for each variable"))]
#[x_kube(validation = Rule::new(
    "!(self.name in ['DATABASE_URL', 'PGHOST', 'PGPORT', 'PGDATABASE', 'PGUSER', 'PGPASSWORD', 'PATH', 'LD_PRELOAD', \
     'LD_LIBRARY_PATH']) && !self.name.startsWith('KUBERNETES_')",
).message("spec.migration.container.env: this name is set from spec.database or by the system; choose another one")
    .field_path(".name"))]
pub struct EnvVar {
    /// Name of the variable. Example: `NODE_ENV`.
    pub name: EnvName,
    /// Its value as plain text; not for secrets. Example: `production`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub value: Option<String>,
    /// Its value from a Secret in the same namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<SecretKeyRef>,
}

/// Where the database says which version it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Signal {
    /// The table (or collection), with its schema where `search_path` does not find it, as the server stores the name.
    /// Until it is there it says nothing. Example: `alembic_version`.
    #[schemars(length(min = 1, max = 127))]
    pub table: String,
    /// The column (or field). Example: `version_num`.
    #[schemars(length(min = 1, max = 63))]
    pub column: String,
    /// The value that one of its rows must have once the container is done. Example: `27c6a30d7c24`.
    #[schemars(length(min = 1, max = 256))]
    pub value: String,
}

/// One thing that the container will do to the schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Hint {
    /// What it does.
    pub r#type: HintType,
    /// The table, with its schema where `search_path` does not find it. Example: `orders`.
    #[schemars(length(min = 1, max = 127))]
    pub table: String,
    /// The columns that it is about, in their order. At most 32. Default: none. Example: `[status]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 63)))]
    pub columns: Vec<String>,
}

/// How the image's signature is checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Verify {
    /// The public key of cosign as PEM. The image is used only if a signature of its digest fits it.
    #[schemars(length(min = 1, max = 4096), regex(pattern = r"^-----BEGIN PUBLIC KEY-----\n"))]
    pub public_key: String,
    /// What the signature must carry beside the digest, as cosign's `-a key=value` wrote it. At most 16. Default:
    /// nothing.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub annotations: BTreeMap<String, Annotation>,
}

/// A value that a signature must carry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Annotation(#[schemars(length(max = 256))] pub String);

closed! {
    /// How a change is made.
    pub enum Strategy {
        /// The one that the size of the tables, their traffic and the server's abilities ask for.
        Auto = "auto",
        /// The statement itself, or its native form that does not block.
        Direct = "direct",
        /// A copy is filled beside the table, kept in sync, compared and swapped in.
        ShadowTable = "shadow-table",
        /// Old and new form side by side in the table, until nothing uses the old one.
        Rolling = "rolling",
        /// A second database is migrated and takes the place of the first.
        BlueGreen = "blue-green",
    }
    default Auto
}

closed! {
    /// What becomes of what a statement drops.
    pub enum DropPolicy {
        /// It is dropped, and its rows and values are gone.
        Drop = "drop",
        /// It is put aside under a dated name: gone for the application, and `cofferdam undrop` or taking the change
        /// back brings it back.
        Park = "park",
    }
    default Drop
}

impl DropPolicy {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

closed! {
    /// What a script changes.
    pub enum ScriptType {
        /// The definition of tables.
        Schema = "schema",
        /// Rows.
        Data = "data",
        /// Nothing: its queries must return no row. They run at the end of the last script that it depends on, or,
        /// without any, of the one before it in the list, and again while the application is watched after a swap. A
        /// row takes that script back.
        Validation = "validation",
    }
    default Schema
}

impl ScriptType {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

closed! {
    /// The tool that a directory was written for.
    pub enum Format {
        /// The names of the files decide.
        Auto = "auto",
        /// Atlas: a directory with `atlas.sum`.
        Atlas = "atlas",
        /// dbmate: files with the lines `-- migrate:up` and `-- migrate:down`.
        Dbmate = "dbmate",
        /// Drizzle 0.x: a directory with `meta/_journal.json`.
        Drizzle = "drizzle",
        /// Flyway: `V1__name.sql`, `U1__name.sql`, `R__name.sql`.
        Flyway = "flyway",
        /// golang-migrate: the same files as `plain`, with its table `schema_migrations`.
        GolangMigrate = "golang-migrate",
        /// goose: files with a line `-- +goose Up`.
        Goose = "goose",
        /// Numbered pairs: `001_name.up.sql`, `001_name.down.sql`.
        Plain = "plain",
        /// sqlx: `1_name.sql`, or pairs `1_name.up.sql` and `1_name.down.sql`.
        Sqlx = "sqlx",
    }
    default Auto
}

closed! {
    /// Where it is kept what is applied. Runs, journal and ways back are always Cofferdam's.
    pub enum HistoryMode {
        /// In Cofferdam's own history alone: the tool's table is neither read nor written.
        Own = "own",
        /// In the tool's table alone.
        Tool = "tool",
        /// In both, in the transaction of the change itself; the tool's table is made where it is missing.
        Both = "both",
    }
}

impl Format {
    /// The tool whose history a directory of this form has, where the form says it.
    pub fn tool(self) -> Option<&'static str> {
        match self {
            Format::Auto | Format::Plain => None,
            named => Some(named.word()),
        }
    }
}

closed! {
    /// What a container does to a table.
    pub enum HintType {
        /// A column is added.
        AddColumn = "add-column",
        /// A column is added that takes no NULL.
        AddNotNullColumn = "add-not-null-column",
        /// A column is removed.
        DropColumn = "drop-column",
        /// A column gets another type.
        ChangeType = "change-type",
        /// A column takes no NULL any more.
        SetNotNull = "set-not-null",
        /// An index is made.
        AddIndex = "add-index",
        /// A unique index or constraint is made.
        AddUnique = "add-unique",
        /// A check or a foreign key is added.
        AddConstraint = "add-constraint",
        /// The table is removed.
        DropTable = "drop-table",
        /// Rows are changed.
        Backfill = "backfill",
    }
}
