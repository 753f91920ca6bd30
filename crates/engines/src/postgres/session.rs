//! One session: the connection that works and the one that watches it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_postgres::Client;
use uuid::Uuid;

use cofferdam_core::facts::{DataAnswer, DataQuestion, Room};
use cofferdam_core::fault::Result;
use cofferdam_core::history::Applied;
use cofferdam_core::journal::{Entry, What};
use cofferdam_core::online::{Examined, Online};
use cofferdam_core::park::Parked;
use cofferdam_core::plan::{Act, Plan, Probe, Seen, Step};
use cofferdam_core::{Facts, Name};
use cofferdam_formats::tables::Table;
use cofferdam_schema::Schema;

use super::claim::Claim;
use super::options::{ConnectOptions, RealEnv};
use super::statements::Statements;
use super::{
    claim, commit, connect, copy, errors, facts, history, inspect, ledger, online, options, outbox, parked,
    perform, probe, reading, recall, rehearsal, rights, schema, touch, vitals,
};
use crate::ledger::Ledger;
use crate::rehearsal::{Round, Trial};
use crate::{
    Asked, Batch, Beside, Copier, Holder, Keeping, Kept, Line, Mark, Missing, OnlineState, Overview, Rows,
    Run, Runs, Sent, Session, StopAsked, Stopping, Target, Tick, Ticker, Touch, Vitals, VitalsAsked,
};

/// See [`crate::Session`].
pub(super) struct PostgresSession {
    pub(super) client: Client,
    /// The server's major version.
    pub(super) major: u32,
    notices: UnboundedReceiver<String>,
    options: ConnectOptions,
    /// The connection of the look-out; there once the lock is claimed.
    pub(super) watch: Option<Client>,
    /// The server's number of our working connection; known once the lock is claimed.
    pub(super) backend: i32,
    pub(super) claim: Option<Claim>,
    pub(super) who: String,
    pub(super) ticker: Ticker,
    pub(super) stop: StopAsked,
    /// A statement may have changed the session's settings since the last `reset`.
    pub(super) unsettled: bool,
    /// What is sent again and again. After `client`, so that it goes after it and has nobody to say goodbye to.
    pub(super) statements: Statements,
    /// Our tables are known to be there.
    pub(super) installed: bool,
    /// A person was told that changes cannot be read as a stream.
    pub(super) polls: AtomicBool,
    /// The table of a tool that is kept beside our own history.
    pub(super) ledger: Option<Ledger>,
    /// What each step does is looked at and told.
    pub(super) observed: bool,
}

impl PostgresSession {
    pub(super) async fn open(target: &Target) -> Result<Self> {
        Self::with(resolved(target)?, target.who.clone()).await
    }

    /// With what was made of a target.
    pub(super) async fn with(options: ConnectOptions, who: String) -> Result<Self> {
        let connected = connect::connect(&options).await?;
        Ok(Self {
            client: connected.client,
            major: connected.major,
            notices: connected.notices,
            options,
            watch: None,
            backend: 0,
            claim: None,
            who,
            ticker: Arc::new(|_| {}),
            stop: Arc::new(|| Stopping::No),
            unsettled: false,
            statements: Statements::default(),
            installed: connected.installed,
            polls: AtomicBool::new(false),
            ledger: None,
            observed: false,
        })
    }

    /// Our tables are there. Asked of the catalog, so that looking at a database where Cofferdam never was leaves
    /// no error in the server's log; once they are there, they stay.
    pub(super) async fn installed(&mut self) -> Result<bool> {
        if !self.installed {
            self.installed = schema::exists(&self.client).await?;
        }
        Ok(self.installed)
    }

    /// As our own, with a name that tells the two apart in `pg_stat_activity`.
    pub(super) fn watch_options(&self) -> ConnectOptions {
        let mut options = self.options.clone();
        options.application_name = format!("{} (watcher)", options.application_name);
        options
    }

    /// What may have changed a setting may have dropped what was prepared, too.
    fn forget_what_may_be_gone(&mut self) {
        if self.unsettled {
            self.statements.forget();
        }
    }

    /// Passes on what the server said meanwhile.
    pub(super) fn pass_on_notices(&mut self) {
        while let Ok(notice) = self.notices.try_recv() {
            (self.ticker)(Tick::Notice(notice));
        }
    }
}

/// What a target says of the connection.
pub(super) fn resolved(target: &Target) -> Result<ConnectOptions> {
    let mut options = options::resolve(target.url.as_deref(), &RealEnv)?;
    options.application_name = target.application.clone();
    options.logins.clone_from(&target.logins);
    Ok(options)
}

