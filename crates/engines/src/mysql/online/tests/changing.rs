//! The shadow table: made, filled while others write, and brought up to date; gone on with by another runner.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use cofferdam_core::online::{Capture, Gate, Online};
use cofferdam_core::{Code, Fault, Name};
use cofferdam_scratch::mysql::{Kind, Server};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use super::super::{Change, Ground, outside};
use super::support::{World, by_hand, code, ground, on_both, on_own};
use super::swapping::until;

on_both! {
    on_mysql_the_shadow_equals_the_table_after_writes_of_all_kinds
        / on_mariadb_the_shadow_equals_the_table_after_writes_of_all_kinds = busy;
    on_mysql_runners_that_die_again_and_again_lose_nothing
        / on_mariadb_runners_that_die_again_and_again_lose_nothing = dying;
    on_mysql_values_are_copied_as_they_are / on_mariadb_values_are_copied_as_they_are = values;
    on_mysql_rows_that_do_not_fit_are_refused / on_mariadb_rows_that_do_not_fit_are_refused = unfit;
    on_mysql_changes_that_cannot_be_followed_are_refused / on_mariadb_changes_that_cannot_be_followed_are_refused = refused;
    on_mysql_a_locked_row_does_not_hold_the_copy_up / on_mariadb_a_locked_row_does_not_hold_the_copy_up = locked;
    on_mysql_a_deadlock_is_no_end_of_the_copy / on_mariadb_a_deadlock_is_no_end_of_the_copy = deadlocked;
    on_mysql_a_runner_that_was_taken_over_from_writes_nothing
        / on_mariadb_a_runner_that_was_taken_over_from_writes_nothing = taken_over;
    on_mysql_keys_of_any_kind_are_copied_in_chunks / on_mariadb_keys_of_any_kind_are_copied_in_chunks = kinds_of_keys;
    on_mysql_a_table_that_others_change_stops_it / on_mariadb_a_table_that_others_change_stops_it = changed;
    on_mysql_a_difference_is_found / on_mariadb_a_difference_is_found = compared;
    on_mysql_a_change_that_is_given_up_leaves_nothing / on_mariadb_a_change_that_is_given_up_leaves_nothing = given_up;
    on_mysql_who_looks_while_the_tables_are_made_sees_no_change
        / on_mariadb_who_looks_while_the_tables_are_made_sees_no_change = looked_at_early;
}

pub(super) fn online(clauses: &str) -> Online {
    Online {
        table: Name::plain("t"),
        clauses: clauses.into(),
        capture: Capture::Auto,
        gate: Gate::Auto,
        forward: vec![],
        backward: vec![],
        allow_loss: None,
        workers: 0,
        proof: Default::default(),
    }
}

