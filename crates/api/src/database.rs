//! `spec.database`: which database, and how it is reached.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::closed::closed;
use crate::reference::{ConfigMapKeyRef, SecretKeyRef};
use crate::value::{AwsRegion, DatabaseName, Host, ObjectName, RoleArn};

/// The database that is changed, and how it is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(
    "(has(self.connectionSecret) ? 1 : 0) + (has(self.connection) ? 1 : 0) + (has(self.aws) ? 1 : 0) == 1",
).message("spec.database: give exactly one of connectionSecret, connection and aws"))]
#[x_kube(validation = Rule::new(
    "has(self.connectionSecret) || !(has(self.host) || has(self.port) || has(self.database))",
).message(
    "spec.database: host, port and database go with connectionSecret only; with connection they are in the URL, and \
     with aws they are aws.host, aws.port and aws.dbName",
))]
#[x_kube(validation = Rule::new("!has(self.aws) || self.type != 'mongodb'")
    .message("spec.database.aws: not for mongodb; use connectionSecret or connection")
    .field_path(".aws"))]
pub struct Database {
    /// What kind of server it is. Example: `postgresql`.
    pub r#type: DatabaseType,
    /// Name of the Secret in the same namespace with the credentials. Its keys are `username` and `password`, or `url`
    /// with all in one; `host`, `port` and `database` where they are not given here; `ca.crt`, `tls.crt` and `tls.key`
    /// for TLS. What is given here beats what the Secret says. Its content may change at any time and is used from the
    /// next run on. Example: `db-credentials`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_secret: Option<ObjectName>,
    /// The whole connection as one URL in a Secret, in place of `connectionSecret`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<Connection>,
    /// A database of AWS RDS or Aurora with IAM authentication, in place of `connectionSecret`: no password is stored,
    /// a token is made for each connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws: Option<Aws>,
    /// Name or IP address of the server, without a port. Not of a pooler in transaction mode. Default: `host` of the
    /// Secret. Example: `postgres.production.svc.cluster.local`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Host>,
    /// Port of the server, from 1 to 65535. Default: `port` of the Secret, then that of the type: 5432 for
    /// postgresql, 3306 for mysql and mariadb, 27017 for mongodb.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<u16>,
    /// Name of the database on the server. Default: `database` of the Secret. Example: `userdb`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<DatabaseName>,
    /// How the connection is encrypted. Default: checked in full.
    #[serde(default, skip_serializing_if = "Tls::is_default")]
    pub tls: Tls,
}

/// A connection as one URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Connection {
    /// Where the URL is, for example `postgres://user:password@host:5432/userdb`.
    pub url_secret_ref: SecretKeyRef,
}

/// A database of AWS with IAM authentication.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.externalId) || has(self.roleArn)")
    .message("spec.database.aws.externalId: goes with roleArn; give roleArn too")
    .field_path(".externalId"))]
pub struct Aws {
    /// The role that is assumed for making tokens. Default: the role that the runner's Pod has from its service
    /// account. Example: `arn:aws:iam::123456789012:role/myapp-db-migrator`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<RoleArn>,
    /// The external id that the role's trust policy asks for. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 1224), regex(pattern = r"^[A-Za-z0-9+=,.@:/_-]+$"))]
    pub external_id: Option<String>,
    /// The authorities that signed the server's certificate, as PEM in a ConfigMap of the same namespace: AWS publishes
    /// those of RDS as `global-bundle.pem`. Default: those that the system trusts, and RDS's are not among them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_config_map_ref: Option<ConfigMapKeyRef>,
    /// The region of the database. Example: `us-east-1`.
    pub region: AwsRegion,
    /// Endpoint of the instance or cluster. Example: `mydb.cluster-abc123.us-east-1.rds.amazonaws.com`.
    pub host: Host,
    /// Port of the endpoint, from 1 to 65535. Default: that of the type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<u16>,
    /// Name of the database on the server. Example: `myapp`.
    pub db_name: DatabaseName,
    /// The database's user, which must be allowed to log in by IAM. Example: `migrator`.
    #[schemars(length(min = 1, max = 63))]
    pub username: String,
}

/// How the connection is encrypted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tls {
    /// What is checked. The authority's certificate is `ca.crt` of the Secret, or those that the system trusts.
    #[serde(default)]
    pub mode: TlsMode,
}

impl Tls {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

closed! {
    /// A kind of database server.
    pub enum DatabaseType {
        /// PostgreSQL 12 or later, or Aurora PostgreSQL.
        Postgresql = "postgresql",
        /// MySQL 8 or later, or Aurora MySQL.
        Mysql = "mysql",
        /// MariaDB 10.6 or later.
        Mariadb = "mariadb",
        /// MongoDB 6 or later, as a replica set or sharded.
        Mongodb = "mongodb",
    }
}

impl DatabaseType {
    /// The port of its servers where nobody says another.
    pub fn port(self) -> u16 {
        match self {
            DatabaseType::Postgresql => 5432,
            DatabaseType::Mysql | DatabaseType::Mariadb => 3306,
            DatabaseType::Mongodb => 27017,
        }
    }
}

closed! {
    /// How far TLS is checked.
    pub enum TlsMode {
        /// Encrypted; certificate and host name are checked.
        VerifyFull = "verify-full",
        /// Encrypted, but nobody checks who answers.
        Require = "require",
        /// Not encrypted: for a network that you trust.
        Disable = "disable",
    }
    default VerifyFull
}
