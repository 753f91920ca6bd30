//! Gates: what holds a run back, and what becomes of a change whose metrics are watched.

use std::collections::BTreeMap;
use std::time::Duration;

use cofferdam_api::status::BakeResult;

use super::*;
use crate::gates::Looked;
use crate::gates::threshold::Reading;
use crate::migration::gate::{self, Look};

fn metric(bake: u32) -> Value {
    json!({
        "name": "latency", "source": "Prometheus", "query": "p99", "bakeSeconds": bake,
        "threshold": { "operator": "<", "value": "500" },
    })
}

fn looked(pods: &[&str], metrics: &[(&str, Reading)], held: u64) -> Option<Looked> {
    Some(Looked {
        pods: pods.iter().map(|said| (*said).to_owned()).collect(),
        metrics: metrics.iter().map(|(name, reading)| ((*name).to_owned(), reading.clone())).collect(),
        held: metrics.iter().map(|(name, _)| ((*name).to_owned(), Duration::from_secs(held))).collect(),
    })
}

fn value(value: f64) -> Reading {
    Ok(vec![value])
}

#[test]
fn a_change_begins_once_what_is_asked_before_it_is_fulfilled() {
    let asks = |bake| {
        seen(migration(|m| {
            let versions = json!([{ "selector": { "matchLabels": { "app": "a" } }, "minVersion": "2" }]);
            m["spec"]["checks"] = json!({ "pre": { "minPodVersions": versions, "metrics": [metric(bake)] } });
        }))
    };
    // It is looked at first, and no Job is made on the way.
    let first = decided(&asks(0));
    assert_eq!((first.look, first.start), (Some(Look::Before), None));
    let waits = (Phase::Pending, Reason::PreCheckImageVersionFailed, None);
    let metrics = (Phase::Pending, Reason::PreCheckMetricFailed, None);
    let begins = (Phase::Pending, Reason::JobPending, Some(Kind::Apply));
    let no: Reading = Err("no answer".into());
    for (bake, looked, expected, message) in [
        (0, looked(&[], &[("latency", value(1.0))], 0), begins, ""),
        (
            0,
            looked(&["Pod a runs 1"], &[("latency", value(1.0))], 0),
            waits,
            "Pod a runs 1; the change begins",
        ),
        // All that is missing is said at once.
        (
            0,
            looked(&["Pod a runs 1"], &[("latency", value(812.0))], 0),
            waits,
            "Pod a runs 1; metric latency is 812 and must be < 500; the change begins",
        ),
        (0, looked(&[], &[("latency", value(812.0))], 0), metrics, "metric latency is 812 and must be < 500"),
        (0, looked(&[], &[("latency", no)], 0), metrics, "metric latency cannot be read: no answer"),
        (0, looked(&[], &[], 0), metrics, "cannot be read: it was not looked at"),
        (60, looked(&[], &[("latency", value(1.0))], 59), metrics, "within its limit, but must for 60 s"),
        (60, looked(&[], &[("latency", value(1.0))], 60), begins, ""),
    ] {
        let seen = Seen { looked, ..asks(bake) };
        assert_eq!(said(&seen), expected, "{}", decided(&seen).message);
        assert!(decided(&seen).message.contains(message), "{}", decided(&seen).message);
        assert_eq!(decided(&seen).look, None);
    }
    // Nothing that is asked for is nothing to wait for.
    let empty = seen(migration(|m| m["spec"]["checks"] = json!({ "pre": {}, "post": {} })));
    assert_eq!(said(&empty), begins);
}

#[test]
fn what_has_begun_is_not_held_back() {
    let versions = json!([{ "selector": {}, "minVersion": "2" }]);
    let asks = || seen(migration(|m| m["spec"]["checks"] = json!({ "pre": { "minPodVersions": versions } })));
    let open = Seen { looked: looked(&[], &[], 0), ..asks() };
    // It was stopped in the middle: the journal has a run.
    let stopped = open.clone().started().left(&ended(Ended::Stopped, Reason::Suspended));
    let stopped = Seen { looked: None, ..stopped };
    assert_eq!(said(&stopped).2, Some(Kind::Apply));
    // It was stopped before it began.
    let mut early = ended(Ended::Stopped, Reason::Suspended);
    early.run_id = None;
    let early = Seen { looked: None, ..open.clone().started().left(&early) };
    assert_eq!(decided(&early).look, Some(Look::Before));
    // Its Job was deleted while it copied, or while it planned.
    let status = |stage: &'static str| {
        asks().with(move |m| {
            m["status"] = json!({ "observedGeneration": 3, "phase": "Running", "stage": stage })
        })
    };
    assert_eq!(said(&status("Copying")).2, Some(Kind::Apply));
    assert_eq!(decided(&status("Planned")).look, Some(Look::Before));
    // What a run before this one left in the status says nothing of this one.
    let old = status("Copying").with(|m| m["status"]["phase"] = json!("Pending"));
    assert_eq!(decided(&old).look, Some(Look::Before));
    // An approved plan is held back, too: its first Job changed nothing.
    let asks = open.with(|m| m["spec"]["approval"] = json!({ "required": true }));
    let mut outcome = ended(Ended::WaitsForApproval, Reason::ApprovalPending);
    outcome.run_id = None;
    let mut waits = asks.started().left(&outcome);
    waits.looked = None;
    waits.approvals.push(
        serde_json::from_value(json!({
            "metadata": { "name": "yes" },
            "spec": { "migrationRef": { "name": "users" }, "planDigest": PLAN, "decision": "Approve" },
        }))
        .unwrap(),
    );
    assert_eq!(decided(&waits).look, Some(Look::Before));
}

