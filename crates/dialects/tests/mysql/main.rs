//! MySQL's and MariaDB's SQL: how scripts are cut, what statements are read as, and what holds for any text.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod properties;
mod read;
mod split;
