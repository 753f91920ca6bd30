//! goose.

use super::{Outside, Tool, each_file, expect, well};
use crate::site::Site;
use crate::support::Ended;

pub(crate) static TOOL: Tool = Tool {
    name: "goose",
    variable: "GOOSE",
    named: &[],
    table: "goose_db_version",
    rows: "SELECT version_id, is_applied FROM goose_db_version ORDER BY id",
    file: |migration| format!("0000{}_{}.sql", migration.number, migration.name),
    write: |site, migrations| {
        each_file(site, migrations, |migration| {
            format!("-- +goose Up\n{}-- +goose Down\n{}", marked(migration.up), marked(migration.down))
        });
    },
    apply: |site| goose(site, &["up"]),
    agrees,
    back: Some(|site| goose(site, &["down"])),
    outside: Some(Outside {
        text: |up, down| format!("-- +goose NO TRANSACTION\n-- +goose Up\n{up}\n-- +goose Down\n{down}\n"),
        apply: None,
    }),
    checks: None,
};

/// goose does not see by itself where a statement ends that has a body or a dash in it.
fn marked(statements: &[&str]) -> String {
    let one = |statement: &&str| match statement.contains('$') || statement.contains("--") {
        true => format!("-- +goose StatementBegin\n{statement};\n-- +goose StatementEnd\n"),
        false => format!("{statement};\n"),
    };
    statements.iter().map(one).collect()
}

/// goose, told where everything is.
pub(crate) fn goose(site: &Site, arguments: &[&str]) -> Ended {
    let place = site.bench().dir().display().to_string();
    site.run(
        &[&["-dir", &place, site.kind().map_or("postgres", |_| "mysql"), &site.url()], arguments].concat(),
    )
}

fn agrees(site: &Site, applied: usize, pending: usize) -> Result<(), String> {
    let ended = goose(site, &["status"]);
    well(&ended)?;
    let lines = || ended.stderr.lines().filter(|line| line.contains(" -- "));
    let waiting = lines().filter(|line| line.contains("Pending ")).count();
    expect("pending", waiting, pending)?;
    expect("applied", lines().count() - waiting, applied)?;
    let ended = goose(site, &["version"]);
    well(&ended)?;
    let version = ended.stderr.trim().rsplit(' ').next().unwrap_or_default().to_owned();
    expect("the version", version, applied.to_string())
}
