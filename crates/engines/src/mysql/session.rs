//! One session: the connection that works and the one that watches it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mysql_async::Row;
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
use super::link::{self, Link};
use super::options::ConnectOptions;
use super::tables::Tables;
use super::{
    MySql, claim, commit, connect, copy, errors, facts, ledger, names, online, options, outbox, perform,
    probe, reading, recall, replicas, rights, room, touch, vitals,
};
use crate::answers;
use crate::ledger::Ledger;
use crate::rehearsal::{Round, Trial};
use crate::{
    Abilities, Ability, Asked, Batch, Beside, Copier, Engine, Holder, Keeping, Kept, Line, Mark, Missing,
    OnlineState, Overview, Rows, Run, Runs, Sent, Session, StopAsked, Stopping, Target, Ticker, Touch,
    Vitals, VitalsAsked,
};

/// See [`crate::Session`].
pub(super) struct MySqlSession {
    pub(super) link: Link,
    pub(super) version: u32,
    pub(super) version_text: String,
    pub(super) options: ConnectOptions,
    /// As the server writes it.
    pub(super) database: String,
    pub(super) tables: Tables,
    /// The name of the run lock, and of the one that stands in for it while a session is reset.
    pub(super) lock: String,
    pub(super) guard: String,
    /// The connection of the look-out.
    pub(super) watch: Option<Link>,
    pub(super) replicas: replicas::Open,
    pub(super) claim: Option<Claim>,
    pub(super) application: String,
    pub(super) who: String,
    pub(super) ticker: Ticker,
    pub(super) stop: StopAsked,
    /// A statement may have changed the session's settings since the last `reset`.
    pub(super) unsettled: bool,
    /// Our tables are known to be there.
    pub(super) installed: bool,
    /// The table of a tool that is kept beside our own history.
    pub(super) ledger: Option<Ledger>,
    /// What gives back the settings that decide how our own statements are read, as a script had them.
    kept: Option<String>,
}

/// What moves by itself, by how its name begins.
const MOVING: &[&str] = &[
    "timestamp",
    "insert_id",
    "last_insert_id",
    "identity",
    "rand_seed",
    "pseudo_",
    "error_count",
    "warning_count",
];

/// A script may have said how many rows it wants to see: that is not meant for us.
const ALL_ROWS: &str =
    "SET @cofferdam_limit = @@SESSION.sql_select_limit, SESSION sql_select_limit = DEFAULT";

impl MySqlSession {
    pub(super) async fn open(target: &Target) -> Result<Self> {
        let variable = |name: &str| std::env::var(name).ok();
        let mut options = options::resolve(target.url.as_deref(), variable)?;
        options.application_name.clone_from(&target.application);
        options.logins.clone_from(&target.logins);
        let connected = connect::connect(&options).await?;
        let mut link = connected.link;
        let rows = link.rows("SELECT DATABASE()", vec![]).await;
        let rows = rows.map_err(|e| errors::fault(e, "asking for the database's name"))?;
        let database = rows.first().and_then(|row| link::text(row, 0)).unwrap_or(options.database.clone());
        let (lock, guard) = claim::lock_names(&mut link, &database).await?;
        Ok(Self {
            link,
            version: connected.version,
            version_text: connected.version_text,
            tables: Tables::of(&database)?,
            database,
            lock,
            guard,
            watch: None,
            replicas: replicas::Open::new(),
            claim: None,
            application: target.application.clone(),
            who: target.who.clone(),
            ticker: Arc::new(|_| {}),
            stop: Arc::new(|| Stopping::No),
            unsettled: false,
            installed: false,
            ledger: None,
            kept: None,
            options,
        })
    }

    /// A second connection, for looking and for cancelling.
    pub(super) async fn second(&mut self) -> Result<()> {
        if self.watch.is_none() {
            let mut options = self.options.clone();
            options.application_name = format!("{} (watcher)", options.application_name);
            self.watch = Some(connect::connect(&options).await?.link);
        }
        Ok(())
    }

    pub(super) async fn installed(&mut self) -> Result<bool> {
        claim::installed(self).await
    }

    /// Makes the session fit for our own statements, where a script may have changed how they are read.
    pub(super) async fn keep_settings(&mut self) -> Result<()> {
        if !self.unsettled {
            return Ok(());
        }
        let doing = "setting up the session";
        self.link.run(ALL_ROWS).await.map_err(|e| errors::fault(e, doing))?;
        let sql = "SELECT @@SESSION.character_set_client, @@SESSION.character_set_results,
                          @@SESSION.collation_connection, @cofferdam_limit,
                          @@SESSION.time_zone";
        let rows = self.link.rows(sql, vec![]).await.map_err(|e| errors::fault(e, doing))?;
        let cell = |at| rows.first().and_then(|row: &Row| link::text(row, at));
        let text = |at| cell(at).map_or("NULL".to_owned(), |text| format!("'{text}'"));
        let back = format!(
            "SET SESSION character_set_client = {}, SESSION character_set_results = {}, \
             SESSION collation_connection = {}, SESSION sql_select_limit = {}, SESSION time_zone = {}",
            text(0),
            text(1),
            text(2),
            cell(3).unwrap_or_else(|| "DEFAULT".into()),
            text(4)
        );
        self.kept = Some(back);
        self.link
            .run("SET NAMES utf8mb4, SESSION time_zone = DEFAULT")
            .await
            .map(drop)
            .map_err(|e| errors::fault(e, doing))
    }

