//! Scripts and directories.

use serde_json::json;

use crate::pod::Pod;

#[test]
fn scripts_are_applied_once_and_the_status_says_so() {
    let mut pod = Pod::new("scripts");
    pod.script("b", "INSERT INTO a VALUES (1);\n")["dependsOn"] = json!(["a"]);
    pod.script("a", "CREATE TABLE a (id int);\n");
    let outcome = pod.ends(&[], 0, "Succeeded", "MigrationComplete");
    assert_eq!(pod.applied(), ["scripts/a", "scripts/b"]);
    assert_eq!(pod.one("SELECT count(*) FROM a"), "1");
    assert_eq!(outcome["toVersion"], "scripts/b");
    assert!(outcome["runId"].is_string() && outcome["planDigest"].is_string(), "{outcome:#}");
    let status = pod.status();
    assert_eq!((&status["stage"], &status["currentVersion"]), (&json!("Done"), &json!("scripts/b")));
    assert_eq!(
        (&status["progress"]["percent"], &status["progress"]["summary"]),
        (&json!(100), &json!("100%"))
    );
    assert_eq!(status["progress"]["completedSteps"], status["progress"]["totalSteps"]);
    let identity = status["target"]["identity"].as_str().unwrap();
    assert!(identity.ends_with(&format!("/{}", pod.bench.database)), "{identity}");
    for field in ["startTime", "completionTime", "runId", "planDigest", "sourceDigest"] {
        assert!(status[field].is_string(), "{field}: {status:#}");
    }
    // What the operator owns is the operator's.
    for field in ["phase", "observedGeneration", "desiredVersion", "jobName", "history"] {
        assert!(status[field].is_null(), "{field}: {status:#}");
    }
    assert_eq!(pod.condition("Planned").0, "True");
    assert_eq!(pod.condition("LintPassed").0, "True");

    // A second Pod finds nothing to do, and does not begin the run anew.
    let again = pod.ends(&[], 0, "Succeeded", "MigrationComplete");
    assert!(again["runId"].is_null());
    assert_eq!(pod.status()["startTime"], status["startTime"]);
    assert_eq!(pod.one("SELECT count(*) FROM a"), "1");

    // A script that is put before the others is new, and the others are not.
    pod.script("c", "INSERT INTO a VALUES (2);\n");
    let list = pod.spec["migration"]["scripts"].as_array_mut().unwrap();
    list.rotate_right(1);
    pod.ends(&[], 0, "Succeeded", "MigrationComplete");
    assert_eq!(pod.applied(), ["scripts/a", "scripts/b", "scripts/c"]);
}

/// Objects of one database do not take each other's scripts for missing files, nor does a directory.
#[test]
fn objects_beside_each_other() {
    let mut first = Pod::new("beside");
    first.script("schema", "CREATE TABLE a (id int);\n");
    first.ends(&[], 0, "Succeeded", "MigrationComplete");
    let mut second = first.beside("other");
    second.script("schema", "CREATE TABLE b (id int);\n");
    second.ends(&[], 0, "Succeeded", "MigrationComplete");
    let mut directory = first.beside("directory");
    directory.key("V1__c.sql", "CREATE TABLE c (id int);\n");
    directory.key("V2__d.sql", "CREATE TABLE d (id int);\n");
    directory.spec["migration"]["targetVersion"] = json!("1");
    let outcome = directory.ends(&[], 0, "Succeeded", "MigrationComplete");
    assert_eq!(outcome["toVersion"], "1");
    directory.spec["migration"]["targetVersion"] = json!("latest");
    directory.ends(&[], 0, "Succeeded", "MigrationComplete");
    first.script("more", "CREATE TABLE e (id int);\n");
    first.ends(&[], 0, "Succeeded", "MigrationComplete");
    assert_eq!(first.applied(), ["beside/schema", "other/schema", "1", "2", "beside/more"]);
    // The command line takes the same database for what it is, and repair leaves the scripts alone.
    directory
        .bench
        .file("V1__c.sql", "CREATE TABLE c (id int);\n")
        .file("V2__d.sql", "CREATE TABLE d (id int);\n");
    directory.bench.must(&["validate"]);
    directory.bench.must(&["repair", "--yes"]);
    directory.bench.file("V3__f.sql", "CREATE TABLE f (id int);\n");
    directory.bench.must(&["apply"]);
    directory.bench.must(&["rollback", "--to", "2", "--yes"]);
    assert_eq!(first.applied(), ["beside/schema", "other/schema", "1", "2", "beside/more"]);
}

