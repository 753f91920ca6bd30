//! Tables.

use crate::support::{self, Bench};
use crate::{parked, refused, rows, schema, shop};

const PARK: &[&str] = &["apply", "--park"];

/// Parks by V1, and checks that everything is as before after this command.
fn there_and_back(bench: &Bench, tables: &[&str], back: &[&str]) {
    let (before, held) = (schema(bench), tables.iter().map(|t| rows(bench, t)).collect::<Vec<_>>());
    let done = bench.must(PARK);
    assert!(done.stderr.contains("is parked as cofferdam_parked_"), "{}", done.stderr);
    for table in tables {
        assert_eq!(bench.one(&format!("SELECT to_regclass('{table}')")), "NULL", "{table}");
    }
    assert_eq!(parked(bench).len(), 1);
    bench.must(back);
    assert_eq!(parked(bench).len(), 0);
    for (table, held) in tables.iter().zip(held) {
        assert_eq!(rows(bench, table), held, "{table}");
    }
    assert_eq!(schema(bench), before);
    assert_eq!(bench.one("SELECT count(*) FROM pg_namespace WHERE nspname ~ '^cofferdam_parked'"), "0");
    bench.assert_sound();
}

#[test]
fn a_table_comes_back_as_it_was() {
    let bench = shop("parked_whole", "DROP TABLE orders;");
    there_and_back(&bench, &["orders"], &["undrop", "orders"]);
    // The keys were looked at again, and the sequences go on.
    assert_eq!(
        bench.one("SELECT bool_and(convalidated) FROM pg_constraint WHERE conrelid = 'orders'::regclass"),
        "t"
    );
    assert_eq!(bench.one("INSERT INTO orders (u) VALUES (1) RETURNING id || ' ' || number"), "501 501");
    let list = bench.must(&["parked", "--all"]);
    assert!(list.stdout.contains("undropped"), "{}", list.stdout);
}

#[test]
fn taking_the_migration_back_brings_the_table_back() {
    let bench = shop("parked_rollback", "CREATE TABLE other (id int);\nDROP TABLE orders;");
    there_and_back(&bench, &["orders"], &["rollback", "--yes"]);
    assert!(bench.history().is_empty());
    bench.must(PARK);
    assert_eq!(parked(&bench).len(), 1);
}

#[test]
fn a_migration_that_fails_later_leaves_the_table_where_it_was() {
    for (name, change) in [
        ("together", "DROP TABLE orders;\nSELECT 1 / 0;"),
        ("apart", "-- cofferdam:transaction none\nDROP TABLE orders;\nSELECT 1 / 0;"),
    ] {
        let bench = shop(&format!("parked_fails_{name}"), change);
        let (before, held) = (schema(&bench), rows(&bench, "orders"));
        refused(&bench.run(PARK), 6, &["division by zero"]);
        assert_eq!((schema(&bench), rows(&bench, "orders")), (before, held), "{name}");
        assert!(parked(&bench).is_empty(), "{name}");
        bench.assert_sound();
    }
}

#[test]
fn nobody_deletes_or_sees_what_is_parked() {
    let bench = shop("parked_closed", "DROP TABLE orders;");
    let role = format!("{}_app", bench.database);
    bench.query(&format!(
        "CREATE ROLE {role}; GRANT ALL ON ALL TABLES IN SCHEMA public TO {role};
         ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO {role}, PUBLIC"
    ));
    let rights = bench.one("SELECT relacl FROM pg_class WHERE oid = 'orders'::regclass");
    bench.must(PARK);
    let name = parked(&bench).remove(0);
    let usage = format!("SELECT has_schema_privilege('{role}', '{name}', 'USAGE')");
    assert_eq!(bench.one(&usage), "f");
    // The cascade of the foreign key takes no row, and the parent may go.
    bench.query("DELETE FROM users WHERE id <= 50");
    assert_eq!(bench.one(&format!("SELECT count(*) FROM {name}.orders")), "500");
    let back = bench.must(&["undrop", "orders"]);
    assert!(back.stdout.contains("stays NOT VALID"), "{}\n{}", back.stdout, back.stderr);
    assert_eq!(bench.one("SELECT count(*) FROM orders"), "500");
    assert_eq!(
        bench.query("SELECT convalidated FROM pg_constraint WHERE conname = 'orders_u_fkey'"),
        [["f".to_owned()]]
    );
    assert_eq!(bench.one("SELECT relacl FROM pg_class WHERE oid = 'orders'::regclass"), rights);
    bench.query(&format!("ALTER DEFAULT PRIVILEGES REVOKE ALL ON SCHEMAS FROM {role}; DROP OWNED BY {role}"));
}

