//! `retry`: what failed is tried again.

use cofferdam_api::names::{ANNOTATION_FINALIZE, ANNOTATION_RETRY, ANNOTATION_ROLLBACK};
use cofferdam_api::{DatabaseMigration, Phase, Reason, Standing};
use cofferdam_core::Refusal;
use jiff::Timestamp;
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::cli::Command;
use crate::plugin::next::reason;
use crate::plugin::running;
use crate::plugin::steer::{Ask, SteerFlags, not_now, steer};
use crate::plugin::words::Words;

pub(crate) static COMMAND: Command = Command {
    name: "retry",
    aliases: &["rerun"],
    about: "Try a migration that failed or was taken back again, with the same spec",
    more: "A changed spec begins a new run by itself. Here the cause was somewhere else: in a ConfigMap, in the database, \
           in an image. What was applied before is not applied again.",
    examples: &[("kubectl cofferdam retry orders --watch", "try again, and follow it")],
    arguments: <SteerFlags as clap::Args>::augment_args,
    run: |context, matches| {
        running(context, matches, async |plugin, flags: &SteerFlags| {
            steer(plugin, flags, "retry", asked).await
        })
    },
};

fn asked(seen: &DatabaseMigration, words: &Words, now: Timestamp) -> Result<Ask, Box<Refusal>> {
    let name = seen.name_any();
    let not = |what: &str, help: &str| Err(not_now(seen, words, what, help));
    let Some(reason) = reason(seen) else {
        return not(
            "has not been looked at as it is; a changed spec begins a run by itself",
            "status NAME --watch",
        );
    };
    match seen.status.as_ref().and_then(|status| status.phase) {
        Some(Phase::Succeeded) => {
            return not("has succeeded, so there is nothing to try again", "status NAME");
        }
        Some(Phase::Running | Phase::RollingBack) => return not("has a run at work", "status NAME --watch"),
        Some(Phase::Failed | Phase::RolledBack) => {}
        Some(Phase::Pending) | None => match (reason, reason.standing()) {
            (Reason::Suspended, _) => return not("is paused", "resume NAME"),
            (_, Standing::Person) => {}
            _ => return not("goes on by itself", "status NAME --watch"),
        },
    }
    // What was asked of the run before is not asked of the next one.
    let annotations = json!({
        ANNOTATION_RETRY: now.to_string(), ANNOTATION_ROLLBACK: Value::Null, ANNOTATION_FINALIZE: Value::Null,
    });
    Ok(Ask {
        patch: Some(json!({ "metadata": { "annotations": annotations } })),
        so: format!("{name} is tried again"),
        then: "a new Job plans it, and applies what is pending".to_owned(),
        question: None,
        next: String::new(),
    })
}

#[cfg(test)]
mod tests {
    use cofferdam_core::Code;

    use super::*;
    use crate::plugin::trial::tests::migration;

    fn ask(phase: &str, reason: &str) -> Result<Ask, Box<Refusal>> {
        let seen = migration(|m| {
            m["status"] = json!({ "phase": phase, "conditions": [{
                "type": "Ready", "status": "False", "reason": reason, "message": "why",
                "observedGeneration": 3, "lastTransitionTime": "2026-11-21T10:00:00Z",
            }] });
        });
        asked(&seen, &Words::plain(), "2026-11-21T10:00:00Z".parse().unwrap())
    }

    #[test]
    fn what_failed_is_tried_again_without_what_was_asked_before() {
        for (phase, reason) in
            [("Failed", "JobFailed"), ("RolledBack", "RolledBack"), ("Pending", "ApprovalPending")]
        {
            let patch = ask(phase, reason).unwrap().patch.unwrap();
            let annotations = &patch["metadata"]["annotations"];
            assert_eq!(annotations[ANNOTATION_RETRY], "2026-11-21T10:00:00Z");
            // Else the next run would be taken back as soon as it has ended.
            assert!(annotations.as_object().unwrap()[ANNOTATION_ROLLBACK].is_null());
            assert!(annotations.as_object().unwrap()[ANNOTATION_FINALIZE].is_null());
        }
    }

    #[test]
    fn what_is_at_work_or_done_is_not_tried_again() {
        for (phase, reason) in [
            ("Succeeded", "MigrationComplete"),
            ("Running", "MigrationInProgress"),
            ("RollingBack", "RollingBack"),
            ("Pending", "SecretNotFound"),
            ("Pending", "Suspended"),
            ("Failed", "Soon"),
        ] {
            assert_eq!(ask(phase, reason).unwrap_err().code, Code::NotNow, "{phase} {reason}");
        }
    }
}
