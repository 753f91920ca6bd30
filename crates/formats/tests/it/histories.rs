//! The histories of tools: what their tables held after real runs, and what is written into them.

use cofferdam_core::history::{Applied, AppliedKind, How, RollbackBundle};
use cofferdam_core::{Bundle, Checksum, Code, Name};
use cofferdam_formats::history::{
    Cells, Context, Held, HistoryCodec, Place, Write, atlas, dbmate, drizzle, flyway, golang_migrate, goose,
    sqlx,
};
use cofferdam_formats::tables::{self, Table, Tool};
use cofferdam_formats::{HISTORIES, Options, State, read, standing, unfinished};

use crate::fixtures::{named, text, tree};

/// The rows of a CSV file as cells of this codec: columns that the file does not have are NULL, times that of nobody.
fn cells(codec: &HistoryCodec, file: &str) -> Vec<Cells> {
    let text = text(file);
    let mut lines = text.lines();
    let head = fields(lines.next().unwrap());
    let at = |name: &str| {
        let name = if name == "checksum" && codec.id == "sqlx" { "checksum_hex" } else { name };
        head.iter().position(|column| column.as_deref() == Some(name))
    };
    lines
        .map(fields)
        .map(|row| {
            let cell = |name: &str| match at(name) {
                Some(at) if codec.id == "sqlx" && name == "checksum" => {
                    Some(format!("\\x{}", row[at].clone().unwrap()))
                }
                Some(at) => row[at].clone(),
                None if name.ends_with("time") => Some("0".into()),
                None => None,
            };
            codec.columns.iter().map(|column| cell(column.name)).collect()
        })
        .collect()
}

/// The fields of a line: `,` divides, `""` in quotes is one quote, an empty field without quotes is NULL.
fn fields(line: &str) -> Vec<Option<String>> {
    let (mut fields, mut field, mut quoted, mut was) = (Vec::new(), String::new(), false, false);
    let mut characters = line.chars().chain([',']).peekable();
    while let Some(c) = characters.next() {
        match c {
            '"' if quoted && characters.peek() == Some(&'"') => field.push(characters.next().unwrap()),
            '"' => (quoted, was) = (!quoted, true),
            ',' if !quoted => {
                fields.push((was || !field.is_empty()).then(|| std::mem::take(&mut field)));
                was = false;
            }
            c => field.push(c),
        }
    }
    fields
}

fn history(codec: &HistoryCodec, file: &str, bundle: &Bundle) -> cofferdam_formats::history::History {
    (codec.read)(&cells(codec, file), bundle).unwrap()
}

fn keys(applied: &[Applied]) -> Vec<&str> {
    applied.iter().filter(|a| a.in_force()).map(|a| a.key.as_str()).collect()
}

fn nothing() -> Bundle {
    Bundle { format: "", migrations: vec![], skipped: vec![] }
}

/// Nothing pending, nothing wrong.
fn agrees(bundle: &Bundle, applied: &[Applied]) {
    let standing = standing(bundle, applied, &Options::default());
    assert!(standing.problems.is_empty() && standing.pending.is_empty(), "{standing:?}");
}

#[test]
fn what_each_tool_recorded_agrees_with_its_directory() {
    let bundle = read(&crate::flyway::readable(), None).unwrap();
    let all = history(&flyway::CODEC, "flyway/history_migrate.csv", &bundle);
    assert_eq!((all.applied.len(), all.unfinished.len()), (27, 0));
    agrees(&bundle, &all.applied);

    let bundle = read(&tree("atlas/migrations"), None).unwrap();
    let all = history(&atlas::CODEC, "atlas/revisions_apply.csv", &bundle);
    assert_eq!(all.applied.len(), 14);
    agrees(&bundle, &all.applied);

    let bundle = read(&tree("drizzle/drizzle"), None).unwrap();
    let all = history(&drizzle::CODEC, "drizzle/__drizzle_migrations.csv", &bundle);
    assert_eq!(all.applied[2].description, "0002_crlf_unicode");
    agrees(&bundle, &all.applied);

    let bundle = read(&tree("dbmate/migrations"), None).unwrap();
    agrees(&bundle, &history(&dbmate::CODEC, "dbmate/schema_migrations.csv", &bundle).applied);

    let mut files = tree("sqlx/migrations");
    files.files.retain(|file| file.path.ends_with(".sql"));
    let bundle = read(&files, Some("sqlx")).unwrap();
    agrees(&bundle, &history(&sqlx::CODEC, "sqlx/_sqlx_migrations.csv", &bundle).applied);

    let bundle = read(&tree("golang-migrate/migrations"), None).unwrap();
    let all = history(&golang_migrate::CODEC, "golang-migrate/schema_migrations_clean.csv", &bundle);
    assert_eq!(keys(&all.applied), ["1", "2", "10", "20240101000000"]);
    agrees(&bundle, &all.applied);
}

