//! Writers beside what is measured, and whether what they were told is there.

use std::time::Duration;

use super::super::online::change::now;
use super::super::online::ground::{DATABASE, Ground};
use super::super::online::load::{Load, Script, Transactions, Writers, percentile};
use super::super::online::tables::{ACCOUNTS, TEMPLATE, accounts};
use super::WARM_UP;

/// Clients that write.
pub(super) const CLIENTS: usize = 8;

/// Tries a second of the client that looks for stalls.
const PROBES: f64 = 200.0;

/// A fresh database, with so many accounts in it.
pub(super) fn fill(ground: &Ground<'_>, rows: u64) -> Result<(), String> {
    accounts(ground, rows)?;
    ground.copy_of(TEMPLATE)
}

/// TPC-B-like writers that have warmed up; `None`: as fast as they can.
pub(super) fn writing(ground: &Ground<'_>, rate: Option<f64>) -> Result<Load, String> {
    let writers = Writers { name: "beside", script: Script::Tpcb, clients: CLIENTS, rate, seconds: None };
    let load = Load::begin(ground, &writers)?;
    std::thread::sleep(Duration::from_secs_f64(WARM_UP));
    Ok(load)
}

/// One more client, that writes a row of the table each few milliseconds and notices when it has to wait.
pub(super) fn probing(ground: &Ground<'_>, rows: u64) -> Result<Load, String> {
    let script = format!(
        "\\set aid random(1, {rows})\nUPDATE {ACCOUNTS} SET abalance = abalance + 1 WHERE aid = :aid;\n"
    );
    let script = Script::Own(&script);
    let probes = Writers { name: "prober", script, clients: 1, rate: Some(PROBES), seconds: None };
    Load::begin(ground, &probes)
}

/// Whether every write is there that was acknowledged: what the transactions added to accounts stands in their history,
/// and each probe added one.
pub(super) fn nothing_lost(ground: &Ground<'_>, probes: &Transactions) -> Result<(), String> {
    let sums =
        format!("SELECT (SELECT sum(abalance) FROM {ACCOUNTS}) - (SELECT sum(delta) FROM pgbench_history)");
    let more = ground.ask(DATABASE, &sums)?;
    match more == probes.all.len().to_string() {
        true => Ok(()),
        false => {
            Err(format!("{} writes were acknowledged to the prober, and {more} are there", probes.all.len()))
        }
    }
}

/// The first error that an application would not repeat.
pub(super) fn no_errors(all: &Transactions) -> Result<(), String> {
    all.errors.first().map_or(Ok(()), |error| Err(error.clone()))
}

/// Transactions a second.
pub(super) fn rate(all: &Transactions, (from, until): (f64, f64)) -> f64 {
    all.between(from, until).len() as f64 / (until - from).max(0.001)
}

/// A percentile of how long they took, in milliseconds.
pub(super) fn took(all: &Transactions, (from, until): (f64, f64), percent: f64) -> Result<f64, String> {
    percentile(&all.between(from, until), percent).ok_or_else(|| "nothing was done meanwhile".to_owned())
}

/// How long it is written for before anything happens, as a time of the writers' clock.
pub(super) fn meanwhile(seconds: u64) -> (f64, f64) {
    let from = now();
    std::thread::sleep(Duration::from_secs(seconds));
    (from, now())
}
