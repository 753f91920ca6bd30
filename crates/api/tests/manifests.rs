//! Manifests that must be taken as they stand: the examples, and those that the end-to-end tests apply.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

use std::fs;
use std::path::{Path, PathBuf};

use cofferdam_api::{DatabaseMigration, MigrationApproval, crds};
use serde_json::Value;
use sha2::{Digest, Sha256};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The documents of every YAML file in a folder, with their file.
fn documents(folder: &str) -> Vec<(String, String, Value)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join(folder)).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let text = fs::read_to_string(&path).unwrap();
            for document in serde_saphyr::from_multiple::<Value>(&text).unwrap() {
                found.push((path.display().to_string(), text.clone(), document));
            }
        }
    }
    assert!(!found.is_empty(), "{folder}");
    found
}

fn schema(kind: &str) -> Option<Value> {
    let crd = crds().unwrap().into_iter().find(|crd| crd.spec.names.kind == kind)?;
    let validation = crd.spec.versions[0].schema.clone().unwrap();
    Some(serde_json::to_value(validation.open_api_v3_schema.unwrap()).unwrap())
}

/// Paths that the schema does not know.
fn unknown(path: &str, value: &Value, schema: &Value) -> Vec<String> {
    match value {
        Value::Object(map) => map
            .iter()
            .flat_map(|(key, inner)| {
                let below = format!("{path}.{key}");
                match schema["properties"].get(key).or_else(|| schema.get("additionalProperties")) {
                    Some(schema) => unknown(&below, inner, schema),
                    None => vec![below],
                }
            })
            .collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .flat_map(|(index, item)| unknown(&format!("{path}[{index}]"), item, &schema["items"]))
            .collect(),
        _ => Vec::new(),
    }
}

/// Every field is known, and the types read it.
fn taken(document: &Value) -> Result<(), String> {
    let kind = document["kind"].as_str().unwrap_or_default();
    let Some(schema) = schema(kind) else { return Err(format!("no kind {kind:?}")) };
    for part in ["spec", "status"] {
        if let Some(value) = document.get(part) {
            let unknown = unknown(part, value, &schema["properties"][part]);
            if !unknown.is_empty() {
                return Err(format!("unknown: {}", unknown.join(", ")));
            }
        }
    }
    // A manifest's status never reaches anybody: the apiserver drops it, and with it conditions without a time.
    let mut document = document.clone();
    if let Some(status) = document.get_mut("status").and_then(Value::as_object_mut) {
        status.remove("conditions");
    }
    let read = match kind {
        "DatabaseMigration" => serde_json::from_value::<DatabaseMigration>(document).map(drop),
        _ => serde_json::from_value::<MigrationApproval>(document).map(drop),
    };
    read.map_err(|error| error.to_string())
}

#[test]
fn examples_and_good_manifests_are_taken_as_they_stand() {
    let mut kinds = 0;
    for (path, _, document) in documents("examples/kubernetes").into_iter().chain(documents("tests/e2e/good"))
    {
        if document["apiVersion"] == "cofferdam.dev/v1alpha1" {
            taken(&document).unwrap_or_else(|error| panic!("{path}: {error}"));
            kinds += 1;
        }
    }
    assert!(kinds >= 9, "{kinds}");
}

/// An object that a schema of another day let through must not stop the operator: all that is wrong with a text or a
/// number is found when it is used, and what is no object of the kind is one object that cannot be read.
#[test]
fn bad_manifests_say_what_is_expected_and_never_panic() {
    let bad = documents("tests/e2e/bad");
    assert!(bad.len() >= 50, "{}", bad.len());
    for (path, text, document) in bad {
        let expected = text.lines().next().unwrap().strip_prefix("# refused: ");
        assert!(expected.is_some_and(|expected| expected.len() > 20), "{path}");
        let _ = taken(&document);
    }
}

#[test]
fn an_unknown_field_is_found() {
    let document = serde_json::json!({
        "apiVersion": "cofferdam.dev/v1alpha1", "kind": "DatabaseMigration", "metadata": {"name": "a"},
        "spec": {
            "database": {"type": "postgresql", "connectionSecret": "a"},
            "migration": {"scripts": [{"name": "a", "source": "configmap://a/b", "checksums": "x"}]},
        },
    });
    assert_eq!(taken(&document).unwrap_err(), "unknown: spec.migration.scripts[0].checksums");
}

#[test]
fn checksums_of_the_examples_are_those_of_their_scripts() {
    let all = documents("examples/kubernetes");
    let mut checked = 0;
    for (path, _, document) in &all {
        let Some(scripts) = document["spec"]["migration"]["scripts"].as_array() else { continue };
        for script in scripts {
            let source = script["source"].as_str().unwrap().strip_prefix("configmap://").unwrap();
            let (name, key) = source.split_once('/').unwrap();
            let (_, _, map) = all
                .iter()
                .find(|(_, _, d)| d["kind"] == "ConfigMap" && d["metadata"]["name"] == name)
                .unwrap();
            let content = map["data"][key].as_str().unwrap_or_else(|| panic!("{path}: no {source}"));
            if let Some(checksum) = script["checksum"].as_str() {
                assert_eq!(
                    checksum,
                    format!("sha256:{}", hex::encode(Sha256::digest(content))),
                    "{path}: {source}"
                );
                checked += 1;
            }
        }
    }
    assert!(checked > 0);
}

/// What is left out has its default, and what is written is read as it was meant.
#[test]
fn a_manifest_means_what_it_says() {
    use cofferdam_api::source::{ScriptType, Strategy};
    let all = documents("examples/kubernetes");
    let find = |name: &str| -> DatabaseMigration {
        let (_, _, document) = all
            .iter()
            .find(|(_, _, d)| d["kind"] == "DatabaseMigration" && d["metadata"]["name"] == name)
            .unwrap();
        serde_json::from_value(document.clone()).unwrap()
    };
    let spec = find("user-preferences-migration").spec;
    let scripts = spec.migration.scripts.unwrap();
    assert_eq!(spec.migration.strategy, Strategy::ShadowTable);
    assert_eq!((scripts[0].r#type, scripts[1].r#type), (ScriptType::Schema, ScriptType::Data));
    assert_eq!(scripts[0].source.parse().unwrap().key, "001_schema.sql");
    assert!(scripts[0].checksum.as_ref().unwrap().parse().is_ok());
    let limits = spec.validation.performance_thresholds;
    assert_eq!(limits.max_migration_time.unwrap().parse().unwrap().as_secs(), 1800);
    assert_eq!(limits.max_cpu_usage.unwrap().parse().unwrap(), 80.0);
    let room = spec.validation.pre_checks[2].threshold.as_ref().unwrap().parse().unwrap();
    assert_eq!(room, 20_000_000_000);

    let spec = find("myapp-migration").spec;
    assert!(spec.rollback.automatic && spec.rollback.conditions.len() == 4);
    assert_eq!(spec.rollback.window.parse().unwrap().as_secs(), 86_400);
    assert_eq!(spec.validation.data_integrity_checks.sample_percentage, 100);
    assert!(!spec.suspend && !spec.approval.required);
    assert_eq!(spec.database.tls.mode.word(), "verify-full");
}
