//! sqlx, by its command line.

use super::{Outside, Tool, each_file, expect, well};
use crate::migrations::script;
use crate::site::Site;
use crate::support::Ended;

pub(crate) static TOOL: Tool = Tool {
    name: "sqlx",
    variable: "SQLX",
    // Its names are anybody's.
    named: &["--format", "sqlx"],
    table: "_sqlx_migrations",
    rows: "SELECT version, description, success, encode(checksum, 'hex') FROM _sqlx_migrations ORDER BY version",
    file: |migration| format!("000{}_{}.up.sql", migration.number, migration.name),
    write: |site, migrations| {
        each_file(site, migrations, |migration| script(migration.up));
        for migration in migrations {
            let name = (TOOL.file)(migration).replace(".up.", ".down.");
            site.bench().file(&name, &script(migration.down));
        }
    },
    apply: |site| sqlx(site, &["run"]),
    agrees,
    back: Some(|site| sqlx(site, &["revert"])),
    outside: Some(Outside { text: |up, _| format!("-- no-transaction\n{up}"), apply: None }),
    checks: Some(|site| {
        // It says so line by line, and ends with 0.
        let mut ended = sqlx(site, &["info"]);
        ended.code = i32::from(ended.code != 0 || ended.stdout.contains("different checksum"));
        ended
    }),
};

/// `sqlx migrate`, told where the directory is.
pub(crate) fn sqlx(site: &Site, arguments: &[&str]) -> Ended {
    let place = site.bench().dir().display().to_string();
    site.run(&[&["migrate"], arguments, &["--source", &place]].concat())
}

fn agrees(site: &Site, applied: usize, pending: usize) -> Result<(), String> {
    let ended = sqlx(site, &["info"]);
    well(&ended)?;
    let number = |wanted: &str| ended.stdout.lines().filter(|line| line.contains(wanted)).count();
    expect("applied", number("/installed "), applied)?;
    expect("pending", number("/pending "), pending)?;
    expect("with another checksum", number("different checksum"), 0)
}
