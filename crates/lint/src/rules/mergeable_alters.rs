use cofferdam_core::finding::{Edit, Fix};
use cofferdam_core::{Action, Change, Finding, Findings, Severity};
use cofferdam_dialects::postgres::locks::effect;

use crate::{Rule, Scene, clauses};

/// Two `ALTER TABLE` on one table, one after the other.
pub(crate) static RULE: Rule = Rule {
    id: "mergeable-alters",
    code: "CF1008",
    title: "several ALTER TABLE on one table could be one",
    why: "Where each statement commits by itself, each ALTER TABLE waits for its ACCESS EXCLUSIVE lock anew, and everybody \
          waits behind it as often. Clauses that change the catalog only cost nothing more in one statement.",
    instead: "One ALTER TABLE with a comma between the clauses.",
    severity: Severity::Info,
    engines: &["postgresql"],
    aliases: &[],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    // In one transaction the lock is got once, however many statements there are.
    if scene.in_transaction || scene.index == 0 {
        return;
    }
    let before = &scene.changes[scene.index - 1];
    let own = scene.change();
    let (Action::AlterTable { table, .. }, Action::AlterTable { table: other, .. }) =
        (&before.action, &own.action)
    else {
        return;
    };
    if table != other || scene.is_new(table) || !(light(scene, before) && light(scene, own)) {
        return;
    }
    findings.push(Finding {
        help: Some("write its clauses behind those of the statement before".into()),
        fix: merged(before, own),
        ..scene.finding(&RULE, format!("this waits for the lock on {table} again"))
    });
}

/// It changes the catalog only, and what it does does not depend on the other's being done.
fn light(scene: &Scene, change: &Change) -> bool {
    use cofferdam_core::TableChange::*;
    let Action::AlterTable { changes, .. } = &change.action else { return false };
    let effect = effect(change, scene.facts);
    let plain = changes.iter().all(|clause| {
        matches!(
            clause,
            AddColumn { .. }
                | SetDefault { .. }
                | DropDefault { .. }
                | DropNotNull { .. }
                | DropColumn { .. }
        )
    });
    plain && !(effect.rewrites || effect.scans) && effect.parents.is_empty()
}

/// Puts the clauses of the second where the first ends. `None` where a comment between them would be lost, or where a
/// clause of the second is about a column of the first.
fn merged(before: &Change, own: &Change) -> Option<Fix> {
    let columns = |change: &Change| -> Vec<String> {
        use cofferdam_core::TableChange::*;
        let Action::AlterTable { changes, .. } = &change.action else { return Vec::new() };
        changes
            .iter()
            .filter_map(|clause| match clause {
                AddColumn { column, .. } => Some(column.name.clone()),
                SetDefault { column, .. } | DropDefault { column } | DropNotNull { column } => {
                    Some(column.clone())
                }
                DropColumn { name, .. } => Some(name.clone()),
                _ => None,
            })
            .collect()
    };
    let named = columns(before);
    if !own.comments.is_empty() || columns(own).iter().any(|column| named.contains(column)) {
        return None;
    }
    let (start, _) = *clauses::clauses(&own.text)?.first()?;
    // From the end of the first, over its semicolon, to the first clause of the second.
    let edit = Edit { start: before.at.end, end: own.at.start + start, text: ",\n    ".to_owned() };
    Some(Fix { title: "make one statement of both".into(), edits: vec![edit], moved: Vec::new() })
}
