//! Values of a unique index that move between rows, all the time and everywhere in the table.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use cofferdam_core::Code;
use cofferdam_core::online::Part;
use mysql_async::prelude::Queryable;

use super::super::Change;
use super::super::state::begin;
use super::changing::{COLUMNS, Dice, Load, differences, fill, online};
use super::support::{World, by_hand, code, on_both};
use super::swapping::{Runner, until};

on_both! {
    on_mysql_values_move_through_swaps / on_mariadb_values_move_through_swaps = moved;
    on_mysql_all_kinds_of_writes_go_through_swaps / on_mariadb_all_kinds_of_writes_go_through_swaps = all_kinds;
    on_mysql_a_row_comes_with_the_one_whose_value_it_has / on_mariadb_a_row_comes_with_the_one_whose_value_it_has = along;
    on_mysql_a_row_comes_along_by_a_key_of_any_kind / on_mariadb_a_row_comes_along_by_a_key_of_any_kind = along_by_key;
    on_mysql_rows_that_make_room_keep_what_was_dropped / on_mariadb_rows_that_make_room_keep_what_was_dropped = kept;
    on_mysql_a_duplicate_is_found_while_values_move / on_mariadb_a_duplicate_is_found_while_values_move = duplicate;
}

const ROWS: u64 = 6_000;
const CLAUSES: &str = "MODIFY COLUMN id bigint NOT NULL, ADD COLUMN extra int NOT NULL DEFAULT 5";

/// A row of the first half and one of the second change their values, again and again.
async fn mover(url: String, seed: u64, stop: Arc<AtomicBool>, done: Arc<AtomicU64>) {
    let mut conn = by_hand(&url).await;
    let mut dice = Dice(seed * 7_919 + 1);
    while !stop.load(Ordering::SeqCst) {
        let (a, b) = (dice.below(ROWS / 2), ROWS / 2 + dice.below(ROWS / 2));
        let mut moved = true;
        for sql in [
            "BEGIN".to_owned(),
            format!("SELECT u INTO @a FROM t WHERE id = {a} FOR UPDATE"),
            format!("SELECT u INTO @b FROM t WHERE id = {b} FOR UPDATE"),
            format!("UPDATE t SET u = NULL WHERE id = {a}"),
            format!("UPDATE t SET u = @a WHERE id = {b}"),
            format!("UPDATE t SET u = @b WHERE id = {a}"),
            "COMMIT".to_owned(),
        ] {
            // Deadlocks are part of the load.
            if conn.query_drop(&sql).await.is_err() {
                conn.query_drop("ROLLBACK").await.unwrap();
                moved = false;
                break;
            }
        }
        done.fetch_add(u64::from(moved), Ordering::SeqCst);
    }
}

async fn moved(mut world: World<'_>) {
    fill(&mut world, u32::try_from(ROWS).unwrap()).await;
    let sum = world.value("SELECT SUM(u) FROM t").await;
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let url = world.server.url(&world.database);
    let task = |seed| tokio::spawn(mover(url.clone(), seed, stop.clone(), done.clone()));
    let tasks: Vec<_> = (1..=4).map(task).collect();
    until(&done, 20).await;
    let mut runner = Runner::new(&world, CLAUSES).await;
    runner.forward().await;
    until(&done, 20).await;
    runner.back().await;
    runner.forward().await;
    runner.must(&[Part::Finish]).await;
    until(&done, 20).await;
    stop.store(true, Ordering::SeqCst);
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(world.value("SELECT SUM(u) FROM t").await, sum);
    assert_eq!(world.value("SELECT COUNT(DISTINCT u) FROM t WHERE extra = 5").await, ROWS.to_string());
}

async fn all_kinds(mut world: World<'_>) {
    fill(&mut world, 5_000).await;
    let load = Load::begin(&world, 4);
    let mut runner = Runner::new(&world, CLAUSES).await;
    for _ in 0..2 {
        runner.forward().await;
        // Both are compared before they are swapped back.
        runner.back().await;
    }
    runner.forward().await;
    assert!(load.end().await > 100);
    runner.back().await;
    assert_ne!(world.value("SELECT COUNT(*) FROM t").await, "0");
}

/// The log tells of the row that took a value before it tells of the one that had it: that one comes along.
async fn along(mut world: World<'_>) {
    fill(&mut world, 3_000).await;
    let change = Change::begin(&mut world.ground, &online("MODIFY n bigint"), 1).await.unwrap();
    change.capture().await.unwrap();
    change.copy(1).await.unwrap();
    for sql in [
        "BEGIN",
        "UPDATE t SET u = NULL WHERE id = 1",
        "UPDATE t SET u = 100001, n = 77 WHERE id = 2",
        "UPDATE t SET n = 78 WHERE id = 3",
        "COMMIT",
    ] {
        world.run(sql).await;
    }
    let mut link = change.worker("test").await.unwrap();
    begin(&mut link, &change.places, change.epoch).await.unwrap();
    let keys = ["2", "3", "2"].map(|key| vec![key.to_owned()]);
    change.log_keys(&mut link, &keys).await.unwrap();
    change.batch_open(&mut link, u64::from(u32::MAX)).await.unwrap();
    assert_eq!(world.value(&format!("SELECT COUNT(*) FROM {}", change.places.log)).await, "0");
    assert_eq!(differences(&mut world.app, &change, COLUMNS).await, Vec::<String>::new());
}

