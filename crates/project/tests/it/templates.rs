//! Files from templates, and the schema.

use std::collections::BTreeSet;

use cofferdam_core::Code;
use cofferdam_project::template::{TEMPLATES, file, schema_text};

use super::*;

/// Compares a file of the repository; `UPDATE_DOCS=1` writes it.
fn committed(path: &str, text: &str) {
    let file = root().join(path);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, text).unwrap();
    }
    let there = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        there == text,
        "{path} is not up to date: run UPDATE_DOCS=1 cargo test -p cofferdam-project docs"
    );
}

#[test]
fn docs_have_the_schema() {
    let text = schema_text();
    committed("docs/project-config.schema.json", &text);
    let schema: serde_json::Value = serde_json::from_str(&text).unwrap();
    let spec = &schema["$defs"]["Spec"]["properties"];
    assert_eq!(spec["compatibility_matrix"]["additionalProperties"]["$ref"], "#/$defs/MatrixEntry");
    assert_eq!(schema["$defs"]["Policies"]["properties"]["require_rollback"]["default"], true);
    assert_eq!(schema["additionalProperties"], false);
}

#[test]
fn docs_example_has_what_the_templates_write() {
    let project = project(&example());
    for template in TEMPLATES.iter().filter(|template| template.id != "schema") {
        let file = file(template, &project, "migrations", "0.1.0").unwrap();
        assert!(
            !["@PROJECT@", "@DIR@", "@TOOL@", "@VERSION@"].iter().any(|mark| file.text.contains(mark)),
            "{}",
            file.text
        );
        committed(&format!("examples/e-commerce-api/{}", file.path), &file.text);
        if file.path.ends_with(".yml") || file.path.ends_with(".yaml") {
            let read: serde_json::Value =
                serde_saphyr::from_str(&file.text).unwrap_or_else(|e| panic!("{}: {e}", file.path));
            assert!(read.is_object());
        }
    }
}

#[test]
fn every_file_of_the_folder_has_its_line() {
    let folder = root().join("crates/project/templates");
    let files: BTreeSet<String> =
        std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap()).collect();
    let ids: BTreeSet<String> =
        TEMPLATES.iter().map(|t| t.id.to_owned()).filter(|id| id != "schema").collect();
    assert_eq!(files, ids);
    assert!(TEMPLATES.windows(2).all(|pair| pair[0].id < pair[1].id));
}

#[test]
fn a_project_without_postgresql_has_none() {
    let mut tree = example();
    configure(&mut tree, "type: postgresql", "type: mongodb");
    let refusal = file(TEMPLATES[0], &project(&tree), "migrations", "0").unwrap_err();
    assert_eq!(refusal.code, Code::WrongDatabaseType);
    for dir in ["my migrations", "a$(b)", "-x", "a\nb"] {
        assert_eq!(
            file(TEMPLATES[0], &project(&example()), dir, "0").unwrap_err().code,
            Code::Usage,
            "{dir}"
        );
    }
}
