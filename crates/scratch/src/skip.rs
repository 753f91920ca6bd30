//! Tests that need something this machine lacks say so here, and never pass silently.

use std::io::Write;

/// Notes that `test` did not run because of `reason`.
///
/// With `COFFERDAM_SKIPS=FILE` the line `SKIPPED <test>: <reason>` is appended to that file, which
/// `cargo xtask test` prints at the end; else it goes to stderr.
///
/// # Panics
/// With `COFFERDAM_REQUIRE_ALL` set: a test that would be skipped fails.
#[allow(clippy::panic, reason = "only tests call this, and a panic is how a test fails")]
pub fn skipped(test: &str, reason: &str) {
    let line = format!("SKIPPED {test}: {reason}\n");
    let noted = match std::env::var_os("COFFERDAM_SKIPS") {
        Some(path) => std::fs::File::options()
            .create(true)
            .append(true)
            .open(path)
            .and_then(|mut file| file.write_all(line.as_bytes())),
        None => std::io::stderr().write_all(line.as_bytes()),
    };
    if std::env::var_os("COFFERDAM_REQUIRE_ALL").is_some() || noted.is_err() {
        panic!("{}", line.trim_end());
    }
}
