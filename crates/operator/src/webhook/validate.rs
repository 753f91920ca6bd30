//! Whether an object may be made, or its spec changed. Pure: it looks at nothing but the object and its former self.

use serde::de::DeserializeOwned;
use serde_json::Value;

use cofferdam_api::{DatabaseMigration, MigrationApproval};

use super::review::{Answer, Request};
use crate::migration::check::{self, Problem};

/// The answer.
pub fn validate(request: &Request) -> Answer {
    if !request.matters() {
        return Answer::default();
    }
    match request.kind.kind.as_str() {
        "DatabaseMigration" => {
            let read = |object: &Value| read::<DatabaseMigration>(object).map(|one| check::problems(&one));
            compared(read(&request.object), read(&request.old_object))
        }
        "MigrationApproval" => {
            let user = Some(request.user_info.username.as_str()).filter(|user| !user.is_empty());
            let read =
                |object: &Value| read::<MigrationApproval>(object).map(|one| check::of_approval(&one, user));
            compared(read(&request.object), read(&request.old_object))
        }
        // Nobody asks about others; if somebody does, they are none of ours.
        _ => Answer::default(),
    }
}

fn read<T: DeserializeOwned>(object: &Value) -> Result<T, String> {
    T::deserialize(object).map_err(|e| e.to_string())
}

/// What was wrong before and is let be does not keep anybody from changing something else: a stricter version must not
/// keep a run from being suspended.
fn compared(now: Result<Vec<Problem>, String>, before: Result<Vec<Problem>, String>) -> Answer {
    match (now, before) {
        (Ok(now), before) => {
            let before = before.unwrap_or_default();
            let (old, new) = now.into_iter().partition(|problem| before.contains(problem));
            let warned = |problem: &Problem| format!("{problem} (it was so before)");
            let old: Vec<Problem> = old;
            Answer { problems: new, warnings: old.iter().map(warned).collect(), patch: Vec::new() }
        }
        // It could not be read before either, for the same reason.
        (Err(why), Err(before)) if why == before => Answer::default(),
        (Err(why), _) => {
            let why = format!(
                "this version cannot read the object: {why}; bring the operator and its definitions to one version"
            );
            Answer { problems: vec![Problem::new("spec", why)], ..Answer::default() }
        }
    }
}
