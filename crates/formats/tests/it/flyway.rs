//! Flyway's directories against what Flyway 11.20.3 made of them.

use cofferdam_core::{Bundle, Checksum, Code, MigrationKind, Refusal};
use cofferdam_formats::format::flyway::checksum::crc32;
use cofferdam_formats::{File, Tree, Values, read, read_with};

use crate::fixtures::{named, path, rows, tree, with};

/// The fixture directory as Cofferdam can read it: without its two callbacks, with the placeholder of the
/// repeatable migration replaced as it was in that run, and with V9's declared to be meant as it stands.
pub(crate) fn readable() -> Tree {
    let mut tree = tree("flyway/sql");
    tree.files.retain(|file| !file.path.starts_with("afterM") && !file.path.starts_with("beforeE"));
    for file in tree.files.iter_mut().filter(|file| file.path.starts_with("R__")) {
        file.bytes = String::from_utf8(file.bytes.clone()).unwrap().replace("${tbl}", "phtab").into_bytes();
    }
    let settings = "V9__placeholder.sql.conf".to_owned();
    tree.files.push(File { path: settings, bytes: b"placeholderReplacement=false\n".to_vec() });
    tree
}

fn refusal(tree: &Tree) -> Box<Refusal> {
    read(tree, None).unwrap_err()
}

fn keys(bundle: &Bundle) -> Vec<String> {
    bundle.migrations.iter().map(cofferdam_core::Migration::key).collect()
}

#[test]
fn every_checksum_is_flyways() {
    let vectors = rows("flyway/VECTORS.csv");
    assert_eq!(vectors.len(), 29);
    for vector in vectors {
        let [_, file, length, algorithm, value] = vector.as_slice() else { panic!("{vector:?}") };
        let bytes = std::fs::read(path(file)).unwrap();
        assert_eq!(bytes.len().to_string(), *length, "{file} was changed by a checkout");
        let text = String::from_utf8(bytes).unwrap();
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let text =
            if algorithm.contains("placeholder") { text.replace("${tbl}", "phtab") } else { text.into() };
        assert_eq!(crc32(&text).to_string(), *value, "{file}");
    }
}

#[test]
fn a_directory_is_read_as_flyway_recorded_it() {
    let bundle = read(&readable(), None).unwrap();
    let read: Vec<_> = bundle
        .migrations
        .iter()
        .map(|m| {
            let version = m.version.as_ref().map_or("", |version| &version.text);
            let script = m.up.path.strip_prefix("db/").unwrap();
            [version, &m.description, script, &m.checksum.to_string()].map(str::to_owned)
        })
        .collect();
    let recorded: Vec<_> = rows("flyway/history_migrate.csv")
        .into_iter()
        .map(|row| [row[1].clone(), row[2].clone(), row[4].clone(), row[5].clone()])
        .collect();
    assert_eq!(read, recorded);
    assert_eq!(bundle.format, "flyway");
    assert!(bundle.skipped.is_empty(), "{:?}", bundle.skipped);
    let outside: Vec<_> = bundle.migrations.iter().filter(|m| m.no_transaction).map(|m| m.key()).collect();
    assert_eq!(outside, ["11"], "by its settings file");
}

#[test]
fn what_flyway_would_do_beside_its_migrations_is_refused() {
    let mut tree = tree("flyway/sql");
    let callbacks = refusal(&tree);
    assert_eq!(callbacks.code, Code::CallbackUnsupported);
    assert_eq!(callbacks.what, "db/afterMigrate.sql is a callback of Flyway (afterMigrate)");
    assert_eq!(callbacks.notes, ["db/beforeEachMigrate__note.sql is one too (beforeEachMigrate)"]);

    tree.files.retain(|file| !file.path.contains("Migrate"));
    let placeholder = refusal(&tree);
    assert_eq!(placeholder.code, Code::PlaceholderUnsupported);
    assert_eq!(placeholder.what, "db/V9__placeholder.sql holds the placeholder ${tbl}");
}

