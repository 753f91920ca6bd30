//! A fake database, the migrations of a test, and what must hold at the end of each.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cofferdam_core::bundle::Version;
use cofferdam_core::history::Applied;
use cofferdam_core::journal::{self, Entry, State};
use cofferdam_core::plan::Plan;
use cofferdam_core::{
    Checksum, Code, Facts, Fault, Limits, Migration, MigrationKind, Phase, Refusal, Script,
};
use cofferdam_dialects::postgres;
use cofferdam_engines::fake::{Fake, FakeDatabase, FakeFault, FakePlace};
use cofferdam_engines::{Engine, Run, Runs, Session, Target};
use cofferdam_formats::Standing;
use cofferdam_runner::{Assessment, Gauge, News, Outside, Pending, Policy, Reporter, Silent, Stop, Summary};
use cofferdam_strategies::{Subject, back};

use crate::shapes;

/// Runs a test with a clock that jumps over every pause.
pub(crate) fn timeless<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.expect("a runtime").block_on(test)
}

pub(crate) fn policy() -> Policy {
    Policy { lock_wait: Duration::ZERO, who: "tester".into(), ..Policy::default() }
}

/// One database.
pub(crate) struct World {
    engine: Fake,
    pub(crate) database: FakeDatabase,
    pub(crate) pending: Vec<Pending>,
    by_hand: Mutex<Vec<String>>,
}

impl World {
    /// Over [`shapes::BEFORE`], with the migration 1 that these units are.
    pub(crate) fn new(units: &[&str]) -> Self {
        Self::of(vec![pending("1", units)])
    }

    pub(crate) fn of(pending: Vec<Pending>) -> Self {
        let engine = Fake::new();
        let database = engine.database("fake");
        for statement in shapes::BEFORE {
            database.by_hand(statement).expect("a statement of the fake");
        }
        Self { engine, database, pending, by_hand: Mutex::default() }
    }

    pub(crate) fn plan(&self) -> &Plan {
        &self.pending[0].plan
    }

    pub(crate) async fn open(&self) -> Result<Box<dyn Session>, Fault> {
        self.engine.open(&Target { who: "tester".into(), ..Target::default() }).await
    }

    /// The way of the watch to this database.
    pub(crate) fn outside(&self) -> Arc<dyn Outside> {
        Arc::new(FromOutside(self.engine.clone()))
    }

    pub(crate) async fn session(&self) -> Box<dyn Session> {
        self.open().await.expect("a session")
    }

    pub(crate) async fn session_of(&self, who: &str) -> Box<dyn Session> {
        self.engine.open(&Target { who: who.into(), ..Target::default() }).await.expect("a session")
    }

    /// What `assess` would say; the fake's statements are not SQL, so the plans are those of the test.
    pub(crate) async fn assessed(&self, session: &mut dyn Session) -> Result<Assessment, Fault> {
        Ok(Assessment {
            facts: Facts::default(),
            history: session.history().await?,
            standing: Standing { rows: Vec::new(), pending: Vec::new(), problems: Vec::new() },
            pending: self.pending.clone(),
            unfinished: session.runs(Runs::Unfinished).await?,
        })
    }

    /// One `apply` with a session of its own.
    pub(crate) async fn apply(&self) -> Result<Summary, Fault> {
        self.apply_with(&Stop::new(), Arc::new(Silent)).await
    }

    pub(crate) async fn apply_with(
        &self,
        stop: &Stop,
        reporter: Arc<dyn Reporter>,
    ) -> Result<Summary, Fault> {
        let mut session = self.open().await?;
        let assessment = self.assessed(session.as_mut()).await?;
        cofferdam_runner::apply(session.as_mut(), &assessment, &policy(), reporter, stop).await
    }

