//! Rows into a table that nobody else sees, counted and hashed there, batch by batch.
//!
//! Each batch is a transaction of its own, small enough to stay in the session's memory. So a backup of any size needs no
//! room on the server's disk to be verified, and no snapshot is open for as long as that takes: while one is, the server
//! keeps every old version of every row that others update.

use std::time::Instant;

use bytes::Bytes;
use futures::{StreamExt, stream};

use cofferdam_core::Fault;
use cofferdam_core::backup::{Shape, Sum};
use cofferdam_core::fault::Result;

use super::super::others;
use super::PostgresCopier;
use super::batches::Batches;
use super::restore::{self, BESIDE};
use crate::copy::Rows;

/// Bytes of a batch, at least. With what a row takes more in a table than in a stream it fits in [`MEMORY`].
const BATCH: usize = 8 * 1024 * 1024;
/// A session's tables of its own stay in so much memory. It can only be said before the first of them.
pub(super) const MEMORY: &str = "SET temp_buffers = '32MB'";
/// Where others use the server, it rests for so many times as long as it worked.
const REST: u32 = 3;

/// See [`crate::copy::Copier::rehearse`].
pub(super) async fn rehearse(copier: &PostgresCopier, shape: &Shape, rows: Rows) -> Result<Sum> {
    let doing = format!("restoring {} beside", shape.table);
    restore::beside(copier, shape, "DELETE ROWS", &doing).await?;
    let rehearsed = in_batches(copier, shape, rows, &doing).await;
    let dropped = copier.run(&format!("DROP TABLE {BESIDE}"), &doing).await;
    let sum = rehearsed?;
    dropped.map(|()| sum)
}

async fn in_batches(copier: &PostgresCopier, shape: &Shape, rows: Rows, doing: &str) -> Result<Sum> {
    let mut batches = Batches::new(rows, shape.encoding, BATCH);
    let mut all = (0, 0);
    loop {
        let began = Instant::now();
        let Some(batch) = batches.next().await? else { break };
        let batch = batch.map_err(|why| {
            Fault::from(restore::not_in_format(doing).cause(why).help("nothing was restored"))
        })?;
        let sum = one(copier, shape, batch, doing).await?;
        all = added(all, &sum).ok_or_else(|| Fault::Bug(format!("{} is no sum of hashes", sum.hash)))?;
        if others::are_at_work(&copier.client).await? {
            tokio::time::sleep(began.elapsed() * REST).await;
        }
    }
    Ok(Sum { rows: all.0, hash: all.1.to_string() })
}

/// What is in the table goes with the end of the transaction.
async fn one(copier: &PostgresCopier, shape: &Shape, batch: Vec<Bytes>, doing: &str) -> Result<Sum> {
    copier.run("BEGIN", doing).await?;
    let sum = async {
        let pieces = stream::iter(batch.into_iter().map(Ok)).boxed();
        restore::fill(copier, BESIDE, shape, pieces, doing).await?;
        copier.sum_of(BESIDE, shape).await
    }
    .await;
    let ended = copier.run("ROLLBACK", doing).await;
    let sum = sum?;
    ended.map(|()| sum)
}

fn added(all: (u64, i128), more: &Sum) -> Option<(u64, i128)> {
    Some((all.0.checked_add(more.rows)?, all.1.checked_add(more.hash.parse().ok()?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_batches_are_the_sum_of_all() {
        let sum = |rows, hash: &str| Sum { rows, hash: hash.into() };
        assert_eq!(added((1, -5), &sum(2, "7")), Some((3, 2)));
        assert_eq!(added((1, 0), &sum(2, "-9223372036854775809")), Some((3, -9_223_372_036_854_775_809)));
        assert_eq!(added((1, 0), &sum(2, "1.5")), None);
        assert_eq!(added((u64::MAX, 0), &sum(1, "1")), None);
    }
}
