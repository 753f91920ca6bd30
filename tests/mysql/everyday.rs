//! What a team does every day.

use cofferdam_scratch::mysql::Kind;

use crate::site::Site;

on_both! {
    the_first_apply_and_the_second_script,
    a_script_that_fails_is_taken_back,
    a_rollback_takes_back_what_was_stored,
    a_script_of_the_author_takes_back_what_nothing_else_can,
    what_cannot_be_taken_back_is_the_point_of_no_return,
    the_history_tells_what_was_done,
    a_file_that_was_edited_is_found,
    a_check_that_returns_rows_is_told,
    a_baseline_says_where_the_database_is,
    what_needs_an_agreement_waits_for_it,
    a_procedure_of_the_directory_is_made,
    lint_judges_what_is_pending_with_live_numbers,
    the_doctor_looks_at_everything,
}

const USERS: (&str, &str) = (
    "V1__users.sql",
    "CREATE TABLE users (id bigint AUTO_INCREMENT PRIMARY KEY, name varchar(100) NOT NULL);\n\
     INSERT INTO users (name) VALUES ('ada'), ('grace');\n",
);

fn the_first_apply_and_the_second_script(kind: Kind) {
    let Some(site) = Site::with(kind, "first", &[USERS]) else { return };
    let plan = site.must(&["plan"]);
    assert!(plan.stdout.contains("users"), "{}", plan.stdout);
    assert!(site.untouched(), "a plan writes nothing");
    let applied = site.must(&["apply"]);
    assert!(applied.stdout.contains('1'), "{}", applied.stdout);
    assert_eq!(site.history(), [("1".into(), "1".into())]);
    assert_eq!(site.one("SELECT COUNT(*) FROM users"), "2");
    assert!(site.must(&["apply"]).stdout.contains("nothing to do"));
    site.file(
        "V2__email.sql",
        "ALTER TABLE users ADD COLUMN email varchar(200);\nCREATE INDEX email ON users (email);\n",
    );
    let status = site.run(&["status", "--exit-code"]);
    assert_eq!(status.code, 3, "{}\n{}", status.stdout, status.stderr);
    // What needs to keep nobody out is asked for by name.
    let plan = site.must(&["plan", "--sql"]).stdout;
    assert!(plan.contains("LOCK=NONE"), "{plan}");
    site.must(&["apply"]);
    assert_eq!(site.history(), [("1".into(), "1".into()), ("2".into(), "1".into())]);
    assert_eq!(site.one("SELECT COUNT(*) FROM users"), "2", "the first script did not run again");
    let show = site.schema().concat();
    assert!(show.contains("`email` varchar(200)") && show.contains("KEY `email`"), "{show}");
    site.must(&["status", "--exit-code"]);
    site.assert_sound();
}

fn a_script_that_fails_is_taken_back(kind: Kind) {
    let Some(site) = Site::with(kind, "fails", &[USERS]) else { return };
    site.must(&["apply"]);
    let before = site.schema();
    let text = |least: u32| {
        format!(
            "ALTER TABLE users ADD COLUMN a int;\nCREATE INDEX a ON users (a);\n\
             ALTER TABLE users ADD CONSTRAINT least CHECK (CHAR_LENGTH(name) > {least});\n"
        )
    };
    site.file("V2__cannot.sql", &text(3));
    let ended = site.run(&["apply", "--allow", "add-check-copy=small"]);
    assert_eq!(ended.code, 6, "{}\n{}", ended.stdout, ended.stderr);
    assert!(
        ended.stderr.contains("error[CF2308]") && ended.stderr.contains("V2__cannot.sql"),
        "{}",
        ended.stderr
    );
    assert_eq!(site.schema(), before, "nothing is left of it");
    assert_eq!(site.history().len(), 1);
    site.assert_sound();
    site.file("V2__cannot.sql", &text(0));
    site.must(&["apply", "--allow", "add-check-copy=small"]);
    assert_eq!(site.history().len(), 2);
    site.assert_sound();
}

fn a_rollback_takes_back_what_was_stored(kind: Kind) {
    let Some(site) = Site::with(kind, "back", &[USERS]) else { return };
    site.must(&["apply"]);
    let before = site.schema();
    site.file(
        "V2__more.sql",
        "ALTER TABLE users ADD COLUMN a int;\nCREATE INDEX a ON users (a);\nALTER TABLE users RENAME COLUMN name TO title;\n\
         CREATE TABLE notes (id int PRIMARY KEY);\n",
    );
    site.must(&["apply", "--allow", "rename-column=small"]);
    let after = site.schema();
    site.query("INSERT INTO notes VALUES (1)");
    // The directory is not needed for it, and what would be lost is named.
    site.remove("V2__more.sql");
    let asked = site.run(&["rollback"]);
    assert_eq!(asked.code, 8, "{}\n{}", asked.stdout, asked.stderr);
    assert!(asked.stderr.contains("lost: the rows of notes"), "{}", asked.stderr);
    assert_eq!(site.schema(), after, "nobody agreed to it");
    let told = site.must(&["rollback", "--dry-run"]);
    assert!(told.stdout.contains("the rows of notes"), "{}", told.stdout);
    site.must(&["rollback", "--yes"]);
    assert_eq!(site.schema(), before);
    assert_eq!(site.history(), [("1".into(), "1".into())]);
    site.assert_sound();
}

