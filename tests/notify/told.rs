//! The command line tells.

use serde_json::Value;

use crate::receiver::Receiver;
use crate::support::{Bench, ended};

/// A directory of which the third migration fails.
pub fn bench(name: &str, receiver: &Receiver) -> Bench {
    let bench = Bench::new(name);
    bench
        .file("V1__a.sql", "CREATE TABLE a (id int);\n")
        .file("V2__b.sql", "CREATE INDEX a_id ON a (id);\n")
        .file("V3__c.sql", "CREATE TABLE c (id int);\nSELECT 1 / 0;\n");
    configure(&bench, &format!("webhook: {{url: '{}/hook', signingKey: 'env:HOOK_KEY'}}", receiver.url));
    bench
}

pub fn configure(bench: &Bench, notifications: &str) {
    let text = format!("environments:\n  prod:\n    url: {}\nnotifications:\n  {notifications}\n", bench.url);
    std::fs::write(bench.folder.path().join("cofferdam.yaml"), text).unwrap();
}

pub fn run(bench: &Bench, arguments: &[&str], code: i32) -> crate::support::Ended {
    let done = ended(
        bench
            .command(arguments)
            .env_remove("COFFERDAM_URL")
            .args(["--env", "prod"])
            .env("HOOK_KEY", "k".repeat(32)),
    );
    assert_eq!(done.code, code, "{arguments:?}\n{}\n{}", done.stdout, done.stderr);
    done
}

const ALL: [&str; 4] = ["1 finished", "2 began", "2 finished", "3 rolled-back"];

/// Whether a failed migration began is a row of its own only where something of it was committed.
fn without_a_beginning(events: Vec<String>) -> Vec<String> {
    events.into_iter().filter(|event| event != "3 began" && event != "1 began").collect()
}

fn listed(bench: &Bench) -> Value {
    serde_json::from_str(&run(bench, &["notify", "list", "-o", "json"], 0).stdout).unwrap()
}

#[test]
fn every_run_is_told_in_order_with_who_and_where() {
    let receiver = Receiver::start();
    let bench = bench("told", &receiver);
    let done = run(&bench, &["apply"], 6);
    assert!(!done.stderr.contains("notifications to"), "{}", done.stderr);
    assert_eq!(without_a_beginning(receiver.events()), ALL);
    let first = &receiver.bodies()[0];
    assert_eq!(first["data"]["environment"], "prod");
    assert_eq!(first["data"]["database"], bench.database.as_str());
    assert_eq!(first["data"]["digest"].as_str().map(|d| d.starts_with("sha256:")), Some(true), "{first}");
    let hash = first["data"]["hash"].as_str().unwrap();
    assert_eq!(bench.one(&format!("SELECT count(*) FROM cofferdam.journal WHERE hash = '{hash}'")), "1");
    // That it failed and that it was taken back is one event, with the reason.
    let last = receiver.bodies().pop().unwrap();
    let title = last["data"]["title"].as_str().unwrap();
    assert!(title.ends_with("3 failed and was taken back; nothing of it is left"), "{title}");
    assert!(last["data"]["why"].as_str().unwrap().contains("division by zero"), "{last:#}");
    // Nothing is told twice, and a command that reads tells nothing.
    run(&bench, &["status"], 0);
    run(&bench, &["notify", "flush"], 0);
    assert_eq!(without_a_beginning(receiver.events()), ALL);
    let places = listed(&bench);
    assert_eq!(
        (&places["places"][0]["sink"], &places["places"][0]["waiting"]),
        (&"webhook".into(), &0.into())
    );
}

#[test]
fn a_receiver_that_is_down_holds_no_run_and_is_told_by_the_next_command() {
    for status in [500, 302, 404, 0] {
        let receiver = Receiver::start();
        let bench = bench("down", &receiver);
        receiver.answers(status);
        let done = run(&bench, &["apply"], 6);
        assert!(done.stderr.contains("cofferdam notify flush"), "{status}: {}", done.stderr);
        assert_eq!(bench.history().len(), 2);
        let places = listed(&bench);
        let waiting = places["places"][0]["waiting"].as_u64().unwrap();
        assert!(waiting >= ALL.len() as u64, "{places:#}");
        if status != 0 {
            assert!(places["places"][0]["attempts"].as_u64().unwrap() > 0, "{places:#}");
            run(&bench, &["notify", "flush"], 1);
        }
        receiver.answers(200);
        run(&bench, &["notify", "flush"], 0);
        assert_eq!(without_a_beginning(receiver.events()), ALL, "{status}");
        bench.assert_sound();
    }
}

