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
    /// It does not go on without a person: nobody agreed to it yet, it is stuck or stopped, or ready to be swapped.
    Waits,
    /// The tables have changed places, and can change back.
    Swapped,
    /// The change is there.
    Finished,
    /// It was refused before it began; or it could not be taken back, and the swap stands.
    Failed,
    /// Nothing of the change is there. Where it failed, this says so, too: that it is being taken back is not told apart.
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

/// What the note begins with that says what the watch found where it takes a run back.
pub const TAKEN_BACK: &str = "to be taken back: ";
/// What the note begins with that a run leaves which was stopped and is for a person to go on with.
pub const STOPPED: &str = "stopped for a person: ";

/// What a row tells, by itself and the plan of its run.
pub fn told(what: &What, plan: &Plan) -> Option<Told> {
    let (from, last, to) = match what {
        What::Moved { from, on, to } => (*from, *on, *to),
        What::Passed { from, on, to } => (*from, *on.last()?, *to),
        What::Noted { text } => return text.starts_with(STOPPED).then_some(Told::Waits),
        _ => return None,
    };
    match to {
        Phase::Done if plan.intent == Intent::Undo => Some(Told::RolledBack),
        Phase::Done => Some(Told::Finished),
        Phase::RolledBack => Some(Told::RolledBack),
        Phase::Refused => Some(Told::Failed),
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
    let stopped = match &row.what {
        What::Noted { text } => text.strip_prefix(STOPPED),
        _ => None,
    };
    let gave_way = (kind == Told::RolledBack).then(|| gave_way(rows)).flatten();
    let failed = gave_way.is_some();
    let why = match kind {
        Told::Waits if stopped.is_some() => stopped.map(str::to_owned),
        Told::Waits => question.map(|q| format!("{} (look at {})", q.what, q.look_at)),
        Told::Failed => state.failure,
        Told::RolledBack => gave_way.or_else(|| found_before(rows, plan)),
        _ => None,
    };
    let next = match (kind, state.phase) {
        (Told::Waits, _) if stopped.is_some() => {
            Some(format!("cofferdam rollback {}, or the same command with a wider limit goes on", row.run))
        }
        (Told::Waits, Phase::Stuck) => Some(format!("cofferdam repair {}", row.run)),
        (Told::Waits, _) => Some(format!("cofferdam cutover {}", row.run)),
        (Told::Swapped, _) => Some(format!("cofferdam rollback {0}, or cofferdam finalize {0}", row.run)),
        _ => None,
    };
    Some(Notice {
        id: format!("{}/{}", row.run, row.seq),
        kind,
        title: title((kind, failed, stopped.is_some()), plan, state.phase, database),
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

/// The event of plans that nobody has agreed to: a row that belongs to no run.
pub fn awaited(row: &Entry, database: &str) -> Option<Notice> {
    let What::Awaited { awaited } = &row.what else { return None };
    let key = match awaited.keys.as_slice() {
        [one] => one.clone(),
        [one, other] => format!("{one}, {other}"),
        [first, .., last] => format!("{first} to {last}"),
        [] => String::new(),
    };
    let waits = if awaited.keys.len() == 1 { "waits" } else { "wait" };
    Some(Notice {
        id: format!("{}/{}", row.run, row.seq),
        kind: Told::Waits,
        title: format!("{database}: {key} {waits} for an approval"),
        database: database.to_owned(),
        run: row.run,
        seq: row.seq,
        at: row.at.clone(),
        who: row.who.clone(),
        environment: Who::parse(&row.who).environment,
        key,
        description: String::new(),
        intent: Intent::Apply,
        strategy: String::new(),
        digest: awaited.digest.clone(),
        phase: Phase::Planned,
        why: Some(awaited.why.clone()),
        next: Some(awaited.next.clone()).filter(|next| !next.is_empty()),
        hash: row.hash.clone(),
    })
}

/// Why the run was taken back the last time that it was; `None`: a person asked for it.
fn gave_way(rows: &[Entry]) -> Option<String> {
    let back = rows.iter().rposition(|row| matches!(way(&row.what), Some((_, Phase::RollingBack))))?;
    // What was found and what failed was written together with it. What failed earlier, and was left for another try,
    // is no reason.
    let mut why = None;
    for row in rows[..back].iter().rev().take_while(|row| row.at == rows[back].at) {
        match &row.what {
            What::Noted { text } => why = text.strip_prefix(TAKEN_BACK).map(str::to_owned).or(why),
            What::Failed { why: failed, .. } => why = why.or_else(|| Some(failed.clone())),
            _ => {}
        }
    }
    let asked = matches!(way(&rows[back].what), Some((Event::CancelAsked, _)));
    match asked {
        true => why,
        false => Some(why.unwrap_or_else(|| "a step failed".to_owned())),
    }
}

/// What was found because of which a migration that had ended was taken back; `None`: a person asked for it.
fn found_before(rows: &[Entry], plan: &Plan) -> Option<String> {
    let found = |row: &Entry| match &row.what {
        What::Noted { text } => text.strip_prefix(TAKEN_BACK).map(str::to_owned),
        _ => None,
    };
    rows.iter().rev().filter(|_| plan.intent == Intent::Undo).find_map(found)
}

/// The last event of a row that moves, and where to.
fn way(what: &What) -> Option<(Event, Phase)> {
    match what {
        What::Moved { on, to, .. } => Some((*on, *to)),
        What::Passed { on, to, .. } => Some((*on.last()?, *to)),
        _ => None,
    }
}

fn title((kind, failed, stopped): (Told, bool, bool), plan: &Plan, phase: Phase, database: &str) -> String {
    let of = match plan.intent {
        Intent::Apply => "",
        Intent::Undo => "taking back ",
    };
    let what = match (kind, plan.intent, phase) {
        (Told::Began, ..) => "began",
        (Told::Waits, ..) if stopped => "was stopped: a person must say how it goes on",
        (Told::Waits, _, Phase::Stuck) => "is stuck: a person must say what happened",
        (Told::Waits, ..) => "is ready and waits for the word to swap",
        (Told::Swapped, ..) => "is swapped and can be taken back",
        (Told::Finished, ..) => "is finished",
        (Told::Failed, _, Phase::Refused) => "was refused; nothing was changed",
        (Told::Failed, _, Phase::Watching) => "could not be taken back; the swap stands",
        (Told::Failed, ..) => "failed",
        (Told::RolledBack, Intent::Undo, Phase::Done) => "is finished",
        (Told::RolledBack, ..) if failed => "failed and was taken back; nothing of it is left",
        (Told::RolledBack, ..) => "was taken back; nothing of it is left",
    };
    format!("{database}: {of}{} {what}", plan.key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::approval::Awaited;
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
        let failed = || {
            vec![
                began.clone(),
                What::Failed { step: "1".into(), why: "no such table".into() },
                moved(Phase::Expanding, Event::StepFailed),
            ]
        };
        // That it failed and that it was taken back is one event.
        assert_eq!(of(failed()), None);
        let back = of([failed(), vec![moved(Phase::RollingBack, Event::Reverted)]].concat()).unwrap();
        assert_eq!((back.kind, back.why.as_deref()), (Told::RolledBack, Some("no such table")));
        assert_eq!(back.title, "shop: 1.5.0 failed and was taken back; nothing of it is left");
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
    fn what_a_person_took_back_did_not_fail() {
        let on = Phase::Requested.way_to(Phase::Watching).unwrap();
        let swapped = What::Passed { from: Phase::Requested, on, to: Phase::Watching };
        let earlier = What::Failed { step: "9".into(), why: "an earlier try".into() };
        let found = What::Noted { text: format!("{TAKEN_BACK}maxDowntime 2 s: 3 s") };
        for (before, on, title, why) in [
            (vec![earlier.clone()], Event::CancelAsked, "was taken back", None),
            (vec![], Event::CancelAsked, "was taken back", None),
            (vec![found.clone()], Event::CancelAsked, "failed and was", Some("maxDowntime 2 s: 3 s")),
            (vec![found, earlier], Event::Regressed, "failed and was", Some("maxDowntime 2 s: 3 s")),
            (vec![], Event::Regressed, "failed and was", Some("a step failed")),
        ] {
            let back = vec![moved(Phase::Watching, on), moved(Phase::RollingBack, Event::Reverted)];
            let mut all = rows([vec![swapped.clone()], before, back].concat());
            // An earlier try was written earlier.
            if on == Event::CancelAsked && matches!(all[1].what, What::Failed { .. }) {
                all[1].at = "2026-11-20T09:00:00Z".into();
            }
            let told = notice(&all, &plan(Intent::Apply), "sha256:1", "shop").unwrap();
            assert!(told.title.starts_with(&format!("shop: 1.5.0 {title}")), "{}", told.title);
            assert_eq!(told.why.as_deref(), why);
        }
    }

    #[test]
    fn what_was_stopped_for_a_person_and_what_waits_for_an_approval_are_told() {
        let on = vec![Event::PlanAccepted, Event::ChecksPassed];
        let began = What::Passed { from: Phase::Requested, on, to: Phase::Expanding };
        let stopped = What::Noted { text: format!("{STOPPED}maxTime 1 s: 2 s") };
        let told = of(vec![began.clone(), stopped]).unwrap();
        assert_eq!((told.kind, told.why.as_deref()), (Told::Waits, Some("maxTime 1 s: 2 s")));
        assert!(
            told.title.ends_with("how it goes on") && told.next.unwrap().starts_with("cofferdam rollback ")
        );
        assert_eq!(of(vec![began, What::Noted { text: "a note".into() }]), None);
        for (keys, said) in [
            (&["1"][..], "shop: 1 waits for an approval"),
            (&["1", "2"], "shop: 1, 2 wait for an approval"),
            (&["1", "2", "3"], "shop: 1 to 3 wait for an approval"),
        ] {
            let waits = Awaited {
                digest: "sha256:9".into(),
                keys: keys.iter().map(|key| (*key).to_owned()).collect(),
                code: "CF3104".into(),
                why: "nobody".into(),
                next: "cofferdam approve".into(),
            };
            let rows = rows(vec![What::Awaited { awaited: Box::new(waits) }]);
            let told = awaited(&rows[0], "shop").unwrap();
            assert_eq!((told.kind, told.title.as_str()), (Told::Waits, said));
            assert_eq!((told.digest.as_str(), told.next.as_deref()), ("sha256:9", Some("cofferdam approve")));
        }
    }

    #[test]
    fn every_end_and_every_wait_for_a_person_is_told() {
        for row in TABLE {
            let what = What::Moved { from: row.from, on: row.on, to: row.to };
            // What is being taken back is told at its end, which may be that it is stuck.
            let must = row.to.terminal() || matches!(row.to, Phase::Stuck | Phase::Watching);
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
        assert_eq!(undone.why, None);
        // Somebody else's watch asked for it.
        let found = What::Noted { text: format!("{TAKEN_BACK}metric errors is 40") };
        let on = Phase::Requested.way_to(Phase::Done).unwrap();
        let all = rows(vec![found, What::Passed { from: Phase::Requested, on, to: Phase::Done }]);
        let undone = notice(&all, &plan(Intent::Undo), "", "shop").unwrap();
        assert_eq!(undone.why.as_deref(), Some("metric errors is 40"));
    }
}