fn a_script_of_the_author_takes_back_what_nothing_else_can(kind: Kind) {
    let Some(site) = Site::with(kind, "author", &[USERS]) else { return };
    site.must(&["apply"]);
    let before = site.schema();
    site.file("V2__wide.sql", "ALTER TABLE users MODIFY COLUMN name varchar(120) NOT NULL;\n")
        .file("U2__wide.sql", "ALTER TABLE users MODIFY COLUMN name varchar(100) NOT NULL;\n");
    site.must(&["apply"]);
    assert_ne!(site.schema(), before);
    site.must(&["rollback", "--yes"]);
    assert_eq!(site.schema(), before);
    assert_eq!(site.history().len(), 1);
    site.assert_sound();
}

fn what_cannot_be_taken_back_is_the_point_of_no_return(kind: Kind) {
    let Some(site) = Site::with(kind, "point", &[USERS]) else { return };
    site.must(&["apply"]);
    site.file("V2__data.sql", "UPDATE users SET name = UPPER(name) WHERE id > 0;\n");
    site.must(&["apply"]);
    let refused = site.run(&["rollback", "--yes"]);
    assert_eq!(refused.code, 1, "{}\n{}", refused.stdout, refused.stderr);
    assert!(refused.stderr.contains("error[CF2401]"), "{}", refused.stderr);
    // A change of the schema behind rows that are not kept would stay where they failed: refused before anything is done.
    site.file(
        "V3__mixed.sql",
        "INSERT INTO users (name) VALUES ('x');\nALTER TABLE users ADD COLUMN b int;\n",
    );
    let before = site.schema();
    let mixed = site.run(&["apply"]);
    assert_ne!(mixed.code, 0, "{}", mixed.stdout);
    assert!(mixed.stderr.contains("help: "), "{}", mixed.stderr);
    assert_eq!((site.schema(), site.one("SELECT COUNT(*) FROM users")), (before, "2".into()));
    assert_eq!(site.history().len(), 2);
    site.assert_sound();
}

fn the_history_tells_what_was_done(kind: Kind) {
    let Some(site) = Site::with(kind, "history", &[USERS]) else { return };
    site.must(&["apply"]);
    let history: serde_json::Value =
        serde_json::from_str(&site.must(&["history", "-o", "json"]).stdout).unwrap();
    assert_eq!(history["database"], site.database.as_str(), "{history}");
    let row = &history["migrations"][0];
    assert_eq!((&row["key"], &row["description"]), (&"1".into(), &"users".into()), "{history}");
    let run = row["run"].as_str().unwrap();
    let runs = site.must(&["history", "--runs"]).stdout;
    assert!(runs.contains(&run[..8]), "{runs}");
    let journal = site.must(&["history", run]).stdout;
    assert!(journal.contains("step 1 began") && journal.contains("step 2 ended"), "{journal}");
    let page = site.must(&["history", run, "--html", "-"]).stdout;
    let name = match kind {
        Kind::MySql => "MySQL ",
        Kind::MariaDb => "MariaDB ",
    };
    assert!(page.starts_with("<!") && page.contains(name), "the page names the server: {name}");
    let audit = site.must(&["audit", "verify"]);
    assert!(!audit.stdout.is_empty(), "{}", audit.stderr);
    // Somebody who writes to the journal is found.
    site.query("UPDATE _cofferdam_journal SET who = 'nobody' WHERE seq = 2");
    let verified = site.run(&["verify"]);
    assert_eq!(verified.code, 7, "{}", verified.stdout);
}

fn a_file_that_was_edited_is_found(kind: Kind) {
    let Some(site) = Site::with(kind, "edited", &[USERS]) else { return };
    site.must(&["validate"]);
    site.must(&["apply"]);
    site.must(&["validate"]);
    site.file("V1__users.sql", "CREATE TABLE users (id int PRIMARY KEY);\n");
    site.file("V2__b.sql", "CREATE TABLE b (id int PRIMARY KEY);\n");
    let before = site.schema();
    for command in ["validate", "apply"] {
        let refused = site.run(&[command]);
        let said = format!("{}{}", refused.stdout, refused.stderr);
        assert!(
            refused.code != 0 && said.contains("error[CF2007]") && said.contains("V1__users.sql"),
            "{said}"
        );
    }
    assert_eq!(site.schema(), before);
    site.must(&["repair"]);
    site.must(&["apply"]);
    assert_eq!(site.tables(), ["b", "users"]);
    // What cannot be read in the words of this server is found without asking it.
    site.file("V3__c.sql", "SELECT 'open;\n");
    let unread = site.run(&["validate"]);
    assert!(unread.code != 0 && unread.stdout.contains("V3__c.sql"), "{}", unread.stdout);
    site.remove("V3__c.sql");
    site.assert_sound();
}

