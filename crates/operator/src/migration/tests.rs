//! What is decided of what is seen, and what Job comes of it.

mod foreign;
mod gates;
mod gone;
mod images;

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use serde_json::{Value, json};

use cofferdam_api::names::{ANNOTATION_FINALIZE, ANNOTATION_RETRY};
use cofferdam_api::{DatabaseMigration, MigrationApproval, Phase, Reason};

use super::build;
use super::decide::{Decision, decide};
use super::report::Report;
use super::seen::Seen;
use super::work::Work;
use crate::contract::Kind;
use crate::outcome::{Ended, Outcome};
use crate::settings::RunnerSettings;

const PLAN: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

pub(crate) fn migration(change: impl FnOnce(&mut Value)) -> DatabaseMigration {
    let mut value = json!({
        "apiVersion": "cofferdam.dev/v1alpha1",
        "kind": "DatabaseMigration",
        "metadata": { "name": "users", "namespace": "shop", "uid": "u-1", "generation": 3 },
        "spec": {
            "database": {
                "type": "postgresql", "connectionSecret": "db", "host": "db.shop.svc", "database": "shop",
            },
            "migration": { "scripts": [{ "name": "one", "source": "configmap://migrations/1.sql" }] },
        },
    });
    change(&mut value);
    serde_json::from_value(value).unwrap()
}

pub(super) fn settings() -> RunnerSettings {
    RunnerSettings {
        image: "registry.example/cofferdam@sha256:1".into(),
        pull_policy: "IfNotPresent".into(),
        pull_secrets: vec!["own".into()],
        service_account: "cofferdam-runner".into(),
        plain_http: vec![],
        pushgateway: None,
        gauges: Default::default(),
        image_volumes: false,
        smtp: None,
        notify_allow: vec![],
        resources: json!({ "limits": { "memory": "256Mi" } }),
        time_to_live: None,
    }
}

pub(super) fn seen(migration: DatabaseMigration) -> Seen {
    Seen {
        migration,
        jobs: vec![],
        pods: vec![],
        warnings: vec![],
        previous: None,
        approvals: vec![],
        other: None,
        looked: None,
        before: None,
        now: "2026-11-21T10:00:00Z".parse().unwrap(),
    }
}

pub(super) fn decided(seen: &Seen) -> Decision {
    decide(seen).unwrap()
}

/// What a decision says, for tables.
pub(super) fn said(seen: &Seen) -> (Phase, Reason, Option<Kind>) {
    let decision = decided(seen);
    (decision.phase, decision.reason, decision.start.map(|work| work.kind))
}

impl Seen {
    /// With the Job that the decision asks for, as the apiserver would have it.
    pub(super) fn started(mut self) -> Self {
        let work = decided(&self).start.expect("a Job is to be made");
        let mut job = build::job(&self.migration, &work, &settings()).unwrap();
        job.metadata.uid = Some(format!("job-{}", self.jobs.len()));
        self.jobs.push(job);
        self
    }

    /// With a Pod of the newest Job, in this state.
    pub(super) fn pod(mut self, state: Value) -> Self {
        let owner = self.jobs.last().unwrap();
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {
                "name": format!("pod-{}", self.pods.len()),
                "ownerReferences": [{
                    "apiVersion": "batch/v1", "kind": "Job", "name": owner.name_any(),
                    "uid": owner.uid(), "controller": true,
                }],
            },
            "status": { "phase": "Pending", "containerStatuses": [{
                "name": "runner", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": state,
            }] },
        }))
        .unwrap();
        self.pods.push(pod);
        self
    }

    pub(super) fn runs(self) -> Self {
        self.pod(json!({ "running": {} }))
    }

    /// The newest Job has ended, and its Pod left this behind.
    pub(super) fn left(self, outcome: &Outcome) -> Self {
        let code = i32::from(!matches!(
            outcome.ended,
            Ended::Succeeded | Ended::Stopped | Ended::WaitsForApproval | Ended::Prepared
        ));
        let seen = self.pod(json!({ "terminated": { "exitCode": code, "message": outcome.text() } }));
        match code {
            0 => seen.ended("Complete", "", ""),
            _ => seen.ended("Failed", "PodFailurePolicy", "a container failed"),
        }
    }

    pub(super) fn ended(mut self, condition: &str, reason: &str, message: &str) -> Self {
        let status = json!({ "conditions": [
            { "type": condition, "status": "True", "reason": reason, "message": message },
        ] });
        self.jobs.last_mut().unwrap().status = Some(serde_json::from_value(status).unwrap());
        self
    }

    pub(super) fn with(mut self, change: impl FnOnce(&mut Value)) -> Self {
        let mut value = serde_json::to_value(&self.migration).unwrap();
        change(&mut value);
        self.migration = serde_json::from_value(value).unwrap();
        self
    }
}

