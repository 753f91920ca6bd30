//! Linting a thousand files, offline.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::ANSWERED;
use crate::bench::Asked;
use crate::bench::measure::{Times, peak_memory_ending, timed};
use crate::bench::product::Product;
use crate::bench::report::{goal, milliseconds};
use crate::bench::samples::ten_statements;

const FILES: usize = 1_000;

/// In milliseconds.
const GOAL: f64 = 1_000.0;

/// In KiB.
const MEMORY_GOAL: u64 = 100 * 1024;

pub(super) fn run(asked: &Asked, product: &Product) -> Result<Value, String> {
    let folder = TempDir::new().map_err(|e| e.to_string())?;
    let files = folder.path().join("migrations");
    fs::create_dir(&files).map_err(|e| e.to_string())?;
    for number in 1..=FILES {
        let path = files.join(format!("{number:04}_orders{number}.up.sql"));
        fs::write(path, ten_statements(number)).map_err(|e| e.to_string())?;
    }
    let mut times = Times::default();
    for run in 0..=asked.runs {
        let took = timed(product.command(folder.path()).arg("lint").arg(&files), ANSWERED)?;
        // The first reads the files from the disk.
        if run > 0 {
            times.add(took);
        }
    }
    let peak = peak_memory_ending(product.command(folder.path()).arg("lint").arg(&files), ANSWERED)?;
    let summary = times.summary().ok_or("nothing was measured")?;
    println!("{FILES} files of 10 statements: {} ms, {} KiB at most", milliseconds(Some(summary)), peak);
    goal("1,000 files under 1 s", summary.median < GOAL);
    goal("1,000 files within 100 MiB", peak <= MEMORY_GOAL);
    Ok(json!({ "files": FILES, "runs": asked.runs, "median_ms": summary.median, "least_ms": summary.least,
               "most_ms": summary.most, "peak_kib": peak }))
}
