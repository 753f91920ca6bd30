use cofferdam_core::change::{Column, ConstraintKind};
use cofferdam_core::{Action, Finding, Findings, Severity};

use crate::{Rule, Scene};

/// A new table whose key will run out of numbers.
pub(crate) static RULE: Rule = Rule {
    id: "small-primary-key",
    code: "CF1085",
    title: "a numbered primary key is smaller than bigint",
    why: "An integer key ends at 2147483647 (MySQL, unsigned: at 4294967295). On that day every INSERT fails, and the way out is to rewrite the table \
          and every table that refers to it. The four bytes saved are mostly lost to alignment anyway.",
    instead: "Use bigint, for the key and for the columns that refer to it.",
    severity: Severity::Info,
    engines: &["postgresql", "mysql", "mariadb"],
    aliases: &["prefer-big-int", "prefer-bigint-over-int", "prefer-bigint-over-smallint"],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    let Action::CreateTable(table) = scene.action() else { return };
    // A key of several columns, or one that refers to another table, does not count rows.
    let listed = table.constraints.iter().find_map(|constraint| match &constraint.kind {
        ConstraintKind::PrimaryKey { columns, .. } if columns.len() == 1 => columns.first(),
        _ => None,
    });
    for column in &table.columns {
        let key = column.primary_key || listed == Some(&column.name);
        if key && counts(column) && small(column) && column.references.is_none() {
            findings.push(Finding {
                at: scene.name_inside(&column.name),
                help: Some("use bigint".into()),
                ..scene.finding(&RULE, format!("{} is numbered and ends at {}", column.name, end(column)))
            });
        }
    }
}

/// Its values come from a sequence.
fn counts(column: &Column) -> bool {
    column.serial()
        || column.identity
        || column.default.as_deref().is_some_and(|default| default.to_lowercase().contains("nextval"))
}

fn small(column: &Column) -> bool {
    // Without the width for display that MySQL takes, and its sign.
    let ty = column.ty.split(['(', ' ']).next().unwrap_or_default();
    matches!(
        ty,
        "tinyint"
            | "mediumint"
            | "int"
            | "integer"
            | "int4"
            | "smallint"
            | "int2"
            | "serial"
            | "serial4"
            | "smallserial"
            | "serial2"
    )
}

fn end(column: &Column) -> &'static str {
    let ty = column.ty.split(['(', ' ']).next().unwrap_or_default();
    match (ty, column.ty.contains("unsigned")) {
        ("tinyint", false) => "127",
        ("tinyint", true) => "255",
        ("mediumint", false) => "8388607",
        ("mediumint", true) => "16777215",
        ("smallint", true) => "65535",
        ("smallint" | "smallserial" | "int2" | "serial2", _) => "32767",
        (_, true) => "4294967295",
        _ => "2147483647",
    }
}
