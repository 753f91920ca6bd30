//! Runs each statement and looks what the server does.

use std::collections::BTreeMap;
use std::time::Duration;

use cofferdam_core::{Facts, Findings, Script};
use cofferdam_dialects::postgres::locks::{Effect, Lock, effect};
use cofferdam_dialects::postgres::read;
use cofferdam_engines::postgres::facts::facts;
use cofferdam_scratch::Server;
use tokio_postgres::{Client, NoTls};

use crate::statement::Statement;

/// What the server did, and what was said of it before.
pub(crate) struct Answer {
    pub(crate) statement: Statement,
    pub(crate) truth: Truth,
    pub(crate) said: Effect,
    pub(crate) findings: Findings,
}

/// What one relation went through.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Deed {
    pub(crate) lock: Lock,
    /// It has new files, with something in them.
    pub(crate) rewritten: bool,
    /// Rows of it were read from end to end.
    pub(crate) scanned: bool,
    /// An index of it was built.
    pub(crate) indexed: bool,
}

/// By the names of the tables and materialized views that were there before.
pub(crate) type Truth = BTreeMap<String, Deed>;

pub(crate) async fn ask_all(server: &Server, statements: &[Statement]) -> Vec<Answer> {
    let url = server.create_database("oracle").unwrap();
    let client = connect(&url).await;
    client.batch_execute(include_str!("schema.sql")).await.unwrap();
    client.batch_execute("SET timezone = 'UTC'").await.unwrap();
    let mut answers = Vec::new();
    for (number, statement) in statements.iter().enumerate() {
        let script = Script::new("oracle.sql", statement.sql.as_str());
        let parsed = read(&script).unwrap();
        assert_eq!(parsed.changes.len(), 1, "{}", statement.sql);
        let facts: Facts = facts(&client, &parsed.changes[0].action.relations()).await.unwrap();
        let said = effect(&parsed.changes[0], Some(&facts));
        let findings = cofferdam_lint::lint(
            &script,
            &parsed,
            &cofferdam_lint::Options {
                facts: Some(&facts),
                created: &Default::default(),
                only: &[],
                no_transaction: false,
                today: jiff::civil::Date::default(),
                server_major: facts.server.major(),
                naming: &[],
            },
        );
        let truth = if statement.alone {
            alone(server, number, statement).await
        } else {
            inside(&client, statement).await
        };
        answers.push(Answer { statement: statement.clone(), truth, said, findings });
    }
    answers
}

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// A relation as it is at one moment.
#[derive(Debug, Clone)]
struct Relation {
    name: String,
    /// The table of an index, else itself.
    table: u32,
    file: u32,
    bytes: i64,
    read: i64,
}

/// Sizes take a lock of the weakest kind; asked last they change nothing that is looked for.
const RELATIONS: &str = "SELECT c.oid, c.relname::text, coalesce(i.indrelid, c.oid), c.relfilenode,
        CASE WHEN c.relkind IN ('r', 'm', 'i') THEN pg_relation_size(c.oid) ELSE 0 END,
        coalesce(s.seq_tup_read, 0)
    FROM pg_class c LEFT JOIN pg_index i ON i.indexrelid = c.oid
    LEFT JOIN pg_stat_xact_all_tables s ON s.relid = c.oid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'm', 'v', 'i', 'I')";

async fn relations(client: &Client) -> BTreeMap<u32, Relation> {
    let rows = client.query(RELATIONS, &[]).await.unwrap();
    rows.iter()
        .map(|row| {
            let relation = Relation {
                name: row.get(1),
                table: row.get(2),
                file: row.get(3),
                bytes: row.get(4),
                read: row.get(5),
            };
            (row.get(0), relation)
        })
        .collect()
}

/// The strongest lock that a backend holds or waits for, by relation.
async fn locks(client: &Client, pid: i32) -> BTreeMap<u32, Lock> {
    let query = "SELECT relation, mode FROM pg_locks WHERE pid = $1 AND locktype = 'relation'";
    let mut all: BTreeMap<u32, Lock> = BTreeMap::new();
    for row in client.query(query, &[&pid]).await.unwrap() {
        let lock = all.entry(row.get(0)).or_default();
        *lock = (*lock).max(mode(row.get(1)));
    }
    all
}

