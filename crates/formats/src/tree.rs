//! Files as bytes, as a source delivers them.

use std::collections::BTreeMap;

/// What lies under one directory (or in one image, or in one ConfigMap).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    /// The directory as the user typed it; empty when paths stand for themselves.
    pub root: String,
    /// All files, sorted by the bytes of their paths.
    pub files: Vec<File>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Relative to the root, parts joined by `/`.
    pub path: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

impl Tree {
    /// The path of a file as the user would type it: `migrations/V1__a.sql`, and `V1__a.sql` for the root `.`.
    pub fn typed(&self, path: &str) -> String {
        match self.root.trim_end_matches('/') {
            "" if self.root.starts_with('/') => format!("/{path}"),
            "" | "." => path.to_owned(),
            root => format!("{root}/{path}"),
        }
    }

    /// The files by their paths, for who looks up many.
    pub fn by_path(&self) -> BTreeMap<&str, &File> {
        self.files.iter().map(|file| (file.path.as_str(), file)).collect()
    }

    /// The file with this path.
    pub fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }
}

impl File {
    /// The last part of the path.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// It lies directly under the root.
    pub fn is_top_level(&self) -> bool {
        !self.path.contains('/')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_shown_as_typed() {
        for (root, typed) in [
            ("", "sub/a.sql"),
            (".", "sub/a.sql"),
            ("./", "sub/a.sql"),
            ("db", "db/sub/a.sql"),
            ("db/", "db/sub/a.sql"),
            ("../db", "../db/sub/a.sql"),
            ("/srv/db", "/srv/db/sub/a.sql"),
            ("/", "/sub/a.sql"),
        ] {
            assert_eq!(Tree { root: root.into(), files: vec![] }.typed("sub/a.sql"), typed, "{root:?}");
        }
    }
}
