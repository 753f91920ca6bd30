//! A person's word: bound to the plan and to the database, and to who says it.

use crate::support::{Bench, Ended};
use crate::{as_user, bench, columns, installed, refused};

const REQUIRED: &[&str] = &["apply", "--approval", "required"];

fn digest(text: &str) -> String {
    let at = text.find("sha256:").unwrap_or_else(|| panic!("no digest in {text}"));
    text[at..at + 71].to_owned()
}

fn approve(bench: &Bench, user: &str, more: &[&str]) -> Ended {
    let ended = as_user(bench, user, &[&["approve", "--yes"], more].concat());
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    ended
}

#[test]
fn nothing_begins_without_a_word_and_the_refusal_says_how_to_give_it() {
    let bench = bench("needed");
    let plan = digest(&bench.must(&["plan"]).stdout);
    let waits = as_user(&bench, "bob", &["apply", "--approval", "required", "--lock-timeout", "300ms"]);
    refused(&bench, &waits, 8, "CF3104");
    assert!(!installed(&bench));
    let other = digest(&waits.stderr);
    assert_ne!(other, plan, "a plan with another limit is another plan");
    // The command that is printed, as it stands.
    let (_, line) = waits.stderr.split_once("help: cofferdam ").unwrap();
    let line = line.lines().next().unwrap();
    assert_eq!(line, "approve --lock-timeout 300ms");
    let words: Vec<&str> = line.split(' ').collect();
    let asks = as_user(&bench, "alice", &words);
    assert_eq!(asks.code, 8, "nobody is at the keyboard: {}", asks.stderr);
    assert!(!installed(&bench));
    let said = as_user(&bench, "alice", &[words.as_slice(), &["--yes"]].concat());
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert!(said.stdout.contains(&other) && said.stdout.contains("is approved by alice@"), "{}", said.stdout);
    // Without the limit it is another plan.
    refused(&bench, &as_user(&bench, "bob", REQUIRED), 8, "CF3105");
    let done = as_user(&bench, "bob", &["apply", "--approval", "required", "--lock-timeout", "300ms"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert_eq!(columns(&bench), "id,note,state");
    let by = bench.one("SELECT started_by FROM cofferdam.run");
    assert!(by.starts_with("bob@") && by.contains(", approved by alice@"), "{by}");
    bench.assert_sound();
}

#[test]
fn a_word_is_good_for_one_plan_of_one_database_as_it_was() {
    let bench = bench("bound");
    approve(&bench, "alice", &[]);
    let agreed = digest(&bench.must(&["plan"]).stdout);
    assert!(bench.must(&["plan"]).stdout.contains("approved by alice@"));
    // The file changes.
    bench.file("V1__state.sql", "ALTER TABLE orders ADD COLUMN state int;\n");
    let other = as_user(&bench, "bob", REQUIRED);
    refused(&bench, &other, 8, "CF3105");
    let now = digest(&bench.must(&["plan"]).stdout);
    assert!(other.stderr.contains(&agreed) && other.stderr.contains(&now), "{}", other.stderr);
    assert!(bench.must(&["plan"]).stdout.contains("another plan by alice@"));
    bench.file("V1__state.sql", "ALTER TABLE orders ADD COLUMN state text;\n");
    // Another migration comes along.
    bench.file("V2__more.sql", "CREATE TABLE more (id int);\n");
    refused(&bench, &as_user(&bench, "bob", REQUIRED), 8, "CF3105");
    let first = as_user(&bench, "bob", &["plan", "--to", "1"]);
    assert!(first.stdout.contains("approved by alice@"), "{}", first.stdout);
    bench.remove("V2__more.sql");
    // A copy of the database carries the row along, and not the word.
    let copy = Bench::of(format!("{}_copy", bench.database));
    bench.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()");
    crate::support::server()
        .query("postgres", &format!("CREATE DATABASE {} TEMPLATE {}", copy.database, bench.database))
        .unwrap();
    copy.file("V1__state.sql", "ALTER TABLE orders ADD COLUMN state text;\n");
    refused(&copy, &as_user(&copy, "bob", REQUIRED), 8, "CF3105");
    // Somebody changes the table by hand.
    bench.query("ALTER TABLE orders ALTER COLUMN note SET NOT NULL");
    let changed = as_user(&bench, "bob", REQUIRED);
    refused(&bench, &changed, 8, "CF3105");
    assert!(changed.stderr.contains("orders changed since"), "{}", changed.stderr);
    bench.query("ALTER TABLE orders ALTER COLUMN note DROP NOT NULL");
    // More rows are no change of it.
    bench.query("INSERT INTO orders SELECT i, '' FROM generate_series(2, 5000) i; ANALYZE orders");
    assert_eq!(as_user(&bench, "bob", REQUIRED).code, 0);
    bench.assert_sound();
}

#[test]
fn two_persons_a_rejection_an_end_and_a_second_use() {
    let bench = bench("persons");
    let two = ["apply", "--two-persons"];
    approve(&bench, "bob", &[]);
    refused(&bench, &as_user(&bench, "bob", &two), 8, "CF3108");
    approve(&bench, "alice", &["--for", "0s"]);
    refused(
        &bench,
        &as_user(&bench, "carol", &["apply", "--two-persons", "--lock-timeout", "1s"]),
        8,
        "CF3105",
    );
    refused(&bench, &as_user(&bench, "bob", &two), 8, "CF31");
    approve(&bench, "dora", &["--reject", "--reason", "wait for the sale to end"]);
    let rejected = as_user(&bench, "bob", &two);
    refused(&bench, &rejected, 8, "CF3106");
    assert!(rejected.stderr.contains("wait for the sale to end"), "{}", rejected.stderr);
    approve(&bench, "dora", &["--for", "1h"]);
    let rows = bench.one("SELECT count(*) FROM cofferdam.journal");
    let again = approve(&bench, "dora", &["--for", "30m"]);
    assert!(again.stdout.contains("is approved already"), "{}", again.stdout);
    assert_eq!(bench.one("SELECT count(*) FROM cofferdam.journal"), rows);
    assert_eq!(as_user(&bench, "bob", &two).code, 0);
    // It was for this once.
    assert_eq!(as_user(&bench, "bob", &["rollback", "--steps", "1", "--yes"]).code, 0);
    refused(&bench, &as_user(&bench, "bob", &two), 8, "CF3107");
    bench.assert_sound();
}

/// The second migration is about what the first one made or changed: once that is there more is known of it, and it is
/// still what was agreed to. Where somebody else's hand was in it, it is not.
#[test]
fn a_migration_after_one_about_the_same_table_is_what_was_agreed_to() {
    for (name, first, second) in [
        ("made", "CREATE TABLE parcels (id int, weight int);", "CREATE INDEX heavy ON parcels (weight);"),
        ("unnamed", "CREATE TABLE parcels (id int, weight int);", "CREATE INDEX ON parcels (weight);"),
        ("column", "ALTER TABLE orders ADD COLUMN weight int;", "CREATE INDEX heavy ON orders (weight);"),
        ("key", "CREATE TABLE parcels (id int, weight int);", "ALTER TABLE parcels ADD UNIQUE (weight);"),
        (
            "null",
            "CREATE TABLE parcels (id int, weight int);",
            "ALTER TABLE parcels ALTER weight SET NOT NULL;",
        ),
    ] {
        let bench = bench(&format!("after_{name}"));
        bench.file("V2__first.sql", first).file("V3__second.sql", second);
        approve(&bench, "alice", &[]);
        let done = as_user(&bench, "bob", REQUIRED);
        assert_eq!(done.code, 0, "{name}: {}", done.stderr);
        assert_eq!(
            bench.one("SELECT count(*) FROM cofferdam.history WHERE undone_at IS NULL"),
            "3",
            "{name}"
        );
        // And back again.
        bench.must(&["rollback", "--steps", "2", "--yes"]);
        bench.assert_sound();
    }
}

#[test]
fn an_environment_that_asks_for_approval_asks_it_of_every_change() {
    let bench = bench("asks");
    let yaml = format!(
        "environments:\n  prod:\n    url: {}\n    approval: {{required: true, for: 24h}}\n",
        bench.url
    );
    std::fs::write(bench.folder.path().join("cofferdam.yaml"), yaml).unwrap();
    refused(&bench, &as_user(&bench, "bob", &["apply", "--env", "prod"]), 8, "CF3104");
    let alter =
        ["alter", "--env", "prod", "--table", "orders", "ADD COLUMN state text", "--strategy", "direct"];
    let waits = as_user(&bench, "bob", &alter);
    refused(&bench, &waits, 8, "CF3104");
    let line =
        "help: cofferdam alter --env prod --table orders 'ADD COLUMN state text' --strategy direct --approve";
    assert!(waits.stderr.contains(line), "{}", waits.stderr);
    assert!(!installed(&bench));
    let said = as_user(&bench, "alice", &[alter.as_slice(), &["--approve"]].concat());
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert_eq!(columns(&bench), "id,note");
    assert!(said.stdout.contains(" until 20"), "{}", said.stdout);
    assert_eq!(as_user(&bench, "bob", &alter).code, 0);
    assert_eq!(columns(&bench), "id,note,state");
}

#[test]
fn words_that_are_said_at_once_all_stand_in_one_chain() {
    let bench = bench("at_once");
    let users = ["alice", "bob", "carol", "dora"];
    std::thread::scope(|threads| {
        for user in users {
            let bench = &bench;
            threads.spawn(move || approve(bench, user, &["--lock-wait", "60s"]));
        }
    });
    assert_eq!(bench.one("SELECT count(*) FROM cofferdam.journal"), "4");
    bench.assert_sound();
    let other = bench.run(&["approve", "--plan", "000000000000"]);
    assert_eq!((other.code, other.stderr.contains("CF3105")), (8, true), "{}", other.stderr);
}
