//! The history of another tool, kept beside Cofferdam's own. What the tools themselves say of it is in tests/interop;
//! here is what dies in between, and what a tool's table must not be.

use std::sync::atomic::{AtomicUsize, Ordering};

use cofferdam_scratch::mysql::Kind;

use crate::crash::without_counter;
use crate::site::{Site, server};
use crate::support::ended;

on_both! {
    flyway_is_killed,
    golang_migrate_is_killed,
    goose_is_killed,
    dbmate_is_killed,
    what_is_taken_back_is_killed,
    a_failure_leaves_no_mark,
    a_table_without_transactions,
    a_table_that_was_only_begun,
    a_table_that_is_locked,
    a_tool_that_works_while_the_session_is_reset,
    a_database_of_a_tool_is_taken_over,
    many_rows_keep_their_order,
}

/// A tool, with what its table says in few words.
struct Tool {
    name: &'static str,
    /// The name of the file of a version, and its text.
    file: fn(u32, &str) -> (String, String),
    /// Its rows, without moments and durations.
    rows: &'static str,
    /// The versions that it takes for applied.
    applied: &'static str,
    /// How many rows it has of what is begun and has not ended; empty where it has no mark.
    begun: &'static str,
}

static FLYWAY: Tool = Tool {
    name: "flyway",
    file: |number, text| (format!("V{number}__v.sql"), text.to_owned()),
    rows: "SELECT installed_rank, version, description, type, script, checksum, success FROM flyway_schema_history
           ORDER BY 1",
    applied: "SELECT version FROM flyway_schema_history WHERE success ORDER BY 1",
    begun: "SELECT COUNT(*) FROM flyway_schema_history WHERE NOT success",
};

static GOLANG_MIGRATE: Tool = Tool {
    name: "golang-migrate",
    file: |number, text| (format!("{number}_v.up.sql"), text.to_owned()),
    rows: "SELECT version, dirty FROM schema_migrations",
    // It says how far it got.
    applied:
        "SELECT `key` FROM _cofferdam_history
              WHERE undone_at IS NULL AND `key` <= (SELECT version - dirty FROM schema_migrations) ORDER BY 1",
    begun: "SELECT COUNT(*) FROM schema_migrations WHERE dirty",
};

static GOOSE: Tool = Tool {
    name: "goose",
    file: |number, text| {
        (format!("0000{number}_v.sql"), format!("-- +goose Up\n{text}-- +goose Down\nSELECT 1;\n"))
    },
    rows: "SELECT version_id, is_applied FROM goose_db_version ORDER BY id",
    applied: "SELECT version_id FROM goose_db_version WHERE version_id > 0 ORDER BY 1",
    begun: "",
};

static DBMATE: Tool = Tool {
    name: "dbmate",
    file: |number, text| {
        (format!("{number}_v.sql"), format!("-- migrate:up\n{text}\n-- migrate:down\nSELECT 1;\n"))
    },
    rows: "SELECT version FROM schema_migrations ORDER BY 1",
    applied: "SELECT version FROM schema_migrations ORDER BY 1",
    begun: "",
};

/// What the files do. `ledger` counts executions; a change of the schema that is made twice fails.
const TEXTS: [&str; 4] = [
    "CREATE TABLE ledger (id int AUTO_INCREMENT PRIMARY KEY, what varchar(20) NOT NULL);\n\
     CREATE TABLE t (id int PRIMARY KEY, a int);\n",
    "ALTER TABLE t ADD COLUMN c int;\nCREATE INDEX t_a ON t (a);\nINSERT INTO ledger (what) VALUES ('two');\n",
    "INSERT INTO ledger (what) VALUES ('three a');\nINSERT INTO ledger (what) VALUES ('three b');\n",
    "CREATE TABLE u (id int PRIMARY KEY);\n",
];

impl Tool {
    /// A directory of the first texts; the first one is applied.
    fn site(&self, kind: Kind, name: &str) -> Option<Site> {
        let site = Site::new(kind, name)?;
        for (number, text) in (1..).zip(TEXTS) {
            self.write(&site, number, text);
        }
        Some(site)
    }

