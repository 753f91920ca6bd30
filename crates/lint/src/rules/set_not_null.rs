use cofferdam_core::change::ConstraintKind;
use cofferdam_core::facts::DataAnswer;
use cofferdam_core::{Action, Change, Finding, Findings, Name, Severity, TableChange};

use crate::{Rule, Scene, questions};

/// `SET NOT NULL`, or a validated NOT NULL constraint.
pub(crate) static RULE: Rule = Rule {
    id: "set-not-null",
    code: "CF1032",
    title: "NOT NULL reads the whole table while nobody can use it",
    why: "SET NOT NULL looks at every row under an ACCESS EXCLUSIVE lock, and fails with SQLSTATE 23502 at the first \
          NULL it meets. Where a validated CHECK (column IS NOT NULL) exists, the server trusts it and looks at \
          nothing.",
    instead: "Add CHECK (column IS NOT NULL) NOT VALID, fill the NULLs, VALIDATE it (which blocks nobody), then SET \
              NOT NULL and drop the check. PostgreSQL 18 can add NOT NULL itself as NOT VALID.",
    severity: Severity::Warning,
    engines: &["postgresql"],
    aliases: &["adding-not-nullable-field", "MF104", "PG303", "data_depend"],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    for (table, clause, change) in scene.alterations() {
        let column = match change {
            TableChange::SetNotNull { column } => column,
            TableChange::AddConstraint(constraint) if !constraint.not_valid => match &constraint.kind {
                ConstraintKind::NotNull { column } => column,
                _ => continue,
            },
            _ => continue,
        };
        let facts = scene.table(table);
        let known = facts.and_then(|facts| facts.column(column));
        let proven = facts.is_some_and(|facts| {
            facts
                .constraints
                .iter()
                .any(|c| c.validated && c.kind == "check" && says_not_null(&c.definition, column))
        });
        if proven || known.is_some_and(|known| known.not_null) || validated_here(scene, table, column) {
            continue;
        }
        let finding = Finding {
            at: scene.clause(clause),
            severity: scene.blocking(table),
            live: scene.live(table),
            ..scene.finding(
                &RULE,
                format!("making {column} NOT NULL reads all of {table} while nobody can use it"),
            )
        };
        let nulls = known.and_then(|known| known.has_nulls);
        let suspected = known.and_then(|known| known.null_fraction).filter(|share| *share > 0.0);
        // What the facts saw may be gone by the time of this statement.
        let filled = scene.earlier().iter().any(|change| fills(change, table, column));
        let looked = scene.answer(&questions::nulls(table, column));
        let (nulls, suspected) = match looked {
            // A look says more than statistics, which may be old.
            Some(DataAnswer::Yes) => (Some(true), None),
            Some(DataAnswer::No) => (Some(false), None),
            Some(DataAnswer::NotKnown(_) | DataAnswer::About(_)) | None => (nulls, suspected),
        };
        let finding = match looked {
            Some(DataAnswer::No) => {
                Finding { notes: vec![format!("no row with NULL in {column} is there now")], ..finding }
            }
            Some(DataAnswer::NotKnown(why)) => Finding {
                notes: vec![format!("whether {column} holds NULLs is not known: {why}")],
                ..finding
            },
            _ => finding,
        };
        findings.push(match (nulls, suspected) {
            (Some(true), _) if !filled => Finding {
                severity: Severity::Error,
                message: format!("{table}.{column} holds NULLs, so making it NOT NULL fails"),
                notes: match looked {
                    Some(DataAnswer::Yes) => {
                        vec!["a NULL was seen".into(), "fails with SQLSTATE 23502".into()]
                    }
                    _ => vec!["by the server's statistics; fails with SQLSTATE 23502".into()],
                },
                help: Some(format!("fill the NULLs of {column} first")),
                ..finding
            },
            (None, Some(share)) if !filled => Finding {
                notes: vec![format!("by the server's statistics {:.1} % of {column} is NULL", share * 100.0)],
                help: Some(format!("look for NULLs in {column} first: one is enough to make this fail")),
                ..finding
            },
            _ => scene.with_safe_sequence(Finding {
                help: Some("CHECK (... IS NOT NULL) NOT VALID, VALIDATE, then SET NOT NULL".into()),
                ..finding
            }),
        });
    }
}

/// The statement may fill the column's NULLs.
fn fills(change: &Change, table: &Name, column: &str) -> bool {
    let updates = matches!(&change.action, Action::Update { table: updated, .. } if updated == table)
        || matches!(change.action, Action::Do | Action::Call);
    updates && change.text.to_lowercase().contains(&column.to_lowercase())
}

/// An earlier statement of the script validated a check that the column is not null.
fn validated_here(scene: &Scene, table: &Name, column: &str) -> bool {
    let clauses = |change: &Change| match &change.action {
        Action::AlterTable { table: altered, changes, .. } if altered == table => changes.clone(),
        _ => Vec::new(),
    };
    let earlier: Vec<TableChange> = scene.earlier().iter().flat_map(clauses).collect();
    earlier.iter().any(|change| {
        let TableChange::AddConstraint(constraint) = change else { return false };
        let demands = match &constraint.kind {
            ConstraintKind::Check { expression } => says_not_null(expression, column),
            ConstraintKind::NotNull { column: constrained } => constrained == column,
            _ => false,
        };
        let validated = !constraint.not_valid
            || earlier.iter().any(
                |c| matches!(c, TableChange::ValidateConstraint { name } if Some(name) == constraint.name.as_ref()),
            );
        demands && validated
    })
}

/// The expression is `column IS NOT NULL` and nothing else, however it is quoted and parenthesised.
fn says_not_null(expression: &str, column: &str) -> bool {
    let plain: String = expression.chars().map(|c| if "()\"".contains(c) { ' ' } else { c }).collect();
    let words: Vec<&str> = plain.split_whitespace().collect();
    let words = words.strip_prefix(&["CHECK"]).unwrap_or(&words);
    matches!(words, [name, is, not, null]
        if name.eq_ignore_ascii_case(column)
            && is.eq_ignore_ascii_case("is")
            && not.eq_ignore_ascii_case("not")
            && null.eq_ignore_ascii_case("null"))
}

#[cfg(test)]
mod tests {
    use super::says_not_null;

    #[test]
    fn only_a_bare_not_null_check_counts() {
        for (expression, says) in [
            ("c IS NOT NULL", true),
            ("CHECK ((c IS NOT NULL))", true),
            ("(\"c\" is not null)", true),
            ("d IS NOT NULL", false),
            ("c IS NOT NULL OR d IS NULL", false),
            ("c > 0", false),
        ] {
            assert_eq!(says_not_null(expression, "c"), says, "{expression}");
        }
    }
}
