//! All of one DatabaseMigration: what is wanted, where it is, what was done, and what comes next.

use cofferdam_api::{DatabaseMigration, MigrationApproval};
use cofferdam_operator::migration::seen::{Finished, finished, kind_of};
use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Event;
use kube::ResourceExt;
use serde::Serialize;

use super::age;
use super::status::{StatusView, labelled};
use crate::output::table::Columns;
use crate::output::words;
use crate::plugin::agree;
use crate::plugin::lines::PlannedStep;
use crate::plugin::next;
use crate::plugin::words::Words;

/// The document of kind `Migration`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DescribeView {
    #[serde(flatten)]
    pub(crate) status: StatusView,
    pub(crate) target: Option<String>,
    pub(crate) source: String,
    pub(crate) approval: String,
    pub(crate) cutover: String,
    pub(crate) suspended: bool,
    pub(crate) shadow_table: Option<String>,
    pub(crate) conditions: Vec<ConditionView>,
    pub(crate) plan: Vec<PlannedStep>,
    pub(crate) jobs: Vec<JobView>,
    pub(crate) history: Vec<RunView>,
    pub(crate) events: Vec<EventView>,
}

/// A condition.
#[derive(Debug, Serialize)]
pub(crate) struct ConditionView {
    #[serde(rename = "type")]
    about: String,
    status: String,
    reason: String,
    since: Timestamp,
    message: String,
}

/// A Job.
#[derive(Debug, Serialize)]
pub(crate) struct JobView {
    name: String,
    work: Option<&'static str>,
    state: String,
    created: Option<Timestamp>,
}

/// A run that ended.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RunView {
    run: String,
    result: &'static str,
    reason: String,
    from: Option<String>,
    to: Option<String>,
    ended: Option<Timestamp>,
}

/// An event.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct EventView {
    at: Option<Timestamp>,
    #[serde(rename = "type")]
    kind: String,
    reason: String,
    about: String,
    message: String,
    count: i32,
}

impl EventView {
    fn new(event: &Event) -> Self {
        let last = event.last_timestamp.as_ref().map(|time| time.0);
        let series = event.series.as_ref();
        let about = &event.involved_object;
        Self {
            at: series
                .and_then(|series| Some(series.last_observed_time.as_ref()?.0))
                .or(last)
                .or_else(|| event.event_time.as_ref().map(|time| time.0))
                .or_else(|| event.creation_timestamp().map(|time| time.0)),
            kind: event.type_.clone().unwrap_or_default(),
            reason: event.reason.clone().unwrap_or_default(),
            about: format!(
                "{}/{}",
                about.kind.as_deref().unwrap_or_default().to_lowercase(),
                about.name.as_deref().unwrap_or_default()
            ),
            message: event.message.clone().unwrap_or_default(),
            count: series.and_then(|series| series.count).or(event.count).unwrap_or(1).max(1),
        }
    }
}

/// The events in the order in which they came.
pub(crate) fn in_order(events: &[Event]) -> Vec<EventView> {
    let mut events: Vec<EventView> = events.iter().map(EventView::new).collect();
    events.sort_by_key(|event| event.at);
    events
}

/// Whether the plan needs a person's word, and whose it has.
pub(crate) fn approval(migration: &DatabaseMigration, approvals: &[MigrationApproval]) -> String {
    let by = |approval: &MigrationApproval| {
        let who = approval.spec.approved_by.as_ref().map(|who| format!(" by {who}")).unwrap_or_default();
        let why = approval.spec.comment.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        format!("{who} (MigrationApproval {}){why}", approval.name_any())
    };
    if !migration.spec.approval.required {
        return "not asked for".to_owned();
    }
    if let Some(no) = agree::rejected(migration, approvals) {
        return format!("rejected{}", by(no));
    }
    match agree::approved(migration, approvals) {
        Some(yes) => format!("approved{}", by(yes)),
        None => "asked for, and nobody has agreed to this plan".to_owned(),
    }
}

fn source(migration: &DatabaseMigration) -> String {
    let source = &migration.spec.migration;
    if let Some(image) = &source.image {
        let directory = source.dir.as_deref().unwrap_or("/migrations");
        return format!("image {}, {directory}", image.as_str());
    }
    if let Some(container) = &source.container {
        return format!("container {}", container.image.as_str());
    }
    if let Some(maps) = &source.config_maps {
        let names: Vec<&str> = maps.iter().map(|map| map.name.as_str()).collect();
        return format!("ConfigMaps {}", names.join(", "));
    }
    let scripts: Vec<&str> = source.scripts.iter().flatten().map(|script| script.source.as_str()).collect();
    format!("{}: {}", words::count(scripts.len(), "script"), scripts.join(", "))
}

