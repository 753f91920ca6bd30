//! What a rehearsal needs: what each step does, and trying steps out without leaving anything.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use cofferdam_core::Code;
use cofferdam_core::plan::Act;
use cofferdam_schema::compare;

use super::bench::{Bench, equal, holds, lacks, loose, refused, run_of, step, whole};
use super::{Case, Harness, Outcome};
use crate::{Stopping, Tick, Trial};

pub(super) static CASES: &[Case] = &[
    Case { name: "each step of an observed session is told, once", run: |h| Box::pin(observed(h)) },
    Case { name: "what is tried out leaves nothing behind", run: |h| Box::pin(tried(h)) },
    Case { name: "what fails while it is tried out leaves nothing behind", run: |h| Box::pin(failed(h)) },
];

async fn observed(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let words = bench.words();
    let mut session = bench.with_table().await?;
    if !bench.can().rehearses {
        return lacks("observing", session.observe().await);
    }
    let told = Arc::new(Mutex::new(Vec::new()));
    let telling = Arc::clone(&told);
    session.listen(
        Arc::new(move |tick| {
            if let Tick::Deed(step, _) = tick
                && let Ok(mut told) = telling.lock()
            {
                told.push(step);
            }
        }),
        Arc::new(|| Stopping::No),
    );
    loose(session.as_mut(), words.insert_three).await?;
    session.observe().await?;
    let run = run_of("1", &[words.add_column, words.insert_three]);
    session.commit(&whole(&run)?).await?;
    loose(session.as_mut(), words.build_index).await?;
    let told = told.lock().map(|told| told.clone()).unwrap_or_default();
    equal("the steps that were told", told, vec!["1".to_owned(), "2".to_owned(), "1".to_owned()])
}

async fn tried(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let words = bench.words();
    let mut session = bench.with_table().await?;
    if !bench.can().rehearses {
        let nothing = Trial { rounds: vec![], statement: Duration::ZERO, lock: Duration::ZERO };
        return lacks("trying out", session.try_out(&nothing).await);
    }
    let before = session.inspect().await?;
    let there = step("1", Act::sql(words.add_column));
    let back = step("undo 1", Act::sql(words.drop_column));
    let second = Duration::from_secs(1);
    let trial =
        Trial { rounds: vec![vec![&there], vec![&back], vec![&there]], statement: second, lock: second };
    let rounds = session.try_out(&trial).await?;
    equal("rounds", rounds.len(), 3)?;
    holds("each has its step", rounds.iter().all(|round| round.deeds.len() == 1))?;
    holds("the first changes", !compare(&before, &rounds[0].schema).is_empty())?;
    equal("the way back", compare(&before, &rounds[1].schema), Vec::new())?;
    equal("once more", compare(&rounds[0].schema, &rounds[2].schema), Vec::new())?;
    equal("nothing is left", compare(&before, &session.inspect().await?), Vec::new())?;
    let mut other = bench.session("contract other").await?;
    equal("nor seen by others", compare(&before, &other.inspect().await?), Vec::new())
}

async fn failed(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let words = bench.words();
    let mut session = bench.with_table().await?;
    if !bench.can().rehearses {
        let nothing = Trial { rounds: vec![], statement: Duration::ZERO, lock: Duration::ZERO };
        return lacks("trying out", session.try_out(&nothing).await);
    }
    let before = session.inspect().await?;
    let there = step("1", Act::sql(words.add_column));
    let wrong = step("2", Act::sql(words.failing.0));
    let second = Duration::from_secs(1);
    let trial = Trial { rounds: vec![vec![&there, &wrong]], statement: second, lock: second };
    refused("a failing step", session.try_out(&trial).await, Code::StatementFailed)?;
    equal("nothing is left", compare(&before, &session.inspect().await?), Vec::new())?;
    let copied = step("1", Act::Sql { sql: words.insert_three.into(), copy_rows: Some("1\n".into()) });
    let trial = Trial { rounds: vec![vec![&copied]], statement: second, lock: second };
    refused("rows of its own", session.try_out(&trial).await, Code::NotRehearsable).map(drop)
}
