//! What Cofferdam writes of a batch: journal, run and history in one statement, which fails as a whole.
//!
//! What must be true of the writing is checked by the statement itself, in the server: COMMIT is sent together with
//! it, before its answer is known, and the server makes a ROLLBACK of the COMMIT after a failure.

use tokio_postgres::error::SqlState;
use tokio_postgres::types::{Json, ToSql, Type};
use uuid::Uuid;

use cofferdam_core::fault::Result;
use cofferdam_core::journal::{Entry, What};
use cofferdam_core::{Code, Fault, Refusal};
use cofferdam_formats::history::{Write, own};
use cofferdam_formats::writes;

use super::claim::Claim;
use super::statements::Parameter;
use super::{errors, history};
use crate::Batch;
use crate::ledger::{Book, tool_changed};

/// The server says these back in its error. There is no other way to raise one without a function of our own.
const LEFT: &str = "cofferdam: the transaction was left";
const TOOL: &str = "cofferdam: the tool changed its history";
const FENCED: &str = "cofferdam: another runner has taken over";

/// So many rows of the journal go into one statement: each has parameters of its own, of which there may be 65,535.
pub(super) const MOST_ROWS: usize = 500;

/// A statement that writes, while it is put together.
#[derive(Default)]
pub(super) struct Writing<'a> {
    parts: Vec<String>,
    /// What raises an error, and which.
    checks: Vec<(String, &'static str)>,
    values: Vec<(Box<dyn ToSql + Sync + Send + 'a>, Type)>,
}

impl<'a> Writing<'a> {
    /// Writes only in the transaction with this number: a script that left it committed or rolled back by itself,
    /// and what it did may not be what its record says.
    pub(super) fn within(transaction: i64) -> Self {
        let mut writing = Self::default();
        let ours = writing.value(transaction, Type::INT8);
        writing.checks.push((format!("pg_catalog.txid_current() OPERATOR(pg_catalog.<>) {ours}"), LEFT));
        writing
    }

    fn value(&mut self, value: impl ToSql + Sync + Send + 'a, ty: Type) -> String {
        self.values.push((Box::new(value), ty));
        format!("${}", self.values.len())
    }

    /// A row that is changed and must be there.
    fn change(&mut self, write: &str) {
        self.change_or(write, FENCED);
    }

    fn change_or(&mut self, write: &str, gone: &'static str) {
        let name = format!("write_{}", self.parts.len());
        self.parts.push(format!("{name} AS ({write} RETURNING 1)"));
        self.checks.push((format!("NOT EXISTS (SELECT FROM {name})"), gone));
    }

    /// As many that must be there.
    fn change_many(&mut self, write: &str, many: usize, gone: &'static str) {
        let name = format!("write_{}", self.parts.len());
        self.parts.push(format!("{name} AS ({write} RETURNING nth)"));
        let found = format!("(SELECT pg_catalog.count(DISTINCT nth) FROM {name})");
        self.checks.push((format!("{found} OPERATOR(pg_catalog.<>) {many}"), gone));
    }

    /// A new row: the server writes it or fails.
    fn insert(&mut self, write: &str) {
        self.parts.push(format!("write_{} AS ({write})", self.parts.len()));
    }

    /// Adds rows to the journal, of one moment and by one runner; at most [`MOST_ROWS`].
    pub(super) fn journal(&mut self, rows: Vec<Entry>) -> Result<()> {
        let Some(first) = rows.first() else { return Ok(()) };
        // What they have in common is sent once, and the hash of one row is what the next one begins with.
        let mut run = (first.run, self.value(first.run, Type::UUID));
        let common = [
            self.value(first.epoch, Type::INT8),
            self.value(parse_time(&first.at)?, Type::TIMESTAMPTZ),
            self.value(first.who.clone(), Type::TEXT),
        ]
        .join(", ");
        let seq = self.value(first.seq, Type::INT8);
        let mut previous = self.value(first.previous.clone(), Type::TEXT);
        let mut values = Vec::with_capacity(rows.len());
        for (offset, row) in rows.into_iter().enumerate() {
            if row.run != run.0 {
                run = (row.run, self.value(row.run, Type::UUID));
            }
            let entry = self.value(Json(row.what), Type::JSON);
            let hash = self.value(row.hash, Type::TEXT);
            values.push(format!(
                "({seq} OPERATOR(pg_catalog.+) {offset}, {}, {common}, {entry}, {previous}, {hash})",
                run.1
            ));
            previous = hash;
        }
        self.insert(&format!(
            "INSERT INTO cofferdam.journal (seq, run, epoch, at, who, entry, previous, hash) VALUES {}",
            values.join(", ")
        ));
        Ok(())
    }

    /// Writes the run's row, or moves it on.
    pub(super) fn run(&mut self, batch: &Batch<'a>, epoch: i64, now: jiff::Timestamp) -> Result<()> {
        let run = batch.run;
        let phase = self.value(word(&run.phase), Type::TEXT);
        let epoch = self.value(epoch, Type::INT8);
        let ended = self.value(run.phase.terminal().then_some(now), Type::TIMESTAMPTZ);
        let id = self.value(run.id, Type::UUID);
        if !batch.open {
            self.change(&format!(
                "UPDATE cofferdam.run SET phase = {phase}, epoch = {epoch}, ended_at = {ended}
                 WHERE id = {id} AND epoch <= {epoch}"
            ));
            return Ok(());
        }
        let key = self.value(&run.plan.key, Type::TEXT);
        let intent = self.value(word(&run.plan.intent), Type::TEXT);
        let digest = self.value(&run.digest, Type::TEXT);
        let plan = self.value(Json(&*run.plan), Type::JSON);
        let record = self.value(Json(&run.record), Type::JSON);
        let started = self.value(parse_time(&run.started_at)?, Type::TIMESTAMPTZ);
        let by = self.value(&run.by, Type::TEXT);
        self.insert(&format!(
            "INSERT INTO cofferdam.run
                (id, key, intent, phase, epoch, digest, plan, record, started_at, ended_at, started_by)
             VALUES ({id}, {key}, {intent}, {phase}, {epoch}, {digest}, {plan}, {record}, {started}, {ended}, {by})"
        ));
        Ok(())
    }

    /// Does to a history what its codec says; several writes of one form are one part.
    pub(super) fn history(&mut self, book: &Book, writes: Vec<Write>) -> Result<()> {
        let gone = if book.codec.id == own::CODEC.id { FENCED } else { TOOL };
        for group in writes::grouped(book.codec, writes) {
            let is_new = matches!(group.first(), Some(Write::Insert(_)));
            let before = self.values.len();
            match <[Write; 1]>::try_from(group) {
                Ok([write]) => {
                    let (sql, cells) = history::statement(book, write, before)?;
                    self.values.extend(cells.into_iter().map(|c| (Box::new(c) as Box<_>, Type::TEXT)));
                    if is_new { self.insert(&sql) } else { self.change_or(&sql, gone) }
                }
                Err(group) => {
                    let many = group.len();
                    let (sql, columns) = history::statement_of_many(book, group, before)?;
                    self.values
                        .extend(columns.into_iter().map(|c| (Box::new(c) as Box<_>, Type::TEXT_ARRAY)));
                    if is_new { self.insert(&sql) } else { self.change_many(&sql, many, gone) }
                }
            }
        }
        Ok(())
    }

    pub(super) fn sql(&self) -> String {
        let checks = self.checks.iter().map(|(when, what)| format!(" WHEN {when} THEN '{what}'"));
        let checks: String = checks.collect();
        let parts = match self.parts.as_slice() {
            [] => String::new(),
            parts => format!("WITH {} ", parts.join(",\n")),
        };
        // No number is written like that, so that what is wrong is an error.
        format!("{parts}SELECT (CASE WHEN false THEN ''{checks} ELSE '1' END)::pg_catalog.int4")
    }

    pub(super) fn parameters(&self) -> Vec<Parameter<'_>> {
        self.values.iter().map(|(value, ty)| (value.as_ref() as &(dyn ToSql + Sync), ty.clone())).collect()
    }
}

