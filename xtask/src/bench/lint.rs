//! Linting a thousand files, offline.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::Asked;
use super::measure::{Times, timed};
use super::product::Product;
use super::report::{goal, milliseconds};
use super::samples::ten_statements;

const FILES: usize = 1_000;

/// In milliseconds.
const GOAL: f64 = 1_000.0;

/// Nothing wrong, or errors found: both are an answer.
const ANSWERED: &[i32] = &[0, 4];

pub(super) fn run(asked: &Asked) -> Result<Value, String> {
    let product = Product::ready()?;
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
    let summary = times.summary().ok_or("nothing was measured")?;
    println!("{FILES} files of 10 statements: {} ms", milliseconds(Some(summary)));
    goal("1,000 files under 1 s", summary.median < GOAL);
    Ok(json!({ "version": product.version, "files": FILES, "runs": asked.runs,
               "median_ms": summary.median, "least_ms": summary.least, "most_ms": summary.most }))
}
