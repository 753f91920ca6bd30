//! The two halves of ours around a container of the user, which is here the SQL that the test runs in its place.

use cofferdam_operator::contract::{How, Left};
use cofferdam_operator::migration::work;
use serde_json::{Value, json};

use crate::pod::Pod;

fn pod(name: &str) -> Pod {
    let mut pod = Pod::new(name);
    wants(&mut pod, "2");
    pod
}

fn wants(pod: &mut Pod, value: &str) {
    pod.spec["migration"] = json!({ "container": {
        "image": "registry/orders:2", "command": ["alembic"], "args": ["upgrade", "head"],
        "signal": { "table": "alembic_version", "column": "version_num", "value": value },
    } });
}

/// What the container does.
fn migrates(pod: &Pod, value: &str) {
    pod.bench.query(&format!(
        "CREATE TABLE IF NOT EXISTS alembic_version (version_num varchar(32) PRIMARY KEY);
         DELETE FROM alembic_version; INSERT INTO alembic_version VALUES ('{value}')"
    ));
}

fn left(job: &str, how: How) -> Left {
    let (exit_code, reason) = match how {
        How::Failed => (Some(1), Some("Error".to_owned())),
        How::Complete | How::Never => (None, None),
    };
    Left { job: job.into(), how, exit_code, reason, lines: Some("relation does not exist".into()) }
}

/// Our runner after a container.
fn after(pod: &Pod, left: &Left, code: i32, ended: &str, reason: &str) -> Value {
    pod.ends(&["--left", &serde_json::to_string(left).unwrap()], code, ended, reason)
}

/// The init container of the Pod of a Job; it must end so.
fn opens(pod: &Pod, job: &str, code: i32, ended: &str) -> Value {
    let digest = digest(pod);
    let arguments = ["--work", "container", "--for", &digest, "--job", job, "--pod", &format!("{job}-x")]
        .map(str::to_owned);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let reason = if ended == "Prepared" { "MigrationInProgress" } else { "PodEvicted" };
    pod.ends(&arguments, code, ended, reason)
}

/// As the operator digests the object.
fn digest(pod: &Pod) -> String {
    pod.put();
    let text = std::fs::read_to_string(pod.object()).unwrap();
    work::base(&serde_json::from_str(&text).unwrap())
}

/// Phase of the newest run.
fn phase(pod: &Pod) -> String {
    pod.one("SELECT phase FROM cofferdam.run ORDER BY id DESC LIMIT 1")
}

fn runs(pod: &Pod) -> String {
    pod.one("SELECT count(*) FROM cofferdam.run")
}

#[test]
fn it_is_believed_when_the_signal_says_so() {
    let pod = pod("container");
    let prepared = pod.ends(&[], 0, "Prepared", "MigrationInProgress");
    assert_eq!(prepared["login"]["keys"], json!(["username", "password"]));
    assert_eq!(prepared["login"]["plainLogin"], true);
    // Looking writes nothing.
    assert_eq!(pod.one("SELECT count(*) FROM pg_namespace WHERE nspname = 'cofferdam'"), "0");
    opens(&pod, "job-1", 0, "Prepared");
    assert_eq!(pod.status()["stage"], "Expanding");
    migrates(&pod, "2");
    let outcome = after(&pod, &left("job-1", How::Complete), 0, "Succeeded", "MigrationComplete");
    assert_eq!(outcome["toVersion"], "2");
    assert!(outcome["runId"].is_string(), "{outcome:#}");
    assert_eq!(pod.applied(), ["container/2"]);
    let status = pod.status();
    assert_eq!((&status["stage"], &status["currentVersion"]), (&json!("Done"), &json!("2")));
    assert_eq!(pod.condition("Verified").0, "True");
    assert_eq!(pod.condition("Reversible").0, "False");
    let history = pod.bench.must(&["history"]);
    assert!(history.stdout.contains("container/2"), "{}", history.stdout);
    // The journal is whole, and a second look finds nothing to do.
    pod.bench.must(&["verify"]);
    after(&pod, &left("job-1", How::Complete), 0, "Succeeded", "MigrationComplete");
    assert_eq!(runs(&pod), "1");
    // Nobody here takes it back.
    let outcome = pod.ends(&["--work", "rollback"], 1, "Refused", "RollbackUnsafe");
    assert!(outcome["message"].as_str().unwrap().contains("previous: container"), "{outcome:#}");
}

#[test]
fn what_is_there_already_is_not_done_again() {
    let pod = pod("container_already");
    migrates(&pod, "2");
    let outcome = pod.ends(&[], 0, "Succeeded", "MigrationComplete");
    assert!(outcome["message"].as_str().unwrap().contains("the container was not started"), "{outcome:#}");
    assert_eq!(pod.applied(), ["container-already/2"]);
    // It came to be so between the look and the start.
    opens(&pod, "job-1", 130, "Stopped");
    assert_eq!(runs(&pod), "1");
}

