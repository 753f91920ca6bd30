//! The watch beside a run: it asks, writes down what it was told, and passes on what the signals make of it.
//!
//! Three loops, so that none holds up another: tables are touched, vital signs are read, checks are run. A source that
//! gives no answer is asked again; when it has been silent for too long its signal says so.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cofferdam_core::fault::Result;
use cofferdam_core::{Code, Fault, Name, Refusal};
use cofferdam_engines::vitals::Vitals;
use cofferdam_engines::{Run, Session, VitalsAsked};
use jiff::Timestamp;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::affected::{affected, checks};
use super::seen::{Guarded, Seen};
use super::signals::judged;
use super::{Breach, Gauge, Guarding, Outside, Recall};

/// Between two rounds of touches.
const TOUCH: Duration = Duration::from_millis(150);
/// How long one touch may stand in the queue for a lock: others who come after it stand behind it.
const PATIENCE: Duration = Duration::from_millis(250);
/// Between two looks at vital signs.
const LOOK: Duration = Duration::from_secs(1);
/// Between two rounds of checks.
const CHECK: Duration = Duration::from_secs(1);
/// What is seen is judged so often.
const JUDGE: Duration = Duration::from_millis(50);
/// For one answer of the database, but for touches and checks, which have their own bounds.
const ANSWER: Duration = Duration::from_secs(5);
/// For one query of a check: one that gives no answer for so long counts as breached.
const CHECKED: Duration = super::signals::PATIENCE;
/// For one answer from outside of it.
const GAUGE: Duration = Duration::from_secs(10);

/// What all loops share.
struct Shared {
    outside: Arc<dyn Outside>,
    tables: Vec<Name>,
    checks: Vec<String>,
    vitals: VitalsAsked,
    gauges: Vec<Gauge>,
    /// Which of processors and memory the server itself is asked for.
    host: (bool, bool),
    began: Instant,
    /// How old the run was then.
    age: Duration,
    seen: Mutex<Seen>,
}

