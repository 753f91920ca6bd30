use cofferdam_core::Severity;

use crate::Rule;

/// Reported by `allow.rs`, which sees all findings of a script.
pub(crate) static RULE: Rule = Rule {
    id: "allow-unused",
    code: "CF1013",
    title: "an allow allows nothing",
    why: "Nothing was found that the allow speaks of. Left in place it would hide the next such statement that \
          somebody puts here.",
    instead: "Take the allow out.",
    severity: Severity::Info,
    engines: &["postgresql", "mysql", "mariadb"],
    aliases: &["unused-ignore"],
    check: |_, _| {},
};
