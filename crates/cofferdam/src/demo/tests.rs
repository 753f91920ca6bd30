//! The checker against a real table: writers that nobody disturbs leave it clean, and whatever is done behind
//! their back is caught.

#![allow(clippy::disallowed_methods, reason = "helpers of tests are tests")]

use std::any::Any;

use cofferdam_core::online::Part;
use cofferdam_scratch::mysql::Kind;
use cofferdam_scratch::{ScratchError, find_or_fetch, skipped};

use super::checker::{Kind as Wrong, check};
use super::database::Database;
use super::ledger::{Act, Outcome};
use super::load::Load;
use super::middle::{Far, look};
use super::{Engine, mysql, postgres, shop};

const ROWS: u32 = 2_000;

/// A database with the tables as version 1 makes them.
struct Place {
    database: Database,
    url: String,
    /// Dropping it ends it.
    _server: Box<dyn Any>,
}

impl Place {
    /// `None`, and noted: there is no such server here.
    async fn on(engine: Engine) -> Option<Self> {
        let test = std::thread::current().name().unwrap_or("demo").to_owned();
        let (server, url, first) = match start(engine) {
            Ok(started) => started,
            Err(why) => {
                skipped(&test, &why.to_string());
                return None;
            }
        };
        let database = Database::open(&url).await.unwrap();
        database.execute(&first).await.unwrap();
        Some(Self { database, url, _server: server })
    }

    async fn does(&self, sql: &str) {
        self.database.execute(sql).await.unwrap();
    }

    /// The writers, after they have written.
    async fn load(&self, writers: u32) -> Load {
        let mut load = Load::new(writers, ROWS, 11, &self.url);
        load.start().await.unwrap();
        load
    }

    async fn problems(&self, load: &Load) -> Vec<super::checker::Problem> {
        check(load.entries(), &self.database.found(ROWS).await.unwrap())
    }
}

/// The server, the URL of its database, and what makes the tables.
fn start(engine: Engine) -> Result<(Box<dyn Any>, String, String), ScratchError> {
    let kind = match engine {
        Engine::Postgresql => {
            let server = cofferdam_scratch::Server::start(&find_or_fetch(&mut |_| {})?, &Default::default())?;
            let url = server.create_database("shop")?;
            return Ok((Box::new(server), url, postgres::scripts::shop(ROWS)));
        }
        Engine::Mysql => Kind::MySql,
        Engine::Mariadb => Kind::MariaDb,
    };
    let programs = cofferdam_scratch::mysql::find(kind)?;
    let server = cofferdam_scratch::mysql::Server::start(&programs, &Default::default())?;
    server.create_database("shop")?;
    let url = format!("mysql://root@localhost/shop?socket={}", server.socket().display());
    Ok((Box::new(server), url, mysql::scripts::shop(ROWS)))
}

/// A test on each of the three servers.
macro_rules! on_each {
    ($($what:ident: $postgresql:ident, $mysql:ident, $mariadb:ident;)+) => {$(
        #[tokio::test]
        async fn $postgresql() {
            $what(Engine::Postgresql).await;
        }

        #[tokio::test]
        async fn $mysql() {
            $what(Engine::Mysql).await;
        }

        #[tokio::test]
        async fn $mariadb() {
            $what(Engine::Mariadb).await;
        }
    )+};
}

on_each! {
    sabotage_is_caught:
        sabotage_is_caught_on_postgresql, sabotage_is_caught_on_mysql, sabotage_is_caught_on_mariadb;
    a_change_is_seen:
        a_change_is_seen_on_postgresql, a_change_is_seen_on_mysql, a_change_is_seen_on_mariadb;
    a_killed_session_leaves_a_write_in_doubt:
        a_killed_session_leaves_a_write_in_doubt_on_postgresql,
        a_killed_session_leaves_a_write_in_doubt_on_mysql,
        a_killed_session_leaves_a_write_in_doubt_on_mariadb;
}

/// The order of the last acknowledged write of a kind; the order is left as that write made it.
fn last(load: &Load, wanted: fn(&Act) -> bool) -> i64 {
    let acknowledged = || load.entries().filter(|e| e.outcome == Outcome::Acknowledged);
    let is_last = |op: i64, id: i64| acknowledged().filter(|e| e.id == id).map(|e| e.op).max() == Some(op);
    acknowledged().filter(|e| wanted(&e.act) && is_last(e.op, e.id)).map(|e| e.id).last().unwrap()
}

