//! There and back.

use std::process::Stdio;

use cofferdam_core::plan::sha256_hex as sha;

use crate::place::Place;
use crate::support::wait;

/// Every common type, with the values that are easily lost.
const TYPES: &str = r#"
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN small AS int CHECK (VALUE < 100);
CREATE TABLE "Every ""type" (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, b bool, i2 int2, i4 int4, f4 float4, f8 float8,
    n numeric, n2 numeric(10, 2), t text, v varchar(20), c char(5), q "char", na name, by bytea, d date,
    ti time(3), tz timetz, ts timestamp, tsz timestamptz(3), iv interval, u uuid, j json, jb jsonb, x xml,
    ip inet, ci cidr, mac macaddr, bi bit(4), vb varbit, p point, bo box, r int4range, tr tstzrange,
    a int[], a2 text[][], m mood, ma mood[], co pair, ca pair[], dm small, tv tsvector, l pg_lsn, o oid, mo money,
    "odd ""name" text, twice int GENERATED ALWAYS AS (i4 * 2) STORED);
INSERT INTO "Every ""type" (b, i2, i4, f4, f8, n, n2, t, v, c, q, na, by, d, ti, tz, ts, tsz, iv, u, j, jb, x, ip, ci,
    mac, bi, vb, p, bo, r, tr, a, a2, m, ma, co, ca, dm, tv, l, o, mo, "odd ""name")
VALUES (true, -32768, 1073741823, '-0', 'NaN', 'NaN', 1.10, E'tab\t\\N line\n', 'ü€😀', 'a', 'x', 'n', '\x00ff00',
    'infinity', '23:59:59.999', '12:00+02', '-infinity', '2026-11-21 20:00:00.123+00', '1 mon -3 days 4.5 sec',
    '00000000-0000-0000-0000-000000000001', '{"a" :  1}', '{"b": [1, null]}', '<a>b</a>', '::1', '10.0.0.0/8',
    '08:00:2b:01:02:03', '1010', '1', '(1.5,-2)', '(1,1),(0,0)', '[1,5)', '[2026-01-01,)', '{1,NULL,3}',
    '{{a,b},{NULL,""}}', 'sad', '{ok,sad}', '(1,"x,y")', '{"(1,a)"}', 42, 'fat:2 cat:1', '16/B374D848', 4294967295,
    '12.34', 'x'), (DEFAULT, DEFAULT, DEFAULT, DEFAULT, '0.1', 1.00, 1, '', DEFAULT, DEFAULT, DEFAULT, DEFAULT, '',
    DEFAULT, DEFAULT, DEFAULT, DEFAULT, DEFAULT, DEFAULT, DEFAULT, DEFAULT, DEFAULT, DEFAULT, DEFAULT, DEFAULT,
    DEFAULT, DEFAULT, DEFAULT, DEFAULT, DEFAULT, DEFAULT, DEFAULT, DEFAULT, DEFAULT, DEFAULT, DEFAULT, DEFAULT,
    DEFAULT, DEFAULT, DEFAULT, DEFAULT, DEFAULT, DEFAULT, DEFAULT);
CREATE TABLE plain (b bool, f4 float4, f8 float8, n numeric(20, 5), t text, by bytea, tsz timestamptz, a int[], iv interval);
INSERT INTO plain SELECT i % 2 = 0, i / 3.0, -i / 7.0, i / 9.0, 'row ' || i, decode(md5(i::text), 'hex'),
    timestamptz '2026-01-01' + i * interval '1 second', ARRAY[i, NULL], i * interval '1 hour'
    FROM generate_series(1, 1000) i;
