//! The checker against a real table: writers that nobody disturbs leave it clean, and whatever is done behind
//! their back is caught.

use cofferdam_core::online::Part;
use cofferdam_scratch::mysql::Kind;
use cofferdam_scratch::{Options, Server, find_or_fetch, skipped};
use tokio_postgres::Client;

use super::checker::{Kind as Wrong, check};
use super::ledger::{Act, Outcome};
use super::load::Load;
use super::middle::{Far, look};
use super::{mysql, postgres, shop};

const ROWS: u32 = 2_000;

/// The tables as version 1 makes them, and the connection that looks at them.
async fn tables(url: &str) -> Client {
    let client = postgres::connect(url, "test").await.unwrap();
    let [(_, first), _] = postgres::scripts::files(ROWS);
    postgres::execute(&client, &first).await.unwrap();
    client
}

/// The order of the last acknowledged write of a kind; the order is left as that write made it.
fn last(load: &Load, wanted: fn(&Act) -> bool) -> i64 {
    let acknowledged = || load.entries().filter(|e| e.outcome == Outcome::Acknowledged);
    let is_last = |op: i64, id: i64| acknowledged().filter(|e| e.id == id).map(|e| e.op).max() == Some(op);
    acknowledged().filter(|e| wanted(&e.act) && is_last(e.op, e.id)).map(|e| e.id).last().unwrap()
}

#[test]
fn sabotage_of_a_real_table_is_caught() {
    let name = "sabotage_of_a_real_table_is_caught";
    let binaries = match find_or_fetch(&mut |_| {}) {
        Ok(binaries) => binaries,
        Err(why) => return skipped(name, &why.to_string()),
    };
    let server = Server::start(&binaries, &Options::default()).unwrap();
    let url = server.create_database("shop").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = tables(&url).await;
        let untouched = postgres::found(&client, ROWS).await.unwrap();
        assert!(untouched.missing.is_empty() && untouched.changed.is_empty(), "{untouched:?}");

        let mut load = Load::new(3, ROWS, 11, &url);
        load.start().await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(800)).await;
        load.stop().await.unwrap();
        let found = postgres::found(&client, ROWS).await.unwrap();
        assert_eq!(check(load.entries(), &found), []);
        assert!(load.entries().all(|e| e.outcome == Outcome::Acknowledged));
        assert!(!found.missing.is_empty() && found.changed.len() > 20);

        let updated = last(&load, |act| matches!(act, Act::Update(_)));
        let inserted = last(&load, |act| matches!(act, Act::Insert(_)));
        let deleted = last(&load, |act| *act == Act::Delete);
        let raised = last(&load, |act| *act == Act::Raise);
        let nobodys = (shop::SHARED + 1..).find(|id| load.entries().all(|e| e.id != *id)).unwrap();
        let copied = "id, customer_id, status, amount, version, last_op";
        let cases = [
            (Wrong::Lost, format!("DELETE FROM orders WHERE id = {inserted}")),
            (Wrong::Lost, format!("DELETE FROM orders WHERE id = {updated}")),
            (Wrong::Lost, format!("UPDATE orders SET version = version - 1 WHERE id = {updated}")),
            (Wrong::Lost, format!("UPDATE orders SET status = NULL WHERE id = {updated}")),
            (
                Wrong::Lost,
                format!(
                    "INSERT INTO orders SELECT n, {} FROM (SELECT {deleted}::bigint AS n) x",
                    postgres::scripts::FILL
                ),
            ),
            (Wrong::Lost, format!("UPDATE orders SET version = version - 1 WHERE id = {raised}")),
            (Wrong::Foreign, format!("UPDATE orders SET version = version + 1 WHERE id = {raised}")),
            (Wrong::Foreign, format!("UPDATE orders SET amount = amount + 1 WHERE id = {nobodys}")),
            (Wrong::Foreign, format!("DELETE FROM orders WHERE id = {nobodys}")),
            (Wrong::Foreign, "INSERT INTO orders VALUES (99999999, 1, 'new', 1, 0, NULL)".to_owned()),
            (
                Wrong::Foreign,
                format!(
                    "ALTER TABLE orders DROP CONSTRAINT orders_pkey;
                     INSERT INTO orders SELECT {copied} FROM orders WHERE id = {inserted}"
                ),
            ),
            (Wrong::Lost, "TRUNCATE orders".to_owned()),
        ];
        // As the first act has the table, and as the second leaves it.
        for key in shop::KEY_TYPES {
            let change = format!("ALTER TABLE orders ALTER COLUMN id TYPE {key}");
            postgres::execute(&client, &change).await.unwrap();
            assert_eq!(postgres::key_type(&client).await.unwrap(), key);
            for (kind, sabotage) in &cases {
                postgres::execute(&client, &format!("BEGIN; {sabotage}")).await.unwrap();
                let problems = check(load.entries(), &postgres::found(&client, ROWS).await.unwrap());
                assert!(problems.iter().any(|p| p.kind == *kind), "{key}, {sabotage}: {problems:?}");
                postgres::execute(&client, "ROLLBACK").await.unwrap();
            }
            let found = postgres::found(&client, ROWS).await.unwrap();
            assert_eq!(check(load.entries(), &found), []);
        }
    });
}

