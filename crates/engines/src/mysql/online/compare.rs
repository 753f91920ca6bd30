//! The comparison: every value of every row on both sides, chunk by chunk, while the application writes.
//!
//! One statement sees both tables as of one moment, and keeps the keys of the rows that differ. A row may differ because
//! its change was not brought over yet; then its key is in the server's log before a mark that is written now. So the
//! mark is waited for, and what differed and is not in the log of keys is a true difference. Nothing may be applied
//! meanwhile, or its keys would be gone. Values are compared, not hashes of them, so that no two can be taken for one.
//!
//! To look for rows that only one side has takes a search in each table for each row of the other. Where nothing is
//! written that is not needed: if each row has its like on the other side and both have as many, there is no other row.
//!
//! What was found of a chunk is written down, and whoever goes on compares the chunks that are left. It says: at one moment
//! both sides had the same rows in this chunk, but for keys that were in the log of keys. That stays as true behind a
//! runner's end as it is between two chunks of one runner, or between this part and the swap, because nothing on which it
//! rests ends with a process:
//!
//! - A row that is written later has its key in the server's log behind the position that is written down, since position
//!   and keys are written in one transaction. Whoever goes on follows from there; a log that is gone ends the change.
//! - A key leaves the log of keys only in the transaction that brings its row over, or its chunk, and no chunk is copied
//!   after the first one was compared.
//! - It is written in a transaction that holds the change's row, by the runner that looked. Where another one took over
//!   after the look, it is not written.
//! - A difference is never written down as compared. A runner that dies before the change is poisoned leaves its chunk
//!   to the next one, who finds it again.
//! - Definitions are looked at by whoever goes on, and changes of them are in the server's log.
//! - Each direction has chunks of its own; those of the way back are cut anew each time, and so compared anew.
//!
//! A server whose machine stops may lose the end of its log and keep the rows that it told of (`sync_binlog = 0`, which is
//! what MariaDB has by default). So what was written down before the server was started anew does not count: a chunk is
//! marked with the second since which the server runs. The connection that asks for it is held until the last chunk is
//! compared, so that it is the same server all the while.
//!
//! What no log tells is found by the look that comes after it, and by none before: writes with `sql_log_bin = 0`, writes of
//! others to the new table, and a mistake in bringing rows over. So it is within one runner, too; with two it is as long
//! as nobody is at work. The gate looks at everything again from time to time, and so does the way back.

use tokio::sync::Mutex;

use cofferdam_core::fault::Result;
use cofferdam_core::{Code, Fault, Refusal};

use super::super::link::{self, Link};
use super::super::{Flavour, names};
use super::change::Change;
use super::copy::passing;
use super::follow::Reached;
use super::moved::OWN_KEY;
use super::plant::planted;
use super::state::{begin, crash_at, key_column, rollback, rows, run};
use super::table::{self, Column, Shape};

/// So many rows that differ are kept at once. The last chunk has no end, and has more where many rows are inserted.
const MOST: u64 = if cfg!(test) { 50 } else { 100_000 };

/// A chunk that is to be compared, and so many rows it had when it was cut.
struct Left {
    no: i64,
    held: u64,
}

/// A chunk on both sides: of the table `t`, and of the new one `s`.
struct Sides {
    /// That a row of the one, or of the other, is in the chunk `c`.
    in_ours: String,
    in_theirs: String,
    /// That a row of one and a row of the other have the same key.
    pair: String,
    /// A column of the key: NULL where a row has no like.
    first: String,
}

