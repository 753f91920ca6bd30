//! One part of a change while it is performed: what it knows, and how it is told to go slower or to stop.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio_postgres::Client;

use cofferdam_core::fault::Result;
use cofferdam_core::online::{Capture, Online, Part};
use cofferdam_core::{Code, Fault, Refusal};

use super::carry::Blueprint;
use super::flow::{Direction, Flow, literal};
use super::pace::{Pace, Turn};
use super::state::Stored;
use super::{
    apply, capture, clean, compare, copy, gate, index, logical, pace, snapshots, swap, throttle, worker,
};
use crate::Holder;
use crate::online::Progress;
use crate::postgres::session::PostgresSession;

/// What was last seen of the server, and what a person asks.
#[derive(Debug, Clone, Default)]
pub(super) struct Valve {
    pub(super) paused: bool,
    pub(super) cutover: bool,
    pub(super) abort: bool,
    /// At most so many connections.
    pub(super) workers: Option<usize>,
    /// Nobody is given way to.
    pub(super) full_speed: bool,
    /// Why nothing is copied or compared for the moment.
    pub(super) throttled_by: Option<String>,
    /// So little disk is left that the change should be given up; for people.
    pub(super) no_disk: Option<String>,
    /// Rows in the log.
    pub(super) lag: u64,
    pub(super) quarantined: u64,
}

/// What is shown of the part that is being performed.
#[derive(Debug)]
struct Showing {
    valve: Valve,
    doing: String,
    done: u64,
    /// So much of it was done by earlier runners.
    before: u64,
    total: u64,
    since: Instant,
    blocked_by: Option<String>,
}

/// One part of a change while it is performed.
pub(super) struct Work<'s> {
    pub(super) session: &'s PostgresSession,
    pub(super) change: &'s Online,
    pub(super) print: Blueprint,
    pub(super) flow: Flow,
    pub(super) epoch: i64,
    /// How keys are captured; never `Auto`.
    pub(super) kind: Capture,
    /// Held while logged keys are applied.
    pub(super) applying: tokio::sync::Mutex<()>,
    pub(super) pace: Pace,
    /// How far the slot was read.
    pub(super) decoded: logical::Position,
    showing: Mutex<Showing>,
}

