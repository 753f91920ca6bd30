//! The table of a tool that is kept beside our own history: found, locked, made, read, and written in our transaction.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_postgres::Client;
use tokio_postgres::types::Type;

use cofferdam_core::fault::Result;
use cofferdam_core::history::{Applied, AppliedKind, RollbackBundle};
use cofferdam_core::{Bundle, Code, Fault, Name, QuotedIdent, Refusal};
use cofferdam_formats::beside::{self, Choice, Difference, Files, Wanted};
use cofferdam_formats::history::{Cells, Context, Held, History, Lock, Place, Way, Write};
use cofferdam_formats::tables::{self as known, Table};
use cofferdam_formats::writes;

mod settle;

pub(super) use settle::{missing_rights, tell};

use super::history::{self, Book};
use super::record::{self, Writing};
use super::session::PostgresSession;
use super::{claim, errors, reading};
use crate::ledger::{table_locked, tool_at_work};
use crate::{Batch, Beside, Holder, Keeping, Kept, Phase, Record, Tick};

/// The table of a tool.
pub(super) struct Ledger {
    pub(super) book: Book,
    pub(super) kept: Kept,
    /// The table is there.
    there: bool,
    database: String,
    bundle: Arc<Bundle>,
    root: String,
    /// The tool's lock, which we hold.
    locked: Option<Lock>,
    /// What the last reading found.
    pub(super) seen: Option<Beside>,
}

/// What the catalog says of tables.
pub(super) struct Tables {
    pub(super) tables: Vec<Table>,
    database: String,
    schema: String,
}

const DOING: &str = "looking for the histories of other tools";

