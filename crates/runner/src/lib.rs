//! Carries out plans.
//!
//! `assess` looks and plans (reads only), `apply` and `rollback` drive. All of them speak to the database through
//! `engines::Session` and tell the world through a [`Reporter`]: nothing here prints or knows Kubernetes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use uuid::Uuid;

use cofferdam_adapters::checks::Asked;
use cofferdam_core::bundle::{Migration, Version};
use cofferdam_core::history::{Applied, RollbackBundle};
use cofferdam_core::run::Event;
use cofferdam_core::{Facts, Finding, Limits, Name, Phase, Plan, Refusal, Severity};
use cofferdam_dialects::Parsed;
use cofferdam_engines::{Run, Tick};
use cofferdam_formats::Standing;

mod alter;
mod apply;
pub mod approval;
mod assess;
mod attend;
mod audit;
mod back;
pub mod backup;
mod beside;
pub mod courier;
mod drive;
pub mod foreign;
mod guard;
mod online;
mod outcome;
pub mod parked;
pub mod precheck;
pub mod rehearse;
mod resume;
pub mod rider;
mod rollback;
mod sql;
mod there;
mod validity;
mod window;

pub use alter::{Alteration, LOOKED_THROUGH, alter, look};
pub use apply::apply;
pub use assess::{assess, refuse_blocking};
pub use attend::{baseline, fact_of, fact_word, repair, says};
pub use audit::{Audit, CheckOutcome, verify};
pub use beside::{Believe, Evidence, Import, Verdict, import, standing};
pub use cofferdam_strategies::Wishes;
pub use guard::{
    Breach, Condition, Downtime, Gauge, Guarded, Guarding, Outside, SIGNALS, Signal, Stop, StopWhy,
    Thresholds, Way,
};
pub use online::{OpenChange, change_of, in_window, is_alter, open_changes, with_windows};
pub use rollback::{Back, losses, rollback, rollback_plans};
pub use window::{finalize, take_back};

/// What the user asked for beyond the defaults.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The strategy's id, or `auto`.
    pub strategy: String,
    /// Statements are run as they are written: no native safe sequences.
    pub as_written: bool,
    /// A version older than the newest applied one is applied all the same.
    pub out_of_order: bool,
    /// Apply up to this version only.
    pub to: Option<Version>,
    /// Apply at most so many.
    pub most: Option<usize>,
    /// Limits of every step.
    pub limits: Limits,
    /// How long to wait for the run lock.
    pub lock_wait: Duration,
    /// Findings that are allowed: rule and reason.
    pub allow: Vec<(String, String)>,
    /// How bad findings are where a team has its own mind.
    pub levels: cofferdam_lint::Levels,
    /// How names are to be.
    pub naming: Vec<cofferdam_lint::Convention>,
    /// The day on which `until=` is judged; `None`: that of the machine.
    pub today: Option<jiff::civil::Date>,
    /// What is wanted of online changes.
    pub wishes: Wishes,
    /// What is looked at before anything is changed, beside what is always.
    pub checks: Vec<Asked>,
    /// Whether somebody must have agreed to what begins.
    pub approval: approval::Terms,
    /// Online changes end their revert window at once: the old table goes as soon as the new one is in its place.
    pub finalize: bool,
    /// What is saved before something is destroyed.
    pub backups: backup::Backups,
    /// What is watched beside each run, and what becomes of it when a limit is breached.
    pub guarding: Guarding,
    /// What rides along with migrations, by their keys.
    pub riders: rider::Riders,
    /// What must still be so once the run lock is held.
    pub ground: Option<rider::Ground>,
    /// Why something is taken back where it is no person who asks: what somebody else's watch found.
    pub why_back: Option<String>,
    /// Who acts, for the journal and the history.
    pub who: String,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            strategy: "auto".into(),
            as_written: false,
            out_of_order: false,
            to: None,
            most: None,
            limits: Limits::default(),
            lock_wait: Duration::from_secs(10),
            allow: Vec::new(),
            levels: Default::default(),
            naming: Vec::new(),
            today: None,
            wishes: Wishes::default(),
            checks: Vec::new(),
            approval: approval::Terms::default(),
            finalize: false,
            backups: backup::Backups::default(),
            guarding: Guarding::default(),
            riders: rider::Riders::new(),
            ground: None,
            why_back: None,
            who: String::new(),
        }
    }
}

/// What is there, what is pending, and what would happen.
#[derive(Debug, Clone)]
pub struct Assessment {
    /// Of the server and the tables that the pending migrations name.
    pub facts: Facts,
    /// The history as it is, without its bundles.
    pub history: Vec<Applied>,
    /// Files against history.
    pub standing: Standing,
    /// In the order of applying.
    pub pending: Vec<Pending>,
    /// Runs that did not end. They are finished before anything else.
    pub unfinished: Vec<Run>,
}

