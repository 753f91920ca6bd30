//! The parts of a change: what each of them does with what the siblings can do.

use std::time::{Duration, Instant};

use cofferdam_core::fault::Result;
use cofferdam_core::online::{Online, Part};
use cofferdam_core::plan::Seen;
use cofferdam_core::{Code, Fault, Refusal};

use super::super::claim;
use super::super::link::{self, Link};
use super::super::names;
use super::super::options::ConnectOptions;
use super::super::session::MySqlSession;
use super::apply::of_rows;
use super::change::{self, Change, worker};
use super::copy::number;
use super::state::{self, Direction, Places, Sides, Stored, crash_at, rows, run};
use super::swap;
use super::valve::Valve;
use super::{Ground, binlog, refused, table, triggers};
use crate::online::gate_is_open;
use crate::{StopAsked, Ticker};

/// Keys that may be left when the tables are compared.
const LEFT: u64 = 1_000;
/// A comparison is not older than this when the gate opens.
const FRESH: Duration = Duration::from_secs(15 * 60);
/// For so long the connection of an earlier runner is waited for to end.
const EVICTED_WITHIN: Duration = Duration::from_secs(10);

/// Where a change stands.
struct Standing {
    /// The last part that ended, by what is stored and by where the tables are.
    stage: Option<Part>,
    sides: Sides,
    /// What is stored says another thing of the swap than the tables, which are right.
    torn: bool,
}

/// The tables are right: a `RENAME` and the row that tells of it are two transactions.
fn standing(stored: &Stored, sides: Sides) -> Standing {
    let (stage, torn) = match (stored.stage, sides) {
        (Some(stage), Sides::After) if stage < Part::Swap => (Some(Part::Swap), true),
        (Some(stage), Sides::Before) if stage >= Part::Swap => (Some(Part::Gate), true),
        (stage, _) => (stage, false),
    };
    Standing { stage, sides, torn }
}

/// What a part is performed with.
struct Given {
    options: ConnectOptions,
    epoch: i64,
    ticker: Ticker,
    stop: StopAsked,
}

/// Does a part, going on from where an earlier try left it. Done twice it is as if done once.
pub(in crate::mysql) async fn perform(session: &mut MySqlSession, change: &Online, part: Part) -> Result<()> {
    let epoch = session.claim.as_ref().map(|claim| claim.epoch).ok_or_else(|| {
        Fault::Bug("a part of an online change was to be performed without the run lock".into())
    })?;
    let (ticker, stop) = (session.ticker.clone(), session.stop.clone());
    let given = Given { options: session.options.clone(), epoch, ticker, stop };
    let change = change.clone();
    // In a thread of its own, because its connections are lent to closures, which the compiler does not let pass between
    // threads. It ends when nobody waits for it any more.
    let (waiting, gone) = tokio::sync::oneshot::channel::<()>();
    let runtime = tokio::runtime::Handle::current();
    let done = tokio::task::spawn_blocking(move || {
        runtime.block_on(async {
            tokio::select! {
                done = Box::pin(perform_here(&given, &change, part)) => done,
                _ = gone => Err(Fault::Bug("nobody waits for the part any more".into())),
            }
        })
    });
    let done = done.await.map_err(|e| Fault::Bug(format!("{} ended by itself: {e}", part.word())));
    drop(waiting);
    done?
}

