use cofferdam_core::Severity;

use crate::Rule;

/// Reported by `allow.rs`, which sees all findings of a script.
pub(crate) static RULE: Rule = Rule {
    id: "allow-without-reason",
    code: "CF1011",
    title: "an allow gives no reason",
    why: "Whoever reads the script after an incident needs to know why the danger was thought to be none. An allow \
          without a reason allows nothing.",
    instead: "Write `-- cofferdam:allow RULE reason=\"...\"`.",
    severity: Severity::Warning,
    engines: &["postgresql", "mysql", "mariadb"],
    aliases: &[],
    check: |_, _| {},
};
