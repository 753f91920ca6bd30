//! What is looked at before a change, and what is watched while it is made.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use cofferdam_scratch::mysql::{Kind, Options};

use crate::crash::without_counter;
use crate::replicated::{Replicated, replica};
use crate::site::{Site, own_server};
use crate::support::{Ended, ended, until};

on_both! {
    checks_hold_or_refuse,
    a_right_that_a_check_needs,
    replicas_are_asked,
    a_migration_that_blocks_for_too_long_is_taken_back,
    a_migration_that_overruns_is_taken_back,
    what_was_found_is_not_forgotten,
    a_migration_whose_check_fails_is_taken_back,
    statements_are_counted,
    a_migration_that_slows_statements_is_taken_back,
    limits_that_nobody_can_watch,
}

const USERS: (&str, &str) = (
    "V1__users.sql",
    "CREATE TABLE users (id bigint AUTO_INCREMENT PRIMARY KEY, name varchar(100) NOT NULL);\n\
     INSERT INTO users (name) VALUES ('ada'), ('bob');\n",
);
const MORE: (&str, &str) = ("V2__more.sql", "ALTER TABLE users ADD COLUMN a int;\n");

/// A database with version 1 applied and version 2 to come.
fn site(kind: Kind, name: &str) -> Option<Site> {
    Site::new(kind, name).map(prepared)
}

fn prepared(site: Site) -> Site {
    site.file(USERS.0, USERS.1);
    site.must(&["apply"]);
    site.file(MORE.0, MORE.1);
    site
}

/// It was refused before anything was changed.
#[track_caller]
fn refused(site: &Site, ended: &Ended, code: &str, says: &[&str]) {
    assert!(ended.code != 0 && ended.stderr.contains(&format!("error[{code}]")), "{}", ended.stderr);
    for words in says {
        assert!(ended.stderr.contains(words), "it does not say {words:?}: {}", ended.stderr);
    }
    assert_eq!(site.history().len(), 1);
    assert_eq!(site.one("SELECT COUNT(*) FROM _cofferdam_run"), "1", "a run was begun");
}

/// An application that writes into `users` all the time, and remembers what was acknowledged.
struct Writer {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Vec<u64>>>,
}

impl Writer {
    fn begin(site: &Site) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (asked, server, database) = (Arc::clone(&stop), site.server, site.database.clone());
        let thread = std::thread::spawn(move || {
            let mut acknowledged = Vec::new();
            for number in 0.. {
                if asked.load(Ordering::SeqCst) {
                    break;
                }
                let sql = format!("INSERT INTO users (name) VALUES ('acknowledged {number}')");
                // What is refused was not acknowledged: it may be there or not.
                if server.query(Some(&database), &sql).is_ok() {
                    acknowledged.push(number);
                }
            }
            acknowledged
        });
        Self { stop, thread: Some(thread) }
    }

    /// It has written; in the beginning nobody is in its way.
    fn is_at_work(&self, site: &Site) {
        until("the application writes", || {
            site.one("SELECT COUNT(*) >= 20 FROM users WHERE name LIKE 'acknowledged%'") == "1"
        });
    }

    /// Ends, and fails the test if anything that was acknowledged is not there.
    fn nothing_lost(mut self, site: &Site) {
        self.stop.store(true, Ordering::SeqCst);
        let acknowledged = self.thread.take().unwrap().join().unwrap();
        assert!(acknowledged.len() >= 20, "the application wrote {} times", acknowledged.len());
        let there = site.query("SELECT name FROM users WHERE name LIKE 'acknowledged%'");
        let there: std::collections::HashSet<&str> = there.iter().map(|row| row[0].as_str()).collect();
        let lost = acknowledged.iter().filter(|number| !there.contains(&*format!("acknowledged {number}")));
        assert_eq!(lost.count(), 0, "acknowledged rows are lost");
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}

