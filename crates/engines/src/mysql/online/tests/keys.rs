//! Keys of each type: what is read from the log must be the row's own key to the byte.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use super::support::{World, on_both};

on_both! {
    on_mysql_a_key_of_any_type_is_read_to_the_byte / on_mariadb_a_key_of_any_type_is_read_to_the_byte = each_type;
    on_mysql_keys_of_several_columns_are_in_the_keys_order / on_mariadb_keys_of_several_columns_are_in_the_keys_order = several;
}

/// Types of a key, and values that are written in SQL.
const TYPES: &[(&str, &[&str])] = &[
    ("tinyint", &["-128", "-1", "0", "127"]),
    ("tinyint unsigned", &["0", "128", "255"]),
    ("smallint", &["-32768", "-1", "32767"]),
    ("smallint unsigned", &["0", "65535"]),
    ("mediumint", &["-8388608", "-1", "8388607"]),
    ("mediumint unsigned", &["0", "16777215"]),
    ("int", &["-2147483648", "-1", "2147483647"]),
    ("int unsigned", &["0", "4294967295"]),
    ("bigint", &["-9223372036854775808", "-1", "9223372036854775807"]),
    ("bigint unsigned", &["0", "18446744073709551615"]),
    ("decimal(1,0)", &["-9", "0", "9"]),
    ("decimal(10,2)", &["-12345678.90", "-0.01", "0", "0.10", "99999999.99"]),
    ("decimal(9,9)", &["-0.000000001", "0.123456789"]),
    ("decimal(20,11)", &["-123456789.00000000001", "1.1"]),
    ("decimal(65,30)", &["-99999999999999999999999999999999999.999999999999999999999999999999", "1e-30"]),
    ("year", &["0", "1901", "2155"]),
    ("date", &["'0000-00-00'", "'1000-01-01'", "'2024-02-29'", "'9999-12-31'", "'2024-00-00'"]),
    ("time", &["'-838:59:59'", "'-00:00:01'", "'00:00:00'", "'838:59:59'"]),
    ("time(1)", &["'-00:00:01.5'", "'-00:00:00.1'", "'00:00:00.1'", "'-01:00:00.0'"]),
    ("time(3)", &["'-00:00:01.005'", "'-10:11:12.999'", "'23:59:59.001'"]),
    ("time(6)", &["'-00:00:00.000001'", "'-838:59:58.999999'", "'12:00:00.123456'"]),
    ("datetime", &["'0000-00-00 00:00:00'", "'1000-01-01 00:00:00'", "'9999-12-31 23:59:59'"]),
    ("datetime(2)", &["'2024-01-02 03:04:05.06'", "'2024-01-02 03:04:05'"]),
    ("datetime(5)", &["'2024-01-02 03:04:05.00001'", "'2024-01-02 03:04:05.99999'"]),
    ("timestamp", &["'0000-00-00 00:00:00'", "'1970-01-01 00:00:01'", "'2038-01-19 03:14:07'"]),
    ("timestamp(6)", &["'2024-03-31 01:30:00.000001'", "'2024-10-27 00:30:00.5'", "'2024-10-27 01:30:00.5'"]),
    ("enum('b','a','\u{f1}')", &["'a'", "'b'", "'\u{f1}'"]),
    ("set('x','y','z')", &["''", "'x'", "'x,z'", "'x,y,z'"]),
    ("bit(1)", &["0", "1"]),
    ("bit(12)", &["0", "255", "256", "4095"]),
    ("bit(64)", &["0", "18446744073709551615"]),
    ("char(5) CHARACTER SET latin1", &["''", "'a'", "'\u{e4}\u{f6}'", "'a b'"]),
    ("char(80) CHARACTER SET utf8mb4", &["'\u{1f600}'", "'e\u{301}'", "REPEAT('\u{e4}', 80)"]),
    ("varchar(10) CHARACTER SET latin1 COLLATE latin1_swedish_ci", &["'A'", "'b'", "'\u{fc}'"]),
    (
        "varchar(300) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
        &["'a'", "'A'", "'\u{1f600}'", "REPEAT('x', 300)", "'it''s \\\\ \"'"],
    ),
    ("varchar(10) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", &["'a '", "'b'"]),
    ("varchar(10) CHARACTER SET utf16", &["'\u{e4}'", "'\u{1f600}'"]),
    ("varchar(10) CHARACTER SET cp1251", &["'\u{436}'", "'a'"]),
    ("varchar(10) CHARACTER SET sjis", &["'\u{8868}'", "'a'"]),
    ("binary(4)", &["x'00000000'", "x'61000000'", "x'61006100'", "x'20202020'", "x'ffffffff'"]),
    ("varbinary(4)", &["x''", "x'00'", "x'6100'", "x'61'", "x'ff00ff00'"]),
    ("varbinary(300)", &["x''", "REPEAT(x'00', 300)"]),
    ("binary(255)", &["x'00'", "REPEAT(x'ff', 255)"]),
];

