//! The example as its README walks it.

use super::site::{Site, json};
use super::support::ended;

const UPGRADED: [&str; 6] = [
    "v1.0.0/install-001",
    "v1.0.0/install-100",
    "v1.0.0/install-200",
    "v1.1.0/from-1.0.0-001",
    "v1.1.0/from-1.0.0-002",
    "v1.1.0/from-1.0.0-300",
];

/// As users wrote it down, in two environments, each with its own database and its own name in the audit.
#[test]
fn it_is_installed_upgraded_and_taken_back_in_two_environments() {
    let (staging, production) = (Site::new("staging"), Site::new("production"));
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/e-commerce-api");
    std::fs::copy(root.join("cofferdam.yaml"), staging.bench.folder.path().join("cofferdam.yaml")).unwrap();
    std::fs::create_dir(staging.bench.folder.path().join("saved")).unwrap();
    for (environment, site) in [("staging", &staging), ("production", &production)] {
        let run = |verb: &str, version: &str, more: &[&str]| {
            let common = ["--database-type", "postgresql", "--environment", environment];
            let mut command = staging.command(verb, version, &[&common[..], more].concat());
            let ended = ended(
                command
                    .env_remove("COFFERDAM_URL")
                    .env("STAGING_URL", &staging.bench.url)
                    .env("PRODUCTION_URL", &production.bench.url)
                    .env("USER", "alice"),
            );
            assert_eq!(ended.code, 0, "{verb}\n{}\n{}", ended.stdout, ended.stderr);
            ended.stdout
        };
        run("install", "v1.0.0", &[]);
        assert_eq!(site.version(), "v1.0.0");
        let installed = site.bench.dump();
        let shown = run("upgrade", "v1.1.0", &["--from-version", "v1.0.0"]);
        assert!(shown.contains("e-commerce-api is at v1.1.0 in primary"), "{shown}");
        assert_eq!(site.version(), "v1.1.0");
        assert_eq!(site.applied(), UPGRADED);
        assert_eq!(site.bench.one("SELECT count(*) FROM pg_index WHERE indrelid = 'orders'::regclass"), "4");
        let status = site.status();
        let place = &status["databases"][0];
        assert_eq!((&place["version"], &place["name"]), (&"v1.1.0".into(), &"primary".into()), "{status}");
        assert_eq!(status["upToDate"], true, "{status}");
        assert_eq!(place["legs"][1]["scripts"], 3, "{status}");
        // The same pipeline once more.
        let again = run("upgrade", "v1.1.0", &["--from-version", "v1.0.0"]);
        assert!(again.starts_with("nothing to do"), "{again}");
        run("rollback", "v1.0.0", &["--yes"]);
        assert_eq!((site.version(), site.bench.dump()), ("v1.0.0".to_owned(), installed));
        assert_eq!(site.applied(), UPGRADED[..3]);
        let who = site.bench.one("SELECT string_agg(DISTINCT who, ' ') FROM cofferdam.journal");
        assert!(who.starts_with("alice@") && who.ends_with(&format!("[{environment}]")), "{who}");
        let audit = json(&site.bench.must(&["audit", "-o", "json"]).stdout).to_string();
        for part in [
            "project e-commerce-api: install v1.0.0 from nothing",
            "project e-commerce-api: upgrade v1.1.0 from v1.0.0",
            "project e-commerce-api: rollback v1.0.0 from v1.1.0",
            "e-commerce-api-v1.1.0/from-1.0.0-001",
        ] {
            assert!(audit.contains(part), "{part}: {audit}");
        }
        site.bench.assert_sound();
    }
    // And forwards again, as if nothing had been.
    staging.without_backups().must("upgrade", "v1.1.0", &[]);
}

#[test]
fn a_version_without_an_installation_is_installed_by_way_of_the_one_before() {
    let site = Site::new("by_way");
    site.must("install", "v1.1.0", &["--database-type", "postgresql", "--environment", "staging"]);
    assert_eq!((site.version(), site.applied().len()), ("v1.1.0".to_owned(), 6));
    site.refused("install", "v1.0.0", &[], "CF3707", 2);
    site.bench.assert_sound();
}

