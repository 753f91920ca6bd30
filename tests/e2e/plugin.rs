//! The plugin of kubectl: the real binary under its other name, found by the real kubectl, on the real cluster.

use std::os::unix::fs::symlink;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::cluster::text;
use crate::namespace::Namespace;

const SCHEMA: &str = "CREATE TABLE users (id int PRIMARY KEY, name text NOT NULL);
    INSERT INTO users SELECT i, 'user ' || i FROM generate_series(1, 1000) i;";
const TYPE: &str = "SELECT format_type(atttypid, -1) FROM pg_attribute WHERE attrelid = 'users'::regclass AND attname = 'id'";

/// A folder on PATH with the link that makes a plugin of the program.
struct Plugin<'a> {
    here: &'a Namespace,
    folder: tempfile::TempDir,
}

impl<'a> Plugin<'a> {
    fn new(here: &'a Namespace) -> Self {
        let folder = tempfile::tempdir().unwrap();
        symlink(env!("CARGO_BIN_EXE_cofferdam"), folder.path().join("kubectl-cofferdam")).unwrap();
        Self { here, folder }
    }

    /// `kubectl cofferdam ...` in the namespace.
    fn run(&self, arguments: &[&str]) -> Output {
        let path = format!("{}:{}", self.folder.path().display(), std::env::var("PATH").unwrap());
        Command::new(self.here.cluster.program())
            .arg("cofferdam")
            .args(arguments)
            .args(["--namespace", self.here.name])
            .env("PATH", path)
            .env("NO_COLOR", "1")
            .output()
            .unwrap()
    }

    /// It must end with this exit code; what it said on stdout.
    fn ends(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}\n{}\n{}",
            text(&output),
            self.here.story()
        );
        String::from_utf8(output.stdout).unwrap()
    }

    fn does(&self, arguments: &[&str]) -> String {
        self.ends(0, arguments)
    }

    /// It must be refused with this code of ours; the whole document.
    fn refused(&self, code: &str, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--output", "json"]].concat());
        let document: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(&output)));
        assert_eq!(document["code"], code, "{document}");
        assert_eq!(output.status.code().map(i64::from), document["exitCode"].as_i64(), "{document}");
        document
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.does(&[arguments, &["--output", "json"]].concat())).unwrap()
    }

    /// Followed until its end, which must come with this exit code.
    fn watch(&self, code: i32) -> String {
        self.ends(code, &["status", "change", "--watch", "--timeout", "180s"])
    }
}

/// Whether everything that is in `all` is in the text.
fn has(shown: &str, all: &[&str]) {
    for wanted in all {
        assert!(shown.contains(wanted), "{wanted} is not in\n{shown}");
    }
}

