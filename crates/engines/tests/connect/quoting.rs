//! The server reads back from our quotes what was put into them.

use cofferdam_core::{Name, QuotedIdent, QuotedLiteral};
use proptest::prelude::*;
use tokio_postgres::Client;

use crate::support::{client, server, socket, text, try_connect};

const HOSTILE: &[&str] = &[
    "plain",
    "MixedCase",
    "select",
    "a b",
    "\"",
    "\"\"",
    "'",
    "''",
    "\\",
    "\\'",
    "\\\\'",
    "x\"; DROP TABLE t; --",
    "x'; DROP TABLE t; --",
    "`",
    "$$",
    "$1",
    "--",
    "/*",
    "%s",
    "\n",
    "\r\n",
    "\t",
    "\u{1}\u{7f}",
    "é",
    "漢字",
    "🦀",
    "\u{202e}x",
    "U&\"x\"",
    "E'x",
    "a.b",
    " leading",
    "trailing ",
    "0",
];

/// The server's word for an identifier: the name of a column.
async fn as_identifier(client: &Client, raw: &str) -> String {
    let sql = format!("SELECT 1 AS {}", QuotedIdent::new(raw).unwrap());
    client.query_typed(&sql, &[]).await.unwrap_or_else(|e| panic!("{raw:?}: {e}"))[0].columns()[0]
        .name()
        .to_owned()
}

async fn as_literal(client: &Client, raw: &str) -> String {
    let sql = format!("SELECT {}::text", QuotedLiteral::new(raw).unwrap());
    text(client, &sql).await
}

#[tokio::test]
async fn hostile_names_and_values() {
    let Some(server) = server("hostile_names_and_values") else { return };
    let client = client(server, "quoting").await;
    for raw in HOSTILE {
        assert_eq!(as_identifier(&client, raw).await, *raw);
        for setting in ["on", "off"] {
            client.batch_execute(&format!("SET standard_conforming_strings = {setting}")).await.unwrap();
            client.batch_execute("SET escape_string_warning = off").await.unwrap();
            assert_eq!(as_literal(&client, raw).await, *raw, "standard_conforming_strings = {setting}");
        }
        client.batch_execute("RESET ALL").await.unwrap();
        // As schema, table and database, and through facts.
        let name = Name::qualified(*raw, *raw);
        let schema = QuotedIdent::new(raw).unwrap();
        let table = name.to_sql().unwrap();
        client
            .batch_execute(&format!("CREATE SCHEMA {schema}; CREATE TABLE {table} ({schema} int)"))
            .await
            .unwrap();
        let facts =
            cofferdam_engines::postgres::facts::facts(&client, std::slice::from_ref(&name)).await.unwrap();
        let found = facts.table(&name).unwrap();
        assert_eq!((found.resolved.as_ref(), found.columns[0].name.as_str()), (Some(&name), *raw));
        let nulls = cofferdam_engines::postgres::facts::has_nulls(&client, &name, raw).await.unwrap();
        assert_eq!(nulls, Some(false));
    }
}

#[tokio::test]
async fn a_database_and_a_role_with_a_hostile_name() {
    let Some(server) = server("a_database_and_a_role_with_a_hostile_name") else { return };
    let raw = "x\"; DROP 'y\\' %41 =";
    let quoted = QuotedIdent::new(raw).unwrap();
    server.query("postgres", &format!("CREATE ROLE {quoted} LOGIN")).unwrap();
    server.query("postgres", &format!("CREATE DATABASE {quoted}")).unwrap();
    let value = crate::support::quoted(raw);
    let connected = try_connect(&format!("{} user={value} dbname={value}", socket(server))).await.unwrap();
    let sql = "SELECT concat(current_user, '|', current_database())";
    assert_eq!(text(&connected.client, sql).await, format!("{raw}|{raw}"));
    assert_eq!((connected.described.user.as_str(), connected.described.database.as_str()), (raw, raw));
}

#[test]
fn any_name_and_any_value() {
    let Some(server) = server("any_name_and_any_value") else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = runtime.block_on(client(server, "quoting_any"));
    // Any characters but NUL; names by bytes, since the server cuts by bytes.
    let cases = ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(cases, |(name in "[^\0]{1,15}", value in "[^\0]{0,40}", quotes in "['\"\\\\$E]{1,12}")| {
        for raw in [&name, &quotes] {
            prop_assert_eq!(&runtime.block_on(as_identifier(&client, raw)), raw);
        }
        for raw in [&value, &quotes] {
            prop_assert_eq!(&runtime.block_on(as_literal(&client, raw)), raw);
        }
    });
}
