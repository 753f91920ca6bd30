//! `upgrade`: a project's databases get a later version.

use cofferdam_project::Release;

use super::{Command, flags};
use crate::projects::{DeployFlags, Wish, deploy, release};

#[derive(Debug, clap::Args)]
struct Flags {
    /// The version that is believed to be there: with another one nothing is done
    #[arg(long, value_name = "VERSION", value_parser = release, help_heading = "Project")]
    from_version: Option<Release>,
    /// Install it where it is not there
    #[arg(long, help_heading = "Project")]
    install: bool,
}

fn arguments(command: clap::Command) -> clap::Command {
    DeployFlags::augment(<Flags as clap::Args>::augment_args(command))
}

pub(crate) static COMMAND: Command = Command {
    name: "upgrade",
    aliases: &[],
    about: "Upgrade the databases of a project to a later version",
    more: "Goes the shortest way through the compatibility matrix from the version that project_metadata and the history \
           say. Each stage is proved by its validations, and a script that fails is taken back. The version is written \
           in the transaction of the last script. Asks for a backup first where the project does \
           (backup_before_upgrade). One that was cut off goes on with the same command; where the version is there \
           already, nothing is done.",
    examples: &[
        ("cofferdam upgrade --project shop --version v1.1.0 --environment staging", "from what is there"),
        ("cofferdam upgrade --project shop --version v1.1.0 --from-version v1.0.0", "only from there"),
        ("cofferdam upgrade --project shop --version v1.1.0 --install", "install it where it is not"),
        ("cofferdam upgrade --project shop --version v2.0.0 --dry-run -o json", "show the plan"),
        ("cofferdam upgrade --project shop --version v2.0.0 --backup-to /backups", "save what it destroys"),
    ],
    arguments,
    run: |context, matches| {
        Box::pin(async move {
            let (own, flags): (Flags, DeployFlags) = (flags(&matches)?, flags(&matches)?);
            let to = flags.version.clone();
            let wish = match own.install {
                true => Wish::Either(to, own.from_version),
                false => Wish::Upgrade(to, own.from_version),
            };
            deploy(&context, &flags, wish).await
        })
    },
};
