//! `finalize`: ends the revert window of an online change.

use cofferdam_core::{Phase, Result};
use cofferdam_engines::Session;
use cofferdam_runner::finalize as carry_out;
use uuid::Uuid;

use super::{Command, Exit, flags};
use crate::args::limits::LimitFlags;
use crate::args::policy;
use crate::context::Context;
use crate::output::alter::AlterSummaryView;
use crate::output::progress::Progress;
use crate::runs;

#[derive(Debug, clap::Args)]
struct Flags {
    /// The run, by the beginning of its id, or its table [default: the only one whose tables are swapped]
    #[arg(value_name = "RUN")]
    run: Option<String>,
    #[command(flatten)]
    limits: LimitFlags,
}

pub(crate) static COMMAND: Command = Command {
    name: "finalize",
    aliases: &[],
    about: "End the revert window of an online change: the old table is dropped",
    more: "From then on there is no way back but another change. A migration gets its row in the history now.",
    examples: &[
        ("cofferdam finalize --env prod", "the only online change that is swapped"),
        ("cofferdam finalize --env prod 01932f0c", "the one of a run"),
        ("cofferdam finalize --env prod app.orders", "the one of a table"),
    ],
    arguments: <Flags as clap::Args>::augment_args,
    run: |context, matches| Box::pin(async move { finalize(&context, &flags(&matches)?).await }),
};

async fn finalize(context: &Context, flags: &Flags) -> Result<Exit> {
    let settings = context.settings()?;
    let policy = policy::plain(&flags.limits, &settings);
    let mut session = context.open(&settings).await?;
    let run = chosen(&mut *session, flags.run.as_deref()).await?;
    let database = session.facts(&[]).await?.server.database;
    let progress = Progress::new(&context.console);
    let outcome = carry_out(&mut *session, run, &policy, progress.reporter(), context.halt.driving()).await;
    progress.end();
    let view = AlterSummaryView::new(&database, outcome?);
    context.console.show("AlterSummary", &view, AlterSummaryView::text);
    Ok(Exit::DONE)
}

/// An open change by run or table; else a run that ended, of which it can be said that it did.
async fn chosen(session: &mut dyn Session, wanted: Option<&str>) -> Result<Uuid> {
    let swapped =
        |one: &cofferdam_runner::OpenChange| matches!(one.run.phase, Phase::Watching | Phase::Contracting);
    match (runs::open(session, wanted, ("whose tables are swapped", swapped)).await, wanted) {
        (Ok(open), _) => Ok(open.run.id),
        (Err(_), Some(wanted)) => Ok(runs::find(session, wanted).await?.id),
        (Err(fault), None) => Err(fault),
    }
}
