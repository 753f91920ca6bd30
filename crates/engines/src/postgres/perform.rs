//! Doing what a step says, in a transaction or outside of one.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::{SinkExt, StreamExt, pin_mut};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, SimpleQueryMessage};

use cofferdam_core::fault::{Place, Question, Result};
use cofferdam_core::plan::{Act, Step};
use cofferdam_core::{Code, Fault, Limits, Name, Refusal, Span, failpoint};

use super::cells::{RowCells, texts};
use super::errors;
use super::parked::{self, Asked};
use super::rehearsal;
use super::session::PostgresSession;
use super::watch::{Lookout, Sighting};
use crate::Rows;

/// How many rows of a failed check are shown.
const SHOWN_ROWS: usize = 5;

/// Performs an act under the look-out. `since`: when the locks that it may hold were first taken.
pub(super) async fn watched(
    session: &PostgresSession,
    act: &Act,
    step: &Step,
    limits: Limits,
    since: Instant,
) -> Result<()> {
    let lookout = lookout(session, act, limits, since)?;
    match act {
        // In a transaction it is the transaction's, which knows the run: see `commit`.
        Act::Park { parking, deed } => {
            let asked = Asked { parking, deed: *deed, step, limits, since, run: None };
            parked::perform(session, &asked).await.map(drop)
        }
        Act::Online { change, part } => super::online::perform(session, change, *part).await,
        Act::Check { queries } => {
            for query in queries {
                check(&session.client, query, step).await?;
            }
            Ok(())
        }
        Act::Sql { sql, copy_rows } => {
            let (result, sighting) = match copy_rows {
                None => lookout.over(run(&session.client, sql)).await,
                Some(rows) => lookout.over(copy(&session.client, sql, rows)).await,
            };
            result.map_err(|e| failed(e, act, step, limits, &sighting))
        }
        Act::BuildIndex { index, sql } => {
            if !prepare_index(session, index, sql).await? {
                return Ok(());
            }
            let (result, sighting) = lookout.over(run(&session.client, sql)).await;
            if let Err(e) = result {
                let fault = failed(e, act, step, limits, &sighting);
                remove_leftover(session, index).await;
                return Err(fault);
            }
            Ok(())
        }
    }
}

/// The look-out over an act. `since`: when the locks that it may hold were first taken.
pub(super) fn lookout<'a>(
    session: &'a PostgresSession,
    act: &Act,
    limits: Limits,
    since: Instant,
) -> Result<Lookout<'a>> {
    let Some(watch) = session.watch.as_ref().filter(|_| session.claim.is_some()) else {
        return Err(Fault::Bug("a statement was to run without the run lock".into()));
    };
    Ok(Lookout {
        watch,
        backend: session.backend,
        limits,
        ticker: &session.ticker,
        stop: &session.stop,
        since,
        builds_index: matches!(act, Act::BuildIndex { .. }),
    })
}

/// Performs an act outside of any transaction.
pub(super) async fn outside(session: &mut PostgresSession, act: &Act, step: &Step) -> Result<()> {
    // CONCURRENTLY waits for old transactions while nobody queues behind it, and a lock timeout would end it
    // with an INVALID index: it waits as long as it takes, and the look-out says for whom.
    let patient = matches!(act, Act::BuildIndex { .. }) || step.lock == "SHARE UPDATE EXCLUSIVE";
    let limits = if patient { Limits { lock_timeout_ms: 0, ..step.limits } } else { step.limits };
    let lock_timeout = format!("SET lock_timeout = {}", limits.lock_timeout_ms);
    simple(&session.client, &lock_timeout).await?;
    let before = rehearsal::before(session).await?;
    let outside = rehearsal::outside(session, act, before.as_ref()).await?;
    let work = watched(session, act, step, limits, Instant::now());
    if failpoint::due("loose.sent") {
        // The statement goes out, and nobody waits for its answer.
        let _ = tokio::time::timeout(std::time::Duration::from_millis(100), work).await;
        failpoint::hit("loose.sent");
        return Err(errors::lost("failpoint loose.sent"));
    }
    failpoint::hit("loose.sent");
    work.await.map_err(|fault| answer_lost(fault, &step.title))?;
    if failpoint::hit("loose.performed") {
        return Err(errors::lost("failpoint loose.performed"));
    }
    rehearsal::after(session, before, outside, &step.id).await?;
    simple(&session.client, "SET lock_timeout = 0").await
}

