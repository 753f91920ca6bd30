//! Servers and databases, and what `pg_dump` says of them.

use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

use cofferdam_core::online::{Capture, Gate, Online};
use cofferdam_core::{Fault, Name};
use cofferdam_scratch::{Binaries, Options, Server, find_or_fetch, skipped};
use tokio_postgres::Client;
use tokio_postgres::error::ErrorPosition;

use super::super::catalog::Catalog;
use super::super::reading::Reading;
use crate::postgres::connect;
use crate::postgres::options::{RealEnv, resolve};

/// Shared: each test uses databases of its own. Roles are everybody's, so they are made once, here.
static SHARED: LazyLock<Option<(Server, Binaries)>> = LazyLock::new(|| {
    let binaries = find_or_fetch(&mut |_| {}).ok()?;
    let options = Options { settings: vec![("wal_level".into(), "logical".into())], ..Options::default() };
    let server = Server::start(&binaries, &options).unwrap();
    let roles = "CREATE ROLE keeper; CREATE ROLE reader; CREATE ROLE \"Odd role\"; CREATE ROLE clerk; CREATE ROLE lender;
        GRANT keeper TO clerk";
    server.query("postgres", roles).unwrap();
    Some((server, binaries))
});

/// `None`, and noted as skipped, where there is no PostgreSQL.
pub(super) fn server(test: &str) -> Option<&'static Server> {
    if SHARED.is_none() {
        skipped(test, "no PostgreSQL here, and none could be fetched");
    }
    SHARED.as_ref().map(|(server, _)| server)
}

pub(super) fn major(server: &Server) -> u32 {
    server.version() / 10_000
}

/// A client of a fresh database, in which the statements have been run.
pub(super) async fn database(server: &Server, name: &str, setup: &str) -> Client {
    server.create_database(name).unwrap();
    let client = client(server, name).await;
    run(&client, setup).await;
    client
}

pub(super) async fn client(server: &Server, name: &str) -> Client {
    let options = resolve(Some(&server.url(name)), &RealEnv).unwrap();
    connect::connect(&options).await.unwrap().client
}

pub(super) fn change(table: &str, clauses: &str) -> Online {
    let (schema, name) = table.split_once('.').unwrap();
    Online {
        table: Name::qualified(schema, name),
        clauses: clauses.into(),
        capture: Capture::Auto,
        gate: Gate::Auto,
        forward: Vec::new(),
        backward: Vec::new(),
        allow_loss: None,
        workers: 0,
        proof: Default::default(),
    }
}

/// A `pg_dump` that reads this server.
fn pg_dump() -> Option<PathBuf> {
    let (server, binaries) = SHARED.as_ref()?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(binaries.bin_dir.clone()).chain(std::env::split_paths(&path));
    folders.map(|f| f.join("pg_dump")).find(|program| {
        let output = Command::new(program).arg("--version").output();
        let text = output.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
        let version = text.split_whitespace().nth(2).and_then(|v| v.split('.').next()?.parse::<u32>().ok());
        version.is_some_and(|v| v >= major(server))
    })
}

/// The definition of everything in a database but what is Cofferdam's.
pub(super) fn dump(server: &Server, name: &str, test: &str) -> Option<String> {
    let Some(program) = pg_dump() else {
        skipped(test, "no pg_dump that reads this server");
        return None;
    };
    let output = Command::new(program)
        .args(["--schema-only", "--exclude-schema=cofferdam*", "--dbname", &server.url(name)])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    Some(
        text.lines()
            .filter(|l| !l.starts_with("\\restrict") && !l.starts_with("\\unrestrict"))
            .fold(String::new(), |out, line| out + line + "\n"),
    )
}

/// Shows what differs.
pub(super) fn assert_same(expected: &str, found: &str, what: &str) {
    if expected == found {
        return;
    }
    let (old, new): (Vec<_>, Vec<_>) = (expected.lines().collect(), found.lines().collect());
    let gone = old.iter().filter(|l| !new.contains(l)).map(|l| format!("- {l}"));
    let came = new.iter().filter(|l| !old.contains(l)).map(|l| format!("+ {l}"));
    let shown: Vec<_> = gone.chain(came).collect();
    let first = old.iter().zip(&new).position(|(a, b)| a != b).unwrap_or_default();
    let around = |lines: &[&str]| lines[first.saturating_sub(8)..(first + 8).min(lines.len())].join("\n");
    match shown.is_empty() {
        false => panic!("{what} differs:\n{}", shown.join("\n")),
        true => panic!("{what} differs in the order of lines:\n{}\n---\n{}", around(&old), around(&new)),
    }
}

pub(super) async fn run(client: &Client, sql: &str) {
    if let Err(e) = client.batch_execute(sql).await {
        let said = e.as_db_error().map(|d| format!("{} {:?} {:?}", d.message(), d.detail(), d.where_()));
        let at = match e.as_db_error().and_then(|d| d.position()) {
            Some(ErrorPosition::Original(at)) => sql.chars().skip(*at as usize - 1).take(80).collect(),
            _ => sql.chars().take(300).collect::<String>(),
        };
        panic!("{said:?} {e} at: {at}");
    }
}

pub(super) async fn text(client: &Client, sql: &str) -> String {
    match client.query_typed(sql, &[]).await {
        Ok(rows) => rows.first().map(|r| r.get(0)).unwrap_or_default(),
        Err(e) => panic!("{sql}\n{e:?}"),
    }
}

pub(super) fn said(fault: &Fault) -> String {
    format!("{fault} {:?}", fault.refusal().map(|r| &r.notes))
}

/// A table with all that belongs to it, as the catalog has it; without what must differ, the numbers of things.
pub(super) async fn described(client: &Client, table: &str) -> String {
    let oid: u32 = text(client, &format!("SELECT '{table}'::regclass::oid::text")).await.parse().unwrap();
    let catalog = Catalog::begin(client).await.unwrap();
    let mut reading = Reading::of(&catalog, oid).await.unwrap();
    catalog.end().await.unwrap();
    (reading.table.oid, reading.table.file) = (0, None);
    (reading.table.rows, reading.table.bytes) = (0.0, 0);
    for column in &mut reading.columns {
        // Rows that are older than a column: a table that was written anew has none.
        (column.number, column.missing) = (0, None);
    }
    for index in &mut reading.indexes {
        (index.oid, index.file) = (0, None);
    }
    reading.checks.iter_mut().for_each(|c| c.oid = 0);
    for key in &mut reading.foreign_keys {
        (key.oid, key.child, key.parent) = (0, 0, 0);
    }
    for rule in &mut reading.rules {
        (rule.oid, rule.on_oid) = (0, 0);
        rule.reads.clear();
    }
    reading.policies_elsewhere.iter_mut().for_each(|p| p.reads.clear());
    reading.functions.iter_mut().for_each(|f| f.reads.clear());
    for sequence in &mut reading.sequences {
        sequence.oid = 0;
        // The old table, which waits, uses those of serial columns too.
        sequence.used_elsewhere.clear();
        // Said or not, its owner may do everything.
        sequence.acl = sequence
            .acl
            .take()
            .filter(|acl| acl.iter().any(|g| g.grantee.as_deref() != Some(g.grantor.as_str())));
    }
    reading.foreign_keys.sort_by_key(|k| (k.child_printed.clone(), k.name.clone()));
    reading.rules.sort_by_key(|r| (r.on.clone(), r.name.clone()));
    reading.functions.sort_by_key(|f| f.name.clone());
    format!("{reading:#?}")
}