#[test]
fn several_tables_of_one_statement_stay_together() {
    let bench =
        shop("parked_several", "DROP TABLE IF EXISTS orders, \"Odd \"\"one\"\"\".items, not_there, users;");
    bench.query(
        "CREATE SCHEMA \"Odd \"\"one\"\"\";
         CREATE TABLE \"Odd \"\"one\"\"\".items (o int REFERENCES orders, orders_note int);
         CREATE INDEX orders_note ON \"Odd \"\"one\"\"\".items (o);
         INSERT INTO \"Odd \"\"one\"\"\".items SELECT id FROM orders",
    );
    there_and_back(&bench, &["orders", "\"Odd \"\"one\"\"\".items", "users"], &["undrop", "users"]);
}

#[test]
fn a_partition_goes_and_comes_back_into_its_place() {
    let bench = Bench::new("parked_partition");
    bench.query(
        "CREATE TABLE users (id int PRIMARY KEY); INSERT INTO users VALUES (1);
         CREATE TABLE events (at date NOT NULL, u int REFERENCES users ON DELETE CASCADE, PRIMARY KEY (at)) PARTITION BY RANGE (at);
         CREATE INDEX events_u ON events (u);
         CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2020-02-01');
         CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM ('2020-02-01') TO ('2020-03-01');
         INSERT INTO events VALUES ('2020-01-05', 1), ('2020-02-05', 1)",
    );
    bench.file("V1__old.sql", "DROP TABLE events_1;");
    let (before, all) = (schema(&bench), rows(&bench, "events"));
    bench.must(PARK);
    assert_eq!(rows(&bench, "events").len(), 1);
    bench.query("DELETE FROM users");
    assert_eq!(bench.one(&format!("SELECT count(*) FROM {}.events_1", parked(&bench)[0])), "1");
    bench.query("INSERT INTO users VALUES (1); INSERT INTO events VALUES ('2020-02-05', 1)");
    bench.query("CREATE TABLE events_x PARTITION OF events FOR VALUES FROM ('2020-01-10') TO ('2020-01-20')");
    refused(&bench.run(&["undrop", "events_1"]), 6, &["CF3505", "overlap"]);
    assert_eq!(parked(&bench).len(), 1);
    bench.query("DROP TABLE events_x");
    bench.must(&["undrop", "events_1"]);
    assert_eq!((schema(&bench), rows(&bench, "events")), (before, all));
}

#[test]
fn a_partitioned_table_goes_with_its_partitions() {
    let bench = shop("parked_partitioned", "DROP TABLE events;");
    bench.query(
        "CREATE SCHEMA old;
         CREATE TABLE events (id int, u int REFERENCES users, PRIMARY KEY (id)) PARTITION BY RANGE (id);
         CREATE TABLE old.events PARTITION OF events FOR VALUES FROM (0) TO (100) PARTITION BY RANGE (id);
         CREATE TABLE old.events_low PARTITION OF old.events FOR VALUES FROM (0) TO (50);
         CREATE TABLE events_rest PARTITION OF events DEFAULT;
         INSERT INTO events SELECT i, i % 100 + 1 FROM generate_series(0, 49) i;
         INSERT INTO events SELECT i, 1 FROM generate_series(100, 149) i",
    );
    there_and_back(&bench, &["events", "old.events_low"], &["undrop"]);
}

#[test]
fn publications_let_go_of_it_and_take_it_back() {
    let bench = shop("parked_published", "DROP TABLE orders;");
    let version: u32 = bench.one("SHOW server_version_num").parse().unwrap();
    let narrow = if version >= 150_000 { "(id, u) WHERE (u > 5)" } else { "" };
    bench.query(&format!(
        "CREATE PUBLICATION \"a b\" FOR TABLE users, orders {narrow}; CREATE PUBLICATION everything FOR ALL TABLES"
    ));
    bench.query("ALTER TABLE orders ENABLE ROW LEVEL SECURITY; CREATE POLICY mine ON orders USING (u = 1)");
    let published = "SELECT pg_get_expr(prqual, prrelid), prattrs::text FROM pg_publication_rel ORDER BY 2";
    let before = if version >= 150_000 { bench.query(published) } else { Vec::new() };
    let warned = {
        let (was, held) = (schema(&bench), rows(&bench, "orders"));
        let done = bench.must(PARK);
        assert_eq!(bench.one("SELECT count(*) FROM pg_publication_tables WHERE pubname = 'a b'"), "1");
        bench.must(&["undrop", "orders"]);
        assert_eq!((schema(&bench), rows(&bench, "orders")), (was, held));
        done.stderr
    };
    assert!(warned.contains("publication everything is for all tables"), "{warned}");
    if version >= 150_000 {
        assert_eq!(bench.query(published), before);
    }
}

