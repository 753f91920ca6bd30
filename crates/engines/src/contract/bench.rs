//! What the cases work with: sessions on a fresh database, and plans, runs and batches made of a few words.

use std::fmt::Debug;
use std::time::Duration;

use uuid::Uuid;

use cofferdam_core::history::{Applied, AppliedKind, RollbackBundle};
use cofferdam_core::journal::What;
use cofferdam_core::plan::{Act, Intent, Plan, Probe, Seen, Step, Undo, Unit};
use cofferdam_core::{Checksum, Code, Fault, Limits, Phase, Refusal, Span};

use super::{Broken, Dictionary, Harness, Outcome};
use crate::{Abilities, Batch, Line, Record, Run, Session, Target};

/// Who acts in the contract, for the journal.
pub(super) const WHO: &str = "tester@contract";
/// Where the steps of the contract stand.
pub(super) const PATH: &str = "V1__contract.sql";

/// One database, empty at first.
pub(super) struct Bench<'h> {
    pub(super) harness: &'h dyn Harness,
    pub(super) target: Target,
}

impl<'h> Bench<'h> {
    pub(super) async fn new(harness: &'h dyn Harness) -> Result<Self, Broken> {
        let mut target = harness.fresh().await?;
        target.who = WHO.into();
        Ok(Self { harness, target })
    }

    pub(super) fn words(&self) -> &'h Dictionary {
        self.harness.words()
    }

    /// A session that the server shows under this name.
    pub(super) async fn session(&self, application: &str) -> Result<Box<dyn Session>, Broken> {
        let target = Target { application: application.into(), ..self.target.clone() };
        Ok(self.harness.engine().open(&target).await?)
    }

    /// A session that holds the run lock.
    pub(super) async fn claimed(&self, application: &str) -> Result<Box<dyn Session>, Broken> {
        let mut session = self.session(application).await?;
        session.claim(Duration::ZERO).await?;
        Ok(session)
    }

    /// A session that holds the run lock, and the dictionary's table.
    pub(super) async fn with_table(&self) -> Result<Box<dyn Session>, Broken> {
        let mut session = self.claimed("contract").await?;
        loose(session.as_mut(), self.words().create_table).await?;
        Ok(session)
    }

    /// What its engine can do.
    pub(super) fn can(&self) -> Abilities {
        self.harness.engine().abilities()
    }

    /// A session that holds the run lock, and statements of which the first makes the table: in the same batch as the
    /// others where a transaction takes it back, else it was made before.
    pub(super) async fn making_table<'w>(
        &self,
        statements: &[&'w str],
    ) -> Result<(Box<dyn Session>, Vec<&'w str>), Broken>
    where
        'h: 'w,
    {
        if !self.can().transactional_ddl {
            return Ok((self.with_table().await?, statements.to_vec()));
        }
        let mut all = vec![self.words().create_table];
        all.extend(statements);
        Ok((self.claimed("contract").await?, all))
    }

    /// How many rows the table has.
    pub(super) async fn count(&self, session: &mut dyn Session) -> Result<usize, Broken> {
        Ok(session.rows(self.words().select, 100).await?.rows.len())
    }
}

/// Performs one statement outside a transaction.
pub(super) async fn loose(session: &mut dyn Session, sql: &str) -> Result<(), Fault> {
    let step = step("1", Act::sql(sql));
    session.perform(&step.act, &step).await
}

pub(super) fn step(id: &str, act: Act) -> Step {
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
        path: PATH.into(),
        at: Span { start: 7, end: 9, line: 3, column: 5 },
    }
}

/// A new run of a plan whose steps are these statements, numbered from 1, in one transaction. It is done when its
/// batch is.
pub(super) fn run_of(key: &str, statements: &[&str]) -> Run {
    run_of_acts(key, statements.iter().map(|sql| Act::sql(*sql)).collect())
}

pub(super) fn run_of_acts(key: &str, acts: Vec<Act>) -> Run {
    let steps = acts.into_iter().enumerate().map(|(n, act)| step(&(n + 1).to_string(), act)).collect();
    let plan = Plan {
        strategy: "direct".into(),
        key: key.into(),
        description: format!("migration {key}"),
        intent: Intent::Apply,
        units: vec![Unit { atomic: true, steps }],
        losses: Vec::new(),
    };
    Run {
        id: Uuid::now_v7(),
        digest: plan.digest(),
        plan: plan.into(),
        phase: Phase::Done,
        epoch: 0,
        record: Record::Applied(Box::new(applied(key))),
        started_at: "2026-01-02T03:04:05Z".into(),
        ended_at: None,
        by: WHO.into(),
    }
}

