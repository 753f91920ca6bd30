//! What leads from one schema to another, on a real server: the statements are carried out, then nothing is different
//! any more, and pg_dump writes the same of both.

#![cfg(feature = "postgres")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "this is how a test fails")]

mod bench;
mod cases;
mod copies;
mod large;
mod random;
mod words;
