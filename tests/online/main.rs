//! What online changes went wrong with in other tools: each is a test here, named after its number in the list of
//! traps. The real program works on a real server while an application writes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]
#![allow(unreachable_pub, dead_code, reason = "nothing of a test is seen from outside")]

#[path = "../stress/session.rs"]
mod session;
#[path = "../support/disk.rs"]
mod small;
#[path = "../support/mod.rs"]
mod support;

mod back;
mod carried;
mod crash;
mod disk;
mod foreign;
mod keys;
mod locks;
mod logical;
mod long;
mod moments;
mod order;
mod pace;
mod place;
mod sequences;
mod snapshots;
mod writes;
