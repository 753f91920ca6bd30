//! Transactions, definitions, files and connections, as the log tells of them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests")]

use cofferdam_core::{Code, Name};
use cofferdam_scratch::mysql::{Kind, Server};
use mysql_async::prelude::Queryable;

use super::super::binlog::{Item, Position, Stream};
use super::support::{MARKS, World, code, ground, keys, numbers, on_both, on_own, until};

on_both! {
    on_mysql_every_way_to_write_is_seen / on_mariadb_every_way_to_write_is_seen = writes;
    on_mysql_what_was_rolled_back_is_not_told / on_mariadb_what_was_rolled_back_is_not_told = rolled_back;
    on_mysql_the_log_is_read_again_from_any_end / on_mariadb_the_log_is_read_again_from_any_end = from_any_end;
    on_mysql_a_broken_stream_loses_nothing_and_doubles_nothing / on_mariadb_a_broken_stream_loses_nothing_and_doubles_nothing = broken;
    on_mysql_a_changed_definition_stops_it / on_mariadb_a_changed_definition_stops_it = changed;
    on_mysql_definitions_of_others_do_not / on_mariadb_definitions_of_others_do_not = unrelated;
    on_mysql_small_row_images_tell_the_key / on_mariadb_small_row_images_tell_the_key = images;
    on_mysql_two_streams_do_not_end_each_other / on_mariadb_two_streams_do_not_end_each_other = two;
    on_mysql_hidden_columns_do_not_move_the_key / on_mariadb_hidden_columns_do_not_move_the_key = hidden;
    on_mysql_a_position_of_another_server_is_refused / on_mariadb_a_position_of_another_server_is_refused = another_server;
}

const TABLE: &str = "CREATE TABLE t (id int PRIMARY KEY, n int, pad varchar(5000))";

async fn writes(mut world: World<'_>) {
    world.run(TABLE).await;
    world.run("CREATE TABLE other (id int PRIMARY KEY, n int)").await;
    world.run("INSERT INTO other VALUES (3, 30), (4, 40)").await;
    let mut stream = world.follow("t").await;
    for (sql, expected) in [
        ("INSERT INTO t (id) VALUES (1), (2)", &[1, 2][..]),
        ("INSERT INTO t (id, n) SELECT id, n FROM other", &[3, 4]),
        ("REPLACE INTO t (id, n) VALUES (4, 41)", &[4]),
        ("INSERT INTO t (id) VALUES (1), (9) ON DUPLICATE KEY UPDATE n = 5", &[1, 9]),
        ("INSERT IGNORE INTO t (id) VALUES (1), (10)", &[10]),
        ("UPDATE t SET n = n WHERE id = 3", &[]),
        ("UPDATE t JOIN other USING (id) SET t.n = 7, other.n = 7", &[3, 4]),
        // The new key and the old one.
        ("UPDATE t SET id = 20 WHERE id = 10", &[20, 10]),
        ("DELETE t FROM t JOIN other USING (id) WHERE id = 4", &[4]),
        ("UPDATE other SET n = 0", &[]),
        ("DELETE FROM t", &[1, 2, 3, 9, 20]),
    ] {
        world.run(sql).await;
        let mut found = numbers(&world.keys(&mut stream).await);
        found.sort_unstable();
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        found.dedup();
        assert_eq!(found, expected, "{sql}");
    }
}

async fn rolled_back(mut world: World<'_>) {
    world.run(TABLE).await;
    let mut stream = world.follow("t").await;
    world.run("BEGIN").await;
    world.run("INSERT INTO t (id) VALUES (1)").await;
    world.run("ROLLBACK").await;
    world.run("BEGIN").await;
    world.run("INSERT INTO t (id) VALUES (2)").await;
    world.run("SAVEPOINT a").await;
    world.run("INSERT INTO t (id) VALUES (3)").await;
    world.run("ROLLBACK TO a").await;
    world.run("INSERT INTO t (id) VALUES (4)").await;
    world.run("COMMIT").await;
    let items = world.items(&mut stream).await;
    assert_eq!(numbers(&keys(&items)), [2, 4]);
    // Ends of others' transactions may stand between.
    let mut shape: Vec<&str> = items
        .iter()
        .map(|item| match item {
            Item::Keys(_) => "keys",
            Item::Mark(_) => "mark",
            Item::End(_) => "end",
        })
        .skip_while(|item| *item == "end")
        .collect();
    shape.dedup();
    assert_eq!(shape, ["keys", "end", "mark", "end"]);
}