#[test]
fn a_plan_is_looked_at_agreed_to_and_followed() {
    let Some(here) = Namespace::new("e2e-plugin-plan") else { return };
    let plugin = Plugin::new(&here);
    has(&text(&plugin.run(&["get"])), &["there is no DatabaseMigration in namespace e2e-plugin-plan"]);
    plugin.refused("CF2804", &["describe", "change"]);

    // Before the run: what is missing is named.
    here.migrate(&["1.sql"], |m| m["spec"]["approval"] = json!({ "required": true }));
    plugin.refused("CF2805", &["approve", "change", "--yes"]);
    here.wait_for("SecretNotFound");
    has(&plugin.ends(9, &["verify", "change"]), &["Secret db", "ConfigMap scripts", "is not there"]);
    has(&plugin.does(&["status", "change"]), &["SecretNotFound", "next: kubectl cofferdam verify change"]);
    // A wait that has a limit ends with it, and stops nothing.
    plugin.ends(124, &["status", "change", "--watch", "--timeout", "2s"]);
    here.secret();
    here.scripts(&[("1.sql", SCHEMA)]);

    // It waits for a person.
    has(&plugin.watch(8), &["ApprovalPending", "approve change"]);
    assert_eq!(here.database.one("SELECT to_regclass('users') IS NULL"), "t");
    let plan = plugin.json(&["plan", "change"]);
    assert_eq!((&plan["apiVersion"], &plan["kind"]), (&json!("cofferdam.dev/v1"), &json!("MigrationPlan")));
    assert_eq!(plan["digest"], here.object()["status"]["planDigest"]);
    assert_eq!(plan["steps"][0]["migration"], "change/1");
    has(
        &plugin.does(&["plan"]),
        &["change/1", "nobody has agreed", "next: kubectl cofferdam approve change"],
    );

    // Neither without a word at the keyboard nor for another plan.
    plugin.refused("CF2808", &["approve", "change"]);
    plugin.refused("CF2806", &["approve", "change", "--plan", "000000000000"]);
    assert_eq!(here.kubectl(&["get", "mapp", "--output", "name"]), "");
    let digest = plan["digest"].as_str().unwrap();
    let short = &digest["sha256:".len()..][..12];
    let said = plugin.json(&["approve", "dbm/change", "--plan", short, "--reason", "CHG-1"]);
    assert_eq!((&said["changed"], &said["planDigest"]), (&json!(true), &json!(digest)));
    has(&plugin.watch(0), &["MigrationComplete"]);
    assert_eq!(here.database.one("SELECT count(*) FROM users"), "1000");
    let approvals: Value = serde_json::from_str(&here.kubectl(&["get", "mapp", "--output", "json"])).unwrap();
    let approval = &approvals["items"][0];
    assert_eq!(approval["spec"]["comment"], "CHG-1");
    assert_eq!(approval["metadata"]["ownerReferences"][0]["uid"], here.object()["metadata"]["uid"]);
    assert_ne!(approval["spec"]["approvedBy"].as_str().unwrap_or_default(), "");
    // Said again, nothing more is made.
    assert_eq!(plugin.json(&["approve", "change", "--yes"])["changed"], false);

    // After it: all of it, in each way.
    has(&plugin.does(&["get"]), &["NAME", "change", "shop", "Succeeded", "MigrationComplete"]);
    assert_eq!(plugin.does(&["get", "dbm/change", "-o", "name"]), "databasemigration.cofferdam.dev/change\n");
    has(&plugin.does(&["get", "-o", "wide"]), &["STRATEGY", "auto"]);
    assert_eq!(plugin.json(&["get"])["items"][0]["phase"], "Succeeded");
    let described = plugin.does(&["describe", "change"]);
    has(
        &described,
        &["Conditions", "LintPassed", "Plan", "change/1", "Jobs", "ended well", "History", "Events"],
    );
    let (_, events) = described.split_once("\nEvents").unwrap();
    let story = ["ApprovalPending", "MigrationComplete"].map(|reason| events.find(reason).unwrap());
    assert!(story.is_sorted(), "{described}");
    has(&plugin.does(&["verify"]), &["agrees to the plan", "change is as it says"]);
    has(&plugin.does(&["logs", "change"]), &["info", "Succeeded"]);
    let lines = plugin.json(&["logs", "change", "--tail", "1"]);
    assert_eq!(lines["lines"].as_array().unwrap().len(), 1);
    has(&plugin.does(&["logs", "change", "--previous"]), &["WaitsForApproval"]);

    // What has ended is not asked again, and its Jobs go when they are asked to.
    plugin.refused("CF2805", &["retry", "change"]);
    plugin.refused("CF2805", &["cutover", "change"]);
    plugin.refused("CF2805", &["finalize", "change", "--yes"]);
    has(&plugin.does(&["cleanup"]), &["nothing is left to remove"]);
    has(&plugin.does(&["cleanup", "--all"]), &["Job", "2 objects would be removed", "cleanup --all --yes"]);
    assert_eq!(here.kubectl(&["get", "jobs", "--output", "name"]).lines().count(), 2);
    has(&plugin.does(&["cleanup", "change", "--all", "--yes"]), &["2 objects removed"]);
    here.until("the Jobs are gone", || here.kubectl(&["get", "jobs", "--output", "name"]).is_empty());
    here.kubectl(&["annotate", "dbm", "change", "example.com/looked-at=1"]);
    has(&plugin.does(&["verify"]), &["is gone; the run has ended"]);
    assert_eq!(here.kubectl(&["get", "jobs", "--output", "name"]), "", "it was begun again");
    assert_eq!(here.database.one("SELECT count(*) FROM users"), "1000");
}

