//! `install` and `upgrade`: a project's databases are brought to a version, one after the other.

use std::sync::Arc;

use cofferdam_adapters::metrics::Pushgateway;
use cofferdam_core::{Code, Fault, Result};
use cofferdam_project::Release;
use cofferdam_runner::{Policy, refuse_blocking};

use super::flags::{OfFlags, release};
use super::reach::{One, Reached, reach};
use super::ready::{Ready, Wish, finish_what_was_cut_off, look, named, ready, takes_back};
use super::view::{DonePlace, DoneView, PlanPlace, ProjectPlanView};
use crate::args::before::{BeforeFlags, this_command_as};
use crate::args::guard::GuardFlags;
use crate::args::limits::LimitFlags;
use crate::args::policy::PolicyFlags;
use crate::beside::Beside;
use crate::carry::carry_out;
use crate::cli::{Exit, plan};
use crate::context::Context;

/// So often another command may change the project while this one looks at it, before it gives up.
const LOOKS: usize = 3;

/// The flags of `install` and `upgrade`.
#[derive(Debug, clap::Args)]
pub(crate) struct DeployFlags {
    /// The project, a directory of projects/
    #[arg(long, value_name = "PROJECT", help_heading = "Project")]
    pub(crate) project: String,
    /// The version that its databases are to have
    #[arg(long, value_name = "VERSION", value_parser = release, help_heading = "Project")]
    pub(crate) version: Release,
    #[command(flatten)]
    of: OfFlags,
    /// Show the plan and do nothing
    #[arg(long)]
    dry_run: bool,
    /// With --dry-run: exit with 3 when there is something to do
    #[arg(long)]
    exit_code: bool,
    /// Wait for a server that cannot be reached yet
    #[arg(long)]
    wait: bool,
    /// Tell a Pushgateway of Prometheus how it ended; [default: pushMetrics of the environment]
    #[arg(long, value_name = "URL")]
    push_metrics: Option<String>,
    #[command(flatten)]
    policy: PolicyFlags,
    #[command(flatten)]
    guard: GuardFlags,
    #[command(flatten)]
    limits: LimitFlags,
    #[command(flatten)]
    before: BeforeFlags,
}

impl DeployFlags {
    /// Its flags, without those of planning that a project has others for.
    pub(crate) fn augment(command: clap::Command) -> clap::Command {
        let hidden = |argument: clap::Arg| argument.hide(true);
        <Self as clap::Args>::augment_args(command).mut_arg("to", hidden).mut_arg("out_of_order", hidden)
    }

    fn policy(&self, reached: &Reached, one: &One) -> Result<Policy> {
        let settings = &one.settings;
        let mut policy = self.policy.policy(&self.limits, settings)?;
        // The version says how far.
        (policy.to, policy.out_of_order) = (None, false);
        policy.checks = self.before.checks(settings, &self.policy.allow)?;
        let also = match reached.databases.len() {
            1 => String::new(),
            _ => format!("--database {}", one.name),
        };
        let approving = this_command_as("approve", &["install", "upgrade"], &also);
        policy.approval = self.before.terms(settings, approving);
        policy.guarding = self.guard.guarding(settings, Arc::new(Beside::new(settings)))?;
        Ok(policy)
    }

    fn gateway(&self, one: &One) -> Result<Option<Pushgateway>> {
        let url = self.push_metrics.as_ref().or(one.settings.push_metrics.as_ref());
        Ok(url.map(|url| Pushgateway::new(url)).transpose()?)
    }
}

/// Brings the databases of a project where they should be.
pub(crate) async fn deploy(context: &Context, flags: &DeployFlags, wish: Wish) -> Result<Exit> {
    let reached = reach(context, &flags.project, &flags.of)?;
    reached.refuse_unless_passed()?;
    if flags.dry_run {
        return show(context, flags, &reached, &wish).await;
    }
    let mut ahead = Vec::new();
    if reached.policies.dry_run_first {
        // What must not be done in the last database stops before anything is done in the first.
        for one in &reached.databases {
            let ready = prepared(context, flags, (&reached, one), &wish).await?;
            refuse(&ready)?;
            ahead.push(ready);
        }
    }
    let mut ahead = ahead.into_iter();
    let mut done: Vec<DonePlace> = Vec::new();
    for one in &reached.databases {
        let outcome = match ahead.next() {
            Some(ready) => carried(context, flags, (&reached, one), &wish, Some(ready)).await,
            None => carried(context, flags, (&reached, one), &wish, None).await,
        };
        match outcome {
            Ok(place) => done.push(place),
            Err(fault) => return Err(with_those_done(fault, &done)),
        }
    }
    let view = DoneView::new(&reached.project.name, wish.word(), wish.to(), done);
    context.console.show("ProjectSummary", &view, DoneView::text);
    Ok(Exit::DONE)
}

