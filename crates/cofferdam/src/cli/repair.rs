//! `repair`: makes the history fit the files, or states a fact about a run that is stuck.

use cofferdam_core::run::{Event, FACTS};
use cofferdam_core::{Code, Phase, Refusal, Result};
use cofferdam_runner::{fact_of, fact_word};
use serde::Serialize;

use super::{Command, Exit, flags};
use crate::args::limits::LimitFlags;
use crate::args::policy;
use crate::context::Context;
use crate::runs;

#[derive(Debug, clap::Args)]
struct Flags {
    /// The run that is stuck; the beginning of its id is enough
    #[arg(value_name = "RUN", requires = "says")]
    run: Option<String>,
    /// What is true: step-done, step-not-done, swapped, not-swapped, contract-began, contract-step-done, contracted,
    /// reverted
    #[arg(long, value_name = "FACT", requires = "run")]
    says: Option<String>,
    #[command(flatten)]
    limits: LimitFlags,
}

pub(crate) static COMMAND: Command = Command {
    name: "repair",
    aliases: &[],
    about: "Accept changed and removed files, or state a fact about a run that is stuck",
    more: "Without RUN the checksums in the history become those of the files, and what has no file any more counts \
           as not applied. With RUN a person says what the database could not tell; `apply` then goes on. Both are \
           written to the journal.",
    examples: &[
        ("cofferdam repair --env prod", "take over the checksums of the files"),
        ("cofferdam repair 01932f0c --says step-done", "the statement in doubt took effect"),
    ],
    arguments: <Flags as clap::Args>::augment_args,
    run: |context, matches| Box::pin(async move { repair(&context, &flags(&matches)?).await }),
};

/// The document of kind `Repair`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RepairView {
    /// What was changed, a sentence each.
    changed: Vec<String>,
    /// Of a run that was stuck: where it is now.
    #[serde(skip_serializing_if = "Option::is_none")]
    phase: Option<Phase>,
}

impl RepairView {
    fn text(&self) -> String {
        if self.changed.is_empty() {
            return "nothing to repair".to_owned();
        }
        self.changed.iter().map(|line| format!("{line}\n")).collect()
    }
}

async fn repair(context: &Context, flags: &Flags) -> Result<Exit> {
    let settings = context.settings()?;
    let policy = policy::plain(&flags.limits, &settings);
    let view = match (&flags.run, &flags.says) {
        (Some(run), Some(says)) => {
            let fact = fact(says)?;
            let mut session = context.open(&settings).await?;
            let run = runs::find(&mut *session, run).await?;
            let phase = cofferdam_runner::says(&mut *session, run.id, fact, &policy).await?;
            let next = match (phase.terminal(), cofferdam_runner::is_alter(&run)) {
                (true, _) => "",
                (false, true) => "; the same cofferdam alter goes on with it",
                (false, false) => "; cofferdam apply goes on with it",
            };
            RepairView {
                changed: vec![format!("run {} of {} is now {phase:?}{next}", run.id, run.plan.key)],
                phase: Some(phase),
            }
        }
        _ => {
            settings.need_database()?;
            let bundle = context.bundle(&settings)?;
            let mut session = context.open_keeping(&settings, Some(&bundle)).await?;
            let changed = cofferdam_runner::repair(&mut *session, &bundle, &policy).await?;
            RepairView { changed, phase: None }
        }
    };
    context.console.show("Repair", &view, RepairView::text);
    Ok(Exit::DONE)
}

fn fact(word: &str) -> Result<Event> {
    fact_of(word).ok_or_else(|| {
        let words: Vec<String> =
            FACTS.iter().flat_map(|(_, facts)| facts.iter().map(|f| fact_word(*f))).collect();
        let refusal = Refusal::new(Code::WrongFact, format!("{word:?} is not a fact that can be stated"));
        match cofferdam_formats::nearest(word, words.iter().map(String::as_str)) {
            Some(near) => refusal.help(format!("did you mean --says {near}?")),
            None => refusal.help(format!("--says {}", words.join("|"))),
        }
        .into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fact_can_be_typed_and_is_in_the_help() {
        let help =
            crate::cli::parse::command().find_subcommand("repair").unwrap().clone().render_help().to_string();
        for event in FACTS.iter().flat_map(|(_, facts)| facts.iter()) {
            let word = fact_word(*event);
            assert_eq!(fact(&word).unwrap(), *event);
            assert!(help.split_whitespace().collect::<Vec<_>>().join(" ").contains(&word), "{word}: {help}");
        }
        let fault = fact("step-dun").unwrap_err();
        assert_eq!(fault.refusal().unwrap().help.as_deref(), Some("did you mean --says step-done?"));
    }
}
