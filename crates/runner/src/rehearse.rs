//! Rehearsing what is pending: there, back and there again, on a copy or in a transaction that is taken back.

mod judge;
mod seen;

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use cofferdam_core::fault::Result;
use cofferdam_core::history::{Applied, AppliedKind};
use cofferdam_core::plan::{Plan, Step};
use cofferdam_core::{Code, Fault, Refusal};
use cofferdam_engines::{Deed, Session, Trial};
use cofferdam_schema::{Difference, compare};
use cofferdam_strategies::back;

use crate::guard::Stop;
use crate::{
    Assessment, Back, OpenChange, Pending, Policy, SharedReporter, apply, open_changes, rollback,
    rollback_plans, take_back,
};
use seen::Watching;

/// How long one statement may run where it is tried out in the database itself.
const STATEMENT: Duration = Duration::from_secs(2);
/// How long it waits there for its lock: nobody stands behind it for longer.
const LOCK: Duration = Duration::from_millis(100);

/// What was seen.
#[derive(Debug, Clone, Serialize, Default)]
#[serde(rename_all = "camelCase")]
pub struct Rehearsal {
    /// Each way, as far as it came.
    pub ways: Vec<Way>,
    /// What is other than before after the way there and back. Of a way back that is none, nothing is said.
    #[serde(skip)]
    pub differs: Vec<Difference>,
    /// What is other after the migration once more than after it was made first.
    #[serde(skip)]
    pub differs_again: Vec<Difference>,
    /// Why a migration has no way back, by its key.
    pub no_way_back: Vec<(String, String)>,
    /// What failed, and on which way.
    pub failed: Option<Failure>,
}

/// One way.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Way {
    /// Which.
    pub way: Direction,
    /// Its steps in order.
    pub steps: Vec<StepSeen>,
}

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// The migrations as they are pending.
    There,
    /// Their ways back, the last first.
    Back,
    /// The migrations once more.
    Again,
}

impl Direction {
    /// For a person.
    pub fn word(self) -> &'static str {
        match self {
            Direction::There => "there",
            Direction::Back => "back",
            Direction::Again => "there again",
        }
    }
}

/// What failed.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// On which way.
    pub way: Direction,
    /// What, with its cause.
    pub what: String,
    /// In the server's words.
    pub cause: Option<String>,
    /// The script and the line, where they are known.
    pub at: Option<String>,
}

/// One step, what the plan says of it, and what it was seen to do.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StepSeen {
    /// The migration.
    pub migration: String,
    /// The step's id in its plan.
    pub step: String,
    /// In a few words.
    pub title: String,
    /// The lock that the plan says; empty: none.
    pub lock: String,
    /// How long the plan says that it takes.
    pub estimate: String,
    /// How long it took here, in milliseconds.
    pub ms: u64,
    /// What was seen. `None`: the step is no statement but a part of an online change or the like.
    pub deed: Option<Deed>,
    /// Where what was seen is more than the plan says: a sentence each.
    pub more: Vec<String>,
    /// Where it is less.
    pub less: Vec<String>,
}

impl Rehearsal {
    /// Something takes more than the plan says.
    pub fn takes_more(&self) -> bool {
        self.ways.iter().flat_map(|way| &way.steps).any(|step| !step.more.is_empty())
    }

    /// Refuses what must not be applied: a failure or a difference, then what takes more than it says.
    ///
    /// # Errors
    /// `RehearsalFailed`, `MoreThanPlanned`.
    pub fn refuse(&self) -> Result<()> {
        let named = |differences: &[Difference]| {
            let names: Vec<String> = differences.iter().take(5).map(|d| d.key.to_string()).collect();
            names.join(", ")
        };
        let failed = |what: &str, cause: String| Refusal::new(Code::RehearsalFailed, what).cause(cause);
        if let Some(failure) = &self.failed {
            let what = format!("the way {} failed: {}", failure.way.word(), failure.what);
            return Err(failed(&what, failure.cause.clone().unwrap_or_default()).into());
        }
        if !self.differs.is_empty() {
            let what = "there and back does not give the schema that was there before";
            return Err(failed(what, format!("other than before: {}", named(&self.differs)))
                .help("correct the way back, or say in it what the migration does not undo")
                .into());
        }
        if !self.differs_again.is_empty() {
            let what = "the migration does not give the same schema once more";
            return Err(
                failed(what, format!("other than the first time: {}", named(&self.differs_again))).into()
            );
        }
        let more: Vec<&String> =
            self.ways.iter().flat_map(|way| &way.steps).flat_map(|step| &step.more).collect();
        match more.first() {
            None => Ok(()),
            Some(first) => {
                Err(Refusal::new(Code::MoreThanPlanned, "a statement takes more than the plan says")
                    .cause((*first).clone())
                    .help("cofferdam explain CF3737")
                    .into())
            }
        }
    }

