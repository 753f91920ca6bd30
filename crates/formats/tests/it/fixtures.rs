//! Files for the tests: from the fixtures, and made up.

use std::path::{Path, PathBuf};

use cofferdam_formats::{File, Tree};

/// A path under `tests/fixtures/formats`.
pub(crate) fn path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/formats").join(relative)
}

pub(crate) fn text(relative: &str) -> String {
    std::fs::read_to_string(path(relative)).unwrap()
}

/// A directory of the fixtures, with the root `db`.
pub(crate) fn tree(relative: &str) -> Tree {
    let mut files = Vec::new();
    collect(&path(relative), "", &mut files);
    assert!(!files.is_empty(), "{relative}");
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Tree { root: "db".into(), files }
}

fn collect(directory: &Path, prefix: &str, files: &mut Vec<File>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            collect(&entry.path(), &format!("{path}/"), files);
        } else {
            files.push(File { path, bytes: std::fs::read(entry.path()).unwrap() });
        }
    }
}

/// A directory with these files, each with a text of its own.
pub(crate) fn named(paths: &[&str]) -> Tree {
    with(&paths.iter().map(|path| (*path, format!("SELECT '{path}';\n"))).collect::<Vec<_>>())
}

/// A directory with these files and texts.
pub(crate) fn with(files: &[(&str, impl AsRef<[u8]>)]) -> Tree {
    let file =
        |(path, text): &(&str, _)| File { path: (*path).into(), bytes: AsRef::<[u8]>::as_ref(text).to_vec() };
    let mut files: Vec<_> = files.iter().map(file).collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Tree { root: "db".into(), files }
}

/// The rows of a CSV file of the fixtures, without its head. No field there holds a comma.
pub(crate) fn rows(relative: &str) -> Vec<Vec<String>> {
    text(relative).lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect()
}