/// Columns around the key that have to be stepped over, some of them NULL.
const AROUND: &str = "a1 json, a2 longblob, a3 float, a4 double, a5 point, a6 tinytext, a7 time(4), a8 datetime(6) NULL,
    a9 timestamp(1) NULL, b1 varchar(3000), b2 char(200) CHARACTER SET utf8mb4, b3 set('a','b','c','d','e','f','g','h','i'),
    b4 bit(9), b5 decimal(30,7), b6 mediumint, b7 year, b8 date, b9 enum('q','w')";
const VALUES: &str = "'{\"a\": [1, 2.5, null, \"x\"]}', REPEAT('l', 70000), 1.5, -2.5, POINT(1, 2), 'tiny', '-01:02:03.0405',
    '2024-01-01 00:00:00.000001', NULL, REPEAT('v', 3000), 'c', 'a,i', 257, -1.0000001, -5, NULL, '2024-01-01', 'w'";

async fn each_type(mut world: World<'_>) {
    for (number, (ty, values)) in TYPES.iter().enumerate() {
        world.run("SET sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00'").await;
        let table = format!("t{number}");
        let unsorted = AROUND.replacen("a5 point", &format!("k {ty} NOT NULL, a5 point"), 1);
        world.run(&format!("CREATE TABLE {table} ({unsorted}, PRIMARY KEY (k))")).await;
        world.run(&format!("CREATE TABLE c{number} (k {ty} NOT NULL)")).await;
        let mut stream = world.follow(&table).await;
        let names = "k, a1, a2, a3, a4, a5, a6, a7, a8, a9, b1, b2, b3, b4, b5, b6, b7, b8, b9";
        for value in *values {
            world.run(&format!("INSERT INTO {table} ({names}) VALUES ({value}, {VALUES})")).await;
        }
        let inserted = world.keys(&mut stream).await;
        assert_eq!(inserted.len(), values.len(), "{ty}");
        for key in &inserted {
            world.run(&format!("INSERT INTO c{number} VALUES ({})", key[0])).await;
        }
        let same =
            format!("SELECT COUNT(*) FROM {table} t JOIN c{number} c ON t.k = c.k AND HEX(t.k) = HEX(c.k)");
        assert_eq!(world.value(&same).await, values.len().to_string(), "{ty}: {inserted:?}");
        // As a condition it finds its row, and nothing else.
        for key in &inserted {
            let found = format!("SELECT COUNT(*) FROM {table} WHERE k = {}", key[0]);
            assert_eq!(world.value(&found).await, "1", "{ty}: {key:?}");
        }
        // Another column is changed, and the row goes.
        world.run(&format!("UPDATE {table} SET b6 = 7, a1 = NULL")).await;
        let mut updated = world.keys(&mut stream).await;
        world.run(&format!("DELETE FROM {table}")).await;
        let mut deleted = world.keys(&mut stream).await;
        let mut all = inserted.clone();
        for keys in [&mut updated, &mut deleted, &mut all] {
            keys.sort();
        }
        assert_eq!((&updated, &deleted), (&all, &all), "{ty}");
    }
}

async fn several(mut world: World<'_>) {
    world
        .run(
            "CREATE TABLE t (note text, b int NOT NULL, a varchar(5) CHARACTER SET latin1 NOT NULL, n int,
             UNIQUE KEY other (n), UNIQUE KEY pair (a, b))",
        )
        .await;
    assert_eq!(world.examine("t").await.key, ["a", "b"]);
    let mut stream = world.follow("t").await;
    world.run("INSERT INTO t VALUES ('x', 1, 'p', NULL), (NULL, 2, 'q', NULL)").await;
    world.run("UPDATE t SET a = 'r' WHERE b = 2").await;
    let key = |a: &str, b: &str| vec![format!("_latin1 x'{a}'"), b.to_owned()];
    let expected = [key("70", "1"), key("71", "2"), key("72", "2"), key("71", "2")];
    assert_eq!(world.keys(&mut stream).await, expected);
}
