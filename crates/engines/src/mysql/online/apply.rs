//! Bringing the shadow up to date: keys of the log are taken, and what the table holds under them now is what the shadow
//! gets.
//!
//! Order does not matter, and a key that changed a thousand times is read once. What the log tells may not be visible yet
//! when it is told; so after the keys were chosen, a mark is written. Once its commit was answered, everything before it
//! can be seen.
//!
//! The log of keys has one writer, whose transactions hold the change's row: a row with a lower number that is committed
//! later is one that was written again with a higher one. So a range may be deleted.

use cofferdam_core::fault::Result;
use cofferdam_core::{Code, Fault};

use super::super::link::{self, Link};
use super::change::Change;
use super::copy::{misfit, passing, refuse_warnings};
use super::follow::Reached;
use super::state::{begin, key_column, rollback, rows, run};

/// Keys that one transaction takes.
const BATCH: usize = 2_000;
/// All that is logged is tried so often before a row that does not fit counts as one that fits nowhere: meanwhile values
/// may go on moving between rows.
const WHOLE: u32 = 40;

impl Change {
    /// Applies what is logged until everything up to a mark that is written now is applied, and no more than so many keys
    /// are left. The chunks must all be copied.
    pub async fn catch_up(&self, reached: &mut Reached, left: u64) -> Result<()> {
        let mut link = self.worker("apply").await?;
        let mut marker = self.worker("mark").await?;
        let mark = self.mark(&mut marker).await?;
        reached.wait(mark).await?;
        let until = self.logged(&mut link).await?;
        let mut applied = 0;
        while applied < until || self.waiting(&mut link).await? > left {
            let upto = self.upto(&mut link).await?;
            if upto == 0 {
                break;
            }
            applied = self.apply(&mut link, &mut marker, reached, upto).await?;
        }
        Ok(())
    }

    /// How many keys wait.
    async fn waiting(&self, link: &mut Link) -> Result<u64> {
        let sql = format!("SELECT COUNT(*) FROM {}", self.places.log);
        let found = rows(link, &sql, "counting the log of keys").await?;
        Ok(found.first().and_then(|row| link::number(row, 0)).unwrap_or(0).unsigned_abs())
    }

    /// The last number of the next batch; 0: nothing waits.
    async fn upto(&self, link: &mut Link) -> Result<u64> {
        let sql = format!(
            "SELECT COALESCE(MAX(seq), 0) FROM (SELECT seq FROM {} ORDER BY seq LIMIT {BATCH}) b",
            self.places.log
        );
        let found = rows(link, &sql, "reading the log of keys").await?;
        Ok(found.first().and_then(|row| link::number(row, 0)).unwrap_or(0).unsigned_abs())
    }

    /// Applies a batch. Where a value of a unique index has moved between rows, the other row may be further on in the
    /// log: then all of it is taken. Gives up to where it was applied.
    async fn apply(
        &self,
        link: &mut Link,
        marker: &mut Link,
        reached: &mut Reached,
        mut upto: u64,
    ) -> Result<u64> {
        let mut tries = 0;
        loop {
            // From here on everything that the batch tells of can be seen.
            self.mark(marker).await?;
            match passing(async || self.batch(link, upto).await).await {
                Ok(()) => return Ok(upto),
                Err(fault) if tries < WHOLE && of_rows(&fault) => {
                    tries += 1;
                    let mark = self.mark(marker).await?;
                    reached.wait(mark).await?;
                    upto = self.logged(link).await?;
                }
                Err(fault) => return Err(fault),
            }
        }
    }

    async fn batch(&self, link: &mut Link, upto: u64) -> Result<()> {
        begin(link, &self.places, self.epoch).await?;
        let done = self.batch_open(link, upto).await;
        if done.is_err() {
            rollback(link).await;
        }
        done
    }

    async fn batch_open(&self, link: &mut Link, upto: u64) -> Result<()> {
        let doing = "applying changes";
        let columns: Vec<String> = (0..self.shape.key.len()).map(|at| key_column("k", at)).collect();
        let keys = format!(
            "(SELECT DISTINCT {} FROM {} WHERE seq <= {upto}) l",
            columns.join(", "),
            self.places.log
        );
        let delete =
            format!("DELETE s FROM {} s JOIN {keys} ON {}", self.places.new, self.same_key("s", "l")?);
        run(link, &delete, doing).await?;
        let insert = format!("{} JOIN {keys} ON {}", self.insert(), self.same_key("t", "l")?);
        let warnings = run(link, &insert, doing).await.map_err(|fault| misfit(self, fault))?;
        refuse_warnings(self, link, warnings).await?;
        run(link, &format!("DELETE FROM {} WHERE seq <= {upto}", self.places.log), doing).await?;
        run(link, "COMMIT", doing).await.map(drop)
    }
}

/// The rows themselves are refused.
pub(super) fn of_rows(fault: &Fault) -> bool {
    fault.refusal().is_some_and(|refusal| refusal.code == Code::RowMisfit)
}
