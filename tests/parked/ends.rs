//! The end: what is parked is dropped for good only where somebody wants it.

use std::process::Stdio;

use crate::support::{self, until, wait};
use crate::{parked, refused, shop};

const PARK: &[&str] = &["apply", "--park"];

fn gone(bench: &support::Bench, name: &str) -> bool {
    bench.one(&format!("SELECT to_regnamespace('{name}') IS NULL")) == "t"
}

#[test]
fn it_is_dropped_for_good_only_by_name_by_run_or_after_its_time_and_only_with_consent() {
    let bench = shop("parked_end", "DROP TABLE orders;");
    bench.must(PARK);
    let name = parked(&bench).remove(0);
    // Its time has not passed, so that there is nothing to do.
    bench.must(&["finalize", "--expired", "--yes"]);
    assert!(!gone(&bench, &name));
    refused(
        &bench.run(&["finalize", "--parked", "orders"]),
        8,
        &["CF3211", "the rows of table public.orders"],
    );
    assert!(
        bench.must(&["finalize", "--parked", "orders", "--dry-run"]).stdout.contains("would drop for good")
    );
    assert!(!gone(&bench, &name));
    // Time alone drops nothing, whoever comes by.
    bench.query("UPDATE cofferdam.parked SET until = now() - interval '1 day'");
    bench.file("V2__more.sql", "CREATE TABLE more (id int);");
    bench.must(&["apply"]);
    assert!(!gone(&bench, &name));
    assert!(bench.must(&["parked"]).stdout.contains("its time has passed"));
    refused(&bench.run(&["finalize", "--expired"]), 8, &["CF3211"]);
    bench.must(&["finalize", "--expired", "--yes"]);
    assert!(gone(&bench, &name));
    refused(&bench.run(&["undrop", "orders"]), 2, &["CF3503", "dropped"]);
    assert!(bench.must(&["parked", "--all"]).stdout.contains("dropped"));
    bench.assert_sound();
    // The way back of the migration is gone with it, and says so.
    bench.must(&["rollback", "--yes"]);
    refused(&bench.run(&["rollback", "--yes"]), 1, &["CF2401", "dropped for good"]);
}

#[test]
fn the_run_that_parked_it_can_be_finalized() {
    let bench = shop("parked_end_run", "DROP TABLE orders;\nDROP TABLE users;");
    bench.must(PARK);
    assert_eq!(parked(&bench).len(), 2);
    let run = bench.one("SELECT run FROM cofferdam.parked LIMIT 1");
    refused(&bench.run(&["finalize", &run]), 8, &["public.orders", "public.users"]);
    bench.must(&["finalize", &run, "--yes"]);
    assert!(parked(&bench).is_empty());
    bench.assert_sound();
}

#[test]
fn what_is_used_is_not_dropped() {
    let bench = shop("parked_end_used", "DROP TABLE orders;");
    bench.must(PARK);
    let name = parked(&bench).remove(0);
    bench.query(&format!("CREATE VIEW old_orders AS SELECT * FROM {name}.orders"));
    refused(&bench.run(&["finalize", "--parked", "orders", "--yes"]), 6, &["CF3506", "old_orders"]);
    assert!(!gone(&bench, &name));
    bench.query("DROP VIEW old_orders");
    // Something of somebody else's in the schema stays.
    bench.query(&format!("CREATE TABLE {name}.other (id int)"));
    bench.must(&["finalize", "--parked", "orders", "--yes"]);
    assert_eq!(
        bench.one(&format!(
            "SELECT to_regclass('{name}.other') IS NOT NULL AND to_regclass('{name}.orders') IS NULL"
        )),
        "t"
    );
    let notes = bench.one("SELECT array_to_string(notes, ' ') FROM cofferdam.parked");
    assert!(notes.contains("stays"), "{notes}");
}

#[test]
fn a_backup_saves_it_before_it_goes() {
    let bench = shop("parked_end_backup", "DROP TABLE orders;");
    bench.must(PARK);
    let store = tempfile::tempdir().unwrap();
    let to = store.path().to_str().unwrap();
    bench.must(&["finalize", "--parked", "orders", "--yes", "--backup-to", to]);
    let id = std::fs::read_dir(store.path()).unwrap().next().unwrap().unwrap().file_name();
    bench.query("CREATE SCHEMA rescue");
    bench.must(&["restore", id.to_str().unwrap(), "--to", to, "--into", "rescue"]);
    assert_eq!(bench.one("SELECT count(*) FROM rescue.orders"), "500");
}

#[test]
fn what_somebody_removed_by_hand_is_said_to_be_gone() {
    let bench = shop("parked_end_hand", "DROP TABLE orders;");
    bench.must(PARK);
    let name = parked(&bench).remove(0);
    bench.query(&format!("DROP SCHEMA {name} CASCADE"));
    refused(&bench.run(&["undrop", "orders"]), 6, &["CF3507", "did not remove it"]);
    bench.must(&["finalize", "--parked", "orders", "--yes"]);
    assert!(parked(&bench).is_empty());
}

#[test]
fn a_second_runner_waits_and_finds_it_done() {
    let bench = shop("parked_end_two", "DROP TABLE orders;");
    bench.must(PARK);
    let reached = bench.folder.path().join("reached");
    let mut first = bench.command(&["undrop", "orders"]);
    first.env("COFFERDAM_FAILPOINT", "undrop.done=hang").env("COFFERDAM_FAILPOINT_REACHED", &reached);
    let mut first = first.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until("the first holds everything", || support::reached(&reached));
    refused(&bench.run(&["undrop", "orders", "--lock-wait", "1s"]), 5, &["CF2304"]);
    refused(&bench.run(&["finalize", "--parked", "orders", "--yes", "--lock-wait", "1s"]), 5, &["CF2304"]);
    let second = bench.spawn(&["finalize", "--parked", "orders", "--yes", "--lock-wait", "60s"]);
    first.kill().unwrap();
    first.wait().unwrap();
    // What the first had not committed did not happen, so the second does what it was told.
    let second = wait(second);
    assert_eq!(second.code, 0, "{}", second.stderr);
    assert!(parked(&bench).is_empty());
    bench.assert_sound();
}
