//! PostgreSQL obeys the contract, on a server of the test's own; and what the contract cannot arrange: connections
//! that break at a chosen moment.

#![cfg(feature = "postgres")]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use cofferdam_core::plan::{Act, Intent, Plan, Probe, Seen, Step, Undo, Unit};
use cofferdam_core::{Fault, Limits, Name, Phase, Span};
use cofferdam_core::{history, journal};
use cofferdam_engines::contract::{Broken, Dictionary, Harness, run_all};
use cofferdam_engines::postgres::Postgres;
use cofferdam_engines::{Batch, Engine, Line, Record, Run, Runs, Session, Target};
use cofferdam_scratch::{Options, Server, find_or_fetch, skipped};

struct PostgresHarness {
    server: Arc<Server>,
    words: Dictionary,
    made: AtomicU32,
}

fn words() -> Dictionary {
    Dictionary {
        table: Name::plain("t"),
        create_table: "CREATE TABLE t (id bigint)",
        add_column: "ALTER TABLE t ADD COLUMN note text",
        column: "note",
        column_type: ("text", "integer"),
        drop_column: "ALTER TABLE t DROP COLUMN note",
        insert_three: "INSERT INTO t (id) SELECT (SELECT coalesce(max(id), 0) FROM t) + n FROM generate_series(1, 3) n",
        copy_three: Some(("COPY t (id) FROM stdin", "1\n2\n3\n")),
        select: "SELECT id FROM t ORDER BY id",
        text_and_null: "SELECT 'text', NULL",
        endless: "SELECT pg_sleep(600)",
        failing: ("SELECT 1 / 0", "division by zero"),
        double_row: "INSERT INTO t (id) SELECT max(id) FROM t",
        single_row: "DELETE FROM t a USING t b WHERE a.id = b.id AND a.ctid > b.ctid",
        index: Name::plain("t_id"),
        // IF NOT EXISTS is satisfied by an INVALID index, and must not hide it.
        build_index: "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS t_id ON t (id)",
        drop_index: "DROP INDEX t_id",
        set_setting: "SET search_path = elsewhere",
        show_setting: "SHOW search_path",
        end_transaction: "COMMIT",
        lose_lock: "SELECT pg_advisory_unlock_all()",
        online: Some((
            &[
                "CREATE TABLE k (id integer PRIMARY KEY, note text)",
                "INSERT INTO k SELECT n, 'note ' || n FROM generate_series(1, 100) n",
            ],
            Name::qualified("public", "k"),
            "ALTER COLUMN id TYPE bigint",
        )),
    }
}

impl PostgresHarness {
    fn new(server: Server) -> Self {
        Self { server: Arc::new(server), words: words(), made: AtomicU32::new(0) }
    }

    async fn database(&self) -> (String, String) {
        let name = format!("contract_{}", self.made.fetch_add(1, Ordering::SeqCst));
        let (server, made) = (self.server.clone(), name.clone());
        let url = tokio::task::spawn_blocking(move || server.create_database(&made)).await.unwrap().unwrap();
        (name, url)
    }
}

#[async_trait]
impl Harness for PostgresHarness {
    fn engine(&self) -> &dyn Engine {
        &Postgres
    }

    fn words(&self) -> &Dictionary {
        &self.words
    }

    async fn fresh(&self) -> Result<Target, Broken> {
        Ok(Target { url: Some(self.database().await.1), ..Target::default() })
    }

    async fn hold_table(&self, target: &Target) -> Result<Box<dyn Any + Send>, Broken> {
        let broken = |e: tokio_postgres::Error| Broken(format!("holding the table: {e}"));
        let url = target.url.as_deref().unwrap_or_default();
        let (client, connection) =
            tokio_postgres::connect(url, tokio_postgres::NoTls).await.map_err(broken)?;
        tokio::spawn(connection);
        client.batch_execute("BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE").await.map_err(broken)?;
        // Dropping the client ends the connection, and so the transaction.
        Ok(Box::new(client))
    }
}

/// Runs the test on a server of its own; notes that it was skipped where there is no PostgreSQL.
fn on_a_server(test: &str, body: impl AsyncFnOnce(PostgresHarness)) {
    let binaries = match find_or_fetch(&mut |_| {}) {
        Ok(binaries) => binaries,
        Err(why) => return skipped(test, &why.to_string()),
    };
    let server = Server::start(&binaries, &Options { tcp: true, ..Options::default() }).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(body(PostgresHarness::new(server)));
}

#[test]
fn postgres_obeys_the_contract() {
    on_a_server("postgres_obeys_the_contract", async |harness| {
        let broken = run_all(&harness).await;
        assert!(broken.is_empty(), "{broken:#?}");
    });
}

