//! The data path on a real server, with a description of the table that is written by hand: rows and keys, under
//! writers, without what else belongs to a table.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use cofferdam_core::Name;
use cofferdam_core::online::Proof;
use cofferdam_core::online::{Capture, Gate};
use cofferdam_scratch::{Options, Server, find_or_fetch, skipped};
use tokio_postgres::Client;

use super::carry::{Compared, KeyColumn, Mapped};
use super::disk::Room;
use super::*;
use crate::{Session, Target};

const PARTS: &[Part] =
    &[Part::Capture, Part::Copy, Part::Index, Part::Compare, Part::Gate, Part::Swap, Part::Settle];

pub(super) fn change(capture: Capture) -> Online {
    Online {
        table: Name { schema: Some("public".into()), name: "t".into() },
        clauses: "ALTER COLUMN id TYPE bigint".into(),
        capture,
        gate: Gate::Auto,
        forward: vec![],
        backward: vec![],
        allow_loss: None,
        workers: 2,
        proof: Default::default(),
    }
}

fn print(change: &Online, oid: u32) -> Blueprint {
    let (new, old) = (change.new_schema(), change.old_schema());
    let mapped = |alias: &str| {
        let one = |name: &str| Mapped {
            name: name.into(),
            expression: format!("{alias}.{name}"),
            lossless: true,
            absent: false,
        };
        ["id", "n", "note"].map(one).to_vec()
    };
    let compared = |name: &str, left: &str, right: &str| Compared {
        name: name.into(),
        left: left.into(),
        right: right.into(),
    };
    Blueprint {
        table_oid: oid,
        fingerprint: oid.to_string(),
        key: vec![KeyColumn {
            name: "id".into(),
            ty: "integer".into(),
            new_ty: "bigint".into(),
            collation: None,
            generated: false,
        }],
        columns: mapped("o"),
        back: mapped("n"),
        compare: vec![
            compared("id", "hashint8extended(o.id::bigint, 1)", "hashint8extended(n.id, 1)"),
            compared("n", "coalesce(hashint4extended(o.n, 2), 22)", "coalesce(hashint4extended(n.n, 2), 22)"),
            compared(
                "note",
                "coalesce(hashtextextended(o.note, 3), 33)",
                "coalesce(hashtextextended(n.note, 3), 33)",
            ),
        ],
        compare_back: vec![
            compared("id", "hashint8extended(o.id, 1)", "hashint8extended(n.id, 1)"),
            compared("n", "coalesce(hashint4extended(o.n, 2), 22)", "coalesce(hashint4extended(n.n, 2), 22)"),
            compared(
                "note",
                "coalesce(hashtextextended(o.note, 3), 33)",
                "coalesce(hashtextextended(n.note, 3), 33)",
            ),
        ],
        create: vec![
            format!("CREATE SCHEMA {new}"),
            format!("CREATE SCHEMA {old}"),
            format!("CREATE TABLE {new}.t (id bigint NOT NULL, n int, note text)"),
        ],
        key_index: format!("CREATE UNIQUE INDEX t_pkey ON {new}.t (id)"),
        indexes: vec![format!("CREATE UNIQUE INDEX t_n_key ON {new}.t (n)")],
        constraints: vec![format!(
            "ALTER TABLE {new}.t ADD CONSTRAINT t_pkey PRIMARY KEY USING INDEX t_pkey"
        )],
        proofs: vec![],
        lock_first: vec![],
        lock: vec!["public.t".into()],
        swap: vec![
            format!("ALTER TABLE public.t SET SCHEMA {old}"),
            format!("ALTER TABLE {new}.t SET SCHEMA public"),
        ],
        swap_back: vec![
            format!("ALTER TABLE public.t SET SCHEMA {new}"),
            format!("ALTER TABLE {old}.t SET SCHEMA public"),
        ],
        settle: vec![],
        settle_back: vec![],
    }
}

/// A server, a filled table, and a session that holds the run lock.
pub(super) struct Rig {
    _server: Server,
    pub(super) url: String,
    pub(super) session: PostgresSession,
    pub(super) change: Online,
}

impl Rig {
    async fn new(rows: u32, capture: Capture) -> Option<Self> {
        Self::of(rows, change(capture)).await
    }

