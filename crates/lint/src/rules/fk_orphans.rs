use cofferdam_core::change::ConstraintKind;
use cofferdam_core::facts::DataAnswer;
use cofferdam_core::{Finding, Findings, Severity, TableChange};
use cofferdam_dialects::mysql::Flavour;
use cofferdam_dialects::mysql::locks::keys_unchecked;

use crate::{Rule, Scene, questions};

/// A foreign key over rows whose parent is not there.
pub(crate) static RULE: Rule = Rule {
    id: "fk-orphans",
    code: "CF1047",
    title: "rows refer to parents that are not there",
    why: "ADD FOREIGN KEY, and VALIDATE of one that is NOT VALID, fail with SQLSTATE 23503 (MySQL, MariaDB: error 1452) at the first row whose parent is \
          not there. Rows like that are common where nothing forbade them. This rule speaks only where the database was \
          asked and such a row was seen.",
    instead: "Add the key as NOT VALID, which keeps new orphans out; give the old ones a parent, or NULL, or delete them; \
              then VALIDATE. MySQL and MariaDB know no NOT VALID: correct the rows first.",
    severity: Severity::Error,
    engines: &["postgresql", "mysql", "mariadb"],
    aliases: &[],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    for (table, clause, change) in scene.alterations() {
        let TableChange::AddConstraint(constraint) = change else { continue };
        let ConstraintKind::ForeignKey { columns, parent, .. } = &constraint.kind else { continue };
        let Some(question) = questions::of_constraint(table, constraint) else { continue };
        // What was seen may be corrected by an earlier statement.
        if scene.answer(&question) != Some(&DataAnswer::Yes) || scene.written_before(table) {
            continue;
        }
        let columns = columns.join(", ");
        findings.push(Finding {
            at: scene.clause(clause),
            live: scene.live(table),
            notes: vec!["a row without its parent was seen".into(), fails(scene)],
            help: Some(match scene.engine {
                "postgresql" => {
                    format!(
                        "NOT VALID first; then correct the rows whose {columns} leads nowhere, and VALIDATE"
                    )
                }
                _ => format!("correct the rows whose {columns} leads nowhere first"),
            }),
            ..scene.finding(
                &RULE,
                format!("rows of {table} refer by {columns} to rows of {parent} that are not there"),
            )
        });
    }
}

/// What comes of it. With the checks off MySQL and MariaDB take the key, and it holds for no row that is there.
fn fails(scene: &Scene) -> String {
    match Flavour::of(scene.engine) {
        None => "fails with SQLSTATE 23503".to_owned(),
        Some(flavour) if keys_unchecked(scene.earlier(), flavour) => {
            "with foreign_key_checks = 0 the key is added all the same, and these rows stay".to_owned()
        }
        Some(_) => "fails with error 1452".to_owned(),
    }
}
