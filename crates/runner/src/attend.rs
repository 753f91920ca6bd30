//! What a person does to the records: baseline, repair, and stating a fact about a run that is stuck.

use uuid::Uuid;

use cofferdam_core::bundle::{Bundle, Version};
use cofferdam_core::fault::Result;
use cofferdam_core::history::{Applied, AppliedKind, RollbackBundle};
use cofferdam_core::journal::{StepState, What};
use cofferdam_core::run::{Event, FACTS};
use cofferdam_core::{Code, Limits, Phase, Refusal};
use cofferdam_engines::{Batch, Line, Runs, Session};
use cofferdam_formats::beside::Files;

use crate::Policy;
use crate::resume::state_of;

/// `SaysNotSwapped` is typed `not-swapped`.
pub fn fact_word(fact: Event) -> String {
    let mut word = String::new();
    for c in format!("{fact:?}").trim_start_matches("Says").chars() {
        if c.is_ascii_uppercase() && !word.is_empty() {
            word.push('-');
        }
        word.push(c.to_ascii_lowercase());
    }
    word
}

/// The fact of a word as it is typed.
pub fn fact_of(word: &str) -> Option<Event> {
    FACTS.iter().flat_map(|(_, facts)| facts.iter().copied()).find(|f| fact_word(*f) == word)
}

/// States a fact about a stuck run and returns the phase in which it is then. `apply` goes on with it.
pub async fn says(session: &mut dyn Session, id: Uuid, fact: Event, policy: &Policy) -> Result<Phase> {
    session.claim(policy.lock_wait).await?;
    let Some(mut run) = session.runs(Runs::One(id)).await?.pop() else {
        return Err(Refusal::new(Code::NoSuchRun, format!("there is no run {id}"))
            .help("cofferdam history --runs")
            .into());
    };
    let state = state_of(session, &run).await?;
    let Some((stuck_in, _)) = state.stuck.filter(|_| state.phase == Phase::Stuck) else {
        return Err(Refusal::new(
            Code::WrongFact,
            format!("run {id} is not stuck: it is in {:?}", state.phase),
        )
        .help("cofferdam status")
        .into());
    };
    if !stuck_in.takes_fact(fact) {
        let fits: Vec<String> = FACTS
            .iter()
            .filter(|(phase, _)| *phase == stuck_in)
            .flat_map(|(_, facts)| facts.iter().map(|f| fact_word(*f)))
            .collect();
        return Err(Refusal::new(
            Code::WrongFact,
            format!("{} does not fit: run {id} got stuck in {stuck_in:?}", fact_word(fact)),
        )
        .help(format!("cofferdam repair {id} --says {}", fits.join("|")))
        .into());
    }
    let to = Phase::Stuck.next(fact).map_err(|e| cofferdam_core::Fault::Bug(e.to_string()))?;
    let mut lines = vec![Line::Write(What::Moved { from: Phase::Stuck, on: fact, to })];
    let open_step = state.steps.iter().find(|(_, s)| **s == StepState::Began).map(|(id, _)| id.clone());
    match (fact, open_step) {
        (Event::SaysStepDone | Event::SaysContractStepDone, Some(step)) => {
            lines.push(Line::Write(What::Ended { step, how: "a person says so".into(), ms: None }));
        }
        // To be tried again, or, while the run is taken back, not to be looked for any more.
        (Event::SaysStepNotDone | Event::SaysContractBegan | Event::SaysNotSwapped, Some(step)) => {
            lines
                .push(Line::Write(What::Failed { step, why: "a person says that it did not happen".into() }));
        }
        _ => {}
    }
    run.phase = to;
    let record = (to == Phase::Done).then_some(0);
    session
        .commit(&Batch { run: &run, open: false, adopt: true, lines, record, limits: Limits::default() })
        .await?;
    session.release().await?;
    Ok(to)
}

/// Declares that everything up to a version is there. Refused where anything is applied already.
pub async fn baseline(
    session: &mut dyn Session,
    version: &Version,
    description: &str,
    policy: &Policy,
) -> Result<()> {
    session.claim(policy.lock_wait).await?;
    if let Some(applied) = session.history().await?.iter().find(|a| a.in_force()) {
        return Err(Refusal::new(Code::NothingToBaseline, "the history is not empty")
            .cause(format!("{} {} is applied", applied.key, applied.description))
            .help("cofferdam status")
            .into());
    }
    let row = Applied {
        rank: 0,
        key: version.text.clone(),
        version: Some(version.text.clone()),
        description: description.to_owned(),
        kind: AppliedKind::Baseline,
        checksum: None,
        at: jiff::Timestamp::now().to_string(),
        by: policy.who.clone(),
        ms: 0,
        run: None,
        bundle: RollbackBundle::default(),
        undone_at: None,
    };
    session.amend_history(&[(row, format!("baseline at {}", version.text))]).await?;
    session.release().await
}

/// Makes the history fit the files: checksums and descriptions of files that were changed, and rows whose files
/// are gone, which count as not applied from then on. Returns what was changed, a sentence each.
pub async fn repair(session: &mut dyn Session, bundle: &Bundle, policy: &Policy) -> Result<Vec<String>> {
    session.claim(policy.lock_wait).await?;
    let (mut said, mut changes) = (Vec::new(), Vec::new());
    let order = bundle.migrations.iter().find_map(|migration| migration.version.as_ref());
    let files = Files::of(bundle);
    let has_file = |a: &&Applied| a.kind == AppliedKind::Versioned || a.is_scripted_baseline();
    for applied in session.history().await?.iter().filter(|a| a.in_force()).filter(has_file) {
        let version = applied.version.as_deref().and_then(|text| match order {
            Some(order) => order.like(text),
            None => Version::parse(text),
        });
        if version.as_ref().is_some_and(Version::is_listed) {
            // A script of a list never had a file here.
            continue;
        }
        let file = files.about(applied);
        let mut row = applied.clone();
        let note = match file {
            // What it made is there, and without the row all of it would be applied once more.
            None if applied.kind == AppliedKind::Baseline => {
                row.checksum = None;
                format!("{} {}: its file is gone; it counts as declared", applied.key, applied.description)
            }
            None => {
                row.undone_at = Some(jiff::Timestamp::now().to_string());
                format!("{} {}: its file is gone; it counts as not applied", applied.key, applied.description)
            }
            Some(m)
                if applied.checksum.as_ref() != Some(&m.checksum) || applied.description != m.description =>
            {
                let before = applied.checksum.as_ref().map(ToString::to_string).unwrap_or_default();
                row.checksum = Some(m.checksum.clone());
                row.description.clone_from(&m.description);
                format!("{} {}: checksum {before} is now {}", applied.key, m.description, m.checksum)
            }
            Some(_) => continue,
        };
        changes.push((row, format!("repair: {note}")));
        said.push(note);
    }
    if !changes.is_empty() {
        session.amend_history(&changes).await?;
    }
    session.release().await?;
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fact_can_be_typed() {
        for (_, facts) in FACTS {
            for fact in *facts {
                assert_eq!(fact_of(&fact_word(*fact)), Some(*fact));
            }
        }
        assert_eq!(fact_word(Event::SaysNotSwapped), "not-swapped");
    }
}
