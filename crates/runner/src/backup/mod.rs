//! Backups: what is to be destroyed is saved before, and read back to see that it is whole.
//!
//! A safety copy of the tables that a plan's steps destroy is taken before the run's first step, under the run lock,
//! and the journal gets a row of it. Until then nothing is changed, so a place that is down, full or closed refuses the
//! run and no more.

pub(crate) mod back;
mod need;
mod restore;
mod take;

use cofferdam_adapters::backup::{Place, Recipients};
use cofferdam_core::backup::Taken;
use cofferdam_core::fault::Result;
use cofferdam_core::journal::What;
use cofferdam_core::{Code, Fault, Limits, Name, Phase, Plan, Refusal, failpoint};
use cofferdam_engines::{Ability, Line, Session};
use uuid::Uuid;

pub use back::Restoring;
pub use need::destroyed;
pub use restore::{Restored, protected, restore, verify_backup};
pub use take::{Made, Order, take};

use crate::drive::{Driver, leaves_the_run_as_it_is, lost, way};
use crate::{News, Policy};

/// When a backup is taken before a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum When {
    /// Never.
    #[default]
    Never,
    /// Before something is destroyed.
    Destructive,
    /// Of every table that the plan is about.
    Always,
}

/// What is wanted of backups.
#[derive(Debug, Clone, Default)]
pub struct Backups {
    /// When one is taken.
    pub when: When,
    /// Also the whole database, by the server's own program, whenever one is taken.
    pub whole: bool,
    /// Where to.
    pub to: Option<Place>,
    /// Whom to.
    pub recipients: Recipients,
    /// These tables too.
    pub tables: Vec<Name>,
    /// Why one that is taken and cannot be verified will do.
    pub unverified: Option<String>,
    /// A rollback may restore what was dropped; `None`: it may not.
    pub restore: Option<Restoring>,
}

impl Backups {
    /// The place, or why there is no backup without it.
    fn place(&self) -> Result<&Place> {
        self.to.as_ref().ok_or_else(|| {
            Refusal::new(Code::BackupNotTaken, "a backup is wanted, and no place for it is named")
                .cause("the policy asks for one before anything is destroyed")
                .help("--backup-to URL, or backup: {to: URL} in the environment of cofferdam.yaml")
                .into()
        })
    }
}

/// Whether something of what a plan, in the words of this dialect, destroys is to be saved before it.
///
/// # Errors
/// `BackupBlind` where that cannot be told.
pub fn wanted(plan: &Plan, backups: &Backups, dialect: &str) -> Result<bool> {
    Ok(need::need(plan, &Default::default(), backups, dialect)?.is_some())
}

/// Refuses plans whose backup could not be taken, before the first of them begins: an engine that takes none, a place that
/// does not answer, or a statement of which it cannot be read what it destroys.
pub(crate) async fn refuse_what_cannot_be_saved(
    session: &mut dyn Session,
    plans: &[&Plan],
    policy: &Policy,
) -> Result<()> {
    let (abilities, dialect) = (session.abilities(), session.dialect());
    let mut any = false;
    for plan in plans {
        any |= wanted(plan, &policy.backups, dialect)?;
    }
    if !any {
        return Ok(());
    }
    Ability::Copy.needed(abilities, dialect)?;
    if policy.backups.whole {
        Ability::Dump.needed(abilities, dialect)?;
    }
    policy.backups.place()?.probe().await
}

impl Driver<'_> {
    /// Saves what the run destroys, unless an earlier runner of it has done so or there is no such step left.
    pub(crate) async fn save_first(&mut self, policy: &Policy) -> Result<()> {
        if matches!(self.run.phase, Phase::RollingBack | Phase::Stuck) || self.run.phase.terminal() {
            return Ok(());
        }
        let Some(wanted) = need::need(&self.run.plan, &self.state, &policy.backups, self.session.dialect())?
        else {
            return Ok(());
        };
        if self.opened && taken_before(self.session, self.run.id).await?.is_some() {
            return Ok(());
        }
        let order = Order {
            wanted,
            whole: policy.backups.whole,
            run: Some((self.run.id, self.run.digest.clone(), self.run.plan.key.clone())),
            who: policy.who.clone(),
        };
        let reporter = self.reporter.clone();
        let made = take(self.session, &order, &policy.backups, &reporter, &self.stop).await;
        let Some(made) = made.map_err(not_taken)? else { return Ok(()) };
        let taken = made.taken;
        if failpoint::hit("backup.sealed") {
            return Err(lost("backup.sealed"));
        }
        self.reporter.tell(&News::BackedUp(&taken));
        // A phase from which everything that can happen to a run can happen to this one.
        let to = if self.opened { self.run.phase } else { Phase::Expanding };
        let mut lines = way(self.run.phase, to)?;
        lines.push(Line::Write(What::BackedUp { backup: taken }));
        self.commit(to, lines, Limits::default(), false).await
    }
}

/// The backup that the journal of a run tells of.
pub(crate) async fn taken_before(session: &mut dyn Session, run: Uuid) -> Result<Option<Taken>> {
    let entries = session.journal(Some(run)).await?;
    Ok(entries.into_iter().rev().find_map(|entry| match entry.what {
        What::BackedUp { backup } => Some(backup),
        _ => None,
    }))
}

/// Whatever kept the backup from being taken, the reader is to know that it was the backup, and that nothing else was
/// done.
fn not_taken(fault: Fault) -> Fault {
    let Fault::Refused(why) = fault else { return fault };
    if leaves_the_run_as_it_is(why.code) {
        return why.into();
    }
    if why.code.id().starts_with("CF32") {
        return (*why).note("nothing was changed: the backup comes before the first step").into();
    }
    let mut refusal = Refusal::new(Code::BackupNotTaken, "the backup before the change could not be taken");
    refusal.cause = Some(match why.cause {
        Some(cause) => format!("{}: {cause}", why.what),
        None => why.what,
    });
    refusal.help = why.help;
    refusal.notes = why.notes;
    refusal.note("nothing was changed: the backup comes before the first step").into()
}
