//! A database, a directory and a tool.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use cofferdam_scratch::mysql::Kind;

use crate::migrations::{MIGRATIONS, Migration, ON_MYSQL};
use crate::my;
use crate::support::{Bench, Ended, each, ended, server};
use crate::tools::{TOOLS, Tool};

/// A database on one of the servers.
enum Place {
    Postgres(Bench),
    My(my::Site, Kind),
}

/// One database and one directory, in which a tool and Cofferdam work in turn.
pub(crate) struct Site {
    place: Place,
    pub(crate) tool: &'static Tool,
    program: PathBuf,
}

impl Site {
    /// On PostgreSQL. `None` where the tool is not here; then that is said.
    pub(crate) fn new(tool: &'static Tool, test: &str) -> Option<Self> {
        Self::on(None, tool, test)
    }

    /// On one of the servers, PostgreSQL where none is named. `None` where the tool or the server is not here; then that is
    /// said.
    pub(crate) fn on(kind: Option<Kind>, tool: &'static Tool, test: &str) -> Option<Self> {
        let Some(program) = std::env::var_os(tool.variable).filter(|value| !value.is_empty()) else {
            let reason = format!(
                "{} names no program: `cargo xtask test` makes {} and says it, or why it cannot",
                tool.variable, tool.name
            );
            cofferdam_scratch::skipped(&format!("interop {test} with {}", tool.name), &reason);
            return None;
        };
        let name = format!("interop_{}", tool.name.replace('-', "_"));
        let place = match kind {
            None => Place::Postgres(Bench::new(&name)),
            Some(kind) => Place::My(my::Site::new(kind, &name)?, kind),
        };
        Some(Self { place, tool, program: program.into() })
    }

    /// A database and a directory of their own for the same tool on the same server.
    pub(crate) fn another(&self, test: &str) -> Self {
        Self::on(self.kind(), self.tool, test).expect("it is here")
    }

    /// The directory, and the program.
    pub(crate) fn bench(&self) -> &Bench {
        match &self.place {
            Place::Postgres(bench) => bench,
            Place::My(site, _) => site,
        }
    }

    /// Which of MySQL and MariaDB it is.
    pub(crate) fn kind(&self) -> Option<Kind> {
        match &self.place {
            Place::Postgres(_) => None,
            Place::My(_, kind) => Some(*kind),
        }
    }

    /// A session on MySQL or MariaDB that has done this, until it is let go.
    pub(crate) fn hold(&self, sql: &str) -> my::Held {
        match &self.place {
            Place::My(site, _) => site.hold(sql),
            Place::Postgres(_) => panic!("it is for MySQL and MariaDB"),
        }
    }

