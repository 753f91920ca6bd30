//! Who is told of runs, what the record says of them, and what must stand in neither: the real program, a real database,
//! and receivers that behave and that do not.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]
#![allow(unreachable_pub, dead_code, reason = "nothing of a test is seen from outside")]

#[path = "../support/mod.rs"]
mod support;

mod audit;
mod canary;
mod job;
#[path = "../job/pod.rs"]
mod pod;
mod receiver;
mod told;
