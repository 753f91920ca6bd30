//! The swap and the way back while others write and read: by the parts, as a run performs them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use cofferdam_core::online::{Online, Part};
use cofferdam_core::plan::{Act, Probe, Seen, Step, Undo};
use cofferdam_core::{Code, Fault, Limits, Name, Phase, Span};
use cofferdam_scratch::mysql::Kind;
use mysql_async::prelude::Queryable;

use super::changing::{fill, online};
use super::support::{World, by_hand, code, on_both, on_shared};
use crate::mysql::MySql;
use crate::{Engine, Session, Target};

on_both! {
    on_mysql_everybody_finds_what_he_wrote / on_mariadb_everybody_finds_what_he_wrote = found;
    on_mysql_columns_that_were_dropped_come_back / on_mariadb_columns_that_were_dropped_come_back = dropped;
    on_mysql_rows_that_do_not_fit_back_are_named / on_mariadb_rows_that_do_not_fit_back_are_named = unfit;
    on_mysql_numbers_are_not_given_again / on_mariadb_numbers_are_not_given_again = counter;
    on_mysql_a_swap_that_nobody_wrote_down_is_seen / on_mariadb_a_swap_that_nobody_wrote_down_is_seen = torn;
    on_mysql_nobody_swaps_after_he_was_taken_over_from / on_mariadb_nobody_swaps_after_he_was_taken_over_from = evicted;
    on_mysql_a_definition_that_others_change_stops_the_swap
        / on_mariadb_a_definition_that_others_change_stops_the_swap = changed;
    on_mysql_any_table_s_name_is_swapped / on_mariadb_any_table_s_name_is_swapped = named;
    on_mysql_what_others_change_behind_the_swap_ends_the_way_back
        / on_mariadb_what_others_change_behind_the_swap_ends_the_way_back = changed_behind;
}

/// MySQL renames under the lock, so that nobody comes in between.
#[test]
fn on_mariadb_what_others_change_while_it_is_swapped_is_not_lost() {
    on_shared(
        "on_mariadb_what_others_change_while_it_is_swapped_is_not_lost",
        Kind::MariaDb,
        changed_between,
    );
}

#[test]
fn on_mariadb_what_others_change_while_it_is_swapped_back_is_said() {
    on_shared(
        "on_mariadb_what_others_change_while_it_is_swapped_back_is_said",
        Kind::MariaDb,
        changed_between_back,
    );
}

const WIDER: &str = "MODIFY COLUMN id bigint NOT NULL, ADD COLUMN extra int NOT NULL DEFAULT 5";

/// A session that holds the run lock, and its change.
pub(super) struct Runner {
    session: Box<dyn Session>,
    change: Online,
}

impl Runner {
    pub(super) async fn new(world: &World<'_>, clauses: &str) -> Self {
        let target = Target { url: Some(world.server.url(&world.database)), ..Target::default() };
        let mut session = MySql.open(&target).await.unwrap();
        session.claim(Duration::from_secs(20)).await.unwrap();
        Self { session, change: online(clauses) }
    }

    /// One that may lose values.
    pub(super) async fn losing(world: &World<'_>, clauses: &str) -> Self {
        let mut runner = Self::new(world, clauses).await;
        runner.change.allow_loss = Some("unused".into());
        runner
    }

    pub(super) async fn perform(&mut self, part: Part) -> Result<(), Fault> {
        let act = Act::Online { change: Box::new(self.change.clone()), part };
        let step = Step {
            id: "1".into(),
            phase: Phase::Expanding,
            title: part.word().into(),
            act: act.clone(),
            probe: self.asked(part),
            undo: Undo::Nothing,
            limits: Limits::default(),
            lock: String::new(),
            blocks: String::new(),
            estimate: String::new(),
            path: String::new(),
            at: Span::default(),
        };
        self.session.perform(&act, &step).await
    }

    fn asked(&self, part: Part) -> Probe {
        Probe::OnlineDone { change: Box::new(self.change.clone()), part }
    }