/// What a failure of the statement means. A clash of `seq` means that somebody else wrote in between.
pub(super) fn fault(e: tokio_postgres::Error) -> Fault {
    let raised = |what: &str| e.as_db_error().is_some_and(|e| e.message().contains(what));
    let code = e.code();
    if code == Some(&SqlState::INVALID_TEXT_REPRESENTATION) && raised(LEFT) {
        return Refusal::new(Code::TransactionInFile, "the script ended the transaction that it ran in")
            .cause(
                "a statement of it committed or rolled back by itself, so its record may not fit what it did",
            )
            .help("remove it from the script; then look at what is there with cofferdam status")
            .into();
    }
    let taken = code == Some(&SqlState::UNIQUE_VIOLATION)
        && e.as_db_error().is_some_and(|e| (e.schema(), e.table()) == (Some("cofferdam"), Some("journal")));
    if taken || code == Some(&SqlState::INVALID_TEXT_REPRESENTATION) && raised(FENCED) {
        return fenced();
    }
    if code == Some(&SqlState::INVALID_TEXT_REPRESENTATION) && raised(TOOL) {
        return tool_changed().into();
    }
    errors::fault(e, "writing the journal")
}

pub(super) fn fenced() -> Fault {
    Refusal::new(Code::Fenced, "another runner has taken over")
        .cause("the database holds a newer epoch than ours, so nothing was written")
        .help("cofferdam status")
        .into()
}

/// Chains the rows onto the journal's end and moves the claim's idea of that end.
pub(super) fn chain(
    claim: &mut Claim,
    run: Uuid,
    who: &str,
    at: jiff::Timestamp,
    whats: Vec<What>,
) -> Vec<Entry> {
    let mut rows = Vec::with_capacity(whats.len());
    for what in whats {
        claim.seq += 1;
        let entry =
            Entry::chained(claim.seq, run, claim.epoch, at.to_string(), who.to_owned(), what, &claim.hash);
        claim.hash.clone_from(&entry.hash);
        rows.push(entry);
    }
    rows
}

/// PostgreSQL keeps microseconds: what is hashed must read back as the same text.
pub(super) fn now() -> jiff::Timestamp {
    let now = jiff::Timestamp::now();
    jiff::Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}

pub(super) fn parse_time(text: &str) -> Result<jiff::Timestamp> {
    text.parse().map_err(|e| Fault::Bug(format!("{text:?} is not a time: {e}")))
}

/// A unit variant's name as serde writes it.
pub(super) fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}
