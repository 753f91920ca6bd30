//! Drizzle: drizzle-kit from the command line, drizzle-orm as an application does it at its start.

use serde_json::json;

use super::{Tool, each_file, expect, well};
use crate::migrations::MIGRATIONS;
use crate::site::Site;
use crate::support::Ended;

pub(crate) static TOOL: Tool = Tool {
    name: "drizzle",
    variable: "DRIZZLE",
    named: &[],
    table: "drizzle.__drizzle_migrations",
    rows: "SELECT hash, created_at FROM drizzle.__drizzle_migrations ORDER BY created_at",
    file: |migration| format!("000{}_{}.sql", migration.number - 1, migration.name),
    write: |site, migrations| {
        each_file(site, migrations, |migration| {
            let statements: Vec<String> =
                migration.up.iter().map(|statement| format!("{statement};")).collect();
            statements.join("--> statement-breakpoint\n")
        });
        let entries: Vec<_> = migrations
            .iter()
            .map(|migration| {
                let tag = (TOOL.file)(migration).replace(".sql", "");
                let when = 1_790_000_000_000_u64 + migration.number as u64 * 1000;
                json!({ "idx": migration.number - 1, "version": "7", "when": when, "tag": tag, "breakpoints": true })
            })
            .collect();
        let journal = json!({ "version": "7", "dialect": "postgresql", "entries": entries });
        std::fs::create_dir_all(site.bench().dir().join("meta")).unwrap();
        site.bench().file("meta/_journal.json", &journal.to_string());
    },
    apply: orm,
    agrees,
    back: None,
    // It runs everything that is pending in one transaction.
    outside: None,
    checks: None,
};

fn orm(site: &Site) -> Ended {
    site.run(&["orm", &site.bench().dir().display().to_string(), &site.url()])
}

/// drizzle-kit, which takes its settings from a file only.
fn kit(site: &Site, command: &str) -> Ended {
    let settings = json!({
        "dialect": "postgresql", "out": "./migrations", "dbCredentials": { "url": site.url() },
    });
    std::fs::write(site.bench().folder.path().join("drizzle.config.json"), settings.to_string()).unwrap();
    site.run(&["kit", command])
}

/// It has no status. It goes by the moment of the newest row; where nothing is to be pending, it is asked to apply,
/// both ways, and must leave the table as it is.
fn agrees(site: &Site, applied: usize, pending: usize) -> Result<(), String> {
    let before = site.rows_whole();
    expect("rows", before.len(), applied)?;
    let last = &MIGRATIONS[applied - 1];
    let newest = site.one("SELECT max(created_at) FROM drizzle.__drizzle_migrations");
    expect("the newest", newest, (1_790_000_000_000_u64 + last.number as u64 * 1000).to_string())?;
    if pending == 0 {
        well(&orm(site))?;
        well(&kit(site, "migrate"))?;
        expect("rows after it was asked to apply", site.rows_whole(), before)?;
    }
    Ok(())
}