async fn perform_here(given: &Given, change: &Online, part: Part) -> Result<()> {
    let epoch = given.epoch;
    let mut ground = Ground::connect(given.options.clone()).await?;
    let places = Places::of(&ground.database, change, Direction::Forward)?;
    let stored = places.stored(&mut ground.link, change).await?;
    let stored = match (part, stored) {
        (Part::Discard | Part::Release | Part::Finish, None) => return Ok(()),
        (Part::Discard | Part::Release, Some(stored)) if stored.change != *change => return Ok(()),
        (_, Some(stored)) if stored.change != *change => {
            return Err(state::in_progress(&stored.change).into());
        }
        (Part::Create, stored) if stored.as_ref().is_none_or(|stored| stored.stage.is_none()) => {
            refuse_losses(&mut ground, change).await?;
            return Change::begin(&mut ground, change, epoch).await.map(drop);
        }
        (_, None) => {
            return Err(Fault::Bug(format!("nothing is stored of the online change of {}", change.table)));
        }
        (_, Some(stored)) => stored,
    };
    let mut hold = hold(&ground, &places, epoch).await?;
    // Whoever held it may have swapped until then.
    let standing = standing(&stored, places.sides(&mut hold).await?);
    let mut work = Work { given, ground, change, places, stored, standing, epoch, hold };
    let done = work.perform(part).await;
    // It ends with the connection, but that takes a moment.
    let _ = work.hold.run("DO RELEASE_ALL_LOCKS()").await;
    done
}

/// Whether a part was done.
pub(in crate::mysql) async fn probe(session: &mut MySqlSession, change: &Online, part: Part) -> Result<Seen> {
    let places = Places::of(&session.database, change, Direction::Forward)?;
    let link = &mut session.link;
    let stored = places.stored(link, change).await?.filter(|stored| stored.change == *change);
    let Some(stored) = stored else {
        let gone = matches!(part, Part::Discard | Part::Release | Part::Finish);
        return Ok(if gone { Seen::Done } else { Seen::NotDone });
    };
    let standing = standing(&stored, places.sides(link).await?);
    let done = match part {
        Part::SwapBack => standing.stage < Some(Part::Swap) && !standing.torn,
        Part::Release => standing.stage <= Some(Part::Create),
        Part::Discard | Part::Finish => false,
        // What the swap left to be written down is still to be done.
        Part::Swap => standing.stage >= Some(part) && !standing.torn && stored.poisoned.is_none(),
        part => standing.stage >= Some(part),
    };
    Ok(match part {
        _ if done => Seen::Done,
        Part::Swap | Part::SwapBack if standing.torn => {
            Seen::Partly("the tables changed places, which is not written down".into())
        }
        Part::Swap if standing.stage >= Some(part) => {
            Seen::Partly("others changed the table while it was swapped".into())
        }
        // These leave something behind wherever they are stopped.
        Part::Create | Part::Copy | Part::Compare | Part::Finish => {
            Seen::Partly(format!("{} has begun", part.word()))
        }
        _ => Seen::NotDone,
    })
}

async fn refuse_losses(ground: &mut Ground, change: &Online) -> Result<()> {
    let findings = ground.examine(&change.table).await?;
    if findings.obstacles.is_empty() { Ok(()) } else { Err(refused(&change.table, &findings.obstacles)) }
}

