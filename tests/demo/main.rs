//! The demonstration from its first line to its last, as a person would run it, on a smaller table.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cofferdam_scratch::{find, skipped};

/// `cofferdam demo` with nothing of this machine's settings, and a folder of its own for its temporary files.
fn demo(temporary: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cofferdam"));
    for (name, _) in std::env::vars() {
        let kept = ["COFFERDAM_PG_BIN", "COFFERDAM_CACHE"].contains(&name.as_str());
        if !kept && (name.starts_with("PG") || name.starts_with("COFFERDAM") || name == "DATABASE_URL") {
            command.env_remove(name);
        }
    }
    command
        .args(["demo", "--rows", "20000"])
        .args(arguments)
        .env("TMPDIR", temporary)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A folder that the server's user can enter too, where that is another than ours.
fn temporary_folder() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    folder
}

fn left_over(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn without_server(test: &str) -> bool {
    let none = find().is_none();
    if none {
        skipped(test, "no PostgreSQL is installed");
    }
    none
}

#[test]
fn it_loses_no_write_and_leaves_nothing_behind() {
    if without_server("it_loses_no_write_and_leaves_nothing_behind") {
        return;
    }
    let folder = temporary_folder();
    let output = demo(folder.path(), &[]).output().unwrap();
    let (result, story) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(0), "{story}\n{result}");
    assert!(result.contains(" writes by 4 writers: 0 failed, 0 lost; longest stall "), "{result}");
    assert!(result.contains("schema changed and back as it was"), "{result}");
    for part in 1..=7 {
        assert_eq!(
            story.matches(&format!("\n{part}/7 ")).count() + usize::from(part == 1),
            1,
            "{part}: {story}"
        );
    }
    assert!(story.starts_with("1/7 PostgreSQL "), "{story}");
    assert!(story.contains("20 000 orders"), "{story}");
    assert!(story.contains("killed the runner (SIGKILL) while it built orders_status_idx"), "{story}");
    assert!(story.contains("found "), "the second runner says what it found: {story}");
    assert_eq!(left_over(folder.path()), Vec::<PathBuf>::new());
}

#[test]
fn the_document_says_the_same() {
    if without_server("the_document_says_the_same") {
        return;
    }
    let folder = temporary_folder();
    let output =
        demo(folder.path(), &["-o", "json", "--writers", "2", "--seed", "7", "--quiet"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["kind"], "Demo");
    assert_eq!(document["clean"], true);
    assert_eq!(
        (&document["rows"], &document["writers"], &document["seed"]),
        (&20_000.into(), &2.into(), &7.into())
    );
    let phases: Vec<&str> =
        document["phases"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap()).collect();
    assert_eq!(phases, ["before", "apply", "rollback"]);
    for phase in document["phases"].as_array().unwrap() {
        assert!(phase["writes"].as_u64().unwrap() > 0, "{phase}");
    }
    let checks = document["checks"].as_array().unwrap();
    assert_eq!(checks.len(), 2);
    assert_eq!(checks[1]["writes"], document["total"]["writes"]);
    assert_eq!(document["schemaRestored"], true);
}

#[test]
fn an_interrupt_removes_everything() {
    if without_server("an_interrupt_removes_everything") {
        return;
    }
    let folder = temporary_folder();
    let mut child = demo(folder.path(), &[]).spawn().unwrap();
    until("the server runs", || left_over(folder.path()).len() > 1);
    signal(&child, "INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(left_over(folder.path()), Vec::<PathBuf>::new());
}

#[test]
fn what_is_kept_goes_with_the_signal_that_ends_it() {
    if without_server("what_is_kept_goes_with_the_signal_that_ends_it") {
        return;
    }
    let folder = temporary_folder();
    let mut command = demo(folder.path(), &["--keep", "--writers", "1"]);
    let told = folder.path().join("told");
    command.stderr(std::fs::File::create(&told).unwrap());
    let mut child = command.spawn().unwrap();
    until("it is kept", || std::fs::read_to_string(&told).unwrap().contains("is left running"));
    assert!(child.try_wait().unwrap().is_none());
    let said = std::fs::read_to_string(&told).unwrap();
    let url = said.split('\'').find(|word| word.starts_with("postgres:")).unwrap();
    let status = Command::new(env!("CARGO_BIN_EXE_cofferdam")).args(["wait", "--url", url]).output().unwrap();
    assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stderr));
    signal(&child, "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(left_over(folder.path()), [told]);
}

#[test]
fn without_a_server_it_says_what_to_do() {
    let folder = temporary_folder();
    let nowhere = folder.path().join("nowhere");
    let output = demo(folder.path(), &["--pg", "999.0.0"]).env("COFFERDAM_CACHE", &nowhere).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("error[CF2506]") && said.contains("COFFERDAM_PG_BIN"), "{said}");
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args(["-s", name, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// A minute is no measurement: it is when waiting has become pointless.
fn until(what: &str, so: impl Fn() -> bool) {
    let began = Instant::now();
    while !so() {
        assert!(began.elapsed() < Duration::from_secs(60), "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
