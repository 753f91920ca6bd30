//! What runs that ended have left in the cluster and nothing needs any more. Pure.
//!
//! The operator reads from the Jobs of the spec as it is what was done for it: were one of them removed too early, it
//! would be made again. So these are left alone until the object has ended for good, and then they go together.

use cofferdam_api::approval::Decision;
use cofferdam_api::{DatabaseMigration, MigrationApproval};
use cofferdam_operator::migration::decide::settled;
use cofferdam_operator::migration::seen::finished;
use cofferdam_operator::migration::work;
use k8s_openapi::api::batch::v1::Job;
use kube::ResourceExt;

/// Something that may go, and why.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Leftover {
    Job(Box<Job>, &'static str),
    Approval(Box<MigrationApproval>, &'static str),
}

/// What of one migration may go. `last`: also the Jobs of the spec as it is, with their logs.
pub(crate) fn of(
    migration: &DatabaseMigration,
    jobs: &[Job],
    approvals: &[MigrationApproval],
    last: bool,
) -> Vec<Leftover> {
    let base = work::base(migration);
    let settled = settled(migration) && jobs.iter().all(|job| finished(job).is_some());
    let going = |job: &&Job| finished(job).is_some() && job.metadata.deletion_timestamp.is_none();
    let jobs = jobs.iter().filter(going).filter_map(|job| {
        let why = match job.annotations().get(work::BASE) == Some(&base) {
            false => "ended, for an older spec",
            true if settled && last => "ended, and nothing more is to be done for this spec",
            true => return None,
        };
        Some(Leftover::Job(Box::new(job.clone()), why))
    });
    let plan = migration.status.as_ref().and_then(|status| status.plan_digest.as_ref());
    // A rejection is never in the way, and were its plan to come again it would be missed.
    let older = |approval: &&MigrationApproval| {
        settled && approval.spec.decision == Decision::Approve && Some(&approval.spec.plan_digest) != plan
    };
    let approvals = approvals.iter().filter(older);
    jobs.chain(
        approvals.map(|approval| Leftover::Approval(Box::new(approval.clone()), "agrees to an older plan")),
    )
    .collect()
}

/// Approvals whose migration is not there any more.
pub(crate) fn orphans(migrations: &[DatabaseMigration], approvals: &[MigrationApproval]) -> Vec<Leftover> {
    let there = |approval: &MigrationApproval| {
        let name = approval.spec.migration_ref.name.as_str();
        migrations.iter().any(|one| one.name_any() == name && one.namespace() == approval.namespace())
    };
    let orphans = approvals.iter().filter(|approval| !there(approval));
    orphans
        .map(|approval| {
            Leftover::Approval(Box::new(approval.clone()), "its DatabaseMigration is not there any more")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use cofferdam_api::names::{ANNOTATION_RETRY, ANNOTATION_ROLLBACK};
    use serde_json::{Value, json};

    use super::*;
    use crate::plugin::trial::tests::{PLAN, approval, job, migration};

    const OLD: &str = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    fn ended(phase: &str, more: impl FnOnce(&mut Value)) -> DatabaseMigration {
        migration(|m| {
            m["status"] = json!({ "observedGeneration": 3, "phase": phase, "planDigest": PLAN });
            more(m);
        })
    }

    fn names(found: &[Leftover]) -> Vec<String> {
        let name = |one: &Leftover| match one {
            Leftover::Job(job, _) => job.name_any(),
            Leftover::Approval(approval, _) => approval.name_any(),
        };
        found.iter().map(name).collect()
    }

    #[test]
    fn what_is_at_work_or_still_needed_stays() {
        let settled = ended("Succeeded", |_| {});
        let window = ended("Succeeded", |m| m["status"]["revertibleUntil"] = json!("2026-11-22T10:00:00Z"));
        let asked =
            ended("RolledBack", |m| m["metadata"]["annotations"] = json!({ ANNOTATION_ROLLBACK: PLAN }));
        let retried = ended("Failed", |m| m["metadata"]["annotations"] = json!({ ANNOTATION_RETRY: "1" }));
        let running = ended("Running", |_| {});
        let changed = ended("Succeeded", |m| m["metadata"]["generation"] = json!(4));
        for (migration, last, expected) in [
            (&settled, false, vec!["old"]),
            (&settled, true, vec!["old", "now"]),
            (&window, true, vec!["old"]),
            (&asked, true, vec!["old"]),
            (&retried, true, vec!["old"]),
            (&running, true, vec!["old"]),
            (&changed, true, vec!["old"]),
        ] {
            let jobs =
                [job("old", "other", Some("Complete")), job("now", &work::base(migration), Some("Complete"))];
            assert_eq!(names(&of(migration, &jobs, &[], last)), expected, "{:?}", migration.status);
        }
        // One at work is not touched, whatever it is for, and the spec has not ended while it is.
        let jobs = [job("old", "other", None), job("now", &work::base(&settled), Some("Failed"))];
        assert_eq!(names(&of(&settled, &jobs, &[], true)), Vec::<String>::new());
    }

    #[test]
    fn only_an_approval_of_another_plan_goes() {
        let approvals = [
            approval("now", PLAN, "Approve"),
            approval("old", OLD, "Approve"),
            approval("never", OLD, "Reject"),
        ];
        assert_eq!(names(&of(&ended("Succeeded", |_| {}), &[], &approvals, true)), ["old"]);
        assert!(of(&ended("Pending", |_| {}), &[], &approvals, true).is_empty());
        let here = [ended("Succeeded", |_| {})];
        assert!(orphans(&here, &approvals).is_empty());
        assert_eq!(orphans(&[], &approvals).len(), 3);
    }
}
