//! What is refused, what would be lost, and that looking leaves nothing behind and is felt by nobody.

use cofferdam_core::{Code, Fault};

use super::super::{blueprint, examine};
use super::support::{change, client, database, dump, run, said, server, text};

/// A table, clauses, and part of what stands in the way.
const OBSTACLES: &[(&str, &str, &str, &str)] = &[
    ("a.v", "CREATE VIEW a.v AS SELECT 1 AS x", "ADD y int", "is a view"),
    ("a.m", "CREATE MATERIALIZED VIEW a.m AS SELECT 1 AS x", "ADD y int", "is a materialized view"),
    (
        "a.f",
        "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w; CREATE FOREIGN TABLE a.f (x int) SERVER s",
        "ADD y int",
        "is a foreign table",
    ),
    ("a.s", "CREATE SEQUENCE a.s", "ADD y int", "is a sequence"),
    ("a.p", "CREATE TABLE a.p (x int PRIMARY KEY) PARTITION BY LIST (x)", "ADD y int", "is partitioned"),
    (
        "a.p1",
        "CREATE TABLE a.p (x int PRIMARY KEY) PARTITION BY LIST (x); CREATE TABLE a.p1 PARTITION OF a.p DEFAULT",
        "SET (fillfactor = 50)",
        "is a partition or child of a.p",
    ),
    (
        "a.t",
        "CREATE TABLE a.t (x int PRIMARY KEY); CREATE TABLE a.c () INHERITS (a.t)",
        "ADD y int",
        "has a child, a.c",
    ),
    (
        "a.c",
        "CREATE TABLE a.t (x int PRIMARY KEY); CREATE TABLE a.c (PRIMARY KEY (x)) INHERITS (a.t)",
        "ADD y int",
        "is a partition or child of a.t",
    ),
    (
        "a.t",
        "CREATE TYPE a.ty AS (x int); CREATE TABLE a.t OF a.ty (PRIMARY KEY (x))",
        "SET (fillfactor = 50)",
        "NOT OF would do",
    ),
    (
        "a.t",
        "CREATE TABLE a.t (x int PRIMARY KEY); CREATE MATERIALIZED VIEW a.m AS SELECT x FROM a.t",
        "ADD y int",
        "the materialized view a.m reads a.t",
    ),
    (
        "a.t",
        "CREATE TABLE a.t (x int PRIMARY KEY); CREATE FUNCTION a.g() RETURNS SETOF a.t LANGUAGE sql AS 'SELECT * FROM a.t'",
        "ADD y int",
        "function a.g() uses the row type",
    ),
    (
        "a.t",
        "CREATE TABLE a.t (x int PRIMARY KEY); CREATE TABLE a.u (ts a.t[])",
        "ADD y int",
        "uses the row type of a.t",
    ),
    (
        "a.t",
        "CREATE TABLE a.t (x int PRIMARY KEY); CREATE RULE r AS ON DELETE TO a.t DO INSTEAD NOTHING",
        "ADD y int",
        "has a rule, r",
    ),
    (
        "a.t",
        "CREATE TABLE a.t (x int PRIMARY KEY); CREATE TABLE a.u (o oid DEFAULT 'a.t'::regclass::oid)",
        "ADD y int",
        "default value for column o of table a.u depends on",
    ),
    (
        "a.t",
        "CREATE TABLE a.t (x int PRIMARY KEY); CREATE TABLE a.u (y int); CREATE CONSTRAINT TRIGGER z AFTER INSERT ON a.u FROM a.t FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "ADD y int",
        "trigger z on table a.u depends on",
    ),
    (
        "a.t",
        "CREATE TABLE a.t (x int PRIMARY KEY); CREATE TABLE a.q (x int REFERENCES a.t) PARTITION BY LIST (x)",
        "ADD y int",
        "the partitioned table a.q refers to a.t",
    ),
    (
        "a.t",
        "CREATE TABLE a.t (x int PRIMARY KEY, y int); CREATE VIEW a.v AS SELECT y FROM a.t",
        "DROP y CASCADE",
        "CASCADE would drop the view a.v",
    ),
    (
        "a.t",
        "CREATE TABLE a.t (x int PRIMARY KEY, y int); CREATE TABLE a.u (y int); CREATE POLICY p ON a.u USING (EXISTS (SELECT FROM a.t WHERE t.y = u.y))",
        "ALTER y TYPE bigint",
        "the policy p on a.u uses a.t.y",
    ),
    (
        "a.t",
        "CREATE TABLE a.t (x int PRIMARY KEY, y int); CREATE TABLE a.u (y int); CREATE RULE r AS ON DELETE TO a.u DO ALSO DELETE FROM a.t WHERE t.y = OLD.y",
        "ALTER y TYPE bigint",
        "the rule r on a.u uses a.t.y",
    ),
    (
        "a.t",
        "CREATE TABLE a.t (x int PRIMARY KEY, y int); CREATE TABLE a.t_y_key (z int)",
        "ADD UNIQUE (y)",
        "called t_y_key",
    ),
    (
        "a.t",
        "CREATE TABLE a.t (x int PRIMARY KEY, y serial); CREATE TABLE a.u (y int DEFAULT nextval('a.t_y_seq'))",
        "DROP y",
        "the sequence t_y_seq goes with its column y",
    ),
    ("a.t", "CREATE TABLE a.t (x int PRIMARY KEY)", "RENAME TO u", "a new name rewrites nothing"),
    ("a.t", "CREATE TABLE a.t (x int PRIMARY KEY)", "SET SCHEMA public", "rewrites nothing"),
    (
        "a.t",
        "CREATE TABLE a.t (x int PRIMARY KEY)",
        "ADD y int, DISABLE TRIGGER ALL",
        "switched in the catalog alone",
    ),
    (
        "a.t",
        "CREATE TABLE a.t (x int PRIMARY KEY, y int); INSERT INTO a.t VALUES (1, NULL)",
        "ALTER y SET NOT NULL",
        "some rows hold NULL",
    ),
    (
        "a.t",
        "CREATE TABLE a.t (x int PRIMARY KEY, y text); INSERT INTO a.t VALUES (1, 'abcdef')",
        "ALTER y TYPE varchar(3)",
        "some values are longer than 3 characters",
    ),
    (
        "a.t",
        "CREATE TABLE a.t (x int PRIMARY KEY, y text); INSERT INTO a.t VALUES (1, 'secret')",
        "ALTER y TYPE int USING y::int",
        "not every value becomes integer",
    ),
    (
        "a.t",
        "CREATE TABLE a.t (x bigint PRIMARY KEY); INSERT INTO a.t VALUES (3000000000)",
        "ALTER x TYPE int",
        "integer out of range",
    ),
    ("pg_catalog.pg_class", "SELECT 1", "ADD y int", "is the server's own"),
    (
        "cofferdam_x.t",
        "CREATE SCHEMA cofferdam_x; CREATE TABLE cofferdam_x.t (x int PRIMARY KEY)",
        "ADD y int",
        "one of Cofferdam's own",
    ),
];

