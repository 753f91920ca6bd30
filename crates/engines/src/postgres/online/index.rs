//! Indexes and constraints of the shadow table, after the copy and side by side: built over rows that are there, an
//! index takes a third of the time that it takes row by row.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use cofferdam_core::fault::Result;
use cofferdam_core::online::Capture;
use cofferdam_core::{Code, Fault, Refusal};

use super::{Work, apply, logical, pace, worker};
use crate::postgres::errors;

/// So often is looked whether to stop.
const LOOK: Duration = Duration::from_millis(200);

/// Builds what is not there yet and adds the constraints.
pub(super) async fn all(work: &Work<'_>) -> Result<()> {
    let client = worker::connect_to_begin(work, "constraints").await?;
    let (first, others) = (vec![&work.print.key_index], work.print.indexes.iter().collect::<Vec<_>>());
    work.doing("building indexes", 1 + others.len() as u64);
    // The chunks are of different snapshots: a unique value that moved from one row to another may be in both. Once
    // all that is logged is applied in one snapshot, the new table is what the old one was in it, and a duplicate is
    // a true one. Nothing is applied until the indexes are there.
    if work.kind == Capture::Logical {
        logical::catch_up(work).await?;
    }
    if apply::waiting(&client, &work.flow).await? == 0 {
        side_by_side(work, &[first, others].concat()).await?;
    } else {
        side_by_side(work, &first).await?;
        apply::drain(work, &client, 500).await?;
        apply::whole(work, &client).await?;
        side_by_side(work, &others).await?;
    }
    constraints(work, &client).await
}

async fn side_by_side(work: &Work<'_>, statements: &[&String]) -> Result<()> {
    let next = AtomicUsize::new(0);
    let alone = pace::alone(work, &work.session.client).await?;
    let most = if alone { work.workers() } else { 1 };
    let builders =
        (0..most.min(statements.len())).map(|number| builder(work, statements, &next, number, alone));
    futures::future::try_join_all(builders).await.map(|_| ())
}

async fn builder(
    work: &Work<'_>,
    statements: &[&String],
    next: &AtomicUsize,
    number: usize,
    alone: bool,
) -> Result<()> {
    let client = worker::connect(work.session, &format!("index {}", number + 1)).await?;
    // One build cannot be slowed down, but it can be kept to one of the server's processors.
    let settings = match alone {
        true => "SET maintenance_work_mem = '256MB'",
        false => "SET maintenance_work_mem = '256MB'; SET max_parallel_maintenance_workers = 0",
    };
    worker::run(&client, settings, "setting up a connection").await?;
    let process = "SELECT pg_catalog.pg_backend_pid()";
    let process = worker::value(&client, process, "setting up a connection").await?.unwrap_or_default();
    while let Some(sql) = statements.get(next.fetch_add(1, Ordering::SeqCst)) {
        work.check()?;
        tokio::select! {
            built = build(work, &client, sql) => built?,
            stopped = stop_is_asked(work) => {
                // A server process does not notice that nobody waits for it any more.
                let cancel = format!("SELECT pg_catalog.pg_cancel_backend({process})");
                let canceller = worker::connect(work.session, "stop").await?;
                worker::run(&canceller, &cancel, "stopping a build").await?;
                return Err(stopped);
            }
        }
        work.copied(1);
        worker::crash_at("online.index.built")?;
    }
    Ok(())
}

/// The building of an index may take hours, and nothing is lost but time when it is given up.
async fn stop_is_asked(work: &Work<'_>) -> Fault {
    loop {
        tokio::time::sleep(LOOK).await;
        if let Err(stopped) = work.check() {
            return stopped;
        }
    }
}

