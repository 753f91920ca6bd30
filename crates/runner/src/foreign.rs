//! A step that a program of somebody else carries out: a container of the user's, of which only the version signal in
//! the database tells what it did.
//!
//! Its run is opened before the program starts and ended by a later process. In between nobody of ours holds the lock:
//! the open run itself keeps other runners away.

use std::sync::Arc;

use cofferdam_core::fault::{Question, Result};
use cofferdam_core::history::{Applied, AppliedKind, RollbackBundle};
use cofferdam_core::ident::{QuotedIdent, QuotedLiteral};
use cofferdam_core::journal::{State, StepState, What};
use cofferdam_core::plan::{Act, Intent, Plan, Probe, Step, Undo, Unit};
use cofferdam_core::run::Event;
use cofferdam_core::{Code, Limits, Name, Phase, Refusal, Span};
use cofferdam_engines::{Batch, Line, Record, Run, Session};

use crate::drive::{moved, unanswered, way};
use crate::resume::{state_of, stuck_refusal};
use crate::{Policy, RunSummary};

/// The strategy of such plans.
pub const STRATEGY: &str = "container";
/// The only step of such a plan.
pub const STEP: &str = "container";

/// Where the database says which version it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signal {
    /// The table, as the server stores its name.
    pub table: Name,
    /// The column.
    pub column: String,
    /// The value that one of its rows must have.
    pub value: String,
}

/// What the signal says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// It has the value.
    pub reached: bool,
    /// All that it says, as a digest: the same digest is the same signal.
    pub digest: String,
    /// What it says, for people.
    pub shown: String,
    /// What it says, where that is one value.
    pub value: Option<String>,
}

impl Signal {
    /// The table of a text: `schema.table` or `table`.
    pub fn table(text: &str) -> Name {
        match text.split_once('.') {
            Some((schema, table)) => Name::qualified(schema, table),
            None => Name::plain(text),
        }
    }

    /// Reads it. A table or a column that is not there yet says nothing.
    ///
    /// # Errors
    /// What the server says.
    pub async fn read(&self, session: &mut dyn Session) -> Result<Reading> {
        let table = self.table.to_sql()?;
        let there = format!(
            "SELECT 1 FROM pg_catalog.pg_attribute WHERE attrelid = pg_catalog.to_regclass({}) AND attname = {} \
             AND attnum > 0 AND NOT attisdropped",
            QuotedLiteral::new(&table)?,
            QuotedLiteral::new(&self.column)?,
        );
        if session.rows(&there, 1).await?.rows.is_empty() {
            let shown = format!("{}.{} is not there", self.table, self.column);
            return Ok(Reading { reached: false, digest: "none".into(), shown, value: None });
        }
        let column = QuotedIdent::new(&self.column)?;
        let value = QuotedLiteral::new(&self.value)?;
        let query = format!(
            "SELECT pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE {column}::text = {value}), \
             pg_catalog.max({column}::text), \
             pg_catalog.md5(pg_catalog.string_agg({column}::text, ',' ORDER BY {column}::text)) FROM {table}"
        );
        let found = session.rows(&query, 1).await?.rows.into_iter().next().unwrap_or_default();
        let cell = |number: usize| found.get(number).cloned().flatten();
        let rows = cell(0).unwrap_or_default();
        let reached = cell(1).is_some_and(|hits| hits != "0");
        let only = cell(2).filter(|_| rows == "1");
        let shown = match (reached, &only) {
            (true, _) => format!("{}.{} is {}", self.table, self.column, self.value),
            (false, Some(other)) => {
                format!("{}.{} is {other} and not {}", self.table, self.column, self.value)
            }
            (false, None) => {
                format!("none of the {rows} rows of {} has {} in {}", self.table, self.value, self.column)
            }
        };
        let digest = format!("{rows}-{}", cell(3).unwrap_or_default());
        let value = if reached { Some(self.value.clone()) } else { only };
        Ok(Reading { reached, digest, shown, value })
    }

    /// The query that returns a row as long as it does not have the value.
    fn missing(&self) -> Result<String> {
        let (table, column) = (self.table.to_sql()?, QuotedIdent::new(&self.column)?);
        let value = QuotedLiteral::new(&self.value)?;
        let hit = format!("SELECT FROM {table} WHERE {column}::text = {value}");
        Ok(format!("SELECT {value} AS missing WHERE NOT EXISTS ({hit})"))
    }
}