/// With failpoints only.
#[cfg(feature = "failpoints")]
#[test]
fn a_death_between_delivery_and_mark_repeats_the_event_with_its_id() {
    let receiver = Receiver::start();
    let bench = bench("death", &receiver);
    let mut command = bench.command(&["apply", "1"]);
    let done = ended(
        command
            .env_remove("COFFERDAM_URL")
            .args(["--env", "prod"])
            .env("HOOK_KEY", "k".repeat(32))
            .env("COFFERDAM_FAILPOINT", "notify.delivered=kill"),
    );
    assert_ne!(done.code, 0, "it was not killed");
    assert_eq!(receiver.ids().len(), 1);
    run(&bench, &["apply", "1"], 0);
    run(&bench, &["notify", "flush"], 0);
    let ids = receiver.ids();
    assert_eq!(ids[0], ids[1], "{ids:?}");
    let mut once = ids.clone();
    once.dedup();
    assert_eq!(once.len(), ids.len() - 1, "{ids:?}");
    bench.assert_sound();
}

#[test]
fn two_that_tell_at_once_tell_each_event_once() {
    let receiver = Receiver::start();
    let bench = bench("two", &receiver);
    receiver.answers(500);
    run(&bench, &["apply"], 6);
    receiver.answers(200);
    std::thread::scope(|threads| {
        for _ in 0..3 {
            threads.spawn(|| run(&bench, &["notify", "flush"], 0));
        }
    });
    assert_eq!(without_a_beginning(receiver.events()), ALL);
}

#[test]
fn what_is_wrong_is_said_before_it_is_needed_and_holds_no_run() {
    let receiver = Receiver::start();
    let bench = bench("wrong", &receiver);
    run(&bench, &["notify", "test"], 0);
    assert_eq!(receiver.bodies()[0]["data"]["key"], "test");
    receiver.answers(500);
    let done = run(&bench, &["notify", "test"], 1);
    assert!(done.stdout.contains("it answered 500"), "{}", done.stdout);
    for (notifications, code) in [
        ("webhook: {url: 'http://example.org/x'}", 1),
        ("webhook: {url: 'http://169.254.169.254/x'}", 1),
        ("slack: {webhook: 'env:NOT_SET'}", 2),
        ("slack: {webhook: 'https://hooks.slack.com/canary'}", 2),
        ("email: {host: mail, from: nobody, recipients: [a@b.c]}", 2),
        ("webhook: {url: 'https://h/x', signingKey: 'env:SHORT'}", 2),
        ("slak: {}", 2),
        ("{}", 2),
    ] {
        configure(&bench, notifications);
        let done = run(&bench, &["notify", "test"], code);
        assert!(!format!("{}{}", done.stdout, done.stderr).contains("canary"), "{}", done.stderr);
    }
    configure(&bench, "slack: {webhook: 'env:NOT_SET'}");
    let done = run(&bench, &["apply", "1"], 0);
    assert!(done.stderr.contains("warning: notifications.slack"), "{}", done.stderr);
}

#[test]
fn a_person_may_leave_an_event_out_that_nobody_takes() {
    let receiver = Receiver::start();
    let bench = bench("skip", &receiver);
    receiver.answers(400);
    run(&bench, &["apply"], 6);
    let done = run(&bench, &["notify", "skip", "--sink", "webhook"], 0);
    assert!(done.stdout.starts_with("left out: 1 "), "{}", done.stdout);
    receiver.answers(200);
    run(&bench, &["notify", "flush"], 0);
    assert!(receiver.events().len() >= ALL.len() - 1);
    assert_ne!(receiver.events().first().map(String::as_str), Some("1 began"));
}

