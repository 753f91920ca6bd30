//! The file `cofferdam.yaml`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cofferdam_core::{Code, Name, Place, Refusal, Result, Span};
use serde::{Deserialize, Deserializer};

use super::guard::GuardKeys;
use super::notifications::Notifications;
use crate::args::backup::BackupSettings;
use crate::args::duration;
use crate::args::ledger::{self, Where};
use crate::args::park::DropPolicy;
use crate::linting::levels::LintKeys;

/// Names under which the file is looked for; the first that is there is read.
const NAMES: &[&str] = &["cofferdam.yaml", "cofferdam.yml"];

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct File {
    /// By name, for `--env`.
    #[serde(default)]
    pub(super) environments: BTreeMap<String, Environment>,
    /// The directory with the migrations.
    pub(super) dir: Option<PathBuf>,
    /// The directory's format.
    pub(super) format: Option<String>,
    /// Values for the placeholders of a directory of Flyway.
    #[serde(default)]
    pub(super) placeholders: BTreeMap<String, String>,
    /// `--history`.
    pub(super) history: Option<Where>,
    /// `--tool`.
    pub(super) tool: Option<String>,
    /// `--history-table`.
    #[serde(default, deserialize_with = "read_table")]
    pub(super) history_table: Option<Name>,
    /// Who is told of runs.
    pub(super) notifications: Option<Notifications>,
    /// How lint judges.
    pub(super) lint: Option<LintKeys>,
}

/// One environment.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Environment {
    /// The database; `env:NAME` and `file:PATH` refer to where it is written.
    pub(super) url: Option<String>,
    /// The databases of a project that has several, by their names in project-config.yaml; references as in `url`.
    #[serde(default)]
    pub(super) databases: BTreeMap<String, String>,
    /// The directory with the migrations.
    pub(super) dir: Option<PathBuf>,
    /// The directory's format.
    pub(super) format: Option<String>,
    /// Values for the placeholders of a directory of Flyway.
    #[serde(default)]
    pub(super) placeholders: BTreeMap<String, String>,
    /// `--history`.
    pub(super) history: Option<Where>,
    /// `--tool`.
    pub(super) tool: Option<String>,
    /// `--history-table`.
    #[serde(default, deserialize_with = "read_table")]
    pub(super) history_table: Option<Name>,
    /// `--out-of-order`.
    #[serde(default)]
    pub(super) out_of_order: bool,
    /// `--strategy`.
    pub(super) strategy: Option<String>,
    /// `--lock-timeout`.
    #[serde(default, deserialize_with = "read_duration")]
    pub(super) lock_timeout: Option<Duration>,
    /// `--lock-tries`.
    pub(super) lock_tries: Option<u32>,
    /// `--max-block`.
    #[serde(default, deserialize_with = "read_duration")]
    pub(super) max_block: Option<Duration>,
    /// `--lock-wait`.
    #[serde(default, deserialize_with = "read_duration")]
    pub(super) lock_wait: Option<Duration>,
    /// Logins by IAM.
    pub(super) aws: Option<Aws>,
    /// `--push-metrics`.
    pub(super) push_metrics: Option<String>,
    /// `--check`, as many as there are.
    #[serde(default)]
    pub(super) checks: Vec<String>,
    /// Whether somebody must agree to what is applied.
    #[serde(default)]
    pub(super) approval: ApprovalRule,
    /// `--sample`.
    pub(super) sample: Option<u8>,
    /// `false`: `--no-checksum`.
    pub(super) checksum: Option<bool>,
    /// `park`: `--park`.
    pub(super) drop: Option<DropPolicy>,
    /// `--park-for`.
    #[serde(default, deserialize_with = "read_duration")]
    pub(super) park_for: Option<Duration>,
    /// What is saved before something is destroyed.
    #[serde(default)]
    pub(super) backup: BackupSettings,
    /// Who is told of runs, in place of those at the top.
    pub(super) notifications: Option<Notifications>,
    /// What is watched at every run.
    #[serde(default)]
    pub(super) guard: GuardKeys,
    /// How lint judges, in place of what stands at the top.
    pub(super) lint: Option<LintKeys>,
    /// `--dev-url`.
    pub(super) dev_url: Option<String>,
}

