//! The hints that a person would want before a change, each in a database that has the cause and in the same one
//! without it: the first shows it, the second does not.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cofferdam_core::facts::{DataAnswer, DataQuestion};
use cofferdam_core::{Facts, Finding, Name, Script, Severity};
use cofferdam_dialects::Parsed;
use cofferdam_dialects::postgres::read;
use cofferdam_engines::postgres::facts::{answers, facts};
use cofferdam_scratch::{Options, Server, find_or_fetch, skipped};
use tokio_postgres::{Client, NoTls};

/// `large` has a million rows that nobody writes; `busy` is written all the time; `quiet` is neither.
const SCHEMA: &str = "
    CREATE TABLE large (id int PRIMARY KEY, v int, w int);
    INSERT INTO large SELECT n, n, n FROM generate_series(1, 1000000) n;
    CREATE TABLE quiet (id int PRIMARY KEY, v int, w int, twice int, missing int, parent int, lost int);
    INSERT INTO quiet SELECT n, n, n, n / 2, nullif(n, 7), 1, n FROM generate_series(1, 10) n;
    CREATE TABLE busy (id int PRIMARY KEY, v int, w int);
    CREATE TABLE empty (id int PRIMARY KEY);
    ANALYZE";

/// What makes `busy` busy, counted from its first row on.
const WRITES: &str = "INSERT INTO busy SELECT n, n, n FROM generate_series(1, 200000) n";

/// A hint: the rule that gives it, how bad it then is, a statement with the cause, and the same without.
struct Hint {
    number: u8,
    rule: &'static str,
    severity: Severity,
    with: &'static str,
    without: &'static str,
}

const fn hint(
    number: u8,
    rule: &'static str,
    severity: Severity,
    with: &'static str,
    without: &'static str,
) -> Hint {
    Hint { number, rule, severity, with, without }
}

use Severity::{Error, Info};

/// The nine, in their order.
const HINTS: &[Hint] = &[
    hint(1, "create-index-blocking", Error, "CREATE INDEX x ON large (v)", "CREATE INDEX x ON quiet (v)"),
    hint(2, "create-index-blocking", Error, "CREATE INDEX x ON busy (v)", "CREATE INDEX x ON quiet (v)"),
    hint(3, "add-column-large-table", Info, "ALTER TABLE large ADD x int", "ALTER TABLE quiet ADD x int"),
    hint(4, "add-column-large-table", Info, "ALTER TABLE busy ADD x int", "ALTER TABLE quiet ADD x int"),
    hint(
        5,
        "unique-duplicates",
        Error,
        "ALTER TABLE quiet ADD UNIQUE (twice)",
        "ALTER TABLE quiet ADD UNIQUE (v)",
    ),
    hint(
        5,
        "unique-duplicates",
        Error,
        "CREATE UNIQUE INDEX x ON quiet (twice)",
        "CREATE UNIQUE INDEX x ON quiet (v)",
    ),
    hint(
        6,
        "add-check-validating",
        Error,
        "ALTER TABLE large ADD CHECK (v > 0)",
        "ALTER TABLE quiet ADD CHECK (v > 0)",
    ),
    hint(
        6,
        "set-not-null",
        Error,
        "ALTER TABLE large ALTER v SET NOT NULL",
        "ALTER TABLE quiet ALTER v SET NOT NULL",
    ),
    hint(
        7,
        "add-check-validating",
        Error,
        "ALTER TABLE busy ADD CHECK (v > 0)",
        "ALTER TABLE quiet ADD CHECK (v > 0)",
    ),
    hint(
        8,
        "set-not-null",
        Error,
        "ALTER TABLE quiet ALTER missing SET NOT NULL",
        "ALTER TABLE quiet ALTER v SET NOT NULL",
    ),
    hint(
        9,
        "add-column-not-null-no-default",
        Error,
        "ALTER TABLE quiet ADD x int NOT NULL",
        "ALTER TABLE empty ADD x int NOT NULL",
    ),
    // One more than nine: no parent for a row.
    hint(
        10,
        "fk-orphans",
        Error,
        "ALTER TABLE quiet ADD FOREIGN KEY (lost) REFERENCES parents",
        "ALTER TABLE quiet ADD FOREIGN KEY (parent) REFERENCES parents",
    ),
];

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