#[test]
fn where_an_online_change_is_and_what_it_leaves_is_seen() {
    let name = "where_an_online_change_is_and_what_it_leaves_is_seen";
    let binaries = match find_or_fetch(&mut |_| {}) {
        Ok(binaries) => binaries,
        Err(why) => return skipped(name, &why.to_string()),
    };
    let server = Server::start(&binaries, &Options::default()).unwrap();
    let url = server.create_database("shop").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = tables(&url).await;
        let schema = "CREATE SCHEMA cofferdam; CREATE TABLE cofferdam.online (id text, stage text)";
        postgres::execute(&client, schema).await.unwrap();
        assert_eq!(look(&client, Part::Copy, ROWS).await.unwrap(), Far::NotYet);
        assert_eq!(postgres::left_behind(&client).await.unwrap(), [""; 0]);

        let change = "
            INSERT INTO cofferdam.online VALUES ('86a1', 'capture');
            CREATE SCHEMA cofferdam_new_86a1;
            CREATE TABLE cofferdam_new_86a1.\"cofferdam chunk\" (low text[], high text[], copied bool, compared bool);
            INSERT INTO cofferdam_new_86a1.\"cofferdam chunk\" VALUES
                (NULL, '{501}', true, true), ('{501}', '{1501}', false, false), ('{1501}', NULL, true, false);
            CREATE FUNCTION public.\"cofferdam capture insert\"() RETURNS trigger LANGUAGE plpgsql
                AS 'BEGIN RETURN NULL; END';
            CREATE TRIGGER \"cofferdam capture insert\" AFTER INSERT ON orders
                EXECUTE FUNCTION \"cofferdam capture insert\"()";
        postgres::execute(&client, change).await.unwrap();
        let left = [
            "change 86a1",
            "function \"cofferdam capture insert\"()",
            "schema cofferdam_new_86a1",
            "trigger cofferdam capture insert on orders",
        ];
        assert_eq!(postgres::left_behind(&client).await.unwrap(), left);
        for (stage, part, far) in [
            ("create", Part::Copy, Far::NotYet),
            ("capture", Part::Copy, Far::Amid(50)),
            ("copy", Part::Copy, Far::Over),
            ("index", Part::Compare, Far::Amid(25)),
            ("swap", Part::Compare, Far::Over),
        ] {
            let stage_is = format!("UPDATE cofferdam.online SET stage = '{stage}'");
            postgres::execute(&client, &stage_is).await.unwrap();
            assert_eq!(look(&client, part, ROWS).await.unwrap(), far, "{stage}");
        }
    });
}

