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
use stage::Stage;
use story::Story;
use summary::DemoView;

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

/// How long the writers write before anything is changed, and on either side of the way back.
const UNDISTURBED: Duration = Duration::from_millis(1_500);

/// Runs the demonstration. Whatever ends it, the server and its files go.
///
/// # Errors
/// `NoServerFound`; `Interrupted`; and a bug of ours where a write failed or was lost.
pub(crate) async fn run(context: &Context, args: &DemoArgs) -> Result<Exit> {
    let story = Story::new(context);
    let (stage, view) = tokio::select! {
        told = told(&story, args) => told?,
        () = keeping::interrupted() => {
            story.line("interrupted: the server and its files are removed");
            return Err(Refusal::new(Code::Interrupted, "the demonstration was interrupted")
                .cause("its server and its files are removed")
                .help("cofferdam demo")
                .into());
        }
    };
    context.console.show("Demo", &view, DemoView::text);
    if args.keep {
        keeping::until_dismissed(&story, &stage).await;
    }
    drop(stage);
    story.line("the server and its files are removed");
    match view.complaint() {
        None => Ok(Exit::DONE),
        Some(complaint) => Err(Fault::Bug(complaint)),
    }
}

/// The seven parts, in order.
async fn told(story: &Story<'_>, args: &DemoArgs) -> Result<(Stage, DemoView)> {
    let mut stage = Stage::set_up(story, args).await?;
    stage.fill(story, args).await?;
    let before = database::schema(&stage.client).await?;

    stage.writers_write().await?;
    let undisturbed = stage.watched("before", tokio::time::sleep(UNDISTURBED)).await?;

    let migrating = stage.clock();
    let killed = stage.apply_and_kill(story).await?;
    let left = stage.apply_again(story).await?;
    let apply = stage.since("apply", migrating).await?;
    let after_apply = stage.check(story, 5, "every acknowledged write is there", &apply).await?;
    let between = database::schema(&stage.client).await?;

    stage.writers_write().await?;
    let going_back = stage.clock();
    stage.roll_back(story, UNDISTURBED).await?;
    let rollback = stage.since("rollback", going_back).await?;
    let restored = before != between && database::schema(&stage.client).await? == before;
    let schema = if restored { "the schema is as before" } else { "the schema is NOT as before" };
    let after_rollback = stage.check(story, 7, schema, &rollback).await?;

    let view = DemoView::new(args, &stage, summary::Parts {
        phases: vec![undisturbed, apply, rollback],
        checks: vec![after_apply, after_rollback],
        killed,
        left,
        schema_restored: restored,
    });
    Ok((stage, view))
}
