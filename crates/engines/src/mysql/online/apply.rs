//! Bringing the shadow up to date: keys of the log are taken, and what the table holds under them now is what the shadow
//! gets.
//!
//! Order does not matter, and a key that changed a thousand times is read once. What the log tells may not be visible yet
//! when it is told; so after the keys were chosen, a mark is written. Once its commit was answered, everything before it
//! can be seen.
//!
//! Once the copy is done the log of keys has one writer, whose transactions hold the change's row: a row with a lower
//! number that is committed later is one that was written again with a higher one. So a range may be deleted.

use cofferdam_core::fault::Result;
use cofferdam_core::{Code, Fault};

use super::super::link::{self, Link};
use super::super::names;
use super::change::{Change, FOLLOWER, LEADER};
use super::copy::passing;
use super::follow::Reached;
use super::moved::{Brought, OWN_KEY};
use super::plant::{self, planted};
use super::state::{begin, crash_at, rollback, rows, run};

/// Keys that one transaction takes.
const BATCH: u64 = 2_000;

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
            // From here on everything that the batch tells of can be seen.
            self.mark(&mut marker).await?;
            passing(async || self.batch(&mut link, upto).await).await?;
            applied = upto;
        }
        Ok(())
    }

    /// How many keys wait.
    pub(super) async fn waiting(&self, link: &mut Link) -> Result<u64> {
        let sql = format!("SELECT COUNT(*) FROM {}", self.places.log);
        let found = rows(link, &sql, "counting the log of keys").await?;
        Ok(found.first().and_then(|row| link::number(row, 0)).unwrap_or(0).unsigned_abs())
    }

    /// The last number of the next batch; 0: nothing is logged.
    async fn upto(&self, link: &mut Link) -> Result<u64> {
        let sql = format!(
            "SELECT COALESCE(MAX(seq), 0) FROM (SELECT seq FROM {} ORDER BY seq LIMIT {BATCH}) b",
            self.places.log
        );
        let found = rows(link, &sql, "reading the log of keys").await?;
        Ok(found.first().and_then(|row| link::number(row, 0)).unwrap_or(0).unsigned_abs())
    }

    async fn batch(&self, link: &mut Link, upto: u64) -> Result<()> {
        begin(link, &self.places, self.epoch).await?;
        let done = self.batch_open(link, upto).await;
        if done.is_err() {
            rollback(link).await;
        }
        done
    }

    /// Applies what is logged up to a number, in the open transaction, and commits.
    pub(super) async fn batch_open(&self, link: &mut Link, upto: u64) -> Result<()> {
        let doing = "applying changes";
        let keys =
            format!("SELECT DISTINCT {} FROM {} WHERE seq <= {upto}", self.key_list(), self.places.log);
        let listed = format!("({keys}) l");
        let stash = self.stash(link, &listed).await?;
        run(link, &self.delete(&listed)?, doing).await?;
        run(link, "SAVEPOINT cofferdam_batch", doing).await?;
        let inserts = self.inserts(&self.of_keys(&listed)?, stash.as_deref())?;
        if let Brought::Clash(_) = self.bring(link, &inserts, doing).await? {
            run(link, "ROLLBACK TO SAVEPOINT cofferdam_batch", doing).await?;
            self.bring_with_others(link, &keys, stash.as_deref(), doing).await?;
        }
        plant::after_apply(self, link).await?;
        run(link, &format!("DELETE FROM {} WHERE seq <= {upto}", self.places.log), doing).await?;
        crash_at("online.apply.before-commit")?;
        run(link, "COMMIT", doing).await?;
        crash_at("online.apply.committed")
    }

    /// The statement that takes the rows of these keys from the follower.
    fn delete(&self, keys: &str) -> Result<String> {
        let on = self.same_key(FOLLOWER, "l")?;
        let delete = format!("DELETE {FOLLOWER} FROM {} {FOLLOWER} JOIN {keys} ON {on}", self.places.new);
        Ok(match planted("lost-delete") {
            true => format!("{delete} JOIN {} {LEADER} ON {}", self.source, self.same_key(LEADER, "l")?),
            false => delete,
        })
    }

    /// Puts aside what the table that leads does not tell of these rows. Gives the name of the place.
    async fn stash(&self, link: &mut Link, keys: &str) -> Result<Option<String>> {
        if self.kept.is_empty() {
            return Ok(None);
        }
        let doing = "putting values aside";
        let stash = self.own("kept")?;
        run(link, &format!("DROP TEMPORARY TABLE IF EXISTS {stash}"), doing).await?;
        let (key, kept) = (self.key()?.join(", "), self.kept_of(keys)?);
        let make = format!("CREATE TEMPORARY TABLE {stash} ({OWN_KEY}, KEY ({key})) ENGINE = InnoDB {kept}");
        run(link, &make, doing).await?;
        Ok(Some(stash))
    }

    /// The statement that puts aside those of more rows.
    pub(super) fn stashed(&self, stash: &str, keys: &str) -> Result<String> {
        let columns = self.shape.key_columns().chain(&self.kept);
        let columns = columns.map(|column| Ok(names::quoted(&column.name)?.to_string()));
        let columns = columns.collect::<Result<Vec<_>>>()?.join(", ");
        Ok(format!("INSERT INTO {stash} ({columns}) {}", self.kept_of(keys)?))
    }

    fn kept_of(&self, keys: &str) -> Result<String> {
        let columns: Vec<String> = self
            .shape
            .key_columns()
            .chain(&self.kept)
            .map(|column| Ok(format!("{FOLLOWER}.{}", names::quoted(&column.name)?)))
            .collect::<Result<_>>()?;
        Ok(format!(
            "SELECT {} FROM {} {FOLLOWER} JOIN {keys} ON {}",
            columns.join(", "),
            self.places.new,
            self.same_key(FOLLOWER, "l")?
        ))
    }

    /// What stands behind FROM for the rows that lead, of these keys.
    pub(super) fn of_keys(&self, keys: &str) -> Result<String> {
        Ok(format!("{} {LEADER} JOIN {keys} ON {}", self.source, self.same_key(LEADER, "l")?))
    }

    /// The statements that bring rows over, given by what stands behind FROM. Where values were put aside, those rows get
    /// them back, and the others what the follower has by default.
    pub(super) fn inserts(&self, from: &str, stash: Option<&str>) -> Result<Vec<String>> {
        let plain = self.insert_from(from);
        let Some(stash) = stash else { return Ok(vec![plain]) };
        let pairs: Vec<String> =
            self.key()?.iter().map(|column| format!("k.{column} = {LEADER}.{column}")).collect();
        let (pairs, first) = (pairs.join(" AND "), self.key()?.first().cloned().unwrap_or_default());
        let kept = self.kept.iter().map(|column| Ok(names::quoted(&column.name)?.to_string()));
        let kept = kept.collect::<Result<Vec<_>>>()?;
        let theirs: Vec<String> = kept.iter().map(|column| format!("k.{column}")).collect();
        Ok(vec![
            format!(
                "INSERT INTO {} ({}, {}) SELECT {}, {} FROM {from} JOIN {stash} k ON {pairs}",
                self.places.new,
                self.columns.join(", "),
                kept.join(", "),
                self.columns_of(LEADER).join(", "),
                theirs.join(", "),
            ),
            format!("{plain} LEFT JOIN {stash} k ON {pairs} WHERE k.{first} IS NULL"),
        ])
    }

    /// The keys of logged rows that the follower does not take, with the reason; at most so many. Each is tried alone, and
    /// nothing is kept of it.
    pub(super) async fn misfits(&self, most: usize) -> Result<Vec<String>> {
        let mut link = self.worker("apply").await?;
        let columns = self.key_list();
        let sql = format!("SELECT MIN(seq), {columns} FROM {} GROUP BY {columns}", self.places.log);
        let mut found = Vec::new();
        for row in rows(&mut link, &sql, "looking for rows that do not fit").await? {
            let one = format!(
                "(SELECT {columns} FROM {} WHERE seq = {}) l",
                self.places.log,
                link::number(&row, 0).unwrap_or(0)
            );
            begin(&mut link, &self.places, self.epoch).await?;
            let tried = self.try_one(&mut link, &one).await;
            rollback(&mut link).await;
            match tried {
                Ok(()) => continue,
                Err(fault) if of_rows(&fault) => {
                    let key: Vec<String> =
                        (1..row.len()).map(|at| link::text(&row, at).unwrap_or_default()).collect();
                    let why = fault.refusal().and_then(|refusal| refusal.cause.clone()).unwrap_or_default();
                    found.push(format!("key {}: {why}", key.join(", ")));
                }
                Err(fault) => return Err(fault),
            }
            if found.len() >= most {
                break;
            }
        }
        Ok(found)
    }

    async fn try_one(&self, link: &mut Link, one: &str) -> Result<()> {
        let doing = "looking for rows that do not fit";
        let stash = self.stash(link, one).await?;
        run(link, &self.delete(one)?, doing).await?;
        match self.bring(link, &self.inserts(&self.of_keys(one)?, stash.as_deref())?, doing).await? {
            Brought::Rows(_) => Ok(()),
            Brought::Clash(clash) => Err(clash),
        }
    }
}

/// The rows themselves are refused.
pub(super) fn of_rows(fault: &Fault) -> bool {
    fault.refusal().is_some_and(|refusal| refusal.code == Code::RowMisfit)
}
