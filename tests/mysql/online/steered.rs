//! What steers a change, and what others do to its table meanwhile.

use std::time::Duration;

use cofferdam_scratch::mysql::{Kind, Options};

use super::{WIDER, alter, assert_clean, at_gate, cut_over, fill, id_type, place};
use crate::replicated::Replicated;
use crate::site::{Held, Site, own_server};
use crate::support::{ended, until, wait};

on_both! {
    paused_resumed_and_watched,
    aborted,
    replicas_that_are_behind_are_waited_for,
    a_busy_server_is_left_to_others,
    a_backup_that_keeps_definitions_is_waited_for_without_the_lock,
    what_others_change_is_refused,
    a_table_that_is_held_is_not_swapped,
    a_server_that_ends_silent_sessions_ends_none_of_ours,
}

/// A runner that comes when the change is paused copies nothing, and says so.
fn paused_resumed_and_watched(kind: Kind) {
    let Some(site) = place(kind, "paused") else { return };
    let mut killed = site.command(&alter(&["--cutover", "manual"], WIDER));
    assert_ne!(ended(killed.env("COFFERDAM_FAILPOINT", "online.copy.cut=kill")).code, 0);
    // What is not as it was planned is named; without a file of a migration its status is shown all the same.
    let otherwise = site.must(&alter(&["--dry-run"], WIDER)).stderr;
    assert!(otherwise.contains("as planned: cutover manual, not auto\n"), "{otherwise}");
    site.must(&["pause", "t"]);
    let child = site.spawn(&alter(&["--cutover", "manual"], WIDER));
    until("the runner says that it is paused", || {
        let status = site.must(&["status", "-o", "json"]).stdout;
        let status: serde_json::Value = serde_json::from_str(&status).unwrap();
        let online = &status["online"][0];
        online["throttledBy"] == "paused" && online["atWork"] == true
    });
    let new = "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()
               AND TABLE_NAME RLIKE '^_cofferdam_[0-9a-f]{12}_new$'";
    let copied = format!("SELECT COUNT(*) FROM `{}`", site.one(new));
    assert_eq!(site.one(&copied), "0");
    let shown = site.folder.path().join("shown");
    let mut watch = site.command(&["status", "--watch"]);
    let watch = watch.stdout(std::fs::File::create(&shown).unwrap()).spawn().unwrap();
    until("it is shown to be paused", || std::fs::read_to_string(&shown).unwrap().contains("paused"));
    // What is left is done without the worker that is kept back, and so is its end.
    site.must(&["throttle", "t", "--workers", "1"]);
    site.must(&["resume", "t"]);
    until("it waits for the cutover", || {
        site.one("SELECT COUNT(*) FROM _cofferdam_online WHERE progress LIKE '%waiting for the cutover%'")
            == "1"
    });
    assert_eq!(site.one(&copied), super::ROWS.to_string());
    let done = cut_over(&site, child);
    assert_eq!(done.code, 0, "{}\n{}", done.stdout, done.stderr);
    // It ends by itself when nobody is at work any more.
    assert_eq!(wait(watch).code, 0, "{}", std::fs::read_to_string(&shown).unwrap());
    assert_eq!(id_type(&site), "bigint");
    site.must(super::FINALIZE);
    assert_clean(&site);
}

fn aborted(kind: Kind) {
    let Some(site) = place(kind, "aborted") else { return };
    let child = at_gate(&site, WIDER);
    site.query("INSERT INTO t (id) VALUES (70000)");
    site.must(&["throttle", "t", "--workers", "1"]);
    site.must(&["abort", "t"]);
    let ended = wait(child);
    assert!(ended.code != 0 && ended.stderr.contains("aborted"), "{}\n{}", ended.stdout, ended.stderr);
    assert_eq!((id_type(&site).as_str(), site.one("SELECT COUNT(*) FROM t").as_str()), ("int", "4001"));
    assert_clean(&site);
    site.assert_sound();
}

/// What `status` says of the change.
fn of_change(site: &Site, field: &str) -> String {
    let status: serde_json::Value =
        serde_json::from_str(&site.must(&["status", "-o", "json"]).stdout).unwrap();
    status["online"][0][field].as_str().unwrap_or_default().to_owned()
}