/// When the connection breaks.
#[derive(Debug, Clone, Copy)]
enum Cut {
    /// Before the text reaches the server.
    Before(&'static str),
    /// Once the server has answered it, before the client hears so.
    After(&'static str),
}

/// Passes everything on to the server and back, and breaks a connection, both ways, at the cut. Returns its port.
async fn proxy(server: u16, cut: Cut) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
            tokio::spawn(pass_on(client, server, cut));
        }
    });
    port
}

async fn pass_on(mut client: TcpStream, mut server: TcpStream, cut: Cut) {
    let (mut from_client, mut from_server) = (vec![0; 65_536], vec![0; 65_536]);
    let (Cut::Before(text) | Cut::After(text)) = cut;
    let mut silent = false;
    loop {
        tokio::select! {
            read = client.read(&mut from_client) => {
                let Ok(read @ 1..) = read else { return };
                if from_client[..read].windows(text.len()).any(|w| w == text.as_bytes()) {
                    match cut {
                        Cut::Before(_) => return,
                        Cut::After(_) => silent = true,
                    }
                }
                if server.write_all(&from_client[..read]).await.is_err() { return }
            }
            read = server.read(&mut from_server) => {
                let Ok(read @ 1..) = read else { return };
                if silent || client.write_all(&from_server[..read]).await.is_err() { return }
            }
        }
    }
}

fn step(sql: &str) -> Step {
    Step {
        id: "1".into(),
        phase: Phase::Expanding,
        title: "the step".into(),
        act: Act::sql(sql),
        probe: Probe::Nothing,
        undo: Undo::Nothing,
        limits: Limits::default(),
        lock: String::new(),
        blocks: String::new(),
        estimate: String::new(),
        path: String::new(),
        at: Span::default(),
    }
}

fn run(sql: &str) -> Run {
    let plan = Plan {
        strategy: "direct".into(),
        key: "1".into(),
        description: String::new(),
        intent: Intent::Apply,
        units: vec![Unit { atomic: true, steps: vec![step(sql)] }],
        losses: Vec::new(),
    };
    let applied = history::Applied {
        rank: 0,
        key: "1".into(),
        version: Some("1".into()),
        description: String::new(),
        kind: history::AppliedKind::Versioned,
        checksum: None,
        at: "2026-01-02T03:04:05Z".into(),
        by: "me".into(),
        ms: 0,
        run: None,
        bundle: history::RollbackBundle::default(),
        undone_at: None,
    };
    Run {
        id: uuid::Uuid::now_v7(),
        digest: plan.digest(),
        plan: plan.into(),
        phase: Phase::Done,
        epoch: 0,
        record: Record::Applied(Box::new(applied)),
        started_at: "2026-01-02T03:04:05Z".into(),
        ended_at: None,
        by: "me".into(),
    }
}

async fn open(url: String) -> Box<dyn Session> {
    Postgres.open(&Target { url: Some(url), ..Target::default() }).await.unwrap()
}

/// `unknown`, or the code of a refusal.
fn heard(result: Result<(), Fault>) -> String {
    match result {
        Ok(()) => "done".into(),
        Err(Fault::Again { why, .. }) => format!("again {:?}", why.code),
        Err(Fault::Refused(why)) => format!("{:?}", why.code),
        Err(Fault::Unknown(_)) => "unknown".into(),
        Err(Fault::Bug(text)) => text,
    }
}

/// Where the connection breaks in a batch, what the caller hears, and whether the batch is there.
const IN_BATCHES: &[(Cut, &str, bool)] = &[
    (Cut::Before("BEGIN; SET LOCAL"), "ConnectionLost", false),
    (Cut::Before("CREATE TABLE t"), "ConnectionLost", false),
    (Cut::After("CREATE TABLE t"), "ConnectionLost", false),
    // COMMIT goes out with it, so that who loses the one answer cannot know of the other.
    (Cut::Before("INSERT INTO cofferdam.journal"), "unknown", false),
    (Cut::Before("COMMIT"), "unknown", false),
    (Cut::After("COMMIT"), "unknown", true),
];

