//! `baseline`: declares that everything up to a version is there.

use cofferdam_core::Result;
use serde::Serialize;

use super::{Command, Exit, flags};
use crate::args::limits::LimitFlags;
use crate::args::policy;
use crate::context::Context;

#[derive(Debug, clap::Args)]
struct Flags {
    /// The version that the database is at
    #[arg(value_name = "VERSION")]
    at: String,
    /// What stands in the history
    #[arg(long, value_name = "TEXT", default_value = "baseline")]
    description: String,
    #[command(flatten)]
    limits: LimitFlags,
}

pub(crate) static COMMAND: Command = Command {
    name: "baseline",
    aliases: &[],
    about: "Declare that a database is at a version without applying anything",
    more: "For a database that was changed before Cofferdam came. Refused where anything is applied already.",
    examples: &[("cofferdam baseline 1.4.0 --env prod", "migrations up to 1.4.0 are there already")],
    arguments: <Flags as clap::Args>::augment_args,
    run: |context, matches| Box::pin(async move { baseline(&context, &flags(&matches)?).await }),
};

/// The document of kind `Baseline`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BaselineView {
    version: String,
    description: String,
}

async fn baseline(context: &Context, flags: &Flags) -> Result<Exit> {
    let settings = context.settings()?;
    let version = policy::version(&flags.at)?;
    let policy = policy::plain(&flags.limits, &settings);
    let mut session = context.open_keeping(&settings, None).await?;
    cofferdam_runner::baseline(&mut *session, &version, &flags.description, &policy).await?;
    let view = BaselineView { version: version.text, description: flags.description.clone() };
    context
        .console
        .show("Baseline", &view, |v| format!("baseline: the database is at version {}", v.version));
    Ok(Exit::DONE)
}