#[test]
fn a_writer_whose_session_is_ended_leaves_a_write_in_doubt_and_goes_on() {
    let name = "a_writer_whose_session_is_ended_leaves_a_write_in_doubt_and_goes_on";
    let binaries = match find_or_fetch(&mut |_| {}) {
        Ok(binaries) => binaries,
        Err(why) => return skipped(name, &why.to_string()),
    };
    let server = Server::start(&binaries, &Options::default()).unwrap();
    let url = server.create_database("shop").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = tables(&url).await;
        let mut load = Load::new(2, ROWS, 5, &url);
        load.start().await.unwrap();
        for _ in 0..5 {
            let end =
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'shop %'";
            postgres::execute(&client, end).await.unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(150)).await;
        }
        // A lock that nobody gets: the server refuses the writes, and they must count as failed.
        postgres::execute(&client, "ALTER ROLE postgres SET lock_timeout = '20ms'").await.unwrap();
        load.stop().await.unwrap();
        load.start().await.unwrap();
        postgres::execute(&client, "BEGIN; LOCK TABLE orders").await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        postgres::execute(&client, "COMMIT").await.unwrap();
        load.stop().await.unwrap();
        let found = postgres::found(&client, ROWS).await.unwrap();
        assert_eq!(check(load.entries(), &found), []);
        let any = |wanted: fn(&Outcome) -> bool| load.entries().any(|e| wanted(&e.outcome));
        assert!(any(|o| matches!(o, Outcome::InDoubt(_))));
        assert!(any(|o| matches!(o, Outcome::Failed(why) if why.starts_with("55P03"))));
    });
}

/// A server of this kind with the tables as version 1 makes them.
fn on_mysql(name: &str, kind: Kind) -> Option<(cofferdam_scratch::mysql::Server, mysql::Shop)> {
    let programs = match cofferdam_scratch::mysql::find(kind) {
        Ok(programs) => programs,
        Err(why) => {
            skipped(name, &why.to_string());
            return None;
        }
    };
    let server = cofferdam_scratch::mysql::Server::start(&programs, &Default::default()).unwrap();
    server.create_database("shop").unwrap();
    let [(_, first), _] = mysql::scripts::files(ROWS);
    server.query(Some("shop"), &first).unwrap();
    let url = format!("mysql://root@localhost/shop?socket={}", server.socket().display());
    Some((server, mysql::Shop { url }))
}

fn sabotage_is_caught(name: &str, kind: Kind) {
    let Some((server, shop)) = on_mysql(name, kind) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let untouched = shop.found(ROWS).await.unwrap();
        assert!(untouched.missing.is_empty() && untouched.changed.is_empty(), "{untouched:?}");
        let mut load = Load::new(3, ROWS, 11, &shop.url);
        load.start().await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(800)).await;
        load.stop().await.unwrap();
        let found = shop.found(ROWS).await.unwrap();
        assert_eq!(check(load.entries(), &found), []);
        assert!(load.entries().all(|e| e.outcome == Outcome::Acknowledged));
        assert!(!found.missing.is_empty() && found.changed.len() > 20);

        let updated = last(&load, |act| matches!(act, Act::Update(_)));
        let inserted = last(&load, |act| matches!(act, Act::Insert(_)));
        let deleted = last(&load, |act| *act == Act::Delete);
        let raised = last(&load, |act| *act == Act::Raise);
        let nobodys = (shop::SHARED + 1..).find(|id| load.entries().all(|e| e.id != *id)).unwrap();
        let columns = "customer_id, status, amount, version, last_op";
        let back =
            format!("DELETE FROM orders; INSERT INTO orders (id, {columns}) SELECT id, {columns} FROM kept");
        let keep = "CREATE TABLE kept AS SELECT * FROM orders";
        server.query(Some("shop"), keep).unwrap();
        for (kind, sabotage) in [
            (Wrong::Lost, format!("DELETE FROM orders WHERE id = {inserted}")),
            (Wrong::Lost, format!("DELETE FROM orders WHERE id = {updated}")),
            (Wrong::Lost, format!("UPDATE orders SET version = version - 1 WHERE id = {updated}")),
            (Wrong::Lost, format!("UPDATE orders SET status = NULL WHERE id = {updated}")),
            (
                Wrong::Lost,
                format!(
                    "INSERT INTO orders SELECT n, {} FROM (SELECT {deleted} AS n) AS x",
                    mysql::scripts::FILL
                ),
            ),
            (Wrong::Lost, format!("UPDATE orders SET version = version - 1 WHERE id = {raised}")),
            (Wrong::Foreign, format!("UPDATE orders SET version = version + 1 WHERE id = {raised}")),
            (Wrong::Foreign, format!("UPDATE orders SET amount = amount + 1 WHERE id = {nobodys}")),
            (Wrong::Foreign, format!("DELETE FROM orders WHERE id = {nobodys}")),
            (Wrong::Foreign, "INSERT INTO orders VALUES (99999999, 1, 'new', 1, 0, NULL)".to_owned()),
            (Wrong::Lost, "TRUNCATE orders".to_owned()),
        ] {
            server.query(Some("shop"), &sabotage).unwrap();
            let problems = check(load.entries(), &shop.found(ROWS).await.unwrap());
            assert!(problems.iter().any(|p| p.kind == kind), "{sabotage}: {problems:?}");
            server.query(Some("shop"), &back).unwrap();
            assert_eq!(check(load.entries(), &shop.found(ROWS).await.unwrap()), []);
        }
    });
}

