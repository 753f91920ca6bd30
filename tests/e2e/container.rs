//! Containers of the user: psql, as an image with nothing else in it.

use std::path::PathBuf;

use cofferdam_scratch::find_all;
use serde_json::{Value, json};

use crate::database::PASSWORD;
use crate::images::push_program;
use crate::namespace::Namespace;

/// What brings the signal to its value.
const WORKS: &str = "CREATE TABLE orders (id int);
    CREATE TABLE alembic_version (version_num varchar(32)); INSERT INTO alembic_version VALUES ('27c6')";

/// The image.
fn psql(here: &Namespace) -> String {
    let image = format!("{}/e2e/psql:1", here.cluster.registry);
    // A server on the PATH may be a link to where its client is, too.
    let real = |folder: PathBuf| Some(folder.join("postgres").canonicalize().ok()?.with_file_name("psql"));
    let mut programs = find_all().into_iter().filter_map(|programs| real(programs.bin_dir));
    let psql = programs.find(|psql| psql.is_file()).unwrap();
    push_program(&image, &psql);
    image
}

/// A DatabaseMigration whose container runs this.
fn runs(here: &Namespace, image: &str, sql: &str, more: impl FnOnce(&mut Value)) {
    here.migrate(&[], |m| {
        m["spec"]["migration"] = json!({ "container": {
            "image": image,
            // The login is not in the URL: psql finds it in the variables.
            "args": ["$(DATABASE_URL)", "--no-psqlrc", "--set", "ON_ERROR_STOP=1", "--command", sql],
            "signal": { "table": "alembic_version", "column": "version_num", "value": "27c6" },
        } });
        more(m);
    });
}

/// How many Jobs of the container there are.
fn containers(here: &Namespace) -> usize {
    let selector = "app.kubernetes.io/component=migration";
    here.kubectl(&["get", "jobs", "--selector", selector, "--output", "name"]).lines().count()
}

fn message(here: &Namespace) -> String {
    here.condition("Ready")["message"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_container_is_believed_when_the_signal_says_so() {
    let Some(here) = Namespace::new("e2e-container") else { return };
    here.secret();
    let image = psql(&here);
    runs(&here, &image, WORKS, |_| {});
    here.wait_until_ready();
    let object = here.object();
    assert_eq!(object["status"]["currentVersion"], "27c6");
    assert_eq!(object["status"]["desiredVersion"], "27c6");
    assert_eq!(object["status"]["stage"], "Done");
    assert_eq!(object["status"]["history"][0]["toVersion"], "27c6");
    assert_eq!(here.database.one("SELECT key FROM cofferdam.history"), "change/27c6");
    assert_eq!(here.database.one("SELECT phase FROM cofferdam.run"), "Done");
    // Nothing that is secret is in what the API shows, and the container has no token.
    let pods = here.kubectl(&["get", "pods,jobs", "--output", "json"]);
    assert!(!pods.contains("p@ss"), "{PASSWORD}");
    let selector = "app.kubernetes.io/component=migration";
    let pods = here.kubectl(&["get", "pods", "--selector", selector, "--output", "json"]);
    let pods: Value = serde_json::from_str(&pods).unwrap();
    let mounts: Vec<&str> = pods["items"][0]["spec"]["containers"][0]["volumeMounts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|mount| mount["mountPath"].as_str().unwrap())
        .collect();
    assert_eq!(mounts, ["/tmp"]);
    // Another order for the same version has nothing to do.
    runs(&here, &image, "SELECT 1 / 0", |_| {});
    here.until("the other one is done", || {
        let object = here.object();
        object["status"]["observedGeneration"] == object["metadata"]["generation"]
            && here.reason() == "MigrationComplete"
    });
    assert_eq!(containers(&here), 1);
}

#[test]
fn what_is_done_already_starts_no_container() {
    let Some(here) = Namespace::new("e2e-container-done") else { return };
    // A whole URL in place of parts.
    let password: String = PASSWORD.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let url = format!(
        "postgresql://postgres:{password}@{}:{}/shop?sslmode=disable",
        here.cluster.host, here.database.port
    );
    here.apply(&json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "db" }, "stringData": { "url": url },
    }));
    let whole = |m: &mut Value| {
        m["spec"]["database"] =
            json!({ "type": "postgresql", "connectionSecret": "db", "tls": { "mode": "disable" } });
    };
    here.database.server.query("shop", WORKS).unwrap();
    runs(&here, &format!("{}/e2e/there-is-none:1", here.cluster.registry), "", whole);
    here.wait_until_ready();
    assert!(message(&here).contains("already"), "{}", here.story());
    assert_eq!(containers(&here), 0);
    assert_eq!(here.database.one("SELECT key FROM cofferdam.history"), "change/27c6");
    // And with that URL it does its work, too.
    here.database.server.query("shop", "UPDATE alembic_version SET version_num = 'before'").unwrap();
    runs(&here, &psql(&here), "UPDATE alembic_version SET version_num = '27c6'", whole);
    here.until("it is brought back", || {
        here.database.one("SELECT version_num FROM alembic_version") == "27c6"
    });
    here.wait_until_ready();
}