#[test]
fn a_wrong_checksum_names_script_and_both_sums() {
    let mut pod = Pod::new("checksum");
    let wanted = format!("sha256:{}", "0".repeat(64));
    pod.script("a", "CREATE TABLE a (id int);\n")["checksum"] = json!(wanted);
    let outcome = pod.ends(&[], 1, "Refused", "DigestMismatch");
    let message = outcome["message"].as_str().unwrap();
    assert!(
        message.contains("script a") && message.contains(&wanted) && message.matches("sha256:").count() == 2
    );
    assert_eq!(pod.condition("Planned"), ("False".into(), "DigestMismatch".into()));
    assert_eq!(pod.status()["stage"], "Refused");
}

#[test]
fn a_script_that_was_changed_after_it_was_applied_is_refused() {
    let mut pod = Pod::new("drift");
    pod.script("a", "CREATE TABLE a (id int);\n");
    pod.ends(&[], 0, "Succeeded", "MigrationComplete");
    pod.mount("a", "CREATE TABLE a (id bigint);\n");
    pod.ends(&[], 1, "Refused", "ChecksumDrift");
}

#[test]
fn lint_errors_are_refused_and_listed() {
    let mut pod = Pod::new("lint");
    pod.bench.query("CREATE TABLE t (id int); INSERT INTO t SELECT generate_series(1, 1000)");
    pod.script("a", "TRUNCATE t;\nDROP TABLE t;\n");
    let outcome = pod.ends(&[], 4, "Refused", "LintBlocked");
    assert!(outcome["message"].as_str().unwrap().contains("scripts/a.sql:1"), "{outcome:#}");
    assert_eq!(pod.condition("LintPassed"), ("False".into(), "LintBlocked".into()));
    assert_eq!(pod.one("SELECT count(*) FROM t"), "1000");
}

#[test]
fn how_bad_a_finding_is_stands_in_the_spec() {
    let mut pod = Pod::new("lint_levels");
    pod.bench.query("CREATE TABLE t (id int); INSERT INTO t SELECT generate_series(1, 1000)");
    pod.script("a", "CREATE TABLE b (id serial PRIMARY KEY);\n");
    pod.spec["validation"] = json!({ "lint": { "rules": { "type-advise": "error" } } });
    let outcome = pod.ends(&[], 2, "Refused", "SpecInvalid");
    let message = outcome["message"].as_str().unwrap();
    assert!(message.contains("spec.validation.lint.rules") && message.contains("type-advise"), "{outcome:#}");
    pod.spec["validation"] = json!({ "lint": { "rules": { "small-primary-key": "error" } } });
    pod.ends(&[], 4, "Refused", "LintBlocked");
    pod.spec["validation"] =
        json!({ "lint": { "rules": { "small-primary-key": "off", "truncate": "warning" } } });
    pod.ends(&[], 0, "Succeeded", "MigrationComplete");
    pod.script("b", "TRUNCATE t;\n");
    pod.ends(&[], 0, "Succeeded", "MigrationComplete");
    assert_eq!(pod.one("SELECT count(*) FROM t"), "0");
}

#[test]
fn a_script_that_fails_is_taken_back() {
    let mut pod = Pod::new("fails");
    pod.script("a", "CREATE TABLE a (id int);\n");
    pod.script("b", "CREATE TABLE b (id int);\nINSERT INTO b VALUES ('no number');\n");
    let outcome = pod.ends(&[], 6, "RolledBack", "RolledBack");
    assert!(outcome["message"].as_str().unwrap().contains("no number"), "{outcome:#}");
    assert_eq!(pod.applied(), ["fails/a"]);
    assert_eq!(pod.one("SELECT count(*) FROM pg_tables WHERE tablename = 'b'"), "0");
    assert_eq!(pod.status()["stage"], "RolledBack");
    assert_eq!(pod.status()["currentVersion"], "fails/a");
}

#[test]
fn what_is_not_carried_out_is_said_before_anything_is_done() {
    let mut pod = Pod::new("not_carried_out");
    pod.script("a", "CREATE TABLE a (id int);\n");
    let spec = pod.spec.clone();
    let cases = [("/migration/strategy", json!("blue-green")), ("/database/type", json!("mongodb"))];
    for (at, value) in cases {
        pod.spec = spec.clone();
        match pod.spec.pointer_mut(at) {
            Some(place) => *place = value,
            None => {
                let (parent, key) = at.rsplit_once('/').unwrap();
                pod.spec.pointer_mut(parent).unwrap()[key] = value;
            }
        }
        let outcome = pod.ends(&[], 2, "Refused", "SpecInvalid");
        let field = format!("spec{}", at.replace('/', "."));
        assert!(outcome["message"].as_str().unwrap().contains(&field), "{outcome:#}");
    }
    assert_eq!(pod.one("SELECT count(*) FROM pg_namespace WHERE nspname = 'cofferdam'"), "0");
}
