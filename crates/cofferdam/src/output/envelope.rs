//! The envelope of every document.

use serde::Serialize;

/// The version of all documents. A field may be added under it; one that is removed or renamed needs a new one.
const API_VERSION: &str = "cofferdam.dev/v1";

/// A document: its version, its kind, and its fields.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Envelope<'a, T> {
    api_version: &'static str,
    kind: &'a str,
    #[serde(flatten)]
    body: &'a T,
}

impl<'a, T: Serialize> Envelope<'a, T> {
    /// The document of a body, which must be a struct or a map.
    pub(crate) fn new(kind: &'a str, body: &'a T) -> Self {
        Self { api_version: API_VERSION, kind, body }
    }

    /// As JSON, indented.
    pub(crate) fn json(&self) -> String {
        // The bodies are our own plain structs; one that cannot be serialised would be a mistake that the tests
        // over every kind show. The user still gets a document.
        serde_json::to_string_pretty(self).unwrap_or_else(|error| {
            format!(
                "{{\"apiVersion\": \"{API_VERSION}\", \"kind\": \"Error\", \"what\": {:?}}}",
                error.to_string()
            )
        })
    }

    /// As YAML.
    pub(crate) fn yaml(&self) -> String {
        serde_saphyr::to_string(self).unwrap_or_else(|error| {
            format!("apiVersion: {API_VERSION}\nkind: Error\nwhat: {:?}\n", error.to_string())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Body {
        exit_code: u8,
        help: Option<String>,
        lines: Vec<String>,
    }

    #[test]
    fn both_writings_say_the_same() {
        let body = Body { exit_code: 1, help: None, lines: vec!["yes".into(), "a: b".into()] };
        let envelope = Envelope::new("Error", &body);
        let expected = serde_json::json!({
            "apiVersion": "cofferdam.dev/v1", "kind": "Error", "exitCode": 1, "help": null, "lines": ["yes", "a: b"],
        });
        assert_eq!(serde_json::from_str::<serde_json::Value>(&envelope.json()).unwrap(), expected);
        assert_eq!(serde_saphyr::from_str::<serde_json::Value>(&envelope.yaml()).unwrap(), expected);
    }
}
