//! Atlas.

use serde_json::Value;

use super::{Outside, Tool, each_file, expect, well};
use crate::migrations::script;
use crate::site::Site;
use crate::support::Ended;

pub(crate) static TOOL: Tool = Tool {
    name: "atlas",
    variable: "ATLAS",
    named: &[],
    table: "atlas_schema_revisions.atlas_schema_revisions",
    // Releases differ in what they leave in partial_hashes once all is done, and each writes its own name.
    rows: "SELECT version, description, type, applied, total, error, error_stmt, hash
             FROM atlas_schema_revisions.atlas_schema_revisions ORDER BY version",
    file: |migration| format!("{}_{}.sql", migration.number, migration.name),
    write: |site, migrations| {
        each_file(site, migrations, |migration| script(migration.up));
        hash(site);
    },
    apply: |site| atlas(site, &["apply", "--url", &site.url()]),
    agrees,
    back: None,
    outside: Some(Outside { text: |up, _| format!("-- atlas:txmode none\n\n{up}"), apply: None }),
    checks: Some(|site| atlas(site, &["validate"])),
};

/// `atlas migrate`, told where the directory is.
pub(crate) fn atlas(site: &Site, arguments: &[&str]) -> Ended {
    let place = format!("file://{}", site.bench().dir().display());
    site.run(&[&["migrate"], arguments, &["--dir", &place]].concat())
}

/// Writes `atlas.sum` anew, as somebody does who wrote a file.
pub(crate) fn hash(site: &Site) {
    well(&atlas(site, &["hash"])).unwrap();
}

fn agrees(site: &Site, applied: usize, pending: usize) -> Result<(), String> {
    well(&atlas(site, &["validate"]))?;
    let ended = atlas(site, &["status", "--url", &site.url(), "--format", "{{ json . }}"]);
    well(&ended)?;
    let said: Value = serde_json::from_str(&ended.stdout).map_err(|e| format!("{e}: {}", ended.stdout))?;
    let number = |name: &str| said[name].as_array().map_or(0, Vec::len);
    expect("its status", &said["Status"], Value::from(if pending == 0 { "OK" } else { "PENDING" }))?;
    expect("applied", number("Applied"), applied)?;
    expect("pending", number("Pending"), pending)?;
    expect("an error", said.get("Error"), None::<Value>)?;
    expect("the version", &said["Current"], Value::from(applied.to_string()))
}
