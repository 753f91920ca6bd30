//! The comparison is shown, and gone on with by the next runner: what was compared is not compared again, and what is left
//! is compared as before.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests")]

use std::sync::{Arc, Mutex};

use cofferdam_core::fault::Result;
use cofferdam_core::online::Online;
use cofferdam_core::{Code, Fault};
use cofferdam_scratch::mysql::{Kind, Server};

use super::super::Change;
use super::super::behind::Replicas;
use super::super::state::{Direction, Places};
use super::super::valve::Valve;
use super::changing::{COLUMNS, differences, fill, online};
use super::support::{World, code, ground, on_both, on_own};
use crate::{Stopping, Tick};

on_both! {
    on_mysql_a_comparison_is_shown_and_gone_on_with / on_mariadb_a_comparison_is_shown_and_gone_on_with = gone_on_with;
    on_mysql_a_difference_in_what_is_left_is_found / on_mariadb_a_difference_in_what_is_left_is_found = left_differs;
    on_mysql_keys_that_wait_are_as_good_as_compared / on_mariadb_keys_that_wait_are_as_good_as_compared = waiting;
    on_mysql_many_rows_that_wait_hide_no_difference / on_mariadb_many_rows_that_wait_hide_no_difference = many_wait;
    on_mysql_who_was_taken_over_from_writes_no_verdict / on_mariadb_who_was_taken_over_from_writes_no_verdict = fenced;
    on_mysql_chunks_that_leave_keys_out_are_no_comparison
        / on_mariadb_chunks_that_leave_keys_out_are_no_comparison = incomplete;
    on_mysql_the_way_back_is_compared_by_itself / on_mariadb_the_way_back_is_compared_by_itself = both_ways;
}

const ROWS: u32 = 12_000;

/// What a runner shows: how far it was, and of how much.
type Shown = Arc<Mutex<Vec<(u64, u64)>>>;

/// Notes what is shown, and is asked to stop once so much of the comparison was.
fn watched(change: &mut Change, stop_after: usize) -> Shown {
    let shown = Shown::default();
    let (told, asked) = (shown.clone(), shown.clone());
    let ticker = Arc::new(move |tick| match tick {
        Tick::Progress { doing, done, total } if doing == "comparing rows" => {
            told.lock().unwrap().push((done, total));
        }
        _ => {}
    });
    let stop = Arc::new(move || match asked.lock().unwrap().len() >= stop_after {
        true => Stopping::AtSafePoint,
        false => Stopping::No,
    });
    change.valve = Valve::new(&change.online.table, Direction::Forward, 1, ticker, stop);
    change.valve.replicas(Replicas::Near);
    shown
}

/// What the part does.
async fn compare(change: &Change) -> Result<u64> {
    change
        .following(async |mut reached| {
            change.catch_up(&mut reached, 0).await?;
            change.compare(&reached, 1).await
        })
        .await
}

/// A change whose first runner stopped when it had compared so many chunks. Gives the next runner's, and how many chunks
/// there are.
async fn stopped(world: &mut World<'_>, wanted: &Online, chunks: usize) -> (Change, usize) {
    fill(world, ROWS).await;
    let mut change = Change::begin(&mut world.ground, wanted, 1).await.unwrap();
    change.capture().await.unwrap();
    change.following(async |_| change.copy(1).await).await.unwrap();
    let shown = watched(&mut change, chunks);
    assert_eq!(code(&compare(&change).await.unwrap_err()), Code::Interrupted);
    let held = world.value(&of_chunks(&change, "SUM(held)", &format!("no <= {chunks}"))).await;
    assert_eq!(shown.lock().unwrap().len(), chunks);
    assert_eq!(*shown.lock().unwrap().last().unwrap(), (held.parse().unwrap(), u64::from(ROWS)));
    assert_eq!(world.value(&of_chunks(&change, "GROUP_CONCAT(no)", "compared > 0")).await, first(chunks));
    let all = world.value(&of_chunks(&change, "COUNT(*)", "TRUE")).await.parse().unwrap();
    assert!(all > chunks + 1, "{all} chunks");
    (Change::begin(&mut world.ground, wanted, 2).await.unwrap(), all)
}

fn of_chunks(change: &Change, what: &str, which: &str) -> String {
    format!("SELECT {what} FROM {} WHERE {which}", change.places.chunk)
}

/// `1,2,3`.
fn first(chunks: usize) -> String {
    (1..=chunks).map(|no| no.to_string()).collect::<Vec<_>>().join(",")
}

