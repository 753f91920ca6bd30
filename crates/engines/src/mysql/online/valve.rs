//! How a change that is at work is told to go slower or to stop, and what others see of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cofferdam_core::fault::Result;
use cofferdam_core::{Code, Fault, Name, Refusal};

use super::super::link::{self, Link};
use super::super::names;
use super::behind::{Replicas, slowly};
use super::busy;
use super::change::Change;
use super::outside;
use super::state::{Direction, in_short, rows, run};
use crate::online::Progress;
use crate::{Holder, StopAsked, Stopping, Tick, Ticker};

/// How often is looked what is asked.
const EVERY: Duration = Duration::from_millis(500);
/// A worker that may not go on asks again after this time.
const AGAIN: Duration = Duration::from_millis(50);
/// Between two pieces of work where it goes slowly: three times as long as one aims to take.
const REST: Duration = Duration::from_millis(750);
/// Keys of the log are counted up to here: for people.
const COUNTED: u32 = 1_000_000;

/// What was last asked.
#[derive(Debug, Clone, Default)]
struct Seen {
    paused: bool,
    cutover: bool,
    abort: bool,
    /// At most so many connections.
    workers: Option<usize>,
    /// Others are not kept in mind.
    full_speed: bool,
    /// Why nothing is copied or compared for the moment.
    throttled_by: Option<String>,
    /// Why it goes slowly.
    busy: Option<String>,
    /// Keys in the log.
    lag: u64,
}

/// What is shown of the part that is being performed.
struct Showing {
    doing: String,
    done: u64,
    before: u64,
    total: u64,
    since: Instant,
    blocked_by: Option<String>,
}

/// See the module.
pub(super) struct Valve {
    table: Name,
    /// A change that is being taken back is not given up.
    forward: bool,
    /// So many connections side by side.
    pub(super) workers: usize,
    stop: StopAsked,
    ticker: Ticker,
    seen: Mutex<Seen>,
    replicas: Mutex<Replicas>,
    showing: Mutex<Showing>,
}

