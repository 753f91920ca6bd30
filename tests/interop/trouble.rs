//! Files that were edited, migrations that failed, and both at work at once.

use std::io::Write;
use std::process::{Child, Command, Stdio};

use crate::migrations::{HALF, MOST};
use crate::site::{Site, with_every_tool, with_those};
use crate::support::{program, until, wait};
use crate::tools::{atlas, flyway, golang_migrate, well};

/// A file that is applied is edited: who keeps checksums says so, and that is the same file to both.
#[test]
fn an_edited_file_is_refused_by_both() {
    with_those("edited", |tool| tool.checks.is_some(), edited);
}

pub(crate) fn edited(site: &Site) {
    let checks = site.tool.checks.unwrap();
    site.write(MOST).ours_must(&["apply", "--yes", "--history", "both", "--tool", site.tool.name]);
    assert_eq!(checks(site).code, 0);
    site.edit(3, "numeric(10, 2)", "numeric(12, 2)");
    assert_ne!(checks(site).code, 0, "{} sees nothing", site.tool.name);
    site.refused(if site.tool.name == "atlas" { "CF3401" } else { "CF2007" });
    site.edit(3, "numeric(12, 2)", "numeric(10, 2)");
    assert_eq!(checks(site).code, 0);
    site.we_agree().agrees(MOST, 0);
}

/// The tool applied it, its table has the checksum, and the tool itself may never look at that again.
#[test]
fn a_file_that_was_edited_after_the_tool_applied_it_is_refused() {
    with_those(
        "edited before",
        |tool| matches!(tool.name, "flyway" | "atlas" | "sqlx" | "drizzle"),
        edited_before,
    );
}

pub(crate) fn edited_before(site: &Site) {
    site.write(MOST - 1).applies();
    site.write(MOST).edit(HALF, "title text", "title char");
    if site.tool.name == "atlas" {
        atlas::hash(site);
    }
    site.refused("CF2007");
    site.edit(HALF, "title char", "title text");
    site.write(MOST).ours_must(&["apply", "--yes"]);
    site.we_agree().agrees(MOST, 0);
}

/// A migration that fails for Cofferdam leaves nothing that the tool stumbles over.
#[test]
fn after_a_failure_of_cofferdam_the_tool_goes_on() {
    with_every_tool("failed here", failed_here);
}

pub(crate) fn failed_here(site: &Site) {
    site.write(HALF).applies();
    site.write(MOST).edit(MOST, "until date", "until nosuchtype");
    if site.tool.name == "atlas" {
        atlas::hash(site);
    }
    let ended = site.ours(&["apply", "--yes"]);
    assert_ne!(ended.code, 0);
    assert!(ended.stderr.contains("nosuchtype"), "{}", ended.stderr);
    site.agrees(MOST - 1, 1);

    site.write(MOST).applies().agrees(MOST, 0);
    site.we_agree().assert_as_by_the_tool_alone(MOST);
}

/// golang-migrate calls a database dirty after every failure.
#[test]
fn what_golang_migrate_left_dirty_is_refused_until_it_is_told_what_is_there() {
    with_those(
        "dirty",
        |tool| tool.name == "golang-migrate",
        |site| {
            site.write(MOST).edit(3, "numeric(10, 2)", "nosuchtype");
            assert_ne!((site.tool.apply)(site).code, 0);
            assert_eq!(site.one("SELECT dirty FROM schema_migrations"), "t");
            site.refused("CF3406");

            site.write(MOST);
            well(&golang_migrate::migrate(site, &["force", "2"])).unwrap();
            site.ours_must(&["apply", "--yes"]);
            site.we_agree().agrees(MOST, 0).assert_as_by_the_tool_alone(MOST);
        },
    );
}

/// Flyway leaves a failed row where there was no transaction to roll back.
#[test]
fn what_flyway_left_failed_is_refused_until_it_is_repaired() {
    with_those(
        "failed there",
        |tool| tool.name == "flyway",
        |site| {
            let apply = site.tool.outside.as_ref().unwrap().apply.unwrap();
            site.write(MOST);
            std::fs::write(site.path(MOST), "CREATE INDEX CONCURRENTLY loans_until ON nosuchtable (until);")
                .unwrap();
            assert_ne!(apply(site).code, 0);
            assert_eq!(site.one("SELECT count(*) FROM flyway_schema_history WHERE NOT success"), "1");
            site.refused("CF3406");

            site.write(MOST);
            well(&flyway::flyway(site, &["repair"])).unwrap();
            site.ours_must(&["apply", "--yes"]);
            site.we_agree().agrees(MOST, 0).assert_as_by_the_tool_alone(MOST);
        },
    );
}

/// Atlas remembers how far it came, and goes on there itself.
#[test]
fn what_atlas_left_half_applied_is_refused_until_it_is_whole() {
    with_those(
        "half there",
        |tool| tool.name == "atlas",
        |site| {
            let apply =
                |site: &Site| atlas::atlas(site, &["apply", "--url", &site.url(), "--tx-mode", "none"]);
            site.write(MOST).edit(MOST, "(until)", "(nosuchcolumn)");
            atlas::hash(site);
            assert_ne!(apply(site).code, 0);
            assert_eq!(
            site.query("SELECT applied, total FROM atlas_schema_revisions.atlas_schema_revisions WHERE version = '4'"),
            [["1", "2"]]
        );
            site.refused("CF3406");

            well(&apply(site.write(MOST))).unwrap();
            site.agrees(MOST, 0);
            // Atlas keeps the sum of the text of which it ran the first half, and does not look at it again.
            let ended = site.ours(&["import", "--yes"]);
            let said = format!("{}{}", ended.stdout, ended.stderr);
            assert!(said.contains("CF2007"), "{said}");
            site.ours_must(&["repair", "--yes"]);
            site.we_agree().agrees(MOST, 0);
        },
    );
}