#[test]
fn long_names_fit_and_the_same_name_twice_is_told_apart() {
    let long = "é".repeat(31);
    let bench = Bench::new("parked_names");
    for version in 1..=3 {
        bench.query(&format!(
            "CREATE TABLE {long} (id int PRIMARY KEY); INSERT INTO {long} VALUES ({version})"
        ));
        bench.file(&format!("V{version}__drop.sql"), &format!("DROP TABLE {long};"));
        bench.must(PARK);
    }
    let names = parked(&bench);
    assert_eq!(names.len(), 3);
    assert!(names.iter().all(|name| name.len() <= 63), "{names:?}");
    refused(&bench.run(&["undrop", &long]), 2, &["CF3503", "more than one", &names[1]]);
    bench.must(&["undrop", &names[1]]);
    assert_eq!(rows(&bench, &long), [["(2)"]]);
    refused(&bench.run(&["undrop", &names[0]]), 6, &["CF3504", "there is another"]);
    bench.query(&format!("ALTER TABLE {long} RENAME TO second"));
    // Its index still has the name of the first one's.
    refused(&bench.run(&["undrop", &names[0]]), 6, &["CF3504", "already exists"]);
    bench.query(&format!(
        "ALTER INDEX \"{}\" RENAME TO second_pkey",
        bench
            .one("SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = 'second'::regclass")
            .trim_matches('"')
    ));
    bench.must(&["undrop", &names[0]]);
    assert_eq!(rows(&bench, &long), [["(1)"]]);
    bench.assert_sound();
}

#[test]
fn what_the_server_refuses_is_refused_in_its_words() {
    let bench = shop("parked_refused", "DROP TABLE users;");
    bench.query("CREATE VIEW names AS SELECT name FROM users");
    let before = schema(&bench);
    let plain = bench.run(&["apply", "--allow", "drop-table=a test"]);
    let parking = bench.run(PARK);
    refused(&plain, 6, &["other objects depend on it"]);
    refused(&parking, 6, &["other objects depend on it", "names"]);
    assert_eq!(parking.stderr.replace("park table users for 7 days", "drop table users"), plain.stderr);
    bench.file("V1__change.sql", "DROP TABLE users CASCADE;");
    refused(&bench.run(PARK), 6, &["CF3502", "by its name first"]);
    assert_eq!(schema(&bench), before);
    bench.file("V1__change.sql", "DROP TABLE orders CASCADE;");
    bench.must(PARK);
    bench.must(&["undrop"]);
    assert_eq!(schema(&bench), before);
    bench.file("V2__schema.sql", "DROP SCHEMA public CASCADE;");
    refused(&bench.run(PARK), 1, &["CF3501", "by their names first"]);
}

#[test]
fn what_is_not_parked_is_said_or_dropped_as_it_is() {
    let bench = shop(
        "parked_others",
        "SELECT make_t();\nCREATE TABLE made (id int);\nDROP TABLE t;\nDROP TABLE made;\nDROP TABLE IF EXISTS never;",
    );
    bench.query("CREATE FUNCTION make_t() RETURNS void LANGUAGE sql AS 'CREATE TEMP TABLE t (id int)'");
    bench.must(PARK);
    assert!(parked(&bench).is_empty());
    assert_eq!(bench.one("SELECT count(*) FROM cofferdam.parked WHERE ended = 'nothing'"), "2");
    bench.query("CREATE TABLE child () INHERITS (orders)");
    bench.file("V2__change.sql", "DROP TABLE child;");
    refused(&bench.run(PARK), 6, &["INHERITS", "--no-park"]);
    bench.file("V2__change.sql", "DROP TABLE nowhere;");
    refused(&bench.run(PARK), 6, &["does not exist"]);
    // A partition that lies elsewhere moves with its table.
    bench.query(
        "CREATE EXTENSION IF NOT EXISTS file_fdw; CREATE SERVER IF NOT EXISTS s FOREIGN DATA WRAPPER file_fdw;
         CREATE TABLE far (id int) PARTITION BY LIST (id);
         CREATE FOREIGN TABLE far_1 PARTITION OF far FOR VALUES IN (1) SERVER s OPTIONS (filename '/dev/null')",
    );
    bench.file("V2__change.sql", "DROP TABLE far;");
    let before = schema(&bench);
    bench.must(PARK);
    bench.must(&["undrop", "far"]);
    assert_eq!(schema(&bench), before);
}

