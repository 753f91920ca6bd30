use cofferdam_core::{Finding, Findings, Severity};
use cofferdam_dialects::mysql::locks::{Algorithm, Operation};

use crate::{Rule, Scene, mysql};

/// An `ALTER TABLE` of instant clauses and of others that write the table anew.
pub(crate) static RULE: Rule = Rule {
    id: "mixed-instant-and-rebuild",
    code: "CF1135",
    title: "one clause makes the others as heavy as itself",
    why: "A statement is carried out by one algorithm: a clause that copies the table or writes it anew takes \
          clauses along that would be an instant by themselves, and they come into force only when it is done.",
    instead: "Write the instant clauses as a statement of their own, before it.",
    severity: Severity::Info,
    engines: mysql::BOTH,
    aliases: &[],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    let all = mysql::operations(scene);
    // What a clause does that is not understood has a finding of its own.
    let known = |heavy: &&mysql::Heavy| heavy.class.rebuilds && heavy.operation != Operation::NotKnown;
    let Some(heaviest) = all.iter().find(known) else { return };
    // Of one clause both belong together.
    let light = all.iter().find(|h| h.class.algorithm == Algorithm::Instant && h.at != heaviest.at);
    let Some(light) = light else { return };
    findings.push(Finding {
        at: light.at,
        help: Some("write it as a statement of its own, before this one".into()),
        ..scene
            .finding(&RULE, format!("this is an instant, and waits until {} is written anew", heaviest.table))
    });
}