impl Assessment {
    /// What goes on as it was planned earlier and not as is asked for now, a sentence each.
    pub fn as_planned(&self) -> impl Iterator<Item = &str> {
        let begun =
            |pending: &&Pending| self.unfinished.iter().any(|run| Arc::ptr_eq(&run.plan, &pending.plan));
        self.pending.iter().filter(begun).flat_map(|pending| &pending.why).map(String::as_str)
    }
}

/// A pending migration with its plan.
#[derive(Debug, Clone)]
pub struct Pending {
    /// From the bundle.
    pub migration: Migration,
    /// What would be done.
    pub plan: Arc<Plan>,
    /// The relations that it is about.
    pub relations: Relations,
    /// What will be stored with it, so that it can be taken back.
    pub bundle: RollbackBundle,
    /// What lint says of it.
    pub findings: Vec<Finding>,
    /// Why it would be done in this way, where somebody might ask; a sentence each.
    pub why: Vec<String>,
}

/// The relations that a migration is about, by its statements.
#[derive(Debug, Clone, Default)]
pub struct Relations {
    /// Those that it names, each once.
    pub named: Vec<Name>,
    /// The tables that it makes.
    pub created: BTreeSet<Name>,
}

impl Relations {
    /// Those of the statements of a script.
    pub fn of(parsed: &Parsed) -> Self {
        let named: BTreeSet<Name> = parsed.changes.iter().flat_map(|c| c.action.relations()).collect();
        Self { named: named.into_iter().collect(), created: cofferdam_lint::created_tables(parsed) }
    }
}

impl Pending {
    /// The findings that `apply` refuses: errors that strategy `direct` does not take care of.
    pub fn blocking<'a>(&'a self, policy: &'a Policy) -> impl Iterator<Item = &'a Finding> {
        self.findings.iter().filter(|f| {
            f.severity == Severity::Error
                && (policy.as_written || !f.handled)
                && !policy.allow.iter().any(|(rule, _)| rule == f.rule)
        })
    }
}

/// What a command did.
#[derive(Debug, Clone, Serialize, Default)]
pub struct Summary {
    /// Each run in order.
    pub runs: Vec<RunSummary>,
    /// The version that the database is at now; `None`: nothing versioned is applied.
    pub version: Option<String>,
    /// What a person should know of the checks before and after: what could not be seen, what is not valid yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// What one run did.
#[derive(Debug, Clone, Serialize)]
pub struct RunSummary {
    /// The run.
    pub run: Uuid,
    /// The migration.
    pub key: String,
    /// Its description.
    pub description: String,
    /// Where it ended.
    pub phase: Phase,
    /// It was begun by a runner that is gone.
    pub resumed: bool,
    /// Steps that were performed, or found done.
    pub steps: usize,
    /// How long it took, in milliseconds.
    pub ms: u64,
    /// What the watch measured; `None`: nothing was to be watched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guard: Option<Guarded>,
}

/// What happens, told while it happens.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "the fields are those of the plan and the run")]
pub enum News<'a> {
    /// Runs that will be done, known before the first begins.
    Planned {
        runs: usize,
        steps: usize,
    },
    RunBegan {
        run: Uuid,
        plan: &'a Plan,
        resumed: bool,
    },
    /// The run goes on where a runner that is gone stopped. `found` says what the catalog answered of a step.
    Found {
        step: &'a str,
        title: &'a str,
        found: String,
    },
    StepBegan {
        step: &'a str,
        title: &'a str,
    },
    StepEnded {
        step: &'a str,
        title: &'a str,
        ms: u64,
    },
    /// A step did not get its locks and is tried again.
    Retrying {
        step: &'a str,
        title: &'a str,
        try_: u32,
        of: u32,
        why: &'a Refusal,
    },
    /// From the engine, while a step runs.
    Tick(Tick),
    Moved {
        from: Phase,
        on: Event,
        to: Phase,
    },
    /// A step failed; the run is taken back.
    Failed {
        step: &'a str,
        title: &'a str,
        why: &'a Refusal,
    },
    /// A backup was taken before the first step.
    BackedUp(&'a cofferdam_core::backup::Taken),
    /// The watch found that a limit is breached. The run is taken back, or waits for a person; `losses` is what taking
    /// it back loses, a sentence each.
    Breached {
        breach: &'a Breach,
        losses: &'a [String],
    },
    /// The tables are swapped, and the application is watched for so long.
    Baking {
        time: Duration,
    },
    RunEnded(&'a RunSummary),
}

/// Who is told.
pub trait Reporter: Send + Sync {
    /// Takes the news. Must not block; what it does with it cannot fail the run.
    fn tell(&self, news: &News<'_>);
}

/// A reporter that can be shared with the engine's ticks.
pub type SharedReporter = Arc<dyn Reporter>;

/// A reporter that tells nobody.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Reporter for Silent {
    fn tell(&self, _news: &News<'_>) {}
}