#[test]
fn goose_after_one_down_has_one_pending() {
    let bundle = read(&tree("goose/migrations"), None).unwrap();
    let all = history(&goose::CODEC, "goose/goose_db_version_after_one_down.csv", &bundle);
    assert_eq!(keys(&all.applied), ["00001", "00002"], "and not version 0");
    let standing = standing(&bundle, &all.applied, &Options::default());
    assert_eq!((standing.pending.as_slice(), standing.problems.len()), (&[2][..], 0));
    let row = |id: &str, version: &str, applied: &str| {
        [id, version, applied, "2026-01-31 12:00:00.5"]
            .iter()
            .map(|c| Some((*c).to_owned()))
            .collect::<Cells>()
    };
    let older = [row("3", "2", "f"), row("2", "2", "t"), row("1", "1", "t"), row("5", "2", "t")];
    let read = (goose::CODEC.read)(&older, &bundle).unwrap().applied;
    assert_eq!(keys(&read), ["00001", "00002"], "the last row counts");
    assert_eq!(read[0].at, "2026-01-31T12:00:00.5Z");
}

#[test]
fn flyway_after_repair_and_out_of_order() {
    let all = history(&flyway::CODEC, "flyway/history_after_repair_and_out_of_order.csv", &nothing()).applied;
    assert_eq!(all.len(), 28);
    let five = all.iter().find(|a| a.key == "5").unwrap();
    assert!(five.undone_at.is_some(), "a row of type DELETE takes it back");
    assert_eq!(all.iter().filter(|a| a.undone_at.is_some()).count(), 1);
    let late = all.last().unwrap();
    assert_eq!(
        (late.key.as_str(), late.rank, &late.checksum),
        ("1.11", 29, &Some(Checksum::FlywayCrc32(-690_524_359)))
    );
    assert_eq!(late.by, "postgres");

    let command = history(&flyway::CODEC, "flyway/history_baseline_command.csv", &nothing()).applied;
    assert_eq!((command[0].kind, command[0].checksum.clone()), (AppliedKind::Baseline, None));
    let bundle = read(&tree("flyway/scenarios/baseline_command"), None).unwrap();
    agrees(&bundle, &command);
    let migration = history(&flyway::CODEC, "flyway/history_baseline_migration.csv", &nothing()).applied;
    assert_eq!((migration[0].kind, migration[1].kind), (AppliedKind::Baseline, AppliedKind::Versioned));
}

#[test]
fn atlas_after_a_baseline() {
    let all = history(&atlas::CODEC, "atlas/revisions_baseline.csv", &nothing()).applied;
    assert_eq!((all[0].kind, &all[0].checksum), (AppliedKind::Baseline, &None));
    assert_eq!(keys(&all), ["1", "2"]);
    let mut cloud = cells(&atlas::CODEC, "atlas/revisions_baseline.csv");
    cloud[0][0] = Some(".atlas_cloud_identifier".into());
    assert_eq!(keys(&(atlas::CODEC.read)(&cloud, &nothing()).unwrap().applied), ["2"]);
}

