//! What Cofferdam writes: journal, run and history, within the transaction of what they tell of.

use mysql_async::Value;
use uuid::Uuid;

use cofferdam_core::fault::Result;
use cofferdam_core::journal::{Entry, What};
use cofferdam_core::{Code, Fault, Refusal};

use super::claim::Claim;
use super::errors;
use super::link::Link;
use super::tables::Tables;
use crate::Batch;

/// So many rows of the journal go into one statement.
const MOST_ROWS: usize = 500;

/// Adds rows to the journal. A clash of `seq` means that somebody else wrote in between.
pub(super) async fn journal(link: &mut Link, tables: &Tables, rows: &[Entry]) -> Result<()> {
    for rows in rows.chunks(MOST_ROWS) {
        let places = vec!["(?, ?, ?, ?, ?, ?, ?, ?)"; rows.len()].join(", ");
        let sql = format!(
            "INSERT INTO {} (seq, run, epoch, at, who, entry, previous, hash) VALUES {places}",
            tables.journal
        );
        let mut values: Vec<Value> = Vec::with_capacity(rows.len() * 8);
        for row in rows {
            let entry = json(&row.what)?;
            values.extend([
                row.seq.into(),
                row.run.to_string().into(),
                row.epoch.into(),
                time(&row.at)?.into(),
                row.who.as_str().into(),
                entry.into(),
                row.previous.as_str().into(),
                row.hash.as_str().into(),
            ]);
        }
        write(link, &sql, values).await?;
    }
    Ok(())
}

/// Writes the run's row, or moves it on.
pub(super) async fn run(
    link: &mut Link,
    tables: &Tables,
    batch: &Batch<'_>,
    epoch: i64,
    now: jiff::Timestamp,
) -> Result<()> {
    let run = batch.run;
    let ended = run.phase.terminal().then(|| datetime(now));
    if !batch.open {
        let sql = format!("UPDATE {} SET phase = ?, epoch = ?, ended_at = ? WHERE id = ?", tables.run);
        let values = vec![word(&run.phase).into(), epoch.into(), ended.into(), run.id.to_string().into()];
        return write(link, &sql, values).await;
    }
    let sql = format!(
        "INSERT INTO {} (id, `key`, intent, phase, epoch, digest, plan, record, started_at, ended_at, started_by)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        tables.run
    );
    let values = vec![
        run.id.to_string().into(),
        run.plan.key.as_str().into(),
        word(&run.plan.intent).into(),
        word(&run.phase).into(),
        epoch.into(),
        run.digest.as_str().into(),
        json(&*run.plan)?.into(),
        json(&run.record)?.into(),
        time(&run.started_at)?.into(),
        ended.into(),
        run.by.as_str().into(),
    ];
    write(link, &sql, values).await
}

async fn write(link: &mut Link, sql: &str, values: Vec<Value>) -> Result<()> {
    match link.rows(sql, values).await {
        Ok(_) => Ok(()),
        Err(e) if errors::code(&e) == Some(errors::DUPLICATE) => Err(fenced()),
        Err(e) => Err(errors::fault(e, "writing the journal")),
    }
}

pub(super) fn fenced() -> Fault {
    Refusal::new(Code::Fenced, "another runner has taken over")
        .cause("the database holds a newer epoch than ours, so nothing was written")
        .help("cofferdam status")
        .into()
}

/// Chains the rows onto the journal's end and moves the claim's idea of that end.
pub(super) fn chain(
    claim: &mut Claim,
    run: Uuid,
    who: &str,
    at: jiff::Timestamp,
    whats: Vec<What>,
) -> Vec<Entry> {
    let mut rows = Vec::with_capacity(whats.len());
    for what in whats {
        claim.seq += 1;
        let entry =
            Entry::chained(claim.seq, run, claim.epoch, at.to_string(), who.to_owned(), what, &claim.hash);
        claim.hash.clone_from(&entry.hash);
        rows.push(entry);
    }
    rows
}

/// The servers keep microseconds: what is hashed must read back as the same text.
pub(super) fn now() -> jiff::Timestamp {
    let now = jiff::Timestamp::now();
    jiff::Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}

/// RFC 3339 to what a `DATETIME` takes, in UTC.
pub(super) fn time(text: &str) -> Result<String> {
    let at: jiff::Timestamp = text.parse().map_err(|e| Fault::Bug(format!("{text:?} is not a time: {e}")))?;
    Ok(datetime(at))
}

pub(super) fn datetime(at: jiff::Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S%.6f").to_string()
}

fn json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|e| Fault::Bug(format!("it cannot be written as JSON: {e}")))
}

/// A unit variant's name as serde writes it.
pub(super) fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}
