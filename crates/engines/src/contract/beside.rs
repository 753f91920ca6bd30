//! What a session beside a run can do while another one holds the run lock: touch tables, ask for vital signs, and
//! write down that the run is to be taken back.

use std::time::Duration;

use cofferdam_core::Name;
use uuid::Uuid;

use super::bench::{Bench, equal, holds};
use super::{Case, Harness, Outcome};
use crate::{TouchEnd, VitalsAsked};

pub(super) static CASES: &[Case] = &[
    Case { name: "a touch passes, gives up, or finds no table", run: |h| Box::pin(touch(h)) },
    Case { name: "vital signs have a value or say why not", run: |h| Box::pin(vitals(h)) },
    Case { name: "a run that is asked back is found so by others", run: |h| Box::pin(asked_back(h)) },
];

/// Short, and longer than a touch that nobody holds up.
const PATIENCE: Duration = Duration::from_millis(200);

async fn touch(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let table = bench.words().table.clone();
    let _runner = bench.with_table().await?;
    let mut beside = bench.session("contract beside").await?;
    let tables = [table.clone(), Name::plain("nowhere_to_be_found")];
    let ends = |touches: &[crate::Touch]| -> Vec<(bool, TouchEnd)> {
        touches.iter().map(|touch| (touch.writes, touch.end)).collect()
    };
    let all_free = [
        (false, TouchEnd::Passed),
        (true, TouchEnd::Passed),
        (false, TouchEnd::Absent),
        (true, TouchEnd::Absent),
    ];
    equal("nobody holds it", ends(&beside.touch(&tables, PATIENCE).await?), all_free.to_vec())?;
    let guard = harness.hold_table(&bench.target).await?;
    let held = beside.touch(&tables[..1], PATIENCE).await?;
    equal("somebody holds it", ends(&held), vec![(false, TouchEnd::GaveUp), (true, TouchEnd::GaveUp)])?;
    holds("it waited", held.iter().all(|touch| touch.waited >= PATIENCE))?;
    equal("who holds it is none of ours", held[1].ours, Some(false))?;
    drop(guard);
    for _ in 0..100 {
        let ended = beside.touch(&tables, PATIENCE).await?;
        if ends(&ended) == all_free {
            return Ok(());
        }
    }
    holds("it passes once the table is let go", false)
}

async fn vitals(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let _runner = bench.with_table().await?;
    let mut beside = bench.session("contract beside").await?;
    let none = beside.vitals(&VitalsAsked::default()).await?;
    equal("nothing was asked", none, crate::Vitals::default())?;
    let asked = VitalsAsked { lag: true, statements_of: vec![bench.words().table.clone()], host: true };
    let told = beside.vitals(&asked).await?;
    for (what, answer) in [
        ("lag", told.lag.map(|told| told.err())),
        ("statements", told.statements.map(|told| told.err())),
        ("host", told.host.map(|told| told.err())),
    ] {
        holds(what, answer.is_some_and(|why| why.is_none_or(|why| !why.is_empty())))?;
    }
    Ok(())
}

async fn asked_back(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let _runner = bench.claimed("contract").await?;
    let mut beside = bench.session("contract beside").await?;
    let (run, other) = (Uuid::now_v7(), Uuid::now_v7());
    equal("before", beside.asked_back(run).await?, None)?;
    beside.answer_back(run).await?;
    beside.ask_back(run, "the first").await?;
    beside.ask_back(run, "the second").await?;
    drop(beside);
    let mut next = bench.session("contract next").await?;
    let found = next.asked_back(run).await?;
    equal("the first word counts", found.as_ref().map(|(why, _)| why.as_str()), Some("the first"))?;
    holds("it has a time", found.is_some_and(|(_, at)| at.parse::<jiff::Timestamp>().is_ok()))?;
    equal("another run", next.asked_back(other).await?, None)?;
    next.answer_back(run).await?;
    equal("once answered", next.asked_back(run).await?, None)
}