#[test]
fn an_online_change_is_paused_swapped_and_taken_back() {
    let Some(here) = Namespace::new("e2e-plugin-online") else { return };
    let plugin = Plugin::new(&here);
    here.secret();
    here.database.server.query("shop", SCHEMA).unwrap();
    here.scripts(&[("1.sql", "ALTER TABLE users ALTER COLUMN id TYPE bigint;")]);
    here.migrate(&["1.sql"], |m| {
        m["spec"]["migration"]["strategy"] = json!("shadow-table");
        m["spec"]["cutover"] = json!({ "mode": "manual" });
        m["spec"]["suspend"] = json!(true);
    });
    has(&plugin.watch(8), &["Suspended", "resume change"]);
    has(
        &plugin.ends(8, &["resume", "change", "--watch", "--timeout", "180s"]),
        &["AwaitingCutover", "cutover change"],
    );

    // At work: what would disturb it is refused, and so is what has no meaning yet.
    plugin.refused("CF2805", &["retry", "change"]);
    plugin.refused("CF2805", &["finalize", "change", "--yes"]);
    plugin.ends(8, &["status", "change", "--exit-code"]);
    has(&plugin.does(&["cleanup", "--all", "--yes"]), &["nothing is left to remove"]);
    assert_eq!(plugin.json(&["pause", "change"])["changed"], true);
    assert_eq!(plugin.json(&["pause", "change"])["changed"], false);
    here.wait_for("Suspended");
    plugin.refused("CF2805", &["rollback", "change", "--yes"]);
    assert_eq!(plugin.json(&["resume", "change"])["changed"], true);
    here.wait_for("AwaitingCutover");

    has(
        &plugin.ends(0, &["cutover", "change", "--watch", "--timeout", "180s"]),
        &["RevertWindowOpen", "rollback change"],
    );
    assert_eq!(here.database.one(TYPE), "bigint");
    here.database.server.query("shop", "INSERT INTO users VALUES (2000, 'written since')").unwrap();

    // A person must agree, and then it is taken back with all that was written since.
    let asked = plugin.refused("CF2808", &["rollback", "change"]);
    assert_eq!(asked["exitCode"], 8);
    has(&text(&plugin.run(&["rollback", "change"])), &["nothing is lost of what was written since"]);
    assert_eq!(here.database.one(TYPE), "bigint");
    has(&plugin.ends(0, &["rollback", "change", "--yes", "--watch", "--timeout", "180s"]), &["RolledBack"]);
    assert_eq!(here.database.one(TYPE), "integer");
    assert_eq!(here.database.one("SELECT name FROM users WHERE id = 2000"), "written since");
    plugin.watch(6);

    // Tried again it is there again, and is not taken back a second time by what was asked of the run before.
    plugin.does(&["retry", "change", "--watch", "--timeout", "180s"]);
    assert_eq!(here.reason(), "RevertWindowOpen", "{}", here.story());
    assert_eq!(here.database.one(TYPE), "bigint");
    has(&plugin.does(&["cleanup"]), &["Job", "ended, for an older spec"]);
    plugin.ends(0, &["finalize", "change", "--yes", "--watch", "--timeout", "180s"]);
    assert_eq!(here.reason(), "MigrationComplete", "{}", here.story());
    assert_eq!(here.database.one(TYPE), "bigint");
}

