//! Databases behind one trait.
//!
//! An engine opens sessions; a session knows the catalog (`facts`, `probe`), keeps Cofferdam's own tables
//! (`journal`, `run`, `history`) and does what steps say (`commit`, `perform`). It decides nothing: what is to be
//! done, when to retry and when to take back is the runner's. `contract.rs` is what every engine must pass.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use cofferdam_core::facts::{DataAnswer, DataQuestion, Room};
use cofferdam_core::fault::Result;
use cofferdam_core::history::{Applied, RollbackBundle};
use cofferdam_core::journal::{Entry, What};
use cofferdam_core::online::{Examined, Online};
use cofferdam_core::park::Parked;
use cofferdam_core::plan::{Act, Plan, Probe, Seen, Step};
use cofferdam_core::{Code, Facts, Limits, Name, Phase, Refusal};
use cofferdam_formats::tables::Table;
use cofferdam_schema::Schema;

mod abilities;
mod answers;
pub mod contract;
pub mod copy;
mod disk;
pub mod fake;
mod head;
mod holder;
pub mod ledger;
#[cfg(feature = "mysql")]
pub mod mysql;
pub mod online;
pub mod outbox;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod rehearsal;
mod secret;
pub mod stage;
mod target;
mod visible;
pub mod vitals;

pub use abilities::{Abilities, Ability, product};
pub use copy::Copier;
pub use holder::{Holder, held_by_other};
pub use ledger::{Beside, Keeping, Kept};
pub use online::{Asked, OnlineState, Progress};
pub use outbox::{Mark, Sent};
pub use rehearsal::{Deed, Round, Trial};
pub use stage::{NotCarried, Stage};
pub use target::{Logins, Passwords, Target};
pub use vitals::{Stopping, Touch, TouchEnd, Vitals, VitalsAsked};

/// A kind of database.
#[async_trait]
pub trait Engine: Send + Sync {
    /// Its id: `postgresql`.
    fn id(&self) -> &'static str;
    /// The URL schemes that are its own.
    fn schemes(&self) -> &'static [&'static str];
    /// The id of the dialect that a URL of this scheme promises. What the server really speaks says [`Session::dialect`].
    fn dialect(&self, scheme: &str) -> &'static str {
        let _ = scheme;
        self.id()
    }
    /// What it can do.
    fn abilities(&self) -> Abilities {
        Abilities::ALL
    }
    /// Connects. Refuses servers that are too old, and says why a server cannot be reached.
    async fn open(&self, target: &Target) -> Result<Box<dyn Session>>;

    /// Makes an empty database on this server, under a name of our own, and drops those that a killed process left. The
    /// database that the target names is only connected to. Refuses (`NoThrowAway`) where the engine has no such thing,
    /// or the role may not make databases.
    async fn stage(&self, target: &Target) -> Result<Box<dyn Stage>> {
        let _ = target;
        Err(Refusal::new(Code::NoThrowAway, format!("{} has no throw-away databases", self.id()))
            .help("name a PostgreSQL: --dev-url postgres://user@host/postgres")
            .into())
    }
}

/// Every engine that a URL can choose.
pub static ENGINES: &[&dyn Engine] = &[
    #[cfg(feature = "postgres")]
    &postgres::Postgres,
    #[cfg(feature = "mysql")]
    &mysql::MySql,
];

/// The engine of a URL; one without a scheme (`host=... dbname=...`, or none at all) is PostgreSQL's, as for psql.
pub fn engine_of(url: Option<&str>) -> Option<&'static dyn Engine> {
    match url.and_then(scheme_of) {
        None => ENGINES.first().copied(),
        Some(scheme) => ENGINES.iter().copied().find(|e| e.schemes().contains(&scheme.as_str())),
    }
}

/// The id of the dialect that a URL promises; `None`: no engine speaks it.
pub fn dialect_of(url: Option<&str>) -> Option<&'static str> {
    let scheme = url.and_then(scheme_of).unwrap_or_default();
    engine_of(url).map(|engine| engine.dialect(&scheme))
}