    pub(super) async fn must(&mut self, parts: &[Part]) {
        for part in parts {
            if let Err(fault) = self.perform(*part).await {
                panic!("{part:?}: {fault} {:?}", fault.refusal().map(|r| (&r.cause, &r.notes)));
            }
        }
    }

    async fn seen(&mut self, part: Part) -> Seen {
        let probe = self.asked(part);
        self.session.probe(&probe).await.unwrap()
    }

    /// Until both are swapped.
    pub(super) async fn forward(&mut self) {
        let until: Vec<Part> = Part::WAY.iter().copied().filter(|part| *part <= Part::Settle).collect();
        self.must(&until).await;
    }

    /// Back to where it began. Before the tables are swapped back they are compared, so that a write that only one of them
    /// got would be found.
    pub(super) async fn back(&mut self) {
        self.must(&[Part::SwapBack, Part::Release, Part::Discard]).await;
    }
}

/// Writes rows and reads each of them at once, again and again, and all of them at the end. Gives what was acknowledged and
/// not there.
async fn writes_and_reads(
    url: String,
    seed: u64,
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
) -> Vec<String> {
    let mut conn = by_hand(&url).await;
    let (mut missing, mut written, mut id) = (Vec::new(), BTreeMap::new(), 100_000 + seed);
    while !stop.load(Ordering::SeqCst) {
        id += 10;
        for (n, sql) in [
            (1, format!("INSERT INTO t (id, n) VALUES ({id}, 1)")),
            (2, format!("UPDATE t SET n = 2 WHERE id = {id}")),
        ] {
            match conn.query_drop(&sql).await {
                Ok(()) => {}
                // Part of any load.
                Err(mysql_async::Error::Server(said)) if matches!(said.code, 1213 | 1205) => break,
                Err(e) => {
                    missing.push(format!("{sql}: {e}"));
                    return missing;
                }
            }
            done.fetch_add(1, Ordering::SeqCst);
            written.insert(id, n);
            let found: Option<u64> =
                conn.query_first(format!("SELECT n FROM t WHERE id = {id}")).await.unwrap();
            if found != Some(n) {
                missing.push(format!("{sql}: it reads {found:?}"));
            }
        }
    }
    for (id, n) in written {
        let found: Option<u64> = conn.query_first(format!("SELECT n FROM t WHERE id = {id}")).await.unwrap();
        if found != Some(n) {
            missing.push(format!("at the end {id} holds {found:?} and not {n}"));
        }
    }
    missing
}