/// Writes of many kinds of transactions, over several files.
async fn busy(world: &mut World<'_>) {
    for round in 0..4 {
        let from = round * 100;
        world.run(&format!("INSERT INTO t (id, pad) VALUES ({from}, REPEAT('x', 5000))")).await;
        world.run("BEGIN").await;
        for id in from + 1..from + 40 {
            world.run(&format!("INSERT INTO t (id, pad) VALUES ({id}, REPEAT('y', 5000))")).await;
        }
        world.run("COMMIT").await;
        world.run(&format!("UPDATE t SET n = {round}")).await;
        world.run(&format!("CREATE TABLE IF NOT EXISTS side_{round} (id int)")).await;
        world.run(&format!("DELETE FROM t WHERE id >= {}", from + 20)).await;
        world.run("FLUSH BINARY LOGS").await;
    }
}

async fn from_any_end(mut world: World<'_>) {
    world.run(TABLE).await;
    let mut stream = world.follow("t").await;
    let begin = stream.safe().clone();
    busy(&mut world).await;
    let mark = world.mark().await;
    let items = until(&mut stream, mark).await;
    let ends = |items: &[Item]| items.iter().filter(|item| matches!(item, Item::End(_))).count();
    assert!(ends(&items) > 15, "{}", ends(&items));
    let files: std::collections::BTreeSet<&str> = items
        .iter()
        .filter_map(|item| match item {
            Item::End(at) => Some(at.file.as_str()),
            _ => None,
        })
        .collect();
    assert!(files.len() >= 5, "{files:?}");
    let mut places = vec![(0, begin)];
    places.extend(items.iter().enumerate().filter_map(|(at, item)| match item {
        Item::End(position) => Some((at + 1, position.clone())),
        _ => None,
    }));
    // The last one is behind the mark.
    places.pop();
    for (at, position) in places {
        let mut again = world.follow_from("t", position.clone()).await;
        assert_eq!(until(&mut again, mark).await, items[at..], "from {position}");
    }
}

/// Ends the connections over which the server sends its log to us.
async fn kill_streams(world: &mut World<'_>) -> usize {
    let mut killer = world.another().await;
    let all: Vec<mysql_async::Row> = killer.query("SHOW FULL PROCESSLIST").await.unwrap();
    let dump = |row: &&mysql_async::Row| row.get::<String, _>(4).unwrap().starts_with("Binlog Dump");
    let ids: Vec<u64> = all.iter().filter(dump).map(|row| row.get(0).unwrap()).collect();
    for id in &ids {
        // Another test's may be gone by itself.
        let _ = killer.query_drop(format!("KILL {id}")).await;
    }
    ids.len()
}

async fn broken(mut world: World<'_>) {
    world.run(TABLE).await;
    let mut stream = world.follow("t").await;
    let begin = stream.safe().clone();
    busy(&mut world).await;
    // More than fits into the buffers between the server and us.
    world.run("BEGIN").await;
    for from in (1_000..4_000).step_by(500) {
        let rows: Vec<String> = (from..from + 500).map(|id| format!("({id}, REPEAT('z', 5000))")).collect();
        world.run(&format!("INSERT INTO t (id, pad) VALUES {}", rows.join(", "))).await;
    }
    world.run("COMMIT").await;
    let mark = world.mark().await;
    let mut undisturbed = world.follow_from("t", begin).await;
    let expected = until(&mut undisturbed, mark).await;
    drop(undisturbed);

    let (mut items, mut killed) = (Vec::new(), 0);
    let mut inside = 0;
    while items.last() != expected.last() || items.len() < expected.len() {
        items.push(stream.next().await.unwrap());
        assert!(items.len() <= expected.len(), "more than there is");
        // At the beginning, at ends, and again and again in the midst of the large transaction. Each time that one is read
        // from its beginning again, and all of it must be over before the stream has lost its patience.
        if items.len() % 293 == 1 {
            killed += kill_streams(&mut world).await;
            inside += usize::from(!matches!(items.last(), Some(Item::End(_))));
        }
    }
    assert_eq!(items, expected);
    assert!(killed > 3 && inside > 3, "killed {killed} streams, {inside} within a transaction");
}