impl Change {
    /// Compares what was not compared since [`Change::compare_anew`] or the cut, over so many connections; goes on from
    /// where an earlier runner stopped. Gives how many rows differed and were still to be brought over. The chunks must all
    /// be copied, and nothing may be applied at the same time.
    pub async fn compare(&self, reached: &Reached, workers: usize) -> Result<u64> {
        if planted("no-compare") {
            return Ok(0);
        }
        let mut link = self.worker("compare").await?;
        let new = cofferdam_core::Name::plain(self.places.new_name.as_str());
        let Some(new) = table::read(&mut link, &self.shape.database, &new).await?.shape else {
            return Err(Fault::Bug(format!("the new table of {} is gone", self.online.table)));
        };
        let differ = self.differ(&new)?;
        let since = running_since(&mut link).await?;
        self.write_chunks(&mut link, &format!("compared = 0 WHERE compared NOT IN (0, {since})")).await?;
        let reading = "reading the chunks";
        let chunk = &self.places.chunk;
        let sums =
            format!("SELECT COALESCE(SUM(held), 0), COALESCE(SUM(held * (compared > 0)), 0) FROM {chunk}");
        let sums = rows(&mut link, &sums, reading).await?;
        let sum = |at| sums.first().and_then(|row| link::number(row, at)).unwrap_or(0).unsigned_abs();
        self.valve.doing("comparing rows", sum(0));
        self.valve.done_before(sum(1));
        let left = format!("SELECT no, held FROM {chunk} WHERE compared = 0 ORDER BY no DESC");
        let left = rows(&mut link, &left, reading).await?;
        let left = left.iter().filter_map(|row| {
            Some(Left { no: link::number(row, 0)?, held: link::number(row, 1)?.unsigned_abs() })
        });
        let chunks = Mutex::new(left.collect());
        let all =
            (0..workers.max(1)).map(|n| self.compare_chunks(n, &chunks, &differ, since, reached.clone()));
        let pending = futures::future::try_join_all(all).await?.into_iter().sum();
        self.every_key_is_compared(&mut link).await?;
        Ok(pending)
    }

    /// Compares everything, whatever was compared before; otherwise as [`Change::compare`].
    pub async fn compare_anew(&self, reached: &Reached, workers: usize) -> Result<u64> {
        let mut link = self.worker("compare").await?;
        self.write_chunks(&mut link, "compared = 0 WHERE compared > 0").await?;
        self.compare(reached, workers).await
    }

    /// A comparison of some chunks would be none: all are compared, and together they are the whole space of keys.
    async fn every_key_is_compared(&self, link: &mut Link) -> Result<()> {
        let pair = |at| format!("c.{} <=> b.{}", key_column("low", at), key_column("high", at));
        let pairs: Vec<String> = (0..self.shape.key.len()).map(pair).collect();
        let sql = format!(
            "SELECT COUNT(*) > 0 AND MIN(c.compared) > 0 AND MIN({}) = 1 AND SUM(c.ended) = 1 \
             AND MAX(c.no * c.ended) = MAX(c.no) FROM {chunk} c LEFT JOIN {chunk} b ON b.no = c.no - 1",
            pairs.join(" AND "),
            chunk = self.places.chunk,
        );
        match count(link, &sql).await? {
            1 => Ok(()),
            _ => Err(Fault::Bug(format!("the chunks of {} leave keys out", self.online.table))),
        }
    }

    /// Writes to the chunks, only while the change is ours.
    pub(super) async fn write_chunks(&self, link: &mut Link, what: &str) -> Result<()> {
        let doing = "writing down what was compared";
        passing(async || {
            begin(link, &self.places, self.epoch).await?;
            let written = run(link, &format!("UPDATE {} SET {what}", self.places.chunk), doing).await;
            if written.is_err() {
                rollback(link).await;
            }
            written?;
            run(link, "COMMIT", doing).await.map(drop)
        })
        .await
    }

