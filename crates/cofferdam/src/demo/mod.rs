//! The demonstration: changes under load on a database of its own, with the runner killed half-way, checked write by
//! write, and taken back. The first act applies a migration; the second changes the type of a key online.
//!
//! The writers speak to the server through the driver itself, and what is done to the schema is done by the same
//! commands that a person would type, run as processes of their own.

mod checker;
mod child;
mod database;
mod half_way;
mod keeping;
mod ledger;
mod load;
mod middle;
mod migration;
mod mysql;
mod online;
mod postgres;
mod scene;
mod shop;
mod stage;
mod story;
mod summary;
#[cfg(test)]
mod tests;
mod views;
mod writer;

use cofferdam_core::{Code, Fault, Refusal, Result};

use crate::cli::Exit;
use crate::context::Context;
use child::Child;
use ledger::Window;
use scene::Scene;
use stage::Stage;
use story::Story;
use summary::DemoView;
use views::PhaseView;

/// How many parts both acts have.
const PARTS: u32 = 13;

/// What it is shown on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Engine {
    /// An installed one, or a portable build
    #[value(alias = "postgres")]
    Postgresql,
    /// An installed one
    Mysql,
    /// An installed one
    Mariadb,
}

/// What the demonstration is asked for.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct DemoArgs {
    /// The server that it is shown on
    #[arg(long, value_name = "ENGINE", value_enum, default_value_t = Engine::Postgresql)]
    pub(crate) engine: Engine,
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
    #[arg(long, value_name = "VERSION", value_parser = postgres::binaries::requirement)]
    pub(crate) pg: Option<String>,
    /// At the end leave the server running until Enter or Ctrl-C, and print how to reach it
    #[arg(long)]
    pub(crate) keep: bool,
}

/// Runs the demonstration. Whatever ends it, the server and its files go.
///
/// # Errors
/// `Usage`; `NoServerFound`; `Interrupted`; and a bug of ours where a write failed or was lost.
pub(crate) async fn run(context: &Context, args: &DemoArgs) -> Result<Exit> {
    if args.pg.is_some() && args.engine != Engine::Postgresql {
        return Err(Refusal::new(
            Code::Usage,
            "--pg chooses a PostgreSQL, and --engine names another server",
        )
        .help("leave one of the two out")
        .into());
    }
    let story = Story::new(context, PARTS);
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

/// Both acts.
async fn told(story: &Story<'_>, args: &DemoArgs) -> Result<(Stage, DemoView)> {
    let stage = Stage::set_up(story, args).await?;
    stage.fill(story, args).await?;
    let mut scene = Scene::new(story, &stage, args);
    let whole = Window::open("all");
    let migration = migration::play(&mut scene).await?;
    let online = online::play(&mut scene).await?;
    Child::start(&stage, &["verify"])?.done(story).await?;
    let whole = whole.close();
    let total = PhaseView::new(&whole, scene.load.tally(&whole));
    let view = DemoView::new(scene, total, migration, online);
    Ok((stage, view))
}
