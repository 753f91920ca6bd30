//! What is refused before anything is changed.

use super::site::{Site, json};

#[test]
fn what_the_database_does_not_say_is_refused() {
    let site = Site::new("stale").without_backups();
    let said = site.refused("upgrade", "v1.1.0", &[], "CF3701", 2);
    assert!(said.contains("cofferdam install --project e-commerce-api --version v1.1.0"), "{said}");
    site.refused("rollback", "v1.0.0", &[], "CF3701", 2);
    site.must("install", "v1.0.0", &[]);
    let said = site.refused("upgrade", "v1.1.0", &["--from-version", "v1.1.0"], "CF3702", 2);
    assert!(said.contains("it has v1.0.0"), "{said}");
    site.refused("upgrade", "v9.0.0", &[], "CF3664", 2);
    site.refused("upgrade", "latest", &[], "is no version of a project", 2);
    site.refused("install", "v1.1.0", &[], "CF3707", 2);
    // Somebody changed the row: neither way is gone from there.
    site.bench.query("UPDATE project_metadata SET project_version = 'v1.1.0'");
    let said = site.refused("upgrade", "v1.1.0", &[], "CF3704", 9);
    assert!(said.contains("UPDATE project_metadata SET project_version = 'v1.0.0'"), "{said}");
    site.refused("rollback", "v1.0.0", &["--yes"], "CF3704", 9);
    let status = site.status();
    assert!(status["databases"][0]["problem"].as_str().unwrap().contains("disagree"), "{status}");
    assert_eq!(site.run("status", "", &["--exit-code"]).code, 9);
    site.bench.query("UPDATE project_metadata SET project_version = 'v1.0.0'");
    site.must("upgrade", "v1.1.0", &[]);
}

#[test]
fn a_table_that_cannot_hold_versions_is_refused() {
    let site = Site::new("table");
    site.bench.query("CREATE TABLE project_metadata (project_name text, project_version text)");
    let said = site.refused("install", "v1.0.0", &[], "CF3710", 2);
    assert!(said.contains("ADD PRIMARY KEY (project_name)"), "{said}");
    site.bench.query("DROP TABLE project_metadata; CREATE TABLE project_metadata (name text PRIMARY KEY)");
    site.refused("install", "v1.0.0", &[], "CF3710", 2);
}

#[test]
fn the_gate_comes_first() {
    let site = Site::new("gate");
    std::fs::remove_file(
        site.path("versions/v1.1.0/upgrade/from-v1.0.0/rollback/U1.1.0.001__Add_orders_table.sql"),
    )
    .unwrap();
    let said = site.refused("install", "v1.0.0", &[], "CF3679", 4);
    assert!(said.contains("CF3673") && said.contains("cofferdam verify --project"), "{said}");
    let error = json(&site.run("install", "v1.0.0", &["-o", "json"]).stdout);
    assert_eq!(error["kind"], "Error", "{error}");
    site.configure("require_rollback: true", "require_rollback: false");
    site.must("install", "v1.0.0", &[]);
}

#[test]
fn an_upgrade_that_destroys_wants_its_backup() {
    let site = Site::new("saved");
    site.must("install", "v1.0.0", &[]);
    site.bench.query("INSERT INTO users (username) VALUES ('alice')");
    let said = site.refused("upgrade", "v1.1.0", &[], "CF3709", 2);
    assert!(said.contains("--backup-to"), "{said}");
    site.refused("upgrade", "v1.1.0", &["--backup", "never"], "CF3709", 2);
    site.refused("upgrade", "v1.1.0", &["--dry-run"], "CF3709", 2);
    let folder = site.bench.folder.path().join("saved");
    std::fs::create_dir(&folder).unwrap();
    let to = folder.to_str().unwrap();
    site.must("upgrade", "v1.1.0", &["--backup-to", to, "--backup-table", "users"]);
    assert!(std::fs::read_dir(&folder).unwrap().count() > 0);
    let audit = site.bench.must(&["audit", "-o", "json"]).stdout;
    assert!(audit.contains("backup"), "{audit}");
}

