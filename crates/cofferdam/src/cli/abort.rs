//! `abort`: gives an online change up.

use cofferdam_core::{Code, Fault, Online, Result};
use cofferdam_engines::Asked;
use cofferdam_runner::take_back;

use super::{Command, Exit, flags};
use crate::args::limits::LimitFlags;
use crate::args::policy;
use crate::asking::{before_the_swap, show};
use crate::context::Context;
use crate::output::alter::AlterSummaryView;
use crate::output::progress::Progress;

#[derive(Debug, clap::Args)]
struct Flags {
    /// The run, by the beginning of its id, or its table [default: the only one before its swap]
    #[arg(value_name = "RUN")]
    run: Option<String>,
    #[command(flatten)]
    limits: LimitFlags,
}

pub(crate) static COMMAND: Command = Command {
    name: "abort",
    aliases: &[],
    about: "Give an online change up before its swap, and remove everything that it made",
    more: "The table itself is not touched. A process that is at work on it removes everything and ends with exit code \
           6; where none is, this command does it. After the swap there is rollback.",
    examples: &[
        ("cofferdam abort --env prod", "the only online change before its swap"),
        ("cofferdam abort --env prod 01932f0c", "that of a run"),
    ],
    arguments: <Flags as clap::Args>::augment_args,
    run: |context, matches| Box::pin(async move { abort(&context, &flags(&matches)?).await }),
};

async fn abort(context: &Context, flags: &Flags) -> Result<Exit> {
    let settings = context.settings()?;
    let mut session = context.open(&settings).await?;
    let open = before_the_swap(&mut *session, flags.run.as_deref()).await?;
    let id = open.change().map(Online::id).unwrap_or_default();
    match session.control(&id, &Asked::Abort).await {
        Ok(()) => {}
        // Its first part is not done, so there is nobody yet who could read it.
        Err(Fault::Refused(refusal)) if refusal.code == Code::NoSuchRun => {}
        Err(fault) => return Err(fault),
    }
    if let Some(holder) = session.holder().await? {
        show(context, &open, Asked::Abort.word(), Some(holder.into()), "whoever is at work takes it back");
        return Ok(Exit::DONE);
    }
    let policy = policy::plain(&flags.limits, &settings);
    let database = session.facts(&[]).await?.server.database;
    let progress = Progress::new(&context.console);
    let halt = context.halt.driving();
    let outcome = take_back(&mut *session, open.run.id, &policy, progress.reporter(), halt).await;
    progress.end();
    let view = AlterSummaryView::new(&database, outcome?);
    context.console.show("AlterSummary", &view, AlterSummaryView::text);
    Ok(Exit::DONE)
}
