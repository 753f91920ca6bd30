use cofferdam_core::change::MySqlClause;
use cofferdam_core::{Finding, Findings, Severity, TableChange};

use crate::{Rule, Scene};

/// A type that holds less than the old one.
pub(crate) static RULE: Rule = Rule {
    id: "change-type-narrowing",
    code: "CF1037",
    title: "the new type holds less than the old one",
    why: "A value that does not fit makes the statement fail (SQLSTATE 22001 or 22003) after the table was read under a \
          strong lock (on MySQL and MariaDB without the strict sql_mode it is cut silently); with a cast in USING it is cut instead, and what was cut is lost. And a version of the \
          application that still writes long values fails from then on.",
    instead: "Look for values that do not fit first. Add a CHECK as NOT VALID, correct the rows, VALIDATE it, and leave the \
              type as it is: a CHECK says the same without a rewrite.",
    severity: Severity::Warning,
    engines: &["postgresql", "mysql", "mariadb"],
    aliases: &[],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    for (table, clause, change) in scene.alterations() {
        let (column, ty) = match change {
            TableChange::AlterType { column, ty, .. } => (column, ty),
            TableChange::MySql(MySqlClause::ModifyColumn { column }) => (&column.name, &column.ty),
            TableChange::MySql(MySqlClause::ChangeColumn { from, column }) => (from, &column.ty),
            _ => continue,
        };
        let Some(old) = scene.table(table).and_then(|facts| facts.column(column)) else { continue };
        if !narrower(&old.ty, ty) {
            continue;
        }
        let severity = if scene.holds_rows(table) == Some(false) { Severity::Info } else { RULE.severity };
        findings.push(Finding {
            at: scene.clause(clause),
            severity,
            live: scene.live(table),
            help: Some(match scene.engine {
                "postgresql" => {
                    "look for values that do not fit; a CHECK limits them without a rewrite".into()
                }
                _ => "look for values that do not fit first".into(),
            }),
            ..scene.finding(&RULE, format!("{column} was {} and holds less as {ty}", old.ty))
        });
    }
}

/// Whole numbers by their size.
const WHOLE: &[(&str, u32)] = &[
    ("tinyint", 1),
    ("mediumint", 3),
    ("smallint", 2),
    ("int2", 2),
    ("integer", 4),
    ("int", 4),
    ("int4", 4),
    ("bigint", 8),
    ("int8", 8),
];

/// Of types that are understood: the new one surely refuses some values of the old one.
fn narrower(old: &str, new: &str) -> bool {
    let (old, new) = (old.to_ascii_lowercase(), new.to_ascii_lowercase());
    // MySQL shows a width that means nothing. Another sign loses the numbers of one side.
    let signless = |ty: &str| !ty.contains("unsigned");
    let whole = |ty: &str| base(ty.split(' ').next().unwrap_or_default()).to_owned();
    let size = |ty: &str| WHOLE.iter().find(|(name, _)| *name == whole(ty)).map(|(_, size)| *size);
    if size(&old).is_some() && size(&new).is_some() && signless(&old) && !signless(&new) {
        return true;
    }
    if let (Some(old), Some(new)) = (size(&old), size(&new)) {
        return new < old;
    }
    let text = |ty: &str| match base(ty) {
        "text" => Some(None),
        "varchar" | "character varying" => Some(numbers(ty).first().copied()),
        _ => None,
    };
    if let (Some(old), Some(new)) = (text(&old), text(&new)) {
        return new.is_some_and(|new| old.is_none_or(|old| new < old));
    }
    let number = |ty: &str| matches!(base(ty), "numeric" | "decimal").then(|| numbers(ty));
    if let (Some(old), Some(new)) = (number(&old), number(&new)) {
        let whole = |n: &[i64]| n.first().map(|precision| precision - n.get(1).copied().unwrap_or(0));
        let fraction = |n: &[i64]| n.first().map(|_| n.get(1).copied().unwrap_or(0));
        let less =
            |old: Option<i64>, new: Option<i64>| new.is_some_and(|new| old.is_none_or(|old| new < old));
        return less(whole(&old), whole(&new)) || less(fraction(&old), fraction(&new));
    }
    false
}

/// The type without its modifiers.
fn base(ty: &str) -> &str {
    ty.split('(').next().unwrap_or_default().trim()
}

/// The modifiers: `numeric(10,2)` has 10 and 2.
fn numbers(ty: &str) -> Vec<i64> {
    let inside = ty.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map(|(inside, _)| inside);
    inside.unwrap_or_default().split(',').filter_map(|n| n.trim().parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::narrower;

    #[test]
    fn only_what_surely_holds_less_is_narrower() {
        for (old, new, says) in [
            ("bigint", "int", true),
            ("integer", "bigint", false),
            ("integer", "int4", false),
            ("text", "varchar(20)", true),
            ("character varying(20)", "varchar(30)", false),
            ("character varying(20)", "varchar(10)", true),
            ("character varying(20)", "text", false),
            ("numeric(10,2)", "numeric(12,2)", false),
            ("numeric(10,2)", "numeric(10,3)", true),
            ("numeric(10,2)", "numeric(8,2)", true),
            ("numeric(10,2)", "numeric", false),
            ("numeric", "numeric(10)", true),
            ("text", "jsonb", false),
            ("int(11)", "bigint(20) unsigned", true),
            ("int unsigned", "bigint", false),
            ("int(10) unsigned", "int unsigned", false),
            ("mediumint", "smallint", true),
        ] {
            assert_eq!(narrower(old, new), says, "{old} to {new}");
        }
    }
}
