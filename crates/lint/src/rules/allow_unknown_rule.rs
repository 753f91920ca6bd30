use cofferdam_core::Severity;

use crate::Rule;

/// Reported by `allow.rs`, which sees all findings of a script.
pub(crate) static RULE: Rule = Rule {
    id: "allow-unknown-rule",
    code: "CF1014",
    title: "an allow names a rule that does not exist",
    why: "The author thinks that something is allowed, and it is not: most often the name has a typo.",
    instead: "Correct the name; the finding says which rule is near.",
    severity: Severity::Warning,
    engines: &["postgresql", "mysql", "mariadb"],
    aliases: &[],
    check: |_, _| {},
};