async fn gone_on_with(mut world: World<'_>) {
    let (mut change, all) = stopped(&mut world, &online("MODIFY n bigint"), 2).await;
    // Rows of what was compared and of what was not.
    for sql in [
        "UPDATE t SET note = 'later', id = 60000 WHERE id = 1",
        "UPDATE t SET note = 'later' WHERE id IN (2, 11000)",
        "DELETE FROM t WHERE id IN (3, 11001)",
        "INSERT INTO t VALUES (-5, -5, 1, 'later'), (70000, -6, 1, 'later')",
    ] {
        world.run(sql).await;
    }
    // Nobody told of it, and it is in a chunk that is not looked at again.
    let unseen = format!("UPDATE {} SET note = 'spoilt' WHERE id = 4", change.new_table());
    world.run(&unseen).await;
    let shown = watched(&mut change, usize::MAX);
    assert_eq!(compare(&change).await.unwrap(), 0);
    // Each chunk that was left, once, and on from where it was.
    let shown = shown.lock().unwrap().clone();
    assert_eq!(shown.len(), all - 2, "{shown:?}");
    assert!(shown.is_sorted(), "{shown:?}");
    assert!(shown[0].0 > 2 * 1_000 && shown.iter().all(|(_, total)| *total == u64::from(ROWS)), "{shown:?}");
    assert_eq!(shown.last().unwrap().0, u64::from(ROWS));
    assert_eq!(world.value(&of_chunks(&change, "COUNT(*)", "compared = 0")).await, "0");
    // What was written between the two is there.
    let found = differences(&mut world.app, &change, COLUMNS).await;
    assert_eq!(found, ["t only: 4 100004 4 old", "s only: 4 100004 4 spoilt"]);
    // Once more there is nothing to be done, and the gate looks at everything.
    assert_eq!(compare(&change).await.unwrap(), 0);
    let anew = change.following(async |reached| change.compare_anew(&reached, 1).await).await;
    assert_named(anew, "4");
}

/// A row with this key differs, and no other.
fn assert_named(found: Result<u64>, key: &str) {
    let fault = found.map(|pending| panic!("{pending} rows wait, and none differs")).unwrap_err();
    assert_eq!(code(&fault), Code::Mismatch, "{fault}");
    assert_eq!(fault.refusal().unwrap().notes, [format!("the row with the key {key}")]);
}

async fn left_differs(mut world: World<'_>) {
    let (change, all) = stopped(&mut world, &online("MODIFY n bigint"), 1).await;
    let spoil = format!("UPDATE {} SET note = 'spoilt' WHERE id = 11111", change.new_table());
    world.run(&spoil).await;
    assert_named(compare(&change).await, "11111");
    // It is not written down as compared, whoever comes: another runner finds it again.
    let done = world.value(&of_chunks(&change, "COUNT(*)", "compared > 0")).await;
    assert!(done.parse::<usize>().unwrap() < all, "{done} of {all}");
    let next = Change::begin(&mut world.ground, &online("MODIFY n bigint"), 3).await.unwrap();
    assert_named(compare(&next).await, "11111");
}

/// Rows that differ because they are still to be brought over do not keep their chunk from being compared; the next runner
/// brings them over.
async fn waiting(mut world: World<'_>) {
    fill(&mut world, ROWS).await;
    let wanted = online("MODIFY n bigint");
    let mut change = Change::begin(&mut world.ground, &wanted, 1).await.unwrap();
    change.capture().await.unwrap();
    change.following(async |_| change.copy(1).await).await.unwrap();
    watched(&mut change, 1);
    world.run("UPDATE t SET note = 'waits' WHERE id < 7").await;
    let stopped = change.following(async |reached| change.compare(&reached, 1).await).await;
    assert_eq!(code(&stopped.unwrap_err()), Code::Interrupted);
    assert_eq!(world.value(&of_chunks(&change, "GROUP_CONCAT(no)", "compared > 0")).await, "1");
    assert_eq!(differences(&mut world.app, &change, COLUMNS).await.len(), 14);
    let next = Change::begin(&mut world.ground, &wanted, 2).await.unwrap();
    assert_eq!(compare(&next).await.unwrap(), 0);
    assert_eq!(differences(&mut world.app, &next, COLUMNS).await, Vec::<String>::new());
}

/// More rows of a chunk wait than are looked at at once, and behind them is one that nobody told of.
async fn many_wait(mut world: World<'_>) {
    fill(&mut world, ROWS).await;
    let change = Change::begin(&mut world.ground, &online("MODIFY n bigint"), 1).await.unwrap();
    change.capture().await.unwrap();
    change.following(async |_| change.copy(1).await).await.unwrap();
    world.run("UPDATE t SET note = 'waits' WHERE id < 300").await;
    let compared = change.following(async |reached| change.compare(&reached, 1).await).await;
    assert_ne!(compared.unwrap(), 0);
    world.run(&format!("INSERT INTO {} (id, u) VALUES (-7, -7)", change.new_table())).await;
    let found = change.following(async |reached| change.compare_anew(&reached, 1).await).await;
    assert_named(found, "-7");
}

