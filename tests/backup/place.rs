//! A database with a folder for backups.

use std::path::PathBuf;

use crate::support::{Bench, Ended};

pub(crate) struct Place {
    pub bench: Bench,
    pub store: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new(name: &str, sql: &str) -> Self {
        let bench = Bench::new(name);
        bench.query(sql);
        Self { bench, store: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn to(&self) -> &str {
        self.store.path().to_str().unwrap()
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        self.bench.run(arguments)
    }

    /// A backup of everything, by name.
    pub(crate) fn taken(&self, more: &[&str]) -> String {
        let mut all = vec!["backup", "--to", self.to(), "-o", "json"];
        all.extend(more);
        let ended = self.bench.must(&all);
        let document: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
        let backup = &document["data"];
        let backup = if backup.is_null() { &document } else { backup };
        assert_eq!(backup["verified"], true, "{}", ended.stdout);
        backup["id"].as_str().unwrap().to_owned()
    }

    /// The folders of the store that have a manifest.
    pub(crate) fn backups(&self) -> Vec<String> {
        let mut found: Vec<String> = std::fs::read_dir(self.store.path())
            .unwrap()
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.path().join("manifest.json").is_file())
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        found.sort();
        found
    }

    pub(crate) fn manifest(&self, id: &str) -> serde_json::Value {
        let path = self.store.path().join(id).join("manifest.json");
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    pub(crate) fn part(&self, id: &str, table: usize) -> PathBuf {
        let manifest = self.manifest(id);
        let object = manifest["tables"][table]["parts"][0]["object"].as_str().unwrap().to_owned();
        self.store.path().join(id).join(object)
    }

    /// Every row of a table as text, sorted.
    pub(crate) fn rows(&self, table: &str) -> Vec<String> {
        let mut rows: Vec<String> =
            self.bench.query(&format!("SELECT t::text FROM {table} t")).into_iter().flatten().collect();
        rows.sort();
        rows
    }
}
