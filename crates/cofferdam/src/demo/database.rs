//! The demonstration's own look at its database, and the writers' connections, on whichever server it is.

use cofferdam_core::Result;

use super::checker::Found;
use super::ledger::{Act, Outcome};
use super::{mysql, postgres};

/// How the demonstration reaches its database.
#[derive(Debug)]
pub(super) enum Database {
    /// One connection.
    Postgres(tokio_postgres::Client),
    /// A connection for each look.
    MySql(mysql::Shop),
}

impl Database {
    /// What is in the table, of which the beginning had so many rows. Nobody may write meanwhile.
    pub(super) async fn found(&self, rows: u32) -> Result<Found> {
        match self {
            Self::Postgres(client) => postgres::found(client, rows).await,
            Self::MySql(shop) => shop.found(rows).await,
        }
    }

    /// Every column, constraint and index of the application's tables. Equal texts: equal schemas.
    pub(super) async fn schema(&self) -> Result<Vec<String>> {
        match self {
            Self::Postgres(client) => postgres::schema(client).await,
            Self::MySql(shop) => shop.schema().await,
        }
    }

    /// The tables as after some use; else the server would do that in the middle of what is to be shown.
    pub(super) async fn settle(&self) -> Result<()> {
        match self {
            Self::Postgres(client) => postgres::execute(client, "VACUUM (ANALYZE) customers, orders").await,
            Self::MySql(shop) => shop.settle().await,
        }
    }
}

/// A writer's connection, with the application's four statements prepared once, as an application does.
pub(super) enum Session {
    Postgres(Box<postgres::session::Session>),
    MySql(Box<mysql::session::Session>),
}

impl Session {
    /// Connects under this name, to what the URL says that it is.
    pub(super) async fn open(url: &str, name: &str) -> Result<Self> {
        if url.starts_with("postgres") {
            postgres::session::Session::open(url, name).await.map(|session| Self::Postgres(Box::new(session)))
        } else {
            mysql::session::Session::open(url, name).await.map(|session| Self::MySql(Box::new(session)))
        }
    }

    /// Sends one write and waits for what the server says to it.
    pub(super) async fn send(&mut self, op: i64, id: i64, act: &Act) -> Outcome {
        match self {
            Self::Postgres(session) => session.send(op, id, act).await,
            Self::MySql(session) => session.send(op, id, act).await,
        }
    }
}
