//! `history`: what was applied, which runs there were, and what a run did.

use cofferdam_core::Result;
use cofferdam_engines::Runs;

use super::{Command, Exit, flags};
use crate::context::Context;
use crate::output::history::{AppliedView, HistoryView, JournalView, RunsView};
use crate::output::run::RunView;
use crate::runs;

#[derive(Debug, clap::Args)]
struct Flags {
    /// Show the journal of this run; the beginning of its id is enough
    #[arg(value_name = "RUN")]
    run: Option<String>,
    /// List the runs, newest first, instead of the migrations
    #[arg(long, conflicts_with = "run")]
    runs: bool,
}

pub(crate) static COMMAND: Command = Command {
    name: "history",
    aliases: &[],
    about: "Show what was applied, by whom and when, and what each run did",
    more: "Reads only.",
    examples: &[
        ("cofferdam history --env prod", "the migrations, in the order of applying"),
        ("cofferdam history --env prod --runs", "the runs, newest first"),
        ("cofferdam history --env prod 01932f0c", "the journal of a run"),
    ],
    arguments: <Flags as clap::Args>::augment_args,
    run: |context, matches| Box::pin(async move { history(&context, &flags(&matches)?).await }),
};

async fn history(context: &Context, flags: &Flags) -> Result<Exit> {
    let settings = context.settings()?;
    let mut session = context.open(&settings).await?;
    if let Some(wanted) = &flags.run {
        let run = runs::find(&mut *session, wanted).await?;
        let entries = session.journal(Some(run.id)).await?;
        let view = JournalView { run: RunView::from(&run), entries };
        context.console.show("Journal", &view, JournalView::text);
    } else if flags.runs {
        let runs = session.runs(Runs::Last(runs::LISTED)).await?;
        let view = RunsView { runs: runs.iter().map(RunView::from).collect() };
        context.console.show("Runs", &view, RunsView::text);
    } else {
        let database = session.facts(&[]).await?.server.database;
        let migrations = session.history().await?.iter().map(AppliedView::from).collect();
        context.console.show("History", &HistoryView { database, migrations }, HistoryView::text);
    }
    Ok(Exit::DONE)
}
