//! `plan`: what `apply` would do.

use std::path::PathBuf;

use cofferdam_core::{Code, Result};
use cofferdam_engines::Session;
use cofferdam_runner::Assessment;

use super::{Command, Exit, flags};
use crate::args::limits::LimitFlags;
use crate::args::policy::{PolicyFlags, check_target};
use crate::config::Settings;
use crate::context::Context;
use crate::files;
use crate::output::envelope::Envelope;
use crate::output::plan::{DatabaseView, MigrationPlanView, PlanView, digest};

#[derive(Debug, clap::Args)]
struct Flags {
    #[command(flatten)]
    policy: PolicyFlags,
    /// Print the statements as a script
    #[arg(long)]
    sql: bool,
    /// Write the plan as JSON into a file, too
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Exit with 3 when something is pending
    #[arg(long)]
    exit_code: bool,
    #[command(flatten)]
    limits: LimitFlags,
}

pub(crate) static COMMAND: Command = Command {
    name: "plan",
    aliases: &[],
    about: "Show what apply would do: each step, its lock, whom it blocks, and the way back",
    more: "Reads only. Exits with 4 when apply would refuse because of lint.",
    examples: &[
        ("cofferdam plan --url postgres://localhost/shop", "everything that is pending"),
        ("cofferdam plan --env prod --to 1.6.0 --sql", "the statements up to a version"),
        ("cofferdam plan --env prod --exit-code -o json", "for a pipeline: 3 when something is pending"),
    ],
    arguments: <Flags as clap::Args>::augment_args,
    run: |context, matches| Box::pin(async move { plan(&context, &flags(&matches)?).await }),
};

async fn plan(context: &Context, flags: &Flags) -> Result<Exit> {
    let settings = context.settings()?;
    settings.need_database()?;
    let policy = flags.policy.policy(&flags.limits, &settings)?;
    let bundle = context.bundle(&settings)?;
    let mut session = context.open(&settings).await?;
    let assessment = cofferdam_runner::assess(&mut *session, &bundle, &policy).await?;
    check_target(&policy, &assessment)?;
    let view = view(&mut *session, &settings, &assessment).await?;
    if let Some(path) = &flags.out {
        files::write(path, &Envelope::new("Plan", &view).json())?;
    }
    context.console.show("Plan", &view, |v| if flags.sql { v.sql() } else { v.text() });
    cofferdam_runner::refuse_blocking(&assessment, &policy)?;
    Ok(if flags.exit_code && !assessment.pending.is_empty() { Code::Pending.into() } else { Exit::DONE })
}

/// The view of an assessment; `apply --dry-run` shows the same.
pub(crate) async fn view(
    session: &mut dyn Session,
    settings: &Settings,
    assessment: &Assessment,
) -> Result<PlanView> {
    let database = database(session, settings, assessment).await?;
    let pending = &assessment.pending;
    let from = newest(&assessment.history);
    let to = pending.iter().rev().find_map(|p| p.migration.version.as_ref()).map(|v| v.text.clone());
    Ok(PlanView {
        database,
        to: to.or_else(|| from.clone()),
        from,
        migrations: pending.iter().map(|p| MigrationPlanView::new(&p.plan, Some(&p.migration))).collect(),
        findings: pending.iter().flat_map(|p| p.findings.iter().cloned()).collect(),
        unfinished: assessment.unfinished.iter().map(|run| run.plan.key.clone()).collect(),
        digest: digest(pending.iter().map(|p| &p.plan)),
    })
}

/// The database of an assessment, which asks for facts only where something is pending.
pub(crate) async fn database(
    session: &mut dyn Session,
    settings: &Settings,
    assessment: &Assessment,
) -> Result<DatabaseView> {
    let url = settings.url.as_deref();
    if assessment.facts.server.database.is_empty() {
        return Ok(DatabaseView::new(&session.facts(&[]).await?, url));
    }
    Ok(DatabaseView::new(&assessment.facts, url))
}

/// The newest version in force.
pub(crate) fn newest(history: &[cofferdam_core::history::Applied]) -> Option<String> {
    use cofferdam_core::bundle::Version;
    let in_force = history.iter().filter(|a| a.in_force());
    in_force.filter_map(|a| a.version.as_deref().and_then(Version::parse)).max().map(|v| v.text)
}
