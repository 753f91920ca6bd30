//! Taking a migration back that made something: what it would drop is parked, so nothing that was written there is lost.

use crate::support::Bench;
use crate::{parked, refused, rows, schema, shop};

/// The table is gone, its rows are one command away, and nobody had to agree to a loss.
#[test]
fn what_a_migration_made_is_parked_when_it_is_taken_back() {
    let bench =
        shop("back_table", "CREATE TABLE notes (id int PRIMARY KEY, t text);\nCREATE INDEX ON notes (t);");
    let before = schema(&bench);
    bench.must(&["apply"]);
    bench.query("INSERT INTO notes VALUES (1, 'written since')");
    let lost = bench.run(&["rollback"]);
    refused(&lost, 8, &["lost: the rows of notes"]);
    let done = bench.must(&["rollback", "--park", "--park-for", "2d"]);
    assert!(done.stderr.contains("is parked as cofferdam_parked_"), "{}", done.stderr);
    assert_eq!(schema(&bench), before);
    assert_eq!((parked(&bench).len(), bench.history()), (1, vec![]));
    // It is applied anew, and the old rows are still there to be looked at; the name is taken.
    bench.must(&["apply"]);
    refused(&bench.run(&["undrop", "notes"]), 6, &["CF3504"]);
    bench.must(&["rollback", "--park"]);
    assert_eq!(parked(&bench).len(), 2);
    let first = parked(&bench).remove(0);
    bench.must(&["undrop", &first]);
    assert_eq!(rows(&bench, "notes"), [["written since"]]);
    bench.assert_sound();
}

/// A column of a table with a key; one of a table without a key is dropped as before, and counts as lost.
#[test]
fn a_column_that_a_migration_added_is_parked_where_it_can_be() {
    let bench = shop("back_column", "ALTER TABLE users ADD COLUMN mail text;\nCREATE TABLE bare (id int);");
    bench.file("V2__bare.sql", "ALTER TABLE bare ADD COLUMN v text;");
    bench.must(&["apply"]);
    bench.query("UPDATE users SET mail = 'm' || id WHERE id <= 10; INSERT INTO bare VALUES (1, 'x')");
    refused(&bench.run(&["rollback", "--park"]), 8, &["lost: the values of bare.v"]);
    bench.query("UPDATE bare SET v = NULL");
    bench.must(&["rollback", "--park"]);
    bench.must(&["rollback", "--park"]);
    let column = "SELECT count(*) FROM pg_attribute WHERE attrelid = 'users'::regclass AND attname = 'mail'";
    assert_eq!(bench.one(column), "0");
    bench.must(&["undrop", "users.mail"]);
    assert_eq!(bench.one("SELECT count(mail) FROM users"), "10");
    bench.must(&["undrop", "bare"]);
    assert_eq!(bench.one("SELECT count(*) FROM bare"), "1");
    bench.assert_sound();
}

/// `drop: park` of the environment is about the way back as well, and `--no-park` about this once.
#[test]
fn the_environment_parks_and_a_flag_does_not() {
    let bench = shop("back_environment", "CREATE TABLE notes (id int);");
    let yaml = format!("environments:\n  prod:\n    url: {}\n    drop: park\n", bench.url);
    std::fs::write(bench.folder.path().join("cofferdam.yaml"), yaml).unwrap();
    let write = |bench: &Bench| {
        bench.must(&["apply", "--env", "prod"]);
        bench.query("INSERT INTO notes VALUES (1)");
    };
    write(&bench);
    refused(&bench.run(&["rollback", "--env", "prod", "--no-park"]), 8, &["lost: the rows of notes"]);
    let shown = bench.must(&["rollback", "--env", "prod", "--dry-run"]);
    assert!(shown.stdout.contains("park table notes for 7 days"), "{}", shown.stdout);
    bench.must(&["rollback", "--env", "prod"]);
    assert_eq!(parked(&bench).len(), 1);
    write(&bench);
    bench.must(&["rollback", "--env", "prod", "--no-park", "--yes"]);
    assert_eq!(parked(&bench).len(), 1);
    bench.assert_sound();
}

/// The author's own way back is parked as his migrations are.
#[test]
fn a_script_that_takes_back_parks_what_it_drops() {
    let bench = shop("back_script", "CREATE TABLE notes (id int);");
    bench.file("U1__change.sql", "DROP TABLE notes;");
    bench.must(&["apply"]);
    bench.query("INSERT INTO notes VALUES (7)");
    bench.must(&["rollback", "--park"]);
    bench.must(&["undrop", "notes"]);
    assert_eq!(rows(&bench, "notes"), [["(7)"]]);
    bench.assert_sound();
}

