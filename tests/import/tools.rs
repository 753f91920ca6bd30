//! Each tool: half was applied by it, the rest is applied by Cofferdam, and its table holds what it recorded itself
//! when it applied all.

use crate::support::Bench;
use crate::tool::{FLYWAY, copy, document, goose, migrate, own, rows};

/// Takes over, twice, and looks whether the tool's table was left alone.
fn taken_over(bench: &Bench, flags: &[&str], table: &str, keys: &[&str]) {
    let before = rows(bench, table);
    let command = |more: &[&'static str]| -> Vec<String> {
        ["import", "-o", "json"].iter().chain(flags).chain(more).map(|word| (*word).to_owned()).collect()
    };
    let run = |more: &[&'static str]| {
        let words = command(more);
        bench.must(&words.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let looked = document(&run(&["--dry-run"]).stdout);
    assert_eq!(looked["missingHere"].as_array().map(Vec::len), Some(keys.len()), "{looked}");
    assert_eq!(bench.one("SELECT to_regclass('cofferdam.history') IS NULL"), "t", "only looked");
    let first = document(&run(&[]).stdout);
    assert_eq!(first["missingHere"].as_array().map(Vec::len), Some(keys.len()), "{first}");
    assert_eq!(own(bench), keys);
    let again = document(&run(&[]).stdout);
    assert_eq!(again["changed"].as_array().map(Vec::len), Some(0), "{again}");
    assert_eq!(again["agreed"], keys.len(), "{again}");
    assert_eq!((own(bench), rows(bench, table)), (keys.iter().map(|k| (*k).to_owned()).collect(), before));
    bench.assert_sound();
}

const GOOSE_ROWS: &str = "SELECT version_id, is_applied FROM goose_db_version ORDER BY id";

#[test]
fn goose_goes_on_and_comes_back() {
    let bench = goose("goose");
    taken_over(&bench, &[], GOOSE_ROWS, &["00001", "00002"]);
    bench.must(&["apply"]);
    assert_eq!(rows(&bench, GOOSE_ROWS), ["0 t", "1 t", "2 t", "20240101000000 t"]);
    assert_eq!(bench.one("SELECT f()"), "1");
    bench.must(&["rollback", "--steps", "2", "--yes"]);
    assert_eq!(rows(&bench, GOOSE_ROWS), ["0 t", "1 t"], "goose deletes what it takes back");
    assert_eq!(bench.one("SELECT to_regclass('ia') IS NULL"), "t", "by the way back of its file");
    // goose goes on by itself, and Cofferdam with it.
    bench.query(
        "CREATE INDEX ia ON a(id); INSERT INTO goose_db_version (version_id, is_applied) VALUES (2, true)",
    );
    let status = document(&bench.must(&["status", "-o", "json"]).stdout);
    assert_eq!(status["pending"], 1, "{status}");
    bench.must(&["apply"]);
    assert_eq!(rows(&bench, GOOSE_ROWS), ["0 t", "1 t", "2 t", "20240101000000 t"]);
    assert_eq!(own(&bench), ["00001", "00002", "20240101000000"]);
    bench.assert_sound();
}

const MIGRATE_ROWS: &str = "SELECT version, dirty FROM schema_migrations";

#[test]
fn golang_migrate_goes_on_and_comes_back() {
    let bench = migrate("migrate");
    taken_over(&bench, &[], MIGRATE_ROWS, &["1", "2"]);
    bench.must(&["apply"]);
    assert_eq!(rows(&bench, MIGRATE_ROWS), ["3 f"]);
    bench.must(&["rollback", "--to", "1", "--yes"]);
    assert_eq!(rows(&bench, MIGRATE_ROWS), ["1 f"]);
    bench.must(&["rollback", "--to", "0", "--yes"]);
    assert_eq!(rows(&bench, MIGRATE_ROWS), Vec::<String>::new());
    bench.must(&["apply"]);
    assert_eq!(rows(&bench, MIGRATE_ROWS), ["3 f"]);
    bench.assert_sound();
}

const DBMATE_ROWS: &str = "SELECT version FROM schema_migrations ORDER BY version";

#[test]
fn dbmate_goes_on_and_comes_back() {
    let bench = Bench::new("dbmate");
    let files = ["20240101000000_create_a.sql", "20240101000001_index.sql", "20240101000002_b.sql"];
    copy(&bench, "dbmate/migrations", &files);
    bench.query("CREATE TABLE schema_migrations (version varchar NOT NULL PRIMARY KEY)");
    bench.query("INSERT INTO schema_migrations VALUES ('20240101000000'); CREATE TABLE a(id int)");
    taken_over(&bench, &[], DBMATE_ROWS, &["20240101000000"]);
    bench.must(&["apply"]);
    assert_eq!(rows(&bench, DBMATE_ROWS), ["20240101000000", "20240101000001", "20240101000002"]);
    bench.must(&["rollback", "--to", "20240101000000", "--yes"]);
    assert_eq!(rows(&bench, DBMATE_ROWS), ["20240101000000"]);
    bench.assert_sound();
}

const SQLX_ROWS: &str =
    "SELECT version, description, success, encode(checksum, 'hex') FROM _sqlx_migrations ORDER BY version";
const SQLX_4: &str =
    "38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da274edebfe76f65fbd51ad2f14898b95b";
const SQLX_1: &str =
    "cfe3d7b69ef93915dcc337a0aead6b830d1810a45be844806cae744a578d699ebdab7d4dc25809c6e7823fd7534d60da";
const SQLX_5: &str =
    "981bad79838621fd5710d71aa2f90367659341ccd02e96ff091a964a69dda7da23521db4abc52ef8c97e71554ed1e120";
const SQLX_PAIR: &str =
    "abafb97175b7d1e926a9ef5230364d96ae2013125ff51893dc55ff99fc5e006b34ad5bb46916d48a8553dc1b03d16033";

#[test]
fn sqlx_goes_on_and_comes_back() {
    let bench = Bench::new("sqlx");
    let pair = ["20240101000000_reversible_pair.up.sql", "20240101000000_reversible_pair.down.sql"];
    copy(&bench, "sqlx/migrations", &["1_plain_lf.sql", "4_empty.sql", "5_concurrently.sql"]);
    copy(&bench, "sqlx/migrations", &pair);
    bench.query(
        "CREATE TABLE _sqlx_migrations (version bigint PRIMARY KEY, description text NOT NULL,
         installed_on timestamptz NOT NULL DEFAULT now(), success boolean NOT NULL, checksum bytea NOT NULL,
         execution_time bigint NOT NULL)",
    );
    bench.query(&format!(
        "INSERT INTO _sqlx_migrations VALUES (1, 'plain lf', now(), true, '\\x{SQLX_1}', 1000000),
         (4, 'empty', now(), true, '\\x{SQLX_4}', 1000000); CREATE TABLE a(id int)"
    ));
    // Its names decide nothing: the table does.
    let told = bench.must(&["import", "--dry-run"]);
    assert!(told.stderr.contains("say --format sqlx from now on"), "{}", told.stderr);
    let flags = ["--format", "sqlx"];
    taken_over(&bench, &flags, SQLX_ROWS, &["1", "4"]);
    bench.must(&["apply", "--format", "sqlx"]);
    let all = rows(&bench, SQLX_ROWS);
    assert_eq!(all[2], format!("5 concurrently t {SQLX_5}"), "as sqlx recorded it");
    assert_eq!(all[3], format!("20240101000000 reversible pair t {SQLX_PAIR}"));
    bench.must(&["rollback", "--format", "sqlx", "--yes"]);
    assert_eq!(rows(&bench, SQLX_ROWS).len(), 3);
    bench.assert_sound();
}

const DRIZZLE_ROWS: &str = "SELECT hash, created_at FROM drizzle.__drizzle_migrations ORDER BY id";

#[test]
fn drizzle_goes_on() {
    let bench = Bench::new("drizzle");
    let files = ["0000_init.sql", "0001_add_age.sql", "0002_crlf_unicode.sql", "meta/_journal.json"];
    copy(&bench, "drizzle/drizzle", &files);
    bench.query(
        "CREATE SCHEMA drizzle; CREATE TABLE drizzle.__drizzle_migrations (id serial PRIMARY KEY, hash text NOT NULL,
         created_at bigint); CREATE TABLE posts (id integer PRIMARY KEY, \"userId\" integer);
         CREATE TABLE users (id integer PRIMARY KEY, name text, age integer);
         INSERT INTO drizzle.__drizzle_migrations (hash, created_at) VALUES
         ('5d092d9a9fb2ee2163407114454eeb2bbbbefe88ac14244ac29f5e7c7c91c2a5', 1795228473856),
         ('76344a13a5167c0c42fbc8efa8eebd9e564acd09ae68592fec26967f191b771b', 1795228476280)",
    );
    taken_over(&bench, &[], DRIZZLE_ROWS, &["1795228473856", "1795228476280"]);
    bench.must(&["apply"]);
    let third = "f819f881cdbe0a9536eba3d8678d07175af89d2ecec622185207b0b512c3cb1a 1795228478170";
    assert_eq!(rows(&bench, DRIZZLE_ROWS)[2], third, "as Drizzle recorded it");
    bench.assert_sound();
}

const ATLAS_ROWS: &str = "SELECT version, description, type, applied, total, hash, partial_hashes, error
    FROM atlas_schema_revisions.atlas_schema_revisions ORDER BY executed_at, version";

#[test]
fn atlas_goes_on() {
    let bench = Bench::new("atlas");
    for file in std::fs::read_dir(crate::tool::fixture("atlas/migrations")).unwrap() {
        let name = file.unwrap().file_name();
        copy(&bench, "atlas/migrations", &[name.to_str().unwrap()]);
    }
    bench.query(
        "CREATE SCHEMA atlas_schema_revisions; CREATE TABLE atlas_schema_revisions.atlas_schema_revisions (
         version varchar NOT NULL PRIMARY KEY, description varchar NOT NULL, type bigint NOT NULL DEFAULT 2,
         applied bigint NOT NULL DEFAULT 0, total bigint NOT NULL DEFAULT 0, executed_at timestamptz NOT NULL,
         execution_time bigint NOT NULL, error text, error_stmt text, hash varchar NOT NULL, partial_hashes jsonb,
         operator_version varchar NOT NULL);
         INSERT INTO atlas_schema_revisions.atlas_schema_revisions VALUES
         ('20240101000000', 'plain_lf', 2, 2, 2, '2026-01-01 00:00:01+00', 1000000, '', '',
          'jx4qx2Xehs0ppwDbpP6gPBioHh2rxYeLEufavad1n4k=', 'null', 'Atlas CLI - development'),
         ('20240101000001', 'crlf', 2, 2, 2, '2026-01-01 00:00:02+00', 1000000, '', '',
          'XAx2L+F2epAZTOb6eMaEM8Kqz3jyRMPw+I5l3+Vo4+o=', 'null', 'Atlas CLI - development');
         CREATE TABLE t1 (id int); INSERT INTO t1 VALUES (1); CREATE TABLE t2 (id int); INSERT INTO t2 VALUES (1)",
    );
    taken_over(&bench, &[], ATLAS_ROWS, &["20240101000000", "20240101000001"]);
    bench.must(&["apply", "--to", "20240101000007"]);
    let all = rows(&bench, ATLAS_ROWS);
    let recorded = [
        "20240101000002 no_final_newline 2 2 2 SyM8SIJZ/hr/4Oqu55L7t3lZ94uISPtJYsDESFdL/2U= null ",
        "20240101000003 empty 2 0 0 EbzxOlIKLGEsIzjZrWqsnwLh0o31wlz/J311PHzu3Gw= null ",
        "20240101000004 unicode 2 1 1 m0KOpGUfB7LGknxay/smicODQFGCYRdD6U9NYUcoKw8= null ",
        "20240101000005 concurrently 2 1 1 2BDmXM8YUVTgXpS1Frj0nPPw50/o2kd3IbVp7p4Ch+k= null ",
        "20240101000006 delimiter 2 2 2 SQLd8ZVFsda/Mk2hJsu4T6/pdZ0iuDBGLeThJ94wM1c= null ",
        "20240101000007 delimiter_newlines 2 2 2 Ml6I7cN5VpbjacmWWvhD911ZNQ4vzGRJ7COH1tJFx7k= null ",
    ];
    assert_eq!(all[2..], recorded, "as Atlas recorded them");
    bench.must(&["rollback", "--to", "20240101000006", "--yes"]);
    assert_eq!(rows(&bench, ATLAS_ROWS).len(), 7);
    bench.assert_sound();
}

