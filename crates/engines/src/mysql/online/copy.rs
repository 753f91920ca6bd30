//! The copy: every row of the table, in chunks, side by side.
//!
//! A chunk is one transaction: `INSERT ... SELECT` of a range of keys, and the chunk's own row. It sees what was committed
//! when its statement began, and locks nothing that it reads. What is changed later is in the server's log, from the
//! position on that was noted before the first mark: nothing before that position is invisible any more.
//!
//! A chunk may leave out of the log of keys what it covers. For that it takes the end of that log, writes a mark (the low
//! one) and waits for its commit: whatever was told up to there can be seen by now. A high mark is not needed, because
//! what changes meanwhile is read again anyway.
//!
//! Where a row has a value of a unique index that was another one's, which was copied before, that one makes room and is
//! written into the log of keys (see `moved`).

use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use cofferdam_core::fault::Result;
use cofferdam_core::{Code, Fault, Refusal};

use super::super::link::{self, Link};
use super::change::{Change, LEADER};
use super::plant::{self, planted};
use super::state::{begin, crash_at, fenced, key_column, rollback, rows, run};
use super::table::Column;

/// So many rows in the first chunks, and at most and at least.
const ROWS: (f64, f64, f64) = (100.0, 2_000.0, 50_000.0);
/// A chunk aims at taking so long.
const AIM: Duration = Duration::from_millis(250);
/// A transaction that met a deadlock or a lock is tried so often.
const TRIES: u32 = 20;

/// Hands out chunks.
struct Chunks {
    link: Link,
    /// Cut by an earlier runner and not copied.
    waiting: Vec<i64>,
    /// The last one that was cut, and whether it is the last of all.
    last: Option<(i64, bool)>,
    rows: f64,
}

impl Chunks {
    fn none_left(&self) -> bool {
        self.waiting.is_empty() && matches!(self.last, Some((_, true)))
    }
}

impl Change {
    /// Copies what is not copied yet, over so many connections; goes on from where an earlier runner stopped. Gives the
    /// number of rows that were copied now.
    pub async fn copy(&self, workers: usize) -> Result<u64> {
        let mut link = self.worker("chunks").await?;
        let doing = "reading the chunks";
        let undone = format!("SELECT no FROM {} WHERE copied = 0 ORDER BY no DESC", self.places.chunk);
        let waiting = rows(&mut link, &undone, doing).await?;
        let last = format!("SELECT no, ended FROM {} ORDER BY no DESC LIMIT 1", self.places.chunk);
        let last = rows(&mut link, &last, doing).await?;
        let chunks = Mutex::new(Chunks {
            link,
            waiting: waiting.iter().filter_map(|row| link::number(row, 0)).collect(),
            last: last.first().and_then(|row| Some((link::number(row, 0)?, link::number(row, 1)? == 1))),
            rows: ROWS.1,
        });
        let all = (0..workers.max(1)).map(|n| self.copy_chunks(n, &chunks));
        Ok(futures::future::try_join_all(all).await?.into_iter().sum())
    }

    async fn copy_chunks(&self, number: usize, chunks: &Mutex<Chunks>) -> Result<u64> {
        let mut link = self.worker("copy").await?;
        let mut copied = 0;
        let none_left = || chunks.try_lock().is_ok_and(|chunks| chunks.none_left());
        while self.valve.may_go_on(number, none_left).await? {
            let next = self.next_chunk(&mut *chunks.lock().await).await?;
            let Some(no) = next else { break };
            crash_at("online.copy.cut")?;
            if planted("skipped-chunk") && no == 2 {
                continue;
            }
            let began = Instant::now();
            let rows = passing(async || self.copy_chunk(&mut link, no).await).await?;
            copied += rows;
            self.valve.copied(rows);
            let factor = (AIM.as_secs_f64() / began.elapsed().as_secs_f64().max(0.001)).clamp(0.5, 1.5);
            let mut chunks = chunks.lock().await;
            chunks.rows = (chunks.rows * factor).clamp(ROWS.0, ROWS.2);
        }
        Ok(copied)
    }

    async fn next_chunk(&self, chunks: &mut Chunks) -> Result<Option<i64>> {
        if let Some(no) = chunks.waiting.pop() {
            return Ok(Some(no));
        }
        let no = match chunks.last {
            Some((_, true)) => return Ok(None),
            last => last.map_or(1, |(no, _)| no + 1),
        };
        let rows = chunks.rows as u64;
        let ended = passing(async || self.cut(&mut chunks.link, no, rows).await).await?;
        chunks.last = Some((no, ended));
        Ok(Some(no))
    }

    /// Cuts a chunk of so many rows behind the one before. Whether it is the last one.
    async fn cut(&self, link: &mut Link, no: i64, rows: u64) -> Result<bool> {
        begin(link, &self.places, self.epoch).await?;
        let cut = self.cut_open(link, no, rows).await;
        if cut.is_err() {
            rollback(link).await;
        }
        cut
    }

