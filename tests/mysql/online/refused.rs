//! What cannot be changed online is refused with the reason and what would do, before anything is made.

use cofferdam_scratch::mysql::{Kind, Options, Server};

use super::{FINALIZE, ROLLBACK, WIDER, alter, assert_clean, at_gate, cut_over, fill, id_type, place};
use crate::site::{Site, own_server, scheme};
use crate::support::{Bench, Ended, ended, until};

on_both! {
    what_reaches_beyond_the_table_is_not_even_tried,
    tables_and_changes,
    settings_of_the_log,
    without_a_log,
    without_the_rights,
    rows_that_do_not_fit,
    a_duplicate_that_comes_at_the_gate,
    a_log_that_is_gone,
    a_log_that_is_gone_before_the_copy,
}

/// What makes the table, the clauses, and words of the reason.
const TABLES: &[(&str, &str, &str)] = &[
    (
        "CREATE TABLE t (id int PRIMARY KEY, p int, CONSTRAINT fk FOREIGN KEY (p) REFERENCES t (id))",
        "ADD COLUMN n int",
        "the foreign key fk",
    ),
    (
        "CREATE TABLE t (id int PRIMARY KEY);
         CREATE TABLE child (p int, CONSTRAINT fk FOREIGN KEY (p) REFERENCES t (id))",
        "ADD COLUMN n int",
        "the foreign key fk",
    ),
    (
        "CREATE TABLE t (id int PRIMARY KEY); CREATE TRIGGER tr BEFORE UPDATE ON t FOR EACH ROW SET NEW.id = 1",
        "ADD COLUMN n int",
        "the trigger tr",
    ),
    ("CREATE TABLE t (id int, KEY (id))", "ADD COLUMN n int", "has no key"),
    ("CREATE TABLE t (id int, UNIQUE (id))", "ADD COLUMN n int", "takes NULL"),
    // On MariaDB there is no NOT NULL for these.
    (
        "CREATE TABLE t (n int NOT NULL, id int AS (n * 2) STORED, UNIQUE (id))",
        "ADD COLUMN m int",
        "takes NULL",
    ),
    ("CREATE TABLE t (id double PRIMARY KEY)", "ADD COLUMN n int", "of the type double"),
    ("CREATE TABLE t (id int PRIMARY KEY) ENGINE = MyISAM", "ADD COLUMN n int", "ENGINE = InnoDB first"),
    ("CREATE VIEW t AS SELECT 1 AS id", "ADD COLUMN n int", "t is a view"),
    (
        "CREATE TABLE t (k varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PRIMARY KEY)",
        "MODIFY COLUMN k varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
        "two keys could become one",
    ),
    ("CREATE TABLE t (k binary(4) PRIMARY KEY)", "MODIFY COLUMN k varbinary(8)", "two keys could become one"),
    ("CREATE TABLE t (id int PRIMARY KEY, n int)", "DROP PRIMARY KEY", "has no key"),
    ("CREATE TABLE t (id int PRIMARY KEY)", "ADD COLUMN must int NOT NULL", "has no default"),
    ("CREATE TABLE t (id int PRIMARY KEY)", "ENGINE = MyISAM", "MyISAM"),
    ("CREATE TABLE t (id int PRIMARY KEY)", "ADD COLUMN n int; DROP TABLE t", "one ALTER TABLE"),
    (
        "CREATE TABLE t (id int PRIMARY KEY, s set('x','y'))",
        "MODIFY COLUMN s set('z','y','x')",
        "another order",
    ),
    ("CREATE TABLE t (id int PRIMARY KEY)", "MODIFY COLUMN absent int", "would refuse ALTER TABLE"),
    ("CREATE TABLE other (id int PRIMARY KEY)", "ADD COLUMN n int", "there is no table t"),
];

/// Flags of PostgreSQL's, and words of the reason.
const FLAGS: &[(&[&str], &str)] = &[
    (&["--capture", "rows"], "leave --capture out"),
    (&["--up", "n=id + 1"], "values of one's own"),
    (&["--down", "id=n"], "values of one's own"),
    (&["--sample", "10"], "all rows are compared"),
    (&["--no-checksum"], "all rows are compared"),
    (&["--no-compare", "--allow", "no-comparison=why"], "all rows are compared"),
];

