//! The swap, and the swap back: under a lock what is left of the log is brought over, and both tables change places in one
//! `RENAME TABLE`.
//!
//! One connection does all of it. It holds a named lock for as long as it lives, which whoever takes the change over gets
//! first, ending that connection if need be: so no `RENAME` of an earlier runner can come later. Under `LOCK TABLES` nobody
//! writes the table. A mark is written, the server's log is read up to it, and the keys that were in it are applied: then
//! both tables hold the same.
//!
//! MySQL renames under that lock. MariaDB refuses to; there triggers are made under it, which carry each later write over
//! in its own transaction until the `RENAME` comes (see `triggers`).
//!
//! `RENAME` commits by itself, and so cannot be written down with it. The tables themselves tell whether it happened: one of
//! two places is taken. Where the log ended is written down before it, and read on from there after it, up to the `RENAME`
//! that is ours: if somebody else changed the table in between, that is seen.

use std::time::{Duration, Instant};

use cofferdam_core::fault::{Question, Result};
use cofferdam_core::online::Part;
use cofferdam_core::{Code, Fault, Limits, Refusal};

use super::super::link::{self, Link};
use super::super::options::ConnectOptions;
use super::super::{Flavour, errors, names, watch};
use super::binlog::{self, Item, Key, Stream, Watched};
use super::change::{Change, FOLLOWER, LEADER};
use super::copy::passing;
use super::plant::planted;
use super::state::{
    Direction, Places, Sides, begin, crash_at, definition_changed, fenced, rollback, rows, run,
};
use super::table::{self, Shape};
use super::{follow, triggers};
use crate::Tick;

/// The longest wait for a lock, while which others queue behind us.
const LOCK_TIMEOUT: Duration = Duration::from_millis(250);
/// Reading the log up to the mark under the lock takes no longer, or the lock is let go of.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(1_000);
/// More keys than this are not applied under the lock; it becomes twice as many with every so many tries.
const LEFT: usize = 1_000;
const DOUBLED: u32 = 6;
/// After so many tries the swap is given up for now.
const TRIES: u32 = 240;

/// What came of one try.
enum Tried {
    Swapped,
    /// More rows changed before the lock was obtained than are to be applied under it.
    TooMuchCameIn,
}

impl Places {
    /// The statement by which the tables change places, in this direction.
    pub(super) fn turn(&self, source: &str) -> String {
        let (away, here) = match self.direction {
            Direction::Forward => (&self.old, &self.shadow),
            Direction::Back => (&self.shadow, &self.old),
        };
        format!("RENAME TABLE {source} TO {away}, {here} TO {source}")
    }
}

impl Change {
    /// Swaps, or swaps back. `link` holds the lock of the change.
    pub(super) async fn swap(&self, link: &mut Link) -> Result<()> {
        self.valve.doing("swapping the tables", 0);
        let mut tries: u32 = 0;
        loop {
            self.valve.check()?;
            if !planted("swap-before-drain") {
                let left = LEFT as u64 / 4;
                self.following(async |mut reached| self.catch_up(&mut reached, left).await).await?;
            }
            let tried = async {
                let mut beside = self.worker("swap look-out").await?;
                self.definitions_change(link, &mut beside).await?;
                self.attempt(link, &mut beside, LEFT << (tries / DOUBLED).min(5)).await
            };
            let tried = tried.await;
            tries += 1;
            let pause = match tried {
                Ok(Tried::Swapped) => return Ok(()),
                Ok(Tried::TooMuchCameIn) if tries < TRIES => 2,
                Ok(Tried::TooMuchCameIn) => return Err(too_much_came_in().into()),
                Err(Fault::Again { .. }) if tries < TRIES => tries.min(8),
                Err(Fault::Again { why, .. }) => return Err((*why).into()),
                Err(fault) => return Err(fault),
            };
            let jitter =
                f64::from(jiff::Timestamp::now().subsec_nanosecond().unsigned_abs() % 1_000) / 1_000.0;
            tokio::time::sleep(Limits::default().pause(pause, jitter)).await;
        }
    }

