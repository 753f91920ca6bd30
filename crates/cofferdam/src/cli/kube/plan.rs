//! `plan`: what a person agrees to.

use cofferdam_api::{DatabaseMigration, Phase};
use cofferdam_core::Result;
use cofferdam_operator::contract::Kind;
use cofferdam_operator::migration::seen::kind_of;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use crate::cli::{Command, Exit};
use crate::output::kube::describe::approval;
use crate::output::kube::plan::MigrationPlanView;
use crate::plugin::lines::{self, PlannedStep};
use crate::plugin::pods::{Part, containers, has_begun, job_of};
use crate::plugin::steer::{not_now, plan_of};
use crate::plugin::{Plugin, name, next, running};

#[derive(Debug, clap::Args)]
struct Flags {
    /// The DatabaseMigration: NAME or dbm/NAME [default: the only one of the namespace]
    #[arg(value_name = "NAME", value_parser = name::parse)]
    name: Option<String>,
}

pub(crate) static COMMAND: Command = Command {
    name: "plan",
    aliases: &[],
    about: "Show the plan of a migration: its digest, each step, and who has agreed to it",
    more: "The digest is that of the status; the steps are those that the runner wrote into its log when it planned, so \
           they are known as long as its Pod is there.",
    examples: &[
        ("kubectl cofferdam plan orders", "what approve would agree to"),
        ("kubectl cofferdam plan orders -o json", "for programs: digest, steps, approval"),
    ],
    arguments: <Flags as clap::Args>::augment_args,
    run: |context, matches| running(context, matches, plan),
};

async fn plan(plugin: &Plugin, flags: &Flags) -> Result<Exit> {
    let migration = plugin.cluster.find(flags.name.as_deref(), &plugin.words).await?;
    let view = view(plugin, &migration).await?;
    plugin.context.console.show("MigrationPlan", &view, MigrationPlanView::text);
    Ok(Exit::DONE)
}

/// The plan that there is; `approve` shows the same.
pub(super) async fn view(plugin: &Plugin, migration: &DatabaseMigration) -> Result<MigrationPlanView> {
    let Some(digest) = plan_of(migration) else {
        return Err(not_now(migration, &plugin.words, "has no plan yet", "status NAME --watch").into());
    };
    let approvals = plugin.cluster.approvals(migration).await?;
    let jobs = plugin.cluster.jobs(migration).await?;
    let pods = plugin.cluster.pods(migration).await?;
    let status = migration.status.clone().unwrap_or_default();
    Ok(MigrationPlanView {
        namespace: plugin.cluster.namespace.clone(),
        migration: migration.name_any(),
        digest,
        source_digest: status.source_digest.map(|digest| digest.as_str().to_owned()),
        approval: approval(migration, &approvals),
        phase: status.phase.map(Phase::word),
        steps: steps(plugin, migration, &jobs, &pods).await,
        // Whoever reads the plan has done what would come first.
        next: next::next(migration, &plugin.words)
            .into_iter()
            .filter(|next| next.command != plugin.words.line(&format!("plan {}", migration.name_any())))
            .collect(),
    })
}

/// The steps, as the runner that planned last wrote them into its log; `None`: nobody knows them any more.
pub(super) async fn steps(
    plugin: &Plugin,
    migration: &DatabaseMigration,
    jobs: &[Job],
    pods: &[Pod],
) -> Option<Vec<PlannedStep>> {
    migration.status.as_ref()?.plan_digest.as_ref()?;
    let planning: Vec<String> =
        jobs.iter().filter(|job| kind_of(job) == Some(Kind::Apply)).map(ResourceExt::name_any).collect();
    let of_them = |pod: &&Pod| job_of(pod).is_some_and(|job| planning.iter().any(|known| known == job));
    for pod in pods.iter().rev().filter(of_them) {
        for container in containers(pod).into_iter().filter(|container| has_begun(pod, container)) {
            let (mut log, name, whole) = (String::new(), pod.name_any(), Part::default());
            let read = plugin.cluster.log(&name, &container, &whole, |line| {
                log.push_str(line);
                log.push('\n');
            });
            // A log that cannot be read is as good as none.
            if read.await.is_err() {
                continue;
            }
            let plan = lines::plan(&log);
            if !plan.is_empty() {
                return Some(plan);
            }
        }
    }
    None
}
