//! What lint found.

use serde::Serialize;

use crate::change::Span;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// May hurt.
    Warning,
    /// Fails, loses data, or blocks the application. `apply` refuses it unless it is allowed with a reason.
    Error,
}

impl Severity {
    /// `error`, `warning`, `info`.
    pub fn word(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// One result of a rule.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// The rule's id, kebab-case.
    pub rule: &'static str,
    /// The rule's code, `CF1021`.
    pub code: &'static str,
    /// How bad it is here, which the live numbers may raise or lower.
    pub severity: Severity,
    /// What it is about, in one line without a full stop.
    pub message: String,
    /// The script.
    pub path: String,
    /// The part of the statement that is meant.
    pub at: Span,
    /// What the live database says about it: "users has 2418311 rows (analysed 6 min ago), 340 writes/s".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live: Option<String>,
    /// Facts to know, a line each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// The safe rewrite, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<Fix>,
    /// The native safe sequence of strategy `direct` takes care of it: `apply` does not refuse it unless
    /// `--as-written` is given.
    pub handled: bool,
}

/// A rewrite of a script.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fix {
    /// What it does, in one line.
    pub title: String,
    /// Replacements in the script, by bytes, not overlapping.
    pub edits: Vec<Edit>,
    /// Statements that move to a file of their own, which is applied directly after this one. Empty: none.
    pub moved: Vec<String>,
}

/// One replacement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Edit {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// What stands there afterwards.
    pub text: String,
}

/// Where rules put their findings.
pub type Findings = Vec<Finding>;
