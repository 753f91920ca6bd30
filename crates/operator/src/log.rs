//! Log lines: one JSON object each, on stderr.

use std::io::Write;

use serde_json::json;

/// Writes one. `about` is the object that it is about; empty: none.
pub(crate) fn log(level: &str, about: &str, message: &str) {
    let line = json!({
        "time": jiff::Timestamp::now().to_string(),
        "level": level,
        "object": about,
        "message": message,
    });
    // Nobody reads it any more: nothing to be done.
    let _ = writeln!(std::io::stderr(), "{line}");
}