    /// The script's statements are to be read as before [`MySqlSession::keep_settings`].
    pub(super) async fn give_settings_back(&mut self) -> Result<()> {
        let Some(sql) = self.kept.take() else { return Ok(()) };
        let given = self.link.run(&sql).await;
        given.map(drop).map_err(|e| errors::fault(e, "giving the session's settings back"))
    }

    async fn variables(&mut self) -> Result<BTreeMap<String, String>> {
        let read = async {
            self.link.run(ALL_ROWS).await?;
            let rows = self.link.said("SHOW SESSION VARIABLES").await?;
            let limit = self.link.said("SELECT @cofferdam_limit").await?;
            let limit = limit.first().and_then(|row| link::text(row, 0)).unwrap_or_else(|| "DEFAULT".into());
            self.link.run(&format!("SET SESSION sql_select_limit = {limit}")).await?;
            let pair = |row: &Row| Some((link::text(row, 0)?, link::text(row, 1)?));
            let mut all: BTreeMap<String, String> = rows.iter().filter_map(pair).collect();
            all.insert("sql_select_limit".into(), limit);
            Ok(all)
        };
        read.await.map_err(|e| errors::fault(e, "reading the session's settings"))
    }

    /// Brings the settings back to what they were, as a rollback does not.
    async fn restore(&mut self, before: &BTreeMap<String, String>) -> Result<()> {
        for (name, value) in self.variables().await? {
            let Some(old) = before.get(&name).filter(|old| **old != value) else { continue };
            // What moves by itself; a clock that is set stands still.
            if MOVING.iter().any(|moving| name.starts_with(moving)) {
                continue;
            }
            let as_number = old.parse::<f64>().is_ok();
            let old = if as_number { old.clone() } else { names::literal(old) };
            // What only the whole server has cannot be set, and need not be.
            let _ = self.link.run(&format!("SET SESSION {} = {old}", names::quoted(&name)?)).await;
        }
        let back = format!("USE {}", names::quoted(&self.database)?);
        self.link.run(&back).await.map(drop).map_err(|e| errors::fault(e, "setting up the session"))
    }
}

/// It may change a setting of the session: a script's own SET, or one in a procedure.
fn may_unsettle(act: &Act) -> bool {
    let text = act.text();
    let text = text.trim_start();
    let commented = text.starts_with("/*") || text.starts_with('#') || text.starts_with("--");
    let first = text.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    commented || ["set", "use", "call", "prepare", "execute"].iter().any(|w| first.eq_ignore_ascii_case(w))
}

