//! The SQL of MySQL and MariaDB.

mod client;
mod lex;
pub mod locks;
pub mod online;
mod read;
mod refusal;
mod split;

pub use read::{assignments, clauses, read_mariadb, read_mysql};
pub use split::split;

use crate::Dialect;

/// MySQL, versions 8.0 to 9.
pub static MYSQL: Dialect = Dialect { id: "mysql", split, read: read_mysql };

/// MariaDB, versions 10.6 to 11.
pub static MARIADB: Dialect = Dialect { id: "mariadb", split, read: read_mariadb };

/// Which of the two servers is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names are those of the servers")]
pub enum Flavour {
    MySql,
    MariaDb,
}

impl Flavour {
    /// By the id of an engine; `None` for another one.
    pub fn of(engine: &str) -> Option<Self> {
        match engine {
            "mysql" => Some(Flavour::MySql),
            "mariadb" => Some(Flavour::MariaDb),
            _ => None,
        }
    }

    /// As people write it.
    pub fn name(self) -> &'static str {
        match self {
            Flavour::MySql => "MySQL",
            Flavour::MariaDb => "MariaDB",
        }
    }

    /// The version that is taken where no server says its own: the oldest that its makers still maintain. As the server
    /// counts: 80400 is 8.4.0.
    pub fn assumed_version(self) -> u32 {
        match self {
            Flavour::MySql => 80_400,
            Flavour::MariaDb => 101_100,
        }
    }
}
