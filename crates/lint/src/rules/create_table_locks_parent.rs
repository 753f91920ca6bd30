use cofferdam_core::change::ConstraintKind;
use cofferdam_core::{Action, Finding, Findings, Name, Severity};

use crate::{Rule, Scene};

/// `CREATE TABLE ... REFERENCES` a table that is in use.
pub(crate) static RULE: Rule = Rule {
    id: "create-table-locks-parent",
    code: "CF1050",
    title: "a new table with a foreign key blocks writes to its parent",
    why: "The new table is nobody's, but its foreign key puts triggers on the parent, for which CREATE TABLE takes a SHARE \
          ROW EXCLUSIVE lock on it: an instant, but waited for behind every writing transaction, and held until the \
          script's transaction ends.",
    instead: "Keep the script short, or create the table without the key and add it in a script of its own, NOT VALID.",
    severity: Severity::Info,
    engines: &["postgresql"],
    aliases: &[],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    let Action::CreateTable(table) = scene.action() else { return };
    let inline =
        table.columns.iter().filter_map(|column| column.references.as_ref().map(|(parent, _)| parent));
    let listed = table.constraints.iter().filter_map(|constraint| match &constraint.kind {
        ConstraintKind::ForeignKey { parent, .. } => Some(parent),
        _ => None,
    });
    let mut busy: Vec<&Name> =
        inline.chain(listed).filter(|parent| scene.table(parent).is_some_and(|facts| facts.busy())).collect();
    busy.sort();
    busy.dedup();
    for parent in busy.into_iter().filter(|parent| !scene.is_new(parent)) {
        findings.push(Finding {
            live: scene.live(parent),
            help: Some("keep the rest of the script short, or add the key in a script of its own".into()),
            ..scene.finding(&RULE, format!("writes to {parent} wait until this script's transaction ends"))
        });
    }
}
