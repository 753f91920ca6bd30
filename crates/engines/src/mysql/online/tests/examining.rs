//! What is refused before anything is done: each obstacle on a real table or server, with what would do.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests")]

use cofferdam_core::Name;
use cofferdam_scratch::mysql::{Kind, Server};

use super::support::{World, ground, on_both, on_own};

on_both! {
    on_mysql_each_obstacle_of_a_table_is_named / on_mariadb_each_obstacle_of_a_table_is_named = tables;
    on_mysql_the_best_key_is_taken / on_mariadb_the_best_key_is_taken = chosen;
    on_mysql_missing_rights_are_named / on_mariadb_missing_rights_are_named = rights;
}

/// What makes the table `t`, and words of the obstacle.
const TABLES: &[(&str, &str)] = &[
    ("CREATE TABLE t (id int PRIMARY KEY) ENGINE = MyISAM", "a table of MyISAM"),
    ("CREATE TABLE t (id int)", "has no key"),
    ("CREATE TABLE t (id int, UNIQUE (id))", "takes NULL"),
    ("CREATE TABLE t (a blob, PRIMARY KEY (a(5)))", "the beginning of a value"),
    ("CREATE TABLE t (a double PRIMARY KEY)", "of the type double"),
    ("CREATE VIEW t AS SELECT 1 AS a", "is a view"),
    (
        "CREATE TABLE t (id int PRIMARY KEY, p int, CONSTRAINT fk FOREIGN KEY (p) REFERENCES t (id))",
        "the foreign key",
    ),
    (
        "CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE t2 (p int, CONSTRAINT fk FOREIGN KEY (p) REFERENCES t (id))",
        "the foreign key",
    ),
    (
        "CREATE TABLE t (id int PRIMARY KEY); CREATE TRIGGER tr BEFORE UPDATE ON t FOR EACH ROW SET NEW.id = 1",
        "the trigger tr",
    ),
    ("CREATE TABLE _cofferdam_t (id int PRIMARY KEY)", "Cofferdam's own"),
];

const OF_MYSQL: &[(&str, &str)] = &[
    ("CREATE TABLE t (n int, id int AS (n) VIRTUAL NOT NULL, UNIQUE (id))", "not stored"),
    ("CREATE TABLE t (a int NOT NULL, UNIQUE ((a + 1)))", "has an expression"),
    (
        "CREATE TABLE t (a double NOT NULL, b int NOT NULL, UNIQUE (a), UNIQUE k (b) INVISIBLE)",
        "k is not to be used",
    ),
    ("SET sql_generate_invisible_primary_key = ON; CREATE TABLE t (a int)", ""),
];

const OF_MARIADB: &[(&str, &str)] = &[
    ("CREATE TABLE t (id int PRIMARY KEY) WITH SYSTEM VERSIONING", "SYSTEM VERSIONING"),
    ("CREATE TABLE t (a longtext NOT NULL, UNIQUE (a))", "has no key"),
    (
        "CREATE TABLE t (a double NOT NULL, b int NOT NULL, UNIQUE (a), UNIQUE k (b) IGNORED)",
        "k is not to be used",
    ),
    ("CREATE TABLE t (a uuid PRIMARY KEY)", "of the type uuid"),
    ("CREATE TABLE t (id int PRIMARY KEY, a date, b date, PERIOD FOR p (a, b))", "a PERIOD"),
];

async fn tables(mut world: World<'_>) {
    let own = if world.mysql() { OF_MYSQL } else { OF_MARIADB };
    for (sql, words) in TABLES.iter().chain(own) {
        world.run("DROP TABLE IF EXISTS t2, t, _cofferdam_t").await;
        world.run("DROP VIEW IF EXISTS t").await;
        for statement in sql.split("; ") {
            world.run(statement).await;
        }
        let table = if sql.contains("_cofferdam_t") { "_cofferdam_t" } else { "t" };
        let found = world.examine(table).await.obstacles;
        match *words {
            "" => assert!(found.is_empty(), "{sql}: {found:?}"),
            words => assert!(found.len() == 1 && found[0].contains(words), "{sql}: {found:?}"),
        }
    }
    let absent = world.ground.examine(&Name::plain("absent")).await.unwrap_err();
    assert!(absent.to_string().contains("no table"), "{absent}");
    world.run(&format!("CREATE DATABASE {}_2", world.database)).await;
    world.run(&format!("CREATE TABLE {}_2.t (id int PRIMARY KEY)", world.database)).await;
    let elsewhere = Name::qualified(format!("{}_2", world.database), "t");
    let found = world.ground.examine(&elsewhere).await.unwrap().obstacles;
    assert!(found.len() == 1 && found[0].contains("connect to that database"), "{found:?}");
}

async fn chosen(mut world: World<'_>) {
    for (columns, key) in [
        ("a int NOT NULL, b int NOT NULL, UNIQUE a1 (a), PRIMARY KEY (b)", &["b"][..]),
        ("a int NOT NULL, b int, UNIQUE a0 (b), UNIQUE z (a)", &["a"]),
        ("a double NOT NULL, b varchar(9) NOT NULL, UNIQUE a0 (a), UNIQUE b0 (b, a), UNIQUE c0 (b)", &["b"]),
        ("a int NOT NULL, b int NOT NULL AUTO_INCREMENT, PRIMARY KEY (b, a)", &["b", "a"]),
        ("`odd ``name` int PRIMARY KEY", &["odd `name"]),
    ] {
        world.run("DROP TABLE IF EXISTS t").await;
        world.run(&format!("CREATE TABLE t ({columns})")).await;
        let found = world.examine("t").await;
        assert_eq!(
            (found.key, found.obstacles),
            (key.iter().map(|k| (*k).to_owned()).collect(), vec![]),
            "{columns}"
        );
    }
}

