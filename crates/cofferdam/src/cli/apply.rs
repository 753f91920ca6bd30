//! `apply`: makes the pending changes.

use std::sync::Arc;

use cofferdam_adapters::metrics::Pushgateway;
use cofferdam_core::{Code, Result};
use cofferdam_runner::{assess, refuse_blocking};

use super::{Command, Exit, flags, plan};
use crate::args::before::{BeforeFlags, this_command_as};
use crate::args::guard::GuardFlags;
use crate::args::limits::LimitFlags;
use crate::args::policy::{PolicyFlags, check_target};
use crate::beside::Beside;
use crate::carry::carry_out;
use crate::context::Context;
use crate::output::run::SummaryView;

#[derive(Debug, clap::Args)]
struct Flags {
    /// At most so many migrations
    #[arg(value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    most: Option<u32>,
    #[command(flatten)]
    policy: PolicyFlags,
    /// Show the plan and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Wait for a server that cannot be reached yet
    #[arg(long)]
    wait: bool,
    /// With --dry-run: exit with 3 when something is pending
    #[arg(long)]
    exit_code: bool,
    /// Tell a Pushgateway of Prometheus how it ended; [default: pushMetrics of the environment]
    #[arg(long, value_name = "URL")]
    push_metrics: Option<String>,
    #[command(flatten)]
    guard: GuardFlags,
    #[command(flatten)]
    limits: LimitFlags,
    #[command(flatten)]
    before: BeforeFlags,
}

pub(crate) static COMMAND: Command = Command {
    name: "apply",
    aliases: &["up", "migrate"],
    about: "Apply what is pending, without blocking the application",
    more: "A run that was cut off is finished first. Lint errors are refused unless they are allowed with a reason. \
           A migration that fails is taken back (exit code 6).",
    examples: &[
        ("cofferdam apply --url postgres://localhost/shop", "everything that is pending"),
        ("cofferdam apply 1 --env prod", "the next migration only"),
        ("cofferdam apply --env prod --to 1.6.0 --dry-run", "show what would be done up to a version"),
        ("cofferdam apply --env prod --check disk-space=20GB", "only where so much is free"),
        ("cofferdam apply --env prod --approval required", "only what somebody approved"),
        (
            "cofferdam apply --max-time 30m --max-downtime 2s",
            "taken back by itself where it harms the application",
        ),
        ("cofferdam apply --allow drop-column='unused since 2.0'", "allow the findings of a rule"),
    ],
    arguments: <Flags as clap::Args>::augment_args,
    run: |context, matches| Box::pin(async move { apply(&context, &flags(&matches)?).await }),
};

async fn apply(context: &Context, flags: &Flags) -> Result<Exit> {
    let settings = context.settings()?;
    settings.need_database()?;
    let mut policy = flags.policy.policy(&flags.limits, &settings)?;
    policy.most = flags.most.map(|most| most as usize);
    let gateway = flags.push_metrics.as_ref().or(settings.push_metrics.as_ref());
    let gateway = gateway.map(|url| Pushgateway::new(url)).transpose()?;
    policy.checks = flags.before.checks(&settings, &flags.policy.allow)?;
    policy.approval = flags.before.terms(&settings, approving());
    policy.guarding = flags.guard.guarding(&settings, Arc::new(Beside::new(&settings)))?;
    let (bundle, mut session) = context.bundle_and_session(&settings, flags.wait).await?;
    let assessment = assess(&mut *session, &bundle, &policy).await?;
    check_target(&policy, &assessment)?;
    if flags.dry_run {
        let view = plan::view(&mut *session, &settings, &assessment).await?;
        context.console.show("Plan", &view, |v| v.text());
        refuse_blocking(&assessment, &policy)?;
        let pending = flags.exit_code && !assessment.pending.is_empty();
        return Ok(if pending { Code::Pending.into() } else { Exit::DONE });
    }
    refuse_blocking(&assessment, &policy)?;
    assessment.as_planned().for_each(|otherwise| context.console.note(&format!("note: {otherwise}")));
    let database = plan::database_name(&mut *session, &settings, &assessment).await?;
    let (session, assessment) = (&mut *session, &assessment);
    let outcome = carry_out(context, session, (assessment, &policy), &database, gateway.as_ref()).await;
    let summary = outcome?;
    summary.notes.iter().for_each(|note| context.console.note(&format!("note: {note}")));
    context.console.show("Summary", &SummaryView::new(&database, "applied", summary), SummaryView::text);
    Ok(Exit::DONE)
}

/// The command that approves what this one wants to apply: the same flags of planning.
fn approving() -> String {
    this_command_as("approve", &["apply", "up", "migrate"], "")
}