/// The run that takes back the migration of this rank.
pub(super) fn undo_of(rank: i64, statement: &str) -> Run {
    let mut run = run_of("undo", &[statement]);
    std::sync::Arc::make_mut(&mut run.plan).intent = Intent::Undo;
    run.digest = run.plan.digest();
    run.record = Record::Undone { rank };
    run
}

pub(super) fn applied(key: &str) -> Applied {
    Applied {
        rank: 0,
        key: key.into(),
        version: Some(key.into()),
        description: format!("migration {key}"),
        kind: AppliedKind::Versioned,
        checksum: Some(Checksum::FlywayCrc32(-7)),
        at: "2026-01-02T03:04:05Z".into(),
        by: WHO.into(),
        ms: 0,
        run: None,
        bundle: RollbackBundle {
            down: Some(cofferdam_core::Script::new("U1__x.sql", "it's \\ \"quoted\"\n")),
            derived: vec![Unit { atomic: true, steps: vec![step("1", Act::sql("nothing"))] }],
            no_way_back: None,
            check: None,
            kept_in: None,
        },
        undone_at: None,
    }
}

/// Rows of a run that goes from where it is asked for to `to`.
pub(super) fn moves<'a>(from: Phase, to: Phase) -> Result<Vec<Line<'a>>, Broken> {
    let way = from.way_to(to).ok_or_else(|| Broken(format!("no way from {from:?} to {to:?}")))?;
    let mut lines = Vec::new();
    let mut phase = from;
    for on in way {
        let to = phase.next(on).map_err(|e| Broken(e.to_string()))?;
        lines.push(Line::Write(What::Moved { from: phase, on, to }));
        phase = to;
    }
    Ok(lines)
}

/// All steps of a run.
pub(super) fn steps(run: &Run) -> Vec<Line<'_>> {
    run.plan.steps().map(|step| Line::Perform { id: step.id.clone(), act: &step.act, step }).collect()
}

/// A batch of these lines for a run that is there already.
pub(super) fn batch<'a>(run: &'a Run, lines: Vec<Line<'a>>) -> Batch<'a> {
    Batch { run, open: false, adopt: false, lines, record: None, limits: Limits::default() }
}

/// The batch that does a whole run: opens it, performs its steps and records it.
pub(super) fn whole(run: &Run) -> Result<Batch<'_>, Broken> {
    let mut lines = moves(Phase::Requested, Phase::Expanding)?;
    lines.extend(steps(run));
    lines.extend(moves(Phase::Expanding, Phase::Done)?);
    Ok(Batch { open: true, record: Some(0), ..batch(run, lines) })
}

/// The batch that opens a run and does nothing else. The run's phase must be `Expanding`.
pub(super) fn opening(run: &Run) -> Result<Batch<'_>, Broken> {
    Ok(Batch { open: true, ..batch(run, moves(Phase::Requested, Phase::Expanding)?) })
}

pub(super) fn equal<T: PartialEq + Debug>(what: &str, found: T, expected: T) -> Outcome {
    if found == expected {
        return Ok(());
    }
    Err(Broken(format!("{what}: found {found:?}, expected {expected:?}")))
}

pub(super) fn holds(what: &str, yes: bool) -> Outcome {
    if yes { Ok(()) } else { Err(Broken(format!("not so: {what}"))) }
}

pub(super) fn seen(what: &str, found: &Seen, expected: &str) -> Outcome {
    let word = match found {
        Seen::NotDone => "not done",
        Seen::Partly(_) => "partly",
        Seen::Done => "done",
        Seen::Unclear(_) => "unclear",
    };
    equal(what, word, expected)
}

/// The engine has no such thing, and says so.
pub(super) fn lacks<T>(what: &str, result: Result<T, Fault>) -> Outcome {
    refused(what, result, Code::NotForThisEngine).map(drop)
}

/// It was refused for good with this code.
pub(super) fn refused<T>(what: &str, result: Result<T, Fault>, code: Code) -> Result<Refusal, Broken> {
    match result {
        Err(Fault::Refused(refusal)) if refusal.code == code => Ok(*refusal),
        Err(other) => Err(Broken(format!("{what}: expected {code:?}, got {other}"))),
        Ok(_) => Err(Broken(format!("{what}: expected {code:?}, but it was done"))),
    }
}
