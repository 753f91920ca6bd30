//! Drills: migrations that go wrong on purpose while an application writes. Each is taken back by itself, and no write
//! that was acknowledged is lost.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]
#![allow(unreachable_pub, dead_code, reason = "nothing of a test is seen from outside")]

#[path = "../online/place.rs"]
mod place;
#[path = "../stress/session.rs"]
mod session;
#[path = "../support/mod.rs"]
mod support;

mod after_the_swap;
mod blocks;
mod corrupts;
mod crashes;
mod overruns;
mod sources;
mod writer;
