//! `restore`: rows out of a backup.

use std::path::PathBuf;

use cofferdam_core::{Code, Name, Refusal, Result};
use cofferdam_engines::copy::Existing;
use cofferdam_runner::backup::restore as carry_out;

use super::{Command, Exit, flags};
use crate::args::{backup, name};
use crate::context::Context;
use crate::output::backup::RestoredView;
use crate::output::progress::Progress;

#[derive(Debug, clap::Args)]
struct Flags {
    /// The backup, by its name or its whole location
    #[arg(value_name = "BACKUP")]
    from: String,
    /// The place, where only the name is given
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// Restore this table only; may be repeated [default: all of the backup]
    #[arg(long, value_name = "TABLE", value_parser = name::parse)]
    table: Vec<Name>,
    /// Restore into this schema, which must be there [default: the table's own]
    #[arg(long, value_name = "SCHEMA")]
    into: Option<String>,
    /// Replace the rows of tables that are there; needs --yes
    #[arg(long)]
    replace: bool,
    /// The file with the identity of age that opens the backup
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
}

pub(crate) static COMMAND: Command = Command {
    name: "restore",
    aliases: &[],
    about: "Restore rows out of a backup, into new tables unless told otherwise",
    more: "A table is made from the names and types in the backup's manifest, with its primary key and nothing else: \
           no default, check or trigger, since nothing that stands in a backup is ever carried out. Each table is one \
           transaction, which ends well only where its rows have the count and the hash that were saved. --replace \
           empties a table that is there first; what was written to it since the backup is gone then.",
    examples: &[
        ("cofferdam restore shop-20261121T203000Z-1a2b3c4d --to s3://backups/shop --into rescue", "beside"),
        (
            "cofferdam restore /var/backups/shop-20261121T203000Z-1a2b3c4d --table orders",
            "one table that is gone",
        ),
        (
            "cofferdam restore shop-20261121T203000Z-1a2b3c4d --table orders --replace --yes",
            "put the rows back",
        ),
    ],
    arguments: <Flags as clap::Args>::augment_args,
    run: |context, matches| Box::pin(async move { restore(&context, &flags(&matches)?).await }),
};

async fn restore(context: &Context, flags: &Flags) -> Result<Exit> {
    let settings = context.settings()?;
    let (url, id) = match flags.from.trim_end_matches('/').rsplit_once('/') {
        Some((place, id)) => (Some(place.to_owned()), id.to_owned()),
        None => (flags.to.clone(), flags.from.clone()),
    };
    let place = backup::place(url.as_ref(), &settings)?;
    let keys = backup::keys(flags.identity.as_ref())?;
    let found = place.manifest(&id).await?;
    let mut session = context.open(&settings).await?;
    let existing = if flags.replace { Existing::Replace } else { Existing::Refuse };
    if flags.replace && !context.common.yes {
        return Err(Refusal::new(Code::WouldDestroy, "the rows that are there would be replaced")
            .cause(format!("what was written since {} is in no backup", found.manifest.taken_at))
            .help("agree with --yes, or restore beside with --into SCHEMA")
            .into());
    }
    let progress = Progress::new(&context.console);
    let to = (flags.into.as_deref(), existing);
    let (reporter, stop) = (progress.reporter(), context.halt.driving());
    let outcome = carry_out(&mut *session, &place, &found, &flags.table, to, &keys, (&reporter, stop)).await;
    progress.end();
    let view = RestoredView {
        backup: place.location(&id),
        taken_at: found.manifest.taken_at.clone(),
        tables: outcome?,
    };
    context.console.show("Restored", &view, RestoredView::text);
    Ok(Exit::DONE)
}
