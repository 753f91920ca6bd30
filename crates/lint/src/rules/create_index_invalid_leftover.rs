use cofferdam_core::{Action, Change, Finding, Findings, Severity};

use crate::{Rule, Scene, rewrite};

/// An invalid index of the same name is there already.
pub(crate) static RULE: Rule = Rule {
    id: "create-index-invalid-leftover",
    code: "CF1023",
    title: "an invalid index of this name is in the way",
    why: "An earlier CREATE INDEX CONCURRENTLY failed and left an invalid index: it costs every write, and no query \
          uses it. With IF NOT EXISTS the statement succeeds and the invalid index stays; without it the statement \
          fails because the name is taken.",
    instead: "DROP INDEX CONCURRENTLY the invalid one first. `cofferdam apply` does it by itself before it builds the \
              index.",
    severity: Severity::Warning,
    engines: &["postgresql"],
    aliases: &[],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    let Action::CreateIndex(index) = scene.action() else { return };
    let Some(name) = &index.name else { return };
    let invalid =
        scene.table(&index.table).and_then(|table| table.index(name)).is_some_and(|facts| !facts.valid);
    if !invalid || scene.earlier().iter().any(|change| drops(change, name)) {
        return;
    }
    let outcome = if index.if_not_exists { "so nothing will be built" } else { "so this fails" };
    let fix = index.table.beside(name.clone()).to_sql().ok().and_then(|sql| {
        let build = rewrite::safe_parts(scene).unwrap_or_else(|| vec![scene.change().text.to_string()]);
        let parts: Vec<String> =
            std::iter::once(format!("DROP INDEX CONCURRENTLY IF EXISTS {sql}")).chain(build).collect();
        rewrite::instead(scene, "the removal of the invalid index and a new build", &parts)
    });
    findings.push(Finding {
        live: scene.live(&index.table),
        help: Some(format!("DROP INDEX CONCURRENTLY {name} first")),
        handled: true,
        fix,
        ..scene.finding(&RULE, format!("an invalid index {name} is there already, {outcome}"))
    });
}

fn drops(change: &Change, name: &str) -> bool {
    matches!(&change.action, Action::DropIndex { names, .. } if names.iter().any(|n| n.name == name))
}