pub(super) fn ended(ended: Ended, reason: Reason) -> Outcome {
    let mut outcome = Outcome::new(ended, reason, "as the runner said");
    outcome.run_id = Some("run-1".into());
    outcome.plan_digest = Some(PLAN.into());
    outcome
}

#[test]
fn a_job_is_made_once() {
    let new = seen(migration(|_| {}));
    assert_eq!(said(&new), (Phase::Pending, Reason::JobPending, Some(Kind::Apply)));
    // The same again, as after a crash between the decision and the Job: the same Job.
    let name = |seen: &Seen| decided(seen).start.unwrap().job_name(&seen.migration);
    assert_eq!(name(&new), name(&new.clone()));
    assert!(name(&new).len() <= 63 && name(&new).starts_with("users-apply-"));
    let started = new.clone().started();
    assert_eq!(said(&started), (Phase::Pending, Reason::JobPending, None));
    assert_eq!(said(&started.clone().runs()), (Phase::Running, Reason::MigrationInProgress, None));
    // An object of the same name that was made later has another Job.
    let later = new.with(|m| m["metadata"]["uid"] = json!("u-2"));
    assert_ne!(name(&later), name(&seen(migration(|_| {}))));
}

#[test]
fn how_a_run_ends_is_what_its_runner_said() {
    for (outcome, phase, reason) in [
        (ended(Ended::Succeeded, Reason::MigrationComplete), Phase::Succeeded, Reason::MigrationComplete),
        (
            ended(Ended::RolledBack, Reason::VerificationMismatch),
            Phase::RolledBack,
            Reason::VerificationMismatch,
        ),
        (ended(Ended::Refused, Reason::LintBlocked), Phase::Failed, Reason::LintBlocked),
        (ended(Ended::Stuck, Reason::OutcomeUnknown), Phase::Failed, Reason::OutcomeUnknown),
        (ended(Ended::Failed, Reason::JobFailed), Phase::Failed, Reason::JobFailed),
    ] {
        let seen = seen(migration(|_| {})).started().left(&outcome);
        assert_eq!(said(&seen), (phase, reason, None), "{outcome:?}");
        let decision = decided(&seen);
        let report = Report::of(&seen.migration, &decision, seen.now);
        assert_eq!(report.history.len(), 1);
        assert_eq!(report.history[0].reason, reason.word());
        assert_eq!(report.observed_generation, Some(3));
        // Said twice it is one run.
        let again = seen.with(|m| m["status"] = serde_json::to_value(&report).unwrap());
        assert_eq!(Report::of(&again.migration, &decided(&again), again.now), report);
    }
}

#[test]
fn a_job_whose_pod_is_gone_is_judged_by_its_conditions() {
    let started = || seen(migration(|_| {})).started();
    let complete = started().ended("Complete", "", "");
    assert_eq!(said(&complete), (Phase::Succeeded, Reason::MigrationComplete, None));
    let failed =
        started().ended("Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit");
    assert_eq!(said(&failed), (Phase::Failed, Reason::JobFailed, None));
    let killed = started().pod(json!({ "terminated": { "exitCode": 137, "reason": "OOMKilled" } })).ended(
        "Failed",
        "BackoffLimitExceeded",
        "Job has reached the specified backoff limit",
    );
    assert!(decided(&killed).message.contains("more memory than its limit"), "{killed:?}");
}

