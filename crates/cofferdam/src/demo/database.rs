//! The demonstration's own look at its database, and the writers' connections, on whichever server it is.

use std::time::Duration;

use cofferdam_core::online::Part;
use cofferdam_core::{Code, Fault, Refusal, Result};

use super::checker::Found;
use super::half_way::Killed;
use super::ledger::{Act, Outcome};
use super::{mysql, postgres};

/// How often the server is asked for what passes.
pub(super) const LOOK: Duration = Duration::from_millis(3);

/// A connection of the demonstration's own. A question that is given up in its middle may leave it unusable: whoever may be
/// called off opens one for himself.
#[derive(Debug)]
pub(super) enum Database {
    Postgres(tokio_postgres::Client),
    MySql(mysql::Link),
}

/// Asks the module of the server that it is.
macro_rules! ask {
    ($self:ident, $($what:ident)::+ ($($with:expr),*)) => {
        match $self {
            Self::Postgres(client) => postgres::$($what)::+(client, $($with),*).await,
            Self::MySql(link) => mysql::$($what)::+(link, $($with),*).await,
        }
    };
}

impl Database {
    /// Connects, to what the URL says that it is.
    pub(super) async fn open(url: &str) -> Result<Self> {
        let name = "cofferdam demo";
        Ok(match is_postgres(url) {
            true => Self::Postgres(postgres::connect(url, name).await?),
            false => Self::MySql(mysql::Link::new(mysql::connect(url, name).await?)),
        })
    }

    /// Runs statements without rows.
    pub(super) async fn execute(&self, sql: &str) -> Result<()> {
        ask!(self, execute(sql))
    }

    /// What is in the table, of which the beginning had so many rows. Nobody may write meanwhile.
    pub(super) async fn found(&self, rows: u32) -> Result<Found> {
        ask!(self, found(rows))
    }

    /// Every column, constraint and index of the application's tables. Equal texts: equal schemas.
    pub(super) async fn schema(&self) -> Result<Vec<String>> {
        ask!(self, schema())
    }

    /// The tables as after some use; else the server would do that in the middle of what is to be shown.
    pub(super) async fn settle(&self) -> Result<()> {
        self.execute(match self {
            Self::Postgres(_) => "VACUUM (ANALYZE) customers, orders",
            Self::MySql(_) => "ANALYZE TABLE customers, orders",
        })
        .await
    }

    /// Holds up whoever builds an index, where something can: until what is given is dropped, he is met at it.
    pub(super) async fn held_up(&self, url: &str) -> Result<Option<tokio_postgres::Client>> {
        match self {
            Self::Postgres(_) => postgres::half_way::held_up(url).await.map(Some),
            Self::MySql(_) => Ok(None),
        }
    }

    /// Where the building of the index is, if it is in its middle, and the number of the session that asked for it.
    pub(super) async fn building(&self) -> Result<Option<(Killed, i64)>> {
        ask!(self, half_way::building())
    }

    /// Whether the session of this number is there.
    pub(super) async fn at_work(&self, session: i64) -> Result<bool> {
        ask!(self, half_way::at_work(session))
    }

    /// What there is of the index: `valid`, `invalid` or `absent`.
    pub(super) async fn index(&self) -> Result<&'static str> {
        ask!(self, half_way::index())
    }

    /// The change of the second act, as it stands behind `ALTER TABLE orders`.
    pub(super) fn wider_key(&self) -> &'static str {
        match self {
            Self::Postgres(_) => postgres::scripts::WIDER_KEY,
            Self::MySql(_) => mysql::scripts::WIDER_KEY,
        }
    }

    /// What the catalog says that the key of the orders is.
    pub(super) async fn key_type(&self) -> Result<String> {
        ask!(self, online::key_type())
    }

    /// The last part of the online change that ended, in its word, and how many hundredths of the table, of which the
    /// beginning had so many rows, are done by this part. `None`: there is nothing to be done yet.
    pub(super) async fn done(&self, part: Part, rows: u32) -> Result<Option<(Option<String>, i64)>> {
        ask!(self, online::done(part, rows))
    }

    /// Everything in the database that an online change makes for itself and that must go with it, a line each.
    pub(super) async fn left_behind(&self) -> Result<Vec<String>> {
        ask!(self, online::left_behind())
    }
}

fn is_postgres(url: &str) -> bool {
    url.starts_with("postgres")
}

/// The demonstration's own server cannot be reached.
pub(super) fn unreachable(cause: String) -> Fault {
    Refusal::new(Code::ConnectFailed, "the demonstration's own server cannot be reached").cause(cause).into()
}

/// A statement of the demonstration itself failed.
pub(super) fn failed(cause: String, sql: &str) -> Fault {
    Refusal::new(Code::StatementFailed, "a statement of the demonstration itself failed")
        .cause(cause)
        .note(format!("statement: {}", sql.split_whitespace().collect::<Vec<_>>().join(" ")))
        .into()
}

/// A writer's connection, with the application's four statements prepared once, as an application does.
pub(super) enum Session {
    Postgres(Box<postgres::session::Session>),
    MySql(Box<mysql::session::Session>),
}

impl Session {
    /// Connects under this name, to what the URL says that it is.
    pub(super) async fn open(url: &str, name: &str) -> Result<Self> {
        if is_postgres(url) {
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
