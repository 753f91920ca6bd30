//! The demonstration: a change under load on a database of its own, with the runner killed half-way, checked write
//! by write, and taken back.
//!
//! The writers speak to the server through the driver itself, and what is done to the schema is done by the same
//! commands that a person would type, run as processes of their own.

mod binaries;
mod checker;
mod child;
mod database;
mod half_way;
mod keeping;
mod ledger;
mod load;
mod shop;
mod stage;
mod story;
mod summary;
#[cfg(test)]
mod tests;
mod writer;

use std::time::Duration;

use cofferdam_core::{Code, Fault, Refusal, Result};

use crate::cli::Exit;
use crate::context::Context;
use child::Child;
use ledger::{Outcome, Window};
use load::Load;
use stage::Stage;
use story::Story;
use summary::{CheckView, DemoView, PhaseView};

/// What the demonstration is asked for.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct DemoArgs {
    /// Rows in the table that is changed
    #[arg(long, value_name = "N", default_value_t = 500_000,
          value_parser = clap::value_parser!(u32).range(1_000..=50_000_000))]
    pub(crate) rows: u32,
    /// Writers that write to it all the while
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) writers: u32,
    /// What the writers choose at random is chosen from this number
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Take the portable build of this version of PostgreSQL (18.6.0, or 17 for its newest), not an installed one
    #[arg(long, value_name = "VERSION", value_parser = binaries::requirement)]
    pub(crate) pg: Option<String>,
    /// At the end leave the server running until Enter or Ctrl-C, and print how to reach it
    #[arg(long)]
    pub(crate) keep: bool,
}

/// How long the writers write before anything is changed, on the changed tables, and on either side of the way
/// back: long enough for thousands of writes, short enough to be watched.
const UNDISTURBED: Duration = Duration::from_secs(3);

/// Runs the demonstration. Whatever ends it, the server and its files go.
///
/// # Errors
/// `NoServerFound`; `Interrupted`; and a bug of ours where a write failed or was lost.
pub(crate) async fn run(context: &Context, args: &DemoArgs) -> Result<Exit> {
    let story = Story::new(context);
    let (stage, view) = tokio::select! {
        told = told(&story, args) => told?,
        () = keeping::interrupted() => {
            return Err(Refusal::new(Code::Interrupted, "the demonstration was interrupted")
                .cause("its server and its files were removed")
                .help("cofferdam demo")
                .into());
        }
    };
    context.console.show("Demo", &view, DemoView::text);
    if args.keep {
        keeping::until_dismissed(&story, &stage).await;
    }
    drop(stage);
    story.line("the server and its files were removed");
    match view.complaint() {
        None => Ok(Exit::DONE),
        Some(complaint) => Err(Fault::Bug(complaint)),
    }
}

/// The seven parts, in order.
async fn told(story: &Story<'_>, args: &DemoArgs) -> Result<(Stage, DemoView)> {
    let stage = Stage::set_up(story, args).await?;
    stage.fill(story, args).await?;
    let original = database::schema(&stage.client).await?;
    let mut load = Load::new(args.writers, args.rows, args.seed, &stage.url);
    let whole = Window::open("all");
    load.start().await?;
    let before = lasting("before", tokio::time::sleep(UNDISTURBED)).await.0;

    story.part(3, "cofferdam apply: version 2 under that load, until it is killed half-way");
    let (apply, ended) = lasting("apply", async {
        let killed = half_way::kill(story, &stage).await?;
        story.part(4, "the same command again");
        let left = half_way::resume(story, &stage, &killed).await?;
        tokio::time::sleep(UNDISTURBED).await;
        Ok::<_, Fault>((killed, left))
    })
    .await;
    let (killed, left) = ended?;
    load.stop().await?;
    let before = PhaseView::new(&before, load.tally(&before));
    let apply = PhaseView::new(&apply, load.tally(&apply));
    let after_apply = checked(&stage, &load, args, "apply").await?;
    story.part(5, &after_apply.words());
    story.line(&format!("while it was applied: {}", apply.words()));
    let changed = database::schema(&stage.client).await?;

    load.start().await?;
    story.part(6, "cofferdam rollback --to 1 under the same load");
    let (rollback, ended) = lasting("rollback", async {
        tokio::time::sleep(UNDISTURBED).await;
        let ended = Child::start(&stage, &["rollback", "--to", "1"])?.done(story).await;
        tokio::time::sleep(UNDISTURBED).await;
        ended
    })
    .await;
    ended?;
    load.stop().await?;
    let rollback = PhaseView::new(&rollback, load.tally(&rollback));
    let after_rollback = checked(&stage, &load, args, "rollback").await?;
    let restored = original != changed && database::schema(&stage.client).await? == original;
    story.part(
        7,
        &format!("{}; the schema is {}as it was", after_rollback.words(), if restored { "" } else { "NOT " }),
    );
    story.line(&format!("while it was taken back: {}", rollback.words()));
    Child::start(&stage, &["verify"])?.done(story).await?;

    let total = PhaseView::new(&whole.close(), load.tally(&whole.close()));
    let phases = (vec![before, apply, rollback], total);
    let checks = vec![after_apply, after_rollback];
    let view = DemoView::new(args, &stage, phases, checks, (killed, left), restored);
    Ok((stage, view))
}

/// The window in which something is done.
async fn lasting<T>(name: &'static str, work: impl Future<Output = T>) -> (Window, T) {
    let window = Window::open(name);
    let done = work.await;
    (window.close(), done)
}

/// Compares the table with everything that was acknowledged since the beginning. The writers must be idle.
async fn checked(stage: &Stage, load: &Load, args: &DemoArgs, after: &'static str) -> Result<CheckView> {
    let found = database::found(&stage.client, args.rows).await?;
    let acknowledged = load.entries().filter(|e| e.outcome == Outcome::Acknowledged).count() as u64;
    Ok(CheckView::new(after, acknowledged, &checker::check(load.entries(), &found)))
}
