use cofferdam_core::{Finding, Findings, Severity};
use cofferdam_dialects::mysql::locks::Operation as O;

use crate::{Rule, Scene, mysql};

/// `OPTIMIZE TABLE`, `ENGINE =`, `FORCE`, `ROW_FORMAT =`, `ORDER BY`, and what else writes a table anew without a rule of its own.
pub(crate) static RULE: Rule = Rule {
    id: "table-rebuild",
    code: "CF1137",
    title: "a whole table is written anew",
    why: "The server writes every row and every index anew: it takes long, needs the room for a second table, \
          and replicas lag as long. A change of the engine, and ORDER BY, also keep writers out. OPTIMIZE TABLE \
          of an InnoDB table is this, and nothing less.",
    instead: "Ask whether it is needed: InnoDB finds room again by itself. Where it is, change the table online, \
              with `cofferdam alter`, and merge it with other changes that write the table anew.",
    severity: Severity::Warning,
    engines: mysql::BOTH,
    aliases: &[],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    for heavy in mysql::operations(scene) {
        let own = matches!(
            heavy.operation,
            O::Rebuild
                | O::ChangeEngine
                | O::OrderBy
                | O::ReorderColumn
                | O::DropColumn
                | O::DropIndexedColumn
                | O::AddColumn
                | O::DefaultCharset
                | O::Tablespace
                | O::AddSystemVersioning
                | O::DropSystemVersioning
        );
        if !own || !heavy.class.rebuilds && heavy.class.online() {
            continue;
        }
        let table = heavy.table;
        let message = if heavy.class.rebuilds {
            format!("all of {table} is written anew")
        } else {
            format!("nobody uses {table} meanwhile")
        };
        findings.push(Finding {
            help: Some("ask whether it is needed; else change the table online: cofferdam alter".into()),
            ..heavy.finding(scene, &RULE, message)
        });
    }
}