/// Logins to RDS or Aurora by IAM.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Aws {
    /// The region of the database: `--aws-region`.
    pub(crate) region: String,
    /// The role that is assumed for making tokens.
    pub(crate) role_arn: Option<String>,
    /// The external id that its trust policy asks for.
    pub(crate) external_id: Option<String>,
}

/// Whether somebody must agree to what is applied.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct ApprovalRule {
    /// `--approval required`.
    #[serde(default)]
    pub(crate) required: bool,
    /// `--two-persons`.
    #[serde(default)]
    pub(crate) two_persons: bool,
    /// How long an approval is good, where `cofferdam approve --for` does not say it.
    #[serde(default, rename = "for", deserialize_with = "read_duration")]
    pub(crate) lasts: Option<Duration>,
}

pub(super) fn read_duration<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(from)?;
    duration::parse(&text).map(Some).map_err(serde::de::Error::custom)
}

fn read_table<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Name>, D::Error> {
    let text = String::deserialize(from)?;
    ledger::table(&text).map(Some).map_err(serde::de::Error::custom)
}

/// Reads the file of a directory; without one, the empty configuration.
///
/// # Errors
/// `UnreadableFile`, and `BadConfig` with the place of what is wrong.
pub(super) fn read(directory: &Path) -> Result<File> {
    for name in NAMES {
        match std::fs::read_to_string(directory.join(name)) {
            Ok(text) => return parsed(name, &text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(Refusal::new(Code::UnreadableFile, format!("{name} cannot be read"))
                    .cause(error.to_string())
                    .help(format!("check the rights of {name}"))
                    .into());
            }
        }
    }
    Ok(File::default())
}

/// Reads the text of the file.
pub(super) fn parsed(name: &str, text: &str) -> Result<File> {
    // A file of comments alone is no document at all; here it means: nothing is configured.
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(File::default());
    }
    serde_saphyr::from_str(text).map_err(|error| refusal(name, text, error.without_snippet()).into())
}

fn refusal(name: &str, text: &str, error: &serde_saphyr::Error) -> Refusal {
    let mut help = None;
    let (what, length) = match error {
        serde_saphyr::Error::SerdeUnknownField { field, expected, .. } => {
            help = cofferdam_formats::nearest(field, expected.iter().copied())
                .map(|near| format!("did you mean {near}?"))
                .or_else(|| Some(format!("the keys are {}", expected.join(", "))));
            (format!("{name} has an unknown key {field}"), field.len())
        }
        _ => (format!("{name} cannot be understood"), 1),
    };
    let mut refusal = Refusal::new(Code::BadConfig, what);
    refusal.help = help;
    if !matches!(error, serde_saphyr::Error::SerdeUnknownField { .. }) {
        let cause = without_place(&error.to_string()).to_owned();
        refusal = refusal
            .cause(cause)
            .help("correct the place; cofferdam init in an empty directory writes an example");
    }
    match error.location() {
        Some(location) => {
            let at = span(text, location.line() as usize, location.column() as usize, length);
            refusal.at(Place::new(name, text, at))
        }
        None => refusal,
    }
}

/// The message without the place at its end, which the frame shows.
fn without_place(message: &str) -> &str {
    let line = message.lines().next().unwrap_or(message);
    line.split(" at line ").next().unwrap_or(line)
}

fn span(text: &str, line: usize, column: usize, length: usize) -> Span {
    let line_start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let rest = &text[line_start.min(text.len())..];
    let within: usize = rest.chars().take(column.saturating_sub(1)).map(char::len_utf8).sum();
    let start = line_start + within;
    Span { start, end: (start + length).min(text.len()), line, column }
}