/// As `helm upgrade --install`: one command for a new database and for one that is there.
#[test]
fn an_upgrade_installs_where_it_may() {
    let site = Site::new("either");
    // Between the two legs of an installation, which needs no backup.
    assert_eq!(site.killed("upgrade", "v1.1.0", "run.done=kill@3", &["--install"]).code, -1);
    assert_eq!(site.version(), "v1.0.0");
    site.must("upgrade", "v1.1.0", &["--install"]);
    assert_eq!((site.version(), site.applied().len()), ("v1.1.0".to_owned(), 6));
    assert!(site.must("upgrade", "v1.1.0", &["--install"]).stdout.starts_with("nothing to do"));
    let other = Site::new("either_then");
    other.must("upgrade", "v1.0.0", &["--install", "--from-version", "v1.0.0"]);
    other.refused("upgrade", "v1.1.0", &["--install"], "CF3709", 2);
    other.without_backups().must("upgrade", "v1.1.0", &["--install", "--from-version", "v1.0.0"]);
}

#[test]
fn a_dry_run_shows_all_legs_and_changes_nothing() {
    let site = Site::new("dry");
    let shown = site.must("install", "v1.1.0", &["--dry-run"]).stdout;
    assert!(shown.contains("nothing → v1.0.0 → v1.1.0"), "{shown}");
    assert!(shown.contains("create the table project_metadata"), "{shown}");
    let document = json(&site.must("install", "v1.1.0", &["--dry-run", "-o", "json"]).stdout);
    assert_eq!(document["kind"], "ProjectPlan");
    let migrations = document["databases"][0]["plan"]["migrations"].as_array().unwrap();
    assert_eq!(migrations.len(), 6, "{document}");
    let steps = migrations[5]["steps"].to_string();
    assert!(steps.contains("write version v1.1.0"), "{steps}");
    assert_eq!(site.run("install", "v1.1.0", &["--dry-run", "--exit-code"]).code, 3);
    assert_eq!(site.bench.one("SELECT count(*) FROM pg_namespace WHERE nspname = 'cofferdam'"), "0");
    assert_eq!(site.bench.one("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), "0");
    site.must("install", "v1.1.0", &[]);
    let dump = site.bench.dump();
    let shown = site.must("rollback", "v1.0.0", &["--dry-run"]).stdout;
    assert!(shown.contains("v1.1.0 → v1.0.0") && shown.contains("drop table"), "{shown}");
    assert_eq!((site.bench.dump(), site.version()), (dump, "v1.1.0".to_owned()));
}

/// The script of the requirements as it stands, but for the indexes that no transaction can build: it looks at the
/// version and writes it by itself, in the middle of the upgrade.
#[test]
fn a_script_that_writes_the_version_itself_works_and_does_not_end_the_upgrade() {
    let site = Site::new("own").without_backups();
    let sample = include_str!("../sample/V1.1.0.001__Add_orders_table.sql");
    let sample: String = sample
        .lines()
        .filter(|line| !line.contains("CONCURRENTLY"))
        .map(|line| format!("{line}\n"))
        .collect();
    site.upgrade_script("schema-changes/V1.1.0.001__Add_orders_table.sql", &sample);
    site.must("install", "v1.0.0", &[]);
    let ended = site.killed("upgrade", "v1.1.0", "run.done=kill@1", &[]);
    assert_ne!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(site.version(), "v1.1.0");
    // Half of it is there, whatever the table says.
    let status = site.status();
    assert_eq!(status["databases"][0]["version"], "v1.0.0", "{status}");
    assert_eq!(status["databases"][0]["halfWayTo"], "v1.1.0", "{status}");
    site.refused("upgrade", "v1.1.0", &["--from-version", "v1.1.0"], "CF3702", 2);
    site.must("upgrade", "v1.1.0", &["--from-version", "v1.0.0"]);
    assert_eq!(site.applied(), UPGRADED);
    site.must("rollback", "v1.0.0", &["--yes"]);
    assert_eq!(site.version(), "v1.0.0");
    site.bench.assert_sound();
}

#[test]
fn the_checkout_of_the_release_before_takes_the_newer_one_back() {
    let site = Site::new("older").without_backups();
    site.must("install", "v1.0.0", &[]);
    let installed = site.bench.dump();
    site.must("upgrade", "v1.1.0", &[]);
    std::fs::remove_dir_all(site.path("versions/v1.1.0")).unwrap();
    site.configure("    v1.1.0:\n      upgrades_to: [\"v2.0.0\"]\n      rollback_to: [\"v1.0.0\"]\n", "");
    assert_eq!(site.status()["databases"][0]["version"], "v1.1.0");
    site.bench
        .query("INSERT INTO orders (user_id, order_number, total_amount) VALUES (gen_random_uuid(), 'a', 1)");
    // What would be lost must be agreed to.
    site.refused("rollback", "v1.0.0", &[], "the rows of orders", 8);
    site.must("rollback", "v1.0.0", &["--yes"]);
    assert_eq!((site.version(), site.bench.dump()), ("v1.0.0".to_owned(), installed));
    site.bench.assert_sound();
}

/// Another program brought the database to v1.0.0: its row is believed.
#[test]
fn a_database_of_another_program_is_upgraded_from_its_row() {
    let site = Site::new("adopted").without_backups();
    site.bench.query(
        "CREATE TABLE project_metadata (project_name varchar(80) PRIMARY KEY, project_version varchar(20));
         INSERT INTO project_metadata VALUES ('e-commerce-api', 'v1.0.0'), ('other', 'v7.0.0')",
    );
    // Its own last script writes a column that this table does not have.
    site.upgrade_script("post-upgrade/V1.1.0.300__Set_version.sql", "SELECT 1;");
    site.upgrade_script("rollback/U1.1.0.300__Set_version.sql", "SELECT 1;");
    site.must("upgrade", "v1.1.0", &[]);
    assert_eq!(site.version(), "v1.1.0");
    site.must("rollback", "v1.0.0", &["--yes"]);
    assert_eq!(site.version(), "v1.0.0");
    assert_eq!(
        site.bench.one("SELECT project_version FROM project_metadata WHERE project_name = 'other'"),
        "v7.0.0"
    );
    site.refused("rollback", "v0.9.0", &["--yes"], "CF3664", 2);
}

/// An online change as the last script of an upgrade: the version is written once its tables are swapped, and taken
/// back with them.
#[test]
fn an_online_change_in_its_revert_window_is_the_version_that_is_there() {
    let site = Site::new("online").without_backups();
    site.must("install", "v1.0.0", &[]);
    site.bench.query("INSERT INTO users (username) SELECT n::text FROM generate_series(1, 100) n");
    for stage in ["post-upgrade/V", "rollback/U", "validation/C"] {
        let path = format!("versions/v1.1.0/upgrade/from-v1.0.0/{stage}1.1.0.300__Set_version.sql");
        std::fs::remove_file(site.path(&path)).unwrap();
    }
    site.upgrade_script(
        "post-upgrade/V1.1.0.300__Wider.sql",
        "ALTER TABLE users ALTER COLUMN username TYPE varchar(100);",
    );
    site.upgrade_script(
        "rollback/U1.1.0.300__Wider.sql",
        "ALTER TABLE users ALTER COLUMN username TYPE varchar(255);",
    );
    site.upgrade_script(
        "validation/C1.1.0.300__Wider.sql",
        "SELECT 1 FROM project_metadata WHERE project_version <> 'v1.1.0';",
    );
    // Wherever another strategy fits no script it is done directly.
    let online = ["--strategy", "shadow-table", "--allow", "data-loss=test"];
    let ended = site.run("upgrade", "v1.1.0", &online);
    assert_eq!(ended.code, 0, "{}\n{}", ended.stdout, ended.stderr);
    assert_eq!(site.version(), "v1.1.0");
    let place = &site.status()["databases"][0];
    assert_eq!(
        (&place["version"], &place["halfWayTo"]),
        (&"v1.1.0".into(), &serde_json::Value::Null),
        "{place}"
    );
    assert!(site.must("upgrade", "v1.1.0", &[]).stdout.starts_with("nothing to do"));
    // It is another run's: the message says how the swap is taken back.
    let refused = site.run("rollback", "v1.0.0", &["--yes"]);
    assert!(refused.stderr.contains("can still be taken back"), "{}", refused.stderr);
    site.bench.must(&["rollback", "users"]);
    assert_eq!(site.version(), "v1.0.0");
    assert_eq!(site.status()["databases"][0]["halfWayTo"], "v1.1.0");
    site.must("upgrade", "v1.1.0", &online);
    site.bench.must(&["finalize", "users"]);
    assert_eq!((site.version(), site.applied().len()), ("v1.1.0".to_owned(), 6));
    site.must("rollback", "v1.0.0", &["--yes"]);
    assert_eq!((site.version(), site.applied().len()), ("v1.0.0".to_owned(), 3));
    site.bench.assert_sound();
}
