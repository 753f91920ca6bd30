//! `throttle`: bounds the connections of an online change.

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
    /// At most so many connections work side by side; 0 takes the limit away
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=64))]
    workers: u32,
}

pub(crate) static COMMAND: Command = Command {
    name: "throttle",
    aliases: &[],
    about: "Bound the connections that an online change works with",
    more: "It slows down by itself where replicas, locks or disk ask for it; this is a limit beside that. Needs no lock.",
    examples: &[
        ("cofferdam throttle --env prod --workers 1", "one connection copies"),
        ("cofferdam throttle --env prod app.orders --workers 0", "no limit any more"),
    ],
    arguments: <Flags as clap::Args>::augment_args,
    run: |context, matches| Box::pin(async move { throttle(&context, &flags(&matches)?).await }),
};

async fn throttle(context: &Context, flags: &Flags) -> Result<Exit> {
    let then = match flags.workers {
        0 => "no limit from its next chunk on".to_owned(),
        1 => "1 connection from its next chunk on".to_owned(),
        workers => format!("{workers} connections from its next chunk on"),
    };
    ask(context, flags.run.as_deref(), &Asked::Throttle { workers: flags.workers }, &then).await?;
    Ok(Exit::DONE)
}
