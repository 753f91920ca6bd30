//! `rollback`: takes applied migrations back.

use std::io::IsTerminal;
use std::path::PathBuf;

use cofferdam_adapters::backup::Credentials;
use cofferdam_core::{Code, Fault, Phase, Refusal, Result};
use cofferdam_engines::{Run, Session};
use cofferdam_project::Release;
use cofferdam_runner::backup::Restoring;
use cofferdam_runner::{Back, open_changes, rollback as carry_out, rollback_plans, take_back};
use cofferdam_runner::{Policy, Wishes};

use super::{Command, Exit, flags};
use crate::args::backup::{BackupFlags, keys};
use crate::args::limits::LimitFlags;
use crate::args::park::ParkFlags;
use crate::args::policy;
use crate::config::Settings;
use crate::context::Context;
use crate::output::alter::{AlterSummaryView, TakeBackView};
use crate::output::progress::Progress;
use crate::output::rollback::RollbackView;
use crate::output::run::SummaryView;
use crate::projects::{self, OfFlags, release};
use crate::runs;

#[derive(Debug, clap::Args)]
struct Flags {
    /// An online change, by the beginning of its run's id or by its table
    #[arg(value_name = "RUN", conflicts_with_all = ["to", "steps", "project"])]
    run: Option<String>,
    /// Until this version is the newest; 0 takes everything back
    #[arg(long, value_name = "VERSION", conflicts_with_all = ["steps", "project"])]
    to: Option<String>,
    /// So many migrations [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    #[arg(conflicts_with = "project")]
    steps: Option<u32>,
    /// Take the databases of this project back instead, to the version of --version
    #[arg(long, value_name = "PROJECT", requires = "version", help_heading = "Project")]
    project: Option<String>,
    /// With --project: the version that its databases are to have
    #[arg(long, value_name = "VERSION", value_parser = release, requires = "project", help_heading = "Project")]
    version: Option<Release>,
    #[command(flatten)]
    of: OfFlags,
    /// Show what would be taken back and lost, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Restore tables that a migration dropped and that nothing else brings back, from the verified backup that was
    /// taken before it [default: restoreOnRollback of the environment's backup]
    #[arg(long)]
    restore: bool,
    /// With --restore: the file with the identity of age that opens the backup
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
    #[command(flatten)]
    backup: BackupFlags,
    #[command(flatten)]
    park: ParkFlags,
    #[command(flatten)]
    limits: LimitFlags,
}

pub(crate) static COMMAND: Command = Command {
    name: "rollback",
    aliases: &["down", "undo"],
    about: "Take applied migrations back, the newest first, or swap an online change back",
    more: "The way back is the one that was stored when the migration was applied, so an older release can take \
           back a newer one. What would be lost is listed and must be agreed to. Where the newest thing that was \
           done is an online change in its revert window, that is taken back, with what was written since. With \
           --project the databases of a project go back along its compatibility matrix, the last one first.",
    examples: &[
        ("cofferdam rollback --env prod --dry-run", "what taking the last migration back would do and lose"),
        ("cofferdam rollback --env prod --to 1.5.0", "until 1.5.0 is the newest version"),
        ("cofferdam rollback --steps 2 --yes", "the last two, whatever is lost"),
        ("cofferdam rollback --env prod --restore", "with the tables that it dropped, out of their backup"),
        (
            "cofferdam rollback --env prod --park",
            "what it would drop is put aside, and cofferdam undrop brings it back",
        ),
        ("cofferdam rollback --env prod 01932f0c", "swap the tables of an online change back"),
        ("cofferdam rollback --project e-commerce-api --version v1.0.0", "a project, to an earlier version"),
    ],
    arguments: <Flags as clap::Args>::augment_args,
    run: |context, matches| Box::pin(async move { rollback(&context, &flags(&matches)?).await }),
};

impl Flags {
    fn policy(&self, settings: &Settings) -> Result<Policy> {
        let mut backups = self.backup.backups(settings, &[])?;
        if self.restore || settings.backup.restore_on_rollback {
            let keys = keys(self.identity.as_ref())?;
            backups.restore =
                Some(Restoring { credentials: Credentials::of_environment(), keys, agreed: false });
        }
        let wishes = Wishes { park: self.park.seconds(settings)?, ..Wishes::default() };
        Ok(Policy { backups, wishes, ..policy::plain(&self.limits, settings) })
    }
}

