//! Which tables a run is about.

use std::collections::BTreeSet;

use cofferdam_core::plan::{Act, Plan};
use cofferdam_core::{Name, Script};

/// More tables than these are not touched: the watch must stay cheap.
const MOST: usize = 16;

/// The tables that the steps of a plan, in the words of this dialect, name and do not make themselves, each once. What cannot be read names none.
pub(crate) fn affected(plan: &Plan, dialect: &str) -> Vec<Name> {
    let mut named = BTreeSet::new();
    let mut created = BTreeSet::new();
    for step in plan.steps() {
        match &step.act {
            Act::Online { change, .. } => {
                named.insert(change.table.clone());
            }
            Act::Sql { sql, .. } | Act::BuildIndex { sql, .. } => {
                let script = Script::new(step.path.clone(), sql.clone());
                let Ok(parsed) = crate::sql::read(dialect, &script) else { continue };
                named.extend(parsed.changes.iter().flat_map(|change| change.action.relations()));
                created.extend(cofferdam_lint::created_tables(&parsed));
            }
            Act::Park { parking, .. } => named.extend(parking.object.tables().iter().cloned()),
            Act::Check { .. } => {}
        }
    }
    named.retain(|name| !created.contains(name) && !created.contains(&Name::plain(name.name.clone())));
    named.into_iter().take(MOST).collect()
}

/// The queries of a plan's check scripts.
pub(crate) fn checks(plan: &Plan) -> Vec<String> {
    let queries = plan.steps().filter_map(|step| match &step.act {
        Act::Check { queries } => Some(queries.clone()),
        _ => None,
    });
    queries.flatten().collect()
}

#[cfg(test)]
mod tests {
    use cofferdam_core::plan::{Intent, Probe, Step, Undo, Unit};
    use cofferdam_core::{Limits, Phase, Span};

    use super::*;

    fn plan(statements: &[&str]) -> Plan {
        let step = |sql: &&str| Step {
            id: "1".into(),
            phase: Phase::Expanding,
            title: String::new(),
            act: Act::sql(*sql),
            probe: Probe::Repeatable,
            undo: Undo::Nothing,
            limits: Limits::default(),
            lock: String::new(),
            blocks: String::new(),
            estimate: String::new(),
            path: String::new(),
            at: Span::default(),
        };
        Plan {
            strategy: "direct".into(),
            key: "1".into(),
            description: String::new(),
            intent: Intent::Apply,
            units: vec![Unit { atomic: true, steps: statements.iter().map(step).collect() }],
            losses: vec![],
        }
    }

    #[test]
    fn tables_are_those_that_are_named_and_were_there() {
        let names = |statements: &[&str]| -> Vec<String> {
            affected(&plan(statements), "postgresql").iter().map(ToString::to_string).collect()
        };
        assert_eq!(
            names(&["ALTER TABLE orders ADD COLUMN a int", "UPDATE app.users SET a = 1"]),
            ["orders", "app.users"]
        );
        assert_eq!(
            names(&["CREATE TABLE new (id int)", "ALTER TABLE new ADD COLUMN a int"]),
            Vec::<String>::new()
        );
        assert_eq!(names(&["what is this", "ALTER TABLE orders ADD COLUMN a int"]), ["orders"]);
    }
}