/// A start of the program, as the journal remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// For which order: what was asked for, as a digest.
    pub order: String,
    /// By which Job.
    pub job: String,
    /// In which Pod of it.
    pub pod: String,
    /// The Pod's number among those that work side by side.
    pub index: u32,
    /// The digest of the signal before it.
    pub signal: String,
}

impl Start {
    const MARK: &'static str = "the container is started:";

    fn note(&self) -> What {
        let Self { order, job, pod, index, signal } = self;
        let text = format!("{} for={order} job={job} pod={pod} index={index} signal={signal}", Self::MARK);
        What::Noted { text }
    }

    fn read(what: &What) -> Option<Self> {
        let What::Noted { text } = what else { return None };
        let words = text.strip_prefix(Self::MARK)?;
        let word = |name: &str| {
            let found = words.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
            found.map(str::to_owned)
        };
        Some(Self {
            order: word("for")?,
            job: word("job")?,
            pod: word("pod")?,
            index: word("index")?.parse().ok()?,
            signal: word("signal")?,
        })
    }
}

/// A run that is not over.
#[derive(Debug, Clone)]
pub struct Open {
    /// The run.
    pub run: Run,
    state: State,
    /// Its starts, the first first.
    pub starts: Vec<Start>,
}

impl Open {
    /// Only a person can bring it on.
    pub fn stuck(&self) -> bool {
        self.state.phase == Phase::Stuck
    }

    /// A person stated a fact about it, and nobody has acted on that yet.
    pub fn told(&self) -> bool {
        !self.stuck() && self.state.steps.get(STEP) != Some(&StepState::Began)
    }

    /// The last start.
    pub fn last(&self) -> Option<&Start> {
        self.starts.last()
    }
}

/// What a program is to do.
#[derive(Debug, Clone)]
pub struct About {
    /// What identifies it in the history.
    pub key: String,
    /// In a few words: "run registry/migrations:2 alembic upgrade head".
    pub title: String,
    /// The image, for the history.
    pub image: String,
}

/// The plan: one step, and the query by which it is believed.
///
/// # Errors
/// Names that cannot be names.
pub fn plan(about: &About, signal: &Signal) -> Result<Plan> {
    let step = Step {
        id: STEP.into(),
        phase: Phase::Expanding,
        title: about.title.clone(),
        act: Act::Check { queries: vec![signal.missing()?] },
        probe: Probe::Nothing,
        // Nobody here could: it is not known what the program does.
        undo: Undo::Nothing,
        limits: Limits::default(),
        lock: String::new(),
        blocks: "not known".into(),
        estimate: "not known".into(),
        path: String::new(),
        at: Span::default(),
    };
    Ok(Plan {
        strategy: STRATEGY.into(),
        key: about.key.clone(),
        description: about.image.clone(),
        intent: Intent::Apply,
        units: vec![Unit { atomic: false, steps: vec![step] }],
        losses: Vec::new(),
    })
}

/// The run is that of a program of somebody else.
pub fn is_foreign(run: &Run) -> bool {
    run.plan.strategy == STRATEGY
}

/// Refuses what would keep the journal from being written, before anything is begun.
///
/// # Errors
/// `PermissionMissing`, `ReadOnlyServer`.
pub async fn ready(session: &mut dyn Session, plan: &Plan) -> Result<()> {
    if session.facts(&[]).await?.server.read_only {
        return Err(Refusal::new(Code::ReadOnlyServer, "the server takes no writes")
            .cause("it is a standby, or default_transaction_read_only is on")
            .help("connect to the primary")
            .into());
    }
    crate::assess::refuse_missing_rights(session, &[plan]).await
}

/// Looks at a run in the journal.
///
/// # Errors
/// A journal that somebody else wrote to.
pub async fn look(session: &mut dyn Session, run: Run) -> Result<Open> {
    let state = state_of(session, &run).await?;
    let entries = session.journal(Some(run.id)).await?;
    let starts = entries.iter().filter_map(|entry| Start::read(&entry.what)).collect();
    Ok(Open { run, state, starts })
}