fn mode(name: &str) -> Lock {
    match name {
        "AccessShareLock" => Lock::AccessShare,
        "RowShareLock" => Lock::RowShare,
        "RowExclusiveLock" => Lock::RowExclusive,
        "ShareUpdateExclusiveLock" => Lock::ShareUpdateExclusive,
        "ShareLock" => Lock::Share,
        "ShareRowExclusiveLock" => Lock::ShareRowExclusive,
        "ExclusiveLock" => Lock::Exclusive,
        "AccessExclusiveLock" => Lock::AccessExclusive,
        other => panic!("{other}"),
    }
}

/// In a transaction that is taken back.
async fn inside(client: &Client, statement: &Statement) -> Truth {
    // The transaction's own counts are those of the session that are not sent off yet, too: only differences count.
    client.batch_execute("BEGIN").await.unwrap();
    let before = relations(client).await;
    client.batch_execute("COMMIT; BEGIN").await.unwrap();
    let counts = relations(client).await;
    // What the looks above read and locked ends with this.
    client.batch_execute("COMMIT; BEGIN").await.unwrap();
    let done = client.batch_execute(&statement.sql).await;
    assert!(done.is_ok(), "{}: {:?}", statement.sql, done.unwrap_err().as_db_error());
    let pid: i32 = client.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    let locks = locks(client, pid).await;
    let after = relations(client).await;
    client.batch_execute("ROLLBACK").await.unwrap();
    truth(&before, &counts, &after, &locks)
}

fn truth(
    before: &BTreeMap<u32, Relation>,
    counts: &BTreeMap<u32, Relation>,
    after: &BTreeMap<u32, Relation>,
    locks: &BTreeMap<u32, Lock>,
) -> Truth {
    let mut truth = Truth::new();
    for (oid, was) in before.iter().filter(|(oid, was)| **oid == was.table) {
        let is = after.get(oid);
        let read = is.map_or(0, |is| is.read) - counts.get(oid).map_or(0, |count| count.read);
        let rewritten = is.is_some_and(|is| is.file != was.file && is.bytes > 0);
        // Another index may take over the files of one that fits. One of a table that was emptied is empty, too.
        let files: Vec<u32> = before.values().map(|was| was.file).collect();
        let built = after.iter().any(|(index, is)| {
            index != oid && is.table == *oid && is.bytes > 0 && is.file != 0 && !files.contains(&is.file)
        });
        let deed = Deed {
            lock: locks.get(oid).copied().unwrap_or_default(),
            rewritten,
            scanned: read > 0,
            indexed: built && (rewritten || read > 0),
        };
        if deed != Deed::default() {
            truth.insert(was.name.clone(), deed);
        }
    }
    truth
}

/// In a database of its own, because it cannot be taken back. Somebody who writes makes it wait where it cannot go on
/// without them: there it shows its lock.
async fn alone(server: &Server, number: usize, statement: &Statement) -> Truth {
    let name = format!("alone_{number}");
    let (url, on) = (server.create_database(&name).unwrap(), &statement.on);
    let (client, holder) = (connect(&url).await, connect(&url).await);
    // Roles are the whole server's, and this one is there.
    let schema = include_str!("schema.sql").replace("CREATE ROLE oracle_reader;", "");
    client.batch_execute(&schema).await.unwrap();
    let before = relations(&holder).await;
    let pid: i32 = client.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    // Plain VACUUM waits for nobody who writes, and DETACH gives its lock back before it does: both wait for somebody
    // who holds the lock that they ask for.
    let by_lock = statement.sql.contains("DETACH")
        || (statement.sql.starts_with("VACUUM") && !statement.sql.contains("FULL"));
    let hold = if by_lock { "SHARE UPDATE EXCLUSIVE" } else { "ROW EXCLUSIVE" };
    holder.batch_execute(&format!("BEGIN; LOCK TABLE {on} IN {hold} MODE")).await.unwrap();
    if !by_lock {
        holder.batch_execute(&format!("DELETE FROM {on} WHERE false")).await.unwrap();
    }
    let sql = statement.sql.clone();
    let running = tokio::spawn(async move { client.batch_execute(&sql).await });
    let watcher = connect(&url).await;
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND wait_event_type = 'Lock'";
    let mut seen = BTreeMap::new();
    for _ in 0..2_000 {
        if watcher.query_one(waiting, &[&pid]).await.unwrap().get::<_, i64>(0) > 0 {
            seen = locks(&watcher, pid).await;
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    holder.batch_execute("COMMIT").await.unwrap();
    let done = running.await.unwrap();
    assert!(done.is_ok(), "{}: {:?}", statement.sql, done.unwrap_err().as_db_error());
    assert!(!seen.is_empty(), "{} never waited", statement.sql);
    let after = relations(&holder).await;
    truth(&before, &before, &after, &seen)
}
