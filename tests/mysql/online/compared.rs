//! The comparison, seen from outside: it is shown, and a runner that dies in the midst of it is replaced by one that
//! compares the chunks that are left.

use cofferdam_core::failpoint::FAILPOINTS;
use cofferdam_scratch::mysql::Kind;

use super::crash::disturbed;
use super::{FINALIZE, WIDER, alter, assert_clean, id_type, place};
use crate::site::Site;
use crate::support::{Ended, ended, until, wait};

on_both! {
    a_comparison_is_shown_and_gone_on_with,
    a_difference_in_what_is_left_is_found_by_the_next_runner,
}

const AFTER: &str = "online.compare.committed";

/// So many that there are several chunks.
const ROWS: u32 = 12_000;

fn many(kind: Kind, name: &str) -> Option<Site> {
    assert!(FAILPOINTS.iter().any(|(name, _)| *name == AFTER));
    let site = place(kind, name)?;
    for from in (super::ROWS + 1..=ROWS).step_by(1_000) {
        let rows: Vec<String> =
            (from..from + 1_000).map(|id| format!("({id}, 'tag {id}', {id} % 7, 'old')")).collect();
        site.query(&format!("INSERT INTO t VALUES {}", rows.join(", ")));
    }
    Some(site)
}

/// A table of the change.
fn own(site: &Site, which: &str) -> String {
    let sql = format!(
        "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()
         AND TABLE_NAME RLIKE '^_cofferdam_[0-9a-f]{{12}}_{which}$'"
    );
    format!("`{}`", site.one(&sql))
}

/// One worker, so that chunks are compared one after the other.
fn one_by_one(site: &Site, armed: &str) -> (bool, Ended) {
    disturbed(site, &alter(&["--workers", "1"], WIDER), armed)
}

fn online(site: &Site) -> serde_json::Value {
    let status = site.must(&["status", "-o", "json"]).stdout;
    serde_json::from_str::<serde_json::Value>(&status).unwrap()["online"][0].clone()
}

fn a_comparison_is_shown_and_gone_on_with(kind: Kind) {
    let Some(site) = many(kind, "compared") else { return };
    assert!(one_by_one(&site, &format!("{AFTER}=kill@1")).0);
    let chunk = own(&site, "chunk");
    let of = |what: &str| site.one(&format!("SELECT {what} FROM {chunk}"));
    assert_eq!((of("SUM(compared > 0)"), of("SUM(held)")), ("1".to_owned(), ROWS.to_string()));
    let (first, left) = (of("SUM(held * (compared > 0))"), of("COUNT(*) - 1").parse::<u64>().unwrap());
    assert!(left > 1, "{left}");
    // To a row that was compared, and to one that was not.
    site.query("UPDATE t SET note = 'between' WHERE id IN (1, 11000)");
    site.query("DELETE FROM t WHERE id = 2");

    // The next runner is held before its first chunk.
    site.must(&["pause", "t"]);
    let mut child = site.command(&alter(&["--workers", "1"], WIDER));
    let armed = child.env("COFFERDAM_FAILPOINT", format!("{AFTER}=kill@{left}"));
    let child =
        armed.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    until("it is shown how much is compared", || {
        let online = online(&site);
        // The one that died may have left the same words: it was not paused.
        online["doing"] == "comparing rows" && online["throttledBy"] == "paused" && online["atWork"] == true
    });
    let shown = online(&site);
    assert_eq!(shown["rows"].to_string(), first, "{shown}");
    assert_eq!(shown["totalRows"], ROWS, "{shown}");
    let text = site.must(&["status"]).stdout;
    assert!(text.contains(&format!("comparing rows: {} % ({first} of {ROWS})", shown["percent"])), "{text}");
    site.must(&["resume", "t"]);
    // It dies at the last chunk that was left: it compared no other.
    let died = wait(child);
    assert_ne!(died.code, 0, "{}\n{}", died.stdout, died.stderr);
    let printed = format!("{}{}", died.stdout, died.stderr);
    assert!(printed.contains("comparing rows: ") && printed.contains(&format!(" of {ROWS})")), "{printed}");
    assert_eq!(of("MIN(compared > 0)"), "1");
    // Nothing is left to be compared.
    let (reached, done) = one_by_one(&site, &format!("{AFTER}=kill@1"));
    assert_eq!((reached, done.code), (false, 0), "{}\n{}", done.stdout, done.stderr);
    assert_eq!(id_type(&site), "bigint");
    assert_eq!(site.one("SELECT GROUP_CONCAT(id ORDER BY id) FROM t WHERE note = 'between'"), "1,11000");
    assert_eq!(site.one("SELECT COUNT(*) FROM t WHERE id = 2"), "0");
    assert_eq!(site.one("SELECT COUNT(*) FROM t"), (ROWS - 1).to_string());
    site.must(FINALIZE);
    assert_clean(&site);
    site.assert_sound();
}

fn a_difference_in_what_is_left_is_found_by_the_next_runner(kind: Kind) {
    for point in ["online.compare.before-commit=kill@2", "online.compare.committed=kill@1"] {
        let Some(site) = many(kind, "differs") else { return };
        assert!(one_by_one(&site, point).0, "{point}");
        let new = own(&site, "new");
        assert_eq!(
            site.one(&format!("SELECT SUM(compared > 0) FROM {}", own(&site, "chunk"))),
            "1",
            "{point}"
        );
        site.query(&format!("UPDATE {new} SET note = 'spoilt' WHERE id = 11111"));
        let found = ended(&mut site.command(&alter(&[], WIDER)));
        assert!(
            found.code != 0 && found.stderr.contains("the row with the key 11111"),
            "{point}: {}\n{}",
            found.stdout,
            found.stderr
        );
        assert_eq!(id_type(&site), "int", "{point}");
        assert_clean(&site);
        site.assert_sound();
    }
}
