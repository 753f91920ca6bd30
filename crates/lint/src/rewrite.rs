//! Building the edits of a finding: what replaces a statement, and what moves to a file of its own.

use std::borrow::Cow;
use std::cell::OnceCell;

use cofferdam_core::change::TransactionControl;
use cofferdam_core::facts::Server;
use cofferdam_core::finding::{Edit, Fix};
use cofferdam_core::{Act, Action, Change, Facts, Name, TableChange, Undo};
use cofferdam_dialects::postgres::inverse;
use cofferdam_dialects::postgres::refuses_transaction;
use cofferdam_dialects::postgres::sequence::{SafeStep, safe_sequence};

use crate::scene::Scene;
use crate::{clauses, transaction};

/// What is found out of each statement of a script at most once, however many of the others it matters to.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Each of its parts can commit by itself.
    alone: OnceCell<bool>,
    /// Nothing takes it back.
    lasting: OnceCell<bool>,
}

/// The directive with which a script says that each statement commits by itself.
const DIRECTIVE: &str = "-- cofferdam:transaction none\n";

/// The native safe sequence of the scene's statement, if there is one.
pub(crate) fn safe_parts(scene: &Scene) -> Option<Vec<String>> {
    safe_parts_of(scene, scene.change())
}

/// Strategy `direct` takes the safe sequence by itself: there is one, and neither a statement before it nor one of
/// its own clauses would have to be taken back if a part of the sequence failed, and cannot be.
pub(crate) fn handled(scene: &Scene) -> bool {
    let facts = facts(scene);
    let on_new_tables = |change: &Change| {
        let tables = change.action.tables();
        !tables.is_empty() && tables.iter().all(|table| scene.is_new(table))
    };
    let lasting = |(index, change): (usize, &Change)| {
        let undo = || matches!(inverse::undo(change, &facts), Undo::Impossible { .. });
        !on_new_tables(change) && *scene.found[index].lasting.get_or_init(undo)
    };
    // An index that the facts do not show has no way back either, but dropping it fails as a whole.
    let alters = matches!(scene.change().action, Action::AlterTable { .. });
    let loses = |step: &SafeStep| alters && matches!(step.undo, Undo::Impossible { .. });
    match safe_sequence(scene.change(), &facts) {
        None => false,
        Some(steps) => {
            scene.transaction_none
                || !(steps.iter().any(loses) || scene.earlier().iter().enumerate().any(lasting))
        }
    }
}

fn safe_parts_of(scene: &Scene, change: &Change) -> Option<Vec<String>> {
    let steps = safe_sequence(change, &facts(scene))?;
    // Checks are questions of the runner, not statements of a script.
    let acts = steps.into_iter().map(|step| step.act).filter(|act| !matches!(act, Act::Check { .. }));
    Some(acts.map(|act| act.text()).collect())
}

/// Where nobody was asked nothing is known but the version, which decides what the server can do.
fn facts<'a>(scene: &Scene<'a>) -> Cow<'a, Facts> {
    let server = || Server { version: scene.server_major * 10_000, ..Server::default() };
    match scene.facts {
        Some(facts) => Cow::Borrowed(facts),
        None => Cow::Owned(Facts { server: server(), ..Facts::default() }),
    }
}

/// A fix that puts `parts`, each of which commits by itself, in the place of the scene's statement.
///
/// Where every statement of the script can commit by itself they replace it in place. Else those that cannot
/// stay in the script's transaction move to a file of their own, which is applied directly after. `None` where
/// a later statement needs what would move, or where the script handles its transactions in another way.
pub(crate) fn instead(scene: &Scene, what: &str, parts: &[String]) -> Option<Fix> {
    let alone = |(index, change): (usize, &Change)| {
        *scene.found[index].alone.get_or_init(|| {
            refuses_transaction(&change.action, &change.text, scene.server_major)
                || safe_parts_of(scene, change).is_some()
        })
    };
    let alone = scene.transaction_none || others(scene).all(alone);
    if !alone {
        return moved(scene, what, parts);
    }
    let mut edits = control_edits(scene)?;
    let change = scene.change();
    if !scene.transaction_none && parts.len() + others(scene).count() > 1 {
        // A comment block that begins the file may be directives for the whole file: it stays one block.
        let gap = if scene.script.text.starts_with("--") { "" } else { "\n" };
        edits.push(Edit { start: 0, end: 0, text: format!("{DIRECTIVE}{gap}") });
    }
    edits.push(Edit { start: change.at.start, end: change.at.end, text: parts.join(";\n") });
    Some(Fix { title: format!("put {what} in its place"), edits: ordered(edits), moved: Vec::new() })
}

/// A fix that moves the scene's statement, as it is, to a file of its own.
pub(crate) fn move_out(scene: &Scene) -> Option<Fix> {
    moved(scene, "it", &[scene.change().text.to_string()])
}

fn moved(scene: &Scene, what: &str, parts: &[String]) -> Option<Fix> {
    let (stay, go) = parts.split_at(staying(parts));
    if needed_later(scene, go) {
        return None;
    }
    let mut edits = control_edits(scene)?;
    let change = scene.change();
    let (start, end) = extent(&scene.script.text, change);
    edits.push(match stay {
        [] => Edit { start, end, text: String::new() },
        stay => Edit { start: change.at.start, end: change.at.end, text: stay.join(";\n") },
    });
    let begin = if edits.len() > 1 { "take BEGIN and COMMIT out, and " } else { "" };
    Some(Fix {
        title: format!("{begin}move {what} to a file of its own, applied directly after this one"),
        edits: ordered(edits),
        moved: go.to_vec(),
    })
}

