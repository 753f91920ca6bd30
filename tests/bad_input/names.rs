//! Names at the edges of what a name may be.

use cofferdam_core::Code;

use crate::refusal::{Expected, refused};
use crate::support::Bench;

#[test]
fn the_longest_name_is_kept_whole() {
    let bench = Bench::new("names");
    for name in ["a".repeat(63), "ä".repeat(31), "🦀".repeat(15)] {
        let before = bench.dump();
        // Index and constraint are given names by the server, which cuts them where they would be too long.
        bench.file(
            "V1__long.sql",
            &format!(
                "CREATE TABLE \"{name}\" (id int PRIMARY KEY, \"{name}\" int UNIQUE);\n\
                 CREATE INDEX ON \"{name}\" (\"{name}\", id);\n\
                 ALTER TABLE \"{name}\" ADD CHECK (\"{name}\" > 0);\n"
            ),
        );
        bench.must(&["apply"]);
        assert_eq!(bench.one("SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"), name);
        bench.must(&["plan", "--exit-code"]);
        bench.must(&["rollback", "--yes"]);
        assert_eq!(bench.dump(), before);
    }
    bench.assert_sound();
}

#[test]
fn a_longer_name_is_refused_and_not_cut() {
    let (a, b) = ("a".repeat(64), format!("{}b", "a".repeat(63)));
    for text in [
        format!("CREATE TABLE {a} (id int);\nCREATE TABLE {b} (id int);\n"),
        format!("CREATE TABLE t (\"{a}\" int);\n"),
        format!("ALTER TABLE kept ADD COLUMN {a} int;\n"),
        format!("CREATE INDEX {a} ON kept (id);\n"),
        format!("ALTER TABLE kept ADD CONSTRAINT {a} CHECK (id > 0);\n"),
        format!("ALTER TABLE kept RENAME TO \"{a}\";\n"),
    ] {
        let bench = Bench::new("names");
        bench.query("CREATE TABLE kept (id int PRIMARY KEY)");
        bench.file("V1__long.sql", &text);
        refused(&bench, &["apply"], &Expected::new(Code::LintBlocked, &["63 bytes", "identifier-too-long"]));
    }
}

/// Where a name is quoted, it is that name; where it is a reserved word and not quoted, it is no name.
#[test]
fn reserved_words() {
    let bench = Bench::new("names");
    bench.file(
        "V1__words.sql",
        "CREATE TABLE \"select\" (\"from\" int PRIMARY KEY, \"Group\" int);\n\
         CREATE INDEX \"index\" ON \"select\" (\"Group\");\n\
         ALTER TABLE \"select\" ALTER COLUMN \"Group\" SET NOT NULL;\n",
    );
    bench.must(&["apply"]);
    bench.must(&["rollback", "--yes"]);
    assert_eq!(bench.one("SELECT count(*) FROM pg_class WHERE relname = 'select'"), "0");
    bench.file("V1__words.sql", "CREATE TABLE select (id int);\n");
    let said = bench.run(&["apply"]);
    assert_eq!(said.code, 6, "{}", said.stderr);
    assert!(
        said.stderr.contains("V1__words.sql:1:") && said.stderr.contains("syntax error"),
        "{}",
        said.stderr
    );
    assert_eq!(bench.history().len(), 0);
    bench.assert_sound();
}

#[test]
fn databases_and_roles_with_hostile_names() {
    let name = "x\"; DROP TABLE t; --";
    crate::support::server().create_database(name).unwrap();
    let bench = Bench::of(name.to_owned());
    bench.query("CREATE TABLE t (id int)");
    bench.query(&format!(
        "CREATE ROLE \"{0}\" LOGIN; ALTER TABLE t OWNER TO \"{0}\"",
        name.replace('"', "\"\"")
    ));
    bench.query(&format!("ALTER DATABASE \"{0}\" OWNER TO \"{0}\"", name.replace('"', "\"\"")));
    bench.query(&format!("GRANT ALL ON SCHEMA public TO \"{}\"", name.replace('"', "\"\"")));
    bench.file("V1__a.sql", "ALTER TABLE t ADD COLUMN a int;\nCREATE INDEX ON t (a);\n");
    let role: String = name.bytes().map(|b| format!("%{b:02X}")).collect();
    let url = bench.url.replace("postgres@", &format!("{role}@"));
    let mut command = bench.command(&["apply"]);
    let done = crate::support::ended(command.env("COFFERDAM_URL", url));
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert_eq!(
        bench.one("SELECT count(*) FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'a'"),
        "1"
    );
    bench.must(&["rollback", "--yes"]);
    bench.assert_sound();
}