    /// A backup may keep all definitions as they are, for hours. Then no table is locked only to find that out: this
    /// waits for the same, and nobody waits behind it.
    async fn definitions_change(&self, link: &mut Link, beside: &mut Link) -> Result<()> {
        let nothing = format!("DROP TABLE IF EXISTS {}", self.places.nothing);
        match self.bounded(link, beside, &nothing).await {
            Err(Fault::Again { after, .. }) => {
                let what = format!("{} cannot be swapped: no table can be renamed now", self.online.table);
                let why = Refusal::new(Code::LockNotObtained, what)
                    .cause("a backup keeps all definitions as they are (LOCK INSTANCE FOR BACKUP, BACKUP STAGE, FLUSH TABLES WITH READ LOCK)")
                    .help("once it has ended, run the same command again: it goes on with the swap");
                Err(Fault::Again { after, why: Box::new(why) })
            }
            other => other,
        }
    }

    async fn attempt(&self, link: &mut Link, beside: &mut Link, most: usize) -> Result<Tried> {
        let from = self.places.position(beside).await?;
        let from =
            from.ok_or_else(|| Fault::Bug("where the binary log is to be read from is not known".into()))?;
        let mut stream = Stream::open(&self.options, self.watched(), from).await?;
        // Under `LOCK TABLES` a transaction is one that nobody opened by name. A statement that changes a definition there
        // is not killed when it waits: MariaDB may lose a table's lock by that. It waits for a second, the least there is.
        run(link, "SET SESSION autocommit = 0, lock_wait_timeout = 1", "setting up a connection").await?;
        let began = Instant::now();
        let tried = self.attempt_open(link, beside, &mut stream, most).await;
        let freed = free(link).await;
        if let Ok(Tried::Swapped) = &tried {
            let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.valve.tell(Tick::Locked(ms));
            self.valve.tell(Tick::Notice(format!("the tables were locked for {ms} ms")));
            return tried;
        }
        if self.by_triggers(link) && !link_lost(&tried) {
            // Both are the same still; what comes in now is in the log alone.
            self.remove_triggers(link, beside).await?;
        }
        // Of a connection that is lost, so is the lock.
        let tried = tried?;
        freed.map(|()| tried)
    }

    async fn attempt_open(
        &self,
        link: &mut Link,
        beside: &mut Link,
        stream: &mut Stream,
        most: usize,
    ) -> Result<Tried> {
        let places = &self.places;
        let (source, new) = (&self.source, &places.new);
        let lock = format!(
            "LOCK TABLES {source} WRITE, {source} AS {LEADER} WRITE, {new} WRITE, {new} AS {FOLLOWER} WRITE, \
             {} WRITE, {} WRITE, {} WRITE",
            places.log, places.mark, places.all
        );
        self.bounded(link, beside, &lock).await?;
        self.valve.blocked_by(Vec::new());
        crash_at("online.swap.locked")?;
        if rows(link, &places.fenced(self.epoch), "swapping the tables").await?.is_empty() {
            return Err(fenced());
        }
        if table::definition(link, source).await? != self.definition {
            return Err(definition_changed(&self.online.table));
        }
        let keys = match planted("swap-without-mark") {
            true => Vec::new(),
            false => match self.up_to_mark(link, stream).await? {
                Some(keys) if keys.len() <= most => keys,
                _ => return Ok(Tried::TooMuchCameIn),
            },
        };
        if !planted("swap-before-drain") {
            self.log_keys(link, &keys).await?;
            self.batch_open(link, i64::MAX.unsigned_abs()).await?;
            let left = self.waiting(link).await?;
            if left > 0 {
                return Err(Fault::Bug(format!("{left} keys are left under the lock")));
            }
        }
        self.carry_counter(link).await?;
        crash_at("online.swap.drained")?;
        if self.by_triggers(link) {
            self.carry_by_triggers(link).await?;
        }
        let doing = "swapping the tables";
        let ending = binlog::ending(link, self.version).await?;
        let ending = ending.ok_or_else(|| Fault::Bug("the binary log was switched off".into()))?;
        let json = serde_json::to_string(&ending.position)
            .map_err(|e| Fault::Bug(format!("a position cannot be written: {e}")))?;
        let note = format!(
            "UPDATE {} SET turned_at = {} WHERE id = '{}'",
            places.all,
            names::literal(&json),
            places.id
        );
        run(link, &note, doing).await?;
        run(link, "COMMIT", doing).await?;
        crash_at("online.swap.before-commit")?;
        if !self.by_triggers(link) {
            let turned = run(link, &places.turn(source), doing).await;
            crash_at("online.swap.committed")?;
            return self.turned(beside, turned).await;
        }
        run(link, "UNLOCK TABLES", doing).await?;
        let turned = self.rename_beside_others(link, beside).await;
        crash_at("online.swap.committed")?;
        turned
    }

