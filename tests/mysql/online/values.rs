//! Values that other tools lose: each kind is copied, brought over while the change waits, written after the swap, and is
//! there as it was written on both sides of it.

use cofferdam_scratch::mysql::{Kind, Options};

use super::{FINALIZE, ROLLBACK, alter, assert_clean, at_gate, cut_over};
use crate::site::{Site, own_server};

on_both! {
    values_stay_as_they_were_written,
    moments_stay_as_they_were_written_on_a_server_of_another_time_zone,
}

/// A table that holds them.
struct Case {
    name: &'static str,
    columns: &'static str,
    clauses: &'static str,
    /// What is written: before the change, while it waits for the cutover, after the swap. `T` is the table's name.
    writes: [&'static str; 3],
    /// A row, in words that do not depend on how the change has it kept.
    read: &'static str,
}

const CASES: &[Case] = &[
    Case {
        name: "dates of zeros, and dates that there are not",
        columns: "id int PRIMARY KEY, d date NOT NULL DEFAULT '0000-00-00', dt datetime(3) NOT NULL,
                  ts timestamp NOT NULL DEFAULT '0000-00-00 00:00:00'",
        clauses: "MODIFY COLUMN id bigint NOT NULL, ADD COLUMN extra int",
        writes: [
            "INSERT INTO T (id, dt) VALUES (1, '0000-00-00 00:00:00'), (2, '2024-02-31 00:00:00.5')",
            "INSERT INTO T (id, d, dt) VALUES (3, '2024-00-00', '0000-00-00'); UPDATE T SET d = '0000-01-01' WHERE id = 2",
            "INSERT INTO T (id, dt) VALUES (4, '0000-00-00'); UPDATE T SET d = '2024-01-01' WHERE id = 1",
        ],
        read: "CONCAT_WS('|', id, d, dt, ts)",
    },
    Case {
        name: "bytes that end in zero, in the key too",
        columns: "k binary(4) PRIMARY KEY, v varbinary(8), n int",
        clauses: "MODIFY COLUMN v varbinary(300)",
        writes: [
            "INSERT INTO T VALUES (x'61000000', x'6100', 1), (x'00000000', x'00', 2), (x'61006100', x'', 3)",
            "UPDATE T SET n = 10 WHERE k = x'61000000'; DELETE FROM T WHERE k = x'00000000';
             INSERT INTO T VALUES ('b', x'0000', 4)",
            "UPDATE T SET k = x'62620000' WHERE k = x'61000000'; INSERT INTO T VALUES (x'00000000', x'2020', 5)",
        ],
        read: "CONCAT_WS('|', HEX(k), HEX(v), n)",
    },
    Case {
        name: "texts of several character sets",
        columns: "id int PRIMARY KEY, a varchar(20) CHARACTER SET latin1, b varchar(20) CHARACTER SET utf16,
                  c text CHARACTER SET utf8mb4, d char(5) CHARACTER SET latin1 COLLATE latin1_bin",
        clauses: "MODIFY COLUMN a varchar(20) CHARACTER SET utf8mb4, MODIFY COLUMN b varchar(20) CHARACTER SET utf8mb4,
                  MODIFY COLUMN d char(5) CHARACTER SET utf8mb4",
        writes: [
            "INSERT INTO T VALUES (1, '\u{e4}\u{df}\u{ff}', '\u{1f600}', '\u{1f600} ', 'a'), (2, '', NULL, 'e\u{301}', '\u{e9}')",
            "UPDATE T SET a = 'n\u{e4}', b = '\u{436}' WHERE id = 1; INSERT INTO T VALUES (3, '\u{20ac}', 'x', NULL, NULL)",
            "UPDATE T SET a = '\u{fc}', d = '\u{f6}' WHERE id = 2; INSERT INTO T VALUES (4, 'z', '\u{1f600}', '', '')",
        ],
        read: "CONCAT_WS('|', id, HEX(CONVERT(a USING utf8mb4)), HEX(CONVERT(b USING utf8mb4)), HEX(c),
               HEX(CONVERT(d USING utf8mb4)))",
    },
    Case {
        name: "keys that their collation takes for the same",
        columns: "k varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci PRIMARY KEY, n int",
        clauses: "MODIFY COLUMN n bigint",
        writes: [
            "INSERT INTO T VALUES ('a', 1), ('B', 2), ('\u{f6}', 3)",
            "UPDATE T SET k = 'A' WHERE k = 'a'; DELETE FROM T WHERE k = 'b'; INSERT INTO T VALUES ('b', 20)",
            "UPDATE T SET n = 30 WHERE k = 'O'; UPDATE T SET k = '\u{c4}' WHERE k = 'a'",
        ],
        read: "CONCAT_WS('|', HEX(k), n)",
    },
    Case {
        name: "ENUM in another order, SET with a member in between",
        columns: "id int PRIMARY KEY, e enum('b', 'a') NOT NULL, s set('x', 'y')",
        clauses: "MODIFY COLUMN e enum('a', 'b', 'c') NOT NULL, MODIFY COLUMN s set('z', 'x', 'w', 'y')",
        writes: [
            "INSERT INTO T VALUES (1, 'b', 'x,y'), (2, 'a', 'y'), (3, 'a', '')",
            "UPDATE T SET e = 'a' WHERE id = 1; INSERT INTO T VALUES (4, 'b', 'y')",
            "UPDATE T SET e = 'b', s = 'x' WHERE id = 2; INSERT INTO T VALUES (5, 'a', NULL)",
        ],
        read: "CONCAT_WS('|', id, CONCAT(e), FIND_IN_SET('x', s) > 0, FIND_IN_SET('y', s) > 0)",
    },
    Case {
        name: "JSON and numbers that do not round-trip as texts",
        columns: "id int PRIMARY KEY, j json, f double, r float, d decimal(20, 5)",
        clauses: "MODIFY COLUMN id bigint NOT NULL",
        writes: [
            "INSERT INTO T VALUES (1, '[0.1, 1e30, {\"\u{1f600}\": null}]', 0.1, 16777217, 0.10000)",
            "UPDATE T SET f = 1e-300 / 3, r = 1 / 3 WHERE id = 1; INSERT INTO T VALUES (2, '{}', -0.0, 0, -99999.99999)",
            "UPDATE T SET j = JSON_ARRAY(f, 1 / 3) WHERE id = 1; INSERT INTO T VALUES (3, 'null', 2e300 / 7, 1e-30, 1)",
        ],
        read: "CONCAT_WS('|', id, j, f, r * 1e9, d)",
    },
    Case {
        name: "columns that the server computes",
        columns: "id int PRIMARY KEY, a int, v int AS (a + 1) VIRTUAL, s int AS (a * 2) STORED, KEY (v)",
        clauses: "MODIFY COLUMN id bigint NOT NULL, MODIFY COLUMN s bigint AS (a * 2) STORED",
        writes: [
            "INSERT INTO T (id, a) VALUES (1, 1), (2, NULL)",
            "UPDATE T SET a = 5 WHERE id = 1; INSERT INTO T (id, a) VALUES (3, 7)",
            "UPDATE T SET a = 9 WHERE id = 2; INSERT INTO T (id, a) VALUES (4, -7)",
        ],
        read: "CONCAT_WS('|', id, a, v, s)",
    },
    Case {
        name: "moments, written in several time zones",
        columns: "id int PRIMARY KEY, ts timestamp(3) NULL, dt datetime",
        clauses: "MODIFY COLUMN ts timestamp(6) NULL",
        writes: [
            "SET time_zone = '+05:30'; INSERT INTO T VALUES (1, '2024-03-31 02:30:00.5', '2024-03-31 02:30:00')",
            "SET time_zone = '-08:00'; INSERT INTO T VALUES (2, '2024-10-27 02:30:00', '2024-10-27 02:30:00')",
            "SET time_zone = '+13:00'; INSERT INTO T VALUES (3, '2038-01-19 03:14:07', NULL);
             UPDATE T SET ts = '2024-01-01' WHERE id = 1",
        ],
        read: "CONCAT_WS('|', id, ROUND(UNIX_TIMESTAMP(ts) * 1000), dt)",
    },
];

