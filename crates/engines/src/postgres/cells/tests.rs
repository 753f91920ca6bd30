//! Cells that cannot be read, on a real server.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests")]

use cofferdam_scratch::{Options, Server, find_or_fetch, skipped};
use tokio_postgres::Client;

use super::*;
use crate::Target;
use crate::postgres::perform;
use crate::postgres::session::PostgresSession;

pub(in crate::postgres) async fn server() -> Option<Server> {
    let started = tokio::task::spawn_blocking(|| match find_or_fetch(&mut |_| {}) {
        Ok(binaries) => {
            let settings = vec![("wal_level".to_owned(), "logical".to_owned())];
            Some(Server::start(&binaries, &Options { settings, ..Options::default() }).unwrap())
        }
        Err(e) => {
            skipped("a session of PostgreSQL", &e.to_string());
            None
        }
    });
    started.await.unwrap()
}

/// A session of ours in this database.
pub(in crate::postgres) async fn to(server: &Server, database: &str) -> Client {
    of(&server.url(database), "cofferdam test").await
}

/// A session of somebody.
pub(in crate::postgres) async fn of(url: &str, application: &str) -> Client {
    let target = Target {
        url: Some(url.to_owned()),
        application: application.to_owned(),
        who: "test".into(),
        ..Target::default()
    };
    PostgresSession::open(&target).await.unwrap().client
}

#[tokio::test]
async fn what_cannot_be_read_is_a_fault_that_names_its_column() {
    let Some(server) = server().await else { return };
    let client = to(&server, "postgres").await;
    for (sql, expected) in [
        ("SELECT 7::bigint AS n", Ok(7)),
        ("SELECT NULL::bigint AS n", Err(("column 0 (n int8)", "NULL"))),
        ("SELECT '7'::text AS n", Err(("column 0 (n text)", "Rust type `i64` and the Postgres type `text`"))),
        ("SELECT", Err(("column 0 ", "invalid column"))),
    ] {
        let rows = client.query_typed(sql, &[]).await.unwrap();
        let all: Result<Vec<i64>> = rows.first_cells();
        for read in [rows[0].cell(0), rows.first_cell().map(Option::unwrap), all.map(|all| all[0])] {
            match (read, expected) {
                (Ok::<i64, _>(read), Ok(expected)) => assert_eq!(read, expected, "{sql}"),
                (Err(Fault::Bug(why)), Err((column, because))) => {
                    assert!(why.contains(column) && why.contains(because), "{sql}: {why}");
                }
                (read, _) => panic!("{sql}: {read:?}"),
            }
        }
        assert_eq!(rows[..0].first_cell::<i64>().unwrap(), None);
    }
}

#[tokio::test]
async fn a_text_in_another_encoding_is_a_fault() {
    let Some(server) = server().await else { return };
    let client = to(&server, "postgres").await;
    client.batch_execute("SET client_encoding = 'LATIN1'").await.unwrap();
    let sql = "SELECT 'caf' || pg_catalog.chr(233)";
    let rows = client.query_typed(sql, &[]).await.unwrap();
    assert!(matches!(rows.first_cell::<String>(), Err(Fault::Bug(why)) if why.contains("utf-8")));
    assert!(perform::collect(&client, sql, 1).await.is_err());
}
