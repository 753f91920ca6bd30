//! Shapes of keys: which one is taken, and why another one is not.

use super::super::examine;
use super::support::{change, database, major, run, said, server};

/// Statements that make `k.t`, clauses, and the key's columns, or part of the reason why there is none.
type Shape = (&'static str, &'static str, Result<&'static [&'static str], &'static str>);

const SHAPES: &[Shape] = &[
    ("(id int PRIMARY KEY)", "ADD x int", Ok(&["id"])),
    ("(id int PRIMARY KEY, x int)", "ALTER id TYPE bigint", Ok(&["id"])),
    ("(id smallint PRIMARY KEY)", "ALTER id TYPE int", Ok(&["id"])),
    ("(id bigint PRIMARY KEY CHECK (id < 0))", "ADD x int", Ok(&["id"])),
    ("(id bigint PRIMARY KEY)", "ALTER id TYPE int", Ok(&["id"])),
    ("(id bigint PRIMARY KEY)", "ALTER id TYPE numeric", Ok(&["id"])),
    ("(id bigint PRIMARY KEY)", "ALTER id TYPE numeric(20, 5)", Ok(&["id"])),
    ("(id numeric(20, 5) PRIMARY KEY)", "ALTER id TYPE numeric(20, 2)", Err("does not sort as")),
    ("(id numeric PRIMARY KEY)", "ALTER id TYPE bigint", Err("does not sort as")),
    ("(id int PRIMARY KEY)", "ALTER id TYPE text", Err("id of type text does not sort as integer does")),
    ("(id int PRIMARY KEY)", "ALTER id TYPE bigint USING id + 1", Err("computes its column id anew")),
    ("(id uuid PRIMARY KEY)", "ADD x int", Ok(&["id"])),
    ("(id uuid PRIMARY KEY)", "ALTER id TYPE text", Err("does not sort as")),
    ("(id text PRIMARY KEY)", "ADD x int", Ok(&["id"])),
    ("(id text PRIMARY KEY)", "ALTER id TYPE varchar(100)", Ok(&["id"])),
    ("(id varchar(10) PRIMARY KEY)", "ALTER id TYPE text", Ok(&["id"])),
    ("(id text COLLATE \"C\" PRIMARY KEY)", "ADD x int", Ok(&["id"])),
    (
        "(id text COLLATE \"C\" PRIMARY KEY)",
        "ALTER id TYPE text COLLATE \"POSIX\"",
        Err("sorts its column id otherwise"),
    ),
    ("(id char(5) PRIMARY KEY)", "ADD x int", Ok(&["id"])),
    ("(id char(5) PRIMARY KEY)", "ALTER id TYPE text", Err("does not sort as")),
    ("(id bytea PRIMARY KEY)", "ADD x int", Ok(&["id"])),
    ("(id date PRIMARY KEY)", "ADD x int", Ok(&["id"])),
    ("(id date PRIMARY KEY)", "ALTER id TYPE timestamp", Err("does not sort as")),
    ("(id timestamptz PRIMARY KEY)", "ADD x int", Ok(&["id"])),
    ("(id timestamptz PRIMARY KEY)", "ALTER id TYPE timestamptz(0)", Err("does not sort as")),
    ("(id inet PRIMARY KEY)", "ADD x int", Ok(&["id"])),
    ("(id boolean PRIMARY KEY)", "ADD x int", Ok(&["id"])),
    ("(id k.mood PRIMARY KEY)", "ADD x int", Ok(&["id"])),
    ("(id k.positive PRIMARY KEY)", "ADD x int", Ok(&["id"])),
    ("(id int4range PRIMARY KEY)", "ADD x int", Ok(&["id"])),
    ("(id int[] PRIMARY KEY)", "ADD x int", Ok(&["id"])),
    ("(id double precision PRIMARY KEY)", "ADD x int", Ok(&["id"])),
    ("(a int, b text, c date, PRIMARY KEY (c, a))", "ADD x int", Ok(&["c", "a"])),
    ("(a int, b int, PRIMARY KEY (a, b))", "ALTER b TYPE bigint", Ok(&["a", "b"])),
    ("(a int, b int, PRIMARY KEY (a, b))", "DROP b", Err("drops its column b")),
    ("(a int PRIMARY KEY, b int NOT NULL UNIQUE)", "DROP a", Ok(&["b"])),
    (
        "(a int PRIMARY KEY, b int NOT NULL)",
        "DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (b)",
        Err("no index of the new table tells rows apart"),
    ),
    ("(a int PRIMARY KEY, b int)", "DROP a, ADD a int PRIMARY KEY", Err("drops its column a")),
    ("(a int PRIMARY KEY, b int)", "DROP CONSTRAINT t_pkey, ADD CONSTRAINT other UNIQUE (a)", Ok(&["a"])),
    (
        "(a int PRIMARY KEY, b int)",
        "DROP CONSTRAINT t_pkey, ALTER a DROP NOT NULL, ADD UNIQUE (a)",
        Err("can be NULL after the change"),
    ),
    ("(a int)", "ADD x int", Err("it has no unique index")),
    ("(a int UNIQUE)", "ADD x int", Err("its column a can be NULL: ALTER COLUMN a SET NOT NULL would do")),
    ("(a int NOT NULL, b int, UNIQUE (a, b))", "ADD x int", Err("its column b can be NULL")),
    ("(a int NOT NULL UNIQUE)", "ADD x int", Ok(&["a"])),
    ("(a int NOT NULL); CREATE UNIQUE INDEX ON k.t (a)", "ADD x int", Ok(&["a"])),
    ("(a int NOT NULL); CREATE UNIQUE INDEX ON k.t (a DESC)", "ADD x int", Ok(&["a"])),
    (
        "(a int NOT NULL, b int NOT NULL); CREATE UNIQUE INDEX ON k.t (a DESC, b); CREATE UNIQUE INDEX ON k.t (b, a)",
        "ADD x int",
        Ok(&["b", "a"]),
    ),
    ("(a int NOT NULL); CREATE UNIQUE INDEX ON k.t ((a + 1))", "ADD x int", Err("it is on an expression")),
    (
        "(a int NOT NULL, b int NOT NULL); CREATE UNIQUE INDEX ON k.t (a, (b + 1))",
        "ADD x int",
        Err("it is on an expression"),
    ),
    (
        "(a int NOT NULL); CREATE UNIQUE INDEX ON k.t (a) WHERE a > 0",
        "ADD x int",
        Err("it covers only part of the rows"),
    ),
    ("(a int NOT NULL UNIQUE DEFERRABLE)", "ADD x int", Err("it is deferrable")),
    ("(a int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED)", "ADD x int", Err("it is deferrable")),
    ("(a int PRIMARY KEY DEFERRABLE, b int NOT NULL UNIQUE)", "ADD x int", Ok(&["b"])),
    ("(a int NOT NULL, b int); CREATE UNIQUE INDEX ON k.t (a) INCLUDE (b)", "ADD x int", Ok(&["a"])),
    (
        "(a text NOT NULL); CREATE UNIQUE INDEX ON k.t (a text_pattern_ops)",
        "ADD x int",
        Err("does not sort a as the column itself"),
    ),
    (
        "(a text NOT NULL); CREATE UNIQUE INDEX ON k.t (a COLLATE \"POSIX\")",
        "ADD x int",
        Err("does not sort a as the column itself"),
    ),
    ("(a int, g int GENERATED ALWAYS AS (a * 2) STORED NOT NULL UNIQUE)", "ADD x int", Ok(&["g"])),
    ("(id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY)", "ALTER id TYPE bigint", Ok(&["id"])),
    ("(id serial PRIMARY KEY)", "ALTER id TYPE bigint", Ok(&["id"])),
    (
        "(a int NOT NULL, r int4range, EXCLUDE USING gist (r WITH &&))",
        "ADD x int",
        Err("it has no unique index"),
    ),
    ("(a int NOT NULL UNIQUE, b int NOT NULL, c int NOT NULL, UNIQUE (b, c))", "ADD x int", Ok(&["a"])),
    ("(\"A b\" int PRIMARY KEY)", "ALTER \"A b\" TYPE bigint", Ok(&["A b"])),
];

