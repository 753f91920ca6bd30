//! Objects as the API gives them, and what is judged of them.

use serde_json::{Value, json};

use super::*;

pub(crate) const PLAN: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// A migration `users` of the namespace `shop` in its third generation.
pub(crate) fn migration(change: impl FnOnce(&mut Value)) -> DatabaseMigration {
    let mut value = json!({
        "apiVersion": API_VERSION,
        "kind": "DatabaseMigration",
        "metadata": {
            "name": "users", "namespace": "shop", "uid": "u-1", "generation": 3, "resourceVersion": "42",
            "creationTimestamp": "2026-11-21T09:00:00Z",
        },
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

/// An approval of a plan of `users`.
pub(crate) fn approval(name: &str, plan: &str, decision: &str) -> MigrationApproval {
    serde_json::from_value(json!({
        "apiVersion": API_VERSION,
        "kind": "MigrationApproval",
        "metadata": { "name": name, "namespace": "shop" },
        "spec": { "migrationRef": { "name": "users" }, "planDigest": plan, "decision": decision },
    }))
    .unwrap()
}

/// A Job; `ended`: the condition that says so.
pub(crate) fn job(name: &str, base: &str, ended: Option<&str>) -> Job {
    let conditions: Vec<Value> = ended
        .iter()
        .map(|kind| json!({ "type": kind, "status": "True", "reason": "PodFailurePolicy" }))
        .collect();
    serde_json::from_value(json!({
        "metadata": {
            "name": name, "annotations": { work::BASE: base, work::KIND: "apply" },
            "creationTimestamp": "2026-11-21T09:00:10Z",
        },
        "status": { "conditions": conditions },
    }))
    .unwrap()
}

fn evidence(migration: DatabaseMigration) -> Evidence {
    let secret =
        serde_json::from_value(json!({ "data": { "username": "YQ==", "password": "YQ==" } })).unwrap();
    let map = serde_json::from_value(json!({ "data": { "1.sql": "SELECT 1" } })).unwrap();
    Evidence {
        migration,
        jobs: vec![],
        approvals: vec![],
        secrets: vec![("db".into(), Looked::There(secret))],
        config_maps: vec![("migrations".into(), Looked::There(map))],
        account: ("cofferdam-runner".into(), Looked::There(())),
        previous: None,
    }
}

fn done(phase: &str, ready: &str, more: impl FnOnce(&mut Value)) -> DatabaseMigration {
    migration(|m| {
        m["status"] = json!({ "observedGeneration": 3, "phase": phase, "planDigest": PLAN, "jobName": "now", "conditions": [{
            "type": "Ready", "status": ready, "reason": "MigrationComplete", "message": "",
            "observedGeneration": 3, "lastTransitionTime": "2026-11-21T10:00:00Z",
        }] });
        more(m);
    })
}

/// What does not fit.
fn wrong(evidence: &Evidence) -> Vec<String> {
    let found = judge(evidence);
    found
        .into_iter()
        .filter(|one| one.verdict == Verdict::Wrong)
        .map(|one| format!("{}: {}", one.about, one.says))
        .collect()
}

fn one(evidence: &Evidence) -> String {
    let wrong = wrong(evidence);
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    wrong[0].clone()
}

#[test]
fn a_migration_that_is_as_it_says_has_nothing_against_it() {
    let migration = done("Succeeded", "True", |_| {});
    let base = work::base(&migration);
    let mut all = evidence(migration);
    all.jobs = vec![job("now", &base, Some("Complete"))];
    assert!(wrong(&all).is_empty(), "{:?}", wrong(&all));
    assert!(judge(&all).len() >= 6);
    // Its Job may be gone.
    all.jobs.clear();
    assert!(wrong(&all).is_empty());
}

#[test]
fn the_operator_must_have_looked_at_the_spec_as_it_is() {
    assert!(one(&evidence(migration(|_| {}))).contains("is the operator installed"));
    let older = done("Succeeded", "True", |m| m["metadata"]["generation"] = json!(4));
    assert!(one(&evidence(older)).contains("generation 4 is there, and 3 was looked at"));
}

#[test]
fn phase_conditions_and_job_say_the_same() {
    assert!(
        one(&evidence(done("Succeeded", "False", |_| {}))).starts_with("phase: Succeeded, and yet not Ready")
    );
    let two = done("Succeeded", "True", |m| {
        let mut more = m["status"]["conditions"][0].clone();
        more["type"] = json!("Stalled");
        m["status"]["conditions"].as_array_mut().unwrap().push(more);
    });
    assert!(one(&evidence(two)).contains("Ready and Stalled are true together"));
    let base = work::base(&migration(|_| {}));
    for (phase, ready, base, ended, expected) in [
        (
            "Succeeded",
            "True",
            base.as_str(),
            Some("Failed"),
            Some("failed (PodFailurePolicy), and the phase is Succeeded"),
        ),
        ("Succeeded", "True", &base, None, Some("is at work, and the phase is Succeeded")),
        ("Failed", "False", &base, Some("Complete"), Some("ended well, and the phase is Failed")),
        ("Running", "False", &base, Some("Complete"), Some("ended well, and the phase is Running")),
        ("Succeeded", "True", "other", Some("Complete"), Some("the operator has not begun the next run")),
        ("Running", "False", "other", None, None),
        ("Running", "False", &base, None, None),
        ("Failed", "False", &base, Some("Failed"), None),
    ] {
        let mut all = evidence(done(phase, ready, |_| {}));
        all.jobs = vec![job("now", base, ended)];
        match expected {
            Some(expected) => assert!(one(&all).contains(expected), "{} {expected}", one(&all)),
            None => assert!(wrong(&all).is_empty(), "{:?}", wrong(&all)),
        }
    }
    assert!(one(&evidence(done("Running", "False", |_| {}))).contains("now is gone, and a run is at work"));
}

#[test]
fn nothing_is_carried_out_that_nobody_agreed_to() {
    let asked = |phase: &str, ready: &str| {
        let mut all = evidence(done(phase, ready, |m| {
            m["spec"]["approval"] = json!({ "required": true });
            m["status"].as_object_mut().unwrap().remove("jobName");
        }));
        all.jobs.clear();
        all
    };
    assert!(one(&asked("Succeeded", "True")).contains("no MigrationApproval of it is there"));
    assert!(wrong(&asked("Pending", "False")).is_empty());
    let mut agreed = asked("Succeeded", "True");
    agreed.approvals = vec![approval("yes", PLAN, "Approve")];
    assert!(wrong(&agreed).is_empty());
    agreed.approvals.push(approval("no", PLAN, "Reject"));
    assert!(one(&agreed).contains("no rejects the plan"));
}

#[test]
fn what_the_spec_names_is_looked_for() {
    let base = || evidence(done("Failed", "False", |_| {}));
    let mut all = base();
    all.secrets[0].1 = Looked::Missing;
    assert_eq!(one(&all), "Secret db: is not there");
    all.secrets[0].1 = Looked::There(Secret::default());
    assert!(one(&all).contains("has no key username, and no key url"));
    all.secrets[0].1 = Looked::Unseen("secrets is forbidden".into());
    assert!(wrong(&all).is_empty());
    assert!(judge(&all).iter().any(|one| one.verdict == Verdict::Unknown && one.about == "Secret db"));

    let mut all = base();
    all.config_maps[0].1 = Looked::There(ConfigMap::default());
    assert_eq!(one(&all), "ConfigMap migrations: has no key 1.sql");
    let checked = done("Failed", "False", |m| m["spec"]["migration"]["scripts"][0]["checksum"] = json!(PLAN));
    assert!(
        one(&evidence(checked))
            .contains("1.sql is sha256:e004ebd5b5532a4b85984a62f8ad48a81aa3460c1ca07701f386135d72cdecf5")
    );

    let mut all = base();
    all.account.1 = Looked::Missing;
    assert!(one(&all).starts_with("account cofferdam-runner: is not there"));
    let mut all = base();
    all.previous = Some(("first".into(), Looked::There(migration(|_| {}))));
    assert!(one(&all).contains("comes before, and is not Ready"));
}

#[test]
fn everything_that_is_named_is_found_once() {
    let migration = migration(|m| {
        m["spec"]["migration"]["scripts"] = json!([
            { "name": "a", "source": "configmap://one/a.sql" },
            { "name": "b", "source": "configmap://one/b.sql" },
            { "name": "c", "source": "configmap://two/c.sql" },
        ]);
        m["spec"]["runner"] = json!({ "imagePullSecrets": [{ "name": "pull" }] });
    });
    assert_eq!(config_maps(&migration), ["one", "two"]);
    assert_eq!(secrets(&migration), ["db", "pull"]);
}
