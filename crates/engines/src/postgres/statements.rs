//! Statements that a session sends again and again: the server is to parse and plan them once.
//!
//! A statement is prepared when it was sent once, together with something else, so that a session that sends it once
//! has no more to do than without. Outside of a transaction, which a statement that cannot be prepared would end;
//! such a one is sent as before.

use std::collections::HashMap;

use futures::future::join_all;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row, SimpleQueryMessage, Statement};
use uuid::Uuid;

/// A value with its type.
pub(super) type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

/// In bytes. A longer one is made of many rows and is not sent again.
const LONG: usize = 4096;

/// Which transaction this is, which epoch is the newest that wrote, that of the run (its row is locked), and the rank
/// that the history's next row gets. Every claim that wrote anything wrote to the journal, and the runs that did not
/// end keep their epoch should the journal have been thrown away.
const FENCE: &str = "SELECT pg_catalog.txid_current(),
    greatest((SELECT epoch FROM cofferdam.journal ORDER BY seq DESC LIMIT 1),
             (SELECT max(epoch) FROM cofferdam.run WHERE ended_at IS NULL), 0),
    (SELECT epoch FROM cofferdam.run WHERE id = $1 FOR UPDATE),
    (SELECT coalesce(max(rank), 0) + 1 FROM cofferdam.history)";

/// What was sent so far.
#[derive(Default)]
pub(super) struct Statements {
    known: HashMap<String, Known>,
    fence: Fence,
    /// How many names the fence has had.
    fences: u32,
}

enum Known {
    /// It was sent, with parameters of these types.
    Sent(Vec<Type>),
    Prepared(Statement),
}

#[derive(Default)]
enum Fence {
    #[default]
    New,
    Sent,
    /// Under this name.
    Prepared(String),
}

impl Statements {
    /// Opens a transaction and asks the fence, in one message: no part of it can come to lie outside.
    pub(super) async fn fenced(
        &mut self,
        client: &Client,
        begin: &str,
        run: Uuid,
    ) -> Result<Vec<SimpleQueryMessage>, Error> {
        if let Fence::Prepared(name) = &self.fence {
            let ask = format!("{begin}; EXECUTE {name}('{run}')");
            let (prepared, answer) = futures::join!(self.prepare(client), client.simple_query(&ask));
            self.keep(prepared);
            match answer {
                // A script may have had it dropped.
                Err(e) if e.code() == Some(&SqlState::INVALID_SQL_STATEMENT_NAME) => self.forget(),
                answer => return answer,
            }
            client.batch_execute("ROLLBACK").await?;
        }
        let ask = format!("{begin}; {}", FENCE.replace("$1", &format!("'{run}'")));
        if matches!(self.fence, Fence::New) {
            self.fence = Fence::Sent;
            return client.simple_query(&ask).await;
        }
        self.fences += 1;
        let name = format!("cofferdam_fence_{}", self.fences);
        let keep = format!("PREPARE {name} (pg_catalog.uuid) AS {FENCE}");
        let (kept, prepared, answer) =
            futures::join!(client.batch_execute(&keep), self.prepare(client), client.simple_query(&ask));
        self.keep(prepared);
        if kept.is_ok() {
            self.fence = Fence::Prepared(name);
        }
        answer
    }

    /// Prepares what was sent once. Sends everything when it is polled for the first time.
    async fn prepare(&self, client: &Client) -> Vec<(String, Statement)> {
        let sent = self.known.iter().filter_map(|(sql, known)| match known {
            Known::Sent(types) => Some((sql, types)),
            Known::Prepared(_) => None,
        });
        let prepared = join_all(
            sent.map(async |(sql, types)| Some((sql.clone(), client.prepare_typed(sql, types).await.ok()?))),
        );
        prepared.await.into_iter().flatten().collect()
    }

    fn keep(&mut self, prepared: Vec<(String, Statement)>) {
        self.known.extend(prepared.into_iter().map(|(sql, statement)| (sql, Known::Prepared(statement))));
    }

    /// Runs a statement and returns its rows. What can fail on our side fails when it is polled for the first
    /// time; else it is sent then.
    pub(super) async fn query(
        &self,
        client: &Client,
        sql: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, Error> {
        match self.known.get(sql) {
            Some(Known::Prepared(statement)) => {
                let values: Vec<&(dyn ToSql + Sync)> = parameters.iter().map(|(value, _)| *value).collect();
                client.query(statement, &values).await
            }
            _ => client.query_typed(sql, parameters).await,
        }
    }

    /// Remembers that a statement was sent.
    pub(super) fn sent(&mut self, sql: &str, parameters: &[Parameter<'_>]) {
        if sql.len() < LONG && !self.known.contains_key(sql) {
            let types = parameters.iter().map(|(_, ty)| ty.clone()).collect();
            self.known.insert(sql.to_owned(), Known::Sent(types));
        }
    }

    /// To be called when the server may have forgotten what was prepared (`DISCARD ALL`, `DEALLOCATE ALL`).
    pub(super) fn forget(&mut self) {
        self.known.clear();
        self.fence = Fence::New;
    }
}
