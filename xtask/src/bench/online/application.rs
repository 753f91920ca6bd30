//! What the application notices of a change: how long its transactions take while rows are copied, at half of what
//! the server can do; and how many of them the server can do while changed keys are captured.

use std::collections::BTreeMap;
use std::time::Duration;

use cofferdam_core::online::Part;
use serde_json::{Value, json};

use super::super::Asked;
use super::super::product::Product;
use super::super::report::{goal, spread, table};
use super::change::{Change, now};
use super::cutover::saturated;
use super::ground::Ground;
use super::load::{Load, Script, Writers, percentile};
use super::tables::{ACCOUNTS, TEMPLATE, WIDER_ACCOUNTS, accounts};

/// So many that the copy takes long enough to be looked at.
const ROWS: u64 = 4_000_000;
/// So few that the copy before a capture can be looked at is short.
const FEWER: u64 = 1_000_000;

const CLIENTS: usize = 8;

/// Seconds of load without a change, of which the first are not looked at.
const QUIET: u64 = 15;
const WARM_UP: f64 = 4.0;
/// Seconds of load at saturation.
const FULL: u64 = 16;

/// p95 while copying, by p95 without.
const GOAL_LATENCY: f64 = 1.25;
/// Transactions a second with a capture, by those without.
const GOAL_KEPT: f64 = 0.8;

pub(super) fn run(asked: &Asked, product: &Product) -> Result<Value, String> {
    let half = half_load(asked, product)?;
    let full = full_load(asked, product)?;
    Ok(json!({ "half_load": half, "saturated": full, "rounds": asked.runs }))
}

/// p95 in milliseconds: without a change, while copying, and through all of the change.
struct Latency {
    quiet: f64,
    copying: f64,
    whole: f64,
    /// The first two again, without the time that a transaction waited for a client that was free.
    quiet_sent: f64,
    copying_sent: f64,
}

fn half_load(asked: &Asked, product: &Product) -> Result<Value, String> {
    let ground = Ground::start(product, "replica")?;
    let rows = asked.rows.unwrap_or(ROWS);
    accounts(&ground, rows)?;
    ground.copy_of(TEMPLATE)?;
    let rate = saturated(&ground, 20)? / 2.0;
    let mut rounds = Vec::new();
    for round in 0..=asked.runs {
        let latency = latency(&ground, rate)?;
        if round > 0 {
            rounds.push(latency);
        }
    }
    println!(
        "{}, {rows} accounts, TPC-B-like, {CLIENTS} clients, {rate:.0} transactions a second",
        ground.title()
    );
    let line = |name: &str, of: fn(&Latency) -> f64| {
        let (least, median, most) = spread(rounds.iter().map(of));
        vec![name.to_owned(), format!("{median:.1} ({least:.1}-{most:.1})")]
    };
    let lines = [
        line("without a change", |l| l.quiet),
        line("while copying", |l| l.copying),
        line("through all of the change", |l| l.whole),
        line("copying / without", |l| l.copying / l.quiet),
        line("all / without", |l| l.whole / l.quiet),
        line("from when it is sent: without a change", |l| l.quiet_sent),
        line("from when it is sent: while copying", |l| l.copying_sent),
        line("from when it is sent: copying / without", |l| l.copying_sent / l.quiet_sent),
    ];
    println!("{}", table(&["at half of what the server can do", "p95, ms"], &lines));
    let (_, ratio, _) = spread(rounds.iter().map(|l| l.copying / l.quiet));
    goal(
        &format!("p95 while copying within {GOAL_LATENCY} of that without ({ratio:.2})"),
        ratio <= GOAL_LATENCY,
    );
    let rounds: Vec<Value> = rounds
        .iter()
        .map(|l| {
            json!({ "quiet_p95_ms": l.quiet, "copying_p95_ms": l.copying, "whole_p95_ms": l.whole,
                    "quiet_sent_p95_ms": l.quiet_sent, "copying_sent_p95_ms": l.copying_sent })
        })
        .collect();
    Ok(json!({ "rows": rows, "rate": rate, "rounds": rounds }))
}

fn latency(ground: &Ground<'_>, rate: f64) -> Result<Latency, String> {
    ground.copy_of(TEMPLATE)?;
    let writers =
        Writers { name: "half", script: Script::Tpcb, clients: CLIENTS, rate: Some(rate), seconds: None };
    let load = Load::begin(ground, &writers)?;
    let began = now();
    std::thread::sleep(Duration::from_secs(QUIET));
    let quiet = (began + WARM_UP, now());
    let done = Change::begin(ground, ACCOUNTS, WIDER_ACCOUNTS, &["--capture", "rows"])?.wait()?;
    let ended = now();
    let copy = done.stretch(Part::Copy).ok_or("it did not copy")?;
    let transactions = load.end()?;
    if let Some(error) = transactions.errors.first() {
        return Err(error.clone());
    }
    let p95 = |values: Vec<f64>| percentile(&values, 95.0).ok_or("nothing was done meanwhile");
    Ok(Latency {
        quiet: p95(transactions.between(quiet.0, quiet.1))?,
        copying: p95(transactions.between(copy.from, copy.to))?,
        whole: p95(transactions.between(quiet.1, ended))?,
        quiet_sent: p95(transactions.statements_between(quiet.0, quiet.1))?,
        copying_sent: p95(transactions.statements_between(copy.from, copy.to))?,
    })
}