fn scheme_of(url: &str) -> Option<String> {
    url.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase())
}

/// A row of `cofferdam.run`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Its id, a UUID of version 7: sorted by time.
    pub id: Uuid,
    /// What it carries out. Shared, because a plan may be as large as its script.
    pub plan: Arc<Plan>,
    /// The plan's digest when it was accepted.
    pub digest: String,
    /// Where it is. A mirror of the journal's fold, written in the same transaction.
    pub phase: Phase,
    /// The fencing number of the runner that may write.
    pub epoch: i64,
    /// What the history gets when it is done.
    pub record: Record,
    /// When it began, RFC 3339 in UTC.
    pub started_at: String,
    /// When it ended.
    pub ended_at: Option<String>,
    /// Who began it.
    pub by: String,
}

/// What a run writes into the history when it is done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Record {
    /// A row for an applied migration; `rank`, `at` and `ms` are filled in when it is written.
    Applied(Box<Applied>),
    /// The row of this rank is marked as taken back.
    Undone {
        /// Its rank.
        rank: i64,
    },
    /// Nothing: the run belongs to no migration (`alter`). The history is that of the files, and a row without a
    /// file would be one that went missing; the run and its journal are the record.
    Nothing,
}

/// What happens while a statement runs, for progress and for guards.
#[derive(Debug, Clone, PartialEq)]
pub enum Tick {
    /// Our statement waits for these.
    WaitingFor(Vec<Holder>),
    /// These have been waiting for our statement, the longest for so long.
    Blocking(Vec<Holder>, Duration),
    /// How far it is: what it does now, and how much of how much is done (0: not known).
    Progress {
        /// "building index: scanning table".
        doing: String,
        /// Done so far.
        done: u64,
        /// Of so much; 0 where the server does not say.
        total: u64,
    },
    /// Another runner holds the lock.
    LockedBy(Holder),
    /// A step of a batch is being performed.
    StepBegan(String),
    /// A step of a batch was performed, in so many milliseconds. It counts only once the batch is committed.
    StepEnded(String, u64),
    /// Tables changed places, and had been locked for so many milliseconds.
    Locked(u64),
    /// The server said something: a NOTICE or WARNING of a statement.
    Notice(String),
    /// What a step was seen to do, by its id. Only of a session that is observed.
    Deed(String, Box<Deed>),
}

/// Where ticks go. Called from within the engine; must return at once.
pub type Ticker = Arc<dyn Fn(Tick) + Send + Sync>;

/// Asked between and during statements whether to stop, and how. Must return at once.
pub type StopAsked = Arc<dyn Fn() -> Stopping + Send + Sync>;

/// One line of a [`Batch`].
#[derive(Debug, Clone)]
pub enum Line<'a> {
    /// A journal row.
    Write(What),
    /// A step is performed, between its *began* and its *ended* row.
    Perform {
        /// Its name in the journal: the step's id, or `undo ID`.
        id: String,
        /// What is done.
        act: &'a Act,
        /// Where it stands, for the message when it fails.
        step: &'a Step,
    },
}

/// What commits together: statements with their journal rows, or journal rows alone.
#[derive(Debug, Clone)]
pub struct Batch<'a> {
    /// The run. Its `phase` is the one that the run has after the batch.
    pub run: &'a Run,
    /// The run's row is new; else it must be there with our epoch, or with an older one when `adopt` is set.
    pub open: bool,
    /// The run is taken over from a runner that is gone: its epoch becomes ours.
    pub adopt: bool,
    /// In order.
    pub lines: Vec<Line<'a>>,
    /// The run is done: its record goes into the history. The number is the run's duration so far in
    /// milliseconds, to which the engine adds that of the batch.
    pub record: Option<u64>,
    /// Under which limits its statements run.
    pub limits: Limits,
}