fn checks_hold_or_refuse(kind: Kind) {
    // The list of transactions is read anew only if nobody asked for it for a tenth of a second, as other tests do.
    let Some(site) = Site::alone(kind, "checks").map(prepared) else { return };
    let held = site.hold("BEGIN; SELECT COUNT(*) FROM users FOR UPDATE");
    let id = &held.id;
    let open = format!("SELECT 1 FROM information_schema.PROCESSLIST WHERE ID = {id}");
    let kill = format!("KILL {id}");
    let ended = site.run(&[
        "apply",
        "--check",
        "long-transactions=1ms",
        "--check",
        "custom:three=SELECT COUNT(*) = 3 FROM users",
    ]);
    let says =
        ["long-transactions, custom three", &format!("connection {id} (root@"), &kill, "it returned \"0\""];
    refused(&site, &ended, "CF3101", &says);
    // What the message says helps.
    site.query(&kill);
    until("it is gone", || site.query(&open).is_empty());
    site.must(&[
        "apply",
        "--check",
        "long-transactions=1h",
        "--check",
        "replication",
        "--check",
        "pooler",
        "--check",
        "disk-space=1kB",
        "--check",
        "custom=SELECT COUNT(*) = 2 FROM users",
    ]);
    assert_eq!(site.history().len(), 2);
    let doctor = site.must(&["doctor"]).stdout;
    for words in ["no replica reads the log", "the oldest has been open for"] {
        assert!(doctor.contains(words), "{words}: {doctor}");
    }
    // Seen where the server is on this machine, as it is here.
    site.file("V3__b.sql", "ALTER TABLE users ADD COLUMN b int;\n");
    let ended = site.run(&["apply", "--check", "disk-space=999TB"]);
    assert!(ended.code != 0 && ended.stderr.contains("999.0 TB are asked for"), "{}", ended.stderr);
    site.assert_sound();
}

