//! Databases of MySQL and MariaDB.

use cofferdam_scratch::mysql::{Kind, Options, Server, find};
use cofferdam_scratch::skipped;
use serde_json::json;

use crate::pod::Pod;
use crate::store::{IDENTITY, Kind as Bucket, PUBLIC, Store};
use crate::support::{Bench, until};

/// With what must be written as `%XX` in a URL.
const PASSWORD: &str = "p@ss:w/o?r#d%20 \"'\\";

/// A server of the test's own, and a Pod for a database on it.
fn pod(kind: Kind, name: &str) -> Option<(Server, Pod)> {
    let programs = match find(kind) {
        Ok(programs) => programs,
        Err(why) => {
            skipped(std::thread::current().name().unwrap_or(name), &why.to_string());
            return None;
        }
    };
    let options = Options { password: Some(PASSWORD.into()), ..Options::default() };
    let server = Server::start(&programs, &options).unwrap();
    let url = server.create_database("shop").unwrap();
    let bench = Bench { database: "shop".into(), url, folder: tempfile::tempdir().unwrap() };
    let mut pod = Pod::at(bench, name, "127.0.0.1", server.port());
    pod.spec["database"]["type"] = json!(kind.name().to_lowercase());
    pod.secret("username", "root");
    pod.secret("password", PASSWORD);
    Some((server, pod))
}

