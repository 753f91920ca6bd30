//! Values of unique indexes that move between rows.
//!
//! A row is brought over as it is now. A value that it took from another row may be in the follower still, in that other
//! row, whose change is told a moment later. That one makes room: it is taken from the follower and comes back as it is
//! now, in the same transaction, or while the copy is at work with the log of keys. Rows that are brought over are put
//! aside first, so that they stay of one moment while room is made for them. Two that clash though both are of one moment
//! are duplicates. Nothing is left out and nothing is overwritten.

use std::collections::BTreeSet;
use std::time::Duration;

use mysql_async::Error;

use cofferdam_core::fault::Result;
use cofferdam_core::{Code, Fault, Refusal};

use super::super::link::{self, Link};
use super::super::{errors, names};
use super::binlog::Key;
use super::change::{Change, FOLLOWER, LEADER};
use super::copy::{affected, misfit, refuse_warnings};
use super::state::{key_column, rows, run};

/// What came of bringing rows over by statements of which all must fit.
pub(super) enum Brought {
    Rows(u64),
    /// A value of a unique index is there in another row. Nothing of that statement was done.
    Clash(Fault),
}

/// Values that move on while room is made are made room for again, so often.
const ROUNDS: u32 = 20;
/// A row that makes room may need it elsewhere, and so on, so often.
const CHAIN: u32 = 100;
/// Some servers take no table without a primary key, not even a temporary one.
pub(in crate::mysql) const OWN_KEY: &str =
    "`_cofferdam_no` bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY";
/// Where one can go back to within the transaction.
const PIECE: &str = "cofferdam_piece";

impl Change {
    /// Brings rows over, all of them or none of a statement's.
    pub(super) async fn bring(&self, link: &mut Link, inserts: &[String], doing: &str) -> Result<Brought> {
        let mut brought = 0;
        for insert in inserts {
            match link.run(insert).await {
                Ok(warnings) => refuse_warnings(self, link, warnings).await?,
                Err(e) => {
                    let clash = clashes(&e);
                    let fault = misfit(self, errors::fault(e, doing));
                    return if clash { Ok(Brought::Clash(fault)) } else { Err(fault) };
                }
            }
            brought += affected(link).await?;
        }
        Ok(Brought::Rows(brought))
    }

    /// Brings over the rows whose keys a SELECT gives and of which none is in the follower, together with those that are in
    /// their way: these were taken from it, and come back as they are now.
    ///
    /// # Errors
    /// `RowMisfit` for duplicates.
    pub(super) async fn bring_with_others(
        &self,
        link: &mut Link,
        keys: &str,
        stash: Option<&str>,
        doing: &str,
    ) -> Result<()> {
        self.read_rows(link, &self.of_keys(&format!("({keys}) l"))?, doing).await?;
        let mut away = self.bring_read(link, stash, doing).await?;
        // Those have values of others in their turn, whose changes are told later. Each round there are fewer.
        let pick = self.own("pick")?;
        let picked = self.of_keys(&format!("(SELECT DISTINCT {} FROM {pick}) l", self.key_list()))?;
        for _ in 0..CHAIN {
            if away.is_empty() {
                return Ok(());
            }
            self.keys_in(link, &pick, doing).await?;
            self.write_keys(link, &pick, &away, doing).await?;
            self.read_rows(link, &picked, doing).await?;
            away = self.bring_read(link, stash, doing).await?;
        }
        // What is left takes room from each other again and again. Read in one moment, two that clash are duplicates.
        self.keys_in(link, &pick, doing).await?;
        self.write_keys(link, &pick, &away, doing).await?;
        for _ in 0..ROUNDS {
            self.read_rows(link, &picked, doing).await?;
            let Some((way, clash)) = self.tried(link, stash, doing).await? else { return Ok(()) };
            self.make_room(link, &way, stash, clash, doing).await?;
            self.write_keys(link, &pick, &way, doing).await?;
        }
        Err(self.too_fast())
    }

