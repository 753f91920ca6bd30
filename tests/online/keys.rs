//! Keys of every shape: rows are found by them on both sides, their ranges are what is copied, and they go through
//! the log as they are and through statements as texts.

use crate::place::Place;
use crate::support::each;

/// A key.
struct Shape {
    name: &'static str,
    /// What must be there before the table.
    before: &'static str,
    /// The key's columns and constraints, as they stand in CREATE TABLE.
    columns: &'static str,
    /// What comes after the table; `{t}` stands for it.
    after: &'static str,
    /// The names of the key's columns.
    names: &'static str,
    /// Their values for row number `i`.
    values: &'static str,
}

const fn one(name: &'static str, columns: &'static str, values: &'static str) -> Shape {
    Shape { name, before: "", columns, after: "", names: "id", values }
}

const fn two(name: &'static str, columns: &'static str, values: &'static str) -> Shape {
    Shape { name, before: "", columns, after: "", names: "a, b", values }
}

const SHAPES: &[Shape] = &[
    one("int", "id int PRIMARY KEY", "i - 1500"),
    one("smallint", "id smallint PRIMARY KEY", "i % 30000 - 15000"),
    one("bigint_negative", "id bigint PRIMARY KEY", "i - 9223372036854775807"),
    one(
        "int_ends",
        "id int PRIMARY KEY",
        "CASE i WHEN 1 THEN -2147483648 WHEN 2 THEN 2147483647 WHEN 3 THEN 0 ELSE i END",
    ),
    one("numeric", "id numeric PRIMARY KEY", "CASE i WHEN 1 THEN 'NaN' ELSE i / 3.0 END"),
    one(
        "numeric_scales",
        "id numeric PRIMARY KEY",
        "(i::text || '.' || repeat('0', (i % 3)::int + 1))::numeric",
    ),
    one("real", "id real PRIMARY KEY", "(i * 1.1)::real"),
    one(
        "double",
        "id double precision PRIMARY KEY",
        "CASE i WHEN 1 THEN 'NaN' WHEN 2 THEN 'Infinity' WHEN 3 THEN '-Infinity' WHEN 4 THEN '-0' ELSE i * 1.1::float8 END",
    ),
    one("money", "id money PRIMARY KEY", "i::text::money"),
    one("oid", "id oid PRIMARY KEY", "i::oid"),
    one("uuid", "id uuid PRIMARY KEY", "md5(i::text)::uuid"),
    one("text", "id text PRIMARY KEY", "'k' || i"),
    one("text_c", "id text COLLATE \"C\" PRIMARY KEY", "chr((64 + i % 50)::int) || i"),
    one(
        "text_icu",
        "id text COLLATE \"und-x-icu\" PRIMARY KEY",
        "CASE WHEN i % 2 = 0 THEN 'KÉ' ELSE 'ké' END || i",
    ),
    Shape {
        name: "text_nondeterministic",
        before: "CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
        columns: "id text COLLATE ci PRIMARY KEY",
        after: "",
        names: "id",
        values: "CASE WHEN i % 2 = 0 THEN 'KEY ' ELSE 'key ' END || i",
    },
    Shape {
        name: "citext",
        before: "CREATE EXTENSION citext",
        columns: "id citext PRIMARY KEY",
        after: "",
        names: "id",
        values: "CASE WHEN i % 2 = 0 THEN 'KEY ' ELSE 'key ' END || i",
    },
    one("text_quoted", "id text PRIMARY KEY", "'it''s \"' || i || '\" \\ {' || i || '}, NULL'"),
    one(
        "text_empty",
        "id text PRIMARY KEY",
        "CASE i WHEN 1 THEN '' WHEN 2 THEN ' ' WHEN 3 THEN 'NULL' ELSE E'\\t\\n' || i END",
    ),
    one("varchar", "id varchar(20) PRIMARY KEY", "'v' || i"),
    one("char", "id char(10) PRIMARY KEY", "'c' || i || CASE WHEN i % 2 = 0 THEN '  ' ELSE '' END"),
    one("name", "id name PRIMARY KEY", "('n' || i)::name"),
    one("bytea", "id bytea PRIMARY KEY", "decode(md5(i::text), 'hex')"),
    one("bytea_zeros", "id bytea PRIMARY KEY", "int8send(i) || '\\x0000'::bytea"),
    one("bit", "id bit(24) PRIMARY KEY", "i::int::bit(24)"),
    one(
        "date",
        "id date PRIMARY KEY",
        "CASE i WHEN 1 THEN 'infinity' WHEN 2 THEN '-infinity' ELSE date '0001-01-01 BC' + i::int END",
    ),
    one(
        "timestamp",
        "id timestamp PRIMARY KEY",
        "timestamp '1999-12-31 23:59:59.999999' + i * interval '1 hour'",
    ),
    one(
        "timestamptz",
        "id timestamptz PRIMARY KEY",
        "timestamptz '2000-01-01 00:00:00.000001+00' + i * interval '1 hour 1 microsecond'",
    ),
    one("time", "id time PRIMARY KEY", "time '00:00' + i * interval '1 second'"),
    one(
        "interval",
        "id interval PRIMARY KEY",
        "CASE WHEN i % 2 = 0 THEN justify_hours(i * interval '1 hour') ELSE i * interval '1 hour' END",
    ),
    one("inet", "id inet PRIMARY KEY", "'10.0.0.0'::inet + i"),
    one("pg_lsn", "id pg_lsn PRIMARY KEY", "('0/' || to_hex(i))::pg_lsn"),
    one("array", "id int[] PRIMARY KEY", "ARRAY[i % 7, i]::int[]"),
    one(
        "jsonb",
        "id jsonb PRIMARY KEY",
        "CASE WHEN i % 2 = 0 THEN jsonb_build_object('i', i) ELSE (i || '.0')::jsonb END",
    ),
    one("range", "id int8range PRIMARY KEY", "int8range(i, i + 5)"),
    Shape {
        name: "domain",
        before: "CREATE DOMAIN number AS int CHECK (VALUE > 0)",
        columns: "id number PRIMARY KEY",
        after: "",
        names: "id",
        values: "i",
    },
    Shape {
        name: "row_type",
        before: "CREATE TYPE pair AS (a int, b text)",
        columns: "id pair PRIMARY KEY",
        after: "",
        names: "id",
        values: "ROW(i, 'a, \"b\" ' || i)::pair",
    },
    two("composite", "a int, b bigint, PRIMARY KEY (a, b)", "(i % 10)::int, i"),
    two("composite_other_order", "a int, b text, PRIMARY KEY (b, a)", "(i % 10)::int, 'b' || i"),
    two("composite_boolean", "a boolean, b int, PRIMARY KEY (a, b)", "i % 2 = 0, i"),
    Shape {
        name: "composite_enum",
        before: "CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy'); ALTER TYPE mood ADD VALUE 'first' BEFORE 'sad'",
        columns: "a mood, b int, PRIMARY KEY (a, b)",
        after: "",
        names: "a, b",
        values: "('{happy,sad,first,ok}'::mood[])[i % 4 + 1], i",
    },
    Shape {
        name: "composite_of_four",
        before: "",
        columns: "a uuid, b date, c text COLLATE \"C\", d int, PRIMARY KEY (a, b, c, d)",
        after: "",
        names: "a, b, c, d",
        values: "md5((i % 50)::text)::uuid, date '2000-01-01' + (i % 60)::int, 'c', i",
    },
    one("unique_constraint", "id int NOT NULL UNIQUE", "i"),
    Shape {
        name: "unique_index_backwards",
        before: "",
        columns: "id int NOT NULL",
        after: "CREATE UNIQUE INDEX {t}_id ON {t} (id DESC)",
        names: "id",
        values: "i",
    },
    Shape {
        name: "unique_index_with_more",
        before: "",
        columns: "id int NOT NULL",
        after: "CREATE UNIQUE INDEX {t}_id ON {t} (id) INCLUDE (pad)",
        names: "id",
        values: "i",
    },
    one("serial", "id serial PRIMARY KEY", "i"),
    one("identity", "id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY", "i"),
    Shape {
        name: "beside_a_nullable_unique",
        before: "",
        columns: "id int PRIMARY KEY, other int UNIQUE",
        after: "CREATE UNIQUE INDEX {t}_lower ON {t} (lower(pad || '-' || id)); CREATE UNIQUE INDEX {t}_part ON {t} (v) WHERE v % 2 = 0",
        names: "id, other",
        values: "i, CASE WHEN i % 3 = 0 THEN NULL ELSE i END",
    },
    Shape {
        name: "quoted_names",
        before: "",
        columns: "\"Key \"\"1\"\"\" int, \"select\" text, PRIMARY KEY (\"select\", \"Key \"\"1\"\"\")",
        after: "",
        names: "\"Key \"\"1\"\"\", \"select\"",
        values: "i, 's' || i",
    },
];