/// goose fails outside of a transaction and says nothing of it: what is there of the file stays with its rows, for it is
/// not Cofferdam's own.
#[test]
fn what_goose_left_half_applied_stays() {
    with_those(
        "half without a word",
        |tool| tool.name == "goose",
        |site| {
            let text = site.tool.outside.as_ref().unwrap().text;
            let write = |column: &str| {
                let up = format!(
                    "CREATE TABLE loans (book bigint, until date);\nCREATE INDEX loans_until ON loans ({column});"
                );
                site.write(MOST);
                std::fs::write(site.path(MOST), text(&up, "DROP TABLE loans;")).unwrap();
            };
            site.write(HALF).applies();
            write("nosuchcolumn");
            assert_ne!((site.tool.apply)(site).code, 0);
            site.query("INSERT INTO loans VALUES (1, now())");
            write("until");
            let ended = site.ours(&["apply", "--yes"]);
            assert_eq!(ended.code, 6, "{}\n{}", ended.stdout, ended.stderr);
            assert!(ended.stderr.contains("already exists"), "{}", ended.stderr);
            assert_eq!(site.one("SELECT count(*) FROM loans"), "1");
            site.query("DROP TABLE loans");
            site.ours_must(&["apply", "--yes"]);
            site.we_agree().agrees(MOST, 0);
        },
    );
}

/// The tool is at work: Cofferdam is told so, and does nothing.
#[test]
fn a_tool_at_work_keeps_cofferdam_away() {
    with_those("tool at work", locks, |site| {
        site.write(HALF).applies();
        let blocker = Blocker::hold(site);
        site.write(MOST);
        let tool = spawn(site);
        until("the tool is in the midst of it", || waiting(site) == 1);
        let before = site.rows();
        let ended = site.ours(&["apply", "--yes", "--lock-wait", "0s"]);
        assert_eq!(ended.code, 5, "{}\n{}", ended.stdout, ended.stderr);
        assert!(ended.stderr.contains("CF3603"), "{}", ended.stderr);
        assert_eq!(site.rows(), before);
        blocker.release();
        let ended = wait(tool);
        assert_eq!(ended.code, 0, "{}\n{}", ended.stdout, ended.stderr);
        site.agrees(MOST, 0);
        site.ours_must(&["apply", "--yes"]);
        site.we_agree().assert_as_by_the_tool_alone(MOST);
    });
}

/// Cofferdam is at work: the tool waits for its own lock and then finds nothing to do.
#[test]
fn cofferdam_at_work_keeps_a_tool_away() {
    with_those("we at work", locks, |site| {
        site.write(HALF).applies();
        let sessions = "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid() AND client_port >= 0";
        let blocker = Blocker::hold(site);
        site.write(MOST);
        let ours =
            site.bench().spawn(&[&["apply", "--yes", "--lock-timeout", "1s"], site.tool.named].concat());
        until("Cofferdam is in the midst of it", || waiting(site) == 1);
        let there: u32 = site.one(sessions).parse().unwrap();
        let tool = spawn(site);
        until("the tool is there", || site.one(sessions).parse::<u32>().unwrap() > there);
        blocker.release();
        let (ours, tool) = (wait(ours), wait(tool));
        assert_eq!((ours.code, tool.code), (0, 0), "{ours:?}\n{tool:?}");
        site.we_agree().agrees(MOST, 0).assert_as_by_the_tool_alone(MOST);
        assert_eq!(site.history().len(), MOST);
    });
}

pub(crate) fn locks(tool: &crate::tools::Tool) -> bool {
    // The library of sqlx takes one, and its command line does not.
    matches!(tool.name, "flyway" | "atlas" | "golang-migrate")
}

/// Starts what applies all that is pending, for a tool with a lock.
pub(crate) fn spawn(site: &Site) -> Child {
    let url = site.url();
    let place = site.bench().dir().display().to_string();
    let directory = format!("file://{place}");
    let arguments: Vec<String> = match site.tool.name {
        "atlas" => ["migrate", "apply", "--lock-timeout", "300s", "--url", &url, "--dir", &directory]
            .map(String::from)
            .into(),
        "golang-migrate" => {
            ["-lock-timeout", "300", "-path", &place, "-database", &url, "up"].map(String::from).into()
        }
        _ => flyway::arguments(site, &["migrate", "-lockRetryCount=300"]),
    };
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    site.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// How many sessions wait for the blocker.
fn waiting(site: &Site) -> usize {
    let sql =
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'transactionid'";
    site.query(sql).len()
}

/// A session that has an author whom the third migration wants to have, until it lets go or the test ends. It holds
/// no table, so that nobody is kept from reading the catalog.
struct Blocker(Child);

impl Blocker {
    fn hold(site: &Site) -> Self {
        let mut child = Command::new(program("psql"))
            .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", &site.bench().url])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let statement = "BEGIN; INSERT INTO authors VALUES (2, 'somebody');\n";
        child.stdin.as_mut().unwrap().write_all(statement.as_bytes()).unwrap();
        let idle = "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND state = 'idle in transaction' AND backend_xid IS NOT NULL";
        until("the author is there", || site.one(idle) == "1");
        Self(child)
    }

    /// Its transaction is rolled back.
    fn release(mut self) {
        // The end of its input ends it.
        drop(self.0.stdin.take());
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Blocker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