/// Opens the run; the lock is ours. The program may start once this is committed.
///
/// # Errors
/// Nothing was written, or it is not known.
pub async fn begin(
    session: &mut dyn Session,
    plan: Arc<Plan>,
    policy: &Policy,
    start: &Start,
) -> Result<Open> {
    let applied = Applied {
        rank: 0,
        key: plan.key.clone(),
        version: Some(plan.key.clone()),
        description: plan.description.clone(),
        kind: AppliedKind::Versioned,
        checksum: None,
        at: String::new(),
        by: policy.who.clone(),
        ms: 0,
        run: None,
        bundle: RollbackBundle {
            no_way_back: Some(
                "a container of your own made it, and only another one can take it back".into(),
            ),
            ..RollbackBundle::default()
        },
        undone_at: None,
    };
    let mut run = crate::apply::run(plan, Record::Applied(Box::new(applied)), policy);
    let mut lines = way(run.phase, Phase::Expanding)?;
    lines.push(Line::Write(start.note()));
    lines.push(Line::Write(What::Began { step: STEP.into() }));
    run.phase = Phase::Expanding;
    let batch = Batch { run: &run, open: true, adopt: false, lines, record: None, limits: Limits::default() };
    session.commit(&batch).await.map_err(unanswered)?;
    let mut state = State { phase: Phase::Expanding, ..State::default() };
    state.steps.insert(STEP.into(), StepState::Began);
    Ok(Open { run, state, starts: vec![start.clone()] })
}

/// Writes another start of a run that is open; the lock is ours.
///
/// # Errors
/// Nothing was written, or it is not known.
pub async fn started(session: &mut dyn Session, open: &mut Open, start: &Start) -> Result<()> {
    write(session, open, Phase::Expanding, vec![Line::Write(start.note())]).await?;
    open.starts.push(start.clone());
    Ok(())
}

/// Whether the signal has the value that this run was to bring: that of its own plan.
///
/// # Errors
/// What the server says.
pub async fn reached(session: &mut dyn Session, open: &Open) -> Result<bool> {
    for step in open.run.plan.steps() {
        let Act::Check { queries } = &step.act else { continue };
        for query in queries {
            match session.rows(query, 1).await {
                Ok(rows) if rows.rows.is_empty() => {}
                Ok(_) => return Ok(false),
                // Its table is not there.
                Err(fault) if fault.refusal().is_some_and(|why| why.code == Code::StatementFailed) => {
                    return Ok(false);
                }
                Err(fault) => return Err(fault),
            }
        }
    }
    Ok(true)
}

/// The signal has the value: the run is done, and the history says so. The lock is ours.
///
/// # Errors
/// Nothing was written, or it is not known.
pub async fn done(session: &mut dyn Session, open: &mut Open, how: &str) -> Result<RunSummary> {
    let mut lines = unstuck(open, Event::SaysStepDone)?;
    lines.push(Line::Write(What::Ended { step: STEP.into(), how: how.into(), ms: None }));
    lines.extend(way(Phase::Expanding, Phase::Done)?);
    write(session, open, Phase::Done, lines).await?;
    open.state.steps.insert(STEP.into(), StepState::Ended);
    Ok(summary(open))
}

/// The run is given up: it may be begun again. The lock is ours.
///
/// # Errors
/// Nothing was written, or it is not known.
pub async fn give_up(session: &mut dyn Session, open: &mut Open, why: &str) -> Result<RunSummary> {
    let mut lines = unstuck(open, Event::SaysStepNotDone)?;
    lines.push(Line::Write(What::Failed { step: STEP.into(), why: why.into() }));
    lines.push(moved(Phase::Expanding, Event::StepFailed)?);
    lines.push(moved(Phase::RollingBack, Event::Reverted)?);
    write(session, open, Phase::RolledBack, lines).await?;
    open.state.steps.insert(STEP.into(), StepState::Failed);
    Ok(summary(open))
}

/// Only a person can bring it on. The lock is ours.
///
/// # Errors
/// Nothing was written, or it is not known.
pub async fn ask(session: &mut dyn Session, open: &mut Open, question: Question) -> Result<()> {
    if open.stuck() {
        return Ok(());
    }
    let lines = vec![
        Line::Write(What::Asked { step: STEP.into(), question }),
        moved(Phase::Expanding, Event::OutcomeUnknown)?,
    ];
    write(session, open, Phase::Stuck, lines).await
}

