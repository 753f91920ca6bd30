use cofferdam_core::{Action, Change, Finding, Findings, Name, Severity, TableChange};

use crate::{Rule, Scene};

/// From this share of its numbers on a key is told of, in percent.
const NEAR: i64 = 70;

/// A numbered key that has used up most of its numbers.
pub(crate) static RULE: Rule = Rule {
    id: "int-pk-exhaustion",
    code: "CF1088",
    title: "a primary key runs out of numbers soon",
    why: "The sequence of the key has given most of the numbers that its column or the sequence itself allows. After the \
          last one every INSERT fails with SQLSTATE 2200H or 22003. Making it bigint then means to rewrite the table, and \
          every table that refers to it, while nobody can insert. This rule speaks only where the database was asked, of \
          the tables that a script names.",
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
        let most = match column.ty.as_str() {
            "smallint" => i64::from(i16::MAX),
            "integer" => i64::from(i32::MAX),
            _ => i64::MAX,
        }
        .min(counter.most);
        if most <= 0
            || last < most / 100 * NEAR
            || scene.changes.iter().any(|c| widens(c, name, &column.name))
        {
            continue;
        }
        let percent = last / (most / 100).max(1);
        findings.push(Finding {
            live: scene.live(name),
            notes: vec![format!("the last number was {last} of {most}")],
            help: Some(match column.ty.as_str() {
                "bigint" => {
                    "ALTER SEQUENCE ... AS bigint: the column has room, its sequence has not".to_owned()
                }
                _ => format!("cofferdam alter --table {name} \"ALTER COLUMN {} TYPE bigint\"", column.name),
            }),
            ..scene.finding(&RULE, format!("{percent} % of the numbers of {name}.{} are used", column.name))
        });
    }
}

/// The script itself gives the column another type.
fn widens(change: &Change, table: &Name, column: &str) -> bool {
    let Action::AlterTable { table: of, changes, .. } = &change.action else { return false };
    let own =
        |clause: &TableChange| matches!(clause, TableChange::AlterType { column: c, .. } if c == column);
    of == table && changes.iter().any(own)
}