/// What lint refuses in the last script stops before the first.
#[test]
fn an_error_in_the_last_script_stops_before_the_first() {
    let site = Site::new("lint").without_backups();
    site.must("install", "v1.0.0", &[]);
    let inside = "BEGIN; CREATE INDEX CONCURRENTLY users_id ON users (id); COMMIT;";
    site.upgrade_script("post-upgrade/V1.1.0.300__Set_version.sql", inside);
    site.refused("upgrade", "v1.1.0", &[], "CF2307", 4);
    assert_eq!(site.applied().len(), 3);
}

#[test]
fn a_check_of_a_stage_decides() {
    let site = Site::new("stage").without_backups();
    site.must("install", "v1.0.0", &[]);
    // pre-upgrade has no script: its check says whether the upgrade may begin.
    site.upgrade_script(
        "pre-upgrade/C1.1.0.000__Version_can_be_upgraded.sql",
        "SELECT 'a user is in the way' FROM users;",
    );
    site.bench.query("INSERT INTO users (username) VALUES ('alice')");
    let before = site.bench.dump();
    let ended = site.run("upgrade", "v1.1.0", &[]);
    assert_eq!(ended.code, 6, "{}", ended.stderr);
    assert!(ended.stderr.contains("check stage pre-upgrade"), "{}", ended.stderr);
    assert_eq!((site.bench.dump(), site.applied().len()), (before, 3));
    site.bench.query("DELETE FROM users");
    // One of a later stage comes after its scripts.
    site.upgrade_script("post-upgrade/C1.1.0.399__All.sql", "SELECT 1 FROM project_metadata WHERE project_version <> 'v1.1.0' OR to_regclass('not_there') IS NULL;");
    let ended = site.run("upgrade", "v1.1.0", &[]);
    assert_eq!(ended.code, 6, "{}", ended.stderr);
    assert_eq!((site.version(), site.applied().len()), ("v1.0.0".to_owned(), 5), "{}", ended.stderr);
    site.bench.query("CREATE TABLE not_there ()");
    site.must("upgrade", "v1.1.0", &[]);
    assert_eq!(site.version(), "v1.1.0");
    site.bench.assert_sound();
}

#[test]
fn an_upgrade_waits_for_the_word_of_a_person() {
    let site = Site::new("word").without_backups();
    // An index on a table that the same command makes is planned anew once the table is there.
    site.upgrade_script("schema-changes/V1.1.0.002__Index_orders.sql", "CREATE TABLE two (a int);");
    site.upgrade_script("rollback/U1.1.0.002__Index_orders.sql", "DROP TABLE two;");
    site.upgrade_script(
        "validation/C1.1.0.002__Index_orders.sql",
        "SELECT 1 WHERE to_regclass('two') IS NULL;",
    );
    site.must("install", "v1.0.0", &[]);
    let ended = site.run("upgrade", "v1.1.0", &["--approval", "required"]);
    assert_eq!(ended.code, 8, "{}", ended.stderr);
    let approving = "cofferdam approve --project e-commerce-api --version v1.1.0";
    assert!(ended.stderr.contains(approving), "{}", ended.stderr);
    site.must("approve", "v1.1.0", &["--yes"]);
    site.must("upgrade", "v1.1.0", &["--approval", "required"]);
    assert_eq!(site.version(), "v1.1.0");
}

#[test]
fn a_script_that_was_edited_is_told() {
    let site = Site::new("edited").without_backups();
    site.must("install", "v1.0.0", &[]);
    assert_eq!(site.killed("upgrade", "v1.1.0", "run.done=kill@1", &[]).code, -1);
    let script = "versions/v1.1.0/upgrade/from-v1.0.0/schema-changes/V1.1.0.001__Add_orders_table.sql";
    let text = std::fs::read_to_string(site.path(script)).unwrap();
    site.put(script, &format!("{text}-- edited"));
    let said = site.refused("upgrade", "v1.1.0", &[], "CF2007", 1);
    assert!(said.contains("put the file back as it was"), "{said}");
    let status = site.status();
    assert_eq!(status["databases"][0]["edited"].as_array().unwrap().len(), 1, "{status}");
    site.put(script, &text);
    site.must("upgrade", "v1.1.0", &[]);
}
