//! The CustomResourceDefinitions.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::{Map, Value, json};

use crate::closed::with_words;
use crate::{DatabaseMigration, MigrationApproval};

/// All kinds, as a cluster needs them.
///
/// # Errors
/// None that can be met: the kinds are fixed, and a test makes them. It is an error and no panic because the release
/// must not panic.
pub fn crds() -> Result<Vec<CustomResourceDefinition>, serde_json::Error> {
    [DatabaseMigration::crd(), MigrationApproval::crd()].into_iter().map(finished).collect()
}

/// What the derived schema does not say, or says in a way that an apiserver warns about.
fn finished(crd: CustomResourceDefinition) -> Result<CustomResourceDefinition, serde_json::Error> {
    let mut value = serde_json::to_value(crd)?;
    if let Some(versions) = value.pointer_mut("/spec/versions").and_then(Value::as_array_mut) {
        for version in versions {
            if let Some(schema) = version.pointer_mut("/schema/openAPIV3Schema") {
                finish(schema);
            }
        }
    }
    serde_json::from_value(value)
}

fn finish(schema: &mut Value) {
    let Some(map) = schema.as_object_mut() else { return };
    // Null is pruned where it is not allowed, so `completionTime: null` is taken; and no rule has to tell a field that
    // is null from one that is not there.
    map.remove("nullable");
    // The apiserver knows signed formats only, and warns about all others at each apply.
    let format = match map.get("format").and_then(Value::as_str) {
        Some("uint8" | "uint16" | "uint32") => Some("int32"),
        Some("uint64") => Some("int64"),
        _ => None,
    };
    if let Some(format) = format {
        map.insert("format".to_owned(), json!(format));
    }
    if map.get("type") == Some(&json!("array")) {
        map.entry("x-kubernetes-list-type").or_insert_with(|| json!("atomic"));
    }
    describe_words(map);
    if let Some(properties) = map.get_mut("properties").and_then(Value::as_object_mut) {
        properties.values_mut().for_each(finish_property);
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = map.get_mut(key) {
            finish(inner);
            // Words of a list are described at the list.
            if key == "items" && inner.get("enum").is_some() {
                let words = inner.as_object_mut().and_then(|inner| inner.remove("description"));
                if let (Some(Value::String(words)), Some(Value::String(about))) =
                    (words, map.get_mut("description"))
                {
                    *about = format!("{about} {words}");
                }
            }
        }
    }
}

/// Doc comments are wrapped for readers of the code, descriptions by whoever shows them.
fn finish_property(schema: &mut Value) {
    finish(schema);
    let default = schema.get("default").filter(|value| !value.is_object()).map(shown);
    if let Some(Value::String(about)) = schema.get_mut("description") {
        *about = about.split_whitespace().collect::<Vec<_>>().join(" ");
        if let Some(default) = default {
            *about += &format!(" Default: {default}.");
        }
    }
}

/// The words of a closed set, each with what it means, behind the description.
fn describe_words(map: &mut Map<String, Value>) {
    let Some(words) = map.get_mut("enum").and_then(Value::as_array_mut) else { return };
    words.retain(|word| !word.is_null());
    let Some(closed) = with_words(words.iter().filter_map(Value::as_str)) else { return };
    let listed: Vec<String> = closed
        .words
        .iter()
        .map(|(word, about)| format!("`{word}`: {}", about.trim().trim_end_matches('.')))
        .collect();
    let about = map.get("description").and_then(Value::as_str).unwrap_or_default();
    let about = format!("{about} One of {}.", listed.join("; ")).trim_start().to_owned();
    map.insert("description".to_owned(), json!(about));
}

/// A default as one would write it in YAML.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("`{text}`"),
        Value::Array(items) => {
            format!("`[{}]`", items.iter().map(|i| shown(i).replace('`', "")).collect::<Vec<_>>().join(", "))
        }
        other => format!("`{other}`"),
    }
}

/// A kind as a YAML file: its name and its text.
///
/// # Errors
/// As [`crds`].
pub fn crds_yaml() -> Result<Vec<(String, String)>, String> {
    let crds = crds().map_err(|error| error.to_string())?;
    crds.iter()
        .map(|crd| {
            let yaml = serde_saphyr::to_string(crd).map_err(|error| error.to_string())?;
            Ok((format!("{}.yaml", crd.spec.names.plural), format!("{NOTE}{yaml}")))
        })
        .collect()
}

/// First line of what is generated, so that nobody edits it in vain.
pub const NOTE: &str =
    "# Printed from crates/api by `cargo xtask docs`; edit the types that it is printed from.\n";