/// Builds one index. One that is there was built by an earlier runner: a build that fails leaves nothing.
async fn build(work: &Work<'_>, client: &Client, sql: &str) -> Result<()> {
    let mut tries = 0;
    loop {
        let Err(e) = client.batch_execute(sql).await else { return Ok(()) };
        match e.code() {
            Some(code) if *code == SqlState::DUPLICATE_TABLE => return Ok(()),
            // An earlier runner was killed, and its server process went on building: it was waited for, and the name in
            // the catalog is taken. The next try sees what became of it.
            Some(code) if *code == SqlState::UNIQUE_VIOLATION && of_the_catalog(&e) && tries < 20 => {
                tries += 1;
                work.pause(1).await?;
            }
            Some(code) if *code == SqlState::UNIQUE_VIOLATION => {
                return Err(duplicates(work, client, &e).await);
            }
            // An expression over a large value of a row that an applied change has just deleted: the row still counts,
            // and its value may be cleaned away already. Later the row does not count any more.
            Some(code) if *code == SqlState::DATA_CORRUPTED && tries < 20 => {
                tries += 1;
                work.pause(tries).await?;
            }
            _ => return Err(errors::fault(e, "building an index")),
        }
    }
}

fn of_the_catalog(e: &tokio_postgres::Error) -> bool {
    e.as_db_error().is_some_and(|e| e.schema() == Some("pg_catalog"))
}

/// Which rows have one value where the new definition wants each to be alone. Their keys are named, not their values.
async fn duplicates(work: &Work<'_>, client: &Client, e: &tokio_postgres::Error) -> Fault {
    let server = e.as_db_error();
    let index = server.and_then(|s| s.constraint()).unwrap_or("a unique index").to_owned();
    let detail = server.and_then(|s| s.detail()).unwrap_or_default();
    // DETAIL: Key (lower(email), shop)=(...) is duplicated.
    let columns = detail.strip_prefix("Key (").and_then(|d| d.split_once(")=(")).map(|(columns, _)| columns);
    let mut refusal =
        Refusal::new(Code::RowMisfit, format!("{index} wants values to be unique that are not"))
            .help("make them unique, or leave the index out, and start again");
    let Some(columns) = columns else { return refusal.into() };
    refusal = refusal.cause(format!("rows have the same {columns}"));
    let flow = &work.flow;
    let query = format!(
        "SELECT (pg_catalog.array_agg(ROW({})::text))[1:5]::text FROM {} {} GROUP BY {columns} \
         HAVING count(*) > 1 LIMIT 5",
        flow.target_key(),
        flow.target,
        flow.target_alias
    );
    if let Ok(messages) = client.simple_query(&query).await {
        for row in worker::rows(&messages).unwrap_or_default() {
            refusal = refusal.note(format!("keys {}", row.into_iter().flatten().collect::<String>()));
        }
    }
    refusal.into()
}

/// All in one transaction with the note that they are there.
async fn constraints(work: &Work<'_>, client: &Client) -> Result<()> {
    let doing = "adding constraints";
    let begin = format!("BEGIN; {}", work.fence());
    let answer = worker::run(client, &begin, doing).await?;
    if worker::rows(&answer)?.is_empty() {
        worker::rollback(client).await;
        return Err(worker::fenced());
    }
    for sql in &work.print.constraints {
        if let Err(e) = client.batch_execute(sql).await {
            let violated = e.code().is_some_and(|c| c.code().starts_with("23"));
            let constraint = e.as_db_error().and_then(|s| s.constraint()).map(str::to_owned);
            let fault = errors::fault(e, doing);
            worker::rollback(client).await;
            return Err(match constraint {
                Some(name) if violated => Refusal::new(Code::RowMisfit, format!("rows do not fulfil {name}"))
                    .cause(sql.clone())
                    .help("correct these rows, or add the constraint NOT VALID, and start again")
                    .into(),
                _ => fault,
            });
        }
    }
    worker::run(client, &work.stage_sql("index")?, doing).await?;
    worker::crash_at("online.index.before-commit")?;
    worker::run(client, "COMMIT", doing).await?;
    worker::crash_at("online.index.committed")
}