fn replicas_that_are_behind_are_waited_for(kind: Kind) {
    let Some(both) = Replicated::begin(kind, "behind") else { return };
    let Replicated { near, name, site, .. } = &both;
    site.file("V1__other.sql", "CREATE TABLE other (id int PRIMARY KEY);\n");
    fill(site);
    both.has("t", "4000");
    // Not to know is no reason to stand still, nor to go on at full speed.
    near.query(None, "STOP REPLICA SQL_THREAD").unwrap();
    let child = site.spawn(&alter(&["--cutover", "manual"], WIDER));
    until("it says why it goes slowly", || {
        let why = of_change(site, "throttledBy");
        why.contains("a quarter of full speed") && why.contains("the thread that applies it is not at work")
    });
    let waits = "SELECT COUNT(*) FROM _cofferdam_online WHERE progress LIKE '%waiting for the cutover%'";
    until("it comes to its end all the same", || site.one(waits) == "1");
    site.must(&["abort", "t"]);
    assert_ne!(wait(child).code, 0);
    near.query(None, "START REPLICA SQL_THREAD").unwrap();
    site.query("INSERT INTO t (id) VALUES (70000)");
    both.has("t", "4001");

    // One that is held up falls behind, and nothing is copied.
    let held = both.hold_up("t", "INSERT INTO t (id) VALUES (70001)");
    let child = site.spawn(&alter(&[], WIDER));
    until("it says whom it waits for", || {
        of_change(site, "throttledBy").starts_with(&format!("replica {name} is "))
    });
    let copied = "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()
                  AND TABLE_NAME RLIKE '^_cofferdam_[0-9a-f]{12}_new$'";
    let copied = format!("SELECT COUNT(*) FROM `{}`", site.one(copied));
    assert_eq!(site.one(&copied), "0");
    drop(held);
    let done = wait(child);
    assert_eq!(done.code, 0, "{}\n{}", done.stdout, done.stderr);
    assert_eq!((id_type(site).as_str(), site.one("SELECT COUNT(*) FROM t").as_str()), ("bigint", "4002"));
    both.has("t", "4002");
    site.must(super::FINALIZE);
    assert_clean(site);
}

fn a_busy_server_is_left_to_others(kind: Kind) {
    let Some(site) = Site::alone(kind, "busy") else { return };
    site.file("V1__other.sql", "CREATE TABLE other (id int PRIMARY KEY);\n");
    fill(&site);
    let others: Vec<_> = (0..40).map(|_| Held::on(site.server, &site.database, "DO 1")).collect();
    let child = site.spawn(&alter(&["--cutover", "manual"], WIDER));
    until("it says why it goes slowly", || {
        let why = of_change(&site, "throttledBy");
        why.contains("a quarter of full speed") && why.contains("statements of others run")
    });
    let waits = "SELECT COUNT(*) FROM _cofferdam_online WHERE progress LIKE '%waiting for the cutover%'";
    until("it comes to its end all the same", || site.one(waits) == "1");
    drop(others);
    until("nothing is in its way any more", || of_change(&site, "throttledBy").is_empty());
    let done = cut_over(&site, child);
    assert_eq!(done.code, 0, "{}\n{}", done.stdout, done.stderr);
    assert_eq!(id_type(&site), "bigint");
    site.must(super::FINALIZE);
    assert_clean(&site);
}

/// Who locked the table first and found then that it cannot be renamed would stop everybody for nothing, again and again.
fn a_backup_that_keeps_definitions_is_waited_for_without_the_lock(kind: Kind) {
    let Some(site) = Site::alone(kind, "kept") else { return };
    fill(&site);
    let child = at_gate(&site, WIDER);
    let counted = |what: &str| -> u64 {
        site.query(&format!("SHOW GLOBAL STATUS LIKE 'Com_{what}'"))[0][1].parse().unwrap()
    };
    // Each try that is given up ends a statement of ours.
    let tried = |times: u64| {
        let before = counted("kill");
        until("it was tried some times", || counted("kill") >= before + times);
    };
    // A reader is in its way until the backup is.
    let reader = Held::on(site.server, &site.database, "BEGIN; SELECT COUNT(*) FROM t");
    site.must(&["cutover", "t"]);
    tried(1);
    let backup = match kind {
        Kind::MySql => "LOCK INSTANCE FOR BACKUP",
        Kind::MariaDb => "BACKUP STAGE START; BACKUP STAGE BLOCK_DDL",
    };
    let backup = Held::on(site.server, &site.database, backup);
    drop(reader);
    tried(2);
    let locked = counted("lock_tables");
    site.query("INSERT INTO t (id) VALUES (70000)");
    site.query("UPDATE t SET note = 'new' WHERE id = 1");
    site.query("DELETE FROM t WHERE id = 2");
    tried(3);
    assert_eq!((counted("lock_tables"), id_type(&site).as_str()), (locked, "int"));
    drop(backup);
    let done = wait(child);
    assert_eq!(done.code, 0, "{}\n{}", done.stdout, done.stderr);
    let rows =
        site.query("SELECT COUNT(*), SUM(id = 70000), SUM(id = 1 AND note = 'new'), SUM(id = 2) FROM t");
    assert_eq!((id_type(&site).as_str(), rows[0].join(" ").as_str()), ("bigint", "4000 1 1 0"));
    site.must(super::FINALIZE);
    assert_clean(&site);
}

