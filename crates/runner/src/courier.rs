//! Tells what happened, beside a run and after it.
//!
//! The events are rows of the journal, and a mark in the database says how far each place was told: what is not
//! delivered now is delivered by whoever comes next. Each place has a task of its own and a session of its own beside
//! that of the run, so that neither a receiver that is down nor one that is slow holds the run, or another place.
//!
//! At least once: the mark moves after the receiver has taken the event. In order: an event that is not taken is tried
//! again before the next one. One at a time: a place is told by the session that holds it.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Place;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::{Mutex, MutexGuard, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use uuid::Uuid;

use cofferdam_adapters::notify::Sink;
use cofferdam_core::fault::Result;
use cofferdam_core::journal::{Entry, What};
use cofferdam_core::notice::Notice;
use cofferdam_core::{Fault, failpoint, notice};
use cofferdam_engines::{Mark, Run, Runs, Sent, Session};

/// How often the journal is looked at while a run goes on.
const LOOK: Duration = Duration::from_secs(1);
/// The longest pause after failures.
const LONGEST: Duration = Duration::from_secs(60);
/// How often a place is asked for that another process holds, at the end.
const HELD: Duration = Duration::from_millis(200);
/// So many rows are read at once.
const ROWS: u32 = 200;

/// Opens a session. Called again when one broke.
pub type Opener = Arc<dyn Fn() -> Opening + Send + Sync>;
/// A session that is being opened.
pub type Opening = Pin<Box<dyn Future<Output = Result<Box<dyn Session>>> + Send>>;

/// Of which runs a place is told, and from when on.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// Only of the runs that were begun under this name (`Run::by`); `None`: of all.
    pub by: Option<String>,
    /// A place that is new begins behind the rows that were written before this moment, RFC 3339.
    pub since: String,
}

impl Scope {
    /// All runs, from now on.
    pub fn all() -> Self {
        Self { by: None, since: jiff::Timestamp::now().to_string() }
    }

    /// The name of a place's mark.
    fn mark(&self, sink: &dyn Sink) -> String {
        match &self.by {
            None => sink.id().to_owned(),
            Some(by) => format!("{} of {by}", sink.id()),
        }
    }
}

/// What became of one place.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// The kind: `slack`.
    pub sink: String,
    /// Where it leads.
    pub place: String,
    /// So many events were taken.
    pub delivered: u64,
    /// Why the next one was not.
    pub error: Option<String>,
    /// Another process is telling it.
    pub held: bool,
}

/// The tasks that tell.
pub struct Courier {
    tasks: Vec<JoinHandle<()>>,
    accounts: Arc<std::sync::Mutex<Vec<Account>>>,
    ending: watch::Sender<bool>,
}

impl Courier {
    /// Begins to tell. Returns at once.
    pub fn start(opener: Opener, sinks: Vec<Box<dyn Sink>>, scope: Scope) -> Self {
        let (ending, _) = watch::channel(false);
        let accounts: Vec<Account> = sinks
            .iter()
            .map(|sink| Account { sink: sink.id().to_owned(), place: sink.place(), ..Account::default() })
            .collect();
        let accounts = Arc::new(std::sync::Mutex::new(accounts));
        let line = Arc::new(Line { opener, session: Mutex::new(None) });
        let tasks = sinks.into_iter().enumerate().map(|(number, sink)| {
            let (line, scope, ended) = (Arc::clone(&line), scope.clone(), ending.subscribe());
            let accounts = Arc::clone(&accounts);
            let tell = move |change: &dyn Fn(&mut Account)| {
                let mut accounts = accounts.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                if let Some(account) = accounts.get_mut(number) {
                    change(account);
                }
            };
            tokio::spawn(keep_telling(line, sink, scope, ended, tell))
        });
        let tasks = tasks.collect();
        Self { tasks, accounts, ending }
    }

    /// Tells what is left, within this time, and ends. What is not told by then stays for the next one.
    pub async fn finish(self, within: Duration) -> Vec<Account> {
        let _ = self.ending.send(true);
        let until = Instant::now() + within;
        for task in self.tasks {
            let abort = task.abort_handle();
            if tokio::time::timeout_at(until, task).await.is_err() {
                abort.abort();
            }
        }
        let accounts = self.accounts.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        accounts.clone()
    }
}