    /// How the follower is kept the same until the `RENAME`, where that is not done under the lock.
    fn by_triggers(&self, link: &Link) -> bool {
        link.flavour == Flavour::MariaDb
    }

    /// Nothing is applied as long as they are there: what they write at the same time would stand in its way.
    async fn remove_triggers(&self, link: &mut Link, beside: &mut Link) -> Result<()> {
        for sql in triggers::removal(&self.shape.database, &self.places)? {
            let mut tries = 0;
            while let Err(fault) = self.bounded(link, beside, &sql).await {
                let Fault::Again { .. } = fault else { return Err(fault) };
                self.valve.check()?;
                tries += 1;
                tokio::time::sleep(Limits::default().pause(tries.min(6), 0.5)).await;
            }
        }
        Ok(())
    }

    /// The `RENAME` on MariaDB: while triggers keep both the same, it is tried until the table is free.
    async fn rename_beside_others(&self, link: &mut Link, beside: &mut Link) -> Result<Tried> {
        let sql = self.places.turn(&self.source);
        let mut tries = 0;
        loop {
            let turned = self.bounded(link, beside, &sql).await;
            match self.turned(beside, turned).await {
                Err(Fault::Again { .. }) if tries < TRIES / 4 => {
                    self.valve.check()?;
                    tries += 1;
                    tokio::time::sleep(Limits::default().pause(tries.min(6), 0.5)).await;
                }
                other => return other,
            }
        }
    }

    /// What became of the `RENAME`, by the tables themselves.
    async fn turned(&self, beside: &mut Link, answer: Result<impl Sized>) -> Result<Tried> {
        let Err(fault) = answer else { return Ok(Tried::Swapped) };
        let wanted = match self.places.direction {
            Direction::Forward => Sides::After,
            Direction::Back => Sides::Before,
        };
        match self.places.sides(beside).await {
            Ok(sides) if sides == wanted => Ok(Tried::Swapped),
            // The connection is gone, and the statement may be under way still.
            _ if lost(&fault) => Err(Fault::Unknown(Question {
                what: "the connection broke before the answer to the swap's RENAME came".into(),
                look_at: "run the same command again: the tables tell whether it happened".into(),
            })),
            _ => Err(fault),
        }
    }

    /// Reads the log up to a mark that is written now; `None`: that takes too long.
    async fn up_to_mark(&self, link: &mut Link, stream: &mut Stream) -> Result<Option<Vec<Key>>> {
        let doing = "writing a mark";
        run(link, &format!("UPDATE {} SET n = LAST_INSERT_ID(n + 1)", self.places.mark), doing).await?;
        let found = rows(link, "SELECT LAST_INSERT_ID()", doing).await?;
        run(link, "COMMIT", doing).await?;
        let mark = found.first().and_then(|row| link::number(row, 0)).unwrap_or(0).unsigned_abs();
        match tokio::time::timeout(DRAIN_TIMEOUT, keys_up_to(stream, mark)).await {
            Ok(read) => read.map(Some),
            Err(_) => Ok(None),
        }
    }

