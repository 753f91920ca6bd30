//! Which projects there are, and which files belong to them.

use cofferdam_core::Code;
use cofferdam_project::{Project, projects};
use proptest::prelude::*;

use super::*;

#[test]
fn a_project_is_a_directory_below_projects() {
    let mut tree = example();
    put(&mut tree, "projects/orders/project-config.yaml", "");
    put(&mut tree, "projects/README.md", "");
    put(&mut tree, "k8s/projects/orders/values.yaml", "");
    put(&mut tree, "projects/orders/docker/postgresql-migrator/Dockerfile", "");
    assert_eq!(projects(&tree), [PROJECT, "orders"]);
    let orders = Project::read(&tree, "orders").unwrap();
    assert_eq!(orders.k8s, ["migrations/k8s/projects/orders/values.yaml"]);
    assert_eq!(orders.docker, ["migrations/projects/orders/docker/postgresql-migrator/Dockerfile"]);
    let refusal = Project::read(&tree, "order").unwrap_err();
    assert_eq!(
        (refusal.code, refusal.help.as_deref()),
        (Code::NoSuchProject, Some("did you mean --project orders?"))
    );
    let refusal = Project::read(&tree, "billing").unwrap_err();
    assert_eq!(refusal.cause.as_deref(), Some("it has e-commerce-api, orders"));
}

#[test]
fn the_directory_above_is_told_as_such() {
    let mut tree = example();
    tree.root = ".".into();
    for file in &mut tree.files {
        file.path = format!("migrations/{}", file.path);
    }
    let refusal = Project::read(&tree, PROJECT).unwrap_err();
    assert_eq!((refusal.code, refusal.help.as_deref()), (Code::NoSuchProject, Some("--dir migrations")));
}

proptest! {
    /// Whatever lies there is read, judged and never silently dropped when it is a script.
    #[test]
    fn any_path_is_read_or_told(parts in prop::collection::vec(
        prop::sample::select(vec!["versions", "v1.1.0", "upgrade", "from-v1.0.0", "new-install", "postgresql",
            "schema-changes", "rollback", "validation", "x", "", "ä", "v1", "from-", "schema", "docker"]), 0..6),
        name in prop::sample::select(vec!["V1.1.0.777__x.sql", "U1.1.0.777__x.sql", "C1.1.0.777__x.sql", "x.sql",
            "V1.1.0__x.sql", "ü.sql", ".sql", "x.js", "1-x.js"]))
    {
        let mut tree = example();
        let path = format!("{BELOW}/{}", parts.iter().copied().chain([name]).collect::<Vec<_>>().join("/"));
        put(&mut tree, &path, "SELECT 777;");
        let project = project(&tree);
        let verdict = cofferdam_project::gate(&project);
        let typed = tree.typed(&path);
        let read = project.editions.values().flat_map(|e| e.steps.values()).flat_map(|s| &s.items)
            .any(|item| item.script.path == typed);
        let told = verdict.findings.iter().any(|f| f.path == typed || f.refusal.what.contains(&typed)
            || typed.starts_with(&f.path));
        let of_docker = parts.first() == Some(&"docker");
        prop_assert!(read || told || of_docker, "{path}");
    }
}