/// What was read of one migration.
pub(crate) struct Read<'a> {
    pub(crate) migration: &'a DatabaseMigration,
    pub(crate) approvals: &'a [MigrationApproval],
    pub(crate) jobs: &'a [Job],
    pub(crate) events: &'a [Event],
    pub(crate) plan: Vec<PlannedStep>,
}

impl DescribeView {
    pub(crate) fn new(read: Read<'_>, words: &Words) -> Self {
        let Read { migration, approvals, jobs, events, plan } = read;
        let status = migration.status.clone().unwrap_or_default();
        let target = status.target.map(|target| {
            let all = [Some(target.identity), target.address, target.server];
            all.into_iter().flatten().collect::<Vec<_>>().join("  ")
        });
        let shadow_table = status.shadow_table.map(|table| {
            let rows = table.rows_processed.map(|done| match table.total_rows {
                Some(all) => format!("{done} of {all} rows"),
                None => format!("{done} rows"),
            });
            let all = [table.name, table.sync_status.map(|sync| sync.word().to_owned()), rows];
            all.into_iter().flatten().collect::<Vec<_>>().join("  ")
        });
        let cutover = &migration.spec.cutover;
        let window =
            cutover.window.as_ref().map(|window| format!(" {}", window.as_str())).unwrap_or_default();
        let state = |job: &Job| match finished(job) {
            None => "at work".to_owned(),
            Some(Finished::Complete) => "ended well".to_owned(),
            Some(Finished::Failed(reason, _)) => format!("failed: {reason}"),
        };
        Self {
            status: StatusView::new(migration, words),
            target,
            source: source(migration),
            approval: approval(migration, approvals),
            cutover: format!("{}{window}", cutover.mode),
            suspended: migration.spec.suspend,
            shadow_table,
            conditions: status
                .conditions
                .into_iter()
                .map(|one| ConditionView {
                    about: one.type_,
                    status: one.status,
                    reason: one.reason,
                    since: one.last_transition_time.0,
                    message: one.message,
                })
                .collect(),
            plan,
            jobs: jobs
                .iter()
                .map(|job| JobView {
                    name: job.name_any(),
                    work: kind_of(job).map(|kind| kind.word()),
                    state: state(job),
                    created: job.creation_timestamp().map(|time| time.0),
                })
                .collect(),
            history: status
                .history
                .into_iter()
                .map(|run| RunView {
                    run: run.run_id,
                    result: run.result.word(),
                    reason: run.reason,
                    from: run.from_version,
                    to: run.to_version,
                    ended: run.completion_time.map(|time| time.0),
                })
                .collect(),
            events: in_order(events),
        }
    }

