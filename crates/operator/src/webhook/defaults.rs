//! What is written into an object when it is made: only what the schema cannot know, and never over what somebody wrote.
//! A field that a tool finds changed is changed back by it, for ever.

use serde_json::{Value, json};

use super::review::{Answer, Request};

/// Longest name that the schema takes.
const NAME: usize = 512;

/// The answer.
pub fn defaults(request: &Request) -> Answer {
    Answer { patch: patch(request).into_iter().collect(), ..Answer::default() }
}

/// Who approves. That of a former self stays where a manifest without it takes its place.
fn patch(request: &Request) -> Option<Value> {
    if request.kind.kind != "MigrationApproval" || !request.object["spec"].is_object() {
        return None;
    }
    if !request.object["spec"]["approvedBy"].is_null() {
        return None;
    }
    let by = match request.operation.as_str() {
        "CREATE" => request.user_info.username.as_str(),
        "UPDATE" if request.matters() => request.old_object["spec"]["approvedBy"].as_str()?,
        _ => return None,
    };
    let fits = !by.is_empty() && by.chars().count() <= NAME;
    fits.then(|| json!({ "op": "add", "path": "/spec/approvedBy", "value": by }))
}
