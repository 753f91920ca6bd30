//! The demonstration from its first line to its last, as a person would run it, on a smaller table.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cofferdam_scratch::mysql::{self, Kind};
use cofferdam_scratch::{find, skipped};

/// So many rows that the runner can be met in the middle of the copy and of the comparison.
const ENOUGH: &str = "300000";
/// Where that does not matter.
const FEW: &str = "20000";

/// `cofferdam demo` with nothing of this machine's settings, and a folder of its own for its temporary files.
fn demo(temporary: &Path, rows: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cofferdam"));
    for (name, _) in std::env::vars() {
        let kept = ["COFFERDAM_PG_BIN", "COFFERDAM_MYSQLD", "COFFERDAM_MARIADBD", "COFFERDAM_CACHE"]
            .contains(&name.as_str());
        if !kept && (name.starts_with("PG") || name.starts_with("COFFERDAM") || name == "DATABASE_URL") {
            command.env_remove(name);
        }
    }
    command
        .args(["demo", "--rows", rows])
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
    let output = demo(folder.path(), ENOUGH, &[]).output().unwrap();
    let (result, story) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(0), "{story}\n{result}");
    assert!(result.contains(" writes by 4 writers: 0 failed, 0 lost; longest stall "), "{result}");
    assert!(result.contains("schema changed and back as it was"), "{result}");
    assert_story(&story, "PostgreSQL", "public.orders");
    assert!(result.contains("\norders.id integer -> bigint -> integer online; copy killed at "), "{result}");
    assert!(result.ends_with("; nothing of the change is left\n"), "{result}");
    assert_eq!(left_over(folder.path()), Vec::<PathBuf>::new());
}

/// Every part is told once, and every kill met what it was meant for.
fn assert_story(story: &str, product: &str, table: &str) {
    for part in 1..=13 {
        let told = story.lines().filter(|line| line.starts_with(&format!("{part}/13 "))).count();
        assert_eq!(told, 1, "{part}: {story}");
    }
    assert!(story.starts_with(&format!("1/13 {product} ")), "{story}");
    assert!(story.contains("300 000 orders"), "{story}");
    assert!(story.contains("killed the runner (SIGKILL) while it built orders_status_idx"), "{story}");
    assert!(story.contains("found "), "the second runner says what it found: {story}");
    for part in ["copy", "comparison"] {
        let killed = format!("killed the runner (SIGKILL) in the middle of the {part} (");
        assert_eq!(story.matches(&killed).count(), 1, "{part}: {story}");
    }
    assert_eq!(story.matches(&format!("goes on with alter {table} ")).count(), 2, "{story}");
}

#[test]
fn the_document_says_the_same() {
    if without_server("the_document_says_the_same") {
        return;
    }
    let folder = temporary_folder();
    let arguments = ["-o", "json", "--writers", "2", "--seed", "7", "--quiet"];
    let output = demo(folder.path(), ENOUGH, &arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&document["rows"], &document["writers"], &document["seed"]),
        (&300_000.into(), &2.into(), &7.into())
    );
    assert_document(&document, "integer");
}

/// Both acts ended well, and the key was of this type before.
fn assert_document(document: &serde_json::Value, narrow: &str) {
    assert_eq!(document["kind"], "Demo");
    assert_eq!((&document["clean"], &document["schemaRestored"]), (&true.into(), &true.into()), "{document}");
    assert_eq!(each(&document["phases"], "name"), ["before", "apply", "rollback", "alter", "swap-back"]);
    for phase in document["phases"].as_array().unwrap() {
        assert!(phase["writes"].as_u64().unwrap() > 0, "{phase}");
    }
    assert_eq!(each(&document["checks"], "after"), ["apply", "rollback", "alter", "swap-back"]);
    assert_eq!(document["checks"][3]["writes"], document["total"]["writes"]);
    let online = &document["online"];
    assert_eq!(each(&online["kills"], "during"), ["copy", "compare"]);
    for kill in online["kills"].as_array().unwrap() {
        assert!((30..100).contains(&kill["percent"].as_u64().unwrap()), "{kill}");
    }
    assert_eq!(online["keyTypes"], serde_json::json!([narrow, "bigint", narrow]));
    assert_eq!((&online["schemaRestored"], &online["leftBehind"]), (&true.into(), &serde_json::json!([])));
}

fn loses_no_write(test: &str, kind: Kind) {
    if let Err(why) = mysql::find(kind) {
        return skipped(test, &why.to_string());
    }
    let engine = kind.name().to_lowercase();
    let folder = temporary_folder();
    // A password that is set for somebody's own server must not be tried on this one.
    let arguments = ["--engine", engine.as_str(), "-o", "json"];
    let output = demo(folder.path(), ENOUGH, &arguments).env("MYSQL_PWD", "theirs").output().unwrap();
    let story = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{story}");
    assert_story(&story, kind.name(), "shop.orders");
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_document(&document, "int");
    assert_eq!(document["server"]["product"], kind.name());
    assert_eq!(document["killed"]["during"], "create index orders_status_idx");
    // Both servers go on with a statement whose client is gone.
    assert_eq!(document["left"]["index"], "valid");
    assert!(document["left"]["found"][0].as_str().unwrap().ends_with("found it is done"), "{document}");
    assert_eq!(left_over(folder.path()), Vec::<PathBuf>::new());
}