#[test]
fn the_longer_it_is_waited_for_the_rarer_are_the_looks() {
    let since = |time: &str, bake: u32| {
        let time = time.to_owned();
        gate::pause(&seen(migration(|m| {
            m["spec"]["checks"] = json!({ "pre": { "metrics": [metric(bake)] } });
            m["status"] = json!({ "conditions": [{
                "type": "Ready", "status": "False", "reason": "PreCheckMetricFailed", "message": "",
                "lastTransitionTime": time,
            }] });
        })))
        .as_secs()
    };
    for (time, bake, expected) in [
        ("2026-11-21T10:00:00Z", 0, 5),
        ("2026-11-21T09:58:00Z", 0, 15),
        ("2026-11-20T10:00:00Z", 0, 30),
        ("2026-11-22T10:00:00Z", 0, 5),
        ("2026-11-20T10:00:00Z", 60, 15),
    ] {
        assert_eq!(since(time, bake), expected, "{time} {bake}");
    }
}

/// With the change made, whose metrics are to be watched for a minute.
fn changed(rollback: &Value) -> Seen {
    let rollback = rollback.clone();
    let mut outcome = ended(Ended::Succeeded, Reason::RevertWindowOpen);
    outcome.revertible_until = Some("2026-11-21T11:00:00Z".parse().unwrap());
    seen(migration(|m| {
        m["spec"]["checks"] = json!({ "post": { "metrics": [metric(60)] } });
        m["spec"]["rollback"] = rollback;
        m["status"] = json!({ "planDigest": PLAN });
    }))
    .started()
    .left(&outcome)
}

impl Seen {
    /// As the API has it after a decision, some seconds later, and with what is read then.
    fn then(mut self, seconds: i64, reading: Option<Reading>) -> Self {
        let decision = decided(&self);
        let report = Report::of(&self.migration, &decision, self.now);
        self.looked = reading.map(|reading| Looked {
            metrics: BTreeMap::from([("latency".to_owned(), reading)]),
            ..Looked::default()
        });
        self.now += jiff::SignedDuration::from_secs(seconds);
        self.with(|m| {
            m["status"] = serde_json::to_value(&report).unwrap();
            m["status"]["planDigest"] = json!(PLAN);
        })
    }

    fn bake(&self) -> BakeResult {
        decided(self).bake.unwrap().result
    }
}

#[test]
fn a_change_stays_once_its_metrics_were_good_for_long_enough() {
    let seen = changed(&json!({}));
    assert_eq!(said(&seen), (Phase::Running, Reason::Baking, None));
    assert_eq!((decided(&seen).look, decided(&seen).again), (None, Some(Duration::from_secs(15))));
    // Nothing happens in between, and nothing is written.
    let quiet = seen.clone().then(7, None);
    assert_eq!(
        Report::of(&quiet.migration, &decided(&quiet), quiet.now),
        Report::said(&quiet.migration).unwrap()
    );
    assert_eq!(decided(&seen.clone().then(15, None)).look, Some(Look::After));
    let mut seen = seen.then(15, Some(value(1.0)));
    for _ in 0..3 {
        assert_eq!(said(&seen), (Phase::Running, Reason::Baking, None), "{}", decided(&seen).message);
        seen = seen.then(15, Some(value(1.0)));
    }
    assert_eq!(said(&seen), (Phase::Succeeded, Reason::RevertWindowOpen, None), "{}", decided(&seen).message);
    assert_eq!(seen.bake(), BakeResult::Passed);
    // It stays so, and its window ends as every window does.
    let seen = seen.then(60, None);
    assert_eq!(said(&seen), (Phase::Succeeded, Reason::RevertWindowOpen, None));
    let seen = seen.then(3600, None);
    assert_eq!(said(&seen).2, Some(Kind::Finalize));
}

