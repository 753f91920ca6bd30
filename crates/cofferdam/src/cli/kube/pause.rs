//! `pause`: a run stops at its next safe point, and none begins.

use cofferdam_api::{DatabaseMigration, Phase};
use cofferdam_core::Refusal;
use jiff::Timestamp;
use kube::ResourceExt;
use serde_json::json;

use crate::cli::Command;
use crate::plugin::running;
use crate::plugin::steer::{Ask, SteerFlags, not_now, steer};
use crate::plugin::words::Words;

pub(crate) static COMMAND: Command = Command {
    name: "pause",
    aliases: &["suspend"],
    about: "Stop a migration at its next safe point, and begin no run until resume",
    more: "Sets spec.suspend. What is done stays, and resume goes on from there. A change that is being taken back is \
           not stopped.",
    examples: &[("kubectl cofferdam pause orders", "stop at the next safe point")],
    arguments: <SteerFlags as clap::Args>::augment_args,
    run: |context, matches| {
        running(context, matches, async |plugin, flags: &SteerFlags| {
            steer(plugin, flags, "pause", asked).await
        })
    },
};

fn asked(seen: &DatabaseMigration, words: &Words, _: Timestamp) -> Result<Ask, Box<Refusal>> {
    let name = seen.name_any();
    let phase = seen.status.as_ref().and_then(|status| status.phase);
    if phase == Some(Phase::RollingBack) && !seen.spec.suspend {
        return Err(not_now(
            seen,
            words,
            "is being taken back, and that is not stopped half-way",
            "status NAME --watch",
        ));
    }
    let then = match phase {
        Some(Phase::Running) => "the run stops at its next safe point, and what is done stays",
        _ => "no run begins",
    };
    Ok(Ask {
        patch: (!seen.spec.suspend).then(|| json!({ "spec": { "suspend": true } })),
        so: if seen.spec.suspend { format!("{name} is paused already") } else { format!("{name} is paused") },
        then: then.to_owned(),
        question: None,
        next: format!("resume {name}"),
    })
}

#[cfg(test)]
mod tests {
    use cofferdam_core::Code;

    use super::*;
    use crate::plugin::trial::tests::migration;

    #[test]
    fn a_run_is_paused_once_and_a_way_back_is_not() {
        let seen = |phase: &str, suspend: bool| {
            migration(|m| {
                m["status"] = json!({ "phase": phase });
                m["spec"]["suspend"] = json!(suspend);
            })
        };
        let ask = |seen| asked(&seen, &Words::plain(), Timestamp::UNIX_EPOCH);
        let running = ask(seen("Running", false)).unwrap();
        assert_eq!(running.patch, Some(json!({ "spec": { "suspend": true } })));
        assert!(running.then.contains("next safe point") && running.question.is_none());
        assert_eq!(ask(seen("Running", true)).unwrap().patch, None);
        assert_eq!(ask(seen("Succeeded", false)).unwrap().then, "no run begins");
        assert_eq!(ask(seen("RollingBack", false)).unwrap_err().code, Code::NotNow);
    }
}
