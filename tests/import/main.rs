//! Taking over from other tools, and handing back: their tables as they made them, with the rows that they recorded,
//! and what Cofferdam writes into them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "this is how a test fails")]

#[path = "../support/mod.rs"]
mod support;

#[cfg(feature = "failpoints")]
mod crash;
mod differ;
mod kept;
mod locks;
mod many;
mod tool;
mod tools;
mod unfinished;
