//! What becomes of a MigrationApproval, from what was seen. Pure.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;

use cofferdam_api::approval::{Decision, MigrationApprovalStatus};
use cofferdam_api::{DatabaseMigration, MigrationApproval, Reason, conditions};

use crate::migration::agreement::{self, Agreement};

/// What was seen of an approval and of what it is about.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The approval.
    pub approval: MigrationApproval,
    /// The object that it names, where it is there.
    pub migration: Option<DatabaseMigration>,
    /// All approvals of that object.
    pub all: Vec<MigrationApproval>,
    /// When.
    pub now: Timestamp,
}

/// What is to be said of it.
pub fn status(seen: &Seen) -> MigrationApprovalStatus {
    let approval = &seen.approval;
    let mut status = approval.status.clone().unwrap_or_default();
    if status.run_id.is_none()
        && let Some((run, at)) = used(seen)
    {
        status.run_id = Some(run);
        status.used_at = Some(Time(at));
    }
    let (reason, message) = judge(seen, &status);
    let generation = approval.metadata.generation.unwrap_or(0);
    let name = approval.name_any();
    conditions::stand(&mut status.conditions, reason, &message, &name, generation, seen.now);
    status.observed_generation = Some(generation);
    status
}

/// When nothing else would tell that something is new: its time is over.
pub fn again(seen: &Seen) -> Option<std::time::Duration> {
    let until = seen.approval.spec.expires_at.as_ref()?.0;
    let left = std::time::Duration::try_from(until.duration_since(seen.now)).ok()?;
    (!left.is_zero()).then(|| left + std::time::Duration::from_secs(1))
}

/// The run that began because of it, and when: the first of this plan after it was said.
fn used(seen: &Seen) -> Option<(String, Timestamp)> {
    let spec = &seen.approval.spec;
    let migration = seen.migration.as_ref()?;
    let status = migration.status.as_ref()?;
    let began = status.start_time.as_ref()?.0;
    let said = seen.approval.creation_timestamp()?.0;
    let over = spec.expires_at.as_ref().is_some_and(|end| end.0 <= began);
    let of_it = status.plan_digest.as_ref() == Some(&spec.plan_digest)
        && spec.decision == Decision::Approve
        && migration.spec.approval.required;
    // Both times are in whole seconds.
    (of_it && began >= said && !over).then_some(())?;
    Some((status.run_id.clone()?, began))
}

