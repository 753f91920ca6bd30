//! DatabaseMigrations as a table: the columns that `kubectl get dbm` has.

use cofferdam_api::{ConditionType, DatabaseMigration, Phase, conditions};
use jiff::Timestamp;
use kube::ResourceExt;
use serde::Serialize;

use super::age;
use crate::output::table::Columns;

/// The document of kind `Migrations`.
#[derive(Debug, Serialize)]
pub(crate) struct ListView {
    pub(crate) items: Vec<RowView>,
    #[serde(skip)]
    pub(crate) everywhere: bool,
}

/// One of them.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RowView {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) database: Option<String>,
    pub(crate) current_version: Option<String>,
    pub(crate) desired_version: Option<String>,
    pub(crate) phase: Option<&'static str>,
    pub(crate) stage: Option<&'static str>,
    pub(crate) progress: Option<String>,
    /// `True`, `False` or `Unknown`; absent: nobody has judged it.
    pub(crate) ready: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) strategy: &'static str,
    pub(crate) revertible_until: Option<String>,
    pub(crate) created: Option<Timestamp>,
}

impl RowView {
    pub(crate) fn new(migration: &DatabaseMigration) -> Self {
        let status = migration.status.clone().unwrap_or_default();
        let ready = conditions::find(&status.conditions, ConditionType::Ready);
        Self {
            namespace: migration.namespace().unwrap_or_default(),
            name: migration.name_any(),
            database: status.database,
            current_version: status.current_version,
            desired_version: status.desired_version,
            phase: status.phase.map(Phase::word),
            stage: status.stage.map(|stage| stage.word()),
            progress: status.progress.and_then(|progress| progress.summary),
            ready: ready.map(|ready| ready.status.clone()),
            reason: ready.map(|ready| ready.reason.clone()),
            strategy: migration.spec.migration.strategy.word(),
            revertible_until: status.revertible_until.map(|until| until.0.to_string()),
            created: migration.creation_timestamp().map(|time| time.0),
        }
    }
}

impl ListView {
    pub(crate) fn new(all: &[DatabaseMigration], everywhere: bool) -> Self {
        Self { items: all.iter().map(RowView::new).collect(), everywhere }
    }

    /// The table; `wide` has the columns that kubectl shows with `-o wide`.
    pub(crate) fn text(&self, wide: bool, now: Timestamp) -> String {
        let mut header =
            vec!["NAME", "DATABASE", "CURRENT", "DESIRED", "PHASE", "PROGRESS", "READY", "REASON", "AGE"];
        if self.everywhere {
            header.insert(0, "NAMESPACE");
        }
        if wide {
            header.extend(["STAGE", "STRATEGY", "REVERTIBLE-UNTIL"]);
        }
        let mut table = Columns::new(&header);
        for row in &self.items {
            let shown = |text: &Option<String>| text.clone().unwrap_or_default();
            let word = |word: Option<&str>| word.unwrap_or_default().to_owned();
            let mut cells = vec![
                row.name.clone(),
                shown(&row.database),
                shown(&row.current_version),
                shown(&row.desired_version),
                word(row.phase),
                shown(&row.progress),
                shown(&row.ready),
                shown(&row.reason),
                row.created.map(|created| age::since(created, now)).unwrap_or_default(),
            ];
            if self.everywhere {
                cells.insert(0, row.namespace.clone());
            }
            if wide {
                cells.extend([word(row.stage), row.strategy.to_owned(), shown(&row.revertible_until)]);
            }
            table.row(cells);
        }
        table.text()
    }

    /// As `kubectl get -o name`, for pipes.
    pub(crate) fn names(&self) -> String {
        self.items.iter().map(|row| format!("databasemigration.cofferdam.dev/{}\n", row.name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::plugin::trial::tests::migration;

    fn view(everywhere: bool) -> ListView {
        let running = migration(|m| {
            m["metadata"]["name"] = json!("orders");
            m["spec"]["migration"]["strategy"] = json!("shadow-table");
            m["status"] = json!({
                "phase": "Running", "stage": "Copying", "database": "shop", "currentVersion": "1.4.0",
                "desiredVersion": "1.5.0", "progress": { "summary": "62% 4m" }, "conditions": [{
                    "type": "Ready", "status": "False", "reason": "Throttled", "message": "why",
                    "lastTransitionTime": "2026-11-21T10:00:00Z",
                }],
            });
        });
        ListView::new(&[running, migration(|_| {})], everywhere)
    }

    #[test]
    fn the_screen() {
        let now = "2026-11-21T10:10:00Z".parse().unwrap();
        let all = [view(false).text(false, now), view(true).text(true, now), view(false).names()];
        insta::assert_snapshot!(all.join("\n"));
    }
}
