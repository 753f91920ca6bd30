//! Directories of tools other than Flyway, against what the tools made of them.

use cofferdam_core::plan::sha256_hex;
use cofferdam_core::{Bundle, Checksum, Code, Migration, MigrationKind, Refusal};
use cofferdam_formats::format::atlas::{statements, sum};
use cofferdam_formats::format::sqlx::sha384_hex;
use cofferdam_formats::{File, Tree, notes, read};

use crate::fixtures::{named, path, rows, text, tree, with};

fn keys(bundle: &Bundle) -> Vec<String> {
    bundle.migrations.iter().map(Migration::key).collect()
}

fn refusal(tree: &Tree, format: Option<&str>) -> Box<Refusal> {
    read(tree, format).unwrap_err()
}

#[test]
fn every_checksum_is_that_of_its_tool() {
    let mut seen = 0;
    for vector in rows("VECTORS.csv") {
        let [tool, file, length, _, value] = vector.as_slice() else { panic!("{vector:?}") };
        let bytes = std::fs::read(path(file)).unwrap();
        assert_eq!(bytes.len().to_string(), *length, "{file} was changed by a checkout");
        let found = match tool.split(' ').next().unwrap() {
            "drizzle-orm" => sha256_hex(&bytes),
            "sqlx" => sha384_hex(&bytes),
            "atlas" => atlas_value(file),
            other => panic!("{other}"),
        };
        assert_eq!(found, *value, "{file}");
        seen += 1;
    }
    assert_eq!(seen, 33);
}

/// What `atlas.sum` has for a file, computed.
fn atlas_value(file: &str) -> String {
    let (directory, name) = file.rsplit_once('/').unwrap();
    let tree = tree(directory);
    let files: Vec<&File> = tree.files.iter().filter(|file| file.path.ends_with(".sql")).collect();
    let sums = sum::sums(&files);
    let text = sum::text(&files, &sums);
    let line = match name {
        sum::NAME => text.lines().next(),
        _ => text.lines().find(|line| line.rsplit_once(' ').is_some_and(|(one, _)| one == name)),
    };
    line.unwrap().rsplit(' ').next().unwrap().to_owned()
}

#[test]
fn every_directory_of_the_fixtures_is_recognised_and_read() {
    for (directory, format, keys_of_it) in [
        ("atlas/scenarios/error_in_file", "atlas", &["1", "2"][..]),
        ("atlas/scenarios/txmode_all_with_none_directive", "atlas", &["1", "2"]),
        ("atlas/lint", "atlas", &["1", "2", "3", "4"]),
        ("atlas/sum_edge_cases", "atlas", &["10", "1", "2", "3", "B", "V5", "a"]),
        ("golang-migrate/migrations", "plain", &["1", "2", "10", "20240101000000"]),
        ("goose/migrations", "goose", &["00001", "00002", "20240101000000"]),
        ("goose/late", "goose", &["00004"]),
        ("dbmate/migrations", "dbmate", &["20240101000000", "20240101000001", "20240101000002"]),
        ("drizzle/drizzle", "drizzle", &["1795228473856", "1795228476280", "1795228478170"]),
    ] {
        let format_given = (directory == "atlas/sum_edge_cases").then_some("atlas");
        let tree = tree(directory);
        let bundle = read(&tree, format_given).unwrap();
        assert_eq!(
            (bundle.format, keys(&bundle)),
            (format, keys_of_it.iter().map(|k| (*k).into()).collect())
        );
        for migration in &bundle.migrations {
            let scripts = [Some(&migration.up), migration.down.as_ref()];
            for script in scripts.into_iter().flatten() {
                let file = tree.file(script.path.strip_prefix("db/").unwrap()).unwrap();
                assert_eq!(script.sha256, sha256_hex(&file.bytes), "{}", script.path);
                let text = String::from_utf8(file.bytes.clone()).unwrap();
                let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
                assert_eq!(script.text.lines().count(), text.lines().count(), "{}", script.path);
            }
        }
    }
    let mut sqlx = tree("sqlx/migrations");
    sqlx.files.retain(|file| file.path.ends_with(".sql"));
    assert_eq!(
        keys(&read(&sqlx, Some("sqlx")).unwrap()),
        ["1", "2", "4", "5", "20240101000000", "20240101000001"]
    );
}