CREATE TABLE nothing ();
INSERT INTO nothing DEFAULT VALUES;
CREATE TABLE empty (id int PRIMARY KEY);
CREATE TABLE parted (id int, at date) PARTITION BY RANGE (id);
CREATE TABLE parted_a PARTITION OF parted FOR VALUES FROM (0) TO (10);
CREATE TABLE parted_b PARTITION OF parted FOR VALUES FROM (10) TO (20);
INSERT INTO parted SELECT i, '2026-01-01' FROM generate_series(0, 19) i;
CREATE TABLE parent (id int); CREATE TABLE child (more text) INHERITS (parent);
INSERT INTO parent VALUES (1); INSERT INTO child VALUES (2, 'two');
CREATE SCHEMA rescue"#;

#[test]
fn every_type_comes_back_beside() {
    let place = Place::new("backup_types", TYPES);
    let id = place.taken(&[]);
    let tables: Vec<(String, String)> = place.manifest(&id)["tables"]
        .as_array()
        .unwrap()
        .iter()
        .map(|table| {
            let shape = &table["shape"];
            (shape["table"]["name"].as_str().unwrap().into(), shape["encoding"].as_str().unwrap().into())
        })
        .collect();
    let names: Vec<&str> = tables.iter().map(|(name, _)| name.as_str()).collect();
    // A partitioned table is one; a table with children is itself alone.
    assert_eq!(names, ["Every \"type", "child", "empty", "nothing", "parent", "parted", "plain"]);
    assert_eq!(tables[0].1, "text", "it has types of its own");
    assert_eq!(tables[6].1, "binary");
    place.bench.must(&["restore", &id, "--to", place.to(), "--into", "rescue"]);
    for (table, only) in [
        ("\"Every \"\"type\"", ""),
        ("plain", ""),
        ("nothing", ""),
        ("empty", ""),
        ("parted", ""),
        ("parent", "ONLY "),
        ("child", ""),
    ] {
        assert_eq!(place.rows(&format!("rescue.{table}")), place.rows(&format!("{only}{table}")), "{table}");
    }
    let printed = |schema: &str| {
        place.bench.query(&format!(
            "SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull FROM pg_attribute a
             WHERE a.attrelid = '{schema}.\"Every \"\"type\"'::regclass AND a.attnum > 0 ORDER BY a.attnum"
        ))
    };
    assert_eq!(printed("rescue"), printed("public"));
    assert_eq!(
        place
            .bench
            .one("SELECT count(*) FROM pg_index WHERE indisprimary AND indrelid = 'rescue.empty'::regclass"),
        "1"
    );
    let again = place.run(&["restore", &id, "--to", place.to(), "--into", "rescue"]);
    assert!(again.code == 1 && again.stderr.contains("CF3210"), "{}", again.stderr);
}

