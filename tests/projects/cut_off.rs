//! Killed wherever it may be; and two at the same time.

use std::process::Stdio;

use super::site::Site;
use super::support::{reached, until, wait};

/// After every kill the same command completes, and every script ran once.
#[test]
fn an_installation_over_two_legs_is_gone_on_with_from_anywhere() {
    let reference = Site::new("cut_reference");
    reference.must("install", "v1.1.0", &[]);
    let (dump, applied) = (reference.bench.dump(), reference.applied());
    let places = [
        "claim.locked=kill@1",
        "atomic.begun=kill@1",
        "atomic.before-commit=kill@1",
        "atomic.committed=kill@1",
        "atomic.committed=kill@2",
        // Between the two legs: v1.0.0 is whole.
        "atomic.committed=kill@3",
        "run.done=kill@3",
        "run.done=kill@4",
        "loose.began=kill@1",
        "loose.performed=kill@1",
        "loose.ended=kill@2",
        "atomic.before-commit=kill@9",
        "run.done=kill@5",
        "run.done=kill@6",
    ];
    for place in places {
        let site = Site::new("cut");
        let ended = site.killed("install", "v1.1.0", place, &[]);
        assert_eq!(ended.code, -1, "{place} was not reached\n{}", ended.stderr);
        let again = site.must("install", "v1.1.0", &[]);
        assert_eq!(site.version(), "v1.1.0", "{place}\n{}", again.stderr);
        assert_eq!((site.bench.dump(), site.applied()), (dump.clone(), applied.clone()), "{place}");
        site.bench.assert_sound();
    }
}

/// An upgrade that is killed says its version with its last script, and with none before.
#[test]
fn the_version_is_written_with_the_last_script() {
    let site = Site::new("with_last").without_backups();
    // Nothing of the scripts writes it.
    site.upgrade_script("post-upgrade/V1.1.0.300__Set_version.sql", "CREATE TABLE last_one (a int);");
    site.upgrade_script("rollback/U1.1.0.300__Set_version.sql", "DROP TABLE last_one;");
    site.must("install", "v1.0.0", &[]);
    let ended = site.killed("upgrade", "v1.1.0", "run.done=kill@2", &[]);
    assert_eq!(ended.code, -1, "{}", ended.stderr);
    assert_eq!((site.version(), site.applied().len()), ("v1.0.0".to_owned(), 5));
    // Inside the last transaction: neither the table nor the version.
    let ended = site.killed("upgrade", "v1.1.0", "atomic.before-commit=kill@1", &[]);
    assert_eq!(ended.code, -1, "{}", ended.stderr);
    assert_eq!(
        (site.version(), site.bench.one("SELECT to_regclass('last_one')")),
        ("v1.0.0".into(), "NULL".into())
    );
    let ended = site.killed("upgrade", "v1.1.0", "atomic.committed=kill@1", &[]);
    assert_eq!(ended.code, -1, "{}", ended.stderr);
    assert_eq!((site.version(), site.applied().len()), ("v1.1.0".to_owned(), 6));
    assert!(site.must("upgrade", "v1.1.0", &[]).stdout.starts_with("nothing to do"));
    site.bench.assert_sound();
}

/// Where the last script cannot run in a transaction the version comes after it, by whoever goes on.
#[test]
fn after_a_script_outside_of_transactions_the_version_is_written_by_whoever_goes_on() {
    let site = Site::new("loose").without_backups();
    for stage in ["post-upgrade/V", "rollback/U", "validation/C"] {
        std::fs::remove_file(
            site.path(&format!("versions/v1.1.0/upgrade/from-v1.0.0/{stage}1.1.0.300__Set_version.sql")),
        )
        .unwrap();
    }
    site.must("install", "v1.0.0", &[]);
    let ended = site.killed("upgrade", "v1.1.0", "loose.ended=kill@2", &[]);
    assert_eq!((ended.code, site.version()), (-1, "v1.0.0".to_owned()), "{}", ended.stderr);
    site.must("upgrade", "v1.1.0", &[]);
    assert_eq!((site.version(), site.applied().len()), ("v1.1.0".to_owned(), 5));
    site.must("rollback", "v1.0.0", &["--yes"]);
    assert_eq!((site.version(), site.applied().len()), ("v1.0.0".to_owned(), 3));
    site.bench.assert_sound();
}