impl Shape {
    fn schema(&self) -> String {
        format!(
            "CREATE TABLE {{t}} ({}, v int, pad text); {}; {}",
            self.columns,
            if self.after.is_empty() { "SELECT" } else { self.after },
            self.rows("generate_series(1::bigint, 3000) i")
        )
    }

    fn rows(&self, from: &str) -> String {
        format!(
            "INSERT INTO {{t}} ({}, v, pad) SELECT {}, i, repeat('p', 500) FROM {from}",
            self.names, self.values
        )
    }

    /// Rows change, go, come, and get other keys.
    fn write(&self, place: &Place, round: u32) {
        let far = round * 100_000;
        // A subquery gives the number its name.
        let moved = format!("(SELECT {} FROM (SELECT v::bigint + {far} AS i) n)", self.values);
        place.both(&format!("UPDATE {{t}} SET pad = pad || '{round}' WHERE v % 7 = {round}"));
        place.both(&format!("DELETE FROM {{t}} WHERE v % 11 = {round}"));
        let from = 3000 + round * 1000;
        place.both(&self.rows(&format!("generate_series({from}::bigint, {from} + 99) i")));
        place.both(&format!("UPDATE {{t}} SET ({}) = {moved} WHERE v % 13 = 1 AND v < 3000", self.names));
    }
}