const FLYWAY_ROWS: &str = "SELECT installed_rank, version, description, type, script, checksum, success
    FROM flyway_schema_history ORDER BY installed_rank";

#[test]
fn flyway_goes_on_and_comes_back() {
    let bench = Bench::new("flyway");
    let files = ["V1__plain_lf.sql", "V1.1__same_text_as_next_crlf.sql", "V1.2__lone_cr.sql"];
    copy(&bench, "flyway/sql", &files);
    copy(&bench, "flyway/sql", &["V1.3__no_final_newline.sql", "V1.4__two_final_newlines.sql"]);
    bench.query(FLYWAY);
    bench.query(
        "INSERT INTO flyway_schema_history VALUES
         (1, '1', 'plain lf', 'SQL', 'V1__plain_lf.sql', 1247259441, 'postgres', now(), 5, true),
         (2, '1.1', 'same text as next crlf', 'SQL', 'V1.1__same_text_as_next_crlf.sql', -2060154034, 'postgres',
          now(), 5, true);
         CREATE TABLE t1_10 (id int); CREATE TABLE t1_1 (id int)",
    );
    taken_over(&bench, &[], FLYWAY_ROWS, &["1", "1.1"]);
    bench.must(&["apply"]);
    let all = rows(&bench, FLYWAY_ROWS);
    let recorded = [
        "3 1.2 lone cr SQL V1.2__lone_cr.sql -345638021 t",
        "4 1.3 no final newline SQL V1.3__no_final_newline.sql 2021271895 t",
        "5 1.4 two final newlines SQL V1.4__two_final_newlines.sql 935795473 t",
    ];
    assert_eq!(all[2..], recorded, "as Flyway recorded them");
    bench.must(&["rollback", "--yes"]);
    let last = rows(&bench, FLYWAY_ROWS).pop().unwrap();
    assert_eq!(last, "6 1.4 two final newlines DELETE V1.4__two_final_newlines.sql NULL t");
    bench.must(&["apply"]);
    let last = rows(&bench, FLYWAY_ROWS).pop().unwrap();
    assert_eq!(last, "7 1.4 two final newlines SQL V1.4__two_final_newlines.sql 935795473 t");
    // `repair` of ours aligns both.
    bench.file("V1.4__two_final_newlines.sql", "-- again\nCREATE TABLE t1_4 (id int);\n");
    assert_eq!(bench.run(&["apply"]).code, 1);
    bench.must(&["repair"]);
    let both = rows(
        &bench,
        "SELECT h.checksum::int = f.checksum FROM cofferdam.history h
        JOIN flyway_schema_history f USING (version) WHERE f.installed_rank = 7 AND h.undone_at IS NULL",
    );
    assert_eq!(both, ["t"]);
    bench.must(&["validate"]);
    bench.assert_sound();
}