/// A session that several share, opened when it is needed.
struct Line {
    opener: Opener,
    session: Mutex<Option<Box<dyn Session>>>,
}

impl Line {
    /// The session, opened where there is none.
    async fn session(&self) -> Result<Held<'_>> {
        let mut held = self.session.lock().await;
        if held.is_none() {
            *held = Some((self.opener)().await?);
        }
        Ok(Held(held))
    }
}

/// The session while one uses it.
struct Held<'a>(MutexGuard<'a, Option<Box<dyn Session>>>);

impl Held<'_> {
    fn get(&mut self) -> Result<&mut dyn Session> {
        match self.0.as_mut() {
            Some(session) => Ok(&mut **session),
            None => Err(Fault::Bug("a session that is held is not there".into())),
        }
    }

    /// One that failed is opened anew the next time.
    fn keep<T>(mut self, outcome: Result<T>) -> Result<T> {
        if outcome.is_err() {
            *self.0 = None;
        }
        outcome
    }
}

/// Does one thing with the session of a line.
macro_rules! with {
    ($line:expr, $session:ident => $work:expr) => {{
        let mut held = $line.session().await?;
        let $session = held.get()?;
        let outcome = $work;
        held.keep(outcome)?
    }};
}

async fn keep_telling(
    line: Arc<Line>,
    sink: Box<dyn Sink>,
    scope: Scope,
    mut ending: watch::Receiver<bool>,
    tell: impl Fn(&dyn Fn(&mut Account)) + Send + Sync,
) {
    let mut pause = LOOK;
    loop {
        // Read before the journal is: what was written before the end was asked for is then told.
        let last = *ending.borrow_and_update();
        let outcome = tell_all(&line, &*sink, &scope, &|| tell(&|account| account.delivered += 1)).await;
        let (error, held) = match outcome {
            Ok(Round::Told) => (None, false),
            Ok(Round::Held) => (None, true),
            Ok(Round::Failed(why)) => (Some(why), false),
            Err(fault) => (Some(fault.to_string()), false),
        };
        pause = if error.is_some() { (pause * 2).min(LONGEST) } else { LOOK };
        tell(&|account| (account.error, account.held) = (error.clone(), held));
        match (last, held) {
            // The bound is that of `finish`.
            (true, true) => tokio::time::sleep(HELD).await,
            (true, false) => return,
            _ => {
                let _ = tokio::time::timeout(pause, ending.changed()).await;
            }
        }
    }
}

/// What became of one look at the journal.
enum Round {
    /// Everything is told.
    Told,
    /// Another session is telling this place.
    Held,
    /// The next event was not taken.
    Failed(String),
}

/// Tells a place everything that it was not told yet.
async fn tell_all(line: &Line, sink: &dyn Sink, scope: &Scope, taken: &(dyn Fn() + Sync)) -> Result<Round> {
    let name = scope.mark(sink);
    let began = with!(line, session => begin(session, &name, &scope.since).await);
    let mark = match began {
        Begun::Nothing => return Ok(Round::Told),
        Begun::Held => return Ok(Round::Held),
        Begun::Ours(mark) => mark,
    };
    let told = tell_from(line, sink, scope, &name, mark.sent, taken).await;
    with!(line, session => session.leave_mark(&name).await);
    told
}

enum Begun {
    Nothing,
    Held,
    Ours(Mark),
}

async fn begin(session: &mut dyn Session, name: &str, since: &str) -> Result<Begun> {
    match session.take_mark(name, since).await? {
        Some(mark) => Ok(Begun::Ours(mark)),
        None if session.journal_head().await?.is_none() => Ok(Begun::Nothing),
        None => Ok(Begun::Held),
    }
}