#[test]
fn it_loses_no_write_on_mysql() {
    loses_no_write("it_loses_no_write_on_mysql", Kind::MySql);
}

#[test]
fn it_loses_no_write_on_mariadb() {
    loses_no_write("it_loses_no_write_on_mariadb", Kind::MariaDb);
}

/// A copy that leaves out a range, and no comparison that would notice: the demonstration's own checker must.
#[cfg(feature = "failpoints")]
#[test]
fn a_write_that_the_online_change_loses_is_found() {
    let test = "a_write_that_the_online_change_loses_is_found";
    if !without_server(test) {
        finds_what_is_lost("postgresql");
    }
    for kind in [Kind::MySql, Kind::MariaDb] {
        match mysql::find(kind) {
            Ok(_) => finds_what_is_lost(&kind.name().to_lowercase()),
            Err(why) => skipped(test, &why.to_string()),
        }
    }
}

#[cfg(feature = "failpoints")]
fn finds_what_is_lost(engine: &str) {
    let folder = temporary_folder();
    let output = demo(folder.path(), FEW, &["--engine", engine, "-o", "json"])
        .env("COFFERDAM_PLANTED", "skipped-chunk,no-compare")
        .output()
        .unwrap();
    let story = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{engine}: {story}");
    assert!(story.contains("error[") && story.contains("the demonstration failed: "), "{story}");
    assert!(story.contains("the comparison was done before it could be killed"), "{story}");
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["clean"], false);
    for (check, lost) in document["checks"].as_array().unwrap().iter().zip([false, false, true]) {
        assert_eq!(check["lost"].as_u64().unwrap() > 0, lost, "{engine}: {check}");
    }
    assert_eq!(left_over(folder.path()), Vec::<PathBuf>::new());
}

/// One value of each object of a list.
fn each<'a>(list: &'a serde_json::Value, name: &str) -> Vec<&'a str> {
    list.as_array().unwrap().iter().map(|object| object[name].as_str().unwrap()).collect()
}

#[test]
fn an_interrupt_removes_everything() {
    if without_server("an_interrupt_removes_everything") {
        return;
    }
    let folder = temporary_folder();
    let mut child = demo(folder.path(), FEW, &[]).spawn().unwrap();
    until("the server runs", &mut child, || left_over(folder.path()).len() > 1);
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
    let mut command = demo(folder.path(), FEW, &["--keep", "--writers", "1"]);
    let told = folder.path().join("told");
    command.stderr(std::fs::File::create(&told).unwrap());
    let mut child = command.spawn().unwrap();
    // Its last line, and all of it: what is told arrives in pieces.
    let last = || {
        let said = std::fs::read_to_string(&told).unwrap();
        let (whole, _) = said.rsplit_once('\n')?;
        let (_, kept) = whole.split_once("is left running")?;
        kept.lines().find(|line| line.contains("cofferdam status --url")).map(str::to_owned)
    };
    until("it is kept", &mut child, || last().is_some());
    let said = last().unwrap();
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
    let output =
        demo(folder.path(), FEW, &["--pg", "999.0.0"]).env("COFFERDAM_CACHE", &nowhere).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("error[CF2506]") && said.contains("COFFERDAM_PG_BIN"), "{said}");
}

#[test]
fn without_that_server_it_says_which_package_has_it() {
    let folder = temporary_folder();
    for (engine, variable, package) in
        [("mariadb", "COFFERDAM_MARIADBD", "mariadb-server"), ("mysql", "COFFERDAM_MYSQLD", "mysql-server")]
    {
        let arguments = ["--engine", engine];
        let output = demo(folder.path(), FEW, &arguments).env(variable, "/nowhere/server").output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("error[CF2506]") && said.contains(&format!("apt install {package}")), "{said}");
        assert!(said.contains(variable), "{said}");
        assert_eq!(left_over(folder.path()), Vec::<PathBuf>::new());
    }
    let output = demo(folder.path(), FEW, &["--engine", "mysql", "--pg", "17"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("--engine names another server"), "{said}");
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args(["-s", name, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// Fails when the process ends before that. Ten minutes are no measurement: a process that hangs is to be ended.
fn until(what: &str, child: &mut Child, so: impl Fn() -> bool) {
    let began = Instant::now();
    while !so() {
        assert_eq!(child.try_wait().unwrap(), None, "it ended before {what}");
        if began.elapsed() > Duration::from_secs(600) {
            child.kill().unwrap();
            panic!("waited in vain until {what}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