#[test]
fn an_exit_code_of_0_is_not_enough() {
    let Some(here) = Namespace::new("e2e-container-missing") else { return };
    here.secret();
    let image = psql(&here);
    runs(&here, &image, "SELECT 1", |_| {});
    here.wait_for("SignalMissing");
    let said = message(&here);
    for part in ["ended well", "alembic_version.version_num is not there, as before", "kubectl annotate dbm"]
    {
        assert!(said.contains(part), "{said}");
    }
    assert_eq!(here.condition("Stalled")["status"], "True");
    assert_eq!(here.database.one("SELECT phase FROM cofferdam.run"), "Stuck");
    // The corrected one goes on from there.
    runs(&here, &image, WORKS, |_| {});
    here.wait_until_ready();
    assert_eq!(
        here.database.one("SELECT string_agg(phase, ' ' ORDER BY id) FROM cofferdam.run"),
        "RolledBack Done"
    );
}

#[test]
fn the_last_lines_of_one_that_fails_are_shown() {
    let Some(here) = Namespace::new("e2e-container-fails") else { return };
    here.secret();
    let image = psql(&here);
    // An image that is not there is said, and can be corrected before anything was started.
    runs(&here, &format!("{image}-none"), WORKS, |_| {});
    here.wait_for("ImagePullFailed");
    runs(&here, &image, "SELECT * FROM no_such_table", |_| {});
    here.wait_for("JobFailed");
    let said = message(&here);
    for part in ["exit code 1 (Error)", "relation \"no_such_table\" does not exist", "kubectl annotate dbm"] {
        assert!(said.contains(part), "{said}");
    }
    // Started once, and never again by itself.
    assert_eq!(containers(&here), 1);
    // With a person's word.
    here.database.server.query("shop", "CREATE TABLE no_such_table (id int)").unwrap();
    here.kubectl(&["annotate", "dbm", "change", "cofferdam.dev/retry=1"]);
    here.wait_for("SignalMissing");
    assert_eq!(containers(&here), 2);
}

#[test]
fn one_that_is_killed_halfway_is_not_started_again() {
    let Some(here) = Namespace::new("e2e-container-killed") else { return };
    here.secret();
    let image = psql(&here);
    runs(&here, &image, "SELECT pg_sleep(600)", |_| {});
    let sleeping =
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep%' AND application_name = 'psql'";
    here.until("it is at work", || here.database.one(sleeping) == "1");
    here.until("it is seen", || here.object()["status"]["phase"] == "Running");
    let pod = "app.kubernetes.io/component=migration";
    here.kubectl(&["delete", "pods", "--selector", pod, "--grace-period=1"]);
    here.until("it is over", || here.object()["status"]["phase"] == "Failed");
    assert_eq!(here.reason(), "JobFailed", "{}", here.story());
    assert!(message(&here).contains("see what it did"), "{}", message(&here));
    assert_eq!(containers(&here), 1);
    assert_eq!(here.database.one("SELECT phase FROM cofferdam.run"), "Stuck");
}