/// It looked before another runner came, and would write after.
async fn fenced(mut world: World<'_>) {
    let wanted = online("MODIFY n bigint");
    let (late, _) = stopped(&mut world, &wanted, 1).await;
    Change::begin(&mut world.ground, &wanted, 3).await.unwrap();
    let refused = late.following(async |reached| late.compare(&reached, 1).await).await;
    assert_eq!(code(&refused.unwrap_err()), Code::Fenced);
    // The reader of the log stops it as well, if it comes first.
    let mut link = late.worker("compare").await.unwrap();
    let refused = late.write_chunks(&mut link, "compared = 7 WHERE no = 2").await;
    assert_eq!(code(&refused.unwrap_err()), Code::Fenced);
    assert_eq!(world.value(&of_chunks(&late, "GROUP_CONCAT(no)", "compared > 0")).await, "1");
}

async fn incomplete(mut world: World<'_>) {
    let (change, all) = stopped(&mut world, &online("MODIFY n bigint"), 1).await;
    let chunk = change.places.chunk.clone();
    world.run(&format!("CREATE TABLE kept SELECT * FROM {chunk}")).await;
    for wrong in [
        "DELETE FROM c".to_owned(),
        "DELETE FROM c WHERE no = 1".to_owned(),
        "DELETE FROM c WHERE no = 2".to_owned(),
        format!("DELETE FROM c WHERE no = {all}"),
        "UPDATE c SET _cofferdam_low0 = _cofferdam_low0 + 1 WHERE no = 3".to_owned(),
        "UPDATE c SET ended = 1 WHERE no = 2".to_owned(),
    ] {
        world.run(&wrong.replacen(" c", &format!(" {chunk}"), 1)).await;
        let found = compare(&change).await;
        assert!(
            matches!(&found, Err(Fault::Bug(why)) if why.contains("leave keys out")),
            "{wrong}: {found:?}"
        );
        world.run(&format!("DELETE FROM {chunk}")).await;
        world.run(&format!("INSERT INTO {chunk} SELECT * FROM kept")).await;
    }
    assert_eq!(compare(&change).await.unwrap(), 0);
}

/// The way back has chunks of its own, which are cut anew whenever it is begun.
async fn both_ways(mut world: World<'_>) {
    let wanted = online("MODIFY n bigint");
    let (change, all) = stopped(&mut world, &wanted, 1).await;
    let back = Places::of(&world.database, &wanted, Direction::Back).unwrap();
    assert_eq!(world.value(&format!("SELECT COUNT(*) FROM {}", back.chunk)).await, "0");
    assert_eq!(compare(&change).await.unwrap(), 0);
    change.cut_all().await.unwrap();
    let sums = of_chunks(&change, "CONCAT_WS(' ', SUM(compared > 0), SUM(held), COUNT(*) > 1)", "TRUE");
    assert_eq!(world.value(&sums).await, format!("0 {ROWS} 1"), "of {all}");
    assert_eq!(compare(&change).await.unwrap(), 0);
    assert_eq!(world.value(&of_chunks(&change, "MIN(compared > 0)", "TRUE")).await, "1");
}

/// What the log of a server told before its machine stopped may be lost, though the rows are there.
async fn restarted(kind: Kind, mut server: Server) {
    let wanted = online("MODIFY n bigint");
    {
        let mut world = World::new(&server, kind, "d").await;
        let (change, _) = stopped(&mut world, &wanted, 2).await;
        world.run(&format!("UPDATE {} SET note = 'spoilt' WHERE id = 4", change.new_table())).await;
    }
    server.restart().unwrap();
    let mut ground = ground(&server.url("d")).await;
    let next = Change::begin(&mut ground, &wanted, 3).await.unwrap();
    assert_named(compare(&next).await, "4");
}

#[test]
fn on_mysql_after_a_start_of_the_server_all_is_compared() {
    on_own("on_mysql_after_a_start_of_the_server_all_is_compared", Kind::MySql, &[], restarted);
}

#[test]
fn on_mariadb_after_a_start_of_the_server_all_is_compared() {
    on_own("on_mariadb_after_a_start_of_the_server_all_is_compared", Kind::MariaDb, &[], restarted);
}
