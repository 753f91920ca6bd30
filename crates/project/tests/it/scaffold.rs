//! New scripts.

use cofferdam_core::Code;
use cofferdam_project::gate;
use cofferdam_project::scaffold::{Request, Scaffold, scripts};

use super::*;

fn asked(tree: &Tree, change: impl FnOnce(&mut Request<'_>)) -> Scaffold {
    let mut request = request();
    change(&mut request);
    scripts(tree, request).unwrap()
}

fn request() -> Request<'static> {
    Request {
        project: PROJECT,
        version: "v1.1.0",
        name: "add notes",
        moment: "20260102150405",
        ..Request::default()
    }
}

fn names(scaffold: &Scaffold) -> Vec<&str> {
    scaffold.files.iter().map(|file| file.path.rsplit("versions/").next().unwrap()).collect()
}

/// Writes the files, each with a statement behind its comments.
fn write(tree: &mut Tree, scaffold: &Scaffold) {
    for file in &scaffold.files {
        let path = file.path.strip_prefix("migrations/").unwrap();
        let statement = if path.ends_with(".yaml") { "" } else { "SELECT 1 WHERE false;\n" };
        put(tree, path, &format!("{}{statement}", file.text));
    }
}

#[test]
fn a_script_is_written_with_its_rollback_and_its_validation_behind_the_last_of_its_stage() {
    let mut tree = example();
    let new = asked(&tree, |_| {});
    let below = "v1.1.0/upgrade/from-v1.0.0";
    assert_eq!(
        names(&new),
        [
            format!("{below}/schema-changes/V1.1.0.003__add_notes.sql"),
            format!("{below}/rollback/U1.1.0.003__add_notes.sql"),
            format!("{below}/validation/C1.1.0.003__add_notes.sql"),
        ]
    );
    assert!(new.notes.is_empty());
    // As written there is nothing in them, and the gate says so; filled in, they pass.
    for file in &new.files {
        put(&mut tree, file.path.strip_prefix("migrations/").unwrap(), &file.text);
    }
    let blank = gate(&project(&tree));
    assert_eq!(blank.findings.iter().filter(|f| f.refusal.code == Code::EmptyScript).count(), 3);
    assert!(
        asked(&tree, |_| {}).files[0].path.ends_with("V1.1.0.004__add_notes.sql"),
        "what is not filled in has its number"
    );
    assert_eq!(
        project(&tree)
            .rollback(&v("v1.1.0"), &v("v1.0.0"), cofferdam_project::DatabaseType::Postgresql)
            .unwrap_err()
            .code,
        Code::MissingRollback
    );
    write(&mut tree, &new);
    assert!(gate(&project(&tree)).passed());
}

#[test]
fn stages_have_numbers_that_grow() {
    let tree = example();
    let number = |stage: &'static str| asked(&tree, |r| r.stage = Some(stage)).files[0].path.clone();
    assert!(number("data-migration").ends_with("data-migration/V1.1.0.200__add_notes.sql"));
    assert!(number("post-upgrade").ends_with("post-upgrade/V1.1.0.301__add_notes.sql"));
    // Below the 001 that users wrote down there is only 000.
    assert!(number("pre-upgrade").ends_with("pre-upgrade/V1.1.0.000__add_notes.sql"));
    let fresh = asked(&tree, |r| (r.version, r.stage) = ("v2.0.0", Some("pre-upgrade")));
    assert!(
        fresh.files[0].path.ends_with("v2.0.0/upgrade/from-v1.1.0/pre-upgrade/V2.0.0.001__add_notes.sql")
    );
    let indexes = asked(&tree, |r| (r.version, r.stage) = ("v1.0.0", Some("indexes")));
    assert!(
        indexes.files[0].path.ends_with("v1.0.0/new-install/postgresql/indexes/V1.0.0.201__add_notes.sql")
    );
    let mut full = tree.clone();
    put(&mut full, &format!("{FROM}/pre-upgrade/V1.1.0.000__x.sql"), "SELECT 1;");
    let refusal = scripts(&full, Request { stage: Some("pre-upgrade"), ..request() }).unwrap_err();
    assert!(refusal.what.contains("no number left"), "{refusal}");
}

#[test]
fn a_new_version_and_a_new_project_pass_the_gate_once_they_are_filled_in() {
    let mut tree = example();
    let new = asked(&tree, |r| r.version = "v2.0.0");
    assert_eq!(
        new.notes,
        ["add to compatibility_matrix: v2.0.0: {upgrades_to: [], rollback_to: [\"v1.1.0\"]}"]
    );
    write(&mut tree, &new);
    configure(
        &mut tree,
        "    v1.1.0:\n",
        "    v2.0.0: {upgrades_to: [], rollback_to: [\"v1.1.0\"]}\n    v1.1.0:\n",
    );
    let verdict = gate(&project(&tree));
    assert!(verdict.findings.is_empty(), "{:?}", verdict.findings);

    let mut tree = Tree { root: "migrations".into(), files: vec![] };
    let new = asked(&tree, |r| (r.project, r.version, r.name) = ("my-app", "v1.0.0", "Create_baseline"));
    assert_eq!(new.files[0].path, "migrations/projects/my-app/project-config.yaml");
    assert!(
        new.files[1].path.ends_with("v1.0.0/new-install/postgresql/schema/V1.0.0.001__Create_baseline.sql")
    );
    write(&mut tree, &new);
    let verdict = gate(&Project::read(&tree, "my-app").unwrap());
    assert!(verdict.findings.is_empty(), "{:?}", verdict.findings);
    let mongodb = asked(&Tree { root: "m".into(), files: vec![] }, |r| {
        (r.project, r.version, r.database_type) = ("my-app", "1.0.0", Some("mongodb"));
    });
    assert!(
        mongodb.files[2].path.ends_with("mongodb/rollbacks/20260102150405-rollback-add-notes.js"),
        "{mongodb:?}"
    );
}

#[test]
fn what_does_not_fit_is_refused() {
    let tree = example();
    let refused = |change: fn(&mut Request<'_>)| {
        let mut request = request();
        change(&mut request);
        *scripts(&tree, request).unwrap_err()
    };
    assert_eq!(refused(|r| r.version = "2").code, Code::BadProjectVersion);
    assert_eq!(refused(|r| r.project = "../x").code, Code::Usage);
    assert_eq!(refused(|r| r.name = "../..//").code, Code::Usage);
    assert_eq!(refused(|r| r.from = Some("v1.1.0")).code, Code::Usage);
    assert_eq!(refused(|r| r.stage = Some("schemas")).code, Code::Usage);
    assert_eq!(refused(|r| r.database_type = Some("mysql")).code, Code::WrongDatabaseType);
    assert_eq!(refused(|r| (r.version, r.stage) = ("v0.1.0", Some("post-upgrade"))).code, Code::Usage);
    assert_eq!(refused(|r| (r.from, r.stage) = (Some("v1.0.0"), Some("schema"))).code, Code::Usage);
    let named = asked(&tree, |r| r.name = "../add: NOTES/ä");
    assert!(named.files[0].path.ends_with("schema-changes/V1.1.0.003__add_NOTES_ä.sql"), "{named:?}");
}