/// The author's way back makes the table anew and knows nothing of what is parked. The same migration parks that, too, and
/// what it parked first stays, under its own name.
#[test]
fn a_migration_parks_again_what_its_author_made_anew() {
    for (name, flags) in
        [("again_table", &["--park"][..]), ("again_if_exists", &["--park", "--park-for", "2d"])]
    {
        let drop = if name == "again_table" { "DROP TABLE notes;" } else { "DROP TABLE IF EXISTS notes;" };
        let bench = shop(name, "CREATE TABLE notes (id int PRIMARY KEY, t text);");
        bench.must(&["apply"]);
        bench.file("V2__drop.sql", drop);
        bench.file("U2__drop.sql", "CREATE TABLE notes (id int PRIMARY KEY, t text);");
        let apply = [&["apply"][..], flags].concat();
        for n in 1..=3 {
            bench.query(&format!("INSERT INTO notes VALUES ({n}, 'of round {n}')"));
            bench.must(&apply);
            assert_eq!(parked(&bench).len(), n, "{name}");
            bench.must(&["rollback", "--yes"]);
            assert_eq!(bench.one("SELECT count(*) FROM notes"), "0");
        }
        // Each is there under its name; that of the table means all of them.
        refused(&bench.run(&["undrop", "notes"]), 2, &["more than one is parked as notes"]);
        bench.query("DROP TABLE notes");
        for (n, one) in (1..).zip(parked(&bench)) {
            bench.must(&["undrop", &one]);
            assert_eq!(rows(&bench, "notes"), [[format!("of round {n}")]]);
            bench.query("DROP TABLE notes");
        }
        bench.query("CREATE TABLE notes (id int)");
        bench.assert_sound();
    }
}

/// The same with the values of a column, and a step that found nothing to park in between.
#[test]
fn a_migration_parks_a_column_again() {
    let bench = shop("again_column", "ALTER TABLE users ADD COLUMN mail text;");
    bench.must(&["apply"]);
    bench.file("V2__drop.sql", "ALTER TABLE users DROP COLUMN IF EXISTS mail;");
    bench.file("U2__drop.sql", "ALTER TABLE users ADD COLUMN IF NOT EXISTS mail text;");
    bench.query("UPDATE users SET mail = 'first' WHERE id = 1");
    bench.must(&["apply", "--park"]);
    bench.must(&["rollback", "--yes"]);
    bench.query("ALTER TABLE users DROP COLUMN mail");
    bench.must(&["apply", "--park"]);
    bench.must(&["rollback", "--yes"]);
    bench.query("UPDATE users SET mail = 'third' WHERE id = 3");
    bench.must(&["apply", "--park"]);
    let [first, third]: [String; 2] = parked(&bench).try_into().unwrap();
    for (name, expected) in [(third, "3 third"), (first, "1 first")] {
        bench.must(&["undrop", &name]);
        assert_eq!(bench.one("SELECT id || ' ' || mail FROM users WHERE mail IS NOT NULL"), expected);
        bench.query("ALTER TABLE users DROP COLUMN mail");
    }
    bench.assert_sound();
}

/// Whoever dies in it has parked all or nothing, and the next one ends it.
#[test]
fn a_way_back_that_parks_is_gone_on_with_after_a_death() {
    for point in ["park.tried", "park.moved", "atomic.commit-sent"] {
        let name = format!("back_{}", point.replace(['.', '-'], "_"));
        let bench = shop(&name, "CREATE TABLE notes (id int);\nCREATE TABLE more (id int);");
        bench.must(&["apply"]);
        bench.query("INSERT INTO notes VALUES (1); INSERT INTO more VALUES (2)");
        let mut command = bench.command(&["rollback", "--park"]);
        let killed = crate::support::ended(command.env("COFFERDAM_FAILPOINT", format!("{point}=kill")));
        assert_ne!(killed.code, 0, "{point}");
        bench.must(&["rollback", "--park", "--to", "0", "--lock-wait", "30s"]);
        assert_eq!((parked(&bench).len(), bench.history()), (2, vec![]), "{point}");
        bench.must(&["undrop", "notes"]);
        bench.must(&["undrop", "more"]);
        assert_eq!(
            (rows(&bench, "notes"), rows(&bench, "more")),
            (vec![vec!["(1)".into()]], vec![vec!["(2)".into()]])
        );
        bench.assert_sound();
    }
}
