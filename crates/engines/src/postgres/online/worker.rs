//! One connection of an online change beside the one that holds the run lock, and the transaction that all of its
//! work is done in.

use tokio_postgres::{Client, SimpleQueryMessage};

use cofferdam_core::fault::Result;
use cofferdam_core::{Code, Fault, Refusal, failpoint};

use super::Work;
use super::flow::{Direction, Flow};
use crate::postgres::session::PostgresSession;
use crate::postgres::{cells, connect, errors};

/// Settings of every connection that reads or writes rows of the change. The path is empty, so that a name means
/// the same whoever made it; row security must not hide rows, so that it fails where it would. A transaction sees what
/// was committed before each of its statements, unless it says otherwise.
pub(super) const SETTINGS: &str = "SET search_path = ''; SET row_security = off; SET statement_timeout = 0;
    SET lock_timeout = '5s'; SET idle_in_transaction_session_timeout = '5min'; SET client_min_messages = warning;
    SET synchronous_commit = on; SET default_transaction_read_only = off; SET default_transaction_deferrable = off;
    SET default_transaction_isolation = 'read committed'";

/// For those whose transactions write down themselves what they did, so that each need not wait for the disk: a crash
/// of the server may lose the last of them, and with them all that was committed later; they are done again.
pub(super) const UNHURRIED: &str = "SET synchronous_commit = off";

/// Opens a connection for `what` with [`SETTINGS`].
pub(super) async fn connect(session: &PostgresSession, what: &str) -> Result<Client> {
    let mut options = session.watch_options();
    options.application_name = format!("cofferdam {what}");
    let client = connect::connect(&options).await?.client;
    client.batch_execute(SETTINGS).await.map_err(|e| errors::fault(e, "setting up a connection"))?;
    Ok(client)
}

/// The same for transactions that [`begin`] opens.
pub(super) async fn connect_to_begin(work: &Work<'_>, what: &str) -> Result<Client> {
    let client = connect(work.session, what).await?;
    // Planning this look at a dozen catalogs takes longer than the look itself: it is planned once for a connection.
    let prepare = format!("PREPARE {UNCHANGED} AS {}", work.flow.unchanged()?);
    run(&client, &prepare, "setting up a connection").await?;
    Ok(client)
}

/// What was found at the beginning of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opened {
    /// It is open, and everything is as it was.
    Ready,
    /// The leading table was truncated, so what was copied of it is no longer there. The transaction was ended.
    Truncated,
}

/// Opens a transaction of one snapshot. The lock comes before the snapshot: a definition that is changed between the
/// two would be read with a catalog that is newer than the rows. What is checked, is checked in that snapshot. The
/// connection is one of [`connect_to_begin`].
pub(super) async fn begin(client: &Client, flow: &Flow, epoch: i64) -> Result<Opened> {
    let opening = format!(
        "BEGIN ISOLATION LEVEL REPEATABLE READ; LOCK TABLE ONLY {} IN ACCESS SHARE MODE; {}; EXECUTE {UNCHANGED}",
        flow.source,
        flow.fenced(epoch)
    );
    let answer = client.simple_query(&opening).await;
    let answer = answer.map_err(|e| errors::fault(e, "opening a transaction"));
    let opened = answer.and_then(|messages| checked(flow, &rows(&messages)?));
    if !matches!(opened, Ok(Opened::Ready)) {
        rollback(client).await;
    }
    opened
}

/// The name under which a connection has [`Flow::unchanged`].
const UNCHANGED: &str = "cofferdam_unchanged";

/// Reads what [`Flow::fenced`] and [`Flow::unchanged`] returned.
pub(super) fn checked(flow: &Flow, rows: &[Vec<Option<String>>]) -> Result<Opened> {
    // Without the fence's row only one row comes back.
    let [_, found] = rows else { return Err(fenced()) };
    let cell = |n: usize| found.get(n).and_then(Option::as_deref);
    // First of all: a TRUNCATE changes the file, too.
    if cell(0) == Some("t") {
        return Ok(Opened::Truncated);
    }
    match &flow.expected {
        Some(expected) if cell(1) != Some(expected.fingerprint.as_str()) || cell(2) != Some("t") => {
            Err(definition_changed(&flow.source))
        }
        _ if cell(3) != Some("t") => Err(no_longer_captured(flow)),
        _ => Ok(Opened::Ready),
    }
}

/// A place where a test makes the process die, or fail as if the connection broke; see [`failpoint`].
pub(super) fn crash_at(name: &'static str) -> Result<()> {
    if failpoint::hit(name) { Err(errors::lost(&format!("failpoint {name}"))) } else { Ok(()) }
}

/// The rows of all results of a simple query, one after the other.
pub(super) fn rows(messages: &[SimpleQueryMessage]) -> Result<Vec<Vec<Option<String>>>> {
    messages
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => {
                Some(cells::texts(row).map_err(|e| errors::fault(e, "reading an answer")))
            }
            _ => None,
        })
        .collect()
}

/// How many rows each statement of a simple query touched, in order.
pub(super) fn counts(messages: &[SimpleQueryMessage]) -> Vec<u64> {
    messages
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::CommandComplete(count) => Some(*count),
            _ => None,
        })
        .collect()
}

/// Ends the transaction without its effects. If the connection is gone, so is the transaction.
pub(super) async fn rollback(client: &Client) {
    let _ = client.batch_execute("ROLLBACK").await;
}

/// Runs one text of statements.
pub(super) async fn run(client: &Client, sql: &str, doing: &str) -> Result<Vec<SimpleQueryMessage>> {
    client.simple_query(sql).await.map_err(|e| errors::fault(e, doing))
}

/// One value of one row, as text.
pub(super) async fn value(client: &Client, sql: &str, doing: &str) -> Result<Option<String>> {
    let found = rows(&run(client, sql, doing).await?)?;
    Ok(found.into_iter().next().and_then(|row| row.into_iter().next().flatten()))
}

pub(super) fn fenced() -> Fault {
    Refusal::new(Code::Fenced, "another runner has taken over the online change")
        .cause("its fence holds another epoch than ours, so nothing was written")
        .help("cofferdam status")
        .into()
}

fn definition_changed(table: &str) -> Fault {
    Refusal::new(Code::TableChanged, format!("the definition of {table} was changed by somebody else"))
        .cause("the change was planned with the definition as it was when it began")
        .help("start again: cofferdam alter looks at the table as it is now")
        .into()
}

fn no_longer_captured(flow: &Flow) -> Fault {
    let what = format!("changes of {} were not captured all the time", flow.source);
    let cause = "what captured them was dropped, disabled or replaced by somebody else, or a failover lost the slot: \
                 what was written meanwhile is missing in the other table";
    match flow.direction {
        Direction::Forward => Refusal::new(Code::TableChanged, what)
            .cause(cause)
            .help("start again; ALTER TABLE ... DISABLE TRIGGER ALL is one way to lose it"),
        Direction::Back => Refusal::new(Code::RollbackUnsafe, what).cause(cause).help(
            "what was written since the swap is in the table, which stays as it is: cofferdam finalize",
        ),
    }
    .into()
}

/// Whether the same transaction may succeed if it is simply tried again.
pub(super) fn passing(fault: &Fault) -> bool {
    matches!(fault, Fault::Again { .. })
}
