//! `guard`: what it costs to be careful, and how fast a change is gone again.
//!
//! Each measure has a server and data of its own. What a number should be stands in the `goal:` lines. Without flags they
//! are small: `--rows`, `--seconds` and `--runs` make them as large as the figures are meant.

mod backup;
mod beside;
mod rollback;
mod watch;

use super::measures::Measure;

/// Every measure.
pub(super) static MEASURES: &[Measure] = &[
    Measure { name: "backup", about: "a verified backup beside writers", run: backup::run },
    Measure { name: "rollback", about: "back while others write, by hand and by itself", run: rollback::run },
    Measure { name: "watch", about: "what the watch takes from writers", run: watch::run },
];

/// Files that measure nothing by themselves.
pub(super) static HELPERS: &[&str] = &["beside"];

/// Seconds of load before it is looked at.
const WARM_UP: f64 = 4.0;
