//! `cofferdam import` of a database that another tool built.

use serde_json::{Value, json};

use super::ground::Ground;
use super::tools::TOOLS;
use super::{FILES, GOAL};
use crate::bench::Asked;
use crate::bench::measure::{Times, timed};
use crate::bench::product::Product;
use crate::bench::report::{goal, milliseconds, table};

pub(super) fn run(asked: &Asked, product: &Product) -> Result<Value, String> {
    let ground = Ground::new(product, asked.files.unwrap_or(FILES))?;
    println!("{}, {} migrations, median of {} rounds", ground.title, ground.count, asked.runs);
    let (mut lines, mut results, mut slowest) = (Vec::new(), Vec::new(), 0.0_f64);
    for tool in TOOLS {
        let mut times = Times::default();
        for round in 0..=asked.runs {
            ground.fresh(tool)?;
            let took = timed(&mut ground.command(tool, &["import"]), &[0])
                .map_err(|why| format!("{}: {why}", tool.name))?;
            ground.all_taken_over().map_err(|why| format!("{}: {why}", tool.name))?;
            // The first warms caches.
            if round > 0 {
                times.add(took);
            }
        }
        let summary = times.summary().ok_or("nothing was measured")?;
        slowest = slowest.max(summary.median);
        lines.push(vec![tool.name.to_owned(), milliseconds(Some(summary))]);
        results.push(json!({ "tool": tool.name, "median_ms": summary.median, "least_ms": summary.least,
                             "most_ms": summary.most }));
    }
    println!("{}", table(&["taken over from", "ms"], &lines));
    goal(&format!("{} migrations of any tool taken over under 2 s", ground.count), slowest < GOAL);
    Ok(json!({ "files": ground.count, "rounds": asked.runs, "tools": results }))
}