/// Which runs are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runs {
    /// Those whose phase is not an end.
    Unfinished,
    /// The last so many, newest first.
    Last(u32),
    /// One.
    One(Uuid),
}

/// What was done to a database, and what was begun.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Overview {
    /// The history in the order of its ranks, rows taken back included. The rows lack their bundles, which are most
    /// of what there is to read of them.
    pub history: Vec<Applied>,
    /// Runs whose phase is not an end, newest first.
    pub unfinished: Vec<Run>,
}

/// The rows that a query returned, as texts; at most so many as were asked for.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Rows {
    /// The columns' names.
    pub columns: Vec<String>,
    /// `None` is NULL.
    pub rows: Vec<Vec<Option<String>>>,
}

/// A right that is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// What cannot be done: "create schema cofferdam in database shop".
    pub what: String,
    /// What gives the right.
    pub grant: String,
}

/// One connection to a database that does the work, and what it needs beside it.
///
/// The session that holds the run lock is the one that runs the statements, so that a statement whose client has
/// died keeps the lock until it ends.
#[async_trait]
pub trait Session: Send {
    /// The id of the dialect that its server speaks, as in `cofferdam_dialects::DIALECTS`.
    fn dialect(&self) -> &'static str {
        "postgresql"
    }

    /// What its engine can do.
    fn abilities(&self) -> Abilities {
        Abilities::ALL
    }

    /// Facts of the server and of these tables. Reads only; every query is bounded.
    async fn facts(&mut self, of: &[Name]) -> Result<Facts>;

    /// What the rows hold: one answer for each question, in order. `facts` are those of the tables that the questions
    /// name. Reads only; every look is bounded, and what cannot be found out within it is [`DataAnswer::NotKnown`].
    async fn answers(&mut self, facts: &Facts, questions: &[DataQuestion]) -> Result<Vec<DataAnswer>>;

    /// The history in the order of its ranks, rows taken back included. Empty where Cofferdam never was.
    async fn history(&mut self) -> Result<Vec<Applied>>;

    /// Says which directory the history is about, and where it is kept: from now on the table of its tool is read and
    /// written, too, in the transaction in which our own history is. `claim` takes the tool's lock, makes its table
    /// where it is missing, and takes over what the tool did since. Without this Cofferdam's own history is all there
    /// is. An engine that knows no tools keeps its own.
    async fn keep(&mut self, keeping: Keeping) -> Result<Kept> {
        match keeping.kept {
            Some(Kept::Tool | Kept::Both) => {
                Err(Refusal::new(Code::NoSuchTool, "histories of other tools are not kept in this database")
                    .help("--history own")
                    .into())
            }
            Some(Kept::Own) | None => Ok(Kept::Own),
        }
    }

    /// What the last reading of the history found in the tool's table. `None`: no such table is kept.
    fn beside(&self) -> Option<&Beside> {
        None
    }

    /// The tables of the database that could be the history of a tool.
    async fn tool_tables(&mut self) -> Result<Vec<Table>> {
        Ok(Vec::new())
    }

    /// Writes these rows, which our own history has, into the table of the tool. Needs the run lock; the note goes to
    /// the journal.
    async fn tell_tool(&mut self, rows: &[Applied], note: &str) -> Result<()> {
        let _ = (rows, note);
        Ok(())
    }

    /// What every command asks first. Empty where Cofferdam never was.
    async fn overview(&mut self) -> Result<Overview> {
        let unfinished = self.runs(Runs::Unfinished).await?;
        let mut history = self.history().await?;
        history.iter_mut().for_each(|row| row.bundle = RollbackBundle::default());
        Ok(Overview { history, unfinished })
    }

    /// Runs, newest first. Empty where Cofferdam never was.
    async fn runs(&mut self, which: Runs) -> Result<Vec<Run>>;

    /// The journal in order, of one run or of all.
    async fn journal(&mut self, run: Option<Uuid>) -> Result<Vec<Entry>>;

    /// What of these plans' needs the role may not do; all of it at once.
    async fn missing_rights(&mut self, plans: &[&Plan]) -> Result<Vec<Missing>>;

    /// Takes the run lock of the database, waiting at most `wait` by polling; creates Cofferdam's tables where
    /// they are missing; refuses a pooler that would break the lock. Afterwards `commit` and `perform` may be used.
    async fn claim(&mut self, wait: Duration) -> Result<()>;

    /// Who holds the run lock, if anybody does.
    async fn holder(&mut self) -> Result<Option<Holder>>;

    /// Gives the lock back. Ending the session does the same.
    async fn release(&mut self) -> Result<()>;

    /// Does everything in the batch in one transaction, or nothing of it. `Fault::Refused` and `Fault::Again`
    /// mean: nothing happened. A lost answer to COMMIT is `Fault::Unknown`.
    async fn commit(&mut self, batch: &Batch<'_>) -> Result<()>;

    /// Performs an act outside of any transaction. After `Fault::Refused` or `Fault::Again` parts of it may be
    /// there (an INVALID index), which performing it again repairs.
    async fn perform(&mut self, act: &Act, step: &Step) -> Result<()>;

    /// Asks the catalog.
    async fn probe(&mut self, probe: &Probe) -> Result<Seen>;

    /// Asks it of many things: an answer for each, in order.
    async fn probes(&mut self, all: &[&Probe]) -> Result<Vec<Seen>> {
        let mut seen = Vec::with_capacity(all.len());
        for probe in all {
            seen.push(self.probe(probe).await?);
        }
        Ok(seen)
    }

    /// Runs a read-only query and returns at most `most` rows.
    async fn rows(&mut self, query: &str, most: usize) -> Result<Rows>;

    /// The same, ended by the server after this time.
    ///
    /// # Errors
    /// `StatementFailed` with the time in its cause, where it took longer. The session can go on.
    async fn rows_within(&mut self, query: &str, most: usize, within: Duration) -> Result<Rows>;

    /// What a person should know of how the connection was made: a password file that was not used, a server that
    /// was not verified.
    fn warnings(&self) -> &[String] {
        &[]
    }

    /// Where ticks go from now on, and who is asked whether to stop, and how: see [`Stopping`]. A statement that is
    /// cancelled for it is reported as `Code::Interrupted`.
    fn listen(&mut self, ticker: Ticker, stop: StopAsked);

    /// Brings session settings back to what they were after `open`: one script's `SET` is not another's.
    async fn reset(&mut self) -> Result<()>;

    /// Adds rows for migrations that are declared as there without having been run (of rank 0), or rewrites checksum
    /// and description of the rows of the same rank; a row with an `undone_at` counts as taken back. The table of a
    /// tool that is kept gets the same. All in one transaction. For `baseline`, `repair` and `import`; the note beside
    /// each goes to the journal.
    async fn amend_history(&mut self, changes: &[(Applied, String)]) -> Result<()>;

    /// Adds a row to the journal that belongs to no run. Needs the run lock.
    async fn append(&mut self, what: What) -> Result<()>;

    /// Whether the address is that of a pooler through which the run lock would exclude nobody. Looked at with a
    /// second connection; changes nothing.
    async fn pooled(&mut self) -> Result<bool>;

    /// How much room is left where the server keeps the database and these tables, each file system once. Empty where
    /// it cannot be seen: the server is on another machine, or the role may not know its folders.
    async fn room(&mut self, of: &[Name]) -> Result<Vec<Room>>;

    /// Looks at the table of an online change and tries its clauses on an empty copy, in a transaction that is
    /// rolled back. Refuses with the server's own words what the server refuses.
    async fn examine(&mut self, change: &Online) -> Result<Examined>;

    /// Opens a connection beside this one that copies rows. `purpose` is what the server shows of it: `backup`.
    async fn copier(&mut self, purpose: &str) -> Result<Box<dyn Copier>>;

    /// The online changes that have begun and are not finished, whoever is at work on them. Reads only, and may be
    /// asked while another session holds the run lock.
    async fn online(&mut self) -> Result<Vec<OnlineState>>;

    /// Asks something of the online change with this id, which another process may be at work on: it is written
    /// down without the run lock, and read by whoever is at work. Refuses a change that is not there.
    async fn control(&mut self, id: &str, asked: &Asked) -> Result<()>;

    /// The rows of the journal after this one, in order, at most so many.
    async fn journal_after(&mut self, seq: i64, most: u32) -> Result<Vec<Entry>>;

    /// The number and the hash of the journal's last row; `None` where there is none.
    async fn journal_head(&mut self) -> Result<Option<(i64, String)>>;

    /// How far each place for notifications was told.
    async fn marks(&mut self) -> Result<Vec<Mark>>;

    /// Takes a place for notifications, so that one process at a time tells it: how far it was told. One that is
    /// new begins behind the rows that were written before `since` (RFC 3339). `None`: another session is at it, or
    /// there is nothing to tell yet.
    async fn take_mark(&mut self, sink: &str, since: &str) -> Result<Option<Mark>>;

    /// Writes down what became of a delivery. A mark never moves back.
    async fn set_mark(&mut self, sink: &str, sent: &Sent) -> Result<()>;

    /// Lets another session have the place. Ending the session does the same.
    async fn leave_mark(&mut self, sink: &str) -> Result<()>;

    /// Takes the lock of each table as a statement of the application would, once to read and once to write, and lets
    /// it go at once. Each waits at most for `patience`, so that nobody stands behind it for longer. Changes nothing,
    /// needs no run lock, and may be asked while another session holds that.
    ///
    /// # Errors
    /// The role may not take such a lock, and a connection that broke. A table that is not there is no error.
    async fn touch(&mut self, tables: &[Name], patience: Duration) -> Result<Vec<Touch>>;

    /// The vital signs that are asked for. Reads only; what cannot be told says why.
    async fn vitals(&mut self, asked: &VitalsAsked) -> Result<Vitals>;

    /// All that the database is made of, at one moment, in a fixed number of queries. Reads only. Left out are what
    /// belongs to an extension, Cofferdam's own schemas, and the tables in which tools keep their histories.
    async fn inspect(&mut self) -> Result<Schema>;

    /// Runs statements with neither lock, journal nor look-out, each by itself where the engine can. For throw-away
    /// databases only: nothing of it can be proved or taken back.
    async fn run_unrecorded(&mut self, sql: &str) -> Result<()>;

    /// What was put aside in place of being dropped, the newest first; what ended too, which is known by its end.
    /// Reads only.
    async fn parked(&mut self) -> Result<Vec<Parked>>;

    /// Writes down, without the run lock, that this run is to be taken back, and why. The first word counts. Whoever
    /// goes on with the run finds it, also when the process that found the reason is gone.
    async fn ask_back(&mut self, run: Uuid, why: &str) -> Result<()>;

    /// What [`Session::ask_back`] wrote down, and when, RFC 3339 in UTC.
    async fn asked_back(&mut self, run: Uuid) -> Result<Option<(String, String)>>;

    /// That it was asked back counts no more: it was done, or a person decided otherwise.
    async fn answer_back(&mut self, run: Uuid) -> Result<()>;

    /// From now on what each step does is told as [`Tick::Deed`]. For a database in which nobody else is: a statement
    /// outside of a transaction is held up for a moment, so that its locks are seen.
    async fn observe(&mut self) -> Result<()>;

    /// Performs steps in one transaction that is taken back, whatever happens. Needs no run lock and writes no journal.
    ///
    /// # Errors
    /// `NotRehearsable` for a step that is more than a statement; and whatever a statement fails with.
    async fn try_out(&mut self, trial: &Trial<'_>) -> Result<Vec<Round>>;
}