    async fn of(rows: u32, change: Online) -> Option<Self> {
        Self::on(rows, change, &[]).await
    }

    /// On a server with more settings.
    pub(super) async fn on(rows: u32, change: Online, settings: &[(&str, &str)]) -> Option<Self> {
        let settings = [&[("wal_level", "logical")], settings].concat();
        let settings =
            settings.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let started = tokio::task::spawn_blocking(move || {
            let binaries = match find_or_fetch(&mut |_| {}) {
                Ok(binaries) => binaries,
                Err(e) => {
                    skipped("online", &e.to_string());
                    return None;
                }
            };
            let server = Server::start(&binaries, &Options { settings, ..Options::default() }).unwrap();
            let url = server.create_database("shop").unwrap();
            Some((server, url))
        });
        let (server, url) = started.await.unwrap()?;
        let target = Target {
            url: Some(url.clone()),
            application: "test".into(),
            who: "test".into(),
            ..Target::default()
        };
        let mut session = PostgresSession::open(&target).await.unwrap();
        session
            .client
            .batch_execute(&format!(
                "CREATE TABLE t (id int PRIMARY KEY, n int UNIQUE, note text);
                 INSERT INTO t SELECT i, i, 'note ' || i FROM generate_series(1, {rows}) i; ANALYZE t"
            ))
            .await
            .unwrap();
        session.claim(Duration::from_secs(1)).await.unwrap();
        let oid = worker::value(&session.client, "SELECT 't'::regclass::oid", "").await.unwrap().unwrap();
        let mut print = print(&change, oid.parse().unwrap());
        session.client.batch_execute("SET search_path = ''").await.unwrap();
        let fingerprint = carry::fingerprint_query(print.table_oid);
        print.fingerprint = worker::value(&session.client, &fingerprint, "").await.unwrap().unwrap();
        session.client.batch_execute("RESET search_path").await.unwrap();
        session.client.batch_execute(outside::TABLES).await.unwrap();
        let epoch = session.claim.as_ref().unwrap().epoch;
        install(&session.client, &change, &print, epoch).await.unwrap();
        Some(Self { _server: server, url, session, change })
    }

    pub(super) async fn client(&self) -> Client {
        let target = Target { url: Some(self.url.clone()), ..Target::default() };
        PostgresSession::open(&target).await.unwrap().client
    }