/// What a runner does that meets such a run and did not begin it: it ends what a person has decided, and else keeps its
/// hands off.
pub(crate) async fn settle(session: &mut dyn Session, run: Run) -> Result<RunSummary> {
    let mut open = look(session, run).await?;
    if open.stuck() {
        let (phase, question) = open.state.stuck.clone().unwrap_or((Phase::Stuck, None));
        return Err(stuck_refusal(Code::OutcomeUnknown, &open.run, phase, question.as_ref()).into());
    }
    match open.state.steps.get(STEP) {
        Some(StepState::Ended) => done(session, &mut open, "a person says so").await,
        Some(StepState::Failed) => give_up(session, &mut open, "a person says that it did not happen").await,
        Some(StepState::Began) | None => Err(at_work(&open.run).into()),
    }
}

/// The refusal for a database that a container works on.
pub fn at_work(run: &Run) -> Refusal {
    let what = format!("{} is not finished on this database: {}", run.plan.key, run.plan.description);
    Refusal::new(Code::ChangeInProgress, what)
        .cause(format!("run {} by {}; only what its container left tells how it ended", run.id, run.by))
        .help("wait for its DatabaseMigration (kubectl get dbm), which reads the signal and ends it")
}

/// Out of being stuck by a fact; nothing where it is not stuck.
fn unstuck(open: &Open, fact: Event) -> Result<Vec<Line<'static>>> {
    if open.stuck() { Ok(vec![moved(Phase::Stuck, fact)?]) } else { Ok(Vec::new()) }
}

async fn write(session: &mut dyn Session, open: &mut Open, to: Phase, lines: Vec<Line<'_>>) -> Result<()> {
    let began = open.run.started_at.parse::<jiff::Timestamp>().ok();
    let ms = began.map_or(0, |began| jiff::Timestamp::now().duration_since(began).as_millis());
    let record = (to == Phase::Done).then(|| u64::try_from(ms).unwrap_or(0));
    let run = Run { phase: to, ..open.run.clone() };
    let batch = Batch { run: &run, open: false, adopt: true, lines, record, limits: Limits::default() };
    session.commit(&batch).await.map_err(unanswered)?;
    (open.run.phase, open.state.phase) = (to, to);
    Ok(())
}

fn summary(open: &Open) -> RunSummary {
    let began = open.run.started_at.parse::<jiff::Timestamp>().ok();
    let ms = began.map_or(0, |began| jiff::Timestamp::now().duration_since(began).as_millis());
    RunSummary {
        run: open.run.id,
        key: open.run.plan.key.clone(),
        description: open.run.plan.description.clone(),
        phase: open.run.phase,
        resumed: true,
        steps: usize::from(open.state.steps.get(STEP) == Some(&StepState::Ended)),
        ms: u64::try_from(ms).unwrap_or(0),
        guard: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_is_read_as_it_was_written() {
        let start = Start {
            order: "6f3c".into(),
            job: "orders-container-1".into(),
            pod: "orders-container-1-x".into(),
            index: 3,
            signal: "1-abc".into(),
        };
        assert_eq!(Start::read(&start.note()), Some(start));
        for text in ["", "the container is started:", "something else for=a job=b pod=c index=0 signal=d"] {
            assert_eq!(Start::read(&What::Noted { text: text.into() }), None, "{text}");
        }
    }

    #[test]
    fn a_table_may_have_a_schema() {
        assert_eq!(Signal::table("alembic_version"), Name::plain("alembic_version"));
        let drizzle = Name::qualified("drizzle", "__drizzle_migrations");
        assert_eq!(Signal::table("drizzle.__drizzle_migrations"), drizzle);
    }

    #[test]
    fn names_and_values_are_quoted() {
        let signal = Signal { table: Name::plain("a\"b"), column: "c d".into(), value: "o'k".into() };
        assert_eq!(
            signal.missing().unwrap(),
            "SELECT 'o''k' AS missing WHERE NOT EXISTS (SELECT FROM \"a\"\"b\" WHERE \"c d\"::text = 'o''k')"
        );
    }
}
