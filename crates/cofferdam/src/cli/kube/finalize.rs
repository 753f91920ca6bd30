//! `finalize`: the revert window ends.

use cofferdam_api::names::ANNOTATION_FINALIZE;
use cofferdam_api::{DatabaseMigration, Phase};
use cofferdam_core::Refusal;
use jiff::Timestamp;
use kube::ResourceExt;
use serde_json::json;

use crate::cli::Command;
use crate::output::words::minute;
use crate::plugin::running;
use crate::plugin::steer::{Ask, SteerFlags, not_now, plan_of, steer};
use crate::plugin::words::Words;

pub(crate) static COMMAND: Command = Command {
    name: "finalize",
    aliases: &[],
    about: "End the revert window of a migration: the old table is dropped",
    more: "From then on there is no way back but another change. It asks before.",
    examples: &[("kubectl cofferdam finalize orders", "ask, and end it")],
    arguments: <SteerFlags as clap::Args>::augment_args,
    run: |context, matches| {
        running(context, matches, async |plugin, flags: &SteerFlags| {
            steer(plugin, flags, "finalize", asked).await
        })
    },
};

fn asked(seen: &DatabaseMigration, words: &Words, _: Timestamp) -> Result<Ask, Box<Refusal>> {
    let name = seen.name_any();
    let status = seen.status.clone().unwrap_or_default();
    let (Some(Phase::Succeeded), Some(until), Some(plan)) =
        (status.phase, status.revertible_until, plan_of(seen))
    else {
        return Err(not_now(seen, words, "has no revert window open", "describe NAME"));
    };
    if seen.spec.suspend {
        return Err(not_now(seen, words, "is paused, so nothing of it begins", "resume NAME"));
    }
    let asked = seen.annotations().get(ANNOTATION_FINALIZE) == Some(&plan);
    let until = minute(&until.0.to_string());
    Ok(Ask {
        patch: (!asked).then(|| json!({ "metadata": { "annotations": { ANNOTATION_FINALIZE: plan } } })),
        so: match asked {
            true => format!("{name} was asked to end its revert window already"),
            false => format!("{name} is asked to end its revert window"),
        },
        then: "a Job drops the old table".to_owned(),
        question: Some(format!(
            "{name}: the old table is dropped. Until {until} the change could be taken back; after this it cannot."
        )),
        next: String::new(),
    })
}

#[cfg(test)]
mod tests {
    use cofferdam_core::Code;
    use serde_json::Value;

    use super::*;
    use crate::plugin::trial::tests::{PLAN, migration};

    fn ask(more: impl FnOnce(&mut Value)) -> Result<Ask, Box<Refusal>> {
        let seen = migration(|m| {
            m["status"] = json!({ "phase": "Succeeded", "planDigest": PLAN, "revertibleUntil": "2026-11-22T10:00:00Z" });
            more(m);
        });
        asked(&seen, &Words::plain(), Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn only_an_open_window_is_ended_and_once() {
        let first = ask(|_| {}).unwrap();
        assert_eq!(first.patch.unwrap()["metadata"]["annotations"][ANNOTATION_FINALIZE], PLAN);
        assert!(first.question.unwrap().contains("2026-11-22 10:00"));
        let again = ask(|m| m["metadata"]["annotations"] = json!({ ANNOTATION_FINALIZE: PLAN }));
        assert_eq!(again.unwrap().patch, None);
        for refused in [
            ask(|m| m["status"]["revertibleUntil"] = Value::Null),
            ask(|m| m["status"]["phase"] = json!("RolledBack")),
            ask(|m| m["spec"]["suspend"] = json!(true)),
        ] {
            assert_eq!(refused.unwrap_err().code, Code::NotNow);
        }
    }
}