#[test]
fn what_was_left_unfinished_is_never_taken_for_applied() {
    let bundle = read(&tree("flyway/scenarios/error_outside_transaction"), None).unwrap();
    let all = history(&flyway::CODEC, "flyway/history_failed.csv", &bundle);
    assert_eq!((keys(&all.applied), all.unfinished[0].key.as_str()), (vec!["1"], "2"));
    let said = unfinished(&flyway::CODEC, &all.unfinished[0], &bundle);
    assert_eq!(
        (said.code, said.what.as_str()),
        (Code::Unfinished, "version 2 is marked as failed in flyway_schema_history of flyway")
    );
    assert!(said.help.unwrap().ends_with("then: flyway repair"));

    let bundle = read(&tree("golang-migrate/migrations"), None).unwrap();
    let all = history(&golang_migrate::CODEC, "golang-migrate/schema_migrations_dirty.csv", &bundle);
    assert_eq!((keys(&all.applied), &all.unfinished[0].how), (vec!["1", "2"], &How::Dirty));
    let said = unfinished(&golang_migrate::CODEC, &all.unfinished[0], &bundle);
    assert_eq!(said.help.as_deref(), Some("if nothing of version 10 is there: migrate force 2"));
    assert_eq!(said.notes, ["if all of version 10 is there: migrate force 10"]);

    let tree = tree("atlas/scenarios/error_in_file");
    let bundle = read(&tree, None).unwrap();
    let all = history(&atlas::CODEC, "atlas/revisions_partial.csv", &bundle);
    assert_eq!(keys(&all.applied), ["1"]);
    let How::Partial { applied, total, statement, hashes, .. } = &all.unfinished[0].how else { panic!() };
    assert_eq!((*applied, *total, statement.as_str(), hashes.len()), (1, 3, "SELECT 1/0;", 1));
    let said = unfinished(&atlas::CODEC, &all.unfinished[0], &bundle);
    assert_eq!(
        said.notes,
        ["the first 1 statements of the file are those that are there"],
        "by Atlas' own hashes"
    );
    let mut edited = tree.clone();
    let file = edited.files.iter_mut().find(|file| file.path == "2_b.sql").unwrap();
    file.bytes = b"CREATE TABLE bb(id int);\nSELECT 1;\nSELECT 2;\n".to_vec();
    edited.files.retain(|file| file.path != "atlas.sum");
    let files: Vec<_> = edited.files.iter().collect();
    let sum = cofferdam_formats::format::atlas::sum::text(
        &files,
        &cofferdam_formats::format::atlas::sum::sums(&files),
    );
    edited.files.push(cofferdam_formats::File { path: "atlas.sum".into(), bytes: sum.into_bytes() });
    let said = unfinished(&atlas::CODEC, &all.unfinished[0], &read(&edited, None).unwrap());
    assert_eq!(said.notes, ["what is there is not what the file begins with: it was changed"]);

    let mut rows = cells(&sqlx::CODEC, "sqlx/_sqlx_migrations.csv");
    rows[1][3] = Some("f".into());
    let all = (sqlx::CODEC.read)(&rows, &nothing()).unwrap();
    assert_eq!((all.applied.len(), all.unfinished[0].key.as_str()), (5, "2"));
}

/// A row of a run, whatever the codec.
pub(crate) fn applied(version: &str, kind: AppliedKind, checksum: Option<Checksum>) -> Applied {
    Applied {
        rank: 99,
        key: version.into(),
        version: Some(version.into()),
        description: "b".into(),
        kind,
        checksum,
        at: "2026-01-31T12:00:00.5Z".into(),
        by: "deploy".into(),
        ms: 12,
        run: None,
        bundle: RollbackBundle::default(),
        undone_at: None,
    }
}

/// The writes in one line each.
fn shown(writes: &[Write]) -> Vec<String> {
    let cells =
        |cells: &Cells| cells.iter().map(|c| c.as_deref().unwrap_or("-")).collect::<Vec<_>>().join("|");
    let one = |write: &Write| match write {
        Write::Insert(row) => format!("+ {}", cells(row)),
        Write::Update { key, set } => {
            let set: Vec<_> =
                set.iter().map(|(c, v)| format!("{c}={}", v.as_deref().unwrap_or("-"))).collect();
            format!("{} > {}", cells(key), set.join(" "))
        }
        Write::Delete { key } => format!("- {}", cells(key)),
    };
    writes.iter().map(one).collect()
}

