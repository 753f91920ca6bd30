//! The table of a tool that is kept beside our own history: found, locked, made, read, and written in our transaction.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio_postgres::Client;
use tokio_postgres::types::Type;

use cofferdam_core::fault::Result;
use cofferdam_core::history::Applied;
use cofferdam_core::{Code, Fault, Name, QuotedIdent, Refusal};
use cofferdam_formats::beside::{self, Choice, Wanted};
use cofferdam_formats::history::{Cells, Held, Lock, Server, Write};
use cofferdam_formats::tables::{self as known, Table};
use cofferdam_formats::writes;

mod settle;

pub(super) use settle::{missing_rights, tell};

use super::cells::{AnswerCells, RowCells};
use super::record::{self, Writing};
use super::session::PostgresSession;
use super::{claim, errors, history, reading};
use crate::ledger::{Book, Ledger, table_locked, tool_at_work};
use crate::{Batch, Holder, Keeping, Kept, Tick};

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
    let mut tables = Vec::new();
    for row in &rows {
        let Some(schema) = row.cell(2)? else { continue };
        let columns: Option<Vec<String>> = row.cell(4)?;
        tables.push(Table { schema, name: row.cell(3)?, columns: columns.unwrap_or_default() });
    }
    Ok(Tables { database: first.cell(0)?, schema: first.cell(1)?, tables })
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
        server: Server::PostgreSql,
        own,
        kept_in: &kept_in,
    };
    match beside::choose(&found.tables, &wanted)? {
        Choice::Own => Ok(Kept::Own),
        Choice::Keep { codec, table, there } => {
            let ledger = Ledger::new(Book { codec, table }, there, found.database, keeping, "postgresql");
            let kept = ledger.kept;
            session.ledger = Some(ledger);
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
    let kept_in: Vec<Option<String>> = rows.first_cells()?;
    Ok((!rows.is_empty(), kept_in.into_iter().flatten().collect()))
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
    let mut seen = ledger.beside(rows, &own)?;
    if !seen.difference.unfinished.is_empty() {
        seen.at_work = ledger.at_work(&session.client).await?;
    }
    let of_runs = match ledger.kept {
        Kept::Tool if bundles && session.installed => bundles_of_runs(&session.client).await?,
        _ => BTreeMap::new(),
    };
    let merged = ledger.counting(&mut seen, own, bundles.then_some(&of_runs));
    if let Some(ledger) = &mut session.ledger {
        ledger.seen = Some(seen);
    }
    Ok(merged)
}

/// What is needed to take back what was applied last under each key, as JSON.
async fn bundles_of_runs(client: &Client) -> Result<BTreeMap<String, String>> {
    let sql = "SELECT DISTINCT ON (key) key, (record #> '{applied,bundle}')::pg_catalog.text
               FROM cofferdam.run WHERE intent = 'apply' AND phase = 'Done' ORDER BY key, id DESC";
    let rows = reading::read(client, sql, &[]).await?;
    let mut bundles = BTreeMap::new();
    for run in rows {
        if let Some(bundle) = run.cell(1)? {
            bundles.insert(run.cell(0)?, bundle);
        }
    }
    Ok(bundles)
}

impl Ledger {
    /// What the table says of the migration that has this rank, and this key; read in a transaction.
    pub(super) async fn theirs(
        &self,
        session: &PostgresSession,
        own: &[Applied],
        rank: i64,
        key: &str,
    ) -> Result<Option<Applied>> {
        if !self.there {
            return Ok(None);
        }
        self.in_force(&self.rows(session).await?, own, rank, key)
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
                let why = table_locked(self.book.codec.id, &self.book.table, holder.as_ref(), self.dialect);
                Fault::Again { after, why: Box::new(why) }
            }
            other => other,
        }
    }

    /// Who holds the tool's lock, where we do not.
    async fn at_work(&self, client: &Client) -> Result<Option<Holder>> {
        let Some(lock) = self.lock().filter(|_| !self.locked) else { return Ok(None) };
        for key in lock.keys {
            if let Some(holder) = claim::holder(client, key).await? {
                return Ok(Some(holder));
            }
        }
        Ok(None)
    }

    /// What the tool would write when this was applied.
    pub(super) async fn applied(&self, session: &PostgresSession, row: &Applied) -> Result<Vec<Write>> {
        self.when_applied(&self.last_row(session).await?, row)
    }

    async fn last_row(&self, session: &PostgresSession) -> Result<Vec<Cells>> {
        match history::last_row(&session.client, &self.book).await {
            Ok(rows) => Ok(rows),
            Err(fault) => Err(self.held(session, fault).await),
        }
    }

    /// What the tool would write when these were applied one after the other.
    pub(super) async fn all_applied(&self, session: &PostgresSession, all: &[Applied]) -> Result<Vec<Write>> {
        self.when_all_applied(self.last_row(session).await?, all)
    }

    /// What the tool would write when this was taken back.
    pub(super) async fn undone(
        &self,
        session: &PostgresSession,
        row: &Applied,
        own: &[Applied],
    ) -> Result<Vec<Write>> {
        self.when_undone(&self.rows(session).await?, row, own)
    }

    /// What the tool would write when these changes are made to what is applied: the file as it is now is accepted, or
    /// it is taken back where the row says so.
    pub(super) async fn changed(
        &self,
        session: &PostgresSession,
        all: &[Applied],
        own: &[Applied],
    ) -> Result<Vec<Write>> {
        self.when_changed(self.rows(session).await?, all, own)
    }

    /// What the tool would write of a run that takes more than this transaction: when it begins, and when it came to
    /// nothing.
    pub(super) async fn marks(&self, session: &PostgresSession, batch: &Batch<'_>) -> Result<Vec<Write>> {
        let Some(mark) = self.mark(batch) else { return Ok(Vec::new()) };
        let own = history::read_without_bundles(&session.client).await?;
        self.when_marked(mark, &self.rows(session).await?, batch, &own)
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
        (self.book.codec.lock)(&self.place())
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
    let Some(lock) = ledger.lock().filter(|_| !ledger.locked) else { return Ok(()) };
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
        ledger.locked = true;
    }
    Ok(())
}

fn at_work(tool: &str, lock: &Lock, holder: Option<&Holder>) -> Refusal {
    let how = match lock.held {
        Held::Session => "",
        Held::Transaction => " in a transaction that stays open",
    };
    tool_at_work(tool, how, holder, "postgresql")
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
    if !there.first_cell()?.unwrap_or(false) {
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
    let Some(ledger) = session.ledger.as_mut().filter(|ledger| ledger.locked) else { return Ok(()) };
    ledger.locked = false;
    let Some(lock) = ledger.lock() else { return Ok(()) };
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
