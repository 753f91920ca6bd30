//! A throw-away PostgreSQL server for the demo, for rehearsals and for tests; and, for the demo and for tests, MySQL and
//! MariaDB ([`mysql`]).
//!
//! [`find`] looks for the binaries of an installed PostgreSQL, [`fetch`] gets a portable build where there is
//! none, and [`Server::start`] runs a server with a data directory of its own. It listens on a socket of its
//! own and, if asked, on 127.0.0.1; it ends, and its files go, with the value or with the process that owns it,
//! even when that process is killed.
//!
//! Everything here blocks the calling thread: from within a runtime call it on a thread for blocking work.
//!
//! This crate depends on no other crate of Cofferdam, so that the tests of each of them can use it.

mod binaries;
mod cache;
mod config;
mod error;
mod fetch;
mod identity;
mod keeper;
pub mod mysql;
mod server;
mod skip;
mod template;
mod wire;

pub use binaries::{Binaries, find, find_all};
pub use cache::cache_dir;
pub use error::ScratchError;
pub use fetch::{EVERY, PORTABLE, fetch, find_or_fetch};
pub use server::{Options, Server, free_port};
pub use skip::skipped;
pub use wire::{Row, WireError};

/// A result of this crate.
pub type Result<T, E = ScratchError> = std::result::Result<T, E>;
