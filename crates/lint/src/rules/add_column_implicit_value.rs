use crate::{Rule, Scene, mysql};
use cofferdam_core::{Finding, Findings, Severity, TableChange};

/// `ADD COLUMN ... NOT NULL` without a default.
pub(crate) static RULE: Rule = Rule {
    id: "add-column-implicit-value",
    code: "CF1126",
    title: "old rows silently get a value that nobody wrote",
    why: "A NOT NULL column without a default does not fail where there are rows: each old row silently gets 0, \
          an empty text, or the first value of an ENUM. Whether that means anything is not asked. And the \
          running version, which does not know the column, can no longer insert under the strict sql_mode.",
    instead: "Write the default that old rows are to get; or add it so that it takes NULL, fill it in batches, \
              and make it NOT NULL.",
    severity: Severity::Warning,
    engines: mysql::BOTH,
    aliases: &["MY101"],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    for (table, clause, change) in scene.alterations() {
        let TableChange::AddColumn { column, .. } = change else { continue };
        let filled = column.default.is_some()
            || column.identity
            || column.generated_stored
            || column.generated_virtual
            || column.primary_key;
        if !column.not_null || filled {
            continue;
        }
        let severity = match scene.holds_rows(table) {
            Some(false) => Severity::Info,
            _ => RULE.severity,
        };
        findings.push(Finding {
            at: scene.clause(clause),
            severity,
            live: scene.live(table),
            help: Some("write the DEFAULT that old rows are to get".into()),
            ..scene.finding(
                &RULE,
                format!("old rows of {table} silently get {} in {}", implicit(&column.ty), column.name),
            )
        });
    }
}

/// What the server takes for a type.
fn implicit(ty: &str) -> &'static str {
    let base = ty.split(['(', ' ']).next().unwrap_or_default();
    match base {
        "enum" => "the first value",
        "date" | "datetime" | "timestamp" => "0000-00-00, or an error,",
        "char" | "varchar" | "text" | "tinytext" | "mediumtext" | "longtext" | "set" | "blob" | "binary"
        | "varbinary" => "an empty text",
        _ => "0",
    }
}