    /// The migrations in the words of the server.
    pub(crate) fn migrations(&self) -> &'static [Migration] {
        if self.kind().is_some() { ON_MYSQL } else { MIGRATIONS }
    }

    /// Rows as texts, NULL as "NULL".
    pub(crate) fn query(&self, sql: &str) -> Vec<Vec<String>> {
        match &self.place {
            Place::Postgres(bench) => bench.query(sql),
            Place::My(site, _) => site.query(sql),
        }
    }

    /// The first cell.
    pub(crate) fn one(&self, sql: &str) -> String {
        self.query(sql).first().and_then(|row| row.first().cloned()).unwrap_or_default()
    }

    /// The schema but for what is Cofferdam's, as the server writes it; without the number that the next row gets, which
    /// moves on with a transaction that is rolled back, too.
    pub(crate) fn dump(&self) -> String {
        let without_counter = |table: String| {
            let words = table.split(' ').filter(|word| !word.starts_with("AUTO_INCREMENT="));
            words.collect::<Vec<_>>().join(" ")
        };
        match &self.place {
            Place::Postgres(bench) => bench.dump(),
            Place::My(site, _) => {
                let tables: Vec<String> = site.schema().into_iter().map(without_counter).collect();
                tables.join("\n")
            }
        }
    }

    /// Every version that is in force, with how often it was applied.
    pub(crate) fn history(&self) -> Vec<(String, String)> {
        match &self.place {
            Place::Postgres(bench) => bench.history(),
            Place::My(site, _) => site.history(),
        }
    }

    /// The hash chain holds and no run is left over.
    pub(crate) fn assert_sound(&self) {
        match &self.place {
            Place::Postgres(bench) => bench.assert_sound(),
            Place::My(site, _) => site.assert_sound(),
        }
    }

    /// A table of Cofferdam's own.
    pub(crate) fn own(&self, table: &str) -> String {
        format!("{}{table}", if self.kind().is_some() { "_cofferdam_" } else { "cofferdam." })
    }

    /// The table of the tool.
    pub(crate) fn table(&self) -> &'static str {
        match self.kind() {
            // There it lies in the database that is changed.
            Some(_) => self.tool.table.rsplit('.').next().unwrap_or_default(),
            None => self.tool.table,
        }
    }

    /// The URL that the tool takes. PostgreSQL has no TLS here, and some insist on hearing it.
    pub(crate) fn url(&self) -> String {
        let address = self.address();
        let (server, database) = address.split_once('/').unwrap_or_default();
        match (self.kind(), self.tool.name) {
            (None, _) => format!("{}?sslmode=disable", self.bench().url),
            (Some(_), "goose") => format!("root@tcp({server})/{database}?parseTime=true"),
            (Some(_), "golang-migrate") => {
                format!("mysql://root@tcp({server})/{database}?multiStatements=true")
            }
            (Some(Kind::MariaDb), "atlas") => format!("mariadb://root@{address}"),
            (Some(_), _) => format!("mysql://root@{address}"),
        }
    }

    /// `host:port/database`.
    pub(crate) fn address(&self) -> String {
        let bench = self.bench();
        match &self.place {
            Place::Postgres(_) => format!("{}:{}/{}", server().host(), server().port(), bench.database),
            Place::My(..) => bench.url.rsplit('@').next().unwrap_or_default().to_owned(),
        }
    }

    /// Writes the first migrations as the tool wants them; those that are there already are written as they were.
    pub(crate) fn write(&self, number: usize) -> &Self {
        (self.tool.write)(self, &self.migrations()[..number]);
        self
    }

    /// The file of a migration, for those who change it.
    pub(crate) fn path(&self, number: usize) -> PathBuf {
        self.bench().dir().join((self.tool.file)(&self.migrations()[number - 1]))
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
            let settings = ["PG", "COFFERDAM", "FLYWAY", "ATLAS", "GOOSE", "DBMATE", "DATABASE_URL", "MYSQL"];
            if settings.iter().any(|prefix| name.starts_with(prefix)) {
                command.env_remove(name);
            }
        }
        command
            .args(arguments)
            .env("DATABASE_URL", self.url())
            .env("NO_COLOR", "1")
            .env("ATLAS_NO_UPDATE_NOTIFIER", "1")
            .current_dir(self.bench().folder.path())
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
            let rows = self.query(&format!("SELECT * FROM {}", self.table()));
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
        self.bench().run(&arguments)
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
        self.assert_sound();
        self
    }

    /// Cofferdam refuses to apply anything, with a code, and changes nothing.
    pub(crate) fn refused(&self, code: &str) -> &Self {
        let (rows, schema) = (self.rows_whole(), self.dump());
        let ended = self.ours(&["apply", "--yes"]);
        assert_ne!(ended.code, 0, "{}\n{}", ended.stdout, ended.stderr);
        assert!(ended.stderr.contains(code), "{code} is not in {}", ended.stderr);
        assert_eq!(self.rows_whole(), rows);
        assert_eq!(self.dump(), schema);
        self
    }

    /// The rows of the tool's history, without moments, durations and numbers that a sequence gave.
    pub(crate) fn rows(&self) -> Vec<Vec<String>> {
        self.query(&self.tool.rows.replace(self.tool.table, self.table()))
    }

    /// All of them, with everything.
    pub(crate) fn rows_whole(&self) -> Vec<Vec<String>> {
        let whole = if self.kind().is_some() { "*" } else { "t::text" };
        self.query(&format!("SELECT {whole} FROM {} AS t ORDER BY 1", self.table()))
    }

    /// Everything that is not Cofferdam's: what the tool alone would have left, its own table included.
    pub(crate) fn assert_as_by_the_tool_alone(&self, applied: usize) -> &Self {
        let alone = self.another("as by the tool alone");
        alone.write(applied).applies();
        assert_eq!(self.rows(), alone.rows(), "the rows of {} left, of the tool alone right", self.table());
        assert_eq!(self.dump(), alone.dump(), "the schema left, by {} alone right", self.tool.name);
        let data = "SELECT * FROM authors ORDER BY id";
        assert_eq!(self.query(data), alone.query(data));
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

/// Does the same with every tool whose history is kept on MySQL and MariaDB, on one of them.
///
/// Atlas' lock has one name for the whole server, so its databases there take turns.
pub(crate) fn on_mysql(kind: Kind, test: &str, wanted: impl Fn(&Tool) -> bool, work: impl Fn(&Site) + Sync) {
    let kept = |name: &str| {
        cofferdam_formats::HISTORIES.iter().any(|codec| codec.id == name && codec.mysql.is_some())
    };
    let tools: Vec<&'static Tool> =
        TOOLS.iter().copied().filter(|tool| kept(tool.name) && wanted(tool)).collect();
    assert!(!tools.is_empty());
    static ATLAS: [Mutex<()>; 2] = [Mutex::new(()), Mutex::new(())];
    let turns = &ATLAS[usize::from(kind == Kind::MariaDb)];
    each(
        &tools,
        |tool| tool.name.to_owned(),
        |tool| {
            let turn = || turns.lock().unwrap_or_else(PoisonError::into_inner);
            let _turn = (tool.name == "atlas").then(turn);
            if let Some(site) = Site::on(Some(kind), tool, test) {
                work(&site);
            }
        },
    );
}

/// Numbers of a migration in the fourteen digits that some tools want.
pub(crate) fn long(migration: &Migration) -> String {
    format!("2026010100000{}", migration.number)
}