    fn write(&self, site: &Site, number: u32, text: &str) {
        let (name, text) = (self.file)(number, text);
        site.file(&name, &text);
    }

    fn with<'a>(&self, command: &[&'a str]) -> Vec<&'a str> {
        [command, &["--history", "both", "--tool", self.name]].concat()
    }

    fn state(&self, site: &Site) -> Vec<Vec<Vec<String>>> {
        let schema = site.schema().into_iter().map(|table| vec![without_counter(&table)]).collect();
        let ledger = site.query("SELECT what, COUNT(*) FROM ledger GROUP BY what ORDER BY what");
        let history = site.history().into_iter().map(|(key, times)| vec![key, times]).collect();
        vec![schema, ledger, history, site.query(self.rows)]
    }

    /// What is in force here is applied there, and what is begun is marked there, where the tool has such a mark.
    fn agrees(&self, site: &Site, case: &str) {
        if site.query("SHOW TABLES LIKE '\\_cofferdam\\_history'").is_empty() {
            return;
        }
        let own: Vec<String> = site.history().into_iter().map(|(key, _)| digits(&key)).collect();
        let theirs: Vec<String> = site.query(self.applied).concat();
        assert_eq!(theirs, own, "{case}");
        if !self.begun.is_empty() {
            let open = site.one("SELECT COUNT(*) FROM _cofferdam_run WHERE ended_at IS NULL");
            assert_eq!(site.one(self.begun), open, "{case}: begun here and marked there");
        }
    }
}

/// goose writes `00001` for 1.
fn digits(key: &str) -> String {
    key.trim_start_matches('0').to_owned()
}

/// The places at which a row of the tool is written, or a statement stands alone.
const POINTS: &[&str] = &[
    "claim.locked",
    "ledger.created",
    "run.opened",
    "atomic.statement",
    "atomic.before-commit",
    "atomic.commit-sent",
    "atomic.committed",
    "loose.began",
    "loose.sent",
    "loose.performed",
    "run.before-done",
    "run.done",
];

/// How often at most each of them is died at.
const TIMES: u32 = 3;

/// Dies at each place; then both histories say the same, and the same command ends as it would have ended.
fn killed(kind: Kind, tool: &Tool) {
    if server(kind).is_none() {
        return;
    }
    let undisturbed = tool.site(kind, "kept").unwrap();
    undisturbed.must(&tool.with(&["apply"]));
    let expected = tool.state(&undisturbed);
    assert_eq!(undisturbed.query(tool.applied).len(), TEXTS.len());
    let next = AtomicUsize::new(0);
    std::thread::scope(|threads| {
        for _ in 0..3 {
            threads.spawn(|| {
                while let Some(point) = POINTS.get(next.fetch_add(1, Ordering::SeqCst)) {
                    for nth in 1..=TIMES {
                        let site = tool.site(kind, "kept").unwrap();
                        let case = format!("{} {point}@{nth}", tool.name);
                        if !dies(&site, &tool.with(&["apply"]), point, nth) {
                            assert!(nth > 1, "no migration comes by {point}");
                            break;
                        }
                        // A COMMIT, or a statement, may be on its way.
                        if !point.ends_with("sent") && *point != "ledger.created" {
                            tool.agrees(&site, &case);
                        }
                        site.must(&tool.with(&["apply", "--lock-wait", "60s"]));
                        assert_eq!(tool.state(&site), expected, "{case}");
                        tool.agrees(&site, &case);
                        site.assert_sound();
                    }
                }
            });
        }
    });
}

/// `false`: it does not come by so often.
fn dies(site: &Site, command: &[&str], point: &str, nth: u32) -> bool {
    let mark = site.folder.path().join("reached");
    let mut command = site.command(command);
    command
        .env("COFFERDAM_FAILPOINT", format!("{point}=kill@{nth}"))
        .env("COFFERDAM_FAILPOINT_REACHED", &mark);
    let ended = ended(&mut command);
    assert_eq!(mark.exists(), ended.code != 0, "{point}@{nth}: {}", ended.stderr);
    mark.exists()
}

fn flyway_is_killed(kind: Kind) {
    killed(kind, &FLYWAY);
}

