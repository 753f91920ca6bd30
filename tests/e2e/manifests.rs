//! Manifests that the real apiserver takes and refuses.

use std::path::Path;

use serde_json::{Value, json};

use crate::cluster::{WITHOUT_WEBHOOK, cluster, text};

fn files(folder: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder);
    let mut files: Vec<(String, String)> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.display().to_string(), std::fs::read_to_string(&path).unwrap()))
        .collect();
    files.sort();
    files
}

const TRY: &[&str] = &["apply", "--dry-run=server", "--validate=strict"];

#[test]
fn bad_ones_are_refused_with_the_field_s_name() {
    let Some(cluster) = cluster("bad_ones_are_refused_with_the_field_s_name") else { return };
    let bad = files("tests/e2e/bad");
    assert!(bad.len() >= 50, "{}", bad.len());
    for (file, manifest) in bad {
        let refused = manifest.lines().next().unwrap().strip_prefix("# refused: ").unwrap();
        let output = cluster.try_with(TRY, &manifest);
        assert!(!output.status.success(), "{file} was taken");
        assert!(text(&output).contains(refused), "{file}\n{}", text(&output));
    }
}

#[test]
fn good_ones_and_the_examples_are_taken() {
    let Some(cluster) = cluster("good_ones_and_the_examples_are_taken") else { return };
    for (file, manifest) in files("tests/e2e/good").into_iter().chain(files("examples/kubernetes")) {
        // The examples are in a namespace of their users.
        let manifest = manifest.replace("namespace: production", "namespace: default");
        let output = cluster.try_with(TRY, &manifest);
        // The schema has what this version does not carry out yet, which the webhook says.
        let later = ["are not there in this version", "cannot be changed by this version"];
        let later = later.iter().any(|words| text(&output).contains(words));
        assert!(output.status.success() || later, "{file}\n{}", text(&output));
    }
}

#[test]
fn what_may_change_and_when() {
    let Some(cluster) = cluster("what_may_change_and_when") else { return };
    let cases =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/e2e/updates.yaml"))
            .unwrap();
    let cases: Vec<Value> = serde_saphyr::from_str(&cases).unwrap();
    let name = "e2e-updates";
    cluster.kubectl(&["delete", "namespace", name, "--ignore-not-found", "--wait"]);
    cluster.kubectl(&["create", "namespace", name]);
    // It is about the schema.
    cluster.kubectl(&["label", "namespace", name, WITHOUT_WEBHOOK]);
    for (number, case) in cases.iter().enumerate() {
        let about = case["name"].as_str().unwrap();
        let object = format!("case-{number}");
        // The operator leaves alone what is being deleted, and the finalizer keeps it there.
        let manifest = json!({
            "apiVersion": "cofferdam.dev/v1alpha1", "kind": "DatabaseMigration",
            "metadata": { "name": object, "namespace": name, "finalizers": ["example.com/kept"] }, "spec": case["before"],
        });
        let made = cluster.try_with(&["apply"], &manifest.to_string());
        assert!(made.status.success(), "{about}\n{}", text(&made));
        cluster.kubectl(&["--namespace", name, "delete", "dbm", &object, "--wait=false"]);
        let patch = |flag: &str, patch: &Value| {
            let patch = patch.to_string();
            let arguments = ["--namespace", name, "patch", "dbm", &object, "--type", "merge", flag];
            cluster.try_kubectl(&[&arguments[..], &["--patch", &patch]].concat())
        };
        // A look that the operator had begun before may end with another status.
        let mut last = String::new();
        let done = (0..20).any(|_| {
            if let Some(status) = case.get("status") {
                let set = patch("--subresource=status", &json!({ "status": status }));
                assert!(set.status.success(), "{about}\n{}", text(&set));
            }
            let output = patch("--dry-run=server", &case["patch"]);
            last = text(&output);
            match case.get("refused").and_then(Value::as_str) {
                Some(refused) => !output.status.success() && last.contains(refused),
                None => output.status.success(),
            }
        });
        assert!(done, "{about}\n{last}");
        let free = patch("--field-manager=e2e", &json!({ "metadata": { "finalizers": null } }));
        assert!(free.status.success(), "{about}\n{}", text(&free));
    }
    cluster.kubectl(&["delete", "namespace", name, "--wait=false"]);
}