#[track_caller]
fn assert_refused(ended: &Ended, words: &str, case: &str) {
    let said = &ended.stderr;
    assert!(ended.code != 0 && said.contains("error[CF"), "{case}: {}\n{said}", ended.stdout);
    assert!(said.contains(words), "{case}: it does not say {words}: {said}");
    assert!(said.contains("help: "), "{case}: there is no next command: {said}");
}

fn tables_and_changes(kind: Kind) {
    for (sql, clauses, words) in TABLES {
        let Some(site) = Site::new(kind, "refused") else { return };
        site.query(sql);
        let before = site.tables();
        for flags in [&[][..], &["--dry-run"]] {
            assert_refused(&site.run(&alter(flags, clauses)), words, sql);
            assert!(site.untouched() && site.tables() == before, "{sql}");
        }
    }
    let Some(site) = Site::new(kind, "flags") else { return };
    site.query("CREATE TABLE t (id int PRIMARY KEY, n int)");
    for (flags, words) in FLAGS {
        assert_refused(&site.run(&alter(flags, "ADD COLUMN m int")), words, &format!("{flags:?}"));
        assert!(site.untouched(), "{flags:?}");
    }
}

/// Another server than that of the other tests, with a database and two tables.
struct Elsewhere {
    server: Server,
    bench: Bench,
}

const ELSEWHERE: &str = "d";

impl Elsewhere {
    fn new(kind: Kind, settings: &[(&str, &str)]) -> Option<Self> {
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let server = own_server(kind, &Options { settings: settings.collect(), ..Options::default() })?;
        let url = server.create_database(ELSEWHERE).unwrap();
        let url = url.replacen("mysql://", &format!("{}://", scheme(kind)), 1);
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("migrations")).unwrap();
        let elsewhere = Self { server, bench: Bench { database: ELSEWHERE.into(), url, folder } };
        elsewhere.query("CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE loose (id int NOT NULL UNIQUE)");
        elsewhere.query("INSERT INTO t VALUES (1), (2)");
        Some(elsewhere)
    }

    fn query(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        self.server.query(Some(ELSEWHERE), sql).unwrap_or_else(|e| panic!("{sql}: {e}"))
    }

    fn assert_refused(&self, table: &str, words: &str, case: &str) {
        let clauses = "MODIFY COLUMN id bigint NOT NULL";
        let refused = self.bench.run(&["alter", "--table", table, "--yes", clauses]);
        assert_refused(&refused, words, case);
        let ours = self.query("SHOW TABLES LIKE '\\_cofferdam\\_%'");
        assert!(ours.is_empty(), "{case}: {ours:?}");
    }
}

