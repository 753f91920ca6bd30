//! `cutover`: lets an online change swap its tables.

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
    name: "cutover",
    aliases: &[],
    about: "Let an online change swap its tables, whatever its gate says",
    more: "For --cutover manual and for windows. The swap comes once both sides are known to be the same.",
    examples: &[
        ("cofferdam cutover --env prod", "the only online change at work"),
        ("cofferdam cutover --env prod app.orders", "that of a table"),
    ],
    arguments: <Flags as clap::Args>::augment_args,
    run: |context, matches| Box::pin(async move { cutover(&context, &flags(&matches)?).await }),
};

async fn cutover(context: &Context, flags: &Flags) -> Result<Exit> {
    ask(context, flags.run.as_deref(), &Asked::Cutover, "it swaps as soon as both sides are the same")
        .await?;
    Ok(Exit::DONE)
}