    /// What this fault does to an `apply` of a session of its own.
    pub(crate) async fn apply_failing(&self, nth: u32, fault: FakeFault, place: FakePlace) -> Fault {
        self.database.fail_nth(nth, fault, place);
        let fault = self.apply().await.expect_err("it is disturbed");
        assert_eq!(self.database.planned_faults(), 0, "the fault came");
        fault
    }

    pub(crate) async fn runs(&self) -> Vec<Run> {
        let mut runs = self.session().await.runs(Runs::Last(100)).await.expect("runs");
        runs.reverse();
        runs
    }

    /// The last run.
    pub(crate) async fn run(&self) -> Run {
        self.runs().await.pop().expect("a run")
    }

    pub(crate) async fn history(&self) -> Vec<Applied> {
        self.session().await.history().await.expect("the history")
    }

    pub(crate) async fn journal(&self) -> Vec<Entry> {
        self.session().await.journal(None).await.expect("the journal")
    }

    /// The fold of one run's journal.
    pub(crate) async fn state(&self, run: &Run) -> State {
        let entries = self.journal().await;
        let own = entries.iter().filter(|e| e.run == run.id).map(|e| &e.what);
        journal::fold(own).expect("a journal that can be")
    }

    /// States the fact about the last run.
    pub(crate) async fn says(&self, fact: cofferdam_core::Event) -> Result<Phase, Fault> {
        let run = self.run().await;
        cofferdam_runner::says(self.session().await.as_mut(), run.id, fact, &policy()).await
    }

    /// Does a statement as the person would who is asked.
    pub(crate) fn by_hand(&self, statement: &str) {
        self.database.by_hand(statement).expect("a statement of the fake");
        self.by_hand.lock().expect("a list").push(statement.to_owned());
    }

    /// Statements that were performed, but for those that change only the session; those of the person come last.
    pub(crate) fn performed(&self) -> Vec<String> {
        let performed = self.database.performed().into_iter();
        let by_hand = self.by_hand.lock().expect("a list").clone();
        performed.chain(by_hand).filter(|s| !s.starts_with("set ")).collect()
    }

    /// Its tables with their columns, constraints, indexes and rows, to compare.
    pub(crate) async fn content(&self) -> String {
        let mut session = self.session().await;
        let mut content = String::new();
        let tables = session.rows("tables", 100).await.expect("tables").rows;
        for name in tables.into_iter().flatten().flatten() {
            let facts = session.facts(&[cofferdam_core::Name::plain(name)]).await.expect("facts");
            content += &format!("{:?}\n", facts.tables);
        }
        content
    }

    /// What must hold after whatever happened: the chain is whole, each run's row says what its journal says, and
    /// the history what the runs say.
    pub(crate) async fn assert_sound(&self, case: &str) {
        let entries = self.journal().await;
        assert_eq!(journal::first_break(&entries), None, "{case}: the chain");
        let mut recorded = BTreeSet::new();
        for run in self.runs().await {
            let state = self.state(&run).await;
            assert_eq!(state.phase, run.phase, "{case}: the row's phase is the journal's");
            assert_eq!(run.ended_at.is_some(), run.phase.terminal(), "{case}");
            if run.phase == Phase::Done && matches!(run.record, cofferdam_engines::Record::Applied(_)) {
                recorded.insert(run.id);
            }
        }
        let history = self.history().await;
        let of_runs: Vec<_> = history.iter().filter_map(|a| a.run).collect();
        assert_eq!(of_runs.iter().copied().collect::<BTreeSet<_>>(), recorded, "{case}: the history");
        assert_eq!(of_runs.len(), recorded.len(), "{case}: each once");
        let ranks: Vec<i64> = history.iter().map(|a| a.rank).collect();
        assert_eq!(ranks, (1..=i64::try_from(ranks.len()).unwrap()).collect::<Vec<_>>(), "{case}");
    }