    /// Ends well where a refusal is a finding of the rehearsal: then the rest is not done.
    fn fails(&mut self, way: Direction, outcome: Result<()>) -> Result<bool> {
        let refusal = match outcome {
            Ok(()) => return Ok(false),
            Err(Fault::Refused(refusal))
                if !matches!(refusal.code, Code::Interrupted | Code::ConnectionLost) =>
            {
                refusal
            }
            Err(Fault::Again { why, .. }) => why,
            Err(fault) => return Err(fault),
        };
        let place = refusal.place.as_ref();
        self.failed = Some(Failure {
            way,
            what: refusal.what.clone(),
            cause: refusal.cause.clone(),
            at: place.map(|place| format!("{}:{}:{}", place.path, place.at.line, place.at.column)),
        });
        Ok(true)
    }
}

/// On a copy of the database: the migrations by the runner itself, their ways back as `rollback` would go them, and the
/// migrations once more. `assessment` is of the database, so that the plans are those that it would get. The copy must
/// have the schema of the database and nobody else in it.
///
/// # Errors
/// What is no finding: a copy that cannot be reached any more, a mistake of ours.
pub async fn rehearse(
    copy: &mut dyn Session,
    assessment: &Assessment,
    policy: &Policy,
    stop: &Stop,
) -> Result<Rehearsal> {
    let mut found = Rehearsal::default();
    let before = copy.inspect().await?;
    copy.observe().await?;
    let watching = Arc::new(Watching::default());
    let outcome = apply(copy, assessment, policy, Arc::clone(&watching) as SharedReporter, stop).await;
    found.ways.push(watching.take(Direction::There, &assessment.facts));
    if found.fails(Direction::There, outcome.map(drop))? {
        return Ok(found);
    }
    let there = copy.inspect().await?;
    // Online changes wait in their revert window: they are swapped back.
    let mut open = open_changes(copy).await?;
    open.sort_by_key(|one| std::cmp::Reverse(one.run.id));
    let swapped: Vec<&str> = open.iter().map(|one| one.run.plan.key.as_str()).collect();
    let (ways, none) = ways_back(&assessment.pending, &swapped);
    found.no_way_back = none;
    if !ways.is_empty() || !open.is_empty() {
        let outcome = go_back(copy, &open, ways, policy, (&watching, stop)).await;
        found.ways.push(watching.take(Direction::Back, &assessment.facts));
        if found.fails(Direction::Back, outcome)? {
            return Ok(found);
        }
        let back = copy.inspect().await?;
        if found.no_way_back.is_empty() {
            found.differs = compare(&before, &back);
        }
        let reporter = Arc::clone(&watching) as SharedReporter;
        let outcome = apply(copy, assessment, policy, reporter, stop).await;
        found.ways.push(watching.take(Direction::Again, &assessment.facts));
        if found.fails(Direction::Again, outcome.map(drop))? {
            return Ok(found);
        }
        found.differs_again = compare(&there, &copy.inspect().await?);
    }
    Ok(found)
}

async fn go_back(
    copy: &mut dyn Session,
    open: &[OpenChange],
    ways: Vec<String>,
    policy: &Policy,
    (watching, stop): (&Arc<Watching>, &Stop),
) -> Result<()> {
    let reporter = || Arc::clone(watching) as SharedReporter;
    for one in open {
        take_back(copy, one.run.id, policy, reporter(), stop).await?;
    }
    if ways.is_empty() {
        return Ok(());
    }
    let plans = rollback_plans(copy, &Back::These(ways), policy).await?;
    rollback(copy, plans, policy, reporter(), stop).await.map(drop)
}

/// The migrations, from the last on, that can be taken back one after the other, and why the others cannot. One that
/// cannot stands in the way of those before it.
fn ways_back(pending: &[Pending], swapped: &[&str]) -> (Vec<String>, Vec<(String, String)>) {
    let mut keys = Vec::new();
    let mut none = Vec::new();
    for one in pending.iter().rev() {
        let key = one.migration.key();
        if swapped.contains(&key.as_str()) {
            continue;
        }
        if one.migration.version.is_none() {
            none.push((key, "it is repeatable: its next version takes its place".to_owned()));
            continue;
        }
        match (&one.bundle.down, &one.bundle.no_way_back) {
            (None, Some(why)) => {
                none.push((key, why.clone()));
                break;
            }
            _ => keys.push(key),
        }
    }
    (keys, none)
}