#[test]
fn keys_of_every_shape() {
    each(
        SHAPES,
        |shape| shape.name.to_owned(),
        |shape| {
            let place = Place::new(&format!("key_{}", shape.name), shape.before);
            place.both(&shape.schema());
            place.query("VACUUM ANALYZE");
            let clauses = "ALTER COLUMN v TYPE bigint";
            let held = place.at_gate(clauses, &[]);
            shape.write(&place, 1);
            place.cut_over(held);
            place.same("after the swap");
            shape.write(&place, 2);
            place.rollback();
            place.same("after the swap was taken back");
            place.nothing_left();
        },
    );
}

/// Where no key names exactly one row at every moment, the change is refused, and it is said what would do.
const NO_KEYS: &[(&str, &str, &str)] = &[
    ("none", "CREATE TABLE t (id int, v int)", "key"),
    ("nullable", "CREATE TABLE t (id int UNIQUE, v int)", "key"),
    ("deferrable", "CREATE TABLE t (id int PRIMARY KEY DEFERRABLE, v int)", "key"),
    ("expression", "CREATE TABLE t (id text NOT NULL, v int); CREATE UNIQUE INDEX ON t (lower(id))", "key"),
    ("partial", "CREATE TABLE t (id int NOT NULL, v int); CREATE UNIQUE INDEX ON t (id) WHERE id > 0", "key"),
    ("exclusion", "CREATE TABLE t (id int NOT NULL, v int, EXCLUDE USING btree (id WITH =))", "key"),
    (
        "invalid",
        "CREATE TABLE t (id int NOT NULL, v int); CREATE UNIQUE INDEX i ON t (id);
         UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'i'::regclass",
        "not valid",
    ),
];

#[test]
fn a_table_without_a_key_is_refused() {
    each(
        NO_KEYS,
        |(name, _, _)| (*name).to_owned(),
        |(name, schema, word)| {
            let place = Place::new(&format!("no_key_{name}"), schema);
            place.query("INSERT INTO t SELECT 1, 1");
            let before = place.dump();
            let ended = place.run(&place.alter("ALTER COLUMN v TYPE bigint", &[]));
            assert_eq!(ended.code, 2, "{}", ended.stderr);
            assert!(ended.stderr.contains("CF2601") && ended.stderr.contains(word), "{}", ended.stderr);
            assert_eq!(place.dump(), before);
            place.nothing_left();
        },
    );
}
