use cofferdam_core::Severity;

use crate::Rule;

/// Reported by `allow.rs`, which sees all findings of a script.
pub(crate) static RULE: Rule = Rule {
    id: "allow-expired",
    code: "CF1012",
    title: "the last day of an allow is past",
    why: "The author said until when the reason holds. After that day the allow allows nothing.",
    instead: "Look whether the reason still holds: then give it a new last day, else take the allow out.",
    severity: Severity::Warning,
    engines: &["postgresql", "mysql", "mariadb"],
    aliases: &[],
    check: |_, _| {},
};
