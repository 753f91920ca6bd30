//! What hangs on the charts: the library's example, the notes after an installation, Argo CD, the deploy gate.

use std::path::Path;
use std::process::Command;

use cofferdam_api::DatabaseMigration;
use cofferdam_scratch::skipped;
use serde_json::{Value, json};

use crate::helm::{Helm, copy, documents, expect_file, on_the_path, read, root};
use crate::objects;

const OTHER_KINDS: &str = "examples/flux/kustomizations.yaml examples/kustomize/kustomization.yaml";

#[test]
fn the_librarys_hook_is_what_was_looked_at() {
    let Some(helm) = Helm::find("the_librarys_hook_is_what_was_looked_at") else { return };
    let folder = helm.hook();
    let example = folder.path().join("examples/helm-hook");
    helm.run(&["lint", "--strict", "--quiet", example.to_str().unwrap()]).unwrap();
    let render = |set: &[&str]| helm.template(&example, "shop", "shop", set);
    let mut shown = render(&[]).unwrap();
    let of_ours = |object: &Value| object["metadata"]["name"] == "shop-migrate";
    for set in [
        &[r#"migrate.command="wait""#, "migrate.args=[]"][..],
        &[r#"migrate.migrations.image={"reference":"registry.example.com/shop:2.0.0","dir":"/migrations"}"#]
            [..],
        &[r#"migrate.migrations.configMap="there-already""#][..],
        &[r#"migrate.database={"envFromSecret":"shop-database","urlSecretRef":{"name":""}}"#][..],
        &[r#"migrate.hooks=["post-install","post-upgrade"]"#, "migrate.weight=5", "migrate.resources=null"][..],
        &[
            r#"migrate.command="upgrade""#,
            r#"migrate.args=["--install"]"#,
            r#"migrate.project="e-commerce-api""#,
            r#"migrate.version="v1.1.0""#,
            r#"migrate.fromVersion="v1.0.0""#,
            r#"migrate.databaseType="postgresql""#,
            r#"migrate.environment="staging""#,
            r#"migrate.migrations.image={"reference":"registry.example.com/m:1","dir":"migrations"}"#,
        ][..],
        &[r#"migrate.migrations.path="/migrations""#, r#"migrate.image.repository="registry.example.com/m""#]
            [..],
    ] {
        let text = render(set).unwrap();
        shown.push_str(&format!("---\n# With {}\n", set.join(" ")));
        for document in text.split("---\n").filter(|part| part.contains("kind: Job")) {
            shown.push_str(document);
        }
    }
    let objects: Vec<Value> = documents(&shown).into_iter().filter(of_ours).collect();
    assert_eq!(objects.iter().filter(|object| object["kind"] == "Job").count(), 8);
    let problems: Vec<String> = objects.iter().flat_map(objects::problems).collect();
    assert!(problems.is_empty(), "{problems:#?}");
    // In this order, and before everything else of the release.
    let weight =
        |n: usize| objects[n]["metadata"]["annotations"]["helm.sh/hook-weight"].as_str().unwrap().to_owned();
    assert_eq!((weight(0).as_str(), weight(1).as_str()), ("-15", "-10"));
    expect_file("tests/chart/golden/hook.yaml", &shown);

    for (set, message) in [
        (r#"migrate.database.envFromSecret="x""#, "not both"),
        (r#"migrate.database.urlSecretRef.name="""#, "the Secret that says where the database is"),
        (r#"migrate.migrations.glob="none/*""#, "no file of chart shop is none/*"),
        (r#"migrate.hooks=["before"]"#, "value must be one of"),
        (r#"migrate.migrations.path="migrations""#, "does not match pattern"),
        ("migrate.backoff=1", "additional properties 'backoff' not allowed"),
        (r#"migrate.command="upgrade""#, "write its name into project"),
        (r#"migrate.project="shop""#, "apply is not for a project"),
        (r#"migrate={"command":"install","project":"shop"}"#, "version: write which version"),
        (r#"migrate={"command":"install","project":"shop","version":"latest"}"#, "does not match pattern"),
    ] {
        let said = render(&[set]).expect_err(set);
        assert!(said.contains(message), "{set}: {said}");
    }
}

/// The values that `cofferdam new --template helm` writes, with what the pipelines set, as a chart takes them that has
/// the library under the name `migration`.
#[test]
fn the_values_of_a_project_make_its_job() {
    let Some(helm) = Helm::find("the_values_of_a_project_make_its_job") else { return };
    let folder = helm.hook();
    let example = folder.path().join("examples/helm-hook");
    let rename = |file: &str, from: &str, to: &str| {
        let path = example.join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file}");
        std::fs::write(path, text.replace(from, to)).unwrap();
    };
    rename("Chart.yaml", "alias: migrate", "alias: migration");
    rename("templates/migrate.yaml", ".Values.migrate", ".Values.migration");
    // What it deploys has other values.
    std::fs::remove_file(example.join("templates/deployment.yaml")).unwrap();
    let written = "examples/e-commerce-api/migrations/k8s/projects/e-commerce-api/values.yaml";
    std::fs::write(example.join("values.yaml"), read(written)).unwrap();
    let sets = [
        r#"migration.version="v1.1.0""#,
        r#"migration.fromVersion="v1.0.0""#,
        r#"migration.environment="staging""#,
    ];
    let text = helm.template(&example, "e-commerce-api", "staging", &sets).unwrap();
    let job = documents(&text).into_iter().find(|object| object["kind"] == "Job").unwrap();
    let container = &job["spec"]["template"]["spec"]["containers"][0];
    let arguments: Vec<&str> =
        container["args"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    assert_eq!(
        arguments.join(" "),
        "upgrade --dir /cofferdam/migrations --url file:/cofferdam/database/url --project e-commerce-api \
         --version v1.1.0 --from-version v1.0.0 --database-type postgresql --environment staging --install"
    );
    assert_eq!(job["metadata"]["annotations"]["helm.sh/hook"], "pre-install,pre-upgrade");
}

/// What a person is told after the installation is a migration that the types read.
#[test]
fn the_notes_show_a_migration_that_can_be_made() {
    let Some(helm) = Helm::find("the_notes_show_a_migration_that_can_be_made") else { return };
    let folder = tempfile::tempdir().unwrap();
    let chart = folder.path().join("cofferdam");
    copy(&root().join("charts/cofferdam"), &chart);
    // Without a cluster Helm shows no notes, but it renders a file.
    std::fs::copy(chart.join("templates/NOTES.txt"), chart.join("files/NOTES.txt")).unwrap();
    let notes = "notes: |\n  {{- tpl (.Files.Get \"files/NOTES.txt\") . | nindent 2 }}\n";
    std::fs::write(chart.join("templates/notes.yaml"), notes).unwrap();
    for (set, namespace, also) in [
        ("watchNamespaces=[]", "production", "It watches: production."),
        (r#"watchNamespaces=["shop","b"]"#, "shop", "It watches: shop, b."),
        (
            r#"watchNamespaces=["*"]"#,
            "NAMESPACE",
            "--clusterrole=cofferdam-runner --serviceaccount=NAMESPACE:cofferdam-runner",
        ),
        ("crds.install=false", "production", "must be there already"),
        ("rbac.create=false", "production", "must be made by somebody else"),
    ] {
        let objects = documents(&helm.template(&chart, "cofferdam", "production", &[set]).unwrap());
        let notes = objects.iter().find_map(|object| object["notes"].as_str()).unwrap();
        assert!(notes.contains(also), "{set}: {notes}");
        assert!(
            notes.contains(&format!("kubectl --namespace {namespace} wait --for=condition=Ready")),
            "{set}: {notes}"
        );
        let (_, rest) = notes.split_once("<<'END'\n").unwrap();
        taken(rest.split_once("  END").unwrap().0);
    }
}

fn taken(manifest: &str) {
    let document = documents(manifest).remove(0);
    assert_eq!(
        (&document["apiVersion"], &document["kind"]),
        (&json!("cofferdam.dev/v1alpha1"), &json!("DatabaseMigration"))
    );
    let read: DatabaseMigration =
        serde_json::from_value(document.clone()).unwrap_or_else(|e| panic!("{e}\n{manifest}"));
    let again = serde_json::to_value(read).unwrap();
    for part in ["database", "migration"] {
        for (key, value) in document["spec"][part].as_object().unwrap() {
            assert_eq!(again["spec"][part][key], *value, "spec.{part}.{key}");
        }
    }
}

#[test]
fn the_deploy_gate_asks_for_a_migration_that_can_be_made() {
    let workflow = documents(&read("examples/github-actions/deploy-gate.yml")).remove(0);
    assert_eq!(workflow["jobs"]["rollout"]["needs"], "migrate");
    let steps = workflow["jobs"]["migrate"]["steps"].as_array().unwrap();
    let script =
        steps.iter().find_map(|step| step["run"].as_str().filter(|run| run.contains("<<END"))).unwrap();
    let (_, rest) = script.split_once("<<END\n").unwrap();
    let manifest = rest.split_once("\nEND").unwrap().0;
    taken(&manifest.replace("$MIGRATION", "myapp-1").replace("$IMAGE", "registry.example.com/myapp:1"));
    for path in OTHER_KINDS.split_whitespace() {
        assert!(!documents(&read(path)).is_empty(), "{path}");
    }
}

#[test]
fn docs_the_health_script_stands_in_the_config_map() {
    let by_hand = "# Add it to the ConfigMap of Argo CD: kubectl --namespace argocd patch configmap argocd-cm --patch-file argocd-cm.yaml\n";
    let key = "data:\n  resource.customizations.health.cofferdam.dev_DatabaseMigration: |\n";
    let indented = |line: &str| if line.is_empty() { "\n".to_owned() } else { format!("    {line}\n") };
    let script: String = read("examples/argocd/health.lua").lines().map(indented).collect();
    expect_file("examples/argocd/argocd-cm.yaml", &format!("{by_hand}{key}{script}"));
}

/// Type, status, reason and generation of a condition.
type Shown = (&'static str, &'static str, &'static str, i64);

/// The health of an object with these conditions, for each of the words that Argo CD knows.
#[test]
fn argo_cd_sees_the_health_of_a_migration() {
    let Some(lua) = on_the_path(&["lua5.1", "lua5.4", "lua5.3", "lua"]) else {
        return skipped(
            "argo_cd_sees_the_health_of_a_migration",
            "there is no Lua; 5.1 is what Argo CD speaks",
        );
    };
    // The object is of generation 2.
    let cases: &[(&[Shown], &str, &str)] = &[
        (&[], "Progressing", "waits for the operator"),
        (&[("Ready", "True", "MigrationComplete", 1)], "Progressing", "waits for the operator"),
        (
            &[("Ready", "True", "MigrationComplete", 2), ("Stalled", "False", "MigrationComplete", 2)],
            "Healthy",
            "MigrationComplete: said",
        ),
        (&[("Ready", "True", "RevertWindowOpen", 2)], "Healthy", "RevertWindowOpen: said"),
        (
            &[
                ("Ready", "False", "MigrationInProgress", 2),
                ("Progressing", "True", "MigrationInProgress", 2),
            ],
            "Progressing",
            "MigrationInProgress: said",
        ),
        (
            &[("Ready", "False", "ConnectFailed", 2), ("Stalled", "False", "ConnectFailed", 2)],
            "Progressing",
            "ConnectFailed: said",
        ),
        (
            &[("Stalled", "True", "ApprovalPending", 2), ("Ready", "False", "ApprovalPending", 2)],
            "Suspended",
            "ApprovalPending: said",
        ),
        (
            &[("Ready", "False", "AwaitingCutover", 2), ("Stalled", "True", "AwaitingCutover", 2)],
            "Suspended",
            "AwaitingCutover: said",
        ),
        (
            &[("Ready", "False", "Suspended", 2), ("Stalled", "True", "Suspended", 2)],
            "Suspended",
            "Suspended: said",
        ),
        (
            &[("Ready", "False", "JobFailed", 2), ("Stalled", "True", "JobFailed", 2)],
            "Degraded",
            "JobFailed: said",
        ),
        (
            &[("Ready", "False", "RolledBack", 2), ("Stalled", "True", "RolledBack", 2)],
            "Degraded",
            "RolledBack: said",
        ),
        // It was stalled before the spec was changed.
        (
            &[("Ready", "False", "Initializing", 2), ("Stalled", "True", "JobFailed", 1)],
            "Progressing",
            "Initializing: said",
        ),
    ];
    for (conditions, status, message) in cases {
        let all: Vec<String> = conditions
            .iter()
            .map(|(about, is, reason, generation)| {
                format!("{{type='{about}',status='{is}',reason='{reason}',message='said',observedGeneration={generation}}}")
            })
            .collect();
        let status_of =
            if all.is_empty() { "nil".to_owned() } else { format!("{{conditions={{{}}}}}", all.join(",")) };
        assert_eq!(
            health(&lua, &format!("{{metadata={{generation=2}},status={status_of}}}")),
            pair(status, message)
        );
    }
    let deleted = "{metadata={generation=2,deletionTimestamp='now'},status={conditions={}}}";
    assert_eq!(health(&lua, deleted), pair("Progressing", "is being deleted"));
}

fn health(lua: &Path, object: &str) -> (String, String) {
    let program = format!("obj = {object}\nlocal h = dofile(arg[1])\nprint(h.status)\nprint(h.message)\n");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("case.lua");
    std::fs::write(&file, program).unwrap();
    let done = Command::new(lua).arg(&file).arg(root().join("examples/argocd/health.lua")).output().unwrap();
    assert!(done.status.success(), "{object}: {}", String::from_utf8_lossy(&done.stderr));
    let out = String::from_utf8(done.stdout).unwrap();
    let (status, message) = out.trim_end().split_once('\n').unwrap();
    pair(status, message)
}

fn pair(status: &str, message: &str) -> (String, String) {
    (status.to_owned(), message.to_owned())
}