    async fn compare_chunks(
        &self,
        number: usize,
        chunks: &Mutex<Vec<Left>>,
        differ: &str,
        since: i64,
        mut reached: Reached,
    ) -> Result<u64> {
        let doing = "comparing rows";
        let mut link = self.worker("compare").await?;
        let kept = format!("{}.`_cofferdam_differs`", names::quoted(&self.shape.database)?);
        let column =
            |(at, column): (usize, &Column)| format!("{} {} NULL", key_column("k", at), column.definition());
        let columns: Vec<String> = self.shape.key_columns().enumerate().map(column).collect();
        run(
            &mut link,
            &format!("CREATE TEMPORARY TABLE {kept} ({OWN_KEY}, {}) ENGINE = InnoDB", columns.join(", ")),
            doing,
        )
        .await?;
        let mut pending = 0;
        let mut quiet = true;
        let none_left = || chunks.try_lock().is_ok_and(|chunks| chunks.is_empty());
        while self.valve.may_go_on(number, none_left).await? {
            let Some(Left { no, held }) = chunks.lock().await.pop() else { break };
            if !(quiet && passing(async || self.same(&mut link, differ, no).await).await?) {
                let differing = self.settled(&mut link, &mut reached, &kept, differ, no).await?;
                // Where rows of one chunk wait to be brought over, those of the next ones do, too.
                quiet = differing == 0;
                pending += differing;
            }
            crash_at("online.compare.before-commit")?;
            self.write_chunks(&mut link, &format!("compared = {since} WHERE no = {no}")).await?;
            crash_at("online.compare.committed")?;
            self.valve.copied(held);
        }
        Ok(pending)
    }

    /// How many rows of a chunk were seen to differ, all of which are still to be brought over.
    ///
    /// # Errors
    /// `Mismatch` where a row differs that is not.
    async fn settled(
        &self,
        link: &mut Link,
        reached: &mut Reached,
        kept: &str,
        differ: &str,
        no: i64,
    ) -> Result<u64> {
        let doing = "comparing rows";
        let pairs: Vec<String> = (0..self.shape.key.len())
            .map(|at| format!("l.{key} = d.{key}", key = key_column("k", at)))
            .collect();
        let untold = format!(
            "FROM {kept} d WHERE NOT EXISTS (SELECT 1 FROM {} l WHERE {})",
            self.places.log,
            pairs.join(" AND ")
        );
        let mut seen = 0;
        loop {
            let look = self.look(link, kept, differ, no, seen > 0).await?;
            passing(async || {
                run(link, &format!("DELETE FROM {kept}"), doing).await?;
                run(link, &look, doing).await
            })
            .await?;
            let differing = count(link, &format!("SELECT COUNT(*) FROM {kept}")).await?;
            if differing == 0 {
                return Ok(seen);
            }
            let mark = self.mark(link).await?;
            reached.wait(mark).await?;
            let wrong = count(link, &format!("SELECT COUNT(*) {untold}")).await?;
            if wrong > 0 {
                let first =
                    rows(link, &format!("SELECT {} {untold} LIMIT 3", self.key_list()), doing).await?;
                return Err(self.mismatch(wrong, &first).into());
            }
            seen += differing;
            if differing < MOST {
                return Ok(seen);
            }
            // There are more than were kept. These are told of by now, and are no longer in the way of the others.
        }
    }

    /// Whether a chunk has the same rows on both sides. One statement, which sees both as of one moment.
    async fn same(&self, link: &mut Link, differ: &str, no: i64) -> Result<bool> {
        let Sides { in_ours, in_theirs, pair, first } = self.sides(link, no).await?;
        let sql = format!(
            "SELECT COUNT(*), COUNT(CASE WHEN s.{first} IS NULL OR {differ} THEN 1 END), \
             (SELECT COUNT(*) FROM {new} s JOIN {chunk} c WHERE {in_theirs}) \
             FROM {ours} JOIN {chunk} c LEFT JOIN {new} s ON {pair} WHERE {in_ours}",
            ours = self.by_key("t")?,
            chunk = self.places.chunk,
            new = self.places.new,
        );
        let found = rows(link, &sql, "comparing rows").await?;
        let number = |at| found.first().and_then(|row| link::number(row, at));
        Ok(number(1) == Some(0) && number(0).is_some() && number(0) == number(2))
    }