async fn changed(mut world: World<'_>) {
    for (number, sql) in [
        "TRUNCATE t",
        "ALTER TABLE t ADD COLUMN x int",
        "ALTER TABLE t MODIFY n bigint",
        "ALTER TABLE t RENAME TO u",
        "RENAME TABLE t TO u",
        "DROP TABLE t",
        "CREATE INDEX i ON t (n)",
        "CREATE TRIGGER tr AFTER INSERT ON t FOR EACH ROW SET @a = 1",
        "CREATE TABLE child (id int, CONSTRAINT c FOREIGN KEY (id) REFERENCES t (id))",
    ]
    .into_iter()
    .enumerate()
    {
        world.run("DROP TABLE IF EXISTS child, t, u").await;
        world.run(TABLE).await;
        let mut stream = world.follow("t").await;
        world.run(&format!("INSERT INTO t (id) VALUES ({number})")).await;
        world.run(sql).await;
        let fault = world.fault(&mut stream).await;
        assert_eq!(code(&fault), Code::TableChanged, "{sql}: {fault}");
        assert!(fault.refusal().unwrap().cause.as_deref().unwrap_or_default().contains(&sql[..6]), "{fault}");
    }
}

async fn unrelated(mut world: World<'_>) {
    world.run(TABLE).await;
    let database = world.database.clone();
    let mut stream = world.follow("t").await;
    for sql in [
        "CREATE TABLE tt (id int)",
        "CREATE TABLE like_t LIKE t",
        "ALTER TABLE tt ADD COLUMN t int",
        "CREATE VIEW v AS SELECT * FROM t",
        "ANALYZE TABLE t",
        "CREATE TEMPORARY TABLE t (id int)",
        "INSERT INTO t VALUES (99)",
        "DROP TEMPORARY TABLE t",
        "CREATE PROCEDURE p() DELETE FROM t",
        "DROP TABLE tt",
        "DROP VIEW v",
        "FLUSH TABLES t",
    ] {
        // A column of another table that bears the name is the price of looking at names alone.
        if !sql.contains("COLUMN t ") {
            world.run(sql).await;
        }
    }
    // A table of the same name elsewhere.
    world.run(&format!("CREATE DATABASE {database}_2")).await;
    world.run(&format!("USE {database}_2")).await;
    world.run("CREATE TABLE t (a int)").await;
    world.run("INSERT INTO t VALUES (98)").await;
    world.run("TRUNCATE t").await;
    world.run(&format!("DROP DATABASE {database}_2")).await;
    world.run(&format!("USE {database}")).await;
    world.run("INSERT INTO t (id) VALUES (1)").await;
    assert_eq!(numbers(&world.keys(&mut stream).await), [1]);
}

/// On a server of its own: it stops everybody who follows its log.
async fn statements(kind: Kind, server: Server) {
    let mut world = World::new(&server, kind, "d").await;
    world.run(TABLE).await;
    let mut stream = world.follow("t").await;
    world.run("SET SESSION binlog_format = 'STATEMENT'").await;
    world.run("INSERT INTO t (id) VALUES (1)").await;
    world.run("SET SESSION binlog_format = 'ROW'").await;
    let fault = world.fault(&mut stream).await;
    assert_eq!(code(&fault), Code::BinlogUnread, "{fault}");
    let cause = fault.refusal().unwrap().cause.clone().unwrap();
    assert!(cause.contains("in place of the rows") && cause.contains("INSERT INTO t"), "{cause}");
}

