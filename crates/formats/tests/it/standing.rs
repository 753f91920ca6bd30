//! What is applied, pending, or does not fit.

use cofferdam_core::bundle::Version;
use cofferdam_core::history::{Applied, AppliedKind, RollbackBundle};
use cofferdam_core::{Bundle, Checksum, Migration, Script};
use cofferdam_formats::format::flyway::checksum::crc32;
use cofferdam_formats::standing::{LIST, begun_otherwise};
use cofferdam_formats::{Options, Standing, State, read, standing};

use crate::fixtures::{rows, tree, with};
use crate::flyway::readable;

/// `V1`, `U1`, `R view`; a `!` behind it gives the file another text.
fn bundle(files: &str) -> Bundle {
    let file = |short: &str| {
        let name = short.trim_end_matches('!');
        let path = match name.strip_prefix("R ") {
            Some(description) => format!("R__{description}.sql"),
            None => format!("{name}__x.sql"),
        };
        (path, text_of(name) + if name == short { "" } else { " -- edited" })
    };
    let files: Vec<_> = files.split(", ").filter(|short| !short.is_empty()).map(file).collect();
    if files.is_empty() {
        return Bundle { format: "flyway", migrations: vec![], skipped: vec![] };
    }
    let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text)).collect();
    read(&with(&files), None).unwrap()
}

fn text_of(name: &str) -> String {
    format!("SELECT '{name}';")
}

/// `1`, `R view`, `base 1.5`, `B 2` (a baseline that its file made); with `undone` or `edited` (applied with another text) behind it.
fn history(rows: &str) -> Vec<Applied> {
    let row = |(index, short): (usize, &str)| {
        let undone = short.ends_with(" undone");
        let edited = short.ends_with(" edited");
        let short = short.trim_end_matches(" undone").trim_end_matches(" edited");
        let (kind, version, description) = match short.split_once(' ') {
            Some(("R", description)) => (AppliedKind::Repeatable, None, description),
            Some(("B", version)) => (AppliedKind::Baseline, Some(version), "x"),
            Some((_, version)) => (AppliedKind::Baseline, Some(version), "base"),
            None => (AppliedKind::Versioned, Some(short), "x"),
        };
        let letter = if short.starts_with('B') { 'B' } else { 'V' };
        let text = version.map_or(text_of(short), |version| text_of(&format!("{letter}{version}")));
        let text = if edited { text + " -- edited" } else { text };
        Applied {
            rank: i64::try_from(index).unwrap() + 1,
            key: version.map_or_else(|| format!("R:{description}"), str::to_owned),
            version: version.map(str::to_owned),
            description: description.into(),
            kind,
            checksum: (!short.starts_with("base ")).then(|| Checksum::FlywayCrc32(crc32(&text))),
            at: "2026-01-31T12:00:00Z".into(),
            by: "deploy".into(),
            ms: 1,
            run: None,
            bundle: RollbackBundle::default(),
            undone_at: undone.then(|| "2026-02-01T12:00:00Z".into()),
        }
    };
    rows.split(", ").filter(|short| !short.is_empty()).enumerate().map(row).collect()
}

/// `out-of-order`, `to 2`.
fn options(words: &str) -> Options {
    let target = words.split_once("to ").and_then(|(_, version)| Version::parse(version));
    Options { out_of_order: words.starts_with("out-of-order"), target }
}

fn keys(bundle: &Bundle, standing: &Standing) -> String {
    standing.pending.iter().map(|index| bundle.migrations[*index].key()).collect::<Vec<_>>().join(", ")
}

fn states(standing: &Standing) -> String {
    standing
        .rows
        .iter()
        .map(|row| format!("{} {}", row.key, row.state.words()))
        .collect::<Vec<_>>()
        .join(", ")
}

fn problems(standing: &Standing) -> String {
    standing.problems.iter().map(|problem| problem.code.id()).collect::<Vec<_>>().join(" ")
}

const CHANGED: &str = "CF2007";
const GONE: &str = "CF2008";
const LATE: &str = "CF2006";

/// files, history, options; pending, problems, rows
type Case = (&'static str, &'static str, &'static str, &'static str, &'static str, &'static str);

