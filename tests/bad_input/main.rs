//! Bad input: each is refused with its code, its place, its cause and the next command, with the documented exit
//! code, as one document for programs; and nothing is changed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "this is how a test fails")]

#[path = "../support/mod.rs"]
mod support;

mod command_line;
mod connection;
mod files;
mod history;
mod names;
mod output;
mod refusal;
mod rights;
mod secrets;