/// The server's own zone, in which nobody of us works, is the one that these are written in; the moment is in the key.
const ZONE: Case = Case {
    name: "moments of another time zone, in the key too",
    columns: "moment timestamp(3) NOT NULL DEFAULT '2024-01-01 00:00:00', id int NOT NULL, dt datetime(3), ts timestamp NULL,
              PRIMARY KEY (moment, id)",
    clauses: "MODIFY COLUMN id bigint NOT NULL",
    writes: [
        // The first moment of all and the last one, and what would be one row where the zone is taken for another. Then
        // so many that there is more than one chunk.
        "SET time_zone = @@GLOBAL.time_zone;
         INSERT INTO T VALUES ('1970-01-01 05:30:01', 1, '1970-01-01 00:00:01', NULL),
                              ('2024-03-31 02:30:00.5', 2, '2024-03-31 02:30:00.5', '2024-03-31 02:30:00'),
                              ('2024-03-31 08:00:00.5', 2, NULL, '1970-01-01 05:30:01'),
                              ('2024-10-27 00:10:00', 4, '2024-10-27 00:10:00', '2038-01-19 08:44:07');
         INSERT INTO T (moment, id) SELECT moment + INTERVAL d HOUR, id + 10 * d FROM T JOIN nine;
         INSERT INTO T (moment, id) SELECT moment + INTERVAL d MINUTE, id + 100 * d FROM T JOIN nine;
         INSERT INTO T (moment, id) SELECT moment + INTERVAL d SECOND, id + 1000 * d FROM T JOIN nine",
        "SET time_zone = @@GLOBAL.time_zone;
         UPDATE T SET moment = moment + INTERVAL 19800 SECOND WHERE id IN (1, 1234, 9994);
         UPDATE T SET ts = '2024-06-01 00:00:00', dt = '2024-06-01 00:00:00' WHERE id IN (2, 992);
         DELETE FROM T WHERE id IN (4, 14);
         INSERT INTO T VALUES ('1970-01-01 05:30:01', 5, '2024-10-27 02:30:00', '1970-01-01 05:30:01')",
        "SET time_zone = @@GLOBAL.time_zone;
         UPDATE T SET moment = moment - INTERVAL 19800 SECOND WHERE id IN (1, 1234);
         DELETE FROM T WHERE moment = '1970-01-01 05:30:01' AND id = 5;
         INSERT INTO T VALUES ('2038-01-19 08:44:07', 6, NULL, '2024-01-01 00:00:00')",
    ],
    read: "CONCAT_WS('|', ROUND(UNIX_TIMESTAMP(moment) * 1000), id, dt, UNIX_TIMESTAMP(ts))",
};