fn a_check_that_returns_rows_is_told(kind: Kind) {
    let Some(site) = Site::with(kind, "checked", &[USERS]) else { return };
    site.file("C1__users.sql", "SELECT id FROM users WHERE name = '';\n");
    site.must(&["apply"]);
    assert!(site.must(&["verify"]).stdout.contains("checks: 1"));
    site.query("UPDATE users SET name = '' WHERE id = 1");
    let verified = site.run(&["verify"]);
    assert_eq!(verified.code, 9, "{}\n{}", verified.stdout, verified.stderr);
    site.query("UPDATE users SET name = 'ada' WHERE id = 1");
    let held = site.run(&["apply", "--check", "custom=SELECT COUNT(*) = 2 FROM users"]);
    assert_eq!(held.code, 0, "{}", held.stderr);
    site.file("V2__b.sql", "CREATE TABLE b (id int PRIMARY KEY);\n");
    let failed = site.run(&["apply", "--check", "custom=SELECT COUNT(*) = 3 FROM users"]);
    assert!(failed.code != 0 && failed.stderr.contains("error[CF31"), "{}", failed.stderr);
    assert_eq!(site.tables(), ["users"]);
    site.assert_sound();
}

fn a_baseline_says_where_the_database_is(kind: Kind) {
    let Some(site) = Site::with(kind, "baseline", &[USERS]) else { return };
    site.query("CREATE TABLE users (id bigint AUTO_INCREMENT PRIMARY KEY, name varchar(100) NOT NULL)");
    site.file("V2__b.sql", "CREATE TABLE b (id int PRIMARY KEY);\n");
    site.must(&["baseline", "1"]);
    site.must(&["apply"]);
    assert_eq!(site.tables(), ["b", "users"]);
    assert_eq!(site.one("SELECT COUNT(*) FROM users"), "0", "version 1 was not applied");
    site.assert_sound();
}

fn what_needs_an_agreement_waits_for_it(kind: Kind) {
    let Some(site) = Site::with(kind, "agreed", &[USERS]) else { return };
    let refused = site.run(&["apply", "--approval", "required"]);
    assert!(refused.code != 0 && refused.stderr.contains("error[CF3104]"), "{}", refused.stderr);
    assert!(site.tables().is_empty());
    site.must(&["approve", "--yes"]);
    site.must(&["apply", "--approval", "required"]);
    assert_eq!(site.history().len(), 1);
    site.assert_sound();
}

fn a_procedure_of_the_directory_is_made(kind: Kind) {
    let Some(site) = Site::with(kind, "routine", &[USERS]) else { return };
    site.file(
        "V2__routine.sql",
        "DELIMITER //\nCREATE PROCEDURE rename_all(IN suffix varchar(10))\nBEGIN\n  \
         UPDATE users SET name = CONCAT(name, suffix);\nEND//\nDELIMITER ;\n",
    )
    .file("V3__call.sql", "CALL rename_all('!');\n");
    site.must(&["apply"]);
    assert_eq!(site.one("SELECT name FROM users WHERE id = 1"), "ada!");
    site.assert_sound();
}

fn lint_judges_what_is_pending_with_live_numbers(kind: Kind) {
    let Some(site) = Site::with(kind, "linted", &[USERS]) else { return };
    site.must(&["apply"]);
    site.file("V2__b.sql", "DROP TABLE users;\n");
    let dir = site.dir();
    let found = site.run(&["lint", "--url", &site.url, "-o", "json", dir.to_str().unwrap()]);
    let found: serde_json::Value = serde_json::from_str(&found.stdout).unwrap();
    let of = |finding: &serde_json::Value| finding["path"].as_str().unwrap_or_default().to_owned();
    let findings = found["findings"].as_array().unwrap();
    assert!(findings.iter().any(|f| f["rule"] == "drop-table"), "{found}");
    assert!(findings.iter().all(|f| of(f).ends_with("V2__b.sql")), "version 1 is applied: {found}");
}

fn the_doctor_looks_at_everything(kind: Kind) {
    let Some(site) = Site::with(kind, "doctor", &[USERS]) else { return };
    let before = site.must(&["doctor"]).stdout;
    assert!(before.contains("not there yet"), "{before}");
    assert!(site.untouched(), "it writes nothing");
    site.must(&["apply"]);
    let after = site.must(&["doctor"]).stdout;
    for words in [crate::site::scheme(kind), "1 migration in force", "free", "all ended", "takes writes"] {
        assert!(after.contains(words), "{words}: {after}");
    }
    assert!(after.contains("no replica reads the log"), "{after}");
}
