//! How long the table is locked when the tables change places, under load: as the program says, and as a client sees
//! it that writes a row each two milliseconds.

use std::time::Duration;

use cofferdam_core::online::Part;
use serde_json::{Value, json};

use super::super::Asked;
use super::super::product::Product;
use super::super::report::{goal, table};
use super::change::{Change, now};
use super::ground::Ground;
#[cfg(test)]
use super::load::Transaction;
use super::load::{Load, Script, Transactions, Writers, percentile};
use super::tables::{ACCOUNTS, TEMPLATE, WIDER_ACCOUNTS, accounts};

const ROWS: u64 = 300_000;
const CUTOVERS: usize = 60;

/// Clients of the load, and the share of what the server can do that they ask for.
const CLIENTS: usize = 8;
const SHARE: f64 = 0.5;

/// Tries a second of the client that looks for stalls.
const PROBES: f64 = 500.0;

/// A transaction that waited for the lock ends a moment after it.
const AFTER: f64 = 0.25;

/// In milliseconds.
const GOAL_P99: f64 = 100.0;
const GOAL_MOST: f64 = 1_000.0;

/// What is seen of one cutover, in milliseconds.
pub(super) struct Seen {
    /// By its own account; `None`: it did not say.
    locked: Option<f64>,
    /// From when to when it was at it.
    swap: (f64, f64),
    whole: (f64, f64),
    tries: usize,
}

pub(super) fn run(asked: &Asked, product: &Product) -> Result<Value, String> {
    let ground = Ground::start(product, "replica")?;
    let rows = asked.rows.unwrap_or(ROWS);
    accounts(&ground, rows)?;
    ground.copy_of(TEMPLATE)?;
    let rate = saturated(&ground, 10)? * SHARE;
    let prober = format!(
        "\\set aid random(1, {rows})\nUPDATE {ACCOUNTS} SET abalance = abalance + 1 WHERE aid = :aid;\n"
    );
    let load =
        Writers { name: "load", script: Script::Tpcb, clients: CLIENTS, rate: Some(rate), seconds: None };
    let prober = Writers {
        name: "prober",
        script: Script::Own(&prober),
        clients: 1,
        rate: Some(PROBES),
        seconds: None,
    };
    let (load, prober) = (Load::begin(&ground, &load)?, Load::begin(&ground, &prober)?);
    std::thread::sleep(Duration::from_secs(3));
    let quiet = now();
    std::thread::sleep(Duration::from_secs(10));
    let quiet = (quiet, now());
    let mut seen = Vec::new();
    for _ in 0..asked.cutovers.unwrap_or(CUTOVERS) {
        seen.push(cutover(&ground)?);
    }
    let seen = Cutovers { seen, quiet, probes: prober.end()?, load: load.end()? };

    println!(
        "{}, {rows} rows, {CLIENTS} clients TPC-B-like at {rate:.0} transactions a second (half of what the server can \
         do), {} cutovers",
        ground.title(),
        seen.seen.len()
    );
    let mut told = seen.tell(GOAL_P99, GOAL_MOST);
    told["server"] = json!(ground.binaries.version_text);
    told["rows"] = json!(rows);
    told["rate"] = json!(rate);
    Ok(told)
}

/// What was seen of several cutovers, and of a time without any.
pub(super) struct Cutovers {
    pub(super) seen: Vec<Seen>,
    pub(super) quiet: (f64, f64),
    pub(super) probes: Transactions,
    pub(super) load: Transactions,
}