#[test]
fn the_scenarios_end_as_they_should() {
    // What is about statements, transactions or the history is read here and decided elsewhere.
    for (scenario, expected) in [
        ("mixed_transactional_and_not", Ok(&["1"][..])),
        ("begin_concurrently_commit", Ok(&["1"])),
        ("commit_inside_then_error", Ok(&["1"])),
        ("error_in_transaction", Ok(&["1"])),
        ("error_outside_transaction", Ok(&["1", "2"])),
        ("baseline_command", Ok(&["1", "2"])),
        ("undo_file", Ok(&["1"])),
        ("file_names", Err((Code::BadFileName, "db/V10__nosuffix is not a SQL script"))),
        (
            "duplicate_version",
            Err((Code::DuplicateVersion, "db/V1.0__b.sql and db/V1__a.sql have one version: 1.0 is 1")),
        ),
        ("invalid_utf8", Err((Code::NotUtf8, "db/V1__latin1.sql is not UTF-8"))),
        ("baseline_migration", Ok(&["1", "2", "2", "3"])),
        (
            "undefined_placeholder",
            Err((Code::PlaceholderUnsupported, "db/V1__p.sql holds the placeholder ${nope}")),
        ),
    ] {
        let read = read(&tree(&format!("flyway/scenarios/{scenario}")), None);
        match (read, expected) {
            (Ok(bundle), Ok(versions)) => assert_eq!(keys(&bundle), versions, "{scenario}"),
            (Err(refusal), Err((code, what))) => {
                assert_eq!((refusal.code, refusal.what.as_str()), (code, what), "{scenario}");
                assert!(refusal.help.is_some() && refusal.cause.is_some(), "{scenario}");
            }
            (read, _) => panic!("{scenario}: {read:?}"),
        }
    }
    let scenarios = std::fs::read_dir(path("flyway/scenarios")).unwrap().count();
    assert_eq!(scenarios, 12, "each scenario is in the table above");
}

#[test]
fn the_scenario_of_names_without_the_file_for_a_shell() {
    let mut tree = tree("flyway/scenarios/file_names");
    tree.files.retain(|file| file.path != "V10__nosuffix");
    let bundle = read(&tree, None).unwrap();
    assert_eq!(keys(&bundle), ["-13", "1.4.1", "2", "4", "5", "11", "12"]);
    let undone: Vec<_> = bundle.migrations.iter().filter(|m| m.down.is_some()).map(|m| m.key()).collect();
    assert_eq!(undone, ["2"]);
    let mut skipped: Vec<_> = bundle.skipped.iter().map(|(path, _)| path.as_str()).collect();
    skipped.sort_unstable();
    assert_eq!(
        skipped,
        [
            "db/R1__rep.sql",
            "db/R_single.sql",
            "db/V.9__x.sql",
            "db/V1_single_underscore.sql",
            "db/V6a__letters.sql",
            "db/V7.__dot.sql",
            "db/V8..1__dd.sql",
            "db/X1__foo.sql",
            "db/v3__lower.sql",
        ]
    );
}

#[test]
fn a_placeholder_that_is_meant_as_it_stands_is_read() {
    let mut tree = tree("flyway/scenarios/undefined_placeholder");
    let settings = "V1__p.sql.conf".to_owned();
    tree.files.push(File { path: settings, bytes: b"placeholderReplacement=false".to_vec() });
    assert_eq!(read(&tree, None).unwrap().migrations[0].up.text, "select '${nope}';\n");
}

#[test]
fn scripts_belong_to_versions_by_number_in_any_directory() {
    let bundle =
        read(&named(&["up/V1.0__a.sql", "down/U1__b.sql", "check/C01__c.sql", "R__v.sql"]), None).unwrap();
    let [first, second] = bundle.migrations.as_slice() else { panic!("{bundle:?}") };
    assert_eq!(first.down.as_ref().unwrap().path, "db/down/U1__b.sql");
    assert_eq!(first.check.as_ref().unwrap().path, "db/check/C01__c.sql");
    assert_eq!((second.kind, second.key()), (MigrationKind::Repeatable, "R:v".into()));
    assert_eq!(first.checksum, Checksum::FlywayCrc32(crc32("SELECT 'up/V1.0__a.sql';\n")));
}

#[test]
fn what_does_not_fit_together_is_refused() {
    for (files, code, part) in [
        (&["V1__a.sql", "U2__b.sql"][..], Code::MissingPair, "db/U2__b.sql is the undo script of version 2"),
        (
            &["V1__a.sql", "C2__b.sql", "C3__c.sql"],
            Code::MissingPair,
            "db/C2__b.sql is the check of version 2",
        ),
        (&["U1__a.sql"], Code::MissingPair, "db/U1__a.sql is the undo script of version 1"),
        (&["V1__a.sql", "x/V1__a.sql"], Code::DuplicateVersion, "db/V1__a.sql and db/x/V1__a.sql both have"),
        (&["V1__a.sql", "U1__a.sql", "U01__b.sql"], Code::DuplicateVersion, "db/U01__b.sql and db/U1__a.sql"),
        (
            &["R__a_b.sql", "x/R__a b.sql"],
            Code::DuplicateVersion,
            "db/R__a_b.sql and db/x/R__a b.sql are one",
        ),
        (&["V1__a.sql", "V2__b.sh"], Code::BadFileName, "db/V2__b.sh is not a SQL script"),
        (
            &["B1__a.sql", "x/B1.0__a.sql"],
            Code::DuplicateVersion,
            "db/B1__a.sql and db/x/B1.0__a.sql have one",
        ),
        (&["B1__a.sql", "U1__b.sql"], Code::MissingPair, "db/U1__b.sql is the undo script of version 1"),
        (&["V1__a.sql", "beforeUndo.sql"], Code::CallbackUnsupported, "db/beforeUndo.sql is a"),
    ] {
        let refusal = refusal(&named(files));
        assert_eq!(refusal.code, code, "{files:?}");
        assert!(refusal.what.starts_with(part), "{}", refusal.what);
    }
}

