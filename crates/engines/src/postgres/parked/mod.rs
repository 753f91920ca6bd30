//! Tables and columns that are put aside in place of being dropped.
//!
//! What one statement would drop goes into a schema of its own, `cofferdam_parked_DAY_TABLE`, in which every index,
//! constraint and sequence keeps its name, and which nobody but its owner may use. What cannot go along (foreign keys to
//! tables that stay, publications, the place in a partitioned table) is written down in `cofferdam.parked`, in the same
//! transaction, and made again when it comes back.

mod columns;
mod discard;
mod look;
mod record;
mod tables;
mod undrop;

use std::time::Instant;

use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row};

use cofferdam_core::fault::Result;
use cofferdam_core::park::{Deed, Object, Parked, Parking};
use cofferdam_core::plan::{Act, Step};
use cofferdam_core::{Fault, Limits, QuotedLiteral};

use super::cells::AnswerCells;
use super::session::PostgresSession;
use super::watch::Sighting;
use super::{errors, perform};
use crate::{Run, Tick};

pub(super) use record::TABLE;

/// See [`crate::Session::parked`].
pub(super) async fn parked(client: &Client) -> Result<Vec<Parked>> {
    record::list(client).await
}

/// What is to be done, and in which run.
pub(super) struct Asked<'a> {
    pub(super) parking: &'a Parking,
    pub(super) deed: Deed,
    pub(super) step: &'a Step,
    pub(super) limits: Limits,
    /// When the locks that the transaction may hold were first taken.
    pub(super) since: Instant,
    /// `None`: it is done outside of any transaction.
    pub(super) run: Option<&'a Run>,
}

/// Does it, and returns what a person should know: a sentence each.
pub(super) async fn perform(session: &PostgresSession, asked: &Asked<'_>) -> Result<Vec<String>> {
    let work = Work { session, asked };
    let columns = matches!(asked.parking.object, Object::Columns { .. });
    let said = match asked.deed {
        Deed::Park if columns => columns::put_aside(&work).await,
        Deed::Park => tables::put_aside(&work).await,
        Deed::Undrop => work.with_whole_names(undrop::undrop(&work)).await,
        Deed::Validate => undrop::validate(&work).await,
        Deed::Discard => discard::discard(&work).await,
    }?;
    for sentence in &said {
        (session.ticker)(Tick::Notice(sentence.clone()));
    }
    Ok(said)
}

/// A deed at work.
struct Work<'a> {
    session: &'a PostgresSession,
    asked: &'a Asked<'a>,
}

impl Work<'_> {
    fn client(&self) -> &Client {
        &self.session.client
    }

    /// Asks the catalog.
    async fn ask(&self, sql: &str, parameters: &[(&(dyn ToSql + Sync), Type)]) -> Result<Vec<Row>> {
        self.client().query_typed(sql, parameters).await.map_err(|e| errors::fault(e, "asking the catalog"))
    }

    /// Statements under the look-out, with what it saw when one fails.
    async fn attempt(&self, sql: &str) -> Result<(), (Error, Sighting)> {
        if sql.is_empty() {
            return Ok(());
        }
        let act = Act::sql(sql);
        let since = self.asked.since;
        let lookout = match perform::lookout(self.session, &act, self.asked.limits, since) {
            Ok(lookout) => lookout,
            // Without the run lock nothing comes here; the statement is then not watched, and its timeout bounds it.
            Err(_) => return self.client().batch_execute(sql).await.map_err(|e| (e, Sighting::default())),
        };
        let (result, sighting) = lookout.over(self.client().batch_execute(sql)).await;
        result.map_err(|e| (e, sighting))
    }

    /// Statements that must not fail.
    async fn run(&self, statements: &[String]) -> Result<()> {
        let sql = statements.join(";\n");
        self.attempt(&sql).await.map_err(|(e, sighting)| self.failed(e, &sql, &sighting))
    }

    fn failed(&self, e: Error, sql: &str, sighting: &Sighting) -> Fault {
        perform::failed(e, &Act::sql(sql), self.asked.step, self.asked.limits, sighting)
    }

    /// Statements that may fail without harm to the rest. `Ok(Some)`: how the server refused them.
    async fn may_fail(&self, sql: &str) -> Result<Option<Error>> {
        self.run(&["SAVEPOINT cofferdam_try".into()]).await?;
        match self.attempt(sql).await {
            Ok(()) => {
                self.run(&["RELEASE SAVEPOINT cofferdam_try".into()]).await?;
                Ok(None)
            }
            // A lock that was not obtained, or a stop, is no answer to the question.
            Err((e, sighting)) if comes_again(&e) => Err(self.failed(e, sql, &sighting)),
            Err((e, _)) => {
                self.run(&[
                    "ROLLBACK TO SAVEPOINT cofferdam_try".into(),
                    "RELEASE SAVEPOINT cofferdam_try".into(),
                ])
                .await?;
                Ok(Some(e))
            }
        }
    }

    /// From here on names without a schema mean nothing, and the server writes every name with its schema. What is
    /// done until [`Work::as_before`] is rolled back.
    async fn look(&self) -> Result<()> {
        self.run(&["SAVEPOINT cofferdam_look".into(), "SET LOCAL search_path = ''".into()]).await
    }

    /// Definitions were printed with an empty search path, and mean the same only with one. What comes after it in the
    /// transaction gets its own back.
    async fn with_whole_names(&self, work: impl Future<Output = Result<Vec<String>>>) -> Result<Vec<String>> {
        let rows = self.ask("SELECT pg_catalog.current_setting('search_path')", &[]).await?;
        let before: String = rows.first_cell()?.unwrap_or_default();
        self.run(&["SET LOCAL search_path = ''".into()]).await?;
        let done = work.await?;
        let path = QuotedLiteral::new(&before)?;
        self.run(&[format!("SELECT pg_catalog.set_config('search_path', {path}, true)")]).await?;
        Ok(done)
    }

    /// See [`Work::look`].
    async fn as_before(&self) -> Result<()> {
        self.run(&["ROLLBACK TO SAVEPOINT cofferdam_look".into(), "RELEASE SAVEPOINT cofferdam_look".into()])
            .await
    }
}

/// It says nothing of the statement itself: it was cancelled, waited for a lock in vain, or lost its connection.
fn comes_again(e: &Error) -> bool {
    e.code().is_none_or(|code| {
        [
            SqlState::LOCK_NOT_AVAILABLE,
            SqlState::QUERY_CANCELED,
            SqlState::T_R_DEADLOCK_DETECTED,
            SqlState::ADMIN_SHUTDOWN,
            SqlState::CRASH_SHUTDOWN,
        ]
        .contains(code)
    })
}

/// What the server said, on one line.
fn words(e: &Error) -> String {
    match e.as_db_error() {
        Some(server) => match server.detail() {
            Some(detail) => errors::visible(&format!("{}: {detail}", server.message())),
            None => errors::visible(server.message()),
        },
        None => errors::visible(&e.to_string()),
    }
}