async fn images(mut world: World<'_>) {
    world.run("CREATE TABLE t (a text, id int PRIMARY KEY, doc json, n int)").await;
    let mut stream = world.follow("t").await;
    let mut settings = vec!["binlog_row_image = 'MINIMAL'", "binlog_row_image = 'NOBLOB'"];
    if world.mysql() {
        settings.push("binlog_row_value_options = 'PARTIAL_JSON'");
        settings.push("binlog_transaction_compression = ON");
    } else if world.value("SELECT VERSION() REGEXP '^(11\\\\.[4-9]|1[2-9])'").await == "1" {
        settings.push("binlog_row_image = 'FULL_NODUP'");
    }
    let document = format!(r#"'{{"a": "{}", "b": 1}}'"#, "x".repeat(2_000));
    for setting in settings {
        world.run(&format!("SET SESSION {setting}")).await;
        world.run("BEGIN").await;
        world.run(&format!("INSERT INTO t VALUES ('t', 1, {document}, 1), (NULL, 2, {document}, 2)")).await;
        world.run("UPDATE t SET doc = JSON_SET(doc, '$.b', 2), n = 5").await;
        world.run("UPDATE t SET a = 'u' WHERE id = 2").await;
        world.run("UPDATE t SET id = 3 WHERE id = 2").await;
        world.run("COMMIT").await;
        world.run("DELETE FROM t").await;
        let found = numbers(&world.keys(&mut stream).await);
        assert_eq!(found, [1, 2, 1, 2, 2, 3, 2, 1, 3], "{setting}");
    }
}

/// The server needs a moment until a prepared transaction is nobody's any more.
async fn commit(world: &mut World<'_>, sql: &str) {
    for _ in 0..1_000 {
        if world.app.query_drop(sql).await.is_ok() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    world.run(sql).await;
}

/// On a server of its own, as before.
async fn prepared(kind: Kind, server: Server) {
    let mut world = World::new(&server, kind, "d").await;
    world.run(TABLE).await;
    world.run("CREATE TABLE other (id int PRIMARY KEY)").await;
    let mut stream = world.follow("t").await;
    // What ends as it is prepared is as any other.
    for sql in
        ["XA START 'one'", "INSERT INTO t (id) VALUES (1)", "XA END 'one'", "XA COMMIT 'one' ONE PHASE"]
    {
        world.run(sql).await;
    }
    assert_eq!(numbers(&world.keys(&mut stream).await), [1]);
    let prepare = async |world: &mut World<'_>, xid: &str, sql: &str| {
        let mut conn = world.another().await;
        let (start, end, prepare) =
            (format!("XA START '{xid}'"), format!("XA END '{xid}'"), format!("XA PREPARE '{xid}'"));
        for sql in [start.as_str(), sql, &end, &prepare] {
            conn.query_drop(sql).await.unwrap();
        }
        conn.disconnect().await.unwrap();
    };
    // Of another table, prepared and ended while we look on.
    prepare(&mut world, "other", "INSERT INTO other VALUES (1)").await;
    commit(&mut world, "XA COMMIT 'other'").await;
    world.run("INSERT INTO t (id) VALUES (2)").await;
    assert_eq!(numbers(&world.keys(&mut stream).await), [2]);
    // Of our table: it is in the log, and nobody sees it yet.
    prepare(&mut world, "ours", "INSERT INTO t (id) VALUES (3)").await;
    let obstacles = world.examine("t").await.obstacles.join("\n");
    assert!(obstacles.contains("prepared with XA"), "{obstacles}");
    let fault = world.fault(&mut stream).await;
    assert_eq!(code(&fault), Code::BinlogUnread, "{fault}");
    // Prepared before we began to look, and ended while we do.
    let mut late = world.follow("t").await;
    commit(&mut world, "XA COMMIT 'ours'").await;
    let fault = world.fault(&mut late).await;
    assert_eq!(code(&fault), Code::BinlogUnread, "{fault}");
    assert!(fault.refusal().unwrap().cause.as_deref().unwrap_or_default().contains("XA"), "{fault}");
}

async fn two(mut world: World<'_>) {
    world.run(TABLE).await;
    let mut first = world.follow("t").await;
    let mut second = world.follow("t").await;
    for round in 0..3 {
        world.run(&format!("INSERT INTO t (id) VALUES ({round})")).await;
        let mark = world.mark().await;
        for stream in [&mut first, &mut second] {
            assert_eq!(numbers(&keys(&until(stream, mark).await)), [round]);
        }
    }
}

async fn hidden(mut world: World<'_>) {
    let mut columns = vec![
        "CREATE TABLE t (v int AS (n + 1) VIRTUAL, id int PRIMARY KEY, s int AS (n + 2) STORED, n int)",
        "CREATE TABLE t (v int INVISIBLE DEFAULT 1, id int PRIMARY KEY, n int)",
    ];
    if world.mysql() {
        columns.push("CREATE TABLE t (j json, id int PRIMARY KEY, n int, KEY f ((n + 1), (n * 2)))");
        columns.push(
            "CREATE TABLE t (j json, id int PRIMARY KEY, n int, KEY m ((CAST(j->'$.a' AS unsigned ARRAY))))",
        );
    } else {
        columns.push("CREATE TABLE t (x longtext, id int PRIMARY KEY, n int, UNIQUE (x))");
        columns
            .push("CREATE TABLE t (c blob COMPRESSED, v varchar(500) COMPRESSED, id int PRIMARY KEY, n int)");
        columns.push("CREATE TABLE t (u uuid, i inet6, id int PRIMARY KEY, n int)");
    }
    for sql in columns {
        world.run("DROP TABLE IF EXISTS t").await;
        world.run(sql).await;
        let mut stream = world.follow("t").await;
        world.run("INSERT INTO t (id, n) VALUES (7, 1), (8, NULL)").await;
        for (column, value) in [
            ("j", "'{\"a\": [1, 2, 3]}'"),
            ("x", "REPEAT('x', 5000)"),
            ("c", "REPEAT('c', 5000)"),
            ("u", "UUID()"),
        ] {
            if sql.contains(&format!("({column} ")) {
                world.run(&format!("UPDATE t SET {column} = {value} WHERE id = 7")).await;
            }
        }
        world.run("UPDATE t SET n = 5").await;
        let mut found = numbers(&world.keys(&mut stream).await);
        found.sort_unstable();
        found.dedup();
        assert_eq!(found, [7, 8], "{sql}");
    }
}

async fn another_server(mut world: World<'_>) {
    world.run(TABLE).await;
    let at = world.ground.position().await.unwrap();
    let at = Position { server: "another".into(), ..at };
    let fault = match world.ground.follow(&Name::plain("t"), MARKS, at).await {
        Err(fault) => fault,
        Ok(_) => panic!("it was taken for the same server"),
    };
    assert_eq!(code(&fault), Code::BinlogGone, "{fault}");
}

async fn stopped(server: &Server, at: Position) -> cofferdam_core::Fault {
    let mut ground = ground(&server.url("d")).await;
    let mut stream = match ground.follow(&Name::plain("t"), MARKS, at).await {
        Err(fault) => return fault,
        Ok(stream) => stream,
    };
    loop {
        if let Err(fault) = stream.next().await {
            return fault;
        }
    }
}

async fn purged(kind: Kind, server: Server) {
    let mut world = World::new(&server, kind, "d").await;
    world.run(TABLE).await;
    let at = world.ground.position().await.unwrap();
    world.run("INSERT INTO t (id) VALUES (1)").await;
    world.run("FLUSH BINARY LOGS").await;
    let file = world.ground.position().await.unwrap().file;
    // MariaDB keeps, without a word, a file that it would still read after a crash; that ends a moment after the FLUSH.
    let mut other = world.another().await;
    loop {
        world.run(&format!("PURGE BINARY LOGS TO '{file}'")).await;
        let kept: Option<mysql_async::Row> = other.query_first("SHOW BINARY LOGS").await.unwrap();
        if kept.and_then(|row| row.get::<String, _>(0)).as_ref() == Some(&file) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let fault = stopped(&server, at.clone()).await;
    assert_eq!(code(&fault), Code::BinlogGone, "{fault}");
    // A place that the log never had, as after a crash that lost its end.
    let beyond = Position { file, at: 1 << 30, ..at };
    let fault = stopped(&server, beyond).await;
    assert_eq!(code(&fault), Code::BinlogGone, "{fault}");
}

#[test]
fn on_mysql_statements_in_place_of_rows_stop_it() {
    on_own("on_mysql_statements_in_place_of_rows_stop_it", Kind::MySql, &[], statements);
}

#[test]
fn on_mariadb_statements_in_place_of_rows_stop_it() {
    on_own("on_mariadb_statements_in_place_of_rows_stop_it", Kind::MariaDb, &[], statements);
}

#[test]
fn on_mysql_prepared_transactions_stop_it() {
    on_own("on_mysql_prepared_transactions_stop_it", Kind::MySql, &[], prepared);
}

#[test]
fn on_mariadb_prepared_transactions_stop_it() {
    on_own("on_mariadb_prepared_transactions_stop_it", Kind::MariaDb, &[], prepared);
}

#[test]
fn on_mysql_a_log_that_was_removed_is_said() {
    on_own("on_mysql_a_log_that_was_removed_is_said", Kind::MySql, &[], purged);
}

#[test]
fn on_mariadb_a_log_that_was_removed_is_said() {
    on_own("on_mariadb_a_log_that_was_removed_is_said", Kind::MariaDb, &[], purged);
}

/// The server is stopped and started while a transaction is being read.
async fn restarted(kind: Kind, mut server: Server) {
    let (mut stream, begin): (Stream, Position) = {
        let mut world = World::new(&server, kind, "d").await;
        world.run(TABLE).await;
        let stream = world.follow("t").await;
        let begin = stream.safe().clone();
        busy(&mut world).await;
        (stream, begin)
    };
    let mut items = Vec::new();
    for _ in 0..20 {
        items.push(stream.next().await.unwrap());
    }
    server.restart().unwrap();
    let mut app = super::support::by_hand(&server.url("d")).await;
    app.query_drop("INSERT INTO t (id) VALUES (5000)").await.unwrap();
    app.query_drop(format!("UPDATE {MARKS} SET n = 77")).await.unwrap();
    items.extend(until(&mut stream, 77).await);
    let mut ground = ground(&server.url("d")).await;
    let mut again = ground.follow(&Name::plain("t"), MARKS, begin).await.unwrap();
    assert_eq!(items, until(&mut again, 77).await);
    assert_eq!(numbers(&keys(&items)).last(), Some(&5000));
}

#[test]
fn on_mysql_a_restart_of_the_server_loses_nothing() {
    on_own("on_mysql_a_restart_of_the_server_loses_nothing", Kind::MySql, &[], restarted);
}

#[test]
fn on_mariadb_a_restart_of_the_server_loses_nothing() {
    on_own("on_mariadb_a_restart_of_the_server_loses_nothing", Kind::MariaDb, &[], restarted);
}

/// MariaDB's own compression of rows, which is switched on while we look on.
#[test]
fn on_mariadb_compressed_rows_stop_it() {
    on_own("on_mariadb_compressed_rows_stop_it", Kind::MariaDb, &[], async |kind, server| {
        let mut world = World::new(&server, kind, "d").await;
        world.run(TABLE).await;
        let mut stream = world.follow("t").await;
        world.run("SET GLOBAL log_bin_compress = ON").await;
        world.run("INSERT INTO t (id, pad) VALUES (1, REPEAT('x', 5000))").await;
        let fault = world.fault(&mut stream).await;
        assert_eq!(code(&fault), Code::BinlogUnread, "{fault}");
    });
}
