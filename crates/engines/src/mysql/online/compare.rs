//! The comparison: every value of every row on both sides, chunk by chunk, while the application writes.
//!
//! One statement sees both tables as of one moment, and keeps the keys of the rows that differ. A row may differ because
//! its change was not brought over yet; then its key is in the server's log before a mark that is written now. So the
//! mark is waited for, and what differed and is not in the log of keys is a true difference. Nothing may be applied
//! meanwhile, or its keys would be gone. Values are compared, not hashes of them, so that no two can be taken for one.

use tokio::sync::Mutex;

use cofferdam_core::fault::Result;
use cofferdam_core::{Code, Fault, Refusal};

use super::super::link::{self, Link};
use super::super::names;
use super::change::Change;
use super::copy::passing;
use super::follow::Reached;
use super::state::{key_column, rows, run};
use super::table::{self, Column, Shape};

/// A chunk in which so many rows differ is no chunk whose rows were just changed.
const MOST: usize = 100_000;

impl Change {
    /// Compares both sides over so many connections. Gives how many rows differed and were still to be brought over. The
    /// chunks must all be copied, and nothing may be applied at the same time.
    pub async fn compare(&self, reached: &Reached, workers: usize) -> Result<u64> {
        let mut link = self.worker("compare").await?;
        let new = cofferdam_core::Name::plain(self.places.new_name.as_str());
        let Some(new) = table::read(&mut link, &self.shape.database, &new).await?.shape else {
            return Err(Fault::Bug(format!("the new table of {} is gone", self.online.table)));
        };
        let differ = self.differ(&new)?;
        let sql = format!("SELECT no FROM {} ORDER BY no DESC", self.places.chunk);
        let all = rows(&mut link, &sql, "reading the chunks").await?;
        let chunks: Mutex<Vec<i64>> = Mutex::new(all.iter().filter_map(|row| link::number(row, 0)).collect());
        let all = (0..workers.max(1)).map(|_| self.compare_chunks(&chunks, &differ, reached.clone()));
        Ok(futures::future::try_join_all(all).await?.into_iter().sum())
    }

    async fn compare_chunks(
        &self,
        chunks: &Mutex<Vec<i64>>,
        differ: &str,
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
            &format!("CREATE TEMPORARY TABLE {kept} ({}) ENGINE = InnoDB", columns.join(", ")),
            doing,
        )
        .await?;
        let mut pending = 0;
        loop {
            let Some(no) = chunks.lock().await.pop() else { return Ok(pending) };
            let look = self.look(&mut link, &kept, differ, no).await?;
            passing(async || {
                run(&mut link, &format!("DELETE FROM {kept}"), doing).await?;
                run(&mut link, &look, doing).await
            })
            .await?;
            let count = count(&mut link, &format!("SELECT COUNT(*) FROM {kept}")).await?;
            if count == 0 {
                continue;
            }
            let mark = self.mark(&mut link).await?;
            reached.wait(mark).await?;
            let pairs: Vec<String> = (0..self.shape.key.len())
                .map(|at| format!("l.{key} = d.{key}", key = key_column("k", at)))
                .collect();
            let untold = format!(
                "FROM {kept} d WHERE NOT EXISTS (SELECT 1 FROM {} l WHERE {})",
                self.places.log,
                pairs.join(" AND ")
            );
            let wrong = self::count(&mut link, &format!("SELECT COUNT(*) {untold}")).await?;
            if wrong > 0 {
                let first = rows(&mut link, &format!("SELECT * {untold} LIMIT 3"), doing).await?;
                return Err(self.mismatch(wrong, &first).into());
            }
            pending += count;
        }
    }

    /// The statement that keeps the keys of the rows of a chunk that differ.
    async fn look(&self, link: &mut Link, kept: &str, differ: &str, no: i64) -> Result<String> {
        let key = self.key()?;
        let pairs: Vec<String> = key.iter().map(|column| format!("s.{column} = t.{column}")).collect();
        let (places, on) = (&self.places, pairs.join(" AND "));
        let first = key.first().map(String::as_str).unwrap_or_default();
        let (our_key, their_key) = (self.of_key("t")?, self.of_key("s")?);
        let (ours, theirs) =
            (self.in_chunk(link, &our_key, no).await?, self.in_chunk(link, &their_key, no).await?);
        Ok(format!(
            "INSERT INTO {kept} SELECT {} FROM {source} t JOIN {chunk} c LEFT JOIN {new} s ON {on} \
             WHERE {ours} AND (s.{first} IS NULL OR {differ}) \
             UNION ALL SELECT {} FROM {new} s JOIN {chunk} c LEFT JOIN {source} t ON {on} \
             WHERE {theirs} AND t.{first} IS NULL LIMIT {MOST}",
            our_key.join(", "),
            their_key.join(", "),
            source = self.source,
            chunk = places.chunk,
            new = places.new,
        ))
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

async fn count(link: &mut Link, sql: &str) -> Result<u64> {
    let found = rows(link, sql, "comparing rows").await?;
    Ok(found.first().and_then(|row| link::number(row, 0)).unwrap_or(0).unsigned_abs())
}
