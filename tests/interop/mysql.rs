//! The same on MySQL and MariaDB, and what is otherwise there: DDL commits by itself, so that a migration that fails or
//! dies leaves what it did, and the tool's row is no part of that.

use cofferdam_scratch::mysql::Kind;

use crate::migrations::{HALF, MOST};
use crate::site::{Site, on_mysql};
use crate::support::{ended, until, wait};
use crate::tools::{Tool, atlas, well};
use crate::{back, baselines, forth, trouble};

/// A test of each of these on a server: what it is called, the tools, what is done.
macro_rules! on {
    ($server:ident, $kind:expr, $($name:ident: $tools:expr, $work:expr;)*) => {
        mod $server {
            use super::*;
            $(#[test] fn $name() { on_mysql($kind, stringify!($name), $tools, $work); })*
        }
    };
}

on! {
    mysql, Kind::MySql,
    cofferdam_applies_all: all, forth::all;
    turns: all, forth::turns;
    we_died: |tool| matches!(tool.name, "flyway" | "golang-migrate"), died_in_the_midst;
    atlas_failed: |tool| tool.name == "atlas", failed_half_way;
    cofferdam_takes_back_what_the_tool_applied: |tool| tool.name != "atlas", back::back_of_the_tools;
    a_tool_at_work: trouble::locks, a_tool_at_work_keeps_us_away;
}

on! {
    mariadb, Kind::MariaDb,
    cofferdam_applies_all: all, forth::all;
    turns: all, forth::turns;
    we_died: |tool| matches!(tool.name, "flyway" | "golang-migrate"), died_in_the_midst;
    atlas_failed: |tool| tool.name == "atlas", failed_half_way;
    cofferdam_takes_back_what_the_tool_applied: |tool| tool.name != "atlas", back::back_of_the_tools;
    a_tool_at_work: trouble::locks, a_tool_at_work_keeps_us_away;
    what_cofferdam_takes_back_is_pending: all, back::pending_for_the_tool;
    what_the_tool_takes_back_is_pending: |tool| tool.back.is_some(), back::back_by_the_tool;
    a_tool_can_disagree: all, forth::can_disagree;
    declared_here: all, baselines::declared_here;
    declared_there: has_baseline, baselines::declared_there;
}

fn all(_: &Tool) -> bool {
    true
}

fn has_baseline(tool: &Tool) -> bool {
    matches!(tool.name, "flyway" | "atlas" | "golang-migrate")
}

/// The author whom the third migration wants to have.
const AUTHOR: &str = "START TRANSACTION; INSERT INTO authors VALUES (2, 'somebody')";

/// How many wait for the author: nothing else keeps this insert. (`INNODB_TRX` is no help where several tests ask: it is
/// read anew only if nobody has asked for a tenth of a second.)
fn waiting(site: &Site) -> usize {
    let sql = "SELECT 1 FROM information_schema.PROCESSLIST
               WHERE DB = DATABASE() AND STATE = 'update' AND INFO LIKE 'INSERT INTO authors%'";
    site.query(sql).len()
}

/// The tool is at work: Cofferdam is told so, and does nothing.
fn a_tool_at_work_keeps_us_away(site: &Site) {
    site.write(HALF).applies();
    let author = site.hold(AUTHOR);
    site.write(MOST);
    let tool = trouble::spawn(site);
    until("the tool is in the midst of it", || waiting(site) == 1);
    let ended = site.ours(&["apply", "--yes", "--lock-wait", "0s"]);
    assert_eq!(ended.code, 5, "{}\n{}", ended.stdout, ended.stderr);
    assert!(ended.stderr.contains("CF3603") && ended.stderr.contains("KILL "), "{}", ended.stderr);
    drop(author);
    let ended = wait(tool);
    assert_eq!(ended.code, 0, "{}\n{}", ended.stdout, ended.stderr);
    site.agrees(MOST, 0);
    site.ours_must(&["apply", "--yes"]);
    site.we_agree().assert_as_by_the_tool_alone(MOST);
}

/// Cofferdam dies after a statement that no transaction takes back. A tool that has a mark for that does not begin.
fn died_in_the_midst(site: &Site) {
    site.write(HALF).applies();
    site.write(MOST);
    let mut command = site.bench().command(&[&["apply", "--yes"], site.tool.named].concat());
    let killed = ended(command.env("COFFERDAM_FAILPOINT", "loose.performed=kill@2"));
    assert_ne!(killed.code, 0, "the failpoint is reached: {killed:?}");
    let refuses = (site.tool.apply)(site);
    assert_ne!(refuses.code, 0, "{} began: {refuses:?}", site.tool.name);
    let words = if site.tool.name == "flyway" { "failed" } else { "Dirty" };
    let said = format!("{}{}", refuses.stdout, refuses.stderr);
    assert!(said.contains(words), "{said}");
    site.ours_must(&["apply", "--yes", "--lock-wait", "60s"]);
    site.we_agree().agrees(MOST, 0).assert_as_by_the_tool_alone(MOST);
}

/// Atlas knows how far it came, and goes on there itself.
fn failed_half_way(site: &Site) {
    site.write(HALF).applies();
    site.write(MOST).edit(MOST, "(until)", "(nosuchcolumn)");
    atlas::hash(site);
    let apply = || atlas::atlas(site, &["apply", "--url", &site.url(), "--tx-mode", "none"]);
    assert_ne!(apply().code, 0);
    let there = format!("SELECT applied, total FROM {} WHERE version = '4'", site.table());
    assert_eq!(site.query(&there), [["1", "2"]]);
    site.refused("CF3406");
    site.write(MOST);
    well(&apply()).unwrap();
    // Atlas keeps the sum of the text of which it ran the first half, and does not look at it again.
    let ended = site.ours(&["import", "--yes"]);
    let said = format!("{}{}", ended.stdout, ended.stderr);
    assert!(said.contains("CF2007"), "{said}");
    site.ours_must(&["repair", "--yes"]);
    site.we_agree().agrees(MOST, 0);
}