impl Shared {
    /// What was seen, with the time that it is now.
    fn seen(&self) -> MutexGuard<'_, Seen> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.now = self.began.elapsed();
        seen.age = self.age + seen.now;
        seen
    }

    /// A session, however often it must be asked for; `failed` is told why there is none.
    async fn session(&self, failed: impl Fn(&mut Seen, String)) -> Box<dyn Session> {
        loop {
            match timeout(GAUGE, self.outside.open()).await {
                Ok(Ok(session)) => return session,
                Ok(Err(fault)) => failed(&mut self.seen(), fault.to_string()),
                Err(_) => failed(&mut self.seen(), "it cannot be reached".into()),
            }
            sleep(LOOK).await;
        }
    }

    /// Touches the tables for ever.
    async fn touching(&self, session: Box<dyn Session>) {
        let mut session = Some(session);
        let tables = u32::try_from(self.tables.len()).unwrap_or(u32::MAX);
        let longest = ANSWER + PATIENCE * 2 * tables;
        loop {
            let mut open = match session.take() {
                Some(open) => open,
                None => self.session(|seen, why| seen.stalls.source.failed(why)).await,
            };
            match timeout(longest, open.touch(&self.tables, PATIENCE)).await {
                Ok(Ok(touches)) => {
                    let mut seen = self.seen();
                    let now = seen.now;
                    seen.stalls.add(now, &touches);
                    drop(seen);
                    session = Some(open);
                }
                Ok(Err(fault)) => self.seen().stalls.source.failed(fault.to_string()),
                Err(_) => self.seen().stalls.source.failed("no answer"),
            }
            sleep(TOUCH).await;
        }
    }

    /// Reads vital signs for ever.
    async fn looking(&self, session: Box<dyn Session>) {
        let mut session = Some(session);
        loop {
            sleep(LOOK).await;
            let failed = |seen: &mut Seen, why: String| seen_nothing(seen, &why, self.host);
            let mut open = match session.take() {
                Some(open) => open,
                None => self.session(failed).await,
            };
            match timeout(ANSWER, open.vitals(&self.vitals)).await {
                Ok(Ok(vitals)) => {
                    self.take(vitals);
                    session = Some(open);
                }
                Ok(Err(fault)) => failed(&mut self.seen(), fault.to_string()),
                Err(_) => failed(&mut self.seen(), "no answer".into()),
            }
        }
    }

    fn take(&self, vitals: Vitals) {
        let mut seen = self.seen();
        let now = seen.now;
        if let Some(lag) = vitals.lag {
            let lag = lag.map(|(lag, standby)| {
                seen.standby = standby;
                lag.as_secs_f64()
            });
            seen.lag.add(now, lag);
        }
        if let Some(statements) = vitals.statements {
            seen.queries.add(now, statements);
        }
        if let Some(host) = vitals.host {
            seen.host(host, self.host);
        }
    }

    /// Reads what others know for ever.
    async fn gauging(&self) {
        loop {
            sleep(LOOK * 5).await;
            for gauge in &self.gauges {
                let value = self.gauge(*gauge).await;
                self.gauged(*gauge, value);
            }
        }
    }

    /// A ratio, or why there is none. Whatever lies outside of 0 and 1 is in another unit.
    async fn gauge(&self, gauge: Gauge) -> std::result::Result<f64, String> {
        let value = match timeout(GAUGE, self.outside.read(gauge)).await {
            Ok(value) => value?,
            Err(_) => return Err(format!("no answer in {} s", GAUGE.as_secs())),
        };
        // A processor may be counted a little over its time.
        match value {
            ratio if (0.0..=1.05).contains(&ratio) => Ok(ratio),
            other => Err(format!("it gave {other}, and must give a share from 0 to 1")),
        }
    }

    fn gauged(&self, gauge: Gauge, value: std::result::Result<f64, String>) {
        let mut seen = self.seen();
        let now = seen.now;
        match gauge {
            Gauge::Cpu => seen.cpu.add(now, value),
            Gauge::Memory => seen.memory.add(now, value),
        }
    }

    /// Runs the checks over and over again, once the tables are swapped.
    async fn checking(&self) {
        while !self.seen().swapped {
            sleep(JUDGE).await;
        }
        let mut session = None;
        loop {
            let mut open = match session.take() {
                Some(open) => open,
                None => self.session(|seen, why| seen.checks.source.failed(why)).await,
            };
            match run_checks(&mut *open, &self.checks).await {
                Ok(failed) => {
                    let mut seen = self.seen();
                    let now = seen.now;
                    seen.checks.source.gave(now);
                    seen.checks.rounds += 1;
                    seen.checks.failed = seen.checks.failed.take().or(failed);
                    drop(seen);
                    session = Some(open);
                }
                Err(fault) => self.seen().checks.source.failed(fault.to_string()),
            }
            sleep(CHECK).await;
        }
    }
}

/// The first check that returned rows, with the first of them.
async fn run_checks(session: &mut dyn Session, checks: &[String]) -> Result<Option<String>> {
    for query in checks {
        let found = session.rows_within(query, 1, CHECKED).await?;
        if let Some(row) = found.rows.first() {
            let cells: Vec<&str> = row.iter().map(|cell| cell.as_deref().unwrap_or("NULL")).collect();
            let query = query.split_whitespace().collect::<Vec<_>>().join(" ");
            return Ok(Some(format!("{query} must return no row and returned {}", cells.join(" | "))));
        }
    }
    Ok(None)
}

fn seen_nothing(seen: &mut Seen, why: &str, host: (bool, bool)) {
    seen.lag.source.failed(why);
    seen.queries.source.failed(why);
    seen.host(Err(why.to_owned()), host);
}

