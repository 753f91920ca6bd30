//! `rollback`: the change that a migration made is taken back.

use cofferdam_api::names::ANNOTATION_ROLLBACK;
use cofferdam_api::{ConditionType, DatabaseMigration, Phase, Reason, conditions};
use cofferdam_core::Refusal;
use jiff::Timestamp;
use kube::ResourceExt;
use serde_json::json;

use crate::cli::Command;
use crate::output::words::minute;
use crate::plugin::next::reason;
use crate::plugin::running;
use crate::plugin::steer::{Ask, SteerFlags, not_now, plan_of, steer};
use crate::plugin::words::Words;

pub(crate) static COMMAND: Command = Command {
    name: "rollback",
    aliases: &["undo"],
    about: "Take the change of a migration back",
    more: "Inside the revert window nothing is lost of what was written since; after it the stored way back is taken, \
           which may lose some of it. It asks before. With --watch it exits with 0 once the change is taken back.",
    examples: &[
        ("kubectl cofferdam rollback orders", "ask, and take it back"),
        ("kubectl cofferdam rollback orders --yes --watch", "for pipelines: and see it through"),
    ],
    arguments: <SteerFlags as clap::Args>::augment_args,
    run: |context, matches| {
        running(context, matches, async |plugin, flags: &SteerFlags| {
            steer(plugin, flags, "rollback", asked).await
        })
    },
};

fn asked(seen: &DatabaseMigration, words: &Words, now: Timestamp) -> Result<Ask, Box<Refusal>> {
    let name = seen.name_any();
    let not = |what: &str, help: &str| Err(not_now(seen, words, what, help));
    let status = seen.status.clone().unwrap_or_default();
    let Some(plan) = plan_of(seen) else {
        return not("has applied nothing that could be taken back", "status NAME");
    };
    let already = |so: &str| {
        Ok(Ask {
            patch: None,
            so: format!("{name} {so}"),
            then: "nothing more was asked".to_owned(),
            question: None,
            next: String::new(),
        })
    };
    match status.phase {
        Some(Phase::RolledBack) => return already("is taken back already"),
        Some(Phase::RollingBack) => return already("is being taken back already"),
        Some(Phase::Pending) | None => {
            return not("has applied nothing that could be taken back", "status NAME");
        }
        Some(Phase::Running | Phase::Succeeded | Phase::Failed) => {}
    }
    if seen.spec.suspend {
        return not("is paused, so nothing of it begins", "resume NAME");
    }
    // What was refused once is asked for again by another try.
    let asked = seen.annotations().get(ANNOTATION_ROLLBACK) == Some(&plan);
    if asked && reason(seen) == Some(Reason::RollbackUnsafe) {
        return not("could not be taken back; correct what it names", "retry NAME");
    }
    if asked {
        return already("was asked to be taken back already");
    }
    let open = status.revertible_until.as_ref().is_some_and(|until| until.0 > now);
    let loses = match &status.revertible_until {
        Some(until) if open => {
            format!("Until {} nothing is lost of what was written since.", minute(&until.0.to_string()))
        }
        _ => {
            let said = conditions::find(&status.conditions, ConditionType::Reversible);
            let said = said.map(|one| format!(" ({})", one.message)).unwrap_or_default();
            format!("What was written since may be lost{said}.")
        }
    };
    let then = match status.phase {
        Some(Phase::Running) => "the run that is at work ends first, then its change is taken back",
        _ => "a Job takes it back",
    };
    Ok(Ask {
        patch: Some(json!({ "metadata": { "annotations": { ANNOTATION_ROLLBACK: plan } } })),
        so: format!("{name} is asked to be taken back"),
        then: then.to_owned(),
        question: Some(format!("{name}: the change with the plan {plan} is taken back. {loses}")),
        next: String::new(),
    })
}

#[cfg(test)]
mod tests {
    use cofferdam_core::Code;
    use serde_json::Value;

    use super::*;
    use crate::plugin::trial::tests::{PLAN, migration};

    fn ask(phase: &str, more: impl FnOnce(&mut Value)) -> Result<Ask, Box<Refusal>> {
        let seen = migration(|m| {
            m["status"] = json!({ "observedGeneration": 3, "phase": phase, "planDigest": PLAN });
            more(m);
        });
        asked(&seen, &Words::plain(), "2026-11-21T10:00:00Z".parse().unwrap())
    }

    #[test]
    fn it_is_bound_to_the_plan_and_asks_before() {
        let window =
            ask("Succeeded", |m| m["status"]["revertibleUntil"] = json!("2026-11-22T10:00:00Z")).unwrap();
        assert_eq!(window.patch.unwrap()["metadata"]["annotations"][ANNOTATION_ROLLBACK], PLAN);
        let question = window.question.unwrap();
        assert!(question.contains(PLAN) && question.contains("nothing is lost"), "{question}");
        for until in [json!("2026-11-20T10:00:00Z"), Value::Null] {
            let over = ask("Succeeded", |m| m["status"]["revertibleUntil"] = until).unwrap();
            assert!(over.question.unwrap().contains("may be lost"));
        }
        assert!(ask("Running", |_| {}).unwrap().then.contains("ends first"));
        assert!(ask("Failed", |_| {}).unwrap().patch.is_some());
    }

    #[test]
    fn it_is_asked_once_and_only_where_something_is_there() {
        for phase in ["RolledBack", "RollingBack"] {
            assert_eq!(ask(phase, |_| {}).unwrap().patch, None, "{phase}");
        }
        let again = ask("Succeeded", |m| m["metadata"]["annotations"] = json!({ ANNOTATION_ROLLBACK: PLAN }));
        assert_eq!(again.unwrap().patch, None);
        for refused in [
            ask("Pending", |_| {}),
            ask("Succeeded", |m| m["status"]["planDigest"] = Value::Null),
            ask("Succeeded", |m| m["spec"]["suspend"] = json!(true)),
            ask("Failed", |m| {
                m["metadata"]["annotations"] = json!({ ANNOTATION_ROLLBACK: PLAN });
                m["status"]["conditions"] = json!([{
                    "type": "Ready", "status": "False", "reason": "RollbackUnsafe", "message": "id 7",
                    "observedGeneration": 3, "lastTransitionTime": "2026-11-21T10:00:00Z",
                }]);
            }),
        ] {
            assert_eq!(refused.unwrap_err().code, Code::NotNow);
        }
    }
}
