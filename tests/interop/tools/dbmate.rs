//! dbmate.

use super::{Outside, Tool, each_file, expect, well};
use crate::migrations::script;
use crate::site::{Site, long};
use crate::support::Ended;

pub(crate) static TOOL: Tool = Tool {
    name: "dbmate",
    variable: "DBMATE",
    named: &[],
    table: "schema_migrations",
    rows: "SELECT version FROM schema_migrations ORDER BY version",
    file: |migration| format!("{}_{}.sql", long(migration), migration.name),
    write: |site, migrations| {
        each_file(site, migrations, |migration| {
            format!("-- migrate:up\n{}\n-- migrate:down\n{}", script(migration.up), script(migration.down))
        });
    },
    apply: |site| dbmate(site, &["migrate"]),
    agrees,
    back: Some(|site| dbmate(site, &["rollback"])),
    outside: Some(Outside {
        text: |up, down| {
            format!("-- migrate:up transaction:false\n{up}\n-- migrate:down transaction:false\n{down}\n")
        },
        apply: None,
    }),
    checks: None,
};

/// dbmate, told where everything is. Without the copy of the schema that it makes after a change.
pub(crate) fn dbmate(site: &Site, arguments: &[&str]) -> Ended {
    let place = site.bench().dir().display().to_string();
    site.run(&[&["--no-dump-schema", "--url", &site.url(), "-d", &place], arguments].concat())
}

fn agrees(site: &Site, applied: usize, pending: usize) -> Result<(), String> {
    let ended = dbmate(site, &["status"]);
    well(&ended)?;
    let line = |name: &str| {
        let found = ended.stdout.lines().find_map(|line| line.strip_prefix(name));
        found.unwrap_or_default().trim().to_owned()
    };
    expect("applied", line("Applied:"), applied.to_string())?;
    expect("pending", line("Pending:"), pending.to_string())?;
    expect("its exit code", dbmate(site, &["status", "--exit-code", "--quiet"]).code, i32::from(pending > 0))
}
