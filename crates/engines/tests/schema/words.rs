//! What is held back, what is said, and what is left out.

use cofferdam_schema::{Deed, Kind, compare, mermaid};

use super::bench::bench;

#[test]
fn what_drops_or_loses_something_is_a_comment_unless_it_is_allowed() {
    let Some(bench) = bench("what_drops_or_loses_something_is_a_comment_unless_it_is_allowed") else {
        return;
    };
    let from = "CREATE TABLE gone (a int); CREATE TABLE t (a numeric(10,4), old text, v int); CREATE INDEX i ON t (v);
                CREATE VIEW w AS SELECT a FROM t; CREATE SEQUENCE s";
    let to = "CREATE TABLE t (a numeric(10,2), v int, new text); CREATE VIEW w AS SELECT a FROM t";
    let way = bench.prove(from, to).unwrap();
    let held: Vec<_> =
        way.statements.iter().filter(|s| s.held).map(|s| (s.object.as_str(), s.loses.is_some())).collect();
    assert_eq!(
        held,
        [
            ("column public.t.a", true),
            ("index public.i", false),
            ("column public.t.old", true),
            ("table public.gone", true),
            ("sequence public.s", true)
        ]
    );
    // The view is dropped and made again: nothing is gone after it.
    let view: Vec<_> =
        way.statements.iter().filter(|s| s.object == "view public.w").map(|s| (s.does, s.held)).collect();
    assert_eq!(view, [(Deed::Drop, false), (Deed::Create, false)]);
    let script = way.script(&["from a".into(), "to b".into()], false);
    assert!(script.starts_with("-- from a\n-- to b\n"), "{script}");
    for line in script.lines().filter(|line| line.contains("DROP TABLE") || line.contains("DROP COLUMN")) {
        assert!(line.starts_with("-- "), "{line}");
    }
    assert!(
        script.contains("-- held back, --allow-drop prints it: loses the rows of public.gone\n"),
        "{script}"
    );
    let allowed = way.script(&[], true);
    assert!(
        allowed.contains("-- loses the rows of public.gone\nDROP TABLE \"public\".\"gone\";\n"),
        "{allowed}"
    );
}

#[test]
fn what_is_not_the_applications_is_left_out_and_said() {
    let Some(bench) = bench("what_is_not_the_applications_is_left_out_and_said") else { return };
    let before = bench.inspect(&bench.database(""));
    let after = bench.inspect(&bench.database(
        "CREATE SCHEMA cofferdam; CREATE TABLE cofferdam.run (a int); CREATE SCHEMA cofferdam_parked_1; CREATE TABLE cofferdam_parked_1.t (a int);
         CREATE TABLE goose_db_version (id serial PRIMARY KEY, version_id bigint NOT NULL, is_applied boolean NOT NULL, tstamp timestamp DEFAULT now());
         CREATE EXTENSION citext;
         CREATE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int);
         CREATE TABLE t (a citext)",
    ));
    let kinds: Vec<(Kind, String)> =
        compare(&before, &after).into_iter().map(|d| (d.key.kind, d.key.name)).collect();
    assert_eq!(kinds, [(Kind::Extension, "citext".to_owned()), (Kind::Table, "t".to_owned())]);
    let said: Vec<(String, String, Option<String>)> =
        after.left_out.into_iter().map(|one| (one.what, one.name, one.why)).collect();
    assert_eq!(
        said,
        [
            ("aggregate".into(), "public.total".into(), None),
            ("table".into(), "public.goose_db_version".into(), Some("the history of goose".to_owned()))
        ]
    );
}

#[test]
fn a_picture_has_the_tables_their_keys_and_what_is_new() {
    let Some(bench) = bench("a_picture_has_the_tables_their_keys_and_what_is_new") else { return };
    let from = bench.inspect(&bench.database("CREATE TABLE users (id int PRIMARY KEY)"));
    let to = bench.inspect(&bench.database(
        "CREATE TABLE users (id int PRIMARY KEY, \"e mail\" varchar(9) UNIQUE);
         CREATE TABLE orders (id int PRIMARY KEY, u int NOT NULL REFERENCES users, at timestamptz)",
    ));
    assert_eq!(
        mermaid::er(&to, &compare(&from, &to)),
        "erDiagram
    public_orders[\"public.orders (new)\"] {
        integer id PK
        integer u FK
        timestamp_with_time_zone at \"null\"
    }
    public_users[\"public.users\"] {
        integer id PK
        character_varying_9 e_mail UK \"new\"
    }
    public_orders }o--|| public_users : \"u\"
"
    );
}
