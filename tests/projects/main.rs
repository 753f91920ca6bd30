//! Projects of the framework in real databases: installed, upgraded, taken back; cut off, disturbed, refused.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod cut_off;
mod down;
mod example;
mod refused;
mod several;
mod site;
