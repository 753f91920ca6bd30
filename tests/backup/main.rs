//! Backups with a real server: what is saved comes back, what cannot be saved is refused before anything is changed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

#[path = "../support/disk.rs"]
mod small;
#[path = "../support/store.rs"]
#[allow(dead_code, unreachable_pub, reason = "every test binary uses a part of it")]
mod store;
#[path = "../support/mod.rs"]
mod support;

mod before;
mod disk;
mod place;
mod round;
mod stores;