#[test]
fn atlas_names_order_and_statements_are_those_of_its_history() {
    let bundle = read(&tree("atlas/migrations"), None).unwrap();
    let read: Vec<_> = bundle
        .migrations
        .iter()
        .map(|m| {
            let Checksum::Atlas { sum, sha256 } = &m.checksum else { panic!("{m:?}") };
            assert_eq!(sha256.as_deref(), Some(m.up.sha256.as_str()));
            [m.key(), m.description.clone(), statements::count(&m.up).to_string(), sum.clone()]
        })
        .collect();
    let cell = |cell: &String| cell.trim_matches('"').to_owned();
    let recorded: Vec<_> = rows("atlas/revisions_apply.csv")
        .iter()
        .map(|row| [cell(&row[0]), cell(&row[1]), cell(&row[4]), cell(&row[7])])
        .collect();
    assert_eq!(read, recorded);
    let outside: Vec<_> = bundle.migrations.iter().filter(|m| m.no_transaction).map(Migration::key).collect();
    assert_eq!(outside, ["20240101000005"]);
    assert!(bundle.skipped.is_empty(), "a file that is not SQL is none of Atlas': {:?}", bundle.skipped);
    // The last file has a short version: a later file, and an earlier version.
    let versions: Vec<_> = bundle.migrations.iter().map(|m| m.version.clone().unwrap()).collect();
    assert!(versions[13] < versions[12] && versions[13] > versions[9]);
    let said = notes(&bundle);
    let [widths] = said.as_slice() else { panic!("{said:?}") };
    assert!(
        widths.starts_with("atlas compares versions as texts, so 20240101000009 comes before 2024010100001:"),
        "{widths}"
    );
}

#[test]
fn what_atlas_would_ignore_is_followed_and_said() {
    let tree = tree("atlas/scenarios/txmode_directive_without_blank_line");
    let bundle = read(&tree, None).unwrap();
    assert!(bundle.migrations[1].no_transaction);
    assert_eq!(
        notes(&bundle),
        ["db/2_b.sql: no empty line follows `-- atlas:txmode none`, so Atlas itself would ignore it"]
    );
}

#[test]
fn a_checkpoint_is_one() {
    let bundle = read(&tree("atlas/scenarios/checkpoint"), None).unwrap();
    let kinds: Vec<_> = bundle.migrations.iter().map(|m| m.kind == MigrationKind::Checkpoint).collect();
    assert_eq!(kinds, [false, false, true, false]);
}

#[test]
fn a_sum_that_does_not_fit_names_the_file() {
    let whole = tree("atlas/scenarios/checkpoint");
    let changed = |change: &dyn Fn(&mut Tree)| {
        let mut tree = whole.clone();
        change(&mut tree);
        tree.files.sort_by(|a, b| a.path.cmp(&b.path));
        let refusal = refusal(&tree, Some("atlas"));
        assert_eq!(refusal.code, Code::SumMismatch);
        assert!(refusal.help.is_some());
        (refusal.what, refusal.cause.unwrap())
    };
    let (what, cause) = changed(&|tree| tree.files[1].bytes.push(b'\n'));
    assert_eq!(what, "db/atlas.sum does not fit its directory");
    assert_eq!(cause, "2_b.sql is not the file that the sum was taken of");
    let (_, cause) = changed(&|tree| drop(tree.files.remove(1)));
    assert_eq!(cause, "2_b.sql is in the sum and not in the directory, or not in its place");
    let (_, cause) = changed(&|tree| drop(tree.files.remove(3)));
    assert_eq!(cause, "4_c.sql is in the sum and not in the directory");
    for name in ["2_ba.sql", "9.sql", "0.sql"] {
        let (_, cause) = changed(&|tree| tree.files.push(File { path: name.into(), bytes: vec![] }));
        assert_eq!(cause, format!("{name} came after the sum was written"));
    }
    let (what, _) = changed(&|tree| tree.files.retain(|file| file.path != "atlas.sum"));
    assert_eq!(what, "there is no db/atlas.sum");
    let first = |tree: &mut Tree| {
        let sum = tree.files.iter_mut().find(|file| file.path == "atlas.sum").unwrap();
        let text = String::from_utf8(sum.bytes.clone()).unwrap();
        sum.bytes = text.replacen("h1:p", "h1:q", 1).into_bytes();
    };
    assert_eq!(changed(&first).1, "the files are as they were, and the first line is not");
    let empty = changed(&|tree| {
        let sum = tree.files.iter_mut().find(|file| file.path == "atlas.sum").unwrap();
        sum.bytes.clear();
    });
    assert_eq!(empty.1, "1_a.sql came after the sum was written");
}

#[test]
fn a_half_of_a_file_is_shown_at_its_place() {
    let bundle = read(&tree("goose/migrations"), None).unwrap();
    let [table, index, function] = bundle.migrations.as_slice() else { panic!("{bundle:?}") };
    let down = table.down.as_ref().unwrap();
    assert_eq!(down.path, "db/00001_create_a.sql");
    assert_eq!(down.text.lines().nth(4), Some("DROP TABLE a;"));
    assert!(!down.text.contains("CREATE") && !table.up.text.contains("DROP"));
    assert!(index.no_transaction && index.down.as_ref().unwrap().no_transaction && !table.no_transaction);
    assert!(function.up.text.contains("RETURN 1; END; $$;\n-- +goose StatementEnd"));
    assert_eq!(
        (function.description.as_str(), &function.checksum),
        ("function", &Checksum::Sha256(function.up.sha256.clone()))
    );

    let bundle = read(&tree("dbmate/migrations"), None).unwrap();
    let down = bundle.migrations[1].down.as_ref().unwrap();
    assert!(bundle.migrations[1].no_transaction && down.no_transaction);
    assert_eq!(down.text.lines().nth(4), Some("DROP INDEX CONCURRENTLY ia;"));
    assert_eq!(bundle.migrations[0].description, "create a");
}

