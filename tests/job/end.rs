//! Rolling back what was applied directly, and what stays as it is.

use serde_json::json;

use crate::pod::Pod;

#[test]
fn only_what_this_object_applied_is_taken_back() {
    let mut other = Pod::new("back");
    other.script("others", "CREATE TABLE others (id int);\n");
    other.ends(&[], 0, "Succeeded", "MigrationComplete");
    let mut pod = other.beside("mine");
    pod.script("a", "CREATE TABLE a (id int);\n");
    pod.script("b", "ALTER TABLE a ADD COLUMN note text;\n");
    pod.ends(&[], 0, "Succeeded", "MigrationComplete");
    let mut later = other.beside("later");
    later.script("c", "CREATE TABLE c (id int);\n");
    later.ends(&[], 0, "Succeeded", "MigrationComplete");
    pod.ends(&["--work", "rollback"], 0, "Succeeded", "RolledBack");
    assert_eq!(pod.applied(), ["back/others", "later/c"]);
    assert_eq!(pod.one("SELECT count(*) FROM pg_tables WHERE tablename = 'a'"), "0");
    pod.bench.assert_sound();
}

#[test]
fn what_would_be_lost_is_named_and_kept() {
    let mut pod = Pod::new("lost");
    pod.script("a", "CREATE TABLE a (id int);\n");
    pod.ends(&[], 0, "Succeeded", "MigrationComplete");
    pod.bench.query("INSERT INTO a VALUES (1)");
    let outcome = pod.ends(&["--work", "rollback"], 7, "Refused", "RollbackUnsafe");
    assert!(outcome["message"].as_str().unwrap().contains("the rows of a"), "{outcome:#}");
    assert_eq!(pod.applied(), ["lost/a"]);
}

#[test]
fn another_database_than_the_first_is_refused() {
    let mut pod = Pod::new("target");
    pod.script("a", "CREATE TABLE a (id int);\n");
    pod.ends(&[], 0, "Succeeded", "MigrationComplete");
    let other = Pod::new("target_other");
    pod.spec["database"]["database"] = json!(other.bench.database);
    let outcome = pod.ends(&[], 2, "Refused", "SpecInvalid");
    assert!(outcome["message"].as_str().unwrap().contains("another database"), "{outcome:#}");
    let identity = pod.status()["target"]["identity"].as_str().unwrap().to_owned();
    assert!(identity.ends_with(&pod.bench.database), "{identity}");
}

#[test]
fn an_object_that_is_gone_is_no_failure() {
    let pod = Pod::new("gone");
    let mut command = pod.command(&[]);
    std::fs::remove_file(pod.object()).unwrap();
    let done = crate::support::ended(&mut command);
    assert_eq!((done.code, pod.outcome()["ended"].as_str()), (0, Some("Stopped")), "{}", done.stderr);
}
