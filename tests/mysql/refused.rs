//! What these servers are not served with: refused by its name, with the reason and what to do instead, and nothing is
//! changed.

use cofferdam_scratch::mysql::Kind;

use crate::site::{Site, scheme};
use crate::support::Ended;

on_both! {
    commands_of_another_engine,
    flags_of_another_engine,
    what_a_migration_must_not_do,
    the_history_of_a_tool,
}

const USERS: (&str, &str) = (
    "V1__users.sql",
    "CREATE TABLE users (id bigint AUTO_INCREMENT PRIMARY KEY, name varchar(100) NOT NULL);\n",
);

#[track_caller]
fn refused(ended: &Ended, code: &str, name: &str) {
    let said = &ended.stderr;
    assert!(ended.code != 0 && said.contains(&format!("error[{code}]")), "{}\n{said}", ended.stdout);
    assert!(said.contains(name), "it does not say {name}: {said}");
    assert!(said.contains("help: "), "there is no next command: {said}");
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::MySql => "MySQL",
        Kind::MariaDb => "MariaDB",
    }
}

fn commands_of_another_engine(kind: Kind) {
    let Some(site) = Site::with(kind, "commands", &[USERS]) else { return };
    let commands: &[&[&str]] = &[
        &["parked"],
        &["undrop", "users"],
        &["rehearse"],
        &["rehearse", "--in-transaction"],
        &["drift"],
        &["drift", "--record", "schema.json"],
        &["diff", &site.url, &site.url],
    ];
    for stage in ["before the first apply", "after it"] {
        for command in commands {
            let ended = site.run(command);
            assert_eq!(ended.code, 2, "{stage} {command:?}: {}\n{}", ended.stdout, ended.stderr);
            refused(&ended, "CF3766", name(kind));
            assert!(ended.stderr.contains("PostgreSQL only"), "{command:?}: {}", ended.stderr);
        }
        assert!(!site.folder.path().join("schema.json").exists(), "{stage}");
        if stage.starts_with("before") {
            assert!(site.untouched() && site.tables().is_empty());
            site.must(&["apply"]);
        }
    }
    site.assert_sound();
}

fn flags_of_another_engine(kind: Kind) {
    let Some(site) = Site::with(kind, "flags", &[USERS]) else { return };
    site.must(&["apply"]);
    let (schema, history) = (site.schema(), site.history());
    let folder = site.folder.path().join("backups");
    std::fs::create_dir(&folder).unwrap();
    let folder = folder.to_str().unwrap();
    site.file("V2__gone.sql", "ALTER TABLE users DROP COLUMN name;\n");
    refused(&site.run(&["apply", "--park", "--allow", "drop-column=unused"]), "CF3766", name(kind));
    // What needs nothing of it goes on with the same flags.
    site.file("V2__gone.sql", "ALTER TABLE users ADD COLUMN a int;\n");
    assert_eq!((site.schema(), site.history()), (schema, history));
    assert!(std::fs::read_dir(folder).unwrap().next().is_none());
    site.must(&["apply", "--park", "--backup-to", folder]);
    let park = site.run(&["rollback", "--yes", "--park", "--steps", "2"]);
    refused(&park, "CF3766", name(kind));
    assert_eq!(site.history().len(), 2, "nothing was taken back");
    site.must(&["rollback", "--yes", "--steps", "2"]);
    assert!(site.tables().is_empty());
    site.assert_sound();
}

fn what_a_migration_must_not_do(kind: Kind) {
    let Some(site) = Site::with(kind, "must_not", &[USERS]) else { return };
    site.must(&["apply"]);
    let (schema, history) = (site.schema(), site.history());
    for (text, code) in [
        ("LOCK TABLES users WRITE;\nUNLOCK TABLES;\n", "CF3767"),
        ("SET autocommit = 0;\n", "CF3767"),
        ("USE mysql;\nCREATE TABLE t (id int PRIMARY KEY);\n", "CF3767"),
        ("LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE users (name);\n", "CF3767"),
        ("source other.sql;\n", "CF3761"),
        ("START TRANSACTION;\nINSERT INTO users (name) VALUES ('x');\nROLLBACK;\n", "CF2"),
    ] {
        site.file("V2__bad.sql", text);
        let ended = site.run(&["apply", "--allow", "load-data-local=why"]);
        let said = format!("{}{}", ended.stdout, ended.stderr);
        assert!(ended.code != 0 && said.contains(&format!("error[{code}")), "{text}: {said}");
        assert!(said.contains("V2__bad.sql"), "{text}: {said}");
        assert_eq!((site.schema(), site.history()), (schema.clone(), history.clone()), "{text}");
        assert_eq!(site.one("SELECT COUNT(*) FROM users"), "0", "{text}");
    }
    site.assert_sound();
}

/// What a tool applied must not be applied again because nobody read the tool's table.
fn the_history_of_a_tool(kind: Kind) {
    let Some(site) = Site::with(kind, "tool", &[("1_users.sql", USERS.1)]) else { return };
    site.query(
        "CREATE TABLE users (id bigint AUTO_INCREMENT PRIMARY KEY, name varchar(100) NOT NULL);
         CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL,
             installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, success BOOLEAN NOT NULL,
             checksum BLOB NOT NULL, execution_time BIGINT NOT NULL);
         INSERT INTO _sqlx_migrations VALUES (1, 'users', NOW(), true, '', 1)",
    );
    let format = &["--format", "sqlx"][..];
    for command in ["apply", "plan", "status", "validate"] {
        refused(&site.run(&[&[command], format].concat()), "CF3769", "sqlx");
    }
    refused(&site.run(&[&["import"], format].concat()), "CF3602", name(kind));
    let both = site.run(&[&["apply", "--history", "both"], format].concat());
    refused(&both, "CF3602", name(kind));
    assert!(both.stderr.contains("atlas, dbmate, flyway, golang-migrate, goose"), "{}", both.stderr);
    assert!(site.untouched(), "{}", scheme(kind));
    site.must(&[&["baseline", "1", "--history", "own"], format].concat());
    site.file("2_b.sql", "CREATE TABLE b (id int PRIMARY KEY);\n");
    site.must(&[&["apply"], format].concat());
    // The servers do not agree on where an underscore comes.
    let mut tables = site.tables();
    tables.sort_unstable();
    assert_eq!(tables, ["_sqlx_migrations", "b", "users"]);
    assert_eq!(site.one("SELECT COUNT(*) FROM _sqlx_migrations"), "1", "it is left alone");
    site.assert_sound();
}
