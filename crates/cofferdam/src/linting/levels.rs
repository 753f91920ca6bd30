//! How bad findings are where a team has its own mind: the keys `lint:` of cofferdam.yaml and of atlas.hcl.

use std::collections::BTreeMap;

use cofferdam_core::{Finding, Result, Severity};
use serde::Deserialize;

use crate::args::policy::no_such_rule;

/// `lint:` of cofferdam.yaml, at the top or of an environment.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct LintKeys {
    /// How bad the findings of a rule are, by its id, code or alias.
    #[serde(default)]
    pub(crate) rules: BTreeMap<String, Level>,
    /// `--deny-warnings`.
    #[serde(default)]
    pub(crate) deny_warnings: bool,
    /// `--require-live`.
    #[serde(default)]
    pub(crate) require_live: bool,
    /// `--git-base`.
    pub(crate) git_base: Option<String>,
}

/// How bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// Left out.
    Off,
    /// At most this.
    Info,
    /// At most this.
    Warning,
    /// Always this.
    Error,
}

impl LintKeys {
    /// Refuses a rule that there is not.
    ///
    /// # Errors
    /// `NoSuchRule`.
    pub(crate) fn check(&self) -> Result<()> {
        match self.rules.keys().find(|name| cofferdam_lint::rule(name).is_none()) {
            Some(unknown) => {
                Err(no_such_rule(unknown).note("it stands in cofferdam.yaml under lint.rules").into())
            }
            None => Ok(()),
        }
    }

    /// Gives findings the severity that is wanted. An alias may name several rules; the rule's own id counts more.
    pub(crate) fn apply(&self, findings: &mut Vec<Finding>) {
        findings.retain_mut(|finding| match self.level(finding.rule) {
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

    fn level(&self, rule: &str) -> Option<Level> {
        let named = |name: &str| cofferdam_lint::goes_by(rule, name);
        let own = self.rules.get(rule).copied();
        own.or_else(|| self.rules.iter().find(|(name, _)| named(name)).map(|(_, level)| *level))
    }
}

#[cfg(test)]
mod tests {
    use cofferdam_core::Span;

    use super::*;

    #[test]
    fn a_rule_has_the_severity_that_is_wanted() {
        let finding = |rule: &'static str, severity| Finding {
            rule,
            code: "CF1000",
            severity,
            message: String::new(),
            path: String::new(),
            at: Span::default(),
            live: None,
            notes: Vec::new(),
            help: None,
            fix: None,
            handled: false,
        };
        let keys: LintKeys = serde_json::from_value(serde_json::json!({
            "rules": { "destructive": "warning", "truncate": "error", "PG101": "off", "type-advice": "error" }
        }))
        .unwrap();
        keys.check().unwrap();
        let mut findings = vec![
            finding("drop-table", Severity::Error),
            finding("truncate", Severity::Warning),
            finding("create-index-blocking", Severity::Error),
            finding("type-advice", Severity::Info),
            finding("drop-not-null", Severity::Info),
        ];
        keys.apply(&mut findings);
        let left: Vec<(&str, Severity)> = findings.iter().map(|f| (f.rule, f.severity)).collect();
        let expected = [
            ("drop-table", Severity::Warning),
            ("truncate", Severity::Error),
            ("type-advice", Severity::Error),
            ("drop-not-null", Severity::Info),
        ];
        assert_eq!(left, expected);
        let unknown =
            LintKeys { rules: [("drop-tabel".to_owned(), Level::Off)].into(), ..LintKeys::default() };
        assert!(
            unknown.check().unwrap_err().refusal().unwrap().help.as_deref().unwrap().contains("drop-table")
        );
    }
}
