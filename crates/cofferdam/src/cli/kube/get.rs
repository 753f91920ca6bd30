//! `get`: which migrations there are, and where each is.

use cofferdam_core::Result;
use jiff::Timestamp;

use crate::args::common::Output;
use crate::cli::{Command, Exit};
use crate::output::kube::list::ListView;
use crate::plugin::{Plugin, name, running};

#[derive(Debug, clap::Args)]
struct Flags {
    /// Only these: NAME or dbm/NAME
    #[arg(value_name = "NAME", value_parser = name::parse, conflicts_with = "all_namespaces")]
    names: Vec<String>,
    /// Of all namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Only those with these labels
    #[arg(short = 'l', long, value_name = "LABELS", conflicts_with = "names")]
    selector: Option<String>,
}

pub(crate) static COMMAND: Command = Command {
    name: "get",
    aliases: &["list"],
    about: "Show the migrations, and where each of them is",
    more: "The columns are those of kubectl get dbm. -o wide has more of them, -o name prints names for other commands.",
    examples: &[
        ("kubectl cofferdam get", "those of the namespace"),
        ("kubectl cofferdam get -A -o wide", "all, with stage, strategy and the end of the revert window"),
        ("kubectl cofferdam get -n shop -o json", "for programs"),
    ],
    arguments: <Flags as clap::Args>::augment_args,
    run: |context, matches| running(context, matches, get),
};

async fn get(plugin: &Plugin, flags: &Flags) -> Result<Exit> {
    let cluster = &plugin.cluster;
    let mut found = Vec::new();
    for name in &flags.names {
        found.push(cluster.find(Some(name), &plugin.words).await?);
    }
    if flags.names.is_empty() {
        found = cluster.all(flags.all_namespaces, flags.selector.as_deref()).await?;
    }
    let view = ListView::new(&found, flags.all_namespaces);
    let output = plugin.context.common.output;
    if found.is_empty() && !plugin.context.console.wants_document() {
        let place = match flags.all_namespaces {
            true => "the cluster".to_owned(),
            false => format!("namespace {}", cluster.namespace),
        };
        plugin.context.console.note(&format!("there is no DatabaseMigration in {place}"));
        return Ok(Exit::DONE);
    }
    plugin.context.console.show("Migrations", &view, |view| match output {
        Output::Name => view.names(),
        _ => view.text(output == Output::Wide, Timestamp::now()),
    });
    Ok(Exit::DONE)
}
