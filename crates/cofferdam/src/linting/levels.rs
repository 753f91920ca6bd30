//! How bad findings are where a team has its own mind: the keys `lint:` of cofferdam.yaml and of atlas.hcl.

use std::collections::BTreeMap;

use cofferdam_core::{Code, Refusal, Result};
use cofferdam_lint::{Convention, Levels};
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
    /// How names are to be.
    #[serde(default)]
    pub(crate) naming: Vec<Named>,
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
        self.conventions()?;
        match self.rules.keys().find(|name| cofferdam_lint::rule(name).is_none()) {
            Some(unknown) => {
                Err(no_such_rule(unknown).note("it stands in cofferdam.yaml under lint.rules").into())
            }
            None => Ok(()),
        }
    }

    /// As the rules take them.
    pub(crate) fn levels(&self) -> Levels {
        self.rules.iter().map(|(name, level)| (name.clone(), (*level).into())).collect()
    }

    /// How names are to be.
    ///
    /// # Errors
    /// `Usage` for a kind that there is not, or a pattern that is none.
    pub(crate) fn conventions(&self) -> Result<Vec<Convention>> {
        self.naming.iter().map(Named::convention).collect()
    }
}

impl From<Level> for cofferdam_lint::Level {
    fn from(level: Level) -> Self {
        match level {
            Level::Off => Self::Off,
            Level::Info => Self::Info,
            Level::Warning => Self::Warning,
            Level::Error => Self::Error,
        }
    }
}

/// What names of a kind are to match.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Named {
    /// `index`, `foreign_key` ...; without it, of every kind that has none of its own.
    #[serde(default = "every")]
    pub(crate) of: String,
    /// A regular expression.
    #[serde(rename = "match")]
    pub(crate) pattern: String,
    /// What a person is told beside it.
    pub(crate) message: Option<String>,
}

fn every() -> String {
    "match".to_owned()
}

impl Named {
    fn convention(&self) -> Result<Convention> {
        Convention::new(&self.of, &self.pattern, self.message.clone()).map_err(|why| {
            Refusal::new(Code::Usage, "lint.naming cannot be understood")
                .cause(why)
                .help("naming: [{of: index, match: \"^idx_\"}]")
                .into()
        })
    }
}

#[cfg(test)]
mod tests {
    use cofferdam_core::{Finding, Severity, Span};

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
        cofferdam_lint::grade(&keys.levels(), &mut findings);
        let left: Vec<(&str, Severity)> = findings.iter().map(|f| (f.rule, f.severity)).collect();
        let expected = [
            ("drop-table", Severity::Warning),
            ("truncate", Severity::Error),
            ("type-advice", Severity::Error),
            ("drop-not-null", Severity::Info),
        ];
        assert_eq!(left, expected);
        let named = |of: &str, pattern: &str| {
            let named = Named { of: of.into(), pattern: pattern.into(), message: None };
            LintKeys { naming: vec![named], ..LintKeys::default() }.check()
        };
        assert!(named("index", "^idx_").is_ok());
        for (of, pattern) in [("indx", "^idx_"), ("index", "(")] {
            assert_eq!(
                named(of, pattern).unwrap_err().refusal().unwrap().code,
                Code::Usage,
                "{of} {pattern}"
            );
        }
        let unknown =
            LintKeys { rules: [("drop-tabel".to_owned(), Level::Off)].into(), ..LintKeys::default() };
        assert!(
            unknown.check().unwrap_err().refusal().unwrap().help.as_deref().unwrap().contains("drop-table")
        );
    }
}
