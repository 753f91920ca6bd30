//! Values on their way, and how they are compared.

use cofferdam_core::online::Conversion;

use super::super::{blueprint, examine};
use super::support::{change, database, run, said, server, text};
use super::way::prepare;

/// A type, and two values of it that are equal, or alike, and not the same.
const ALIKE: &[(&str, &str, &str)] = &[
    ("numeric", "1.0", "1.00"),
    ("numeric", "-1", "1"),
    ("numeric", "-0.00", "0"),
    ("numeric", "10", "100"),
    ("numeric", "10000", "1"),
    ("numeric", "0.1", "0.01"),
    ("numeric", "123456789012345678901234567890.5", "-123456789012345678901234567890.5"),
    ("numeric", "NaN", "0"),
    ("numeric", "NaN", "Infinity"),
    ("numeric", "Infinity", "-Infinity"),
    ("float8", "0", "-0"),
    ("float4", "0", "-0"),
    ("interval", "1 day", "24 hours"),
    ("interval", "1 mon", "30 days"),
    ("text COLLATE s.c", "A", "a"),
    ("text", "", "NULL"),
    ("text", "a", "a "),
    ("varchar(5)", "a", "a "),
    ("bpchar", "a", "a "),
    ("jsonb", "[1.0]", "[1.00]"),
    ("json", "[1]", "[ 1]"),
    ("int", "0", "NULL"),
    ("bool", "f", "NULL"),
    ("bytea", "", "NULL"),
    ("date", "2000-01-01", "NULL"),
    ("timestamptz", "2024-10-27 02:30+02", "2024-10-27 02:30+01"),
    ("timetz", "10:00+00", "11:00+01"),
    ("int[]", "{1,2}", "[0:1]={1,2}"),
    ("numeric[]", "{1.0}", "{1.00}"),
    ("point", "(0,1)", "(-0,1)"),
    ("xml", "<a/>", "<a></a>"),
    ("s.pair", "(1.0)", "(1.00)"),
    ("s.amount", "1.0", "1.00"),
    ("bit varying", "1", "10"),
    ("int4range", "empty", "[1,2)"),
    ("s.mood", "sad", "glad"),
    ("\"char\"", "a", "b"),
];

#[tokio::test]
async fn what_is_equal_but_not_the_same_is_told_apart() {
    let Some(server) = server("what_is_equal_but_not_the_same_is_told_apart") else { return };
    let setup = "CREATE SCHEMA s; CREATE TYPE s.pair AS (a numeric); CREATE DOMAIN s.amount AS numeric; CREATE TYPE s.mood AS ENUM ('sad', 'glad')";
    let client = database(server, "alike", setup).await;
    let loose = "CREATE COLLATION s.c (provider = icu, locale = 'und-u-ks-level2', deterministic = false)";
    if client.batch_execute(loose).await.is_err() {
        run(&client, "CREATE COLLATION s.c (locale = 'C')").await;
    }
    // An hour that comes twice, if times were compared as they are shown.
    run(&client, "SET timezone = 'Europe/Berlin'").await;
    let newer = text(&client, "SELECT (current_setting('server_version_num')::int >= 140000)::text").await;
    for (ty, one, other) in ALIKE {
        // The server does not know them before version 14.
        if other.contains("Infinity") && newer != "true" {
            continue;
        }
        run(&client, &format!("CREATE TABLE s.t (id int PRIMARY KEY, v {ty})")).await;
        let value = |v: &str| if v == "NULL" { v.to_owned() } else { format!("'{v}'") };
        run(&client, &format!("INSERT INTO s.t VALUES (1, {}), (2, {})", value(one), value(other))).await;
        let made = blueprint(&client, &change("s.t", "ADD x int"))
            .await
            .unwrap_or_else(|f| panic!("{ty}: {}", said(&f)));
        let compared = made.compare.iter().find(|c| c.name == "v").unwrap();
        let (left, right) = (&compared.left, &compared.right);
        let query = format!(
            "SELECT concat_ws(' ', count(*) FILTER (WHERE o.id = n.id AND {left} = {right}), count(*) FILTER (WHERE o.id <> n.id AND {left} = {right})) FROM s.t o, s.t n"
        );
        assert_eq!(text(&client, &query).await, "2 0", "{ty}: {one} and {other}: {left}");
        run(&client, "DROP TABLE s.t").await;
    }
}

#[tokio::test]
async fn the_users_expressions_are_understood_as_the_session_understands_them() {
    let test = "the_users_expressions_are_understood_as_the_session_understands_them";
    let Some(server) = server(test) else { return };
    let setup = "CREATE SCHEMA s; CREATE SCHEMA f; CREATE FUNCTION f.twice(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT $1 || $1';
        CREATE TABLE s.t (id int PRIMARY KEY, a text, n int NOT NULL); INSERT INTO s.t SELECT n, 'a' || n, n FROM generate_series(1, 9) n;
        SET search_path = f, public";
    let client = database(server, "words", setup).await;
    let conversion =
        |column: &str, expression: &str| Conversion { column: column.into(), expression: expression.into() };
    let mut asked =
        change("s.t", "ADD COLUMN b text NOT NULL, ALTER n TYPE text USING 'n' || n::text -- a remark");
    asked.forward = vec![conversion("b", "twice(a) || o.n"), conversion("a", "upper(a)")];
    asked.backward = vec![
        conversion("n", "substr(n, 2)::int"),
        conversion("a", "CASE WHEN n.id = 4 THEN 'x' ELSE lower(n.a) END"),
    ];
    let examined = examine(&client, &asked).await.unwrap_or_else(|f| panic!("{}", said(&f)));
    assert_eq!((&examined.obstacles, &examined.notes), (&vec![], &vec![]));
    let made = prepare(&client, &asked).await;
    let shadow = asked.shadow().to_sql().unwrap();
    let row = text(&client, &format!("SELECT t::text FROM {shadow} t WHERE id = 3")).await;
    assert_eq!(row, "(3,A3,n3,a3a33)");
    let back: Vec<_> = made.back.iter().map(|m| m.expression.as_str()).collect();
    let row =
        text(&client, &format!("SELECT ROW({})::text FROM {shadow} n WHERE id = 3", back.join(", "))).await;
    assert_eq!(row, "(3,a3,3)");
    run(&client, "RESET search_path").await;

    for (forward, expected) in [
        (conversion("b", "1) AS x; DROP TABLE s.t; SELECT (1"), "cannot insert multiple commands"),
        (conversion("b", "nope"), "column \"nope\" does not exist"),
        (conversion("nope", "1"), "there is no column nope"),
        (conversion("n", "id = 1"), "expression is of type boolean"),
    ] {
        let mut asked = change("s.t", "ADD COLUMN b text");
        asked.forward = vec![forward];
        let fault = examine(&client, &asked).await.unwrap_err();
        assert!(said(&fault).contains(expected), "{}", said(&fault));
    }
    let mut asked = change("s.t", "ADD COLUMN b text");
    asked.forward = vec![conversion("b", "random()::text")];
    let examined = examine(&client, &asked).await.unwrap();
    assert!(examined.notes[0].contains("does not know that"), "{examined:?}");
}
