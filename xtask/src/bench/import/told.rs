//! `cofferdam import --believe own` where a tool's table was emptied: all rows are written into it from our history, and
//! the catalog is asked for the effect of each file.

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
        let of_tool = |why: String| format!("{}: {why}", tool.name);
        ground.fresh(tool)?;
        timed(&mut ground.command(tool, &["import"]), &[0]).map_err(of_tool)?;
        let rows = ground.one(&format!("SELECT count(*) FROM {}", tool.table))?;
        let mut times = Times::default();
        for round in 0..=asked.runs {
            // Of goose one row stays that is about no migration.
            let keep = if tool.name == "goose" { "WHERE version_id <> 0" } else { "" };
            ground.one(&format!("DELETE FROM {} {keep}", tool.table))?;
            let took =
                timed(&mut ground.command(tool, &["import", "--believe", "own"]), &[0]).map_err(of_tool)?;
            let there = ground.one(&format!("SELECT count(*) FROM {}", tool.table))?;
            if there != rows {
                return Err(of_tool(format!("{there} of {rows} rows are in its table")));
            }
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
    println!("{}", table(&["written for", "ms"], &lines));
    goal(&format!("{} rows written for any tool under 2 s", ground.count), slowest < GOAL);
    Ok(json!({ "files": ground.count, "rounds": asked.runs, "tools": results }))
}