#[test]
fn names_are_found_as_the_script_finds_them() {
    let bench =
        shop("parked_path", "SET search_path = app;\nDROP TABLE orders;\nCREATE TABLE after (id int);");
    bench.query("CREATE SCHEMA app; CREATE TABLE app.orders (id int); INSERT INTO app.orders VALUES (7)");
    bench.must(PARK);
    assert_eq!(
        bench.one("SELECT to_regclass('app.orders') IS NULL AND to_regclass('app.after') IS NOT NULL"),
        "t"
    );
    assert_eq!(rows(&bench, "orders").len(), 500);
    bench.must(&["undrop", "app.orders"]);
    assert_eq!(rows(&bench, "app.orders"), [["(7)"]]);
}

#[test]
fn a_role_of_the_script_parks_what_it_may_drop() {
    let bench =
        shop("parked_role", "SET ROLE ROLE_NAME;\nDROP TABLE app.mine;\nCREATE TABLE app.after (id int);");
    let role = format!("{}_owner", bench.database);
    let text = format!("SET ROLE {role};\nDROP TABLE app.mine;\nCREATE TABLE app.after (id int);");
    bench.file("V1__change.sql", &text);
    bench.query(&format!(
        "CREATE ROLE {role}; CREATE SCHEMA app AUTHORIZATION {role}; CREATE TABLE app.mine (id int);
         ALTER TABLE app.mine OWNER TO {role}; INSERT INTO app.mine VALUES (1)"
    ));
    // Without the right to make a schema it is refused, and nothing is done.
    refused(&bench.run(PARK), 6, &["permission denied for database"]);
    bench.query(&format!("GRANT CREATE ON DATABASE {} TO {role}", bench.database));
    bench.must(PARK);
    assert_eq!(bench.one("SELECT tableowner FROM pg_tables WHERE tablename = 'after'"), role);
    bench.must(&["undrop", "mine"]);
    assert_eq!(bench.one("SELECT tableowner FROM pg_tables WHERE tablename = 'mine'"), role);
    bench.query(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

#[test]
fn a_database_of_an_earlier_version_gets_the_table_when_it_needs_it() {
    let bench = shop("parked_earlier", "CREATE TABLE first (id int);");
    bench.must(&["apply"]);
    bench.query("DROP TABLE cofferdam.parked");
    assert!(bench.must(&["parked"]).stdout.contains("nothing is parked"));
    bench.file("V2__drop.sql", "DROP TABLE orders;");
    bench.must(PARK);
    assert_eq!(parked(&bench).len(), 1);
}

#[test]
fn the_plan_says_what_is_parked_and_the_environment_may_ask_for_it() {
    let bench = shop("parked_plan", "DROP TABLE orders;");
    let yaml = format!(
        "environments:\n  prod: {{url: \"{}\", drop: park, parkFor: 36h}}\n  other: {{url: \"{}\"}}\n",
        bench.url, bench.url
    );
    std::fs::write(bench.folder.path().join("cofferdam.yaml"), yaml).unwrap();
    let with = |arguments: &[&str]| {
        let mut command = bench.command(arguments);
        support::ended(command.env_remove("COFFERDAM_URL"))
    };
    let plan = with(&["plan", "--env", "prod"]);
    assert_eq!(plan.code, 0, "{}", plan.stderr);
    assert!(plan.stdout.contains("park table orders for 36 hours"), "{}", plan.stdout);
    assert!(plan.stdout.contains("✔ undrop"), "{}", plan.stdout);
    assert!(plan.stdout.contains("taken care of by the plan"), "{}", plan.stdout);
    let script = with(&["plan", "--env", "prod", "--sql"]);
    assert!(!script.stdout.contains("\nDROP TABLE"), "{}", script.stdout);
    let for_good = with(&["plan", "--env", "prod", "--no-park"]);
    assert_eq!(for_good.code, 4, "{}", for_good.stdout);
    assert_eq!(with(&["apply", "--env", "other"]).code, 4);
    assert_eq!(with(&["apply", "--env", "prod"]).code, 0);
    let document: serde_json::Value =
        serde_json::from_str(&with(&["parked", "--env", "prod", "-o", "json"]).stdout).unwrap();
    let text = document.to_string();
    assert!(text.contains("\"kind\":\"Parked\"") && text.contains("\"expired\":false"), "{text}");
    assert_eq!(bench.one("SELECT until - parked_at FROM cofferdam.parked"), "1 day 12:00:00");
    let journal = bench.one("SELECT string_agg(entry->>'text', ' ') FROM cofferdam.journal");
    assert!(journal.contains("is parked as cofferdam_parked_"), "{journal}");
}
