//! A table with a twin: every write is done to both in one transaction, and only one of them is changed online. At
//! any moment they must hold the same.

use std::process::{Child, Command, Stdio};

use cofferdam_core::failpoint::FAILPOINTS;
use cofferdam_scratch::{Options, Server};

use crate::session::{Answer, Session, Trouble};
use crate::support::{Bench, Ended, binaries, ended, program, server, wait};

/// Rows at the beginning. They are wide enough for several chunks.
pub const ROWS: u32 = 5000;

/// The table as most tests want it. `{t}` stands for the table and for its twin.
pub const TABLE: &str = "CREATE TABLE {t} (
    id int PRIMARY KEY, tag text UNIQUE, note text DEFAULT 'none', n int NOT NULL DEFAULT 0, pad text);
 CREATE INDEX {t}_n_idx ON {t} (n);
 INSERT INTO {t} SELECT i * 10, CASE WHEN i % 2 = 0 THEN 'tag ' || i END, 'note ' || i, i, repeat('x', 900)
 FROM generate_series(1, 5000) i";

/// The change that most tests make.
pub const WIDER: &str = "ALTER COLUMN id TYPE bigint";

pub struct Place {
    pub bench: Bench,
    own: Option<Server>,
}

impl Place {
    /// In the server of all tests.
    pub fn new(name: &str, schema: &str) -> Self {
        Self { bench: Bench::new(name), own: None }.with(schema)
    }

