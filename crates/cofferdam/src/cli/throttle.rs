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
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=64), required_unless_present = "pace", conflicts_with = "pace")]
    workers: Option<u32>,
    /// gentle goes slower where others use the server, as it does by itself; full does not
    #[arg(long, value_name = "PACE")]
    pace: Option<Pace>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Pace {
    Gentle,
    Full,
}

pub(crate) static COMMAND: Command = Command {
    name: "throttle",
    aliases: &[],
    about: "Say how fast an online change may go",
    more: "It slows down by itself where others use the server, and stops for replicas, locks and disk; this is beside \
           that. Needs no lock.",
    examples: &[
        ("cofferdam throttle --env prod --workers 1", "one connection copies"),
        ("cofferdam throttle --env prod app.orders --workers 0", "no limit any more"),
        ("cofferdam throttle --env prod --pace full", "be done soon, whoever waits"),
    ],
    arguments: <Flags as clap::Args>::augment_args,
    run: |context, matches| Box::pin(async move { throttle(&context, &flags(&matches)?).await }),
};

async fn throttle(context: &Context, flags: &Flags) -> Result<Exit> {
    let run = flags.run.as_deref();
    if let Some(workers) = flags.workers {
        let then = match workers {
            0 => "no limit from its next chunk on".to_owned(),
            1 => "1 connection from its next chunk on".to_owned(),
            workers => format!("{workers} connections from its next chunk on"),
        };
        ask(context, run, &Asked::Throttle { workers }, &then).await?;
    }
    if let Some(pace) = flags.pace {
        let full = matches!(pace, Pace::Full);
        let then = if full { "full speed in a moment" } else { "gives way to others in a moment" };
        ask(context, run, &Asked::Pace { full }, then).await?;
    }
    Ok(Exit::DONE)
}
