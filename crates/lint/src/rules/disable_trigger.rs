use cofferdam_core::{Finding, Findings, Severity, TableChange};

use crate::{Rule, Scene};

/// `DISABLE TRIGGER`.
pub(crate) static RULE: Rule = Rule {
    id: "disable-trigger",
    code: "CF1054",
    title: "triggers are switched off for everybody",
    why: "DISABLE TRIGGER is no setting of the session: until it is enabled again, nobody's writes run the trigger. DISABLE \
          TRIGGER ALL switches foreign keys off, too, and what was written meanwhile is never checked. It takes a SHARE \
          ROW EXCLUSIVE lock, which blocks writes.",
    instead: "SET LOCAL session_replication_role = replica for the one transaction that needs it (as a superuser), or let \
              the trigger itself look at a setting.",
    severity: Severity::Warning,
    engines: &["postgresql"],
    aliases: &[],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    for (table, clause, change) in scene.alterations() {
        if !matches!(change, TableChange::Triggers { enable: false }) {
            continue;
        }
        findings.push(Finding {
            at: scene.clause(clause),
            live: scene.live(table),
            help: Some("make an exception in the trigger itself, for the writes that are meant".into()),
            ..scene
                .finding(&RULE, format!("from here on no write to {table} runs its triggers, whoever writes"))
        });
    }
}