    /// The statement that keeps the keys of the rows of a chunk that differ; with `untold`, of those of which the log of
    /// keys does not tell.
    async fn look(&self, link: &mut Link, kept: &str, differ: &str, no: i64, untold: bool) -> Result<String> {
        let Sides { in_ours, in_theirs, pair, first } = self.sides(link, no).await?;
        let only = |side: &str| match untold {
            true => Ok(format!(
                "AND NOT EXISTS (SELECT 1 FROM {} l WHERE {})",
                self.places.log,
                self.same_key(side, "l")?
            )),
            false => Ok::<_, Fault>(String::new()),
        };
        Ok(format!(
            "INSERT INTO {kept} ({}) SELECT {} FROM {ours} JOIN {chunk} c LEFT JOIN {new} s ON {pair} \
             WHERE {in_ours} AND (s.{first} IS NULL OR {differ}) {in_ours_only} \
             UNION ALL SELECT {} FROM {new} s JOIN {chunk} c LEFT JOIN {source} t ON {pair} \
             WHERE {in_theirs} AND t.{first} IS NULL {in_theirs_only} LIMIT {MOST}",
            self.key_list(),
            self.of_key("t")?.join(", "),
            self.of_key("s")?.join(", "),
            in_ours_only = only("t")?,
            in_theirs_only = only("s")?,
            ours = self.by_key("t")?,
            source = self.source,
            chunk = self.places.chunk,
            new = self.places.new,
        ))
    }

    async fn sides(&self, link: &mut Link, no: i64) -> Result<Sides> {
        let key = self.key()?;
        let pairs: Vec<String> = key.iter().map(|column| format!("s.{column} = t.{column}")).collect();
        Ok(Sides {
            in_ours: self.in_chunk(link, &self.of_key("t")?, no).await?,
            in_theirs: self.in_chunk(link, &self.of_key("s")?, no).await?,
            pair: pairs.join(" AND "),
            first: key.first().cloned().unwrap_or_default(),
        })
    }

    /// That a row of the table `t` is not what the row `s` of the new one is.
    fn differ(&self, new: &Shape) -> Result<String> {
        let mut same = Vec::new();
        for column in &new.columns {
            let quoted = names::quoted(&column.name)?.to_string();
            let Some(old) = self.shape.columns.iter().find(|old| old.name == column.name) else { continue };
            if !self.columns.contains(&quoted) {
                continue;
            }
            let as_text = old.text() || column.text();
            let side = |side: &str| match (as_text, old.plain() && column.plain()) {
                (true, _) => format!("CAST(CONVERT({side}.{quoted} USING utf8mb4) AS BINARY)"),
                (false, true) => format!("{side}.{quoted}"),
                (false, false) => format!("CAST({side}.{quoted} AS BINARY)"),
            };
            same.push(format!("{} <=> {}", side("t"), side("s")));
        }
        Ok(format!("NOT ({})", same.join(" AND ")))
    }

    fn mismatch(&self, wrong: u64, first: &[mysql_async::Row]) -> Refusal {
        let table = &self.online.table;
        let refusal = Refusal::new(Code::Mismatch, format!("the new table does not hold what {table} holds"))
            .cause(format!("{wrong} rows differ, and no change of them is still to be brought over"));
        let key = |row: &mysql_async::Row| {
            let cell = |at| link::text(row, at).unwrap_or_else(|| "NULL".into());
            format!("the row with the key {}", (0..row.len()).map(cell).collect::<Vec<_>>().join(", "))
        };
        first.iter().map(key).fold(refusal, Refusal::note)
    }
}

/// Since which second the server runs, by its clock: a number that is another one after each of its starts. Both readings
/// are of the moment in which the statement began, so that it is always the same one until then.
async fn running_since(link: &mut Link) -> Result<i64> {
    let doing = "asking since when the server runs";
    let status = match link.flavour {
        Flavour::MySql => "performance_schema.global_status",
        Flavour::MariaDb => "information_schema.GLOBAL_STATUS",
    };
    let sql = format!(
        "SELECT UNIX_TIMESTAMP() - CAST(VARIABLE_VALUE AS SIGNED) FROM {status} WHERE VARIABLE_NAME = 'Uptime'"
    );
    let found = rows(link, &sql, doing).await?;
    let since = found.first().and_then(|row| link::number(row, 0));
    since.ok_or_else(|| Fault::Bug("the server does not say since when it runs".into()))
}

async fn count(link: &mut Link, sql: &str) -> Result<u64> {
    let found = rows(link, sql, "comparing rows").await?;
    Ok(found.first().and_then(|row| link::number(row, 0)).unwrap_or(0).unsigned_abs())
}
