//! The admission webhook, by a release of its own that can be broken while other tests go on with theirs.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cluster::{Cluster, WITHOUT_WEBHOOK, cluster, text};

const HERE: &str = "e2e-webhook";

struct Release(&'static Cluster);

impl Release {
    fn new(test: &str) -> Option<Self> {
        let release = Self(cluster(test)?);
        release.uninstall();
        release.0.kubectl(&["delete", "namespace", HERE, "--ignore-not-found", "--wait"]);
        release.0.kubectl(&["create", "namespace", HERE]);
        // Only this release's own webhook is to answer here.
        let restricted = "pod-security.kubernetes.io/enforce=restricted";
        release.0.kubectl(&["label", "namespace", HERE, WITHOUT_WEBHOOK, restricted]);
        Some(release)
    }

    fn uninstall(&self) {
        self.0.helm(&["uninstall", "hook", "--namespace", HERE, "--ignore-not-found", "--wait"]);
    }

    /// Installs it, or brings it to these values; its Pods are ready afterwards.
    fn install(&self, webhook: &Value) {
        let chart = concat!(env!("CARGO_MANIFEST_DIR"), "/../../charts/cofferdam");
        let repository = std::env::var("COFFERDAM_IMAGE_REPOSITORY").unwrap();
        let (registry, name) = repository.split_once('/').unwrap();
        let image = json!({
            "registry": registry, "repository": name, "digest": std::env::var("COFFERDAM_IMAGE_DIGEST").unwrap(),
        });
        let (image, webhook) = (format!("image={image}"), format!("webhook={webhook}"));
        let output = self.0.helm(&[
            "upgrade",
            "--install",
            "hook",
            chart,
            "--namespace",
            HERE,
            "--set-json",
            &image,
            "--set-json",
            &webhook,
            "--set",
            "crds.install=false",
            "--wait",
            "--timeout",
            "120s",
        ]);
        let told = self.0.try_kubectl(&["-n", HERE, "get", "pods,events"]);
        assert!(output.status.success(), "{}\n{}\n{}", text(&output), text(&told), self.log());
    }

    fn log(&self) -> String {
        let arguments = ["logs", "--selector", "app.kubernetes.io/component=operator", "--tail", "30"];
        text(&self.0.try_kubectl(&[&["--namespace", HERE], &arguments[..]].concat()))
    }

    fn kubectl(&self, arguments: &[&str]) -> String {
        self.0.kubectl(&[&["--namespace", HERE], arguments].concat())
    }

    fn json(&self, path: &str, arguments: &[&str]) -> String {
        self.kubectl(&[arguments, &["--output", &format!("jsonpath={{{path}}}")]].concat())
    }

    /// Makes it, or tries to, once. What was said, and whether it was taken.
    fn make(&self, object: &Value, more: &[&str]) -> (bool, String) {
        let output =
            self.0.once_with(&[&["--namespace", HERE, "create"], more].concat(), &object.to_string());
        (output.status.success(), text(&output))
    }

    /// As often as it takes something to be so, tries to make a good object; it must always be taken.
    fn always_taken_until(&self, what: &str, so: impl Fn() -> bool) {
        let begin = Instant::now();
        let mut after = 0;
        while after < 10 {
            let (taken, said) = self.make(&migration("always", |_| {}), &["--dry-run=server"]);
            assert!(taken, "until {what}: {said}\n{}", self.log());
            after += usize::from(after > 0 || so());
            assert!(begin.elapsed() < Duration::from_secs(120), "{what} did not come\n{}", self.log());
        }
    }

    fn certificate(&self) -> String {
        self.json(".data.tls\\.crt", &["get", "secret", "hook-cofferdam-webhook-tls", "--ignore-not-found"])
    }
}

impl Drop for Release {
    fn drop(&mut self) {
        self.uninstall();
        if !std::thread::panicking() {
            self.0.kubectl(&["delete", "namespace", HERE, "--wait=false"]);
        }
    }
}

fn migration(name: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut object = json!({
        "apiVersion": "cofferdam.dev/v1alpha1", "kind": "DatabaseMigration", "metadata": { "name": name },
        "spec": {
            "database": { "type": "postgresql", "connectionSecret": "db", "host": "db", "database": "shop" },
            "migration": { "scripts": [{ "name": "a", "source": "configmap://scripts/a.sql" }] },
            "suspend": true,
        },
    });
    change(&mut object);
    object
}

/// Nothing that CEL could have said: two scripts that wait for each other.
fn bad(name: &str) -> Value {
    migration(name, |m| {
        m["spec"]["suspend"] = json!(false);
        m["spec"]["migration"]["scripts"] = json!([
            { "name": "a", "source": "configmap://scripts/a.sql", "dependsOn": ["b"] },
            { "name": "b", "source": "configmap://scripts/b.sql", "dependsOn": ["a"] },
        ]);
    })
}

const KNOT: &str = "spec.migration.scripts: a, b wait for each other";

#[test]
fn the_webhook_refuses_and_is_never_in_the_way() {
    let Some(here) = Release::new("the_webhook_refuses_and_is_never_in_the_way") else { return };
    here.install(&json!({ "enabled": true }));
    refuses(&here);
    says_who_approves(&here);
    certificates_are_made_again(&here);
    without_it_only_our_kinds_wait(&here);
    by_a_given_secret(&here);
    // Off: the schema and the operator go on refusing.
    here.install(&json!({ "enabled": false }));
    let (taken, said) = here.make(&migration("two", |m| m["spec"]["migration"]["image"] = json!("a:1")), &[]);
    assert!(!taken && said.contains("give exactly one of"), "{said}");
    let (taken, said) = here.make(&bad("late"), &[]);
    assert!(taken, "{said}");
    let begin = Instant::now();
    let message = loop {
        let message =
            here.json(".status.conditions[?(@.type==\"Stalled\")].message", &["get", "dbm", "late"]);
        // The operator that was there before may have the lease for a while.
        if !message.is_empty() || begin.elapsed() > Duration::from_secs(180) {
            break message;
        }
        std::thread::sleep(Duration::from_millis(200));
    };
    assert!(message.contains(KNOT), "{message}");
    assert!(here.kubectl(&["get", "jobs", "--output", "name"]).is_empty());
}

fn refuses(here: &Release) {
    let (taken, said) = here.make(&bad("knot"), &[]);
    // As the schema would have said it.
    assert!(!taken && said.contains("is invalid: ") && said.contains(KNOT), "{said}");
    let other = migration("b", |m| m["spec"]["migration"]["strategy"] = json!("blue-green"));
    let (taken, said) = here.make(&other, &[]);
    assert!(!taken && said.contains("spec.migration.strategy: "), "{said}");
    let notified = migration("n", |m| {
        m["spec"]["notifications"] = json!({ "slack": { "webhook": "slack" } });
    });
    let (taken, said) = here.make(&notified, &["--dry-run=server"]);
    assert!(taken && !said.contains("Warning"), "{said}");
    // What the schema can say it goes on saying.
    let typo = migration("t", |m| m["spec"]["database"]["port"] = json!(70000));
    let (taken, said) = here.make(&typo, &[]);
    assert!(!taken && said.contains("spec.database.port"), "{said}");
}

fn says_who_approves(here: &Release) {
    let approval = |name: &str, by: Option<&str>| {
        let mut object = json!({
            "apiVersion": "cofferdam.dev/v1alpha1", "kind": "MigrationApproval", "metadata": { "name": name },
            "spec": {
                "migrationRef": { "name": "orders" },
                "planDigest": "sha256:9f861b423eb864f312e642d553876b39f18ac080788cb10fbd8f1f62477ffc8a",
            },
        });
        if let Some(by) = by {
            object["spec"]["approvedBy"] = json!(by);
        }
        object
    };
    let (taken, said) = here.make(&approval("mine", None), &[]);
    assert!(taken, "{said}");
    let me = here.json(".status.userInfo.username", &["auth", "whoami"]);
    assert_eq!(here.json(".spec.approvedBy", &["get", "mapp", "mine"]), me);
    // Applied again, by whatever tool, it is the same; and of another name it is none.
    let again = approval("mine", None).to_string();
    for how in [&["replace"][..], &["apply", "--server-side", "--field-manager=flux"]] {
        let output = here.0.once_with(&[&["--namespace", HERE], how].concat(), &again);
        assert!(output.status.success(), "{how:?}: {}", text(&output));
    }
    assert_eq!(here.json(".spec.approvedBy", &["get", "mapp", "mine"]), me);
    let (taken, said) = here.make(&approval("forged", Some("the-boss")), &[]);
    assert!(!taken && said.contains("spec.approvedBy: "), "{said}");
    // The service account of somebody else is written as who it is.
    let other = "system:serviceaccount:shop:deployer";
    let (taken, said) = here.make(&approval("other", None), &["--as", other, "--as-group", "system:masters"]);
    assert!(taken, "{said}");
    assert_eq!(here.json(".spec.approvedBy", &["get", "mapp", "other"]), other);
}

/// Whatever somebody does to the Secret, requests go on being answered.
fn certificates_are_made_again(here: &Release) {
    let secret = "hook-cofferdam-webhook-tls";
    for disturb in [
        &["delete", "secret", secret][..],
        &["patch", "secret", secret, "--type=merge", "--patch", r#"{"data":null}"#],
        &["patch", "secret", secret, "--type=merge", "--patch", r#"{"data":{"tls.key":"eA=="}}"#],
    ] {
        let before = here.certificate();
        here.kubectl(disturb);
        here.always_taken_until(&format!("another certificate after {disturb:?}"), || {
            let now = here.certificate();
            !now.is_empty() && now != before
        });
    }
    // A configuration that trusts nobody any more is put right.
    let name = format!("{HERE}-hook-cofferdam-webhook");
    let nobody = r#"[{"op":"remove","path":"/webhooks/0/clientConfig/caBundle"}]"#;
    here.kubectl(&["patch", "validatingwebhookconfiguration", &name, "--type=json", "--patch", nobody]);
    let begin = Instant::now();
    while !here.make(&migration("again", |_| {}), &["--dry-run=server"]).0 {
        assert!(begin.elapsed() < Duration::from_secs(180), "{}", here.log());
    }
    // An upgrade of the release leaves what the operator wrote alone.
    let before = here.certificate();
    here.install(&json!({ "enabled": true, "timeoutSeconds": 4 }));
    here.always_taken_until("nothing", || true);
    assert_eq!(here.certificate(), before);
}

fn without_it_only_our_kinds_wait(here: &Release) {
    let kept = migration("kept", |m| m["metadata"]["finalizers"] = json!(["example.com/kept"]));
    let (taken, said) = here.make(&kept, &[]);
    assert!(taken, "{said}");
    let scale = |replicas: &str| {
        here.kubectl(&["scale", "deployment/hook-cofferdam", &format!("--replicas={replicas}")]);
    };
    // Two of them, and each is replaced: nobody notices.
    scale("2");
    here.kubectl(&["rollout", "status", "deployment/hook-cofferdam", "--timeout=90s"]);
    here.kubectl(&["rollout", "restart", "deployment/hook-cofferdam"]);
    here.always_taken_until("all are replaced", || {
        let status = ["rollout", "status", "deployment/hook-cofferdam", "--watch=false"];
        here.kubectl(&status).contains("successfully rolled out")
    });

    scale("0");
    here.kubectl(&[
        "wait",
        "--for=delete",
        "pods",
        "--selector=app.kubernetes.io/component=operator",
        "--timeout=60s",
    ]);
    let (taken, said) = here.make(&migration("now", |_| {}), &[]);
    assert!(!taken && said.contains("failed calling webhook \"validate.cofferdam.dev\""), "{said}");
    for other in [
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "free" } }),
        json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "free" } }),
        json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "free" } }),
    ] {
        let (taken, said) = here.make(&other, &[]);
        assert!(taken, "{said}");
    }
    // Of ours, what is no change of a spec; a namespace can always be deleted.
    here.kubectl(&["annotate", "dbm", "kept", "cofferdam.dev/retry=1"]);
    here.kubectl(&["delete", "dbm", "kept", "--wait=false"]);
    here.kubectl(&["patch", "dbm", "kept", "--type=merge", "--patch", r#"{"metadata":{"finalizers":null}}"#]);
    here.kubectl(&["wait", "--for=delete", "dbm/kept", "--timeout=30s"]);
    scale("1");
    here.kubectl(&["rollout", "status", "deployment/hook-cofferdam", "--timeout=90s"]);
    // That the Pod is ready is one thing, that the apiserver knows its address another.
    let begin = Instant::now();
    while !here.make(&migration("back", |_| {}), &["--dry-run=server"]).0 {
        assert!(begin.elapsed() < Duration::from_secs(120), "it is not back\n{}", here.log());
    }
    here.always_taken_until("it stays", || true);
}

/// A certificate that somebody else made, and the authority that signed it.
fn by_a_given_secret(here: &Release) {
    let secret = "hook-cofferdam-webhook-tls";
    let data: Value =
        serde_json::from_str(&here.kubectl(&["get", "secret", secret, "--output", "json"])).unwrap();
    let authority = here.kubectl(&[
        "get",
        "secret",
        secret,
        "--output",
        r#"go-template={{index .data "ca.crt" | base64decode}}"#,
    ]);
    let mine = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "mine" }, "type": "kubernetes.io/tls",
        "data": { "tls.crt": data["data"]["tls.crt"], "tls.key": data["data"]["tls.key"] },
    });
    let (taken, said) = here.make(&mine, &[]);
    assert!(taken, "{said}");
    here.install(
        &json!({ "enabled": true, "certificate": { "existingSecret": "mine", "caBundle": authority } }),
    );
    here.always_taken_until("nothing", || true);
    let (taken, said) = here.make(&bad("knot"), &[]);
    assert!(!taken && said.contains(KNOT), "{said}");
    let account = format!("system:serviceaccount:{HERE}:hook-cofferdam");
    let may = ["auth", "can-i", "patch", "secrets/mine", "--as", &account];
    assert!(!text(&here.0.try_kubectl(&[&["--namespace", HERE], &may[..]].concat())).contains("yes"));
}
