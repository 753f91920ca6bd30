//! `demo`: a change on a live database of its own, to be watched.

use super::{Command, Exit, flags};
use crate::demo::DemoArgs;

pub(crate) static COMMAND: Command = Command {
    name: "demo",
    aliases: &[],
    about: "Show a change under load on a PostgreSQL of its own, and take it back",
    more: "",
    examples: &[
        ("cofferdam demo", "start a server, change it under load, take it back, delete everything"),
        ("cofferdam demo --rows 100000", "a smaller table"),
    ],
    arguments: <DemoArgs as clap::Args>::augment_args,
    run: |_, matches| {
        Box::pin(async move {
            crate::demo::run(flags(&matches)?).await?;
            Ok(Exit::DONE)
        })
    },
};
