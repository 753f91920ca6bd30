//! The fake obeys the contract, and what a test can plan on it happens.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests")]

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;

use cofferdam_core::history::{Applied, AppliedKind, RollbackBundle};
use cofferdam_core::journal::What;
use cofferdam_core::plan::{Act, Intent, Plan, Probe, Seen, Step, Undo, Unit};
use cofferdam_core::{Code, Event, Fault, Limits, Name, Phase, Span};
use cofferdam_engines::contract::{Broken, CASES, Dictionary, Harness, run_all};
use cofferdam_engines::fake::{Fake, FakeDatabase, FakeFault, FakePlace};
use cofferdam_engines::{Batch, Engine, Line, Record, Run, Runs, Session, Target};

struct FakeHarness {
    engine: Fake,
    words: Dictionary,
    made: AtomicU32,
    /// Every case gets the same database: it must show.
    spoilt: bool,
}

impl FakeHarness {
    fn new(spoilt: bool) -> Self {
        Self { engine: Fake::new(), words: words(), made: AtomicU32::new(0), spoilt }
    }
}

fn words() -> Dictionary {
    Dictionary {
        table: Name::plain("t"),
        create_table: "create table t id:number",
        add_column: "add column t.note:text",
        column: "note",
        column_type: ("text", "number"),
        drop_column: "drop column t.note",
        insert_three: "insert t 3",
        copy_three: Some(("copy t", "1\n2\n3\n")),
        select: "select t",
        text_and_null: "values text null",
        endless: "sleep",
        failing: ("fail no such luck", "no such luck"),
        double_row: "double t",
        single_row: "single t",
        index: Name::plain("t_id"),
        build_index: "create unique index t.t_id",
        drop_index: "drop index t.t_id",
        set_setting: "set path elsewhere",
        show_setting: "show path",
        end_transaction: "commit",
        lose_lock: "forget lock",
        online: Some((&["create table k id", "insert k 3"], Name::plain("k"), "anything")),
    }
}

#[async_trait]
impl Harness for FakeHarness {
    fn engine(&self) -> &dyn Engine {
        &self.engine
    }

    fn words(&self) -> &Dictionary {
        &self.words
    }

    async fn fresh(&self) -> Result<Target, Broken> {
        let number = if self.spoilt { 0 } else { self.made.fetch_add(1, Ordering::SeqCst) };
        Ok(Target { url: Some(format!("fake://database{number}")), ..Target::default() })
    }

    async fn hold_table(&self, target: &Target) -> Result<Box<dyn Any + Send>, Broken> {
        let name = target.url.as_deref().and_then(|url| url.strip_prefix("fake://")).unwrap_or_default();
        let database = self.engine.database(name);
        database.hold_table("t");
        Ok(Box::new(Held(database)))
    }
}

struct Held(FakeDatabase);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.let_go_of_table("t");
    }
}

#[tokio::test]
async fn the_fake_obeys_the_contract() {
    let broken = run_all(&FakeHarness::new(false)).await;
    assert!(broken.is_empty(), "{broken:#?}");
}

#[tokio::test]
async fn the_contract_notices_what_it_should() {
    // On a database that others have used most promises cannot hold.
    let broken = run_all(&FakeHarness::new(true)).await;
    let all = CASES.iter().copied().flatten().count();
    assert!(broken.len() * 2 > all, "only {} of {all} noticed: {broken:#?}", broken.len());
}

#[test]
fn the_cases_have_names_of_their_own_and_every_file_is_in_the_table() {
    let mut names: Vec<_> = CASES.iter().copied().flatten().map(|case| case.name).collect();
    names.sort_unstable();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all);
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/contract");
    let table = std::fs::read_to_string(format!("{folder}/mod.rs")).unwrap();
    for file in std::fs::read_dir(folder).unwrap() {
        let file = file.unwrap().file_name().into_string().unwrap();
        let module = file.trim_end_matches(".rs");
        if !["mod", "bench"].contains(&module) {
            assert!(table.contains(&format!("{module}::CASES")), "{module}");
        }
    }
}

// What follows is about faults that a test plans.

fn step(id: &str, act: Act) -> Step {
    Step {
        id: id.into(),
        phase: Phase::Expanding,
        title: format!("do {id}"),
        act,
        probe: Probe::Nothing,
        undo: Undo::Nothing,
        limits: Limits::default(),
        lock: String::new(),
        blocks: String::new(),
        estimate: String::new(),
        path: String::new(),
        at: Span::default(),
    }
}

