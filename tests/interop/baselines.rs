//! Databases that have a content before their history begins.

use crate::migrations::{ALL, HALF, MIGRATIONS, MOST, script};
use crate::site::{Site, long, with_every_tool, with_those};
use crate::tools::{Tool, atlas, flyway, golang_migrate, well};

/// The first half, by nobody's tool.
fn by_hand(site: &Site) {
    for migration in &site.migrations()[..HALF] {
        site.query(&script(migration.up));
    }
}

/// The half as each tool writes its version.
fn half(tool: &Tool) -> String {
    match tool.name {
        "dbmate" => long(&MIGRATIONS[HALF - 1]),
        "drizzle" => (1_790_000_000_000_u64 + HALF as u64 * 1000).to_string(),
        _ => HALF.to_string(),
    }
}

/// Cofferdam declares it, and the tool goes on from there.
#[test]
fn what_cofferdam_declares_to_be_there_is_there_for_the_tool() {
    with_every_tool("declared here", declared_here);
}

pub(crate) fn declared_here(site: &Site) {
    by_hand(site);
    site.write(HALF);
    let version = half(site.tool);
    site.ours_must(&["baseline", &version, "--history", "both", "--tool", site.tool.name]);
    site.write(MOST).applies();
    site.we_agree();
    assert_eq!(site.one("SELECT count(*) FROM authors"), "2", "nothing ran twice");
    site.ours_must(&["apply", "--yes"]);
    site.write(ALL).ours_must(&["apply", "--yes"]);
    match site.tool.name {
        "flyway" => {
            let states = flyway::states(site);
            assert!(states.iter().all(|(_, state)| flyway::is_well(state)), "{states:?}");
        }
        // It has one row for all that was declared.
        "atlas" => {
            let before = site.rows_whole();
            site.applies();
            assert_eq!(site.rows_whole(), before, "Atlas had nothing to do");
        }
        _ => {
            site.agrees(ALL, 0);
        }
    }
}

/// The tool declares it in its own way, and Cofferdam goes on from there.
#[test]
fn what_the_tool_declares_to_be_there_is_there_for_cofferdam() {
    with_those(
        "declared there",
        |tool| matches!(tool.name, "flyway" | "atlas" | "golang-migrate"),
        declared_there,
    );
}

pub(crate) fn declared_there(site: &Site) {
    by_hand(site);
    site.write(HALF);
    well(&match site.tool.name {
        "flyway" => flyway::flyway(site, &["baseline", "-baselineVersion=2"]),
        "atlas" => atlas::atlas(site, &["apply", "--url", &site.url(), "--baseline", "2"]),
        _ => golang_migrate::migrate(site, &["force", "2"]),
    })
    .unwrap();
    site.ours_must(&["import", "--yes"]);
    site.we_agree();
    site.write(MOST).ours_must(&["apply", "--yes"]);
    site.we_agree();
    site.write(ALL).applies();
    site.we_agree();
    assert_eq!(site.one("SELECT count(*) FROM authors"), "2", "nothing ran twice");
    // golang-migrate keeps no word of it: what is below its mark was applied.
    if site.tool.name != "golang-migrate" {
        let back = site.ours(&["rollback", "--yes", "--to", "0"]);
        assert!(back.stderr.contains("CF2401"), "{}{}", back.stdout, back.stderr);
    }
}

/// What Flyway does with a file `B2__so_far.sql` in place of the first two, each of which it leaves out.
const B: &str = "B2__so_far.sql";

fn write_b(site: &Site) {
    let all: String = site.migrations()[..HALF].iter().map(|migration| script(migration.up)).collect();
    site.bench().file(B, &all);
}

fn of_flyway(test: &str, work: impl Fn(&Site) + Sync) {
    with_those(test, |tool| tool.name == "flyway", work);
}

/// Valid for Flyway, and nothing pending.
fn agrees(site: &Site, rows: &[&str]) {
    let states = flyway::states(site);
    assert!(states.iter().all(|(_, state)| flyway::is_well(state)), "{states:?}");
    agrees_so_far(site, rows);
}

/// Valid for Flyway, and these are its rows.
fn agrees_so_far(site: &Site, rows: &[&str]) {
    well(&(site.tool.checks.unwrap())(site)).unwrap();
    let there = "SELECT concat(version, ' ', type) FROM flyway_schema_history ORDER BY installed_rank";
    let there: Vec<String> = site.query(there).into_iter().map(|mut row| row.remove(0)).collect();
    assert_eq!(there, rows);
}