#[test]
fn a_tools_table_is_made_where_the_tool_would_make_it() {
    let bench = Bench::new("made");
    copy(
        &bench,
        "goose/migrations",
        &["00001_create_a.sql", "00002_index.sql", "20240101000000_function.sql"],
    );
    bench.must(&["apply"]);
    assert_eq!(rows(&bench, GOOSE_ROWS), ["0 t", "1 t", "2 t", "20240101000000 t"]);
    let bench = Bench::new("made_by_wish");
    bench.file("1_a.up.sql", "CREATE TABLE a (id int);\n").file("1_a.down.sql", "DROP TABLE a;\n");
    bench.must(&["apply"]);
    assert_eq!(
        bench.one("SELECT to_regclass('schema_migrations') IS NULL"),
        "t",
        "a form of our own as well"
    );
    let bench = Bench::new("made_by_format");
    bench.file("1_a.up.sql", "CREATE TABLE a (id int);\n").file("1_a.down.sql", "DROP TABLE a;\n");
    bench.must(&["apply", "--format", "golang-migrate"]);
    assert_eq!(rows(&bench, MIGRATE_ROWS), ["1 f"]);
    let bench = Bench::new("made_by_flag");
    bench.file("V1__a.sql", "CREATE TABLE a (id int);\n");
    bench.must(&["apply", "--history", "both"]);
    assert_eq!(rows(&bench, "SELECT version, type, success FROM flyway_schema_history"), ["1 SQL t"]);
}
