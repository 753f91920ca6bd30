//! What people outside of a run are told of it: some rows of the journal, as sentences.
//!
//! An event is a row: its id is that of the run and the row's number, so a delivery that is repeated after a crash
//! carries the same id, and who receives it can leave the second one out.

use serde::Serialize;
use uuid::Uuid;

use crate::journal::{Entry, What, fold};
use crate::online::Gate;
use crate::plan::{Act, Intent, Plan};
use crate::run::{Event, Phase};
use crate::who::Who;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Told {
    /// A run began.
    Began,
    /// It does not go on without a person: it is stuck, or ready to be swapped.
    Waits,
    /// The tables have changed places, and can change back.
    Swapped,
    /// The change is there.
    Finished,
    /// It failed, and is being taken back; or it never began.
    Failed,
    /// Nothing of the change is there.
    RolledBack,
}

impl Told {
    /// All of them.
    pub const ALL: [Told; 6] =
        [Told::Began, Told::Waits, Told::Swapped, Told::Finished, Told::Failed, Told::RolledBack];

    /// The word in the type of a CloudEvent, and in templates.
    pub fn word(self) -> &'static str {
        match self {
            Told::Began => "began",
            Told::Waits => "waits",
            Told::Swapped => "swapped",
            Told::Finished => "finished",
            Told::Failed => "failed",
            Told::RolledBack => "rolled-back",
        }
    }
}

/// One event, with all that a message can say of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    /// `RUN/SEQ`: the same whenever and by whomever it is delivered.
    pub id: String,
    /// What happened.
    pub kind: Told,
    /// What happened, as a sentence.
    pub title: String,
    /// The database.
    pub database: String,
    /// The run.
    pub run: Uuid,
    /// The row of the journal.
    pub seq: i64,
    /// When, RFC 3339 in UTC.
    pub at: String,
    /// Who acted.
    pub who: String,
    /// The environment, where one was chosen.
    pub environment: Option<String>,
    /// The migration.
    pub key: String,
    /// Its description.
    pub description: String,
    /// It applies the migration, or takes it back.
    pub intent: Intent,
    /// The strategy.
    pub strategy: String,
    /// The digest of the plan.
    pub digest: String,
    /// Where the run is.
    pub phase: Phase,
    /// Why it failed, or what is asked.
    pub why: Option<String>,
    /// The command that goes on from here, where a person is needed.
    pub next: Option<String>,
    /// The hash of the row: the head of the chain at that moment, for whoever keeps it outside of the database.
    pub hash: String,
}

/// What a row tells, by itself and the plan of its run.
pub fn told(what: &What, plan: &Plan) -> Option<Told> {
    let (from, last, to) = match what {
        What::Moved { from, on, to } => (*from, *on, *to),
        What::Passed { from, on, to } => (*from, *on.last()?, *to),
        _ => return None,
    };
    match to {
        Phase::Done if plan.intent == Intent::Undo => Some(Told::RolledBack),
        Phase::Done => Some(Told::Finished),
        Phase::RolledBack => Some(Told::RolledBack),
        Phase::Refused | Phase::RollingBack => Some(Told::Failed),
        Phase::Watching if last == Event::RevertRefused => Some(Told::Failed),
        Phase::Stuck => Some(Told::Waits),
        Phase::Watching => Some(Told::Swapped),
        Phase::Ready if gate(plan) == Some(&Gate::Manual) => Some(Told::Waits),
        _ if from == Phase::Requested => Some(Told::Began),
        _ => None,
    }
}

/// The gate of an online change.
fn gate(plan: &Plan) -> Option<&Gate> {
    plan.steps().find_map(|step| match &step.act {
        Act::Online { change, .. } => Some(&change.gate),
        _ => None,
    })
}

/// The event of the last of these rows, which are those of one run up to it; `None`: nobody is told of it.
pub fn notice(rows: &[Entry], plan: &Plan, digest: &str, database: &str) -> Option<Notice> {
    let row = rows.last()?;
    let kind = told(&row.what, plan)?;
    let state = fold(rows.iter().map(|row| &row.what)).ok()?;
    let question = state.stuck.and_then(|(_, question)| question);
    let why = match kind {
        Told::Waits => question.map(|q| format!("{} (look at {})", q.what, q.look_at)),
        Told::Failed => state.failure,
        _ => None,
    };
    let next = match (kind, state.phase) {
        (Told::Waits, Phase::Stuck) => Some(format!("cofferdam repair {}", row.run)),
        (Told::Waits, _) => Some(format!("cofferdam cutover {}", row.run)),
        (Told::Swapped, _) => Some(format!("cofferdam rollback {0}, or cofferdam finalize {0}", row.run)),
        _ => None,
    };
    Some(Notice {
        id: format!("{}/{}", row.run, row.seq),
        kind,
        title: title(kind, plan, state.phase, database),
        database: database.to_owned(),
        run: row.run,
        seq: row.seq,
        at: row.at.clone(),
        who: row.who.clone(),
        environment: Who::parse(&row.who).environment,
        key: plan.key.clone(),
        description: plan.description.clone(),
        intent: plan.intent,
        strategy: plan.strategy.clone(),
        digest: digest.to_owned(),
        phase: state.phase,
        why,
        next,
        hash: row.hash.clone(),
    })
}

