//! Jobs that have ended, and go: when they may, and what is decided once they have.

use cofferdam_api::names::{ANNOTATION_FINALIZE, ANNOTATION_RETRY, ANNOTATION_ROLLBACK};
use serde_json::{Value, json};

use super::*;
use crate::migration::expire::Expiry;

/// It ended for this spec, and its Jobs are gone.
fn over(phase: &str, change: impl FnOnce(&mut Value)) -> Seen {
    seen(migration(|m| {
        m["status"] = json!({ "observedGeneration": 3, "phase": phase, "planDigest": PLAN });
        change(m);
    }))
}

fn asking(annotation: &str, value: &str) -> impl FnOnce(&mut Value) {
    let asked = json!({ annotation: value });
    move |m| m["metadata"]["annotations"] = asked
}

#[test]
fn what_was_taken_back_is_not_begun_again_because_its_jobs_are_gone() {
    assert_eq!(decide(&over("RolledBack", |_| {})), None);
    // That it was asked for stands in the object for ever.
    assert_eq!(decide(&over("RolledBack", asking(ANNOTATION_ROLLBACK, PLAN))), None);
    assert_eq!(decide(&over("RolledBack", asking(ANNOTATION_FINALIZE, PLAN))), None);
    // By word it is.
    assert_eq!(said(&over("RolledBack", asking(ANNOTATION_RETRY, "1"))).2, Some(Kind::Apply));
    // And for another spec.
    let newer = over("RolledBack", |m| m["metadata"]["generation"] = json!(4));
    assert_eq!(said(&newer).2, Some(Kind::Apply));
}

#[test]
fn what_is_asked_of_an_end_is_done_without_its_jobs() {
    for (phase, change, expected) in [
        ("Succeeded", (ANNOTATION_ROLLBACK, PLAN), Some(Kind::Rollback)),
        ("Failed", (ANNOTATION_ROLLBACK, PLAN), Some(Kind::Rollback)),
        // Of another plan.
        ("Succeeded", (ANNOTATION_ROLLBACK, "sha256:b"), None),
        // There is no window to end.
        ("Succeeded", (ANNOTATION_FINALIZE, PLAN), None),
    ] {
        let seen = over(phase, asking(change.0, change.1));
        let kind = decide(&seen).and_then(|decision| decision.start).map(|work| work.kind);
        assert_eq!(kind, expected, "{phase} {change:?}");
    }
    let window = |annotation: Option<&str>| {
        over("Succeeded", |m| {
            m["status"]["revertibleUntil"] = json!("2026-11-21T11:00:00Z");
            m["metadata"]["annotations"] = json!(annotation.map(|name| json!({ name: PLAN })));
        })
    };
    assert_eq!(said(&window(Some(ANNOTATION_FINALIZE))).2, Some(Kind::Finalize));
    // Only a runner knows whether it is open.
    assert_eq!(said(&window(None)).2, Some(Kind::Apply));
}

#[test]
fn a_job_gets_its_time_once_nothing_can_be_asked_of_it() {
    let ends = |seen: &Seen, usual| Expiry::new(usual).ends(&seen.migration, &decided(seen));
    let done = ended(Ended::Succeeded, Reason::MigrationComplete);
    let with = |change: &dyn Fn(&mut Value), outcome: &Outcome| {
        seen(migration(|_| {})).with(change).started().left(outcome)
    };
    assert!(ends(&with(&|_| {}, &done), Some(60)));
    assert!(ends(&with(&|_| {}, &ended(Ended::Failed, Reason::JobFailed)), Some(60)));
    assert!(ends(&with(&|_| {}, &ended(Ended::RolledBack, Reason::VerificationMismatch)), Some(60)));
    // Nobody said a time.
    assert!(!ends(&with(&|_| {}, &done), None));
    let said = |m: &mut Value| m["spec"]["runner"] = json!({ "ttlSecondsAfterFinished": 0 });
    assert!(ends(&with(&said, &done), None));
    // It can be taken back.
    let mut window = done.clone();
    window.revertible_until = Some("2026-11-21T11:00:00Z".parse().unwrap());
    assert!(!ends(&with(&|_| {}, &window), Some(60)));
    // Something is asked, and only its Job tells that it was done.
    let retry = |m: &mut Value| m["metadata"]["annotations"] = json!({ ANNOTATION_RETRY: "1" });
    assert!(!ends(&with(&retry, &done), Some(60)));
    // It has not ended.
    for outcome in [Ended::Stopped, Ended::WaitsForApproval] {
        assert!(!ends(&with(&|_| {}, &ended(outcome, Reason::ApprovalPending)), Some(60)), "{outcome:?}");
    }
    assert!(!ends(&seen(migration(|_| {})).started().runs(), Some(60)));
}

#[test]
fn whoever_owes_is_looked_at_until_it_is_given() {
    let seen = seen(migration(|_| {})).started().left(&ended(Ended::Succeeded, Reason::MigrationComplete));
    let expiry = Expiry::new(Some(60));
    assert!(!expiry.owes(&seen.migration));
    assert!(expiry.ends(&seen.migration, &decided(&seen)));
    assert!(expiry.owes(&seen.migration));
}

#[test]
fn how_long_a_job_stays_is_no_other_work() {
    let base = |m: &DatabaseMigration| crate::migration::work::base(m);
    let one = migration(|_| {});
    let other = migration(|m| m["spec"]["runner"] = json!({ "ttlSecondsAfterFinished": 5 }));
    assert_eq!(base(&one), base(&other));
    let deadline = migration(|m| m["spec"]["runner"] = json!({ "activeDeadlineSeconds": 90 }));
    assert_ne!(base(&one), base(&deadline));
}

#[test]
fn who_gives_way_keeps_what_was_seen_of_its_metrics() {
    let mut decision = Decision::new(Phase::RollingBack, Reason::RollingBack, "x");
    decision.bake = Some(crate::gates::bake::begin("job", &[], "2026-11-21T10:00:00Z".parse().unwrap()));
    let other = crate::migration::decide::gives_way(decision.clone(), "other");
    assert_eq!((other.reason, other.start.is_some()), (Reason::LockHeldByOther, false));
    assert_eq!(other.bake, decision.bake);
}
