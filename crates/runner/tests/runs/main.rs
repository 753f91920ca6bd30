//! The runner over the fake engine: every shape of plan, every place where something can go wrong.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod disturbed;
mod refused;
mod shapes;
mod undisturbed;
mod world;