async fn sabotage_is_caught(engine: Engine) {
    let Some(place) = Place::on(engine).await else { return };
    let untouched = place.database.found(ROWS).await.unwrap();
    assert!(untouched.missing.is_empty() && untouched.changed.is_empty(), "{untouched:?}");
    let mut load = place.load(3).await;
    tokio::time::sleep(std::time::Duration::from_millis(800)).await;
    load.stop().await.unwrap();
    assert_eq!(place.problems(&load).await, []);
    assert!(load.entries().all(|e| e.outcome == Outcome::Acknowledged));
    let found = place.database.found(ROWS).await.unwrap();
    assert!(!found.missing.is_empty() && found.changed.len() > 20);

    let updated = last(&load, |act| matches!(act, Act::Update(_)));
    let inserted = last(&load, |act| matches!(act, Act::Insert(_)));
    let deleted = last(&load, |act| *act == Act::Delete);
    let raised = last(&load, |act| *act == Act::Raise);
    let nobodys = (shop::SHARED + 1..).find(|id| load.entries().all(|e| e.id != *id)).unwrap();
    let columns = "id, customer_id, status, amount, version, last_op";
    let fill = match engine {
        Engine::Postgresql => postgres::scripts::FILL,
        Engine::Mysql | Engine::Mariadb => mysql::scripts::FILL,
    };
    let mut cases = vec![
        (Wrong::Lost, format!("DELETE FROM orders WHERE id = {inserted}")),
        (Wrong::Lost, format!("DELETE FROM orders WHERE id = {updated}")),
        (Wrong::Lost, format!("UPDATE orders SET version = version - 1 WHERE id = {updated}")),
        (Wrong::Lost, format!("UPDATE orders SET status = NULL WHERE id = {updated}")),
        (Wrong::Lost, format!("INSERT INTO orders SELECT n, {fill} FROM (SELECT {deleted} AS n) AS x")),
        (Wrong::Lost, format!("UPDATE orders SET version = version - 1 WHERE id = {raised}")),
        (Wrong::Foreign, format!("UPDATE orders SET version = version + 1 WHERE id = {raised}")),
        (Wrong::Foreign, format!("UPDATE orders SET amount = amount + 1 WHERE id = {nobodys}")),
        (Wrong::Foreign, format!("DELETE FROM orders WHERE id = {nobodys}")),
        (Wrong::Foreign, "INSERT INTO orders VALUES (99999999, 1, 'new', 1, 0, NULL)".to_owned()),
        (Wrong::Lost, "TRUNCATE TABLE orders".to_owned()),
    ];
    if engine == Engine::Postgresql {
        let twice = format!(
            "ALTER TABLE orders DROP CONSTRAINT IF EXISTS orders_pkey;
             INSERT INTO orders SELECT {columns} FROM orders WHERE id = {inserted}"
        );
        cases.push((Wrong::Foreign, twice));
    }
    let back = format!("DELETE FROM orders; INSERT INTO orders ({columns}) SELECT {columns} FROM kept");
    place.does("CREATE TABLE kept AS SELECT * FROM orders").await;
    // As the first act has the table, and as the second leaves it.
    for wide in [false, true] {
        if wide {
            place.does(&format!("ALTER TABLE orders {}", place.database.wider_key())).await;
        }
        assert_eq!(place.database.key_type().await.unwrap() == shop::WIDE, wide);
        for (kind, sabotage) in &cases {
            place.does(sabotage).await;
            let problems = place.problems(&load).await;
            assert!(problems.iter().any(|p| p.kind == *kind), "{wide}, {sabotage}: {problems:?}");
            place.does(&back).await;
            assert_eq!(place.problems(&load).await, [], "{wide}, {sabotage}");
        }
    }
}

