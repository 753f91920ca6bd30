//! `cleanup`: what runs that ended have left goes.

use cofferdam_api::MigrationApproval;
use cofferdam_core::Result;
use kube::ResourceExt;
use kube::api::ListParams;
use serde::Serialize;

use crate::cli::{Command, Exit};
use crate::output::table::Columns;
use crate::output::words;
use crate::plugin::leftover::{self, Leftover};
use crate::plugin::refused::fault;
use crate::plugin::{Plugin, name, running};

#[derive(Debug, clap::Args)]
struct Flags {
    /// Only of this DatabaseMigration: NAME or dbm/NAME
    #[arg(value_name = "NAME", value_parser = name::parse, conflicts_with = "all_namespaces")]
    name: Option<String>,
    /// Of all namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Also the Jobs of the last run, with their logs
    #[arg(long)]
    all: bool,
}

pub(crate) static COMMAND: Command = Command {
    name: "cleanup",
    aliases: &[],
    about: "List what runs that ended have left in the cluster, and remove it with --yes",
    more: "Jobs for older specs with their Pods, and approvals of older plans. Nothing that is at work or that the \
           operator still needs, no DatabaseMigration, no Secret or ConfigMap, and nothing in a database. The history of \
           a migration stays in its status, and in the database.",
    examples: &[
        ("kubectl cofferdam cleanup", "what could go, of the namespace"),
        ("kubectl cofferdam cleanup orders --yes", "remove it"),
        (
            "kubectl cofferdam cleanup --all --yes",
            "also the Jobs of runs that ended for good, with their logs",
        ),
    ],
    arguments: <Flags as clap::Args>::augment_args,
    run: |context, matches| running(context, matches, cleanup),
};

/// The document of kind `Cleanup`.
#[derive(Debug, Serialize)]
struct CleanupView {
    /// It was removed; false: it was only looked for.
    removed: bool,
    items: Vec<ItemView>,
    next: Option<String>,
}

/// Something that may go.
#[derive(Debug, Serialize)]
struct ItemView {
    namespace: String,
    kind: &'static str,
    name: String,
    why: &'static str,
    /// Somebody changed or removed it meanwhile, so it was left alone.
    kept: bool,
}

impl CleanupView {
    fn text(&self) -> String {
        if self.items.is_empty() {
            return "nothing is left to remove\n".to_owned();
        }
        let mut table = Columns::new(&["NAMESPACE", "KIND", "NAME", "WHY"]);
        for one in &self.items {
            let why = if one.kept { "changed meanwhile, so it was left alone" } else { one.why };
            table.row([one.namespace.as_str(), one.kind, &one.name, why]);
        }
        let gone = self.items.iter().filter(|one| !one.kept).count();
        let end = match (&self.next, self.removed) {
            (_, true) => format!("{} removed", words::count(gone, "object")),
            (Some(next), false) => format!("{} would be removed\nnext: {next}", words::count(gone, "object")),
            (None, false) => String::new(),
        };
        format!("{}{end}\n", table.text())
    }
}

async fn cleanup(plugin: &Plugin, flags: &Flags) -> Result<Exit> {
    let cluster = &plugin.cluster;
    let migrations = match &flags.name {
        Some(name) => vec![cluster.find(Some(name), &plugin.words).await?],
        None => cluster.all(flags.all_namespaces, None).await?,
    };
    let mut found: Vec<(String, Leftover)> = Vec::new();
    let mut namespaces: Vec<String> = migrations.iter().filter_map(ResourceExt::namespace).collect();
    if !flags.all_namespaces {
        namespaces.push(cluster.namespace.clone());
    }
    namespaces.sort();
    namespaces.dedup();
    for namespace in namespaces {
        let here = cluster.within(&namespace);
        let of_here: Vec<_> =
            migrations.iter().filter(|one| one.namespace().as_deref() == Some(&namespace)).cloned().collect();
        for migration in &of_here {
            let (jobs, approvals) = (here.jobs(migration).await?, here.approvals(migration).await?);
            let left = leftover::of(migration, &jobs, &approvals, flags.all);
            found.extend(left.into_iter().map(|one| (namespace.clone(), one)));
        }
        if flags.name.is_none() {
            let all = here.api::<MigrationApproval>().list(&ListParams::default()).await;
            let all = all.map_err(|error| fault(&error, "reading the MigrationApprovals"))?.items;
            found.extend(leftover::orphans(&of_here, &all).into_iter().map(|one| (namespace.clone(), one)));
        }
    }
    let removes = plugin.context.common.yes;
    let mut items = Vec::new();
    for (namespace, leftover) in &found {
        let gone = match removes {
            true => remove(plugin, namespace, leftover).await?,
            false => true,
        };
        items.push(item(namespace, leftover, !gone));
    }
    let mut typed = "cleanup".to_owned();
    flags.name.iter().for_each(|name| typed += &format!(" {name}"));
    for (flag, given) in [(" --all-namespaces", flags.all_namespaces), (" --all", flags.all)] {
        typed += if given { flag } else { "" };
    }
    let next = (!removes && !items.is_empty()).then(|| plugin.words.line(&format!("{typed} --yes")));
    let view = CleanupView { removed: removes, items, next };
    plugin.context.console.show("Cleanup", &view, CleanupView::text);
    Ok(Exit::DONE)
}

async fn remove(plugin: &Plugin, namespace: &str, leftover: &Leftover) -> Result<bool> {
    let here = plugin.cluster.within(namespace);
    match leftover {
        Leftover::Job(job, _) => here.remove(&**job, "removing a Job").await,
        Leftover::Approval(approval, _) => here.remove(&**approval, "removing a MigrationApproval").await,
    }
}

fn item(namespace: &str, leftover: &Leftover, kept: bool) -> ItemView {
    let (kind, name, why) = match leftover {
        Leftover::Job(job, why) => ("Job", job.name_any(), *why),
        Leftover::Approval(approval, why) => ("MigrationApproval", approval.name_any(), *why),
    };
    ItemView { namespace: namespace.to_owned(), kind, name, why, kept }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::trial::tests::{PLAN, approval, job};

    #[test]
    fn the_screen() {
        let found = [
            Leftover::Job(Box::new(job("users-apply-1", "x", Some("Complete"))), "ended, for an older spec"),
            Leftover::Approval(Box::new(approval("users-yes", PLAN, "Approve")), "agrees to an older plan"),
        ];
        let view = |removed: bool, kept: bool| CleanupView {
            removed,
            items: found.iter().map(|one| item("shop", one, kept)).collect(),
            next: (!removed).then(|| "kubectl cofferdam cleanup --yes".to_owned()),
        };
        let none = CleanupView { removed: true, items: vec![], next: None };
        let all = [view(false, false).text(), view(true, false).text(), view(true, true).text(), none.text()];
        insta::assert_snapshot!(all.join("\n"));
    }
}
