//! `cutover`: an online change may swap its tables.

use cofferdam_api::cutover::CutoverMode;
use cofferdam_api::{DatabaseMigration, Phase, Stage};
use cofferdam_core::Refusal;
use jiff::Timestamp;
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::cli::Command;
use crate::plugin::running;
use crate::plugin::steer::{Ask, SteerFlags, not_now, steer};
use crate::plugin::words::Words;

pub(crate) static COMMAND: Command = Command {
    name: "cutover",
    aliases: &[],
    about: "Let an online change swap its tables, whatever its mode or window says",
    more: "Sets spec.cutover.mode to auto. Both sides were compared before; what was written meanwhile comes along.",
    examples: &[("kubectl cofferdam cutover orders --watch", "swap, and see it through")],
    arguments: <SteerFlags as clap::Args>::augment_args,
    run: |context, matches| {
        running(context, matches, async |plugin, flags: &SteerFlags| {
            steer(plugin, flags, "cutover", asked).await
        })
    },
};

fn asked(seen: &DatabaseMigration, words: &Words, _: Timestamp) -> Result<Ask, Box<Refusal>> {
    let name = seen.name_any();
    let status = seen.status.clone().unwrap_or_default();
    if matches!(status.phase, Some(Phase::Succeeded | Phase::Failed | Phase::RolledBack | Phase::RollingBack))
    {
        return Err(not_now(seen, words, "has no change that waits for its swap", "describe NAME"));
    }
    let auto = seen.spec.cutover.mode == CutoverMode::Auto;
    let then = match status.stage {
        Some(Stage::Ready) => "the tables are swapped now",
        _ => "the tables are swapped as soon as both sides are known to be the same",
    };
    Ok(Ask {
        // A window goes with its mode.
        patch: (!auto).then(
            || json!({ "spec": { "cutover": { "mode": CutoverMode::Auto.word(), "window": Value::Null } } }),
        ),
        so: if auto { format!("{name} may swap already") } else { format!("{name} may swap") },
        then: then.to_owned(),
        question: None,
        next: String::new(),
    })
}

#[cfg(test)]
mod tests {
    use cofferdam_core::Code;

    use super::*;
    use crate::plugin::trial::tests::migration;

    fn ask(phase: &str, stage: &str, cutover: Value) -> Result<Ask, Box<Refusal>> {
        let seen = migration(|m| {
            m["status"] = json!({ "phase": phase, "stage": stage });
            m["spec"]["cutover"] = cutover;
        });
        asked(&seen, &Words::plain(), Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn what_waits_is_swapped_and_its_window_goes() {
        let patch = json!({ "spec": { "cutover": { "mode": "auto", "window": null } } });
        for cutover in [json!({ "mode": "manual" }), json!({ "mode": "window", "window": "22:00-04:00" })] {
            let ask = ask("Running", "Ready", cutover).unwrap();
            assert_eq!(ask.patch.as_ref(), Some(&patch));
            assert_eq!(ask.then, "the tables are swapped now");
        }
        assert!(ask("Running", "Copying", json!({ "mode": "manual" })).unwrap().then.contains("as soon as"));
        assert_eq!(ask("Running", "Ready", json!({ "mode": "auto" })).unwrap().patch, None);
    }

    #[test]
    fn what_has_ended_has_nothing_to_swap() {
        for phase in ["Succeeded", "Failed", "RolledBack", "RollingBack"] {
            assert_eq!(ask(phase, "Done", json!({ "mode": "manual" })).unwrap_err().code, Code::NotNow);
        }
    }
}
