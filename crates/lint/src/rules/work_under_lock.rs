use cofferdam_core::{Action, Change, Finding, Findings, Name, Severity};
use cofferdam_dialects::postgres::locks::effect;
use cofferdam_dialects::postgres::refuses_transaction;

use crate::{Rule, Scene, rewrite};

/// Long work in a transaction that keeps everybody out of a table.
pub(crate) static RULE: Rule = Rule {
    id: "work-under-lock",
    code: "CF1006",
    title: "long work while an earlier statement keeps everybody out of a table",
    why: "Locks are held until the transaction ends. ALTER TABLE ... ADD COLUMN is an instant, but its ACCESS EXCLUSIVE \
          lock stays while the rest of the script runs: an UPDATE that fills the new column, an index that is built. \
          All that time nobody reads or writes the table.",
    instead: "Put the long statement in a script of its own, applied directly after; fill columns in batches.",
    severity: Severity::Warning,
    engines: &["postgresql"],
    aliases: &[],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    let change = scene.change();
    // What refuses a transaction has a rule of its own.
    if !scene.in_transaction
        || refuses_transaction(&change.action, &change.text, scene.server_major)
        || !works(scene, change)
    {
        return;
    }
    let Some((locked, line)) = scene.earlier().iter().rev().find_map(|earlier| locks(scene, earlier)) else {
        return;
    };
    let filtered = match scene.action() {
        Action::Update { filtered, table } | Action::Delete { filtered, table } => Some((*filtered, table)),
        _ => None,
    };
    let severity = match filtered {
        // Changing a few rows of another table is no long work.
        Some((true, table)) if table != locked => return,
        // How many rows the condition meets is not known.
        Some((true, _)) => scene.blocking(locked).min(RULE.severity),
        _ => scene.blocking(locked),
    };
    findings.push(Finding {
        severity,
        live: scene.live(locked),
        help: Some("put this in a script of its own, after this one".into()),
        // The safe sequence commits before it begins.
        handled: rewrite::handled(scene),
        ..scene.finding(&RULE, format!("nobody can use {locked} while this runs: line {line} locked it"))
    });
}

/// It reads, writes or builds much, on tables that are in use.
fn works(scene: &Scene, change: &Change) -> bool {
    if change.action.tables().iter().all(|table| scene.is_new(table)) {
        return false;
    }
    let effect = effect(change, scene.facts);
    effect.scans || effect.rewrites || matches!(change.action, Action::Update { .. } | Action::Delete { .. })
}

/// The table in use that the statement keeps everybody out of until the transaction ends, and its line.
fn locks<'a>(scene: &Scene, change: &'a Change) -> Option<(&'a Name, usize)> {
    let Action::AlterTable { table, .. } = &change.action else { return None };
    let keeps_out = !scene.is_new(table) && effect(change, scene.facts).lock.blocks_reads();
    keeps_out.then_some((table, change.at.line))
}
