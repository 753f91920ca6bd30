//! The proof: a table that was swapped in cannot be told from one that was altered.

#![allow(clippy::disallowed_methods, reason = "helpers of tests are tests")]

mod big;
mod cases;
mod fingerprints;
mod keys;
mod refusals;
mod roles;
mod support;
mod values;
mod way;
