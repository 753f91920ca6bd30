//! Reading Cofferdam's own tables. Where they are not there, nothing ever happened here.

use mysql_async::{Row, Value};
use uuid::Uuid;

use cofferdam_core::fault::Result;
use cofferdam_core::history::Applied;
use cofferdam_core::journal::Entry;
use cofferdam_core::{Bundle, Fault, Phase};
use cofferdam_formats::history::own;

use super::link::{self, Link};
use super::tables::Tables;
use super::{errors, history};
use crate::{Run, Runs};

pub(super) async fn read(link: &mut Link, sql: &str, values: Vec<Value>) -> Result<Vec<Row>> {
    match link.rows(sql, values).await {
        Ok(rows) => Ok(rows),
        Err(e) if errors::code(&e).is_some_and(|c| errors::NO_TABLE.contains(&c)) => Ok(Vec::new()),
        Err(e) => Err(errors::fault(e, "reading Cofferdam's own tables")),
    }
}

/// RFC 3339 in UTC.
pub(super) fn time(column: &str) -> String {
    format!("DATE_FORMAT({column}, '%Y-%m-%dT%H:%i:%s.%fZ')")
}

fn text(row: &Row, at: usize) -> String {
    link::text(row, at).unwrap_or_default()
}

fn number(row: &Row, at: usize) -> i64 {
    link::number(row, at).unwrap_or(0)
}

fn unreadable(what: &str, e: &dyn std::fmt::Display) -> Fault {
    Fault::Bug(format!("{what} was written by another version of Cofferdam: {e}"))
}

pub(super) async fn runs(link: &mut Link, tables: &Tables, which: Runs) -> Result<Vec<Run>> {
    let columns = format!(
        "SELECT id, phase, epoch, digest, plan, record, {}, {}, started_by FROM {}",
        time("started_at"),
        time("ended_at"),
        tables.run
    );
    let (sql, values) = match which {
        Runs::Unfinished => (format!("{columns} WHERE ended_at IS NULL ORDER BY id DESC"), vec![]),
        Runs::Last(most) => (format!("{columns} ORDER BY id DESC LIMIT {most}"), vec![]),
        Runs::One(id) => (format!("{columns} WHERE id = ?"), vec![id.to_string().into()]),
    };
    read(link, &sql, values).await?.iter().map(run_of).collect()
}

fn run_of(row: &Row) -> Result<Run> {
    let id = text(row, 0);
    let what = format!("run {id}");
    let no = |e: &dyn std::fmt::Display| unreadable(&what, e);
    Ok(Run {
        id: id.parse().map_err(|e| no(&e))?,
        phase: serde_json::from_value::<Phase>(text(row, 1).into()).map_err(|e| no(&e))?,
        epoch: number(row, 2),
        digest: text(row, 3),
        plan: serde_json::from_str(&text(row, 4)).map_err(|e| no(&e))?,
        record: serde_json::from_str(&text(row, 5)).map_err(|e| no(&e))?,
        started_at: text(row, 6),
        ended_at: link::text(row, 7),
        by: text(row, 8),
    })
}

fn entries_sql(tables: &Tables) -> String {
    let at = time("at");
    format!("SELECT seq, run, epoch, {at}, who, entry, previous, hash FROM {}", tables.journal)
}

pub(super) async fn journal(link: &mut Link, tables: &Tables, run: Option<Uuid>) -> Result<Vec<Entry>> {
    let of = if run.is_some() { "WHERE run = ?" } else { "" };
    let sql = format!("{} {of} ORDER BY seq", entries_sql(tables));
    let values = run.map(|run| run.to_string().into()).into_iter().collect();
    read(link, &sql, values).await?.iter().map(entry).collect()
}

/// See [`crate::Session::journal_after`].
pub(super) async fn journal_after(
    link: &mut Link,
    tables: &Tables,
    seq: i64,
    most: u32,
) -> Result<Vec<Entry>> {
    let sql = format!("{} WHERE seq > ? ORDER BY seq LIMIT {most}", entries_sql(tables));
    read(link, &sql, vec![seq.into()]).await?.iter().map(entry).collect()
}

/// See [`crate::Session::journal_head`].
pub(super) async fn journal_head(link: &mut Link, tables: &Tables) -> Result<Option<(i64, String)>> {
    let sql = format!("SELECT seq, hash FROM {} ORDER BY seq DESC LIMIT 1", tables.journal);
    Ok(read(link, &sql, vec![]).await?.first().map(|row| (number(row, 0), text(row, 1))))
}

fn entry(row: &Row) -> Result<Entry> {
    let what = format!("journal row {}", number(row, 0));
    let no = |e: &dyn std::fmt::Display| unreadable(&what, e);
    // As it was hashed: without zeros at the end of the seconds.
    let at: jiff::Timestamp = text(row, 3).parse().map_err(|e| no(&e))?;
    Ok(Entry {
        seq: number(row, 0),
        run: text(row, 1).parse().map_err(|e| no(&e))?,
        epoch: number(row, 2),
        at: at.to_string(),
        who: text(row, 4),
        what: serde_json::from_str(&text(row, 5)).map_err(|e| no(&e))?,
        previous: text(row, 6),
        hash: text(row, 7),
    })
}

/// The whole history, by rank.
pub(super) async fn history(link: &mut Link, tables: &Tables, bundles: bool) -> Result<Vec<Applied>> {
    let left_out = (!bundles).then_some("bundle");
    let cells = history::rows(link, &own::CODEC, &tables.history, left_out, "").await?;
    let nothing = Bundle { format: own::CODEC.id, migrations: Vec::new(), skipped: Vec::new() };
    (own::CODEC.read)(&cells, &nothing).map(|history| history.applied).map_err(Fault::Refused)
}