async fn rights(mut world: World<'_>) {
    world.run("CREATE TABLE t (id int PRIMARY KEY)").await;
    let database = world.database.clone();
    let user = format!("u{}", database.len());
    let status = if world.mysql() { "REPLICATION CLIENT" } else { "BINLOG MONITOR" };
    world.run(&format!("CREATE USER {user}@'%' IDENTIFIED BY 'x'")).await;
    world.run(&format!("GRANT ALL ON {database}.* TO {user}@'%'")).await;
    let url = world.server.url(&database).replacen("root", &format!("{user}:x"), 1);
    let examine = async || ground(&url).await.examine(&Name::plain("t")).await.unwrap();
    let found = examine().await;
    assert!(found.obstacles.len() == 1 && found.obstacles[0].contains("end of the binary log"), "{found:?}");
    assert!(found.notes.iter().any(|note| note.contains("PROCESS")), "{found:?}");
    world.run(&format!("GRANT {status} ON *.* TO {user}@'%'")).await;
    let found = examine().await;
    let named = |found: &str| found.contains("may not be read") && found.contains("GRANT REPLICATION SLAVE");
    assert!(found.obstacles.len() == 1 && named(&found.obstacles[0]), "{found:?}");
    world.run(&format!("GRANT REPLICATION SLAVE ON *.* TO {user}@'%'")).await;
    assert_eq!(examine().await.obstacles, Vec::<String>::new());
}

/// Settings that can be changed while the server runs, and words of the obstacle.
async fn settings(kind: Kind, server: Server) {
    let mut world = World::new(&server, kind, "d").await;
    world.run("CREATE TABLE t (id int PRIMARY KEY)").await;
    world.run("CREATE TABLE loose (id int NOT NULL UNIQUE)").await;
    assert_eq!(world.examine("t").await.obstacles, Vec::<String>::new());
    let mut wrong = vec![
        ("binlog_format", "STATEMENT", "t", "binlog_format is STATEMENT"),
        ("binlog_format", "MIXED", "t", "binlog_format is MIXED"),
        ("binlog_row_image", "MINIMAL", "loose", "binlog_row_image is MINIMAL"),
        ("binlog_row_image", "MINIMAL", "t", ""),
    ];
    match kind {
        Kind::MySql => wrong.push(("binlog_order_commits", "OFF", "t", "binlog_order_commits")),
        Kind::MariaDb => wrong.push(("log_bin_compress", "ON", "t", "log_bin_compress")),
    }
    for (name, value, table, words) in wrong {
        let before = world.value(&format!("SELECT @@GLOBAL.{name}")).await;
        world
            .run(&format!("SET GLOBAL {name} = '{value}'").replace("'ON'", "ON").replace("'OFF'", "OFF"))
            .await;
        let found = world.examine(table).await.obstacles;
        match words {
            "" => assert!(found.is_empty(), "{name} {value}: {found:?}"),
            words => assert!(found.len() == 1 && found[0].contains(words), "{name} {value}: {found:?}"),
        }
        world
            .run(&format!(
                "SET GLOBAL {name} = {}",
                if before.parse::<u8>().is_ok() { before } else { format!("'{before}'") }
            ))
            .await;
    }
    assert_eq!(world.examine("t").await.obstacles, Vec::<String>::new());
}

#[test]
fn on_mysql_each_setting_of_the_log_is_named() {
    on_own("on_mysql_each_setting_of_the_log_is_named", Kind::MySql, &[], settings);
}

#[test]
fn on_mariadb_each_setting_of_the_log_is_named() {
    on_own("on_mariadb_each_setting_of_the_log_is_named", Kind::MariaDb, &[], settings);
}

async fn left_out(kind: Kind, server: Server) {
    let mut world = World::new(&server, kind, "d").await;
    world.run("CREATE TABLE t (id int PRIMARY KEY)").await;
    let found = world.examine("t").await.obstacles;
    assert!(found.len() == 1 && found[0].contains("leaves d out"), "{found:?}");
}

#[test]
fn on_mysql_a_database_that_is_not_logged_is_refused() {
    on_own(
        "on_mysql_a_database_that_is_not_logged_is_refused",
        Kind::MySql,
        &[("binlog_ignore_db", "d")],
        left_out,
    );
}

#[test]
fn on_mariadb_a_database_that_is_not_logged_is_refused() {
    on_own(
        "on_mariadb_a_database_that_is_not_logged_is_refused",
        Kind::MariaDb,
        &[("binlog_do_db", "e")],
        left_out,
    );
}

async fn unlogged(kind: Kind, server: Server) {
    let mut world = World::new(&server, kind, "d").await;
    world.run("CREATE TABLE t (id int PRIMARY KEY)").await;
    let found = world.examine("t").await.obstacles;
    assert!(found.len() == 1 && found[0].contains("no binary log"), "{found:?}");
}

#[test]
fn on_mysql_a_server_without_a_log_is_refused() {
    on_own("on_mysql_a_server_without_a_log_is_refused", Kind::MySql, &[("skip_log_bin", "ON")], unlogged);
}

#[test]
fn on_mariadb_a_server_without_a_log_is_refused() {
    on_own(
        "on_mariadb_a_server_without_a_log_is_refused",
        Kind::MariaDb,
        &[("skip_log_bin", "ON")],
        unlogged,
    );
}