fn golang_migrate_is_killed(kind: Kind) {
    killed(kind, &GOLANG_MIGRATE);
}

fn goose_is_killed(kind: Kind) {
    killed(kind, &GOOSE);
}

fn dbmate_is_killed(kind: Kind) {
    killed(kind, &DBMATE);
}

/// A statement that cannot hold; what was before it is taken back, and the mark with it.
const CANNOT: &str = "CREATE INDEX t_a ON t (a);\nALTER TABLE t ADD CONSTRAINT small CHECK (a < 2);\n";

fn failing(kind: Kind, tool: &Tool) -> Option<Site> {
    let site = Site::new(kind, "taken_back")?;
    tool.write(
        &site,
        1,
        "CREATE TABLE t (id int PRIMARY KEY, a int);\nINSERT INTO t VALUES (1, 1), (2, 2);\n",
    );
    site.must(&tool.with(&["apply"]));
    tool.write(&site, 2, CANNOT);
    Some(site)
}

fn a_failure_leaves_no_mark(kind: Kind) {
    for tool in [&FLYWAY, &GOLANG_MIGRATE, &GOOSE, &DBMATE] {
        let Some(site) = failing(kind, tool) else { return };
        let before = site.query(tool.rows);
        let ended = site.run(&tool.with(&["apply", "--allow", "add-check-copy=small"]));
        assert_eq!(ended.code, 6, "{}\n{}", ended.stdout, ended.stderr);
        assert_eq!(site.query(tool.rows), before, "{}", tool.name);
        site.assert_sound();
    }
}

fn what_is_taken_back_is_killed(kind: Kind) {
    for tool in [&FLYWAY, &GOLANG_MIGRATE] {
        for point in ["undo.begun", "undo.step", "undo.before-end"] {
            let Some(site) = failing(kind, tool) else { return };
            let before = site.query(tool.rows);
            let apply = tool.with(&["apply", "--lock-wait", "60s", "--allow", "add-check-copy=small"]);
            assert!(dies(&site, &apply, point, 1), "{point}");
            assert_eq!(site.one(tool.begun), "1", "{point}: {} is not to begin now", tool.name);
            assert_eq!(site.run(&apply).code, 6, "{point}");
            assert_eq!(site.query(tool.rows), before, "{point}");
            site.assert_sound();
        }
    }
}

fn a_table_without_transactions(kind: Kind) {
    let Some(site) = GOLANG_MIGRATE.site(kind, "myisam") else { return };
    site.query(
        "CREATE TABLE schema_migrations (version bigint PRIMARY KEY, dirty boolean NOT NULL) ENGINE = MyISAM",
    );
    let ended = site.run(&GOLANG_MIGRATE.with(&["apply"]));
    assert!(ended.code != 0 && ended.stderr.contains("CF3768"), "{}", ended.stderr);
    assert!(ended.stderr.contains("ENGINE = InnoDB"), "{}", ended.stderr);
    assert_eq!(site.tables(), ["schema_migrations"]);
    site.query("ALTER TABLE schema_migrations ENGINE = InnoDB");
    site.must(&GOLANG_MIGRATE.with(&["apply"]));
    GOLANG_MIGRATE.agrees(&site, "once it is InnoDB");
}

/// goose begins its table with a row for version 0, without which it does not begin.
fn a_table_that_was_only_begun(kind: Kind) {
    let Some(site) = GOOSE.site(kind, "begun") else { return };
    assert!(dies(&site, &GOOSE.with(&["apply"]), "ledger.created", 1));
    assert!(site.query("SELECT * FROM goose_db_version").is_empty());
    site.must(&GOOSE.with(&["apply", "--lock-wait", "60s"]));
    let versions = site.query("SELECT version_id FROM goose_db_version ORDER BY id").concat();
    assert_eq!(versions, ["0", "1", "2", "3", "4"]);
}