    /// In the server, so that no key goes through us.
    async fn cut_open(&self, link: &mut Link, no: i64, most: u64) -> Result<bool> {
        let doing = "cutting a chunk";
        let columns = |prefix: &str, side: &str| {
            let column = |at| format!("{side}{}", key_column(prefix, at));
            (0..self.shape.key.len()).map(column).collect::<Vec<_>>()
        };
        let (chunk, before) = (&self.places.chunk, no - 1);
        let key = self.of_key("t")?;
        let (low, from, behind) = match before {
            0 => (vec!["NULL".to_owned(); key.len()], String::new(), "TRUE".to_owned()),
            _ => {
                let from = format!("JOIN {chunk} c ON c.no = {before}");
                (columns("high", "c."), from, self.range(&key, "high", true))
            }
        };
        let (lows, highs) = (columns("low", ""), columns("high", ""));
        let both: Vec<String> = low
            .iter()
            .chain(&key)
            .zip(lows.iter().chain(&highs))
            .map(|(value, name)| format!("{value} AS {name}"))
            .collect();
        // In a table of its own: MariaDB would put the whole rest of the table aside, because what is read is written.
        let bounded = format!(
            "INSERT INTO {chunk} (no, ended, held, {}, {}) SELECT {no}, 0, {most}, x.* FROM (SELECT {} FROM {} {from} WHERE {behind} \
             ORDER BY {} LIMIT 1 OFFSET {most}) x",
            lows.join(", "),
            highs.join(", "),
            both.join(", "),
            self.by_key("t")?,
            key.join(", "),
        );
        run(link, &bounded, doing).await?;
        let ended = affected(link).await? == 0;
        if ended {
            // Fewer than the others: for people alone.
            let rest = format!("SELECT COUNT(*) FROM {} {from} WHERE {behind}", self.by_key("t")?);
            let rest = number(&rows(link, &rest, doing).await?);
            let from =
                if before == 0 { String::new() } else { format!("FROM {chunk} c WHERE c.no = {before}") };
            let (lows, low) = (lows.join(", "), low.join(", "));
            let open =
                format!("INSERT INTO {chunk} (no, ended, held, {lows}) SELECT {no}, 1, {rest}, {low} {from}");
            run(link, &open, doing).await?;
        }
        run(link, "COMMIT", doing).await?;
        Ok(ended)
    }

    /// The columns of the key on one side.
    pub(super) fn of_key(&self, side: &str) -> Result<Vec<String>> {
        Ok(self.key()?.iter().map(|column| format!("{side}.{column}")).collect())
    }

    /// The condition that a key, column by column, is at or behind the one in the chunk `c`, or before it. ENUM and SET
    /// are ordered by their numbers and compared as texts, unless they are asked for as numbers.
    fn range(&self, key: &[String], prefix: &str, at_or_behind: bool) -> String {
        let numbers: Vec<bool> = self.shape.key_columns().map(Column::by_number).collect();
        let way = |last: usize| {
            let part = |(at, column): (usize, &String)| {
                let sign = match (at == last, at_or_behind, last + 1 == key.len()) {
                    (false, ..) => "=",
                    (true, true, true) => ">=",
                    (true, true, false) => ">",
                    (true, false, _) => "<",
                };
                let number = if numbers.get(at) == Some(&true) { " + 0" } else { "" };
                format!("{column}{number} {sign} c.{}{number}", key_column(prefix, at))
            };
            let parts: Vec<String> = key.iter().enumerate().take(last + 1).map(part).collect();
            format!("({})", parts.join(" AND "))
        };
        let ways: Vec<String> = (0..key.len()).map(way).collect();
        format!("({})", ways.join(" OR "))
    }

    async fn copy_chunk(&self, link: &mut Link, no: i64) -> Result<u64> {
        plant::before_copy(link).await?;
        // Keys that were logged up to here are of rows that can be seen once the mark's commit was answered.
        let logged = self.logged(link).await?;
        if logged > 0 {
            self.mark(link).await?;
        }
        begin(link, &self.places, self.epoch).await?;
        crash_at("online.copy.begun")?;
        let copied = self.copy_open(link, no, logged).await;
        if copied.is_err() {
            rollback(link).await;
        }
        copied
    }

    /// The condition that a key lies in a chunk, which is `c`.
    pub(super) async fn in_chunk(&self, link: &mut Link, key: &[String], no: i64) -> Result<String> {
        let low = key_column("low", 0);
        let sql = format!("SELECT {low} IS NULL, ended FROM {} WHERE no = {no}", self.places.chunk);
        let found = rows(link, &sql, "reading the chunks").await?;
        let open = |at| found.first().and_then(|row| link::number(row, at)) == Some(1);
        let mut range = vec![format!("c.no = {no}")];
        if !open(0) {
            range.push(self.range(key, "low", true));
        }
        if !open(1) {
            range.push(self.range(key, "high", false));
        }
        Ok(range.join(" AND "))
    }

