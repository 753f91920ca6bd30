//! One session of the fake.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use cofferdam_core::facts::{DataAnswer, DataQuestion, Room};
use cofferdam_core::fault::{Question, Result};
use cofferdam_core::history::Applied;
use cofferdam_core::journal::{Entry, What};
use cofferdam_core::online::{Examined, Online, Part};
use cofferdam_core::park::Parked;
use cofferdam_core::plan::{Act, Plan, Probe, Seen, Step};
use cofferdam_core::{Code, Facts, Fault, Name, Refusal};
use cofferdam_schema::Schema;

use super::faults::{FakeFault, FakePlace};
use super::language::{self, Settings};
use super::locking::{self, Claim};
use super::{FakeDatabase, catalog, commit, online, outbox};
use crate::{
    Asked, Batch, Copier, Holder, Mark, Missing, OnlineState, Round, Rows, Run, Runs, Sent, Session,
    StopAsked, Stopping, Target, Tick, Ticker, Touch, Trial, Vitals, VitalsAsked,
};

/// See [`crate::Session`].
pub(super) struct FakeSession {
    pub(super) database: FakeDatabase,
    pub(super) pid: i32,
    pub(super) claim: Option<Claim>,
    pub(super) settings: Settings,
    pub(super) who: String,
    pub(super) ticker: Ticker,
    pub(super) stop: StopAsked,
    /// The connection broke.
    lost: bool,
    /// What each step does is told.
    pub(super) observed: bool,
    /// What the server does at this moment; a session that is dropped meanwhile leaves an orphan. The inner
    /// `None`: it is within a transaction.
    busy: Option<Option<String>>,
}

impl FakeSession {
    pub(super) fn open(database: FakeDatabase, target: &Target) -> Result<Self> {
        let pid = database.server().connect(&target.application);
        let mut session = Self {
            database,
            pid,
            claim: None,
            settings: Settings::new(),
            who: target.who.clone(),
            ticker: Arc::new(|_| {}),
            stop: Arc::new(|| Stopping::No),
            lost: false,
            observed: false,
            busy: None,
        };
        session.go_to(FakePlace::Open)?;
        Ok(session)
    }

    pub(super) fn alive(&self) -> Result<()> {
        if self.lost { Err(connection_lost().into()) } else { Ok(()) }
    }

    /// The fault that is planned for this place.
    pub(super) fn planned(&self, place: FakePlace) -> Option<FakeFault> {
        self.database.server().planned.at(place)
    }

    /// Comes to a place at which nothing can be half done: a fault there means that nothing happened.
    pub(super) fn go_to(&mut self, place: FakePlace) -> Result<()> {
        self.alive()?;
        match self.planned(place) {
            None => Ok(()),
            Some(FakeFault::Again(code)) => Err(again(code)),
            Some(FakeFault::Refused(code)) => Err(refused(code)),
            Some(_) => {
                self.lose();
                Err(connection_lost().into())
            }
        }
    }

    /// The connection breaks, and the server notices.
    pub(super) fn lose(&mut self) {
        self.lost = true;
        self.busy = None;
        self.database.server().disconnect(self.pid);
    }

    /// The connection breaks, and the server does not notice. `None`: it is within a transaction.
    pub(super) fn lose_unnoticed(&mut self, statement: Option<String>) {
        self.lost = true;
        self.busy = None;
        self.database.server().orphan(self.pid, statement);
    }

    /// Waits for ever, or until a stop is asked for.
    pub(super) async fn hang(&mut self, statement: Option<String>) -> Fault {
        self.busy = Some(statement);
        while !matches!((self.stop)(), Stopping::Soon | Stopping::AtOnce) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        self.busy = None;
        refused(Code::Interrupted)
    }

    /// Statements that name a table which somebody else holds do not get their lock.
    pub(super) fn table_lock(&self, statement: &str) -> Result<()> {
        match language::table_of(statement) {
            Some(table) if self.database.server().held_tables.contains(table) => Err(Fault::Again {
                after: Duration::ZERO,
                why: Box::new(
                    Refusal::new(Code::LockNotObtained, format!("{table} was not locked in time"))
                        .note(format!("{table} is held by somebody else's transaction")),
                ),
            }),
            _ => Ok(()),
        }
    }