#[tokio::test]
async fn what_cannot_be_carried_over_is_said_before_anything_happens() {
    let test = "what_cannot_be_carried_over_is_said_before_anything_happens";
    let Some(server) = server(test) else { return };
    let client = database(server, "obstacles", "").await;
    for (table, setup, clauses, expected) in OBSTACLES {
        run(&client, &format!("CREATE SCHEMA a; {setup}")).await;
        let change = change(table, clauses);
        let examined = match examine(&client, &change).await {
            Ok(examined) => examined,
            Err(fault) => panic!("{setup}: {}", said(&fault)),
        };
        assert!(examined.obstacles.iter().any(|o| o.contains(expected)), "{setup}: {clauses}: {examined:?}");
        assert!(!format!("{examined:?}").contains("secret"), "{examined:?}");
        assert!(blueprint(&client, &change).await.is_err());
        run(&client, "DROP SCHEMA a CASCADE; DROP FOREIGN DATA WRAPPER IF EXISTS w CASCADE; DROP SCHEMA IF EXISTS a2 CASCADE").await;
    }
}

#[tokio::test]
async fn row_security_that_hides_rows_from_us_is_an_obstacle() {
    let Some(server) = server("row_security_that_hides_rows_from_us_is_an_obstacle") else { return };
    let setup = "CREATE SCHEMA a; CREATE TABLE a.t (x int PRIMARY KEY); ALTER TABLE a.t OWNER TO keeper; GRANT ALL ON SCHEMA a TO keeper;
        GRANT CREATE ON DATABASE hidden TO keeper; ALTER TABLE a.t ENABLE ROW LEVEL SECURITY";
    let client = database(server, "hidden", setup).await;
    run(&client, "SET ROLE keeper").await;
    let examined = examine(&client, &change("a.t", "ADD y int")).await.unwrap();
    assert_eq!(examined.obstacles, Vec::<String>::new());
    run(&client, "ALTER TABLE a.t FORCE ROW LEVEL SECURITY").await;
    let examined = examine(&client, &change("a.t", "ADD y int")).await.unwrap();
    assert!(examined.obstacles[0].contains("row security hides rows"), "{examined:?}");
}