/// The tables whose names are those of a tool's history, or the one given.
pub(super) async fn tables(client: &Client, named: Option<&Name>) -> Result<Tables> {
    let mut names = known::names();
    names.extend(named.map(|name| name.name.as_str()));
    let rows = client
        .query_typed(
            "SELECT here.database, here.schema, t.schema, t.name, t.columns
             FROM (SELECT pg_catalog.current_database()::pg_catalog.text AS database,
                          coalesce(pg_catalog.current_schema()::pg_catalog.text, 'public') AS schema) here
             LEFT JOIN (
                 SELECT n.nspname::pg_catalog.text AS schema, c.relname::pg_catalog.text AS name,
                        (SELECT pg_catalog.array_agg(a.attname::pg_catalog.text) FROM pg_catalog.pg_attribute a
                         WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns
                 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                 WHERE c.relname = ANY ($1) AND c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
                   AND n.nspname NOT IN ('cofferdam', 'pg_catalog', 'information_schema')
             ) t ON true ORDER BY t.schema, t.name",
            &[(&names, Type::TEXT_ARRAY)],
        )
        .await
        .map_err(|e| errors::fault(e, DOING))?;
    let Some(first) = rows.first() else { return Err(Fault::Bug("the catalog answered nothing".into())) };
    let tables = rows.iter().filter_map(|row| {
        Some(Table {
            schema: row.get::<_, Option<String>>(2)?,
            name: row.get(3),
            columns: row.get::<_, Option<Vec<String>>>(4).unwrap_or_default(),
        })
    });
    Ok(Tables { database: first.get(0), schema: first.get(1), tables: tables.collect() })
}

/// See [`crate::Session::keep`].
pub(super) async fn keep(session: &mut PostgresSession, keeping: Keeping) -> Result<Kept> {
    session.ledger = None;
    if keeping.kept == Some(Kept::Own) {
        return Ok(Kept::Own);
    }
    let installed = session.installed().await?;
    let client = &session.client;
    // Sent together.
    let (found, own) = futures::join!(tables(client, keeping.table.as_ref()), async {
        match installed {
            true => of_own(client, keeping.bundle.format.is_empty()).await,
            false => Ok((false, Vec::new())),
        }
    });
    let (found, (own, kept_in)) = (found?, own?);
    let wanted = Wanted {
        format: keeping.bundle.format,
        tool: keeping.tool.as_deref(),
        table: keeping.table.as_ref(),
        asked: keeping.kept.is_some(),
        schema: &found.schema,
        own,
        kept_in: &kept_in,
    };
    match beside::choose(&found.tables, &wanted)? {
        Choice::Own => Ok(Kept::Own),
        Choice::Keep { codec, table, there } => {
            let kept = keeping.kept.unwrap_or(Kept::Both);
            session.ledger = Some(Ledger {
                book: Book { codec, table },
                kept,
                there,
                database: found.database,
                bundle: keeping.bundle,
                root: keeping.root,
                locked: None,
                seen: None,
            });
            Ok(kept)
        }
    }
}

/// Whether our own history has rows, and, where no directory is at hand, in which tools' histories its rows say that they
/// are, too.
async fn of_own(client: &Client, ask_tools: bool) -> Result<(bool, Vec<String>)> {
    let tools = "SELECT DISTINCT bundle OPERATOR(pg_catalog.->>) 'kept_in' FROM cofferdam.history
                 WHERE undone_at IS NULL";
    let any = "SELECT NULL::pg_catalog.text FROM cofferdam.history WHERE undone_at IS NULL LIMIT 1";
    let rows = reading::read(client, if ask_tools { tools } else { any }, &[]).await?;
    Ok((!rows.is_empty(), rows.iter().filter_map(|row| row.get::<_, Option<String>>(0)).collect()))
}

/// The rows of the tool's table, read outside of a transaction; none where no table of a tool is kept. Sent when it is
/// polled for the first time.
pub(super) async fn rows(session: &PostgresSession) -> Result<Vec<Cells>> {
    let Some(ledger) = session.ledger.as_ref().filter(|ledger| ledger.there) else { return Ok(Vec::new()) };
    match history::rows_in_time(&session.client, &ledger.book).await {
        Ok(rows) => Ok(rows),
        Err(fault) => Err(ledger.held(session, fault).await),
    }
}

/// The history that counts, where `own` is what our own table says, and `rows` what the tool's has.
pub(super) async fn history(
    session: &mut PostgresSession,
    own: Vec<Applied>,
    rows: &[Cells],
    bundles: bool,
) -> Result<Vec<Applied>> {
    let Some(ledger) = &session.ledger else { return Ok(own) };
    let mut seen = ledger.seen(ledger.said(rows, &own)?, &own);
    if !seen.difference.unfinished.is_empty() {
        seen.at_work = ledger.at_work(&session.client).await?;
    }
    let merged = match ledger.kept {
        Kept::Tool => {
            let mut rows = seen.theirs.applied.clone();
            if bundles && session.installed {
                with_bundles(&session.client, &mut rows, &own).await?;
            }
            seen.difference =
                Difference { unfinished: seen.theirs.unfinished.clone(), ..Difference::default() };
            rows
        }
        Kept::Own | Kept::Both => {
            let files = Files::of(&ledger.bundle);
            let mut rows = beside::merged(own, &seen.difference);
            let known = rows.len().saturating_sub(seen.difference.theirs.len());
            // What is not taken over yet has its way back in the directory.
            for row in rows.iter_mut().skip(known).filter(|_| bundles) {
                *row = beside::taken_over(ledger.book.codec, row, files.about(row), row.rank, "");
            }
            rows
        }
    };
    if let Some(ledger) = &mut session.ledger {
        ledger.seen = Some(seen);
    }
    Ok(merged)
}

/// Where our own history is not kept, the ways back stand in it from before, or with the runs.
async fn with_bundles(client: &Client, rows: &mut [Applied], own: &[Applied]) -> Result<()> {
    let sql = "SELECT DISTINCT ON (key) key, (record #> '{applied,bundle}')::pg_catalog.text
               FROM cofferdam.run WHERE intent = 'apply' AND phase = 'Done' ORDER BY key, id DESC";
    let of_runs: BTreeMap<String, Option<String>> =
        reading::read(client, sql, &[]).await?.iter().map(|run| (run.get(0), run.get(1))).collect();
    let of_own: BTreeMap<&str, &Applied> = own.iter().map(|row| (row.key.as_str(), row)).collect();
    for row in rows.iter_mut() {
        let text = of_runs.get(&row.key).and_then(Option::as_deref);
        let bundle = text.and_then(|text| serde_json::from_str::<RollbackBundle>(text).ok());
        let of_own = || of_own.get(row.key.as_str()).map(|own| own.bundle.clone());
        row.bundle = bundle.or_else(of_own).unwrap_or_default();
    }
    Ok(())
}

impl Ledger {
    /// What the table says, read in a transaction.
    pub(super) async fn theirs(&self, session: &PostgresSession, own: &[Applied]) -> Result<History> {
        if !self.there {
            return Ok(History::default());
        }
        self.said(&self.rows(session).await?, own)
    }

    /// What these rows say. The directory is as far as our own history knows it.
    fn said(&self, rows: &[Cells], own: &[Applied]) -> Result<History> {
        let known = beside::with_history(&self.bundle, own);
        Ok((self.book.codec.read)(rows, &known)?)
    }

    async fn rows(&self, session: &PostgresSession) -> Result<Vec<Cells>> {
        match history::rows(&session.client, &self.book).await {
            Ok(rows) => Ok(rows),
            Err(fault) => Err(self.held(session, fault).await),
        }
    }

    /// Whoever keeps the tool's table locked is taken for the tool. Our own transaction may be over by that, so that the
    /// session that looks about is asked who it is.
    async fn held(&self, session: &PostgresSession, fault: Fault) -> Fault {
        match fault {
            Fault::Again { after, why } if why.code == Code::LockNotObtained => {
                let client = session.watch.as_ref().unwrap_or(&session.client);
                let holder = claim::table_holder(client, &self.book.table).await.unwrap_or_default();
                let why = table_locked(self.book.codec.id, &self.book.table, holder.as_ref());
                Fault::Again { after, why: Box::new(why) }
            }
            other => other,
        }
    }

    fn seen(&self, theirs: History, own: &[Applied]) -> Beside {
        let codec = self.book.codec;
        Beside {
            codec,
            table: self.book.table.clone(),
            there: self.there,
            kept: self.kept,
            difference: beside::difference(codec, &self.bundle, own, &theirs),
            theirs,
            bundle: Arc::clone(&self.bundle),
            at_work: None,
        }
    }

    /// Who holds the tool's lock, where we do not.
    async fn at_work(&self, client: &Client) -> Result<Option<Holder>> {
        let Some(lock) = self.lock().filter(|_| self.locked.is_none()) else { return Ok(None) };
        for key in lock.keys {
            if let Some(holder) = claim::holder(client, key).await? {
                return Ok(Some(holder));
            }
        }
        Ok(None)
    }

    fn context<'a>(&'a self, rows: &'a [Cells], bundle: &'a Bundle) -> Context<'a> {
        Context { rows, bundle, root: &self.root }
    }

    /// What the tool would write when this was applied.
    pub(super) async fn applied(&self, session: &PostgresSession, row: &Applied) -> Result<Vec<Write>> {
        let rows = self.last_row(session).await?;
        Ok((self.book.codec.applied)(row, &self.context(&rows, &self.bundle))?)
    }

    async fn last_row(&self, session: &PostgresSession) -> Result<Vec<Cells>> {
        match history::last_row(&session.client, &self.book).await {
            Ok(rows) => Ok(rows),
            Err(fault) => Err(self.held(session, fault).await),
        }
    }

    /// What the tool would write when these were applied one after the other.
    pub(super) async fn all_applied(&self, session: &PostgresSession, all: &[Applied]) -> Result<Vec<Write>> {
        let codec = self.book.codec;
        let mut rows = self.last_row(session).await?;
        let files = Files::of(&self.bundle);
        let mut writes = Vec::new();
        for row in all {
            // A row needs its own file only, where it is none for all below it: to look for it in all would take its
            // time for each.
            let own = |migrations| Bundle { format: self.bundle.format, migrations, skipped: Vec::new() };
            let about = match row.kind {
                AppliedKind::Baseline => Cow::Borrowed(&*self.bundle),
                _ => Cow::Owned(own(files.about(row).cloned().into_iter().collect())),
            };
            let new = (codec.applied)(row, &self.context(&rows, &about))?;
            for write in &new {
                if let Write::Insert(_) = write {
                    rows.clear();
                }
                writes::perform(codec, &mut rows, write);
            }
            writes.extend(new);
        }
        Ok(writes)
    }

    /// What the tool would write when this was taken back.
    pub(super) async fn undone(
        &self,
        session: &PostgresSession,
        row: &Applied,
        own: &[Applied],
    ) -> Result<Vec<Write>> {
        let rows = self.rows(session).await?;
        let known = beside::with_history(&self.bundle, own);
        Ok((self.book.codec.undone)(row, &self.context(&rows, &known))?)
    }

    /// What the tool would write when these changes are made to what is applied: the file as it is now is accepted, or
    /// it is taken back where the row says so.
    pub(super) async fn changed(
        &self,
        session: &PostgresSession,
        all: &[Applied],
        own: &[Applied],
    ) -> Result<Vec<Write>> {
        let codec = self.book.codec;
        let mut rows = self.rows(session).await?;
        let known = beside::with_history(&self.bundle, own);
        let mut writes = Vec::new();
        for row in all {
            let new = match row.undone_at {
                Some(_) => (codec.undone)(row, &self.context(&rows, &known))?,
                None => (codec.amended)(row, &self.context(&rows, &self.bundle))?,
            };
            new.iter().for_each(|write| writes::perform(codec, &mut rows, write));
            writes.extend(new);
        }
        Ok(writes)
    }

    /// What the tool would write of a run that takes more than this transaction: when it begins, and when it came to
    /// nothing.
    pub(super) async fn marks(&self, session: &PostgresSession, batch: &Batch<'_>) -> Result<Vec<Write>> {
        let given_up = batch.run.phase == Phase::RolledBack;
        let Some(mark) = self.book.codec.mark.filter(|_| batch.open || given_up) else {
            return Ok(Vec::new());
        };
        let own = history::read_without_bundles(&session.client).await?;
        let known = beside::with_history(&self.bundle, &own);
        let rows = self.rows(session).await?;
        let found;
        let (row, way) = match &batch.run.record {
            Record::Nothing => return Ok(Vec::new()),
            Record::Applied(row) => (row.as_ref(), Way::Up),
            Record::Undone { rank } => {
                found = match self.kept {
                    Kept::Tool => self.theirs(session, &own).await?.applied,
                    Kept::Own | Kept::Both => own,
                };
                match found.iter().find(|row| row.rank == *rank) {
                    Some(row) => (row, Way::Down),
                    None => return Ok(Vec::new()),
                }
            }
        };
        let context = self.context(&rows, &known);
        Ok(if given_up { (mark.given_up)(row, way, &context)? } else { (mark.began)(row, way, &context)? })
    }

    /// Does them in this order, those together that one statement can do: the parts of one statement have no order, and
    /// a tool may go by that of its rows. In a transaction that is open.
    pub(super) async fn write(&self, session: &PostgresSession, writes: Vec<Write>) -> Result<()> {
        for group in writes::grouped(self.book.codec, writes) {
            let mut writing = Writing::default();
            writing.history(&self.book, group)?;
            let written = session.client.query_typed(&writing.sql(), &writing.parameters()).await;
            if let Err(e) = written {
                return Err(self.held(session, record::fault(e)).await);
            }
        }
        Ok(())
    }

    fn lock(&self) -> Option<Lock> {
        let schema = self.book.table.schema.as_deref().unwrap_or_default();
        let place = Place { database: &self.database, schema, table: &self.book.table.name };
        (self.book.codec.lock)(&place)
    }
}

