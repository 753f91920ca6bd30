//! Flyway.

use cofferdam_scratch::mysql::Kind;
use serde_json::Value;

use super::{Outside, Tool, each_file, expect, plainly, well};
use crate::migrations::script;
use crate::site::Site;
use crate::support::Ended;

pub(crate) static TOOL: Tool = Tool {
    name: "flyway",
    variable: "FLYWAY_CLI",
    named: &[],
    table: "flyway_schema_history",
    // Flyway leaves it to its users who installed something.
    rows: "SELECT installed_rank, version, description, type, script, checksum, success
             FROM flyway_schema_history ORDER BY installed_rank",
    file: |migration| format!("V{}__{}.sql", migration.number, migration.name),
    write: |site, migrations| {
        each_file(site, migrations, |migration| script(migration.up));
        // Flyway's free edition passes over these; Cofferdam takes back with them.
        for migration in migrations {
            let name = format!("U{}__{}.sql", migration.number, migration.name);
            site.bench().file(&name, &script(migration.down));
        }
    },
    apply: |site| flyway(site, &["migrate"]),
    agrees,
    back: None,
    outside: Some(Outside {
        text: plainly,
        // By default it waits for ever for the transaction of its own lock.
        apply: Some(|site| flyway(site, &["migrate", "-postgresql.transactional.lock=false"])),
    }),
    checks: Some(|site| {
        // In JSON the answer tells, not the exit code.
        let mut ended = flyway(site, &["validate", "-ignoreMigrationPatterns=*:pending", "-outputType=json"]);
        let valid = json(&ended)["validationSuccessful"] == Value::Bool(true);
        ended.code = i32::from(!valid);
        ended
    }),
};

/// Flyway, told where everything is.
pub(crate) fn flyway(site: &Site, more: &[&str]) -> Ended {
    let arguments = arguments(site, more);
    site.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

/// What it is told, and more.
pub(crate) fn arguments(site: &Site, more: &[&str]) -> Vec<String> {
    let address = site.address();
    let (url, user) = match site.kind() {
        None => (
            format!("postgresql://{address}?sslmode=disable"),
            crate::support::server().superuser().to_owned(),
        ),
        Some(Kind::MariaDb) => (format!("mariadb://{address}"), "root".to_owned()),
        Some(Kind::MySql) => {
            (format!("mysql://{address}?sslMode=DISABLED&allowPublicKeyRetrieval=true"), "root".to_owned())
        }
    };
    let told = [
        format!("-url=jdbc:{url}"),
        format!("-user={user}"),
        "-password=".to_owned(),
        format!("-locations=filesystem:{}", site.bench().dir().display()),
        "-skipCheckForUpdate".to_owned(),
    ];
    told.into_iter().chain(more.iter().map(|one| (*one).to_owned())).collect()
}

pub(crate) fn json(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|e| panic!("{e}: {}\n{}", ended.stdout, ended.stderr))
}

/// Each migration that `info` has, with its state.
pub(crate) fn states(site: &Site) -> Vec<(String, String)> {
    let said = json(&flyway(site, &["info", "-outputType=json"]));
    let text = |migration: &Value, key: &str| migration[key].as_str().unwrap_or_default().to_owned();
    let all = said["migrations"].as_array().unwrap().iter();
    all.map(|migration| (text(migration, "version"), text(migration, "state"))).collect()
}

/// Applied, or in what is there already.
pub(crate) fn is_well(state: &str) -> bool {
    matches!(state, "Success" | "Baseline" | "Below Baseline" | "Ignored" | "Ignored (Baseline)")
}

fn agrees(site: &Site, applied: usize, pending: usize) -> Result<(), String> {
    well(&(TOOL.checks.expect("it has checksums"))(site))?;
    let said = json(&flyway(site, &["info", "-outputType=json"]));
    let states: Vec<&str> =
        said["migrations"].as_array().unwrap().iter().filter_map(|m| m["state"].as_str()).collect();
    let number = |wanted: &str| states.iter().filter(|state| **state == wanted).count();
    expect("applied", number("Success"), applied)?;
    expect("pending", number("Pending"), pending)?;
    // What was taken back stays in sight; nothing else is to be there.
    expect("states", states.len() - number("Deleted"), applied + pending)?;
    expect("the version", said["schemaVersion"].as_str().unwrap_or_default(), applied.to_string())
}