const CASES: &[Case] = &[
    // nothing, all, some
    ("", "", "", "", "", ""),
    ("V1, V2", "", "", "1, 2", "", "1 pending, 2 pending"),
    ("V1, V2", "1, 2", "", "", "", "1 applied, 2 applied"),
    ("V1, V2, V10", "1", "", "2, 10", "", "1 applied, 2 pending, 10 pending"),
    // versions are numbers
    ("V1.0, V003", "1, 3", "", "", CHANGED_BOTH, "1.0 checksum changed, 003 checksum changed"),
    ("V-1, V1.9, V1.10", "-1, 1.9", "", "1.10", "", "-1 applied, 1.9 applied, 1.10 pending"),
    // changed
    ("V1!, V2", "1", "", "2", CHANGED, "1 checksum changed, 2 pending"),
    ("V1!, V2!", "1, 2", "", "", CHANGED_BOTH, "1 checksum changed, 2 checksum changed"),
    ("V1!", "1 edited", "", "", "", "1 applied"),
    // gone: in the middle, at the end, all
    ("V1, V3", "1, 2, 3", "", "", GONE, "1 applied, 2 file gone, 3 applied"),
    ("V1", "1, 2", "", "", GONE, "1 applied, 2 file gone"),
    ("", "1, R v", "", "", "CF2008 CF2008", "1 file gone, R:v file gone"),
    // late
    ("V1, V2, V3", "1, 3", "", "", LATE, "1 applied, 2 out of order, 3 applied"),
    ("V1, V2, V3, V4", "3", "", "4", "CF2006 CF2006", "1 out of order, 2 out of order, 3 applied, 4 pending"),
    ("V1, V2, V3, V4", "3", "out-of-order", "1, 2, 4", "", "1 pending, 2 pending, 3 applied, 4 pending"),
    // several kinds at once
    (
        "V1!, V2, V4",
        "1, 3, 4",
        "",
        "",
        "CF2007 CF2006 CF2008",
        "1 checksum changed, 2 out of order, 3 file gone, 4 applied",
    ),
    // taken back
    ("V1, V2", "1, 2 undone", "", "2", "", "1 applied, 2 pending"),
    ("V1, V2", "1, 2 undone, 2", "", "", "", "1 applied, 2 applied"),
    ("V1, V2", "1, 2, 2 undone", "", "2", "", "1 applied, 2 pending"),
    ("V1, V2!", "1, 2 undone", "", "2", "", "1 applied, 2 pending"),
    ("V1", "1, 2 undone", "", "", "", "1 applied, 2 undone"),
    ("V1, V2, V3", "1, 2 undone, 3", "", "", LATE, "1 applied, 2 out of order, 3 applied"),
    ("V1, V2, V3", "1 undone, 2 undone, 3 undone", "", "1, 2, 3", "", "1 pending, 2 pending, 3 pending"),
    // baseline
    ("V1, V1.5, V2", "base 1.5", "", "2", "", "1 ignored, 1.5 applied, 1.5 ignored, 2 pending"),
    ("V1, V2, V3", "base 1.5, 2", "", "3", "", "1 ignored, 1.5 applied, 2 applied, 3 pending"),
    ("V3", "base 2, 3", "", "", "", "2 applied, 3 applied"),
    ("V1", "base 2, 3", "", "", GONE, "1 ignored, 2 applied, 3 file gone"),
    ("V1!, V3", "1, base 2", "", "3", "", "1 applied, 2 applied, 3 pending"),
    ("V3", "1, base 2", "", "3", "", "1 applied, 2 applied, 3 pending"),
    ("V1, V2", "base 1 undone", "", "1, 2", "", "1 pending, 2 pending"),
    ("V1, V2, V3", "base 1, base 2", "", "3", "", "1 ignored, 2 applied, 2 ignored, 3 pending"),
    // baselines that are files: the newest one in place of all up to its version, on an empty history alone
    ("V1, V2, B2, V3", "", "", "2, 3", "", "1 ignored, 2 pending, 2 ignored, 3 pending"),
    ("V1, B1, V2, B2, B3", "", "to 2", "2", "", "1 ignored, 1 ignored, 2 pending, 2 ignored, 3 ignored"),
    ("V1, V2, B3", "", "to 2", "1, 2", "", "1 pending, 2 pending, 3 ignored"),
    ("V1, B2, V3", "B 2, 3", "", "", "", "1 ignored, 2 applied, 3 applied"),
    ("V1, B2!, V3", "B 2", "", "3", CHANGED, "1 ignored, 2 checksum changed, 3 pending"),
    ("V1, V2, B2, V3", "1", "", "2, 3", "", "1 applied, 2 ignored, 2 pending, 3 pending"),
    ("V1, V2, B2", "base 1", "", "2", "", "1 applied, 1 ignored, 2 ignored, 2 pending"),
    ("V1, V2, B2", "base 2", "", "", "", "1 ignored, 2 applied, 2 ignored, 2 ignored"),
    ("V1, V2, B2, B4, V5", "B 2", "", "5", "", "1 ignored, 2 applied, 2 ignored, 4 ignored, 5 pending"),
    ("V1, V2, V3", "B 2, 3", "", "", GONE, "1 ignored, 2 file gone, 2 ignored, 3 applied"),
    ("V1, V2, B2", "B 2 undone", "", "2", "", "1 ignored, 2 pending, 2 ignored"),
    ("V1, B1, R v", "R v", "", "1", "", "1 pending, 1 ignored, R:v applied"),
    // repeatable: by description, capitals first, after the versions
    ("R a, R B, V1", "", "", "1, R:B, R:a", "", "1 pending, R:B pending, R:a pending"),
    ("V1, R v", "1, R v", "", "", "", "1 applied, R:v applied"),
    ("V1, R v!", "1, R v", "", "R:v", "", "1 applied, R:v pending"),
    ("V1, R v!", "1, R v, R v edited", "", "", "", "1 applied, R:v applied"),
    ("V1, R v", "1, R v, R v edited", "", "R:v", "", "1 applied, R:v pending"),
    ("V1, R v", "1, R v undone", "", "R:v", "", "1 applied, R:v pending"),
    ("V1", "1, R v", "", "", GONE, "1 applied, R:v file gone"),
    ("V1", "1, R v undone", "", "", "", "1 applied, R:v undone"),
    // target
    ("V1, V2, V3", "", "to 2", "1, 2", "", "1 pending, 2 pending, 3 above target"),
    ("V1, V2, V3", "1", "to 2.5", "2", "", "1 applied, 2 pending, 3 above target"),
    ("V1, V2, V3", "1, 2, 3", "to 1", "", "", "1 applied, 2 applied, 3 applied"),
    ("V1, V2, R v", "", "to 2", "1, 2, R:v", "", "1 pending, 2 pending, R:v pending"),
    ("V1, V2, R v", "", "to 1", "1", "", "1 pending, 2 above target, R:v above target"),
    (
        "V1, V2, R v, R w",
        "1, R v",
        "to 1",
        "",
        "",
        "1 applied, 2 above target, R:v applied, R:w above target",
    ),
    ("V1, V2, V3, V4", "1, 4", "to 2", "", LATE, "1 applied, 2 out of order, 3 above target, 4 applied"),
    (
        "V1, V2, V3, V4",
        "1, 4",
        "out-of-order to 2",
        "2",
        "",
        "1 applied, 2 pending, 3 above target, 4 applied",
    ),
    // scripts of lists stand beside a directory
    (
        "V1, V2",
        "orders/a, 1, orders/b",
        "",
        "2",
        "",
        "1 applied, 2 pending, orders/a applied, orders/b applied",
    ),
    ("V1", "1, orders/a undone", "", "", "", "1 applied, orders/a undone"),
    ("V1, V2", "base 1, orders/a", "", "2", "", "1 applied, 1 ignored, 2 pending, orders/a applied"),
    // a history that another program wrote
    ("V1", "1, abc", "", "", GONE, "1 applied, abc file gone"),
];
const CHANGED_BOTH: &str = "CF2007 CF2007";