#[test]
fn an_exit_code_of_0_proves_nothing() {
    let pod = pod("container_missing");
    opens(&pod, "job-1", 0, "Prepared");
    migrates(&pod, "1");
    let outcome = after(&pod, &left("job-1", How::Complete), 7, "Stuck", "SignalMissing");
    let message = outcome["message"].as_str().unwrap();
    for part in ["ended well", "version_num is 1 and not 2, which it was not before", "kubectl annotate dbm"]
    {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(phase(&pod), "Stuck");
    assert_eq!(pod.condition("Verified"), ("False".into(), "SignalMissing".into()));
    // Asked again it says the same.
    after(&pod, &left("job-1", How::Complete), 7, "Stuck", "SignalMissing");
    assert_eq!(runs(&pod), "1");
}

#[test]
fn one_that_fails_needs_a_person_who_says_what_is_so() {
    let mut pod = pod("container_fails");
    opens(&pod, "job-1", 0, "Prepared");
    let outcome = after(&pod, &left("job-1", How::Failed), 7, "Stuck", "JobFailed");
    let message = outcome["message"].as_str().unwrap();
    for part in ["exit code 1 (Error): relation does not exist", "as before", "cofferdam.dev/retry"] {
        assert!(message.contains(part), "{message}");
    }
    // Another migration of this database waits for that person, too.
    pod.bench.file("V1__a.sql", "CREATE TABLE a (id int);\n");
    let refused = pod.bench.run(&["apply"]);
    assert!(refused.code == 7 && refused.stderr.contains("did registry/orders:2 do"), "{}", refused.stderr);
    // The same order is not started again, but a corrected one is.
    pod.ends(&[], 7, "Stuck", "OutcomeUnknown");
    opens(&pod, "job-2", 130, "Stopped");
    pod.spec["migration"]["container"]["image"] = json!("registry/orders:3");
    pod.ends(&[], 0, "Prepared", "MigrationInProgress");
    assert_eq!(phase(&pod), "RolledBack");
    opens(&pod, "job-3", 0, "Prepared");
    migrates(&pod, "2");
    // It failed after its last statement: the signal is what counts.
    let outcome = after(&pod, &left("job-3", How::Failed), 0, "Succeeded", "MigrationComplete");
    assert!(outcome["message"].as_str().unwrap().contains("although"), "{outcome:#}");
    assert_eq!(pod.applied(), ["container-fails/2"]);
    pod.bench.must(&["verify"]);
}

#[test]
fn a_person_may_state_the_fact_at_the_command_line() {
    let pod = pod("container_fact");
    opens(&pod, "job-1", 0, "Prepared");
    after(&pod, &left("job-1", How::Failed), 7, "Stuck", "JobFailed");
    let run = pod.one("SELECT id FROM cofferdam.run");
    pod.bench.must(&["repair", &run, "--says", "step-not-done"]);
    pod.bench.file("V1__a.sql", "CREATE TABLE a (id int);\n");
    pod.bench.must(&["apply"]);
    assert_eq!(pod.applied(), ["1"]);
    assert_eq!(pod.one(&format!("SELECT phase FROM cofferdam.run WHERE id = '{run}'")), "RolledBack");
}

#[test]
fn one_that_may_run_twice_is_closed_and_begun_again() {
    let mut pod = pod("container_twice");
    pod.spec["migration"]["container"]["idempotent"] = json!(true);
    opens(&pod, "job-1", 0, "Prepared");
    // Its Job starts it again.
    opens(&pod, "job-1", 0, "Prepared");
    let outcome = after(&pod, &left("job-1", How::Failed), 1, "Failed", "JobFailed");
    assert!(outcome["message"].as_str().unwrap().starts_with("CF2315"), "{outcome:#}");
    assert_eq!(phase(&pod), "RolledBack");
    // Nothing is known of its end: again, as the signal is what it was.
    opens(&pod, "job-2", 0, "Prepared");
    pod.ends(&[], 0, "Prepared", "MigrationInProgress");
    // But not when it has moved.
    opens(&pod, "job-3", 0, "Prepared");
    migrates(&pod, "1");
    pod.ends(&[], 7, "Stuck", "OutcomeUnknown");
}

#[test]
fn a_start_without_an_end_is_not_repeated() {
    let pod = pod("container_lost");
    opens(&pod, "job-1", 0, "Prepared");
    // A second Pod for the same Job; and its Job made anew.
    opens(&pod, "job-1", 130, "Stopped");
    opens(&pod, "job-2", 130, "Stopped");
    pod.ends(&[], 7, "Stuck", "OutcomeUnknown");
    // The cluster knows that the container of this Job was never started, and not of another one.
    let other = super::container::pod("container_never");
    opens(&other, "job-1", 0, "Prepared");
    after(&other, &left("job-1", How::Never), 0, "Prepared", "MigrationInProgress");
    opens(&other, "job-2", 0, "Prepared");
    after(&other, &left("job-1", How::Never), 7, "Stuck", "OutcomeUnknown");
}

#[test]
fn the_process_is_killed_where_it_writes() {
    for failpoint in ["atomic.before-commit", "atomic.committed"] {
        let pod = pod(&format!("container_killed_{}", failpoint.replace(['.', '-'], "_")));
        let digest = digest(&pod);
        let arguments = ["--work", "container", "--for", &digest, "--job", "job-1", "--pod", "x"];
        pod.held(&arguments, failpoint).kill();
        let begun = failpoint == "atomic.committed";
        // The container was not started, and the cluster knows it; the same Job must not try again by itself.
        opens(&pod, "job-1", if begun { 130 } else { 0 }, if begun { "Stopped" } else { "Prepared" });
        after(&pod, &left("job-1", How::Never), 0, "Prepared", "MigrationInProgress");
        opens(&pod, "job-2", 0, "Prepared");
        migrates(&pod, "2");
        let told = serde_json::to_string(&left("job-2", How::Complete)).unwrap();
        pod.held(&["--left", &told], failpoint).kill();
        after(&pod, &left("job-2", How::Complete), 0, "Succeeded", "MigrationComplete");
        assert_eq!(pod.applied().len(), 1, "{failpoint}");
        pod.bench.must(&["verify"]);
    }
}

#[test]
fn others_wait_while_it_is_at_work() {
    let first = pod("container_first");
    opens(&first, "job-1", 0, "Prepared");
    let mut second = first.beside("other");
    second.script("a", "CREATE TABLE a (id int);\n");
    let waits = second.start(&[]);
    crate::support::until("the script waits", || {
        second.status()["progress"]["blockedBy"]
            .as_str()
            .unwrap_or_default()
            .contains("container registry/orders:2")
    });
    migrates(&first, "2");
    after(&first, &left("job-1", How::Complete), 0, "Succeeded", "MigrationComplete");
    assert_eq!(waits.end().code, 0);
    assert_eq!(first.applied(), ["container-first/2", "other/a"]);
}

#[test]
fn several_pods_side_by_side_are_one_run() {
    let mut pod = pod("container_beside");
    pod.spec["migration"]["container"]["parallelism"] = json!(2);
    let digest = digest(&pod);
    let arguments = ["--work", "container", "--for", &digest, "--job", "job-1", "--pod", "x"];
    let open = |index: &str| pod.command(&arguments).env("JOB_COMPLETION_INDEX", index).output().unwrap();
    assert!(open("0").status.success());
    assert!(open("1").status.success());
    assert_eq!(open("1").status.code(), Some(130));
    migrates(&pod, "2");
    after(&pod, &left("job-1", How::Complete), 0, "Succeeded", "MigrationComplete");
    assert_eq!(runs(&pod), "1");
}

#[test]
fn hints_are_held_against_the_tables() {
    let mut pod = pod("container_hints");
    pod.bench.query(
        "CREATE TABLE t (id int, note text); INSERT INTO t SELECT generate_series(1, 1000); ANALYZE t",
    );
    let hint = |kind: &str, column: &str| json!([{ "type": kind, "table": "t", "columns": [column] }]);
    pod.spec["migration"]["container"]["hints"] = hint("set-not-null", "note");
    let outcome = pod.ends(&[], 4, "Refused", "LintBlocked");
    assert!(outcome["message"].as_str().unwrap().contains("spec.migration.container.hints"), "{outcome:#}");
    assert_eq!(pod.condition("LintPassed"), ("False".into(), "LintBlocked".into()));
    pod.bench.query("UPDATE t SET note = 'x'");
    pod.spec["migration"]["container"]["hints"] = hint("add-column", "more");
    pod.ends(&[], 0, "Prepared", "MigrationInProgress");
}

#[test]
fn an_approval_is_for_what_is_started() {
    let mut pod = pod("container_consent");
    pod.spec["approval"] = json!({ "required": true });
    let outcome = pod.ends(&[], 0, "WaitsForApproval", "ApprovalPending");
    let digest = outcome["planDigest"].as_str().unwrap().to_owned();
    pod.spec["migration"]["container"]["image"] = json!("registry/orders:3");
    pod.ends(&["--approved", &digest], 2, "Refused", "PlanChanged");
    wants(&mut pod, "2");
    pod.ends(&["--approved", &digest], 0, "Prepared", "MigrationInProgress");
}

#[test]
fn what_a_container_would_misread_is_refused_before_it_starts() {
    let pod = pod("container_secret");
    pod.secret("password", "postgres\n");
    let outcome = pod.ends(&[], 2, "Refused", "SpecInvalid");
    assert!(outcome["message"].as_str().unwrap().contains("key password"), "{outcome:#}");
    pod.secret("password", "postgres");
    pod.ends(&[], 0, "Prepared", "MigrationInProgress");
}
