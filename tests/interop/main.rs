//! The tools whose histories Cofferdam keeps, themselves: each says of what Cofferdam left whether it agrees, and goes
//! on from there. What they are and how they are made is in `cargo xtask peers`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod alone;
mod back;
mod baselines;
mod forth;
mod late;
mod migrations;
#[path = "../mysql/site.rs"]
#[allow(dead_code, reason = "it is for the suite of the command line, too")]
mod my;
mod mysql;
mod pages;
mod repeatables;
mod site;
mod tools;
mod trouble;
