use cofferdam_core::{Code, Severity};

use super::*;

/// A directory with these files; removed with the value.
struct Directory(PathBuf);

impl Directory {
    fn new(files: &[(&str, &str)]) -> Self {
        let path = std::env::temp_dir().join(format!("cofferdam-lint-{}", uuid::Uuid::now_v7()));
        for (name, text) in files {
            crate::files::create(&path.join(name), text).unwrap();
        }
        Self(path)
    }

    fn read(&self) -> Sources {
        Sources::read(std::slice::from_ref(&self.0), &Settings::default()).unwrap()
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.join(name)).unwrap()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const TABLE: &str = "CREATE TABLE users (id bigint PRIMARY KEY);\n";
const INDEX: &str = "ALTER TABLE users ADD COLUMN plan text;\nCREATE INDEX ix_users_plan ON users (plan);\n";

#[test]
fn a_directory_and_a_file_are_read() {
    let directory = Directory::new(&[("V1__users.sql", TABLE), ("V2__plan.sql", INDEX)]);
    let sources = directory.read();
    assert_eq!(sources.texts().len(), 2);
    assert!(!sources.findings(&[], &[]).unwrap().is_empty());
    let file = Sources::read(&[directory.0.join("V2__plan.sql")], &Settings::default()).unwrap();
    assert_eq!(file.texts().len(), 1);
}

#[test]
fn without_a_database_tables_of_earlier_files_are_not_taken_for_new() {
    let directory = Directory::new(&[("V1__users.sql", TABLE), ("V2__plan.sql", INDEX)]);
    let found = directory.read().findings(&[], &[]).unwrap();
    assert!(
        found.iter().any(|f| f.path.ends_with("V2__plan.sql") && f.severity >= Severity::Warning),
        "{found:?}"
    );
}

#[test]
fn a_fix_moves_statements_to_a_file_between() {
    let directory =
        Directory::new(&[("V1__users.sql", TABLE), ("V2__plan.sql", INDEX), ("V3__x.sql", TABLE)]);
    let mut sources = directory.read();
    let found = sources.findings(&[], &[]).unwrap();
    let said = fixing::fix(&mut sources, &found).unwrap();
    assert_eq!(said.len(), 2, "{said:?}");
    let moved = directory.text("V2.1__plan_concurrently.sql");
    assert!(moved.starts_with("-- cofferdam:transaction none\n"), "{moved}");
    assert!(moved.contains("CREATE INDEX CONCURRENTLY"), "{moved}");
    assert!(!directory.text("V2__plan.sql").contains("CREATE INDEX"));
    // What was written reads as a directory again, in this order, and has nothing left to fix.
    let again = directory.read();
    let left = again.findings(&[], &[]).unwrap();
    assert_eq!(again.texts().len(), 4);
    assert!(!left.iter().any(|f| f.rule == found[0].rule && f.path.contains("V2")), "{left:?}");
}

#[test]
fn where_there_is_no_room_nothing_is_written() {
    let directory =
        Directory::new(&[("001_users.up.sql", TABLE), ("002_plan.up.sql", INDEX), ("003_x.up.sql", TABLE)]);
    let mut sources = directory.read();
    let found = sources.findings(&[], &[]).unwrap();
    let said = fixing::fix(&mut sources, &found).unwrap();
    assert!(said.iter().any(|line| line.contains("not rewritten")), "{said:?}");
    assert_eq!(directory.text("002_plan.up.sql"), INDEX);
}

#[test]
fn a_file_that_holds_its_way_back_too_is_never_written_over() {
    // The index alone is rewritten in place, but what was read of this file is only its upper half.
    let both = format!("-- +goose Up\n{INDEX}-- +goose Down\nDROP INDEX ix_users_plan;\n");
    let up = format!("-- +goose Up\n{TABLE}");
    let directory = Directory::new(&[("1_users.sql", &up), ("2_plan.sql", &both)]);
    let mut sources = directory.read();
    let found = sources.findings(&[], &[]).unwrap();
    let said = fixing::fix(&mut sources, &found).unwrap();
    let why = "2_plan.sql: it holds more than this script";
    assert!(said.iter().any(|line| line.starts_with("not rewritten: ") && line.ends_with(why)), "{said:?}");
    assert_eq!(directory.text("2_plan.sql"), both);
}

#[test]
fn a_folder_of_several_directories_is_each_of_them() {
    let goose = format!("-- +goose Up\n{INDEX}");
    let config = "name: api\nversion: 1\n";
    let script = "migrations/projects/api/versions/v1.0.0/new-install";
    let install = |file: &str| format!("four/{script}/postgresql/schema/{file}");
    let (first, check) = (install("V1.0.0.001__a.sql"), install("C1.0.0.002__b.sql"));
    let other = format!("four/{script}/mysql/schema/V1.0.0.001__a.sql");
    let directory = Directory::new(&[
        ("README.md", "text"),
        ("one/V1__users.sql", TABLE),
        ("two/db/V1__users.sql", TABLE),
        ("two/db/V2__plan.sql", INDEX),
        ("three/1_plan.sql", &goose),
        ("four/migrations/projects/api/project-config.yaml", config),
        (&first, INDEX),
        (&check, "SELECT 1 WHERE false;"),
        (&other, TABLE),
    ]);
    let read = |settings: &Settings| Sources::read(std::slice::from_ref(&directory.0), settings);
    let sources = read(&Settings::default()).unwrap();
    let root = directory.0.display().to_string();
    let texts = sources.texts();
    let paths: Vec<&str> = texts.keys().map(|path| &path[root.len() + 1..]).collect();
    let expected =
        [&first, "one/V1__users.sql", "three/1_plan.sql", "two/db/V1__users.sql", "two/db/V2__plan.sql"];
    assert_eq!(paths, expected);
    let notes = sources.notes.join("\n");
    assert!(notes.contains("is read as 4 directories of migrations"), "{notes}");
    assert!(
        notes.contains("v1.0.0/new-install/mysql is for mysql") || notes.contains("verify --project api"),
        "{notes}"
    );
    // The directory that apply reads is one, and is refused as apply refuses it.
    let settings = Settings { dir: directory.0.clone(), ..Settings::default() };
    assert_eq!(read(&settings).err().unwrap().refusal().unwrap().code, Code::UnknownFormat);
}

#[test]
fn what_cannot_be_read_is_refused_and_not_passed_over() {
    for (files, code) in [
        (&["one/V1__a.sql", "one/sub/V1__b.sql", "two/V1__a.sql"][..], Code::DuplicateVersion),
        (&["one/V1__a.sql", "two/V1__a.sql", "three/notes.sql"], Code::UnknownFormat),
        (&["V1__a.sql", "one/V1__a.sql"], Code::DuplicateVersion),
        (&["one/notes.txt"], Code::EmptyDirectory),
    ] {
        let files: Vec<(&str, &str)> = files.iter().map(|file| (*file, TABLE)).collect();
        let directory = Directory::new(&files);
        let refused = Sources::read(std::slice::from_ref(&directory.0), &Settings::default()).err().unwrap();
        assert_eq!(refused.refusal().unwrap().code, code, "{files:?}");
    }
}
