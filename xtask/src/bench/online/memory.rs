//! The most memory that the program has resident while it changes a large table; the server's is the server's.

use cofferdam_core::online::Part;
use serde_json::{Value, json};

use super::super::Asked;
use super::super::product::Product;
use super::super::report::{goal, table};
use super::change::Change;
use super::ground::{DATABASE, Ground};
use super::tables::{ORDERS, TEMPLATE, WIDER, orders};

const ROWS: u64 = 10_000_000;

/// In KiB.
const GOAL: u64 = 128 * 1024;

/// What goes on meanwhile.
struct Case {
    about: &'static str,
    /// A statement that runs while rows are copied.
    statement: Option<&'static str>,
}

static CASES: &[Case] = &[
    Case { about: "nobody writes", statement: None },
    Case {
        about: "one statement updates each tenth row",
        statement: Some("UPDATE orders SET state = 'back' WHERE id % 10 = 3"),
    },
];

pub(super) fn run(asked: &Asked, product: &Product) -> Result<Value, String> {
    let ground = Ground::start(product, "replica")?;
    let rows = asked.rows.unwrap_or(ROWS);
    orders(&ground, rows)?;
    let mut measured = Vec::new();
    for case in CASES {
        let peak = peak(&ground, case);
        if let Err(why) = &peak {
            println!("{}: {why}", case.about);
        }
        measured.push((case.about, peak.ok()));
    }
    println!("{}, {rows} rows", ground.title());
    let row = |(about, peak): &(&str, Option<u64>)| {
        vec![
            (*about).to_owned(),
            peak.map_or_else(|| "failed".to_owned(), |kib| format!("{:.1}", kib as f64 / 1024.0)),
        ]
    };
    println!("{}", table(&["meanwhile", "most memory, MiB"], &measured.iter().map(row).collect::<Vec<_>>()));
    for (about, peak) in &measured {
        goal(&format!("{about}: within {} MiB", GOAL / 1024), peak.is_some_and(|peak| peak <= GOAL));
    }
    let cases: Vec<Value> =
        measured.iter().map(|(about, peak)| json!({ "meanwhile": about, "peak_kib": peak })).collect();
    Ok(json!({ "rows": rows, "cases": cases }))
}

fn peak(ground: &Ground<'_>, case: &Case) -> Result<u64, String> {
    ground.copy_of(TEMPLATE)?;
    let mut change = Change::begin(ground, ORDERS, WIDER, &[])?;
    let mut writer = None;
    if let Some(statement) = case.statement {
        change.until_begun(Part::Copy)?;
        change.until_done("copying rows", 0.3)?;
        let mut command = ground.psql(DATABASE, &[statement])?;
        writer = Some(command.spawn().map_err(|e| format!("cannot run psql: {e}"))?);
    }
    let done = change.wait();
    if let Some(mut writer) = writer {
        writer.wait().map_err(|e| e.to_string())?;
    }
    match done?.peak {
        0 => Err("the kernel does not say how much memory a process had".to_owned()),
        peak => Ok(peak),
    }
}
