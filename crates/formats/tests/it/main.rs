//! The formats against what the tools themselves wrote, and the comparison of a directory with a history.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

mod detection;
mod fixtures;
mod flyway;
mod histories;
mod plain;
mod round_trips;
mod sequence;
mod standing;
mod tables;
mod tools;
mod versions;