    /// The statement that leaves out of the log what a chunk covers, up to this number of it. Rows of other chunks
    /// that made room may be written there at the same time, but none of this one's.
    pub(super) async fn covered(&self, link: &mut Link, no: i64, logged: u64) -> Result<String> {
        let key: Vec<String> =
            (0..self.shape.key.len()).map(|at| format!("l.{}", key_column("k", at))).collect();
        let range = match planted("missing-chunk-filter") {
            true => format!("c.no = {no}"),
            false => self.in_chunk(link, &key, no).await?,
        };
        let (log, chunk) = (&self.places.log, &self.places.chunk);
        Ok(format!("DELETE l FROM {log} l JOIN {chunk} c WHERE l.seq <= {logged} AND {range}"))
    }

    async fn copy_open(&self, link: &mut Link, no: i64, logged: u64) -> Result<u64> {
        let doing = "copying rows";
        let places = &self.places;
        if logged > 0 {
            let covered = self.covered(link, no, logged).await?;
            run(link, &covered, doing).await?;
        }
        let key = self.of_key(LEADER)?;
        let range = self.in_chunk(link, &key, no).await?;
        let of_chunk = format!("{} JOIN {} c WHERE {range}", self.by_key(LEADER)?, places.chunk);
        let copied = self.bring_before_others(link, &of_chunk, doing).await?;
        plant::after_copy(self, link, no).await?;
        let done = format!("UPDATE {} SET copied = 1 WHERE no = {no} AND copied = 0", places.chunk);
        run(link, &done, doing).await?;
        if affected(link).await? != 1 {
            return Err(fenced());
        }
        crash_at("online.copy.before-commit")?;
        run(link, "COMMIT", doing).await?;
        crash_at("online.copy.committed")?;
        Ok(copied)
    }

    /// Cuts the whole table into chunks, as it is now, without copying anything.
    pub(super) async fn cut_all(&self) -> Result<()> {
        let mut link = self.worker("chunks").await?;
        let doing = "cutting chunks";
        passing(async || {
            begin(&mut link, &self.places, self.epoch).await?;
            run(&mut link, &format!("DELETE FROM {}", self.places.chunk), doing).await?;
            run(&mut link, "COMMIT", doing).await
        })
        .await?;
        let mut chunks = Chunks { link, waiting: Vec::new(), last: None, rows: ROWS.1 };
        while self.next_chunk(&mut chunks).await?.is_some() {
            self.valve.check()?;
        }
        Ok(())
    }
}

/// How many rows the last statement changed.
pub(super) async fn affected(link: &mut Link) -> Result<u64> {
    Ok(number(&rows(link, "SELECT ROW_COUNT()", "copying rows").await?))
}

/// The one number that was asked for.
pub(super) fn number(found: &[mysql_async::Row]) -> u64 {
    found.first().and_then(|row| link::number(row, 0)).unwrap_or(0).unsigned_abs()
}

/// Does a transaction again that met a deadlock or a lock.
pub(super) async fn passing<T>(mut attempt: impl AsyncFnMut() -> Result<T>) -> Result<T> {
    let mut tries = 0;
    loop {
        match attempt().await {
            Err(Fault::Again { after, .. }) if tries < TRIES => {
                tries += 1;
                tokio::time::sleep(after).await;
            }
            other => return other,
        }
    }
}

/// A warning is a value that was changed to fit.
pub(super) async fn refuse_warnings(change: &Change, link: &mut Link, warnings: u16) -> Result<()> {
    if warnings == 0 {
        return Ok(());
    }
    let said = rows(link, "SHOW WARNINGS LIMIT 5", "copying rows").await?;
    let refusal = does_not_fit(change, format!("{warnings} values would be changed to fit"));
    let text = |row: &mysql_async::Row| link::text(row, 2).unwrap_or_default();
    Err(said.iter().map(text).fold(refusal, Refusal::note).into())
}

/// What the server says of rows that the new table does not take.
pub(super) fn misfit(change: &Change, fault: Fault) -> Fault {
    match fault {
        Fault::Refused(refusal) if refusal.code == Code::StatementFailed => {
            does_not_fit(change, refusal.what.clone()).into()
        }
        other => other,
    }
}

pub(super) fn does_not_fit(change: &Change, why: String) -> Refusal {
    let table = &change.online.table;
    Refusal::new(Code::RowMisfit, format!("rows of {table} do not fit into its new definition"))
        .cause(why)
        .help("correct the rows, or the change, then start again: the table itself was not touched")
}
