//! `cofferdam apply` with nothing pending: with Cofferdam's own history alone, with a tool's table beside it, and with the
//! tool's table alone, turn about on the same database.

use serde_json::{Value, json};

use super::FILES;
use super::ground::Ground;
use super::tools::TOOLS;
use crate::bench::Asked;
use crate::bench::measure::{Summary, Times, timed};
use crate::bench::product::Product;
use crate::bench::report::{goal, milliseconds, table};

/// Where the history is kept, the native one first.
const KEPT: [&str; 3] = ["own", "both", "tool"];

/// A run is so short that one more shows less than it costs to have several.
const REPEATS: usize = 3;

/// Slower than the native history by more than this share is slower: as much as two measures of the same thing differ.
const SLOWER: f64 = 0.05;

pub(super) fn run(asked: &Asked, product: &Product) -> Result<Value, String> {
    let ground = Ground::new(product, asked.files.unwrap_or(FILES))?;
    println!("{}, {} migrations, median of {} rounds of {REPEATS}", ground.title, ground.count, asked.runs);
    let (mut lines, mut results, mut most) = (Vec::new(), Vec::new(), 0.0_f64);
    for tool in TOOLS {
        let of_tool = |why: String| format!("{}: {why}", tool.name);
        ground.fresh(tool)?;
        timed(&mut ground.command(tool, &["import"]), &[0]).map_err(of_tool)?;
        ground.all_taken_over().map_err(of_tool)?;
        let mut times = KEPT.map(|_| Times::default());
        for round in 0..=asked.runs * REPEATS {
            for turn in 0..KEPT.len() {
                let at = (round + turn) % KEPT.len();
                let mut apply = ground.command(tool, &["apply", "--yes", "--history", KEPT[at]]);
                let took = timed(&mut apply, &[0]).map_err(of_tool)?;
                if round > 0 {
                    times[at].add(took);
                }
            }
        }
        let summaries: Vec<Summary> = times.iter().filter_map(Times::summary).collect();
        let [own, both, alone] = summaries.as_slice() else { return Err("nothing was measured".into()) };
        most = most.max(both.median / own.median).max(alone.median / own.median);
        let cells = summaries.iter().map(|summary| milliseconds(Some(*summary)));
        lines.push([tool.name.to_owned()].into_iter().chain(cells).collect());
        results.push(json!({ "tool": tool.name, "own_ms": own.median, "both_ms": both.median,
                             "tool_ms": alone.median }));
    }
    println!("{}", table(&["", "own, ms", "both, ms", "the tool's alone, ms"], &lines));
    let against = format!("at most {most:.2} times as long");
    goal(&format!("through each codec no slower than with our own history ({against})"), most < 1.0 + SLOWER);
    Ok(json!({ "files": ground.count, "rounds": asked.runs, "tools": results, "most_times_own": most }))
}
