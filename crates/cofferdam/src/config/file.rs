//! The file `cofferdam.yaml`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cofferdam_core::{Code, Place, Refusal, Result, Span};
use serde::{Deserialize, Deserializer};

use crate::args::duration;

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
}

/// One environment.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Environment {
    /// The database; `env:NAME` and `file:PATH` refer to where it is written.
    pub(super) url: Option<String>,
    /// The directory with the migrations.
    pub(super) dir: Option<PathBuf>,
    /// The directory's format.
    pub(super) format: Option<String>,
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
}

fn read_duration<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(from)?;
    duration::parse(&text).map(Some).map_err(serde::de::Error::custom)
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
