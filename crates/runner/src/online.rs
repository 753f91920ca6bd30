//! Online changes among the runs: which there are, what they keep others from, and when they are left alone.

use cofferdam_core::fault::Result;
use cofferdam_core::history::Applied;
use cofferdam_core::journal::{self, StepState};
use cofferdam_core::plan::Act;
use cofferdam_core::{Code, Facts, Name, Online, Phase, Refusal};
use cofferdam_engines::{OnlineState, Record, Run, Runs, Session};

use crate::{Assessment, Pending};

/// The online change that a run carries out, if it is one.
pub fn change_of(run: &Run) -> Option<&Online> {
    run.plan.steps().find_map(|step| match &step.act {
        Act::Online { change, .. } => Some(&**change),
        _ => None,
    })
}

/// That a run makes its change otherwise than is asked for now, in a sentence. `None`: it does not, or it makes none.
pub(crate) fn as_planned(run: &Run, asked: &Online) -> Option<String> {
    let otherwise = change_of(run)?.otherwise(asked)?;
    Some(format!("goes on with run {} as planned: {otherwise}", run.id))
}

/// The run belongs to `alter` and to no migration. `apply` leaves it alone: whoever asked for a migration did not
/// ask for a copy that may take hours, and the same `alter` goes on with it.
pub fn is_alter(run: &Run) -> bool {
    run.record == Record::Nothing
}

/// The tables were swapped, and the swap can be taken back until somebody ends it.
pub fn in_window(run: &Run) -> bool {
    run.phase == Phase::Watching && change_of(run).is_some()
}

/// An online change that has begun and is not finished: its run, and what the engine says of it.
#[derive(Debug, Clone)]
pub struct OpenChange {
    /// The run.
    pub run: Run,
    /// What the engine says; `None`: nothing of the change is there yet, or any more.
    pub state: Option<OnlineState>,
}

impl OpenChange {
    /// What is changed, and how.
    pub fn change(&self) -> Option<&Online> {
        change_of(&self.run)
    }
}

/// The online changes that have begun and are not finished, the oldest first. Reads only.
pub async fn open_changes(session: &mut dyn Session) -> Result<Vec<OpenChange>> {
    let runs = session.runs(Runs::Unfinished).await?;
    if !runs.iter().any(|run| change_of(run).is_some()) {
        return Ok(Vec::new());
    }
    let states = session.online().await?;
    let mut open = Vec::new();
    for run in runs.into_iter().rev() {
        let Some(id) = change_of(&run).map(Online::id) else { continue };
        let state = states.iter().find(|state| state.id == id).cloned();
        open.push(OpenChange { run, state });
    }
    Ok(open)
}

/// The history as the database's tables are: with the migrations whose tables are swapped, but whose runs are not
/// ended yet, because the swap can still be taken back.
pub fn with_windows(mut history: Vec<Applied>, unfinished: &[Run]) -> Vec<Applied> {
    let mut swapped: Vec<&Run> = unfinished
        .iter()
        .filter(|run| change_of(run).is_some() && matches!(run.phase, Phase::Watching | Phase::Contracting))
        .collect();
    swapped.sort_by_key(|run| run.id);
    for run in swapped {
        if let Record::Applied(applied) = &run.record {
            let rank = history.last().map_or(0, |last| last.rank) + 1;
            let at = run.started_at.clone();
            history.push(Applied { rank, at, run: Some(run.id), ..applied.as_ref().clone() });
        }
    }
    history
}

/// Whether `apply` does nothing about an unfinished run.
pub(crate) async fn left_alone(session: &mut dyn Session, run: &Run) -> Result<bool> {
    // What brings something back, or drops it for good, is short, and nobody waits for it.
    Ok((is_alter(run) && !crate::parked::is_of_parked(run)) || waits(session, run).await?)
}

/// In its revert window with nothing left to do but to end it. A runner that died just after the swap left steps
/// behind that belong before that.
pub(crate) async fn waits(session: &mut dyn Session, run: &Run) -> Result<bool> {
    // One that is to be taken back, and whose runner died before it was, does not wait.
    if !in_window(run) || session.asked_back(run.id).await?.is_some() {
        return Ok(false);
    }
    let entries = session.journal(Some(run.id)).await?;
    let Ok(state) = journal::fold(entries.iter().map(|e| &e.what)) else { return Ok(false) };
    let mut before_the_end = run.plan.steps().filter(|step| step.phase != Phase::Contracting);
    Ok(before_the_end.all(|step| state.steps.get(&step.id) == Some(&StepState::Ended)))
}

/// Refuses migrations about a table that is being changed online, or whose swap can still be taken back.
pub(crate) fn refuse_tables_at_change(open: &[Run], pending: &[Pending], facts: &Facts) -> Result<()> {
    for (run, change) in open.iter().filter_map(|run| Some((run, change_of(run)?))) {
        for pending in pending.iter().filter(|pending| pending.plan.key != run.plan.key) {
            let mut names = pending.relations.named.iter();
            if names.any(|name| is_the_table(name, &change.table, facts)) {
                let what = format!("migration {} is about {}", pending.plan.key, change.table);
                return Err(in_progress(run, &what).into());
            }
        }
    }
    Ok(())
}

/// See [`refuse_tables_at_change`].
pub(crate) fn refuse_assessed(assessment: &Assessment) -> Result<()> {
    refuse_tables_at_change(&assessment.unfinished, &assessment.pending, &assessment.facts)
}

fn is_the_table(name: &Name, table: &Name, facts: &Facts) -> bool {
    match facts.table(name).and_then(|found| found.resolved.as_ref()) {
        Some(resolved) => resolved == table,
        None => name.name == table.name && (name.schema.is_none() || name.schema == table.schema),
    }
}

/// The refusal for a table that a run is changing online.
pub(crate) fn in_progress(run: &Run, what: &str) -> Refusal {
    let table = change_of(run).map(|change| change.table.to_string()).unwrap_or_default();
    let how = change_of(run).map_or(run.plan.description.as_str(), |change| change.clauses.as_str());
    let (where_, help) = match run.phase {
        Phase::Watching => (
            "is swapped and can still be taken back",
            format!("end that with cofferdam finalize {0}, or take it back: cofferdam rollback {0}", run.id),
        ),
        Phase::Contracting => ("is being finished", format!("cofferdam finalize {}", run.id)),
        Phase::RollingBack => ("is being taken back", format!("cofferdam rollback {}", run.id)),
        Phase::Stuck => ("needs a person", "cofferdam status".to_owned()),
        _ => (
            "is not finished",
            format!("wait for it (cofferdam status), or give it up: cofferdam abort {}", run.id),
        ),
    };
    let table = if table.is_empty() { run.plan.key.clone() } else { table };
    Refusal::new(Code::ChangeInProgress, format!("{what}, and an earlier change of {table} {where_}"))
        .cause(format!("run {} by {}: {how}", run.id, run.by))
        .help(help)
}