/// A watch at work. It ends when it is dropped.
pub(crate) struct Watch {
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Watch {
    /// Looks once at all that was asked for, and then goes on beside the run. `None`: nothing was asked for.
    ///
    /// # Errors
    /// `NoSource` where nobody can tell what a limit is about, and whatever keeps it from the database: before
    /// anything is changed.
    pub(crate) async fn begin(guarding: &Guarding, run: &Run, recall: &Recall) -> Result<Option<Self>> {
        let Some(outside) = guarding.outside.clone().filter(|_| guarding.is_asked()) else { return Ok(None) };
        let limits = &guarding.thresholds;
        let mut own = outside.open().await?;
        let tables = affected(&run.plan, own.dialect());
        let tables = there(&mut *own, tables).await?;
        let of_server = |gauge, asked: bool| asked && outside.source(gauge).is_none();
        let host = (
            of_server(Gauge::Cpu, limits.max_cpu.is_some()),
            of_server(Gauge::Memory, limits.max_memory.is_some()),
        );
        let gauges = [(Gauge::Cpu, limits.max_cpu.is_some()), (Gauge::Memory, limits.max_memory.is_some())];
        let shared = Shared {
            vitals: VitalsAsked {
                lag: limits.max_lag.is_some(),
                statements_of: if limits.max_slowdown.is_some() { tables.clone() } else { Vec::new() },
                host: host.0 || host.1,
            },
            gauges: gauges
                .into_iter()
                .filter(|(gauge, asked)| *asked && outside.source(*gauge).is_some())
                .map(|(gauge, _)| gauge)
                .collect(),
            checks: match guarding.bake.is_zero() {
                true => Vec::new(),
                false => checks(&run.plan).into_iter().chain(guarding.checks.clone()).collect(),
            },
            tables,
            host,
            outside,
            began: Instant::now(),
            age: age(&run.started_at),
            seen: Mutex::default(),
        };
        shared.name_sources();
        let touches = shared.baseline(&mut *own, guarding).await?;
        let shared = Arc::new(shared);
        let mut tasks = Vec::new();
        if touches {
            let session = shared.outside.open().await?;
            let of = Arc::clone(&shared);
            tasks.push(tokio::spawn(async move { of.touching(session).await }));
        }
        if shared.vitals != VitalsAsked::default() {
            let session = shared.outside.open().await?;
            let of = Arc::clone(&shared);
            tasks.push(tokio::spawn(async move { of.looking(session).await }));
        }
        if !shared.gauges.is_empty() {
            let of = Arc::clone(&shared);
            tasks.push(tokio::spawn(async move { of.gauging().await }));
        }
        if !shared.checks.is_empty() {
            let of = Arc::clone(&shared);
            tasks.push(tokio::spawn(async move { of.checking().await }));
        }
        let judge = Judge {
            shared: Arc::clone(&shared),
            guarding: guarding.clone(),
            run: run.id,
            recall: recall.clone(),
        };
        tasks.push(tokio::spawn(async move { judge.judging(own).await }));
        Ok(Some(Self { shared, tasks }))
    }

    /// The tables are swapped: time is over for no one any more, and checks begin.
    pub(crate) fn swapped(&self) {
        let mut seen = self.shared.seen();
        if !std::mem::replace(&mut seen.swapped, true) {
            seen.checks.source.last = seen.now;
        }
    }

    /// All checks were run at least once since the swap, or there are none.
    pub(crate) fn has_checked(&self) -> bool {
        self.shared.checks.is_empty() || self.shared.seen().checks.rounds > 0
    }

    /// What was measured so far.
    pub(crate) fn report(&self) -> Guarded {
        self.shared.seen().report()
    }
}

impl Shared {
    fn name_sources(&self) {
        let server = "the server";
        let of = |gauge| self.outside.source(gauge).unwrap_or_else(|| server.to_owned());
        let mut seen = self.seen();
        server.clone_into(&mut seen.stalls.source.name);
        server.clone_into(&mut seen.lag.source.name);
        "the count of statements".clone_into(&mut seen.queries.source.name);
        seen.cpu.source.name = of(Gauge::Cpu);
        seen.memory.source.name = of(Gauge::Memory);
        if !self.checks.is_empty() {
            "the last check".clone_into(&mut seen.checks.source.name);
        }
    }

