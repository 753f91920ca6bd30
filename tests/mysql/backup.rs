//! Backups: what is saved comes back, what cannot be saved is refused before anything is changed.

use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};

use cofferdam_scratch::mysql::Kind;

use crate::site::Site;
use crate::support::{Ended, ended, wait};

on_both! {
    every_type_comes_back_beside,
    what_is_destroyed_is_saved_first_and_comes_back,
    what_destroys_nothing_needs_no_backup_unless_always,
    what_cannot_be_saved_is_refused_before_anything_is_changed,
    without_the_right_to_try_it_is_not_called_verified,
    rows_are_put_back_only_where_somebody_agrees,
    a_restore_that_dies_is_repeated,
    writers_go_on_and_a_copy_is_of_one_moment,
    what_is_harmed_is_found_and_nothing_of_it_restored,
    what_is_encrypted_is_opened_with_the_key_only,
    a_table_of_many_batches_is_verified_and_comes_back,
    a_runner_that_dies_around_its_backup_is_gone_on_with,
    what_was_dropped_comes_back_by_a_rollback_that_may_restore,
    a_rollback_that_is_disturbed_after_it_had_restored_is_repeated,
}

/// A site with a folder for backups, and a database beside.
pub(crate) struct Place {
    pub(crate) site: Site,
    pub(crate) store: tempfile::TempDir,
    pub(crate) rescue: String,
}

impl Place {
    pub(crate) fn new(kind: Kind, name: &str, sql: &str) -> Option<Self> {
        let site = Site::new(kind, name)?;
        let rescue = format!("{}_r", site.database);
        site.server.create_database(&rescue).unwrap();
        site.query(sql);
        Some(Self { site, store: tempfile::tempdir().unwrap(), rescue })
    }

    pub(crate) fn to(&self) -> &str {
        self.store.path().to_str().unwrap()
    }

    /// A backup by hand, by name.
    fn taken(&self, more: &[&str]) -> String {
        let ended = self.site.must(&[&["backup", "--to", self.to(), "-o", "json"], more].concat());
        let document: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
        let backup = if document["data"].is_null() { &document } else { &document["data"] };
        assert_eq!(backup["verified"], true, "{}", ended.stdout);
        backup["id"].as_str().unwrap().to_owned()
    }