fn run() -> Run {
    let steps = vec![step("1", Act::sql("create table t id")), step("2", Act::sql("insert t 1"))];
    let plan = Plan {
        strategy: "direct".into(),
        key: "1".into(),
        description: String::new(),
        intent: Intent::Apply,
        units: vec![Unit { atomic: true, steps }],
        losses: Vec::new(),
    };
    let applied = Applied {
        rank: 0,
        key: "1".into(),
        version: Some("1".into()),
        description: String::new(),
        kind: AppliedKind::Versioned,
        checksum: None,
        at: String::new(),
        by: String::new(),
        ms: 0,
        run: None,
        bundle: RollbackBundle::default(),
        undone_at: None,
    };
    Run {
        id: uuid::Uuid::now_v7(),
        digest: plan.digest(),
        plan: plan.into(),
        phase: Phase::Expanding,
        epoch: 0,
        record: Record::Applied(Box::new(applied)),
        started_at: "2026-01-02T03:04:05Z".into(),
        ended_at: None,
        by: "me".into(),
    }
}

fn batch(run: &Run) -> Batch<'_> {
    let moved = |from: Phase, on: Event| Line::Write(What::Moved { from, on, to: from.next(on).unwrap() });
    let mut lines =
        vec![moved(Phase::Requested, Event::PlanAccepted), moved(Phase::Planned, Event::ChecksPassed)];
    lines.extend(run.plan.steps().map(|step| Line::Perform { id: step.id.clone(), act: &step.act, step }));
    Batch { run, open: true, adopt: false, lines, record: None, limits: Limits::default() }
}

async fn claimed(engine: &Fake) -> Box<dyn Session> {
    let mut session = engine.open(&Target::default()).await.unwrap();
    session.claim(Duration::ZERO).await.unwrap();
    session
}

/// What the caller hears: `again`, `unknown`, or the code of a refusal.
fn heard(result: Result<(), Fault>) -> String {
    match result {
        Ok(()) => "done".into(),
        Err(Fault::Again { why, .. }) => format!("again {:?}", why.code),
        Err(Fault::Refused(why)) => format!("{:?}", why.code),
        Err(Fault::Unknown(_)) => "unknown".into(),
        Err(Fault::Bug(text)) => panic!("{text}"),
    }
}

/// A fault, the place, the time it comes there, what the caller hears, whether the batch is there afterwards, and
/// whether the lock is free at once.
const IN_BATCHES: &[(FakeFault, FakePlace, u32, &str, bool, bool)] = &[
    (FakeFault::ConnectionLost, FakePlace::Begin, 1, "ConnectionLost", false, true),
    (FakeFault::Again(Code::LockNotObtained), FakePlace::Statement, 2, "again LockNotObtained", false, false),
    (FakeFault::Refused(Code::Interrupted), FakePlace::Statement, 1, "Interrupted", false, false),
    (FakeFault::AnswerLost, FakePlace::Statement, 1, "ConnectionLost", false, true),
    (FakeFault::Orphaned, FakePlace::Statement, 2, "ConnectionLost", false, false),
    (FakeFault::ConnectionLost, FakePlace::Commit, 1, "unknown", false, true),
    (FakeFault::AnswerLost, FakePlace::Commit, 1, "unknown", true, true),
    (FakeFault::Orphaned, FakePlace::Commit, 1, "unknown", false, false),
];

#[tokio::test]
async fn a_fault_in_a_batch_leaves_all_or_nothing() {
    for (fault, place, nth, expected, there, free) in IN_BATCHES.iter().copied() {
        let case = format!("{fault:?} at {place:?}");
        let engine = Fake::new();
        let database = engine.database("fake");
        let mut session = claimed(&engine).await;
        database.fail_nth(nth, fault, place);
        let run = run();
        assert_eq!(heard(session.commit(&batch(&run)).await), expected, "{case}");
        assert_eq!(database.planned_faults(), 0, "{case}");
        let mut other = engine.open(&Target::default()).await.unwrap();
        assert_eq!(other.runs(Runs::One(run.id)).await.unwrap().len(), usize::from(there), "{case}");
        assert_eq!(other.rows("tables", 9).await.unwrap().rows.len(), usize::from(there), "{case}");
        assert_eq!(database.performed().len(), if there { 2 } else { 0 }, "{case}");
        assert_eq!(other.claim(Duration::ZERO).await.is_ok(), free, "{case}");
        database.finish_orphan();
        drop(session);
        other.claim(Duration::ZERO).await.unwrap();
        assert_eq!(other.rows("tables", 9).await.unwrap().rows.len(), usize::from(there), "{case}");
    }
}

/// A fault at an index that is built outside a transaction, what the caller hears, and what the catalog says at
/// once, and when orphans have ended.
const OUTSIDE: &[(FakeFault, &str, &str, &str)] = &[
    (FakeFault::ConnectionLost, "unknown", "not done", "not done"),
    (FakeFault::Again(Code::BlockedOthers), "again BlockedOthers", "partly", "partly"),
    (FakeFault::Refused(Code::Interrupted), "Interrupted", "partly", "partly"),
    (FakeFault::Halfway, "unknown", "partly", "partly"),
    (FakeFault::AnswerLost, "unknown", "done", "done"),
    (FakeFault::Orphaned, "unknown", "partly", "done"),
];