/// Performs an act without a look-out: in a transaction that is taken back in any case.
pub(super) async fn plainly(client: &Client, step: &Step) -> Result<()> {
    match &step.act {
        Act::Sql { sql, copy_rows: None } => {
            run(client, sql).await.map_err(|e| failed(e, &step.act, step, step.limits, &Sighting::default()))
        }
        Act::Check { queries } => {
            for query in queries {
                check(client, query, step).await?;
            }
            Ok(())
        }
        _ => Err(Fault::Bug(format!("{} was to be tried out in a transaction", step.title))),
    }
}

/// Where the connection broke and the statement may have taken effect all the same.
pub(super) fn answer_lost(fault: Fault, doing: &str) -> Fault {
    match fault {
        Fault::Refused(refusal) if refusal.code == Code::ConnectionLost => Fault::Unknown(Question {
            what: format!("{doing}: the connection broke before the answer came"),
            look_at: "run the same command again: it asks the catalog".into(),
        }),
        other => other,
    }
}

async fn simple(client: &Client, sql: &str) -> Result<()> {
    client.batch_execute(sql).await.map_err(|e| errors::fault(e, sql))
}

/// Sends one statement and throws its rows away as they come: a SELECT over a large table takes no memory.
async fn run(client: &Client, sql: &str) -> Result<(), tokio_postgres::Error> {
    let stream = client.simple_query_raw(sql).await?;
    pin_mut!(stream);
    while let Some(message) = stream.next().await {
        message?;
    }
    Ok(())
}

async fn copy(client: &Client, sql: &str, rows: &str) -> Result<(), tokio_postgres::Error> {
    let sink = client.copy_in::<_, Bytes>(sql).await?;
    pin_mut!(sink);
    for chunk in rows.as_bytes().chunks(64 * 1024) {
        sink.send(Bytes::copy_from_slice(chunk)).await?;
    }
    sink.finish().await?;
    Ok(())
}

/// Makes way for an index: removes the INVALID leftover of an earlier try. `false`: a valid index of that name is
/// there already and the statement says `IF NOT EXISTS`.
async fn prepare_index(session: &PostgresSession, index: &Name, sql: &str) -> Result<bool> {
    match index_state(&session.client, index).await? {
        None => Ok(true),
        Some(IndexState::Valid) => Ok(!says_if_not_exists(sql)),
        Some(IndexState::Building(pid)) => Err(Fault::Again {
            after: std::time::Duration::from_secs(1),
            why: Box::new(
                Refusal::new(
                    Code::LockNotObtained,
                    format!("index {index} is being built by another session"),
                )
                .note(format!("pid {pid} builds it now")),
            ),
        }),
        Some(IndexState::Invalid) => {
            simple(&session.client, &format!("DROP INDEX CONCURRENTLY IF EXISTS {}", index.to_sql()?))
                .await?;
            Ok(true)
        }
    }
}

/// After a failed CONCURRENTLY: leaves nothing behind if it can. If it cannot, the probe finds the leftover.
async fn remove_leftover(session: &PostgresSession, index: &Name) {
    if let Ok(Some(IndexState::Invalid)) = index_state(&session.client, index).await
        && let Ok(name) = index.to_sql()
    {
        let _ = simple(&session.client, "SET lock_timeout = '5s'").await;
        let _ = simple(&session.client, &format!("DROP INDEX CONCURRENTLY IF EXISTS {name}")).await;
    }
}

