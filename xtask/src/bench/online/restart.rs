//! What is done twice when the program is killed and started again, by where it is killed.

use std::time::Duration;

use cofferdam_core::online::Part;
use serde_json::{Value, json};

use super::super::Asked;
use super::super::measure::Times;
use super::super::product::Product;
use super::super::report::{goal, seconds, table};
use super::change::{Change, stretches};
use super::ground::{DATABASE, Ground};
use super::tables::{ORDERS, TEMPLATE, WIDER, orders};

const ROWS: u64 = 4_000_000;

/// In seconds.
const GOAL: f64 = 10.0;

/// Where it is killed: in the middle of these.
static PLACES: &[Part] = &[Part::Copy, Part::Index, Part::Compare];

/// What one kill cost.
struct Lost {
    /// The whole time, both processes together, less that of one that is not killed.
    more: f64,
    /// Rows of chunks that were begun and not committed: they are copied again.
    rows: u64,
}

pub(super) fn run(asked: &Asked, product: &Product) -> Result<Value, String> {
    let ground = Ground::start(product, "replica")?;
    let rows = asked.rows.unwrap_or(ROWS);
    orders(&ground, rows)?;
    let mut usual = Times::default();
    let mut index = Times::default();
    let mut lost: Vec<(Part, Vec<Lost>)> = PLACES.iter().map(|part| (*part, Vec::new())).collect();
    // It did not go on: that is a result, too, and must not hide the other places.
    let mut failed: Vec<(Part, String)> = Vec::new();
    for round in 0..=asked.runs {
        ground.copy_of(TEMPLATE)?;
        let done = Change::begin(&ground, ORDERS, WIDER, &[])?.wait()?;
        let building = done.stretch(Part::Index).ok_or("it built no index")?;
        if round == 0 {
            continue;
        }
        usual.add(done.took);
        index.add(Duration::from_secs_f64((building.to - building.from).max(0.0)));
        for (part, lost) in &mut lost {
            let middle = index.summary().map_or(0.0, |s| s.median / 2_000.0);
            match killed(&ground, *part, middle, done.took.as_secs_f64()) {
                Ok(one) => lost.push(one),
                Err(why) => failed.push((*part, why)),
            }
        }
    }
    println!(
        "{}, {rows} rows, {} rounds; not killed it takes {} s",
        ground.title(),
        asked.runs,
        seconds(usual.summary())
    );
    let row = |(part, lost): &(Part, Vec<Lost>)| {
        let most_rows = lost.iter().map(|l| l.rows).max().unwrap_or(0);
        let cells = match lost.is_empty() {
            true => ["-"; 3].map(str::to_owned),
            false => [format!("{:.1}", median(lost)), format!("{:.1}", most(lost)), most_rows.to_string()],
        };
        [vec![part.word().to_owned()], cells.to_vec()].concat()
    };
    let head = ["killed in the middle of", "seconds more, median", "most", "rows copied twice, most"];
    println!("{}", table(&head, &lost.iter().map(row).collect::<Vec<_>>()));
    failed.iter().for_each(|(part, why)| println!("killed in {}: {why}", part.word()));
    for (part, lost) in &lost {
        let went_on = !lost.is_empty() && failed.iter().all(|(failed, _)| failed != part);
        let seconds = if went_on { format!("{:.1}", most(lost)) } else { "it did not go on".to_owned() };
        goal(
            &format!("a kill in {} costs under {GOAL:.0} s ({seconds})", part.word()),
            went_on && most(lost) < GOAL,
        );
    }
    let places: Vec<Value> = lost
        .iter()
        .map(|(part, lost)| {
            json!({ "part": part.word(), "seconds_more": lost.iter().map(|l| l.more).collect::<Vec<_>>(),
                    "rows_twice": lost.iter().map(|l| l.rows).collect::<Vec<_>>(),
                    "failed": failed.iter().filter(|(f, _)| f == part).map(|(_, why)| why).collect::<Vec<_>>() })
        })
        .collect();
    let usual = usual.summary().map(|s| s.median);
    Ok(json!({ "rows": rows, "rounds": asked.runs, "not_killed_ms": usual, "places": places }))
}

/// `usual`: seconds without a kill, measured directly before.
fn killed(ground: &Ground<'_>, part: Part, middle_of_index: f64, usual: f64) -> Result<Lost, String> {
    ground.copy_of(TEMPLATE)?;
    let mut change = Change::begin(ground, ORDERS, WIDER, &[])?;
    change.until_begun(part)?;
    match part {
        Part::Copy => change.until_done("copying rows", 0.5).map(|_| ())?,
        Part::Compare => change.until_done("comparing", 0.5).map(|_| ())?,
        _ => std::thread::sleep(Duration::from_secs_f64(middle_of_index)),
    }
    let (ran, events) = change.kill()?;
    if stretches(&events).iter().any(|stretch| stretch.part == part) {
        return Err(format!("{} was over before it was killed", part.word()));
    }
    let rows = if part == Part::Copy { begun(ground)? } else { 0 };
    let done = Change::begin(ground, ORDERS, WIDER, &[])?.wait()?;
    Ok(Lost { more: ran.as_secs_f64() + done.took.as_secs_f64() - usual, rows })
}

/// Rows of the chunks that were cut and are not copied.
fn begun(ground: &Ground<'_>) -> Result<u64, String> {
    let schema =
        ground.ask(DATABASE, "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'cofferdam\\_new\\_%'")?;
    let count = format!(
        "SELECT coalesce(sum((SELECT count(*) FROM {ORDERS} o WHERE o.id >= coalesce(c.low[1]::int, 0)
            AND o.id < coalesce(c.high[1]::int, 2147483647))), 0) FROM {schema}.\"cofferdam chunk\" c WHERE NOT c.copied"
    );
    ground.ask(DATABASE, &count)?.parse().map_err(|_| "the chunks cannot be read".to_owned())
}

fn median(lost: &[Lost]) -> f64 {
    let mut more: Vec<f64> = lost.iter().map(|l| l.more).collect();
    more.sort_by(f64::total_cmp);
    more.get(more.len() / 2).copied().unwrap_or(f64::NAN)
}

fn most(lost: &[Lost]) -> f64 {
    lost.iter().map(|l| l.more).fold(f64::MIN, f64::max)
}