/// Takes the change over: from now on no earlier runner can write, none of its transactions is open, and none of its
/// statements can swap the tables.
async fn hold(ground: &Ground, places: &Places, epoch: i64) -> Result<Link> {
    let doing = "taking the change over";
    let lock = claim::lock_name(&ground.database, &format!("swap {}", places.id));
    let mut link = worker(&ground.options, "swap").await?;
    let began = Instant::now();
    loop {
        let got = rows(&mut link, &format!("SELECT GET_LOCK('{lock}', 0)"), doing).await?;
        if got.first().and_then(|row| link::number(row, 0)) == Some(1) {
            break;
        }
        if began.elapsed() > EVICTED_WITHIN {
            return Err(Refusal::new(Code::Fenced, "an earlier runner's connection does not end")
                .cause("it holds the lock of the change and could still swap its tables")
                .help("end it: SHOW PROCESSLIST, KILL; then run the same command again")
                .into());
        }
        let holder = rows(&mut link, &format!("SELECT IS_USED_LOCK('{lock}')"), doing).await?;
        if let Some(id) = holder.first().and_then(|row| link::number(row, 0)) {
            // It may have ended meanwhile.
            let _ = link.run(&format!("KILL {id}")).await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let take =
        format!("UPDATE {} SET epoch = {epoch} WHERE id = '{}' AND epoch <= {epoch}", places.all, places.id);
    run(&mut link, &take, doing).await?;
    if rows(&mut link, &places.fenced(epoch), doing).await?.is_empty() {
        return Err(state::fenced());
    }
    triggers::remove(&mut link, &ground.database, places).await?;
    Ok(link)
}

struct Work<'s> {
    given: &'s Given,
    ground: Ground,
    change: &'s Online,
    places: Places,
    stored: Stored,
    standing: Standing,
    epoch: i64,
    /// The connection that holds the lock of the change, and that alone may swap.
    hold: Link,
}

impl Work<'_> {
    async fn perform(&mut self, part: Part) -> Result<()> {
        if matches!(self.standing.sides, Sides::Both)
            || self.standing.sides == Sides::Neither
                && !matches!(part, Part::Finish | Part::Release | Part::Discard)
        {
            return Err(self.misplaced());
        }
        if self.standing.torn {
            self.mend().await?;
        }
        if let Some(why) = self.stored.poisoned.clone().filter(|_| part <= Part::Finish) {
            return Err(self.poisoned(why));
        }
        let stage = self.standing.stage;
        match part {
            Part::Discard => return self.discard().await,
            Part::Release => {
                self.places.ended(&mut self.hold, Part::Create, self.epoch).await?;
                return crash_at("online.release.released");
            }
            Part::Finish => return self.finish().await,
            Part::SwapBack if stage < Some(Part::Swap) => return Ok(()),
            Part::SwapBack => {}
            part if stage >= Some(part) => return Ok(()),
            _ => {}
        }
        let direction = if part == Part::SwapBack { Direction::Back } else { Direction::Forward };
        let mut change = match direction {
            // Behind the swap nothing is copied any more.
            Direction::Forward if part == Part::Settle => {
                return self.places.ended(&mut self.hold, Part::Settle, self.epoch).await;
            }
            Direction::Forward => Change::begin(&mut self.ground, self.change, self.epoch).await?,
            Direction::Back => self.back().await?,
        };
        let (ticker, stop) = (self.given.ticker.clone(), self.given.stop.clone());
        change.valve = Valve::new(&self.change.table, direction, self.change.workers, ticker, stop);
        change.valve.doing(part.word(), 0);
        change.look_once().await?;
        change.valve.check()?;
        let (hold, same) = (&mut self.hold, self.stored.poisoned.is_none());
        let done = async {
            match part {
                Part::Capture => change.capture().await,
                Part::Copy => copy(&change).await,
                Part::Index => Ok(()),
                Part::Compare => compare(&change, hold).await,
                Part::Gate => {
                    still_compared(&change).await?;
                    gate(&change).await
                }
                Part::Swap => {
                    still_compared(&change).await?;
                    change.swap(hold).await
                }
                Part::SwapBack => swap_back(&change, hold, same).await,
                _ => Err(Fault::Bug(format!("{} needs no work", part.word()))),
            }
        };
        tokio::select! {
            done = Box::pin(done) => done?,
            stopped = Box::pin(change.look_after()) => stopped?,
        }
        match part {
            Part::Swap => match self.swapped().await? {
                Some(why) => Err(self.poisoned(why)),
                None => Ok(()),
            },
            Part::SwapBack => self.swapped_back().await,
            part => {
                self.places.ended(&mut self.hold, part, self.epoch).await?;
                if part == Part::Capture { crash_at("online.capture.committed") } else { Ok(()) }
            }
        }
    }

    /// The tables changed places, which is not written down.
    async fn mend(&mut self) -> Result<()> {
        if self.standing.sides != Sides::After {
            return self.swapped_back().await;
        }
        let others = self.swapped().await?;
        self.stored.poisoned = self.stored.poisoned.take().or(others);
        Ok(())
    }

    /// Where the log ended shortly before the last `RENAME`.
    async fn turned_at(&mut self) -> Result<binlog::Position> {
        let stored = self.places.stored(&mut self.ground.link, self.change).await?;
        let from = stored.and_then(|stored| stored.turned_at);
        from.ok_or_else(|| Fault::Bug("where the swap is in the binary log is not known".into()))
    }

    /// See [`swap::settle_back`].
    async fn swapped_back(&mut self) -> Result<()> {
        let from = self.turned_at().await?;
        let table = &self.change.table;
        let found = table::read(&mut self.ground.link, &self.ground.database, table).await?;
        let Some(shape) = found.shape else { return Err(refused(table, &found.obstacles)) };
        let places = Places::of(&self.ground.database, self.change, Direction::Back)?;
        let (options, epoch) = (&self.given.options, self.epoch);
        let others = swap::settle_back(options, &shape, &places, epoch, from, &mut self.hold).await?;
        let Some(what) = others else { return Ok(()) };
        let refusal =
            Refusal::new(Code::TableChanged, format!("{table} was changed while it was swapped back"))
                .cause(format!("this was done to the table that went, and not to the one that came: {what}"))
                .note(format!("the table that went is {}", places.shadow))
                .help("do it again; the same command goes on, and removes the table that went");
        Err(refusal.into())
    }

    /// Why no later try may swap, or go on behind the swap.
    fn poisoned(&self, why: String) -> Fault {
        let table = &self.change.table;
        match self.standing.sides {
            Sides::After => Refusal::new(Code::TableChanged, format!("the old {table} is the right one"))
                .cause(why)
                .help("cofferdam rollback: it comes back as they changed it, with everything that was written since"),
            _ => Refusal::new(Code::Mismatch, format!("{table} must not be swapped"))
                .cause(why)
                .help("the change is taken back"),
        }
        .into()
    }

    /// See [`swap::settle`].
    async fn swapped(&mut self) -> Result<Option<String>> {
        let from = self.turned_at().await?;
        self.standing.sides = Sides::After;
        let change = Change::back(&mut self.ground, self.change, self.epoch).await?;
        swap::settle(&change, from, &mut self.hold).await
    }

    /// The way back, where the table is still the one that was swapped in.
    async fn back(&mut self) -> Result<Change> {
        let stored = self.places.stored(&mut self.ground.link, self.change).await?;
        let change = Change::back(&mut self.ground, self.change, self.epoch).await?;
        match stored.is_some_and(|stored| stored.definition == change.definition) {
            true => Ok(change),
            false => Err(state::definition_changed(&self.change.table)),
        }
    }

    async fn discard(&mut self) -> Result<()> {
        if self.standing.sides == Sides::After {
            return Err(Fault::Bug("a change whose tables are swapped was to be given up".into()));
        }
        change::discard(&mut self.hold, &self.places, self.change, &self.ground.database).await?;
        self.places.forget(&mut self.hold).await?;
        crash_at("online.removed")
    }

    /// Removes the old table and what else the change made.
    async fn finish(&mut self) -> Result<()> {
        if self.standing.sides == Sides::Before {
            return Err(Fault::Bug("a change whose tables are not swapped was to be finished".into()));
        }
        crash_at("online.finish.released")?;
        let old = format!("DROP TABLE IF EXISTS {}", self.places.old);
        run(&mut self.hold, &old, "removing the old table").await?;
        change::discard(&mut self.hold, &self.places, self.change, &self.ground.database).await?;
        self.places.forget(&mut self.hold).await?;
        crash_at("online.removed")
    }

    fn misplaced(&self) -> Fault {
        let what = format!("the tables of the change of {} are not where it left them", self.change.table);
        Refusal::new(Code::TableChanged, what)
            .cause(format!(
                "of {} and {} one must be there, and no more: somebody else had a hand in it",
                self.places.shadow, self.places.old
            ))
            .help("look at both, and give the one that is yours its name back; nothing was changed")
            .into()
    }
}

