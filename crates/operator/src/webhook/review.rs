//! What the apiserver asks and is answered: `AdmissionReview` of `admission.k8s.io/v1`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::migration::check::Problem;

/// The question.
#[derive(Debug, Deserialize)]
pub struct Review {
    /// What is asked.
    pub request: Request,
}

/// What is asked.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Request {
    /// Which question it is; the answer carries it.
    pub uid: String,
    /// What kind of object it is about.
    pub kind: Kind,
    /// The object's name; empty where the apiserver is to make one.
    pub name: String,
    /// `CREATE` or `UPDATE`; others are not asked about.
    pub operation: String,
    /// The object as it is to be. As text of JSON and not as one of ours: what cannot be read must be answered, too.
    pub object: Value,
    /// The object as it is, with `UPDATE`.
    pub old_object: Value,
    /// Who wants it.
    pub user_info: User,
}

/// The kind of an object.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Kind {
    /// Its group.
    pub group: String,
    /// Its name.
    pub kind: String,
}

/// Who wants something.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct User {
    /// As the apiserver knows them.
    pub username: String,
}

/// The answer.
#[derive(Debug, Default, PartialEq)]
pub struct Answer {
    /// What is wrong; nothing: it may be.
    pub problems: Vec<Problem>,
    /// What is said to whoever asked, beside that.
    pub warnings: Vec<String>,
    /// What is changed: the operations of a JSON patch.
    pub patch: Vec<Value>,
}

impl Request {
    /// Whether this may have any effect on what is carried out. Finalizers, labels and annotations never have, and a
    /// version that is stricter than the one before must not keep them from being changed.
    pub fn matters(&self) -> bool {
        match self.operation.as_str() {
            "CREATE" => true,
            "UPDATE" => {
                let deleted = |object: &Value| !object["metadata"]["deletionTimestamp"].is_null();
                !deleted(&self.object)
                    && !deleted(&self.old_object)
                    && self.object["spec"] != self.old_object["spec"]
            }
            _ => false,
        }
    }

    /// As the apiserver reads it.
    pub fn answered(&self, answer: &Answer) -> Value {
        let mut response = json!({ "uid": self.uid, "allowed": answer.problems.is_empty() });
        if !answer.problems.is_empty() {
            let all: Vec<String> = answer.problems.iter().map(Problem::to_string).collect();
            let causes: Vec<Value> = answer
                .problems
                .iter()
                .map(|one| json!({ "reason": "FieldValueInvalid", "field": one.field, "message": one.why }))
                .collect();
            response["status"] = json!({
                "status": "Failure", "code": 422, "reason": "Invalid", "message": all.join("; "),
                // With these kubectl says it as it says what the schema refuses.
                "details": {
                    "group": self.kind.group, "kind": self.kind.kind, "name": self.name, "causes": causes,
                },
            });
        }
        if !answer.warnings.is_empty() {
            // The apiserver leaves out what is longer.
            response["warnings"] = answer.warnings.iter().map(|w| crate::outcome::cut(w, 250)).collect();
        }
        if !answer.patch.is_empty() {
            response["patchType"] = json!("JSONPatch");
            response["patch"] = json!(STANDARD.encode(json!(answer.patch).to_string()));
        }
        json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response })
    }
}