#[tokio::test]
async fn the_best_key_is_taken_and_the_reason_given_where_there_is_none() {
    let Some(server) = server("the_best_key_is_taken_and_the_reason_given_where_there_is_none") else {
        return;
    };
    let setup = "CREATE SCHEMA k; CREATE TYPE k.mood AS ENUM ('sad'); CREATE DOMAIN k.positive AS int CHECK (VALUE > 0)";
    let client = database(server, "shapes", setup).await;
    assert!(SHAPES.len() >= 35);
    for (table, clauses, expected) in SHAPES {
        run(&client, &format!("CREATE TABLE k.t {table}")).await;
        let examined = match examine(&client, &change("k.t", clauses)).await {
            Ok(examined) => examined,
            Err(fault) => panic!("{table}: {clauses}: {}", said(&fault)),
        };
        match expected {
            Ok(key) => {
                assert_eq!(examined.obstacles, Vec::<String>::new(), "{table}: {clauses}");
                assert_eq!(&examined.key, key, "{table}: {clauses}");
            }
            Err(why) => {
                assert!(
                    examined.obstacles.iter().any(|o| o.contains(why)),
                    "{table}: {clauses}: {examined:?}"
                );
                assert!(examined.obstacles.iter().any(|o| o.contains("a PRIMARY KEY would do")));
            }
        }
        run(&client, "DROP TABLE k.t").await;
    }
}

#[tokio::test]
async fn a_loose_collation_and_a_citext_are_keys_like_others() {
    let Some(server) = server("a_loose_collation_and_a_citext_are_keys_like_others") else { return };
    let client = database(server, "loose", "CREATE SCHEMA k").await;
    let collation =
        "CREATE COLLATION k.loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false)";
    if major(server) < 12 || client.batch_execute(collation).await.is_err() {
        return;
    }
    run(&client, "CREATE TABLE k.t (id text COLLATE k.loose PRIMARY KEY)").await;
    let examined = examine(&client, &change("k.t", "ADD x int")).await.unwrap();
    assert_eq!((examined.key, examined.obstacles), (vec!["id".to_owned()], vec![]));
}