/// Takes the tool's lock, makes its table where it is missing, and takes over what the tool did. Under the run lock.
pub(super) async fn begin(session: &mut PostgresSession, wait: Duration) -> Result<()> {
    lock(session, wait).await?;
    create(session).await?;
    settle::adopt(session).await
}

async fn lock(session: &mut PostgresSession, wait: Duration) -> Result<()> {
    let Some(ledger) = &session.ledger else { return Ok(()) };
    let Some(lock) = ledger.lock().filter(|_| ledger.locked.is_none()) else { return Ok(()) };
    let tool = ledger.book.codec.id;
    let began = Instant::now();
    let mut taken = 0;
    while let Some(key) = lock.keys.get(taken) {
        if claim::try_lock(&session.client, *key).await? {
            taken += 1;
            continue;
        }
        let holder = claim::holder(&session.client, *key).await?;
        let given_up = if began.elapsed() >= wait {
            Some(at_work(tool, &lock, holder.as_ref()))
        } else if (session.stop)().asked() {
            Some(Refusal::new(Code::Interrupted, "stopped while waiting for another tool"))
        } else {
            None
        };
        if let Some(refusal) = given_up {
            unlock(&session.client, &lock.keys[..taken]).await?;
            return Err(refusal.into());
        }
        if let Some(holder) = holder {
            (session.ticker)(Tick::LockedBy(holder));
        }
        tokio::time::sleep(claim::POLL).await;
    }
    if let Some(ledger) = &mut session.ledger {
        ledger.locked = Some(lock);
    }
    Ok(())
}