fn parsed(sql: &str) -> (Script, Parsed) {
    let script = Script::new("hint.sql", sql);
    let parsed = read(&script).unwrap();
    (script, parsed)
}

async fn known(client: &Client, parsed: &Parsed) -> Facts {
    let names: Vec<Name> = parsed.changes.iter().flat_map(|change| change.action.relations()).collect();
    facts(client, &names).await.unwrap()
}

/// As `cofferdam lint --url` does it.
async fn findings(client: &Client, sql: &str) -> Vec<Finding> {
    let (script, parsed) = parsed(sql);
    let mut facts = known(client, &parsed).await;
    let questions = cofferdam_lint::questions(&parsed, &facts, &Default::default());
    let found = answers(client, &facts, &questions).await.unwrap();
    facts.answers = questions.into_iter().zip(found).collect();
    let options = cofferdam_lint::Options {
        facts: Some(&facts),
        created: &Default::default(),
        only: &[],
        no_transaction: false,
        today: jiff::civil::Date::default(),
        server_major: facts.server.major(),
        naming: &[],
    };
    cofferdam_lint::lint(&script, &parsed, &options)
}

/// Runs the test on a server of its own with a database `hints`.
fn on_a_server(test: &str, body: impl AsyncFnOnce(&Server, Client)) {
    let binaries = match find_or_fetch(&mut |_| {}) {
        Ok(binaries) => binaries,
        Err(why) => return skipped(test, &why.to_string()),
    };
    let server = Server::start(&binaries, &Options::default()).unwrap();
    let url = server.create_database("hints").unwrap();
    server.query("hints", SCHEMA).unwrap();
    server
        .query("hints", "CREATE TABLE parents (id int PRIMARY KEY); INSERT INTO parents VALUES (1)")
        .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { body(&server, connect(&url).await).await });
}

