//! What is shown of a project in its databases: screens and documents.

use cofferdam_project::Release;
use cofferdam_project::deploy::At;
use cofferdam_runner::{RunSummary, Summary};
use serde::Serialize;

use crate::args::duration;
use crate::output::plan::PlanView;
use crate::output::rollback::RollbackView;
use crate::output::words::count;

/// The document of kind `ProjectPlan`: what `install` or `upgrade` would do.
#[derive(Debug, Serialize)]
pub(super) struct ProjectPlanView {
    project: String,
    operation: &'static str,
    version: String,
    databases: Vec<PlanPlace>,
}

/// The same in one database.
#[derive(Debug, Serialize)]
pub(super) struct PlanPlace {
    name: String,
    from: Option<String>,
    /// Each version on the way.
    way: Vec<String>,
    plan: PlanView,
}

impl PlanPlace {
    pub(super) fn new(name: &str, from: Option<&Release>, way: &[Release], plan: PlanView) -> Self {
        let way = way.iter().map(Release::to_string).collect();
        Self { name: name.to_owned(), from: from.map(Release::to_string), way, plan }
    }
}

impl ProjectPlanView {
    pub(super) fn new(
        project: &str,
        operation: &'static str,
        version: &Release,
        databases: Vec<PlanPlace>,
    ) -> Self {
        Self { project: project.to_owned(), operation, version: version.to_string(), databases }
    }

    pub(super) fn text(&self) -> String {
        let place = |place: &PlanPlace| {
            let from = place.from.as_deref().unwrap_or("nothing");
            let way = std::iter::once(from).chain(place.way.iter().map(String::as_str));
            let way = way.collect::<Vec<_>>().join(" → ");
            format!("{} in {}: {way}\n{}", self.project, place.name, place.plan.text())
        };
        self.databases.iter().map(place).collect::<Vec<_>>().join("\n")
    }
}

/// The document of kind `ProjectRollbackPlan`.
#[derive(Debug, Serialize)]
pub(super) struct BackView {
    pub(super) project: String,
    pub(super) version: String,
    pub(super) databases: Vec<BackPlace>,
}

/// The same in one database.
#[derive(Debug, Serialize)]
pub(super) struct BackPlace {
    pub(super) name: String,
    pub(super) from: Option<String>,
    pub(super) plan: RollbackView,
}

impl BackView {
    pub(super) fn text(&self) -> String {
        let place = |place: &BackPlace| {
            let from = place.from.as_deref().unwrap_or("nothing");
            format!("{} in {}: {from} → {}\n{}", self.project, place.name, self.version, place.plan.text())
        };
        self.databases.iter().map(place).collect::<Vec<_>>().join("\n")
    }
}

/// The document of kind `ProjectSummary`: what was done.
#[derive(Debug, Serialize)]
pub(super) struct DoneView {
    project: String,
    operation: &'static str,
    /// What was asked for.
    version: String,
    changed: bool,
    databases: Vec<DonePlace>,
}

/// The same in one database.
#[derive(Debug, Serialize)]
pub(super) struct DonePlace {
    pub(super) name: String,
    database: String,
    from: Option<String>,
    /// What it has now.
    version: Option<String>,
    runs: Vec<RunSummary>,
    notes: Vec<String>,
}

impl DonePlace {
    pub(super) fn new(
        name: &str,
        database: String,
        from: Option<&Release>,
        at: &At,
        summary: Summary,
    ) -> Self {
        Self {
            name: name.to_owned(),
            database,
            from: from.map(Release::to_string),
            version: at.version.as_ref().map(Release::to_string),
            runs: summary.runs,
            notes: summary.notes,
        }
    }

    /// Something was done.
    pub(super) fn changed(&self) -> bool {
        !self.runs.is_empty()
    }
}

impl DoneView {
    pub(super) fn new(
        project: &str,
        operation: &'static str,
        version: &Release,
        databases: Vec<DonePlace>,
    ) -> Self {
        let changed = databases.iter().any(DonePlace::changed);
        Self { project: project.to_owned(), operation, version: version.to_string(), changed, databases }
    }

    pub(super) fn text(&self) -> String {
        let place = |place: &DonePlace| {
            let version = place.version.as_deref().unwrap_or("no version");
            let of = format!("{} is at {version} in {} ({})", self.project, place.name, place.database);
            if !place.changed() {
                return format!("nothing to do: {of}\n");
            }
            let ms = place.runs.iter().map(|run| run.ms).sum();
            let word = if self.operation == "rollback" { "undone" } else { "applied" };
            format!("{word} {} in {}: {of}\n", count(place.runs.len(), "script"), duration::shown(ms))
        };
        self.databases.iter().map(place).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_with_nothing_to_do_is_told_apart() {
        let version = Release::parse("v1.1.0").unwrap();
        let at = At { version: Some(version.clone()), half_way_to: None };
        let place = DonePlace::new("primary", "shop".into(), None, &at, Summary::default());
        let view = DoneView::new("shop-api", "install", &version, vec![place]);
        assert_eq!(view.text(), "nothing to do: shop-api is at v1.1.0 in primary (shop)\n");
        assert!(!view.changed);
    }
}