fn a_right_that_a_check_needs(kind: Kind) {
    let Some(site) = site(kind, "process") else { return };
    let user = format!("app_{}", site.database);
    let account = format!("'{user}'@'127.0.0.1'");
    site.query(&format!("CREATE USER {account} IDENTIFIED BY 'kanarie'"));
    site.query(&format!("GRANT ALL PRIVILEGES ON `{}`.* TO {account}", site.database));
    let url = site.url.replacen("root@", &format!("{user}:kanarie@"), 1);
    let ended = site.at(&url, &["apply", "--check", "long-transactions", "--check", "replication"]);
    let replicas =
        if kind == Kind::MySql { "GRANT REPLICATION SLAVE" } else { "GRANT REPLICATION MASTER ADMIN" };
    refused(&site, &ended, "CF3102", &["GRANT PROCESS ON *.*", replicas]);
    let rights = replicas.replacen("GRANT ", "", 1);
    site.query(&format!("GRANT PROCESS, {rights} ON *.* TO {account}"));
    let ended = site.at(&url, &["apply", "--check", "long-transactions", "--check", "replication"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    site.assert_sound();
}

fn replicas_are_asked(kind: Kind) {
    let Some(both) = Replicated::begin(kind, "replicas") else { return };
    let Replicated { source, near, name, site } = &both;
    site.file(USERS.0, USERS.1);
    site.must(&["apply"]);
    both.has("users", "2");
    site.file(MORE.0, MORE.1);
    site.must(&["apply", "--check", "replication=1h", "--max-lag", "1h"]);
    let doctor = site.must(&["doctor"]).stdout;
    assert!(doctor.contains(&format!("replica {name} is the farthest behind")), "{doctor}");

    // Whoever applies nothing is not known to be near.
    near.query(None, "STOP REPLICA SQL_THREAD").unwrap();
    site.file("V3__b.sql", "ALTER TABLE users ADD COLUMN b int;\n");
    for (flags, code) in [(["--check", "replication"], "CF3102"), (["--max-lag", "1h"], "CF3001")] {
        let ended = site.run(&[&["apply"][..], &flags].concat());
        assert!(ended.code != 0 && ended.stderr.contains(&format!("error[{code}]")), "{}", ended.stderr);
        assert!(
            ended.stderr.contains(name) && ended.stderr.contains("the thread that applies it"),
            "{}",
            ended.stderr
        );
        assert_eq!(site.history().len(), 2, "{flags:?}");
    }
    // One that is held up falls behind.
    near.query(None, "START REPLICA SQL_THREAD").unwrap();
    site.query("INSERT INTO users (name) VALUES ('eve')");
    both.has("users", "3");
    let held = both.hold_up("users", "INSERT INTO users (name) VALUES ('fay')");
    let ended = site.run(&["apply", "--check", "replication=1s"]);
    assert!(ended.code != 0 && ended.stderr.contains("error[CF3101]"), "{}", ended.stderr);
    assert!(ended.stderr.contains(&format!("replica {name} is ")), "{}", ended.stderr);
    assert_eq!(site.history().len(), 2);
    drop(held);
    until("it has caught up", || site.run(&["apply", "--check", "replication=1s"]).code == 0);
    assert_eq!(site.history().len(), 3);

    // One that tells no address cannot be asked. MariaDB lists it under the one that it is seen at; it does not have the
    // database, which was made before it came.
    let Some(far) = replica(kind, source, &[("server_id", "3")]) else { return };
    let (said, why) = match kind {
        Kind::MySql => ("server_id 3 tells no address".to_owned(), "set report_host there"),
        Kind::MariaDb => (format!("127.0.0.1:{}", far.port()), "Unknown database"),
    };
    until("it reads the log", || site.run(&["doctor"]).stdout.contains(&said));
    site.file("V4__c.sql", "ALTER TABLE users ADD COLUMN c int;\n");
    let ended = site.run(&["apply", "--check", "replication"]);
    assert!(ended.code != 0 && ended.stderr.contains("error[CF3102]"), "{}", ended.stderr);
    assert!(ended.stderr.contains(why), "{}", ended.stderr);
    assert_eq!(site.history().len(), 3);
    site.assert_sound();
}

/// A database with version 1 applied, and a version 2 whose second statement computes ten megabytes for each row, while
/// nobody may write: it takes far longer than any limit here.
fn slow(kind: Kind, name: &str) -> Option<Site> {
    let site = site(kind, name)?;
    site.file(
        MORE.0,
        "ALTER TABLE users ADD COLUMN a int;\n\
         ALTER TABLE users ADD COLUMN slow varchar(128) AS (SHA2(REPEAT(LEFT(name, 1), 10000000), 512)) STORED, \
         ALGORITHM=COPY, LOCK=SHARED;\n",
    );
    site.query(
        "INSERT INTO users (name) WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
         SELECT CONCAT('n', i) FROM n",
    );
    Some(site)
}

/// What `apply` is told for it beside its limits. Whoever waits is not let go before.
const SLOWLY: [&str; 7] =
    ["apply", "--as-written", "--max-block", "0", "--yes", "--allow", "add-column-generated-stored=planted"];

/// The schema, but for the counter that moves with each row.
fn schema(site: &Site) -> Vec<String> {
    site.schema().iter().map(|table| without_counter(table)).collect()
}

/// `apply` with these limits is taken back by itself, and nobody who wrote meanwhile has lost anything.
#[track_caller]
fn taken_back(site: &Site, arguments: &[&str], says: &[&str]) {
    let before = schema(site);
    let writer = Writer::begin(site);
    writer.is_at_work(site);
    let ended = site.run(arguments);
    assert_eq!(ended.code, 6, "{}\n{}", ended.stdout, ended.stderr);
    for words in says {
        assert!(ended.stderr.contains(words), "{words}: {}", ended.stderr);
    }
    writer.nothing_lost(site);
    assert_eq!((schema(site), site.history().len()), (before, 1));
    site.assert_sound();
}

fn a_migration_that_blocks_for_too_long_is_taken_back(kind: Kind) {
    let Some(site) = slow(kind, "blocks") else { return };
    let says =
        ["CF3003", "maxDowntime 1.0 s: ", "users could not be written", "the old version served again"];
    taken_back(&site, &[&SLOWLY[..], &["--max-downtime", "1s"]].concat(), &says);
}

fn a_migration_that_overruns_is_taken_back(kind: Kind) {
    let Some(site) = slow(kind, "overruns") else { return };
    let says = ["CF3002", "maxMigrationTime 2.0 s: the run began", "the old version served again"];
    taken_back(&site, &[&SLOWLY[..], &["--max-time", "2s"]].concat(), &says);
}

/// The process dies between the finding and the way back: whoever comes next takes the run back, without any limit.
fn what_was_found_is_not_forgotten(kind: Kind) {
    let Some(site) = slow(kind, "found") else { return };
    let before = schema(&site);
    let writer = Writer::begin(&site);
    writer.is_at_work(&site);
    let mut command = site.command(&[&SLOWLY[..], &["--max-downtime", "1s"]].concat());
    let died = ended(command.env("COFFERDAM_FAILPOINT", "guard.found=kill"));
    assert!(!matches!(died.code, 0 | 6), "{}", died.stderr);
    assert_ne!(schema(&site), before, "its first statement is there");
    let next = site.run(&[&SLOWLY[..], &["--lock-wait", "60s"]].concat());
    assert_eq!(next.code, 6, "{}\n{}", next.stdout, next.stderr);
    assert!(next.stderr.contains("CF3003"), "{}", next.stderr);
    writer.nothing_lost(&site);
    assert_eq!((schema(&site), site.history().len()), (before, 1));
    site.assert_sound();
}

/// A row of its check is a failure of the migration. The application makes one all the time.
fn a_migration_whose_check_fails_is_taken_back(kind: Kind) {
    let Some(site) = site(kind, "regressed") else { return };
    site.file("C2__more.sql", "SELECT id, name FROM users WHERE name LIKE 'acknowledged%' AND a IS NULL;\n");
    taken_back(&site, &["apply", "--yes"], &["C2__more.sql", "a check returned rows", "acknowledged"]);
}

fn statements_are_counted(kind: Kind) {
    let Some(site) = counting(kind, "counted") else { return };
    site.file(USERS.0, USERS.1);
    site.must(&["apply"]);
    site.file(MORE.0, MORE.1);
    // What a runner of ours did is nothing that the application did.
    site.query("TRUNCATE performance_schema.events_statements_summary_by_digest");
    let ended = site.run(&["apply", "--max-slowdown", "3"]);
    refused(&site, &ended, "CF3001", &["no statement about the tables"]);
    for id in 0..50 {
        site.query(&format!("SELECT name FROM users WHERE id = {id}"));
    }
    let counted = site.must(&["apply", "--max-slowdown", "1000", "-o", "json"]);
    assert_eq!(site.history().len(), 2, "{}", counted.stdout);
    site.assert_sound();
}

/// A server that counts statements, with a database on it.
fn counting(kind: Kind, name: &str) -> Option<Site> {
    let settings = vec![("performance_schema".to_owned(), "ON".to_owned())];
    let server = own_server(kind, &Options { settings, ..Options::default() })?;
    Some(Site::on(Box::leak(Box::new(server)), kind, name))
}

/// From the first statement on each write of the application computes five megabytes; while the second one is at work,
/// which is about another table, that shows.
fn a_migration_that_slows_statements_is_taken_back(kind: Kind) {
    let Some(site) = counting(kind, "slows") else { return };
    site.file(
        "V1__hot.sql",
        "CREATE TABLE hot (id int PRIMARY KEY, n bigint NOT NULL);\n\
         CREATE TABLE cold (id bigint AUTO_INCREMENT PRIMARY KEY, name varchar(100) NOT NULL);\n\
         INSERT INTO hot VALUES (1, 0);\n",
    );
    site.must(&["apply"]);
    site.query(
        "INSERT INTO cold (name) WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
         SELECT CONCAT('n', i) FROM n",
    );
    let slow = |table: &str, of: &str, length: u32| {
        format!(
            "ALTER TABLE {table} ADD COLUMN slow varchar(128) AS (SHA2(REPEAT(LEFT({of}, 1), {length}), 512)) STORED, \
             ALGORITHM=COPY, LOCK=SHARED;\n"
        )
    };
    site.file("V2__slow.sql", &(slow("hot", "n", 5_000_000) + &slow("cold", "name", 10_000_000)));
    let before = schema(&site);
    let (server, database, stop) = (site.server, site.database.clone(), Arc::new(AtomicBool::new(false)));
    let asked = Arc::clone(&stop);
    let writer = std::thread::spawn(move || {
        let mut acknowledged = 0_u64;
        while !asked.load(Ordering::SeqCst) {
            let written = server.query(Some(&database), "UPDATE hot SET n = n + 1 WHERE id = 1");
            acknowledged += u64::from(written.is_ok());
        }
        acknowledged
    });
    until("the application writes", || site.one("SELECT n >= 100 FROM hot") == "1");
    let ended = site.run(&[&SLOWLY[..], &["--max-slowdown", "2"]].concat());
    stop.store(true, Ordering::SeqCst);
    let acknowledged = writer.join().unwrap();
    assert_eq!(ended.code, 6, "{}\n{}", ended.stdout, ended.stderr);
    for words in ["CF3003", "maxSlowdown 2: ", "times as long as before"] {
        assert!(ended.stderr.contains(words), "{words}: {}", ended.stderr);
    }
    let there: u64 = site.one("SELECT n FROM hot").parse().unwrap();
    assert!(there >= acknowledged, "{there} of {acknowledged} acknowledged writes are there");
    assert_eq!((schema(&site), site.history().len()), (before, 1));
    site.assert_sound();
}

fn limits_that_nobody_can_watch(kind: Kind) {
    let Some(site) = site(kind, "unwatched") else { return };
    for flag in ["--max-cpu", "--max-memory"] {
        let ended = site.run(&["apply", flag, "80%"]);
        refused(&site, &ended, "CF3001", &["tells nothing of its machine", "Prometheus"]);
    }
    if kind == Kind::MariaDb {
        let ended = site.run(&["apply", "--max-slowdown", "3"]);
        refused(&site, &ended, "CF3001", &["performance_schema is off"]);
    }
    let user = format!("app_{}", site.database);
    let account = format!("'{user}'@'127.0.0.1'");
    site.query(&format!("CREATE USER {account} IDENTIFIED BY 'kanarie'"));
    site.query(&format!("GRANT ALL PRIVILEGES ON `{}`.* TO {account}", site.database));
    let url = site.url.replacen("root@", &format!("{user}:kanarie@"), 1);
    let ended = site.at(&url, &["apply", "--max-slowdown", "3"]);
    let says =
        if kind == Kind::MySql { "GRANT SELECT ON performance_schema.*" } else { "performance_schema" };
    refused(&site, &ended, "CF3001", &[says]);
    site.must(&["apply", "--max-time", "10m", "--max-downtime", "60s", "--max-lag", "1h"]);
    site.assert_sound();
}