#[tokio::test]
async fn what_the_server_refuses_is_shown_in_its_words_at_its_place() {
    let Some(server) = server("what_the_server_refuses_is_shown_in_its_words_at_its_place") else { return };
    let setup =
        "CREATE SCHEMA a; CREATE TABLE a.t (x int PRIMARY KEY, y text); CREATE VIEW a.v AS SELECT y FROM a.t";
    let client = database(server, "refused", setup).await;
    for (clauses, message, place) in [
        ("DROP COLUMN nowhere", "column \"nowhere\" of relation \"t\" does not exist", None),
        ("ALTER x TYPE bigint,\n  ALTER y TYP int", "syntax error at or near \"TYP\"", Some("TYP int")),
        ("ADD z nosuchtype", "type \"nosuchtype\" does not exist", Some("nosuchtype")),
        ("ALTER y TYPE varchar(5)", "cannot alter type of a column used by a view or rule", None),
        ("DROP y", "cannot drop column y of table a.t because other objects depend on it", None),
        ("ALTER x TYPE int USING nope", "column \"nope\" does not exist", Some("nope")),
    ] {
        let fault = examine(&client, &change("a.t", clauses)).await.unwrap_err();
        let refusal = fault.refusal().unwrap();
        assert_eq!(refusal.code, Code::StatementFailed);
        let all = said(&fault);
        assert!(all.contains(message) && !all.contains("cofferdam"), "{clauses}: {all}");
        let at = refusal.place.as_ref().unwrap();
        let source = at.source.as_ref().unwrap();
        assert!(source.ends_with(clauses) && source.starts_with("ALTER TABLE a.t "));
        if let Some(text) = place {
            assert!(source[at.at.start..].starts_with(text), "{clauses}: {:?}", at.at);
        }
        if clauses.contains('\n') {
            assert_eq!((at.at.line, at.at.column), (2, 11));
        }
        if clauses == "ALTER y TYPE varchar(5)" || clauses == "DROP y" {
            assert!(all.contains("view a.v depends on column") || all.contains("view a.v"), "{all}");
        }
    }
    for clauses in ["ADD z int; DROP TABLE a.t", "ADD z int DEFAULT 'x", ""] {
        assert!(examine(&client, &change("a.t", clauses)).await.is_err());
    }
    let fault = examine(&client, &change("a.nowhere", "ADD z int")).await.unwrap_err();
    assert!(matches!(&fault, Fault::Refused(r) if r.what.contains("there is no table")), "{fault}");
    assert_eq!(text(&client, "SELECT count(*)::text FROM pg_class WHERE relname = 't'").await, "1");
}

#[tokio::test]
async fn rewrites_are_seen_and_not_believed() {
    let Some(server) = server("rewrites_are_seen_and_not_believed") else { return };
    let setup = "CREATE SCHEMA a; CREATE TABLE a.p (x int PRIMARY KEY);
        CREATE TABLE a.t (x int PRIMARY KEY, y varchar(10), z int CHECK (z IS NOT NULL), w timestamptz, q text);
        CREATE INDEX t_y ON a.t (y); CREATE UNIQUE INDEX t_z ON a.t (z)";
    let client = database(server, "rewrites", setup).await;
    for (clauses, expected) in [
        ("ADD a int", false),
        ("ADD a int DEFAULT 5", false),
        ("ADD a timestamptz DEFAULT now()", false),
        ("ADD a float DEFAULT random()", true),
        ("ADD a int GENERATED ALWAYS AS (x) STORED", true),
        ("ADD a int GENERATED ALWAYS AS IDENTITY", true),
        ("DROP q", false),
        ("ALTER x TYPE bigint", true),
        ("ALTER y TYPE varchar(20)", false),
        ("ALTER y TYPE text", false),
        ("ALTER y TYPE varchar(5)", true),
        ("ALTER q TYPE varchar(5)", true),
        ("ALTER y TYPE text COLLATE \"POSIX\"", true),
        ("ALTER z SET NOT NULL", false),
        ("ALTER w SET NOT NULL", true),
        ("ALTER w SET DEFAULT now()", false),
        ("ADD CHECK (x > 0)", true),
        ("ADD CHECK (x > 0) NOT VALID", false),
        ("ADD UNIQUE (w)", true),
        ("ADD CONSTRAINT u UNIQUE USING INDEX t_z", false),
        ("ADD FOREIGN KEY (z) REFERENCES a.p", true),
        ("ADD FOREIGN KEY (z) REFERENCES a.p NOT VALID", false),
        ("SET UNLOGGED", true),
        ("SET (fillfactor = 50)", false),
        ("ALTER q SET STORAGE EXTERNAL", false),
    ] {
        let examined = examine(&client, &change("a.t", clauses))
            .await
            .unwrap_or_else(|f| panic!("{clauses}: {}", said(&f)));
        assert_eq!(examined.rewrites, expected, "{clauses}");
    }
}

