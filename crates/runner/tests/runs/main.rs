//! The runner over the fake engine: every shape of plan, every place where something can go wrong.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod disturbed;
mod guarded;
mod interleaved;
mod looking;
mod online;
mod properties;
mod records;
mod refused;
mod retries;
mod rolling_back;
mod shapes;
mod stops;
mod stuck;
mod telling;
mod trust;
mod undisturbed;
mod watched;
mod world;
