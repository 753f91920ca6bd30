//! `install`: a version of a project in databases without it.

use super::{Command, flags};
use crate::projects::{DeployFlags, Wish, deploy};

pub(crate) static COMMAND: Command = Command {
    name: "install",
    aliases: &[],
    about: "Install a version of a project in its databases",
    more: "Runs new-install of the version, or that of the nearest earlier version and the upgrades from there. The \
           quality gate comes first, then the plan of every database is judged before the first is changed. The table \
           project_metadata says afterwards which version is there. One that was cut off goes on with the same command.",
    examples: &[
        ("cofferdam install --project shop --version v1.1.0 --environment staging", "in all its databases"),
        ("cofferdam install --project shop --version v1.1.0 --database primary", "in one of them"),
        ("cofferdam install --project shop --version v1.0.0 --dry-run", "show the plan"),
    ],
    arguments: DeployFlags::augment,
    run: |context, matches| {
        Box::pin(async move {
            let flags: DeployFlags = flags(&matches)?;
            let wish = Wish::Install(flags.version.clone());
            deploy(&context, &flags, wish).await
        })
    },
};