fn settings_of_the_log(kind: Kind) {
    let Some(elsewhere) = Elsewhere::new(kind, &[]) else { return };
    let of_its_own = match kind {
        Kind::MySql => ("binlog_order_commits", "OFF", "ON", "t", "binlog_order_commits"),
        Kind::MariaDb => ("log_bin_compress", "ON", "OFF", "t", "log_bin_compress"),
    };
    for (name, wrong, right, table, words) in [
        ("binlog_format", "'STATEMENT'", "'ROW'", "t", "binlog_format is STATEMENT"),
        ("binlog_format", "'MIXED'", "'ROW'", "t", "binlog_format is MIXED"),
        ("binlog_row_image", "'MINIMAL'", "'FULL'", "loose", "binlog_row_image is MINIMAL"),
        of_its_own,
    ] {
        elsewhere.query(&format!("SET GLOBAL {name} = {wrong}"));
        elsewhere.assert_refused(table, words, name);
        elsewhere.query(&format!("SET GLOBAL {name} = {right}"));
    }
    // The key is all that is read.
    elsewhere.query("SET GLOBAL binlog_row_image = 'MINIMAL'");
    elsewhere.bench.must(&["alter", "--table", "t", "--yes", "MODIFY COLUMN id bigint NOT NULL"]);
    elsewhere.query("UPDATE t SET id = 3 WHERE id = 1; INSERT INTO t VALUES (4)");
    elsewhere.bench.must(ROLLBACK);
    let ids = elsewhere.query("SELECT GROUP_CONCAT(id ORDER BY id) FROM t");
    assert_eq!(ids[0][0].as_deref(), Some("2,3,4"));
    // Nor does it matter that each table must have a key, the temporary ones too.
    let each = if kind == Kind::MySql { "sql_require_primary_key" } else { "innodb_force_primary_key" };
    elsewhere.query(&format!("SET GLOBAL {each} = ON"));
    elsewhere.query("CREATE TABLE m (id int PRIMARY KEY, gone int); INSERT INTO m VALUES (1, 7), (2, 8)");
    elsewhere.bench.must(&[
        "alter",
        "--table",
        "m",
        "--yes",
        "--allow",
        "data-loss=none",
        "DROP COLUMN gone",
    ]);
    elsewhere.query("UPDATE m SET id = 3 WHERE id = 1; INSERT INTO m VALUES (4)");
    elsewhere.bench.must(&["rollback", "m", "--lock-wait", "30s", "--yes"]);
    let kept = elsewhere.query("SELECT GROUP_CONCAT(CONCAT_WS(':', id, gone) ORDER BY id) FROM m");
    assert_eq!(kept[0][0].as_deref(), Some("2:8,3,4"));
}

fn without_a_log(kind: Kind) {
    let Some(elsewhere) = Elsewhere::new(kind, &[("skip_log_bin", "1")]) else { return };
    elsewhere.assert_refused("t", "no binary log", "skip_log_bin");
}

/// A user has what docs/mysql.md names, and nothing more; and what is missing is named before that.
fn without_the_rights(kind: Kind) {
    // A setting of the server is changed.
    let Some(site) = Site::alone(kind, "rights") else { return };
    site.query(
        "CREATE TABLE t (id int AUTO_INCREMENT PRIMARY KEY, n int); INSERT INTO t (n) VALUES (1), (2)",
    );
    let database = site.database.clone();
    let user = format!("'u_{database}'@'%'");
    site.query(&format!("CREATE USER {user} IDENTIFIED BY 'x'"));
    let trigger = if kind == Kind::MariaDb { ", TRIGGER" } else { "" };
    site.query(&format!(
        "GRANT ALTER, CREATE, CREATE TEMPORARY TABLES, DELETE, DROP, INDEX, INSERT, LOCK TABLES, SELECT, UPDATE{trigger}
         ON `{database}`.* TO {user}"
    ));
    let url = site.url.replacen("root@", &format!("u_{database}:x@"), 1);
    let as_user = |arguments: &[&str]| site.at(&url, arguments);
    let log = if kind == Kind::MariaDb { "BINLOG MONITOR" } else { "REPLICATION CLIENT" };
    for (right, words) in [(log, "end of the binary log"), ("REPLICATION SLAVE", "GRANT REPLICATION SLAVE")] {
        assert_refused(&as_user(&alter(&[], WIDER)), words, right);
        assert!(site.untouched(), "{right}");
        site.query(&format!("GRANT {right} ON *.* TO {user}"));
    }
    if kind == Kind::MariaDb {
        site.query("SET GLOBAL log_bin_trust_function_creators = OFF");
        assert_refused(&as_user(&alter(&[], WIDER)), "log_bin_trust_function_creators", "triggers");
        assert_clean(&site);
        site.query("SET GLOBAL log_bin_trust_function_creators = ON");
    }
    for (command, ty) in [
        (alter(&[], WIDER), "bigint"),
        (ROLLBACK.to_vec(), "int"),
        (alter(&[], WIDER), "bigint"),
        (FINALIZE.to_vec(), "bigint"),
    ] {
        let done = as_user(&command);
        assert_eq!(done.code, 0, "{command:?}: {}\n{}", done.stdout, done.stderr);
        assert_eq!(id_type(&site), ty, "{command:?}");
        site.query("INSERT INTO t (n) VALUES (3)");
    }
    assert_eq!(site.one("SELECT COUNT(*) FROM t"), "6");
    assert_clean(&site);
}

