//! Runs, journal and history over time.

use std::time::Duration;

use cofferdam_core::approval::{Approval, Decision};
use cofferdam_core::journal::{What, first_break};
use cofferdam_core::{Checksum, Code, Fault, Phase};

use super::bench::{Bench, applied, equal, holds, loose, opening, refused, run_of, undo_of, whole};
use super::{Broken, Case, Harness, Outcome};
use crate::{Keeping, Kept, Run, Runs, Session};

pub(super) static CASES: &[Case] = &[
    Case { name: "runs are found by what is asked of them", run: |h| Box::pin(runs(h)) },
    Case { name: "rows that were taken back stay in the history", run: |h| Box::pin(undone(h)) },
    Case { name: "a row is taken back once", run: |h| Box::pin(undone_once(h)) },
    Case { name: "a baseline is added to the history, and journalled", run: |h| Box::pin(baseline(h)) },
    Case { name: "a history row is rewritten, and journalled", run: |h| Box::pin(repaired(h)) },
    Case { name: "a tool's table says the same as our history, or is refused", run: |h| Box::pin(kept(h)) },
    Case { name: "a word of a person is journalled beside the runs", run: |h| Box::pin(word(h)) },
];

async fn runs(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let words = bench.words();
    let mut session = bench.with_table().await?;
    let first = run_of("1", &[words.insert_three]);
    session.commit(&whole(&first)?).await?;
    let second = run_of("2", &[words.double_row]);
    session.commit(&whole(&second)?).await?;
    let third = Run { phase: Phase::Expanding, ..run_of("3", &[words.insert_three]) };
    session.commit(&opening(&third)?).await?;
    drop(session);
    let mut session = bench.session("contract two").await?;
    let ids = |runs: Vec<Run>| runs.into_iter().map(|r| r.id).collect::<Vec<_>>();
    equal("all", ids(session.runs(Runs::Last(9)).await?), vec![third.id, second.id, first.id])?;
    equal("the last two", ids(session.runs(Runs::Last(2)).await?), vec![third.id, second.id])?;
    equal("one", ids(session.runs(Runs::One(first.id)).await?), vec![first.id])?;
    equal("none", ids(session.runs(Runs::One(uuid::Uuid::nil())).await?), vec![])?;
    let unfinished = session.runs(Runs::Unfinished).await?;
    let found = unfinished.first().ok_or_else(|| Broken("the unfinished run is not found".into()))?;
    equal("unfinished", unfinished.len(), 1)?;
    equal("plan", &found.plan, &third.plan)?;
    equal("phase", found.phase, Phase::Expanding)?;
    equal("end", &found.ended_at, &None)?;
    let at = |text: &str| text.parse::<jiff::Timestamp>().map_err(|e| Broken(e.to_string()));
    equal("start", at(&found.started_at)?, at(&third.started_at)?)?;
    let of_second = session.journal(Some(second.id)).await?;
    holds("the journal of one run is its own", of_second.iter().all(|e| e.run == second.id))?;
    let all = session.journal(None).await?;
    equal("the journal's rows", all.iter().filter(|e| e.run == second.id).count(), of_second.len())
}

async fn undone(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let words = bench.words();
    let mut session = bench.with_table().await?;
    session.commit(&whole(&run_of("1", &[words.insert_three]))?).await?;
    session.commit(&whole(&run_of("2", &[words.double_row]))?).await?;
    session.commit(&whole(&undo_of(2, words.single_row))?).await?;
    session.commit(&whole(&run_of("2", &[words.double_row]))?).await?;
    let history = session.history().await?;
    let rows: Vec<_> = history.iter().map(|r| (r.rank, r.key.as_str(), r.in_force())).collect();
    equal("history", rows, vec![(1, "1", true), (2, "2", false), (3, "2", true)])?;
    let undone_at = history.get(1).and_then(|r| r.undone_at.clone()).unwrap_or_default();
    holds("the row says when", undone_at.parse::<jiff::Timestamp>().is_ok())
}

async fn undone_once(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let words = bench.words();
    let mut session = bench.with_table().await?;
    session.commit(&whole(&run_of("1", &[words.insert_three]))?).await?;
    session.commit(&whole(&undo_of(1, words.double_row))?).await?;
    refused("again", session.commit(&whole(&undo_of(1, words.double_row))?).await, Code::Fenced)?;
    equal("rows", bench.count(session.as_mut()).await?, 4)
}

async fn baseline(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let mut session = bench.with_table().await?;
    let row = cofferdam_core::history::Applied {
        kind: cofferdam_core::history::AppliedKind::Baseline,
        checksum: None,
        ..applied("7")
    };
    session.amend_history(&[(row, "baseline at 7".into())]).await?;
    session.commit(&whole(&run_of("8", &[bench.words().insert_three]))?).await?;
    let history = session.history().await?;
    let rows: Vec<_> = history.iter().map(|r| (r.rank, r.key.as_str(), r.kind)).collect();
    use cofferdam_core::history::AppliedKind::{Baseline, Versioned};
    equal("history", rows, vec![(1, "7", Baseline), (2, "8", Versioned)])?;
    equal("checksum", history.first().and_then(|r| r.checksum.clone()), None)?;
    let journal = session.journal(None).await?;
    equal("break", first_break(&journal), None)?;
    let note = What::Noted { text: "baseline at 7".into() };
    equal("the first row", journal.first().map(|e| &e.what), Some(&note))
}