impl<'s> Work<'s> {
    /// Takes the change over: from now on no earlier runner can write, and none of its transactions is open.
    pub(super) async fn adopt(
        session: &'s PostgresSession,
        change: &'s Online,
        stored: Stored,
        epoch: i64,
        part: Part,
    ) -> Result<Self> {
        let client = &session.client;
        if let Some(why) = stored.poisoned.filter(|_| part <= Part::Swap) {
            return Err(Refusal::new(Code::Mismatch, format!("{} must not be swapped", change.table))
                .cause(why)
                .help("the change is taken back")
                .into());
        }
        let direction = if part == Part::SwapBack { Direction::Back } else { Direction::Forward };
        let mut flow = Flow::new(change, &stored.print, direction)?;
        let adopt = format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = '5s'; UPDATE {} SET epoch = {epoch} WHERE epoch <= {epoch} RETURNING 1;
             UPDATE cofferdam.online SET fence = {epoch} WHERE id = {} AND fence <= {epoch}; COMMIT",
            flow.fence,
            literal(&change.id())?
        );
        let answer = worker::run(client, &adopt, "taking the change over").await;
        if answer.is_err() {
            worker::rollback(client).await;
        }
        if worker::rows(&answer?)?.is_empty() {
            return Err(worker::fenced());
        }
        let oid = stored.print.table_oid;
        let kind = match part {
            Part::Capture => capture::kind(client, change.capture, &flow, oid).await?,
            // A runner that was killed right after the swap left the slot.
            Part::Settle | Part::SwapBack => {
                logical::end(client, change).await?;
                Capture::Rows
            }
            _ if logical::at_work(client, change).await? => Capture::Logical,
            Part::Swap => capture::kind_of_triggers(client, change.capture, &flow, oid).await?,
            _ => Capture::Rows,
        };
        if let Some(expected) = &mut flow.expected {
            expected.node = kind != Capture::Logical;
        }
        let showing = Mutex::new(Showing {
            valve: Valve::default(),
            doing: part.word().to_owned(),
            done: 0,
            before: 0,
            total: 0,
            since: Instant::now(),
            blocked_by: None,
        });
        Ok(Self {
            session,
            change,
            print: stored.print,
            flow,
            epoch,
            kind,
            applying: tokio::sync::Mutex::new(()),
            decoded: logical::Position::default(),
            pace: Pace::default(),
            showing,
        })
    }

    pub(super) async fn perform(&self, part: Part) -> Result<()> {
        throttle::look_once(self).await?;
        self.check()?;
        let done = async {
            match part {
                Part::Capture => self.capture().await,
                Part::Copy => self.copy().await,
                Part::Index => index::all(self).await,
                Part::Compare => self.compare().await,
                Part::Gate => gate::wait(self).await,
                Part::Swap => swap::swap(self).await,
                Part::SwapBack => self.swap_back().await,
                Part::Settle => self.settle().await,
                Part::Create | Part::Finish | Part::Release | Part::Discard => {
                    Err(Fault::Bug(format!("{} needs no work", part.word())))
                }
            }
        };
        let pumps = self.kind == Capture::Logical && part != Part::Capture;
        let reading = pumps.then(|| self.decoded.begin());
        // Boxed: together they are larger than the stack of a thread should have to hold.
        let done = tokio::select! {
            done = Box::pin(done) => done,
            stopped = Box::pin(throttle::look_after(self)) => stopped,
            stopped = Box::pin(self.pump(pumps)) => stopped,
            stopped = Box::pin(self.keep_pace(part)) => stopped,
        };
        drop(reading);
        if done.is_err() {
            // What was dropped in the midst of a transaction must not be committed with the next one.
            worker::rollback(&self.session.client).await;
        }
        done?;
        if part == Part::Swap {
            // Nobody reads the slot any more.
            logical::end(&self.session.client, self.change).await?;
        }
        // These wrote it down in their own last transaction.
        if !matches!(part, Part::Capture | Part::Index | Part::Swap | Part::SwapBack) {
            worker::run(&self.session.client, &self.stage_sql(part.word())?, "writing the state").await?;
        }
        Ok(())
    }

    /// Brings keys from the write-ahead log into the log of keys, where that is how they are captured.
    async fn pump(&self, pumps: bool) -> Result<()> {
        if pumps { logical::pump(self).await } else { std::future::pending().await }
    }

    /// What reads or writes much goes slower where others are at work.
    async fn keep_pace(&self, part: Part) -> Result<()> {
        if matches!(part, Part::Copy | Part::Compare | Part::Gate | Part::SwapBack) {
            return pace::keep(self, part).await;
        }
        std::future::pending().await
    }

    /// Keys are logged from now on: the lock waits for those who write now, and who writes later finds the triggers.
    async fn capture(&self) -> Result<()> {
        let client = &self.session.client;
        let doing = "beginning to capture changes";
        if self.kind == Capture::Logical {
            self.doing("waiting for transactions that have begun, so that changes can be decoded", 0);
            logical::begin(self, client).await?;
            let begun = [capture::note(&self.flow, self.kind)?, self.stage_sql(Part::Capture.word())?];
            return worker::run(client, &begun.join("; "), doing).await.map(|_| ());
        }
        let mut statements = capture::begin(&self.flow, &self.change.new_schema(), self.kind)?;
        statements.push(capture::note(&self.flow, self.kind)?);
        let text = format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL search_path = ''; SET LOCAL client_min_messages = warning; SET LOCAL lock_timeout = '200ms';
             SET LOCAL idle_in_transaction_session_timeout = '2s'; LOCK TABLE ONLY {} IN SHARE ROW EXCLUSIVE MODE; {}; {}",
            self.flow.source,
            statements.join("; "),
            self.stage_sql(Part::Capture.word())?
        );
        let done = worker::run(client, &text, doing).await;
        if done.is_err() {
            worker::rollback(client).await;
        }
        done?;
        worker::crash_at("online.capture.before-commit")?;
        worker::run(client, "COMMIT", doing).await?;
        worker::crash_at("online.capture.committed")
    }

    async fn copy(&self) -> Result<()> {
        let client = &self.session.client;
        let rows = format!(
            "SELECT greatest(reltuples, 0)::bigint FROM pg_catalog.pg_class WHERE oid = {}",
            self.print.table_oid
        );
        let rows = worker::value(client, &rows, "reading statistics").await?;
        let rows = rows.and_then(|r| r.parse().ok()).unwrap_or(0);
        self.doing("copying rows", rows);
        self.done_before((self.share_there(client).await? * rows as f64) as u64);
        copy::all(self).await?;
        worker::crash_at("online.copy.whole")?;
        let text = format!(
            "UPDATE cofferdam.online SET copied_xid = (pg_catalog.txid_current() % 4294967296)::text, copied_beside = {}
             WHERE id = {}",
            snapshots::at_work(),
            literal(&self.change.id())?
        );
        worker::run(client, &text, "writing the state").await.map(|_| ())
    }

    /// Which share of the rows earlier runners copied, by the sizes of the two tables: for people, not for us.
    async fn share_there(&self, client: &Client) -> Result<f64> {
        let size = |table: &str| literal(table).map(|t| format!("pg_catalog.pg_relation_size({t})::float8"));
        let query =
            format!("SELECT {} / greatest({}, 1)", size(&self.flow.target)?, size(&self.flow.source)?);
        let share = worker::value(client, &query, "reading sizes").await?;
        Ok(share.and_then(|s| s.parse::<f64>().ok()).unwrap_or(0.0).clamp(0.0, 1.0))
    }

    /// What the change adds must hold for rows that are there, and both tables must hold the same.
    async fn compare(&self) -> Result<()> {
        // Whoever plans a query a moment after the swap must find statistics.
        let analyse = format!("ANALYZE {}", self.flow.target);
        let analysed = worker::run(&self.session.client, &analyse, "analysing the new table");
        let compared = compare::all(self);
        futures::try_join!(analysed, compared)?;
        for proof in &self.print.proofs {
            let found = worker::rows(&worker::run(&self.session.client, &proof.query, "proving").await?)?;
            if found.is_empty() {
                continue;
            }
            let refusal = Refusal::new(Code::RowMisfit, format!("rows do not fulfil {}", proof.what))
                .help("correct these rows and start again");
            let named = |r: Refusal, row: Vec<Option<String>>| {
                r.note(format!("key {}", row.into_iter().flatten().collect::<Vec<_>>().join(", ")))
            };
            return Err(found.into_iter().fold(refusal, named).into());
        }
        worker::crash_at("online.compare.proved")
    }

    /// What was written since the swap is brought into the old table, and compared, before it is swapped back.
    async fn swap_back(&self) -> Result<()> {
        let client = worker::connect_to_begin(self, "apply").await?;
        // Since the swap nobody applied anything.
        apply::drain(self, &client, 500).await?;
        apply::whole(self, &client).await?;
        swap::refuse_quarantined(&client, &self.flow).await?;
        compare::cut(self).await?;
        compare::all(self).await?;
        swap::swap(self).await
    }

    async fn settle(&self) -> Result<()> {
        for sql in &self.print.settle {
            clean::alone(&self.session.client, sql, "validating constraints").await?;
            worker::crash_at("online.settle.validated")?;
        }
        Ok(())
    }

    /// How many connections work side by side. Two keep the server busy without crowding others out.
    pub(super) fn workers(&self) -> usize {
        match self.change.workers {
            0 => 2,
            n => n.min(16) as usize,
        }
    }

    /// Bytes of a row on average, as the server estimates.
    pub(super) async fn row_width(&self) -> Result<f64> {
        let query = format!(
            "SELECT (pg_catalog.pg_table_size(oid) / greatest(reltuples, 1))::bigint FROM pg_catalog.pg_class
             WHERE oid = pg_catalog.to_regclass({})",
            literal(&self.flow.source)?
        );
        let width = worker::value(&self.session.client, &query, "reading statistics").await?;
        Ok(width.and_then(|w| w.parse::<f64>().ok()).unwrap_or(100.0).clamp(32.0, 1_048_576.0))
    }

    /// The fence, held until the transaction ends: one row, or none where another runner has taken over.
    pub(super) fn fence(&self) -> String {
        self.flow.fenced(self.epoch)
    }

    /// The statement that writes down which part ended.
    pub(super) fn stage_sql(&self, word: &str) -> Result<String> {
        let swapped = match word {
            "swap" => ", swapped_at = pg_catalog.now()",
            "gate" => ", swapped_at = NULL",
            _ => "",
        };
        Ok(format!(
            "UPDATE cofferdam.online SET stage = {}{swapped}, updated_at = pg_catalog.now() WHERE id = {} AND fence = {}",
            literal(word)?,
            literal(&self.change.id())?,
            self.epoch
        ))
    }

    /// Sees to it that nobody swaps, now or later.
    pub(super) async fn poison(&self, client: &Client, why: &str) -> Result<()> {
        let text = format!(
            "UPDATE cofferdam.online SET poisoned = {} WHERE id = {}",
            literal(why)?,
            literal(&self.change.id())?
        );
        worker::run(client, &text, "writing the state").await.map(|_| ())
    }

    /// Whether we were asked to stop or to give up.
    pub(super) fn check(&self) -> Result<()> {
        let valve = self.valve();
        let forward = self.flow.direction == Direction::Forward;
        if let Some(why) = valve.no_disk.filter(|_| forward) {
            return Err(Refusal::new(
                Code::Aborted,
                format!("the change of {} was given up", self.change.table),
            )
            .cause(format!("{why}: a server that cannot write its log stops"))
            .help("make room and start again; nothing of it is left")
            .into());
        }
        if valve.abort && forward {
            return Err(Refusal::new(
                Code::Aborted,
                format!("the change of {} was aborted", self.change.table),
            )
            .help("nothing of it is left")
            .into());
        }
        if (self.session.stop)().asked() {
            return Err(Refusal::new(Code::Interrupted, "stopped at a safe point")
                .help("run the same command again to go on")
                .into());
        }
        Ok(())
    }

    /// Waits until this worker may do one more piece of work, which it does while it has the turn. `None`: there is none
    /// left, so that nobody waits for a worker that is kept back.
    pub(super) async fn may_go_on(
        &self,
        number: usize,
        none_left: impl Fn() -> bool,
    ) -> Result<Option<Turn<'_>>> {
        loop {
            self.check()?;
            if none_left() {
                return Ok(None);
            }
            let valve = self.valve();
            let most = valve.workers.unwrap_or(usize::MAX).min(self.pace.allowed(self.workers()));
            let crowded = number >= most;
            if !valve.paused && valve.throttled_by.is_none() && !crowded {
                return Ok(Some(self.pace.turn()));
            }
            let soon = if valve.paused || valve.throttled_by.is_some() { 200 } else { 20 };
            tokio::time::sleep(Duration::from_millis(soon)).await;
        }
    }

    /// What a statement over many rows of the table is given as a further condition, see [`Pace::breath`].
    pub(super) fn breath(&self, width: f64) -> String {
        self.pace.breath(self.workers(), width)
    }

    /// Waits before a further try, longer each time and never as long as somebody else.
    pub(super) async fn pause(&self, tries: u32) -> Result<()> {
        self.check()?;
        let jitter = f64::from(jiff::Timestamp::now().subsec_nanosecond().unsigned_abs() % 1_000) / 1_000.0;
        tokio::time::sleep(cofferdam_core::Limits::default().pause(tries, jitter)).await;
        Ok(())
    }

    fn showing(&self) -> MutexGuard<'_, Showing> {
        self.showing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn valve(&self) -> Valve {
        self.showing().valve.clone()
    }

    pub(super) fn set_valve(&self, valve: Valve) {
        self.showing().valve = valve;
    }

    /// Says what is done from now on, and of how much.
    pub(super) fn doing(&self, what: &str, total: u64) {
        let mut showing = self.showing();
        if showing.doing != what {
            what.clone_into(&mut showing.doing);
            (showing.done, showing.before, showing.total) = (0, 0, total);
            showing.since = Instant::now();
        }
    }

    /// Says that so much of what is being done was done before.
    pub(super) fn done_before(&self, before: u64) {
        let mut showing = self.showing();
        showing.before = before.min(showing.total);
    }

    /// Says that so much more of it is done.
    pub(super) fn copied(&self, more: u64) {
        let mut showing = self.showing();
        showing.done += more;
        let done = showing.before + showing.done;
        let tick = crate::Tick::Progress { doing: showing.doing.clone(), done, total: showing.total };
        drop(showing);
        (self.session.ticker)(tick);
    }

    pub(super) fn blocked_by(&self, holder: Option<&Holder>) {
        self.showing().blocked_by = holder.map(ToString::to_string);
    }

    /// What others see of it, as JSON.
    pub(super) fn progress(&self, valve: &Valve) -> String {
        let showing = self.showing();
        let seconds = showing.since.elapsed().as_secs_f64().max(0.001);
        let progress = Progress {
            doing: showing.doing.clone(),
            rows: showing.before + showing.done,
            total: showing.total,
            rows_per_second: (showing.done as f64 / seconds) as u64,
            lag: valve.lag,
            workers: u32::try_from(valve.workers.unwrap_or(self.workers()).min(self.workers())).unwrap_or(0),
            throttled_by: match valve.paused {
                true => Some("paused".into()),
                false => valve.throttled_by.clone().or_else(|| self.pace.reason()),
            },
            blocked_by: showing.blocked_by.clone(),
            quarantined: valve.quarantined,
            ..Progress::default()
        };
        serde_json::to_string(&progress).unwrap_or_default()
    }
}
