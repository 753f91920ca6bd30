//! The checker against a real table: writers that nobody disturbs leave it clean, and whatever is done behind
//! their back is caught.

use cofferdam_core::online::Part;
use cofferdam_scratch::{Options, Server, find_or_fetch, skipped};
use tokio_postgres::Client;

use super::checker::{Kind, check};
use super::ledger::{Act, Outcome};
use super::load::Load;
use super::middle::{Far, look};
use super::{database, shop};

const ROWS: u32 = 2_000;

/// The tables as version 1 makes them, and the connection that looks at them.
async fn tables(url: &str) -> Client {
    let client = database::connect(url, "test").await.unwrap();
    let [(_, first), _] = shop::files(ROWS);
    database::execute(&client, &first).await.unwrap();
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
        let untouched = database::found(&client, ROWS).await.unwrap();
        assert!(untouched.missing.is_empty() && untouched.changed.is_empty(), "{untouched:?}");

        let mut load = Load::new(3, ROWS, 11, &url);
        load.start().await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(800)).await;
        load.stop().await.unwrap();
        let found = database::found(&client, ROWS).await.unwrap();
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
            (Kind::Lost, format!("DELETE FROM orders WHERE id = {inserted}")),
            (Kind::Lost, format!("DELETE FROM orders WHERE id = {updated}")),
            (Kind::Lost, format!("UPDATE orders SET version = version - 1 WHERE id = {updated}")),
            (Kind::Lost, format!("UPDATE orders SET status = NULL WHERE id = {updated}")),
            (
                Kind::Lost,
                format!("INSERT INTO orders SELECT n, {} FROM (SELECT {deleted}::bigint AS n) x", shop::FILL),
            ),
            (Kind::Lost, format!("UPDATE orders SET version = version - 1 WHERE id = {raised}")),
            (Kind::Foreign, format!("UPDATE orders SET version = version + 1 WHERE id = {raised}")),
            (Kind::Foreign, format!("UPDATE orders SET amount = amount + 1 WHERE id = {nobodys}")),
            (Kind::Foreign, format!("DELETE FROM orders WHERE id = {nobodys}")),
            (Kind::Foreign, "INSERT INTO orders VALUES (99999999, 1, 'new', 1, 0, NULL)".to_owned()),
            (
                Kind::Foreign,
                format!(
                    "ALTER TABLE orders DROP CONSTRAINT orders_pkey;
                     INSERT INTO orders SELECT {copied} FROM orders WHERE id = {inserted}"
                ),
            ),
            (Kind::Lost, "TRUNCATE orders".to_owned()),
        ];
        // As the first act has the table, and as the second leaves it.
        for key in shop::KEY_TYPES {
            let change = format!("ALTER TABLE orders ALTER COLUMN id TYPE {key}");
            database::execute(&client, &change).await.unwrap();
            assert_eq!(database::key_type(&client).await.unwrap(), key);
            for (kind, sabotage) in &cases {
                database::execute(&client, &format!("BEGIN; {sabotage}")).await.unwrap();
                let problems = check(load.entries(), &database::found(&client, ROWS).await.unwrap());
                assert!(problems.iter().any(|p| p.kind == *kind), "{key}, {sabotage}: {problems:?}");
                database::execute(&client, "ROLLBACK").await.unwrap();
            }
            let found = database::found(&client, ROWS).await.unwrap();
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
        database::execute(&client, schema).await.unwrap();
        assert_eq!(look(&client, Part::Copy, ROWS).await.unwrap(), Far::NotYet);
        assert_eq!(database::left_behind(&client).await.unwrap(), [""; 0]);

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
        database::execute(&client, change).await.unwrap();
        let left = [
            "change 86a1",
            "function \"cofferdam capture insert\"()",
            "schema cofferdam_new_86a1",
            "trigger cofferdam capture insert on orders",
        ];
        assert_eq!(database::left_behind(&client).await.unwrap(), left);
        for (stage, part, far) in [
            ("create", Part::Copy, Far::NotYet),
            ("capture", Part::Copy, Far::Amid(50)),
            ("copy", Part::Copy, Far::Over),
            ("index", Part::Compare, Far::Amid(25)),
            ("swap", Part::Compare, Far::Over),
        ] {
            let stage_is = format!("UPDATE cofferdam.online SET stage = '{stage}'");
            database::execute(&client, &stage_is).await.unwrap();
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
            database::execute(&client, end).await.unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(150)).await;
        }
        // A lock that nobody gets: the server refuses the writes, and they must count as failed.
        database::execute(&client, "ALTER ROLE postgres SET lock_timeout = '20ms'").await.unwrap();
        load.stop().await.unwrap();
        load.start().await.unwrap();
        database::execute(&client, "BEGIN; LOCK TABLE orders").await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        database::execute(&client, "COMMIT").await.unwrap();
        load.stop().await.unwrap();
        let found = database::found(&client, ROWS).await.unwrap();
        assert_eq!(check(load.entries(), &found), []);
        let any = |wanted: fn(&Outcome) -> bool| load.entries().any(|e| wanted(&e.outcome));
        assert!(any(|o| matches!(o, Outcome::InDoubt(_))));
        assert!(any(|o| matches!(o, Outcome::Failed(why) if why.starts_with("55P03"))));
    });
}
