//! `finalize`: ends the revert window of an online change, and drops for good what is parked.

use cofferdam_core::{Code, Phase, Refusal, Result};
use cofferdam_engines::Session;
use cofferdam_runner::parked::{
    Which, carry_out as carry_out_parked, chosen as chosen_of_parked, discard_plans,
};
use cofferdam_runner::{Policy, finalize as carry_out};
use uuid::Uuid;

use super::{Command, Exit, flags};
use crate::args::backup::BackupFlags;
use crate::args::limits::LimitFlags;
use crate::args::policy;
use crate::context::Context;
use crate::output::alter::AlterSummaryView;
use crate::output::parked::EndedView;
use crate::output::progress::Progress;
use crate::runs;

#[derive(Debug, clap::Args)]
struct Flags {
    /// The run, by the beginning of its id, or its table [default: the only one whose tables are swapped]
    #[arg(value_name = "RUN")]
    run: Option<String>,
    /// Drop for good what is parked under this name, or was called so
    #[arg(long, value_name = "NAME", conflicts_with_all = ["run", "expired"])]
    parked: Option<String>,
    /// Drop for good all that is parked and whose time has passed
    #[arg(long, conflicts_with = "run")]
    expired: bool,
    /// Of what is parked: show what would be lost, and do nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    backup: BackupFlags,
    #[command(flatten)]
    limits: LimitFlags,
}

pub(crate) static COMMAND: Command = Command {
    name: "finalize",
    aliases: &[],
    about: "End the revert window of an online change, or drop for good what is parked",
    more: "From then on there is no way back but another change, or a backup. A migration gets its row in the history \
           now. What is parked is dropped only by this command, and only where somebody agrees to it (--yes); what \
           was made to depend on it since is evidence that somebody uses it, and it is refused.",
    examples: &[
        ("cofferdam finalize --env prod", "the only online change that is swapped"),
        ("cofferdam finalize --env prod 01932f0c", "the one of a run"),
        ("cofferdam finalize --env prod app.orders", "the one of a table"),
        ("cofferdam finalize --env prod --expired --yes", "what was parked for long enough"),
        ("cofferdam finalize --env prod --parked orders", "what would be lost, and how to agree to it"),
    ],
    arguments: <Flags as clap::Args>::augment_args,
    run: |context, matches| Box::pin(async move { finalize(&context, &flags(&matches)?).await }),
};

async fn finalize(context: &Context, flags: &Flags) -> Result<Exit> {
    let settings = context.settings()?;
    let policy =
        Policy { backups: flags.backup.backups(&settings, &[])?, ..policy::plain(&flags.limits, &settings) };
    let mut session = context.open(&settings).await?;
    if let Some(which) = parked(&mut *session, flags).await? {
        return discard(context, &mut *session, &which, flags, &policy).await;
    }
    if flags.dry_run {
        return Err(Refusal::new(Code::Usage, "--dry-run is for what is parked")
            .help("cofferdam status shows an online change that is swapped")
            .into());
    }
    let policy = Policy { backups: Default::default(), ..policy };
    let run = chosen(&mut *session, flags.run.as_deref()).await?;
    let database = session.facts(&[]).await?.server.database;
    let progress = Progress::new(&context.console);
    let outcome = carry_out(&mut *session, run, &policy, progress.reporter(), context.halt.driving()).await;
    progress.end();
    let view = AlterSummaryView::new(&database, outcome?);
    context.console.show("AlterSummary", &view, AlterSummaryView::text);
    Ok(Exit::DONE)
}

/// What is meant of what is parked; `None`: an online change is.
async fn parked(session: &mut dyn Session, flags: &Flags) -> Result<Option<Which>> {
    if flags.expired {
        return Ok(Some(Which::Expired));
    }
    if let Some(name) = &flags.parked {
        return Ok(Some(Which::Named(name.clone())));
    }
    let Some(wanted) = &flags.run else { return Ok(None) };
    let Ok(run) = runs::find(session, wanted).await else { return Ok(None) };
    let which = Which::Of(run.id);
    Ok((!chosen_of_parked(session, &which).await?.is_empty()).then_some(which))
}

async fn discard(
    context: &Context,
    session: &mut dyn Session,
    which: &Which,
    flags: &Flags,
    policy: &Policy,
) -> Result<Exit> {
    let wanted = chosen_of_parked(session, which).await?;
    let database = session.facts(&[]).await?.server.database;
    let plans = discard_plans(&wanted, policy)?;
    if flags.dry_run {
        let view = EndedView::planned(&database, "would drop for good", &wanted);
        context.console.show("FinalizePlan", &view, EndedView::text);
        return Ok(Exit::DONE);
    }
    if !plans.is_empty() && !context.common.yes {
        let refusal = Refusal::new(Code::WouldDestroy, "what is parked would be dropped for good")
            .cause("nobody agreed to it")
            .help("agree with --yes; --backup-to URL saves it first");
        let losses = plans.iter().flat_map(|plan| &plan.losses);
        return Err(losses.fold(refusal, |refusal, loss| refusal.note(format!("lost: {loss}"))).into());
    }
    let progress = Progress::new(&context.console);
    let outcome = carry_out_parked(session, plans, policy, progress.reporter(), context.halt.driving()).await;
    progress.end();
    outcome?;
    let view = EndedView::done(&database, "dropped for good", &wanted, &session.parked().await?);
    context.console.show("Finalized", &view, EndedView::text);
    Ok(Exit::DONE)
}

/// An open change by run or table; else a run that ended, of which it can be said that it did.
async fn chosen(session: &mut dyn Session, wanted: Option<&str>) -> Result<Uuid> {
    let swapped =
        |one: &cofferdam_runner::OpenChange| matches!(one.run.phase, Phase::Watching | Phase::Contracting);
    match (runs::open(session, wanted, ("whose tables are swapped", swapped)).await, wanted) {
        (Ok(open), _) => Ok(open.run.id),
        (Err(_), Some(wanted)) => Ok(runs::find(session, wanted).await?.id),
        (Err(fault), None) => Err(fault),
    }
}
