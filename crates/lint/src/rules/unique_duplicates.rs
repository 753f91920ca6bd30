use cofferdam_core::facts::DataAnswer;
use cofferdam_core::{Finding, Findings, Severity};

use crate::{Rule, Scene, questions};

/// A unique constraint or index over values that are there twice.
pub(crate) static RULE: Rule = Rule {
    id: "unique-duplicates",
    code: "CF1048",
    title: "values that are to be unique are there twice",
    why: "ADD UNIQUE, ADD PRIMARY KEY and CREATE UNIQUE INDEX fail with SQLSTATE 23505 (MySQL, MariaDB: error 1062) at the first two rows that are the \
          same, after the table was read; CONCURRENTLY leaves an invalid index behind. This rule speaks only where the \
          database was asked and two such rows were seen.",
    instead: "Find them with GROUP BY ... HAVING count(*) > 1, decide which to keep, and see that the application makes no \
              new ones; then add the constraint.",
    severity: Severity::Error,
    engines: &["postgresql", "mysql", "mariadb"],
    aliases: &["MF102"],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    for (table, columns, clause) in questions::unique(scene.change()) {
        if scene.is_new(&table) || scene.written_before(&table) {
            continue;
        }
        let question = questions::duplicates(&table, &columns);
        if scene.answer(&question) != Some(&DataAnswer::Yes) {
            continue;
        }
        let columns = columns.join(", ");
        findings.push(Finding {
            at: clause.map_or(scene.change().at, |clause| scene.clause(clause)),
            live: scene.live(&table),
            notes: vec![
                format!("two rows with the same {columns} were seen"),
                format!(
                    "fails with {}",
                    if scene.engine == "postgresql" { "SQLSTATE 23505" } else { "error 1062" }
                ),
            ],
            help: Some(format!(
                "SELECT {columns}, count(*) FROM {table} GROUP BY {columns} HAVING count(*) > 1 shows them"
            )),
            ..scene.finding(
                &RULE,
                format!("{table} holds the same {columns} twice, so it cannot be made unique"),
            )
        });
    }
}