fn what_others_change_is_refused(kind: Kind) {
    for sql in ["ALTER TABLE t ADD COLUMN theirs int", "TRUNCATE TABLE t", "CREATE INDEX theirs ON t (note)"]
    {
        let Some(site) = place(kind, "others") else { return };
        let child = at_gate(&site, WIDER);
        site.query(sql);
        let ended = cut_over(&site, child);
        assert!(
            ended.code != 0 && ended.stderr.contains("CF2602"),
            "{sql}: {}\n{}",
            ended.stdout,
            ended.stderr
        );
        assert_eq!(id_type(&site), "int", "{sql}");
        assert_clean(&site);
        site.assert_sound();
    }
}

/// Nothing queues behind a try for long, who holds the table is named, and the same command goes on.
fn a_table_that_is_held_is_not_swapped(kind: Kind) {
    let Some(site) = place(kind, "held") else { return };
    let child = at_gate(&site, WIDER);
    let patience = Duration::from_secs(300);
    let mut holder = site.server().connect(Some(&site.database), patience).unwrap();
    let id = holder.query("SELECT CONNECTION_ID()").unwrap()[0][0].clone().unwrap();
    holder.query("START TRANSACTION; UPDATE t SET n = 5 WHERE id = 1").unwrap();
    site.run(&["cutover", "t"]);
    let named = format!("pid {id} (");
    until("it says who holds it", || of_change(&site, "blockedBy").contains(&named));
    // Others get their turn meanwhile.
    site.query("UPDATE t SET n = 6 WHERE id = 2");
    holder.query("COMMIT").unwrap();
    let ended = wait(child);
    assert_eq!(ended.code, 0, "{}\n{}", ended.stdout, ended.stderr);
    assert_eq!(site.one("SELECT GROUP_CONCAT(n ORDER BY id) FROM t WHERE id <= 2"), "5,6");
    assert_eq!(id_type(&site), "bigint");
}

/// The session that holds the lock of the change has nothing to say for as long as the cutover is waited for.
fn a_server_that_ends_silent_sessions_ends_none_of_ours(kind: Kind) {
    // More than a moment: on a busy machine a session is silent for that long before it is set up.
    let settings = ["wait_timeout", "interactive_timeout"].map(|name| (name.to_owned(), "3".to_owned()));
    let options = Options { settings: settings.to_vec(), ..Options::default() };
    let Some(server) = own_server(kind, &options) else { return };
    let site = Site::on(Box::leak(Box::new(server)), kind, "silent");
    fill(&site);
    let child = at_gate(&site, WIDER);
    // One that began after ours did, and is silent, too.
    let patience = Duration::from_secs(300);
    let mut silent = site.server().connect(Some(&site.database), patience).unwrap();
    let id = silent.query("SELECT CONNECTION_ID()").unwrap()[0][0].clone().unwrap();
    let there = format!("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID = {id}");
    until("the server ends it", || site.one(&there) == "0");
    site.query("INSERT INTO t (id) VALUES (70000)");
    site.query("DELETE FROM t WHERE id = 2");
    let done = cut_over(&site, child);
    assert_eq!(done.code, 0, "{}\n{}", done.stdout, done.stderr);
    let rows = site.query("SELECT COUNT(*), SUM(id = 70000), SUM(id = 2) FROM t");
    assert_eq!((id_type(&site).as_str(), rows[0].join(" ").as_str()), ("bigint", "4000 1 0"));
    site.must(super::FINALIZE);
    assert_clean(&site);
    site.assert_sound();
}