#[test]
fn callbacks_of_commands_that_are_not_here_are_shown() {
    let bundle = read(&named(&["V1__a.sql", "beforeClean.sql", "afterInfo__x.sql"]), None).unwrap();
    assert_eq!(bundle.skipped.len(), 2);
}

#[test]
fn settings_are_read_or_refused_by_their_key() {
    for (settings, expected) in [
        ("executeInTransaction=false", Ok(true)),
        ("# a comment\r\n! another\r\n\r\n  executeInTransaction : FALSE \r\n", Ok(true)),
        ("executeInTransaction=true\nencoding=utf-8\nplaceholderReplacement=true\n", Ok(false)),
        ("", Ok(false)),
        ("executeInTransaction=no", Err("sets executeInTransaction to \"no\"")),
        ("encoding=ISO-8859-1", Err("sets encoding to \"ISO-8859-1\"")),
        ("\nshouldExecute=false", Err("has the setting shouldExecute, which is not read")),
        ("executeInTransactions=false", Err("has the setting executeInTransactions, which is not read")),
        ("nonsense", Err("has the setting nonsense, which is not read")),
    ] {
        let tree = with(&[("V1__a.sql", "SELECT 1;"), ("V1__a.sql.conf", settings)]);
        match (read(&tree, None), expected) {
            (Ok(bundle), Ok(outside)) => {
                assert_eq!(bundle.migrations[0].no_transaction, outside, "{settings}")
            }
            (Err(refusal), Err(what)) => {
                assert_eq!(refusal.code, Code::BadDirective);
                assert_eq!(refusal.what, format!("db/V1__a.sql.conf {what}"));
                let place = refusal.place.unwrap();
                assert_eq!(
                    place.source.unwrap()[place.at.start..place.at.end],
                    *settings.trim(),
                    "{settings}"
                );
            }
            (read, _) => panic!("{settings}: {read:?}"),
        }
    }
    let undo = [("V1__a.sql", ""), ("U1__a.sql", ""), ("U1__a.sql.conf", "executeInTransaction=false")];
    assert_eq!(refusal(&with(&undo)).code, Code::BadDirective, "an undo script has no such field");
    let alone = read(&named(&["V1__a.sql", "V2__b.sql.conf"]), None).unwrap();
    assert_eq!(
        alone.skipped,
        [("db/V2__b.sql.conf".into(), "the settings of a script that is not there".into())]
    );
}

#[test]
fn comments_matter_only_where_the_checksum_is_taken_after_replacement() {
    assert!(read(&with(&[("V1__a.sql", "-- ${x}\nSELECT 1;")]), None).is_ok());
    let repeatable = refusal(&with(&[("R__a.sql", "-- ${x}\nSELECT 1;")]));
    assert_eq!(repeatable.code, Code::PlaceholderUnsupported);
}

#[test]
fn placeholders_are_replaced_as_flyway_replaced_them() {
    let mut tree = tree("flyway/sql");
    tree.files.retain(|file| !file.path.starts_with("afterM") && !file.path.starts_with("beforeE"));
    let values = Values::from([("tbl".to_owned(), "phtab".to_owned())]);
    let bundle = read_with(&tree, None, &values).unwrap();
    let recorded: Vec<_> = rows("flyway/history_migrate.csv").into_iter().map(|row| row[5].clone()).collect();
    let read: Vec<_> = bundle.migrations.iter().map(|m| m.checksum.to_string()).collect();
    assert_eq!(read, recorded, "of a V file before replacement, of an R file after it");
    let nine = bundle.migrations.iter().find(|m| m.key() == "9").unwrap();
    assert!(nine.up.text.contains("phtab") && !nine.up.text.contains("${"));
    let other = Values::from([("tbl".to_owned(), "x".to_owned())]);
    let again = read_with(&tree, None, &other).unwrap();
    let changed: Vec<_> =
        bundle.migrations.iter().zip(&again.migrations).filter(|(a, b)| a.checksum != b.checksum).collect();
    let changed: Vec<_> = changed.iter().map(|(migration, _)| migration.key()).collect();
    assert_eq!(changed, ["R:a view"], "another value runs the repeatable one again, and V9 not");
    let unknown = with(&[("V1__a.sql", "-- ${x}\nSELECT '${tbl}', '${y}', '$tbl';")]);
    let refusal = read_with(&unknown, None, &values).unwrap_err();
    assert_eq!(refusal.what, "db/V1__a.sql holds the placeholder ${y}");
    let comment = with(&[("V1__a.sql", "-- ${x} ${tbl}\nSELECT '${tbl}', $1;")]);
    let text = &read_with(&comment, None, &values).unwrap().migrations[0].up.text;
    assert_eq!(text.as_str(), "-- ${x} phtab\nSELECT 'phtab', $1;");
}
