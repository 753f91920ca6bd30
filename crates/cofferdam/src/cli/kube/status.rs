//! `status`: where one migration is, followed until its end.

use cofferdam_core::{Code, Result};

use crate::cli::{Command, Exit};
use crate::output::kube::status::StatusView;
use crate::plugin::follow::{At, at};
use crate::plugin::{Plugin, name, running};

#[derive(Debug, clap::Args)]
struct Flags {
    /// The DatabaseMigration: NAME or dbm/NAME [default: the only one of the namespace]
    #[arg(value_name = "NAME", value_parser = name::parse)]
    name: Option<String>,
    /// Follow it until it is done, or until a person is needed
    #[arg(short, long)]
    watch: bool,
    /// Exit as --watch would: 3 while it is at work
    #[arg(long)]
    exit_code: bool,
}

pub(crate) static COMMAND: Command = Command {
    name: "status",
    aliases: &[],
    about: "Show where a migration is and what comes next, or follow it until its end",
    more: "With --watch a line on stderr for each change, and the end on stdout. It exits with 0 when the change is \
           there, 4 when lint refuses it, 6 when it was taken back, 7 when a person is needed, 8 when it waits for \
           approve, cutover or resume, 9 when a script was changed after it was applied, and 124 when --timeout is \
           over; the migration itself goes on then.",
    examples: &[
        ("kubectl cofferdam status orders", "where it is"),
        ("kubectl cofferdam status orders --watch --timeout 10m", "the gate of a deployment"),
        (
            "kubectl cofferdam status orders --watch --progress json",
            "for programs: an object for each change",
        ),
    ],
    arguments: <Flags as clap::Args>::augment_args,
    run: |context, matches| running(context, matches, status),
};

async fn status(plugin: &Plugin, flags: &Flags) -> Result<Exit> {
    let cluster = &plugin.cluster;
    let seen = cluster.find(flags.name.as_deref(), &plugin.words).await?;
    let (seen, exit) = match flags.watch {
        true => {
            let name = kube::ResourceExt::name_any(&seen);
            plugin.follow(&name, None).await?
        }
        false if flags.exit_code => {
            let approvals = cluster.approvals(&seen).await?;
            let exit = match at(&seen, &approvals) {
                At::Work => Code::Pending.into(),
                At::End(exit) => exit,
            };
            (seen, exit)
        }
        false => (seen, Exit::DONE),
    };
    let view = StatusView::new(&seen, &plugin.words);
    plugin.context.console.show("MigrationStatus", &view, StatusView::text);
    Ok(exit)
}