#[test]
fn flyway_gets_the_rows_that_it_writes_itself() {
    let bundle = read(&crate::flyway::readable(), None).unwrap();
    let recorded = cells(&flyway::CODEC, "flyway/history_migrate.csv");
    let mut rows: Vec<Cells> = Vec::new();
    for (applied, recorded) in (flyway::CODEC.read)(&recorded, &bundle).unwrap().applied.iter().zip(&recorded)
    {
        let context = Context { rows: &rows, bundle: &bundle, root: "db/" };
        let [Write::Insert(row)] = &(flyway::CODEC.applied)(applied, &context).unwrap()[..] else { panic!() };
        assert_eq!(row[..7], recorded[..7], "all that does not depend on the moment");
        assert_eq!(row[9].as_deref(), Some("true"));
        rows.push(row.clone());
    }
    let context = Context { rows: &rows, bundle: &bundle, root: "db" };
    // As it comes from another history, whose ranks are others.
    let ranked = |applied: Applied| Applied { rank: 3, ..applied };
    let six =
        (flyway::CODEC.read)(&rows, &bundle).unwrap().applied.into_iter().find(|a| a.key == "6").unwrap();
    assert_eq!(
        shown(&(flyway::CODEC.undone)(&ranked(six), &context).unwrap()),
        ["+ 28|6|in subdirectory|DELETE|sub/dir/V6__in_subdirectory.sql|-|postgres|-|0|true"]
    );
    let unheard = applied("99", AppliedKind::Versioned, None);
    assert!((flyway::CODEC.undone)(&unheard, &context).unwrap().is_empty());
    let base = applied("1.5", AppliedKind::Baseline, None);
    let none = Context::nothing();
    assert_eq!(
        shown(&(flyway::CODEC.applied)(&base, &none).unwrap()),
        ["+ 1|1.5|b|BASELINE|b|-|deploy|-|0|true"]
    );
    // One that a file made, beside the version that it stands in place of.
    let begun = read(&tree("flyway/scenarios/baseline_migration"), None).unwrap();
    let recorded = cells(&flyway::CODEC, "flyway/history_baseline_migration.csv");
    let mut rows: Vec<Cells> = Vec::new();
    for (row, file) in recorded.iter().zip([2, 3]) {
        let migration = &begun.migrations[file];
        let one = Applied {
            description: migration.description.clone(),
            ..applied(&migration.key(), migration.kind.into(), Some(migration.checksum.clone()))
        };
        let context = Context { rows: &rows, bundle: &begun, root: "db" };
        let [Write::Insert(written)] = &(flyway::CODEC.applied)(&one, &context).unwrap()[..] else {
            panic!()
        };
        assert_eq!(written[..6], row[..6]);
        rows.push(written.clone());
    }
    let long = Applied { description: "ü".repeat(300), ..base };
    let cut = (flyway::CODEC.applied)(&long, &none).unwrap();
    assert!(shown(&cut)[0].contains(&format!("|{}...|BASELINE|", "ü".repeat(197))));
    let sha = applied("1", AppliedKind::Versioned, Some(Checksum::Sha256("ab".into())));
    assert_eq!((flyway::CODEC.applied)(&sha, &none).unwrap_err().code, Code::NotRecordable);
}