/// Most statements of most migrations cannot change a setting of the session, and a reset costs a round trip.
fn may_unsettle(act: &Act) -> bool {
    let text = act.text();
    let first = text.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
    !matches!(first.as_str(), "create" | "alter" | "drop" | "comment" | "grant" | "revoke" | "truncate")
        || text.to_ascii_lowercase().contains("set_config")
}

#[async_trait]
impl Session for PostgresSession {
    async fn facts(&mut self, of: &[Name]) -> Result<Facts> {
        facts::facts(&self.client, of).await
    }

    async fn answers(&mut self, facts: &Facts, questions: &[DataQuestion]) -> Result<Vec<DataAnswer>> {
        facts::answers(&self.client, facts, questions).await
    }

    async fn history(&mut self) -> Result<Vec<Applied>> {
        let installed = self.installed().await?;
        let (own, rows) = futures::join!(
            async { if installed { history::read(&self.client).await } else { Ok(Vec::new()) } },
            ledger::rows(self),
        );
        ledger::history(self, own?, &rows?, true).await
    }

    async fn keep(&mut self, keeping: Keeping) -> Result<Kept> {
        ledger::keep(self, keeping).await
    }

    fn beside(&self) -> Option<&Beside> {
        self.ledger.as_ref()?.seen.as_ref()
    }

    async fn tool_tables(&mut self) -> Result<Vec<Table>> {
        ledger::tables(&self.client, None).await.map(|found| found.tables)
    }

    async fn tell_tool(&mut self, rows: &[Applied], note: &str) -> Result<()> {
        ledger::tell(self, rows, note).await
    }

    async fn overview(&mut self) -> Result<Overview> {
        if !self.installed().await? {
            let rows = ledger::rows(self).await?;
            let history = ledger::history(self, Vec::new(), &rows, false).await?;
            return Ok(Overview { history, unfinished: Vec::new() });
        }
        // Sent together. In this order: a run that ends in between stands in both and not in none.
        let (unfinished, own, rows) = futures::join!(
            reading::runs(&self.client, Runs::Unfinished),
            history::read_without_bundles(&self.client),
            ledger::rows(self),
        );
        let (unfinished, own) = (unfinished?, own?);
        Ok(Overview { history: ledger::history(self, own, &rows?, false).await?, unfinished })
    }

    async fn runs(&mut self, which: Runs) -> Result<Vec<Run>> {
        if self.installed().await? { reading::runs(&self.client, which).await } else { Ok(Vec::new()) }
    }

    async fn journal(&mut self, run: Option<Uuid>) -> Result<Vec<Entry>> {
        if self.installed().await? { reading::journal(&self.client, run).await } else { Ok(Vec::new()) }
    }

    fn warnings(&self) -> &[String] {
        &self.options.warnings
    }

    async fn missing_rights(&mut self, plans: &[&Plan]) -> Result<Vec<Missing>> {
        let mut missing = rights::missing(&self.client, plans).await?;
        missing.extend(ledger::missing_rights(self).await?);
        Ok(missing)
    }

    async fn claim(&mut self, wait: Duration) -> Result<()> {
        claim::claim(self, wait).await
    }

    async fn holder(&mut self) -> Result<Option<Holder>> {
        claim::run_lock_holder(&self.client).await
    }

    async fn release(&mut self) -> Result<()> {
        claim::release(self).await
    }

    async fn commit(&mut self, batch: &Batch<'_>) -> Result<()> {
        self.unsettled |=
            batch.lines.iter().any(|l| matches!(l, Line::Perform { act, .. } if may_unsettle(act)));
        self.forget_what_may_be_gone();
        let result = commit::commit(self, batch).await;
        self.forget_what_may_be_gone();
        self.pass_on_notices();
        result
    }

    async fn perform(&mut self, act: &Act, step: &Step) -> Result<()> {
        self.unsettled |= may_unsettle(act);
        let result = perform::outside(self, act, step).await;
        self.pass_on_notices();
        result
    }

    async fn probe(&mut self, asked: &Probe) -> Result<Seen> {
        probe::probe(&self.client, asked).await
    }

    async fn probes(&mut self, all: &[&Probe]) -> Result<Vec<Seen>> {
        probe::probes(&self.client, all).await
    }

    async fn rows(&mut self, query: &str, most: usize) -> Result<Rows> {
        perform::read_only_rows(&self.client, query, most, None).await
    }