    async fn statement(&mut self, act: &Act, step: &Step) -> Result<()> {
        let statement = act.text();
        let fault = self.planned(FakePlace::Perform);
        match fault {
            Some(FakeFault::ConnectionLost) => {
                self.lose();
                return Err(not_known(step));
            }
            Some(FakeFault::Orphaned) => {
                self.lose_unnoticed(Some(statement));
                return Err(not_known(step));
            }
            Some(FakeFault::Hang) => return Err(self.hang(Some(statement)).await),
            Some(FakeFault::Halfway) => {
                self.leave_halfway(act);
                self.lose();
                return Err(not_known(step));
            }
            Some(FakeFault::Again(code)) => {
                self.leave_halfway(act);
                return Err(again(code));
            }
            Some(FakeFault::Refused(code)) => {
                self.leave_halfway(act);
                return Err(refused(code));
            }
            Some(FakeFault::AnswerLost) | None => {}
        }
        if let Act::Online { change, part } = act {
            self.part(change, *part, step).await?;
            if fault.is_some() {
                self.lose();
                return Err(not_known(step));
            }
            return Ok(());
        }
        self.table_lock(&statement)?;
        let database = self.database.clone();
        let mut server = database.server();
        if matches!(act, Act::BuildIndex { .. }) {
            language::remove_invalid(&mut server.content, &statement);
        }
        if let Err(fault) = commit::act(&mut server.content, &mut self.settings, act, step) {
            language::leave_halfway(&mut server.content, &statement);
            return Err(fault);
        }
        if statement == "forget lock" {
            server.lose_lock(self.pid);
        }
        server.performed.push(statement);
        drop(server);
        if self.observed {
            (self.ticker)(Tick::Deed(step.id.clone(), Box::default()));
        }
        if fault.is_some() {
            self.lose();
            return Err(not_known(step));
        }
        Ok(())
    }
}

impl FakeSession {
    /// A part of an online change.
    async fn part(&mut self, change: &Online, part: Part, step: &Step) -> Result<()> {
        self.busy = Some(Some(step.act.text()));
        let waited = online::wait(self, change, part).await;
        self.busy = None;
        waited?;
        let mut server = self.database.server();
        online::table_lock(&server, change, part)?;
        online::perform(&mut server, change, part).map_err(|said| {
            Refusal::new(Code::StatementFailed, format!("step {} failed: {}", step.id, step.title))
                .cause(said)
        })?;
        server.performed.push(format!("{} {}", part.word(), change.table));
        Ok(())
    }

    /// What a try that did not come to its end leaves behind.
    fn leave_halfway(&self, act: &Act) {
        let mut server = self.database.server();
        match act {
            Act::Online { change, part } => online::leave_halfway(&mut server, change, *part),
            _ => language::leave_halfway(&mut server.content, &act.text()),
        }
    }
}

impl Drop for FakeSession {
    fn drop(&mut self) {
        match self.busy.take() {
            Some(statement) => self.database.server().orphan(self.pid, statement),
            None if !self.lost => self.database.server().disconnect(self.pid),
            None => {}
        }
    }
}

/// A planned refusal that may go away.
pub(super) fn again(code: Code) -> Fault {
    Fault::Again { after: Duration::ZERO, why: Box::new(Refusal::new(code, "planned by the test")) }
}

/// A planned refusal for good.
pub(super) fn refused(code: Code) -> Fault {
    Refusal::new(code, "planned by the test").into()
}

/// The connection broke, and nothing happened.
pub(super) fn connection_lost() -> Refusal {
    Refusal::new(Code::ConnectionLost, "the connection broke").help("run the same command again")
}

fn not_known(step: &Step) -> Fault {
    Fault::Unknown(Question {
        what: format!("whether step {} took effect: {}", step.id, step.title),
        look_at: "FakeDatabase::performed".into(),
    })
}

#[async_trait]
impl Session for FakeSession {
    async fn facts(&mut self, of: &[Name]) -> Result<Facts> {
        self.go_to(FakePlace::Read)?;
        let server = self.database.server();
        Ok(catalog::facts(&server.name, &server.content, of))
    }

    async fn answers(&mut self, _facts: &Facts, questions: &[DataQuestion]) -> Result<Vec<DataAnswer>> {
        self.go_to(FakePlace::Read)?;
        let not_known = |_: &DataQuestion| DataAnswer::NotKnown("rows of the fake have no values".to_owned());
        Ok(questions.iter().map(not_known).collect())
    }

