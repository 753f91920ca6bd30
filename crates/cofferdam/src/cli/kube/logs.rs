//! `logs`: what the runner says.

use std::time::Duration;

use cofferdam_api::DatabaseMigration;
use cofferdam_core::Result;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use serde::Serialize;

use crate::cli::{Command, Exit};
use crate::plugin::follow::{At, at};
use crate::plugin::lines::LogLine;
use crate::plugin::pods::{Part, any_at_work, choose, containers, has_begun};
use crate::plugin::steer::not_now;
use crate::plugin::{Plugin, name, running};

/// Between two looks for a Pod.
const LOOK: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
struct Flags {
    /// The DatabaseMigration: NAME or dbm/NAME [default: the only one of the namespace]
    #[arg(value_name = "NAME", value_parser = name::parse)]
    name: Option<String>,
    /// Go on until the run ends, from Pod to Pod
    #[arg(short, long)]
    follow: bool,
    /// Of the Pod before the newest one
    #[arg(short, long, conflicts_with = "follow")]
    previous: bool,
    /// Of this Job, not of the newest one
    #[arg(long, value_name = "JOB")]
    job: Option<String>,
    /// Only so many of the last lines
    #[arg(long, value_name = "LINES", value_parser = clap::value_parser!(i64).range(0..))]
    tail: Option<i64>,
    /// Only what is not older than this
    #[arg(long, value_name = "DURATION", value_parser = crate::args::duration::parse)]
    since: Option<Duration>,
    /// As the runner wrote it: an object of JSON a line
    #[arg(long)]
    raw: bool,
}

pub(crate) static COMMAND: Command = Command {
    name: "logs",
    aliases: &["log"],
    about: "Show what the runner of a migration says",
    more: "Of all containers of its newest Pod, one after another. With --follow it waits for the Pod, and goes on with \
           the one that comes after it.",
    examples: &[
        ("kubectl cofferdam logs orders", "of the last run"),
        ("kubectl cofferdam logs orders --follow", "as it goes on"),
        ("kubectl cofferdam logs orders --previous --raw", "of the Pod before, as it was written"),
    ],
    arguments: <Flags as clap::Args>::augment_args,
    run: |context, matches| running(context, matches, logs),
};

/// The document of kind `Logs`.
#[derive(Debug, Serialize)]
struct LogsView {
    namespace: String,
    migration: String,
    pod: String,
    lines: Vec<LogLine>,
}

async fn logs(plugin: &Plugin, flags: &Flags) -> Result<Exit> {
    let migration = plugin.cluster.find(flags.name.as_deref(), &plugin.words).await?;
    if flags.follow {
        return follow(plugin, flags, &migration).await;
    }
    let pods = plugin.cluster.pods(&migration).await?;
    let Some(pod) = choose(&pods, flags.job.as_deref(), flags.previous) else {
        let what = match (flags.previous, pods.is_empty()) {
            (true, false) => "has had one Pod only",
            (_, true) => "has no Pod, so there is no log",
            (false, false) => "has no Pod of this Job",
        };
        return Err(not_now(&migration, &plugin.words, what, "describe NAME").into());
    };
    let mut lines = Vec::new();
    let document = plugin.context.console.wants_document();
    let name = pod.name_any();
    let several = containers(pod).len() > 1;
    for container in containers(pod).iter().filter(|container| has_begun(pod, container)) {
        let part = Part { tail: flags.tail, since: flags.since, follow: false };
        let read = plugin.cluster.log(&name, container, &part, |line| match document {
            true => lines.push(LogLine::read(line)),
            false => plugin.context.console.result(&shown(line, flags.raw, several.then_some(container))),
        });
        read.await?;
    }
    if !document && !containers(pod).iter().any(|container| has_begun(pod, container)) {
        return Err(not_now(&migration, &plugin.words, "has a Pod that has not begun", "status NAME").into());
    }
    if document {
        let view = LogsView {
            namespace: plugin.cluster.namespace.clone(),
            migration: migration.name_any(),
            pod: pod.name_any(),
            lines,
        };
        plugin.context.console.document("Logs", &view);
    }
    Ok(Exit::DONE)
}

/// A line as it is, or for people; `container`: which one of several says it.
fn shown(line: &str, raw: bool, container: Option<&String>) -> String {
    let line = if raw { line.to_owned() } else { LogLine::read(line).text() };
    match container {
        Some(container) => format!("[{container}] {line}\n"),
        None => format!("{line}\n"),
    }
}

/// Until nothing of it is at work any more. Programs get the lines as they are written.
async fn follow(plugin: &Plugin, flags: &Flags, migration: &DatabaseMigration) -> Result<Exit> {
    let raw = flags.raw || plugin.context.console.wants_document();
    let mut shown_until: Option<String> = None;
    let mut told = false;
    loop {
        let pods = plugin.cluster.pods(migration).await?;
        let newest = choose(&pods, flags.job.as_deref(), false);
        // Those that came since, in order; at first the newest only.
        let since = match &shown_until {
            Some(uid) => {
                let at = pods.iter().position(|pod| pod.uid().as_ref() == Some(uid));
                pods.iter().skip(at.map_or(0, |at| at + 1)).collect()
            }
            None => newest.into_iter().collect::<Vec<&Pod>>(),
        };
        for pod in &since {
            one(plugin, flags, pod, raw).await?;
            shown_until = pod.uid();
        }
        let jobs = plugin.cluster.jobs(migration).await?;
        if since.is_empty() && shown_until.is_some() && !any_at_work(&jobs) {
            return Ok(Exit::DONE);
        }
        if since.is_empty() && shown_until.is_none() && !any_at_work(&jobs) {
            let now = plugin.cluster.find(Some(&migration.name_any()), &plugin.words).await?;
            if at(&now, &[]) != At::Work {
                return Err(
                    not_now(&now, &plugin.words, "has no Pod, and none is coming", "describe NAME").into()
                );
            }
        }
        if since.is_empty() && shown_until.is_none() && !std::mem::replace(&mut told, true) {
            plugin.context.console.note(&format!("waiting for a Pod of {}", migration.name_any()));
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn one(plugin: &Plugin, flags: &Flags, pod: &Pod, raw: bool) -> Result<()> {
    let all = containers(pod);
    let (name, several) = (pod.name_any(), all.len() > 1);
    for container in &all {
        if !plugin.cluster.begun(&name, container).await? {
            continue;
        }
        let part = Part { tail: flags.tail, since: flags.since, follow: true };
        let read = plugin.cluster.log(&name, container, &part, |line| {
            plugin.context.console.result(&shown(line, raw, several.then_some(container)));
        });
        read.await?;
    }
    Ok(())
}
