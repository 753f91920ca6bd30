//! What the operator and the runner in its Job agree on: arguments, variables and folders.

use serde::{Deserialize, Serialize};

/// Variable: the namespace of the DatabaseMigration.
pub const NAMESPACE: &str = "COFFERDAM_NAMESPACE";
/// Variable: its name.
pub const NAME: &str = "COFFERDAM_MIGRATION";
/// Variable: its UID. One with the same name that was made later is another one.
pub const UID: &str = "COFFERDAM_UID";

/// Variable: registries that are spoken to without TLS, with commas between them.
pub const PLAIN_HTTP: &str = "COFFERDAM_PLAIN_HTTP_REGISTRIES";

/// Variable: the image that is mounted at [`IMAGE`], as the spec named it when the Job was made.
pub const MOUNTED: &str = "COFFERDAM_MOUNTED_IMAGE";

/// Variable: the Pushgateway that is told how the run ended.
pub const PUSHGATEWAY: &str = "COFFERDAM_PUSHGATEWAY";
/// Environment: the Prometheus that is asked how busy the machine of the database is.
pub const PROMETHEUS: &str = "COFFERDAM_PROMETHEUS_URL";
/// Environment: the query for its processors.
pub const CPU_QUERY: &str = "COFFERDAM_CPU_QUERY";
/// Environment: the query for its memory.
pub const MEMORY_QUERY: &str = "COFFERDAM_MEMORY_QUERY";

/// Variable: how the container of the user ended that this runner comes after, as JSON of [`Left`].
pub const LEFT: &str = "COFFERDAM_LEFT";
/// Variable: what was found because of which the change is to be taken back; a person asks without it.
pub const WHY: &str = "COFFERDAM_WHY";
/// Variable: the digest of the spec that the Job was made for.
pub const FOR: &str = "COFFERDAM_FOR";
/// Variable: the name of the Job.
pub const JOB: &str = "COFFERDAM_JOB";
/// Variable: the name of the Pod.
pub const POD: &str = "COFFERDAM_POD";
/// Variable: the image that the container of the user in the same Pod is started from, by its digest.
pub const PINNED: &str = "COFFERDAM_PINNED_IMAGE";
/// Variable: the number of the Pod among those that work side by side; the Job controller sets it.
pub const INDEX: &str = "JOB_COMPLETION_INDEX";

/// Variable: the mail server of notifications, as JSON of [`Smtp`].
pub const SMTP: &str = "COFFERDAM_SMTP";
/// Variable: networks that notifications may go to though the rules forbid them, with commas between them.
pub const NOTIFY_ALLOW: &str = "COFFERDAM_NOTIFY_ALLOW";
/// Folder: the key `url` is the address of Slack's incoming webhook.
pub const SLACK: &str = "/cofferdam/notify-slack";
/// Folder: the key `url` is the address of the webhook of notifications.
pub const HOOK: &str = "/cofferdam/notify-webhook";
/// Folder: the key `key` is what messages to that webhook are signed with.
pub const HOOK_KEY: &str = "/cofferdam/notify-signing-key";
/// Folder: the keys `username` and `password` are the login of the mail server, and `ca.crt`, if it is there, the
/// authorities of its certificate.
pub const SMTP_LOGIN: &str = "/cofferdam/notify-smtp";

/// The mail server that the administrator set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Smtp {
    /// Its name.
    pub host: String,
    /// Its port. Default: by `tls`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// `starttls`, `implicit` or `none`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<String>,
    /// The sender.
    pub from: String,
    /// The Secret with `username` and `password`, in the namespace of each DatabaseMigration. Default: no login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub existing_secret: Option<String>,
}

/// Folder: the Secret with the credentials, a file for each key; with `connection` one file `url`.
pub const DATABASE: &str = "/cofferdam/database";
/// Folder: the script `NAME` of `spec.migration.scripts` as `NAME.sql`.
pub const SCRIPTS: &str = "/cofferdam/scripts";
/// Folder: one folder for each of `spec.migration.configMaps`, by its number from 0.
pub const DIRECTORY: &str = "/cofferdam/directory";
/// Folder: one folder for each of `spec.runner.imagePullSecrets`, by its number from 0.
pub const PULL: &str = "/cofferdam/pull";

/// Folder: `ca.crt` with the authorities of `spec.database.aws`.
pub const AUTHORITIES: &str = "/cofferdam/authorities";
/// Folder: the image of `spec.migration.image`, where the kubelet mounts it.
pub const IMAGE: &str = "/cofferdam/image";
/// Folder: the Secret of `spec.backup.credentialsSecret`, a file for each variable.
pub const BACKUP: &str = "/cofferdam/backup";
/// Folder, of a runner that takes a change back: `identity`, the key of `spec.backup.identitySecretRef`.
pub const IDENTITY: &str = "/cofferdam/backup-identity";

/// Folder, in a container of the user: the files of TLS that the Secret has.
pub const TLS: &str = "/cofferdam/tls";

/// How a container of the user ended, as far as the cluster knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Left {
    /// Its Job.
    pub job: String,
    /// How.
    pub how: How,
    /// Its exit code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Kubernetes' word for why: `Error`, `OOMKilled`, `DeadlineExceeded`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The last that it said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines: Option<String>,
}

/// How a container of the user ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// All of them with the exit code 0.
    Complete,
    /// In another way, or nobody knows how.
    Failed,
    /// None was started.
    Never,
}

/// What a runner is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Make the change. Where a person must agree first and has not: plan it and say its digest.
    Apply,
    /// Open the way for the container of the user that comes after it in its Pod.
    Container,
    /// End the revert window of what was changed.
    Finalize,
    /// Take the change back.
    Rollback,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 4] = [Kind::Apply, Kind::Container, Kind::Finalize, Kind::Rollback];

    /// The argument of `cofferdam runner --work`.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Apply => "apply",
            Kind::Container => "container",
            Kind::Finalize => "finalize",
            Kind::Rollback => "rollback",
        }
    }

    /// The kind with this word.
    pub fn named(word: &str) -> Option<Kind> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}
