//! A copy of the example with a database of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::support::{Bench, Ended, ended, wait};

pub(crate) const PROJECT: &str = "e-commerce-api";

/// A directory with the example's migrations, and a database.
pub(crate) struct Site {
    pub(crate) bench: Bench,
}

impl Site {
    pub(crate) fn new(name: &str) -> Self {
        let site = Self { bench: Bench::new(name) };
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/e-commerce-api/migrations");
        copy(&from, &site.bench.dir());
        site
    }

    /// A file below the project's directory.
    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.bench.dir().join("projects").join(PROJECT).join(below)
    }

    pub(crate) fn put(&self, below: &str, text: &str) {
        let path = self.path(below);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn configure(&self, from: &str, to: &str) {
        let path = self.path("project-config.yaml");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from}");
        std::fs::write(path, text.replace(from, to)).unwrap();
    }

    /// Without backups, which most tests are not about.
    pub(crate) fn without_backups(self) -> Self {
        self.configure("backup_before_upgrade: true", "backup_before_upgrade: false");
        self
    }

    /// `verb --project P --version V` and more.
    pub(crate) fn command(&self, verb: &str, version: &str, more: &[&str]) -> Command {
        let mut arguments = vec![verb, "--project", PROJECT];
        if !version.is_empty() {
            arguments.extend(["--version", version]);
        }
        arguments.extend(more);
        self.bench.command(&arguments)
    }

    pub(crate) fn run(&self, verb: &str, version: &str, more: &[&str]) -> Ended {
        ended(&mut self.command(verb, version, more))
    }

    pub(crate) fn must(&self, verb: &str, version: &str, more: &[&str]) -> Ended {
        let ended = self.run(verb, version, more);
        assert_eq!(ended.code, 0, "{verb} {version} {more:?}\n{}\n{}", ended.stdout, ended.stderr);
        ended
    }

    /// Refused with this code and exit code, with nothing changed in the database.
    pub(crate) fn refused(&self, verb: &str, version: &str, more: &[&str], code: &str, exit: i32) -> String {
        let before = (self.bench.dump(), self.rows());
        let ended = self.run(verb, version, more);
        let said = format!("{}\n{}", ended.stdout, ended.stderr);
        assert_eq!(ended.code, exit, "{said}");
        assert!(said.contains(code), "{code}: {said}");
        assert_eq!((self.bench.dump(), self.rows()), before, "{said}");
        said
    }

    /// Begins it with a failpoint, waits for its end.
    pub(crate) fn killed(&self, verb: &str, version: &str, failpoint: &str, more: &[&str]) -> Ended {
        let mut command = self.command(verb, version, more);
        command.env("COFFERDAM_FAILPOINT", failpoint);
        let (out, err) = (std::process::Stdio::piped(), std::process::Stdio::piped());
        wait(command.stdout(out).stderr(err).spawn().unwrap())
    }

    pub(crate) fn status(&self) -> Value {
        json(&self.must("status", "", &["-o", "json"]).stdout)
    }

    /// What `project_metadata` says; empty where it says nothing.
    pub(crate) fn version(&self) -> String {
        if self.bench.one("SELECT to_regclass('project_metadata')") == "NULL" {
            return String::new();
        }
        self.bench.one("SELECT project_version FROM project_metadata WHERE project_name = 'e-commerce-api'")
    }

    /// Everything in force, each once.
    pub(crate) fn applied(&self) -> Vec<String> {
        let rows = self.bench.history();
        for (key, times) in &rows {
            assert_eq!(times, "1", "{key}");
        }
        rows.into_iter().map(|(key, _)| key.replace("e-commerce-api-", "")).collect()
    }

    fn rows(&self) -> String {
        match self.bench.one("SELECT to_regclass('cofferdam.history')").as_str() {
            "NULL" => String::new(),
            _ => self.bench.one("SELECT count(*) || ' ' || count(undone_at) FROM cofferdam.history"),
        }
    }

    /// A script of the upgrade to v1.1.0.
    pub(crate) fn upgrade_script(&self, below: &str, text: &str) {
        self.put(&format!("versions/v1.1.0/upgrade/from-v1.0.0/{below}"), text);
    }
}

pub(crate) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copy(&path, &target),
            false => assert!(std::fs::copy(&path, &target).is_ok()),
        }
    }
}