#[test]
fn a_change_whose_metrics_fail_is_taken_back_where_the_spec_says_so() {
    let fails = |rollback: Value| changed(&rollback).then(15, Some(value(812.0)));
    let why = "metric latency is 812 and must be < 500";
    let back = fails(json!({}));
    assert_eq!(said(&back), (Phase::RollingBack, Reason::RollingBack, Some(Kind::Rollback)));
    assert!(decided(&back).message.starts_with(why), "{}", decided(&back).message);
    let told = |seen: &Seen| decided(seen).start.and_then(|work| work.why);
    assert!(told(&back).unwrap().starts_with(why), "{:?}", told(&back));
    // As if the operator had died before it made the Job, and after it.
    let again = back.clone().then(1, None);
    assert_eq!(said(&again).2, Some(Kind::Rollback));
    assert!(told(&again).unwrap().starts_with(why), "{:?}", told(&again));
    let made = build::job(&again.migration, &decided(&again).start.unwrap(), &settings()).unwrap();
    let pod = made.spec.unwrap().template.spec.unwrap();
    let given = pod.containers[0].env.clone().unwrap().into_iter().find(|one| one.name == "COFFERDAM_WHY");
    assert!(given.unwrap().value.unwrap().starts_with(why));
    let status = serde_json::to_value(Report::of(&back.migration, &decided(&back), back.now)).unwrap();
    let back = back.started().with(|m| m["status"] = status);
    assert_eq!(said(&back.clone().runs()), (Phase::RollingBack, Reason::RollingBack, None));
    let done = back.clone().left(&ended(Ended::Succeeded, Reason::RolledBack));
    assert_eq!(said(&done), (Phase::RolledBack, Reason::RolledBack, None));
    assert_eq!(decided(&done).message, format!("{why}; as the runner said"));
    // There is no way back: that is said beside why one was looked for.
    let none = back.left(&ended(Ended::Refused, Reason::RollbackUnsafe));
    assert_eq!(said(&none), (Phase::Failed, Reason::RollbackUnsafe, None));
    assert_eq!(decided(&none).message, format!("{why}; as the runner said"));

    for rollback in [json!({ "automatic": false }), json!({ "conditions": ["timeout", "data-corruption"] })] {
        let stays = fails(rollback);
        assert_eq!(said(&stays), (Phase::Failed, Reason::PostCheckFailed, None));
        let message = decided(&stays).message;
        assert!(message.starts_with(why), "{message}");
        assert!(
            message
                .contains(&format!("kubectl annotate --overwrite dbm users cofferdam.dev/rollback={PLAN}")),
            "{message}"
        );
        // The way back is kept, also past its window, until a person says what is to be.
        let late = stays.clone().then(7200, None);
        assert_eq!(said(&late), (Phase::Failed, Reason::PostCheckFailed, None));
        let asks = |annotation: &'static str| {
            late.clone().with(move |m| m["metadata"]["annotations"] = json!({ annotation: PLAN }))
        };
        assert_eq!(said(&asks("cofferdam.dev/rollback")).2, Some(Kind::Rollback));
        assert_eq!(told(&asks("cofferdam.dev/rollback")), None, "a person asks");
        assert_eq!(said(&asks("cofferdam.dev/finalize")).2, Some(Kind::Finalize));
        assert_eq!(decided(&stays).ended.unwrap().reason(), Reason::PostCheckFailed);
    }
}

#[test]
fn a_metric_that_nobody_can_read_is_no_reason_to_take_a_change_back() {
    let mut seen = changed(&json!({}));
    for _ in 0..21 {
        assert_eq!(said(&seen), (Phase::Running, Reason::Baking, None));
        seen = seen.then(15, Some(Err("no answer".into())));
    }
    assert_eq!(said(&seen), (Phase::Failed, Reason::PostCheckFailed, None));
    let message = decided(&seen).message;
    assert!(message.contains("no answer, for 300 s"), "{message}");
    let again =
        format!("kubectl annotate --overwrite dbm users cofferdam.dev/retry={}", seen.jobs[0].name_any());
    assert!(message.contains(&again), "{message}");
}

#[test]
fn a_window_does_not_end_while_its_change_is_watched() {
    let seen = changed(&json!({})).then(4000, None);
    assert_eq!(decided(&seen).look, Some(Look::After));
    let seen = changed(&json!({})).then(4000, Some(value(1.0)));
    assert_eq!(said(&seen), (Phase::Running, Reason::Baking, None));
    // A person's word ends both.
    let word = seen.with(|m| m["metadata"]["annotations"] = json!({ ANNOTATION_FINALIZE: PLAN }));
    assert_eq!(said(&word).2, Some(Kind::Finalize));
}

#[test]
fn another_change_is_watched_anew() {
    let seen = changed(&json!({})).then(15, Some(value(812.0)));
    let report = Report::of(&seen.migration, &decided(&seen), seen.now);
    assert_eq!(report.post_checks.as_ref().unwrap().result, BakeResult::Failed);
    let again = seen.with(|m| {
        m["status"] = serde_json::to_value(&report).unwrap();
        m["metadata"]["annotations"] = json!({ ANNOTATION_RETRY: "1" });
    });
    assert_eq!(said(&again).2, Some(Kind::Apply));
    assert_eq!(Report::of(&again.migration, &decided(&again), again.now).post_checks, None);
    let again = again.started().left(&ended(Ended::Succeeded, Reason::MigrationComplete));
    assert_eq!(said(&again), (Phase::Running, Reason::Baking, None));
    assert_eq!(again.bake(), BakeResult::Baking);
}
