use cofferdam_core::{Finding, Findings, Severity, TableChange};

use crate::{Rule, Scene};

/// `ALTER COLUMN ... TYPE` that rewrites the table.
pub(crate) static RULE: Rule = Rule {
    id: "change-type-rewrite",
    code: "CF1031",
    title: "changing a column's type rewrites the table",
    why: "Most changes of type write every row and every index anew under an ACCESS EXCLUSIVE lock: nobody reads or \
          writes the table until it is done, and it needs as much free disk again. Widening varchar, varchar to \
          text, and numeric without a new scale only change the catalog; whether yours is one of them depends on the \
          old type, which only the database knows.",
    instead: "Where the table is small, do it with a lock timeout. Else let `cofferdam alter` do it online (shadow \
              table), or add a new column, keep it in sync, fill it in batches, and let the application move over.",
    severity: Severity::Warning,
    engines: &["postgresql"],
    aliases: &["changing-column-type", "PG301"],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    for (table, clause, change) in scene.alterations() {
        let TableChange::AlterType { column, ty, .. } = change else { continue };
        let old = scene.table(table).and_then(|facts| facts.column(column)).map(|facts| facts.ty.as_str());
        let effect = scene.clause_effect(table, change);
        let (message, help) = match old {
            None => (
                format!("changing {column} to {ty} may rewrite {table} while nobody can use it"),
                "lint with --url: the old type decides whether it rewrites",
            ),
            Some(old) if effect.rewrites => (
                format!("changing {column} from {old} to {ty} rewrites {table} while nobody can use it"),
                "cofferdam alter changes it online",
            ),
            Some(old) if effect.builds_index => (
                format!(
                    "changing {column} from {old} to {ty} builds its indexes anew while nobody can use {table}"
                ),
                "drop the indexes CONCURRENTLY first and build them again CONCURRENTLY afterwards",
            ),
            Some(old) if effect.scans => (
                format!(
                    "changing {column} from {old} to {ty} checks all of {table} again while nobody can use it"
                ),
                "drop the CHECK first, add it again as NOT VALID, and VALIDATE it",
            ),
            Some(_) => continue,
        };
        findings.push(Finding {
            at: scene.clause(clause),
            severity: scene.blocking(table).min(if old.is_some() { Severity::Error } else { RULE.severity }),
            live: scene.live(table),
            help: Some(help.into()),
            ..scene.finding(&RULE, message)
        });
    }
}
