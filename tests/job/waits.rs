//! What is waited for, and what is said meanwhile.

use cofferdam_scratch::{Options, Server};
use serde_json::Value;

use crate::pod::Pod;
use crate::support::{Bench, binaries, until};

fn blocked(pod: &Pod, by: &str) -> bool {
    pod.status()["progress"]["blockedBy"].as_str().is_some_and(|text| text.starts_with(by))
}

#[test]
fn a_key_that_is_missing_is_named_and_waited_for() {
    let mut pod = Pod::new("key");
    pod.script("a", "CREATE TABLE a (id int);\n");
    pod.remove_secret("password");
    let held = pod.start(&[]);
    until("the key is named", || blocked(&pod, "SecretKeyMissing: Secret db has no key password"));
    assert_eq!(pod.condition("Planned"), ("False".into(), "SecretKeyMissing".into()));
    pod.secret("password", "postgres");
    let ended = held.end();
    assert_eq!(
        (ended.code, pod.outcome()["reason"].as_str()),
        (0, Some("MigrationComplete")),
        "{}",
        ended.stderr
    );
    assert!(pod.status()["progress"]["blockedBy"].is_null());
}

#[test]
fn a_script_that_is_missing_is_named_and_waited_for() {
    let mut pod = Pod::new("source");
    pod.script("a", "");
    std::fs::remove_file(pod.mounts().join("scripts/a.sql")).unwrap();
    let held = pod.start(&[]);
    until("the key is named", || blocked(&pod, "SourceKeyMissing: script a"));
    pod.mount("a", "CREATE TABLE a (id int);\n");
    assert_eq!(held.end().code, 0);
    assert_eq!(pod.applied(), ["source/a"]);
}

#[test]
fn a_server_that_is_down_is_waited_for() {
    let mut server = Server::start(&binaries(), &Options { tcp: true, ..Options::default() }).unwrap();
    server.create_database("late").unwrap();
    let mut pod = Pod::at(Bench::of("late".into()), "late", server.host(), server.port());
    pod.script("a", "CREATE TABLE a (id int);\n");
    server.stop_immediate().unwrap();
    let held = pod.start(&[]);
    until("it is said", || blocked(&pod, "ConnectFailed: "));
    assert_eq!(pod.condition("Planned"), ("False".into(), "ConnectFailed".into()));
    server.start_again().unwrap();
    let ended = held.end();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let rows = server.query("late", "SELECT key FROM cofferdam.history").unwrap();
    assert_eq!(rows, [[Some("late/a".to_owned())]]);
}

#[test]
fn another_runner_is_waited_for() {
    let mut pod = Pod::new("lock");
    pod.script("a", "CREATE TABLE a (id int);\n");
    let mut other = pod.beside("holder");
    other.script("b", "CREATE TABLE b (id int);\n");
    let holds = other.held(&[], "claim.locked");
    let held = pod.start(&[]);
    until("it is said", || blocked(&pod, "LockHeldByOther: "));
    holds.kill();
    let ended = held.end();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(pod.applied(), ["lock/a"]);
}

#[test]
fn sigterm_ends_every_wait() {
    let pod = Pod::new("term");
    pod.remove_secret("username");
    let held = pod.start(&[]);
    until("it waits", || blocked(&pod, "SecretKeyMissing"));
    held.signal("TERM");
    assert_eq!(held.end().code, 130);
    assert_eq!(pod.outcome()["ended"], "Stopped");
}

/// A login that fails is waited for, and nothing of the password is said anywhere.
#[test]
fn a_password_stays_a_secret() {
    const PASSWORD: &str = "canary !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~ä canary";
    let options = Options { tcp: true, password: Some("another".into()), ..Options::default() };
    let server = Server::start(&binaries(), &options).unwrap();
    server.create_database("vault").unwrap();
    let encoded: String = PASSWORD.bytes().map(|b| format!("%{b:02X}")).collect();
    let url = format!("postgres://postgres:{encoded}@{}:{}/vault", server.host(), server.port());
    for way in ["keys", "url", "unencoded"] {
        let mut pod = Pod::at(Bench::of("vault".into()), "vault", server.host(), server.port());
        pod.script("a", "CREATE TABLE a (id int);\n");
        match way {
            "keys" => pod.secret("password", PASSWORD),
            "url" => pod.secret("url", &url),
            _ => pod.secret("url", &format!("postgres://postgres:{PASSWORD}@{}/vault", server.host())),
        }
        let held = pod.start(&[]);
        if way != "unencoded" {
            until("the login failed", || blocked(&pod, "ConnectFailed: "));
            held.signal("TERM");
        }
        let ended = held.end();
        let said = format!("{}{}{}{}", ended.stdout, ended.stderr, pod.status(), pod.outcome());
        assert!(!said.contains("canary") && !said.contains(&encoded), "{way}: {said}");
        assert_eq!(ended.code, if way == "unencoded" { 2 } else { 130 }, "{way}: {said}");
        for line in ended.stderr.lines() {
            let line: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
            assert!(line["time"].is_string() && line["level"].is_string() && line["message"].is_string());
        }
    }
}