#[test]
fn every_case_stands_as_it_should() {
    for (files, rows, words, pending, found, shown) in CASES {
        let (bundle, history) = (bundle(files), history(rows));
        let standing = standing(&bundle, &history, &options(words));
        let case = format!("files {files:?} history {rows:?} {words}");
        assert_eq!(keys(&bundle, &standing), *pending, "{case}");
        assert_eq!(problems(&standing), *found, "{case}");
        assert_eq!(states(&standing), *shown, "{case}");
        for problem in &standing.problems {
            assert!(problem.cause.is_some() && problem.help.is_some(), "{case}");
        }
    }
}

/// By the time of the lock somebody else was there.
#[test]
fn what_was_planned_as_the_beginning_is_none_any_more() {
    for (files, key, rows, refused) in [
        ("V1, B2, V3", "2", "", false),
        ("V1, B2, V3", "2", "1", true),
        ("V1, B2, V3", "2", "1 undone, orders/a, R v", false),
        ("V1, B2, V3", "2", "base 1", true),
        // Whoever applied the same is found before, and it is not applied again.
        ("V1, B2, V3", "2", "B 2", false),
        ("V1, V2", "1", "B 2", true),
        ("V1, V2", "1", "base 2", true),
        ("V1, V2", "1", "2", false),
        ("V1, V3", "3", "B 2", false),
    ] {
        let bundle = bundle(files);
        let migration = bundle.migrations.iter().find(|migration| migration.key() == key).unwrap();
        let refusal = begun_otherwise(migration, &history(rows));
        assert_eq!(
            refusal.as_ref().map(|refusal| refusal.code.id()),
            refused.then_some("CF3643"),
            "{files} {rows}"
        );
    }
}

