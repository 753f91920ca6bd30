//! Linting fifty statements with the numbers of a database of five thousand tables.

use std::fmt::Write;
use std::fs;

use cofferdam_scratch::{Options, Server, find_or_fetch};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::ANSWERED;
use crate::bench::Asked;
use crate::bench::measure::{Times, timed};
use crate::bench::product::Product;
use crate::bench::report::{goal, milliseconds};

const TABLES: usize = 5_000;

const STATEMENTS: usize = 50;

/// In milliseconds.
const GOAL: f64 = 2_000.0;

pub(super) fn run(asked: &Asked, product: &Product) -> Result<Value, String> {
    let server = server()?;
    let folder = TempDir::new().map_err(|e| e.to_string())?;
    let files = folder.path().join("migrations");
    fs::create_dir(&files).map_err(|e| e.to_string())?;
    fs::write(files.join("0001_change.up.sql"), script()).map_err(|e| e.to_string())?;
    let url = server.url("bench");
    let lint = || {
        let mut command = product.command(folder.path());
        command.arg("lint").arg(&files).args(["--require-live", "--url"]).arg(&url);
        command
    };
    let mut times = Times::default();
    for run in 0..=asked.runs {
        let took = timed(&mut lint(), ANSWERED)?;
        // The first fills the caches of the server.
        if run > 0 {
            times.add(took);
        }
    }
    let summary = times.summary().ok_or("nothing was measured")?;
    println!("{STATEMENTS} statements, {TABLES} tables: {} ms", milliseconds(Some(summary)));
    goal("50 statements on 5,000 tables under 2 s", summary.median < GOAL);
    Ok(json!({ "statements": STATEMENTS, "tables": TABLES, "runs": asked.runs, "median_ms": summary.median,
               "least_ms": summary.least, "most_ms": summary.most }))
}

/// Those that the statements are about have rows, so that there is something to look at.
fn server() -> Result<Server, String> {
    let binaries = find_or_fetch(&mut |_| {}).map_err(|e| e.to_string())?;
    let settings = vec![("max_locks_per_transaction".to_owned(), "1024".to_owned())];
    let server = Server::start(&binaries, &Options { tcp: true, settings, ..Options::default() });
    let server = server.map_err(|e| e.to_string())?;
    server.create_database("bench").map_err(|e| e.to_string())?;
    // In pieces: all locks of a transaction are held until its end.
    for from in (0..TABLES).step_by(500) {
        let fill = format!(
            "DO $$ BEGIN FOR n IN {from}..{} LOOP
                 EXECUTE format('CREATE TABLE t%s (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a int, b int,
                     c text DEFAULT ''x'', made timestamptz DEFAULT now())', n);
                 EXECUTE format('CREATE INDEX ON t%s (a)', n);
                 IF n < {STATEMENTS} THEN
                     EXECUTE format('INSERT INTO t%s (a, b) SELECT i, i / 2 FROM generate_series(1, 10000) i', n);
                 END IF;
             END LOOP; END $$",
            from + 499
        );
        server.query("bench", &fill).map_err(|e| e.to_string())?;
    }
    server.query("bench", "ANALYZE").map_err(|e| e.to_string())?;
    Ok(server)
}

/// Of each kind that asks the catalog, the rows or the planner.
fn script() -> String {
    let mut text = String::new();
    for n in 0..STATEMENTS {
        let statement = match n % 6 {
            0 => format!("CREATE INDEX ON t{n} (b)"),
            1 => format!("ALTER TABLE t{n} ALTER COLUMN a SET NOT NULL"),
            2 => format!("ALTER TABLE t{n} ADD UNIQUE (b)"),
            3 => format!("ALTER TABLE t{n} ADD FOREIGN KEY (a) REFERENCES t{}", n - 1),
            4 => format!("UPDATE t{n} SET c = 'y' WHERE b > 10"),
            _ => format!("ALTER TABLE t{n} ALTER COLUMN c TYPE varchar(10)"),
        };
        let _ = writeln!(text, "{statement};");
    }
    text
}
