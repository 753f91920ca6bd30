use cofferdam_core::facts::Referring;
use cofferdam_core::{Action, Change, Finding, Findings, Name, Severity, TableChange};

use crate::{Rule, Scene};

/// From this share of its numbers on a key is told of, in percent.
const NEAR: i64 = 70;

/// So many of the columns that refer to it are named.
const NAMED: usize = 10;

/// A numbered key that has used up most of its numbers.
pub(crate) static RULE: Rule = Rule {
    id: "int-pk-exhaustion",
    code: "CF1088",
    title: "a primary key runs out of numbers soon",
    why: "The sequence of the key has given most of the numbers that its column or the sequence itself allows. After the \
          last one every INSERT fails with SQLSTATE 2200H or 22003. Making it bigint then means to rewrite the table, and \
          every table that refers to it, while nobody can insert: a column that refers to it is named, because it takes \
          no larger numbers than before. This rule speaks only where the database was asked, of the tables that a script \
          names.",
    instead: "Make the key bigint while there is time, without blocking anybody: \
              `cofferdam alter --table T \"ALTER COLUMN id TYPE bigint\"`; first the columns that refer to it.",
    severity: Severity::Warning,
    engines: &["postgresql"],
    aliases: &[],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    for name in scene.action().tables() {
        // Once for each table of a script.
        let before = scene.earlier().iter().any(|change| change.action.tables().contains(&name));
        let Some(table) = scene.table(name).filter(|_| !before && !scene.is_new(name)) else { continue };
        let key = table.constraints.iter().find(|k| k.kind == "primary key" && k.columns.len() == 1);
        let Some(column) = key.and_then(|key| table.column(&key.columns[0])) else { continue };
        let Some((counter, last)) = column.counter.as_ref().and_then(|c| Some((c, c.last?))) else {
            continue;
        };
        let most = highest(&column.ty).min(counter.most);
        let widened = |table: &Name, column: &str| scene.changes.iter().any(|c| widens(c, table, column));
        let narrow: Vec<&Referring> = table
            .referring
            .iter()
            .filter(|it| it.to == column.name && highest(&it.ty) <= most && !widened(&it.table, &it.column))
            .collect();
        let widened = widened(name, &column.name);
        if most <= 0 || last < most / 100 * NEAR || widened && narrow.is_empty() {
            continue;
        }
        let percent = last / (most / 100).max(1);
        let used = format!("{percent} % of the numbers of {name}.{} are used", column.name);
        let mut notes = vec![format!("the last number was {last} of {most}")];
        notes.extend(narrow.iter().take(NAMED).map(|it| {
            format!("{}.{} ({}) refers to it, and must be made bigint first", it.table, it.column, it.ty)
        }));
        if narrow.len() > NAMED {
            notes.push(format!("and {} columns more", narrow.len() - NAMED));
        }
        let widen = |table: &Name, column: &str| {
            format!("cofferdam alter --table {table} \"ALTER COLUMN {column} TYPE bigint\"")
        };
        let (message, help) = match (narrow.first(), column.ty.as_str()) {
            (Some(first), _) if widened => (
                format!("{used}, and {}.{} cannot take those that come", first.table, first.column),
                widen(&first.table, &first.column),
            ),
            (_, "bigint") => {
                (used, "ALTER SEQUENCE ... AS bigint: the column has room, its sequence has not".to_owned())
            }
            _ => (used, widen(name, &column.name)),
        };
        findings.push(Finding {
            live: scene.live(name),
            notes,
            help: Some(help),
            ..scene.finding(&RULE, message)
        });
    }
}

/// The highest number that a column of a type takes.
fn highest(ty: &str) -> i64 {
    match ty {
        "smallint" => i16::MAX.into(),
        "integer" => i32::MAX.into(),
        _ => i64::MAX,
    }
}

/// The script itself gives the column another type. A table without a schema is the one of this name.
fn widens(change: &Change, table: &Name, column: &str) -> bool {
    let Action::AlterTable { table: of, changes, .. } = &change.action else { return false };
    let own =
        |clause: &TableChange| matches!(clause, TableChange::AlterType { column: c, .. } if c == column);
    let same = of.name == table.name && (of.schema.is_none() || of.schema == table.schema);
    (of == table || same) && changes.iter().any(own)
}
