use cofferdam_core::Severity;

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