/// What goes on beside the load at saturation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Beside {
    Nothing,
    /// Keys are logged, and nothing else: the copy is paused.
    Captured(&'static str),
    /// Keys are logged and applied: everything is copied and compared, and the swap waits for a person.
    KeptTheSame(&'static str),
}

const CAPTURES: [&str; 3] = ["rows", "statements", "logical"];

fn full_load(asked: &Asked, product: &Product) -> Result<Value, String> {
    // All of them on one server, so that the write-ahead log is the same for all.
    let ground = Ground::start(product, "logical")?;
    accounts(&ground, FEWER)?;
    let mut all = vec![Beside::Nothing];
    all.extend(CAPTURES.map(Beside::Captured));
    all.extend(CAPTURES.map(Beside::KeptTheSame));
    let mut rates: BTreeMap<Beside, Vec<f64>> = BTreeMap::new();
    let mut left_out: Vec<Beside> = Vec::new();
    for round in 0..=asked.runs {
        for turn in 0..all.len() {
            let beside = all[(round + turn) % all.len()];
            if left_out.contains(&beside) {
                continue;
            }
            match rate_beside(&ground, beside) {
                Ok(rate) if round > 0 => rates.entry(beside).or_default().push(rate),
                Ok(_) => {}
                Err(why) => {
                    println!("{}: left out: {why}", name(beside));
                    left_out.push(beside);
                }
            }
        }
    }
    println!(
        "{}, {FEWER} accounts, TPC-B-like, {CLIENTS} clients as fast as they can, wal_level = logical",
        ground.title()
    );
    let none = rates.get(&Beside::Nothing).map(|values| spread(values.iter().copied()).1);
    let none = none.ok_or("there is nothing to compare with")?;
    let measured: Vec<(Beside, (f64, f64, f64))> =
        rates.iter().map(|(beside, values)| (*beside, spread(values.iter().copied()))).collect();
    let row = |(beside, (least, median, most)): &(Beside, (f64, f64, f64))| {
        vec![
            name(*beside),
            format!("{median:.0} ({least:.0}-{most:.0})"),
            format!("{:.0} %", 100.0 * median / none),
        ]
    };
    println!("{}", table(&["at saturation", "tps", "kept"], &measured.iter().map(row).collect::<Vec<_>>()));
    for (beside, (_, median, _)) in measured.iter().filter(|(beside, _)| *beside != Beside::Nothing) {
        let kept = median / none;
        let what = format!(
            "{} keeps {:.0} % of the transactions ({:.0} %)",
            name(*beside),
            100.0 * GOAL_KEPT,
            100.0 * kept
        );
        goal(&what, kept >= GOAL_KEPT);
    }
    let values: Vec<Value> =
        rates.iter().map(|(beside, tps)| json!({ "beside": name(*beside), "tps": tps })).collect();
    Ok(json!({ "rows": FEWER, "rates": values }))
}

fn name(beside: Beside) -> String {
    match beside {
        Beside::Nothing => "no change".to_owned(),
        Beside::Captured(capture) => format!("--capture {capture}, paused"),
        Beside::KeptTheSame(capture) => format!("--capture {capture}, kept the same"),
    }
}

fn rate_beside(ground: &Ground<'_>, beside: Beside) -> Result<f64, String> {
    ground.copy_of(TEMPLATE)?;
    let begin = |capture: &str, workers: &str| {
        let flags = ["--capture", capture, "--cutover", "manual", "--workers", workers];
        Change::begin(ground, ACCOUNTS, WIDER_ACCOUNTS, &flags)
    };
    let change = match beside {
        Beside::Nothing => None,
        Beside::Captured(capture) => {
            let mut change = begin(capture, "1")?;
            change.until_begun(Part::Copy)?;
            asked(ground, "pause")?;
            Some(change)
        }
        Beside::KeptTheSame(capture) => {
            let mut change = begin(capture, "2")?;
            change.until_begun(Part::Gate)?;
            Some(change)
        }
    };
    let rate = saturated(ground, FULL)?;
    if let Some(change) = change {
        asked(ground, "abort")?;
        change.wait_given_up()?;
    }
    Ok(rate)
}

fn asked(ground: &Ground<'_>, command: &str) -> Result<(), String> {
    crate::machine::output(&mut ground.cofferdam(command)).map(|_| ())
}
