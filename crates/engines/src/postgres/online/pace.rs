//! Going slower where somebody else uses the server.
//!
//! What others notice of us is how long their commits take, and a small commit of our own takes as long. How long is
//! usual is measured while our workers stand still, from time to time; then they work for such a share of the time that
//! it stays near that. What is looked at is the slowest twentieth of the commits, as people do who watch a service:
//! our chunks are few and each is felt, so that a median shows nothing of them. Where nobody else is at work there is
//! nobody to be kept waiting, and no share is too large.
//!
//! The rest is within the statement that reads or writes many rows: it sleeps after every few of them, so that no queue
//! of others becomes long behind it. Short pieces with pauses between them do worse. Each has a transaction of its own
//! and several answers to wait for, and where the processors are busy that alone takes longer than the piece may.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio_postgres::Client;

use cofferdam_core::fault::Result;
use cofferdam_core::online::Part;

use super::flow::Direction;
use super::{Work, planted, worker};
use crate::postgres::others;

/// Probes of one judgement, the pause between two of them, and which of them, sorted, is looked at.
const PROBES: usize = 60;
const BETWEEN: Duration = Duration::from_millis(12);
const LOOKED_AT: usize = PROBES * 95 / 100;
/// A piece of work aims at this time, which is also how long it keeps old row versions from being cleaned.
pub(super) const AIM: Duration = Duration::from_millis(250);
/// So many bytes of rows are read or written between two sleeps, and about so long that takes.
const BREATH: (f64, f64) = (32.0 * 1024.0, 0.001);
/// How long others wait while we work, by how long they wait while we do not.
const PATIENCE: f64 = 1.2;
/// And so much may always be: what is shorter is noise.
const NOISE: Duration = Duration::from_micros(300);
/// The share in the beginning, and the least: a change must come to its end.
const COPY: Shares = Shares { first: 0.15, least: 0.08 };
/// To read disturbs less than to write: nobody waits for a write-ahead log that is full of it.
const COMPARE: Shares = Shares { first: 0.2, least: 0.1 };
/// Who takes a change back has others in mind who suffer from it already: it is not to take long.
const BACK: Shares = Shares { first: 0.5, least: 0.5 };
/// What is usual is measured anew after this time: the load of a day has its ups and downs.
const FRESH: Duration = Duration::from_secs(20);
/// So long a chunk that was begun is waited for before what is usual is measured.
const STILL: Duration = Duration::from_secs(1);
/// Between two looks where nobody is there.
const EMPTY: Duration = Duration::from_millis(500);

/// Within which bounds the share moves.
#[derive(Debug, Clone, Copy)]
struct Shares {
    first: f64,
    least: f64,
}

/// The share of the time in which workers work.
#[derive(Debug)]
pub(super) struct Pace {
    state: Mutex<State>,
    /// How many work at this moment.
    at_work: AtomicUsize,
}

#[derive(Debug, Clone, Copy)]
struct State {
    share: f64,
    /// The workers stand still, so that what is usual can be measured.
    still: bool,
}

/// A piece of work while it is done.
#[derive(Debug)]
pub(super) struct Turn<'p> {
    pace: &'p Pace,
    began: Instant,
}

impl Turn<'_> {
    pub(super) fn took(&self) -> Duration {
        self.began.elapsed()
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.pace.at_work.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self { state: Mutex::new(State { share: 1.0, still: false }), at_work: AtomicUsize::new(0) }
    }
}

impl Pace {
    fn state(&self) -> State {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set(&self, share: f64, still: bool) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = State { share, still };
    }

    /// A piece of work begins.
    pub(super) fn turn(&self) -> Turn<'_> {
        self.at_work.fetch_add(1, Ordering::SeqCst);
        Turn { pace: self, began: Instant::now() }
    }

    /// Keeps the workers from beginning anything, and waits until what they began has ended.
    async fn stand_still(&self, share: f64) {
        self.set(share, true);
        let since = Instant::now();
        // Who was allowed a moment ago begins in the next one.
        tokio::time::sleep(BETWEEN).await;
        while self.at_work.load(Ordering::SeqCst) > 0 && since.elapsed() < STILL {
            tokio::time::sleep(BETWEEN).await;
        }
    }

    /// How many of so many workers may work.
    pub(super) fn allowed(&self, workers: usize) -> usize {
        let State { share, still } = self.state();
        if still { 0 } else { (share * workers as f64).ceil() as usize }
    }

    /// A condition that is true whatever the server answers, for a statement over many rows of so many bytes each: it
    /// sleeps after every few of them, so that one of so many workers has its share. After how many is left to chance,
    /// which needs nothing to be counted, and keeps workers out of step. Empty at full speed.
    pub(super) fn breath(&self, workers: usize, width: f64) -> String {
        let share = self.state().share;
        let each = share * workers as f64 / self.allowed(workers).max(1) as f64;
        if each >= 1.0 {
            return String::new();
        }
        let (bytes, seconds) = BREATH;
        let often = (width / bytes).clamp(0.001, 1.0);
        let sleep = seconds * (1.0 / each.max(COPY.least) - 1.0);
        format!(
            "AND CASE WHEN pg_catalog.random() < {often:.4} \
             THEN pg_catalog.pg_sleep({sleep:.4})::pg_catalog.text IS DISTINCT FROM 'no' ELSE true END"
        )
    }

    /// Why it goes slower than it could, for people.
    pub(super) fn reason(&self) -> Option<String> {
        let share = self.state().share;
        (share < 1.0).then(|| format!("others use the server: at {:.0} % of full speed", share * 100.0))
    }
}

