//! Going on with a run that another process began.

use cofferdam_core::fault::{Question, Result};
use cofferdam_core::journal::{self, Entry, State, StepState, What};
use cofferdam_core::run::FACTS;
use cofferdam_core::{Code, Limits, Phase, Refusal};
use cofferdam_engines::{Batch, Line, Run, Session};

use crate::drive::unanswered;

/// Reads where the run is and takes it over. Refuses one that is stuck, or whose plan is not the accepted one.
pub(crate) async fn take_over(session: &mut dyn Session, run: &mut Run, who: &str) -> Result<State> {
    let state = state_of(session, run).await?;
    if state.phase == Phase::Stuck {
        let (phase, question) = state.stuck.clone().unwrap_or((Phase::Stuck, None));
        // A step of which no end is known, or else one that failed.
        let code = match state.steps.values().any(|step| *step == StepState::Began) {
            true => Code::OutcomeUnknown,
            false => Code::RollbackFailed,
        };
        return Err(stuck_refusal(code, run, phase, question.as_ref()).into());
    }
    run.phase = state.phase;
    let text = format!("taken over by {who}");
    let batch = Batch {
        run,
        open: false,
        adopt: true,
        lines: vec![Line::Write(What::Noted { text })],
        record: None,
        limits: Limits::default(),
    };
    session.commit(&batch).await.map_err(unanswered)?;
    Ok(state)
}

/// The fold of the run's journal; its phase is the truth, the run row's a mirror. Refuses a run whose plan or whose
/// journal somebody else has written to: what was done cannot be told from it.
pub(crate) async fn state_of(session: &mut dyn Session, run: &Run) -> Result<State> {
    if run.plan.digest() != run.digest {
        return Err(Refusal::new(
            Code::JournalBroken,
            format!("the stored plan of run {} was changed", run.id),
        )
        .cause(format!("its digest is {}, accepted was {}", run.plan.digest(), run.digest))
        .help("find out who wrote to cofferdam.run before anything else is done")
        .into());
    }
    let broken = |why: String| {
        Refusal::new(Code::JournalBroken, format!("the journal of run {} cannot be", run.id))
            .cause(why)
            .help("cofferdam verify")
    };
    let entries = session.journal(None).await?;
    // Rows from before the run say nothing about it: it can be gone on with even if those were thrown away.
    let since = entries.iter().position(|e| e.run == run.id).unwrap_or(entries.len());
    if let Some(seq) = first_break_in(&entries[since..]) {
        return Err(broken(format!("row {seq} was changed, or the one before it was taken out")).into());
    }
    let own = entries[since..].iter().filter(|e| e.run == run.id);
    let state = journal::fold(own.map(|e| &e.what)).map_err(|illegal| broken(illegal.to_string()))?;
    // Both were written in one transaction.
    if state.phase != run.phase {
        let why = format!("it ends in {:?}, and the run's row says {:?}", state.phase, run.phase);
        return Err(broken(why).into());
    }
    Ok(state)
}

/// The first row that is not what its hash says, or does not follow the one before it.
fn first_break_in(entries: &[Entry]) -> Option<i64> {
    let changed = entries.iter().find(|e| e.hash != e.computed_hash()).map(|e| e.seq);
    let parted = entries
        .windows(2)
        .find(|pair| pair[1].seq != pair[0].seq + 1 || pair[1].previous != pair[0].hash)
        .map(|pair| pair[1].seq);
    changed.into_iter().chain(parted).min()
}

/// What is said of a run that only a person can bring on.
pub(crate) fn stuck_refusal(code: Code, run: &Run, phase: Phase, question: Option<&Question>) -> Refusal {
    let mut refusal = Refusal::new(code, format!("run {} of {} needs a person", run.id, run.plan.key));
    if let Some(question) = question {
        refusal = refusal.cause(question.what.clone()).note(format!("look at: {}", question.look_at));
    }
    let facts: Vec<String> = FACTS
        .iter()
        .filter(|(stuck_in, _)| *stuck_in == phase)
        .flat_map(|(_, facts)| facts.iter().map(|f| crate::attend::fact_word(*f)))
        .collect();
    refusal.help(format!(
        "find out, then state the fact: cofferdam repair {} --says {}",
        run.id,
        facts.join("|")
    ))
}