fn judge(seen: &Seen, status: &MigrationApprovalStatus) -> (Reason, String) {
    let spec = &seen.approval.spec;
    if let Some(run) = &status.run_id {
        let at = status.used_at.as_ref().map(|at| format!(" at {}", at.0)).unwrap_or_default();
        return (Reason::ApprovalUsed, format!("run {run} began{at} because of it"));
    }
    let of = spec.migration_ref.name.as_str();
    let Some(migration) = &seen.migration else {
        return (Reason::MigrationNotFound, format!("DatabaseMigration {of} is not there"));
    };
    let Some(plan) = migration.status.as_ref().and_then(|status| status.plan_digest.as_ref()) else {
        return (Reason::ApprovalEarly, format!("DatabaseMigration {of} has no plan yet"));
    };
    if spec.expires_at.as_ref().is_some_and(|end| end.0 <= seen.now) {
        let end = spec.expires_at.as_ref().map(|end| end.0.to_string()).unwrap_or_default();
        return (Reason::ApprovalExpired, format!("it was good until {end}, and nothing began by then"));
    }
    if *plan != spec.plan_digest {
        let message = format!(
            "it is about plan {}, and the plan of DatabaseMigration {of} is {}",
            spec.plan_digest.0, plan.0
        );
        return (Reason::ApprovalOutdated, message);
    }
    if spec.decision == Decision::Reject {
        return (Reason::ApprovalRejects, format!("nothing of plan {} begins", plan.0));
    }
    if !migration.spec.approval.required {
        let message = format!("it fits the plan, though DatabaseMigration {of} asks for no approval");
        return (Reason::ApprovalAccepted, message);
    }
    match agreement::of(&seen.all, plan.as_str(), &migration.spec.approval, seen.now) {
        Agreement::Given(_) => {
            let by = spec.approved_by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
            (Reason::ApprovalAccepted, format!("plan {} is approved{by}", plan.0))
        }
        Agreement::Rejected(no) => {
            (Reason::ApprovalRejected, format!("MigrationApproval {} rejects plan {}", no.name_any(), plan.0))
        }
        Agreement::Lacking(what) => (Reason::ApprovalIncomplete, what),
        Agreement::Nothing => (Reason::ApprovalIncomplete, "it was not seen by all yet".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const PLAN: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const OTHER: &str = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    fn approval(name: &str, change: impl FnOnce(&mut Value)) -> MigrationApproval {
        let mut object = json!({
            "metadata": { "name": name, "namespace": "shop", "generation": 1,
                "creationTimestamp": "2026-11-21T10:00:00Z" },
            "spec": { "migrationRef": { "name": "users" }, "planDigest": PLAN, "approvedBy": "alice" },
        });
        change(&mut object);
        serde_json::from_value(object).unwrap()
    }

    fn migration(change: impl FnOnce(&mut Value)) -> DatabaseMigration {
        crate::migration::tests::migration(|m| {
            m["spec"]["approval"] = json!({ "required": true });
            m["status"] = json!({ "planDigest": PLAN });
            change(m);
        })
    }

    fn judged(
        approval: MigrationApproval,
        migration: Option<DatabaseMigration>,
        others: &[MigrationApproval],
    ) -> MigrationApprovalStatus {
        let all = [std::slice::from_ref(&approval), others].concat();
        let now = "2026-11-21T12:00:00Z".parse().unwrap();
        status(&Seen { approval, migration, all, now })
    }

    fn ready(status: &MigrationApprovalStatus) -> (&str, &str) {
        let ready = status.conditions.iter().find(|c| c.type_ == "Ready").unwrap();
        (&ready.reason, &ready.status)
    }

    #[test]
    fn each_state_of_an_approval_is_said() {
        let yes = || approval("a", |_| {});
        let until = |time: &str| approval("a", |a| a["spec"]["expiresAt"] = json!(time));
        let no = |name: &str| approval(name, |a| a["spec"]["decision"] = json!("Reject"));
        let two = |m: &mut Value| m["spec"]["approval"]["twoPersons"] = json!(true);
        let bob = approval("b", |a| a["spec"]["approvedBy"] = json!("bob"));
        let planned = |digest: &str| migration(|m| m["status"]["planDigest"] = json!(digest));
        for (approval, migration, others, expected, so) in [
            (yes(), None, vec![], "MigrationNotFound", "False"),
            (yes(), Some(migration(|m| m["status"] = json!({}))), vec![], "ApprovalEarly", "False"),
            (yes(), Some(migration(|_| {})), vec![], "ApprovalAccepted", "True"),
            (yes(), Some(planned(OTHER)), vec![], "ApprovalOutdated", "False"),
            (until("2026-11-21T12:00:01Z"), Some(migration(|_| {})), vec![], "ApprovalAccepted", "True"),
            (until("2026-11-21T12:00:00Z"), Some(migration(|_| {})), vec![], "ApprovalExpired", "False"),
            (no("a"), Some(migration(|_| {})), vec![], "ApprovalRejects", "True"),
            (yes(), Some(migration(|_| {})), vec![no("n")], "ApprovalRejected", "False"),
            (yes(), Some(migration(two)), vec![], "ApprovalIncomplete", "False"),
            (yes(), Some(migration(two)), vec![bob], "ApprovalAccepted", "True"),
            (
                yes(),
                Some(migration(|m| m["spec"]["approval"] = json!({}))),
                vec![],
                "ApprovalAccepted",
                "True",
            ),
        ] {
            let status = judged(approval, migration, &others);
            assert_eq!(ready(&status), (expected, so), "{status:#?}");
            assert_eq!(status.observed_generation, Some(1));
            let true_ones: Vec<&str> =
                status.conditions.iter().filter(|c| c.status == "True").map(|c| c.type_.as_str()).collect();
            // What is over or about another plan needs a person; what may come by itself does not.
            let person = matches!(expected, "ApprovalOutdated" | "ApprovalExpired" | "ApprovalRejected");
            let wanted: &[&str] = if so == "True" {
                &["Ready"]
            } else if person {
                &["Stalled"]
            } else {
                &[]
            };
            assert_eq!(true_ones, wanted, "{expected}");
        }
    }

    #[test]
    fn the_run_that_began_because_of_it_stays_said() {
        let running = |start: &str| {
            migration(|m| {
                m["status"] =
                    json!({ "planDigest": PLAN, "runId": "run-1", "startTime": start, "phase": "Running" });
            })
        };
        let status = judged(approval("a", |_| {}), Some(running("2026-11-21T10:00:05Z")), &[]);
        assert_eq!(ready(&status), ("ApprovalUsed", "True"));
        assert_eq!(status.run_id.as_deref(), Some("run-1"));
        assert_eq!(
            status.used_at.as_ref().map(|at| at.0.to_string()).as_deref(),
            Some("2026-11-21T10:00:05Z")
        );
        // Whatever the plan becomes, its time is over, or the object goes.
        let later = |migration| {
            let used = approval("a", |a| {
                a["status"] = serde_json::to_value(&status).unwrap();
                a["spec"]["expiresAt"] = json!("2026-11-21T11:00:00Z");
            });
            judged(used, migration, &[])
        };
        for migration in
            [None, Some(migration(|m| m["status"] = json!({ "planDigest": OTHER, "runId": "run-2" })))]
        {
            let said = later(migration);
            assert_eq!((ready(&said), said.run_id.as_deref()), (("ApprovalUsed", "True"), Some("run-1")));
        }
        // One that began before it was said, or after its time, began for another reason.
        let early = judged(approval("a", |_| {}), Some(running("2026-11-21T09:59:59Z")), &[]);
        assert_eq!((ready(&early).0, early.run_id.as_deref()), ("ApprovalAccepted", None));
        let over = approval("a", |a| a["spec"]["expiresAt"] = json!("2026-11-21T10:00:05Z"));
        assert_eq!(judged(over, Some(running("2026-11-21T10:00:05Z")), &[]).run_id, None);
        let rejects = approval("a", |a| a["spec"]["decision"] = json!("Reject"));
        assert_eq!(judged(rejects, Some(running("2026-11-21T10:00:05Z")), &[]).run_id, None);
    }

    #[test]
    fn what_was_said_is_not_said_again() {
        let first = judged(approval("a", |_| {}), Some(migration(|_| {})), &[]);
        let again = approval("a", |a| a["status"] = serde_json::to_value(&first).unwrap());
        assert_eq!(judged(again, Some(migration(|_| {})), &[]), first);
    }

    #[test]
    fn it_is_looked_at_again_when_its_time_is_over() {
        let seen = |until: Option<&str>| Seen {
            approval: approval("a", |a| a["spec"]["expiresAt"] = json!(until)),
            migration: None,
            all: vec![],
            now: "2026-11-21T12:00:00Z".parse().unwrap(),
        };
        assert_eq!(again(&seen(None)), None);
        assert_eq!(again(&seen(Some("2026-11-21T11:59:00Z"))), None);
        assert_eq!(again(&seen(Some("2026-11-21T12:01:00Z"))).map(|left| left.as_secs()), Some(61));
    }
}