    /// A number that was given to a row is not given again: the table that comes gets at least the counter of the one that
    /// goes.
    async fn carry_counter(&self, link: &mut Link) -> Result<()> {
        let doing = "carrying AUTO_INCREMENT over";
        if link.flavour == Flavour::MySql {
            run(link, "SET SESSION information_schema_stats_expiry = 0", doing).await?;
        }
        let database = names::literal(&self.shape.database);
        let mut counter = async |name: &str| {
            let sql = format!(
                "SELECT AUTO_INCREMENT FROM information_schema.TABLES WHERE TABLE_SCHEMA = {database} AND TABLE_NAME = {}",
                names::literal(name)
            );
            let found = rows(link, &sql, doing).await?;
            Ok::<_, Fault>(
                found.first().and_then(|row| link::text(row, 0)).and_then(|n| n.parse::<u64>().ok()),
            )
        };
        let (ours, theirs) = (counter(&self.shape.name).await?, counter(&self.places.new_name).await?);
        match (ours, theirs) {
            (Some(ours), Some(theirs)) if ours > theirs => {
                let sql = format!("ALTER TABLE {} AUTO_INCREMENT = {ours}", self.places.new);
                run(link, &sql, doing).await.map(drop)
            }
            _ => Ok(()),
        }
    }

    /// Runs a statement that waits for others, and ends its wait when that takes too long.
    async fn bounded(&self, link: &mut Link, beside: &mut Link, sql: &str) -> Result<()> {
        let (id, flavour) = (link.id, link.flavour);
        let mut work = std::pin::pin!(link.run(sql));
        let done = match tokio::time::timeout(LOCK_TIMEOUT, &mut work).await {
            Ok(done) => done,
            Err(_) => {
                let around = watch::around(beside, id, flavour).await.unwrap_or_default();
                let kill = format!("KILL QUERY {id}");
                let killed = beside.run(&kill).await;
                let done = work.await;
                self.valve.blocked_by(around.before.clone());
                let ended = done.as_ref().err().and_then(errors::code);
                if ended == Some(errors::KILLED) || ended.is_some_and(|code| errors::NO_LOCK.contains(&code))
                {
                    return Err(not_obtained(self, &around.before));
                }
                killed.map_err(|e| errors::fault(e, "ending a wait"))?;
                done
            }
        };
        done.map(drop).map_err(|e| errors::fault(e, "swapping the tables"))
    }
}

/// Keys of the log up to a mark.
async fn keys_up_to(stream: &mut Stream, mark: u64) -> Result<Vec<Key>> {
    let mut all = std::collections::BTreeSet::new();
    loop {
        match stream.next().await? {
            Item::Keys(keys) => all.extend(keys),
            Item::Mark(found) if found >= mark => return Ok(all.into_iter().collect()),
            Item::Mark(_) | Item::End(_) => {}
        }
    }
}

/// After the swap: where its `RENAME` is in the log is where the way back begins, and only now it counts as done. Gives
/// what others did to the table in between, which is then written down, too. Done again it does the same.
pub(super) async fn settle(
    change: &Change,
    from: binlog::Position,
    link: &mut Link,
) -> Result<Option<String>> {
    triggers::remove(link, &change.shape.database, &change.places).await?;
    let forward = Places::of(&change.shape.database, &change.online, Direction::Forward)?;
    let watched = Watched { turn: forward.turn(&change.source), ..change.watched() };
    let mark = change.mark(link).await?;
    let (at, others) = turn(&change.options, watched, from, mark).await?;
    let others = others.map(|what| format!("somebody else changed it while it was being swapped: {what}"));
    passing(async || {
        begin(link, &change.places, change.epoch).await?;
        let written = async {
            change.places.reached(link, &at).await?;
            let poisoned = match &others {
                Some(why) => format!(", poisoned = {}", names::literal(why)),
                None => String::new(),
            };
            let note = format!(
                "UPDATE {} SET definition = {}{poisoned} WHERE id = '{}'",
                change.places.all,
                names::literal(&change.definition),
                change.places.id
            );
            run(link, &note, "writing the state").await?;
            change.places.ended(link, Part::Swap, change.epoch).await?;
            run(link, "COMMIT", "writing the state").await.map(drop)
        };
        let written = written.await;
        if written.is_err() {
            rollback(link).await;
        }
        written
    })
    .await?;
    Ok(others)
}

