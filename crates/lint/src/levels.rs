//! How bad findings are where a team has its own mind.

use std::collections::BTreeMap;

use cofferdam_core::{Findings, Severity};

use crate::catalogue::goes_by;

/// How bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Left out.
    Off,
    /// At most this.
    Info,
    /// At most this.
    Warning,
    /// Always this.
    Error,
}

/// How bad the findings of rules are, by a rule's id, code or alias. An alias may name several rules; the rule's own id
/// counts more.
pub type Levels = BTreeMap<String, Level>;

/// Gives findings the severity that is wanted.
pub fn grade(levels: &Levels, findings: &mut Findings) {
    if levels.is_empty() {
        return;
    }
    findings.retain_mut(|finding| match level(levels, finding.rule) {
        Some(Level::Off) => false,
        Some(Level::Info) => {
            finding.severity = Severity::Info;
            true
        }
        Some(Level::Warning) => {
            finding.severity = finding.severity.min(Severity::Warning);
            true
        }
        Some(Level::Error) => {
            finding.severity = Severity::Error;
            true
        }
        None => true,
    });
}

fn level(levels: &Levels, rule: &str) -> Option<Level> {
    let own = levels.get(rule).copied();
    own.or_else(|| levels.iter().find(|(name, _)| goes_by(rule, name)).map(|(_, level)| *level))
}