async fn repaired(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let mut session = bench.with_table().await?;
    session.commit(&whole(&run_of("1", &[bench.words().insert_three]))?).await?;
    session.commit(&whole(&run_of("2", &[bench.words().double_row]))?).await?;
    let second = session.history().await?.pop().ok_or_else(|| Broken("no row".into()))?;
    let mut row = session.history().await?.first().cloned().ok_or_else(|| Broken("no row".into()))?;
    let before = row.clone();
    row.checksum = Some(Checksum::Sha256("ab".into()));
    row.description = "renamed".into();
    let other = cofferdam_core::history::Applied { description: "renamed, too".into(), ..second };
    let noted = |row: &cofferdam_core::history::Applied, note: &str| (row.clone(), note.to_owned());
    session.amend_history(&[noted(&row, "repaired 1"), noted(&other, "repaired 2")]).await?;
    let after = session.history().await?;
    equal("history", after, vec![row.clone(), other.clone()])?;
    holds("it is another row than before", row != before)?;
    let journal = session.journal(None).await?;
    equal("break", first_break(&journal), None)?;
    let told: Vec<_> = journal.iter().rev().take(2).map(|entry| (entry.run, entry.what.clone())).collect();
    let note = |row: &cofferdam_core::history::Applied, text: &str| {
        (row.run.unwrap_or_default(), What::Noted { text: text.into() })
    };
    equal("the last rows", told, vec![note(&other, "repaired 2"), note(&row, "repaired 1")])?;
    let before = session.journal(None).await?.len();
    let gone = cofferdam_core::history::Applied { rank: 9, ..row.clone() };
    let changed = cofferdam_core::history::Applied { description: "again".into(), ..row };
    let refused = session.amend_history(&[noted(&changed, "x"), noted(&gone, "x")]).await;
    holds("a row that is not there cannot be rewritten", refused.is_err())?;
    equal("and nothing of it is", session.journal(None).await?.len(), before)
}

async fn kept(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let words = bench.words();
    let mut session = bench.session("contract").await?;
    equal("nothing is asked for", session.keep(Keeping::default()).await?, Kept::Own)?;
    let own = Keeping { kept: Some(Kept::Own), ..Keeping::default() };
    equal("our own is asked for", session.keep(own).await?, Kept::Own)?;
    holds("no table is kept", session.beside().is_none())?;
    let both = Keeping { kept: Some(Kept::Both), tool: Some("goose".into()), ..Keeping::default() };
    match session.keep(both).await {
        // An engine that knows no tools, or that keeps no tables of theirs.
        Err(Fault::Refused(refusal)) => {
            let by_name = matches!(refusal.code, Code::NoSuchTool | Code::NotForThisEngine);
            return holds("it is refused by its name", by_name);
        }
        kept => equal("both are asked for", kept?, Kept::Both)?,
    }
    let versions = |session: &dyn Session| -> Vec<String> {
        let rows = session.beside().map(|beside| beside.theirs.applied.clone()).unwrap_or_default();
        rows.into_iter().filter_map(|row| row.version).collect()
    };
    session.claim(Duration::ZERO).await?;
    let (first, second, back) = match bench.can().transactional_ddl {
        true => (words.create_table, words.add_column, words.drop_column),
        false => {
            loose(session.as_mut(), words.create_table).await?;
            (words.insert_three, words.double_row, words.single_row)
        }
    };
    session.commit(&whole(&run_of("1", &[first]))?).await?;
    session.commit(&whole(&run_of("2", &[second]))?).await?;
    equal("history", session.history().await?.len(), 2)?;
    equal("the tool's", versions(session.as_ref()), vec!["1".to_owned(), "2".to_owned()])?;
    // What fails is in neither.
    holds("it fails", session.commit(&whole(&run_of("3", &[words.failing.0]))?).await.is_err())?;
    session.commit(&whole(&undo_of(2, back))?).await?;
    let history = session.history().await?;
    equal("in force", history.iter().filter(|row| row.in_force()).count(), 1)?;
    equal("the tool's after it", versions(session.as_ref()), vec!["1".to_owned()])?;
    let differs = session.beside().is_some_and(|beside| !beside.difference.is_none());
    holds("they agree", !differs)
}

async fn word(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let mut session = bench.with_table().await?;
    let approval = Approval {
        decision: Decision::Approve,
        digest: "sha256:ab".into(),
        plans: vec![],
        database: String::new(),
        role: "alice".into(),
        at: "2026-11-21T12:00:00Z".into(),
        until: None,
        comment: Some("agreed".into()),
    };
    let what = What::Approved { approval: Box::new(approval) };
    session.append(what.clone()).await?;
    session.commit(&whole(&run_of("1", &[bench.words().insert_three]))?).await?;
    session.append(what.clone()).await?;
    let of_no_run = session.journal(Some(uuid::Uuid::nil())).await?;
    equal("the words", of_no_run.iter().map(|e| &e.what).collect::<Vec<_>>(), vec![&what, &what])?;
    equal("break", first_break(&session.journal(None).await?), None)?;
    drop(session);
    let mut session = bench.session("contract two").await?;
    holds("without the run lock nothing is written", session.append(what).await.is_err())
}