/// Rows of a directory and of other lists say nothing about a list, and its scripts run in its order.
#[test]
fn a_list_stands_for_itself() {
    let list = |names: &[&str]| {
        let mut bundle = bundle("V1");
        let one = bundle.migrations.pop().unwrap();
        let script = |name: &&str| Migration { version: Version::of_list("orders", name), ..one.clone() };
        Bundle { format: LIST, migrations: names.iter().map(script).collect(), ..bundle }
    };
    // Both have the text of version 1, but the row with `edited`.
    let text_of_1 = |rows: &str| {
        let mut rows = history(rows);
        for row in rows.iter_mut().filter(|row| row.undone_at.is_none()) {
            row.checksum = Some(Checksum::FlywayCrc32(crc32(&text_of("V1"))));
        }
        rows
    };
    for (names, rows, pending) in [
        (&["b", "a"][..], "", "orders/b, orders/a"),
        (&["b", "a"], "orders/a, 1, 2, base 9, others/b, R v", "orders/b"),
        (&["a", "b"], "orders/b", "orders/a"),
        (&["b"], "orders/a, orders/b", ""),
        (&["a"], "orders/a, orders/a undone", "orders/a"),
    ] {
        let bundle = list(names);
        let found = standing(&bundle, &text_of_1(rows), &Options::default());
        assert_eq!(
            (keys(&bundle, &found).as_str(), problems(&found).as_str()),
            (pending, ""),
            "{names:?} {rows}"
        );
    }
    let found = standing(&list(&["a"]), &history("orders/a edited"), &Options::default());
    assert_eq!(problems(&found), "CF2007");
}

#[test]
fn the_order_of_rows_in_the_history_does_not_matter() {
    for (files, rows, words, ..) in CASES {
        let (bundle, mut history) = (bundle(files), history(rows));
        let forward = standing(&bundle, &history, &options(words));
        history.reverse();
        let backward = standing(&bundle, &history, &options(words));
        assert_eq!(states(&forward), states(&backward), "{files} {rows}");
        assert_eq!(forward.pending, backward.pending);
    }
}

#[test]
fn problems_say_which_file_and_what_to_do() {
    let bundle = bundle("V1!, V2, V4");
    let standing = standing(&bundle, &history("1, 3, 4, 9"), &Options::default());
    let what: Vec<_> = standing.problems.iter().map(|problem| problem.what.as_str()).collect();
    assert_eq!(
        what,
        [
            "db/V1__x.sql was changed after it was applied",
            "db/V2__x.sql comes late: 2 is older than 9",
            "version 3 (x) is applied and has no file",
            "version 9 (x) is applied and has no file",
        ]
    );
    let cause = |at: usize| standing.problems[at].cause.as_deref().unwrap();
    let (recorded, now) = (crc32(&text_of("V1")), crc32(&(text_of("V1") + " -- edited")));
    assert_eq!(
        cause(0),
        format!("applied 2026-01-31T12:00:00Z by deploy with checksum {recorded}, now it is {now}")
    );
    assert!(!cause(2).contains("older release"));
    assert!(cause(3).contains("this directory may be of an older release"));
}

#[test]
fn a_way_back_is_known_from_the_directory_or_from_the_history() {
    let bundle = bundle("V1, U1, V2, V3, U3");
    let mut history = history("1, 2, 4");
    history[1].bundle.down = Some(Script::new("U2__x.sql", "DROP TABLE x"));
    let undo: Vec<_> = standing(&bundle, &history, &Options::default())
        .rows
        .iter()
        .map(|row| (row.key.clone(), row.kind.clone(), row.undo))
        .collect();
    let row = |key: &str, undo| (key.to_owned(), "sql".to_owned(), undo);
    assert_eq!(undo, [row("1", true), row("2", true), row("3", true), row("4", false)]);
}

