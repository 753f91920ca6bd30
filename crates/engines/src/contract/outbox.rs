//! The marks of those who are told by notifications.

use cofferdam_core::Phase;

use super::bench::{Bench, equal, holds, opening, run_of, whole};
use super::{Broken, Case, Harness, Outcome};
use crate::{Mark, Run, Sent, Session};

pub(super) static CASES: &[Case] = &[
    Case { name: "the journal is read from a row on", run: |h| Box::pin(after(h)) },
    Case { name: "a new place is told from a moment on", run: |h| Box::pin(begins(h)) },
    Case { name: "a mark moves on, keeps its failures and never moves back", run: |h| Box::pin(moves(h)) },
    Case { name: "one session at a time tells a place", run: |h| Box::pin(alone(h)) },
];

/// Before every row of these tests.
const BEFORE: &str = "2000-01-01T00:00:00Z";

async fn after(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let words = bench.words();
    let mut looking = bench.session("contract looks").await?;
    equal("head of nothing", looking.journal_head().await?, None)?;
    equal("rows of nothing", looking.journal_after(0, 9).await?.len(), 0)?;
    equal("nothing to tell", looking.take_mark("slack", BEFORE).await?, None)?;
    equal("no marks", looking.marks().await?, vec![])?;
    let mut session = bench.with_table().await?;
    session.commit(&whole(&run_of("1", &[words.insert_three]))?).await?;
    session.commit(&opening(&Run { phase: Phase::Expanding, ..run_of("2", &[words.insert_three]) })?).await?;
    let all = session.journal(None).await?;
    let last = all.last().ok_or_else(|| Broken("the journal is empty".into()))?;
    equal("head", looking.journal_head().await?, Some((last.seq, last.hash.clone())))?;
    equal("all", looking.journal_after(0, 100).await?, all.clone())?;
    equal("the last", looking.journal_after(last.seq - 1, 100).await?, vec![last.clone()])?;
    equal("at most", looking.journal_after(0, 1).await?, all.into_iter().take(1).collect())
}

async fn begins(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let words = bench.words();
    let mut session = bench.with_table().await?;
    session.commit(&whole(&run_of("1", &[words.insert_three]))?).await?;
    let head = session.journal_head().await?.map_or(0, |(seq, _)| seq);
    let mut looking = bench.session("contract tells").await?;
    let mark = taken(&mut *looking, "new", "2999-01-01T00:00:00Z").await?;
    equal("behind what was there", mark.sent, head)?;
    let mark = taken(&mut *looking, "early", BEFORE).await?;
    equal("before everything", mark.sent, 0)?;
    let mark = taken(&mut *looking, "new", BEFORE).await?;
    equal("one that is there stays where it is", mark.sent, head)
}

async fn moves(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let words = bench.words();
    let mut session = bench.with_table().await?;
    session.commit(&whole(&run_of("1", &[words.insert_three]))?).await?;
    let mut looking = bench.session("contract tells").await?;
    taken(&mut *looking, "slack", BEFORE).await?;
    looking.set_mark("slack", &Sent::Failed("it is \u{1f4a4} \"down\"".into())).await?;
    looking.set_mark("slack", &Sent::Failed("down".into())).await?;
    let mark = only(looking.marks().await?)?;
    equal("tried", (mark.sent, mark.attempts, mark.error.as_deref()), (0, 2, Some("down")))?;
    holds("it says when", mark.failed_at.is_some_and(|at| at.parse::<jiff::Timestamp>().is_ok()))?;
    looking.set_mark("slack", &Sent::Delivered(3)).await?;
    looking.set_mark("slack", &Sent::Passed(2)).await?;
    let mark = only(looking.marks().await?)?;
    equal("moved", (mark.sent, mark.attempts, mark.error), (3, 0, None))?;
    holds("it says when", mark.sent_at.is_some_and(|at| at.parse::<jiff::Timestamp>().is_ok()))
}

async fn alone(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let words = bench.words();
    let mut session = bench.with_table().await?;
    session.commit(&whole(&run_of("1", &[words.insert_three]))?).await?;
    let mut one = bench.session("contract one").await?;
    let mut two = bench.session("contract two").await?;
    taken(&mut *one, "slack", BEFORE).await?;
    equal("the same place", two.take_mark("slack", BEFORE).await?, None)?;
    taken(&mut *two, "email", BEFORE).await?;
    one.leave_mark("slack").await?;
    taken(&mut *two, "slack", BEFORE).await?;
    equal("it was given away", one.take_mark("slack", BEFORE).await?, None)?;
    drop(two);
    // The server may take a moment to notice.
    for _ in 0..500 {
        if one.take_mark("slack", BEFORE).await?.is_some() {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    Err(Broken("a session that ended keeps the place".into()))
}

async fn taken(session: &mut dyn Session, sink: &str, since: &str) -> Result<Mark, Broken> {
    session.take_mark(sink, since).await?.ok_or_else(|| Broken(format!("{sink} could not be taken")))
}

fn only(mut marks: Vec<Mark>) -> Result<Mark, Broken> {
    marks.pop().filter(|_| marks.is_empty()).ok_or_else(|| Broken("there is not one mark".into()))
}
