//! Throw-away servers of MySQL and MariaDB.
//!
//! [`find`] looks for an installed server or for one of those that lie in [`unpacked`]; [`Server::start`] runs it
//! with a data directory of its own, on a socket of its own and on a free port of 127.0.0.1. It ends, and its files
//! go, as those of PostgreSQL do.

mod programs;
mod server;
mod template;
mod wire;

pub use programs::{Kind, Programs, client, find, unpacked};
pub use server::{Connection, Options, Server};
