//! Releases of an application's chart whose database is migrated first, by the library `cofferdam-hook`; no operator.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use tempfile::TempDir;

use crate::cluster::text;
use crate::images::push_program_on;
use crate::namespace::Namespace;

/// An application's chart with the library in it.
struct Chart<'a> {
    here: &'a Namespace,
    folder: TempDir,
    release: &'static str,
}

impl Chart<'_> {
    fn path(&self, inside: &str) -> PathBuf {
        self.folder.path().join(inside)
    }

    /// A release of it with these values. Whether it was one, and what Helm said.
    fn release(&self, sets: &[&str]) -> (bool, String) {
        let chart = self.folder.path().to_str().unwrap();
        let mut arguments = vec!["upgrade", "--install", self.release, chart, "--namespace", self.here.name];
        arguments.extend(["--timeout", "180s"]);
        sets.iter().for_each(|set| arguments.extend(["--set-json", set]));
        let output = self.here.cluster.helm(&arguments);
        (output.status.success(), text(&output))
    }

    fn must(&self, sets: &[&str]) {
        let (done, said) = self.release(sets);
        assert!(done, "{said}\n{}", self.story());
    }

    fn story(&self) -> String {
        let logs = ["logs", "--selector", "app.kubernetes.io/name=cofferdam-hook", "--all-containers"];
        let logs = [&["--namespace", self.here.name], &logs[..]].concat();
        format!("{}\n{}", self.here.story(), text(&self.here.cluster.try_kubectl(&logs)))
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

/// The chart of an example, with the library where Helm looks for it.
fn chart<'a>(here: &'a Namespace, release: &'static str) -> Chart<'a> {
    let folder = tempfile::tempdir().unwrap();
    copy(&root().join("examples/helm-hook"), folder.path());
    copy(&root().join("charts/cofferdam-hook"), &folder.path().join("charts/cofferdam-hook"));
    Chart { here, folder, release }
}

/// The Secret with the URL of the database, as Pods reach it.
fn secret(here: &Namespace, name: &str) {
    let url = here.database.server.url("shop");
    let (login, _) = url.rsplit_once('@').unwrap();
    let url = format!("{login}@{}:{}/shop?sslmode=disable", here.cluster.host, here.database.port);
    here.apply(&json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name }, "stringData": { "url": url },
    }));
}

#[test]
fn a_database_is_migrated_before_each_release_and_a_bad_migration_stops_it() {
    let Some(here) = Namespace::new("e2e-hook") else { return };
    secret(&here, "shop-database");
    let chart = chart(&here, "shop");
    let repository = std::env::var("COFFERDAM_IMAGE_REPOSITORY").unwrap();
    let digest = std::env::var("COFFERDAM_IMAGE_DIGEST").unwrap();
    let image =
        format!("migrate.image={}", json!({ "registry": "", "repository": repository, "digest": digest }));
    chart.must(&[&image]);
    assert_eq!(here.database.one("SELECT count(*) FROM cofferdam.history"), "2");
    let released = || here.kubectl(&["get", "deployment", "shop", "--output", "jsonpath={.spec.replicas}"]);
    assert_eq!(released(), "2");
    // Two statements, of which the second cannot be: the first is taken back, and the release is none.
    let bad = "CREATE TABLE more (id int);\nALTER TABLE nowhere ADD COLUMN x int;\n";
    fs::write(chart.path("migrations/V3__bad.sql"), bad).unwrap();
    let (done, said) = chart.release(&[&image, "replicaCount=3"]);
    assert!(!done && said.contains("pre-upgrade"), "{said}");
    assert_eq!(released(), "2");
    assert_eq!(here.database.one("SELECT to_regclass('more') IS NULL"), "t");
    let log = here.kubectl(&["logs", "job/shop-migrate", "--container", "apply"]);
    assert!(log.contains("nowhere") && log.contains("V3__bad.sql"), "{log}");
    let pods = ["get", "pods", "--selector", "app.kubernetes.io/name=cofferdam-hook", "--output", "name"];
    assert_eq!(here.kubectl(&pods).lines().count(), 1, "a migration that failed is not tried again");
    // Corrected, it is one.
    fs::write(chart.path("migrations/V3__bad.sql"), "CREATE TABLE more (id int);\n").unwrap();
    chart.must(&[&image, "replicaCount=3"]);
    assert_eq!(released(), "3");
    assert_eq!(here.database.one("SELECT to_regclass('more') IS NULL"), "f");
}

