//! A backup of a table that is saved, read back, restored where nobody sees it, and compared, while others write to that
//! table.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::Asked;
use super::super::measure::timed;
use super::super::online::change::now;
use super::super::online::cutover::saturated;
use super::super::online::ground::{DATABASE, Ground};
use super::super::online::load::{Load, Script, Transactions, Writers, percentile};
use super::super::online::tables::{ACCOUNTS, TEMPLATE, accounts};
use super::super::product::Product;
use super::super::report::{goal, table};
use super::{CLIENTS, WARM_UP, of_all, spread};

/// About 1 GB in the table.
const ROWS: u64 = 7_800_000;
/// Seconds of load without a backup.
const QUIET: u64 = 20;
/// Writers keep so much.
const GOAL_KEPT: f64 = 0.9;

/// One backup beside a load.
struct Round {
    /// From before the command was started until it was gone, in seconds.
    took: f64,
    /// Transactions a second without and with it.
    quiet: f64,
    beside: f64,
    /// p95 in milliseconds, the same.
    quiet_p95: f64,
    beside_p95: f64,
}

impl Round {
    fn kept(&self) -> f64 {
        self.beside / self.quiet
    }
}

pub(super) fn run(asked: &Asked, product: &Product) -> Result<Value, String> {
    let ground = Ground::start(product, "replica")?;
    let rows = asked.rows.unwrap_or(ROWS);
    accounts(&ground, rows)?;
    ground.copy_of(TEMPLATE)?;
    let bytes: f64 = ground
        .ask(DATABASE, &format!("SELECT pg_table_size('{ACCOUNTS}')"))?
        .parse()
        .map_err(|_| "the table has no size")?;
    let half = saturated(&ground, 15)? / 2.0;
    let mut results = Vec::new();
    println!(
        "{}, {rows} accounts, a table of {:.0} MB, TPC-B-like, {CLIENTS} clients",
        ground.title(),
        bytes / 1e6
    );
    for (name, rate) in [
        ("nobody writes", None),
        ("half of what the server can do", Some(Some(half))),
        ("as fast as they can", Some(None)),
    ] {
        let mut rounds = Vec::new();
        let mut alone = Vec::new();
        for round in 0..=asked.runs {
            match rate {
                None => alone.push(taken(&ground, round)?.as_secs_f64()),
                Some(rate) => rounds.push(beside(&ground, rate, round)?),
            }
        }
        // The first does not count.
        let rounds = rounds.get(1..).unwrap_or_default();
        let took: Vec<f64> = match rate {
            None => alone.split_off(1),
            Some(_) => rounds.iter().map(|round| round.took).collect(),
        };
        let (_, median, _) = of_all(&took);
        let mut lines = vec![
            vec!["taken and verified, s".to_owned(), spread(&took, 1)],
            vec!["MB a second".to_owned(), format!("{:.0}", bytes / 1e6 / median)],
        ];
        let mut result = json!({ "beside": name, "seconds": took });
        if rate.is_some() {
            let of = |of: fn(&Round) -> f64| rounds.iter().map(of).collect::<Vec<f64>>();
            lines.push(vec!["transactions a second before".to_owned(), spread(&of(|r| r.quiet), 0)]);
            lines.push(vec!["transactions a second beside it".to_owned(), spread(&of(|r| r.beside), 0)]);
            lines.push(vec!["p95 before, ms".to_owned(), spread(&of(|r| r.quiet_p95), 1)]);
            lines.push(vec!["p95 beside it, ms".to_owned(), spread(&of(|r| r.beside_p95), 1)]);
            let kept = of_all(&of(Round::kept)).1;
            result["kept"] = json!(of(Round::kept));
            result["p95_ms"] = json!(of(|r| r.beside_p95));
            result["quiet_p95_ms"] = json!(of(|r| r.quiet_p95));
            println!("{}", table(&[name, ""], &lines));
            goal(
                &format!("writers keep {:.0} % ({:.0} %)", GOAL_KEPT * 100.0, kept * 100.0),
                kept >= GOAL_KEPT,
            );
        } else {
            println!("{}", table(&[name, ""], &lines));
        }
        results.push(result);
    }
    Ok(json!({ "rows": rows, "bytes": bytes, "rounds": asked.runs, "loads": results }))
}

/// Takes one, and throws it away.
fn taken(ground: &Ground<'_>, number: usize) -> Result<Duration, String> {
    let place = ground.folder.path().join(format!("backup-{number}"));
    std::fs::create_dir(&place).map_err(|e| e.to_string())?;
    let mut command = ground.cofferdam("backup");
    command.args(["--table", ACCOUNTS, "--to"]).arg(&place);
    let took = timed(&mut command, &[0]);
    std::fs::remove_dir_all(&place).map_err(|e| e.to_string())?;
    took
}

fn beside(ground: &Ground<'_>, rate: Option<f64>, number: usize) -> Result<Round, String> {
    ground.copy_of(TEMPLATE)?;
    let writers = Writers { name: "beside", script: Script::Tpcb, clients: CLIENTS, rate, seconds: None };
    let load = Load::begin(ground, &writers)?;
    let began = now();
    std::thread::sleep(Duration::from_secs(QUIET));
    let from = now();
    let took = taken(ground, number)?;
    let until = now();
    let all = load.end()?;
    if let Some(error) = all.errors.first() {
        return Err(error.clone());
    }
    let quiet = (began + WARM_UP, from);
    let rate = |(from, until): (f64, f64)| all.between(from, until).len() as f64 / (until - from);
    Ok(Round {
        took: took.as_secs_f64(),
        quiet: rate(quiet),
        beside: rate((from, until)),
        quiet_p95: p95(&all, quiet)?,
        beside_p95: p95(&all, (from, until))?,
    })
}

fn p95(all: &Transactions, (from, until): (f64, f64)) -> Result<f64, String> {
    percentile(&all.between(from, until), 95.0).ok_or_else(|| "nothing was done meanwhile".to_owned())
}
