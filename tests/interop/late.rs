//! A file that comes late: older than what is applied.

use crate::migrations::{ALL, MOST, Migration};
use crate::site::{Site, with_every_tool, with_those};
use crate::support::Ended;
use crate::tools::{dbmate, flyway, goose, sqlx, well};

/// Without the third, which comes later: the fourth does not need it.
fn without(site: &Site) -> [Migration; 3] {
    let all = site.migrations();
    [all[0], all[1], all[3]]
}

/// Cofferdam refuses it, and applies it where it is told to; the tool agrees, and goes on from there.
#[test]
fn a_late_file_that_cofferdam_applies_is_applied_for_the_tool() {
    with_every_tool("late here", late_here);
}

pub(crate) fn late_here(site: &Site) {
    (site.tool.write)(site, &without(site));
    site.applies();
    site.ours_must(&["import", "--yes"]);
    site.write(MOST).refused("CF2006");

    site.ours_must(&["apply", "--yes", "--out-of-order"]);
    site.we_agree();
    agrees(site, MOST);
    site.write(ALL).applies();
    agrees(site, ALL);
    site.we_agree();
    let authors = site.one("SELECT count(*) FROM authors");
    assert_eq!(authors, "2", "the late one ran once");
}

/// The tool applies it, some only where they are told to: it is applied for Cofferdam as well.
#[test]
fn a_late_file_that_the_tool_applies_is_applied_for_cofferdam() {
    with_those("late there", |tool| late(tool.name).is_some(), late_there);
}

pub(crate) fn late_there(site: &Site) {
    (site.tool.write)(site, &without(site));
    site.ours_must(&["apply", "--yes", "--history", "both", "--tool", site.tool.name]);
    site.write(MOST);
    well(&late(site.tool.name).unwrap()(site)).unwrap();
    site.we_agree();
    agrees(site, MOST);
    assert_eq!(site.history().len(), MOST - 1, "looking writes nothing");
    site.ours_must(&["import", "--yes"]);
    assert_eq!(site.history().len(), MOST);
}

/// Who passes over it in silence is named, with the file.
#[test]
fn a_late_file_that_the_tool_passes_over_is_named() {
    with_those("late and passed over", |tool| matches!(tool.name, "golang-migrate" | "drizzle"), passed_over);
}

pub(crate) fn passed_over(site: &Site) {
    (site.tool.write)(site, &without(site));
    site.ours_must(&["apply", "--yes", "--history", "both", "--tool", site.tool.name]);
    let before = site.rows_whole();
    site.write(MOST).applies();
    assert_eq!(site.rows_whole(), before, "{} passes over it", site.tool.name);
    assert_eq!(site.one("SELECT count(*) FROM authors"), "1");
    let ended = site.ours(&["import", "--dry-run"]);
    let said = format!("{}{}", ended.stdout, ended.stderr);
    assert!(said.contains("add_price") && said.contains("never runs it"), "{said}");
    site.refused("CF2006");
}

/// How a tool applies it; `None`: it never does, or, as Atlas, has no flag for it in the release that is here.
pub(crate) fn late(tool: &str) -> Option<fn(&Site) -> Ended> {
    Some(match tool {
        "flyway" => |site| flyway::flyway(site, &["migrate", "-outOfOrder=true"]),
        "goose" => |site| goose::goose(site, &["-allow-missing", "up"]),
        "dbmate" => |site| dbmate::dbmate(site, &["migrate"]),
        "sqlx" => |site| sqlx::sqlx(site, &["run"]),
        _ => return None,
    })
}

/// All are applied and none is pending. Flyway shows the late one in words of its own.
fn agrees(site: &Site, applied: usize) {
    match site.tool.name {
        "flyway" => {}
        // Its version is that of its last row, also where goose itself applied the late one.
        "goose" => {
            let ended = goose::goose(site, &["status"]);
            let lines = ended.stderr.lines().filter(|line| line.contains(" -- "));
            let (waiting, done): (Vec<&str>, Vec<&str>) = lines.partition(|line| line.contains("Pending "));
            assert_eq!((waiting.len(), done.len()), (0, applied), "{}", ended.stderr);
            return;
        }
        _ => {
            site.agrees(applied, 0);
            return;
        }
    }
    well(&(site.tool.checks.unwrap())(site)).unwrap();
    let states = flyway::states(site);
    let number = |wanted: &str| states.iter().filter(|(_, state)| state == wanted).count();
    assert_eq!(
        (number("Success"), number("Out of Order"), states.len()),
        (applied - 1, 1, applied),
        "{states:?}"
    );
}