#[test]
fn atlas_gets_the_rows_that_it_writes_itself() {
    let bundle = read(&tree("atlas/migrations"), None).unwrap();
    let recorded = cells(&atlas::CODEC, "atlas/revisions_apply.csv");
    for (row, migration) in recorded.iter().zip(&bundle.migrations) {
        let applied = Applied {
            description: migration.description.clone(),
            ..applied(&migration.key(), AppliedKind::Versioned, Some(migration.checksum.clone()))
        };
        let context = Context { rows: &[], bundle: &bundle, root: "db" };
        let [Write::Insert(cells)] = &(atlas::CODEC.applied)(&applied, &context).unwrap()[..] else {
            panic!()
        };
        // All but when, how long, and who.
        assert_eq!((&cells[..5], &cells[7..11]), (&row[..5], &row[7..11]), "{row:?}");
        assert_eq!(
            (cells[5].as_deref(), cells[6].as_deref()),
            (Some("2026-01-31T12:00:00.5Z"), Some("12000000"))
        );
    }
    let base = applied("20240101000000", AppliedKind::Baseline, None);
    let row = shown(&(atlas::CODEC.applied)(&base, &Context::nothing()).unwrap());
    assert_eq!(row, ["+ 20240101000000|b|1|0|0|2026-01-31T12:00:00.5Z|12000000||||null|Cofferdam"]);
    let rows = Context { rows: &recorded, ..Context::nothing() };
    assert_eq!(shown(&(atlas::CODEC.undone)(&base, &rows).unwrap()), ["- 20240101000000"]);
    let unknown = applied("7", AppliedKind::Versioned, None);
    assert_eq!((atlas::CODEC.applied)(&unknown, &Context::nothing()).unwrap_err().code, Code::NotRecordable);
}