fn says_if_not_exists(sql: &str) -> bool {
    let words = sql.split_whitespace().take(8).map(str::to_ascii_uppercase).collect::<Vec<_>>().join(" ");
    words.contains("IF NOT EXISTS")
}

/// What the catalog says of an index.
pub(super) enum IndexState {
    /// Complete.
    Valid,
    /// Left behind by a build that failed.
    Invalid,
    /// Being built by this backend.
    Building(i32),
}

pub(super) async fn index_state(client: &Client, index: &Name) -> Result<Option<IndexState>> {
    let rows = client
        .query_typed(
            "SELECT i.indisvalid, (SELECT p.pid FROM pg_catalog.pg_stat_progress_create_index p
                                   WHERE p.index_relid = i.indexrelid LIMIT 1)
             FROM pg_catalog.pg_index i WHERE i.indexrelid = pg_catalog.to_regclass($1)",
            &[(&index.to_sql()?, Type::TEXT)],
        )
        .await
        .map_err(|e| errors::fault(e, "looking for the index"))?;
    let Some(row) = rows.first() else { return Ok(None) };
    Ok(Some(match (row.cell(0)?, row.cell(1)?) {
        (true, _) => IndexState::Valid,
        (false, Some(pid)) => IndexState::Building(pid),
        (false, None) => IndexState::Invalid,
    }))
}

async fn check(client: &Client, query: &str, step: &Step) -> Result<()> {
    let found = collect(client, query, SHOWN_ROWS).await.map_err(|e| {
        let position = errors::position(&e);
        placed(errors::fault(e, "running a check"), query, step, position)
    })?;
    if found.rows.is_empty() {
        return Ok(());
    }
    let mut refusal = Refusal::new(Code::CheckFailed, "a check returned rows, and must return none")
        .cause(query.split_whitespace().collect::<Vec<_>>().join(" "))
        .help("correct the data or the migration; each SELECT of a check script must return no row")
        .note(found.columns.join(" | "));
    for row in found.rows {
        let cells: Vec<String> = row.into_iter().map(|c| c.unwrap_or_else(|| "NULL".into())).collect();
        refusal = refusal.note(cells.join(" | "));
    }
    Err(refusal.at(Place { path: step.path.clone(), source: None, at: step.at }).into())
}

/// The first rows of a query; what comes after them is read and dropped.
pub(super) async fn collect(
    client: &Client,
    query: &str,
    most: usize,
) -> Result<Rows, tokio_postgres::Error> {
    let stream = client.simple_query_raw(query).await?;
    pin_mut!(stream);
    let mut found = Rows::default();
    while let Some(message) = stream.next().await {
        match message? {
            SimpleQueryMessage::RowDescription(columns) => {
                found.columns = columns.iter().map(|c| c.name().to_owned()).collect();
            }
            SimpleQueryMessage::Row(row) if found.rows.len() < most => {
                found.rows.push(texts(&row)?);
            }
            _ => {}
        }
    }
    Ok(found)
}

/// A query in a transaction that can write nothing.
pub(super) async fn read_only_rows(
    client: &Client,
    query: &str,
    most: usize,
    within: Option<Duration>,
) -> Result<Rows> {
    let begin = match within {
        // 0 would mean: for ever.
        Some(within) => {
            format!(
                "BEGIN READ ONLY; SET LOCAL statement_timeout = {}",
                within.as_millis().clamp(1, 2_147_483_647)
            )
        }
        None => "BEGIN READ ONLY".to_owned(),
    };
    simple(client, &begin).await?;
    let began = Instant::now();
    let found = collect(client, query, most).await;
    let ended = simple(client, "ROLLBACK").await;
    let found = found.map_err(|e| {
        if e.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION) {
            return Refusal::new(Code::StatementFailed, "a query that must only read writes")
                .cause(shortened(query))
                .into();
        }
        // Somebody's `pg_cancel_backend` has the same code, and comes earlier.
        let cancelled = e.code() == Some(&SqlState::QUERY_CANCELED);
        if let Some(within) = within.filter(|within| cancelled && began.elapsed() >= *within) {
            return Refusal::new(Code::StatementFailed, "a query took too long")
                .cause(format!("it took longer than {} s and was ended", within.as_secs_f64()))
                .into();
        }
        errors::fault(e, query)
    })?;
    ended.map(|()| found)
}

