//! Files that a tool would pass over in silence for ever.

use std::collections::BTreeSet;

use cofferdam_core::Bundle;
use cofferdam_core::bundle::Version;
use cofferdam_core::history::Applied;

/// Tools that keep how far they got and run only what is above it.
const MARKS: [(&str, &str); 2] =
    [("golang-migrate", "says \"no change\""), ("drizzle", "says that all is applied")];

/// A sentence for each file that is older than what is applied and was never applied itself, where `tool` would pass
/// over it in silence.
///
/// `history` has a row for each migration: of Drizzle its own, of golang-migrate Cofferdam's, because its one row
/// cannot tell what was passed over.
pub fn late(tool: &str, bundle: &Bundle, history: &[Applied]) -> Vec<String> {
    let Some((_, says)) = MARKS.iter().find(|(id, _)| *id == tool) else { return Vec::new() };
    let Some(order) = bundle.migrations.iter().find_map(|migration| migration.version.as_ref()) else {
        return Vec::new();
    };
    let in_force = history.iter().filter(|applied| applied.in_force());
    let there: BTreeSet<Version> = in_force
        .filter_map(|applied| order.like(applied.version.as_deref()?))
        .filter(|v| !v.is_listed())
        .collect();
    let Some(newest) = there.last() else { return Vec::new() };
    let below = bundle.migrations.iter().filter(|migration| {
        migration.version.as_ref().is_some_and(|version| version < newest && !there.contains(version))
    });
    below
        .map(|migration| {
            format!(
                "{} was never applied and is older than {newest}, which is: {tool} {says} and never runs it",
                migration.up.path
            )
        })
        .collect()
}
