use cofferdam_core::change::ConstraintKind;
use cofferdam_core::facts::Table;
use cofferdam_core::{Finding, Findings, Severity, TableChange};

use crate::{Rule, Scene};

/// A foreign key between columns of different types.
pub(crate) static RULE: Rule = Rule {
    id: "fk-type-mismatch",
    code: "CF1049",
    title: "a foreign key joins columns of different types",
    why: "PostgreSQL takes a key from int to bigint, and casts at each look. What is written into the one may not fit into \
          the other: the smaller column runs out first, and its change is a rewrite of a table that others refer to.",
    instead: "Give both columns the same type before the key is added.",
    severity: Severity::Warning,
    engines: &["postgresql"],
    aliases: &[],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    for (table, clause, change) in scene.alterations() {
        let TableChange::AddConstraint(constraint) = change else { continue };
        let ConstraintKind::ForeignKey { columns, parent, parent_columns } = &constraint.kind else {
            continue;
        };
        let (Some(own), Some(other)) = (scene.table(table), scene.table(parent)) else { continue };
        for (column, theirs) in columns.iter().zip(referenced(other, parent_columns)) {
            let types =
                own.column(column).zip(other.column(theirs)).map(|(a, b)| (plain(&a.ty), plain(&b.ty)));
            let Some((a, b)) = types.filter(|(a, b)| a != b) else { continue };
            findings.push(Finding {
                at: scene.clause(clause),
                help: Some("give both the same type first".into()),
                ..scene.finding(&RULE, format!("{table}.{column} is {a}, and {parent}.{theirs} is {b}"))
            });
        }
    }
}

/// The columns that are referred to: those named, else the primary key.
fn referenced<'a>(parent: &'a Table, named: &'a [String]) -> &'a [String] {
    let key = || parent.constraints.iter().find(|c| c.kind == "primary key").map(|c| c.columns.as_slice());
    if named.is_empty() { key().unwrap_or_default() } else { named }
}

/// The type without its length, which a key does not care about.
fn plain(ty: &str) -> &str {
    ty.split('(').next().unwrap_or_default().trim()
}
