//! What the watch takes from writers at full load: what they can do beside the same migration with limits and without,
//! turn about, and how much of the processors its process and its sessions use.
//!
//! The second tells more: what writers can do differs by more than the watch costs.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::Asked;
use super::super::measure::worked;
use super::super::online::change::Change;
use super::super::online::ground::{DATABASE, Ground};
use super::super::online::tables::{ACCOUNTS, TEMPLATE};
use super::super::product::Product;
use super::super::report::{goal, spread, spread_text, table};
use super::beside::{CLIENTS, fill, meanwhile, no_errors, rate, writing};

const ROWS: u64 = 300_000;
/// For which it is watched, in each round.
const SECONDS: u64 = 10;
/// It may cost such a share.
const GOAL: f64 = 0.01;

/// Every limit that this server can be watched for, each too wide to be breached. What is known of standbys is asked for
/// without one, too.
const LIMITS: &[&str] = &[
    "--max-time",
    "1h",
    "--max-downtime",
    "1h",
    "--max-slowdown",
    "100000",
    "--max-lag",
    "1h",
    "--max-cpu",
    "100%",
    "--max-memory",
    "100%",
];

/// What was seen of one run.
struct Seen {
    /// Transactions a second.
    rate: f64,
    /// Of all processors, what the program and its sessions used, but for the one that works.
    share: f64,
}

pub(super) fn run(asked: &Asked, product: &Product) -> Result<Value, String> {
    let settings = [("wal_level", "replica"), ("shared_preload_libraries", "pg_stat_statements")];
    let ground = Ground::with(product, &settings)?;
    let rows = asked.rows.unwrap_or(ROWS);
    let seconds = asked.seconds.unwrap_or(SECONDS);
    fill(&ground, rows)?;
    ground.run(TEMPLATE, &["CREATE EXTENSION pg_stat_statements"])?;
    let files = ground.folder.path().join("migrations");
    fs::create_dir(&files).map_err(|e| e.to_string())?;
    // It is about the table, changes no row of it, and takes its time.
    let wait = format!(
        "UPDATE {ACCOUNTS} SET filler = filler\nWHERE aid = (SELECT CASE WHEN pg_sleep({}) IS NULL THEN 0 ELSE -1 END);\n",
        seconds + 4
    );
    fs::write(files.join("0001_wait.up.sql"), wait).map_err(|e| e.to_string())?;
    println!(
        "{}, {rows} rows, {CLIENTS} clients TPC-B-like as fast as they can, {seconds} s each, {} rounds",
        ground.title(),
        asked.runs
    );
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for _ in 0..asked.runs {
        without.push(seen(&ground, &files, &[], seconds)?);
        with.push(seen(&ground, &files, LIMITS, seconds)?);
    }
    let lost: Vec<f64> = without.iter().zip(&with).map(|(a, b)| 100.0 * (1.0 - b.rate / a.rate)).collect();
    let rates = |all: &[Seen]| all.iter().map(|seen| seen.rate).collect::<Vec<f64>>();
    let shares = |all: &[Seen]| all.iter().map(|seen| 100.0 * seen.share).collect::<Vec<f64>>();
    let (base, shares) = (shares(&without), shares(&with));
    let lines = [
        vec!["transactions a second without limits".to_owned(), spread_text(&rates(&without), 0)],
        vec!["transactions a second with them".to_owned(), spread_text(&rates(&with), 0)],
        vec!["lost, % (each round against its own)".to_owned(), spread_text(&lost, 1)],
        vec!["of the processors without limits, %".to_owned(), spread_text(&base, 2)],
        vec!["of the processors with them, %".to_owned(), spread_text(&shares, 2)],
    ];
    println!("{}", table(&["the watch", ""], &lines));
    let (_, median, _) = spread(lost.iter().copied());
    let (_, share, _) = spread(shares.iter().zip(&base).map(|(with, without)| with - without));
    goal(
        &format!("the watch costs under {:.0} % of what writers do ({median:.1} %)", GOAL * 100.0),
        median < GOAL * 100.0,
    );
    goal(
        &format!("it uses under {:.0} % of the processors ({share:.2} %)", GOAL * 100.0),
        share < GOAL * 100.0,
    );
    Ok(json!({ "rows": rows, "seconds": seconds, "rounds": asked.runs, "without": rates(&without),
               "with": rates(&with), "lost_percent": lost, "share_percent": shares, "share_without_percent": base }))
}

fn seen(ground: &Ground<'_>, files: &Path, limits: &[&str], seconds: u64) -> Result<Seen, String> {
    ground.copy_of(TEMPLATE)?;
    let load = writing(ground, None)?;
    let mut command = ground.cofferdam("apply");
    command.arg("--dir").arg(files).args(["--yes", "--progress", "json"]).args(limits);
    let mut change = Change::follow(command)?;
    change.until(|event| event.value["event"] == "stepBegan")?;
    // What is done once at the beginning is not the watch.
    std::thread::sleep(Duration::from_secs(1));
    let used = || -> Result<f64, String> {
        let sessions = format!(
            "SELECT coalesce(string_agg(pid::text, ' '), '') FROM pg_stat_activity WHERE datname = '{DATABASE}'
             AND application_name = 'cofferdam watch'"
        );
        let sessions = ground.ask(DATABASE, &sessions)?;
        if sessions.is_empty() != limits.is_empty() {
            return Err("the sessions of the watch are not those that were expected".to_owned());
        }
        let pids = sessions.split(' ').filter_map(|pid| pid.parse().ok()).chain([change.pid()]);
        pids.map(worked).sum()
    };
    let before = used()?;
    let looked = meanwhile(seconds);
    let used = used()? - before;
    change.wait()?;
    let all = load.end()?;
    no_errors(&all)?;
    let processors = std::thread::available_parallelism().map_err(|e| e.to_string())?.get() as f64;
    let time = looked.1 - looked.0;
    Ok(Seen { rate: rate(&all, looked), share: used / time / processors })
}