fn a_killed_session_leaves_a_write_in_doubt(name: &str, kind: Kind) {
    let Some((server, shop)) = on_mysql(name, kind) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut load = Load::new(2, ROWS, 5, &shop.url);
        load.start().await.unwrap();
        for _ in 0..5 {
            let writers =
                "SELECT ID FROM information_schema.PROCESSLIST WHERE DB = 'shop' AND ID <> CONNECTION_ID()";
            for row in server.query(Some("shop"), writers).unwrap() {
                // It may have gone by itself.
                let _ = server.query(None, &format!("KILL {}", row[0].as_deref().unwrap()));
            }
            tokio::time::sleep(std::time::Duration::from_millis(150)).await;
        }
        load.stop().await.unwrap();
        // A row that nobody gets: the server refuses the writes, and they must count as failed.
        server.query(None, "SET GLOBAL innodb_lock_wait_timeout = 1").unwrap();
        load.start().await.unwrap();
        let mut locked = shop.look().await.unwrap();
        mysql::query(&mut locked, "BEGIN").await.unwrap();
        mysql::query(&mut locked, "SELECT * FROM orders FOR UPDATE").await.unwrap();
        load.stop().await.unwrap();
        drop(locked);
        assert_eq!(check(load.entries(), &shop.found(ROWS).await.unwrap()), []);
        let any = |wanted: fn(&Outcome) -> bool| load.entries().any(|e| wanted(&e.outcome));
        assert!(any(|o| matches!(o, Outcome::InDoubt(_))));
        assert!(any(|o| matches!(o, Outcome::Failed(why) if why.starts_with("1205"))));
    });
}

#[test]
fn sabotage_is_caught_on_mysql() {
    sabotage_is_caught("sabotage_is_caught_on_mysql", Kind::MySql);
}

#[test]
fn sabotage_is_caught_on_mariadb() {
    sabotage_is_caught("sabotage_is_caught_on_mariadb", Kind::MariaDb);
}

#[test]
fn a_killed_session_leaves_a_write_in_doubt_on_mysql() {
    a_killed_session_leaves_a_write_in_doubt(
        "a_killed_session_leaves_a_write_in_doubt_on_mysql",
        Kind::MySql,
    );
}

#[test]
fn a_killed_session_leaves_a_write_in_doubt_on_mariadb() {
    let name = "a_killed_session_leaves_a_write_in_doubt_on_mariadb";
    a_killed_session_leaves_a_write_in_doubt(name, Kind::MariaDb);
}