async fn copy(change: &Change) -> Result<()> {
    let mut link = change.worker("copy").await?;
    let (places, shape) = (&change.places, &change.shape);
    let estimate = format!(
        "SELECT TABLE_ROWS FROM information_schema.TABLES WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {}",
        names::literal(&shape.database),
        names::literal(&shape.name)
    );
    let total = number(&rows(&mut link, &estimate, "reading statistics").await?);
    let before = format!("SELECT COALESCE(SUM(held), 0) FROM {} WHERE copied = 1", places.chunk);
    let before = number(&rows(&mut link, &before, "reading the chunks").await?);
    change.valve.doing("copying rows", total);
    change.valve.done_before(before);
    change.following(async |_| change.copy(change.valve.workers).await).await?;
    crash_at("online.copy.whole")
}

async fn compare(change: &Change, hold: &mut Link) -> Result<()> {
    let compared = change
        .following(async |mut reached| {
            change.catch_up(&mut reached, LEFT).await?;
            change.compare(&reached, change.valve.workers).await
        })
        .await;
    if let Err(fault) = &compared
        && let Some(refusal) = fault.refusal().filter(|refusal| refusal.code == Code::Mismatch)
    {
        let note = format!(
            "UPDATE {} SET poisoned = {} WHERE id = '{}'",
            change.places.all,
            names::literal(&refusal.what),
            change.places.id
        );
        run(hold, &note, "writing the state").await?;
    }
    compared?;
    // Whoever plans a query a moment after the swap must find statistics.
    run(hold, &format!("ANALYZE TABLE {}", change.places.new), "analysing the new table").await?;
    crash_at("online.compare.proved")
}