    /// The folders of the store that have a manifest.
    pub(crate) fn backups(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.store.path()).unwrap().map(|entry| entry.unwrap());
        let whole = entries.filter(|entry| entry.path().join("manifest.json").is_file());
        let mut names: Vec<String> = whole.map(|entry| entry.file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub(crate) fn manifest(&self, id: &str) -> serde_json::Value {
        let path = self.store.path().join(id).join("manifest.json");
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    fn restore(&self, id: &str, more: &[&str]) -> Ended {
        self.site.run(&[&["restore", id, "--to", self.to()], more].concat())
    }

    fn beside(&self, id: &str) {
        let done = self.restore(id, &["--into", &self.rescue]);
        assert_eq!(done.code, 0, "{}", done.stderr);
    }

    /// Every row of a table, sorted.
    pub(crate) fn rows(&self, table: &str) -> Vec<Vec<String>> {
        let mut rows = self.site.query(&format!("SELECT * FROM {table}"));
        rows.sort();
        rows
    }

    /// Tables of our own that a restore left.
    fn left_over(&self) -> String {
        self.site.one(
            "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_NAME LIKE '\\_cofferdam\\_re%'
             AND TABLE_NAME <> '_cofferdam_recall' AND TABLE_SCHEMA LIKE CONCAT(DATABASE(), '%')",
        )
    }

    /// What the journal says of backups: location, verified, how many tables.
    fn journal(&self) -> Vec<Vec<String>> {
        self.site.query(
            "SELECT JSON_UNQUOTE(JSON_EXTRACT(entry, '$.backup.location')), JSON_EXTRACT(entry, '$.backup.verified'),
                    JSON_LENGTH(JSON_EXTRACT(entry, '$.backup.tables'))
             FROM _cofferdam_journal WHERE JSON_UNQUOTE(JSON_EXTRACT(entry, '$.what')) = 'backed-up' ORDER BY seq",
        )
    }

    /// Dies at this failpoint, or fails there.
    fn disturbed(&self, arguments: &[&str], point: &str, action: &str) {
        let mut command = self.site.command(arguments);
        command.env("COFFERDAM_FAILPOINT", format!("{point}={action}"));
        let cut = wait(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
        assert_ne!(cut.code, 0, "{point} {action}: {}", cut.stdout);
    }
}

/// Every type, with the values that are easily lost. `MORE` and `VALUES` are of one server only.
const TYPES: &str = r#"
SET NAMES utf8mb4;
SET sql_mode = 'ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO';
SET time_zone = '+05:00';
CREATE TABLE `every ``type` (id bigint AUTO_INCREMENT PRIMARY KEY, ti tinyint, tb tinyint(1), si smallint unsigned,
    mi mediumint, i int zerofill, bu bigint unsigned, de decimal(65,30), d2 decimal(10,2), f float, f2 float(7,2),
    db double, d3 double(10,2), b1 bit(1), b64 bit(64), y year, da date, tm time(6), dt datetime(6),
    ts timestamp(6) NULL, c char(5), vc varchar(200), la varchar(50) CHARACTER SET latin1,
    sj varchar(50) CHARACTER SET sjis, u16 text CHARACTER SET utf16, bi binary(4), vb varbinary(300), bl longblob,
    tx longtext COLLATE utf8mb4_bin, en enum('a''b','c,d','e\\f','ü(','3') CHARACTER SET latin1, st set('x','y','z'),
    big set(MEMBERS), js json, g geometry, p point,
    tw bigint GENERATED ALWAYS AS (ti * 2) VIRTUAL, ts2 bigint GENERATED ALWAYS AS (ti * 3) STORED,
    `odd ``näme` text, MORE);
INSERT INTO `every ``type` (id, ti, tb, si, mi, i, bu, de, d2, f, f2, db, d3, b1, b64, y, da, tm, dt, ts, c, vc, la, sj,
    u16, bi, vb, bl, tx, en, st, big, js, g, p, `odd ``näme`)
VALUES (1, -128, 1, 65535, -8388608, 42, 18446744073709551615,
    -12345678901234567890123456789012345.123456789012345678901234567891, 1.10, 0.1, 12345.67, 0.1e0 + 0.2e0, 1.10, b'1',
    b'1000000000000000000000000000000000000000000000000000000000000001', 2155, '9999-12-31', '-838:59:59',
    '2026-02-31 23:59:59.999999', '2026-03-29 02:30:00.123456', 'a ', 'tab\t\\N line\n ', _latin1 x'e9a4', _sjis x'955c',
    'ü€😀', x'00ff00', x'ALLBYTES', x'', 'a\0b\r\n', 'e\\f', 'x,z', 9223372036854775809,
    '{"b": 1.5, "a": [1, null, "ü😀\\n"], "c": 12345678901234567890}',
    ST_GeomFromText('POLYGON((0 0, 3 0, 3 3, 0 0))'), ST_GeomFromText('POINT(1.5 -2)', 4326), 'x'),
  (0, 0, 0, 0, 0, 0, 0, 0, 0, -1 / 3, -0.01, -1e308, 0, b'0', b'0', 0, '0000-00-00', '00:00:00', '0000-00-00 00:00:00',
    '0000-00-00 00:00:00', '', '', '', '', '', '', '', '', '', 0, '', 0, 'null', NULL, NULL, ''),
  (2, 1, 1, 1, 1, 1, 1, 1, 1, 16777217, 99999.99, 5e-324, 1, b'1', 7, '2026', '2026-00-00', '12:00:00.000001',
    '1000-01-01', '2037-01-01', 'ab', 'Ab', 'Ab', 'ab', 'A', x'20', x'2020', 0x5c4e, 'AB', '3', 'y', 1, '"text"', NULL, NULL, 'y');
INSERT INTO `every ``type` (id) VALUES (3);
VALUES
CREATE TABLE nothing (id int PRIMARY KEY);
CREATE TABLE keyless (a int, b varchar(10));
INSERT INTO keyless VALUES (1, 'x'), (1, 'x'), (NULL, 'y');
CREATE TABLE parted (a int, b int, PRIMARY KEY (b, a)) PARTITION BY HASH (a) PARTITIONS 3;
INSERT INTO parted VALUES (1, 9), (2, 8), (3, 7);
CREATE VIEW seen AS SELECT * FROM keyless;
CREATE TABLE `beginning` (name text, PRIMARY KEY (name(4)));
INSERT INTO `beginning` VALUES ('one'), ('another one')"#;

/// The same values by each column, with their types.
#[track_caller]
fn same(place: &Place, table: &str) {
    let (site, rescue) = (&place.site, &place.rescue);
    let columns = |schema: &str| {
        let sql = format!(
            "SELECT COLUMN_NAME, COLUMN_TYPE, COLLATION_NAME, IS_NULLABLE FROM information_schema.COLUMNS
             WHERE TABLE_SCHEMA = '{schema}' AND TABLE_NAME = '{table}' ORDER BY ORDINAL_POSITION"
        );
        site.query(&sql)
    };
    let mut columns_here = columns(&site.database);
    // How MariaDB keeps it is not what it holds.
    columns_here.iter_mut().for_each(|row| row[1] = row[1].split(" /*").next().unwrap().to_owned());
    assert_eq!(columns(rescue), columns_here, "{table}");
    let quoted = |name: &str| format!("`{}`", name.replace('`', "``"));
    let names: Vec<String> = columns_here.iter().map(|row| quoted(&row[0])).collect();
    let values = |schema: &str| {
        let value = |(name, row): (&String, &Vec<String>)| match row[1].starts_with("float") {
            true => format!("HEX(CAST({name} + 0e0 AS CHAR))"),
            false => format!("HEX(CAST({name} AS BINARY))"),
        };
        let values: Vec<String> = names.iter().zip(&columns_here).map(value).collect();
        let mut rows = site.query(&format!("SELECT {} FROM `{schema}`.{}", values.join(", "), quoted(table)));
        rows.sort();
        rows
    };
    assert_eq!(values(rescue), values(&site.database), "{table}");
}

fn every_type_comes_back_beside(kind: Kind) {
    let members: Vec<String> = (0..64).map(|n| format!("'m{n}'")).collect();
    let bytes: String = (0..=255).map(|byte: u8| format!("{byte:02x}")).collect();
    let (more, values) = match kind {
        Kind::MySql => {
            ("v vector(3)", "UPDATE `every ``type` SET v = STRING_TO_VECTOR('[1,-2.5,3]') WHERE id = 1;")
        }
        Kind::MariaDb => (
            "u uuid, six inet6, packed varchar(100) COMPRESSED",
            "UPDATE `every ``type` SET u = '123e4567-e89b-12d3-a456-426655440000', six = '::ffff:1.2.3.4',
             packed = REPEAT('ab', 50) WHERE id = 1;",
        ),
    };
    let sql = TYPES.replace("MEMBERS", &members.join(",")).replace("ALLBYTES", &bytes);
    let sql = sql.replace("MORE)", &format!("{more})")).replace("\nVALUES\n", &format!("\n{values}\n"));
    let Some(place) = Place::new(kind, "types", &sql) else { return };
    let id = place.taken(&[]);
    let manifest = place.manifest(&id);
    let saved: Vec<&str> = manifest["tables"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t["shape"]["table"]["name"].as_str().unwrap())
        .collect();
    let mut expected = ["beginning", "nothing", "every `type", "keyless", "parted"];
    expected.sort_unstable();
    assert_eq!(saved, expected, "the view is no table");
    place.beside(&id);
    for table in expected {
        same(&place, table);
    }
    assert_eq!(
        place.site.one(&format!(
            "SELECT HEX(CAST(big AS UNSIGNED)) FROM `{}`.`every ``type` WHERE id = 1",
            place.rescue
        )),
        "8000000000000001"
    );
    let key = "SELECT GROUP_CONCAT(COLUMN_NAME ORDER BY SEQ_IN_INDEX) FROM information_schema.STATISTICS
               WHERE TABLE_SCHEMA = '{}' AND TABLE_NAME = 'parted' AND INDEX_NAME = 'PRIMARY'";
    assert_eq!(place.site.one(&key.replace("{}", &place.rescue)), "b,a");
    assert_eq!(place.left_over(), "0");
    let again = place.restore(&id, &["--into", &place.rescue]);
    assert!(again.code == 1 && again.stderr.contains("CF3210"), "{}", again.stderr);
    // One value that is other than it was is another sum.
    let verify = || place.site.run(&["backup", "verify", &id, "--to", place.to()]);
    assert!(verify().stdout.contains("verified: restored"), "{}", verify().stdout);
}

const SHOP: &str = "
CREATE TABLE orders (id int PRIMARY KEY, v varchar(20));
CREATE TABLE items (id int PRIMARY KEY, o int, FOREIGN KEY (o) REFERENCES orders (id) ON DELETE CASCADE);
CREATE TABLE kept (id int PRIMARY KEY);
INSERT INTO kept VALUES (1);
INSERT INTO orders SELECT a.n * 100 + b.n, CONCAT('v', a.n) FROM
    (WITH RECURSIVE s AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM s WHERE n < 20) SELECT n FROM s) a,
    (WITH RECURSIVE s AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM s WHERE n < 100) SELECT n FROM s) b;
INSERT INTO items SELECT id, id FROM orders;
";

const AGREED: &[&str] = &[
    "--allow=drop-table=a test",
    "--allow=drop-column=a test",
    "--allow=dml-unbounded=a test",
    "--allow=truncate=a test",
];

fn shop(kind: Kind, name: &str, change: &str) -> Option<Place> {
    let place = Place::new(kind, name, SHOP)?;
    place.site.file("V1__change.sql", change);
    Some(place)
}

pub(crate) fn apply<'a>(place: &'a Place, more: &[&'a str]) -> Vec<&'a str> {
    [&["apply", "--backup-to", place.to()], AGREED, more].concat()
}

fn what_is_destroyed_is_saved_first_and_comes_back(kind: Kind) {
    for (name, change, tables) in [
        ("drop", "DROP TABLE items;", &["items"][..]),
        ("column", "ALTER TABLE orders DROP COLUMN v;", &["orders"]),
        ("delete", "DELETE FROM orders;", &["items", "orders"]),
        ("empty", "TRUNCATE TABLE items;", &["items"]),
        ("update", "UPDATE orders SET v = NULL;", &["orders"]),
        ("replace", "REPLACE INTO kept VALUES (1);", &["kept"]),
    ] {
        let Some(place) = shop(kind, &format!("saved_{name}"), change) else { return };
        let before: Vec<_> = tables.iter().map(|table| place.rows(table)).collect();
        let done = place.site.must(&apply(&place, &[]));
        assert!(done.stderr.contains("verified"), "{name}: {}", done.stderr);
        let journal = place.journal();
        assert_eq!(journal.len(), 1, "{name}");
        let id = place.backups().remove(0);
        assert!(journal[0][0].ends_with(&id) && journal[0][1] == "true", "{name}: {journal:?}");
        let saved = place.manifest(&id)["tables"].as_array().unwrap().clone();
        let saved: Vec<&str> = saved.iter().map(|t| t["shape"]["table"]["name"].as_str().unwrap()).collect();
        // Rows that are changed along are saved, too.
        assert!(tables.iter().all(|table| saved.contains(table)), "{name}: {saved:?}");
        place.beside(&id);
        for (table, before) in tables.iter().zip(before) {
            assert_eq!(place.rows(&format!("{}.{table}", place.rescue)), before, "{name}: {table}");
        }
        place.site.assert_sound();
    }
}

fn what_destroys_nothing_needs_no_backup_unless_always(kind: Kind) {
    let Some(place) = shop(kind, "harmless", "ALTER TABLE kept ADD COLUMN x int;") else { return };
    place.site.must(&apply(&place, &[]));
    assert_eq!((place.backups().len(), place.journal().len()), (0, 0));
    place.site.file("V2__more.sql", "ALTER TABLE kept ADD COLUMN y int;");
    place.site.must(&apply(&place, &["--backup", "always"]));
    assert_eq!((place.backups().len(), place.journal().len()), (1, 1));
}

fn what_cannot_be_saved_is_refused_before_anything_is_changed(kind: Kind) {
    // The first migration is harmless; it is not applied either.
    let Some(place) = shop(kind, "unsaved", "CREATE TABLE first (id int PRIMARY KEY);") else { return };
    let change = |text: &str| {
        place.site.file("V2__change.sql", text);
    };
    let untouched = |arguments: &[&str], code: &str, words: &str| {
        let refused = place.site.run(arguments);
        let said = &refused.stderr;
        assert!(refused.code != 0 && said.contains(code) && said.contains(words), "{code}: {said}");
        assert!(!place.site.tables().contains(&"first".to_owned()), "{code}: {said}");
        assert_eq!((place.rows("items").len(), place.backups().len()), (2000, 0), "{code}");
    };
    change("DROP TABLE items;");
    untouched(&[&["apply", "--backup", "destructive"], AGREED].concat(), "CF3204", "no place");
    untouched(&[&["apply", "--backup-to", "/no/such/folder"], AGREED].concat(), "CF3201", "folder");
    // What it deletes cannot be read.
    let several = "DELETE items, orders FROM items JOIN orders ON items.o = orders.id;";
    change(several);
    untouched(&apply(&place, &[]), "CF3209", "--backup-table");
    place.site.must(&apply(&place, &["--backup-table", "items", "--backup-table", "orders"]));
    assert_eq!((place.rows("items").len(), place.backups().len()), (0, 1));
    place.beside(&place.backups()[0]);
    assert_eq!(place.rows(&format!("{}.items", place.rescue)).len(), 2000);

    // Tables that no snapshot reads.
    let Some(place) = shop(kind, "unread", "DROP TABLE old;") else { return };
    let mut unread = vec![("CREATE TABLE old (id int PRIMARY KEY) ENGINE = MyISAM", "MyISAM")];
    if kind == Kind::MariaDb {
        unread.push(("CREATE TABLE old (id int PRIMARY KEY) WITH SYSTEM VERSIONING", "SYSTEM VERSIONING"));
    }
    for (sql, words) in unread {
        place.site.query(&format!("{sql}; INSERT INTO old VALUES (1)"));
        let refused = place.site.run(&apply(&place, &[]));
        assert!(refused.code == 1 && refused.stderr.contains("CF3204"), "{}", refused.stderr);
        assert!(refused.stderr.contains(words), "{}", refused.stderr);
        assert_eq!((place.site.one("SELECT id FROM old"), place.backups().len()), ("1".into(), 0));
        place.site.query("DROP TABLE old");
    }
}

fn without_the_right_to_try_it_is_not_called_verified(kind: Kind) {
    let Some(place) = shop(kind, "untried", "DROP TABLE items;") else { return };
    let (database, server) = (&place.site.database, place.site.server);
    server
        .query(
            None,
            &format!(
                "CREATE USER {database}_u@'%' IDENTIFIED BY 'u';
                 GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP ON {database}.* TO {database}_u@'%'"
            ),
        )
        .unwrap();
    let (scheme, rest) = place.site.url.split_once("://").unwrap();
    let at = rest.rsplit_once('@').map_or(rest, |(_, at)| at);
    let url = format!("{scheme}://{database}_u:u@{at}");
    let with = |more: &[&str]| ended(&mut place.site.elsewhere(&url, &apply(&place, more)));
    let refused = with(&[]);
    assert!(refused.code == 1 && refused.stderr.contains("CF3206"), "{}", refused.stderr);
    assert!(refused.stderr.contains("CREATE TEMPORARY TABLES"), "{}", refused.stderr);
    assert_eq!((place.rows("items").len(), place.backups().len()), (2000, 0));
    let done = with(&["--allow=unverified-backup=there is no right"]);
    assert!(done.code == 0 && done.stderr.contains("taken, not verified"), "{}", done.stderr);
    assert_eq!(place.journal()[0][1], "false");
}

const REPLACED: &str = "
CREATE TABLE t (id int AUTO_INCREMENT PRIMARY KEY, v varchar(50) CHARACTER SET latin1,
    n int, twice int GENERATED ALWAYS AS (n * 2) STORED);
INSERT INTO t (v, n) WITH RECURSIVE s AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM s WHERE n < 900)
    SELECT CONCAT('é', n), n FROM s;
CREATE TABLE other (id int PRIMARY KEY);
INSERT INTO other VALUES (1);
";

fn rows_are_put_back_only_where_somebody_agrees(kind: Kind) {
    let Some(place) = Place::new(kind, "replaced", &format!("SET NAMES utf8mb4; {REPLACED}")) else { return };
    let before = place.rows("t");
    let id = place.taken(&[]);
    place.site.query("DELETE FROM t WHERE id % 2 = 0; UPDATE t SET v = 'x' WHERE id < 100; INSERT INTO t (v) VALUES ('new')");
    let harmed = place.rows("t");
    let restore = |table: &str, more: &[&str]| place.restore(&id, &[&["--table", table], more].concat());
    assert!(restore("t", &[]).stderr.contains("CF3210"));
    let asked = restore("t", &["--replace"]);
    assert!(asked.code == 8 && asked.stderr.contains("CF3211"), "{}", asked.stderr);
    // What is in the way of putting them back, and how it goes.
    for (make, unmake, words) in [
        (
            "CREATE TRIGGER spoil BEFORE INSERT ON t FOR EACH ROW SET NEW.v = 'spoilt'",
            "DROP TRIGGER spoil",
            "the trigger spoil",
        ),
        ("ALTER TABLE t ADD COLUMN more int", "ALTER TABLE t DROP COLUMN more", "more is not in the backup"),
        // Its bytes would be taken for other characters.
        (
            "ALTER TABLE t MODIFY v varchar(50) CHARACTER SET utf8mb4",
            "ALTER TABLE t MODIFY v varchar(50) CHARACTER SET latin1",
            "v has another type",
        ),
        (
            "CREATE TABLE child (id int PRIMARY KEY, FOREIGN KEY (id) REFERENCES t (id) ON DELETE CASCADE);
             INSERT INTO child VALUES (1)",
            "DROP TABLE child",
            "a foreign key of",
        ),
    ] {
        place.site.query(make);
        let refused = restore("t", &["--replace", "--yes"]);
        assert!(refused.code == 1 && refused.stderr.contains("CF3210"), "{make}: {}", refused.stderr);
        assert!(refused.stderr.contains(words), "{make}: {}", refused.stderr);
        if make.contains("child") {
            assert_eq!(place.rows("child").len(), 1);
        }
        place.site.query(unmake);
        assert_eq!(place.rows("t"), harmed, "{make}");
    }
    let done = restore("t", &["--replace", "--yes"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert_eq!((place.rows("t"), place.left_over()), (before, "0".into()));
    place.site.query("INSERT INTO t (v) VALUES ('goes on')");
}

fn a_restore_that_dies_is_repeated(kind: Kind) {
    let Some(place) = Place::new(kind, "dies", &format!("SET NAMES utf8mb4; {REPLACED}")) else { return };
    let before = place.rows("t");
    let id = place.taken(&["--table", "t"]);
    place.site.query("DELETE FROM t WHERE id > 100");
    let harmed = place.rows("t");
    let replace = ["restore", &id, "--to", place.to(), "--replace", "--yes"];
    for point in ["backup.beside", "backup.replaced"] {
        for action in ["kill", "error"] {
            place.disturbed(&replace, point, action);
            crate::support::until("its transaction is gone", || place.rows("t") == harmed);
        }
    }
    // The server may not have noticed yet that one of those before is gone, which keeps the lock of the restore.
    crate::support::until("it is put back", || place.site.run(&replace).code == 0);
    assert_eq!((place.rows("t"), place.left_over()), (before.clone(), "0".into()));
    // Into a table that is not there: none of this name until it is whole.
    place.site.query("DROP TABLE t");
    for action in ["kill", "error"] {
        place.disturbed(&["restore", &id, "--to", place.to()], "backup.beside", action);
        assert!(!place.site.tables().contains(&"t".to_owned()), "{action}");
    }
    // As above.
    crate::support::until("it is restored", || place.restore(&id, &[]).code == 0);
    assert_eq!((place.rows("t"), place.left_over()), (before, "0".into()));
}

fn writers_go_on_and_a_copy_is_of_one_moment(kind: Kind) {
    // Two accounts whose sum never changes.
    let sql = "CREATE TABLE a (id int PRIMARY KEY, v bigint); CREATE TABLE b (id int PRIMARY KEY, v bigint);
        INSERT INTO a SELECT x.n * 100 + y.n, 100 FROM
            (WITH RECURSIVE s AS (SELECT 0 AS n UNION ALL SELECT n + 1 FROM s WHERE n < 99) SELECT n FROM s) x,
            (WITH RECURSIVE s AS (SELECT 0 AS n UNION ALL SELECT n + 1 FROM s WHERE n < 99) SELECT n FROM s) y;
        INSERT INTO b SELECT * FROM a";
    let Some(place) = Place::new(kind, "writers", sql) else { return };
    let stop = AtomicBool::new(false);
    let id = std::thread::scope(|threads| {
        for seed in 1..=2 {
            let (place, stop) = (&place, &stop);
            threads.spawn(move || {
                let mut n = seed * 7919;
                while !stop.load(Ordering::SeqCst) {
                    n = (n * 7 + 3) % 10_000;
                    // Two writers may meet; then one of them wrote nothing.
                    let _ = place.site.server.query(
                        Some(&place.site.database),
                        &format!(
                            "START TRANSACTION; UPDATE a SET v = v - 1 WHERE id = {n};
                             UPDATE b SET v = v + 1 WHERE id = {n}; COMMIT"
                        ),
                    );
                }
            });
        }
        crate::support::until("somebody wrote", || place.site.one("SELECT SUM(v) FROM a") != "1000000");
        let before = place.site.one("SELECT SUM(v) FROM a");
        let id = place.taken(&["--table", "a", "--table", "b"]);
        crate::support::until("they go on", || place.site.one("SELECT SUM(v) FROM a") != before);
        stop.store(true, Ordering::SeqCst);
        id
    });
    place.beside(&id);
    let rescue = &place.rescue;
    let unequal =
        format!("SELECT COUNT(*) FROM {rescue}.a JOIN {rescue}.b USING (id) WHERE a.v + b.v <> 200");
    assert_eq!(place.site.one(&unequal), "0");
    assert_ne!(place.site.one(&format!("SELECT SUM(v) FROM {rescue}.a")), "1000000");
}

fn what_is_harmed_is_found_and_nothing_of_it_restored(kind: Kind) {
    let sql = "CREATE TABLE t (id int, w varchar(9));
        INSERT INTO t WITH RECURSIVE s AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM s WHERE n < 900) SELECT n, 'w' FROM s";
    let Some(place) = Place::new(kind, "harmed", sql) else { return };
    let id = place.taken(&[]);
    let folder = place.store.path().join(&id);
    let mut manifest = place.manifest(&id);
    let part = folder.join(manifest["tables"][0]["parts"][0]["object"].as_str().unwrap());
    let whole = std::fs::read(&part).unwrap();
    let nothing = |code: &str| {
        let refused = place.restore(&id, &["--into", &place.rescue]);
        assert!(refused.code == 1 && refused.stderr.contains(code), "{code}: {}", refused.stderr);
        let there =
            format!("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = '{}'", place.rescue);
        assert_eq!(place.site.one(&there), "0", "{code}");
    };
    std::fs::write(&part, &whole[..whole.len() - 3]).unwrap();
    nothing("CF3205");
    // Another part whose digest was made to fit: other rows, and what are no rows of the table.
    let mut forged = |text: &[u8]| {
        let other = zstd::bulk::compress(text, 3).unwrap();
        std::fs::write(&part, &other).unwrap();
        let first = &mut manifest["tables"][0]["parts"][0];
        first["bytes"] = other.len().into();
        first["holds"] = text.len().into();
        first["sha256"] = cofferdam_core::plan::sha256_hex(&other).into();
        std::fs::write(folder.join("manifest.json"), manifest.to_string()).unwrap();
    };
    for text in [&b"1\tw\n"[..], b"1\n", b"1\tw", b"1\tw\tmore\n"] {
        forged(text);
        nothing("CF3205");
    }
    // A manifest that would have something carried out, and one of another kind of database.
    let original = place.manifest(&id);
    let evil = |change: &dyn Fn(&mut serde_json::Value), code: &str| {
        let mut evil = original.clone();
        change(&mut evil["tables"][0]["shape"]);
        std::fs::write(folder.join("manifest.json"), evil.to_string()).unwrap();
        nothing(code);
        assert_eq!(place.site.one("SELECT COUNT(*) FROM t"), "900");
    };
    evil(&|shape| shape["columns"][0]["ty"]["name"] = "int); DROP TABLE t; --".into(), "CF3210");
    evil(&|shape| shape["columns"][1]["collation"] = "utf8mb4_bin DEFAULT (SLEEP(9))".into(), "CF3205");
    evil(&|shape| shape["columns"][0]["attributes"] = serde_json::json!(["unsigned, x int"]), "CF3205");
    evil(&|shape| shape["encoding"] = "binary".into(), "CF3210");
}

fn what_is_encrypted_is_opened_with_the_key_only(kind: Kind) {
    let sql = "CREATE TABLE t (v varchar(20)); INSERT INTO t VALUES ('canary'), ('other')";
    let Some(place) = Place::new(kind, "age", sql) else { return };
    // The pair that the tests of age use.
    let public = "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa";
    let secret = "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33";
    let id = place.taken(&["--encrypt-to", public]);
    let object = place.manifest(&id)["tables"][0]["parts"][0]["object"].as_str().unwrap().to_owned();
    let stored = std::fs::read(place.store.path().join(&id).join(object)).unwrap();
    assert!(stored.starts_with(b"age-encryption.org/v1"));
    assert!(place.restore(&id, &["--into", &place.rescue]).stderr.contains("CF3208"));
    let identity = place.store.path().join("identity.txt");
    std::fs::write(&identity, format!("{secret}\n")).unwrap();
    let with = ["--into", &place.rescue, "--identity", identity.to_str().unwrap()];
    let done = place.restore(&id, &with);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert_eq!(place.rows(&format!("{}.t", place.rescue)), place.rows("t"));
}

/// Larger than what is restored at a time, with rows that are longer than a statement, and many small ones.
fn a_table_of_many_batches_is_verified_and_comes_back(kind: Kind) {
    let sql = "CREATE TABLE small (id int PRIMARY KEY, note varchar(300));
        INSERT INTO small SELECT x.n * 1000 + y.n, REPEAT(MD5(x.n * y.n), 8) FROM
            (WITH RECURSIVE s AS (SELECT 0 AS n UNION ALL SELECT n + 1 FROM s WHERE n < 59) SELECT n FROM s) x,
            (WITH RECURSIVE s AS (SELECT 0 AS n UNION ALL SELECT n + 1 FROM s WHERE n < 999) SELECT n FROM s) y;
        CREATE TABLE large (id int, note longblob);
        INSERT INTO large VALUES (1, REPEAT(x'005c0a09ff', 1900000)), (2, REPEAT('b', 300000)), (3, NULL), (4, REPEAT('c', 9000000))";
    // MySQL has no MD5 any more where its component is not there.
    let sql = sql.replace("MD5(", "SHA(").replace("SHA(x.n * y.n)", "LEFT(SHA2(x.n * y.n, 256), 32)");
    let Some(place) = Place::new(kind, "batches", &sql) else { return };
    let id = place.taken(&[]);
    let manifest = place.manifest(&id);
    assert!(manifest["tables"][1]["parts"].as_array().unwrap().len() > 1, "{manifest:#}");
    place.beside(&id);
    for (table, column) in [("small", "note"), ("large", "note")] {
        let sum = |schema: &str| {
            place.site.query(&format!(
                "SELECT COUNT(*), SUM(CRC32({column})), SUM(id), SUM(LENGTH({column})) FROM `{schema}`.{table}"
            ))
        };
        assert_eq!(sum(&place.rescue), sum(&place.site.database), "{table}");
    }
}

fn a_runner_that_dies_around_its_backup_is_gone_on_with(kind: Kind) {
    for (point, whole) in [
        ("backup.table", 0),
        ("backup.before-manifest", 0),
        ("backup.sealed", 1),
        ("run.opened", 1),
        ("loose.performed", 1),
    ] {
        let name = format!("cut_{}", point.replace(['.', '-'], "_"));
        let Some(place) = shop(kind, &name, "DROP TABLE items, orders;") else { return };
        place.disturbed(&apply(&place, &[]), point, "kill");
        assert_eq!(place.backups().len(), whole, "{point}");
        place.site.must(&apply(&place, &["--lock-wait", "60s"]));
        // A backup that the journal knows is not taken again.
        let known = place.journal();
        assert_eq!(known.len(), 1, "{point}");
        place.site.must(&["restore", &known[0][0], "--into", &place.rescue]);
        for table in ["items", "orders"] {
            assert_eq!(place.rows(&format!("{}.{table}", place.rescue)).len(), 2000, "{point}: {table}");
        }
        place.site.assert_sound();
    }
}

/// The table with its rows, the other steps undone, and the history says so.
fn what_was_dropped_comes_back_by_a_rollback_that_may_restore(kind: Kind) {
    let Some(place) = shop(kind, "back", "ALTER TABLE kept ADD COLUMN more int;\nDROP TABLE items;") else {
        return;
    };
    let before = place.rows("items");
    place.site.must(&apply(&place, &[]));
    let plain = place.site.run(&["rollback", "--yes"]);
    assert!(plain.code == 1 && plain.stderr.contains("CF2401"), "{}", plain.stderr);
    let command = format!("cofferdam restore {}/{}", place.to(), place.backups()[0]);
    assert!(plain.stderr.contains(&command), "{}", plain.stderr);
    // What would be missing is shown, and nobody is here who could agree.
    let asked = place.site.run(&["rollback", "--restore"]);
    assert_eq!(asked.code, 8, "{}", asked.stderr);
    for words in [".items after 20", "2000 rows", "foreign keys"] {
        assert!(asked.stderr.contains(words), "{words}: {}", asked.stderr);
    }
    assert!(!place.site.tables().contains(&"items".to_owned()));
    place.site.must(&["rollback", "--restore", "--yes"]);
    assert_eq!((place.rows("items"), place.rows("kept")), (before, vec![vec!["1".to_owned()]]));
    assert_eq!(place.site.history(), []);
    place.site.assert_sound();
}

/// Between the restore and the first row of the run: whoever comes next finds the tables and goes on.
fn a_rollback_that_is_disturbed_after_it_had_restored_is_repeated(kind: Kind) {
    for point in ["backup.beside", "backup.restored"] {
        for action in ["kill", "error"] {
            let name = format!("again_{action}_{}", point.replace('.', "_"));
            let Some(place) = shop(kind, &name, "ALTER TABLE kept ADD COLUMN more int;\nDROP TABLE items;")
            else {
                return;
            };
            // A value that the server computes is a value like any other in what is restored.
            place.site.query("ALTER TABLE items ADD COLUMN twice int GENERATED ALWAYS AS (id * 2) STORED");
            let before = place.rows("items");
            place.site.must(&apply(&place, &[]));
            place.disturbed(&["rollback", "--restore", "--yes"], point, action);
            let there = place.site.tables().contains(&"items".to_owned());
            assert_eq!(there, point == "backup.restored", "{point} {action}");
            // Nothing says yet that anything was taken back.
            assert_eq!(place.site.history().len(), 1, "{point} {action}");
            crate::support::until("it is taken back", || {
                place.site.run(&["rollback", "--restore", "--yes", "--lock-wait", "60s"]).code == 0
            });
            assert_eq!(place.rows("items"), before, "{point} {action}");
            assert_eq!((place.site.history(), place.left_over()), (vec![], "0".into()), "{point} {action}");
            place.site.assert_sound();
        }
    }
}
