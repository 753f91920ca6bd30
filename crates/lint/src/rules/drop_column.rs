use cofferdam_core::{Finding, Findings, Severity, TableChange};

use crate::{Rule, Scene};

/// `DROP COLUMN`.
pub(crate) static RULE: Rule = Rule {
    id: "drop-column",
    code: "CF1072",
    title: "dropping a column loses what it holds",
    why: "What the column holds is gone with the commit; only a backup brings it back. Queries of a running version \
          that still name the column fail, and so do those of many mappers that list every column they know of. \
          Indexes and constraints over the column go with it, silently.",
    instead: "First deploy a version that does not use the column (in many mappers: ignore it), then drop it a release \
              later. Allow the rule with what makes you sure as the reason.",
    severity: Severity::Warning,
    engines: &["postgresql", "mysql", "mariadb"],
    aliases: &["ban-drop-column", "DS103", "destructive", "modify_check"],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    for (table, clause, change) in scene.alterations() {
        let TableChange::DropColumn { name, if_exists, cascade } = change else { continue };
        let facts = scene.table(table);
        let column = facts.and_then(|facts| facts.column(name));
        if facts.is_some_and(|facts| !facts.columns.is_empty()) && column.is_none() && *if_exists {
            continue;
        }
        let only_nulls = column.and_then(|column| column.null_fraction).is_some_and(|share| share >= 1.0);
        let mut notes = Vec::new();
        if only_nulls {
            notes.push(format!("by the server's statistics {name} holds nothing but NULL"));
        }
        let over = |columns: &[String]| columns.iter().any(|column| column == name);
        if let Some(facts) = facts {
            let indexes = facts.indexes.iter().filter(|index| over(&index.columns)).map(|index| &index.name);
            let constraints = facts.constraints.iter().filter(|c| over(&c.columns)).map(|c| &c.name);
            let mut gone: Vec<&str> = indexes.chain(constraints).map(String::as_str).collect();
            gone.sort_unstable();
            gone.dedup();
            if !gone.is_empty() {
                notes.push(format!("dropped with it: {}", gone.join(", ")));
            }
        }
        if *cascade {
            notes.push("CASCADE also drops the views and foreign keys that depend on it".to_owned());
        }
        findings.push(Finding {
            at: scene.clause(clause),
            severity: if only_nulls { Severity::Warning } else { scene.losing(table) },
            live: scene.live(table),
            notes,
            help: Some("deploy a version that does not use it first, and drop it a release later".into()),
            ..scene.finding(&RULE, format!("what {table}.{name} holds is lost"))
        });
    }
}