#[test]
fn each_hint_shows_with_its_cause_and_not_without() {
    on_a_server("each_hint_shows_with_its_cause_and_not_without", async |server, client| {
        // What was written before does not count; `busy` is written from here on.
        server.query("hints", "SELECT pg_stat_reset()").unwrap();
        server.query("hints", WRITES).unwrap();
        let (_, busy) = parsed("ALTER TABLE busy ADD x int");
        for _ in 0..600 {
            // The server counts on its own time, and a rate over less than a second is none.
            if known(&client, &busy).await.table(&Name::plain("busy")).unwrap().busy() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let mut wrong = Vec::new();
        for hint in HINTS {
            let speaks = |findings: &[Finding]| {
                findings.iter().any(|f| f.rule == hint.rule && f.severity >= hint.severity)
            };
            let with = findings(&client, hint.with).await;
            if !speaks(&with) {
                wrong.push(format!("{}: {} is silent of {}: {with:#?}", hint.number, hint.rule, hint.with));
            }
            let said = with.iter().filter(|f| f.rule == hint.rule);
            if said.clone().count() > 0 && said.clone().all(|f| f.live.is_none()) {
                wrong.push(format!("{}: {} says no live numbers of {}", hint.number, hint.rule, hint.with));
            }
            let without = findings(&client, hint.without).await;
            if speaks(&without) {
                wrong
                    .push(format!("{}: {} speaks of {}: {without:#?}", hint.number, hint.rule, hint.without));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}

/// The corpus of safe migrations: each is looked at with the live numbers of a database in which those before it ran.
#[test]
fn no_rule_speaks_of_a_safe_migration() {
    on_a_server("no_rule_speaks_of_a_safe_migration", async |server, _| {
        let client = connect(&server.create_database("safe").unwrap()).await;
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../lint/safe/postgresql");
        let mut files: Vec<PathBuf> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let mut said = Vec::new();
        for file in &files {
            let sql = fs::read_to_string(file).unwrap();
            for finding in findings(&client, &sql).await {
                said.push(format!("{}: {}: {}", file.display(), finding.rule, finding.message));
            }
            let (_, parsed) = parsed(&sql);
            for change in &parsed.changes {
                let ran = client.batch_execute(&change.text).await;
                ran.unwrap_or_else(|why| panic!("{}: {why:?}: {}", file.display(), change.text));
            }
            server.query("safe", "ANALYZE").unwrap();
        }
        assert!(files.len() > 40, "only {} files", files.len());
        assert!(said.is_empty(), "{} false alarms:\n{}", said.len(), said.join("\n"));
    });
}

#[test]
fn what_is_not_known_is_said_and_nothing_is_written() {
    on_a_server("what_is_not_known_is_said_and_nothing_is_written", async |server, client| {
        let (_, parsed) = parsed("ALTER TABLE quiet ADD UNIQUE (twice), ALTER missing SET NOT NULL");
        let facts = known(&client, &parsed).await;
        let questions = cofferdam_lint::questions(&parsed, &facts, &Default::default());
        let before = server.query("hints", "SELECT pg_current_xact_id_if_assigned() IS NULL").unwrap();
        assert_eq!(answers(&client, &facts, &questions).await.unwrap(), [DataAnswer::Yes, DataAnswer::Yes]);
        let at_work = "SELECT pg_current_xact_id_if_assigned() IS NULL";
        let row = client.query_one(at_work, &[]).await.unwrap();
        assert!(row.get::<_, bool>(0) && before.len() == 1);

        // Somebody holds it: no wait of more than a moment, and no answer.
        let holder = connect(&server.url("hints")).await;
        holder.batch_execute("BEGIN; LOCK TABLE quiet").await.unwrap();
        for answer in answers(&client, &facts, &questions).await.unwrap() {
            assert_eq!(answer, DataAnswer::NotKnown("somebody holds the table locked".into()));
        }
        holder.batch_execute("ROLLBACK").await.unwrap();

        // Rows that are not ours to read.
        client.batch_execute("CREATE ROLE poor; SET ROLE poor").await.unwrap();
        for answer in answers(&client, &facts, &questions).await.unwrap() {
            assert_eq!(answer, DataAnswer::NotKnown("its rows may not be read".into()));
        }
        client.batch_execute("RESET ROLE").await.unwrap();

        // An operator that somebody planted is not run, and a table that is not there is not known.
        client
            .batch_execute(
                "CREATE FUNCTION planted(int, int) RETURNS bool LANGUAGE plpgsql
                     AS 'BEGIN RAISE EXCEPTION ''planted''; END';
                 CREATE OPERATOR = (LEFTARG = int, RIGHTARG = int, FUNCTION = planted);
                 SET search_path = public, pg_catalog",
            )
            .await
            .unwrap();
        let orphans = DataQuestion::Orphans {
            table: Name::plain("quiet"),
            columns: vec!["lost".into()],
            parent: Name::plain("parents"),
            parent_columns: vec!["id".into()],
        };
        let nowhere = DataQuestion::Nulls { table: Name::plain("nowhere"), column: "a".into() };
        let names = [Name::plain("quiet"), Name::plain("parents")];
        let facts = cofferdam_engines::postgres::facts::facts(&client, &names).await.unwrap();
        let found = answers(&client, &facts, &[orphans, nowhere]).await.unwrap();
        assert_eq!(found[0], DataAnswer::Yes);
        assert!(matches!(found[1], DataAnswer::NotKnown(_)), "{found:?}");
    });
}

#[test]
fn statistics_that_are_old_are_named_so_and_a_look_corrects_them() {
    on_a_server("statistics_that_are_old_are_named_so", async |server, client| {
        let set_not_null = "ALTER TABLE quiet ALTER missing SET NOT NULL";
        let speaks =
            |findings: &[Finding]| findings.iter().any(|f| f.rule == "set-not-null" && f.severity == Error);
        assert!(speaks(&findings(&client, set_not_null).await));
        // ANALYZE saw a NULL that is filled now.
        server.query("hints", "UPDATE quiet SET missing = 0 WHERE missing IS NULL").unwrap();
        let found = findings(&client, set_not_null).await;
        assert!(!speaks(&found), "{found:#?}");

        server.query("hints", "ALTER TABLE large SET (autovacuum_enabled = off)").unwrap();
        server.query("hints", "UPDATE large SET v = v + 1 WHERE id <= 300000").unwrap();
        let mut live = String::new();
        for _ in 0..600 {
            let found = findings(&client, "CREATE INDEX x ON large (v)").await;
            live = found[0].live.clone().unwrap();
            if live.contains("stale: ") && live.contains("rows were written since") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{live}");
    });
}