#[tokio::test]
async fn losses_are_listed() {
    let Some(server) = server("losses_are_listed") else { return };
    let setup = "CREATE SCHEMA a; CREATE TABLE a.t (x int PRIMARY KEY, e text, n numeric, f float8, ts timestamptz, j json);
        INSERT INTO a.t (x, n, f, ts) VALUES (1, 1.5, 2, now())";
    let client = database(server, "losses", setup).await;
    for (clauses, expected) in [
        ("DROP e", None),
        ("DROP n", Some("a.t.n: all its values")),
        ("ALTER n TYPE numeric(5, 1)", Some("a.t.n: digits behind the point")),
        ("ALTER n TYPE int", Some("a.t.n: digits")),
        ("ALTER f TYPE real", Some("a.t.f: digits")),
        ("ALTER ts TYPE date", Some("a.t.ts: the time of day")),
        ("ALTER ts TYPE timestamptz(3)", Some("a.t.ts: fractions")),
        ("ALTER j TYPE jsonb", Some("a.t.j: spaces")),
        ("ALTER x TYPE bigint", None),
        ("ALTER f TYPE text", None),
    ] {
        let examined = examine(&client, &change("a.t", clauses)).await.unwrap();
        match expected {
            None => assert_eq!(examined.losses, Vec::<String>::new(), "{clauses}"),
            Some(text) => {
                assert!(examined.losses.iter().any(|l| l.contains(text)), "{clauses}: {examined:?}")
            }
        }
    }
}

#[tokio::test]
async fn looking_needs_access_share_alone_and_leaves_nothing() {
    let test = "looking_needs_access_share_alone_and_leaves_nothing";
    let Some(server) = server(test) else { return };
    let setup = "CREATE SCHEMA a; CREATE TABLE a.p (x int PRIMARY KEY); CREATE TABLE a.t (x int PRIMARY KEY, p int REFERENCES a.p, up int REFERENCES a.t);
        CREATE TABLE a.c (t int REFERENCES a.t); CREATE VIEW a.v AS SELECT p FROM a.t; INSERT INTO a.t VALUES (1)";
    let client_one = database(server, "quiet", setup).await;
    let before = dump(server, "quiet", test);
    let other = client(server, "quiet").await;
    // EXCLUSIVE goes together with ACCESS SHARE only.
    run(&other, "BEGIN; LOCK TABLE a.t, a.p, a.c IN EXCLUSIVE MODE").await;
    let clauses = "ALTER x TYPE bigint, ADD CONSTRAINT again FOREIGN KEY (up) REFERENCES t";
    run(&client_one, "SET search_path = a").await;
    let examined =
        examine(&client_one, &change("a.t", clauses)).await.unwrap_or_else(|f| panic!("{}", said(&f)));
    assert_eq!(examined.obstacles, Vec::<String>::new());
    assert!(examined.rewrites);
    run(&other, "COMMIT").await;
    assert_eq!(text(&client_one, "SHOW search_path").await, "a");
    assert_eq!(before, dump(server, "quiet", test));
    assert_eq!(
        text(&client_one, "SELECT count(*)::text FROM pg_namespace WHERE nspname LIKE 'cofferdam%'").await,
        "0"
    );
}
