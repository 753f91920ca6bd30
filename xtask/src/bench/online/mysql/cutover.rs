//! How long writers wait when the tables change places, under load.

use std::time::Duration;

use cofferdam_scratch::mysql::Kind;
use serde_json::{Value, json};

use super::super::change::{Change, now};
use super::super::cutover::{Cutovers, Seen};
use super::ground::Ground;
use super::load::Load;
use crate::bench::Asked;
use crate::bench::product::Product;

const ROWS: u64 = 300_000;
const CUTOVERS: usize = 30;

/// Clients of the load, and the share of what the server can do that they ask for.
const CLIENTS: u32 = 8;
const SHARE: f64 = 0.5;

/// Tries a second of the client that looks for stalls.
const PROBES: f64 = 500.0;

/// In milliseconds.
const GOAL_P99: f64 = 250.0;
const GOAL_MOST: f64 = 1_000.0;

pub(super) fn run(asked: &Asked, product: &Product, kind: Kind) -> Result<Value, String> {
    let rows = asked.rows.unwrap_or(ROWS);
    let ground = Ground::start(product, kind, rows)?;
    ground.copy()?;
    let all = Load::begin(&ground, CLIENTS, rows, None)?;
    std::thread::sleep(Duration::from_secs(8));
    let rate = all.end()?.rate_after(2.0) * SHARE;
    let load = Load::begin(&ground, CLIENTS, rows, Some(rate))?;
    let prober = Load::begin(&ground, 1, rows, Some(PROBES))?;
    std::thread::sleep(Duration::from_secs(3));
    let quiet = now();
    std::thread::sleep(Duration::from_secs(10));
    let quiet = (quiet, now());
    let mut seen = Vec::new();
    for _ in 0..asked.cutovers.unwrap_or(CUTOVERS) {
        // After the first the clauses change nothing more, and the table is written anew and swapped all the same.
        seen.push(Seen::of(Change::follow(ground.alter(&["--finalize"]))?)?);
    }
    let seen = Cutovers { seen, quiet, probes: prober.end()?, load: load.end()? };

    println!(
        "{}, {rows} rows, {CLIENTS} clients of single-row updates at {rate:.0} a second (half of what the server can do), \
         {} cutovers",
        ground.title(),
        seen.seen.len()
    );
    let mut told = seen.tell(GOAL_P99, GOAL_MOST);
    told["server"] = json!(ground.title());
    told["rows"] = json!(rows);
    told["rate"] = json!(rate);
    Ok(told)
}