pub(super) async fn until(done: &AtomicU64, more: u64) {
    let before = done.load(Ordering::SeqCst);
    while done.load(Ordering::SeqCst) < before + more {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn found(mut world: World<'_>) {
    fill(&mut world, 3_000).await;
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let url = world.server.url(&world.database);
    let task = |seed| tokio::spawn(writes_and_reads(url.clone(), seed, stop.clone(), done.clone()));
    let tasks: Vec<_> = (0..4).map(task).collect();
    for _ in 0..3 {
        let mut runner = Runner::new(&world, WIDER).await;
        until(&done, 20).await;
        runner.forward().await;
        until(&done, 20).await;
        runner.back().await;
        runner.session.release().await.unwrap();
    }
    let mut runner = Runner::new(&world, WIDER).await;
    runner.forward().await;
    runner.must(&[Part::Finish]).await;
    until(&done, 20).await;
    stop.store(true, Ordering::SeqCst);
    for task in tasks {
        assert_eq!(task.await.unwrap(), Vec::<String>::new());
    }
    let left = "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()
                AND TABLE_NAME RLIKE '^_cofferdam_[0-9a-f]{12}_'";
    assert_eq!(world.value(left).await, "0");
}

async fn dropped(mut world: World<'_>) {
    fill(&mut world, 1_000).await;
    let mut runner = Runner::losing(&world, "DROP COLUMN note").await;
    runner.forward().await;
    world.run("UPDATE t SET n = 1000 WHERE id < 5").await;
    world.run("INSERT INTO t (id, n) VALUES (90000, 7)").await;
    world.run("DELETE FROM t WHERE id = 6").await;
    runner.back().await;
    assert_eq!(world.value("SELECT COUNT(*) FROM t WHERE n = 1000 AND note = 'old'").await, "5");
    assert_eq!(world.value("SELECT GROUP_CONCAT(id) FROM t WHERE note IS NULL").await, "90000");
    assert_eq!(world.value("SELECT COUNT(*) FROM t").await, "1000");
}

async fn unfit(mut world: World<'_>) {
    fill(&mut world, 1_000).await;
    let mut runner = Runner::new(&world, "MODIFY COLUMN id bigint NOT NULL").await;
    runner.forward().await;
    world.run("INSERT INTO t (id, n) VALUES (5000000000, 1), (77777, 2)").await;
    let fault = runner.perform(Part::SwapBack).await.unwrap_err();
    assert_eq!(code(&fault), Code::RollbackUnsafe, "{fault}");
    let notes = fault.refusal().unwrap().notes.join(" ");
    assert!(notes.contains("key 5000000000") && !notes.contains("77777"), "{notes}");
    assert_eq!(world.value("SELECT COUNT(*) FROM t WHERE id > 1000").await, "2");
    world.run("DELETE FROM t WHERE id = 5000000000").await;
    runner.back().await;
    assert_eq!(world.value("SELECT n FROM t WHERE id = 77777").await, "2");
}

/// The rows with the highest numbers are gone; their numbers are not given to others.
async fn counter(mut world: World<'_>) {
    world.run("CREATE TABLE t (id int AUTO_INCREMENT PRIMARY KEY, n int)").await;
    world.run("INSERT INTO t (id, n) VALUES (1, 1), (9000, 2)").await;
    world.run("DELETE FROM t WHERE id = 9000").await;
    let mut runner = Runner::new(&world, "MODIFY COLUMN id bigint NOT NULL AUTO_INCREMENT").await;
    runner.forward().await;
    world.run("INSERT INTO t (n) VALUES (-1)").await;
    assert_eq!(world.value("SELECT id FROM t WHERE n = -1").await, "9001");
    world.run("INSERT INTO t (id) VALUES (9500)").await;
    world.run("DELETE FROM t WHERE id = 9500").await;
    runner.back().await;
    world.run("INSERT INTO t (n) VALUES (-2)").await;
    assert_eq!(world.value("SELECT id FROM t WHERE n = -2").await, "9501");
}

/// The answer to the RENAME was lost, or the process died before it wrote down that it came.
async fn torn(mut world: World<'_>) {
    fill(&mut world, 1_000).await;
    let mut runner = Runner::new(&world, WIDER).await;
    runner.forward().await;
    // What is written down says that it is before the swap; the tables say otherwise.
    world.run("UPDATE _cofferdam_online SET stage = 'gate', swapped_at = NULL").await;
    world.run("INSERT INTO t (id, n) VALUES (70000, 3)").await;
    assert!(matches!(runner.seen(Part::Swap).await, Seen::Partly(_)));
    assert_ne!(runner.seen(Part::SwapBack).await, Seen::Done);
    assert!(runner.perform(Part::Discard).await.is_err(), "the new table is not given up");
    runner.must(&[Part::Swap]).await;
    assert_eq!(runner.seen(Part::Swap).await, Seen::Done);
    world.run("UPDATE _cofferdam_online SET stage = 'gate', swapped_at = NULL").await;
    // Taken back without a further try.
    runner.must(&[Part::SwapBack]).await;
    world.run("UPDATE _cofferdam_online SET stage = 'swap'").await;
    assert_ne!(runner.seen(Part::Swap).await, Seen::Done);
    runner.back().await;
    assert_eq!(world.value("SELECT n FROM t WHERE id = 70000").await, "3");
}

/// A connection of an earlier runner that could swap still is ended before anybody else goes on.
async fn evicted(mut world: World<'_>) {
    fill(&mut world, 1_000).await;
    let mut runner = Runner::new(&world, WIDER).await;
    runner.must(&[Part::Create, Part::Capture, Part::Copy]).await;
    let name = crate::mysql::claim::lock_name(&world.database, &format!("swap {}", runner.change.id()));
    let mut old = world.another().await;
    let got: Option<i64> = old.query_first(format!("SELECT GET_LOCK('{name}', 5)")).await.unwrap();
    assert_eq!(got, Some(1));
    runner.must(&[Part::Compare]).await;
    assert!(old.query_drop("DO 1").await.is_err(), "it goes on");
    runner.must(&[Part::Gate, Part::Swap]).await;
}

async fn changed(mut world: World<'_>) {
    for sql in ["ALTER TABLE t ADD COLUMN theirs int", "TRUNCATE TABLE t", "CREATE INDEX theirs ON t (note)"]
    {
        world.run("DROP TABLE IF EXISTS t").await;
        fill(&mut world, 1_000).await;
        let mut runner = Runner::new(&world, WIDER).await;
        runner.must(&[Part::Create, Part::Capture, Part::Copy, Part::Compare, Part::Gate]).await;
        world.run(sql).await;
        let fault = runner.perform(Part::Swap).await.unwrap_err();
        assert_eq!(code(&fault), Code::TableChanged, "{sql}: {fault}");
        runner.must(&[Part::SwapBack, Part::Release, Part::Discard]).await;
        runner.session.release().await.unwrap();
    }
}

/// Names that statements of ours call tables by, too.
async fn named(mut world: World<'_>) {
    for name in ["t", "s", "l", "k", "c"] {
        world.run("DROP TABLE IF EXISTS t").await;
        fill(&mut world, 1_000).await;
        if name != "t" {
            world.run(&format!("RENAME TABLE t TO {name}")).await;
        }
        let mut runner = Runner::new(&world, "DROP COLUMN note").await;
        runner.change.allow_loss = Some("unused".into());
        runner.change.table = Name::plain(name);
        runner.forward().await;
        world.run(&format!("UPDATE {name} SET n = 1000 WHERE id < 5")).await;
        world.run(&format!("INSERT INTO {name} (id, n) VALUES (90000, 7)")).await;
        runner.back().await;
        let kept = format!("SELECT COUNT(*) FROM {name} WHERE n = 1000 AND note = 'old'");
        assert_eq!(world.value(&kept).await, "5", "{name}");
        assert_eq!(world.value(&format!("SELECT COUNT(*) FROM {name}")).await, "1001", "{name}");
        runner.session.release().await.unwrap();
    }
}

/// Behind the RENAME and before anybody wrote down that it came.
async fn changed_behind(mut world: World<'_>) {
    for sql in ["ALTER TABLE t ADD COLUMN theirs int", "TRUNCATE TABLE t"] {
        world.run("DROP TABLE IF EXISTS t").await;
        fill(&mut world, 1_000).await;
        let mut runner = Runner::new(&world, WIDER).await;
        runner.forward().await;
        world.run("UPDATE _cofferdam_online SET stage = 'gate', swapped_at = NULL").await;
        world.run(sql).await;
        runner.must(&[Part::Swap, Part::Settle]).await;
        assert_eq!(runner.seen(Part::Swap).await, Seen::Done, "{sql}");
        let fault = runner.perform(Part::SwapBack).await.unwrap_err();
        assert_eq!(code(&fault), Code::TableChanged, "{sql}: {fault}");
        runner.must(&[Part::Finish]).await;
        runner.session.release().await.unwrap();
    }
}

/// Performs a part that swaps. When the lock is let go of, the table `held` keeps the RENAME waiting, until others have
/// said what they had to say.
async fn others_come_first(
    world: &mut World<'_>,
    runner: &mut Runner,
    part: Part,
    held: &str,
    said: &[&str],
) -> Fault {
    let mut holder = world.another().await;
    let held = format!("_cofferdam_{}_{held}", runner.change.id());
    // Nothing that defines it may be changed; it may be locked and written.
    holder.query_drop(format!("BACKUP LOCK {held}")).await.unwrap();
    let others = async {
        let made = "SELECT COUNT(*) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE()";
        while world.value(made).await != "3" {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        for sql in said {
            world.run(sql).await;
        }
        holder.query_drop("BACKUP UNLOCK").await.unwrap();
    };
    tokio::join!(runner.perform(part), others).0.unwrap_err()
}

async fn changed_between(mut world: World<'_>) {
    for (sql, write, rows, value, held) in [
        (
            "TRUNCATE TABLE t",
            "INSERT INTO t (id, n) VALUES (70000, 3)",
            "3",
            "SELECT n FROM t WHERE id = 70000",
            "3",
        ),
        (
            "ALTER TABLE t ADD COLUMN theirs int",
            "UPDATE t SET theirs = 5 WHERE id = 7",
            "1002",
            "SELECT theirs FROM t WHERE id = 7",
            "5",
        ),
        (
            "CREATE INDEX theirs ON t (note)",
            "DELETE FROM t WHERE id = 8",
            "1001",
            "SELECT COUNT(*) FROM t FORCE INDEX (theirs) WHERE id = 7",
            "1",
        ),
    ] {
        world.run("DROP TABLE IF EXISTS t").await;
        fill(&mut world, 1_000).await;
        let mut runner = Runner::new(&world, WIDER).await;
        runner.must(&[Part::Create, Part::Capture, Part::Copy, Part::Compare, Part::Gate]).await;
        let fault = others_come_first(&mut world, &mut runner, Part::Swap, "new", &[sql, write]).await;
        assert_eq!(code(&fault), Code::TableChanged, "{sql}: {fault}");
        assert_ne!(world.value("SELECT COUNT(*) FROM t WHERE extra = 5").await, "0", "it came: {sql}");
        // Nobody goes on with it, also after the answer was lost.
        for stage in ["swap", "gate"] {
            world.run(&format!("UPDATE _cofferdam_online SET stage = '{stage}'")).await;
            assert_ne!(runner.seen(Part::Swap).await, Seen::Done, "{sql}");
            for part in [Part::Swap, Part::Settle, Part::Finish] {
                let fault = runner.perform(part).await.unwrap_err();
                assert_eq!(code(&fault), Code::TableChanged, "{sql}: {part:?}: {fault}");
            }
        }
        world.run("INSERT INTO t (id, n) VALUES (71000, 4), (72000, 5)").await;
        world.run("UPDATE _cofferdam_online SET stage = 'gate'").await;
        runner.back().await;
        assert_eq!(world.value("SELECT COUNT(*) FROM t").await, rows, "{sql}");
        assert_eq!(world.value("SELECT n FROM t WHERE id = 72000").await, "5", "{sql}");
        assert_eq!(world.value(value).await, held, "{sql}");
        assert_eq!(world.value("SELECT COUNT(*) FROM _cofferdam_online").await, "0");
        runner.session.release().await.unwrap();
    }
}

async fn changed_between_back(mut world: World<'_>) {
    fill(&mut world, 1_000).await;
    let mut runner = Runner::new(&world, WIDER).await;
    runner.forward().await;
    let said = ["TRUNCATE TABLE t", "INSERT INTO t (id, n) VALUES (70000, 3)"];
    let fault = others_come_first(&mut world, &mut runner, Part::SwapBack, "old", &said).await;
    assert_eq!(code(&fault), Code::TableChanged, "{fault}");
    assert!(fault.refusal().unwrap().cause.clone().unwrap().contains("TRUNCATE"), "{fault}");
    assert_eq!(world.value("SELECT COUNT(*) FROM t").await, "1001");
    runner.back().await;
    assert_eq!(world.value("SELECT COUNT(*) FROM t").await, "1001");
}
