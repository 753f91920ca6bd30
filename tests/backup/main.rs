//! Backups with a real server: what is saved comes back, what cannot be saved is refused before anything is changed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod before;
mod disk;
mod place;
mod round;