/// The databases before it stay as they are: they have the version, and the same command goes on with the rest.
fn with_those_done(fault: Fault, done: &[DonePlace]) -> Fault {
    let Fault::Refused(refusal) = fault else { return fault };
    let names: Vec<&str> =
        done.iter().filter(|place| place.changed()).map(|place| place.name.as_str()).collect();
    match names.is_empty() {
        true => refusal.into(),
        false => {
            let note =
                format!("done before it: {}; the same command goes on with the rest", names.join(", "));
            refusal.note(note).into()
        }
    }
}

async fn prepared(
    context: &Context,
    flags: &DeployFlags,
    (reached, one): (&Reached, &One),
    wish: &Wish,
) -> Result<Ready> {
    let mut session = match flags.wait {
        true => context.open_patiently(&one.settings).await?,
        false => context.open(&one.settings).await?,
    };
    let policy = flags.policy(reached, one)?;
    if !flags.dry_run {
        finish_what_was_cut_off(context, &mut *session, &policy, takes_back).await?;
    }
    ready(session, (reached, wish), &policy).await
}

fn refuse(ready: &Ready) -> Result<()> {
    refuse_blocking(&ready.assessment, &ready.policy)?;
    ready.refuse_unsaved()
}

async fn carried(
    context: &Context,
    flags: &DeployFlags,
    (reached, one): (&Reached, &One),
    wish: &Wish,
    ahead: Option<Ready>,
) -> Result<DonePlace> {
    let mut looks = LOOKS;
    let mut next = ahead;
    loop {
        let mut ready = match next.take() {
            Some(ready) => ready,
            None => prepared(context, flags, (reached, one), wish).await?,
        };
        refuse(&ready)?;
        let Ready { session, assessment, policy, from, .. } = &mut ready;
        let database = named(context, &mut **session, one).await?;
        let gateway = flags.gateway(one)?;
        let outcome =
            carry_out(context, &mut **session, (assessment, policy), &database, gateway.as_ref()).await;
        looks -= 1;
        match outcome {
            Err(Fault::Refused(moved)) if moved.code == Code::ProjectMoved && looks > 0 => {
                context.console.note("another command changed the project meanwhile: looking again");
            }
            Err(fault) => return Err(fault),
            Ok(summary) => {
                summary.notes.iter().for_each(|note| context.console.note(&format!("note: {note}")));
                let looked = look(&mut **session, &reached.project.name).await?;
                let at = looked.at(reached)?;
                return Ok(DonePlace::new(&one.name, database, from.as_ref(), &at, summary));
            }
        }
    }
}

async fn show(context: &Context, flags: &DeployFlags, reached: &Reached, wish: &Wish) -> Result<Exit> {
    let mut places = Vec::new();
    let mut refused = Ok(());
    let mut pending = false;
    for one in &reached.databases {
        let mut ready = prepared(context, flags, (reached, one), wish).await?;
        let judged = refuse(&ready);
        if refused.is_ok() {
            refused = judged;
        }
        pending |= !ready.assessment.pending.is_empty() || !ready.assessment.unfinished.is_empty();
        let view = plan::view(&mut *ready.session, &one.settings, &ready.assessment).await?;
        places.push(PlanPlace::new(&one.name, ready.from.as_ref(), &ready.way, view));
    }
    let view = ProjectPlanView::new(&reached.project.name, wish.word(), wish.to(), places);
    context.console.show("ProjectPlan", &view, ProjectPlanView::text);
    refused?;
    Ok(if pending && flags.exit_code { Code::Pending.into() } else { Exit::DONE })
}
