//! `demo`: a change on a live database of its own, to be watched.

use super::{Command, flags};
use crate::demo::DemoArgs;

pub(crate) static COMMAND: Command = Command {
    name: "demo",
    aliases: &[],
    about: "Show a change under load on a server of its own, and take it back",
    more: "Starts a PostgreSQL (an installed one; where there is none the portable build is fetched and its checksum \
           verified), fills a table, and keeps writers on it that note down every acknowledged write. First a \
           migration: it kills its own runner half-way and goes on, looks for every write, takes the migration back, \
           looks again. Then the primary key becomes bigint online: killed in the middle of the copy and of the \
           comparison, gone on with, swapped, and swapped back with what was written since. A MySQL or a MariaDB must be \
           installed for it. At the end it removes everything. Exits with 0 only where no write failed or was lost.",
    examples: &[
        ("cofferdam demo", "start a server, change it under load, take it back, delete everything"),
        ("cofferdam demo --rows 100000", "a smaller table"),
        ("cofferdam demo --engine mariadb", "the same on an installed MariaDB, which is left alone"),
        ("cofferdam demo --pg 18.6.0 --keep", "on the portable build, and leave it running until Enter"),
    ],
    arguments: <DemoArgs as clap::Args>::augment_args,
    run: |context, matches| Box::pin(async move { crate::demo::run(&context, &flags(&matches)?).await }),
};