impl Cutovers {
    /// Prints it beside goals in milliseconds, and gives it as JSON.
    pub(super) fn tell(&self, goal_p99: f64, goal_most: f64) -> Value {
        let (seen, probes, load) = (&self.seen, &self.probes, &self.load);
        let lines = [
            ("locked, as the program says", sorted(seen.iter().filter_map(|s| s.locked))),
            ("longest stall of the client while swapping", stalls(probes, seen.iter().map(|s| s.swap))),
            ("longest stall of the client in the whole change", stalls(probes, seen.iter().map(|s| s.whole))),
            ("longest stall in each second without a change", stalls(probes, each_second(self.quiet))),
        ];
        let cell =
            |values: &[f64], percent| percentile(values, percent).map_or("-".into(), |ms| format!("{ms:.0}"));
        let row = |(name, values): &(&str, Vec<f64>)| {
            let mut row = vec![(*name).to_owned()];
            row.extend([50.0, 99.0, 100.0].map(|percent| cell(values, percent)));
            row
        };
        let rows: Vec<_> = lines.iter().map(row).collect();
        println!("{}", table(&["milliseconds", "p50", "p99", "max"], &rows));
        let errors: Vec<String> = [probes, load].iter().flat_map(|t| t.errors.clone()).collect();
        let repeatable = probes.repeatable + load.repeatable;
        let tries: usize = seen.iter().map(|s| s.tries).sum();
        println!(
            "{tries} further tries; {repeatable} transactions ended as they may have to be repeated, {} by other errors",
            errors.len()
        );
        errors.iter().take(5).for_each(|error| println!("  {error}"));
        for (name, values) in &lines[..2] {
            let (p99, most) = (percentile(values, 99.0), percentile(values, 100.0));
            goal(&format!("{name}: p99 under {goal_p99:.0} ms"), p99.is_some_and(|ms| ms < goal_p99));
            goal(&format!("{name}: max under {goal_most:.0} ms"), most.is_some_and(|ms| ms < goal_most));
        }
        goal("no error but those of transactions to be repeated", errors.is_empty());
        let values: Vec<Value> = lines
            .iter()
            .map(|(name, values)| {
                json!({ "what": name, "count": values.len(), "p50_ms": percentile(values, 50.0),
                        "p99_ms": percentile(values, 99.0), "max_ms": percentile(values, 100.0) })
            })
            .collect();
        json!({ "cutovers": seen.len(), "tries": tries, "repeatable": repeatable, "errors": errors, "values": values })
    }
}

/// Transactions a second that the server can do.
pub(in crate::bench) fn saturated(ground: &Ground<'_>, seconds: u64) -> Result<f64, String> {
    let all =
        Writers { name: "all", script: Script::Tpcb, clients: CLIENTS, rate: None, seconds: Some(seconds) };
    Ok(Load::begin(ground, &all)?.wait()?.rate_after(2.0))
}

/// One change, up to the old table's end. The clauses are the same each time: after the first they change nothing
/// more, and the table is written anew and swapped all the same.
fn cutover(ground: &Ground<'_>) -> Result<Seen, String> {
    Seen::of(Change::begin(ground, ACCOUNTS, WIDER_ACCOUNTS, &["--finalize"])?)
}

impl Seen {
    /// Waits for the end of a change that was begun just now.
    pub(super) fn of(change: Change) -> Result<Self, String> {
        let began = now();
        let done = change.wait()?;
        let swap = done.stretch(Part::Swap).ok_or("it did not swap")?;
        let tries = done.events.iter().filter(|event| {
            event.value["event"] == "waitingFor" && event.at >= swap.from && event.at <= swap.to
        });
        Ok(Self {
            locked: done.locked(),
            swap: (swap.from, swap.to + AFTER),
            whole: (began, now()),
            tries: tries.count(),
        })
    }
}

/// The longest in each of these times.
fn stalls(probes: &Transactions, times: impl Iterator<Item = (f64, f64)>) -> Vec<f64> {
    sorted(times.filter_map(|(from, to)| probes.statements_between(from, to).last().copied()))
}

fn each_second((from, to): (f64, f64)) -> impl Iterator<Item = (f64, f64)> {
    let seconds = (to - from).max(0.0) as u32;
    (0..seconds).map(move |n| (from + f64::from(n), from + f64::from(n) + 1.0))
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_of_each_time_counts() {
        let probes = Transactions {
            all: [(1.0, 2.0), (1.5, 80.0), (1.9, 1.0), (2.5, 3.0), (9.0, 500.0)]
                .map(|(at, took)| Transaction { at, took, late: 1.0 })
                .to_vec(),
            ..Transactions::default()
        };
        assert_eq!(stalls(&probes, each_second((1.0, 4.2))), [2.0, 79.0]);
    }
}