/// The server tells the key of the row that makes room, in words that mean the same row again.
async fn along_by_key(mut world: World<'_>) {
    for (ty, [a, b, c]) in [
        ("decimal(10,2)", ["-1.50", "2.00", "3.00"]),
        // By their numbers.
        ("enum('b','a','c')", ["1", "2", "3"]),
        ("varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", ["'it''s; a,'", "'b'", "'\u{1f600}'"]),
        ("varchar(20) CHARACTER SET latin1", ["'\u{e4}'", "'b'", "'c'"]),
        ("binary(4)", ["x'27002c00'", "x'62000000'", "x'00000000'"]),
        ("varbinary(4)", ["x'273b'", "x''", "x'00'"]),
        ("date", ["'2024-01-01'", "'2024-01-02'", "'2024-01-03'"]),
        ("time(3)", ["'-01:00:00.500'", "'00:00:00.000'", "'100:00:00.000'"]),
        ("datetime(6)", ["'2024-01-01 00:00:00.000001'", "'2024-01-01 00:00:00'", "'2024-01-02 00:00:00'"]),
    ] {
        world.run("DROP TABLE IF EXISTS t").await;
        world.run(&format!("CREATE TABLE t (k {ty} NOT NULL PRIMARY KEY, u int UNIQUE, n int)")).await;
        world.run(&format!("INSERT INTO t VALUES ({a}, 1, 1), ({b}, 2, 2), ({c}, 3, 3)")).await;
        let change = Change::begin(&mut world.ground, &online("MODIFY n bigint"), 1).await.unwrap();
        change.capture().await.unwrap();
        assert_eq!(change.copy(1).await.unwrap(), 3, "{ty}");
        for sql in [
            "BEGIN".to_owned(),
            format!("UPDATE t SET u = NULL WHERE k = {a}"),
            format!("UPDATE t SET u = 1, n = 77 WHERE k = {b}"),
            format!("UPDATE t SET n = 78 WHERE k = {c}"),
            "COMMIT".to_owned(),
        ] {
            world.run(&sql).await;
        }
        let mut link = change.worker("test").await.unwrap();
        begin(&mut link, &change.places, change.epoch).await.unwrap();
        let keys = [b, c].map(|key| vec![key.to_owned()]);
        change.log_keys(&mut link, &keys).await.unwrap();
        if let Err(fault) = change.batch_open(&mut link, u64::from(u32::MAX)).await {
            panic!("{ty}: {fault}");
        }
        drop(link);
        let left = differences(&mut world.app, &change, &["k", "u", "n"]).await;
        assert_eq!(left, Vec::<String>::new(), "{ty}");
        change.discard().await.unwrap();
    }
}

/// What only the old table has stays with its row, however often that makes room on the way back.
async fn kept(mut world: World<'_>) {
    fill(&mut world, u32::try_from(ROWS).unwrap()).await;
    world.run("UPDATE t SET note = CONCAT('row ', id)").await;
    let mut runner = Runner::losing(&world, "DROP COLUMN note").await;
    runner.forward().await;
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let url = world.server.url(&world.database);
    let task = |seed| tokio::spawn(mover(url.clone(), seed, stop.clone(), done.clone()));
    let tasks: Vec<_> = (1..=4).map(task).collect();
    until(&done, 100).await;
    runner.back().await;
    stop.store(true, Ordering::SeqCst);
    for task in tasks {
        task.await.unwrap();
    }
    let right = "SELECT COUNT(DISTINCT u) FROM t WHERE note = CONCAT('row ', id)";
    assert_eq!(world.value(right).await, ROWS.to_string());
}

/// Two rows that hold the same value in the same moment are no move, whatever else moves.
async fn duplicate(mut world: World<'_>) {
    fill(&mut world, u32::try_from(ROWS).unwrap()).await;
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let url = world.server.url(&world.database);
    let tasks: Vec<_> =
        (1..=3).map(|seed| tokio::spawn(mover(url.clone(), seed, stop.clone(), done.clone()))).collect();
    until(&done, 20).await;
    world.run("UPDATE t SET note = CONCAT('row ', id)").await;
    world.run("UPDATE t SET note = 'row 17' WHERE id = 5900").await;
    let mut runner = Runner::new(&world, "ADD UNIQUE KEY (note)").await;
    runner.must(&[Part::Create, Part::Capture]).await;
    let fault = match runner.perform(Part::Copy).await {
        Err(fault) => fault,
        // Others stood before it.
        Ok(()) => runner.perform(Part::Compare).await.unwrap_err(),
    };
    assert_eq!(code(&fault), Code::RowMisfit, "{fault}");
    assert!(fault.refusal().unwrap().cause.clone().unwrap().contains("'row 17'"), "{fault}");
    stop.store(true, Ordering::SeqCst);
    for task in tasks {
        task.await.unwrap();
    }
}
