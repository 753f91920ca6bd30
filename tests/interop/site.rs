//! A database, a directory and a tool.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::migrations::{MIGRATIONS, Migration};
use crate::support::{Bench, Ended, each, ended, server};
use crate::tools::{TOOLS, Tool};

/// One database and one directory, in which a tool and Cofferdam work in turn.
pub(crate) struct Site {
    pub(crate) bench: Bench,
    pub(crate) tool: &'static Tool,
    program: PathBuf,
}

impl Site {
    /// `None` where the tool is not here; then that is said.
    pub(crate) fn new(tool: &'static Tool, test: &str) -> Option<Self> {
        let Some(program) = std::env::var_os(tool.variable).filter(|value| !value.is_empty()) else {
            let reason = format!(
                "{} names no program: `cargo xtask test` makes {} and says it, or why it cannot",
                tool.variable, tool.name
            );
            cofferdam_scratch::skipped(&format!("interop {test} with {}", tool.name), &reason);
            return None;
        };
        let bench = Bench::new(&format!("interop_{}", tool.name.replace('-', "_")));
        Some(Self { bench, tool, program: program.into() })
    }

    /// The URL that tools take: the server has no TLS, and some insist on hearing it.
    pub(crate) fn url(&self) -> String {
        format!("{}?sslmode=disable", self.bench.url)
    }

    /// `host:port/database`.
    pub(crate) fn address(&self) -> String {
        format!("{}:{}/{}", server().host(), server().port(), self.bench.database)
    }

    /// Writes the first migrations as the tool wants them; those that are there already are written as they were.
    pub(crate) fn write(&self, number: usize) -> &Self {
        (self.tool.write)(self, &MIGRATIONS[..number]);
        self
    }

    /// The file of a migration, for those who change it.
    pub(crate) fn path(&self, number: usize) -> PathBuf {
        self.bench.dir().join((self.tool.file)(&MIGRATIONS[number - 1]))
    }

    /// Changes the text of a migration's file, as somebody does who forgets that it is applied.
    pub(crate) fn edit(&self, number: usize, from: &str, to: &str) {
        let path = self.path(number);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from:?} is not in {text}");
        std::fs::write(path, text.replace(from, to)).unwrap();
    }

    /// The tool's program, with nothing of this machine's settings.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        for (name, _) in std::env::vars() {
            let settings = ["PG", "COFFERDAM", "FLYWAY", "ATLAS", "GOOSE", "DBMATE", "DATABASE_URL"];
            if settings.iter().any(|prefix| name.starts_with(prefix)) {
                command.env_remove(name);
            }
        }
        command
            .args(arguments)
            .env("DATABASE_URL", self.url())
            .env("NO_COLOR", "1")
            .env("ATLAS_NO_UPDATE_NOTIFIER", "1")
            .current_dir(self.bench.folder.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs the tool.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        ended(&mut self.command(arguments))
    }

    /// The tool applies all that is pending.
    pub(crate) fn applies(&self) -> &Self {
        let ended = (self.tool.apply)(self);
        assert_eq!(ended.code, 0, "{} applies\n{}\n{}", self.tool.name, ended.stdout, ended.stderr);
        self
    }

    /// The tool says that so many are applied and so many pending, and finds nothing wrong.
    pub(crate) fn agrees(&self, applied: usize, pending: usize) -> &Self {
        if let Err(why) = (self.tool.agrees)(self, applied, pending) {
            let rows = self.bench.query(&format!("SELECT * FROM {}", self.tool.table));
            panic!(
                "{} does not agree that {applied} are applied and {pending} pending: {why}\nits table: {rows:#?}",
                self.tool.name
            );
        }
        self
    }

    /// What a command of Cofferdam ended with.
    pub(crate) fn ours(&self, arguments: &[&str]) -> Ended {
        let arguments: Vec<&str> = arguments.iter().chain(self.tool.named).copied().collect();
        self.bench.run(&arguments)
    }

    /// Runs a command of Cofferdam, and fails the test unless it ends with 0.
    pub(crate) fn ours_must(&self, arguments: &[&str]) -> Ended {
        let ended = self.ours(arguments);
        assert_eq!(ended.code, 0, "cofferdam {arguments:?}\n{}\n{}", ended.stdout, ended.stderr);
        ended
    }

    /// Cofferdam has nothing to do, nothing to complain about, and nothing left over.
    pub(crate) fn we_agree(&self) -> &Self {
        self.ours_must(&["status", "--exit-code"]);
        self.ours_must(&["validate"]);
        self.bench.assert_sound();
        self
    }

    /// Cofferdam refuses to apply anything, with a code, and changes nothing.
    pub(crate) fn refused(&self, code: &str) -> &Self {
        let (rows, schema) = (self.rows_whole(), self.bench.dump());
        let ended = self.ours(&["apply", "--yes"]);
        assert_ne!(ended.code, 0, "{}\n{}", ended.stdout, ended.stderr);
        assert!(ended.stderr.contains(code), "{code} is not in {}", ended.stderr);
        assert_eq!(self.rows_whole(), rows);
        assert_eq!(self.bench.dump(), schema);
        self
    }

    /// The rows of the tool's history, without moments, durations and numbers that a sequence gave.
    pub(crate) fn rows(&self) -> Vec<Vec<String>> {
        self.bench.query(self.tool.rows)
    }

    /// All of them, with everything.
    pub(crate) fn rows_whole(&self) -> Vec<Vec<String>> {
        self.bench.query(&format!("SELECT t::text FROM {} AS t ORDER BY 1", self.tool.table))
    }

    /// Everything that is not Cofferdam's: what the tool alone would have left, its own table included.
    pub(crate) fn assert_as_by_the_tool_alone(&self, applied: usize) -> &Self {
        let alone = Self::new(self.tool, "as by the tool alone").expect("it is here");
        alone.write(applied).applies();
        assert_eq!(
            self.rows(),
            alone.rows(),
            "the rows of {} left, of the tool alone right",
            self.tool.table
        );
        assert_eq!(
            self.bench.dump(),
            alone.bench.dump(),
            "the schema left, by {} alone right",
            self.tool.name
        );
        let data = "SELECT * FROM authors ORDER BY id";
        assert_eq!(self.bench.query(data), alone.bench.query(data));
        self
    }
}

/// Does the same with every tool, and fails with the names of those with which it failed.
pub(crate) fn with_every_tool(test: &str, work: impl Fn(&Site) + Sync) {
    with_those(test, |_| true, work);
}

/// Does the same with every tool of a kind.
pub(crate) fn with_those(test: &str, wanted: impl Fn(&Tool) -> bool, work: impl Fn(&Site) + Sync) {
    let tools: Vec<&'static Tool> = TOOLS.iter().copied().filter(|tool| wanted(tool)).collect();
    assert!(!tools.is_empty());
    each(
        &tools,
        |tool| tool.name.to_owned(),
        |tool| {
            if let Some(site) = Site::new(tool, test) {
                work(&site);
            }
        },
    );
}

/// Numbers of a migration in the fourteen digits that some tools want.
pub(crate) fn long(migration: &Migration) -> String {
    format!("2026010100000{}", migration.number)
}