    /// One look at everything, before anything is changed. Returns whether tables can be touched.
    async fn baseline(&self, session: &mut dyn Session, guarding: &Guarding) -> Result<bool> {
        let limits = &guarding.thresholds;
        let mut touches = !self.tables.is_empty();
        if touches && let Err(fault) = session.touch(&self.tables, PATIENCE).await {
            let Fault::Refused(why) = fault else { return Err(fault) };
            if why.code == Code::ConnectionLost {
                return Err(why.into());
            }
            if limits.max_downtime.is_some() {
                let help = "GRANT the rights of a reader and a writer of the tables to the role, or leave the limit out";
                return Err(no_source("maxDowntime", &why.to_string(), help).into());
            }
            touches = false;
        }
        let vitals = match self.vitals == VitalsAsked::default() {
            true => Vitals::default(),
            false => session.vitals(&self.vitals).await?,
        };
        if let Some(Err(why)) = &vitals.lag {
            return Err(no_source("maxReplicationLag", why, "give the right, or leave the limit out").into());
        }
        if let Some(Err(why)) = &vitals.host {
            let which = if self.host.0 { "maxCpuUsage" } else { "maxMemoryUsage" };
            let help = "name a Prometheus and a query that gives a share from 0 to 1 (prometheusUrl with cpuQuery and \
                        memoryQuery, see docs/guards.md) or, in a DatabaseMigration, the server's Pods (serverPods), \
                        GRANT pg_read_server_files to the role, or leave the limit out";
            return Err(no_source(which, why, help).into());
        }
        match &vitals.statements {
            Some(Err(why)) => {
                return Err(no_source("maxSlowdown", why, "do that, or leave the limit out").into());
            }
            Some(Ok(counts)) if counts.iter().all(|count| count.calls <= 0.0) => {
                let why = "the server has counted no statement about the tables yet";
                return Err(no_source(
                    "maxSlowdown",
                    why,
                    "leave the limit out, or begin while the application is at work",
                )
                .into());
            }
            Some(Ok(counts)) => {
                let mut seen = self.seen();
                let now = seen.now;
                seen.queries.begin(now, counts.clone());
            }
            None => {}
        }
        self.take(Vitals { statements: None, ..vitals });
        for gauge in &self.gauges {
            let value = self.gauge(*gauge).await;
            if let Err(why) = &value {
                let which = if *gauge == Gauge::Cpu { "maxCpuUsage" } else { "maxMemoryUsage" };
                let source = self.outside.source(*gauge).unwrap_or_default();
                let help = "correct the source or its query, or leave the limit out";
                return Err(no_source(which, &format!("{source}: {why}"), help).into());
            }
            self.gauged(*gauge, value);
        }
        Ok(touches)
    }
}

/// The tables among them that are there.
async fn there(session: &mut dyn Session, tables: Vec<Name>) -> Result<Vec<Name>> {
    if tables.is_empty() {
        return Ok(tables);
    }
    let facts = session.facts(&tables).await?;
    let is_table = |name: &Name| {
        facts
            .table(name)
            .is_some_and(|found| found.exists && matches!(found.kind.as_str(), "table" | "partitioned table"))
    };
    Ok(tables.into_iter().filter(is_table).collect())
}

fn no_source(limit: &str, why: &str, help: &str) -> Refusal {
    Refusal::new(Code::NoSource, format!("{limit} was asked for, and nobody can tell whether it is kept"))
        .cause(why.to_owned())
        .help(help.to_owned())
        .note("nothing was changed")
}

/// How old a run is. A clock that was put back makes it new.
fn age(started_at: &str) -> Duration {
    let began: Option<Timestamp> = started_at.parse().ok();
    began
        .and_then(|began| Duration::try_from(Timestamp::now().duration_since(began)).ok())
        .unwrap_or_default()
}

/// What turns what is seen into a breach.
struct Judge {
    shared: Arc<Shared>,
    guarding: Guarding,
    run: uuid::Uuid,
    recall: Recall,
}

impl Judge {
    /// Judges until something is breached.
    async fn judging(self, session: Box<dyn Session>) {
        let (limit, text, condition) = loop {
            let found = judged(&self.shared.seen(), &self.guarding.thresholds);
            if let Some((signal, limit, text)) = found {
                break (limit, text, signal.condition);
            }
            sleep(JUDGE).await;
        };
        let automatic = self.guarding.automatic && self.guarding.conditions.contains(&condition);
        let breach = Breach { limit, condition, text, automatic, at: Timestamp::now() };
        if automatic {
            self.write_down(session, &breach).await;
        }
        self.recall.ask(breach, self.guarding.way);
    }

    /// So that whoever goes on with the run knows, if this process ends now. Where it cannot be written the run is
    /// taken back all the same: only a crash in the next moment would be forgotten.
    async fn write_down(&self, mut session: Box<dyn Session>, breach: &Breach) {
        let Ok(text) = serde_json::to_string(breach) else { return };
        if let Ok(Ok(())) = timeout(ANSWER, session.ask_back(self.run, &text)).await {
            return;
        }
        // The session may be as old as the run.
        let anew = async { self.shared.outside.open().await?.ask_back(self.run, &text).await };
        let _ = timeout(ANSWER, anew).await;
    }
}
