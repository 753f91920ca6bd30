//! `spec.migration.scripts`: where they come from, and in which order they run.

use cofferdam_api::source::{self, Script};

use super::{Problem, syntax};

/// The schema says that a script waits for others of the list and not for itself; that they do not wait for each other
/// it cannot say.
pub(super) fn problems(scripts: &[Script], found: &mut Vec<Problem>) {
    for script in scripts {
        let field = format!("spec.migration.scripts[{}].source", script.name);
        let wrong = match script.source.parse() {
            Ok(place) => syntax::name(place.name).and_then(|()| syntax::key(place.key)).err(),
            Err(malformed) => Some(malformed.to_string()),
        };
        found.extend(wrong.map(|why| Problem::new(field, why)));
    }
    if let Err(left) = source::in_order(scripts) {
        found.push(Problem::new("spec.migration.scripts", source::knotted(&left)));
    }
    if let Err(why) = source::validations(scripts) {
        found.push(Problem::new("spec.migration.scripts", why));
    }
}
