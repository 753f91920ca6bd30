//! What a person does next with a DatabaseMigration as it is. Pure.

use cofferdam_api::{ConditionType, DatabaseMigration, Reason, Standing, conditions};
use kube::ResourceExt;
use serde::Serialize;

use super::words::Words;

/// A command, and what it does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Next {
    pub(crate) command: String,
    pub(crate) what: String,
}

/// The reason of the condition Ready, where it was judged for the spec as it is.
pub(crate) fn reason(migration: &DatabaseMigration) -> Option<Reason> {
    let ready = conditions::find(&migration.status.as_ref()?.conditions, ConditionType::Ready)?;
    let current = ready.observed_generation == migration.metadata.generation;
    current.then(|| Reason::named(&ready.reason)).flatten()
}

/// The message of the condition Ready; empty: there is none.
pub(crate) fn message(migration: &DatabaseMigration) -> &str {
    let status = migration.status.as_ref();
    let ready = status.and_then(|status| conditions::find(&status.conditions, ConditionType::Ready));
    ready.map_or("", |ready| ready.message.as_str())
}

/// What comes next; empty: nothing is to be done.
pub(crate) fn next(migration: &DatabaseMigration, words: &Words) -> Vec<Next> {
    let name = migration.name_any();
    let ours = |verb: &str, what: &str| Next {
        command: words.line(&verb.replace("NAME", &name)),
        what: what.to_owned(),
    };
    let watch = || ours("status NAME --watch", "follow it until its end");
    let Some(reason) = reason(migration) else {
        let seen = migration.status.as_ref().is_some_and(|status| !status.conditions.is_empty());
        return vec![match seen {
            true => watch(),
            false => ours(
                "verify NAME",
                "the operator has not looked at it yet: what is there, and what is missing",
            ),
        }];
    };
    let logs = || ours("logs NAME", "what the run said");
    let edit = || Next {
        command: format!("kubectl edit dbm {name}"),
        what: "a changed spec begins a new run".into(),
    };
    let retry = || ours("retry NAME", "try again once the cause is corrected");
    match reason {
        Reason::MigrationComplete => vec![],
        Reason::RevertWindowOpen => vec![
            ours("rollback NAME", "take the change back, with all that was written since"),
            ours("finalize NAME", "end the time in which that is possible"),
        ],
        Reason::ApprovalPending | Reason::PlanChanged => {
            vec![ours("plan NAME", "what would be done"), ours("approve NAME", "agree to it")]
        }
        Reason::ApprovalRejected => vec![
            ours("describe NAME", "which approval rejects the plan"),
            ours("retry NAME", "plan it again, once the source is another one"),
        ],
        Reason::AwaitingCutover => vec![ours("cutover NAME", "swap the tables")],
        Reason::AwaitingWindow => {
            vec![ours("cutover NAME", "swap the tables now, without waiting for the window")]
        }
        Reason::Suspended => vec![ours("resume NAME", "let it go on")],
        Reason::PostCheckFailed => vec![ours("rollback NAME", "take the change back, or leave it as it is")],
        Reason::RollbackUnsafe => {
            vec![ours("rollback NAME", "once the rows that the message names fit; or stay with the change")]
        }
        Reason::SpecInvalid | Reason::PoolerNotSupported => vec![edit()],
        Reason::NamespaceTerminating => vec![],
        Reason::OutcomeUnknown => {
            vec![logs(), ours("describe NAME", "the question that a person must answer")]
        }
        other => match other.standing() {
            Standing::Working => vec![watch()],
            Standing::Waiting => {
                vec![ours(
                    "verify NAME",
                    "what is there and what is missing; it goes on by itself afterwards",
                )]
            }
            Standing::Done => vec![],
            Standing::Person => vec![logs(), retry(), edit()],
        },
    }
}

/// The commands below one another, each with what it does.
pub(crate) fn text(next: &[Next]) -> String {
    let wide = next.iter().map(|next| next.command.chars().count()).max().unwrap_or_default();
    let lines = next.iter().enumerate().map(|(at, next)| {
        let head = if at == 0 { "next:" } else { "  or:" };
        format!("{head} {:wide$}  # {}\n", next.command, next.what)
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use cofferdam_api::reason::REASONS;
    use serde_json::json;

    use super::*;
    use crate::plugin::trial::tests::migration;

    fn standing(reason: &str) -> DatabaseMigration {
        migration(|m| {
            m["status"] = json!({ "observedGeneration": 3, "conditions": [{
                "type": "Ready", "status": "False", "reason": reason, "message": "", "observedGeneration": 3,
                "lastTransitionTime": "2026-11-21T10:00:00Z",
            }] });
        })
    }

    #[test]
    fn whoever_must_act_is_told_a_command() {
        // What a MigrationApproval says has no command of the migration.
        for doc in
            REASONS.iter().filter(|doc| !doc.word.starts_with("Approval") || doc.standing == Standing::Person)
        {
            let next = next(&standing(doc.word), &Words::plain());
            let nothing = matches!(doc.reason, Reason::MigrationComplete | Reason::NamespaceTerminating);
            assert_eq!(next.is_empty(), nothing, "{}", doc.word);
            for next in next {
                assert!(next.command.starts_with("kubectl ") && next.command.contains("users"), "{next:?}");
                assert!(!next.command.contains("NAME") && !next.what.is_empty(), "{next:?}");
            }
        }
    }

    #[test]
    fn what_waits_for_a_person_is_answered_by_its_verb() {
        for (reason, verb) in [
            ("ApprovalPending", "approve users"),
            ("PlanChanged", "approve users"),
            ("AwaitingCutover", "cutover users"),
            ("Suspended", "resume users"),
            ("RevertWindowOpen", "rollback users"),
            ("JobFailed", "retry users"),
            ("MigrationInProgress", "status users --watch"),
            ("SecretNotFound", "verify users"),
        ] {
            let next = next(&standing(reason), &Words::plain());
            assert!(
                next.iter().any(|next| next.command == format!("kubectl cofferdam {verb}")),
                "{reason} {next:?}"
            );
        }
    }

    #[test]
    fn a_reason_for_an_older_spec_is_none() {
        let mut migration = standing("JobFailed");
        migration.metadata.generation = Some(4);
        assert_eq!(reason(&migration), None);
        assert!(next(&migration, &Words::plain())[0].command.contains("--watch"));
    }

    #[test]
    fn commands_line_up() {
        let next = |command: &str| Next { command: command.into(), what: "what".into() };
        assert_eq!(text(&[next("a"), next("abc")]), "next: a    # what\n  or: abc  # what\n");
        assert_eq!(text(&[]), "");
    }
}
