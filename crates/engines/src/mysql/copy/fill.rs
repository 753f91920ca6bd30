//! Rows into a table, batch by batch; and into one that nobody else sees, to count and hash them there.

use std::time::{Duration, Instant};

use mysql_async::Value;

use cofferdam_core::backup::{Shape, Sum};
use cofferdam_core::fault::Result;
use cofferdam_core::{Code, Fault, Refusal};

use super::super::link::{self, Link};
use super::super::{errors, names, online};
use super::lines::Lines;
use super::{RAW, WORDS, columns, refuse_other_encoding, run, shape, sum_of};
use crate::copy::Rows;

/// Bytes of a batch, at least.
pub(super) const BATCH: usize = 8 * 1024 * 1024;
/// Bytes of a statement, at least, unless its rows are so many.
const STATEMENT: usize = 256 * 1024;
/// Rows of a statement, at most.
const ROWS: usize = 256;
/// A statement has so many parameters at most.
const PARAMETERS: usize = 65_535;
/// Where others use the server, it rests for so many times as long as it worked.
const REST: u32 = 3;

/// Reads a batch of rows and inserts it. Whether there may be more.
pub(super) async fn fill(
    link: &mut Link,
    into: &str,
    shape: &Shape,
    lines: &mut Lines,
    doing: &str,
) -> Result<bool> {
    run(link, RAW, doing).await?;
    let width = shape.columns.len();
    let head = format!("INSERT INTO {into} ({}) VALUES ", columns::names(shape, |_| true)?);
    let row = columns::written(shape)?;
    let most = (PARAMETERS / width.max(1)).clamp(1, ROWS);
    let (mut all, mut more) = (0, true);
    while more && all < BATCH {
        let (mut rows, mut size) = (Vec::new(), 0);
        while more && rows.len() < most && size < STATEMENT {
            match lines.next(width).await? {
                None => more = false,
                Some(Ok((values, bytes))) => {
                    rows.push(values);
                    size += bytes;
                }
                Some(Err(why)) => {
                    let what = format!("{doing}: the rows are not in the format that they should be");
                    let damaged = Refusal::new(Code::BackupDamaged, what).cause(why);
                    return Err(damaged.help("nothing was restored").into());
                }
            }
        }
        all += size;
        insert(link, &head, &row, rows).await.map_err(|e| errors::fault(e, doing))?;
    }
    run(link, WORDS, doing).await?;
    Ok(more)
}

/// In statements of 1, 2, 4, ... rows, so that there are few of them to be prepared.
async fn insert(
    link: &mut Link,
    head: &str,
    row: &str,
    mut rows: Vec<Vec<Value>>,
) -> Result<(), mysql_async::Error> {
    while !rows.is_empty() {
        let count = 1 << rows.len().ilog2();
        let values = rows.drain(..count).flatten().collect();
        link.rows(&format!("{head}{}", vec![row; count].join(", ")), values).await?;
    }
    Ok(())
}

/// See [`crate::copy::Copier::rehearse`]. A table of the session's own takes no right but CREATE TEMPORARY TABLES and is
/// gone with the session.
pub(super) async fn rehearse(link: &mut Link, database: &str, shape: &Shape, rows: Rows) -> Result<Sum> {
    refuse_other_encoding(shape)?;
    let doing = format!("restoring {} beside", shape.table);
    let beside = format!("{}.`_cofferdam_rehearsal`", names::quoted(database)?);
    let definition = shape::definition(shape, Some(online::OWN_KEY), false)?;
    run(link, &format!("CREATE TEMPORARY TABLE {beside} {definition}"), &doing).await?;
    let rehearsed = in_batches(link, &beside, shape, rows, &doing).await;
    let dropped = run(link, &format!("DROP TEMPORARY TABLE {beside}"), &doing).await;
    let sum = rehearsed?;
    dropped.map(|()| sum)
}

async fn in_batches(link: &mut Link, beside: &str, shape: &Shape, rows: Rows, doing: &str) -> Result<Sum> {
    let mut lines = Lines::new(rows);
    let (mut count, mut hashes, mut more) = (0, 0_u128, true);
    while more {
        let began = Instant::now();
        more = fill(link, beside, shape, &mut lines, doing).await?;
        let sum = sum_of(link, beside, shape).await?;
        count += sum.rows;
        let hash = sum.hash.parse().ok().and_then(|hash| hashes.checked_add(hash));
        hashes = hash.ok_or_else(|| Fault::Bug(format!("{} is no sum of hashes", sum.hash)))?;
        run(link, &format!("TRUNCATE TABLE {beside}"), doing).await?;
        rest(link, began.elapsed()).await?;
    }
    Ok(Sum { rows: count, hash: hashes.to_string() })
}

/// After so long a batch, if somebody else is at work.
async fn rest(link: &mut Link, worked: Duration) -> Result<()> {
    let rows = link.said("SHOW GLOBAL STATUS LIKE 'Threads_running'").await;
    let rows = rows.map_err(|e| errors::fault(e, "looking who else is there"))?;
    // One is this.
    if rows.first().and_then(|row| link::number(row, 1)).is_none_or(|running| running > 1) {
        tokio::time::sleep(worked * REST).await;
    }
    Ok(())
}