async fn index_is(session: &mut dyn Session) -> &'static str {
    match session.probe(&Probe::IndexValid { index: Name::plain("i") }).await.unwrap() {
        Seen::NotDone => "not done",
        Seen::Partly(_) => "partly",
        Seen::Done => "done",
        Seen::Unclear(_) => "unclear",
    }
}

fn build() -> Step {
    step("1", Act::BuildIndex { index: Name::plain("i"), sql: "create index t.i".into() })
}

#[tokio::test]
async fn a_fault_outside_a_transaction_leaves_what_the_catalog_shows() {
    for (fault, expected, at_once, later) in OUTSIDE.iter().copied() {
        let engine = Fake::new();
        let database = engine.database("fake");
        database.by_hand("create table t id").unwrap();
        let mut session = claimed(&engine).await;
        database.fail_next(fault, FakePlace::Perform);
        let step = build();
        assert_eq!(heard(session.perform(&step.act, &step).await), expected, "{fault:?}");
        let mut other = engine.open(&Target::default()).await.unwrap();
        assert_eq!(index_is(other.as_mut()).await, at_once, "{fault:?}");
        database.finish_orphan();
        assert_eq!(index_is(other.as_mut()).await, later, "{fault:?}");
        drop(session);
        other.claim(Duration::ZERO).await.unwrap();
        if later != "done" {
            other.perform(&step.act, &step).await.unwrap();
        }
        assert_eq!(index_is(other.as_mut()).await, "done", "{fault:?}");
        assert_eq!(database.performed(), ["create index t.i"], "{fault:?}");
    }
}

#[tokio::test]
async fn a_session_that_dies_while_a_statement_runs_keeps_the_lock_until_that_ends() {
    for finished in [true, false] {
        let engine = Fake::new();
        let database = engine.database("fake");
        database.by_hand("create table t id").unwrap();
        let mut session = claimed(&engine).await;
        database.fail_next(FakeFault::Hang, FakePlace::Perform);
        let step = build();
        {
            let work = session.perform(&step.act, &step);
            let died = tokio::time::timeout(Duration::from_millis(5), work).await;
            assert!(died.is_err(), "it hangs");
        }
        drop(session);
        let mut other = engine.open(&Target::default()).await.unwrap();
        assert_eq!(heard(other.claim(Duration::ZERO).await), "LockHeldByOther");
        let holder = other.holder().await.unwrap().unwrap();
        assert_eq!((holder.state.as_str(), holder.statement.as_str()), ("active", "create index t.i"));
        if finished {
            database.finish_orphan();
        } else {
            database.kill_orphan();
        }
        other.claim(Duration::ZERO).await.unwrap();
        assert_eq!(index_is(other.as_mut()).await, if finished { "done" } else { "partly" });
    }
}

#[tokio::test]
async fn a_statement_that_hangs_is_cancelled_by_a_stop() {
    let engine = Fake::new();
    let database = engine.database("fake");
    let mut session = claimed(&engine).await;
    let stop = Arc::new(AtomicBool::new(false));
    let asked = stop.clone();
    session.listen(Arc::new(|_| {}), Arc::new(move || asked.load(Ordering::SeqCst).into()));
    database.fail_next(FakeFault::Hang, FakePlace::Statement);
    let run = run();
    let batch = batch(&run);
    let (result, ()) = tokio::join!(session.commit(&batch), async {
        tokio::task::yield_now().await;
        stop.store(true, Ordering::SeqCst);
    });
    assert_eq!(heard(result), "Interrupted");
    assert_eq!(database.performed(), [""; 0]);
    // The session lives on and still has the lock.
    stop.store(false, Ordering::SeqCst);
    assert_eq!(heard(session.commit(&batch).await), "done");
}

#[tokio::test]
async fn a_forged_journal_shows() {
    let engine = Fake::new();
    let mut session = claimed(&engine).await;
    session.commit(&batch(&run())).await.unwrap();
    engine.database("fake").forge_journal(2, "somebody else");
    let entries = session.journal(None).await.unwrap();
    assert_eq!(cofferdam_core::journal::first_break(&entries), Some(2));
}

#[tokio::test]
async fn a_url_names_the_database() {
    let engine = Fake::new();
    for (url, expected) in [("fake://", "BadUrl"), ("postgres://x", "BadUrl"), ("fake://shop", "done")] {
        let target = Target { url: Some(url.into()), ..Target::default() };
        assert_eq!(heard(engine.open(&target).await.map(drop)), expected, "{url}");
    }
    engine.database("shop").fail_next(FakeFault::ConnectionLost, FakePlace::Open);
    let target = Target { url: Some("fake://shop".into()), ..Target::default() };
    assert_eq!(heard(engine.open(&target).await.map(drop)), "ConnectionLost");
}
