//! The most memory that `apply` has resident.

use std::fs;
use std::path::Path;

use cofferdam_scratch::{Server, find_or_fetch};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::Asked;
use super::apply::{fresh, start};
use super::measure::peak_memory;
use super::product::Product;
use super::report::{goal, table};
use super::samples::{create_table, inserts};
use super::tools::{TOOLS, Tool};

/// In KiB: a small container's worth.
const GOAL: u64 = 64 * 1024;

/// What is applied.
struct Case {
    about: &'static str,
    /// The text of each migration.
    migrations: fn() -> Vec<String>,
}

static CASES: &[Case] = &[
    Case { about: "100 migrations of one statement", migrations: || (1..=100).map(create_table).collect() },
    Case {
        about: "a SELECT of 500,000 rows in a migration",
        // About 100 bytes a row, so that keeping them would show.
        migrations: || vec!["SELECT n, repeat('x', 80) FROM generate_series(1, 500000) AS n;\n".to_owned()],
    },
    Case { about: "a migration file of 50 MB", migrations: || vec![inserts(50_000_000)] },
];

pub(super) fn run(_: &Asked) -> Result<Value, String> {
    let product = Product::ready()?;
    let ours = TOOLS.iter().find(|tool| tool.name == "cofferdam").ok_or("the table of tools lacks ours")?;
    let server = start(&find_or_fetch(&mut |_| {}).map_err(|e| e.to_string())?)?;
    let mut measured = Vec::new();
    for case in CASES {
        // A case that fails is a result, too, and must not hide the others.
        let peak = peak(&product, ours, &server, case);
        if let Err(why) = &peak {
            println!("{}: {why}", case.about);
        }
        measured.push((case.about, peak.ok()));
    }
    let mebibytes = |kibibytes: u64| format!("{}.{}", kibibytes / 1024, kibibytes % 1024 * 10 / 1024);
    let row = |(about, peak): &(&str, Option<u64>)| {
        vec![(*about).to_owned(), peak.map_or_else(|| "failed".to_owned(), mebibytes)]
    };
    println!("{}", table(&["applied", "most memory, MiB"], &measured.iter().map(row).collect::<Vec<_>>()));
    for (about, peak) in &measured {
        goal(&format!("{about} within {} MiB", GOAL / 1024), peak.is_some_and(|peak| peak <= GOAL));
    }
    let cases: Vec<Value> =
        measured.iter().map(|(about, peak)| json!({ "applied": about, "peak_kib": peak })).collect();
    Ok(json!({ "version": product.version, "cases": cases }))
}

/// The peak in KiB of one case on a new database.
fn peak(product: &Product, ours: &Tool, server: &Server, case: &Case) -> Result<u64, String> {
    let folder = TempDir::new().map_err(|e| e.to_string())?;
    let files = folder.path().join("migrations");
    write(&files, ours, &(case.migrations)()).map_err(|e| e.to_string())?;
    let place = fresh(server, "bench")?;
    peak_memory(product.command(folder.path()).args((ours.arguments)(&files, &place)))
}

fn write(files: &Path, ours: &Tool, migrations: &[String]) -> std::io::Result<()> {
    fs::create_dir(files)?;
    for (number, text) in (1..).zip(migrations) {
        fs::write(files.join((ours.file)(number).0), text)?;
    }
    Ok(())
}
