//! `describe`: all of one migration.

use cofferdam_core::Result;
use jiff::Timestamp;
use kube::ResourceExt;

use super::plan::steps;
use crate::cli::{Command, Exit};
use crate::output::kube::describe::{DescribeView, Read};
use crate::plugin::{Plugin, name, running};

#[derive(Debug, clap::Args)]
struct Flags {
    /// The DatabaseMigration: NAME or dbm/NAME [default: the only one of the namespace]
    #[arg(value_name = "NAME", value_parser = name::parse)]
    name: Option<String>,
}

pub(crate) static COMMAND: Command = Command {
    name: "describe",
    aliases: &[],
    about: "Show all of a migration: conditions, progress, plan, Jobs, history, events, and what to do next",
    more: "The events are in the order in which they came, those of its Jobs and Pods among them.",
    examples: &[
        ("kubectl cofferdam describe orders", "all of it"),
        ("kubectl cofferdam describe dbm/orders -o yaml", "for programs"),
    ],
    arguments: <Flags as clap::Args>::augment_args,
    run: |context, matches| running(context, matches, describe),
};

async fn describe(plugin: &Plugin, flags: &Flags) -> Result<Exit> {
    let cluster = &plugin.cluster;
    let migration = cluster.find(flags.name.as_deref(), &plugin.words).await?;
    let jobs = cluster.jobs(&migration).await?;
    let pods = cluster.pods(&migration).await?;
    let approvals = cluster.approvals(&migration).await?;
    let uids = migration.uid().into_iter();
    let uids =
        uids.chain(jobs.iter().filter_map(ResourceExt::uid)).chain(pods.iter().filter_map(ResourceExt::uid));
    let events = cluster.events(uids).await?;
    let plan = steps(plugin, &migration, &jobs, &pods).await.unwrap_or_default();
    let read = Read { migration: &migration, approvals: &approvals, jobs: &jobs, events: &events, plan };
    let view = DescribeView::new(read, &plugin.words);
    plugin.context.console.show("Migration", &view, |view| view.text(Timestamp::now()));
    Ok(Exit::DONE)
}
