//! MySQL 8.0 and later and MariaDB 10.6 and later, on mysql_async with rustls.
//!
//! DDL of these servers commits by itself, so a batch holds statements that change rows and nothing else (ADR 24).

use async_trait::async_trait;

use cofferdam_core::fault::Result;

use crate::{Abilities, Engine, Session, Target};

mod answers;
mod claim;
mod commit;
mod connect;
mod copy;
mod errors;
mod facts;
mod history;
mod ledger;
mod link;
mod names;
#[cfg_attr(test, allow(clippy::disallowed_methods, reason = "a test that cannot go on has failed"))]
pub mod online;
pub mod options;
mod outbox;
mod perform;
mod probe;
mod reading;
mod recall;
mod record;
mod replicas;
mod rights;
mod room;
mod session;
mod tables;
mod tls;
mod touch;
mod vitals;
mod watch;

/// The engine.
#[derive(Debug, Clone, Copy)]
pub struct MySql;

#[async_trait]
impl Engine for MySql {
    fn id(&self) -> &'static str {
        "mysql"
    }

    fn schemes(&self) -> &'static [&'static str] {
        &["mysql", "mariadb"]
    }

    fn dialect(&self, scheme: &str) -> &'static str {
        if scheme == "mariadb" { "mariadb" } else { self.id() }
    }

    fn abilities(&self) -> Abilities {
        Abilities { alters: true, copies: true, dumps: true, ..Abilities::NONE }
    }

    async fn open(&self, target: &Target) -> Result<Box<dyn Session>> {
        Ok(Box::new(session::MySqlSession::open(target).await?))
    }
}

/// Which of the two servers it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flavour {
    MySql,
    MariaDb,
}

impl Flavour {
    /// The id of the dialect that is spoken there.
    pub(super) fn id(self) -> &'static str {
        match self {
            Flavour::MySql => "mysql",
            Flavour::MariaDb => "mariadb",
        }
    }

    /// As people write it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Flavour::MySql => "MySQL",
            Flavour::MariaDb => "MariaDB",
        }
    }

    /// The oldest version that is supported, as the server counts.
    fn oldest(self) -> u32 {
        match self {
            Flavour::MySql => 80_000,
            Flavour::MariaDb => 100_600,
        }
    }
}
