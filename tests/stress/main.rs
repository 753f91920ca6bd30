//! Writers of every kind at work on a table while it is changed, and an oracle that knows what must be in it.
//!
//! Each writer has keys of its own, so what must become of its rows follows from its own transactions: a
//! transaction that was acknowledged must be visible, one that failed must not, and one in doubt is decided by its
//! receipt, a row in another table. Rows that belong to nobody are written to by all and decided by sums.
//!
//! `cargo xtask stress --minutes N --seed S` runs it for long.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests fail by panicking"
)]
#![allow(unreachable_pub, reason = "nothing of a test is seen from outside")]

#[path = "../support/mod.rs"]
mod support;

mod book;
mod change;
mod corruption;
mod deeds;
mod dice;
mod journal;
mod oracle;
mod planted;
mod quiet;
mod row;
mod session;
mod stage;
mod stories;
mod story;
mod turn;
mod world;
mod writer;
