//! A server, pairs of databases on it, and how they are compared.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use cofferdam_engines::postgres::Postgres;
use cofferdam_engines::{Engine, Target};
use cofferdam_schema::{Lead, Leaving, Schema, compare, lead};
use cofferdam_scratch::{Binaries, EVERY, Options, PORTABLE, Server, fetch, find, find_or_fetch, skipped};

/// Empties a database.
const CLEAR: &str = "SET client_min_messages = error; DO $$ DECLARE s text; BEGIN
    FOR s IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' LOOP
        EXECUTE format('DROP SCHEMA %I CASCADE', s);
    END LOOP; END $$;
    CREATE SCHEMA public; GRANT ALL ON SCHEMA public TO PUBLIC";

/// Servers of one version.
pub(super) struct Bench {
    pub(super) server: Server,
    binaries: Binaries,
    made: AtomicU32,
    pairs: Mutex<Vec<[String; 2]>>,
    runtime: tokio::runtime::Runtime,
}

static BENCH: OnceLock<Result<Arc<Bench>, String>> = OnceLock::new();

/// The server that is installed; `None`: there is none, and the test is skipped.
pub(super) fn bench(test: &str) -> Option<Arc<Bench>> {
    let made = BENCH.get_or_init(|| match find_or_fetch(&mut |_| {}) {
        Ok(binaries) => Ok(Arc::new(Bench::on(binaries))),
        Err(why) => Err(why.to_string()),
    });
    match made {
        Ok(bench) => Some(Arc::clone(bench)),
        Err(why) => {
            skipped(test, why);
            None
        }
    }
}

/// What starts a server of other versions than the installed one: with `COFFERDAM_ORACLE=all` of every one, else of the
/// oldest and of the newest.
pub(super) fn other_versions(test: &str) -> Vec<impl FnOnce() -> Bench> {
    let all = std::env::var_os("COFFERDAM_ORACLE").is_some_and(|value| value == "all");
    let wanted = if all { EVERY } else { &[EVERY[0], PORTABLE] };
    let installed = find().map(|binaries| binaries.version / 10_000);
    let mut found = Vec::new();
    for version in wanted {
        match fetch(version, &mut |_| {}) {
            Ok(binaries) if all || Some(binaries.version / 10_000) != installed => found.push(binaries),
            Ok(_) => {}
            Err(why) => skipped(&format!("{test} on PostgreSQL {version}"), &why.to_string()),
        }
    }
    found.into_iter().map(|binaries| move || Bench::on(binaries)).collect()
}