/// After the swap back. Gives what others did to the table that was there, just before it left.
pub(super) async fn settle_back(
    options: &ConnectOptions,
    shape: &Shape,
    places: &Places,
    epoch: i64,
    from: binlog::Position,
    link: &mut Link,
) -> Result<Option<String>> {
    triggers::remove(link, &shape.database, places).await?;
    let triggers = triggers::names_of(places);
    let watched = Watched { turn: places.turn(&shape.sql()?), triggers, ..shape.watched(&places.mark_name) };
    let mark = follow::mark(link, places, epoch).await?;
    let others = match turn(options, watched, from, mark).await {
        Ok((_, others)) => others,
        // Nobody was at work for as long as the server keeps its log. The table is the right one all the same.
        Err(fault) if fault.refusal().is_some_and(|refusal| refusal.code == Code::BinlogGone) => None,
        Err(fault) => return Err(fault),
    };
    places.ended(link, Part::Gate, epoch).await?;
    Ok(others)
}

/// Reads the log up to our `RENAME`, from a place shortly before it. Gives the place behind it, and what others did in
/// between to the table that went: where the lock had to be let go of for the `RENAME`, they may have come first.
async fn turn(
    options: &ConnectOptions,
    watched: Watched,
    from: binlog::Position,
    mark: u64,
) -> Result<(binlog::Position, Option<String>)> {
    let mut stream = Stream::open(options, watched, from).await?;
    loop {
        match stream.next().await? {
            Item::End(at) if stream.turned() => return Ok((at, stream.others().map(str::to_owned))),
            Item::Mark(found) if found >= mark => {
                return Err(Fault::Bug("the swap is not in the binary log".into()));
            }
            _ => {}
        }
    }
}

/// Lets go of the tables.
async fn free(link: &mut Link) -> Result<()> {
    let doing = "letting go of the tables";
    for sql in ["ROLLBACK", "UNLOCK TABLES", "SET SESSION autocommit = 1"] {
        run(link, sql, doing).await?;
    }
    Ok(())
}

fn lost(fault: &Fault) -> bool {
    fault.refusal().is_some_and(|refusal| refusal.code == Code::ConnectionLost)
}

fn link_lost(tried: &Result<Tried>) -> bool {
    matches!(tried, Err(Fault::Unknown(_))) || tried.as_ref().err().is_some_and(lost)
}

fn not_obtained(change: &Change, holders: &[crate::Holder]) -> Fault {
    let refusal = Refusal::new(
        Code::LockNotObtained,
        format!("{} was not free for the swap within {} ms", change.online.table, LOCK_TIMEOUT.as_millis()),
    )
    .cause("nothing queues behind a try for longer")
    .help("end the transaction that holds it, then run the same command again: it goes on with the swap");
    let why = holders.iter().fold(refusal, |why, holder| why.note(format!("held by {holder}")));
    Fault::Again { after: Duration::from_millis(100), why: Box::new(why) }
}

fn too_much_came_in() -> Refusal {
    Refusal::new(
        Code::LockNotObtained,
        "more rows changed before the lock was obtained than are to be applied under it",
    )
    .help("run the same command again where less is written: cofferdam goes on with the swap")
}
