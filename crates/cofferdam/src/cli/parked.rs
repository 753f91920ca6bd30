//! `parked`: what was put aside in place of being dropped.

use cofferdam_core::Result;

use super::{Command, Exit, flags};
use crate::context::Context;
use crate::output::parked::ParkedView;

#[derive(Debug, clap::Args)]
struct Flags {
    /// Also what came back, and what was dropped for good
    #[arg(long)]
    all: bool,
}

pub(crate) static COMMAND: Command = Command {
    name: "parked",
    aliases: &[],
    about: "List the tables and columns that were parked in place of being dropped",
    more: "Reads only. Nothing of it goes away by itself: the time says from when on finalize --expired drops it.",
    examples: &[
        ("cofferdam parked --env prod", "what is there, and until when it is kept"),
        ("cofferdam parked --env prod --all -o json", "with what ended, and how"),
    ],
    arguments: <Flags as clap::Args>::augment_args,
    run: |context, matches| Box::pin(async move { parked(&context, &flags(&matches)?).await }),
};

async fn parked(context: &Context, flags: &Flags) -> Result<Exit> {
    let settings = context.settings()?;
    let mut session = context.open(&settings).await?;
    let database = session.facts(&[]).await?.server.database;
    let mut all = session.parked().await?;
    all.retain(|one| flags.all || one.is_there());
    context.console.show("Parked", &ParkedView::new(&database, all), ParkedView::text);
    Ok(Exit::DONE)
}
