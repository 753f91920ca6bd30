//! Online changes on both servers: everything that the application was told to be written is there after the swap, and
//! after the way back; whoever dies is replaced; what is not proved is not swapped.

mod compared;
mod crash;
mod crashed;
mod load;
mod plan;
mod refused;
mod steered;
mod stories;
mod swapped;
mod values;

use std::cell::RefCell;
use std::process::Child;

use cofferdam_scratch::mysql::Kind;

use crate::site::Site;
use crate::support::{Ended, until, wait};

const ROWS: u32 = 4_000;
const WIDER: &str = "MODIFY COLUMN id bigint NOT NULL AUTO_INCREMENT";
const ROLLBACK: &[&str] = &["rollback", "t", "--lock-wait", "30s", "--yes"];
const FINALIZE: &[&str] = &["finalize", "t", "--lock-wait", "30s", "--yes"];

fn place(kind: Kind, name: &str) -> Option<Site> {
    let site = Site::new(kind, name)?;
    fill(&site);
    Some(site)
}

/// Makes the table.
fn fill(site: &Site) {
    for sql in filling() {
        site.query(&sql);
    }
}

/// The statements that make it.
fn filling() -> Vec<String> {
    let table =
        "CREATE TABLE t (id int AUTO_INCREMENT PRIMARY KEY, tag varchar(40) UNIQUE, n int NOT NULL DEFAULT 0,
                                 note varchar(100), KEY (n))";
    let rows = |from: u32| {
        let rows: Vec<String> =
            (from..from + 1_000).map(|id| format!("({id}, 'tag {id}', {id} % 7, 'old')")).collect();
        format!("INSERT INTO t VALUES {}", rows.join(", "))
    };
    std::iter::once(table.to_owned()).chain((1..=ROWS).step_by(1_000).map(rows)).collect()
}

fn alter<'a>(flags: &[&'a str], clauses: &'a str) -> Vec<&'a str> {
    [&["alter", "--table", "t", "--lock-wait", "30s", "--yes"][..], flags, &[clauses]].concat()
}

const ID_TYPE: &str = "SELECT DATA_TYPE FROM information_schema.COLUMNS
                       WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 't' AND COLUMN_NAME = 'id'";

fn id_type(site: &Site) -> String {
    site.one(ID_TYPE)
}

/// The tables of changes.
const OF_CHANGES: &str = "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()
                          AND TABLE_NAME RLIKE '^_cofferdam_[0-9a-f]{12}_'";

/// Nothing of a change is left.
fn assert_clean(site: &Site) {
    assert_eq!(site.query(OF_CHANGES), Vec::<Vec<String>>::new());
    assert_eq!(site.one("SELECT COUNT(*) FROM _cofferdam_online"), "0");
    let sql = "SELECT COUNT(*) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE()";
    assert_eq!(site.one(sql), "0");
}

/// A change that waits for the cutover.
fn at_gate(site: &Site, clauses: &str) -> Child {
    let child = RefCell::new(site.spawn(&alter(&["--cutover", "manual"], clauses)));
    let over = || child.borrow_mut().try_wait().unwrap().is_some();
    until("it waits for the cutover", || {
        let there = "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()
                     AND TABLE_NAME = '_cofferdam_online'";
        let waits = "SELECT COUNT(*) FROM _cofferdam_online WHERE progress LIKE '%waiting for the cutover%'";
        over() || site.one(there) == "1" && site.one(waits) == "1"
    });
    if over() {
        let ended = wait(child.into_inner());
        panic!("{clauses}: it ended: {}\n{}", ended.stdout, ended.stderr);
    }
    child.into_inner()
}

fn cut_over(site: &Site, child: Child) -> Ended {
    site.run(&["cutover", "t"]);
    wait(child)
}
