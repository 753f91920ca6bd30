//! `resume`: lets a paused online change go on.

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
    name: "resume",
    aliases: &[],
    about: "Let a paused online change go on",
    more: "Needs no lock.",
    examples: &[
        ("cofferdam resume --env prod", "the only online change at work"),
        ("cofferdam resume --env prod app.orders", "that of a table"),
    ],
    arguments: <Flags as clap::Args>::augment_args,
    run: |context, matches| Box::pin(async move { resume(&context, &flags(&matches)?).await }),
};

async fn resume(context: &Context, flags: &Flags) -> Result<Exit> {
    ask(context, flags.run.as_deref(), &Asked::Resume, "it goes on").await?;
    Ok(Exit::DONE)
}