/// Who keeps a tool's table locked is taken for the tool; nobody waits for it for long.
fn a_table_that_is_locked(kind: Kind) {
    let Some(site) = FLYWAY.site(kind, "locked") else { return };
    site.must(&FLYWAY.with(&["apply", "--to", "1"]));
    let hold = site.hold("LOCK TABLES flyway_schema_history WRITE");
    let ended = site.run(&FLYWAY.with(&["apply"]));
    assert_eq!(ended.code, 5, "{}", ended.stderr);
    assert!(ended.stderr.contains("CF3603"), "{}", ended.stderr);
    drop(hold);
    site.must(&FLYWAY.with(&["apply", "--lock-wait", "60s"]));
    FLYWAY.agrees(&site, "once it is let go");
}

/// A script that changes settings has the session reset, which costs it the locks of the tool: they are taken again, and
/// held until the end.
fn a_tool_that_works_while_the_session_is_reset(kind: Kind) {
    let Some(site) = FLYWAY.site(kind, "reset") else { return };
    FLYWAY.write(&site, 2, "SET SESSION sort_buffer_size = 65536;\nALTER TABLE t ADD COLUMN c int;\n");
    let mark = site.folder.path().join("reached");
    let mut command = site.command(&FLYWAY.with(&["apply"]));
    command.env("COFFERDAM_FAILPOINT", "run.opened=hang@3").env("COFFERDAM_FAILPOINT_REACHED", &mark);
    let mut child =
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
    crate::support::until("it hangs in the last file", || mark.exists());
    // The name that Flyway itself takes: as Java hashes the name of the table.
    let name = format!("`{}`.`flyway_schema_history`", site.database);
    let hash =
        name.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    let held = site.one(&format!("SELECT IS_USED_LOCK('Flyway-{hash}') IS NOT NULL"));
    assert_eq!(held, "1", "Flyway is kept away after the reset");
    child.kill().unwrap();
    child.wait().unwrap();
    site.must(&FLYWAY.with(&["apply", "--lock-wait", "60s"]));
    FLYWAY.agrees(&site, "at the end");
}

/// goose applied the first two, with a table of its own making.
fn a_database_of_a_tool_is_taken_over(kind: Kind) {
    let Some(site) = GOOSE.site(kind, "import") else { return };
    site.query(
        "CREATE TABLE goose_db_version (id serial NOT NULL, version_id bigint NOT NULL, is_applied boolean NOT NULL,
             tstamp timestamp NULL default now(), PRIMARY KEY (id));
         INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, true), (1, true), (2, true)",
    );
    for text in &TEXTS[..2] {
        site.query(text);
    }
    let dry = site.must(&["import", "--dry-run"]);
    assert!(dry.stdout.contains("goose"), "{}", dry.stdout);
    assert!(site.untouched(), "looking writes nothing");
    site.must(&["import"]);
    assert_eq!(site.history().len(), 2);
    let journal = "SELECT COUNT(*) FROM _cofferdam_journal";
    let rows = site.one(journal);
    site.must(&["import"]);
    assert_eq!(site.one(journal), rows, "there is nothing left to take over");
    site.must(&["apply"]);
    GOOSE.agrees(&site, "after it");
    assert_eq!(site.one("SELECT COUNT(*) FROM ledger"), "3", "nothing ran twice");
    // A row that goose takes away without a word is for a person to say.
    site.query("DELETE FROM goose_db_version WHERE version_id = 4");
    let ended = site.run(&["apply"]);
    assert!(ended.stderr.contains("CF3601"), "{}", ended.stderr);
    site.must(&["import", "--believe", "own"]);
    GOOSE.agrees(&site, "once our own is believed");
    site.assert_sound();
}

/// The numbers that the server gives rows are in the order in which they were applied.
fn many_rows_keep_their_order(kind: Kind) {
    let Some(site) = Site::new(kind, "many") else { return };
    for number in 1..=300 {
        GOOSE.write(&site, number, &format!("CREATE TABLE t{number} (id int PRIMARY KEY);\n"));
    }
    site.must(&["baseline", "300", "--history", "both", "--tool", "goose"]);
    let versions = site.query("SELECT version_id FROM goose_db_version ORDER BY id").concat();
    let expected: Vec<String> = (0..=300).map(|number| number.to_string()).collect();
    assert_eq!(versions, expected);
}