impl Bench {
    fn on(binaries: Binaries) -> Self {
        let quick =
            [("jit", "off"), ("autovacuum", "off")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        let server =
            Server::start(&binaries, &Options { settings: quick.to_vec(), ..Options::default() }).unwrap();
        for role in ["app", "reader"] {
            server.query("postgres", &format!("CREATE ROLE {role}")).unwrap();
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { server, binaries, made: AtomicU32::new(0), pairs: Mutex::default(), runtime }
    }

    pub(super) fn major(&self) -> u32 {
        self.server.version() / 10_000
    }

    /// A database that these statements made.
    pub(super) fn database(&self, sql: &str) -> String {
        let name = format!("schema_{}", self.made.fetch_add(1, Ordering::SeqCst));
        self.server.create_database(&name).unwrap();
        self.run(&name, sql);
        name
    }

    pub(super) fn run(&self, database: &str, sql: &str) {
        self.server.query(database, sql).unwrap_or_else(|e| panic!("{sql}\n{e}"));
    }

    pub(super) fn inspect(&self, database: &str) -> Schema {
        self.runtime.block_on(async {
            let target = Target { url: Some(self.server.url(database)), ..Target::default() };
            let schema = Postgres.open(&target).await.unwrap().inspect().await.unwrap();
            // What is written down of it is all of it.
            let written = serde_json::to_string(&schema).unwrap();
            assert_eq!(serde_json::from_str::<Schema>(&written).unwrap(), schema);
            schema
        })
    }

    /// Leads the database that the first statements make to that of the second, and proves it. The way there.
    pub(super) fn prove(&self, from: &str, to: &str) -> Result<Lead, String> {
        // Making a database takes the server longer than all else.
        let pair = self.pairs.lock().unwrap().pop();
        let pair = pair.unwrap_or_else(|| [self.database(""), self.database("")]);
        for (database, sql) in pair.iter().zip([from, to]) {
            self.run(database, CLEAR);
            self.run(database, sql);
        }
        let way = self.proved(&pair[0], &pair[1]);
        self.pairs.lock().unwrap().push(pair);
        way
    }

    /// Makes a copy of the database that these statements make, and holds it against that.
    pub(super) fn copied(&self, sql: &str) -> Result<(), String> {
        let pair = self.pairs.lock().unwrap().pop();
        let pair = pair.unwrap_or_else(|| [self.database(""), self.database("")]);
        self.run(&pair[0], CLEAR);
        self.run(&pair[0], sql);
        let live = self.inspect(&pair[0]);
        self.pairs.lock().unwrap().push(pair);
        let (missing, copy) = self.runtime.block_on(async {
            let target = Target { url: Some(self.server.url("postgres")), ..Target::default() };
            let mut stage = Postgres.stage(&target).await.unwrap();
            let missing = stage.build(&live, Leaving::default()).await.unwrap();
            let copy = stage.open("test").await.unwrap().inspect().await.unwrap();
            stage.end().await.unwrap();
            (missing, copy)
        });
        let differs: Vec<String> = compare(&live, &copy)
            .iter()
            .map(|d| format!("{} {:?}\n< {:?}\n> {:?}", d.key, d.state, d.from, d.to))
            .collect();
        match missing.is_empty() && differs.is_empty() {
            true => Ok(()),
            false => Err(format!("{missing:?}\n{}", differs.join("\n"))),
        }
    }

    fn proved(&self, one: &str, other: &str) -> Result<Lead, String> {
        let (before, wanted) = (self.inspect(one), self.inspect(other));
        let way = lead(&before, &wanted);
        let script = way.script(&[], true);
        for statement in way.carried_out(true) {
            self.server.query(one, statement).map_err(|e| format!("{statement}\n{e}\nof\n{script}"))?;
        }
        let left: Vec<String> = compare(&self.inspect(one), &wanted)
            .into_iter()
            .map(|d| format!("{} {:?}\n< {:?}\n> {:?}", d.key, d.state, d.from, d.to))
            .collect();
        if !left.is_empty() {
            return Err(format!("different still:\n{}\nafter\n{script}", left.join("\n")));
        }
        let (ours, expected) = (self.dump(one), self.dump(other));
        if let (Some(ours), Some(expected)) = (ours, expected)
            && ours != expected
        {
            let only = |a: &[String], b: &[String], mark: &str| -> String {
                a.iter().filter(|line| !b.contains(line)).map(|line| format!("{mark} {line}\n")).collect()
            };
            let lines = only(&expected, &ours, "-") + &only(&ours, &expected, "+");
            return Err(format!("the dumps differ (- expected, + there)\n{lines}after\n{script}"));
        }
        if !compare(&before, &wanted).is_empty() && way.statements.is_empty() {
            return Err("different, and no statement".into());
        }
        Ok(way)
    }

    /// What pg_dump writes of a schema, without the order in which it does: that of the columns of a table, which
    /// cannot be changed, and that of grants and objects, which says nothing.
    /// `None`: this machine's pg_dump is older than the server.
    fn dump(&self, database: &str) -> Option<Vec<String>> {
        let beside = self.binaries.bin_dir.join("pg_dump");
        let program = if beside.is_file() { beside } else { "/usr/bin/pg_dump".into() };
        let output = Command::new(program)
            .args(["--schema-only", "--no-owner", &self.server.url(database)])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        if said.contains("server version mismatch") {
            return None;
        }
        assert!(output.status.success(), "{said}");
        let text = String::from_utf8(output.stdout).unwrap();
        let mut blocks: Vec<String> = text
            .split("\n\n")
            .map(|block| {
                let mut lines: Vec<&str> =
                    block.lines().filter(|line| !line.starts_with("--") && !line.starts_with('\\')).collect();
                if lines.first().is_some_and(|line| line.starts_with("CREATE TABLE")) {
                    lines.sort_unstable_by_key(|line| line.trim_end_matches(','));
                    return lines.iter().map(|l| l.trim_end_matches(',')).collect::<Vec<_>>().join("\n");
                }
                lines.join("\n")
            })
            .filter(|block| !block.trim().is_empty())
            .collect();
        blocks.sort_unstable();
        Some(blocks)
    }
}
