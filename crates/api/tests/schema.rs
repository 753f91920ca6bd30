//! The schema as a whole: what is true of every field, and the files that are printed from it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use cofferdam_api::closed::{CLOSED, with_words};
use cofferdam_api::{crds, crds_yaml, page};
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// `cargo xtask docs` (`UPDATE_DOCS=1 cargo test -p cofferdam-api`) writes them.
#[test]
fn docs_and_crds_are_printed_from_the_types() {
    let mut files: Vec<(String, String)> = crds_yaml()
        .unwrap()
        .into_iter()
        .map(|(name, text)| (format!("charts/cofferdam/files/crds/{name}"), text))
        .collect();
    files.push(("docs/reference-crd.md".to_owned(), page::reference().unwrap()));
    for (path, text) in &files {
        let file = root().join(path);
        if std::env::var_os("UPDATE_DOCS").is_some() {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, text).unwrap();
        }
        let committed = fs::read_to_string(&file).unwrap_or_default();
        assert!(
            committed == *text,
            "{path} is not up to date: run UPDATE_DOCS=1 cargo test -p cofferdam-api"
        );
    }
    let folder: HashSet<String> = fs::read_dir(root().join("charts/cofferdam/files/crds"))
        .unwrap()
        .map(|entry| format!("charts/cofferdam/files/crds/{}", entry.unwrap().file_name().to_string_lossy()))
        .collect();
    for path in &folder {
        assert!(files.iter().any(|(printed, _)| printed == path), "{path} is of no kind");
    }
}

/// Each part of each schema, with its path.
fn parts() -> Vec<(String, Value)> {
    fn walk(found: &mut Vec<(String, Value)>, path: String, schema: &Value) {
        found.push((path.clone(), schema.clone()));
        for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
            walk(found, format!("{path}.{name}"), inner);
        }
        if let Some(items) = schema.get("items") {
            walk(found, format!("{path}[]"), items);
        }
        if let Some(values) = schema.get("additionalProperties") {
            walk(found, format!("{path}{{}}"), values);
        }
    }
    let mut found = Vec::new();
    for crd in crds().unwrap() {
        for version in &crd.spec.versions {
            let schema =
                serde_json::to_value(version.schema.as_ref().unwrap().open_api_v3_schema.as_ref().unwrap());
            walk(&mut found, crd.spec.names.kind.clone(), &schema.unwrap());
        }
    }
    assert!(found.len() > 200, "{}", found.len());
    found
}

fn is_field(path: &str) -> bool {
    path.contains('.') && !path.ends_with("[]") && !path.ends_with("{}")
}

#[test]
fn every_field_is_described_in_sentences() {
    for (path, schema) in parts() {
        if !is_field(&path) {
            continue;
        }
        let about = schema["description"].as_str().unwrap_or_default();
        assert!(about.len() > 10 && about.ends_with('.'), "{path}: {about:?}");
        assert!(!about.contains('\n') && !about.contains("  "), "{path}: {about:?}");
        assert!(about.matches("Default: ").count() <= 1, "{path}: {about}");
    }
}

/// Whoever leaves a field of the spec out must be able to know what happens.
#[test]
fn every_optional_value_of_a_spec_says_its_default() {
    let all = parts();
    for (path, schema) in &all {
        let leaf = is_field(path) && path.contains(".spec.") && schema["type"] != "object";
        let (parent, name) = path.rsplit_once('.').unwrap_or_default();
        let required = all.iter().any(|(other, schema)| {
            other == parent && schema["required"].as_array().is_some_and(|all| all.contains(&name.into()))
        });
        // One of several must be given, or it belongs to a word beside it: the rules say which.
        let chosen = [
            ".connectionSecret",
            ".scripts",
            ".image",
            ".configMaps",
            ".value",
            ".metricName",
            ".query",
            ".window",
            ".threshold",
            ".sql",
            ".matchExpressions",
            ".values",
            ".approvedBy",
            ".cpu",
            ".memory",
            ".ephemeral-storage",
        ];
        if leaf && !required && !chosen.iter().any(|end| path.ends_with(end)) {
            let about = schema["description"].as_str().unwrap();
            assert!(about.contains("Default: "), "{path}: {about}");
        }
    }
}

#[test]
fn every_word_of_a_closed_set_is_described() {
    let mut used = HashSet::new();
    for (path, schema) in parts() {
        let Some(words) = schema["enum"].as_array() else { continue };
        let words: Vec<&str> = words.iter().map(|word| word.as_str().unwrap()).collect();
        let closed = with_words(words.iter().copied()).unwrap_or_else(|| panic!("{path}: {words:?}"));
        used.insert(closed.name);
        // Words of a list are described at the list.
        let described =
            parts().into_iter().find(|(other, _)| other == path.trim_end_matches("[]")).unwrap().1;
        for word in words {
            let about = described["description"].as_str().unwrap();
            assert!(about.contains(&format!("`{word}`: ")), "{path}: {about}");
        }
    }
    for closed in CLOSED {
        assert!(used.contains(closed.name), "{} is in no schema", closed.name);
    }
}

