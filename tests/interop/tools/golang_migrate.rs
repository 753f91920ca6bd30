//! golang-migrate.

use super::{Outside, Tool, each_file, expect, plainly, well};
use crate::migrations::script;
use crate::site::Site;
use crate::support::Ended;

pub(crate) static TOOL: Tool = Tool {
    name: "golang-migrate",
    variable: "MIGRATE",
    named: &[],
    table: "schema_migrations",
    rows: "SELECT version, dirty FROM schema_migrations",
    file: |migration| format!("00000{}_{}.up.sql", migration.number, migration.name),
    write: |site, migrations| {
        each_file(site, migrations, |migration| script(migration.up));
        for migration in migrations {
            let name = (TOOL.file)(migration).replace(".up.", ".down.");
            site.bench().file(&name, &script(migration.down));
        }
    },
    apply: |site| migrate(site, &["up"]),
    agrees,
    back: Some(|site| migrate(site, &["down", "1"])),
    outside: Some(Outside { text: plainly, apply: None }),
    checks: None,
};

/// golang-migrate, told where everything is.
pub(crate) fn migrate(site: &Site, arguments: &[&str]) -> Ended {
    let place = site.bench().dir().display().to_string();
    site.run(&[&["-path", &place, "-database", &site.url()], arguments].concat())
}

/// It has no list of what is pending: where nothing is to be, it is asked to apply.
fn agrees(site: &Site, applied: usize, pending: usize) -> Result<(), String> {
    let ended = migrate(site, &["version"]);
    well(&ended)?;
    // It says `4 (dirty)` of a dirty one.
    expect("the version", ended.stderr.trim(), applied.to_string())?;
    if pending == 0 {
        let ended = migrate(site, &["up"]);
        well(&ended)?;
        expect("with nothing to do", ended.stderr.trim(), "no change")?;
    }
    Ok(())
}