    async fn rows_within(&mut self, query: &str, most: usize, within: Duration) -> Result<Rows> {
        perform::read_only_rows(&self.client, query, most, Some(within)).await
    }

    fn listen(&mut self, ticker: Ticker, stop: StopAsked) {
        self.ticker = ticker;
        self.stop = stop;
    }

    async fn reset(&mut self) -> Result<()> {
        if self.unsettled {
            let settings = connect::settings(self.major);
            let check = connect::check_client(self.major).unwrap_or_default();
            self.client
                .batch_execute(&format!("RESET ALL; RESET SESSION AUTHORIZATION; {settings}; {check}"))
                .await
                .map_err(|e| errors::fault(e, "setting up the session"))?;
            self.unsettled = false;
        }
        Ok(())
    }

    async fn amend_history(&mut self, changes: &[(Applied, String)]) -> Result<()> {
        commit::amend(self, changes).await
    }

    async fn append(&mut self, what: What) -> Result<()> {
        commit::append(self, what).await
    }

    async fn pooled(&mut self) -> Result<bool> {
        Ok(claim::look_for_pooler(self).await?.pooled)
    }

    async fn room(&mut self, of: &[Name]) -> Result<Vec<Room>> {
        online::rooms(&self.client, of).await
    }

    async fn examine(&mut self, change: &Online) -> Result<Examined> {
        online::examine(&self.client, change).await
    }

    async fn copier(&mut self, purpose: &str) -> Result<Box<dyn Copier>> {
        Ok(Box::new(copy::PostgresCopier::open(self, purpose).await?))
    }

    async fn online(&mut self) -> Result<Vec<OnlineState>> {
        if self.installed().await? { online::states(&self.client).await } else { Ok(Vec::new()) }
    }

    async fn control(&mut self, id: &str, asked: &Asked) -> Result<()> {
        online::control(&self.client, id, asked, &self.who).await
    }

    async fn journal_after(&mut self, seq: i64, most: u32) -> Result<Vec<Entry>> {
        if self.installed().await? {
            reading::journal_after(&self.client, seq, most).await
        } else {
            Ok(Vec::new())
        }
    }

    async fn journal_head(&mut self) -> Result<Option<(i64, String)>> {
        if self.installed().await? { reading::journal_head(&self.client).await } else { Ok(None) }
    }

    async fn marks(&mut self) -> Result<Vec<Mark>> {
        if self.installed().await? { outbox::marks(&self.client).await } else { Ok(Vec::new()) }
    }

    async fn take_mark(&mut self, sink: &str, since: &str) -> Result<Option<Mark>> {
        if self.installed().await? { outbox::take(&self.client, sink, since).await } else { Ok(None) }
    }

    async fn set_mark(&mut self, sink: &str, sent: &Sent) -> Result<()> {
        outbox::set(&self.client, sink, sent).await
    }

    async fn leave_mark(&mut self, sink: &str) -> Result<()> {
        outbox::leave(&self.client, sink).await
    }

    async fn touch(&mut self, tables: &[Name], patience: Duration) -> Result<Vec<Touch>> {
        touch::touch(self, tables, patience).await
    }

    async fn inspect(&mut self) -> Result<Schema> {
        inspect::inspect(&self.client, self.major).await
    }

    async fn run_unrecorded(&mut self, sql: &str) -> Result<()> {
        self.unsettled = true;
        self.client.batch_execute(sql).await.map_err(|e| errors::fault(e, sql))
    }

    async fn vitals(&mut self, asked: &VitalsAsked) -> Result<Vitals> {
        vitals::vitals(&self.client, asked).await
    }

    async fn parked(&mut self) -> Result<Vec<Parked>> {
        if self.installed().await? { parked::parked(&self.client).await } else { Ok(Vec::new()) }
    }

    async fn ask_back(&mut self, run: Uuid, why: &str) -> Result<()> {
        recall::ask(&self.client, run, why, &self.who).await
    }

    async fn asked_back(&mut self, run: Uuid) -> Result<Option<(String, String)>> {
        recall::asked(&self.client, run).await
    }

    async fn answer_back(&mut self, run: Uuid) -> Result<()> {
        recall::answer(&self.client, run).await
    }

    async fn observe(&mut self) -> Result<()> {
        rehearsal::begin(self).await
    }

    async fn try_out(&mut self, trial: &Trial<'_>) -> Result<Vec<Round>> {
        rehearsal::try_out(self, trial).await
    }
}