    /// The screen.
    pub(crate) fn text(&self, now: Timestamp) -> String {
        let status = &self.status;
        // The next command stands at the very end.
        let mut out = StatusView { next: vec![], ..status.clone() }.text();
        for (label, value) in [
            ("namespace", Some(status.row.namespace.clone())),
            ("target", self.target.clone()),
            ("source", Some(self.source.clone())),
            ("strategy", Some(status.row.strategy.to_owned())),
            ("approval", Some(self.approval.clone())),
            ("cutover", Some(self.cutover.clone())),
            ("suspended", self.suspended.then(|| "yes".to_owned())),
            ("shadow table", self.shadow_table.clone()),
            ("run", status.run_id.clone()),
        ] {
            if let Some(value) = value {
                out += &labelled(label, &value);
            }
        }
        let ago = |at: Option<Timestamp>| at.map(|at| age::since(at, now)).unwrap_or_default();
        let mut part = |title: &str, header: &[&str], rows: Vec<Vec<String>>| {
            if rows.is_empty() {
                return;
            }
            let mut table = Columns::new(header).indented("  ");
            rows.into_iter().for_each(|row| table.row(row));
            out += &format!("\n{title}\n{}", table.text());
        };
        let conditions = self.conditions.iter().map(|one| {
            let message = words::cut(&one.message, 100);
            vec![one.about.clone(), one.status.clone(), one.reason.clone(), ago(Some(one.since)), message]
        });
        part("Conditions", &["TYPE", "STATUS", "REASON", "SINCE", "MESSAGE"], conditions.collect());
        let plan =
            self.plan.iter().map(|one| vec![one.migration.clone(), one.step.clone(), one.title.clone()]);
        part("Plan", &["MIGRATION", "STEP", "WHAT"], plan.collect());
        let jobs = self.jobs.iter().map(|one| {
            vec![one.name.clone(), one.work.unwrap_or("–").to_owned(), one.state.clone(), ago(one.created)]
        });
        part("Jobs", &["NAME", "WORK", "STATE", "AGE"], jobs.collect());
        let history = self.history.iter().map(|one| {
            let version = |version: &Option<String>| words::version(version.as_deref()).to_owned();
            let versions = [version(&one.from), version(&one.to)];
            [
                vec![one.result.to_owned(), one.reason.clone()],
                versions.into(),
                vec![ago(one.ended), one.run.clone()],
            ]
            .concat()
        });
        part("History", &["RESULT", "REASON", "FROM", "TO", "ENDED", "RUN"], history.collect());
        let events = self.events.iter().map(|one| {
            let times = if one.count > 1 { format!(" (x{})", one.count) } else { String::new() };
            let age = format!("{}{times}", ago(one.at));
            vec![age, one.kind.clone(), one.reason.clone(), one.about.clone(), words::cut(&one.message, 100)]
        });
        part("Events", &["AGE", "TYPE", "REASON", "ABOUT", "MESSAGE"], events.collect());
        match self.status.next.is_empty() {
            true => out,
            false => format!("{out}\n{}", next::text(&self.status.next)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::plugin::trial::tests::{PLAN, approval as said, job, migration};

    fn event(reason: &str, at: &str, count: i32) -> Event {
        serde_json::from_value(json!({
            "metadata": {}, "type": "Normal", "reason": reason, "message": format!("what {reason} says"),
            "lastTimestamp": at, "count": count, "involvedObject": { "kind": "DatabaseMigration", "name": "users" },
        }))
        .unwrap()
    }

    #[test]
    fn the_screen() {
        let waiting = migration(|m| {
            m["spec"]["approval"] = json!({ "required": true });
            m["spec"]["cutover"] = json!({ "mode": "window", "window": "22:00-04:00" });
            m["status"] = json!({
                "observedGeneration": 3, "phase": "Pending", "stage": "Planned", "database": "shop", "planDigest": PLAN,
                "jobName": "users-apply-2", "runId": "0198c5b2-7a00",
                "target": { "identity": "7301/shop", "address": "db.shop.svc:5432", "server": "PostgreSQL 15.18" },
                "conditions": [
                    { "type": "Ready", "status": "False", "reason": "ApprovalPending", "message": "the plan waits",
                      "observedGeneration": 3, "lastTransitionTime": "2026-11-21T10:00:00Z" },
                    { "type": "LintPassed", "status": "True", "reason": "MigrationInProgress",
                      "message": "lint found no errors", "lastTransitionTime": "2026-11-21T09:59:00Z" },
                ],
                "history": [{ "runId": "0198c5b1-0000", "generation": 2, "result": "RolledBack", "reason": "RolledBack",
                    "fromVersion": "users/zero", "completionTime": "2026-11-20T10:00:00Z" }],
            });
        });
        let step = |step: &str, title: &str| PlannedStep {
            migration: "users/one".into(),
            step: step.into(),
            title: title.into(),
        };
        let read = Read {
            migration: &waiting,
            approvals: &[said("users-no", PLAN, "Reject")],
            jobs: &[job("users-apply-1", "old", Some("Failed")), job("users-apply-2", "new", Some("Failed"))],
            events: &[
                event("ApprovalPending", "2026-11-21T10:00:00Z", 1),
                event("JobPending", "2026-11-21T09:59:00Z", 3),
            ],
            plan: vec![step("1", "add column users.note text"), step("2", "create index concurrently")],
        };
        let view = DescribeView::new(read, &Words::plain());
        insta::assert_snapshot!(view.text("2026-11-21T10:10:00Z".parse().unwrap()));
    }

    #[test]
    fn the_approval_says_who_and_why() {
        let asked = migration(|m| {
            m["spec"]["approval"] = json!({ "required": true });
            m["status"] = json!({ "planDigest": PLAN });
        });
        let mut yes = said("yes", PLAN, "Approve");
        yes.spec.approved_by = Some("alice".into());
        yes.spec.comment = Some("CHG-1".into());
        assert_eq!(approval(&asked, &[yes]), "approved by alice (MigrationApproval yes): CHG-1");
        assert!(approval(&asked, &[said("old", "sha256:0", "Approve")]).contains("nobody"));
        assert_eq!(approval(&migration(|_| {}), &[]), "not asked for");
    }

    #[test]
    fn a_source_says_what_it_is() {
        for (spec, expected) in [
            (json!({ "image": "app:2" }), "image app:2, /migrations"),
            (json!({ "configMaps": [{ "name": "a" }, { "name": "b" }] }), "ConfigMaps a, b"),
            (
                json!({ "scripts": [{ "name": "a", "source": "configmap://m/a.sql" }] }),
                "1 script: configmap://m/a.sql",
            ),
        ] {
            assert_eq!(source(&migration(|m| m["spec"]["migration"] = spec)), expected);
        }
    }
}
