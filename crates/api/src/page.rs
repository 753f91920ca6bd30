//! The reference page, made from the schema: what `kubectl explain` knows, on one page.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::{Map, Value};

use crate::conditions::ConditionType;
use crate::crd::crds;
use crate::reason::{REASONS, Standing};
use crate::value::FORMS;

const HEAD: &str = "<!-- Printed by `cargo xtask docs`; edit the code that it is printed from. -->\n\n\
    # The kinds in Kubernetes\n\n\
    All of them are in the group `cofferdam.dev/v1alpha1`. `kubectl explain databasemigration.spec` says the same in a \
    terminal. Fields in **bold** must be given. No reference has a namespace: what an object names is in its own \
    namespace.\n";

/// `docs/reference-crd.md`.
///
/// # Errors
/// As [`crds`].
pub fn reference() -> Result<String, serde_json::Error> {
    let mut page = HEAD.to_owned();
    for crd in crds()? {
        page += &kind(&crd)?;
    }
    page += &conditions();
    page += &reasons();
    page += &forms();
    Ok(page)
}

fn kind(crd: &CustomResourceDefinition) -> Result<String, serde_json::Error> {
    let names = &crd.spec.names;
    let short =
        names.short_names.iter().flatten().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let mut text = format!("\n## {}\n\n", names.kind);
    for version in &crd.spec.versions {
        let schema =
            serde_json::to_value(version.schema.as_ref().and_then(|s| s.open_api_v3_schema.as_ref()))?;
        text += &format!("{} Short name: {short}.\n", describe(&schema));
        for (part, inner) in properties(&schema) {
            text += &format!("\n### {} {part}\n\n{}\n\n", names.kind, describe(inner));
            text += "| field | form | what it means |\n|---|---|---|\n";
            rows(&mut text, part, inner);
        }
        let mut said = Vec::new();
        messages(&mut said, &schema);
        text += &format!(
            "\n### {} rules\n\nWhat the apiserver refuses beyond the forms of single fields:\n\n",
            names.kind
        );
        said.iter().for_each(|message| text += &format!("- {message}\n"));
    }
    Ok(text)
}

/// A row for each field below, the path as one would write it: a list's items have `[]`.
fn rows(text: &mut String, path: &str, schema: &Value) {
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, inner) in properties(schema) {
        let below = format!("{path}.{name}");
        let shown = match required.contains(&name) {
            true => format!("**`{below}`**"),
            false => format!("`{below}`"),
        };
        *text += &format!("| {shown} | {} | {} |\n", form(inner), describe(inner).replace('|', "\\|"));
        match inner.get("items") {
            Some(items) => rows(text, &format!("{below}[]"), items),
            None => rows(text, &below, inner),
        }
    }
}

/// What stands there, in a word or two.
fn form(schema: &Value) -> String {
    let pattern = schema["pattern"].as_str();
    if let Some(form) = FORMS.iter().find(|form| pattern == Some(form.pattern)) {
        return form.what.split_once(' ').map_or(form.what, |(_, noun)| noun).to_owned();
    }
    if schema["x-kubernetes-int-or-string"] == Value::Bool(true) {
        return "quantity".to_owned();
    }
    if schema.get("enum").is_some() {
        return "word".to_owned();
    }
    match schema["type"].as_str().unwrap_or_default() {
        "string" if schema["format"] == "date-time" => "time".to_owned(),
        "string" => "text".to_owned(),
        "integer" => "whole number".to_owned(),
        "boolean" => "true or false".to_owned(),
        "array" => format!("list of {}", form(&schema["items"])),
        "object" if schema.get("additionalProperties").is_some() => {
            format!("map to {}", form(&schema["additionalProperties"]))
        }
        "object" => "object".to_owned(),
        other => other.to_owned(),
    }
}

fn messages(said: &mut Vec<String>, schema: &Value) {
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        let message = rule["message"].as_str().unwrap_or_default().to_owned();
        if !said.contains(&message) {
            said.push(message);
        }
    }
    for (_, inner) in properties(schema) {
        messages(said, inner);
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get(key) {
            messages(said, inner);
        }
    }
}

fn properties(schema: &Value) -> impl Iterator<Item = (&str, &Value)> {
    schema["properties"]
        .as_object()
        .into_iter()
        .flat_map(Map::iter)
        .map(|(name, inner)| (name.as_str(), inner))
}

fn describe(schema: &Value) -> &str {
    schema["description"].as_str().unwrap_or_default()
}

fn conditions() -> String {
    let mut text = "\n## Conditions\n\nThey follow kstatus: `kubectl wait --for=condition=Ready`, Flux and Argo CD \
        understand them. A condition whose `observedGeneration` is older than `metadata.generation` is about an older \
        spec.\n\n| type | it is true when |\n|---|---|\n"
        .to_owned();
    for (word, about) in ConditionType::CLOSED.words {
        text += &format!("| `{word}` | {} |\n", about.trim());
    }
    text
}

fn reasons() -> String {
    let mut text =
        "\n## Reasons\n\nEvery reason that there is: of the conditions Ready, Progressing and Stalled, of \
        events, and as a label of metrics. None is ever renamed.\n\n\
        | reason | true condition | what it means | what to do |\n|---|---|---|---|\n"
            .to_owned();
    for doc in REASONS {
        let standing = match doc.standing {
            Standing::Done => "Ready",
            Standing::Working => "Progressing",
            Standing::Waiting => "none",
            Standing::Person => "Stalled",
        };
        text += &format!("| `{}` | {standing} | {} | {} |\n", doc.word, doc.meaning, doc.next);
    }
    text
}

fn forms() -> String {
    let mut text =
        "\n## Forms\n\nHow texts are written that have a form:\n\n| form | how | examples |\n|---|---|---|\n"
            .to_owned();
    for form in FORMS {
        let noun = form.what.split_once(' ').map_or(form.what, |(_, noun)| noun);
        let examples: Vec<String> = form.examples.iter().map(|example| format!("`{example}`")).collect();
        text += &format!("| {noun} | {} | {} |\n", form.write, examples.join(", "));
    }
    text
}
