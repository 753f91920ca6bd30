//! MySQL and MariaDB obey the contract, on servers of the test's own; and what the contract cannot arrange: connections
//! that break at a chosen moment, procedures that commit, settings that change how we are read.

#![cfg(feature = "mysql")]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use mysql_async::prelude::Queryable;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use cofferdam_core::plan::{Act, Intent, Plan, Probe, Seen, Step, Undo, Unit};
use cofferdam_core::{Code, Fault, Limits, Name, Phase, Span};
use cofferdam_core::{history, journal};
use cofferdam_engines::contract::{Broken, Dictionary, Harness, run_all};
use cofferdam_engines::mysql::MySql;
use cofferdam_engines::{Batch, Engine, Line, Record, Run, Runs, Session, Target};
use cofferdam_scratch::mysql::{Kind, Options, Server, find};
use cofferdam_scratch::skipped;

struct MySqlHarness {
    server: Arc<Server>,
    kind: Kind,
    words: Dictionary,
    made: AtomicU32,
}

fn words() -> Dictionary {
    Dictionary {
        table: Name::plain("t"),
        create_table: "CREATE TABLE t (id bigint)",
        add_column: "ALTER TABLE t ADD COLUMN note text",
        column: "note",
        column_type: ("text", "int"),
        drop_column: "ALTER TABLE t DROP COLUMN note",
        insert_three: "INSERT INTO t (id) SELECT m + n FROM (SELECT COALESCE(MAX(id), 0) AS m FROM t) AS a,
                       (SELECT 1 AS n UNION ALL SELECT 2 UNION ALL SELECT 3) AS b",
        copy_three: None,
        select: "SELECT id FROM t ORDER BY id",
        text_and_null: "SELECT 'text', NULL",
        endless: "SELECT 1 FROM (SELECT 1 AS n UNION ALL SELECT 2) AS x WHERE SLEEP(300)",
        failing: ("SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no such luck'", "no such luck"),
        double_row: "INSERT INTO t (id) SELECT MAX(id) FROM t",
        single_row: "DELETE FROM t ORDER BY id DESC LIMIT 1",
        index: Name::plain("t_id"),
        build_index: "CREATE UNIQUE INDEX t_id ON t (id)",
        drop_index: "DROP INDEX t_id ON t",
        set_setting: "SET SESSION group_concat_max_len = 4321",
        show_setting: "SELECT @@SESSION.group_concat_max_len",
        end_transaction: "COMMIT",
        lose_lock: "DO RELEASE_ALL_LOCKS()",
        online: Some((
            &[
                "CREATE TABLE k (id int PRIMARY KEY, note text)",
                "INSERT INTO k VALUES (1, 'one'), (2, 'two'), (3, NULL)",
            ],
            Name::plain("k"),
            "MODIFY COLUMN id bigint NOT NULL",
        )),
    }
}

impl MySqlHarness {
    async fn database(&self) -> (String, String) {
        let name = format!("contract_{}", self.made.fetch_add(1, Ordering::SeqCst));
        let (server, made) = (self.server.clone(), name.clone());
        let url = tokio::task::spawn_blocking(move || server.create_database(&made)).await.unwrap().unwrap();
        (name, url)
    }
}

#[async_trait]
impl Harness for MySqlHarness {
    fn engine(&self) -> &dyn Engine {
        &MySql
    }

    fn server(&self) -> &str {
        match self.kind {
            Kind::MySql => "mysql",
            Kind::MariaDb => "mariadb",
        }
    }

    fn words(&self) -> &Dictionary {
        &self.words
    }

    async fn fresh(&self) -> Result<Target, Broken> {
        Ok(Target { url: Some(self.database().await.1), ..Target::default() })
    }

    async fn hold_table(&self, target: &Target) -> Result<Box<dyn Any + Send>, Broken> {
        let broken = |e: mysql_async::Error| Broken(format!("holding the table: {e}"));
        let mut conn = by_hand(target.url.as_deref().unwrap_or_default()).await.map_err(broken)?;
        conn.query_drop("LOCK TABLES t WRITE").await.map_err(broken)?;
        // Dropping it ends the connection, and so the lock.
        Ok(Box::new(conn))
    }
}

