//! Which directory was probably meant.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};

use cofferdam_formats::nearest;

use super::{is_hidden, names};

/// How many directories are proposed.
const PROPOSED: usize = 3;
/// How deep below the nearest directory that exists: `src/main/resources/db/migration` is five.
const DEPTH: usize = 5;
/// How many directories are looked into before it takes too long to be of help.
const LOOKED_INTO: usize = 500;

/// Directories that hold `.sql` files near the path, the best first.
pub(super) fn instead_of(missing: &Path) -> Vec<String> {
    let mut found = below(existing(missing));
    if let Some(wanted) = missing.file_name().and_then(|name| name.to_str()) {
        let last = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
        let lasts: Vec<_> = found.iter().map(|path| last(path)).collect();
        if let Some(near) = nearest(wanted, lasts.iter().map(String::as_str)) {
            // A stable sort: those with the name that is nearest come first, nothing else moves.
            found.sort_by_key(|path| last(path) != near);
        }
    }
    found.truncate(PROPOSED);
    found
}

/// The longest part of the path that is a directory.
fn existing(missing: &Path) -> PathBuf {
    let here = || PathBuf::from(".");
    let ancestors = missing.ancestors().skip(1);
    ancestors
        .map(|ancestor| if ancestor.as_os_str().is_empty() { here() } else { ancestor.to_owned() })
        .find(|ancestor| ancestor.is_dir())
        .unwrap_or_else(here)
}

/// Directories with `.sql` files, those less deep first, as a user would type them. Links are not followed.
fn below(start: PathBuf) -> Vec<String> {
    let mut found = Vec::new();
    let mut queue = VecDeque::from([(start.clone(), 0)]);
    for _ in 0..LOOKED_INTO {
        let Some((directory, depth)) = queue.pop_front() else { break };
        let mut holds_sql = false;
        for name in names(&directory).unwrap_or_default() {
            let path = directory.join(&name);
            let Ok(entry) = fs::symlink_metadata(&path) else { continue };
            if entry.is_dir() && depth < DEPTH && !is_hidden(&name) && !is_of_builds(&name) {
                queue.push_back((path, depth + 1));
            } else if entry.is_file() && path.extension().is_some_and(|end| end.eq_ignore_ascii_case("sql")) {
                holds_sql = true;
            }
        }
        if holds_sql {
            found.push(typed(&directory));
        }
    }
    // The start itself was found first, but what lies below it is nearer to what was asked for.
    if found.first() == Some(&typed(&start)) {
        found.rotate_left(1);
    }
    found
}

/// Directories that build tools fill.
fn is_of_builds(name: &std::ffi::OsStr) -> bool {
    ["node_modules", "target", "vendor"].iter().any(|filled| name == *filled)
}

fn typed(path: &Path) -> String {
    match path.strip_prefix(".") {
        Ok(below) if !below.as_os_str().is_empty() => below.display().to_string(),
        _ => path.display().to_string(),
    }
}