    /// In a server of its own, with these settings.
    pub fn alone(name: &str, settings: &[(&str, &str)], schema: &str) -> Self {
        let settings = settings.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let own = Server::start(&binaries(), &Options { tcp: true, settings, ..Options::default() }).unwrap();
        let url = own.create_database(name).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("migrations")).unwrap();
        let bench = Bench { database: name.to_owned(), url, folder };
        Self { bench, own: Some(own) }.with(schema)
    }

    fn with(self, schema: &str) -> Self {
        self.query("CREATE EXTENSION amcheck");
        self.both(schema);
        self.query("VACUUM ANALYZE");
        self
    }

    pub fn server(&self) -> &Server {
        self.own.as_ref().unwrap_or_else(|| server())
    }

    /// Ends the server as a crash would, and starts it again.
    pub fn crash(&mut self) {
        let own = self.own.as_mut().expect("only a server of its own may be ended");
        own.stop_immediate().unwrap();
        own.start_again().unwrap();
    }

    pub fn query(&self, sql: &str) -> Vec<Vec<String>> {
        let rows = self.server().query(&self.bench.database, sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
        let text = |cell: Option<String>| cell.unwrap_or_else(|| "NULL".into());
        rows.into_iter().map(|row| row.into_iter().map(text).collect()).collect()
    }

    pub fn one(&self, sql: &str) -> String {
        self.query(sql).first().and_then(|r| r.first().cloned()).unwrap_or_default()
    }

    /// Does the same to the table and to its twin, in one transaction.
    pub fn both(&self, sql: &str) {
        self.query(&on_both(sql));
    }

    pub fn app(&self) -> App {
        App::open(&self.bench.url)
    }

    /// The arguments of the change of `t`.
    pub fn alter<'a>(&self, clauses: &'a str, flags: &[&'a str]) -> Vec<&'a str> {
        let mut arguments = vec!["alter", "--table", "t", "--lock-wait", "30s", "--yes"];
        arguments.extend(flags);
        arguments.push(clauses);
        arguments
    }

    pub fn run(&self, arguments: &[&str]) -> Ended {
        self.bench.run(arguments)
    }

    pub fn must(&self, arguments: &[&str]) -> Ended {
        self.bench.must(arguments)
    }

    /// Takes the change back in its revert window.
    pub fn rollback(&self) -> Ended {
        self.must(ROLLBACK)
    }

    pub fn finalize(&self) -> Ended {
        self.must(FINALIZE)
    }

    /// Starts a command that hangs at a failpoint, and waits until it is there.
    pub fn held(&self, arguments: &[&str], failpoint: &str) -> Held {
        let name = failpoint.split_once('@').map_or(failpoint, |(name, _)| name);
        assert!(FAILPOINTS.iter().any(|(known, _)| *known == name), "{name} is no failpoint");
        let times = failpoint.split_once('@').map_or("1", |(_, times)| times);
        let mark = self.bench.folder.path().join("reached");
        let _ = std::fs::remove_file(&mark);
        let mut command = self.bench.command(arguments);
        command
            .env("COFFERDAM_FAILPOINT", format!("{name}=hang@{times}"))
            .env("COFFERDAM_FAILPOINT_REACHED", &mark)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut held = Held(Some(command.spawn().unwrap()));
        held.until(&format!("it reaches {failpoint}"), || mark.exists());
        held
    }

    /// Starts the change with a gate that a person opens, and waits until it stands before the gate.
    pub fn at_gate(&self, clauses: &str, flags: &[&str]) -> Held {
        let mut all = vec!["--cutover", "manual"];
        all.extend(flags);
        let mut held = self.start(&self.alter(clauses, &all));
        held.until("it waits for the cutover", || self.doing().contains("waiting for the cutover"));
        held
    }

    pub fn start(&self, arguments: &[&str]) -> Held {
        Held(Some(self.bench.spawn(arguments)))
    }

    /// Opens the gate and waits for the end of the change.
    pub fn cutover(&self, held: Held) -> Ended {
        // A change that has noticed something wrong may be over by now.
        self.run(&["cutover", "t"]);
        held.end()
    }

    /// The same; it must succeed.
    pub fn cut_over(&self, held: Held) {
        let ended = self.cutover(held);
        assert_eq!(ended.code, 0, "{}\n{}", ended.stdout, ended.stderr);
    }

    /// What the runner says that it does.
    pub fn doing(&self) -> String {
        let there = self.one("SELECT to_regclass('cofferdam.online')");
        if there == "NULL" { there } else { self.one("SELECT progress->>'doing' FROM cofferdam.online") }
    }

    /// What names the table that stands under the name `t`.
    pub fn table(&self) -> String {
        self.one("SELECT 't'::regclass::oid")
    }

    /// The run that is open.
    pub fn run_id(&self) -> String {
        self.one("SELECT id FROM cofferdam.run WHERE ended_at IS NULL")
    }

    /// Rows in the log of changed keys.
    pub fn logged(&self, which: &str) -> String {
        let schema = self
            .one(&format!("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'cofferdam\\_{which}\\_%'"));
        self.one(&format!("SELECT count(*) FROM {schema}.\"cofferdam log\""))
    }

    /// Both tables hold the same, and every index has an entry for each row.
    pub fn same(&self, when: &str) {
        let columns = self.one(
            "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attname) FROM pg_attribute
             WHERE attrelid = 'u'::regclass AND attnum > 0 AND NOT attisdropped",
        );
        let (t, u) = (format!("SELECT {columns} FROM t"), format!("SELECT {columns} FROM u"));
        for (sql, what) in [
            (format!("({t}) EXCEPT ALL ({u})"), "are only in the changed table"),
            (format!("({u}) EXCEPT ALL ({t})"), "are lost"),
        ] {
            let rows = self.query(&format!("SELECT left(x::text, 200) FROM ({sql}) x LIMIT 5"));
            assert!(rows.is_empty(), "{when}: rows {what}: {rows:?}");
        }
        self.query(
            "SELECT bt_index_parent_check(x.indexrelid, true) FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid
             JOIN pg_am a ON a.oid = c.relam WHERE x.indrelid = 't'::regclass AND a.amname = 'btree'",
        );
        assert_eq!(
            self.query("SELECT indexrelid::regclass FROM pg_index WHERE NOT indisvalid"),
            NOTHING,
            "{when}"
        );
    }

    /// Nothing of a change is left but its rows in the history.
    pub fn nothing_left(&self) {
        let left = self.query(
            "SELECT 'schema ' || nspname FROM pg_namespace WHERE nspname LIKE 'cofferdam\\_%'
             UNION ALL SELECT 'trigger ' || tgname FROM pg_trigger WHERE tgname LIKE 'cofferdam%'
             UNION ALL SELECT 'slot ' || slot_name FROM pg_replication_slots WHERE database = current_database()
             UNION ALL SELECT 'publication ' || pubname FROM pg_publication WHERE pubname LIKE 'cofferdam%'",
        );
        assert_eq!(left, NOTHING);
        if self.one("SELECT to_regclass('cofferdam.online')") != "NULL" {
            assert_eq!(self.query("SELECT id FROM cofferdam.online"), NOTHING);
            assert_eq!(self.query("SELECT id FROM cofferdam.run WHERE ended_at IS NULL"), NOTHING);
        }
    }

    /// The application's schema, as pg_dump writes it, without what is ours while a swap can be taken back.
    pub fn dump(&self) -> String {
        dump(&self.bench.url)
    }

    /// What the plain ALTER makes of the same schema, empty.
    pub fn plain(&self, schema: &str, clauses: &str) -> String {
        let name = format!("{}_plain", self.bench.database);
        let url = self.server().create_database(&name).unwrap();
        let sql = format!("CREATE EXTENSION amcheck; {}; ALTER TABLE t {clauses}", on_both(schema));
        self.server().query(&name, &sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
        dump(&url)
    }
}

pub const ROLLBACK: &[&str] = &["rollback", "t", "--lock-wait", "30s", "--yes"];
pub const FINALIZE: &[&str] = &["finalize", "t", "--lock-wait", "30s", "--yes"];
pub const ABORT: &[&str] = &["abort", "t", "--lock-wait", "30s", "--yes"];

const NOTHING: Vec<Vec<String>> = vec![];

/// Statements for `{t}` as statements for the table and then for its twin.
pub fn on_both(sql: &str) -> String {
    if !sql.contains("{t}") {
        return sql.to_owned();
    }
    format!("{}; {}", sql.replace("{t}", "t"), sql.replace("{t}", "u"))
}

fn dump(url: &str) -> String {
    let output = ended(Command::new(program("pg_dump")).args([
        "--schema-only",
        "--no-owner",
        "-N",
        "cofferdam*",
        url,
    ]));
    assert_eq!(output.code, 0, "{}", output.stderr);
    let kept = |line: &&str| {
        !line.is_empty()
            && !line.starts_with("--")
            && !line.starts_with("\\restrict")
            && !line.starts_with("\\unrestrict")
            && !line.contains("\"cofferdam capture")
    };
    output.stdout.lines().filter(kept).collect::<Vec<_>>().join("\n")
}

/// A process of the program that is at work.
pub struct Held(Option<Child>);

impl Held {
    /// As SIGKILL.
    pub fn kill(mut self) {
        let mut child = self.0.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    pub fn signal(&self, signal: &str) {
        let pid = self.0.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// Waits until it ends by itself. Two minutes are no measurement: it is when waiting has become pointless.
    pub fn end(mut self) -> Ended {
        for _ in 0..2400 {
            if !self.running() {
                return wait(self.0.take().unwrap());
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        self.signal("-KILL");
        let ended = wait(self.0.take().unwrap());
        panic!("it did not end in two minutes\n{}\n{}", ended.stdout, ended.stderr);
    }

    pub fn running(&mut self) -> bool {
        self.0.as_mut().unwrap().try_wait().unwrap().is_none()
    }

    /// The most memory that it has had, in KiB; 0: it has ended.
    pub fn memory(&self) -> u64 {
        let status = format!("/proc/{}/status", self.0.as_ref().unwrap().id());
        let status = std::fs::read_to_string(status).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
        line.trim().trim_end_matches(" kB").parse().unwrap_or(0)
    }

    /// Waits until something is so; fails when the process ends first, with what it said.
    pub fn until(&mut self, what: &str, so: impl Fn() -> bool) {
        for _ in 0..2400 {
            if so() {
                return;
            }
            if !self.running() {
                // What it did last came after the look.
                if so() {
                    return;
                }
                let ended = wait(self.0.take().unwrap());
                panic!("it ended with {} before {what}\n{}\n{}", ended.code, ended.stdout, ended.stderr);
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("waited in vain until {what}");
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A connection of the application, with transactions that stay open from one call to the next.
pub struct App {
    runtime: tokio::runtime::Runtime,
    session: Session,
}

impl App {
    pub fn open(url: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let session = runtime.block_on(Session::open(url, "postgres")).unwrap();
        Self { runtime, session }
    }

    pub fn run(&self, sql: &str) -> Answer {
        self.try_run(sql).unwrap_or_else(|trouble| panic!("{sql}: {trouble:?}"))
    }

    /// The last answer.
    pub fn try_run(&self, sql: &str) -> Result<Answer, Trouble> {
        self.runtime.block_on(self.session.ask(sql))
    }

    /// The same on both tables.
    pub fn both(&self, sql: &str) -> Answer {
        self.run(&on_both(sql))
    }

    pub fn one(&self, sql: &str) -> String {
        self.run(sql).rows[0][0].clone().unwrap_or_else(|| "NULL".into())
    }
}