#[test]
fn a_run_that_takes_too_long_is_taken_back_where_the_spec_says_so() {
    let late = |automatic: bool| {
        seen(migration(|m| m["spec"]["rollback"] = json!({ "automatic": automatic }))).started().runs().ended(
            "Failed",
            "DeadlineExceeded",
            "Job was active longer than specified deadline",
        )
    };
    assert_eq!(said(&late(false)), (Phase::Failed, Reason::DeadlineExceeded, None));
    let back = late(true);
    assert_eq!(said(&back), (Phase::RollingBack, Reason::JobPending, Some(Kind::Rollback)));
    let back = back.started().left(&ended(Ended::Succeeded, Reason::RolledBack));
    assert_eq!(said(&back), (Phase::RolledBack, Reason::RolledBack, None));
}

#[test]
fn why_no_runner_begins_is_said() {
    let started = || seen(migration(|_| {})).started();
    let warned = |text: &str| Seen { warnings: vec![text.into()], ..started() };
    let creating = |text: &str| Seen {
        warnings: vec![text.into()],
        ..started().pod(json!({ "waiting": { "reason": "ContainerCreating" } }))
    };
    for (seen, reason) in [
        (warned(r#"Error creating: pods "x" is forbidden: exceeded quota: q"#), Reason::QuotaExceeded),
        (
            warned(r#"Error creating: pods "x" is forbidden: violates PodSecurity "restricted""#),
            Reason::PodRejected,
        ),
        (
            creating(r#"MountVolume.SetUp failed for volume "database" : secret "db" not found"#),
            Reason::SecretNotFound,
        ),
        (
            creating(r#"MountVolume.SetUp failed for volume "scripts" : configmap "migrations" not found"#),
            Reason::SourceNotFound,
        ),
        (
            started().pod(json!({ "waiting": { "reason": "ImagePullBackOff", "message": "not found" } })),
            Reason::ImagePullFailed,
        ),
        (
            started().pod(json!({ "terminated": { "exitCode": 137, "reason": "OOMKilled" } })),
            Reason::OutOfMemory,
        ),
        (started().pod(json!({ "terminated": { "exitCode": 143 } })), Reason::PodEvicted),
    ] {
        assert_eq!(decided(&seen).reason, reason, "{:?}", decided(&seen));
        assert_eq!(decided(&seen).start, None);
    }
}

#[test]
fn what_this_version_does_not_do_is_refused() {
    for (at, value) in [
        ("/database/type", json!("mongodb")),
        ("/migration/strategy", json!("rolling")),
        ("/validation", json!({ "dataIntegrityChecks": { "enabled": false } })),
    ] {
        let (within, field) = at.rsplit_once('/').unwrap();
        let asks = seen(migration(|m| m["spec"].pointer_mut(within).unwrap()[field] = value));
        assert_eq!(said(&asks), (Phase::Failed, Reason::SpecInvalid, None), "{at}");
        let message = decided(&asks).message;
        assert!(message.starts_with(&format!("spec{}", at.replace('/', "."))), "{message}");
    }
    // As the requirements have it.
    let asks = seen(migration(|m| {
        m["spec"]["validation"] = json!({ "preChecks": [{ "type": "disk-space", "threshold": "20GB" }] });
        m["spec"]["notifications"] = json!({ "slack": { "webhook": "slack" } });
    }));
    assert_eq!(said(&asks).2, Some(Kind::Apply));
}

#[test]
fn what_stands_in_the_way_is_waited_for() {
    let free = seen(migration(|_| {}));
    let suspended = free.clone().with(|m| m["spec"]["suspend"] = json!(true));
    let after = free.clone().with(|m| m["spec"]["migration"]["previous"] = json!("before"));
    let before = |status: &str, generation: i64| {
        Some(migration(|m| {
            m["status"] = json!({ "conditions": [{
                "type": "Ready", "status": status, "reason": "MigrationComplete", "message": "",
                "lastTransitionTime": "2026-11-21T09:00:00Z", "observedGeneration": generation,
            }] });
        }))
    };
    for (seen, reason) in [
        (suspended, Reason::Suspended),
        (after.clone(), Reason::PreviousNotDone),
        (Seen { previous: before("False", 3), ..after.clone() }, Reason::PreviousNotDone),
        (Seen { previous: before("True", 2), ..after.clone() }, Reason::PreviousNotDone),
        (Seen { other: Some("orders".into()), ..free.clone() }, Reason::LockHeldByOther),
        (Seen { before: Some("orders".into()), ..free }, Reason::LockHeldByOther),
    ] {
        assert_eq!(said(&seen), (Phase::Pending, reason, None));
    }
    assert_eq!(said(&Seen { previous: before("True", 3), ..after }).2, Some(Kind::Apply));
}

#[test]
fn one_after_the_other_changes_a_database() {
    let line = |seen: Seen| Seen { before: Some("orders".into()), ..seen };
    let works = |seen: Seen| Seen { other: Some("orders".into()), ..seen };
    let free = seen(migration(|_| {}));
    // The next has the same to say while the one before it waits and while it works, so it writes nothing.
    let (waits, next) = (decided(&line(free.clone())), decided(&works(free.clone())));
    assert_eq!(waits.message, next.message);
    assert!(waits.message.contains("DatabaseMigration orders comes first"), "{}", waits.message);
    assert!(waits.again > next.again);
    // Who has begun does not stand in line again, and neither does who takes a change back; at work is one nonetheless.
    let stopped = free.clone().started().left(&ended(Ended::Stopped, Reason::PodEvicted));
    assert_eq!(said(&line(stopped.clone())).2, Some(Kind::Apply));
    assert_eq!(said(&works(stopped)).1, Reason::LockHeldByOther);
    let lost = free.with(|m| m["status"] = json!({ "observedGeneration": 3, "phase": "Running" }));
    assert_eq!(said(&line(lost)).2, Some(Kind::Apply));
    let back = seen(migration(|m| {
        m["status"] = json!({ "planDigest": PLAN });
        m["metadata"]["annotations"] = json!({ "cofferdam.dev/rollback": PLAN });
    }));
    let back = back.started().left(&ended(Ended::Succeeded, Reason::RevertWindowOpen));
    assert_eq!(said(&line(back)).2, Some(Kind::Rollback));
}

#[test]
fn who_is_suspended_and_says_so_is_left_alone() {
    let says = |reason: &str| {
        json!({ "observedGeneration": 3, "phase": "Pending", "conditions": [{
            "type": "Ready", "status": "False", "reason": reason, "message": "",
            "lastTransitionTime": "2026-11-21T09:00:00Z",
        }] })
    };
    for (suspend, reason, generation, rests) in [
        (true, "Suspended", 3, true),
        (false, "Suspended", 3, false),
        (true, "JobPending", 3, false),
        (true, "Suspended", 4, false),
    ] {
        let object = migration(|m| {
            m["spec"]["suspend"] = json!(suspend);
            m["metadata"]["generation"] = json!(generation);
            m["status"] = says(reason);
        });
        assert_eq!(super::decide::rests(&object), rests, "{suspend} {reason} {generation}");
    }
}

#[test]
fn a_run_that_was_stopped_goes_on() {
    let stopped = seen(migration(|_| {})).started().left(&ended(Ended::Stopped, Reason::Suspended));
    assert_eq!(said(&stopped).2, Some(Kind::Apply));
    // With a Job of another name than the one that ended.
    let first = stopped.jobs[0].name_any();
    assert_ne!(decided(&stopped).start.unwrap().job_name(&stopped.migration), first);
    let suspended = stopped.with(|m| m["spec"]["suspend"] = json!(true));
    assert_eq!(said(&suspended), (Phase::Pending, Reason::Suspended, None));
}

#[test]
fn a_job_without_a_runner_does_not_keep_a_run_from_being_suspended() {
    let killed = || seen(migration(|_| {})).started().pod(json!({ "terminated": { "exitCode": 137 } }));
    let suspend = |seen: Seen| seen.with(|m| m["spec"]["suspend"] = json!(true));
    let between = suspend(killed());
    assert_eq!(said(&between), (Phase::Pending, Reason::Suspended, None));
    assert_eq!(decided(&between).stop, Some(between.jobs[0].name_any()));
    // A runner that is at work stops by itself, at a safe point.
    assert_eq!(decided(&suspend(killed().runs())).stop, None);
    // And what is being taken back is.
    let back = seen(migration(|m| m["spec"]["rollback"] = json!({ "automatic": true })));
    let back = back.started().runs().ended("Failed", "DeadlineExceeded", "late").started();
    assert_eq!(decided(&suspend(back)).stop, None);
}

#[test]
fn what_was_lacking_for_long_is_looked_for_less_often() {
    let after = |seconds: i64| {
        let mut seen = seen(migration(|_| {})).started();
        let made = seen.now - jiff::SignedDuration::from_secs(seconds);
        seen.jobs[0].metadata.creation_timestamp =
            Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(made));
        decided(&seen).again.unwrap().as_secs()
    };
    assert_eq!([0, 5, 600].map(after), [2, 5, 15]);
}

#[test]
fn an_operator_that_may_not_look_says_so_and_leaves_the_phase() {
    for (phase, observed, expected) in [
        ("Running", 3, Phase::Running),
        // Only a throttle was changed, or the spec of the next run.
        ("Running", 2, Phase::Running),
        ("Succeeded", 3, Phase::Succeeded),
        // For the spec before: this one has not ended.
        ("Succeeded", 2, Phase::Pending),
        ("Failed", 2, Phase::Pending),
    ] {
        let object = migration(|m| m["status"] = json!({ "phase": phase, "observedGeneration": observed }));
        let decision = super::decide::forbidden(&object, "pods is forbidden");
        assert_eq!(
            (decision.phase, decision.reason),
            (expected, Reason::OperatorForbidden),
            "{phase} {observed}"
        );
    }
    assert_eq!(super::decide::forbidden(&migration(|_| {}), "").phase, Phase::Pending);
}

#[test]
fn a_runner_that_ended_well_was_not_evicted() {
    let at_its_end = seen(migration(|_| {})).started().pod(json!({ "terminated": { "exitCode": 0 } }));
    assert_eq!(said(&at_its_end), (Phase::Running, Reason::MigrationInProgress, None));
}

#[test]
fn a_person_agrees_to_one_plan() {
    let asks = seen(migration(|m| m["spec"]["approval"] = json!({ "required": true })))
        .started()
        .left(&ended(Ended::WaitsForApproval, Reason::ApprovalPending));
    assert_eq!(said(&asks), (Phase::Pending, Reason::ApprovalPending, None));
    let approval = |plan: &str, decision: &str| -> MigrationApproval {
        serde_json::from_value(json!({
            "metadata": { "name": "yes" },
            "spec": { "migrationRef": { "name": "users" }, "planDigest": plan, "decision": decision },
        }))
        .unwrap()
    };
    let with = |approvals| Seen { approvals, ..asks.clone() };
    let other = PLAN.replace('a', "b");
    assert_eq!(said(&with(vec![approval(&other, "Approve")])).1, Reason::ApprovalPending);
    assert_eq!(said(&with(vec![approval(PLAN, "Reject")])).1, Reason::ApprovalRejected);
    let both = vec![approval(PLAN, "Approve"), approval(PLAN, "Reject")];
    assert_eq!(said(&with(both)).1, Reason::ApprovalRejected);
    let yes = with(vec![approval(PLAN, "Approve")]);
    let work = decided(&yes).start.unwrap();
    assert_eq!(work.approved.as_deref(), Some(PLAN));
    // The plan is another one by now: its runner wrote that down, and it can be agreed to in its turn.
    let mut outcome = ended(Ended::Refused, Reason::PlanChanged);
    outcome.plan_digest = None;
    let changed = yes.started().left(&outcome);
    let mut changed = changed.with(|m| m["status"] = json!({ "planDigest": other }));
    assert_eq!(said(&changed), (Phase::Pending, Reason::PlanChanged, None));
    changed.approvals.push(approval(&other, "Approve"));
    assert_eq!(decided(&changed).start.unwrap().approved, Some(other));
    // Two persons are two, and say by what name.
    let two = asks.clone().with(|m| m["spec"]["approval"]["twoPersons"] = json!(true));
    let by = |name: &str| {
        let mut word = approval(PLAN, "Approve");
        word.spec.approved_by = Some(name.into());
        word
    };
    let with_two = |approvals| Seen { approvals, ..two.clone() };
    let one = with_two(vec![by("alice"), by("alice")]);
    assert_eq!(said(&one), (Phase::Pending, Reason::ApprovalPending, None));
    assert!(
        decided(&one).message.contains("alice, and spec.approval.twoPersons"),
        "{}",
        decided(&one).message
    );
    assert_eq!(
        decided(&with_two(vec![by("alice"), by("bob")])).start.unwrap().approved.as_deref(),
        Some(PLAN)
    );
    let mut over = by("alice");
    over.spec.expires_at = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(asks.now));
    assert_eq!(said(&with(vec![over])), (Phase::Pending, Reason::ApprovalPending, None));
    // Nobody needs to agree any more.
    let free = asks.with(|m| m["spec"]["approval"]["required"] = json!(false));
    assert_eq!(said(&free).2, Some(Kind::Apply));
}

#[test]
fn the_revert_window_ends_by_itself_or_by_word() {
    let mut outcome = ended(Ended::Succeeded, Reason::RevertWindowOpen);
    outcome.revertible_until = Some("2026-11-21T11:00:00Z".parse().unwrap());
    let open = seen(migration(|m| m["status"] = json!({ "planDigest": PLAN }))).started().left(&outcome);
    assert_eq!(said(&open), (Phase::Succeeded, Reason::RevertWindowOpen, None));
    assert_eq!(decided(&open).again.unwrap().as_secs(), 3601);
    let over = Seen { now: "2026-11-21T11:00:00Z".parse::<Timestamp>().unwrap(), ..open.clone() };
    assert_eq!(said(&over).2, Some(Kind::Finalize));
    let over = over.started().left(&ended(Ended::Succeeded, Reason::MigrationComplete));
    assert_eq!(said(&over), (Phase::Succeeded, Reason::MigrationComplete, None));
    let asked = |annotation: &'static str, digest: &'static str| {
        open.clone().with(move |m| m["metadata"]["annotations"] = json!({ annotation: digest }))
    };
    assert_eq!(said(&asked(ANNOTATION_FINALIZE, PLAN)).2, Some(Kind::Finalize));
    let back = asked("cofferdam.dev/rollback", PLAN);
    assert_eq!(said(&back).2, Some(Kind::Rollback));
    let back = back.started().left(&ended(Ended::Succeeded, Reason::RolledBack));
    assert_eq!(said(&back), (Phase::RolledBack, Reason::RolledBack, None));
    // It names a plan, and this is another one.
    assert_eq!(said(&asked("cofferdam.dev/rollback", "sha256:b")).2, None);
}

/// An operator that refuses more than the one before it must not take the way back away.
#[test]
fn what_an_older_version_made_is_taken_back_and_ended_all_the_same() {
    let mut outcome = ended(Ended::Succeeded, Reason::RevertWindowOpen);
    outcome.revertible_until = Some("2026-11-21T11:00:00Z".parse().unwrap());
    let mut made = seen(migration(|m| {
        m["status"] = json!({ "planDigest": PLAN });
        m["spec"]["database"]["type"] = json!("mongodb");
    }));
    assert_eq!(said(&made), (Phase::Failed, Reason::SpecInvalid, None));
    let work = Work {
        kind: Kind::Apply,
        approved: None,
        before: 0,
        left: None,
        login: None,
        image: None,
        why: None,
    };
    let mut job = build::job(&made.migration, &work, &settings()).unwrap();
    job.metadata.uid = Some("job-0".into());
    made.jobs.push(job);
    let open = made.left(&outcome);
    for (annotation, kind) in
        [("cofferdam.dev/rollback", Kind::Rollback), (ANNOTATION_FINALIZE, Kind::Finalize)]
    {
        let asked = open.clone().with(|m| m["metadata"]["annotations"] = json!({ annotation: PLAN }));
        assert_eq!(said(&asked).2, Some(kind));
    }
}

#[test]
fn what_is_changed_while_a_run_is_active_begins_no_other_run() {
    let active = seen(migration(|_| {})).started().runs();
    let throttled = active.clone().with(|m| {
        m["metadata"]["generation"] = json!(4);
        m["spec"]["throttle"] = json!({ "workers": 1 });
        m["spec"]["cutover"] = json!({ "mode": "auto" });
    });
    assert_eq!(said(&throttled), (Phase::Running, Reason::MigrationInProgress, None));
    let done = throttled.left(&ended(Ended::Succeeded, Reason::MigrationComplete));
    assert_eq!(said(&done), (Phase::Succeeded, Reason::MigrationComplete, None));
}

#[test]
fn another_spec_begins_another_run() {
    let script = |m: &mut Value| {
        m["metadata"]["generation"] = json!(4);
        m["spec"]["migration"]["scripts"][0]["source"] = json!("configmap://migrations/2.sql");
    };
    let done = seen(migration(|_| {})).started().left(&ended(Ended::Refused, Reason::LintBlocked));
    assert_eq!(said(&done.with(script)), (Phase::Pending, Reason::JobPending, Some(Kind::Apply)));
    // The old one is waited for while its runner works, and removed where none does.
    let begun = seen(migration(|_| {})).started().runs().with(script);
    assert_eq!(said(&begun), (Phase::Running, Reason::MigrationInProgress, None));
    assert_eq!(decided(&begun).stop, None);
    let waits = seen(migration(|_| {})).started().pod(json!({ "waiting": { "reason": "ImagePullBackOff" } }));
    let waits = waits.with(script);
    assert_eq!(decided(&waits).stop, Some(waits.jobs[0].name_any()));
    // Its runner was killed, and the next one would be after a while.
    let killed = json!({ "terminated": { "exitCode": 137, "reason": "OOMKilled" } });
    let between = seen(migration(|_| {})).started().pod(killed).with(script);
    assert_eq!(decided(&between).stop, Some(between.jobs[0].name_any()));
    // To try again is a wish of its own.
    let again = seen(migration(|_| {})).started().left(&ended(Ended::Failed, Reason::JobFailed));
    let again = again.with(|m| m["metadata"]["annotations"] = json!({ ANNOTATION_RETRY: "1" }));
    assert_eq!(said(&again).2, Some(Kind::Apply));
}

#[test]
fn a_job_that_was_removed_is_not_made_again_for_what_has_ended() {
    let done = seen(migration(|m| {
        m["status"] = json!({ "observedGeneration": 3, "phase": "Succeeded", "conditions": [] });
    }));
    assert_eq!(decide(&done), None);
    let active = done.clone().with(|m| m["status"]["phase"] = json!("Running"));
    assert_eq!(said(&active).2, Some(Kind::Apply));
    let changed = done.with(|m| m["metadata"]["generation"] = json!(4));
    assert_eq!(said(&changed).2, Some(Kind::Apply));
}

fn made(change: impl FnOnce(&mut Value), kind: Kind) -> Job {
    let work = Work {
        kind,
        approved: Some(PLAN.into()),
        before: 0,
        left: None,
        login: None,
        image: None,
        why: None,
    };
    build::job(&migration(change), &work, &settings()).unwrap()
}

#[test]
fn the_job() {
    let job = made(
        |m| {
            m["spec"]["runner"] = json!({
                "activeDeadlineSeconds": 900,
                "resources": { "limits": { "cpu": "1" } },
                "imagePullSecrets": [{ "name": "theirs" }],
                "nodeSelector": { "kubernetes.io/arch": "amd64" },
            });
        },
        Kind::Apply,
    );
    insta::assert_json_snapshot!(job);
}

#[test]
fn other_sources_are_mounted_too() {
    let job = made(
        |m| {
            m["spec"]["database"] = json!({
                "type": "postgresql",
                "connection": { "urlSecretRef": { "name": "db", "key": "dsn" } },
            });
            m["spec"]["migration"] = json!({ "configMaps": [{ "name": "a" }, { "name": "b" }] });
        },
        Kind::Rollback,
    );
    let pod = job.spec.unwrap().template.spec.unwrap();
    insta::assert_json_snapshot!((pod.volumes, &pod.containers[0].volume_mounts));
}