#[test]
fn a_statement_that_goose_ends_is_ended() {
    let text = "-- +goose Up\n-- +goose StatementBegin\nSELECT 'é'\n-- +goose StatementEnd\nSELECT 2;\n-- +goose Down\n";
    let bundle = read(&with(&[("1_a.sql", text)]), None).unwrap();
    let up = &bundle.migrations[0].up.text;
    assert_eq!(up.len(), text.len());
    assert_eq!(up.lines().nth(3).unwrap().trim_end(), ";");
    assert!(bundle.migrations[0].down.is_none(), "an empty way back is none");
}

#[test]
fn files_that_their_tool_would_not_take_are_refused_with_the_line() {
    for (text, code, what, line) in [
        (
            "-- +goose Up\n-- +goose ENVSUB ON\n",
            Code::ToolDirective,
            "asks for ENVSUB ON, which is not followed",
            2,
        ),
        (
            "-- +goose Up\n-- +goose Sideways\n",
            Code::ToolDirective,
            "asks for Sideways, which is not followed",
            2,
        ),
        (
            "-- +goose Down\n-- +goose Up\n",
            Code::ToolFile,
            "has the parts in the wrong order, or one of them twice",
            1,
        ),
        (
            "-- +goose Up\nx;\n-- +goose Up\n",
            Code::ToolFile,
            "has the parts in the wrong order, or one of them twice",
            3,
        ),
        ("SELECT 1;\n-- +goose Up\n", Code::ToolFile, "has a statement before -- +goose Up", 1),
        (
            "-- +goose Up\n-- +goose StatementBegin\n",
            Code::ToolFile,
            "begins a statement that is not ended",
            2,
        ),
        ("-- +goose Up\n-- +goose StatementEnd\n", Code::ToolFile, "ends a statement that is not begun", 2),
        (
            "-- +goose Up\n-- +goose StatementBegin\n-- +goose Down\n",
            Code::ToolFile,
            "has a directive inside of a statement",
            3,
        ),
        (
            "-- migrate:up x:y\n-- migrate:down\n",
            Code::ToolDirective,
            "has the option x:y, which is not followed",
            1,
        ),
        (
            "SELECT 1;\n-- migrate:up\n-- migrate:down\n",
            Code::ToolFile,
            "has a statement before -- migrate:up",
            1,
        ),
        (
            "-- migrate:down\n-- migrate:up\n",
            Code::ToolFile,
            "has migrate:down in the wrong place, or twice",
            1,
        ),
    ] {
        let refusal = refusal(&with(&[("1_a.sql", text)]), None);
        assert_eq!((refusal.code, refusal.what), (code, format!("db/1_a.sql {what}")), "{text}");
        assert_eq!(refusal.place.unwrap().at.line, line, "{text}");
        assert!(refusal.help.is_some());
    }
    let late = refusal(&tree("dbmate/migrations_without_down"), None);
    assert_eq!(late.what, "db/20231231000000_late_no_down.sql has no line -- migrate:down");
    let without = refusal(&with(&[("1_a.sql", "SELECT 1;")]), Some("goose"));
    assert_eq!(without.what, "db/1_a.sql has no line -- +goose Up");
    let go = with(&[("1_a.sql", "-- +goose Up\nSELECT 1;"), ("2_b.go", "package x")]);
    assert_eq!(refusal(&go, None).code, Code::ToolNotRead);
    for (format, names) in [("goose", ["1_a.sql", "01_b.sql"]), ("sqlx", ["1_a.sql", "1_b.up.sql"])] {
        let texts = names.map(|name| (name, "-- +goose Up\nSELECT 1;"));
        assert_eq!(refusal(&with(&texts), Some(format)).code, Code::DuplicateVersion);
    }
}

