use cofferdam_core::{Finding, Findings, Severity, TableChange};

use crate::{Rule, Scene};

/// `ADD COLUMN ... GENERATED ALWAYS AS (...) STORED`.
pub(crate) static RULE: Rule = Rule {
    id: "add-column-generated-stored",
    code: "CF1103",
    title: "adding a stored generated column rewrites the table",
    why: "The column's value is computed for every row and stored: the table and its indexes are written anew. On \
          PostgreSQL nobody reads or writes until that is done, on MySQL and MariaDB nobody writes.",
    instead: "PostgreSQL 18, MySQL and MariaDB have VIRTUAL columns, which are computed when read and cost nothing to add. Before that: a \
              plain column, a trigger that fills it, and a backfill in batches; or a view.",
    severity: Severity::Warning,
    engines: &["postgresql", "mysql", "mariadb"],
    aliases: &[],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    for (table, clause, change) in scene.alterations() {
        let TableChange::AddColumn { column, .. } = change else { continue };
        if !column.generated_stored {
            continue;
        }
        let help = match scene.server_major {
            _ if scene.engine != "postgresql" => "make it VIRTUAL",
            18.. => "make it VIRTUAL",
            _ => "a plain column, a trigger that fills it, and a backfill in batches",
        };
        findings.push(Finding {
            at: scene.clause(clause),
            severity: scene.blocking(table),
            live: scene.live(table),
            help: Some(help.into()),
            ..scene.finding(
                &RULE,
                format!("{} is stored in every row, so all of {table} is written anew", column.name),
            )
        });
    }
}
