//! A backup of a table that is saved, read back, restored where nobody sees it, and compared, while others write to that
//! table.

use serde_json::{Value, json};

use super::super::Asked;
use super::super::online::change::{Change, now};
use super::super::online::cutover::saturated;
use super::super::online::ground::{DATABASE, Ground};
use super::super::online::tables::{ACCOUNTS, TEMPLATE};
use super::super::product::Product;
use super::super::report::{goal, spread, spread_text, table};
use super::beside::{CLIENTS, fill, meanwhile, no_errors, rate, took, writing};

/// About 130 bytes each; 7,800,000 are 1 GB.
const ROWS: u64 = 400_000;
/// Seconds of load without a backup.
const QUIET: u64 = 10;
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

pub(super) fn run(asked: &Asked, product: &Product) -> Result<Value, String> {
    let ground = Ground::start(product, "replica")?;
    let rows = asked.rows.unwrap_or(ROWS);
    let quiet = asked.seconds.unwrap_or(QUIET);
    fill(&ground, rows)?;
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
        // The first does not count.
        for round in 0..=asked.runs {
            match rate {
                None => alone.push(taken(&ground, round)?),
                Some(rate) => rounds.push(beside(&ground, rate, quiet, round)?),
            }
        }
        let rounds = rounds.get(1..).unwrap_or_default();
        let took: Vec<f64> = match rate {
            None => alone.split_off(1),
            Some(_) => rounds.iter().map(|round| round.took).collect(),
        };
        let (_, median, _) = spread(took.iter().copied());
        let mut lines = vec![
            vec!["taken and verified, s".to_owned(), spread_text(&took, 1)],
            vec!["MB a second".to_owned(), format!("{:.0}", bytes / 1e6 / median)],
        ];
        let mut result = json!({ "beside": name, "seconds": took });
        let of = |of: fn(&Round) -> f64| rounds.iter().map(of).collect::<Vec<f64>>();
        if rate.is_some() {
            for (what, values, digits) in [
                ("transactions a second before", of(|r| r.quiet), 0),
                ("transactions a second beside it", of(|r| r.beside), 0),
                ("p95 before, ms", of(|r| r.quiet_p95), 1),
                ("p95 beside it, ms", of(|r| r.beside_p95), 1),
            ] {
                lines.push(vec![what.to_owned(), spread_text(&values, digits)]);
            }
        }
        println!("{}", table(&[name, ""], &lines));
        if rate.is_some() {
            let all = of(|round| round.beside / round.quiet);
            let (_, kept, _) = spread(all.iter().copied());
            result["kept"] = json!(all);
            result["p95_ms"] = json!(of(|r| r.beside_p95));
            result["quiet_p95_ms"] = json!(of(|r| r.quiet_p95));
            goal(
                &format!("writers keep {:.0} % ({:.0} %)", GOAL_KEPT * 100.0, kept * 100.0),
                kept >= GOAL_KEPT,
            );
        }
        results.push(result);
    }
    Ok(json!({ "rows": rows, "bytes": bytes, "rounds": asked.runs, "loads": results }))
}

/// Takes one, and throws it away; how long it took, in seconds.
fn taken(ground: &Ground<'_>, number: usize) -> Result<f64, String> {
    let place = ground.folder.path().join(format!("backup-{number}"));
    std::fs::create_dir(&place).map_err(|e| e.to_string())?;
    let mut command = ground.cofferdam("backup");
    command.args(["--table", ACCOUNTS, "--to"]).arg(&place);
    let done = Change::follow(command)?.wait();
    std::fs::remove_dir_all(&place).map_err(|e| e.to_string())?;
    Ok(done?.took.as_secs_f64())
}

fn beside(ground: &Ground<'_>, at: Option<f64>, seconds: u64, number: usize) -> Result<Round, String> {
    ground.copy_of(TEMPLATE)?;
    let load = writing(ground, at)?;
    let quiet = meanwhile(seconds);
    let from = now();
    let whole = taken(ground, number)?;
    let beside = (from, now());
    let all = load.end()?;
    no_errors(&all)?;
    Ok(Round {
        took: whole,
        quiet: rate(&all, quiet),
        beside: rate(&all, beside),
        quiet_p95: took(&all, quiet, 95.0)?,
        beside_p95: took(&all, beside, 95.0)?,
    })
}
