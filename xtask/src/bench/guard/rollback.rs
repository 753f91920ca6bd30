//! How long it takes until the old version serves again, and how long nobody can write meanwhile: by hand in the revert
//! window, and by itself when a check after the swap breaks.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::Asked;
use super::super::online::change::{Change, now};
use super::super::online::cutover::saturated;
use super::super::online::ground::{DATABASE, Ground};
use super::super::online::tables::{ACCOUNTS, TEMPLATE, WIDER_ACCOUNTS};
use super::super::product::Product;
use super::super::report::{goal, spread, spread_text, table};
use super::beside::{CLIENTS, fill, meanwhile, no_errors, nothing_lost, probing, writing};

const ROWS: u64 = 300_000;
/// Seconds for which it is written after the swap.
const WRITTEN: u64 = 5;
/// Share of what the server can do that the writers ask for.
const SHARE: f64 = 0.5;
/// A transaction that waited for the lock ends a moment after it.
const AFTER: f64 = 0.25;

/// A check that holds for as long as this table is empty.
const PLANTED: &str = "SELECT n FROM planted";

/// Changes the table, lets it be written to for so many seconds, and takes it back. Returns when that was asked for, and
/// when it was done.
type Go = fn(&Ground<'_>, u64) -> Result<(f64, f64), String>;

/// One way back.
struct Way {
    name: &'static str,
    go: Go,
    /// It may take so many seconds.
    goal: f64,
}

static WAYS: &[Way] = &[
    Way { name: "by hand in the revert window", go: by_hand, goal: 10.0 },
    Way { name: "by itself when a check breaks", go: by_itself, goal: 60.0 },
];

/// Nobody may wait so long, in milliseconds.
const GOAL_STALL: f64 = 1_000.0;

/// What was seen of one.
struct Round {
    /// In seconds.
    took: f64,
    /// The longest time that a write took, in milliseconds.
    stall: f64,
    /// The same in as long a time directly before.
    before: f64,
}

pub(super) fn run(asked: &Asked, product: &Product) -> Result<Value, String> {
    let ground = Ground::start(product, "replica")?;
    let rows = asked.rows.unwrap_or(ROWS);
    let written = asked.seconds.unwrap_or(WRITTEN);
    fill(&ground, rows)?;
    let rate = saturated(&ground, 10)? * SHARE;
    println!(
        "{}, {rows} rows, {CLIENTS} clients TPC-B-like at {rate:.0} transactions a second (half of what the server can \
         do), {written} s of them after the swap, {} rounds",
        ground.title(),
        asked.runs
    );
    let mut results = Vec::new();
    for way in WAYS {
        let rounds: Result<Vec<Round>, String> =
            (0..asked.runs).map(|_| round(&ground, way, rows, written, rate)).collect();
        let rounds = rounds.map_err(|why| format!("{}: {why}", way.name))?;
        let of = |of: fn(&Round) -> f64| rounds.iter().map(of).collect::<Vec<f64>>();
        let (took, stalls, before) = (of(|r| r.took), of(|r| r.stall), of(|r| r.before));
        let lines = [
            vec!["until the old version serves, s".to_owned(), spread_text(&took, 2)],
            vec!["longest write meanwhile, ms".to_owned(), spread_text(&stalls, 0)],
            vec!["longest write before, ms".to_owned(), spread_text(&before, 0)],
        ];
        println!("{}", table(&[way.name, ""], &lines));
        let (longest, worst) = (spread(took.iter().copied()).2, spread(stalls.iter().copied()).2);
        goal(&format!("{}: under {:.0} s ({longest:.1} s)", way.name, way.goal), longest < way.goal);
        let stalled = format!("{}: nobody waits for {:.0} s ({worst:.0} ms)", way.name, GOAL_STALL / 1e3);
        goal(&stalled, worst < GOAL_STALL);
        results.push(json!({ "way": way.name, "seconds": took, "stall_ms": stalls, "before_ms": before }));
    }
    Ok(
        json!({ "rows": rows, "rate": rate, "written_seconds": written, "rounds": asked.runs, "ways": results }),
    )
}

fn round(ground: &Ground<'_>, way: &Way, rows: u64, written: u64, rate: f64) -> Result<Round, String> {
    ground.copy_of(TEMPLATE)?;
    ground.run(DATABASE, &["CREATE TABLE planted (n int)"])?;
    let (probes, load) = (probing(ground, rows)?, writing(ground, Some(rate))?);
    let (from, until) = (way.go)(ground, written)?;
    let (probes, load) = (probes.end()?, load.end()?);
    [&probes, &load].into_iter().try_for_each(no_errors)?;
    // Fast because it did nothing is not fast.
    let ty = format!(
        "SELECT atttypid::regtype FROM pg_attribute WHERE attname = 'aid' AND attrelid = '{ACCOUNTS}'::regclass"
    );
    let ty = ground.ask(DATABASE, &ty)?;
    if ty != "integer" {
        return Err(format!("the key is {ty} afterwards"));
    }
    nothing_lost(ground, &probes)?;
    let longest = |from, until| probes.statements_between(from, until).last().copied();
    let took = until - from;
    Ok(Round {
        took,
        stall: longest(from, until + AFTER).ok_or("nothing was written meanwhile")?,
        before: longest(from - (written as f64).min(took), from).ok_or("nothing was written before")?,
    })
}

fn by_hand(ground: &Ground<'_>, written: u64) -> Result<(f64, f64), String> {
    Change::begin(ground, ACCOUNTS, WIDER_ACCOUNTS, &[])?.wait()?;
    meanwhile(written);
    let mut command = ground.cofferdam("rollback");
    command.args([ACCOUNTS, "--yes", "--progress", "json"]);
    let from = now();
    Change::follow(command)?.wait()?;
    Ok((from, now()))
}

fn by_itself(ground: &Ground<'_>, written: u64) -> Result<(f64, f64), String> {
    let flags = ["--bake", "600s", "--post-check", PLANTED];
    let mut change = Change::begin(ground, ACCOUNTS, WIDER_ACCOUNTS, &flags)?;
    change.until(|event| event.value["event"] == "baking")?;
    std::thread::sleep(Duration::from_secs(written));
    ground.run(DATABASE, &["INSERT INTO planted VALUES (1)"])?;
    let from = now();
    change.wait_given_up()?;
    Ok((from, now()))
}
