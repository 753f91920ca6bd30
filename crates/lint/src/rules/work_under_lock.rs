use cofferdam_core::{Action, Change, Finding, Findings, Name, Severity};
use cofferdam_dialects::postgres::locks::effect;

use crate::{Rule, Scene};

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
    if !scene.in_transaction || !works(scene, scene.change()) {
        return;
    }
    let Some((locked, line)) = scene.earlier().iter().rev().find_map(|earlier| locks(scene, earlier)) else {
        return;
    };
    // Changing a few rows of another table is no long work.
    if matches!(scene.action(), Action::Update { filtered: true, table } | Action::Delete { filtered: true, table }
        if table != locked)
    {
        return;
    }
    findings.push(Finding {
        severity: scene.blocking(locked),
        live: scene.live(locked),
        help: Some("put this in a script of its own, after this one".into()),
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
