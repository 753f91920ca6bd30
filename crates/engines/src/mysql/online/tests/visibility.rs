//! The gap between what the log tells and what can be seen, held open: a server that waits for a replica which is not
//! there writes its log and shows the row to nobody.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::time::Duration;

use cofferdam_scratch::mysql::{Kind, Server};
use mysql_async::prelude::Queryable;

use super::super::binlog::Item;
use super::support::{MARKS, World, on_own};

/// How such a wait is switched on, and off again, which ends it.
fn switches(kind: Kind) -> (Vec<&'static str>, &'static str) {
    match kind {
        Kind::MySql => (
            vec![
                "INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so'",
                "SET GLOBAL rpl_semi_sync_source_timeout = 600000",
                "SET GLOBAL rpl_semi_sync_source_enabled = ON",
            ],
            "SET GLOBAL rpl_semi_sync_source_enabled = OFF",
        ),
        Kind::MariaDb => (
            vec![
                "SET GLOBAL rpl_semi_sync_master_timeout = 600000",
                "SET GLOBAL rpl_semi_sync_master_wait_point = AFTER_SYNC",
                "SET GLOBAL rpl_semi_sync_master_enabled = ON",
            ],
            "SET GLOBAL rpl_semi_sync_master_enabled = OFF",
        ),
    }
}

async fn gap(kind: Kind, server: Server) {
    let mut world = World::new(&server, kind, "d").await;
    world.run("CREATE TABLE t (id int PRIMARY KEY)").await;
    let mut stream = world.follow("t").await;
    let (on, off) = switches(kind);
    for sql in on {
        world.run(sql).await;
    }
    let (mut writer, mut marker) = (world.another().await, world.another().await);
    let write = tokio::spawn(async move { writer.query_drop("INSERT INTO t VALUES (1)").await.unwrap() });
    // The log tells of the row ...
    loop {
        if let Item::Keys(keys) = stream.next().await.unwrap() {
            assert_eq!(keys, [["1"]]);
            break;
        }
    }
    // ... which nobody can see: whoever read it again now would lose it.
    assert_eq!(world.value("SELECT COUNT(*) FROM t").await, "0");
    // A mark that is written now is not answered before the row can be seen.
    let mut mark = tokio::spawn(async move {
        marker.query_drop(format!("UPDATE {MARKS} SET n = 1")).await.unwrap();
        let seen: Option<u32> = marker.query_first("SELECT COUNT(*) FROM t").await.unwrap();
        seen
    });
    assert!(tokio::time::timeout(Duration::from_millis(500), &mut mark).await.is_err(), "it was answered");
    world.run(off).await;
    assert_eq!(mark.await.unwrap(), Some(1));
    write.await.unwrap();
}

#[test]
fn on_mysql_an_answered_mark_shows_what_was_told_before() {
    on_own("on_mysql_an_answered_mark_shows_what_was_told_before", Kind::MySql, &[], gap);
}

#[test]
fn on_mariadb_an_answered_mark_shows_what_was_told_before() {
    on_own("on_mariadb_an_answered_mark_shows_what_was_told_before", Kind::MariaDb, &[], gap);
}