/// What an earlier runner compared may no longer count (see [`Change::compare`]); else there is nothing left to do.
async fn still_compared(change: &Change) -> Result<()> {
    change.following(async |reached| change.compare(&reached, change.valve.workers).await.map(drop)).await
}

/// Returns when the tables may be swapped.
async fn gate(change: &Change) -> Result<()> {
    let mut compared = Instant::now();
    change
        .following(async |mut reached| {
            while !gate_is_open(&change.online.gate, change.valve.cutover(), jiff::Timestamp::now()) {
                change.valve.doing("waiting for the cutover", 0);
                change.valve.check()?;
                change.catch_up(&mut reached, LEFT / 2).await?;
                if compared.elapsed() > FRESH {
                    change.compare_anew(&reached, change.valve.workers).await?;
                    compared = Instant::now();
                }
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
            Ok(())
        })
        .await?;
    crash_at("online.gate.opened")
}

/// What was written since the swap is brought into the old table, and compared, before it is swapped back. Where others
/// changed the old one alone (see [`swap::settle`]), the two are not the same, and are not meant to be.
async fn swap_back(change: &Change, hold: &mut Link, same: bool) -> Result<()> {
    change.valve.doing("bringing back what was written", 0);
    let brought = change.following(async |mut reached| change.catch_up(&mut reached, LEFT).await).await;
    if let Err(fault) = brought {
        return Err(if of_rows(&fault) { unfit(change, fault).await? } else { fault });
    }
    if same {
        change.cut_all().await?;
        still_compared(change).await?;
    }
    match change.swap(hold).await {
        Err(fault) if of_rows(&fault) => Err(unfit(change, fault).await?),
        other => other,
    }
}

/// The refusal that names rows which do not fit into the old table.
async fn unfit(change: &Change, fault: Fault) -> Result<Fault> {
    let rows = change.misfits(10).await?;
    let why = fault.refusal().and_then(|refusal| refusal.cause.clone()).unwrap_or_default();
    let what =
        format!("rows that were written since the swap do not fit into the old {}", change.online.table);
    let refusal = Refusal::new(Code::RollbackUnsafe, what)
        .cause(why)
        .help("change these rows so that they fit and roll back again, or stay: cofferdam finalize");
    Ok(rows.into_iter().fold(refusal, Refusal::note).into())
}