    pub(super) async fn perform(&self, parts: &[Part]) -> Result<()> {
        for part in parts {
            let mut tries = 0;
            while let Err(fault) = perform(&self.session, &self.change, *part).await {
                // A lock that was not obtained in time: a runner tries again.
                if !worker::passing(&fault) || tries == 100 {
                    return Err(fault);
                }
                tries += 1;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            assert_eq!(probe(&self.session.client, &self.change, *part).await?, Seen::Done, "{part:?}");
        }
        Ok(())
    }

    /// How many rows differ between the table and the one that follows it.
    async fn differing(&self, other: &str) -> i64 {
        let query = format!(
            "SELECT count(*) FROM (SELECT id::bigint, n, note FROM public.t) a
             FULL JOIN (SELECT id::bigint, n, note FROM {other}.t) b USING (id)
             WHERE (a.n, a.note) IS DISTINCT FROM (b.n, b.note)"
        );
        worker::value(&self.session.client, &query, "").await.unwrap().unwrap().parse().unwrap()
    }
}

/// Sessions that insert, update, delete, change keys and move unique values, at all levels of isolation, and count
/// what the server refused.
struct Writers {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    tasks: Vec<tokio::task::JoinHandle<Vec<String>>>,
}

impl Writers {
    async fn start(rig: &Rig, sessions: u64, rows: u64) -> Self {
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut tasks = Vec::new();
        for number in 0..sessions {
            let client = rig.client().await;
            let (stop, done) = (stop.clone(), done.clone());
            tasks.push(tokio::spawn(async move {
                let mut failures = Vec::new();
                let mut dice = number + 7;
                let mut roll = |most: u64| {
                    dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    (dice >> 33) % most
                };
                while !stop.load(Ordering::SeqCst) {
                    let (a, b, fresh) = (roll(rows) + 1, roll(rows) + 1, rows + 1 + roll(1_000_000));
                    let level = ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"][roll(3) as usize];
                    let deed = match roll(8) {
                        0 => format!("INSERT INTO t VALUES ({fresh}, {fresh}, 'new') ON CONFLICT DO NOTHING"),
                        1 => format!("UPDATE t SET note = note || '.' WHERE id = {a}"),
                        2 => format!("DELETE FROM t WHERE id = {a}"),
                        3 => format!("UPDATE t SET id = {fresh} WHERE id = {a} AND NOT EXISTS (SELECT FROM t WHERE id = {fresh})"),
                        4 => format!(
                            "UPDATE t SET n = NULL WHERE id = {a}; UPDATE t SET n = {a} WHERE id = {b} AND NOT EXISTS (SELECT FROM t WHERE n = {a})"
                        ),
                        5 => format!("SAVEPOINT s; DELETE FROM t WHERE id = {a}; ROLLBACK TO s; UPDATE t SET note = NULL WHERE id = {b}"),
                        6 => format!("UPDATE t SET note = 'many' WHERE id BETWEEN {a} AND {a} + 20"),
                        _ => format!("INSERT INTO t VALUES ({a}, NULL, 'upsert') ON CONFLICT (id) DO UPDATE SET note = 'upsert {b}'"),
                    };
                    let end = if roll(10) == 0 { "ROLLBACK" } else { "COMMIT" };
                    let text = format!("BEGIN ISOLATION LEVEL {level}; {deed}; {end}");
                    if let Err(e) = client.batch_execute(&text).await {
                        let code = e.code().map(|c| c.code().to_owned()).unwrap_or_else(|| e.to_string());
                        // What an application has to expect at these levels, with or without us.
                        if !["40001", "40P01", "23505"].contains(&code.as_str()) {
                            failures.push(format!("{code}: {e:?}: {deed}"));
                        }
                        let _ = client.batch_execute("ROLLBACK").await;
                    } else {
                        done.fetch_add(1, Ordering::SeqCst);
                    }
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                failures
            }));
        }
        Self { stop, done, tasks }
    }

    async fn stop(self) {
        self.stop.store(true, Ordering::SeqCst);
        for task in self.tasks {
            assert_eq!(task.await.unwrap(), Vec::<String>::new());
        }
        assert!(self.done.load(Ordering::SeqCst) > 0, "the writers wrote nothing");
    }
}

async fn under_writers(capture: Capture) {
    let Some(rig) = Rig::new(30_000, capture).await else { return };
    let writers = Writers::start(&rig, 3, 30_000).await;
    rig.perform(PARTS).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    writers.stop().await;
    // What the writers wrote since the swap is in the log; everything else is the same on both sides.
    rig.perform(&[Part::SwapBack]).await.unwrap();
    assert_eq!(rig.differing(&rig.change.new_schema()).await, 0);
    let ty =
        worker::value(&rig.session.client, "SELECT pg_typeof(id)::text FROM t LIMIT 1", "").await.unwrap();
    assert_eq!(ty.as_deref(), Some("integer"));
}

#[tokio::test]
async fn nothing_is_lost_with_triggers_for_rows() {
    under_writers(Capture::Rows).await;
}

#[tokio::test]
async fn nothing_is_lost_with_triggers_for_statements() {
    under_writers(Capture::Statements).await;
}

#[tokio::test]
async fn nothing_is_lost_with_a_logical_slot() {
    under_writers(Capture::Logical).await;
}

#[tokio::test]
async fn nothing_is_lost_when_it_is_swapped_back_under_writers() {
    let Some(rig) = Rig::new(5_000, Capture::Rows).await else { return };
    let writers = Writers::start(&rig, 3, 5_000).await;
    rig.perform(PARTS).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    // Ids of the writers stay below what an integer holds, so that every row fits.
    rig.perform(&[Part::SwapBack]).await.unwrap();
    writers.stop().await;
    // What was written after the swap back is in the old table alone.
    let kept = "SELECT count(*) FROM public.t WHERE note LIKE 'note %' OR note IS NULL";
    assert_ne!(worker::value(&rig.session.client, kept, "").await.unwrap().as_deref(), Some("0"));
    rig.perform(&[Part::Release, Part::Discard]).await.unwrap();
}

#[tokio::test]
async fn a_truncate_in_the_middle_is_followed() {
    let Some(rig) = Rig::new(20_000, Capture::Rows).await else { return };
    rig.perform(&[Part::Capture, Part::Copy, Part::Index]).await.unwrap();
    let client = rig.client().await;
    client.batch_execute("TRUNCATE t; INSERT INTO t VALUES (1, 1, 'after')").await.unwrap();
    rig.perform(&[Part::Compare]).await.unwrap();
    client.batch_execute("TRUNCATE t; INSERT INTO t VALUES (2, 2, 'again')").await.unwrap();
    rig.perform(&[Part::Gate, Part::Swap]).await.unwrap();
    assert_eq!(rig.differing(&rig.change.old_schema()).await, 0);
    client.batch_execute("TRUNCATE t; INSERT INTO t VALUES (3, 3, 'back')").await.unwrap();
    rig.perform(&[Part::SwapBack]).await.unwrap();
    assert_eq!(rig.differing(&rig.change.new_schema()).await, 0);
    let left = worker::value(&rig.session.client, "SELECT string_agg(note, ',') FROM t", "").await.unwrap();
    assert_eq!(left.as_deref(), Some("back"));
}

/// Statements that sleep between their rows, because others are at work, leave none of them out.
#[tokio::test]
async fn at_a_part_of_its_speed_every_row_is_copied_and_compared() {
    let Some(rig) = Rig::new(3_000, Capture::Rows).await else { return };
    rig.perform(&[Part::Capture]).await.unwrap();
    let client = &rig.session.client;
    let epoch = rig.session.claim.as_ref().unwrap().epoch;
    let adopt = async |part| {
        let stored = state::read(client, &rig.change).await.unwrap().unwrap();
        let work = Work::adopt(&rig.session, &rig.change, stored, epoch, part).await.unwrap();
        work.pace.set(0.2, false);
        assert!(work.breath(1_000.0).contains("pg_sleep"));
        work
    };
    copy::all(&adopt(Part::Copy).await).await.unwrap();
    assert_eq!(rig.differing(&rig.change.new_schema()).await, 0);
    // And one that is missing is missed.
    let shadow = rig.change.new_schema();
    client
        .batch_execute(&format!("{}; DELETE FROM {shadow}.t WHERE id = 1500", "SET search_path = ''"))
        .await
        .unwrap();
    rig.perform(&[Part::Copy, Part::Index]).await.unwrap();
    let missed = compare::all(&adopt(Part::Compare).await).await.unwrap_err();
    assert!(
        matches!(&missed, Fault::Refused(refusal) if refusal.notes == ["key (1500): missing in the new table"]),
        "{missed:?}"
    );
}

/// It is looked at in each transaction, and holds a row for each write since the copy began.
#[tokio::test]
async fn a_look_at_the_log_does_not_read_all_of_it() {
    let Some(rig) = Rig::new(20_000, Capture::Rows).await else { return };
    rig.perform(&[Part::Capture]).await.unwrap();
    rig.client().await.batch_execute("UPDATE t SET note = 'x'").await.unwrap();
    let client = &rig.session.client;
    let stored = state::read(client, &rig.change).await.unwrap().unwrap();
    let flow = Flow::new(&rig.change, &stored.print, Direction::Forward).unwrap();
    let query = format!("EXPLAIN {}", flow.unchanged().unwrap());
    let plan = worker::rows(&worker::run(client, &query, "").await.unwrap()).unwrap();
    let plan: String = plan.into_iter().flatten().flatten().collect::<Vec<_>>().join("\n");
    assert!(plan.contains("cofferdam log") && !plan.contains("Seq Scan on \"cofferdam log\""), "{plan}");
}

/// One worker may work and the other may not: what is left is done without it, and so is its end.
#[tokio::test]
async fn nobody_waits_for_a_worker_that_is_kept_back() {
    let Some(rig) = Rig::new(2_000, Capture::Rows).await else { return };
    rig.perform(&[Part::Capture]).await.unwrap();
    for part in [Part::Copy, Part::Compare] {
        let control = format!(
            "INSERT INTO cofferdam.control (id, workers) VALUES ('{}', 1) ON CONFLICT (id) DO UPDATE SET workers = 1",
            rig.change.id()
        );
        rig.client().await.batch_execute(&control).await.unwrap();
        let done = tokio::time::timeout(Duration::from_secs(60), rig.perform(&[part])).await;
        done.unwrap_or_else(|_| panic!("{part:?} does not end")).unwrap();
        rig.perform(if part == Part::Copy { &[Part::Index] } else { &[] }).await.unwrap();
    }
}

/// Nobody logs it before keys are captured, and nothing is copied yet that it could take away.
#[tokio::test]
async fn a_truncate_before_the_capture_begins_is_none_of_our_business() {
    for capture in [Capture::Rows, Capture::Statements, Capture::Logical] {
        let Some(rig) = Rig::new(500, capture).await else { return };
        let emptied = "TRUNCATE t; INSERT INTO t (id, note) SELECT i, 'new' FROM generate_series(1, 50) i";
        rig.client().await.batch_execute(emptied).await.unwrap();
        rig.perform(PARTS).await.unwrap();
        assert_eq!(rig.differing(&rig.change.old_schema()).await, 0);
        let rows =
            worker::value(&rig.session.client, "SELECT count(*)::text FROM public.t", "").await.unwrap();
        assert_eq!(rows.as_deref(), Some("50"), "{capture:?}");
        rig.perform(&[Part::Finish]).await.unwrap();
    }
}

#[tokio::test]
async fn rows_that_do_not_fit_backwards_are_kept_aside_and_stop_the_swap_back() {
    let Some(rig) = Rig::new(100, Capture::Rows).await else { return };
    rig.perform(PARTS).await.unwrap();
    let client = rig.client().await;
    client
        .batch_execute("INSERT INTO t VALUES (3000000000, 1000, 'wide'), (101, 101, 'narrow')")
        .await
        .unwrap();
    let refused = rig.perform(&[Part::SwapBack]).await.unwrap_err();
    let refusal = refused.refusal().unwrap();
    assert_eq!(refusal.code, Code::RollbackUnsafe, "{refused:?}");
    assert!(refusal.notes.iter().any(|n| n.contains("3000000000")), "{refusal:?}");
    client.batch_execute("UPDATE t SET id = 102 WHERE id = 3000000000").await.unwrap();
    rig.perform(&[Part::SwapBack]).await.unwrap();
    assert_eq!(rig.differing(&rig.change.new_schema()).await, 0);
}

#[tokio::test]
async fn a_row_that_differs_stops_the_swap_for_good() {
    let Some(rig) = Rig::new(10_000, Capture::Rows).await else { return };
    rig.perform(&[Part::Capture, Part::Copy, Part::Index]).await.unwrap();
    let shadow = rig.change.new_schema();
    for corruption in [
        "UPDATE {}.t SET note = '' WHERE id = 77",
        "DELETE FROM {}.t WHERE id = 78",
        "INSERT INTO {}.t VALUES (99999, 99999, '')",
    ] {
        rig.client().await.batch_execute(&corruption.replace("{}", &shadow)).await.unwrap();
    }
    for part in [Part::Compare, Part::Compare, Part::Swap] {
        let refused = rig.perform(&[part]).await.unwrap_err();
        assert_eq!(refused.refusal().unwrap().code, Code::Mismatch, "{refused:?}");
    }
    rig.perform(&[Part::Release, Part::Discard]).await.unwrap();
}

/// A unique value came to a row from one whose change is visible and whose key is not in the log yet: that row waits,
/// and nothing else does. Where nearly all wait, it is none of these.
#[tokio::test]
async fn a_row_that_waits_for_another_goes_back_into_the_log() {
    let Some(rig) = Rig::new(1_000, Capture::Rows).await else { return };
    rig.perform(&[Part::Capture, Part::Copy, Part::Index]).await.unwrap();
    let client = rig.client().await;
    let (new, epoch) = (rig.change.new_schema(), rig.session.claim.as_ref().unwrap().epoch);
    let log = format!("{new}.\"cofferdam log\"");
    let moved = format!(
        "UPDATE t SET n = NULL WHERE id = 1; UPDATE t SET n = 1 WHERE id = 2;
         UPDATE t SET note = 'x' WHERE id BETWEEN 10 AND 700; DELETE FROM t WHERE id = 900;
         DELETE FROM {log} WHERE k1 = 1"
    );
    client.batch_execute(&moved).await.unwrap();
    let stored = state::read(&rig.session.client, &rig.change).await.unwrap().unwrap();
    let work = Work::adopt(&rig.session, &rig.change, stored, epoch, Part::Compare).await.unwrap();
    let applier = worker::connect_to_begin(&work, "apply").await.unwrap();
    apply::drain(&work, &applier, 500).await.unwrap();
    let waiting = format!("SELECT string_agg(k1::text, ',') FROM {log}");
    let waiting = worker::value(&client, &waiting, "").await.unwrap();
    assert_eq!(waiting.as_deref(), Some("2"));
    assert_eq!(rig.differing(&new).await, 2);
    let misfit = apply::drain(&work, &applier, 0).await.unwrap_err();
    assert_eq!(misfit.refusal().unwrap().code, Code::RowMisfit, "{misfit:?}");
    client.batch_execute(&format!("INSERT INTO {log} (op, k1) VALUES ('K', 1)")).await.unwrap();
    apply::drain(&work, &applier, 0).await.unwrap();
    assert_eq!(rig.differing(&new).await, 0);
}

/// What captures keys was away for a moment after the comparison: what was written then is in no log, and no later look
/// would find it.
#[tokio::test]
async fn nothing_is_swapped_when_keys_were_not_captured_for_a_moment() {
    const LOST: &str = "UPDATE t SET note = 'nobody logged it' WHERE id = 7";
    let disabled = format!("ALTER TABLE t DISABLE TRIGGER ALL; {LOST}; ALTER TABLE t ENABLE TRIGGER ALL");
    let no_slot = format!("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots; {LOST}");
    let dropped = format!("DROP TRIGGER \"cofferdam capture update\" ON t; {LOST}");
    for (capture, deed) in
        [(Capture::Rows, &disabled), (Capture::Statements, &dropped), (Capture::Logical, &no_slot)]
    {
        let Some(rig) = Rig::new(100, capture).await else { return };
        rig.perform(&[Part::Capture, Part::Copy, Part::Index, Part::Compare, Part::Gate]).await.unwrap();
        let client = rig.client().await;
        // The server's process that sent the changes notices a moment later that nobody reads them any more.
        let read = "SELECT count(*) FROM pg_replication_slots WHERE active";
        while worker::value(&client, read, "").await.unwrap().as_deref() != Some("0") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        client.batch_execute(deed).await.unwrap();
        let refused = rig.perform(&[Part::Swap]).await.unwrap_err();
        assert_eq!(refused.refusal().map(|r| r.code), Some(Code::TableChanged), "{deed}: {refused:?}");
        let note = "SELECT note FROM public.t WHERE id = 7";
        let note = worker::value(&rig.session.client, note, "").await.unwrap();
        assert_eq!(note.as_deref(), Some("nobody logged it"));
        rig.perform(&[Part::Release, Part::Discard]).await.unwrap();
    }
    let Some(rig) = Rig::new(100, Capture::Rows).await else { return };
    rig.perform(PARTS).await.unwrap();
    rig.client().await.batch_execute(&disabled).await.unwrap();
    let refused = rig.perform(&[Part::SwapBack]).await.unwrap_err();
    assert_eq!(refused.refusal().map(|r| r.code), Some(Code::RollbackUnsafe), "{refused:?}");
    rig.perform(&[Part::Finish]).await.unwrap();
}

#[tokio::test]
async fn an_older_runner_is_fenced_off() {
    let Some(mut rig) = Rig::new(100, Capture::Rows).await else { return };
    rig.perform(&[Part::Capture]).await.unwrap();
    let newer = rig.session.claim.as_ref().unwrap().epoch + 5;
    let text = format!("UPDATE {}.\"cofferdam fence\" SET epoch = {newer}", rig.change.new_schema());
    rig.client().await.batch_execute(&text).await.unwrap();
    let refused = rig.perform(&[Part::Copy]).await.unwrap_err();
    assert_eq!(refused.refusal().unwrap().code, Code::Fenced);
    rig.session.claim.as_mut().unwrap().epoch = newer + 1;
    rig.perform(&[Part::Copy]).await.unwrap();
}

#[tokio::test]
async fn the_disk_of_a_server_on_this_machine_is_seen_by_those_who_may() {
    let Some(rig) = Rig::new(10, Capture::Rows).await else { return };
    let client = &rig.session.client;
    let oid = worker::value(client, "SELECT 't'::regclass::oid", "").await.unwrap().unwrap().parse().unwrap();
    let room = async |bytes: u64| disk::room(client, oid, bytes).await.unwrap();
    assert_eq!(room(100 << 20).await, Room::Enough);
    assert!(matches!(room(1 << 60).await, Room::Short(why) if why.contains("are free in /")));
    client.batch_execute("CREATE ROLE other; GRANT ALL ON t TO other; SET ROLE other").await.unwrap();
    assert!(matches!(room(1 << 60).await, Room::Unseen(_)));
}

/// Which rows are in a sample of ten percent, by the key as the new table has it.
const IN_SAMPLE: &str = "abs(hashtextextended((ROW(id::bigint))::text, 0) % 100) < 10";

#[tokio::test]
async fn a_sample_counts_every_row_and_compares_the_values_of_its_own() {
    let here = format!("(SELECT min(id) FROM public.t WHERE {IN_SAMPLE})");
    let elsewhere = format!("(SELECT min(id) FROM public.t WHERE NOT ({IN_SAMPLE}))");
    let other = |which: &str| format!("SET note = 'other' WHERE id = {which}");
    // How much is compared, what is done to the new table behind our back, and whether it is found.
    let cases: &[(u8, Option<&str>, String, bool)] = &[
        (100, None, String::new(), false),
        (100, None, other("77"), true),
        (10, None, String::new(), false),
        (10, None, other(&here), true),
        (10, None, other(&elsewhere), false),
        (10, None, format!("DELETE {elsewhere}"), true),
        (0, None, other("77"), false),
        (0, None, "DELETE 77".into(), true),
        (100, Some("a copy of a copy"), "DELETE 77".into(), false),
    ];
    for (percent, skipped, deed, found) in cases {
        let case = format!("{percent} {skipped:?} {deed}");
        let proof = Proof { percent: *percent, skipped: skipped.map(str::to_owned) };
        let Some(rig) = Rig::of(2_000, Online { proof, ..change(Capture::Rows) }).await else { return };
        rig.perform(&[Part::Capture, Part::Copy, Part::Index]).await.unwrap();
        let new = format!("{}.t", rig.change.new_schema());
        let text = match deed.strip_prefix("DELETE ") {
            Some(id) => format!("DELETE FROM {new} WHERE id = {id}"),
            None if deed.is_empty() => String::new(),
            None => format!("UPDATE {new} {deed}"),
        };
        rig.client().await.batch_execute(&text).await.unwrap();
        let outcome = rig.perform(&[Part::Compare]).await;
        let code = outcome.as_ref().err().and_then(|fault| fault.refusal()).map(|why| why.code);
        assert_eq!(code, found.then_some(Code::Mismatch), "{case}: {outcome:?}");
    }
    let Some(rig) = Rig::new(2_000, Capture::Rows).await else { return };
    let size = format!("SELECT count(*) FROM public.t WHERE {IN_SAMPLE}");
    let size: u32 = worker::value(&rig.session.client, &size, "").await.unwrap().unwrap().parse().unwrap();
    assert!((120..=280).contains(&size), "a tenth of 2000 rows is {size}");
}

/// What nobody compared on the way there is at least counted on the way back.
#[tokio::test]
async fn what_is_swapped_back_is_counted_in_any_case() {
    let proof = Proof { percent: 100, skipped: Some("a copy".into()) };
    let Some(rig) = Rig::of(2_000, Online { proof, ..change(Capture::Rows) }).await else { return };
    rig.perform(PARTS).await.unwrap();
    let client = rig.client().await;
    let old = format!("{}.t", rig.change.old_schema());
    client.batch_execute(&format!("UPDATE {old} SET note = 'x' WHERE id = 5")).await.unwrap();
    client.batch_execute(&format!("DELETE FROM {old} WHERE id = 77")).await.unwrap();
    let fault = perform(&rig.session, &rig.change, Part::SwapBack).await.unwrap_err();
    assert_eq!(fault.refusal().map(|why| why.code), Some(Code::Mismatch), "{fault:?}");
}