/// Judges again and again. Never ends; it is dropped with the part that it paces.
pub(super) async fn keep(work: &Work<'_>, part: Part) -> Result<()> {
    // Tests of what is done are not to wait for others: how fast it is done is not what they are about.
    if cfg!(test) || planted("unpaced") {
        return std::future::pending().await;
    }
    let shares = match (work.flow.direction, part) {
        (Direction::Back, _) => BACK,
        (Direction::Forward, Part::Copy) => COPY,
        (Direction::Forward, _) => COMPARE,
    };
    work.pace.set(shares.first, true);
    loop {
        // Not to know how others fare is no reason to go on at full speed; what is wrong, the workers will say.
        if keep_while_it_can(work, shares).await.is_err() {
            work.pace.set(shares.least, false);
            tokio::time::sleep(EMPTY).await;
        }
    }
}

async fn keep_while_it_can(work: &Work<'_>, shares: Shares) -> Result<()> {
    let client = worker::connect(work.session, "pace").await?;
    let mut usual: Option<(Duration, Instant)> = None;
    let mut share = shares.first;
    loop {
        if alone(work, &client).await? {
            work.pace.set(1.0, false);
            (usual, share) = (None, shares.first);
            tokio::time::sleep(EMPTY).await;
            continue;
        }
        let known = usual.filter(|(_, since)| since.elapsed() < FRESH);
        let Some((usual_wait, _)) = known else {
            work.pace.stand_still(share).await;
            usual = Some((wait(&client).await?, Instant::now()));
            work.pace.set(share, false);
            continue;
        };
        let now = wait(&client).await?;
        share = next(share, shares.least, usual_wait, now);
        work.pace.set(share, false);
    }
}

/// The share after one more judgement: less at once, more by and by.
fn next(share: f64, least: f64, usual: Duration, now: Duration) -> f64 {
    let most = usual.mul_f64(PATIENCE).max(usual + NOISE);
    if now > most { (share * 0.6).max(least) } else { (share * 1.1).min(1.0) }
}

/// How long a commit takes that is slower than most: nineteen of twenty are faster.
async fn wait(client: &Client) -> Result<Duration> {
    let mut waits = Vec::with_capacity(PROBES);
    for _ in 0..PROBES {
        let began = Instant::now();
        // A message that nobody reads, in a commit that waits for the disk as everybody's does.
        let message = "SELECT pg_catalog.pg_logical_emit_message(true, 'cofferdam', '')";
        worker::run(client, message, "looking how long a commit takes").await?;
        waits.push(began.elapsed());
        tokio::time::sleep(BETWEEN).await;
    }
    waits.sort_unstable();
    Ok(waits[LOOKED_AT])
}

/// Nobody has to be kept in mind: nobody else is at work, or a person wants full speed.
pub(super) async fn alone(work: &Work<'_>, client: &Client) -> Result<bool> {
    Ok(work.valve().full_speed || !others::are_at_work(client).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_share_falls_at_once_and_rises_by_and_by() {
        let mut share = 1.0;
        for _ in 0..20 {
            share = next(share, COPY.least, MS * 2, MS * 3);
        }
        assert_eq!(share, COPY.least);
        for _ in 0..100 {
            share = next(share, COPY.least, MS * 2, MS * 2);
        }
        assert_eq!(share, 1.0);
        assert_eq!(next(1.0, 0.5, MS * 2, MS * 3), 0.6);
        assert_eq!(next(0.6, 0.5, MS * 2, MS * 3), 0.5, "the way back");
        assert_eq!(next(1.0, 0.1, Duration::from_micros(100), Duration::from_micros(390)), 1.0, "noise");
    }

    #[test]
    fn workers_rest_so_that_together_they_have_their_share() {
        let pace = Pace::default();
        assert_eq!((pace.allowed(2), pace.breath(2, 100.0)), (2, String::new()));
        assert_eq!(pace.reason(), None);
        for (share, workers, allowed, sleep) in
            [(0.5, 2, 1, None), (0.25, 2, 1, Some("0.0010")), (0.75, 4, 3, None), (0.1, 4, 1, Some("0.0015"))]
        {
            pace.set(share, false);
            assert_eq!(pace.allowed(workers), allowed, "{share}");
            let breath = pace.breath(workers, 327.68);
            assert_eq!(!breath.is_empty(), sleep.is_some(), "{share}: {breath}");
            let sleep =
                sleep.map_or(String::new(), |sleep| format!("< 0.0100 THEN pg_catalog.pg_sleep({sleep})"));
            assert!(breath.contains(&sleep), "{share}: {breath}");
        }
        let turn = pace.turn();
        assert_eq!(pace.at_work.load(Ordering::SeqCst), 1);
        drop(turn);
        assert_eq!(pace.at_work.load(Ordering::SeqCst), 0);
        pace.set(0.5, true);
        assert_eq!(pace.allowed(8), 0);
        assert_eq!(pace.reason().as_deref(), Some("others use the server: at 50 % of full speed"));
    }
}