/// Found by the rows themselves: the change is taken back, and no row is dropped to make it fit.
fn rows_that_do_not_fit(kind: Kind) {
    for (row, clauses, words) in [
        ("(1, 'google', 5), (2, 'Google', 6)", "ADD UNIQUE KEY (c)", ""),
        ("(1, 'a', 5), (2, 'a', 6)", "ADD UNIQUE KEY (c)", "Duplicate entry"),
        // Nobody looks for the word KEY.
        ("(1, 'a', 5), (2, 'a', 6)", "ADD CONSTRAINT once UNIQUE (c)", "Duplicate entry"),
        (
            "(1, 'a', 5), (2, 'a', 6)",
            "MODIFY COLUMN c varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin UNIQUE",
            "Duplicate entry",
        ),
        (
            "(1, 'google', 5), (2, 'Google', 6)",
            "ADD UNIQUE KEY (c), MODIFY COLUMN c varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
            "Duplicate entry",
        ),
        ("(1, NULL, 5)", "MODIFY COLUMN c varchar(20) NOT NULL", "cannot be null"),
        ("(1, 'long', 5)", "MODIFY COLUMN c varchar(2)", "too long"),
        ("(1, 'a', 300)", "MODIFY COLUMN n tinyint", "Out of range"),
    ] {
        let Some(site) = Site::new(kind, "unfit") else { return };
        site.query(
            "CREATE TABLE t (id int PRIMARY KEY, c varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, n int)",
        );
        site.query(&format!("INSERT INTO t VALUES {row}"));
        let (schema, rows) = (site.schema(), site.query("SELECT * FROM t ORDER BY id"));
        let done = site.run(&alter(&["--allow", "data-loss=no"], clauses));
        if words.is_empty() {
            assert_eq!(done.code, 0, "{clauses}: {}\n{}", done.stdout, done.stderr);
            site.must(ROLLBACK);
        } else {
            assert_eq!(done.code, 6, "{clauses}: {}\n{}", done.stdout, done.stderr);
            assert!(done.stderr.contains("CF2604") && done.stderr.contains(words), "{}", done.stderr);
        }
        assert_eq!((site.schema(), site.query("SELECT * FROM t ORDER BY id")), (schema, rows), "{clauses}");
        assert_clean(&site);
        site.assert_sound();
    }
}

/// While the change waits for its cutover: neither of the two rows goes for the other.
fn a_duplicate_that_comes_at_the_gate(kind: Kind) {
    let Some(site) = place(kind, "late") else { return };
    site.query("UPDATE t SET note = CONCAT('note ', id)");
    let child = at_gate(&site, &format!("{WIDER}, ADD UNIQUE KEY (note)"));
    site.query("INSERT INTO t (id, note) VALUES (70000, 'note 7')");
    // It may have ended before it is told to.
    let done = cut_over(&site, child);
    assert_eq!(done.code, 6, "{}\n{}", done.stdout, done.stderr);
    assert!(done.stderr.contains("CF2604") && done.stderr.contains("Duplicate entry"), "{}", done.stderr);
    let rows = site.query("SELECT COUNT(*), GROUP_CONCAT(IF(note = 'note 7', id, NULL) ORDER BY id) FROM t");
    assert_eq!((id_type(&site).as_str(), rows[0].join(" ").as_str()), ("int", "4001 7,70000"));
    assert_clean(&site);
    site.assert_sound();
}

