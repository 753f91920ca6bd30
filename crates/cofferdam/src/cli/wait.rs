//! `wait`: until the server answers.

use std::time::Duration;

use cofferdam_core::{Code, Refusal, Result};

use super::{Command, Exit};
use crate::context::Context;

/// How long to wait where nobody says.
const LIMIT: Duration = Duration::from_secs(60);

pub(crate) static COMMAND: Command = Command {
    name: "wait",
    aliases: &[],
    about: "Wait until the database can be reached",
    more: "Waits for a server that is starting or not there yet, 60 s unless --timeout says otherwise. A wrong \
           password or a missing database is not waited for.",
    examples: &[(
        "cofferdam wait --env prod --timeout 2m",
        "exit with 0 once it answers, with 124 after two minutes",
    )],
    arguments: |command| command,
    run: |context, _| Box::pin(async move { wait(&context).await }),
};

async fn wait(context: &Context) -> Result<Exit> {
    let settings = context.settings()?;
    let limit = context.common.timeout.unwrap_or(LIMIT);
    match tokio::time::timeout(limit, context.open_patiently(&settings)).await {
        Ok(outcome) => outcome.map(|_| Exit::DONE),
        Err(_) => Err(Refusal::new(Code::TimedOut, "the server did not answer in time")
            .cause(format!("waited for {}", crate::args::duration::shown(limit.as_millis() as u64)))
            .help("cofferdam doctor says what is wrong; --timeout waits longer")
            .into()),
    }
}