#[async_trait]
impl Session for MySqlSession {
    fn dialect(&self) -> &'static str {
        self.link.flavour.id()
    }

    fn abilities(&self) -> Abilities {
        MySql.abilities()
    }

    async fn facts(&mut self, of: &[Name]) -> Result<Facts> {
        facts::facts(self, of).await
    }

    async fn answers(&mut self, facts: &Facts, questions: &[DataQuestion]) -> Result<Vec<DataAnswer>> {
        answers::answers(&mut self.link, facts, questions).await
    }

    async fn history(&mut self) -> Result<Vec<Applied>> {
        let own = reading::history(&mut self.link, &self.tables, true).await?;
        ledger::history(self, own, true).await
    }

    async fn overview(&mut self) -> Result<Overview> {
        // In this order: a run that ends in between stands in both and not in none.
        let unfinished = self.runs(Runs::Unfinished).await?;
        let own = reading::history(&mut self.link, &self.tables, false).await?;
        Ok(Overview { history: ledger::history(self, own, false).await?, unfinished })
    }

    async fn runs(&mut self, which: Runs) -> Result<Vec<Run>> {
        reading::runs(&mut self.link, &self.tables, which).await
    }

    async fn journal(&mut self, run: Option<Uuid>) -> Result<Vec<Entry>> {
        reading::journal(&mut self.link, &self.tables, run).await
    }

    async fn keep(&mut self, keeping: Keeping) -> Result<Kept> {
        ledger::keep(self, keeping).await
    }

    fn beside(&self) -> Option<&Beside> {
        self.ledger.as_ref()?.seen.as_ref()
    }

    async fn tool_tables(&mut self) -> Result<Vec<Table>> {
        ledger::tables(self, None).await
    }

    async fn tell_tool(&mut self, rows: &[Applied], note: &str) -> Result<()> {
        ledger::tell(self, rows, note).await
    }

    fn warnings(&self) -> &[String] {
        &self.options.warnings
    }

    async fn missing_rights(&mut self, plans: &[&Plan]) -> Result<Vec<Missing>> {
        rights::missing(self, plans).await
    }

    async fn claim(&mut self, wait: Duration) -> Result<()> {
        claim::claim(self, wait).await
    }

    async fn holder(&mut self) -> Result<Option<Holder>> {
        claim::holder(self).await
    }

    async fn release(&mut self) -> Result<()> {
        claim::release(self).await
    }

    async fn commit(&mut self, batch: &Batch<'_>) -> Result<()> {
        let sets = batch.lines.iter().any(|l| matches!(l, Line::Perform { act, .. } if may_unsettle(act)));
        let before = if sets { Some(self.variables().await?) } else { None };
        self.unsettled |= sets;
        let result = commit::commit(self, batch).await;
        if let (Err(_), Some(before)) = (&result, before) {
            // A setting is no part of the transaction, and must not outlive what it was made for.
            let _ = self.restore(&before).await;
        }
        result
    }

    async fn perform(&mut self, act: &Act, step: &Step) -> Result<()> {
        self.unsettled |= may_unsettle(act);
        perform::outside(self, act, step).await
    }

    async fn probe(&mut self, asked: &Probe) -> Result<Seen> {
        match asked {
            Probe::OnlineDone { change, part } => online::probe(self, change, *part).await,
            asked => probe::probe(&mut self.link, &self.database, asked).await,
        }
    }

    async fn rows(&mut self, query: &str, most: usize) -> Result<Rows> {
        perform::read_only_rows(&mut self.link, query, most, None).await
    }

    async fn rows_within(&mut self, query: &str, most: usize, within: Duration) -> Result<Rows> {
        perform::read_only_rows(&mut self.link, query, most, Some(within)).await
    }

    fn listen(&mut self, ticker: Ticker, stop: StopAsked) {
        self.ticker = ticker;
        self.stop = stop;
    }

    async fn reset(&mut self) -> Result<()> {
        if self.unsettled {
            claim::reset(self).await?;
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
        claim::pooled(self).await
    }

    async fn room(&mut self, _: &[Name]) -> Result<Vec<Room>> {
        room::rooms(&mut self.link, &self.options).await
    }

    async fn examine(&mut self, change: &Online) -> Result<Examined> {
        online::examine(self, change).await
    }

    async fn copier(&mut self, purpose: &str) -> Result<Box<dyn Copier>> {
        Ok(Box::new(copy::MySqlCopier::open(self, purpose).await?))
    }

    async fn online(&mut self) -> Result<Vec<OnlineState>> {
        online::states(&mut self.link, &self.database).await
    }

    async fn control(&mut self, id: &str, asked: &Asked) -> Result<()> {
        online::control(&mut self.link, &self.database, id, asked, &self.who).await
    }

    async fn journal_after(&mut self, seq: i64, most: u32) -> Result<Vec<Entry>> {
        reading::journal_after(&mut self.link, &self.tables, seq, most).await
    }

    async fn journal_head(&mut self) -> Result<Option<(i64, String)>> {
        reading::journal_head(&mut self.link, &self.tables).await
    }

    async fn marks(&mut self) -> Result<Vec<Mark>> {
        outbox::marks(&mut self.link, &self.tables).await
    }

    async fn take_mark(&mut self, sink: &str, since: &str) -> Result<Option<Mark>> {
        if !self.installed().await? {
            return Ok(None);
        }
        outbox::take(&mut self.link, &self.tables, &self.database, sink, since).await
    }

    async fn set_mark(&mut self, sink: &str, sent: &Sent) -> Result<()> {
        outbox::set(&mut self.link, &self.tables, sink, sent).await
    }

    async fn leave_mark(&mut self, sink: &str) -> Result<()> {
        outbox::leave(&mut self.link, &self.database, sink).await
    }

    async fn touch(&mut self, tables: &[Name], patience: Duration) -> Result<Vec<Touch>> {
        touch::touch(self, tables, patience).await
    }

    async fn vitals(&mut self, asked: &VitalsAsked) -> Result<Vitals> {
        vitals::vitals(self, asked).await
    }

    async fn inspect(&mut self) -> Result<Schema> {
        Err(Ability::Inspect.missing(self.link.flavour.name()).into())
    }

    async fn run_unrecorded(&mut self, sql: &str) -> Result<()> {
        self.unsettled = true;
        self.link.run(sql).await.map(drop).map_err(|e| errors::fault(e, sql))
    }

    async fn parked(&mut self) -> Result<Vec<Parked>> {
        Ok(Vec::new())
    }

    async fn ask_back(&mut self, run: Uuid, why: &str) -> Result<()> {
        recall::ask(&mut self.link, &self.tables, run, why, &self.who).await
    }

    async fn asked_back(&mut self, run: Uuid) -> Result<Option<(String, String)>> {
        recall::asked(&mut self.link, &self.tables, run).await
    }

    async fn answer_back(&mut self, run: Uuid) -> Result<()> {
        recall::answer(&mut self.link, &self.tables, run).await
    }

    async fn observe(&mut self) -> Result<()> {
        Err(Ability::Rehearse.missing(self.link.flavour.name()).into())
    }

    async fn try_out(&mut self, _: &Trial<'_>) -> Result<Vec<Round>> {
        Err(Ability::Rehearse.missing(self.link.flavour.name()).into())
    }
}