/// What an object names is in its own namespace.
#[test]
fn no_reference_has_a_namespace() {
    for (path, _) in parts() {
        assert!(!path.to_lowercase().contains("namespace"), "{path}");
    }
}

/// The cost of a rule is estimated from the bounds of what it looks at, and an object has to fit into etcd.
#[test]
fn everything_is_bounded_and_structural() {
    for (path, schema) in parts() {
        assert!(schema.get("x-kubernetes-preserve-unknown-fields").is_none(), "{path}");
        assert!(schema.get("nullable").is_none(), "{path}");
        if schema["x-kubernetes-int-or-string"] == true {
            assert!(schema["maxLength"].is_number(), "{path}");
            continue;
        }
        match schema["type"].as_str().unwrap_or_else(|| panic!("{path} has no type")) {
            "string" => {
                let bounded = schema["maxLength"].is_number()
                    || schema.get("enum").is_some()
                    || schema["format"] == "date-time";
                assert!(bounded, "{path} has no maxLength");
            }
            "array" => {
                assert!(schema["maxItems"].is_number(), "{path} has no maxItems");
                let list = schema["x-kubernetes-list-type"].as_str().unwrap_or_default();
                assert!(["atomic", "set", "map"].contains(&list), "{path}: {list:?}");
                let named = ["name", "type", "runId"].iter().find(|key| {
                    schema["items"]["required"].as_array().is_some_and(|r| r.contains(&(**key).into()))
                });
                // Hints and tolerations have no name of their own: two may be about one table or one taint. Checks have
                // one only where there are several of a type, and a rule says so.
                let nameless = path.ends_with(".hints") || path.ends_with(".preChecks");
                if let (Some(key), false) = (named, nameless) {
                    assert_eq!(list, "map", "{path}");
                    assert_eq!(schema["x-kubernetes-list-map-keys"][0], **key, "{path}");
                }
            }
            "object" => {
                if schema.get("additionalProperties").is_some() {
                    assert!(schema["maxProperties"].is_number(), "{path} has no maxProperties");
                }
            }
            "integer" => {
                let format = schema["format"].as_str().unwrap_or_default();
                assert!(["int32", "int64"].contains(&format), "{path}: {format}");
            }
            "boolean" => {}
            other => panic!("{path}: {other}"),
        }
    }
}

/// Tools that compare what is wanted with what is there look at a list as a whole: a default that the apiserver writes
/// into an item is a difference that never goes away.
#[test]
fn no_item_of_a_list_gets_a_default() {
    for (path, schema) in parts() {
        assert!(!path.contains("[]") || schema.get("default").is_none(), "{path}");
    }
}

/// A message that the apiserver shows names the field and says what to do.
#[test]
fn every_rule_names_its_field() {
    let mut seen = 0;
    for (path, schema) in parts() {
        for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
            let message = rule["message"].as_str().unwrap_or_else(|| panic!("{path}: {rule} has no message"));
            seen += 1;
            let (field, advice) = message.split_once(": ").unwrap_or_else(|| panic!("{path}: {message}"));
            assert!(field.starts_with("spec") || field.starts_with("metadata."), "{path}: {message}");
            assert!(advice.len() > 20 && !message.ends_with('.'), "{path}: {message}");
            assert!(message.len() <= 2048, "{path}: {message}");
        }
    }
    assert!(seen > 30, "{seen}");
}

#[test]
fn the_columns_are_those_that_users_read() {
    for crd in crds().unwrap() {
        let columns: Vec<String> = crd.spec.versions[0]
            .additional_printer_columns
            .iter()
            .flatten()
            .filter(|column| column.priority.unwrap_or(0) == 0)
            .map(|column| column.name.to_uppercase())
            .collect();
        let expected = match crd.spec.names.kind.as_str() {
            "DatabaseMigration" => "DATABASE CURRENT DESIRED PHASE PROGRESS READY REASON AGE",
            "MigrationApproval" => "MIGRATION DECISION BY READY REASON AGE",
            other => panic!("{other}"),
        };
        assert_eq!(columns.join(" "), expected);
        assert_eq!(crd.spec.scope, "Namespaced");
        assert!(crd.spec.versions[0].subresources.as_ref().unwrap().status.is_some());
        assert_eq!(crd.spec.names.categories.as_deref(), Some(&["cofferdam".to_owned()][..]));
    }
}