/// MariaDB has no such key: see `refused`.
const COMPUTED: Case = Case {
    name: "a key that the server computes",
    columns: "n int NOT NULL, id int AS (n * 2) STORED NOT NULL, note varchar(20), PRIMARY KEY (id)",
    clauses: "MODIFY COLUMN note varchar(40), ADD COLUMN extra int",
    writes: [
        "INSERT INTO T (n, note) VALUES (1, 'a'), (2, 'b'), (3, NULL), (4, 'd'), (5, 'e')",
        // A key that is free, one that another row had, and one that was there before.
        "UPDATE T SET n = 10 WHERE id = 2; UPDATE T SET n = 1 WHERE id = 4; DELETE FROM T WHERE id = 6;
         UPDATE T SET note = 'new' WHERE n = 4; INSERT INTO T (n, note) VALUES (-5, 'new'), (2, 'again')",
        "UPDATE T SET n = n + 1 WHERE id = 20; DELETE FROM T WHERE id = 2; UPDATE T SET note = 'newer' WHERE n = 5;
         INSERT INTO T (n, note) VALUES (10, 'again'), (1, NULL)",
    ],
    read: "CONCAT_WS('|', id, n, note)",
};

fn values_stay_as_they_were_written(kind: Kind) {
    for case in CASES {
        let Some(site) = Site::new(kind, "values") else { return };
        assert_kept(&site, case);
    }
}