/// A connection that is not Cofferdam's.
async fn by_hand(url: &str) -> Result<mysql_async::Conn, mysql_async::Error> {
    let opts = mysql_async::Opts::from_url(url)?;
    let opts = mysql_async::OptsBuilder::from_opts(opts).prefer_socket(Some(false));
    mysql_async::Conn::new(opts).await
}

/// Runs the test on a server of its own; notes that it was skipped where there is none.
fn on_a_server(test: &str, kind: Kind, body: impl AsyncFnOnce(MySqlHarness)) {
    let programs = match find(kind) {
        Ok(programs) => programs,
        Err(why) => return skipped(test, &why.to_string()),
    };
    let server = Arc::new(Server::start(&programs, &Options::default()).unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(body(MySqlHarness { server, kind, words: words(), made: AtomicU32::new(0) }));
}

/// The same test on both servers.
macro_rules! on_both {
    ($($name:ident / $other:ident = $body:expr;)*) => {$(
        #[test]
        fn $name() {
            on_a_server(stringify!($name), Kind::MySql, $body);
        }

        #[test]
        fn $other() {
            on_a_server(stringify!($other), Kind::MariaDb, $body);
        }
    )*};
}

on_both! {
    mysql_obeys_the_contract / mariadb_obeys_the_contract = contract;
    on_mysql_a_lost_answer_to_commit_is_not_known / on_mariadb_a_lost_answer_to_commit_is_not_known = lost_answers;
    on_mysql_a_lost_answer_outside_is_not_known / on_mariadb_a_lost_answer_outside_is_not_known = lost_outside;
    on_mysql_a_session_that_dies_keeps_the_lock / on_mariadb_a_session_that_dies_keeps_the_lock = dies;
    on_mysql_a_procedure_that_commits_is_refused / on_mariadb_a_procedure_that_commits_is_refused = procedure;
    on_mysql_settings_of_a_script_are_its_own / on_mariadb_settings_of_a_script_are_its_own = settings;
    on_mysql_nobody_gets_in_while_a_session_is_reset / on_mariadb_nobody_gets_in_while_a_session_is_reset = resetting;
    on_mysql_databases_have_locks_of_their_own / on_mariadb_databases_have_locks_of_their_own = two_databases;
    on_mysql_no_file_of_the_client_is_read / on_mariadb_no_file_of_the_client_is_read = local_file;
    on_mysql_who_holds_a_table_is_named / on_mariadb_who_holds_a_row_is_named = holders;
}

async fn contract(harness: MySqlHarness) {
    let broken = run_all(&harness).await;
    assert!(broken.is_empty(), "{broken:#?}");
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

fn run(statements: &[&str]) -> Run {
    let steps = statements.iter().enumerate();
    let steps = steps.map(|(n, sql)| Step { id: (n + 1).to_string(), ..step(sql) }).collect();
    let plan = Plan {
        strategy: "direct".into(),
        key: "1".into(),
        description: String::new(),
        intent: Intent::Apply,
        units: vec![Unit { atomic: true, steps }],
        losses: Vec::new(),
    };
    let applied = history::Applied {
        rank: 0,
        key: "1".into(),
        version: Some("1".into()),
        description: "größer".into(),
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

/// The batch that does a whole run.
fn whole(run: &Run) -> Batch<'_> {
    let mut lines = Vec::new();
    let mut phase = Phase::Requested;
    for on in phase.way_to(Phase::Done).unwrap() {
        let to = phase.next(on).unwrap();
        lines.push(Line::Write(journal::What::Moved { from: phase, on, to }));
        if to == Phase::Expanding {
            lines.extend(run.plan.steps().map(|step| Line::Perform {
                id: step.id.clone(),
                act: &step.act,
                step,
            }));
        }
        phase = to;
    }
    Batch { run, open: true, adopt: false, lines, record: Some(0), limits: Limits::default() }
}

async fn open(url: String) -> Box<dyn Session> {
    let target = Target {
        url: Some(url),
        application: "cofferdam test".into(),
        who: "me".into(),
        ..Target::default()
    };
    MySql.open(&target).await.unwrap()
}

async fn claimed(url: &str) -> Box<dyn Session> {
    let mut session = open(url.into()).await;
    session.claim(Duration::from_secs(20)).await.unwrap();
    session
}

async fn loose(session: &mut dyn Session, sql: &str) -> Result<(), Fault> {
    let step = step(sql);
    session.perform(&step.act, &step).await
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
    (Cut::Before("START TRANSACTION"), "ConnectionLost", false),
    (Cut::Before("INSERT INTO t"), "ConnectionLost", false),
    (Cut::After("INSERT INTO t"), "ConnectionLost", false),
    (Cut::Before("`_cofferdam_journal` (seq"), "ConnectionLost", false),
    (Cut::After("`_cofferdam_journal` (seq"), "ConnectionLost", false),
    (Cut::Before("COMMIT"), "unknown", false),
    (Cut::After("COMMIT"), "unknown", true),
];

async fn lost_answers(harness: MySqlHarness) {
    for (cut, expected, there) in IN_BATCHES.iter().copied() {
        let (name, direct) = harness.database().await;
        let mut session = claimed(&direct).await;
        loose(session.as_mut(), "CREATE TABLE t (id bigint)").await.unwrap();
        drop(session);
        let port = proxy(harness.server.port(), cut).await;
        let mut session = claimed(&format!("mysql://root@127.0.0.1:{port}/{name}")).await;
        let run = run(&["INSERT INTO t VALUES (1)"]);
        assert_eq!(heard(session.commit(&whole(&run)).await), expected, "{cut:?}");
        // The connection is of no more use, and says so.
        assert_eq!(heard(session.commit(&whole(&run)).await), "ConnectionLost", "{cut:?}");

        // Whoever comes next gets the lock once the server has noticed, and finds all or nothing.
        let mut other = claimed(&direct).await;
        assert_eq!(other.runs(Runs::One(run.id)).await.unwrap().len(), usize::from(there), "{cut:?}");
        assert_eq!(other.history().await.unwrap().len(), usize::from(there), "{cut:?}");
        let rows = other.rows("SELECT id FROM t", 9).await.unwrap().rows.len();
        assert_eq!(rows, usize::from(there), "{cut:?}");
        assert_eq!(journal::first_break(&other.journal(None).await.unwrap()), None, "{cut:?}");
    }
}

async fn lost_outside(harness: MySqlHarness) {
    for (cut, there) in
        [(Cut::Before("CREATE TABLE t"), Seen::NotDone), (Cut::After("CREATE TABLE t"), Seen::Done)]
    {
        let (name, direct) = harness.database().await;
        let port = proxy(harness.server.port(), cut).await;
        let mut session = claimed(&format!("mysql://root@127.0.0.1:{port}/{name}")).await;
        let result = loose(session.as_mut(), "CREATE TABLE t (id bigint)").await;
        assert_eq!(heard(result), "unknown", "{cut:?}");
        let mut other = claimed(&direct).await;
        let seen = other.probe(&Probe::RelationThere { relation: Name::plain("t") }).await.unwrap();
        assert_eq!(seen, there, "{cut:?}");
    }
}

/// The statement of a client that died goes on, and keeps the lock until it ends.
async fn dies(harness: MySqlHarness) {
    let (_, url) = harness.database().await;
    let mut session = claimed(&url).await;
    loose(session.as_mut(), "CREATE TABLE t (id bigint)").await.unwrap();
    // It waits until the test lets it go on.
    let mut holding = by_hand(&url).await.unwrap();
    holding.query_drop("LOCK TABLES t WRITE").await.unwrap();
    let mut step = step("ALTER TABLE t ADD COLUMN note text");
    step.limits.lock_timeout_ms = 60_000;
    // What the server has not got before the client dies would never happen.
    let mut looking = by_hand(&url).await.unwrap();
    let waits = async {
        let sql = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'ALTER TABLE t ADD%'";
        loop {
            let found: Option<u64> = looking.query_first(sql).await.unwrap();
            if found == Some(1) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let ended = tokio::select! {
        ended = session.perform(&step.act, &step) => Some(ended),
        () = waits => None,
    };
    assert!(ended.is_none(), "{ended:?}");
    // Nothing more can be said over this connection.
    assert_eq!(heard(session.append(journal::What::Noted { text: "x".into() }).await), "ConnectionLost");
    drop(session);
    let mut other = open(url).await;
    let there = Probe::ColumnThere { table: Name::plain("t"), column: "note".into(), ty: None };
    // MariaDB looks after its client while a statement waits, every second or so, and gives that up: it never happens.
    let patience = Duration::from_millis(if harness.kind == Kind::MariaDb { 20_000 } else { 500 });
    let first = heard(other.claim(patience).await);
    if first == "done" {
        assert_eq!(harness.kind, Kind::MariaDb);
        holding.query_drop("UNLOCK TABLES").await.unwrap();
        assert_eq!(other.probe(&there).await.unwrap(), Seen::NotDone);
        return;
    }
    assert_eq!(first, "LockHeldByOther");
    let holder = other.holder().await.unwrap().unwrap();
    assert!(holder.state.starts_with("active") && holder.application == "cofferdam test", "{holder:?}");
    assert_eq!(other.probe(&there).await.unwrap(), Seen::NotDone);
    holding.query_drop("UNLOCK TABLES").await.unwrap();
    other.claim(Duration::from_secs(60)).await.unwrap();
    assert_eq!(other.probe(&there).await.unwrap(), Seen::Done);
}

async fn procedure(harness: MySqlHarness) {
    let (_, url) = harness.database().await;
    let mut session = claimed(&url).await;
    for sql in [
        "CREATE TABLE t (id bigint)",
        "CREATE PROCEDURE commits() BEGIN INSERT INTO t VALUES (7); COMMIT; END",
        "CREATE PROCEDURE commits_and_begins() BEGIN COMMIT; START TRANSACTION; END",
        "CREATE PROCEDURE inserts() INSERT INTO t VALUES (9)",
    ] {
        loose(session.as_mut(), sql).await.unwrap();
    }
    for word in ["commits", "commits_and_begins"] {
        let run = run(&["INSERT INTO t VALUES (1)", &format!("CALL {word}()")]);
        assert_eq!(heard(session.commit(&whole(&run)).await), "TransactionInFile", "{word}");
        assert_eq!(session.runs(Runs::Last(9)).await.unwrap(), vec![], "{word}");
        assert_eq!(session.journal(None).await.unwrap(), vec![], "{word}");
    }
    let run = run(&["CALL inserts()"]);
    session.commit(&whole(&run)).await.unwrap();
    assert_eq!(session.rows("SELECT id FROM t WHERE id = 9", 9).await.unwrap().rows.len(), 1);
}

/// A script's character set, and how many rows it wants to see, are not those of the journal.
async fn settings(harness: MySqlHarness) {
    let (_, url) = harness.database().await;
    let mut session = claimed(&url).await;
    loose(session.as_mut(), "CREATE TABLE t (note text) CHARACTER SET utf8mb4").await.unwrap();
    let first = run(&["SET NAMES latin1", "SET SESSION sql_select_limit = 1", "INSERT INTO t VALUES ('ä')"]);
    session.commit(&whole(&first)).await.unwrap();
    let charset = "SELECT @@SESSION.character_set_client";
    assert_eq!(session.rows(charset, 1).await.unwrap().rows[0][0].as_deref(), Some("latin1"));
    let second = run(&["INSERT INTO t VALUES ('ä')"]);
    session.commit(&whole(&second)).await.unwrap();
    // One that fails leaves the settings that were there before it.
    let failing = run(&["SET NAMES utf8mb4", "SIGNAL SQLSTATE '45000'"]);
    assert_eq!(heard(session.commit(&whole(&failing)).await), "StatementFailed");
    assert_eq!(session.rows(charset, 1).await.unwrap().rows[0][0].as_deref(), Some("latin1"));
    session.reset().await.unwrap();
    assert_eq!(session.rows(charset, 1).await.unwrap().rows[0][0].as_deref(), Some("utf8mb4"));
    let history = session.history().await.unwrap();
    assert_eq!(history.iter().map(|row| row.description.as_str()).collect::<Vec<_>>(), ["größer", "größer"]);
    assert_eq!(journal::first_break(&session.journal(None).await.unwrap()), None);
    // As the script said: the two bytes of the letter are two letters of latin1.
    let rows = session.rows("SELECT note FROM t", 9).await.unwrap().rows;
    assert!(rows.iter().all(|row| row[0].as_deref() == Some("Ã¤")), "{rows:?}");
}

/// While one session is reset over and over, which costs it its locks, no other one ever gets the run lock.
async fn resetting(harness: MySqlHarness) {
    let (_, url) = harness.database().await;
    let mut session = claimed(&url).await;
    let mut other = open(url).await;
    let done = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let ended = done.clone();
    let resets = async {
        for _ in 0..40 {
            loose(session.as_mut(), "SET SESSION group_concat_max_len = 4321").await.unwrap();
            session.reset().await.unwrap();
        }
        ended.store(true, Ordering::SeqCst);
    };
    let tries = async {
        let mut tries = 0;
        while !done.load(Ordering::SeqCst) {
            assert_eq!(heard(other.claim(Duration::ZERO).await), "LockHeldByOther");
            tries += 1;
        }
        tries
    };
    let ((), tries) = tokio::join!(resets, tries);
    assert!(tries > 0);
    session.append(journal::What::Noted { text: "still ours".into() }).await.unwrap();
}

async fn two_databases(harness: MySqlHarness) {
    let (_, one) = harness.database().await;
    let (_, two) = harness.database().await;
    let _first = claimed(&one).await;
    let mut second = open(two).await;
    second.claim(Duration::ZERO).await.unwrap();
    let mut third = open(one).await;
    assert_eq!(heard(third.claim(Duration::ZERO).await), "LockHeldByOther");
}

async fn local_file(harness: MySqlHarness) {
    let (_, url) = harness.database().await;
    let server = harness.server.clone();
    tokio::task::spawn_blocking(move || server.query(None, "SET GLOBAL local_infile = 1"))
        .await
        .unwrap()
        .unwrap();
    let mut session = claimed(&url).await;
    loose(session.as_mut(), "CREATE TABLE t (id text)").await.unwrap();
    let refused = loose(session.as_mut(), "LOAD DATA LOCAL INFILE '/etc/hostname' INTO TABLE t").await;
    assert!(refused.is_err());
    let mut other = open(url).await;
    assert_eq!(other.rows("SELECT id FROM t", 9).await.unwrap().rows.len(), 0);
}

/// Whoever is in the way is named, with its number, and the try is given up in time.
async fn holders(harness: MySqlHarness) {
    let (_, url) = harness.database().await;
    let mut session = claimed(&url).await;
    loose(session.as_mut(), "CREATE TABLE t (id bigint PRIMARY KEY)").await.unwrap();
    loose(session.as_mut(), "INSERT INTO t VALUES (1)").await.unwrap();
    let mut holding = by_hand(&url).await.unwrap();
    holding.query_drop("START TRANSACTION").await.unwrap();
    holding.query_drop("UPDATE t SET id = 1").await.unwrap();
    holding.query_drop("SELECT * FROM t FOR UPDATE").await.unwrap();
    let pid = format!("pid {}", holding.id());
    let mut statements = vec!["ALTER TABLE t ADD COLUMN note text"];
    if harness.kind == Kind::MariaDb {
        statements.push("UPDATE t SET id = 2");
    }
    for sql in statements {
        let mut step = step(sql);
        // Whoever looks about must get a turn before the wait is over.
        step.limits.lock_timeout_ms = 5_000;
        let result = session.perform(&step.act, &step).await;
        let Err(Fault::Again { why, .. }) = result else {
            assert!(result.is_err(), "{sql}: {result:?}");
            continue;
        };
        assert_eq!(why.code, Code::LockNotObtained, "{sql}");
        assert!(why.notes.iter().any(|note| note.contains(&pid)), "{sql}: {:?} has {pid}", why.notes);
    }
}