    async fn history(&mut self) -> Result<Vec<Applied>> {
        self.go_to(FakePlace::Read)?;
        Ok(self.database.server().own.as_ref().map(|own| own.history.clone()).unwrap_or_default())
    }

    async fn runs(&mut self, which: Runs) -> Result<Vec<Run>> {
        self.go_to(FakePlace::Read)?;
        let mut runs = self.database.server().own.as_ref().map(|own| own.runs.clone()).unwrap_or_default();
        runs.sort_by_key(|run| std::cmp::Reverse(run.id));
        match which {
            Runs::Unfinished => runs.retain(|run| !run.phase.terminal()),
            Runs::Last(most) => runs.truncate(usize::try_from(most).unwrap_or(usize::MAX)),
            Runs::One(id) => runs.retain(|run| run.id == id),
        }
        Ok(runs)
    }

    async fn journal(&mut self, run: Option<Uuid>) -> Result<Vec<Entry>> {
        self.go_to(FakePlace::Read)?;
        let mut entries =
            self.database.server().own.as_ref().map(|own| own.journal.clone()).unwrap_or_default();
        entries.retain(|entry| run.is_none_or(|run| entry.run == run));
        Ok(entries)
    }

    async fn missing_rights(&mut self, _plans: &[&Plan]) -> Result<Vec<Missing>> {
        self.go_to(FakePlace::Read)?;
        Ok(self.database.server().missing_rights.clone())
    }

    async fn claim(&mut self, wait: Duration) -> Result<()> {
        locking::claim(self, wait).await
    }

    async fn holder(&mut self) -> Result<Option<Holder>> {
        self.go_to(FakePlace::Read)?;
        Ok(self.database.server().holder(self.pid))
    }

    async fn release(&mut self) -> Result<()> {
        locking::release(self)
    }

    async fn commit(&mut self, batch: &Batch<'_>) -> Result<()> {
        self.alive()?;
        commit::commit(self, batch).await
    }

    async fn perform(&mut self, act: &Act, step: &Step) -> Result<()> {
        self.alive()?;
        if self.claim.is_none() {
            return Err(Fault::Bug("a statement was to run without the run lock".into()));
        }
        self.statement(act, step).await
    }

    async fn probe(&mut self, probe: &Probe) -> Result<Seen> {
        self.go_to(FakePlace::Read)?;
        let server = self.database.server();
        Ok(match probe {
            Probe::OnlineDone { change, part } => online::probe(&server, change, *part),
            _ => catalog::probe(&server.content, probe),
        })
    }

    async fn rows_within(&mut self, query: &str, most: usize, within: Duration) -> Result<Rows> {
        if query == "sleep" {
            self.go_to(FakePlace::Read)?;
            return Err(Refusal::new(Code::StatementFailed, "a query took too long")
                .cause(format!("it took longer than {} s and was ended", within.as_secs_f64()))
                .into());
        }
        self.rows(query, most).await
    }

    async fn rows(&mut self, query: &str, most: usize) -> Result<Rows> {
        self.go_to(FakePlace::Read)?;
        let server = self.database.server();
        let planned =
            server.answers.iter().find(|(begins, _)| query.trim_start().starts_with(begins.as_str()));
        let answered = match planned {
            Some((_, answer)) => answer.clone(),
            None => language::query(&server.content, &self.settings, query),
        };
        let mut rows =
            answered.map_err(|said| Refusal::new(Code::StatementFailed, "a query failed").cause(said))?;
        rows.rows.truncate(most);
        Ok(rows)
    }

    fn listen(&mut self, ticker: Ticker, stop: StopAsked) {
        self.ticker = ticker;
        self.stop = stop;
    }

    async fn reset(&mut self) -> Result<()> {
        self.alive()?;
        self.settings.clear();
        Ok(())
    }

    async fn amend_history(&mut self, changes: &[(Applied, String)]) -> Result<()> {
        self.alive()?;
        commit::amend(self, changes)
    }

    async fn append(&mut self, what: What) -> Result<()> {
        self.alive()?;
        commit::append(self, what)
    }

    async fn pooled(&mut self) -> Result<bool> {
        self.go_to(FakePlace::Read)?;
        Ok(self.database.server().pooled)
    }

