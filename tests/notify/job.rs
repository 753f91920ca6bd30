//! The runner in its Job tells.

use serde_json::json;

use crate::pod::Pod;
use crate::receiver::Receiver;
use crate::support::ended;

fn pod(name: &str, receiver: &Receiver) -> Pod {
    let mut pod = Pod::new(name);
    pod.script("a", "CREATE TABLE a (id int);\n");
    pod.spec["notifications"] = json!({
        "slack": { "webhook": "slack" },
        "webhook": {
            "urlSecretRef": { "name": "hook", "key": "url" },
            "signingKeySecretRef": { "name": "hook", "key": "key" },
        },
    });
    for (mount, key, value) in [
        ("notify-slack", "url", format!("{}/slack", receiver.url)),
        ("notify-webhook", "url", format!("{}/hook\n", receiver.url)),
        ("notify-signing-key", "key", "k".repeat(32)),
    ] {
        std::fs::create_dir_all(pod.mounts().join(mount)).unwrap();
        std::fs::write(pod.mounts().join(mount).join(key), value).unwrap();
    }
    pod
}

#[test]
fn its_own_runs_are_told_where_an_administrator_allows_the_address() {
    let receiver = Receiver::start();
    let mut other = Pod::new("job_told_other");
    other.script("z", "CREATE TABLE z (id int);\n");
    other.ends(&[], 0, "Succeeded", "MigrationComplete");
    let mut pod = pod("job_told", &receiver);
    pod.spec["database"] = other.spec["database"].clone();
    let done = ended(pod.command(&[]).env("COFFERDAM_NOTIFY_ALLOW", "127.0.0.0/8"));
    assert_eq!(done.code, 0, "{}", done.stderr);
    let (events, messages): (Vec<_>, Vec<_>) =
        receiver.bodies().into_iter().partition(|body| body.get("specversion").is_some());
    assert_eq!(messages.len(), events.len());
    let last = events.last().unwrap();
    assert_eq!(last["type"], "dev.cofferdam.run.finished");
    assert!(events.iter().all(|event| event["subject"] == "job-told/a"), "{events:#?}");
    assert_eq!(last["data"]["who"], "cofferdam runner shop/job-told");
}

#[test]
fn an_address_inside_is_not_spoken_to_and_a_secret_that_lacks_holds_no_run() {
    let receiver = Receiver::start();
    let pod = pod("job_inside", &receiver);
    std::fs::remove_file(pod.mounts().join("notify-slack/url")).unwrap();
    let done = ended(&mut pod.command(&[]));
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stderr.contains("notifications may not go to"), "{}", done.stderr);
    assert!(done.stderr.contains("slack is not told"), "{}", done.stderr);
    assert_eq!(receiver.bodies().len(), 0);
}

#[test]
fn that_its_plan_waits_for_an_approval_is_told_by_the_job() {
    let receiver = Receiver::start();
    let mut pod = pod("job_awaited", &receiver);
    pod.spec["approval"] = json!({ "required": true });
    for _ in 0..2 {
        let done = ended(pod.command(&[]).env("COFFERDAM_NOTIFY_ALLOW", "127.0.0.0/8"));
        assert_eq!(done.code, 0, "{}", done.stderr);
    }
    let events: Vec<_> =
        receiver.bodies().into_iter().filter(|body| body.get("specversion").is_some()).collect();
    assert_eq!(events.len(), 1, "{events:#?}");
    assert_eq!(
        (&events[0]["type"], &events[0]["subject"]),
        (&json!("dev.cofferdam.run.waits"), &json!("job-awaited/a"))
    );
    assert_eq!(events[0]["data"]["next"], "kubectl cofferdam approve job-awaited --namespace shop");
    assert_eq!(pod.one("SELECT to_regclass('a')"), "NULL");
}
