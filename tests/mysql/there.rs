//! What is there before a migration makes it is somebody else's: it stays with its rows, whatever fails or dies, and the
//! migration is refused with that.

use cofferdam_scratch::mysql::Kind;

use crate::crash::without_counter;
use crate::site::{Site, server};
use crate::support::{each, ended};

on_both! {
    what_somebody_made_stays,
    a_name_that_moves_within_its_table_is_free,
}

/// What somebody made, and a migration that makes the same with its second statement.
const CASES: &[(&str, &str)] = &[
    (
        "CREATE TABLE u (id int PRIMARY KEY); INSERT INTO u VALUES (7)",
        "ALTER TABLE t ADD COLUMN c int;\nCREATE TABLE u (id int PRIMARY KEY);\n",
    ),
    (
        "ALTER TABLE t ADD COLUMN kept int; UPDATE t SET kept = 7",
        "CREATE TABLE v (id int PRIMARY KEY);\nALTER TABLE t ADD COLUMN kept int;\n",
    ),
    ("CREATE INDEX t_a ON t (a)", "ALTER TABLE t ADD COLUMN c int;\nCREATE INDEX t_a ON t (a);\n"),
    (
        "CREATE TABLE u (id int PRIMARY KEY); INSERT INTO u VALUES (7)",
        "CREATE TABLE w (id int PRIMARY KEY);\nRENAME TABLE w TO u;\n",
    ),
];

/// Where a statement is on its way, or is taken back.
const POINTS: &[&str] = &[
    "run.opened",
    "loose.began",
    "loose.sent",
    "loose.performed",
    "undo.begun",
    "undo.step",
    "undo.before-end",
];

fn site(kind: Kind, (by_hand, file): (&str, &str)) -> Option<Site> {
    let site = Site::new(kind, "there")?;
    site.file("V1__t.sql", "CREATE TABLE t (id int PRIMARY KEY, a int);\nINSERT INTO t VALUES (1, 1);\n");
    site.must(&["apply"]);
    site.query(by_hand);
    site.file("V2__again.sql", file);
    Some(site)
}

/// The schema, and the rows.
fn content(site: &Site) -> Vec<Vec<String>> {
    let mut all: Vec<Vec<String>> =
        site.schema().into_iter().map(|table| vec![without_counter(&table)]).collect();
    for table in site.tables() {
        all.extend(site.query(&format!("SELECT * FROM `{table}`")));
    }
    all
}

fn what_somebody_made_stays(kind: Kind) {
    if server(kind).is_none() {
        return;
    }
    let deaths: Vec<String> =
        POINTS.iter().flat_map(|point| [1, 2].map(|nth| format!("{point}=kill@{nth}"))).collect();
    let all = CASES.iter().flat_map(|case| {
        std::iter::once(None).chain(deaths.iter().map(|death| Some(death.as_str()))).map(move |d| (case, d))
    });
    each(
        &all.collect::<Vec<_>>(),
        |(case, death)| format!("{} {death:?}", case.1),
        |(case, death)| {
            stays(kind, **case, *death);
        },
    );
}

fn stays(kind: Kind, case: (&str, &str), death: Option<&str>) {
    let site = site(kind, case).unwrap();
    let before = content(&site);
    if let Some(death) = death {
        ended(site.command(&["apply"]).env("COFFERDAM_FAILPOINT", death));
    }
    let refused = site.run(&["apply", "--lock-wait", "60s"]);
    let said = format!("{}\n{}", refused.stdout, refused.stderr);
    assert_eq!(refused.code, 6, "{said}");
    assert!(refused.stderr.contains("is there already"), "{said}");
    assert_eq!(content(&site), before, "{said}");
    assert_eq!(site.history().len(), 1, "{said}");
    site.assert_sound();
}

/// The new name of a column was there before, as that of the column that gives it up.
fn a_name_that_moves_within_its_table_is_free(kind: Kind) {
    let Some(site) = site(kind, ("SELECT 1", "ALTER TABLE t RENAME COLUMN a TO A;\n")) else { return };
    let apply = ["apply", "--allow", "rename-column=nobody reads it"];
    site.must(&apply);
    assert!(site.schema().concat().contains("`A` int"), "{:?}", site.schema());
    site.file("V3__new.sql", "ALTER TABLE t ADD COLUMN A bigint, RENAME COLUMN A TO b;\n");
    site.must(&apply);
    assert_eq!(site.query("SELECT id, A, b FROM t"), [["1", "NULL", "1"]]);
    site.assert_sound();
}