#[test]
fn a_lost_answer_to_commit_is_not_known_and_any_other_is_nothing() {
    on_a_server("a_lost_answer_to_commit_is_not_known_and_any_other_is_nothing", async |harness| {
        for (cut, expected, there) in IN_BATCHES.iter().copied() {
            let (name, direct) = harness.database().await;
            // The tables are there before, so that their COMMIT is not the one that is cut.
            let mut session = open(direct.clone()).await;
            session.claim(Duration::ZERO).await.unwrap();
            drop(session);
            let port = proxy(harness.server.port(), cut).await;
            let mut session = open(format!("postgres://postgres@127.0.0.1:{port}/{name}")).await;
            session.claim(Duration::from_secs(20)).await.unwrap();
            let run = run("CREATE TABLE t (id bigint)");
            let mut lines = Vec::new();
            let mut phase = Phase::Requested;
            for on in phase.way_to(Phase::Done).unwrap() {
                let to = phase.next(on).unwrap();
                lines.push(Line::Write(journal::What::Moved { from: phase, on, to }));
                if to == Phase::Expanding {
                    let step = run.plan.step("1").unwrap();
                    lines.push(Line::Perform { id: "1".into(), act: &step.act, step });
                }
                phase = to;
            }
            let limits = Limits::default();
            let batch = Batch { run: &run, open: true, adopt: false, lines, record: Some(0), limits };
            assert_eq!(heard(session.commit(&batch).await), expected, "{cut:?}");

            // Whoever comes next gets the lock once the server has noticed, and finds all or nothing.
            let mut other = open(direct).await;
            other.claim(Duration::from_secs(20)).await.unwrap();
            assert_eq!(other.runs(Runs::One(run.id)).await.unwrap().len(), usize::from(there), "{cut:?}");
            assert_eq!(other.history().await.unwrap().len(), usize::from(there), "{cut:?}");
            let seen = other.probe(&Probe::RelationThere { relation: Name::plain("t") }).await.unwrap();
            assert_eq!(seen, if there { Seen::Done } else { Seen::NotDone }, "{cut:?}");
            assert_eq!(journal::first_break(&other.journal(None).await.unwrap()), None, "{cut:?}");
        }
    });
}

#[test]
fn outside_a_transaction_a_lost_answer_is_not_known() {
    on_a_server("outside_a_transaction_a_lost_answer_is_not_known", async |harness| {
        for (cut, there) in
            [(Cut::Before("CREATE TABLE t"), Seen::NotDone), (Cut::After("CREATE TABLE t"), Seen::Done)]
        {
            let (name, direct) = harness.database().await;
            let port = proxy(harness.server.port(), cut).await;
            let mut session = open(format!("postgres://postgres@127.0.0.1:{port}/{name}")).await;
            session.claim(Duration::ZERO).await.unwrap();
            let step = step("CREATE TABLE t (id bigint)");
            let result = session.perform(&step.act, &step).await;
            assert_eq!(heard(result), "unknown", "{cut:?}");
            let mut other = open(direct).await;
            other.claim(Duration::from_secs(20)).await.unwrap();
            let seen = other.probe(&Probe::RelationThere { relation: Name::plain("t") }).await.unwrap();
            assert_eq!(seen, there, "{cut:?}");
        }
    });
}

#[test]
fn a_session_that_dies_keeps_the_lock_until_its_statement_ends() {
    on_a_server("a_session_that_dies_keeps_the_lock_until_its_statement_ends", async |harness| {
        let (name, direct) = harness.database().await;
        let mut session = open(direct.clone()).await;
        session.claim(Duration::ZERO).await.unwrap();
        // It waits until the test lets it go on, and the server does not look after its client. It does not wait for
        // a lock, so no lock_timeout ends it.
        let step = step(
            "DO $$ BEGIN
               PERFORM set_config(name, '0', false) FROM pg_settings
                 WHERE name = 'client_connection_check_interval';
               CREATE TABLE t (id bigint);
               WHILE NOT pg_try_advisory_lock(1) LOOP PERFORM pg_sleep(0.02); END LOOP;
             END $$",
        );
        let (holding, connection) = tokio_postgres::connect(&direct, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        holding.batch_execute("SELECT pg_advisory_lock(1)").await.unwrap();
        let mut other = open(direct).await;
        let work = session.perform(&step.act, &step);
        let waits = async {
            let sql = "SELECT count(*) FROM pg_stat_activity
                       WHERE datname = current_database() AND wait_event = 'PgSleep'";
            while holding.query_one(sql, &[]).await.unwrap().try_get::<_, i64>(0).unwrap() == 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let ended = tokio::select! {
            ended = work => Some(ended),
            () = waits => None,
        };
        assert!(ended.is_none(), "{ended:?}");
        drop(session);
        let refused = other.claim(Duration::from_millis(500)).await;
        assert_eq!(heard(refused), "LockHeldByOther", "{name}");
        let holder = other.holder().await.unwrap().unwrap();
        assert_eq!(holder.state, "active");
        assert_eq!(
            other.probe(&Probe::RelationThere { relation: Name::plain("t") }).await.unwrap(),
            Seen::NotDone
        );
        holding.batch_execute("SELECT pg_advisory_unlock(1)").await.unwrap();
        other.claim(Duration::from_secs(20)).await.unwrap();
        assert_eq!(
            other.probe(&Probe::RelationThere { relation: Name::plain("t") }).await.unwrap(),
            Seen::Done
        );
    });
}