fn moments_stay_as_they_were_written_on_a_server_of_another_time_zone(kind: Kind) {
    let settings = vec![("default_time_zone".to_owned(), "+05:30".to_owned())];
    let Some(server) = own_server(kind, &Options { settings, ..Options::default() }) else { return };
    let site = Site::on(Box::leak(Box::new(server)), kind, "zone");
    assert_eq!(site.one("SELECT @@GLOBAL.time_zone"), "+05:30");
    site.query("CREATE TABLE nine (d int PRIMARY KEY)");
    site.query("INSERT INTO nine VALUES (1), (2), (3), (4), (5), (6), (7), (8), (9)");
    assert_kept(&site, &ZONE);
    assert_eq!(site.one("SELECT COUNT(*) FROM t"), "3999");
    // What is written in the change is of the server's zone, and what only a zone could tell is left alone.
    let made = "ADD COLUMN made timestamp NOT NULL DEFAULT '2024-06-01 00:00:00'";
    let child = at_gate(&site, made);
    let ended = cut_over(&site, child);
    assert_eq!(ended.code, 0, "{}\n{}", ended.stdout, ended.stderr);
    site.query(&format!("ALTER TABLE witness {made}"));
    let moments = |table: &str| site.query(&format!("SELECT DISTINCT UNIX_TIMESTAMP(made) FROM {table}"));
    assert_eq!(moments("t"), moments("witness"));
    site.must(FINALIZE);
    for (clauses, words) in [
        ("MODIFY COLUMN dt timestamp(3) NULL", "time zone"),
        ("ADD COLUMN at datetime NOT NULL DEFAULT CURRENT_TIMESTAMP", "the default of at"),
        ("ADD COLUMN at date NOT NULL DEFAULT (CURDATE())", "the default of at"),
    ] {
        let refused = site.run(&alter(&[], clauses));
        assert!(refused.code != 0 && refused.stderr.contains(words), "{clauses}: {}", refused.stderr);
    }
    // Whoever writes a bar twice means what the server takes it for.
    site.server.query(None, "SET GLOBAL sql_mode = CONCAT(@@GLOBAL.sql_mode, ',PIPES_AS_CONCAT')").unwrap();
    let child = at_gate(&site, "ADD COLUMN both_ids varchar(20) AS (id || '!') STORED");
    let ended = cut_over(&site, child);
    assert_eq!(ended.code, 0, "{}\n{}", ended.stdout, ended.stderr);
    assert_eq!(site.one("SELECT COUNT(*) FROM t WHERE both_ids <> CONCAT(id, '!')"), "0");
    site.must(FINALIZE);
}

#[test]
fn on_mysql_a_key_that_the_server_computes_is_followed() {
    let Some(site) = Site::new(Kind::MySql, "computed") else { return };
    assert_kept(&site, &COMPUTED);
    let Some(site) = Site::new(Kind::MySql, "otherwise") else { return };
    site.query("CREATE TABLE t (n int NOT NULL, id int AS (n * 2) STORED NOT NULL, PRIMARY KEY (id))");
    let refused = site.run(&alter(&[], "MODIFY COLUMN id int AS (n * 3) STORED NOT NULL"));
    assert!(refused.code != 0 && refused.stderr.contains("is computed otherwise"), "{}", refused.stderr);
}

/// Changes a table of this kind online and takes that back, with the writes before, while it waits, and in the window.
fn assert_kept(site: &Site, case: &Case) {
    // The witness is written by the same statements, and nobody changes it.
    let write = |stage: usize| {
        for table in ["t", "witness"] {
            let sql = case.writes[stage].replace(" T ", &format!(" {table} "));
            site.query(&format!("SET sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00'; {sql}"));
        }
    };
    let same = |when: &str| {
        let read = |table: &str| {
            site.query(&format!("SET time_zone = '+00:00'; SELECT {} FROM {table} ORDER BY 1", case.read))
        };
        assert_eq!(read("t"), read("witness"), "{}: {when}", case.name);
    };
    for table in ["t", "witness"] {
        site.query(&format!("SET sql_mode = ''; CREATE TABLE {table} ({})", case.columns));
    }
    write(0);
    let before = site.schema();
    let child = at_gate(site, case.clauses);
    write(1);
    let ended = cut_over(site, child);
    assert_eq!(ended.code, 0, "{}: {}\n{}", case.name, ended.stdout, ended.stderr);
    assert_ne!(site.schema(), before, "{}", case.name);
    same("after the swap");
    write(2);
    same("in the revert window");
    site.must(ROLLBACK);
    same("after the way back");
    assert_eq!(site.schema(), before, "{}", case.name);
    assert_clean(site);
}
