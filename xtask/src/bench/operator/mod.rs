//! `operator`: what thousands of DatabaseMigrations cost, and how fast something new is begun.
//!
//! On the real cluster of `cargo xtask cluster`, with the operator as a process of this machine, so that the kernel counts
//! its memory and its time. What is installed in the cluster stands still meanwhile.

mod api;
mod ground;
mod idle;
mod objects;
mod process;
mod queue;

use super::measures::Measure;

/// Every measure.
pub(super) static MEASURES: &[Measure] = &[
    Measure { name: "idle", about: "beside thousands that have ended", run: idle::run },
    Measure { name: "queue", about: "200 at once, on 20 databases", run: queue::run },
];

/// Files that measure nothing by themselves.
pub(super) static HELPERS: &[&str] = &["api", "ground", "objects", "process"];