#[test]
fn what_flyway_began_with_a_baseline_file_cofferdam_goes_on_with() {
    of_flyway("B there", begun_there);
}

pub(crate) fn begun_there(site: &Site) {
    site.write(HALF);
    write_b(site);
    site.applies();
    agrees(site, &["2 SQL_BASELINE"]);
    site.write(MOST).ours_must(&["apply", "--yes"]);
    site.we_agree();
    agrees(site, &["2 SQL_BASELINE", "3 SQL", "4 SQL"]);
    site.write(ALL).applies();
    site.we_agree();
    agrees(site, &["2 SQL_BASELINE", "3 SQL", "4 SQL", "5 SQL"]);
    let kind = format!("SELECT kind FROM {} WHERE version = '2'", site.own("history"));
    assert_eq!(site.one(&kind), "baseline");
}

#[test]
fn what_cofferdam_begins_with_a_baseline_file_flyway_goes_on_with() {
    of_flyway("B here", begun_here);
}

pub(crate) fn begun_here(site: &Site) {
    site.write(MOST);
    write_b(site);
    let plan = flyway::json(&site.ours_must(&["plan", "--history", "both", "-o", "json"]));
    let keys: Vec<&str> =
        plan["migrations"].as_array().unwrap().iter().filter_map(|one| one["key"].as_str()).collect();
    assert_eq!(keys, ["2", "3", "4"], "{plan}");
    site.ours_must(&["apply", "--yes", "--history", "both"]);
    site.we_agree();
    agrees(site, &["2 SQL_BASELINE", "3 SQL", "4 SQL"]);
    let before = site.rows_whole();
    site.applies();
    assert_eq!(site.rows_whole(), before, "Flyway had nothing to do");

    let alone = site.another("B here");
    alone.write(MOST);
    write_b(&alone);
    alone.applies();
    assert_eq!(site.rows(), alone.rows());
    assert_eq!(site.dump(), alone.dump());

    site.write(ALL).applies();
    site.we_agree();
    agrees(site, &["2 SQL_BASELINE", "3 SQL", "4 SQL", "5 SQL"]);
}

/// Neither of the two runs it where a history is there.
#[test]
fn a_baseline_file_beside_a_history_is_run_by_nobody() {
    of_flyway("B beside", run_by_nobody);
}

pub(crate) fn run_by_nobody(site: &Site) {
    site.write(1).applies();
    site.write(MOST);
    write_b(site);
    site.ours_must(&["apply", "--yes", "1"]);
    site.applies();
    site.we_agree();
    agrees(site, &["1 SQL", "2 SQL", "3 SQL", "4 SQL"]);
}

/// Flyway runs the newest whatever its target is; Cofferdam runs none that is above it.
#[test]
fn a_baseline_file_above_the_target_is_not_run() {
    of_flyway("B above", above_the_target);
}

pub(crate) fn above_the_target(site: &Site) {
    site.write(MOST);
    write_b(site);
    site.ours_must(&["apply", "--yes", "--history", "both", "--to", "1"]);
    agrees_so_far(site, &["1 SQL"]);
    site.ours_must(&["apply", "--yes"]);
    site.we_agree();
    agrees(site, &["1 SQL", "2 SQL", "3 SQL", "4 SQL"]);
}

/// Who edits it or loses it is told, and `repair` puts it right in both.
#[test]
fn a_baseline_file_that_is_edited_or_gone_is_refused_until_it_is_repaired() {
    of_flyway("B edited", edited_or_gone);
}

pub(crate) fn edited_or_gone(site: &Site) {
    site.write(MOST);
    write_b(site);
    site.applies();
    let path = site.bench().dir().join(B);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{text}-- more\n")).unwrap();
    site.refused("CF2007");
    site.ours_must(&["repair", "--yes"]);
    site.we_agree();
    agrees(site, &["2 SQL_BASELINE", "3 SQL", "4 SQL"]);
    std::fs::remove_file(&path).unwrap();
    site.refused("CF2008");
    site.ours_must(&["repair", "--yes"]);
    site.we_agree();
    site.ours_must(&["apply", "--yes"]);
    assert_eq!(site.one("SELECT count(*) FROM authors"), "2", "nothing ran twice");
}