#[test]
fn a_database_of_an_earlier_version_is_told_of_too() {
    let receiver = Receiver::start();
    let bench = bench("earlier", &receiver);
    run(&bench, &["apply", "1"], 0);
    bench.query("DROP TABLE cofferdam.outbox");
    let before = receiver.events().len();
    run(&bench, &["apply", "1"], 0);
    assert!(receiver.events().len() > before);
    assert!(
        receiver.events().iter().skip(before).all(|event| event.starts_with("2 ")),
        "{:?}",
        receiver.events()
    );
}

/// Before there is a run: a row of its own, once for each plan and reason.
#[test]
fn that_a_plan_waits_for_an_approval_is_told_once() {
    let receiver = Receiver::start();
    let bench = bench("awaited", &receiver);
    let text = std::fs::read_to_string(bench.folder.path().join("cofferdam.yaml")).unwrap();
    let required = text.replacen("notifications:", "    approval: {required: true}\nnotifications:", 1);
    std::fs::write(bench.folder.path().join("cofferdam.yaml"), required).unwrap();
    run(&bench, &["apply", "1"], 8);
    assert_eq!(receiver.events(), ["1 waits"]);
    let event = &receiver.bodies()[0];
    assert!(event["data"]["why"].as_str().unwrap().contains("waits for an approval"), "{event:#}");
    let digest = event["data"]["digest"].as_str().unwrap().to_owned();
    let next = event["data"]["next"].as_str().unwrap();
    assert!(next.starts_with("cofferdam approve") && next.contains("--env prod"), "{next}");
    // Nobody is told again as long as nothing happened.
    run(&bench, &["apply", "1"], 8);
    assert_eq!(receiver.events().len(), 1);
    let listed = listed(&bench);
    assert_eq!(listed["places"][0]["waiting"], 0, "{listed:#}");
    // The plan that was agreed to became another one: that is another wait.
    run(&bench, &["approve", "1", "--yes"], 0);
    bench.file("V1__a.sql", "CREATE TABLE a (id bigint);\n");
    run(&bench, &["apply", "1"], 8);
    let events = receiver.bodies();
    assert_eq!(events.len(), 2, "{events:#?}");
    assert_ne!(events[1]["data"]["digest"], digest.as_str());
    assert!(
        events[1]["data"]["why"].as_str().unwrap().contains("not the one that was approved"),
        "{events:#?}"
    );
    run(&bench, &["approve", "1", "--yes"], 0);
    run(&bench, &["apply", "1"], 0);
    assert_eq!(without_a_beginning(receiver.events())[2..], ["1 finished"]);
    assert_eq!(run(&bench, &["audit", "verify"], 0).code, 0);
}

/// The row is there and nobody was told: the next command tells it, once.
#[test]
fn a_death_after_it_is_written_that_a_plan_waits_tells_it_once() {
    for action in ["kill", "error"] {
        let receiver = Receiver::start();
        let bench = bench(&format!("awaited_{action}"), &receiver);
        let yaml = bench.folder.path().join("cofferdam.yaml");
        let text = std::fs::read_to_string(&yaml).unwrap();
        let required = text.replacen("notifications:", "    approval: {required: true}\nnotifications:", 1);
        std::fs::write(&yaml, required).unwrap();
        // The place is known: one that is new is told from then on.
        run(&bench, &["apply", "1"], 8);
        bench.file("V1__a.sql", "CREATE TABLE a (id bigint);\n");
        let mut command = bench.command(&["apply", "1", "--env", "prod"]);
        let cut = ended(
            command
                .env_remove("COFFERDAM_URL")
                .env("HOOK_KEY", "k".repeat(32))
                .env("COFFERDAM_FAILPOINT", format!("notify.awaited={action}")),
        );
        assert_ne!(cut.code, 0, "{action}");
        let rows = "SELECT count(*) FROM cofferdam.journal WHERE entry->>'what' = 'awaited'";
        assert_eq!(bench.one(rows), "2", "{action}");
        // Its lock is not in anybody's way.
        run(&bench, &["apply", "1", "--lock-wait", "30s"], 8);
        run(&bench, &["notify", "flush"], 0);
        assert_eq!(receiver.events(), ["1 waits", "1 waits"], "{action}");
        assert_eq!(bench.one(rows), "2", "{action}");
        assert_eq!(bench.one("SELECT to_regclass('a') IS NULL"), "t", "{action}");
    }
}
