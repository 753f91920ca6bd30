//! Flyway's repeatable migrations, which run again when their text changes.

use crate::migrations::{HALF, MOST};
use crate::site::{Site, with_those};
use crate::tools::{flyway, well};

const NAME: &str = "R__titles.sql";

/// A view, in one of several texts.
fn write(site: &Site, text: &str) {
    site.bench()
        .file(NAME, &format!("CREATE OR REPLACE VIEW titles AS SELECT {text} AS title FROM books;\n"));
}

/// How often it ran, by Flyway's table.
fn ran(site: &Site) -> String {
    site.one("SELECT count(*) FROM flyway_schema_history WHERE version IS NULL AND success")
}

/// Each runs it when the other did not, and not when the other did.
#[test]
fn a_repeatable_migration_runs_once_for_each_text_whoever_runs_it() {
    with_those("repeatable", |tool| tool.name == "flyway", each_text_once);
}

pub(crate) fn each_text_once(site: &Site) {
    let agrees = |times: &str| {
        well(&(site.tool.checks.unwrap())(site)).unwrap();
        let states = flyway::states(site);
        let waiting = |state: &str| matches!(state, "Pending" | "Outdated");
        assert!(!states.iter().any(|(_, state)| waiting(state)), "{states:?}");
        assert_eq!(ran(site), times);
        site.applies();
        assert_eq!(ran(site), times, "Flyway had nothing to do");
        site.we_agree();
        site.ours_must(&["apply", "--yes"]);
        assert_eq!(ran(site), times, "Cofferdam had nothing to do");
    };
    site.write(HALF);
    write(site, "title");
    site.applies();
    site.ours_must(&["import", "--yes"]);
    agrees("1");

    write(site, "upper(title)");
    assert_eq!(site.ours(&["status", "--exit-code"]).code, 3);
    site.ours_must(&["apply", "--yes"]);
    agrees("2");

    write(site, "lower(title)");
    site.applies();
    agrees("3");

    // With a versioned one beside it, after which it comes.
    site.write(MOST);
    write(site, "trim(title)");
    site.ours_must(&["apply", "--yes"]);
    agrees("4");
    let order = "SELECT coalesce(version, 'R') FROM flyway_schema_history ORDER BY installed_rank";
    assert_eq!(site.query(order).concat().join(" "), "1 2 R R R 3 4 R");
}

/// Cofferdam alone leaves what Flyway alone leaves.
#[test]
fn a_repeatable_migration_is_recorded_as_flyway_records_it() {
    with_those("repeatable alone", |tool| tool.name == "flyway", recorded_alike);
}

pub(crate) fn recorded_alike(site: &Site) {
    let alone = site.another("repeatable alone");
    for (round, text) in ["title", "upper(title)"].into_iter().enumerate() {
        for site in [site, &alone] {
            site.write(HALF);
            write(site, text);
        }
        site.ours_must(&["apply", "--yes", "--history", "both"]);
        alone.applies();
        assert_eq!(site.rows(), alone.rows(), "round {round}");
        assert_eq!(site.dump(), alone.dump(), "round {round}");
    }
}