#[test]
fn rows_are_put_back_only_where_somebody_agrees() {
    let place = Place::new(
        "backup_replace",
        "CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text, twice int GENERATED ALWAYS AS (id * 2) STORED);
         INSERT INTO t (v) SELECT 'v' || i FROM generate_series(1, 100000) i;
         CREATE TABLE other (id int PRIMARY KEY); CREATE TABLE of (id int REFERENCES other); INSERT INTO other VALUES (1)",
    );
    let before = place.rows("t");
    let id = place.taken(&["--table", "t", "--table", "other"]);
    place.bench.query("DELETE FROM t WHERE id % 2 = 0; UPDATE t SET v = 'x' WHERE id < 100; INSERT INTO t (v) VALUES ('new')");
    let harmed = place.rows("t");
    let restore = |more: &[&str]| {
        let mut all = vec!["restore", &id, "--to", place.to(), "--table", "t"];
        all.extend(more);
        place.run(&all)
    };
    assert!(restore(&[]).stderr.contains("CF3210"));
    let asked = restore(&["--replace"]);
    assert!(asked.code == 8 && asked.stderr.contains("CF3211"), "{}", asked.stderr);
    assert_eq!(place.rows("t"), harmed);
    // A trigger that changes what is inserted: then it would not become what was saved.
    place.bench.query(
        "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.v := 'spoilt'; RETURN NEW; END $$;
         CREATE TRIGGER spoil BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION spoil()",
    );
    let spoilt = restore(&["--replace", "--yes"]);
    assert!(spoilt.code == 1 && spoilt.stderr.contains("CF3205"), "{}", spoilt.stderr);
    assert_eq!(place.rows("t"), harmed);
    place.bench.query("DROP TRIGGER spoil ON t");
    let done = restore(&["--replace", "--yes"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert_eq!(place.rows("t"), before);
    // Foreign keys lead to it: rows of the other table must not go along.
    let refused = place.run(&["restore", &id, "--to", place.to(), "--table", "other", "--replace", "--yes"]);
    assert_ne!(refused.code, 0);
    assert_eq!(place.rows("other"), ["(1)"]);
}

#[test]
fn writers_go_on_and_a_copy_is_of_one_moment() {
    // Two accounts whose sum never changes.
    let place = Place::new(
        "backup_writers",
        "CREATE TABLE a (id int PRIMARY KEY, v bigint); CREATE TABLE b (id int PRIMARY KEY, v bigint);
         INSERT INTO a SELECT i, 100 FROM generate_series(1, 20000) i; INSERT INTO b SELECT i, 100 FROM generate_series(1, 20000) i;
         CREATE SCHEMA rescue",
    );
    let stop = std::sync::atomic::AtomicBool::new(false);
    let id = std::thread::scope(|threads| {
        for seed in 1..=2 {
            let (place, stop) = (&place, &stop);
            threads.spawn(move || {
                let mut n = seed * 7919;
                while !stop.load(std::sync::atomic::Ordering::SeqCst) {
                    n = (n * 7 + 3) % 20000 + 1;
                    place.bench.query(&format!(
                        "BEGIN; UPDATE a SET v = v - 1 WHERE id = {n}; UPDATE b SET v = v + 1 WHERE id = {n}; COMMIT"
                    ));
                }
            });
        }
        let id = place.taken(&["--table", "a", "--table", "b"]);
        stop.store(true, std::sync::atomic::Ordering::SeqCst);
        id
    });
    assert_ne!(place.bench.one("SELECT sum(v) FROM a"), "2000000", "nobody wrote");
    place.bench.must(&["restore", &id, "--to", place.to(), "--into", "rescue"]);
    let sum = "SELECT (SELECT sum(v) FROM rescue.a) + (SELECT sum(v) FROM rescue.b)";
    assert_eq!(place.bench.one(sum), "4000000");
    let unequal = "SELECT count(*) FROM rescue.a JOIN rescue.b USING (id) WHERE a.v + b.v <> 200";
    assert_eq!(place.bench.one(unequal), "0");
}

#[test]
fn what_is_harmed_is_found_and_nothing_of_it_restored() {
    let place = Place::new(
        "backup_harmed",
        "CREATE TABLE t (id int); INSERT INTO t SELECT generate_series(1, 1000); CREATE SCHEMA rescue",
    );
    let id = place.taken(&[]);
    let verify = || place.run(&["backup", "verify", &id, "--to", place.to()]);
    assert_eq!(verify().code, 0);
    let part = place.part(&id, 0);
    let whole = std::fs::read(&part).unwrap();
    std::fs::write(&part, &whole[..whole.len() - 3]).unwrap();
    assert!(verify().stderr.contains("CF3205"));
    let restored = place.run(&["restore", &id, "--to", place.to(), "--into", "rescue"]);
    assert!(restored.code == 1 && restored.stderr.contains("CF3205"), "{}", restored.stderr);
    assert_eq!(place.bench.one("SELECT to_regclass('rescue.t')"), "NULL");
    // Another part whose digest was made to fit: then its rows have another sum.
    let path = place.store.path().join(&id).join("manifest.json");
    let mut manifest = place.manifest(&id);
    let other = zstd::bulk::compress(b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0\xff\xff", 3).unwrap();
    std::fs::write(&part, &other).unwrap();
    let first = &mut manifest["tables"][0]["parts"][0];
    first["bytes"] = other.len().into();
    first["holds"] = 21.into();
    first["sha256"] = sha(&other).into();
    std::fs::write(&path, manifest.to_string()).unwrap();
    let forged = place.run(&["restore", &id, "--to", place.to(), "--into", "rescue"]);
    assert!(forged.code == 1 && forged.stderr.contains("CF3205"), "{}", forged.stderr);
    assert_eq!(place.bench.one("SELECT to_regclass('rescue.t')"), "NULL");
    // A manifest that would have something carried out.
    for (field, value) in [("name", "x\"; DROP TABLE t; --"), ("modifiers", "1) DEFAULT (pg_sleep(1)")] {
        let mut evil = manifest.clone();
        let column = &mut evil["tables"][0]["shape"]["columns"][0];
        if field == "name" {
            column["ty"]["name"] = value.into();
        } else {
            column["modifiers"] = serde_json::json!([value]);
        }
        std::fs::write(&path, evil.to_string()).unwrap();
        let refused = place.run(&["restore", &id, "--to", place.to(), "--into", "rescue"]);
        assert!(refused.code == 1 && refused.stderr.contains("CF32"), "{}", refused.stderr);
        assert_eq!(place.bench.one("SELECT count(*) FROM t"), "1000");
    }
    std::fs::remove_file(&path).unwrap();
    assert!(verify().stderr.contains("CF3207"));
}

#[test]
fn what_is_encrypted_is_verified_when_it_is_taken_and_opened_with_the_key_only() {
    let place = Place::new(
        "backup_age",
        "CREATE TABLE t (v text); INSERT INTO t SELECT 'canary' FROM generate_series(1, 1000); CREATE SCHEMA rescue",
    );
    // The pair that the tests of age use.
    let public = "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa";
    let secret = "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33";
    let id = place.taken(&["--encrypt-to", public]);
    let stored = std::fs::read(place.part(&id, 0)).unwrap();
    assert!(stored.starts_with(b"age-encryption.org/v1"));
    let identity = place.store.path().join("identity.txt");
    std::fs::write(&identity, format!("# of a test\n{secret}\n")).unwrap();
    let identity = identity.to_str().unwrap();
    let restore = |more: &[&str]| {
        let mut all = vec!["restore", &id, "--to", place.to(), "--into", "rescue"];
        all.extend(more);
        place.run(&all)
    };
    assert!(restore(&[]).stderr.contains("CF3208"));
    let without = place.run(&["backup", "verify", &id, "--to", place.to()]);
    assert!(without.code == 0 && without.stdout.contains("not verified"), "{}", without.stdout);
    let with = place.run(&["backup", "verify", &id, "--to", place.to(), "--identity", identity]);
    assert!(with.code == 0 && with.stdout.contains("verified: restored"), "{}{}", with.stdout, with.stderr);
    let done = restore(&["--identity", identity]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert_eq!(place.rows("rescue.t"), place.rows("t"));
}

#[test]
fn a_backup_that_is_cut_off_is_none() {
    let place = Place::new(
        "backup_killed",
        "CREATE TABLE a (id int); CREATE TABLE b (id int); INSERT INTO a VALUES (1); INSERT INTO b VALUES (2)",
    );
    for point in ["backup.table", "backup.before-manifest"] {
        for action in ["kill", "error"] {
            let mut command = place.bench.command(&["backup", "--to", place.to()]);
            command.env("COFFERDAM_FAILPOINT", format!("{point}={action}"));
            let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            let ended = wait(child);
            assert_ne!(ended.code, 0, "{point} {action}");
            assert_eq!(place.backups(), [] as [String; 0], "{point} {action}");
            assert_eq!(place.bench.one("SELECT count(*) FROM pg_class WHERE relname ~ 'cofferdam'"), "0");
        }
    }
    let id = place.taken(&[]);
    assert_eq!(place.backups(), [id]);
    let listed = place.run(&["backup", "list", "--to", place.to()]);
    assert!(listed.code == 0 && listed.stdout.contains("cut off"), "{}", listed.stdout);
}

#[test]
fn the_whole_database_is_written_by_its_own_program_or_refused() {
    let place = Place::new("backup_whole", "CREATE TABLE t (id int); INSERT INTO t VALUES (1)");
    let programs = crate::support::program("pg_dump");
    let path = std::env::join_paths([programs.parent().unwrap()]).unwrap();
    let mut command = place.bench.command(&["backup", "--whole", "--to", place.to(), "-o", "json"]);
    let done = crate::support::ended(command.env("PATH", path));
    assert_eq!(done.code, 0, "{}", done.stderr);
    let id = place.backups().remove(0);
    let manifest = place.manifest(&id);
    assert!(manifest["whole"]["writtenBy"].as_str().unwrap().starts_with("pg_dump"));
    let part = place.store.path().join(&id).join(manifest["whole"]["parts"][0]["object"].as_str().unwrap());
    let dump = zstd::stream::decode_all(&std::fs::read(part).unwrap()[..]).unwrap();
    assert!(dump.starts_with(b"PGDMP"));
    let empty = tempfile::tempdir().unwrap();
    let mut command = place.bench.command(&["backup", "--whole", "--to", place.to()]);
    let refused = crate::support::ended(command.env("PATH", empty.path()));
    assert!(refused.code == 1 && refused.stderr.contains("CF3204"), "{}", refused.stderr);
    assert_eq!(place.backups().len(), 1);
}

/// Whoever empties a table leaves nothing of it to older snapshots, so nobody may while one is saved: not before its turn
/// either.
#[test]
fn no_table_is_emptied_before_its_turn() {
    let place = Place::new(
        "backup_turns",
        "CREATE TABLE a (id int); CREATE TABLE b (id int); INSERT INTO a VALUES (1); INSERT INTO b VALUES (1);
         CREATE TABLE p (id int) PARTITION BY LIST (id); CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1)",
    );
    let mark = place.bench.folder.path().join("reached");
    let mut command = place.bench.command(&["backup", "--to", place.to()]);
    command.env("COFFERDAM_FAILPOINT", "backup.table=hang").env("COFFERDAM_FAILPOINT_REACHED", &mark);
    let mut child = command.spawn().unwrap();
    crate::support::until("it has saved the first one", || mark.exists());
    let held = place.bench.one(
        "SELECT string_agg(DISTINCT c.relname, ' ' ORDER BY c.relname) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
         WHERE l.granted AND l.mode = 'AccessShareLock' AND c.relname IN ('a', 'b', 'p', 'p1')
           AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())",
    );
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(held, "a b p p1");
}

/// Larger than what is restored at a time to verify it, in both encodings.
#[test]
fn a_table_of_many_batches_is_verified_and_comes_back() {
    let place = Place::new(
        "backup_batches",
        "CREATE TYPE mood AS ENUM ('sad', 'ok');
         CREATE TABLE packed AS SELECT i AS id, repeat(md5(i::text), 8) AS note, nullif(i % 3, 0) AS n
            FROM generate_series(1, 100000) i;
         CREATE TABLE texts AS SELECT 'ok'::mood AS m, p.note || E'\\n\\t\\\\.' AS note, n FROM packed p;
         CREATE SCHEMA rescue",
    );
    let id = place.taken(&[]);
    let manifest = place.manifest(&id);
    for (table, encoding) in [(0, "binary"), (1, "text")] {
        assert_eq!(manifest["tables"][table]["shape"]["encoding"], encoding);
        assert_eq!(manifest["tables"][table]["sum"]["rows"], 100_000);
    }
    place.bench.must(&["restore", &id, "--to", place.to(), "--into", "rescue"]);
    for table in ["packed", "texts"] {
        let sum = |schema: &str| {
            place.bench.query(&format!("SELECT count(*), sum(hashtext(t::text)) FROM {schema}.{table} t"))
        };
        assert_eq!(sum("rescue"), sum("public"), "{table}");
    }
}