#[test]
fn a_checksum_is_compared_in_the_algorithm_of_the_history() {
    // The history was written when the directory had another format.
    let flyway = bundle("V1");
    let plain = read(&with(&[("1_x.up.sql", text_of("V1"))]), None).unwrap();
    let mut by_sha = history("1");
    by_sha[0].checksum = Some(Checksum::Sha256(plain.migrations[0].up.sha256.clone()));
    let mut by_nothing = history("1");
    by_nothing[0].checksum = None;
    for (bundle, history) in
        [(&flyway, &by_sha), (&plain, &history("1")), (&plain, &by_sha), (&flyway, &by_nothing)]
    {
        let standing = standing(bundle, history, &Options::default());
        assert_eq!(standing.rows[0].state, State::Applied, "{} {history:?}", bundle.format);
    }
    by_sha[0].checksum = Some(Checksum::Sha256("00".repeat(32)));
    assert_eq!(problems(&standing(&flyway, &by_sha, &Options::default())), CHANGED);
}

/// The rows of a table of Flyway as a history; a DELETE row takes back the version it names.
fn flyway_history(csv: &str) -> Vec<Applied> {
    let mut history: Vec<Applied> = Vec::new();
    for row in rows(csv) {
        let [rank, version, description, kind, _, checksum, by, _] = row.as_slice() else {
            panic!("{row:?}")
        };
        let version = (!version.is_empty()).then(|| version.clone());
        if kind == "DELETE" {
            let gone = history.iter_mut().rfind(|applied| applied.version == version).unwrap();
            gone.undone_at = Some("2026-01-31T12:00:00Z".into());
            continue;
        }
        history.push(Applied {
            rank: rank.parse().unwrap(),
            key: version.clone().unwrap_or_else(|| format!("R:{description}")),
            kind: match (kind.as_str(), &version) {
                ("BASELINE" | "SQL_BASELINE", _) => AppliedKind::Baseline,
                (_, Some(_)) => AppliedKind::Versioned,
                (_, None) => AppliedKind::Repeatable,
            },
            version,
            description: description.clone(),
            checksum: checksum.parse().ok().map(Checksum::FlywayCrc32),
            at: "2026-01-31T12:00:00Z".into(),
            by: by.clone(),
            ms: 0,
            run: None,
            bundle: RollbackBundle::default(),
            undone_at: None,
        });
    }
    history
}

#[test]
fn flyways_own_history_fits_flyways_own_directory() {
    let bundle = read(&readable(), None).unwrap();
    let standing = standing(&bundle, &flyway_history("flyway/history_migrate.csv"), &Options::default());
    assert!(standing.rows.iter().all(|row| row.state == State::Applied), "{}", states(&standing));
    assert_eq!((standing.rows.len(), standing.pending.len(), problems(&standing).as_str()), (27, 0, ""));
}

#[test]
fn an_edited_directory_stands_as_flyway_judges_it() {
    let mut files = readable();
    files.files.retain(|file| {
        !["V1__plain_lf.sql", "V5__trailing_ws_and_tabs.sql", "sub/dir/V6__in_subdirectory.sql"]
            .contains(&file.path.as_str())
    });
    files.files.extend(tree("flyway/edited").files);
    let bundle = read(&files, None).unwrap();

    // V1 edited, V5 removed, V6 renamed (no problem), V1.11 added.
    let before = flyway_history("flyway/history_migrate.csv");
    assert_eq!(problems(&standing(&bundle, &before, &Options::default())), "CF2007 CF2006 CF2008");

    // After `repair` and `migrate -outOfOrder=true`.
    let after = flyway_history("flyway/history_after_repair_and_out_of_order.csv");
    let standing = standing(&bundle, &after, &Options::default());
    assert_eq!((problems(&standing).as_str(), standing.pending.len()), ("", 0));
    let undone: Vec<_> = standing.rows.iter().filter(|row| row.state != State::Applied).collect();
    assert_eq!((undone.len(), undone[0].key.as_str(), undone[0].state), (1, "5", State::Undone));
}

#[test]
fn flyways_baseline_is_a_baseline() {
    let bundle = read(&tree("flyway/scenarios/baseline_command"), None).unwrap();
    let history = flyway_history("flyway/history_baseline_command.csv");
    let standing = standing(&bundle, &history, &Options::default());
    assert_eq!(states(&standing), "1 ignored, 1.5 applied, 2 applied");
    assert_eq!(standing.rows[1].kind, "baseline");
}
