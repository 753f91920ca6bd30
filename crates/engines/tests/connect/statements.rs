//! What the server says of statements, sorted by what comes next.

use cofferdam_core::{Code, Fault};
use cofferdam_engines::postgres::errors::{fault, position};

use crate::support::{client, server, socket, try_connect};

#[tokio::test]
async fn statements() {
    let Some(server) = server("statements") else { return };
    let holder = client(server, "statements").await;
    holder
        .batch_execute(
            "CREATE TABLE t (id int PRIMARY KEY, parent int REFERENCES t); INSERT INTO t VALUES (1);
             CREATE TABLE secret (id int); CREATE ROLE statements_role LOGIN; GRANT ALL ON t TO statements_role",
        )
        .await
        .unwrap();
    holder.batch_execute("BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let other =
        try_connect(&(socket(server) + "dbname=statements user=statements_role")).await.unwrap().client;
    let cases: &[(&str, &str, Code, Option<usize>, &str)] = &[
        ("SET lock_timeout = '10ms'", "SELECT * FROM t", Code::LockNotObtained, Some(15), "again"),
        ("RESET lock_timeout", "SELECT 1; SELEC 2", Code::StatementFailed, Some(11), "42601"),
        ("", "SELECT 'é', nope", Code::StatementFailed, Some(13), "42703"),
        ("", "SELECT * FROM secret", Code::PermissionMissing, None, "permission denied for table secret"),
        ("BEGIN READ ONLY", "CREATE TABLE x ()", Code::ReadOnlyServer, None, "25006"),
        (
            "ROLLBACK; SET statement_timeout = '10ms'",
            "SELECT pg_sleep(60)",
            Code::StatementFailed,
            None,
            "statement_timeout",
        ),
        ("RESET statement_timeout", "DROP DATABASE nowhere", Code::StatementFailed, None, "3D000"),
        ("", "DO $$BEGIN RAISE SQLSTATE '40001'; END$$", Code::StatementFailed, None, "again"),
        ("", "DO $$BEGIN RAISE SQLSTATE '40P01'; END$$", Code::StatementFailed, None, "again"),
        ("", "DO $$BEGIN RAISE SQLSTATE '57014'; END$$", Code::Interrupted, None, "57014"),
        (
            "",
            "DO $$BEGIN RAISE 'a' USING DETAIL = E'b\\nc', HINT = 'd'; END$$",
            Code::StatementFailed,
            None,
            "[\"detail: b\", \"  c\", \"hint: d\", \"context: PL/pgSQL function inline_code_block line 1 at RAISE\", \"SQLSTATE P0001\"]",
        ),
        ("", "DO $$BEGIN EXECUTE 'SELEC'; END$$", Code::StatementFailed, None, "42601"),
    ];
    for (before, sql, code, place, words) in cases {
        other.batch_execute(before).await.unwrap();
        let e = other.batch_execute(sql).await.unwrap_err();
        assert_eq!(position(&e), *place, "{sql}");
        let fault = fault(e, "doing it");
        let refusal = fault.refusal().unwrap();
        assert_eq!(refusal.code, *code, "{sql}: {fault:?}");
        assert!(refusal.what.starts_with("doing it: "), "{fault:?}");
        match *words {
            "again" => assert!(matches!(fault, Fault::Again { .. }), "{sql}: {fault:?}"),
            words => assert!(format!("{fault:?}").contains(words), "{sql}: {fault:?}"),
        }
    }
    holder.batch_execute("ROLLBACK").await.unwrap();
    let e = holder.batch_execute("INSERT INTO t VALUES (1)").await.unwrap_err();
    assert!(format!("{:?}", fault(e, "x")).contains("detail: Key (id)=(1) already exists."));
}