    async fn room(&mut self, _of: &[Name]) -> Result<Vec<Room>> {
        self.go_to(FakePlace::Read)?;
        Ok(self.database.server().room.clone())
    }

    async fn examine(&mut self, change: &Online) -> Result<Examined> {
        self.go_to(FakePlace::Read)?;
        Ok(online::examine(&self.database.server(), change))
    }

    async fn copier(&mut self, _: &str) -> Result<Box<dyn Copier>> {
        self.go_to(FakePlace::Read)?;
        Ok(Box::new(super::copy::FakeCopier { database: self.database.clone(), seen: Default::default() }))
    }

    async fn online(&mut self) -> Result<Vec<OnlineState>> {
        self.go_to(FakePlace::Read)?;
        Ok(online::states(&self.database.server()))
    }

    async fn control(&mut self, id: &str, asked: &Asked) -> Result<()> {
        self.alive()?;
        online::control(&mut self.database.server(), id, asked)
    }

    async fn journal_after(&mut self, seq: i64, most: u32) -> Result<Vec<Entry>> {
        let mut rows = self.journal(None).await?;
        rows.retain(|row| row.seq > seq);
        rows.truncate(usize::try_from(most).unwrap_or(usize::MAX));
        Ok(rows)
    }

    async fn journal_head(&mut self) -> Result<Option<(i64, String)>> {
        Ok(self.journal(None).await?.pop().map(|row| (row.seq, row.hash)))
    }

    async fn marks(&mut self) -> Result<Vec<Mark>> {
        self.go_to(FakePlace::Read)?;
        Ok(outbox::marks(&self.database.server()))
    }

    async fn take_mark(&mut self, sink: &str, since: &str) -> Result<Option<Mark>> {
        self.go_to(FakePlace::Read)?;
        Ok(outbox::take(&mut self.database.server(), self.pid, sink, since))
    }

    async fn set_mark(&mut self, sink: &str, sent: &Sent) -> Result<()> {
        self.go_to(FakePlace::Read)?;
        outbox::set(&mut self.database.server(), sink, sent);
        Ok(())
    }

    async fn leave_mark(&mut self, sink: &str) -> Result<()> {
        self.alive()?;
        self.database.server().telling.remove(sink);
        Ok(())
    }

    async fn touch(&mut self, tables: &[Name], patience: Duration) -> Result<Vec<Touch>> {
        self.alive()?;
        super::vitals::touch(self, tables, patience).await
    }

    async fn inspect(&mut self) -> Result<Schema> {
        self.alive()?;
        Ok(catalog::schema(&self.database.server().content))
    }

    async fn run_unrecorded(&mut self, sql: &str) -> Result<()> {
        self.alive()?;
        let mut server = self.database.server();
        language::perform(&mut server.content, &mut self.settings, sql, None)
            .map_err(|said| Refusal::new(Code::StatementFailed, said).into())
    }

    async fn vitals(&mut self, asked: &VitalsAsked) -> Result<Vitals> {
        self.alive()?;
        Ok(super::vitals::vitals(&self.database.server(), asked))
    }

    async fn parked(&mut self) -> Result<Vec<Parked>> {
        self.go_to(FakePlace::Read)?;
        let server = self.database.server();
        let own = server.own.iter().flat_map(|own| own.parked.iter().rev());
        Ok(own.map(|(parked, _)| parked.clone()).collect())
    }

    async fn ask_back(&mut self, run: Uuid, why: &str) -> Result<()> {
        self.alive()?;
        let mut server = self.database.server();
        server.asked_back.entry(run).or_insert_with(|| (why.to_owned(), jiff::Timestamp::now().to_string()));
        Ok(())
    }

    async fn asked_back(&mut self, run: Uuid) -> Result<Option<(String, String)>> {
        self.alive()?;
        Ok(self.database.server().asked_back.get(&run).cloned())
    }

    async fn answer_back(&mut self, run: Uuid) -> Result<()> {
        self.alive()?;
        self.database.server().asked_back.remove(&run);
        Ok(())
    }

    async fn observe(&mut self) -> Result<()> {
        self.alive()?;
        self.observed = true;
        Ok(())
    }

    async fn try_out(&mut self, trial: &Trial<'_>) -> Result<Vec<Round>> {
        self.go_to(FakePlace::Read)?;
        let content = self.database.server().content.clone();
        super::rehearsal::rounds(content, self.settings.clone(), trial)
    }
}