fn title(kind: Told, plan: &Plan, phase: Phase, database: &str) -> String {
    let of = match plan.intent {
        Intent::Apply => "",
        Intent::Undo => "taking back ",
    };
    let what = match (kind, plan.intent, phase) {
        (Told::Began, ..) => "began",
        (Told::Waits, _, Phase::Stuck) => "is stuck: a person must say what happened",
        (Told::Waits, ..) => "is ready and waits for the word to swap",
        (Told::Swapped, ..) => "is swapped and can be taken back",
        (Told::Finished, ..) => "is finished",
        (Told::Failed, _, Phase::Refused) => "was refused; nothing was changed",
        (Told::Failed, _, Phase::Watching) => "could not be taken back; the swap stands",
        (Told::Failed, ..) => "failed and is being taken back",
        (Told::RolledBack, Intent::Undo, Phase::Done) => "is finished",
        (Told::RolledBack, ..) => "was taken back; nothing of it is left",
    };
    format!("{database}: {of}{} {what}", plan.key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Question;
    use crate::run::TABLE;

    fn plan(intent: Intent) -> Plan {
        Plan {
            strategy: "direct".into(),
            key: "1.5.0".into(),
            description: "order note".into(),
            intent,
            units: vec![],
            losses: vec![],
        }
    }

    fn rows(whats: Vec<What>) -> Vec<Entry> {
        let mut rows: Vec<Entry> = Vec::new();
        for (what, seq) in whats.into_iter().zip(7..) {
            let previous = rows.last().map(|row| row.hash.clone()).unwrap_or_default();
            let (at, who) = ("2026-11-20T10:02:11Z".to_owned(), "alice@host [prod]".to_owned());
            rows.push(Entry::chained(seq, Uuid::nil(), 1, at, who, what, &previous));
        }
        rows
    }

    fn moved(from: Phase, on: Event) -> What {
        What::Moved { from, on, to: from.next(on).unwrap() }
    }

    fn of(whats: Vec<What>) -> Option<Notice> {
        notice(&rows(whats), &plan(Intent::Apply), "sha256:1", "shop")
    }

    #[test]
    fn a_run_that_is_short_tells_its_end_and_a_long_one_its_beginning_too() {
        let on = Phase::Requested.way_to(Phase::Done).unwrap();
        let short = of(vec![What::Passed { from: Phase::Requested, on, to: Phase::Done }]).unwrap();
        assert_eq!(
            (short.kind, short.id.as_str()),
            (Told::Finished, "00000000-0000-0000-0000-000000000000/7")
        );
        assert_eq!(short.environment.as_deref(), Some("prod"));
        assert_eq!(short.title, "shop: 1.5.0 is finished");
        let on = vec![Event::PlanAccepted, Event::ChecksPassed];
        let began = What::Passed { from: Phase::Requested, on, to: Phase::Expanding };
        assert_eq!(of(vec![began.clone()]).unwrap().kind, Told::Began);
        assert_eq!(of(vec![began, What::Began { step: "1".into() }]), None);
    }

    #[test]
    fn why_it_failed_and_what_is_asked_are_told() {
        let on = vec![Event::PlanAccepted, Event::ChecksPassed];
        let began = What::Passed { from: Phase::Requested, on, to: Phase::Expanding };
        let failed = of(vec![
            began.clone(),
            What::Failed { step: "1".into(), why: "no such table".into() },
            moved(Phase::Expanding, Event::StepFailed),
        ])
        .unwrap();
        assert_eq!((failed.kind, failed.why.as_deref()), (Told::Failed, Some("no such table")));
        let question = Question { what: "did it end?".into(), look_at: "the log".into() };
        let stuck = of(vec![
            began,
            What::Asked { step: "1".into(), question },
            moved(Phase::Expanding, Event::OutcomeUnknown),
        ])
        .unwrap();
        assert_eq!((stuck.kind, stuck.why.as_deref()), (Told::Waits, Some("did it end? (look at the log)")));
        assert!(stuck.next.unwrap().starts_with("cofferdam repair "));
    }

    #[test]
    fn every_end_and_every_wait_for_a_person_is_told() {
        for row in TABLE {
            let what = What::Moved { from: row.from, on: row.on, to: row.to };
            let must =
                row.to.terminal() || matches!(row.to, Phase::Stuck | Phase::RollingBack | Phase::Watching);
            assert_eq!(
                told(&what, &plan(Intent::Apply)).is_some(),
                must || row.from == Phase::Requested,
                "{row:?}"
            );
        }
    }

    #[test]
    fn a_run_that_takes_back_is_told_as_such() {
        let on = Phase::Requested.way_to(Phase::Done).unwrap();
        let row = rows(vec![What::Passed { from: Phase::Requested, on, to: Phase::Done }]);
        let undone = notice(&row, &plan(Intent::Undo), "", "shop").unwrap();
        assert_eq!(
            (undone.kind, undone.title.as_str()),
            (Told::RolledBack, "shop: taking back 1.5.0 is finished")
        );
    }
}