fn open<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Valve {
    pub(super) fn new(
        table: &Name,
        direction: Direction,
        workers: u32,
        ticker: Ticker,
        stop: StopAsked,
    ) -> Self {
        Self {
            table: table.clone(),
            forward: direction == Direction::Forward,
            workers: if workers == 0 { 2 } else { workers.min(16) as usize },
            stop,
            ticker,
            seen: Mutex::default(),
            replicas: Mutex::default(),
            showing: Mutex::new(Showing {
                doing: String::new(),
                done: 0,
                before: 0,
                total: 0,
                since: Instant::now(),
                blocked_by: None,
            }),
        }
    }

    /// Nobody asks for anything.
    pub(super) fn idle(table: &Name) -> Self {
        let valve = Self::new(table, Direction::Forward, 0, Arc::new(|_| {}), Arc::new(|| Stopping::No));
        valve.replicas(Replicas::Near);
        valve
    }

    /// Whether we were asked to stop or to give up.
    pub(super) fn check(&self) -> Result<()> {
        if open(&self.seen).abort && self.forward {
            let what = format!("the change of {} was aborted", self.table);
            return Err(Refusal::new(Code::Aborted, what).help("nothing of it is left").into());
        }
        if (self.stop)().asked() {
            return Err(Refusal::new(Code::Interrupted, "stopped at a safe point")
                .help("run the same command again to go on")
                .into());
        }
        Ok(())
    }

    /// Somebody asked for the swap.
    pub(super) fn cutover(&self) -> bool {
        open(&self.seen).cutover
    }

    /// Waits until this worker may do one more piece of work. `false`: there is none left, so that nobody waits for a
    /// worker that is kept back.
    pub(super) async fn may_go_on(&self, number: usize, none_left: impl Fn() -> bool) -> Result<bool> {
        loop {
            self.check()?;
            if none_left() {
                return Ok(false);
            }
            let seen = open(&self.seen).clone();
            let (stands, slow) = match self.keeps_in_mind(&seen) {
                Replicas::Near => (false, seen.busy.is_some() && !seen.full_speed),
                Replicas::Unasked | Replicas::Far(_) => (true, false),
                Replicas::Unknown(_) => (false, true),
            };
            // One of them always goes on.
            let crowded = number > 0 && (slow || seen.workers.is_some_and(|most| number >= most));
            if !seen.paused && seen.throttled_by.is_none() && !stands && !crowded {
                if slow {
                    tokio::time::sleep(REST).await;
                }
                return Ok(true);
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Says how the replicas fare.
    pub(super) fn replicas(&self, replicas: Replicas) {
        *open(&self.replicas) = replicas;
    }

    fn keeps_in_mind(&self, seen: &Seen) -> Replicas {
        if seen.full_speed { Replicas::Near } else { open(&self.replicas).clone() }
    }

    /// Says what is done from now on, and of how much.
    pub(super) fn doing(&self, what: &str, total: u64) {
        let mut showing = open(&self.showing);
        if showing.doing != what {
            what.clone_into(&mut showing.doing);
            (showing.done, showing.before, showing.total) = (0, 0, total);
            showing.since = Instant::now();
        }
    }

    /// Says that so much of it was done by earlier runners.
    pub(super) fn done_before(&self, before: u64) {
        let mut showing = open(&self.showing);
        showing.before = before.min(showing.total);
    }

    /// Says that so much more of it is done.
    pub(super) fn copied(&self, more: u64) {
        let mut showing = open(&self.showing);
        showing.done += more;
        let done = showing.before + showing.done;
        let tick = Tick::Progress { doing: showing.doing.clone(), done, total: showing.total };
        drop(showing);
        (self.ticker)(tick);
    }

    /// Says something to whoever watches.
    pub(super) fn tell(&self, tick: Tick) {
        (self.ticker)(tick);
    }

    /// Says who is waited for.
    pub(super) fn blocked_by(&self, holders: Vec<Holder>) {
        open(&self.showing).blocked_by = holders.first().map(ToString::to_string);
        if !holders.is_empty() {
            (self.ticker)(Tick::WaitingFor(holders));
        }
    }

    fn progress(&self) -> String {
        let (seen, showing) = (open(&self.seen).clone(), open(&self.showing));
        let seconds = showing.since.elapsed().as_secs_f64().max(0.001);
        let workers = seen.workers.unwrap_or(self.workers).min(self.workers);
        let busy = seen.busy.as_deref().filter(|_| !seen.full_speed).map(slowly);
        let others = self.keeps_in_mind(&seen).reason().or(busy);
        let progress = Progress {
            doing: showing.doing.clone(),
            rows: showing.before + showing.done,
            total: showing.total,
            rows_per_second: (showing.done as f64 / seconds) as u64,
            lag: seen.lag,
            workers: u32::try_from(workers).unwrap_or(0),
            throttled_by: if seen.paused { Some("paused".into()) } else { seen.throttled_by.or(others) },
            blocked_by: showing.blocked_by.clone(),
            ..Progress::default()
        };
        serde_json::to_string(&progress).unwrap_or_default()
    }
}

impl Change {
    /// The first look, before any work: what was asked between two parts holds for the next one, too.
    pub(super) async fn look_once(&self) -> Result<()> {
        let mut link = self.worker("throttle").await?;
        self.ask(&mut link).await
    }

    /// Looks again and again at what concerns the change. Never ends; it is dropped with the part that it looks after.
    pub(super) async fn look_after(&self) -> Result<()> {
        // Each by itself: a replica that does not answer must not keep back what a person asks for.
        futures::future::try_join(self.look_at_what_is_asked(), self.look_at_replicas()).await.map(drop)
    }

    /// What cannot be read closes the valve.
    async fn look_at_what_is_asked(&self) -> Result<()> {
        let mut link = None;
        loop {
            let looked = match &mut link {
                Some(link) => self.ask(link).await,
                None => match self.worker("throttle").await {
                    Ok(new) => self.ask(link.insert(new)).await,
                    Err(fault) => Err(fault),
                },
            };
            if let Err(fault) = looked {
                link = None;
                open(&self.valve.seen).throttled_by =
                    Some(format!("signals cannot be read: {}", in_short(&fault)));
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    async fn ask(&self, link: &mut Link) -> Result<()> {
        let doing = "reading what is asked of the change";
        let (all, id, log) = (&self.places.all, &self.places.id, &self.places.log);
        let sql = format!(
            "SELECT c.paused, c.cutover, c.abort, c.workers, c.full_speed FROM (SELECT 1) one LEFT JOIN {} c ON c.id = '{id}'",
            outside::control_of(all)
        );
        let asked = rows(link, &sql, doing).await?;
        let counted = format!("SELECT COUNT(*) FROM (SELECT 1 FROM {log} LIMIT {COUNTED}) l");
        let counted = rows(link, &counted, doing).await?;
        let number = |at| asked.first().and_then(|row| link::number(row, at));
        let yes = |at| number(at).is_some_and(|n| n != 0);
        *open(&self.valve.seen) = Seen {
            paused: yes(0),
            cutover: yes(1),
            abort: yes(2),
            workers: number(3).and_then(|n| usize::try_from(n).ok()),
            full_speed: yes(4),
            throttled_by: None,
            busy: busy::busy(link, self.valve.workers).await?,
            lag: counted.first().and_then(|row| link::number(row, 0)).unwrap_or(0).unsigned_abs(),
        };
        let note = format!(
            "UPDATE {all} SET progress = {}, updated_at = UTC_TIMESTAMP(6) WHERE id = '{id}' AND epoch = {}",
            names::literal(&self.valve.progress()),
            self.epoch
        );
        // Whoever waits for that row makes others wait behind him, and it is written again in a moment.
        run(link, "SET SESSION innodb_lock_wait_timeout = 1", "writing progress").await?;
        match run(link, &note, "writing progress").await {
            Ok(_) | Err(Fault::Again { .. }) => Ok(()),
            Err(fault) => Err(fault),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether this worker may go on, at once or after a rest; else it would wait for as long as nothing changes.
    async fn goes_on(valve: &Valve, worker: usize) -> bool {
        let (most, go) = (10 * REST, valve.may_go_on(worker, || false));
        tokio::time::timeout(most, go).await.is_ok_and(|went| went.is_ok_and(|went| went))
    }

    #[tokio::test(start_paused = true)]
    async fn a_busy_server_is_left_to_others_by_all_but_one_worker_that_rests() {
        let valve = Valve::idle(&Name::plain("t"));
        assert!(goes_on(&valve, 0).await && goes_on(&valve, 1).await);
        let busy = Seen { busy: Some("others".into()), ..Seen::default() };
        *open(&valve.seen) = busy.clone();
        let began = tokio::time::Instant::now();
        assert!(goes_on(&valve, 0).await);
        assert_eq!(began.elapsed(), REST);
        assert!(!goes_on(&valve, 1).await);
        assert!(valve.progress().contains("at a quarter of full speed: others"));
        *open(&valve.seen) = Seen { full_speed: true, ..busy };
        assert!(goes_on(&valve, 1).await);
        assert!(!valve.progress().contains("quarter"));
    }
}
