use cofferdam_core::facts::IndexFacts;
use cofferdam_core::{Action, Finding, Findings, Severity};

use crate::{Rule, Scene, rewrite};

/// `REFRESH MATERIALIZED VIEW` without `CONCURRENTLY`.
pub(crate) static RULE: Rule = Rule {
    id: "refresh-matview-blocking",
    code: "CF1035",
    title: "refreshing a materialized view blocks its readers",
    why: "REFRESH MATERIALIZED VIEW holds an ACCESS EXCLUSIVE lock on the view while its query runs: whoever reads \
          the view waits for all of it.",
    instead: "REFRESH MATERIALIZED VIEW CONCURRENTLY, which needs a unique index over plain columns on the view.",
    severity: Severity::Warning,
    engines: &["postgresql"],
    aliases: &[],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    let Action::RefreshView { name, concurrently: false } = scene.action() else { return };
    if scene.is_new(name) {
        return;
    }
    let suited = |index: &IndexFacts| {
        index.unique && index.valid && !index.partial && index.columns.iter().all(|column| !column.is_empty())
    };
    let can = scene.table(name).map(|view| view.indexes.iter().any(suited));
    let help = match can {
        Some(false) => "make a unique index over plain columns, then REFRESH ... CONCURRENTLY",
        _ => "REFRESH MATERIALIZED VIEW CONCURRENTLY; it needs a unique index on the view",
    };
    let fix = (can == Some(true)).then(|| rewrite::put_in(scene, "VIEW", "CONCURRENTLY")).flatten();
    findings.push(Finding {
        severity: scene.blocking(name),
        live: scene.live(name),
        help: Some(help.into()),
        fix,
        ..scene.finding(&RULE, format!("whoever reads {name} waits until it is refreshed"))
    });
}
