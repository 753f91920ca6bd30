//! A constraint that is dropped and added anew, under the same name, in one statement.

use cofferdam_core::change::{Action, Change, Span, TableChange};
use cofferdam_core::plan::{Act, Probe, Undo};

use super::SafeStep;
use super::alter::{Sorted, Subject};
use crate::postgres::inverse;

/// Puts the DROP into the statement that adds its successor NOT VALID, so that at no moment new rows go
/// unchecked. `None` where the successor needs an index of the same name first: then the table would be without
/// its key for as long as that is built.
pub(super) fn together(subject: &Subject<'_>, mut sorted: Sorted) -> Option<Sorted> {
    let mut index = 0;
    while index < sorted.before.changes.len() {
        let TableChange::DropConstraint { name, .. } = &sorted.before.changes[index] else {
            index += 1;
            continue;
        };
        if sorted.keys.iter().any(|s| adds(s, name)) {
            return None;
        }
        let Some(add) = sorted.others.iter_mut().find(|s| adds(s, name)) else {
            index += 1;
            continue;
        };
        let Act::Sql { sql, .. } = &mut add.act else { return None };
        let clause = sql.strip_prefix(subject.alter("").as_str())?;
        *sql = subject.alter(&format!("{}, {clause}", sorted.before.texts[index])).into();
        add.title = format!("replace {}", add.title.strip_prefix("add ").unwrap_or(&add.title));
        add.probe = Probe::Nothing;
        add.undo = both(add.undo.clone(), dropped(subject, &sorted.before.changes[index]));
        sorted.before.texts.remove(index);
        sorted.before.changes.remove(index);
    }
    Some(sorted)
}

/// The step adds, and does not merely validate, the constraint of this name.
fn adds(step: &SafeStep, name: &str) -> bool {
    let about = matches!(&step.probe, Probe::ConstraintThere { constraint, .. } if constraint == name);
    about && step.undo != Undo::Nothing
}

/// The way back of the DROP alone.
fn dropped(subject: &Subject<'_>, change: &TableChange) -> Undo {
    let change = Change {
        text: subject.alter("").into(),
        at: Span::default(),
        copy_rows: None,
        comments: Vec::new(),
        action: Action::AlterTable {
            table: subject.table.clone(),
            if_exists: false,
            changes: vec![change.clone()],
        },
    };
    inverse::undo(&change, subject.facts)
}

fn both(first: Undo, second: Undo) -> Undo {
    match (first, second) {
        (Undo::Acts { mut acts, atomic, loses }, Undo::Acts { acts: more, .. }) => {
            acts.extend(more);
            Undo::Acts { acts, atomic, loses }
        }
        (first, Undo::Nothing) => first,
        (_, second) => second,
    }
}