async fn tell_from(
    line: &Line,
    sink: &dyn Sink,
    scope: &Scope,
    name: &str,
    mut sent: i64,
    taken: &(dyn Fn() + Sync),
) -> Result<Round> {
    let mut runs: HashMap<Uuid, Option<Run>> = HashMap::new();
    let mut database = None;
    loop {
        let rows = with!(line, session => session.journal_after(sent, ROWS).await);
        let Some(last) = rows.last().map(|row| row.seq) else { return Ok(Round::Told) };
        for row in rows {
            if let What::Awaited { .. } = row.what {
                // Before there is a run, whoever wrote the row is who would have begun it.
                if scope.by.as_ref().is_some_and(|by| *by != row.who) {
                    continue;
                }
                let named = named(line, &mut database).await?;
                let Some(event) = notice::awaited(&row, &named) else { continue };
                if let Some(failed) = deliver(line, sink, name, &event, taken).await? {
                    return Ok(failed);
                }
                continue;
            }
            if !may_tell(&row.what) {
                continue;
            }
            let run = match runs.entry(row.run) {
                Place::Occupied(known) => known.into_mut(),
                Place::Vacant(unknown) => {
                    let found = with!(line, session => session.runs(Runs::One(row.run)).await);
                    unknown.insert(found.into_iter().next())
                }
            };
            let Some(run) = run else { continue };
            if scope.by.as_ref().is_some_and(|by| *by != run.by)
                || notice::told(&row.what, &run.plan).is_none()
            {
                continue;
            }
            let rows = with!(line, session => up_to(session, &row).await);
            let named = named(line, &mut database).await?;
            let Some(event) = notice::notice(&rows, &run.plan, &run.digest, &named) else { continue };
            if let Some(failed) = deliver(line, sink, name, &event, taken).await? {
                return Ok(failed);
            }
        }
        sent = last;
        with!(line, session => session.set_mark(name, &Sent::Passed(last)).await);
    }
}

/// A row that could be told, as far as can be seen without its run.
fn may_tell(what: &What) -> bool {
    !what.moves().is_empty() || matches!(what, What::Noted { .. })
}

/// The name of the database, asked for once.
async fn named(line: &Line, known: &mut Option<String>) -> Result<String> {
    if known.is_none() {
        *known = Some(with!(line, session => session.facts(&[]).await).server.database);
    }
    Ok(known.clone().unwrap_or_default())
}

/// Delivers an event and moves the mark. `Some`: it was not taken.
async fn deliver(
    line: &Line,
    sink: &dyn Sink,
    mark: &str,
    event: &Notice,
    taken: &(dyn Fn() + Sync),
) -> Result<Option<Round>> {
    let outcome = match sink.deliver(event).await {
        Ok(()) => Sent::Delivered(event.seq),
        Err(why) => Sent::Failed(why.0),
    };
    if failpoint::hit("notify.delivered") {
        return Err(Fault::Bug("failpoint notify.delivered".into()));
    }
    with!(line, session => session.set_mark(mark, &outcome).await);
    match outcome {
        Sent::Failed(why) => Ok(Some(Round::Failed(why))),
        _ => {
            taken();
            Ok(None)
        }
    }
}

/// The rows of a row's run, up to it.
async fn up_to(session: &mut dyn Session, row: &Entry) -> Result<Vec<Entry>> {
    let mut rows = session.journal(Some(row.run)).await?;
    rows.retain(|other| other.seq <= row.seq);
    Ok(rows)
}

/// Tells what is left to be told, once: what `cofferdam notify flush` does.
pub async fn flush(
    opener: Opener,
    sinks: Vec<Box<dyn Sink>>,
    scope: Scope,
    within: Duration,
) -> Vec<Account> {
    Courier::start(opener, sinks, scope).finish(within).await
}

/// How many events each place is still to be told, by its mark.
pub async fn left(session: &mut dyn Session, mark: &Mark, by: Option<&str>) -> Result<u64> {
    let (mut sent, mut left, mut runs) = (mark.sent, 0, HashMap::<Uuid, Option<Run>>::new());
    loop {
        let rows = session.journal_after(sent, ROWS).await?;
        let Some(last) = rows.last().map(|row| row.seq) else { return Ok(left) };
        for row in &rows {
            if let What::Awaited { .. } = row.what {
                left += u64::from(by.is_none_or(|by| by == row.who));
                continue;
            }
            if !may_tell(&row.what) {
                continue;
            }
            let run = match runs.entry(row.run) {
                Place::Occupied(known) => known.into_mut(),
                Place::Vacant(unknown) => {
                    unknown.insert(session.runs(Runs::One(row.run)).await?.into_iter().next())
                }
            };
            let Some(run) = run else { continue };
            let ours = by.is_none_or(|by| by == run.by);
            left += u64::from(ours && notice::told(&row.what, &run.plan).is_some());
        }
        sent = last;
    }
}