#[test]
fn a_rollback_that_was_cut_off_is_gone_on_with_or_given_up() {
    for (place, forwards) in [
        ("run.done=kill@1", false),
        ("run.done=kill@2", false),
        ("loose.performed=kill@1", false),
        ("atomic.before-commit=kill@1", false),
        ("run.done=kill@1", true),
        ("loose.performed=kill@1", true),
    ] {
        let site = Site::new("cut_back").without_backups();
        site.must("install", "v1.0.0", &[]);
        let installed = site.bench.dump();
        site.must("upgrade", "v1.1.0", &[]);
        let upgraded = site.bench.dump();
        let ended = site.killed("rollback", "v1.0.0", place, &["--yes"]);
        assert_eq!(ended.code, -1, "{place}\n{}", ended.stderr);
        if forwards {
            site.must("upgrade", "v1.1.0", &[]);
            assert_eq!((site.version(), site.bench.dump()), ("v1.1.0".to_owned(), upgraded), "{place}");
            assert_eq!(site.applied().len(), 6);
        } else {
            site.must("rollback", "v1.0.0", &["--yes"]);
            assert_eq!((site.version(), site.bench.dump()), ("v1.0.0".to_owned(), installed), "{place}");
            assert_eq!(site.applied().len(), 3);
        }
        site.bench.assert_sound();
    }
}

#[test]
fn an_upgrade_that_was_cut_off_is_taken_back() {
    let site = Site::new("cut_then_back").without_backups();
    site.must("install", "v1.0.0", &[]);
    let installed = site.bench.dump();
    for place in ["run.done=kill@1", "loose.began=kill@1", "run.done=kill@2"] {
        let ended = site.killed("upgrade", "v1.1.0", place, &[]);
        assert_eq!(ended.code, -1, "{place}\n{}", ended.stderr);
        site.must("rollback", "v1.0.0", &["--yes"]);
        assert_eq!((site.version(), site.bench.dump()), ("v1.0.0".to_owned(), installed.clone()), "{place}");
        assert_eq!(site.applied().len(), 3, "{place}");
    }
    site.bench.assert_sound();
}

/// One hangs with the lock in its hand: another one is refused, and changes nothing.
#[test]
fn a_second_one_at_the_same_time_is_refused() {
    let site = Site::new("second");
    let mark = site.bench.folder.path().join("reached");
    let mut first = site.command("install", "v1.1.0", &[]);
    first.env("COFFERDAM_FAILPOINT", "run.done=hang@2").env("COFFERDAM_FAILPOINT_REACHED", &mark);
    let mut first = first.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("the first one holds the lock", || reached(&mark));
    let second = site.run("install", "v1.1.0", &["--lock-wait", "200ms"]);
    assert_eq!(second.code, 5, "{}", second.stderr);
    assert!(second.stderr.contains("CF2304"), "{}", second.stderr);
    let status = site.status();
    assert!(status["databases"][0]["atWork"].as_str().is_some(), "{status}");
    first.kill().unwrap();
    first.wait().unwrap();
    site.must("install", "v1.1.0", &[]);
    assert_eq!(site.applied().len(), 6);
    site.bench.assert_sound();
}

/// One that waited for the lock does not apply what it had worked out from a database that is no longer so.
#[test]
fn one_that_waited_looks_again() {
    let site = Site::new("waited").without_backups();
    let mark = site.bench.folder.path().join("reached");
    let mut first = site.command("install", "v1.0.0", &[]);
    first.env("COFFERDAM_FAILPOINT", "run.done=hang@3").env("COFFERDAM_FAILPOINT_REACHED", &mark);
    let mut first = first.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("the first one holds the lock", || reached(&mark));
    let mut second = site.command("upgrade", "v1.1.0", &["--lock-wait", "60s"]);
    let second = second.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until("the second one waits for the lock", || {
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'cofferdam upgrade'
            AND query LIKE '%pg_try_advisory_lock%' AND datname = current_database()";
        site.bench.one(waits) == "1"
    });
    site.bench.query("UPDATE project_metadata SET project_version = 'v1.1.0'");
    first.kill().unwrap();
    first.wait().unwrap();
    let ended = wait(second);
    assert!(ended.stderr.contains("looking again"), "{}", ended.stderr);
    assert_eq!(ended.code, 9, "{}", ended.stderr);
    assert_eq!(site.applied().len(), 3, "{}", ended.stderr);
    site.bench.assert_sound();
}
