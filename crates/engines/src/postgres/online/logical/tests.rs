//! The slot on a real server: a stream, what disturbs it, and what is done without one.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests")]

use std::sync::{Arc, Mutex};

use cofferdam_core::online::{Capture, Part};

use super::super::state;
use super::super::tests::{Rig, change};
use super::*;
use crate::postgres::replication::Replication;
use crate::{Session, Stopping};

const LOG: &str = "\"cofferdam log\"";

/// A change whose slot is there, and who is to read it.
struct Slot {
    rig: Rig,
    client: Client,
    notices: Arc<Mutex<Vec<String>>>,
}

impl Slot {
    async fn on(settings: &[(&str, &str)]) -> Option<Self> {
        let mut rig = Rig::on(2_000, change(Capture::Logical), settings).await?;
        let notices = Arc::new(Mutex::new(Vec::new()));
        let heard = notices.clone();
        let listen = move |tick| {
            if let Tick::Notice(text) = tick {
                heard.lock().unwrap().push(text);
            }
        };
        rig.session.listen(Arc::new(listen), Arc::new(|| Stopping::No));
        rig.perform(&[Part::Capture]).await.unwrap();
        let client = rig.client().await;
        Some(Self { rig, client, notices })
    }

    async fn work(&self) -> Work<'_> {
        let (session, change) = (&self.rig.session, &self.rig.change);
        let stored = state::read(&session.client, change).await.unwrap().unwrap();
        let epoch = session.claim.as_ref().unwrap().epoch;
        Work::adopt(session, change, stored, epoch, Part::Copy).await.unwrap()
    }

    async fn run(&self, sql: &str) {
        self.client.batch_execute(sql).await.unwrap();
    }

    async fn one(&self, sql: &str) -> String {
        worker::value(&self.client, sql, "").await.unwrap().unwrap_or_default()
    }

    /// A query over the log of keys, `{log}`.
    async fn logged(&self, sql: &str) -> String {
        let log = format!("\"{}\".{LOG}", self.rig.change.new_schema());
        self.one(&sql.replace("{log}", &log)).await
    }

    async fn until(&self, sql: &str, expected: &str) {
        // Minutes are no measurement: it is when waiting has become pointless.
        for _ in 0..4_000 {
            if self.one(sql).await == expected {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{sql} never gives {expected}, but {}", self.one(sql).await);
    }
}

/// Does something while the slot is read.
async fn meanwhile<T>(work: &Work<'_>, what: impl Future<Output = T>) -> T {
    let _reading = work.decoded.begin();
    tokio::select! {
        stopped = pump(work) => panic!("{stopped:?}"),
        done = what => done,
    }
}

const STREAMS: &str = "SELECT count(*) FROM pg_stat_replication WHERE application_name = 'cofferdam stream'";
const END_STREAMS: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_replication";

#[tokio::test]
async fn no_key_is_lost_when_the_servers_process_is_ended_again_and_again() {
    let Some(slot) = Slot::on(&[]).await else { return };
    let work = slot.work().await;
    meanwhile(&work, async {
        for round in 0..10 {
            slot.run(&format!("UPDATE t SET note = 'r{round}' WHERE id % 10 = {round}")).await;
            if round % 3 == 1 {
                slot.until(STREAMS, "1").await;
                slot.run(END_STREAMS).await;
            }
        }
        slot.run("UPDATE t SET id = id + 100000 WHERE id = 7; DELETE FROM t WHERE id = 8").await;
        catch_up(&work).await.unwrap();
        let keys = "SELECT count(DISTINCT k1) FROM {log} WHERE op = 'K'";
        assert_eq!(slot.logged(keys).await, "2001", "all rows, and the new key of one");
        // The server's process that was ended last gives the slot away before it is gone itself.
        slot.until(STREAMS, "1").await;
    })
    .await;
    assert_eq!(*slot.notices.lock().unwrap(), Vec::<String>::new());
    // Whoever drops the slot waits for nobody.
    end(&slot.client, &slot.rig.change).await.unwrap();
    assert_eq!(slot.one("SELECT count(*) FROM pg_replication_slots").await, "0");
}

#[tokio::test]
async fn a_quiet_table_moves_on() {
    let Some(slot) = Slot::on(&[]).await else { return };
    let work = slot.work().await;
    meanwhile(&work, async {
        catch_up(&work).await.unwrap();
        slot.run("CREATE TABLE other AS SELECT i FROM generate_series(1, 10000) i").await;
        let upto = slot.one("SELECT pg_current_wal_lsn()").await;
        // Without this nothing more would be written, and the position could not pass it.
        catch_up(&work).await.unwrap();
        slot.until(&format!("SELECT confirmed_flush_lsn >= '{upto}' FROM pg_replication_slots"), "t").await;
        assert_eq!(slot.logged("SELECT count(*) FROM {log}").await, "0");
    })
    .await;
    let Err(Fault::Bug(_)) = catch_up(&work).await else {
        panic!("nobody reads, and it was said to be read")
    };
}

#[tokio::test]
async fn a_large_transaction_is_logged_in_parts() {
    let Some(slot) = Slot::on(&[]).await else { return };
    let work = slot.work().await;
    meanwhile(&work, async {
        slot.run("INSERT INTO t (id, note) SELECT i, 'many' FROM generate_series(10001, 310000) i").await;
        catch_up(&work).await.unwrap();
        assert_eq!(slot.logged("SELECT count(DISTINCT k1) FROM {log}").await, "300000");
        let largest = "SELECT max(n) <= 20000 AND count(*) >= 15 FROM
            (SELECT count(*) AS n FROM {log} GROUP BY xmin::text) p";
        assert_eq!(slot.logged(largest).await, "t");
        // A value beside the table is read whole, and nothing of it is kept.
        slot.run("INSERT INTO t (id, note) VALUES (5000, repeat('x', 30000000))").await;
        slot.run("TRUNCATE t; INSERT INTO t VALUES (1, 1, 'after')").await;
        catch_up(&work).await.unwrap();
        assert_eq!(slot.logged("SELECT count(*) FROM {log} WHERE op = 'T'").await, "1");
        assert_eq!(slot.logged("SELECT count(*) FROM {log} WHERE k1 IN (1, 5000)").await, "2");
    })
    .await;
}

/// The server takes a reader that does not answer for dead.
#[tokio::test]
async fn the_server_hears_of_us_while_keys_are_being_logged() {
    let Some(slot) = Slot::on(&[("wal_sender_timeout", "3s")]).await else { return };
    let work = slot.work().await;
    meanwhile(&work, async {
        slot.until(STREAMS, "1").await;
        let process = "SELECT pid FROM pg_stat_replication";
        let before = slot.one(process).await;
        // Longer than the server is patient. A lock would not do: it is not waited for much longer than that.
        let log = format!("\"{}\".{LOG}", slot.rig.change.new_schema());
        slot.run(&format!(
            "CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS
               $$ BEGIN PERFORM pg_catalog.pg_sleep(6); RETURN NULL; END $$;
             CREATE TRIGGER slowly AFTER INSERT ON {log} FOR EACH STATEMENT EXECUTE FUNCTION slowly()"
        ))
        .await;
        let began = std::time::Instant::now();
        slot.run("UPDATE t SET note = 'waits'").await;
        tokio::time::sleep(Duration::from_secs(4)).await;
        catch_up(&work).await.unwrap();
        assert!(began.elapsed() > Duration::from_secs(5), "it was logged at once");
        assert_eq!(slot.logged("SELECT count(*) FROM {log}").await, "2000");
        assert_eq!(slot.one(process).await, before);
    })
    .await;
}

#[tokio::test]
async fn an_earlier_reader_is_ended_and_can_do_no_harm() {
    let Some(slot) = Slot::on(&[]).await else { return };
    let work = slot.work().await;
    let mut options = slot.rig.session.watch_options();
    options.application_name = "cofferdam stream".into();
    let earlier = Replication::open(&options).await.unwrap();
    let mut earlier = earlier.start(&name(&slot.rig.change), &name(&slot.rig.change)).await.unwrap();
    let confirmed = "SELECT confirmed_flush_lsn FROM pg_replication_slots";
    meanwhile(&work, async {
        slot.run("UPDATE t SET note = 'new' WHERE id <= 5").await;
        catch_up(&work).await.unwrap();
        assert_eq!(slot.logged("SELECT count(*) FROM {log}").await, "5");
    })
    .await;
    let ended = async {
        loop {
            if let Err(fault) = earlier.next().await {
                return fault;
            }
        }
    };
    assert_eq!(ended.await.refusal().unwrap().code, Code::ConnectionLost);
    // Now we are the earlier one. What our own stream confirmed may still be on its way while its process is there.
    slot.until(STREAMS, "0").await;
    let before = slot.one(confirmed).await;
    slot.run(&format!("UPDATE {} SET epoch = epoch + 1", work.flow.fence)).await;
    slot.run("UPDATE t SET note = 'newer'").await;
    let _reading = work.decoded.begin();
    let stopped = pump(&work).await.unwrap_err();
    assert_eq!(stopped.refusal().unwrap().code, Code::Fenced);
    assert_eq!(slot.one(confirmed).await, before);
    assert_eq!(slot.logged("SELECT count(*) FROM {log}").await, "5");
}

#[tokio::test]
async fn one_that_is_taken_over_from_in_the_middle_logs_nothing_more() {
    let Some(slot) = Slot::on(&[]).await else { return };
    let work = slot.work().await;
    let _reading = work.decoded.begin();
    let confirmed = "SELECT confirmed_flush_lsn FROM pg_replication_slots";
    let before = async {
        slot.until(STREAMS, "1").await;
        catch_up(&work).await.unwrap();
        slot.run(&format!("UPDATE {} SET epoch = epoch + 1", work.flow.fence)).await;
        // Before its end: the server may say that it is in the middle of it, and that is a position as any other.
        slot.run("BEGIN; UPDATE t SET note = 'newer'").await;
        let before = slot.one("SELECT pg_current_wal_insert_lsn()").await;
        slot.run("COMMIT").await;
        before
    };
    let (stopped, before) = futures::join!(pump(&work), before);
    assert_eq!(stopped.unwrap_err().refusal().unwrap().code, Code::Fenced);
    assert_eq!(slot.logged("SELECT count(*) FROM {log}").await, "0");
    let beyond = slot.one(&format!("SELECT ({confirmed}) > '{before}'")).await;
    assert_eq!(beyond, "f", "what was not logged is not confirmed");
}

/// The slot is asked again and again, a person is told why, and nothing is lost either.
async fn without_a_stream(settings: &[(&str, &str)], then: &[&str], why: &str) {
    let Some(slot) = Slot::on(settings).await else { return };
    for sql in then {
        slot.run(sql).await;
    }
    for _ in 0..2 {
        let work = slot.work().await;
        meanwhile(&work, async {
            slot.run("UPDATE t SET note = note || '.'").await;
            catch_up(&work).await.unwrap();
            assert_eq!(slot.logged("SELECT count(DISTINCT k1) FROM {log}").await, "2000");
            slot.run("TRUNCATE t; INSERT INTO t VALUES (77777, 1, 'after')").await;
            catch_up(&work).await.unwrap();
            assert_eq!(slot.logged("SELECT count(*) > 0 FROM {log} WHERE op = 'T'").await, "t");
            assert_eq!(slot.logged("SELECT count(*) > 0 FROM {log} WHERE k1 = 77777").await, "t");
            slot.run("DELETE FROM t; INSERT INTO t SELECT i, i FROM generate_series(1, 2000) i").await;
            catch_up(&work).await.unwrap();
            assert_eq!(slot.one(STREAMS).await, "0");
        })
        .await;
        slot.logged("WITH d AS (DELETE FROM {log} RETURNING 1) SELECT count(*) FROM d").await;
    }
    let notices = slot.notices.lock().unwrap();
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert!(notices[0].contains(why), "{notices:?}");
}

#[tokio::test]
async fn without_a_free_walsender_the_slot_is_asked() {
    without_a_stream(&[("max_wal_senders", "0")], &[], "max_wal_senders").await;
}

/// It would be taken for the standby that commits wait for, and its own commits would wait for it.
#[tokio::test]
async fn where_everybody_is_a_synchronous_standby_the_slot_is_asked() {
    let then = ["ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"];
    without_a_stream(&[("synchronous_commit", "local")], &then, "synchronous_standby_names is *").await;
}

#[tokio::test]
async fn a_generated_column_of_the_key_is_an_obstacle() {
    let Some(slot) = Slot::on(&[]).await else { return };
    let sql = "CREATE TABLE g (id int GENERATED ALWAYS AS (n * 2) STORED PRIMARY KEY, n int)";
    slot.run(sql).await;
    let oid = slot.one("SELECT 'g'::regclass::oid::int8").await.parse().unwrap();
    let work = slot.work().await;
    let why = obstacle(&slot.client, &work.flow, oid).await.unwrap();
    assert!(why.is_some_and(|why| why.contains("generated")));
    let oid = work.print.table_oid;
    assert_eq!(obstacle(&slot.client, &work.flow, oid).await.unwrap(), None);
}
