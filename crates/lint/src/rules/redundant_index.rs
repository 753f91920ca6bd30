use cofferdam_core::facts::IndexFacts;
use cofferdam_core::{Action, Change, Finding, Findings, Name, Severity};

use crate::{Rule, Scene};

/// An index whose columns another one begins with.
pub(crate) static RULE: Rule = Rule {
    id: "redundant-index",
    code: "CF1027",
    title: "another index begins with the same columns",
    why: "A B-tree over (a, b) answers everything that one over (a) does. The second one is read by nobody and written at \
          every INSERT, keeps UPDATEs from being heap-only, and takes memory. A column that stands twice in one index is \
          written twice for nothing.",
    instead: "Keep the longer one. Where the shorter is much smaller and read very often, allow it with that as the reason.",
    severity: Severity::Info,
    engines: &["postgresql"],
    aliases: &[],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    let Action::CreateIndex(index) = scene.action() else { return };
    let Some(columns) = index.columns.iter().map(|c| c.as_deref()).collect::<Option<Vec<&str>>>() else {
        return;
    };
    if let Some(twice) = columns.iter().enumerate().find(|(i, c)| columns[..*i].contains(c)).map(|(_, c)| c) {
        findings.push(Finding {
            help: Some(format!("name {twice} once")),
            ..scene.finding(&RULE, format!("{twice} stands twice in this index"))
        });
        return;
    }
    if index.unique || index.partial || index.method != "btree" {
        return;
    }
    let Some(covering) = covering(scene, &index.table, index.name.as_deref(), &columns) else { return };
    findings.push(Finding {
        help: Some("leave it out".into()),
        ..scene.finding(
            &RULE,
            format!("{covering} begins with {} already, so nobody needs this index", columns.join(", ")),
        )
    });
}

/// The index that makes it needless: of the database, or of an earlier statement.
fn covering(scene: &Scene, table: &Name, own: Option<&str>, columns: &[&str]) -> Option<String> {
    let begins = |all: &[&str]| all.starts_with(columns);
    let there = scene.table(table).map(|facts| facts.indexes.as_slice()).unwrap_or_default();
    let fits = |index: &&IndexFacts| {
        let all: Vec<&str> = index.columns.iter().map(String::as_str).collect();
        index.valid
            && !index.partial
            && Some(index.name.as_str()) != own
            && index.definition.contains(" USING btree ")
            && begins(&all)
    };
    let dropped = |name: &str| {
        scene.earlier().iter().any(|change| {
            matches!(&change.action, Action::DropIndex { names, .. } if names.iter().any(|n| n.name == name))
        })
    };
    let live = there.iter().find(fits).map(|index| index.name.clone());
    live.or_else(|| scene.earlier().iter().find_map(|change| made(change, table, &begins)))
        .filter(|name| !dropped(name))
}

fn made(change: &Change, table: &Name, begins: &dyn Fn(&[&str]) -> bool) -> Option<String> {
    let Action::CreateIndex(index) = &change.action else { return None };
    let columns = index.columns.iter().map(|c| c.as_deref()).collect::<Option<Vec<&str>>>()?;
    (index.table == *table && !index.partial && index.method == "btree" && begins(&columns))
        .then(|| index.name.clone().unwrap_or_else(|| "an earlier one".to_owned()))
}
