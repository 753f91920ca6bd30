//! Before something is destroyed.

use std::process::Stdio;

use crate::place::Place;
use crate::support::wait;

const SHOP: &str = "CREATE TABLE orders (id int PRIMARY KEY, v text); INSERT INTO orders SELECT i, 'v' || i FROM generate_series(1, 5000) i;
 CREATE TABLE items (id int PRIMARY KEY, o int REFERENCES orders ON DELETE CASCADE); INSERT INTO items SELECT i, i FROM generate_series(1, 5000) i;
 CREATE TABLE kept (id int); INSERT INTO kept VALUES (1); CREATE SCHEMA rescue";

const AGREED: &str = "--allow=drop-table=a test";

fn shop(name: &str, change: &str) -> Place {
    let place = Place::new(name, SHOP);
    place.bench.file("V1__change.sql", change);
    place
}

/// What the journal says of backups: location, verified, tables.
fn journal(place: &Place) -> Vec<Vec<String>> {
    place.bench.query(
        "SELECT entry->'backup'->>'location', entry->'backup'->>'verified', jsonb_array_length((entry->'backup'->'tables')::jsonb)
         FROM cofferdam.journal WHERE entry->>'what' = 'backed-up' ORDER BY seq",
    )
}

fn arguments<'a>(place: &'a Place, more: &[&'a str]) -> Vec<&'a str> {
    let mut all = vec![
        "apply",
        "--backup-to",
        place.to(),
        AGREED,
        "--allow=drop-column=a test",
        "--allow=dml-unbounded=a test",
        "--allow=truncate=a test",
        "--allow=opaque-do=a test",
    ];
    all.extend(more);
    all
}

#[test]
fn what_is_dropped_deleted_or_emptied_is_saved_first_and_comes_back() {
    for (name, change, tables) in [
        ("drop", "DROP TABLE items;", &["items"][..]),
        ("column", "ALTER TABLE orders DROP COLUMN v;", &["orders"]),
        ("delete", "DELETE FROM orders;", &["items", "orders"]),
        ("truncate", "TRUNCATE orders CASCADE;", &["items", "orders"]),
        ("update", "UPDATE orders SET v = NULL;", &["items", "orders"]),
        ("schema", "CREATE SCHEMA other;\nDROP TABLE items, orders;", &["items", "orders"]),
    ] {
        let place = shop(&format!("backup_{name}"), change);
        let before: Vec<_> = tables.iter().map(|table| place.rows(table)).collect();
        let done = place.bench.must(&arguments(&place, &[]));
        assert!(done.stderr.contains("verified"), "{name}: {}", done.stderr);
        let journal = journal(&place);
        assert_eq!(journal.len(), 1, "{name}");
        assert_eq!(journal[0][1..], ["true".to_owned(), tables.len().to_string()], "{name}");
        let id = place.backups().remove(0);
        assert!(journal[0][0].ends_with(&id), "{name}");
        place.bench.must(&["restore", &journal[0][0], "--into", "rescue"]);
        for (table, before) in tables.iter().zip(before) {
            assert_eq!(place.rows(&format!("rescue.{table}")), before, "{name}: {table}");
        }
        assert_eq!(place.rows("kept"), ["(1)"]);
        place.bench.assert_sound();
    }
}

#[test]
fn what_destroys_nothing_needs_no_backup_unless_always() {
    let place = shop("backup_harmless", "ALTER TABLE kept ADD COLUMN x int;");
    place.bench.must(&arguments(&place, &[]));
    assert_eq!((place.backups().len(), journal(&place).len()), (0, 0));
    place.bench.file("V2__more.sql", "ALTER TABLE kept ADD COLUMN y int;");
    place.bench.must(&arguments(&place, &["--backup", "always"]));
    assert_eq!((place.backups().len(), journal(&place).len()), (1, 1));
}

#[test]
fn what_cannot_be_saved_is_refused_before_anything_is_changed() {
    // The first migration is harmless; it is not applied either.
    let place = shop("backup_refused", "CREATE TABLE first (id int);");
    place.bench.file("V2__drop.sql", "DROP TABLE items;");
    let untouched = |ended: crate::support::Ended, code: &str| {
        assert!(ended.code == 1 && ended.stderr.contains(code), "{code}: {} {}", ended.code, ended.stderr);
        assert_eq!(place.bench.one("SELECT to_regclass('first')"), "NULL", "{code}");
        assert_eq!(place.rows("items").len(), 5000);
    };
    untouched(place.run(&["apply", AGREED, "--backup", "destructive"]), "CF3204");
    untouched(place.run(&["apply", AGREED, "--backup-to", "/no/such/folder"]), "CF3201");
    // A server that nobody answers at, and one that refuses.
    let mut command = place.bench.command(&["apply", AGREED, "--backup-to", "s3://bucket/x"]);
    command
        .env("AWS_ENDPOINT", "http://127.0.0.1:9")
        .env("AWS_ALLOW_HTTP", "true")
        .env("AWS_ACCESS_KEY_ID", "id")
        .env("AWS_SECRET_ACCESS_KEY", "canary-of-a-key");
    let down = crate::support::ended(&mut command);
    assert!(!down.stderr.contains("canary-of-a-key"));
    untouched(down, "CF3201");
    // What a block does is not known.
    place.bench.file("V2__drop.sql", "DO $$ BEGIN DELETE FROM items; END $$;");
    untouched(place.run(&arguments(&place, &[])), "CF3209");
    place.bench.must(&arguments(&place, &["--backup-table", "items"]));
    assert_eq!(place.rows("items").len(), 0);
    let id = place.backups().remove(0);
    place.bench.must(&["restore", &id, "--to", place.to(), "--into", "rescue"]);
    assert_eq!(place.rows("rescue.items").len(), 5000);
}

#[test]
fn a_runner_that_dies_around_its_backup_is_gone_on_with() {
    for (point, whole) in [
        ("backup.table", 0),
        ("backup.before-manifest", 0),
        ("backup.sealed", 1),
        ("run.opened", 1),
        ("atomic.begun", 1),
        ("atomic.commit-sent", 1),
    ] {
        let place = shop(
            &format!("backup_{}", point.replace(['.', '-'], "_")),
            "DROP TABLE items;\nDELETE FROM orders;",
        );
        let mut command = place.bench.command(&arguments(&place, &[]));
        command.env("COFFERDAM_FAILPOINT", format!("{point}=kill"));
        let killed = wait(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
        assert_ne!(killed.code, 0, "{point}");
        assert_eq!(place.backups().len(), whole, "{point}");
        let again = place.run(&arguments(&place, &["--lock-wait", "30s"]));
        assert_eq!(again.code, 0, "{point}: {}", again.stderr);
        // A backup that the journal knows is not taken again.
        let known = journal(&place);
        assert_eq!(known.len(), 1, "{point}");
        place.bench.must(&["restore", &known[0][0], "--into", "rescue"]);
        assert_eq!(
            (place.rows("rescue.items").len(), place.rows("rescue.orders").len()),
            (5000, 5000),
            "{point}"
        );
        place.bench.assert_sound();
    }
}

#[test]
fn taking_back_saves_what_it_destroys() {
    let place = shop("backup_back", "CREATE TABLE made (id int);");
    place.bench.must(&["apply"]);
    place.bench.query("INSERT INTO made VALUES (1), (2)");
    place.bench.must(&["rollback", "--yes", "--backup-to", place.to()]);
    assert_eq!(place.bench.one("SELECT to_regclass('made')"), "NULL");
    place.bench.must(&["restore", &place.backups()[0], "--to", place.to()]);
    assert_eq!(place.rows("made"), ["(1)", "(2)"]);
}

#[test]
fn old_ones_are_pruned_but_not_those_that_may_be_needed() {
    let place = shop("backup_prune", "DROP TABLE items;");
    place.bench.must(&arguments(&place, &[]));
    let first = place.backups().remove(0);
    let second = place.taken(&["--table", "orders"]);
    let prune = |more: &[&str]| {
        let mut all = vec!["backup", "prune", "--to", place.to(), "--keep", "1"];
        all.extend(more);
        place.run(&all)
    };
    let asked = prune(&[]);
    assert!(asked.code == 8 && asked.stderr.contains(&first), "{}", asked.stderr);
    // As if the run were in its revert window.
    place.bench.query("UPDATE cofferdam.run SET phase = 'Watching', ended_at = NULL");
    let kept = prune(&["--yes"]);
    assert!(kept.code == 0 && kept.stdout.contains("can still be taken back"), "{}", kept.stdout);
    assert_eq!(place.backups().len(), 2);
    place.bench.query("UPDATE cofferdam.run SET phase = 'Done', ended_at = now()");
    assert_eq!(prune(&["--yes"]).code, 0);
    assert_eq!(place.backups(), [second]);
}

#[test]
fn what_has_no_way_back_says_where_its_rows_are() {
    let place = shop("backup_way", "DROP TABLE items;");
    place.bench.must(&arguments(&place, &[]));
    let refused = place.run(&["rollback", "--yes"]);
    assert!(refused.code == 1 && refused.stderr.contains("CF2401"), "{}", refused.stderr);
    let command = format!("cofferdam restore {}/{}", place.to(), place.backups()[0]);
    assert!(refused.stderr.contains(&command), "{}", refused.stderr);
}

#[test]
fn the_manifest_is_that_of_the_journal() {
    let place = shop("backup_swapped", "DROP TABLE items;");
    place.bench.must(&arguments(&place, &[]));
    let id = place.backups().remove(0);
    let path = place.store.path().join(&id).join("manifest.json");
    let mut manifest = place.manifest(&id);
    manifest["by"] = "somebody else".into();
    std::fs::write(&path, manifest.to_string()).unwrap();
    let refused = place.run(&["restore", &id, "--to", place.to(), "--into", "rescue"]);
    assert!(refused.code == 1 && refused.stderr.contains("journal"), "{}", refused.stderr);
}

#[test]
fn without_the_right_to_try_it_is_not_called_verified() {
    let place = shop("backup_right", "DROP TABLE items;");
    let database = &place.bench.database;
    place.bench.query(&format!(
        "CREATE ROLE {database}_r LOGIN SUPERUSER PASSWORD 'r'; ALTER TABLE items OWNER TO {database}_r; ALTER TABLE orders OWNER TO {database}_r;
         ALTER SCHEMA public OWNER TO {database}_r; GRANT CREATE ON DATABASE {database} TO {database}_r;
         REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC; ALTER ROLE {database}_r NOSUPERUSER"
    ));
    let url = place.bench.url.replacen("postgres:postgres@", &format!("{database}_r:r@"), 1);
    let url =
        if url == place.bench.url { url.replacen("postgres@", &format!("{database}_r:r@"), 1) } else { url };
    let with = |more: &[&str]| {
        let mut command = place.bench.command(&arguments(&place, more));
        crate::support::ended(command.env("COFFERDAM_URL", &url))
    };
    let refused = with(&[]);
    assert!(refused.code == 1 && refused.stderr.contains("CF3206"), "{}", refused.stderr);
    assert_eq!((place.rows("items").len(), place.backups().len()), (5000, 0));
    let done = with(&["--allow=unverified-backup=there is no room"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stderr.contains("taken, not verified"), "{}", done.stderr);
    assert_eq!(journal(&place)[0][1], "false");
}

/// The table with its rows, the other steps undone, and the history says so.
#[test]
fn what_was_dropped_comes_back_by_a_rollback_that_may_restore() {
    let place = shop("backup_restored", "ALTER TABLE kept ADD COLUMN more text;\nDROP TABLE items;");
    let before = place.rows("items");
    place.bench.must(&arguments(&place, &[]));
    // What would be missing is shown, and nobody is here who could agree.
    let asked = place.run(&["rollback", "--restore"]);
    assert_eq!(asked.code, 8, "{}", asked.stderr);
    for words in ["what was written to public.items after 20", "5000 rows", "foreign keys"] {
        assert!(asked.stderr.contains(words), "{words}: {}", asked.stderr);
    }
    assert_eq!(place.bench.one("SELECT to_regclass('items')"), "NULL");
    place.bench.must(&["rollback", "--restore", "--yes"]);
    assert_eq!(place.rows("items"), before);
    let more = "SELECT count(*) FROM pg_attribute WHERE attrelid = 'kept'::regclass AND attname = 'more' AND NOT attisdropped";
    assert_eq!(place.bench.one(more), "0");
    assert_eq!(place.bench.history(), []);
    let noted = "SELECT count(*) FROM cofferdam.journal WHERE entry->>'text' LIKE 'public.items was restored from %: 5000 rows'";
    assert_eq!(place.bench.one(noted), "1");
    place.bench.assert_sound();
}

/// As if the rollback had died after the table was restored: it is found, also when the environment asks for it.
#[test]
fn a_rollback_that_died_after_it_had_restored_is_repeated() {
    let place = shop("backup_restored_again", "DROP TABLE items;");
    let before = place.rows("items");
    place.bench.must(&arguments(&place, &[]));
    place.bench.must(&["restore", &place.backups()[0], "--to", place.to()]);
    // Written since by somebody: it is his.
    place.bench.query("INSERT INTO items VALUES (6000, 6)");
    let refused = place.run(&["rollback", "--restore", "--yes"]);
    assert!(refused.code == 1 && refused.stderr.contains("CF3521"), "{}", refused.stderr);
    assert_eq!(place.rows("items").len(), 5001);
    place.bench.query("DELETE FROM items WHERE id = 6000");
    let yaml = format!(
        "environments:\n  prod:\n    url: {}\n    backup: {{restoreOnRollback: true}}\n",
        place.bench.url
    );
    std::fs::write(place.bench.folder.path().join("cofferdam.yaml"), yaml).unwrap();
    place.bench.must(&["rollback", "--env", "prod", "--yes"]);
    assert_eq!(place.rows("items"), before);
    assert_eq!(place.bench.history(), []);
    place.bench.assert_sound();
}

/// Between the restore and the first row of the run: whoever comes next finds the tables and goes on.
#[test]
fn a_rollback_that_is_disturbed_after_it_had_restored_is_repeated() {
    for action in ["kill", "error"] {
        let place = shop(
            &format!("backup_cut_{action}"),
            "ALTER TABLE kept ADD COLUMN more text;\nDROP TABLE items;",
        );
        let before = place.rows("items");
        place.bench.must(&arguments(&place, &[]));
        let mut command = place.bench.command(&["rollback", "--restore", "--yes"]);
        let cut =
            crate::support::ended(command.env("COFFERDAM_FAILPOINT", format!("backup.restored={action}")));
        assert_ne!(cut.code, 0, "{action}: {}", cut.stderr);
        assert_eq!(place.rows("items"), before, "{action}");
        // Nothing says yet that anything was taken back.
        assert_eq!(place.bench.one("SELECT count(*) FROM cofferdam.run"), "1", "{action}");
        assert_eq!(place.bench.history().len(), 1, "{action}");
        place.bench.must(&["rollback", "--restore", "--yes", "--lock-wait", "30s"]);
        assert_eq!(place.rows("items"), before, "{action}");
        assert_eq!(place.bench.history(), [], "{action}");
        place.bench.assert_sound();
    }
}

/// What its other steps would drop is shown beside what a backup does not have.
#[test]
fn what_the_other_steps_of_a_restoring_rollback_lose_is_shown_too() {
    let place = shop("backup_others", "CREATE TABLE made (id int);\nDROP TABLE items;");
    place.bench.must(&arguments(&place, &[]));
    place.bench.query("INSERT INTO made VALUES (1)");
    let asked = place.run(&["rollback", "--restore"]);
    assert_eq!(asked.code, 8, "{}", asked.stderr);
    assert!(asked.stderr.contains("the rows of made"), "{}", asked.stderr);
    assert!(asked.stderr.contains("what was written to public.items after"), "{}", asked.stderr);
    assert_eq!(place.rows("made"), ["(1)"]);
    // Put aside instead of dropped, they are not lost.
    let asked = place.run(&["rollback", "--restore", "--park"]);
    assert!(asked.code == 8 && !asked.stderr.contains("the rows of made"), "{}", asked.stderr);
    place.bench.must(&["rollback", "--restore", "--park", "--yes"]);
    assert_eq!(
        (place.rows("items").len(), place.bench.one("SELECT to_regclass('made')")),
        (5000, "NULL".into())
    );
    place.bench.must(&["undrop", "made"]);
    assert_eq!(place.rows("made"), ["(1)"]);
    place.bench.assert_sound();
}

/// Rows that are there were perhaps written since: they are never replaced.
#[test]
fn a_rollback_does_not_replace_rows_that_are_there() {
    for (name, change, why) in [
        ("deleted", "DELETE FROM items WHERE id > 10;", "may have been written since"),
        ("column", "ALTER TABLE orders DROP COLUMN v;", "may have been written since"),
        ("mixed", "DROP TABLE items;\nDELETE FROM orders WHERE id > 10;", "may have been written since"),
    ] {
        let place = shop(&format!("backup_kept_{name}"), change);
        place.bench.must(&arguments(&place, &[]));
        let orders = place.rows("orders");
        let refused = place.run(&["rollback", "--restore", "--yes"]);
        assert!(refused.code == 1 && refused.stderr.contains("CF3521"), "{name}: {}", refused.stderr);
        assert!(
            refused.stderr.contains(why) && refused.stderr.contains("--into SCHEMA"),
            "{name}: {}",
            refused.stderr
        );
        assert_eq!((place.rows("orders"), place.bench.history().len()), (orders, 1), "{name}");
    }
    // Nothing was saved.
    let place = shop("backup_kept_unsaved", "DROP TABLE items;");
    place.bench.must(&["apply", AGREED]);
    let refused = place.run(&["rollback", "--restore", "--yes"]);
    assert!(
        refused.code == 1 && refused.stderr.contains("no backup was taken before it"),
        "{}",
        refused.stderr
    );
}