    /// Brings over rows, given by what stands behind FROM, of which none is in the follower. Others that are in their way
    /// come back with the log of keys. Gives how many rows were brought over.
    ///
    /// # Errors
    /// `RowMisfit` for duplicates among these rows.
    pub(super) async fn bring_before_others(&self, link: &mut Link, from: &str, doing: &str) -> Result<u64> {
        if let Brought::Rows(brought) = self.bring(link, &[self.insert_from(from)], doing).await? {
            return Ok(brought);
        }
        let read = self.read_rows(link, from, doing).await?;
        let away = self.bring_read(link, None, doing).await?;
        self.log_keys(link, &away).await?;
        Ok(read)
    }

    /// Puts rows aside as they are in one moment. Gives how many there are.
    async fn read_rows(&self, link: &mut Link, from: &str, doing: &str) -> Result<u64> {
        let read = self.own("rows")?;
        run(link, &format!("DROP TEMPORARY TABLE IF EXISTS {read}"), doing).await?;
        let columns = self.columns_of(LEADER).join(", ");
        let sql =
            format!("CREATE TEMPORARY TABLE {read} ({OWN_KEY}) ENGINE = InnoDB SELECT {columns} FROM {from}");
        run(link, &sql, doing).await?;
        affected(link).await
    }

    /// Brings over the rows that were put aside. Gives the keys of those that made room for them.
    async fn bring_read(&self, link: &mut Link, stash: Option<&str>, doing: &str) -> Result<Vec<Key>> {
        let mut away = BTreeSet::new();
        for _ in 0..ROUNDS {
            let Some((way, clash)) = self.tried(link, stash, doing).await? else {
                return Ok(away.into_iter().collect());
            };
            self.make_room(link, &way, stash, clash, doing).await?;
            away.extend(way);
        }
        Err(self.too_fast())
    }

    /// Tries to bring over the rows that were put aside. `None`: they are. Else nothing was done, and this is in the way.
    async fn tried(
        &self,
        link: &mut Link,
        stash: Option<&str>,
        doing: &str,
    ) -> Result<Option<(Vec<Key>, Fault)>> {
        let inserts = self.inserts(&format!("{} {LEADER}", self.own("rows")?), stash)?;
        run(link, &format!("SAVEPOINT {PIECE}"), doing).await?;
        let clash = match self.bring(link, &inserts, doing).await? {
            Brought::Rows(_) => return Ok(None),
            Brought::Clash(clash) => clash,
        };
        run(link, &format!("ROLLBACK TO SAVEPOINT {PIECE}"), doing).await?;
        Ok(Some((self.in_the_way(link, &inserts, doing).await?, clash)))
    }

    /// The keys of the rows that hold a value which a row of these statements has: rows of the follower, or of the same
    /// statement. None, where they fit by now. The server tells of no row that stands in the way; but each is at hand where
    /// it would be updated, which is not kept.
    async fn in_the_way(&self, link: &mut Link, inserts: &[String], doing: &str) -> Result<Vec<Key>> {
        let new = &self.places.new;
        let told = |column: &super::table::Column| {
            let name = format!("{new}.{}", names::quoted(&column.name)?);
            let kind = column.kind.as_ref().ok_or_else(|| Fault::Bug("a key of an unknown type".into()))?;
            Ok(kind.told(&name))
        };
        let told = self.shape.key_columns().map(told).collect::<Result<Vec<_>>>()?.join(", ");
        let list = format!("@cofferdam_keys := CONCAT(@cofferdam_keys, CONCAT_WS(',', {told}), ';')");
        let first = self.columns.first().cloned().unwrap_or_default();
        let same = format!("{new}.{first} = IF(({list}) IS NULL, {new}.{first}, {new}.{first})");
        run(link, &format!("SAVEPOINT {PIECE}"), doing).await?;
        run(link, "SET @cofferdam_keys = ''", doing).await?;
        for insert in inserts {
            link.run(&format!("{insert} ON DUPLICATE KEY UPDATE {same}"))
                .await
                .map_err(|e| misfit(self, errors::fault(e, doing)))?;
        }
        run(link, &format!("ROLLBACK TO SAVEPOINT {PIECE}"), doing).await?;
        let found = rows(link, "SELECT @cofferdam_keys", doing).await?;
        let found = found.first().and_then(|row| link::text(row, 0)).ok_or_else(|| {
            let why = "the keys of rows that are in the way are longer than max_allowed_packet";
            Fault::from(Refusal::new(Code::RowMisfit, why).help("set it to 64M or more, then start again"))
        })?;
        let keys = found.split(';').filter(|key| !key.is_empty());
        let keys: BTreeSet<Key> = keys.map(|key| key.split(',').map(str::to_owned).collect()).collect();
        Ok(keys.into_iter().collect())
    }

