//! `resume`: what was paused goes on.

use cofferdam_api::DatabaseMigration;
use cofferdam_core::Refusal;
use jiff::Timestamp;
use kube::ResourceExt;
use serde_json::json;

use crate::cli::Command;
use crate::plugin::running;
use crate::plugin::steer::{Ask, SteerFlags, steer};
use crate::plugin::words::Words;

pub(crate) static COMMAND: Command = Command {
    name: "resume",
    aliases: &[],
    about: "Let a paused migration go on",
    more: "Takes spec.suspend back. A run that was stopped goes on from where it was.",
    examples: &[("kubectl cofferdam resume orders --watch", "let it go on, and follow it")],
    arguments: <SteerFlags as clap::Args>::augment_args,
    run: |context, matches| {
        running(context, matches, async |plugin, flags: &SteerFlags| {
            steer(plugin, flags, "resume", asked).await
        })
    },
};

fn asked(seen: &DatabaseMigration, _: &Words, _: Timestamp) -> Result<Ask, Box<Refusal>> {
    let name = seen.name_any();
    Ok(Ask {
        patch: seen.spec.suspend.then(|| json!({ "spec": { "suspend": false } })),
        so: match seen.spec.suspend {
            true => format!("{name} is resumed"),
            false => format!("{name} is not paused"),
        },
        then: match seen.spec.suspend {
            true => "a run that was stopped goes on, and what waited begins".to_owned(),
            false => "nothing was changed".to_owned(),
        },
        question: None,
        next: String::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::trial::tests::migration;

    #[test]
    fn only_what_is_paused_is_resumed() {
        for suspend in [true, false] {
            let seen = migration(|m| m["spec"]["suspend"] = json!(suspend));
            let ask = asked(&seen, &Words::plain(), Timestamp::UNIX_EPOCH).unwrap();
            assert_eq!(ask.patch.is_some(), suspend);
        }
    }
}