async fn rollback(context: &Context, flags: &Flags) -> Result<Exit> {
    if let (Some(project), Some(version)) = (&flags.project, &flags.version) {
        let (of, dry_run) = (&flags.of, flags.dry_run);
        let policy = |settings: &Settings| flags.policy(settings);
        return projects::rollback(
            context,
            projects::Back { project, version, of, dry_run, policy: &policy },
        )
        .await;
    }
    let settings = context.settings()?;
    let policy = flags.policy(&settings)?;
    let back = match (&flags.to, flags.steps) {
        (Some(version), _) => Back::To(version.clone()),
        (None, steps) => Back::Steps(steps.unwrap_or(1) as usize),
    };
    let mut session = context.open_keeping(&settings, None).await?;
    if let Some(run) = online(&mut *session, flags).await? {
        return swap_back(context, &mut *session, &run, flags, &policy).await;
    }
    let plans = rollback_plans(&mut *session, &back, &policy).await?;
    let database = session.facts(&[]).await?.server.database;
    let view = RollbackView::new(database.clone(), &plans);
    if flags.dry_run {
        context.console.show("RollbackPlan", &view, RollbackView::text);
        return Ok(Exit::DONE);
    }
    context.console.note(&view.text());
    if !view.losses.is_empty() && !context.common.yes {
        agree(context, &database, &view.losses).await?;
    }
    let progress = Progress::new(&context.console);
    let outcome = carry_out(&mut *session, plans, &policy, progress.reporter(), context.halt.driving()).await;
    progress.end();
    let summary = outcome?;
    summary.notes.iter().for_each(|note| context.console.note(&format!("note: {note}")));
    context.console.show("Summary", &SummaryView::new(&database, "undone", summary), SummaryView::text);
    Ok(Exit::DONE)
}

/// The online change that is meant: the one that is named, or the newest, where it is newer than every migration.
async fn online(session: &mut dyn Session, flags: &Flags) -> Result<Option<Run>> {
    if flags.run.is_some() {
        let open = runs::open(session, flags.run.as_deref(), ("", |_| true)).await;
        return match (open, &flags.run) {
            (Ok(open), _) => Ok(Some(open.run)),
            (Err(_), Some(wanted)) => Ok(Some(runs::find(session, wanted).await?)),
            (Err(fault), None) => Err(fault),
        };
    }
    if flags.to.is_some() || flags.steps.is_some() {
        return Ok(None);
    }
    let open = open_changes(session).await?;
    let reverts = |run: &Run| matches!(run.phase, Phase::Watching | Phase::RollingBack);
    let Some(newest) = open.into_iter().map(|one| one.run).filter(reverts).max_by_key(|run| run.id) else {
        return Ok(None);
    };
    let applied = session.history().await?.into_iter().filter(|a| a.in_force()).filter_map(|a| a.run).max();
    Ok(applied.is_none_or(|applied| applied < newest.id).then_some(newest))
}

async fn swap_back(
    context: &Context,
    session: &mut dyn Session,
    run: &Run,
    flags: &Flags,
    policy: &Policy,
) -> Result<Exit> {
    let database = session.facts(&[]).await?.server.database;
    let view = TakeBackView::new(&database, run);
    if flags.dry_run {
        context.console.show("RollbackPlan", &view, TakeBackView::text);
        return Ok(Exit::DONE);
    }
    context.console.note(&view.text());
    let progress = Progress::new(&context.console);
    let outcome = take_back(session, run.id, policy, progress.reporter(), context.halt.driving()).await;
    progress.end();
    let view = AlterSummaryView::new(&database, outcome?);
    context.console.show("AlterSummary", &view, AlterSummaryView::text);
    Ok(Exit::DONE)
}

/// Asks the person at the keyboard to type the database's name; without a person there is nobody to agree.
pub(crate) async fn agree(context: &Context, database: &str, losses: &[String]) -> Result<()> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(would_lose(losses, "nobody is there to agree to it").into());
    }
    context.console.ask("Type the database name to go on:");
    // On a thread of its own, so that signals are heeded while it waits.
    let typed = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line)
    })
    .await
    .map_err(|error| Fault::Bug(error.to_string()))?;
    match typed {
        Ok(line) if line.trim() == database => Ok(()),
        Ok(line) => Err(would_lose(losses, &format!("{:?} is not {database:?}", line.trim())).into()),
        Err(error) => Err(would_lose(losses, &error.to_string()).into()),
    }
}

fn would_lose(losses: &[String], cause: &str) -> Refusal {
    let refusal = Refusal::new(Code::WouldLose, "taking this back would lose data")
        .cause(cause)
        .help("agree to it with --yes");
    losses.iter().fold(refusal, |refusal, loss| refusal.note(format!("lost: {loss}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_lost_is_listed() {
        let refusal = would_lose(&["the rows of orders".into(), "the values of users.plan".into()], "why");
        assert_eq!((refusal.code.exit(), refusal.notes.len()), (8, 2));
        assert_eq!(refusal.notes[0], "lost: the rows of orders");
    }
}