async fn a_change_is_seen(engine: Engine) {
    let Some(place) = Place::on(engine).await else { return };
    let (none, begun, left, all) = match engine {
        Engine::Postgresql => (
            "CREATE SCHEMA cofferdam; CREATE TABLE cofferdam.online (id text, stage text)",
            "INSERT INTO cofferdam.online VALUES ('86a1', 'capture');
             CREATE SCHEMA cofferdam_new_86a1;
             CREATE TABLE cofferdam_new_86a1.\"cofferdam chunk\"
                 (low text[], high text[], copied bool, compared bool);
             INSERT INTO cofferdam_new_86a1.\"cofferdam chunk\" VALUES
                 (NULL, '{501}', true, true), ('{501}', '{1501}', false, false), ('{1501}', NULL, true, false);
             CREATE FUNCTION public.\"cofferdam capture insert\"() RETURNS trigger LANGUAGE plpgsql
                 AS 'BEGIN RETURN NULL; END';
             CREATE TRIGGER \"cofferdam capture insert\" AFTER INSERT ON orders
                 EXECUTE FUNCTION \"cofferdam capture insert\"()",
            &[
                "change 86a1",
                "function \"cofferdam capture insert\"()",
                "schema cofferdam_new_86a1",
                "trigger cofferdam capture insert on orders",
            ][..],
            "cofferdam.online",
        ),
        Engine::Mysql | Engine::Mariadb => (
            "CREATE TABLE _cofferdam_online (id text, stage text)",
            "INSERT INTO _cofferdam_online VALUES ('0123456789ab', 'capture');
             CREATE TABLE _cofferdam_0123456789ab_chunk
                 (no int, _cofferdam_low0 int, _cofferdam_high0 int, copied int, compared int);
             INSERT INTO _cofferdam_0123456789ab_chunk VALUES
                 (1, NULL, 501, 1, 1), (2, 501, 1501, 0, 0), (3, 1501, NULL, 1, 0);
             CREATE TRIGGER _cofferdam_0123456789ab_insert AFTER INSERT ON orders FOR EACH ROW SET @x = 1",
            &[
                "change 0123456789ab",
                "table _cofferdam_0123456789ab_chunk",
                "trigger _cofferdam_0123456789ab_insert on orders",
            ][..],
            "_cofferdam_online",
        ),
    };
    let database = &place.database;
    place.does(none).await;
    assert_eq!(look(database, Part::Copy, ROWS).await.unwrap(), Far::NotYet);
    assert_eq!(database.left_behind().await.unwrap(), [""; 0]);
    place.does(begun).await;
    assert_eq!(database.left_behind().await.unwrap(), left);
    for (stage, part, far) in [
        ("create", Part::Copy, Far::NotYet),
        ("capture", Part::Copy, Far::Amid(50)),
        ("copy", Part::Copy, Far::Over),
        ("index", Part::Compare, Far::Amid(25)),
        ("swap", Part::Compare, Far::Over),
    ] {
        place.does(&format!("UPDATE {all} SET stage = '{stage}'")).await;
        assert_eq!(look(database, part, ROWS).await.unwrap(), far, "{stage}");
    }
}

async fn a_killed_session_leaves_a_write_in_doubt(engine: Engine) {
    let Some(place) = Place::on(engine).await else { return };
    let mut load = place.load(2).await;
    for _ in 0..5 {
        end_writers(&place.database).await;
        tokio::time::sleep(std::time::Duration::from_millis(150)).await;
    }
    // A lock that nobody gets: the server refuses the writes, and they must count as failed.
    let (soon, lock, refused) = match engine {
        Engine::Postgresql => {
            ("ALTER ROLE postgres SET lock_timeout = '20ms'", "BEGIN; LOCK TABLE orders", "55P03")
        }
        Engine::Mysql | Engine::Mariadb => {
            ("SET GLOBAL innodb_lock_wait_timeout = 1", "BEGIN; SELECT * FROM orders FOR UPDATE", "1205")
        }
    };
    place.does(soon).await;
    load.stop().await.unwrap();
    load.start().await.unwrap();
    place.does(lock).await;
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    // Each writer ends the write that it is at.
    load.stop().await.unwrap();
    place.does("COMMIT").await;
    assert_eq!(place.problems(&load).await, []);
    let any = |wanted: &dyn Fn(&Outcome) -> bool| load.entries().any(|e| wanted(&e.outcome));
    assert!(any(&|o| matches!(o, Outcome::InDoubt(_))));
    assert!(any(&|o| matches!(o, Outcome::Failed(why) if why.starts_with(refused))));
}

/// Ends the sessions of all writers.
async fn end_writers(database: &Database) {
    match database {
        Database::Postgres(client) => {
            let end =
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'shop %'";
            postgres::execute(client, end).await.unwrap();
        }
        Database::MySql(link) => {
            let writers =
                "SELECT ID FROM information_schema.PROCESSLIST WHERE DB = 'shop' AND ID <> CONNECTION_ID()";
            for row in mysql::query(link, writers).await.unwrap() {
                // It may have gone by itself.
                let _ = mysql::execute(link, &format!("KILL {}", row.get::<u64, _>(0).unwrap())).await;
            }
        }
    }
}