/// How many of the parts can stay where the statement was: a new column, on which later statements may rely,
/// and a constraint that is still to be validated.
fn staying(parts: &[String]) -> usize {
    let words = |part: &String| part.to_ascii_uppercase();
    let adds_column = |part: &String| words(part).contains(" ADD COLUMN ");
    let first = parts.iter().take_while(|part| adds_column(part)).count();
    let validates = |part: &String| words(part).contains("VALIDATE CONSTRAINT");
    if first == 0 && parts.len() > 1 && parts[1..].iter().all(validates) { 1 } else { first }
}

/// A later statement names an index that would come into being (or go) only after it, or relies on a key.
fn needed_later(scene: &Scene, go: &[String]) -> bool {
    let mut names: Vec<&str> = Vec::new();
    match scene.action() {
        Action::CreateIndex(index) => names.extend(index.name.as_deref()),
        Action::DropIndex { names: dropped, .. } => names.extend(dropped.iter().map(|n| n.name.as_str())),
        _ => {}
    }
    let key = go.iter().any(|part| part.contains("UNIQUE") || part.contains("PRIMARY KEY"));
    let tables = scene.action().tables();
    let table = tables.first().map(|table| table.name.as_str());
    scene.later().iter().any(|change| {
        // Of an index that is dropped the table is not named: it may be any, and goes with its column or table.
        let reshaped = match tables.first() {
            Some(table) => reshapes(change, Some(*table)),
            None => change.action.tables().iter().any(|any| reshapes(change, Some(*any))),
        };
        if reshaped {
            return true;
        }
        let text = &change.text;
        let says = |word| clauses::word(text, word).is_some();
        names.iter().any(|name| says(name))
            || key && (says("references") || says("conflict")) && table.is_some_and(says)
    })
}

/// The statement leaves the table or its columns under other names or types, or not at all.
fn reshapes(change: &Change, table: Option<&Name>) -> bool {
    let Some(table) = table else { return false };
    match &change.action {
        Action::DropTable { names, .. } => names.contains(table),
        Action::AlterTable { table: altered, changes, .. } => {
            altered == table
                && changes.iter().any(|change| {
                    matches!(
                        change,
                        TableChange::RenameTo { .. }
                            | TableChange::RenameColumn { .. }
                            | TableChange::SetSchema { .. }
                            | TableChange::DropColumn { .. }
                            | TableChange::AlterType { .. }
                    )
                })
        }
        _ => false,
    }
}

/// The other statements of the script with their places, without those that only begin or end a transaction.
fn others<'a>(scene: &Scene<'a>) -> impl Iterator<Item = (usize, &'a Change)> + use<'a> {
    let index = scene.index;
    let other =
        move |(i, change): &(usize, &Change)| *i != index && !matches!(change.action, Action::Transaction(_));
    scene.changes.iter().enumerate().filter(other)
}

/// The edits that take `BEGIN` and `COMMIT` around the whole script away. `None` where there are others, whose
/// meaning a rewrite would change.
fn control_edits(scene: &Scene) -> Option<Vec<Edit>> {
    if !scene.changes.iter().any(|change| matches!(change.action, Action::Transaction(_))) {
        return Some(Vec::new());
    }
    let (first, last) = transaction::whole_block(scene.changes)?;
    Some([first, last].map(|i| taken_out(scene, &scene.changes[i])).into())
}

/// A fix that takes every `BEGIN` and `COMMIT` out. `None` where something else than these begins or ends a
/// transaction.
pub(crate) fn without_control(scene: &Scene) -> Option<Fix> {
    let control = scene.changes.iter().filter(|change| matches!(change.action, Action::Transaction(_)));
    let mut edits = Vec::new();
    for change in control {
        use TransactionControl::{Begin, Commit};
        if !matches!(change.action, Action::Transaction(Begin | Commit)) {
            return None;
        }
        edits.push(taken_out(scene, change));
    }
    let title = "take BEGIN and COMMIT out: the script runs in one transaction".to_owned();
    Some(Fix { title, edits, moved: Vec::new() })
}

fn taken_out(scene: &Scene, change: &Change) -> Edit {
    let (start, end) = extent(&scene.script.text, change);
    Edit { start, end, text: String::new() }
}

/// A statement with its `;`, and with its whole lines where nothing else stands on them.
fn extent(text: &str, change: &Change) -> (usize, usize) {
    let mut end = change.at.end;
    let after = clauses::skip_space(text, end);
    if text[after..].starts_with(';') {
        end = after + 1;
    }
    let line = text[..change.at.start].rfind('\n').map_or(0, |newline| newline + 1);
    let rest = &text[end..];
    let rest = &rest[..rest.find('\n').map_or(rest.len(), |newline| newline + 1)];
    if text[line..change.at.start].trim().is_empty() && rest.trim().is_empty() {
        let end = end + rest.len();
        // Two empty lines would be left where one was meant to part two statements.
        let parted = text[..line].trim_end_matches(['\r', ' ', '\t']).ends_with("\n\n") || line == 0;
        let next = text[end..].find('\n').map_or("", |newline| &text[end..end + newline + 1]);
        (line, if parted && next.trim().is_empty() { end + next.len() } else { end })
    } else {
        (change.at.start, end)
    }
}

fn ordered(mut edits: Vec<Edit>) -> Vec<Edit> {
    edits.sort_by_key(|edit| (edit.start, edit.end));
    edits
}

/// A fix that puts a word behind the first `after` of the statement, where it can run as before.
pub(crate) fn put_in(scene: &Scene, after: &str, word: &str) -> Option<Fix> {
    let change = scene.change();
    let at = change.text.to_ascii_uppercase().find(after)? + after.len() + change.at.start;
    let edit = Edit { start: at, end: at, text: format!(" {word}") };
    Some(Fix { title: format!("put in {word}"), edits: vec![edit], moved: Vec::new() })
}