/// Sorts a failure of our statement by what the look-out saw, and gives it its place.
pub(super) fn failed(
    e: tokio_postgres::Error,
    act: &Act,
    step: &Step,
    limits: Limits,
    sighting: &Sighting,
) -> Fault {
    let position = errors::position(&e);
    let code = e.code().cloned();
    let names = |holders: &[crate::Holder]| holders.iter().map(ToString::to_string).collect::<Vec<_>>();
    let again = |mut refusal: Refusal, notes: Vec<String>| {
        refusal.notes.extend(notes);
        Fault::Again { after: std::time::Duration::from_millis(100), why: Box::new(refusal) }
    };
    if code == Some(SqlState::LOCK_NOT_AVAILABLE) && limits.lock_timeout_ms > 0 {
        let refusal = Refusal::new(
            Code::LockNotObtained,
            format!("{} did not get its lock within {} ms", step.title, limits.lock_timeout_ms),
        )
        .help(
            "end the transaction that holds it, or come back later; nothing queues behind a try for longer",
        );
        let notes = names(&sighting.waited_for).into_iter().map(|h| format!("held by {h}")).collect();
        return again(refusal, notes);
    }
    if code == Some(SqlState::QUERY_CANCELED) {
        if let Some((holders, waited)) = &sighting.cancelled_for {
            let refusal = Refusal::new(
                Code::BlockedOthers,
                format!(
                    "{} was cancelled because {} sessions queued behind it, the longest for {} ms",
                    step.title,
                    holders.len(),
                    waited.as_millis()
                ),
            )
            .help(
                "use a form that does not block (cofferdam plan), or a quiet hour with a larger --max-block",
            );
            let notes = names(holders).into_iter().map(|h| format!("waited: {h}")).collect();
            return again(refusal, notes);
        }
        if sighting.stopped {
            return Refusal::new(Code::Interrupted, format!("{} was cancelled to stop", step.title))
                .help("run the same command again to go on")
                .into();
        }
    }
    placed(errors::fault(e, &step.title), &act.text(), step, position)
}

/// Adds where in its file a statement failed: the statement's place, moved on by the server's position in it
/// where the statement is still the one that was written.
fn placed(fault: Fault, sql: &str, step: &Step, position: Option<usize>) -> Fault {
    let place = |mut refusal: Box<Refusal>| {
        if refusal.place.is_none() && !step.path.is_empty() && refusal.code == Code::StatementFailed {
            refusal.place =
                Some(Place { path: step.path.clone(), source: None, at: moved(step.at, sql, position) });
            refusal.notes.push(format!("statement: {}", shortened(sql)));
        }
        refusal
    };
    match fault {
        Fault::Refused(refusal) => Fault::Refused(place(refusal)),
        other => other,
    }
}

fn moved(at: Span, sql: &str, position: Option<usize>) -> Span {
    let Some(position) = position.filter(|p| *p > 0) else { return at };
    if at.end - at.start != sql.len() {
        return at;
    }
    let before: String = sql.chars().take(position - 1).collect();
    let line = at.line + before.matches('\n').count();
    let column = match before.rfind('\n') {
        Some(newline) => before[newline + 1..].chars().count() + 1,
        None => at.column + before.chars().count(),
    };
    Span { start: at.start + before.len(), end: at.end, line, column }
}

fn shortened(sql: &str) -> String {
    let line = sql.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(160) {
        Some((cut, _)) => format!("{} ...", &line[..cut]),
        None => line,
    }
}
