//! `pause`: holds an online change.

use cofferdam_core::Result;
use cofferdam_engines::Asked;

use super::{Command, Exit, flags};
use crate::asking::ask;
use crate::context::Context;

#[derive(Debug, clap::Args)]
struct Flags {
    /// The run, by the beginning of its id, or its table [default: the only one at work]
    #[arg(value_name = "RUN")]
    run: Option<String>,
}

pub(crate) static COMMAND: Command = Command {
    name: "pause",
    aliases: &[],
    about: "Hold an online change: nothing is copied or compared until resume",
    more: "Its process stays, and changed keys are still logged, so the log grows. Needs no lock.",
    examples: &[
        ("cofferdam pause --env prod", "the only online change at work"),
        ("cofferdam pause --env prod app.orders", "that of a table"),
    ],
    arguments: <Flags as clap::Args>::augment_args,
    run: |context, matches| Box::pin(async move { pause(&context, &flags(&matches)?).await }),
};

async fn pause(context: &Context, flags: &Flags) -> Result<Exit> {
    ask(context, flags.run.as_deref(), &Asked::Pause, "it stops at its next chunk").await?;
    Ok(Exit::DONE)
}
