//! The tables of siblings hold every file of their folder.

use std::path::Path;

use cofferdam_formats::{FORMATS, HISTORIES, Tree, read};

/// The names of the Rust files in a folder of `src`, without `mod`.
fn modules(folder: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(folder);
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .filter_map(|entry| Some(entry.unwrap().file_name().to_str()?.strip_suffix(".rs")?.to_owned()))
        .filter(|name| name != "mod")
        .collect();
    names.sort();
    names
}

#[test]
fn every_format_and_every_history_is_listed() {
    assert_eq!(FORMATS.iter().map(|format| format.id).collect::<Vec<_>>(), modules("format"));
    assert_eq!(
        HISTORIES.iter().map(|history| history.id.replace('-', "_")).collect::<Vec<_>>(),
        modules("history")
    );
}

#[test]
fn histories_find_a_row_by_columns_that_they_have() {
    for history in HISTORIES {
        for key in history.key {
            assert!(history.columns.iter().any(|column| column.name == *key), "{} {key}", history.id);
        }
    }
}

#[test]
fn the_files_of_a_new_migration_are_read_by_their_own_format() {
    for format in FORMATS {
        let Some(name_new) = format.name_new else {
            assert!(["atlas", "drizzle"].contains(&format.id), "{}", format.id);
            continue;
        };
        for (version, description, kept) in [
            ("1", "add users", "add users"),
            ("20260131120000", "Größe: a/b\\c", "Größe a b c"),
            ("007", "  v1.2-final__x ", "v1.2-final x"),
            ("2", "../../etc", ".. .. etc"),
            ("3", "", "migration"),
        ] {
            let new = name_new(version, description);
            let names: Vec<_> =
                [Some(new.up), new.down.clone(), new.check.clone()].into_iter().flatten().collect();
            assert!(names.iter().all(|name| !name.contains(['/', '\\'])), "{names:?}");
            let files: Vec<_> =
                names.iter().map(|name| (name.as_str(), format!("{}SELECT 1;\n", new.text))).collect();
            let tree = crate::fixtures::with(&files);
            let detected = (format.id == "sqlx").then_some("sqlx");
            let bundle = read(&tree, detected).unwrap();
            let migration = &bundle.migrations[0];
            assert_eq!(bundle.format, format.id);
            assert_eq!(migration.version.as_ref().unwrap().text, version);
            assert_eq!(migration.description, kept);
            assert_eq!(migration.down.is_some(), new.down.is_some() || !new.text.is_empty());
            assert_eq!(migration.check.is_some(), new.check.is_some());
            assert!(bundle.skipped.is_empty());
        }
    }
}

#[test]
fn an_empty_tree_is_an_error_in_every_format() {
    for format in FORMATS.iter().map(|format| Some(format.id)).chain([None]) {
        let refusal = read(&Tree::default(), format).unwrap_err();
        let expected = match format {
            Some("drizzle") => cofferdam_core::Code::ToolFile,
            _ => cofferdam_core::Code::EmptyDirectory,
        };
        assert_eq!(refusal.code, expected, "{format:?}");
    }
}
