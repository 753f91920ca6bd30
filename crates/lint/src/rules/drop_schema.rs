use cofferdam_core::{Action, Finding, Findings, Severity};

use crate::{Rule, Scene};

/// `DROP SCHEMA`, `DROP DATABASE`.
pub(crate) static RULE: Rule = Rule {
    id: "drop-schema",
    code: "CF1073",
    title: "dropping a schema or a database loses all that is in it",
    why: "Every table in it is gone with the statement; only a backup brings them back. DROP SCHEMA without CASCADE is \
          refused by PostgreSQL while anything is in the schema, so it loses nothing; on MySQL and MariaDB it is DROP \
          DATABASE.",
    instead: "Drop what is in it piece by piece, each with its own reason; then drop the empty schema without CASCADE.",
    severity: Severity::Warning,
    engines: &["postgresql", "mysql", "mariadb"],
    aliases: &["ban-drop-schema", "ban-drop-database", "DS101", "destructive"],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    let (names, if_exists, cascade, kind) = match scene.action() {
        Action::DropSchema { names, if_exists, cascade } => (names.clone(), *if_exists, *cascade, "schema"),
        Action::DropDatabase { name, if_exists } => (vec![name.clone()], *if_exists, true, "database"),
        _ => return,
    };
    for name in names {
        let there = scene.facts.map(|facts| facts.has(kind, &name));
        if !cascade || (kind == "schema" && if_exists && there == Some(false)) {
            continue;
        }
        let tables = scene.facts.into_iter().flat_map(|facts| facts.tables.values()).filter(|table| {
            kind == "schema"
                && table.exists
                && table.resolved.as_ref().and_then(|resolved| resolved.schema.as_ref()) == Some(&name)
        });
        let filled: Vec<String> = tables
            .filter(|table| table.has_rows == Some(true) || table.rows.is_some_and(|rows| rows > 0))
            .filter_map(|table| table.resolved.as_ref().map(ToString::to_string))
            .collect();
        findings.push(Finding {
            severity: if filled.is_empty() { RULE.severity } else { Severity::Error },
            notes: filled.iter().map(|table| format!("{table} holds rows")).collect(),
            help: Some("drop what is in it piece by piece".into()),
            ..scene.finding(&RULE, format!("all that is in the {kind} {name} is lost"))
        });
    }
}
