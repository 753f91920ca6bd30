//! One runner at a time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cofferdam_core::Code;

use super::bench::{Bench, equal, holds, refused};
use super::{Broken, Case, Harness, Outcome};
use crate::{Session, Tick};

pub(super) static CASES: &[Case] = &[
    Case { name: "a database that Cofferdam never saw reads as empty", run: |h| Box::pin(reads_empty(h)) },
    Case { name: "claiming twice is claiming once", run: |h| Box::pin(claiming_twice(h)) },
    Case { name: "of two that claim at once exactly one gets it", run: |h| Box::pin(race(h)) },
    Case { name: "the lock is free after release, and after the session", run: |h| Box::pin(freed(h)) },
    Case { name: "who waits for the lock is told who holds it", run: |h| Box::pin(waiting(h)) },
    Case { name: "without the lock nothing can be written", run: |h| Box::pin(unclaimed(h)) },
];

async fn reads_empty(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let mut session = bench.session("contract").await?;
    equal("history", session.history().await?, vec![])?;
    equal("runs", session.runs(crate::Runs::Last(9)).await?, vec![])?;
    equal("unfinished runs", session.runs(crate::Runs::Unfinished).await?, vec![])?;
    equal("journal", session.journal(None).await?, vec![])?;
    equal("holder", session.holder().await?, None)
}

async fn claiming_twice(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let mut session = bench.claimed("contract").await?;
    session.claim(Duration::ZERO).await?;
    session.release().await?;
    // Were the lock counted, one release would not free it.
    let mut other = bench.claimed("other").await?;
    equal("journal", other.journal(None).await?, vec![])?;
    equal("history", other.history().await?, vec![])
}

async fn race(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let mut pair = (bench.session("contract one").await?, bench.session("contract two").await?);
    let mut wins = (0, 0);
    for try_ in 1..=100 {
        let one = tokio::spawn(try_to_claim(pair.0));
        let two = tokio::spawn(try_to_claim(pair.1));
        let (one, two) = futures::join!(one, two);
        let gone = |e: tokio::task::JoinError| Broken(format!("try {try_}: {e}"));
        let ((mut first, one), (mut second, two)) = (one.map_err(gone)?, two.map_err(gone)?);
        let (winner, loser, lost) = match (one, two) {
            (Ok(()), Err(lost)) => ("contract one", "contract two", lost),
            (Err(lost), Ok(())) => ("contract two", "contract one", lost),
            (Ok(()), Ok(())) => return Err(Broken(format!("try {try_}: both have the lock"))),
            (Err(one), Err(two)) => {
                return Err(Broken(format!("try {try_}: nobody has the lock: {one}; {two}")));
            }
        };
        let refusal = refused::<()>(loser, Err(lost), Code::LockHeldByOther)?;
        holds(
            &format!("try {try_}: {refusal} names {winner}"),
            refusal.cause.as_deref().is_some_and(|cause| cause.contains(winner)),
        )?;
        holds("the refusal says what to do", refusal.help.is_some())?;
        if winner == "contract one" {
            wins.0 += 1;
            first.release().await?;
        } else {
            wins.1 += 1;
            second.release().await?;
        }
        pair = (first, second);
    }
    equal("wins", wins.0 + wins.1, 100)
}

async fn try_to_claim(
    mut session: Box<dyn Session>,
) -> (Box<dyn Session>, Result<(), cofferdam_core::Fault>) {
    let result = session.claim(Duration::ZERO).await;
    (session, result)
}

async fn freed(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let mut first = bench.claimed("contract one").await?;
    let mut second = bench.session("contract two").await?;
    let holder = second.holder().await?.ok_or_else(|| Broken("no holder is shown".into()))?;
    equal("the holder", holder.application.as_str(), "contract one")?;
    refused("claiming", second.claim(Duration::ZERO).await, Code::LockHeldByOther)?;
    first.release().await?;
    second.claim(Duration::ZERO).await?;
    drop(second);
    // The server may take a moment to see that the client is gone; a claim that polls does not mind.
    first.claim(Duration::from_secs(20)).await?;
    Ok(())
}

async fn waiting(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let mut first = bench.claimed("contract one").await?;
    let mut second = bench.session("contract two").await?;
    let told = Arc::new(Mutex::new(false));
    let (heard, asked) = (told.clone(), told.clone());
    let set = |flag: &Mutex<bool>| *flag.lock().unwrap_or_else(PoisonError::into_inner) = true;
    second.listen(
        Arc::new(move |tick| {
            if matches!(&tick, Tick::LockedBy(holder) if holder.application == "contract one") {
                set(&heard);
            }
        }),
        // Once the holder is known there is nothing more to wait for.
        Arc::new(move || (*asked.lock().unwrap_or_else(PoisonError::into_inner)).into()),
    );
    refused("waiting", second.claim(Duration::from_secs(20)).await, Code::Interrupted)?;
    holds("a tick named the holder", *told.lock().unwrap_or_else(PoisonError::into_inner))?;
    first.release().await?;
    second.claim(Duration::from_secs(20)).await?;
    Ok(())
}

async fn unclaimed(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    // Claimed and released, so that it is not for want of tables that nothing can be written.
    let mut session = bench.claimed("contract").await?;
    session.release().await?;
    let run = super::bench::run_of("1", &[bench.words().create_table]);
    holds("commit is refused", session.commit(&super::bench::whole(&run)?).await.is_err())?;
    holds(
        "perform is refused",
        super::bench::loose(session.as_mut(), bench.words().create_table).await.is_err(),
    )?;
    let amended = session.amend_history(&[(super::bench::applied("1"), "note".into())]).await;
    holds("amending is refused", amended.is_err())?;
    let facts = session.facts(std::slice::from_ref(&bench.words().table)).await?;
    equal("the table is there", facts.table(&bench.words().table).map(|t| t.exists), Some(false))
}