#[test]
fn drizzle_goes_by_its_journal() {
    let tree = tree("drizzle/drizzle");
    let bundle = read(&tree, None).unwrap();
    let tags: Vec<_> = bundle.migrations.iter().map(|m| m.description.as_str()).collect();
    assert_eq!(tags, ["0000_init", "0001_add_age", "0002_crlf_unicode"]);
    assert!(notes(&bundle).is_empty());
    let journal =
        |entries: &str| format!(r#"{{"version":"7","dialect":"postgresql","entries":[{entries}]}}"#);
    let entry =
        |when: i64, tag: &str| format!(r#"{{"idx":0,"when":{when},"tag":"{tag}","breakpoints":true}}"#);
    let late = journal(&format!("{},{}", entry(300, "0000_a"), entry(200, "0001_b")));
    let files = |journal: &str| {
        with(&[
            ("meta/_journal.json", journal),
            ("0000_a.sql", "SELECT 1\n--> statement-breakpoint\nSELECT 2;--> statement-breakpoint\nSELECT 3"),
            ("0001_b.sql", "SELECT 4"),
        ])
    };
    let tree = files(&late);
    let bundle = read(&tree, None).unwrap();
    assert_eq!(keys(&bundle), ["300", "200"], "in the journal's order");
    assert_eq!(notes(&bundle).len(), 1);
    let up = &bundle.migrations[0].up.text;
    assert_eq!(
        up.lines().map(str::trim_end).collect::<Vec<_>>(),
        ["SELECT 1", ";", "SELECT 2;--> statement-breakpoint", "SELECT 3"]
    );
    let one = read(&files(&journal(&entry(1, "0000_a"))), None).unwrap();
    assert_eq!(
        one.skipped,
        [("db/0001_b.sql".into(), "db/meta/_journal.json does not name it, so Drizzle never runs it".into())]
    );
    for (journal, code) in [
        (journal(&entry(1, "0009_gone")), Code::ToolFile),
        ("{".to_owned(), Code::ToolFile),
        (journal(&format!("{},{}", entry(1, "0000_a"), entry(1, "0001_b"))), Code::DuplicateVersion),
    ] {
        assert_eq!(refusal(&files(&journal), None).code, code, "{journal}");
    }
}

#[test]
fn sqlx_is_read_where_somebody_says_so() {
    let mut tree = tree("sqlx/migrations");
    tree.files.retain(|file| file.path.ends_with(".sql"));
    let bundle = read(&tree, Some("sqlx")).unwrap();
    let recorded: Vec<_> = rows("sqlx/_sqlx_migrations.csv")
        .into_iter()
        .map(|r| (r[0].clone(), r[1].clone(), r[3].clone()))
        .collect();
    let read_: Vec<_> = bundle
        .migrations
        .iter()
        .map(|m| (m.key(), m.description.clone(), m.checksum.to_string().replace("sha384:", "")))
        .collect();
    assert_eq!(read_, recorded);
    let outside: Vec<_> = bundle.migrations.iter().filter(|m| m.no_transaction).map(Migration::key).collect();
    assert_eq!(outside, ["5"]);
    assert!(bundle.migrations[4].down.is_some());
    tree.files.retain(|file| !file.path.contains(".up.") && !file.path.contains(".down."));
    let hint = refusal(&tree, None);
    assert!(
        hint.notes.iter().any(|note| note.ends_with("name the tool that it is for: --format sqlx")),
        "{hint:?}"
    );
}

#[test]
fn texts_decide_only_where_numbers_would_not_do_the_same() {
    let up = "-- migrate:up\nSELECT 1;\n-- migrate:down\n";
    for (names, order, said) in [
        (&["20240101_a.sql", "20240102_b.sql"][..], &["20240101", "20240102"][..], false),
        (&["10_a.sql", "9_b.sql"], &["10", "9"], true),
        (&["1_a.sql", "10_b.sql", "2_c.sql"], &["10", "1", "2"], true),
    ] {
        let files: Vec<_> = names.iter().map(|name| (*name, up)).collect();
        let tree = with(&files);
        let bundle = read(&tree, None).unwrap();
        assert_eq!(keys(&bundle), order, "by the names of the files");
        let as_numbers = bundle.migrations[0].version == cofferdam_core::bundle::Version::parse(order[0]);
        assert_eq!((as_numbers, notes(&bundle).is_empty()), (!said, !said), "{names:?}");
    }
}

#[test]
fn two_tools_in_one_directory_are_asked_about() {
    let both = with(&[("1_a.sql", "-- +goose Up\n"), ("2_b.sql", "-- migrate:up\n-- migrate:down\n")]);
    assert!(refusal(&both, None).what.contains("more than one format: dbmate and goose"));
    let sum = with(&[("V1__a.sql", ""), ("atlas.sum", "h1:x")]);
    assert!(refusal(&sum, None).what.contains("more than one format: atlas and flyway"));
    assert_eq!(read(&named(&["1_a.up.sql"]), Some("golang-migrate")).unwrap().format, "plain");
    // A mark inside of a script of another format decides nothing.
    assert_eq!(read(&with(&[("V1__a.sql", "-- +goose Up\nSELECT 1;")]), None).unwrap().format, "flyway");
    assert!(!text("goose/late/00004_late.sql").contains("Down"));
}