/// The server removed the part of its log that tells what was written since the swap: nothing is guessed, the new table
/// stays, and the window can be ended.
fn a_log_that_is_gone(kind: Kind) {
    let Some(elsewhere) = Elsewhere::new(kind, &[]) else { return };
    elsewhere.bench.must(&["alter", "--table", "t", "--yes", "MODIFY COLUMN id bigint NOT NULL"]);
    elsewhere.query("INSERT INTO t VALUES (70000)");
    // A file that the runner's connection read stays until the server has seen that it is gone.
    until("nothing is left of it", || {
        elsewhere.query("FLUSH BINARY LOGS");
        let logs = elsewhere.query("SHOW BINARY LOGS");
        let last = logs.last().and_then(|row| row[0].clone()).unwrap();
        elsewhere.query(&format!("PURGE BINARY LOGS TO '{last}'"));
        elsewhere.query("SHOW BINARY LOGS").len() == 1
    });
    let refused = elsewhere.bench.run(ROLLBACK);
    assert!(refused.code != 0 && refused.stderr.contains("CF3787"), "{}\n{}", refused.stdout, refused.stderr);
    let kept = elsewhere.query("SELECT COUNT(*), MAX(id) FROM t");
    assert_eq!(kept, [[Some("3".to_owned()), Some("70000".to_owned())]]);
    elsewhere.bench.must(FINALIZE);
    let mut program = elsewhere.bench.command(&["verify"]);
    assert_eq!(ended(&mut program).code, 0);
}

/// The same while nobody is at work before the copy: what was written since is not guessed, and the change is taken back.
/// To be paused keeps nobody from finding that out.
fn a_log_that_is_gone_before_the_copy(kind: Kind) {
    let Some(site) = Site::alone(kind, "purged") else { return };
    fill(&site);
    let mut killed = site.command(&alter(&[], WIDER));
    assert_ne!(ended(killed.env("COFFERDAM_FAILPOINT", "online.copy.cut=kill")).code, 0);
    site.must(&["pause", "t"]);
    site.query("INSERT INTO t (id) VALUES (70000)");
    site.query("UPDATE t SET note = 'new' WHERE id = 1");
    site.query("DELETE FROM t WHERE id = 2");
    // A file that the runner's connection read stays until the server has seen that it is gone.
    until("nothing is left of it", || {
        site.query("FLUSH BINARY LOGS");
        let logs = site.query("SHOW BINARY LOGS");
        let last = logs.last().map(|row| row[0].clone()).unwrap();
        site.query(&format!("PURGE BINARY LOGS TO '{last}'"));
        site.query("SHOW BINARY LOGS").len() == 1
    });
    let kept = |ty: &str| {
        let sql = "SELECT COUNT(*), SUM(id = 70000), SUM(id = 1 AND note = 'new'), SUM(id = 2) FROM t";
        let rows = site.query(sql);
        assert_eq!((id_type(&site).as_str(), rows[0].join(" ").as_str()), (ty, "4000 1 1 0"));
    };
    let refused = site.run(&alter(&[], WIDER));
    assert_eq!(refused.code, 6, "{}\n{}", refused.stdout, refused.stderr);
    assert!(refused.stderr.contains("CF3787"), "{}", refused.stderr);
    kept("int");
    assert_clean(&site);
    // Begun anew it is not paused.
    site.must(&alter(&[], WIDER));
    kept("bigint");
    site.must(FINALIZE);
    assert_clean(&site);
    site.assert_sound();
}

/// To look at a change is to try it on an empty copy: rows of another table must not get into that.
fn what_reaches_beyond_the_table_is_not_even_tried(kind: Kind) {
    let Some(site) = Site::new(kind, "beyond") else { return };
    site.query(
        "CREATE TABLE t (id int PRIMARY KEY, a int) PARTITION BY RANGE (id)
             (PARTITION p0 VALUES LESS THAN (100), PARTITION p1 VALUES LESS THAN MAXVALUE);
         CREATE TABLE archive (id int PRIMARY KEY, a int); INSERT INTO archive VALUES (1, 1), (2, 2), (3, 3)",
    );
    for (clauses, words) in [
        ("EXCHANGE PARTITION p0 WITH TABLE archive", "exchanges partitions"),
        ("TRUNCATE PARTITION p0", "exchanges partitions"),
        ("RENAME TO elsewhere", "renames the table"),
        ("RENAME COLUMN a TO b, ADD COLUMN a int", "the old or the new name"),
    ] {
        for flags in [&["--dry-run"][..], &[]] {
            let refused = site.run(&alter(flags, clauses));
            assert_refused(&refused, words, clauses);
            assert_eq!(site.tables(), ["archive", "t"], "{clauses}");
            assert_eq!(site.one("SELECT COUNT(*) FROM archive"), "3", "{clauses}");
        }
    }
}
