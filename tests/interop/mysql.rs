//! The same on MySQL and MariaDB, and what is otherwise there: DDL commits by itself, so that a migration that fails or
//! dies leaves what it did, and the tool's row is no part of that.

use std::cell::RefCell;

use cofferdam_scratch::mysql::Kind;
use serde_json::Value;

use crate::migrations::{ALL, HALF, MOST};
use crate::site::{Site, on_mysql};
use crate::support::{Ended, ended, until, wait};
use crate::tools::{Tool, atlas, flyway, golang_migrate, well};
use crate::{alone, back, baselines, forth, late, repeatables, trouble};

/// A test of each of these on both servers: what it is called, the tools, what is done.
macro_rules! on_both {
    ($($name:ident: $tools:expr, $work:expr;)*) => {
        mod mysql {
            use super::*;
            $(#[test] fn $name() { on_mysql(Kind::MySql, stringify!($name), $tools, $work); })*
        }
        mod mariadb {
            use super::*;
            $(#[test] fn $name() { on_mysql(Kind::MariaDb, stringify!($name), $tools, $work); })*
        }
    };
}

on_both! {
    cofferdam_applies_all: all, forth::all;
    turns: all, forth::turns;
    outside_of_a_transaction: |tool| tool.outside.is_some(), forth::outside_of_a_transaction;
    a_tool_can_disagree: all, forth::can_disagree;
    what_cofferdam_takes_back_is_pending: all, back::pending_for_the_tool;
    what_the_tool_takes_back_is_pending: |tool| tool.back.is_some(), back::back_by_the_tool;
    cofferdam_takes_back_what_the_tool_applied: |tool| tool.name != "atlas", back::back_of_the_tools;
    declared_here: all, baselines::declared_here;
    declared_there: has_baseline, baselines::declared_there;
    a_baseline_file_begun_there: is_flyway, baselines::begun_there;
    a_baseline_file_begun_here: is_flyway, baselines::begun_here;
    a_baseline_file_beside_a_history: is_flyway, baselines::run_by_nobody;
    a_baseline_file_above_the_target: is_flyway, baselines::above_the_target;
    a_baseline_file_edited_or_gone: is_flyway, baselines::edited_or_gone;
    the_tools_table_alone: all, alone::alone;
    the_tools_table_alone_is_begun: all, alone::begun;
    late_here: all, late::late_here;
    late_there: |tool| late::late(tool.name).is_some(), late::late_there;
    late_and_passed_over: |tool| tool.name == "golang-migrate", late::passed_over;
    a_repeatable_runs_once_for_each_text: is_flyway, repeatables::each_text_once;
    a_repeatable_is_recorded_alike: is_flyway, repeatables::recorded_alike;
    edited: |tool| tool.checks.is_some(), trouble::edited;
    edited_before: |tool| tool.checks.is_some(), trouble::edited_before;
    we_failed: all, trouble::failed_here;
    we_failed_in_the_midst: all, failed_in_the_midst;
    we_died: all, |site| died_in_the_midst(site, &[]);
    we_died_with_the_tools_table_alone: all, |site| {
        died_in_the_midst(site, &["--history", "tool", "--tool", site.tool.name]);
    };
    the_tool_failed_and_has_a_mark: has_mark, failed_there_with_a_mark;
    the_tool_failed_at_what_is_there: has_mark, failed_there_at_what_is_there;
    the_tool_failed_and_has_no_mark: has_none, failed_there_without_a_mark;
    atlas_failed: |tool| tool.name == "atlas", |site| failed_half_way(site, &[]);
    atlas_failed_without_transactions: |tool| tool.name == "atlas", |site| {
        failed_half_way(site, &["--tx-mode", "none"]);
    };
    a_tool_at_work: trouble::locks, a_tool_at_work_keeps_us_away;
    a_tool_at_work_is_waited_for: trouble::locks, we_wait_for_a_tool;
    we_at_work: trouble::locks, a_tool_waits_for_us;
}

fn all(_: &Tool) -> bool {
    true
}

fn is_flyway(tool: &Tool) -> bool {
    tool.name == "flyway"
}

fn has_baseline(tool: &Tool) -> bool {
    matches!(tool.name, "flyway" | "atlas" | "golang-migrate")
}

/// It writes down what it begins, and does not begin anything after that until somebody has looked.
fn has_mark(tool: &Tool) -> bool {
    matches!(tool.name, "flyway" | "golang-migrate")
}

/// It writes down nothing before the end.
fn has_none(tool: &Tool) -> bool {
    matches!(tool.name, "goose" | "dbmate")
}

fn said(ended: &Ended) -> String {
    format!("{}{}", ended.stdout, ended.stderr)
}

/// Sessions in this database that are at this.
fn sessions(site: &Site, state: &str) -> usize {
    let sql = format!("SELECT 1 FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND {state}");
    site.query(&sql).len()
}

/// The author whom the third migration wants to have.
const AUTHOR: &str = "START TRANSACTION; INSERT INTO authors VALUES (2, 'somebody')";

/// How many wait for the author: nothing else keeps this insert. (`INNODB_TRX` is no help where several tests ask: it is
/// read anew only if nobody has asked for a tenth of a second.)
fn waiting(site: &Site) -> usize {
    sessions(site, "STATE = 'update' AND INFO LIKE 'INSERT INTO authors%'")
}

/// The tool, in the midst of its work until the author is let go.
fn tool_at_work(site: &Site) -> (crate::my::Held, std::process::Child) {
    site.write(HALF).applies();
    let author = site.hold(AUTHOR);
    site.write(MOST);
    let tool = trouble::spawn(site);
    until("the tool is in the midst of it", || waiting(site) == 1);
    (author, tool)
}

/// The tool is at work: Cofferdam is told so, and does nothing.
fn a_tool_at_work_keeps_us_away(site: &Site) {
    let (author, tool) = tool_at_work(site);
    let ended = site.ours(&["apply", "--yes", "--lock-wait", "0s"]);
    assert_eq!(ended.code, 5, "{}", said(&ended));
    assert!(ended.stderr.contains("CF3603") && ended.stderr.contains("KILL "), "{}", ended.stderr);
    drop(author);
    well(&wait(tool)).unwrap();
    site.agrees(MOST, 0);
    site.ours_must(&["apply", "--yes"]);
    site.we_agree().assert_as_by_the_tool_alone(MOST);
}

/// The tool is at work: Cofferdam waits for its lock, and then there is nothing left of what it wanted to do.
fn we_wait_for_a_tool(site: &Site) {
    let (author, tool) = tool_at_work(site);
    let ours = site.bench().spawn(&[&["apply", "--yes", "--lock-wait", "300s"], site.tool.named].concat());
    // Its tables are made under its own lock, after which it wants that of the tool.
    let journal = "SELECT 1 FROM information_schema.TABLES
                   WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = '_cofferdam_journal'";
    until("Cofferdam waits for the tool", || !site.query(journal).is_empty());
    drop(author);
    let (ours, tool) = (wait(ours), wait(tool));
    assert_eq!((ours.code, tool.code), (0, 0), "{ours:?}\n{tool:?}");
    site.agrees(MOST, 0).we_agree().assert_as_by_the_tool_alone(MOST);
    assert_eq!(site.history().len(), MOST, "what the tool did is taken over");
}

/// Cofferdam is at work: the tool waits for its own lock, and then finds nothing to do. Flyway looks at its table before
/// it waits, sees the mark there, and does not begin.
fn a_tool_waits_for_us(site: &Site) {
    site.write(HALF).applies();
    let author = site.hold(AUTHOR);
    site.write(MOST);
    let ours = site.bench().spawn(&[&["apply", "--yes", "--lock-timeout", "300s"], site.tool.named].concat());
    until("Cofferdam is in the midst of it", || waiting(site) == 1);
    let tool = RefCell::new(trouble::spawn(site));
    let ended = || matches!(tool.borrow_mut().try_wait(), Ok(Some(_)));
    until("the tool waits for its lock, or ends", || sessions(site, "STATE = 'User lock'") == 1 || ended());
    drop(author);
    let (ours, tool) = (wait(ours), wait(tool.into_inner()));
    assert_eq!(ours.code, 0, "{}", said(&ours));
    match site.tool.name {
        "flyway" => assert!(tool.code != 0 && said(&tool).contains("failed migration"), "{tool:?}"),
        // It gives up after ten seconds, whatever it is told.
        "golang-migrate" => assert!(tool.code == 0 || said(&tool).contains("can't acquire"), "{tool:?}"),
        _ => assert_eq!(tool.code, 0, "{tool:?}"),
    }
    site.we_agree().agrees(MOST, 0).assert_as_by_the_tool_alone(MOST);
    assert_eq!(site.history().len(), MOST);
}

/// The second statement of a file fails: what the first one did is taken back, and the tool's row with it.
fn failed_in_the_midst(site: &Site) {
    site.write(HALF).applies();
    edited_to_fail(site);
    let ended = site.ours(&["apply", "--yes"]);
    assert_eq!(ended.code, 6, "{}", said(&ended));
    assert!(ended.stderr.contains("nosuchcolumn"), "{}", ended.stderr);
    site.agrees(MOST - 1, 1).assert_as_by_the_tool_alone(MOST - 1);

    site.write(MOST).applies().agrees(MOST, 0);
    site.we_agree().assert_as_by_the_tool_alone(MOST);
}

/// All that Cofferdam goes to, with a last file whose second statement fails.
fn edited_to_fail(site: &Site) {
    site.write(MOST).edit(MOST, "(until)", "(nosuchcolumn)");
    if site.tool.name == "atlas" {
        atlas::hash(site);
    }
}

/// Cofferdam dies after a statement that no transaction takes back. A tool that has a mark for that does not begin; one
/// that has none fails at what is there. Cofferdam goes on where it was.
fn died_in_the_midst(site: &Site, kept: &[&str]) {
    site.write(HALF).applies();
    site.write(MOST);
    let apply = [&["apply", "--yes", "--lock-wait", "60s"], kept].concat();
    let mut command = site.bench().command(&[&apply, site.tool.named].concat());
    let killed = ended(command.env("COFFERDAM_FAILPOINT", "loose.performed=kill@2"));
    assert_ne!(killed.code, 0, "the failpoint is reached: {killed:?}");
    let refuses = (site.tool.apply)(site);
    assert_ne!(refuses.code, 0, "{} began: {refuses:?}", site.tool.name);
    let words = match site.tool.name {
        "flyway" => "failed",
        "golang-migrate" => "Dirty",
        _ => "loans",
    };
    assert!(said(&refuses).contains(words), "{}", said(&refuses));
    site.ours_must(&apply);
    site.agrees(MOST, 0).assert_as_by_the_tool_alone(MOST);
    for command in [&["status", "--exit-code"][..], &["validate"]] {
        site.ours_must(&[command, kept].concat());
    }
    site.assert_sound();
    // And on from there.
    site.write(ALL).applies().agrees(ALL, 0);
}

/// The tool fails at its second statement, the first one stays, and it says so in its table. `import` says what is to be
/// done, and that is done as it stands there.
fn failed_there_with_a_mark(site: &Site) {
    site.write(HALF).applies();
    edited_to_fail(site);
    assert_ne!((site.tool.apply)(site).code, 0);
    assert_eq!(site.query("SHOW TABLES LIKE 'loans'").len(), 1, "no transaction took it back");
    site.refused("CF3406");
    site.write(MOST).refused("CF3406");

    put_right(site, "some of it is there");
    site.ours_must(&["apply", "--yes"]);
    site.we_agree().agrees(MOST, 0).assert_as_by_the_tool_alone(MOST);
}

/// Somebody did it by hand, the tool fails at that, and all of it is there.
fn failed_there_at_what_is_there(site: &Site) {
    site.write(HALF).applies();
    site.write(MOST);
    for statement in site.migrations()[MOST - 1].up {
        site.query(statement);
    }
    assert_ne!((site.tool.apply)(site).code, 0);
    site.refused("CF3406");
    put_right(site, "all of it is there");
    site.ours_must(&["import", "--yes"]);
    site.we_agree().agrees(MOST, 0).assert_as_by_the_tool_alone(MOST);
}

/// Does what `import` says is to be done, as it stands there, where this is what the catalog says.
fn put_right(site: &Site, catalog: &str) {
    let shown = site.ours(&["import", "--dry-run", "-o", "json"]);
    let shown: Value = serde_json::from_str(&shown.stdout).unwrap_or_else(|e| panic!("{e}: {shown:?}"));
    let left = &shown["unfinished"][0];
    assert_eq!(left["catalog"], catalog, "{shown}");
    for fix in left["fix"].as_array().unwrap() {
        do_as_told(site, fix.as_str().unwrap());
    }
}

/// A line of what `import` says is to be done: a command of the tool, or SQL.
fn do_as_told(site: &Site, fix: &str) {
    if let Some(version) = fix.strip_prefix("migrate force ") {
        well(&golang_migrate::migrate(site, &["force", version])).unwrap();
    } else if fix.starts_with("flyway repair") {
        well(&flyway::flyway(site, &["repair"])).unwrap();
    } else {
        site.query(fix.trim_end_matches(';'));
    }
}

/// The same without a mark: Cofferdam finds what is there when it comes to it, and leaves it with its rows, for it is not
/// its own.
fn failed_there_without_a_mark(site: &Site) {
    site.write(HALF).applies();
    edited_to_fail(site);
    assert_ne!((site.tool.apply)(site).code, 0);
    site.query("INSERT INTO loans VALUES (1, '2026-01-01')");
    site.write(MOST);
    let ended = site.ours(&["apply", "--yes"]);
    assert_eq!(ended.code, 6, "{}", said(&ended));
    assert!(ended.stderr.contains("loans") && ended.stderr.contains("there already"), "{}", ended.stderr);
    assert_eq!(site.one("SELECT count(*) FROM loans"), "1", "the rows of another are no way back of ours");
    site.agrees(MOST - 1, 1);

    site.query("DROP TABLE loans");
    site.ours_must(&["apply", "--yes"]);
    site.we_agree().agrees(MOST, 0).assert_as_by_the_tool_alone(MOST);
}

/// Atlas knows how far it came, and goes on there itself.
fn failed_half_way(site: &Site, mode: &[&str]) {
    site.write(HALF).applies();
    edited_to_fail(site);
    let url = site.url();
    let apply = || atlas::atlas(site, &[&["apply", "--url", &url], mode].concat());
    assert_ne!(apply().code, 0);
    let there = format!("SELECT applied, total FROM {} WHERE version = '4'", site.table());
    assert_eq!(site.query(&there), [["1", "2"]]);
    site.refused("CF3406");
    site.write(MOST);
    well(&apply()).unwrap();
    // Atlas keeps the sum of the text of which it ran the first half, and does not look at it again.
    let ended = site.ours(&["import", "--yes"]);
    assert!(said(&ended).contains("CF2007"), "{}", said(&ended));
    site.ours_must(&["repair", "--yes"]);
    site.we_agree().agrees(MOST, 0);
}
