use cofferdam_core::{Action, Finding, Findings, Severity};

use crate::{Rule, Scene};

/// `SET lock_timeout` or `statement_timeout` in a script.
pub(crate) static RULE: Rule = Rule {
    id: "timeout-in-script",
    code: "CF1009",
    title: "a script sets its own timeout",
    why: "Cofferdam runs every statement that takes a strong lock with a short lock_timeout, and tries again when it was \
          not got. A script that sets a longer one, or none, lets all queries of the application queue behind it for as \
          long.",
    instead: "Leave it out: --lock-timeout and the environment's lockTimeout say it for all scripts.",
    severity: Severity::Info,
    engines: &["postgresql"],
    aliases: &["require-timeout-settings"],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    let Action::SetSession { name } = scene.action() else { return };
    let name = name.to_ascii_lowercase();
    if !matches!(name.as_str(), "lock_timeout" | "statement_timeout" | "idle_in_transaction_session_timeout")
    {
        return;
    }
    let text = &scene.change().text;
    if text.trim_start().to_ascii_lowercase().starts_with("reset") {
        return;
    }
    let severity = if zero(text) && name == "lock_timeout" { Severity::Warning } else { RULE.severity };
    let message = match severity {
        Severity::Warning => {
            "without a lock_timeout everybody queues behind this script for as long as it waits".to_owned()
        }
        _ => format!("{name} is set here, and no longer by --lock-timeout"),
    };
    findings.push(Finding {
        severity,
        help: Some("leave it out, or set it for the environment: lockTimeout".into()),
        ..scene.finding(&RULE, message)
    });
}

/// `SET x = 0`, `SET x TO '0s'`.
fn zero(text: &str) -> bool {
    let value = text.rsplit([' ', '=']).next().unwrap_or_default().trim_matches(['\'', '"', ';']);
    let digits = value.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    digits.parse::<f64>().is_ok_and(|number| number == 0.0)
}
