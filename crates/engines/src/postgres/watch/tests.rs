//! Who is seen to wait, on a real server.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests")]

use std::sync::Arc;

use cofferdam_core::Fault;

use super::*;
use crate::postgres::cells::AnswerCells;
use crate::postgres::cells::tests::{of, server, to};
use crate::postgres::others;

#[tokio::test]
async fn a_session_of_which_nothing_is_known_is_still_a_session() {
    let Some(server) = server().await else { return };
    let client = to(&server, "postgres").await;
    let waits = async |pid: &str, state_change: &str| {
        let sql = format!(
            "SELECT {HOLDER_COLUMNS}, true, {WAITED} FROM (
                 SELECT {pid}::int AS pid, NULL::name AS usename, NULL::text AS application_name,
                        NULL::inet AS client_addr, NULL::text AS state, {state_change} AS state_change,
                        NULL::timestamptz AS backend_start, NULL::text AS query, NULL::timestamptz AS query_start,
                        NULL::timestamptz AS wanted_since, 'client backend'::text AS backend_type) a"
        );
        session_of(&client.query_typed(&sql, &[]).await.unwrap()[0])
    };
    let (session, waited) = waits("7", "NULL::timestamptz").await.unwrap();
    let nothing = String::new;
    let expected = Holder {
        pid: 7,
        user: nothing(),
        application: nothing(),
        client: nothing(),
        state: nothing(),
        seconds: 0,
        statement: nothing(),
    };
    assert_eq!((session, waited), (expected, Some(Duration::ZERO)));
    let (_, waited) = waits("7", "pg_catalog.clock_timestamp() - interval '5s'").await.unwrap();
    assert!(waited >= Some(Duration::from_secs(5)), "{waited:?}");
    assert!(matches!(waits("NULL", "NULL::timestamptz").await, Err(Fault::Bug(_))));
}

/// It never has a statement, so the server tells no start of one, for as long as it waits.
#[tokio::test]
async fn the_worker_of_a_subscription_that_waits_for_us_is_seen() {
    let Some(server) = server().await else { return };
    let (from, watch) = (to(&server, "postgres").await, to(&server, "postgres").await);
    let run = async |client: &Client, statements: &[&str]| {
        for sql in statements {
            client.batch_execute(sql).await.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
        }
    };
    run(&from, &["CREATE DATABASE copy", "CREATE TABLE t (id int PRIMARY KEY)"]).await;
    run(
        &from,
        &["CREATE PUBLICATION p FOR TABLE t", "SELECT pg_create_logical_replication_slot('s', 'pgoutput')"],
    )
    .await;
    let ours = to(&server, "copy").await;
    let subscribe = format!(
        "CREATE SUBSCRIPTION s CONNECTION '{}' PUBLICATION p WITH (create_slot = false, copy_data = false)",
        server.url("postgres")
    );
    run(&ours, &["CREATE TABLE t (id int PRIMARY KEY)", &subscribe, "BEGIN", "LOCK TABLE t"]).await;
    run(&from, &["INSERT INTO t VALUES (1)"]).await;
    let own = ours.query_typed("SELECT pg_catalog.pg_backend_pid()", &[]).await.unwrap();
    let own: i32 = own.first_cell().unwrap().unwrap();
    let began = Instant::now();
    let seen = loop {
        let rows = watch.query_typed(&look_query(), &[(&own, Type::INT4)]).await.unwrap();
        match rows.first().map(|row| session_of(row).unwrap()) {
            Some((_, Some(waited))) if !waited.is_zero() => break rows,
            seen => assert!(began.elapsed() < Duration::from_secs(60), "{seen:?}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let pid = session_of(&seen[0]).unwrap().0.pid;
    let sql = "SELECT backend_type LIKE 'logical replication%' AND query_start IS NULL FROM pg_stat_activity WHERE pid = $1";
    let worker = watch.query_typed(sql, &[(&pid, Type::INT4)]).await.unwrap();
    assert_eq!(worker.first_cell::<bool>().unwrap(), Some(true));
    run(&ours, &["ROLLBACK", "DROP SUBSCRIPTION s"]).await;
}

#[tokio::test]
async fn who_may_not_see_what_others_do_counts_them() {
    let Some(server) = server().await else { return };
    let client = to(&server, "postgres").await;
    client
        .batch_execute("CREATE ROLE app; CREATE ROLE migrator; SET SESSION AUTHORIZATION migrator")
        .await
        .unwrap();
    assert!(!others::are_at_work(&client).await.unwrap(), "nobody is there but the server's own processes");
    let app = to(&server, "postgres").await;
    app.batch_execute("SET application_name = 'app'").await.unwrap();
    assert!(others::are_at_work(&client).await.unwrap());
}

/// So are those of the application that wait behind us, and ours gives way to them.
#[tokio::test]
async fn who_may_not_see_what_others_do_gives_way_to_them() {
    let Some(server) = server().await else { return };
    let roles = "CREATE ROLE migrator LOGIN; CREATE ROLE app LOGIN; CREATE TABLE t (id int);
                 ALTER TABLE t OWNER TO migrator; GRANT SELECT ON t TO app";
    to(&server, "postgres").await.batch_execute(roles).await.unwrap();
    let url = server.url("postgres");
    let who = |user: &str| url.replace("user=postgres", &format!("user={user}"));
    let ours = of(&who("migrator"), "cofferdam test").await;
    let watch = of(&who("migrator"), "cofferdam test").await;
    let app = of(&who("app"), "app").await;
    let own = ours.query_typed("SELECT pg_catalog.pg_backend_pid()", &[]).await.unwrap();
    let (ticker, stop): (Ticker, StopAsked) = (Arc::new(|_| {}), Arc::new(|| Stopping::No));
    let lookout = Lookout {
        watch: &watch,
        backend: own.first_cell().unwrap().unwrap(),
        limits: Limits { max_block_ms: 300, ..Limits::default() },
        ticker: &ticker,
        stop: &stop,
        since: Instant::now(),
        builds_index: false,
    };
    ours.batch_execute("BEGIN; LOCK TABLE t").await.unwrap();
    let waits = async {
        let (ended, sighting) = lookout.over(ours.batch_execute("SELECT pg_sleep(60)")).await;
        ours.batch_execute("ROLLBACK").await.unwrap();
        (ended, sighting)
    };
    let (read, (ended, sighting)) = futures::join!(app.batch_execute("SELECT FROM t"), waits);
    read.unwrap();
    assert!(ended.is_err(), "it slept to its end");
    let (holders, waited) = sighting.cancelled_for.unwrap();
    assert_eq!((holders.len(), holders[0].user.as_str()), (1, "app"));
    assert!(waited >= Duration::from_millis(300), "{waited:?}");
}