/// Rows that are on one side only, or differ there. `columns` are on both sides.
pub(super) async fn differences(app: &mut Conn, change: &Change, columns: &[&str]) -> Vec<String> {
    let new = change.new_table();
    let same: Vec<String> =
        columns.iter().map(|c| format!("t.{c} <=> s.{c} AND HEX(t.{c}) <=> HEX(s.{c})")).collect();
    let side = |one: &str, other: &str| {
        let (a, b) = if one == "t" { ("t", new) } else { (new, "t") };
        format!(
            "SELECT CONCAT_WS(' ', '{one} only:', {}) FROM `{a}` {one} WHERE NOT EXISTS (SELECT 1 FROM `{b}` {other} WHERE {})",
            columns.iter().map(|c| format!("{one}.{c}")).collect::<Vec<_>>().join(", "),
            same.join(" AND ")
        )
    };
    let mut found = Vec::new();
    for sql in [side("t", "s"), side("s", "t")] {
        let rows: Vec<Option<String>> = app.query(&sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
        found.extend(rows.into_iter().flatten());
    }
    found
}

/// A number that looks random and is the same each time.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}

/// Writes of all kinds until it is told to stop. What the server refuses (duplicates, deadlocks) is part of the load.
async fn writer(url: String, seed: u64, stop: Arc<AtomicBool>, done: Arc<AtomicU64>) {
    let mut conn = by_hand(&url).await;
    let mut dice = Dice(seed * 7_919 + 1);
    while !stop.load(Ordering::SeqCst) {
        let (id, other) = (dice.below(6_000), dice.below(6_000));
        let statements = match dice.below(9) {
            0 | 1 => {
                vec![format!("INSERT INTO t (id, u, n, note) VALUES ({id}, {id} + 100000, {other}, 'new')")]
            }
            2 | 3 => vec![format!("UPDATE t SET n = n + 1, note = CONCAT('x', {other}) WHERE id = {id}")],
            4 => vec![format!("DELETE FROM t WHERE id = {id}")],
            // The key itself.
            5 => vec![format!("UPDATE t SET id = {other} WHERE id = {id}")],
            // A unique value moves from one row to another and back, within a transaction.
            6 => vec![
                "BEGIN".into(),
                format!("UPDATE t SET u = -{id} - 1 WHERE id = {id}"),
                format!("UPDATE t SET u = {id} + 100000 WHERE id = {other}"),
                format!("UPDATE t SET u = {other} + 100000 WHERE id = {id}"),
                "COMMIT".into(),
            ],
            7 => vec![
                "BEGIN".into(),
                format!("UPDATE t SET note = NULL WHERE id BETWEEN {id} AND {id} + 20"),
                "SAVEPOINT a".into(),
                format!("DELETE FROM t WHERE id BETWEEN {id} AND {id} + 3"),
                "ROLLBACK TO a".into(),
                if dice.below(4) == 0 { "ROLLBACK" } else { "COMMIT" }.into(),
            ],
            _ => vec![format!("REPLACE INTO t (id, u, n) VALUES ({id}, {other} + 100000, 0)")],
        };
        for sql in statements {
            if conn.query_drop(&sql).await.is_err() {
                conn.query_drop("ROLLBACK").await.unwrap();
                break;
            }
        }
        done.fetch_add(1, Ordering::SeqCst);
    }
}

pub(super) async fn fill(world: &mut World<'_>, rows: u32) {
    world
        .run(
            "CREATE TABLE t (id int PRIMARY KEY, u bigint, n int, note varchar(50), UNIQUE KEY (u), KEY (n))",
        )
        .await;
    for from in (0..rows).step_by(1_000) {
        let rows: Vec<String> =
            (from..from + 1_000).map(|id| format!("({id}, {id} + 100000, {id} % 7, 'old')")).collect();
        world.run(&format!("INSERT INTO t VALUES {}", rows.join(", "))).await;
    }
}

pub(super) const COLUMNS: &[&str] = &["id", "u", "n", "note"];

/// Writers at work, until it is dropped or told to stop.
pub(super) struct Load {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    pub(super) fn begin(world: &World<'_>, writers: u64) -> Self {
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let url = world.server.url(&world.database);
        let task = |seed| tokio::spawn(writer(url.clone(), seed, stop.clone(), done.clone()));
        let tasks = (1..=writers).map(task).collect();
        Self { stop, done, tasks }
    }

    pub(super) async fn end(self) -> u64 {
        self.stop.store(true, Ordering::SeqCst);
        for task in self.tasks {
            task.await.unwrap();
        }
        self.done.load(Ordering::SeqCst)
    }
}

async fn busy(mut world: World<'_>) {
    fill(&mut world, 5_000).await;
    let change = Change::begin(
        &mut world.ground,
        &online("MODIFY n bigint, ADD COLUMN extra int NOT NULL DEFAULT 5, ADD KEY (note)"),
        1,
    )
    .await
    .unwrap();
    let load = Load::begin(&world, 4);
    change.capture().await.unwrap();
    let mut load = Some(load);
    change
        .following(async |mut reached| {
            change.copy(3).await?;
            change.catch_up(&mut reached, 5_000).await?;
            // While they write.
            change.compare(&reached, 2).await?;
            until(&load.as_ref().unwrap().done, 101).await;
            let done = load.take().unwrap().end().await;
            assert!(done > 100, "only {done} writes");
            change.catch_up(&mut reached, 0).await?;
            assert_eq!(change.compare_anew(&reached, 2).await?, 0);
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!(differences(&mut world.app, &change, COLUMNS).await, Vec::<String>::new());
    let new = change.new_table().to_owned();
    assert_eq!(world.value(&format!("SELECT COUNT(*) FROM {new} WHERE extra <> 5")).await, "0");
    assert_ne!(world.value(&format!("SELECT COUNT(*) FROM {new}")).await, "0");
}

/// A runner is given up at some moment, over and over, and another one takes over, while writers are at work.
async fn dying(mut world: World<'_>) {
    fill(&mut world, 5_000).await;
    let wanted = online("MODIFY n bigint");
    let url = world.server.url(&world.database);
    let load = Load::begin(&world, 2);
    let mut dice = Dice(99);
    let (mut epoch, mut deaths) = (0, 0);
    let mut load = Some(load);
    loop {
        epoch += 1;
        let mut own: Ground = ground(&url).await;
        let life = async {
            let change = Change::begin(&mut own, &wanted, epoch).await?;
            change.capture().await?;
            change
                .following(async |mut reached| {
                    change.copy(2).await?;
                    change.catch_up(&mut reached, 1_000).await
                })
                .await?;
            Ok::<Change, Fault>(change)
        };
        // Its connections end wherever they are, as those of a process that dies.
        let limit = std::time::Duration::from_millis(40 + dice.below(160) * (1 + deaths / 12));
        match tokio::time::timeout(limit, life).await {
            Err(_) => deaths += 1,
            Ok(change) => {
                let change = change.unwrap();
                load.take().unwrap().end().await;
                change.following(async |mut reached| change.catch_up(&mut reached, 0).await).await.unwrap();
                assert_eq!(differences(&mut world.app, &change, COLUMNS).await, Vec::<String>::new());
                assert!(deaths > 3, "died only {deaths} times");
                return;
            }
        }
        assert!(deaths < 400, "it never ends");
    }
}

async fn values(mut world: World<'_>) {
    world.run("SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES', time_zone = '+00:00'").await;
    world
        .run(
            "CREATE TABLE t (id int unsigned AUTO_INCREMENT PRIMARY KEY, d date, dt datetime(3), ts timestamp(6) NULL,
             c varchar(20) CHARACTER SET latin1, e enum('b', 'a'), s set('x', 'y', 'z'), j json, f double, de decimal(20,5),
             b binary(4), vb varbinary(4), bi bit(9), v int AS (f + 1) VIRTUAL, st int AS (length(b) + 2) STORED, tx longtext,
             `odd ``name` int)",
        )
        .await;
    let insert = async |world: &mut World<'_>, id: &str, rest: &str| {
        let sql = format!(
            "INSERT INTO t (id, d, dt, ts, c, e, s, j, f, de, b, vb, bi, tx, `odd ``name`) VALUES ({id}, {rest})"
        );
        world.run(&sql).await;
    };
    let rows = [
        ("0", "'0000-00-00', '0000-00-00 00:00:00', '0000-00-00 00:00:00', '', 'a', '', '{}', 0, 0, '', '', 0, '', 0"),
        (
            "4294967295",
            "'2024-02-31', '2024-03-31 02:30:00.123', '2024-03-31 01:30:00.000001', '\u{e4}\u{df}', 'b', 'x,z',
             '[1.0, 1e400, {\"\u{1f600}\": null}]', 0.1, 0.10000, x'61000000', x'6100', 511, REPEAT('\u{1f600}', 20000), -1",
        ),
        ("7", "NULL, NULL, NULL, NULL, NULL, NULL, NULL, -1e3, -99999.99999, NULL, NULL, NULL, NULL, NULL"),
    ];
    let rows = rows.map(|(id, rest)| (id, rest.replace("1e400", "1e30")));
    insert(&mut world, rows[0].0, &rows[0].1).await;
    insert(&mut world, rows[1].0, &rows[1].1).await;
    // Other numbers for ENUM and SET, another character set, and the application's own time zone.
    let clauses = "MODIFY e enum('a', 'b', 'c'), MODIFY s set('q', 'x', 'r', 'y', 'z'), MODIFY c varchar(20) CHARACTER SET utf8mb4,
                   ADD COLUMN front int FIRST";
    let change = Change::begin(&mut world.ground, &online(clauses), 1).await.unwrap();
    change.capture().await.unwrap();
    change
        .following(async |mut reached| {
            change.copy(1).await?;
            insert(&mut world, rows[2].0, &rows[2].1).await;
            for sql in [
                "UPDATE t SET de = de + 1, e = 'a', s = 'y,z' WHERE id = 4294967295",
                "UPDATE t SET j = JSON_ARRAY(1.5, 'a'), c = 'n\u{e4}' WHERE id = 7",
                "UPDATE t SET dt = '0000-00-00 00:00:00' WHERE id = 0",
            ] {
                world.run(sql).await;
            }
            change.catch_up(&mut reached, 0).await
        })
        .await
        .unwrap();
    let exact = ["id", "d", "dt", "ts", "j", "f", "de", "b", "vb", "bi", "v", "st", "tx", "`odd ``name`"];
    assert_eq!(differences(&mut world.app, &change, &exact).await, Vec::<String>::new());
    let new = change.new_table();
    let texts = format!(
        "SELECT COUNT(*) FROM t JOIN {new} s USING (id) WHERE CONVERT(t.c USING utf8mb4) <=> s.c
         AND CONVERT(t.e, char) <=> CONVERT(s.e, char) AND (t.s = '') <=> (s.s = '')
         AND (FIND_IN_SET('x', t.s) > 0) <=> (FIND_IN_SET('x', s.s) > 0) AND (FIND_IN_SET('z', t.s) > 0) <=> (FIND_IN_SET('z', s.s) > 0)"
    );
    assert_eq!(world.value(&texts).await, "3");
    assert_eq!(world.value(&format!("SELECT COUNT(*) FROM {new}")).await, "3");
}

/// Changes whose rows do not fit, and words of what is said.
async fn unfit(mut world: World<'_>) {
    for (row, clauses, words) in [
        // Trap: INSERT IGNORE would drop one of the two.
        ("(1, 'a', 5), (2, 'a', 6)", "ADD UNIQUE KEY (c)", "Duplicate entry"),
        // Trap: who looks for UNIQUE KEY misses these.
        ("(1, 'a', 5), (2, 'a', 6)", "ADD UNIQUE (c)", "Duplicate entry"),
        ("(1, 'a', 5), (2, 'a', 6)", "ADD UNIQUE INDEX once (c)", "Duplicate entry"),
        ("(1, 'a', 5), (2, 'a', 6)", "ADD CONSTRAINT once UNIQUE (c)", "Duplicate entry"),
        (
            "(1, 'a', 5), (2, 'a', 6)",
            "MODIFY c varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin UNIQUE",
            "Duplicate entry",
        ),
        ("(1, 'a', 5), (2, 'b', 6)", "ADD COLUMN once int NOT NULL DEFAULT 1 UNIQUE", "Duplicate entry"),
        (
            "(1, 'google', 5), (2, 'Google', 6)",
            "ADD UNIQUE KEY (c), MODIFY c varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
            "Duplicate entry",
        ),
        ("(1, NULL, 5)", "MODIFY c varchar(20) NOT NULL", "cannot be null"),
        ("(1, 'long', 5)", "MODIFY c varchar(2)", "too long"),
        ("(1, 'a', 300)", "MODIFY n tinyint", "Out of range"),
        ("(1, '\u{1f600}', 5)", "MODIFY c varchar(20) CHARACTER SET latin1", "ncorrect string value"),
        ("(1, 'a', 5)", "ADD CONSTRAINT odd CHECK (n > 100)", "odd"),
    ] {
        // In the copy, and in what is brought over afterwards.
        for late in [false, true] {
            world.run("DROP TABLE IF EXISTS t").await;
            world
                .run("CREATE TABLE t (id int PRIMARY KEY, c varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, n int)")
                .await;
            let insert = format!("INSERT INTO t VALUES {row}");
            if !late {
                world.run(&insert).await;
            }
            let change = Change::begin(&mut world.ground, &online(clauses), 1).await.unwrap();
            change.capture().await.unwrap();
            let end = change
                .following(async |mut reached| {
                    change.copy(1).await?;
                    if late {
                        world.run(&insert).await;
                    }
                    change.catch_up(&mut reached, 0).await
                })
                .await;
            let fault = match end {
                Err(fault) => fault,
                Ok(()) => panic!("{clauses}: it was taken"),
            };
            assert_eq!(code(&fault), Code::RowMisfit, "{clauses}: {fault}");
            let refusal = fault.refusal().unwrap();
            let said = format!("{} {}", refusal.cause.clone().unwrap_or_default(), refusal.notes.join(" "));
            assert!(said.contains(words), "{clauses}: {said}");
            change.discard().await.unwrap();
        }
    }
}

async fn refused(mut world: World<'_>) {
    world.run("CREATE TABLE t (id int, c varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, n int, PRIMARY KEY (id, c))").await;
    world.run("CREATE TABLE parent (id int PRIMARY KEY)").await;
    for (clauses, words) in [
        ("DROP COLUMN n", "t.n"),
        ("RENAME COLUMN n TO m", "t.n"),
        ("DROP PRIMARY KEY", "no key"),
        ("DROP PRIMARY KEY, ADD PRIMARY KEY (id)", "takes the key"),
        ("MODIFY c varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci", "the column c of the key"),
        ("ADD COLUMN must int NOT NULL", "no default"),
        ("ADD CONSTRAINT fk FOREIGN KEY (id) REFERENCES parent (id)", "foreign key"),
        ("ENGINE = MyISAM", "MyISAM"),
        ("RENAME TO elsewhere", "there is no table"),
        ("MODIFY nothing int", "nothing"),
    ] {
        let fault = match Change::begin(&mut world.ground, &online(clauses), 1).await {
            Err(fault) => fault,
            Ok(_) => panic!("{clauses}: it was taken"),
        };
        let refusal = fault.refusal().unwrap();
        let said = format!("{} {}", refusal.what, refusal.notes.join(" "));
        assert!(said.contains(words), "{clauses}: {said}");
        let left = "SELECT COALESCE(GROUP_CONCAT(TABLE_NAME), '') FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()
                    AND TABLE_NAME LIKE '\\\\_cofferdam\\\\_%' AND TABLE_NAME NOT IN ('_cofferdam_online', '_cofferdam_control')";
        assert_eq!(world.value(left).await, "", "{clauses}");
        world.run("DROP TABLE IF EXISTS elsewhere").await;
    }
}

async fn locked(mut world: World<'_>) {
    world.run("CREATE TABLE t (id int PRIMARY KEY, n int)").await;
    world.run("INSERT INTO t VALUES (1, 1), (2, 2)").await;
    let change = Change::begin(&mut world.ground, &online("MODIFY n bigint"), 1).await.unwrap();
    // Somebody is in the midst of changing a row, and another one is new.
    let mut other = world.another().await;
    other.query_drop("BEGIN").await.unwrap();
    other.query_drop("UPDATE t SET n = 10 WHERE id = 1").await.unwrap();
    other.query_drop("INSERT INTO t VALUES (3, 3)").await.unwrap();
    change.capture().await.unwrap();
    change
        .following(async |mut reached| {
            assert_eq!(change.copy(1).await?, 2);
            change.catch_up(&mut reached, 0).await?;
            let new = change.new_table();
            assert_eq!(world.value(&format!("SELECT GROUP_CONCAT(n ORDER BY id) FROM {new}")).await, "1,2");
            other.query_drop("COMMIT").await.unwrap();
            change.catch_up(&mut reached, 0).await
        })
        .await
        .unwrap();
    assert_eq!(differences(&mut world.app, &change, &["id", "n"]).await, Vec::<String>::new());
}

/// Waits until somebody is at a statement like this in the database.
async fn under_way(world: &mut World<'_>, like: &str) {
    let sql = format!(
        "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND INFO LIKE '{like}'"
    );
    let seen = async {
        while world.value(&sql).await == "0" {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let seen = tokio::time::timeout(std::time::Duration::from_secs(300), seen).await;
    assert!(seen.is_ok(), "nobody came to {like}");
}

/// Trap: the server takes back what was copied, and the copy counts as done.
async fn deadlocked(mut world: World<'_>) {
    let numbers = |most: u32| (0..most).map(|n| format!("({n}, {n})")).collect::<Vec<_>>().join(", ");
    for table in ["t", "theirs"] {
        world.run(&format!("CREATE TABLE {table} (id int PRIMARY KEY, n int)")).await;
    }
    world.run(&format!("INSERT INTO t VALUES {}", numbers(100))).await;
    let change = Change::begin(&mut world.ground, &online("MODIFY n bigint"), 1).await.unwrap();
    change.capture().await.unwrap();
    change.cut_all().await.unwrap();
    let new = change.new_table().to_owned();
    let chunk = new.replace("_new", "_chunk");
    // Of two that wait for each other the server takes back the one that changed less.
    let mut other = world.another().await;
    other.query_drop("BEGIN").await.unwrap();
    other.query_drop(format!("INSERT INTO theirs VALUES {}", numbers(5_000))).await.unwrap();
    other.query_drop(format!("SELECT no FROM {chunk} FOR UPDATE")).await.unwrap();
    let others = async {
        under_way(&mut world, &format!("UPDATE %{chunk}% SET copied = 1 %")).await;
        let copied: Option<u64> =
            other.query_first(format!("SELECT COUNT(*) FROM {new} FOR UPDATE")).await.unwrap();
        assert_eq!(copied, Some(0), "it was not taken back");
        // It is at it again, and waits.
        under_way(&mut world, &format!("INSERT INTO %{new}%")).await;
        other.query_drop("COMMIT").await.unwrap();
    };
    let (copied, ()) = tokio::join!(change.copy(1), others);
    assert_eq!(copied.unwrap(), 100);
    assert_eq!(world.value(&format!("SELECT GROUP_CONCAT(copied) FROM {chunk}")).await, "1");
    assert_eq!(differences(&mut world.app, &change, &["id", "n"]).await, Vec::<String>::new());
    assert_eq!(world.value("SELECT COUNT(*) FROM theirs").await, "5000");
}

async fn taken_over(mut world: World<'_>) {
    fill(&mut world, 1_000).await;
    let wanted = online("MODIFY n bigint");
    let first = Change::begin(&mut world.ground, &wanted, 1).await.unwrap();
    first.capture().await.unwrap();
    let second = Change::begin(&mut world.ground, &wanted, 2).await.unwrap();
    for fault in [
        first.copy(1).await.map(drop).unwrap_err(),
        first.capture().await.unwrap_err(),
        first.following(async |mut reached| first.catch_up(&mut reached, 0).await).await.unwrap_err(),
    ] {
        assert_eq!(code(&fault), Code::Fenced, "{fault}");
    }
    // An earlier one comes too late, too, and another change of the table does not begin.
    let late = Change::begin(&mut world.ground, &wanted, 1).await;
    assert_eq!(code(&late.err().unwrap()), Code::Fenced);
    let another = Change::begin(&mut world.ground, &online("ADD COLUMN x int"), 3).await;
    assert_eq!(code(&another.err().unwrap()), Code::ChangeInProgress);
    assert_eq!(second.copy(1).await.unwrap(), 1_000);
    assert_eq!(code(&first.discard().await.unwrap_err()), Code::Fenced);
    assert_eq!(differences(&mut world.app, &second, COLUMNS).await, Vec::<String>::new());
}

async fn kinds_of_keys(mut world: World<'_>) {
    for key in [
        "k1 int NOT NULL, k2 varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL, PRIMARY KEY (k1, k2)",
        "k1 varchar(10) CHARACTER SET latin1 NOT NULL, k2 bigint NOT NULL, PRIMARY KEY (k1, k2)",
        "k1 binary(4) NOT NULL, k2 date NOT NULL, PRIMARY KEY (k2, k1)",
        "k1 enum('3','1','7','0','9','8','2','4','6','5') NOT NULL, k2 decimal(10,3) NOT NULL, PRIMARY KEY (k1, k2)",
        "k1 timestamp NULL, k2 datetime(6) NOT NULL, UNIQUE KEY (k2)",
        "k1 int NOT NULL, k2 varchar(20) NOT NULL, UNIQUE KEY (k2, k1)",
    ] {
        world.run("DROP TABLE IF EXISTS t").await;
        world.run(&format!("CREATE TABLE t ({key}, n int)")).await;
        let number = |n: u32| match key {
            _ if key.starts_with("k1 int") => {
                (format!("{}", n % 10), format!("'Key {:05}'", n / 3 * 7 % 10_007 + n % 3 * 20_000))
            }
            _ if key.contains("date NOT") => (
                format!("UNHEX(LPAD(HEX({}), 8, '0'))", n * 256),
                format!("DATE'2024-01-01' + INTERVAL {} DAY", n % 50),
            ),
            _ if key.contains("enum") => (format!("'{}'", n % 10), format!("{n}.{:03}", n % 1_000)),
            _ if key.contains("datetime") => (
                "'2024-01-01'".into(),
                format!("TIMESTAMP'2024-01-01 00:00:00.000001' + INTERVAL {n} MINUTE"),
            ),
            _ => (format!("'k{}'", n % 7), format!("{n}")),
        };
        for from in (0..6_000).step_by(1_000) {
            let rows: Vec<String> = (from..from + 1_000)
                .map(|n| {
                    let (a, b) = number(n);
                    format!("({a}, {b}, {n})")
                })
                .collect();
            world.run(&format!("INSERT INTO t VALUES {}", rows.join(", "))).await;
        }
        let change = Change::begin(&mut world.ground, &online("MODIFY n bigint"), 1).await.unwrap();
        change.capture().await.unwrap();
        change
            .following(async |mut reached| {
                assert_eq!(change.copy(2).await?, 6_000, "{key}");
                world.run("UPDATE t SET n = -n WHERE n % 5 = 0").await;
                world.run("DELETE FROM t WHERE n % 7 = 0").await;
                change.catch_up(&mut reached, 0).await
            })
            .await
            .unwrap();
        let chunks = format!("SELECT COUNT(*) FROM {}", change.new_table().replace("_new", "_chunk"));
        assert!(world.value(&chunks).await.parse::<u32>().unwrap() > 2, "{key}");
        assert_eq!(
            differences(&mut world.app, &change, &["k1", "k2", "n"]).await,
            Vec::<String>::new(),
            "{key}"
        );
        change.discard().await.unwrap();
    }
}

async fn changed(mut world: World<'_>) {
    fill(&mut world, 1_000).await;
    let wanted = online("MODIFY n bigint");
    // Between the making of the new table and the position from which on the log tells of it.
    let change = Change::begin(&mut world.ground, &wanted, 1).await.unwrap();
    world.run("ALTER TABLE t ADD COLUMN late int").await;
    assert_eq!(code(&change.capture().await.unwrap_err()), Code::TableChanged);
    change.discard().await.unwrap();
    // In the midst of it, as a statement that leaves the definition as it is.
    let change = Change::begin(&mut world.ground, &wanted, 1).await.unwrap();
    change.capture().await.unwrap();
    let end = change
        .following(async |mut reached| {
            change.copy(1).await?;
            world.run("TRUNCATE t").await;
            change.catch_up(&mut reached, 0).await
        })
        .await;
    assert_eq!(code(&end.unwrap_err()), Code::TableChanged);
    // The log may tell of TRUNCATE before its answer is there: what waited for that was dropped, and it would be taken for
    // the answer to the next statement.
    world.app = world.another().await;
    // While nobody looks: the next runner sees it.
    world.run("ALTER TABLE t ADD COLUMN later int").await;
    let next = Change::begin(&mut world.ground, &wanted, 2).await;
    assert_eq!(code(&next.err().unwrap()), Code::TableChanged);
    change.discard().await.unwrap();
}

async fn compared(mut world: World<'_>) {
    let table = "CREATE TABLE t (id int PRIMARY KEY, c varchar(20) CHARACTER SET latin1 COLLATE latin1_swedish_ci, j json,
                 b varbinary(9), d decimal(9,2))";
    world.run(table).await;
    let rows: Vec<String> = (0..5_000).map(|id| format!("({id}, 'a', '[1]', x'00', 1.5)")).collect();
    world.run(&format!("INSERT INTO t VALUES {}", rows.join(", "))).await;
    let clauses = "MODIFY d decimal(12,4), MODIFY c varchar(20) CHARACTER SET utf8mb4";
    let change = Change::begin(&mut world.ground, &online(clauses), 1).await.unwrap();
    change.capture().await.unwrap();
    let new = change.new_table().to_owned();
    change
        .following(async |mut reached| {
            change.copy(2).await?;
            assert_eq!(change.compare(&reached, 2).await?, 0);
            // What is still to be brought over is no difference.
            world.run("UPDATE t SET d = 2 WHERE id < 10").await;
            world.run("DELETE FROM t WHERE id = 10").await;
            world.run("INSERT INTO t VALUES (9999, 'x', NULL, NULL, NULL)").await;
            assert_eq!(change.compare_anew(&reached, 2).await?, 12);
            change.catch_up(&mut reached, 0).await?;
            assert_eq!(change.compare_anew(&reached, 2).await?, 0);
            for (wrong, right) in [
                ("UPDATE s SET c = 'A' WHERE id = 20", "UPDATE s SET c = 'a' WHERE id = 20"),
                ("UPDATE s SET c = 'a ' WHERE id = 4999", "UPDATE s SET c = 'a' WHERE id = 4999"),
                ("UPDATE s SET c = NULL WHERE id = 100", "UPDATE s SET c = 'a' WHERE id = 100"),
                ("UPDATE s SET j = '[1.0]' WHERE id = 20", "UPDATE s SET j = '[1]' WHERE id = 20"),
                ("UPDATE s SET b = x'0000' WHERE id = 20", "UPDATE s SET b = x'00' WHERE id = 20"),
                ("UPDATE s SET d = 1.5001 WHERE id = 20", "UPDATE s SET d = 1.5 WHERE id = 20"),
                ("DELETE FROM s WHERE id = 30", "INSERT INTO s VALUES (30, 'a', '[1]', x'00', 1.5)"),
                ("INSERT INTO s (id) VALUES (-7)", "DELETE FROM s WHERE id = -7"),
                ("INSERT INTO s (id) VALUES (77777)", "DELETE FROM s WHERE id = 77777"),
            ] {
                // MySQL takes 1 and 1.0 in JSON for the same.
                if wrong.contains("[1.0]") && world.mysql() {
                    continue;
                }
                world.run(&wrong.replacen(" s ", &format!(" {new} "), 1)).await;
                let fault = match change.compare_anew(&reached, 2).await {
                    Err(fault) => fault,
                    Ok(_) => panic!("{wrong}: not found"),
                };
                assert_eq!(code(&fault), Code::Mismatch, "{wrong}: {fault}");
                assert_eq!(fault.refusal().unwrap().notes.len(), 1, "{wrong}: {fault}");
                world.run(&right.replacen(" s ", &format!(" {new} "), 1)).await;
            }
            assert_eq!(change.compare_anew(&reached, 2).await?, 0);
            Ok(())
        })
        .await
        .unwrap();
}

async fn given_up(mut world: World<'_>) {
    fill(&mut world, 1_000).await;
    let change = Change::begin(&mut world.ground, &online("MODIFY n bigint"), 1).await.unwrap();
    change.capture().await.unwrap();
    change.copy(1).await.unwrap();
    change.discard().await.unwrap();
    let left =
        "SELECT GROUP_CONCAT(TABLE_NAME ORDER BY TABLE_NAME) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()
                AND TABLE_NAME LIKE '%cofferdam%'";
    assert_eq!(world.value(left).await, "_cofferdam_control,_cofferdam_online");
    assert_eq!(world.value("SELECT COUNT(*) FROM _cofferdam_online").await, "0");
}

async fn looked_at_early(mut world: World<'_>) {
    let all = outside::table(&world.database).unwrap();
    for sql in outside::creating(&all) {
        world.run(&sql).await;
        let seen = outside::states(&mut world.ground.link, &world.database).await;
        assert!(seen.unwrap().is_empty(), "{sql}");
    }
}

/// On a server of its own: it counts what all who are there read.
async fn cut(kind: Kind, server: Server) {
    let mut world = World::new(&server, kind, "d").await;
    // Wide rows and a narrow index, which a server may prefer to read.
    let digits = "(SELECT 0 d UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6 \
                  UNION SELECT 7 UNION SELECT 8 UNION SELECT 9)";
    world.run("CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL, note varchar(400), KEY n (n))").await;
    world
        .run(&format!(
            "INSERT INTO t SELECT id, id % 1000, REPEAT('x', 200) FROM (SELECT a.d + b.d * 10 + c.d * 100 + e.d * 1000 \
             + f.d * 10000 AS id FROM {digits} a, {digits} b, {digits} c, {digits} e, {digits} f) ids"
        ))
        .await;
    world.run("ANALYZE TABLE t").await;
    let change = Change::begin(&mut world.ground, &online("MODIFY n bigint NOT NULL"), 1).await.unwrap();
    let mut read = async || {
        let sql = "SHOW GLOBAL STATUS WHERE Variable_name IN ('Handler_read_next', 'Handler_read_rnd_next')";
        let found: Vec<(String, u64)> = world.app.query(sql).await.unwrap();
        found.iter().map(|(_, count)| count).sum::<u64>()
    };
    let before = read().await;
    change.cut_all().await.unwrap();
    // Each row once, and a little for what others of the server do.
    let rows = read().await - before;
    assert!(rows < 200_000, "{rows}");
}

#[test]
fn on_mysql_a_chunk_is_cut_without_reading_all_of_the_table() {
    on_own("on_mysql_a_chunk_is_cut_without_reading_all_of_the_table", Kind::MySql, &[], cut);
}

#[test]
fn on_mariadb_a_chunk_is_cut_without_reading_all_of_the_table() {
    on_own("on_mariadb_a_chunk_is_cut_without_reading_all_of_the_table", Kind::MariaDb, &[], cut);
}
