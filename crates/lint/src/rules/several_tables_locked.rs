use std::collections::BTreeSet;

use cofferdam_core::{Change, Finding, Findings, Name, Severity};
use cofferdam_dialects::postgres::locks::{Lock, effect};

use crate::{Rule, Scene};

/// Strong locks on several tables in one transaction.
pub(crate) static RULE: Rule = Rule {
    id: "several-tables-locked",
    code: "CF1007",
    title: "one transaction keeps everybody out of several tables",
    why: "Each ALTER TABLE waits for its own ACCESS EXCLUSIVE lock while those before it are held. A query of the \
          application that holds the second table and wants the first makes a deadlock, and one long query on the last \
          table keeps everybody out of the first ones as well.",
    instead: "A script for each table, so that each lock is got and given back by itself.",
    severity: Severity::Info,
    engines: &["postgresql"],
    aliases: &[],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    if !scene.in_transaction {
        return;
    }
    let mut before: BTreeSet<&Name> = BTreeSet::new();
    scene.earlier().iter().for_each(|change| before.extend(kept_out(scene, change)));
    let now = kept_out(scene, scene.change());
    // Said once, where the second table comes in.
    let second = now.iter().find(|table| !before.contains(*table));
    if let (1, Some(second), Some(first)) = (before.len(), second, before.iter().next()) {
        findings.push(Finding {
            help: Some("a script for each table".into()),
            ..scene.finding(&RULE, format!("{first} stays locked while the lock on {second} is waited for"))
        });
    }
}

/// The tables that nobody else can use from this statement on.
fn kept_out<'a>(scene: &Scene, change: &'a Change) -> Vec<&'a Name> {
    if effect(change, scene.facts).lock < Lock::AccessExclusive {
        return Vec::new();
    }
    change.action.tables().into_iter().filter(|table| !scene.is_new(table)).collect()
}