    /// Everything ended, nobody holds the lock, and this is in force.
    pub(crate) async fn assert_ended(&self, case: &str, in_force: &[&str]) {
        self.assert_sound(case).await;
        for run in self.runs().await {
            assert!(run.phase.terminal(), "{case}: {:?}", run.phase);
        }
        assert_eq!(self.session().await.holder().await, Ok(None), "{case}: the lock is free");
        let history = self.history().await;
        let keys: Vec<&str> = history.iter().filter(|a| a.in_force()).map(|a| a.key.as_str()).collect();
        assert_eq!(keys, in_force, "{case}");
    }
}

#[derive(Debug)]
struct FromOutside(Fake);

#[async_trait::async_trait]
impl Outside for FromOutside {
    async fn open(&self) -> Result<Box<dyn Session>, Fault> {
        let application = "cofferdam watch".into();
        self.0.open(&Target { who: "tester".into(), application, ..Target::default() }).await
    }

    fn source(&self, _gauge: Gauge) -> Option<String> {
        None
    }

    async fn read(&self, _gauge: Gauge) -> Result<f64, String> {
        Err("nobody knows".into())
    }
}

/// A pending migration with the plan that these units say.
pub(crate) fn pending(version: &str, units: &[&str]) -> Pending {
    // The text is nobody's business here but for its checksum: a comment is SQL and says nothing.
    let up = Script::new(format!("V{version}__x.sql"), format!("-- {}", units.join("\n-- ")));
    let plan = shapes::plan(version, units);
    let migration = Migration {
        version: Version::parse(version),
        description: plan.description.clone(),
        kind: MigrationKind::Versioned,
        checksum: Checksum::Sha256(up.sha256.clone()),
        up,
        down: None,
        check: None,
        no_transaction: false,
    };
    let parsed = postgres::read(&migration.up).expect("a comment");
    let subject = Subject {
        migration: &migration,
        parsed: &parsed,
        check: None,
        facts: &Facts::default(),
        created: &BTreeSet::new(),
        as_written: false,
        limits: Limits::default(),
        examined: &[],
        wishes: &Default::default(),
    };
    let bundle = back::bundle(&plan, &subject);
    let (plan, relations) = (plan.into(), Default::default());
    Pending { migration, plan, relations, bundle, findings: Vec::new(), why: Vec::new() }
}

/// The refusal in it.
pub(crate) fn refusal(fault: &Fault) -> &Refusal {
    match fault {
        Fault::Refused(refusal) => refusal,
        other => panic!("not a refusal: {other:?}"),
    }
}

pub(crate) fn code(fault: &Fault) -> Code {
    refusal(fault).code
}

/// Writes down what it is told.
#[derive(Default)]
pub(crate) struct Notes(Mutex<Vec<String>>);

impl Notes {
    pub(crate) fn taken(&self) -> Vec<String> {
        self.0.lock().expect("notes").clone()
    }
}

impl Reporter for Notes {
    fn tell(&self, news: &News<'_>) {
        let note = match news {
            News::Planned { runs, steps } => format!("planned {runs} runs, {steps} steps"),
            News::RunBegan { plan, resumed, .. } => {
                format!("run {} {}", plan.key, if *resumed { "resumed" } else { "began" })
            }
            News::Found { step, found, .. } => format!("found {step}: {found}"),
            News::StepBegan { step, .. } => format!("began {step}"),
            News::StepEnded { step, .. } => format!("ended {step}"),
            News::Retrying { step, try_, of, .. } => format!("retrying {step}: {try_} of {of}"),
            News::Failed { step, title, .. } => format!("failed {step} {title}"),
            News::RunEnded(summary) => format!("run {} ended {:?}", summary.key, summary.phase),
            News::BackedUp(taken) => format!("backed up {} tables", taken.tables.len()),
            News::Breached { breach, .. } => format!("breached {}", breach.limit),
            News::Baking { time } => format!("bakes for {} s", time.as_secs()),
            News::Tick(_) | News::Moved { .. } => return,
        };
        self.0.lock().expect("notes").push(note);
    }
}