fn at_work(tool: &str, lock: &Lock, holder: Option<&Holder>) -> Refusal {
    let how = match lock.held {
        Held::Session => "",
        Held::Transaction => " in a transaction that stays open",
    };
    tool_at_work(tool, how, holder)
}

/// Makes the tool's table as the tool makes it.
async fn create(session: &mut PostgresSession) -> Result<()> {
    let Some(ledger) = session.ledger.as_mut().filter(|ledger| !ledger.there) else { return Ok(()) };
    let book = &ledger.book;
    let doing = format!("creating {}", book.table);
    let sql = book.table.to_sql()?;
    // Somebody may have been faster.
    let there = session
        .client
        .query_typed("SELECT pg_catalog.to_regclass($1) IS NOT NULL", &[(&sql, Type::TEXT)])
        .await
        .map_err(|e| errors::fault(e, &doing))?;
    if !there.first().is_some_and(|row| row.get(0)) {
        let mut statements = Vec::new();
        if let (Some(schema), Some(_)) = (&book.table.schema, book.codec.schema) {
            statements.push(format!("CREATE SCHEMA IF NOT EXISTS {}", QuotedIdent::new(schema)?));
        }
        statements.extend((book.codec.create)(&book.table)?);
        let batch =
            format!("BEGIN; SET LOCAL client_min_messages = warning; {}; COMMIT", statements.join("; "));
        if let Err(e) = session.client.batch_execute(&batch).await {
            let _ = session.client.batch_execute("ROLLBACK").await;
            return Err(errors::fault(e, &doing));
        }
    }
    ledger.there = true;
    Ok(())
}

/// Gives back the tool's lock.
pub(super) async fn end(session: &mut PostgresSession) -> Result<()> {
    let Some(lock) = session.ledger.as_mut().and_then(|ledger| ledger.locked.take()) else { return Ok(()) };
    unlock(&session.client, &lock.keys).await
}

async fn unlock(client: &Client, keys: &[i64]) -> Result<()> {
    for key in keys {
        client
            .query_typed("SELECT pg_catalog.pg_advisory_unlock($1)", &[(key, Type::INT8)])
            .await
            .map_err(|e| errors::fault(e, "giving back the lock of another tool"))?;
    }
    Ok(())
}
