//! `import`: taking over what another tool built, and going on beside it.
//!
//! For each tool whose history is kept: a directory as the tool wants it, and its table as it leaves it once all of that
//! is applied. Small without flags; `--files 5000` is what the figures are meant for.

mod adopt;
mod ground;
mod idle;
mod told;
mod tools;

use super::measures::Measure;

/// Every measure.
pub(super) static MEASURES: &[Measure] = &[
    Measure { name: "adopt", about: "a database of another tool, taken over", run: adopt::run },
    Measure { name: "told", about: "the emptied table of a tool, written from our history", run: told::run },
    Measure {
        name: "idle",
        about: "nothing pending, beside a tool's history and without one",
        run: idle::run,
    },
];

/// Files that measure nothing by themselves.
pub(super) static HELPERS: &[&str] = &["ground", "tools"];

/// How many migrations there are.
const FILES: usize = 1_000;

/// In milliseconds, for 5,000 of them.
const GOAL: f64 = 2_000.0;
