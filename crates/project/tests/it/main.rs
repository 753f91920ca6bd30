//! The example of the repository, read, judged, travelled and extended; and each thing that can be wrong with it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod deploy;
mod files;
mod gate;
mod mongodb;
mod routes;
mod scaffold;
mod templates;

use std::path::{Path, PathBuf};

use cofferdam_formats::{File, Tree};
use cofferdam_project::{Project, Release};

const PROJECT: &str = "e-commerce-api";
const BELOW: &str = "projects/e-commerce-api";
const FROM: &str = "projects/e-commerce-api/versions/v1.1.0/upgrade/from-v1.0.0";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The migrations of the example, as `--dir migrations` delivers them.
fn example() -> Tree {
    let directory = root().join("examples/e-commerce-api/migrations");
    let mut files = Vec::new();
    walk(&directory, &directory, &mut files);
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Tree { root: "migrations".into(), files }
}

fn walk(root: &Path, directory: &Path, files: &mut Vec<File>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(root, &path, files);
        } else {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            files.push(File { path: name, bytes: std::fs::read(&path).unwrap() });
        }
    }
}

fn v(text: &str) -> Release {
    Release::parse(text).unwrap()
}

fn project(tree: &Tree) -> Project {
    Project::read(tree, PROJECT).unwrap()
}

fn put(tree: &mut Tree, path: &str, text: &str) {
    tree.files.retain(|file| file.path != path);
    tree.files.push(File { path: path.into(), bytes: text.into() });
    tree.files.sort_by(|a, b| a.path.cmp(&b.path));
}

/// Moves a file; it must be there.
fn rename(tree: &mut Tree, from: &str, to: &str) {
    let file = tree.files.iter_mut().find(|file| file.path == from).unwrap_or_else(|| panic!("{from}"));
    file.path = to.into();
}

/// Removes what begins so; something must.
fn remove(tree: &mut Tree, prefix: &str) {
    let before = tree.files.len();
    tree.files.retain(|file| !file.path.starts_with(prefix));
    assert!(tree.files.len() < before, "{prefix}");
}

/// Replaces text in the configuration; it must be there.
fn configure(tree: &mut Tree, from: &str, to: &str) {
    let path = format!("{BELOW}/project-config.yaml");
    let file = tree.files.iter_mut().find(|file| file.path == path).unwrap();
    let text = String::from_utf8(file.bytes.clone()).unwrap();
    assert!(text.contains(from), "{from}");
    file.bytes = text.replace(from, to).into();
}
