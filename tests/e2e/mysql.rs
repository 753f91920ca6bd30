//! Databases of MySQL and MariaDB.

use cofferdam_scratch::mysql::{Kind, Options, Server, find};
use cofferdam_scratch::skipped;
use serde_json::json;

use crate::database::{PASSWORD, door};
use crate::namespace::Namespace;

fn changed_and_taken_back(kind: Kind, name: &'static str) {
    let programs = match find(kind) {
        Ok(programs) => programs,
        Err(why) => return skipped(name, &why.to_string()),
    };
    let Some(here) = Namespace::new(name) else { return };
    let options = Options { password: Some(PASSWORD.into()), ..Options::default() };
    let server = Server::start(&programs, &options).unwrap();
    server.create_database("shop").unwrap();
    let port = door(&here.cluster.host, server.port());
    let one = |sql: &str| {
        let rows = server.query(Some("shop"), sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
        rows.into_iter().next().and_then(|row| row.into_iter().next()?).unwrap_or_default()
    };
    here.apply(&json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "db" },
        "stringData": { "username": "root", "password": PASSWORD },
    }));
    here.scripts(&[
        (
            "1.sql",
            "CREATE TABLE users (id int PRIMARY KEY, age int); INSERT INTO users VALUES (1, 10), (2, 20);",
        ),
        ("2.sql", "ALTER TABLE users ADD COLUMN note text;"),
        ("4.sql", "ALTER TABLE users MODIFY COLUMN id bigint NOT NULL;"),
        (
            "3.sql",
            "ALTER TABLE users ADD COLUMN gone int; ALTER TABLE users ADD CONSTRAINT young CHECK (age < 15);",
        ),
    ]);
    let migrate = |keys: &[&str], strategy: &str| {
        here.migrate(keys, |m| {
            m["spec"]["database"]["type"] = json!(kind.name().to_lowercase());
            m["spec"]["database"]["port"] = json!(port);
            m["spec"]["migration"]["strategy"] = json!(strategy);
            m["spec"]["validation"]["lint"] = json!({ "rules": { "add-check-copy": "off" } });
        });
    };
    migrate(&["1.sql", "2.sql"], "auto");
    here.wait_until_ready();
    assert_eq!(here.reason(), "MigrationComplete");
    assert_eq!(one("SELECT SUM(age) FROM users WHERE note IS NULL"), "30");
    let status = here.object()["status"].clone();
    assert!(status["target"]["server"].as_str().unwrap().starts_with(kind.name()), "{status}");

    migrate(&["1.sql", "2.sql", "3.sql"], "auto");
    here.until("the third script is taken back", || here.object()["status"]["phase"] == "RolledBack");
    let columns = "SELECT COUNT(*) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = 'shop' AND TABLE_NAME = 'users'";
    assert_eq!(one(columns), "3");
    assert_eq!(one("SELECT COUNT(*) FROM _cofferdam_history WHERE undone_at IS NULL"), "2");

    migrate(&["1.sql", "2.sql", "4.sql"], "shadow-table");
    here.until("its window is open", || here.reason() == "RevertWindowOpen");
    let id = "SELECT DATA_TYPE FROM information_schema.COLUMNS
              WHERE TABLE_SCHEMA = 'shop' AND TABLE_NAME = 'users' AND COLUMN_NAME = 'id'";
    assert_eq!(one(id), "bigint");
    server.query(Some("shop"), "INSERT INTO users (id, age) VALUES (3, 30)").unwrap();
    let plan = here.object()["status"]["planDigest"].as_str().unwrap().to_owned();
    here.kubectl(&["annotate", "dbm", "change", &format!("cofferdam.dev/rollback={plan}")]);
    here.until("the swap is taken back", || here.object()["status"]["phase"] == "RolledBack");
    assert_eq!(one(id), "int");
    assert_eq!(one("SELECT SUM(age) FROM users"), "60");
}

#[test]
fn a_database_of_mariadb_is_changed_and_a_failure_taken_back() {
    changed_and_taken_back(Kind::MariaDb, "e2e-mariadb");
}

#[test]
fn a_database_of_mysql_is_changed_and_a_failure_taken_back() {
    changed_and_taken_back(Kind::MySql, "e2e-mysql");
}