    /// Takes rows from the follower, and puts aside of them what the table that leads does not tell.
    ///
    /// # Errors
    /// The clash itself, where none of these is a row of the follower: two rows of one moment hold the same value.
    async fn make_room(
        &self,
        link: &mut Link,
        keys: &[Key],
        stash: Option<&str>,
        clash: Fault,
        doing: &str,
    ) -> Result<()> {
        if keys.is_empty() {
            return Ok(());
        }
        let way = self.own("way")?;
        self.keys_in(link, &way, doing).await?;
        self.write_keys(link, &way, keys, doing).await?;
        let on = self.same_key(FOLLOWER, "l")?;
        if let Some(stash) = stash {
            // One that made room before has what was put aside then.
            let pairs: Vec<String> =
                self.key()?.iter().map(|column| format!("k.{column} = {FOLLOWER}.{column}")).collect();
            let again = format!(
                "DELETE k FROM {stash} k JOIN {} {FOLLOWER} ON {} JOIN {way} l ON {on}",
                self.places.new,
                pairs.join(" AND ")
            );
            run(link, &again, doing).await?;
            run(link, &self.stashed(stash, &format!("{way} l"))?, doing).await?;
        }
        let delete = format!("DELETE {FOLLOWER} FROM {} {FOLLOWER} JOIN {way} l ON {on}", self.places.new);
        run(link, &delete, doing).await?;
        if affected(link).await? == 0 { Err(clash) } else { Ok(()) }
    }

    /// Makes an empty temporary table for keys.
    async fn keys_in(&self, link: &mut Link, place: &str, doing: &str) -> Result<()> {
        let column = |(at, column): (usize, &super::table::Column)| {
            format!("{} {} NULL", key_column("k", at), column.definition())
        };
        let definitions: Vec<String> = self.shape.key_columns().enumerate().map(column).collect();
        run(link, &format!("DROP TEMPORARY TABLE IF EXISTS {place}"), doing).await?;
        let make = format!(
            "CREATE TEMPORARY TABLE {place} ({OWN_KEY}, {}, KEY ({})) ENGINE = InnoDB",
            definitions.join(", "),
            self.key_list()
        );
        run(link, &make, doing).await.map(drop)
    }

    fn too_fast(&self) -> Fault {
        let why = Refusal::new(
            Code::LockNotObtained,
            format!(
                "values of unique indexes of {} move faster than rows are brought over",
                self.online.table
            ),
        )
        .help("run the same command again where less is written: cofferdam goes on");
        Fault::Again { after: Duration::from_millis(100), why: Box::new(why) }
    }

    /// The columns of keys in the tables of the change.
    pub(super) fn key_list(&self) -> String {
        (0..self.shape.key.len()).map(|at| key_column("k", at)).collect::<Vec<_>>().join(", ")
    }

    /// A temporary table.
    pub(super) fn own(&self, what: &str) -> Result<String> {
        Ok(format!("{}.`_cofferdam_{what}`", names::quoted(&self.shape.database)?))
    }
}

fn clashes(e: &Error) -> bool {
    errors::code(e) == Some(errors::DUPLICATE)
}