#[test]
fn a_project_is_installed_upgraded_and_rolled_back_with_the_releases_of_its_chart() {
    let Some(here) = Namespace::new("e2e-project") else { return };
    secret(&here, "e-commerce-api-database");
    // As docs/projects.md has it: one line in a template, and the values that were written for the project.
    let chart = chart(&here, "e-commerce-api");
    let project = root().join("examples/e-commerce-api/migrations");
    let read = |path: &str| fs::read_to_string(chart.path(path)).unwrap();
    let renamed = read("Chart.yaml").replace("alias: migrate", "alias: migration");
    fs::write(chart.path("Chart.yaml"), renamed).unwrap();
    let renamed = read("templates/migrate.yaml").replace(".Values.migrate", ".Values.migration");
    fs::write(chart.path("templates/migrate.yaml"), renamed).unwrap();
    fs::copy(project.join("k8s/projects/e-commerce-api/values.yaml"), chart.path("values.yaml")).unwrap();
    let application = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: application\ndata:\n  \
                       needs: {{ .Values.migration.version | quote }}\n";
    fs::write(chart.path("templates/deployment.yaml"), application).unwrap();
    // The image of its Dockerfile: the program, and the migrations beside it.
    let files = tempfile::tempdir().unwrap();
    copy(&project, &files.path().join("migrations"));
    // Its policy asks for a backup, and there is no bucket here.
    let config = files.path().join("migrations/projects/e-commerce-api/project-config.yaml");
    let policy = fs::read_to_string(&config).unwrap();
    let without = policy.replace("backup_before_upgrade: true", "backup_before_upgrade: false");
    assert_ne!(policy, without);
    fs::write(config, without).unwrap();
    let image = format!("{}/e2e/e-commerce-api-migrations", here.cluster.registry);
    let digest = push_program_on(&files, &format!("{image}:1"), Path::new(env!("CARGO_BIN_EXE_cofferdam")));
    let image =
        format!("migration.image={}", json!({ "registry": "", "repository": image, "digest": digest }));
    let always = [image.as_str(), r#"migration.migrations={"path":"/migrations"}"#];
    let release = |sets: &[&str]| chart.release(&[&always, sets].concat());
    let must = |sets: &[&str]| chart.must(&[&always, sets].concat());
    let released =
        || here.kubectl(&["get", "configmap", "application", "--output", "jsonpath={.data.needs}"]);
    let version = || here.database.one("SELECT project_version FROM project_metadata");
    let orders = || here.database.one("SELECT to_regclass('orders') IS NOT NULL");

    must(&[r#"migration.version="v1.0.0""#]);
    assert_eq!((released().as_str(), orders().as_str()), ("v1.0.0", "f"));
    let installed = version();
    must(&[r#"migration.version="v1.1.0""#, r#"migration.fromVersion="v1.0.0""#]);
    assert_eq!((released().as_str(), orders().as_str()), ("v1.1.0", "t"));
    assert_ne!(version(), installed);
    // Somebody believes another version to be there: nothing is done, and nothing released.
    let (done, said) = release(&[r#"migration.version="v1.0.0""#, r#"migration.fromVersion="v1.0.0""#]);
    assert!(!done, "{said}");
    assert_eq!((released().as_str(), orders().as_str()), ("v1.1.0", "t"));
    must(&[
        r#"migration.command="rollback""#,
        r#"migration.version="v1.0.0""#,
        r#"migration.args=["--yes"]"#,
    ]);
    assert_eq!((released().as_str(), orders().as_str()), ("v1.0.0", "f"));
    assert_eq!(version(), installed);
}