fn one(server: &Server, sql: &str) -> String {
    let rows = server.query(Some("shop"), sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
    rows.into_iter().next().and_then(|row| row.into_iter().next()?).unwrap_or_default()
}

fn scripts_are_applied_once(kind: Kind) {
    let Some((server, mut pod)) = pod(kind, "scripts") else { return };
    pod.script("b", "INSERT INTO a VALUES (1);\n")["dependsOn"] = json!(["a"]);
    pod.script("a", "CREATE TABLE a (id int PRIMARY KEY);\n");
    let outcome = pod.ends(&[], 0, "Succeeded", "MigrationComplete");
    assert_eq!(outcome["toVersion"], "scripts/b");
    let status = pod.status();
    let served = status["target"]["server"].as_str().unwrap();
    assert!(served.starts_with(kind.name()), "{served}");
    assert!(status["target"]["identity"].as_str().unwrap().ends_with("/shop"), "{status:#}");
    let again = pod.ends(&[], 0, "Succeeded", "MigrationComplete");
    assert!(again["runId"].is_null());
    assert_eq!(one(&server, "SELECT COUNT(*) FROM a"), "1");

    // The same by one URL.
    for key in ["username", "password"] {
        pod.remove_secret(key);
    }
    pod.secret("url", &server.url("elsewhere"));
    pod.script("c", "INSERT INTO a VALUES (2);\n");
    pod.ends(&[], 0, "Succeeded", "MigrationComplete");
    assert_eq!(one(&server, "SELECT COUNT(*) FROM a"), "2");
    assert!(!pod.run(&[]).stderr.contains("p@ss"), "the password is told");
}

/// A migration that fails is taken back, what it cannot do is refused by its name, and both end as on PostgreSQL.
fn what_fails_and_what_is_refused(kind: Kind) {
    let Some((server, mut pod)) = pod(kind, "fails") else { return };
    pod.key(
        "V1__t.sql",
        "CREATE TABLE t (id int PRIMARY KEY, a int);\nINSERT INTO t VALUES (1, 1), (2, 2);\n",
    );
    pod.ends(&[], 0, "Succeeded", "MigrationComplete");
    pod.key(
        "V2__x.sql",
        "ALTER TABLE t ADD COLUMN b int;\nALTER TABLE t ADD CONSTRAINT small CHECK (a < 2);\n",
    );
    pod.spec["validation"]["lint"] = json!({ "rules": { "add-check-copy": "off" } });
    pod.ends(&[], 6, "RolledBack", "RolledBack");
    let columns =
        "SELECT COUNT(*) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = 'shop' AND TABLE_NAME = 't'";
    assert_eq!(one(&server, columns), "2");
    pod.key("V2__x.sql", "ALTER TABLE t ADD COLUMN b int;\n");
    pod.spec["validation"] = json!({
        "preChecks": [
            { "type": "connection" }, { "type": "permissions" }, { "type": "replication" },
            { "type": "long-transactions" }, { "type": "custom", "name": "two", "sql": "SELECT COUNT(*) = 2 FROM t" },
        ],
        "performanceThresholds": { "maxMigrationTime": "30m", "maxDowntime": "30s" },
    });
    pod.ends(&[], 0, "Succeeded", "MigrationComplete");
    assert_eq!(one(&server, columns), "3");
    pod.spec["database"]["type"] = json!("postgresql");
    for key in ["username", "password"] {
        pod.remove_secret(key);
    }
    pod.secret("url", &server.url("shop"));
    let held = pod.start(&[]);
    until("it waits for another Secret", || {
        pod.status()["progress"]["blockedBy"].to_string().contains("is no URL that begins with postgres://")
    });
    held.signal("TERM");
    held.end();
}

/// The runner dies while a statement commits; the next one finds it done.
fn a_killed_runner_is_gone_on_for(kind: Kind) {
    let Some((server, mut pod)) = pod(kind, "killed") else { return };
    pod.key("V1__t.sql", "CREATE TABLE t (id int PRIMARY KEY);\nCREATE TABLE u (id int PRIMARY KEY);\nINSERT INTO t VALUES (1);\n");
    pod.held(&[], "loose.performed").kill();
    pod.ends(&[], 0, "Succeeded", "MigrationComplete");
    assert_eq!(one(&server, "SELECT COUNT(*) FROM t"), "1");
    assert_eq!(one(&server, "SELECT COUNT(*) FROM _cofferdam_history WHERE undone_at IS NULL"), "1");
}

/// `spec.backup` to a real S3 server, and a way back that restores from there.
fn what_was_dropped_comes_back_from_the_bucket(kind: Kind) {
    let name = format!("what_was_dropped_comes_back_from_the_bucket ({})", kind.name());
    let Some(store) = Store::start(Bucket::S3, &name) else { return };
    let Some((server, mut pod)) = pod(kind, "bucket") else { return };
    let items =
        "CREATE TABLE items (id int PRIMARY KEY, v varchar(9)); INSERT INTO items VALUES (1, 'a'), (2, 'b')";
    server.query(Some("shop"), items).unwrap();
    pod.script("made", "CREATE TABLE made (id int PRIMARY KEY);\n");
    pod.script("gone", "-- cofferdam:allow drop-table reason=\"a test\"\nDROP TABLE items;\n")["dependsOn"] =
        json!(["made"]);
    pod.spec["backup"] = json!({ "to": store.url(), "credentialsSecret": "bucket", "encryptTo": PUBLIC, "restoreOnRollback": true });
    pod.mounted("backup", store.wrong_key());
    pod.ends(&[], 1, "Refused", "BackupFailed");
    assert_eq!(one(&server, "SELECT COUNT(*) FROM items"), "2");
    pod.mounted("backup", store.variables());
    pod.ends(&[], 0, "Succeeded", "MigrationComplete");
    assert_eq!(pod.status()["backupInfo"]["verified"], true, "{:#}", pod.status());
    assert_eq!(pod.condition("BackedUp").0, "True");
    assert!(server.query(Some("shop"), "SELECT * FROM items").is_err());
    pod.spec["backup"]["identitySecretRef"] = json!({ "name": "key", "key": "key.txt" });
    pod.mounted("backup-identity", vec![("identity".into(), IDENTITY.into())]);
    pod.ends(&["--work", "rollback"], 0, "Succeeded", "RolledBack");
    assert_eq!(one(&server, "SELECT GROUP_CONCAT(id, v ORDER BY id) FROM items"), "1a,2b");
    assert_eq!(one(&server, "SELECT COUNT(*) FROM _cofferdam_history WHERE undone_at IS NULL"), "0");
}

macro_rules! on_both {
    ($($name:ident,)*) => {
        mod mysql {
            $(#[test] fn $name() { super::$name(cofferdam_scratch::mysql::Kind::MySql); })*
        }
        mod mariadb {
            $(#[test] fn $name() { super::$name(cofferdam_scratch::mysql::Kind::MariaDb); })*
        }
    };
}

on_both! {
    scripts_are_applied_once,
    what_fails_and_what_is_refused,
    a_killed_runner_is_gone_on_for,
    what_was_dropped_comes_back_from_the_bucket,
}
