//! `rollback`: takes applied migrations back.

use std::io::IsTerminal;

use cofferdam_core::{Code, Fault, Refusal, Result};
use cofferdam_runner::{Back, rollback as carry_out, rollback_plans};

use super::{Command, Exit, flags};
use crate::args::limits::LimitFlags;
use crate::args::policy;
use crate::context::Context;
use crate::output::progress::Progress;
use crate::output::rollback::RollbackView;
use crate::output::run::SummaryView;

#[derive(Debug, clap::Args)]
struct Flags {
    /// Until this version is the newest; 0 takes everything back
    #[arg(long, value_name = "VERSION", conflicts_with = "steps")]
    to: Option<String>,
    /// So many migrations [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    steps: Option<u32>,
    /// Show what would be taken back and lost, and do nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    limits: LimitFlags,
}

pub(crate) static COMMAND: Command = Command {
    name: "rollback",
    aliases: &["down", "undo"],
    about: "Take applied migrations back, the newest first",
    more: "The way back is the one that was stored when the migration was applied, so an older release can take \
           back a newer one. What would be lost is listed and must be agreed to.",
    examples: &[
        ("cofferdam rollback --env prod --dry-run", "what taking the last migration back would do and lose"),
        ("cofferdam rollback --env prod --to 1.5.0", "until 1.5.0 is the newest version"),
        ("cofferdam rollback --steps 2 --yes", "the last two, whatever is lost"),
    ],
    arguments: <Flags as clap::Args>::augment_args,
    run: |context, matches| Box::pin(async move { rollback(&context, &flags(&matches)?).await }),
};

async fn rollback(context: &Context, flags: &Flags) -> Result<Exit> {
    let settings = context.settings()?;
    let policy = policy::plain(&flags.limits, &settings);
    let back = match (&flags.to, flags.steps) {
        (Some(version), _) => Back::To(version.clone()),
        (None, steps) => Back::Steps(steps.unwrap_or(1) as usize),
    };
    let mut session = context.open(&settings).await?;
    let plans = rollback_plans(&mut *session, &back, &policy).await?;
    let database = session.facts(&[]).await?.server.database;
    let view = RollbackView::new(database.clone(), &plans);
    if flags.dry_run {
        context.console.show("RollbackPlan", &view, RollbackView::text);
        return Ok(Exit::DONE);
    }
    context.console.note(&view.text());
    if !view.losses.is_empty() && !context.common.yes {
        agree(context, &database, &view.losses).await?;
    }
    let progress = Progress::new(&context.console);
    let outcome = carry_out(&mut *session, plans, &policy, progress.reporter(), context.halt.driving()).await;
    progress.end();
    context.console.show("Summary", &SummaryView::new(&database, "undone", outcome?), SummaryView::text);
    Ok(Exit::DONE)
}

/// Asks the person at the keyboard to type the database's name; without a person there is nobody to agree.
async fn agree(context: &Context, database: &str, losses: &[String]) -> Result<()> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(would_lose(losses, "nobody is there to agree to it").into());
    }
    context.console.ask("Type the database name to go on:");
    // On a thread of its own, so that signals are heeded while it waits.
    let typed = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line)
    })
    .await
    .map_err(|error| Fault::Bug(error.to_string()))?;
    match typed {
        Ok(line) if line.trim() == database => Ok(()),
        Ok(line) => Err(would_lose(losses, &format!("{:?} is not {database:?}", line.trim())).into()),
        Err(error) => Err(would_lose(losses, &error.to_string()).into()),
    }
}

fn would_lose(losses: &[String], cause: &str) -> Refusal {
    let refusal = Refusal::new(Code::WouldLose, "taking this back would lose data")
        .cause(cause)
        .help("agree to it with --yes");
    losses.iter().fold(refusal, |refusal, loss| refusal.note(format!("lost: {loss}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_lost_is_listed() {
        let refusal = would_lose(&["the rows of orders".into(), "the values of users.plan".into()], "why");
        assert_eq!((refusal.code.exit(), refusal.notes.len()), (8, 2));
        assert_eq!(refusal.notes[0], "lost: the rows of orders");
    }
}