#[test]
fn golang_migrates_mark_moves_as_it_moves_it() {
    let bundle = read(&named(&["1_a.up.sql", "2_b.up.sql", "010_c.up.sql"]), None).unwrap();
    let at = |number: &str| vec![vec![Some(number.to_owned()), Some("f".to_owned())]];
    let moved = |write: fn(&Applied, &Context<'_>) -> cofferdam_formats::history::Writes,
                 rows: &[Cells],
                 version: &str| {
        let context = Context { rows, bundle: &bundle, root: "db" };
        shown(&write(&applied(version, AppliedKind::Versioned, None), &context).unwrap())
    };
    let codec = &golang_migrate::CODEC;
    assert_eq!(moved(codec.applied, &[], "1"), ["+ 1|false"]);
    assert_eq!(moved(codec.applied, &at("2"), "010"), ["2 > version=10 dirty=false"]);
    assert_eq!(moved(codec.applied, &at("10"), "2"), [""; 0], "one that came late");
    assert_eq!(moved(codec.undone, &at("10"), "010"), ["10 > version=2 dirty=false"]);
    assert_eq!(moved(codec.undone, &at("1"), "1"), ["- 1"]);
    assert_eq!(moved(codec.undone, &at("10"), "2"), [""; 0], "one below the mark");
    for version in ["1.5", "-3", "a"] {
        let refusal = (codec.applied)(&applied(version, AppliedKind::Versioned, None), &Context::nothing())
            .unwrap_err();
        assert_eq!(refusal.code, Code::NotRecordable, "{version}");
    }
    let read = |rows: &[Cells]| (codec.read)(rows, &bundle).unwrap();
    assert_eq!(keys(&read(&at("7")).applied), ["1", "2", "7"], "a version without a file");
    let dirty = read(&[vec![Some("-1".into()), Some("true".into())]]);
    assert_eq!((dirty.applied.len(), dirty.unfinished.len()), (0, 1));
}

#[test]
fn sets_get_a_row_and_lose_it() {
    let sha256 = Some(Checksum::Sha256("ab".into()));
    let sha384 = Some(Checksum::Sha384("cd".into()));
    for (codec, checksum, insert, delete) in [
        (&goose::CODEC, &sha256, "+ -|7|true|-", "- 7"),
        (&dbmate::CODEC, &sha256, "+ 007", "- 007"),
        (&drizzle::CODEC, &sha256, "+ -|ab|7", "- 7"),
        (&sqlx::CODEC, &sha384, "+ 7|b|-|true|\\xcd|12000000", "- 7"),
    ] {
        let row = applied("007", AppliedKind::Versioned, checksum.clone());
        assert_eq!(shown(&(codec.applied)(&row, &Context::nothing()).unwrap()), [insert], "{}", codec.id);
        let writes = (codec.applied)(&row, &Context::nothing()).unwrap();
        let [Write::Insert(there)] = writes.as_slice() else { panic!() };
        let mut there = there.clone();
        there.iter_mut().filter(|cell| cell.is_none()).for_each(|cell| *cell = Some("1".into()));
        let context = Context { rows: &[there], ..Context::nothing() };
        assert_eq!(shown(&(codec.undone)(&row, &context).unwrap()), [delete], "{}", codec.id);
        let none = (codec.undone)(&row, &Context::nothing()).unwrap();
        assert!(none.is_empty(), "what {} never heard of needs no taking back there", codec.id);
        let repeatable = Applied { version: None, ..row };
        let refusal = (codec.applied)(&repeatable, &Context::nothing()).unwrap_err();
        assert_eq!(refusal.code, Code::NotRecordable, "{}", codec.id);
    }
}

#[test]
fn a_baseline_of_a_set_is_a_row_for_each_version_below() {
    let bundle = read(&tree("dbmate/migrations"), None).unwrap();
    let context = Context { rows: &[], bundle: &bundle, root: "db" };
    let base = applied("20240101000001", AppliedKind::Baseline, None);
    let rows = shown(&(dbmate::CODEC.applied)(&base, &context).unwrap());
    assert_eq!(rows, ["+ 20240101000000", "+ 20240101000001"]);
    let bundle = read(&tree("drizzle/drizzle"), None).unwrap();
    let base = applied("1795228476280", AppliedKind::Baseline, None);
    let context = Context { rows: &[], bundle: &bundle, root: "db" };
    assert_eq!((drizzle::CODEC.applied)(&base, &context).unwrap().len(), 2);
}

#[test]
fn a_row_that_no_tool_writes_is_refused_by_its_column() {
    for (codec, file, at, value, column) in [
        (&flyway::CODEC, "flyway/history_migrate.csv", 3, Some("COFFERDAM"), "type"),
        (&flyway::CODEC, "flyway/history_migrate.csv", 5, Some("x"), "checksum"),
        (&flyway::CODEC, "flyway/history_migrate.csv", 9, None, "success"),
        (&atlas::CODEC, "atlas/revisions_apply.csv", 2, Some("8"), "type"),
        (&atlas::CODEC, "atlas/revisions_apply.csv", 3, Some("-1"), "applied"),
        (&goose::CODEC, "goose/goose_db_version_after_one_down.csv", 2, Some("maybe"), "is_applied"),
        (&sqlx::CODEC, "sqlx/_sqlx_migrations.csv", 4, Some("ab"), "checksum"),
        (&drizzle::CODEC, "drizzle/__drizzle_migrations.csv", 2, Some("soon"), "created_at"),
        (&golang_migrate::CODEC, "golang-migrate/schema_migrations_clean.csv", 1, None, "dirty"),
    ] {
        let mut rows = cells(codec, file);
        rows[0][at] = value.map(str::to_owned);
        let refusal = (codec.read)(&rows, &nothing()).unwrap_err();
        assert_eq!(refusal.code, Code::ToolHistory, "{}", codec.id);
        assert!(refusal.cause.unwrap().starts_with(&format!("column {column} is ")), "{}", codec.id);
    }
}

#[test]
fn locks_are_those_of_the_tools() {
    let place = Place { database: "app", schema: "public", table: "flyway_schema_history" };
    let lock = |codec: &HistoryCodec| (codec.lock)(&place);
    let flyway = lock(&flyway::CODEC).unwrap();
    assert_eq!((flyway.keys, flyway.held), (vec![77_433_833_903_597], Held::Transaction), "seen in pg_locks");
    assert_eq!(lock(&atlas::CODEC).unwrap().keys, [2_686_470_616]);
    // crc32("public\0schema_migrations\0app") and crc32("app"), by Python's zlib.
    let golang = Place { table: "schema_migrations", ..place };
    assert_eq!((golang_migrate::CODEC.lock)(&golang).unwrap().keys[1], 1_787_120_056);
    let seen = Place { database: "mil", ..golang };
    assert_eq!((golang_migrate::CODEC.lock)(&seen).unwrap().keys[0], 3_085_817_426, "seen in pg_locks");
    assert_eq!(lock(&sqlx::CODEC).unwrap().keys, [3_469_795_979_745_788_610]);
    let without: Vec<_> =
        HISTORIES.iter().filter(|codec| lock(codec).is_none()).map(|codec| codec.id).collect();
    assert_eq!(without, ["dbmate", "drizzle", "goose", "own"]);
    // On MySQL, by Python's zlib, and Java's hash of "`app`.`flyway_schema_history`"; tests/interop has the tools wait.
    let place = Place { schema: "app", ..place };
    let names = |codec: &HistoryCodec, table| {
        codec.mysql.map(|mysql| (mysql.locks)(&Place { table, ..place })).unwrap_or_default()
    };
    assert_eq!(names(&flyway::CODEC, "flyway_schema_history"), ["Flyway--320650056"]);
    assert_eq!(names(&golang_migrate::CODEC, "schema_migrations"), ["2938252834"]);
    assert_eq!(names(&atlas::CODEC, "atlas_schema_revisions"), ["atlas_migrate_execute"]);
}

#[test]
fn tables_are_told_apart_by_their_columns() {
    let table = |schema: &str, name: &str, columns: &[&str]| Table {
        schema: schema.into(),
        name: name.into(),
        columns: columns.iter().map(|column| (*column).to_owned()).collect(),
    };
    for codec in HISTORIES.iter().filter(|codec| codec.id != "own") {
        let mut columns: Vec<_> = codec.columns.iter().map(|column| column.name).collect();
        columns.push("our_note");
        let there = [table("s", codec.table, &columns)];
        let found = tables::found(&there);
        assert_eq!(found.iter().map(|found| found.tool.name()).collect::<Vec<_>>(), [codec.id]);
        assert!(tables::names().contains(&codec.table));
        columns.retain(|column| *column != codec.key[0]);
        assert!(tables::found(&[table("s", codec.table, &columns)]).is_empty(), "{}", codec.id);
    }
    let rails = [table("a", "schema_migrations", &["version"]), table("a", "ar_internal_metadata", &["key"])];
    assert!(matches!(
        tables::found(&rails)[..],
        [tables::Found { tool: Tool::Foreign("Rails", "version"), .. }]
    ));
    let two = [
        rails[0].clone(),
        table("b", "ar_internal_metadata", &["key"]),
        table("a", "alembic_version", &["version_num"]),
    ];
    let names: Vec<_> = tables::found(&two).iter().map(|found| found.tool.name()).collect();
    assert_eq!(names, ["dbmate", "Alembic"]);
    assert!(tables::found(&[table("cofferdam", "history", &["rank"])]).is_empty(), "our own is no tool's");
}

#[test]
fn tables_are_made_in_the_schema_that_is_asked_for() {
    for codec in HISTORIES.iter().filter(|codec| codec.id != "own") {
        let sql = (codec.create)(&Name::qualified("a\"b", codec.table)).unwrap();
        let table = format!("\"a\"\"b\".\"{}\"", codec.table);
        assert!(sql.iter().all(|statement| statement.contains(&table)), "{sql:?}");
        for column in codec.columns {
            assert!(sql[0].contains(column.name), "{} {}", codec.id, column.name);
        }
        assert!((codec.create)(&Name::plain("")).is_err());
    }
}

#[test]
fn a_state_is_none_of_an_unfinished_one() {
    // What is unfinished is neither applied nor may it look pending to somebody who forgets to ask: the caller
    // refuses first. Here it is pending, and the refusal is the caller's.
    let bundle = read(&tree("atlas/scenarios/error_in_file"), None).unwrap();
    let all = history(&atlas::CODEC, "atlas/revisions_partial.csv", &bundle);
    let states: Vec<_> =
        standing(&bundle, &all.applied, &Options::default()).rows.iter().map(|row| row.state).collect();
    assert_eq!(states, [State::Applied, State::Pending]);
    assert_eq!(all.unfinished.len(), 1);
}
