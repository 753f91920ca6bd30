//! `status`: where the database is.

use cofferdam_core::{Code, Result};
use cofferdam_engines::Runs;
use cofferdam_formats::{Options, standing};

use super::{Command, Exit, flags, plan};
use crate::context::Context;
use crate::output::plan::DatabaseView;
use crate::output::status::StatusView;

#[derive(Debug, clap::Args)]
struct Flags {
    /// Exit with 3 when something is pending
    #[arg(long)]
    exit_code: bool,
}

pub(crate) static COMMAND: Command = Command {
    name: "status",
    aliases: &["info"],
    about: "Show the version of the database, what is pending, and what is unfinished",
    more: "Reads only.",
    examples: &[
        ("cofferdam status --url postgres://localhost/shop", "versions, and what to do next"),
        ("cofferdam status --env prod -o json", "for programs: upToDate, pending, version"),
        ("cofferdam status --env prod --exit-code -q", "3 when something is pending"),
    ],
    arguments: <Flags as clap::Args>::augment_args,
    run: |context, matches| Box::pin(async move { status(&context, &flags(&matches)?).await }),
};

async fn status(context: &Context, flags: &Flags) -> Result<Exit> {
    let settings = context.settings()?;
    settings.need_database()?;
    let bundle = context.bundle(&settings)?;
    let mut session = context.open(&settings).await?;
    let facts = session.facts(&[]).await?;
    let history = session.history().await?;
    let unfinished = session.runs(Runs::Unfinished).await?;
    let holder = session.holder().await?;
    let standing = standing(&bundle, &history, &Options::default());
    let view = StatusView::new(
        DatabaseView::new(&facts, settings.url.as_deref()),
        plan::newest(&history),
        &standing,
        &unfinished,
        holder,
    );
    context.console.show("Status", &view, StatusView::text);
    Ok(match standing.problems.first() {
        _ if !flags.exit_code => Exit::DONE,
        Some(problem) => problem.code.into(),
        None if view.pending > 0 => Code::Pending.into(),
        None => Exit::DONE,
    })
}