#[test]
fn what_failed_is_read_corrected_and_tried_again() {
    let Some(here) = Namespace::new("e2e-plugin-fails") else { return };
    let plugin = Plugin::new(&here);
    here.secret();
    here.scripts(&[("1.sql", "CREATE TABLE a (id int); SELECT 1 / 0;")]);
    here.migrate(&["1.sql"], |_| {});
    // The whole of the log, from before the Pod is there to its end.
    has(&plugin.does(&["logs", "change", "--follow", "--timeout", "180s"]), &["division by zero"]);
    let output = plugin.run(&["status", "change", "--watch", "--timeout", "180s"]);
    assert_eq!(output.status.code(), Some(6), "{}", text(&output));
    has(&text(&output), &["division by zero", "logs change", "retry change"]);
    has(&plugin.does(&["verify", "change"]), &["change is as it says"]);
    here.scripts(&[("1.sql", "CREATE TABLE a (id int);")]);
    plugin.does(&["retry", "change", "--watch", "--timeout", "180s"]);
    assert_eq!(here.database.one("SELECT to_regclass('a') IS NULL"), "f");
    // Of the program itself the verbs are the same.
    let kube = Command::new(env!("CARGO_BIN_EXE_cofferdam"))
        .args(["kube", "get", "--all-namespaces", "--output", "name"])
        .output()
        .unwrap();
    has(&text(&kube), &["databasemigration.cofferdam.dev/change"]);
}

#[test]
fn a_rejected_plan_is_not_carried_out() {
    let Some(here) = Namespace::new("e2e-plugin-no") else { return };
    let plugin = Plugin::new(&here);
    here.secret();
    here.scripts(&[("1.sql", SCHEMA)]);
    here.migrate(&["1.sql"], |m| m["spec"]["approval"] = json!({ "required": true }));
    plugin.watch(8);
    plugin.does(&["approve", "change", "--reject", "--reason", "not today", "--yes"]);
    here.wait_for("ApprovalRejected");
    plugin.watch(7);
    let refused = plugin.refused("CF2805", &["approve", "change", "--yes"]);
    has(refused["help"].as_str().unwrap(), &["kubectl delete mapp change-"]);
    has(&plugin.does(&["describe", "change"]), &["rejected", "not today"]);
    assert_eq!(here.database.one("SELECT to_regclass('users') IS NULL"), "t");
}

#[test]
fn who_may_not_is_told_what_is_missing() {
    let Some(here) = Namespace::new("e2e-plugin-rights") else { return };
    let plugin = Plugin::new(&here);
    here.migrate(&["1.sql"], |_| {});
    let forbidden = plugin.refused("CF2802", &["get", "--as", "nobody-at-all"]);
    has(forbidden["cause"].as_str().unwrap(), &["nobody-at-all", "databasemigrations"]);
    let unreachable = plugin.refused("CF2801", &["get", "--context", "no-such-context"]);
    has(unreachable["cause"].as_str().unwrap(), &["no-such-context"]);
    // Who may see the migrations and nothing else still gets an answer.
    here.apply(&json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": { "name": "sees" },
        "rules": [
            { "apiGroups": ["cofferdam.dev"], "resources": ["databasemigrations", "migrationapprovals"], "verbs": ["get", "list"] },
            { "apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["get", "list"] },
        ],
    }));
    here.apply(&json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": { "name": "sees" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "sees" },
        "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "viewer" }],
    }));
    here.until("the role is in force", || plugin.run(&["get", "--as", "viewer"]).status.success());
    has(&plugin.does(&["get", "--as", "viewer"]), &["change"]);
    has(&text(&plugin.run(&["verify", "change", "--as", "viewer"])), &["may not be looked at"]);
    plugin.refused("CF2802", &["pause", "change", "--as", "viewer"]);
    assert_eq!(here.object()["spec"]["suspend"], false);
}