/// In a transaction of the database itself, which is taken back.
///
/// # Errors
/// `NotRehearsable` where a step is more than a statement, or would hold a lock while it works.
pub async fn in_transaction(session: &mut dyn Session, assessment: &Assessment) -> Result<Rehearsal> {
    let mut there: Vec<(String, Step)> = Vec::new();
    let mut ways: Vec<(String, Plan)> = Vec::new();
    let mut found = Rehearsal::default();
    for pending in &assessment.pending {
        let key = pending.migration.key();
        if let Some(unit) = pending.plan.units.iter().find(|unit| !unit.atomic) {
            let titles: Vec<&str> = unit.steps.iter().map(|step| step.title.as_str()).collect();
            return Err(not_in_transaction(&titles.join(", "), "it refuses a transaction"));
        }
        for step in pending.plan.steps() {
            if judge::takes_long(&step.estimate) {
                let why = format!("it takes {}, under its lock", step.estimate);
                return Err(not_in_transaction(&step.title, &why));
            }
            there.push((key.clone(), step.clone()));
        }
        match way_back(pending, session.dialect()) {
            Ok(plan) => ways.push((key, plan)),
            Err(why) => found.no_way_back.push((key, why)),
        }
    }
    let back: Vec<(String, Step)> = match found.no_way_back.is_empty() {
        true => {
            ways.iter().rev().flat_map(|(key, plan)| plan.steps().map(|s| (key.clone(), s.clone()))).collect()
        }
        false => Vec::new(),
    };
    let mut rounds = vec![(Direction::There, &there)];
    if !back.is_empty() {
        rounds.extend([(Direction::Back, &back), (Direction::Again, &there)]);
    }
    let before = session.inspect().await?;
    let trial = Trial {
        rounds: rounds.iter().map(|(_, steps)| steps.iter().map(|(_, step)| step).collect()).collect(),
        statement: STATEMENT,
        lock: LOCK,
    };
    let tried = match session.try_out(&trial).await {
        Err(fault) if fault.refusal().is_some_and(|why| why.code == Code::NotRehearsable) => {
            return Err(fault);
        }
        Err(fault) => {
            // In which round it was cannot be told: the first that fails ends all.
            found.fails(Direction::There, Err(fault))?;
            return Ok(found);
        }
        Ok(tried) => tried,
    };
    for ((way, steps), round) in rounds.iter().zip(&tried) {
        let seen = steps.iter().zip(&round.deeds).map(|((key, step), (deed, ms))| {
            seen::step(key, step, Some(deed.clone()), *ms, *way, &assessment.facts)
        });
        found.ways.push(Way { way: *way, steps: seen.collect() });
    }
    if let [there, back, again] = tried.as_slice() {
        found.differs = compare(&before, &back.schema);
        found.differs_again = compare(&there.schema, &again.schema);
    }
    Ok(found)
}

fn not_in_transaction(title: &str, why: &str) -> Fault {
    Refusal::new(Code::NotRehearsable, format!("{title} cannot be rehearsed in a transaction"))
        .cause(why.to_owned())
        .help("leave --in-transaction out: then it is rehearsed on a copy")
        .into()
}

/// The way back of a pending migration, of its statements as they are written. `Err` says why there is none.
fn way_back(pending: &Pending, dialect: &str) -> std::result::Result<Plan, String> {
    let migration = &pending.migration;
    if migration.version.is_none() {
        return Err("it is repeatable: its next version takes its place".into());
    }
    let applied = Applied {
        rank: 1,
        key: migration.key(),
        version: migration.version.as_ref().map(|v| v.text.clone()),
        description: migration.description.clone(),
        kind: AppliedKind::from(migration.kind),
        checksum: Some(migration.checksum.clone()),
        at: String::new(),
        by: String::new(),
        ms: 0,
        run: None,
        bundle: pending.bundle.clone(),
        undone_at: None,
    };
    let words = |refusal: &Refusal| refusal.cause.clone().unwrap_or_else(|| refusal.what.clone());
    let Some(down) = &applied.bundle.down else {
        return back::derived_plan(&applied).map_err(|why| words(&why));
    };
    let parsed = crate::sql::read(dialect, down).map_err(|fault| fault.to_string())?;
    let limits = pending.plan.steps().next().map(|step| step.limits).unwrap_or_default();
    Ok(seen::as_written(&applied, down, &parsed, limits))
}

/// A copy is used only where nothing is begun: an unfinished run would be gone on with.
///
/// # Errors
/// `NotRehearsable`.
pub fn refuse_unfinished(assessment: &Assessment) -> Result<()> {
    match assessment.unfinished.iter().find(|run| !crate::in_window(run)) {
        None => Ok(()),
        Some(run) => {
            Err(Refusal::new(Code::NotRehearsable, format!("the run of {} is not finished", run.plan.key))
                .cause("what is pending begins where it ends")
                .help("cofferdam apply goes on with it, cofferdam status shows it")
                .into())
        }
    }
}
