//! Whether the database is what its records say.

use serde::Serialize;

use cofferdam_core::fault::Result;
use cofferdam_core::journal;
use cofferdam_core::{Code, Fault};
use cofferdam_engines::{Rows, Runs, Session};

use crate::online::in_window;
use crate::sql;

/// What was found.
#[derive(Debug, Clone, Serialize)]
pub struct Audit {
    /// How many rows the journal has.
    pub journal_rows: usize,
    /// The first row that does not fit the hash chain; `None`: it is whole.
    pub chain_broken_at: Option<i64>,
    /// Check scripts of applied versions whose queries returned rows.
    pub failed_checks: Vec<CheckOutcome>,
    /// How many queries of check scripts were run.
    pub checks: usize,
    /// Indexes that are there but INVALID.
    pub invalid_indexes: Vec<String>,
    /// Runs that did not end, but for those whose swap can still be taken back.
    pub unfinished: usize,
}

/// A query of a check script that returned rows, or could not be run.
#[derive(Debug, Clone, Serialize)]
pub struct CheckOutcome {
    /// The version.
    pub key: String,
    /// The query.
    pub query: String,
    /// Its first rows.
    pub rows: Rows,
    /// Why it could not be run.
    pub error: Option<String>,
}

impl Audit {
    /// Nothing is wrong. A run that did not end is not wrong: it is to be gone on with.
    pub fn clean(&self) -> bool {
        self.chain_broken_at.is_none() && self.failed_checks.is_empty() && self.invalid_indexes.is_empty()
    }
}

/// Follows the journal's hash chain, runs the stored check scripts of everything in force, and looks for
/// invalid indexes. Reads only.
pub async fn verify(session: &mut dyn Session) -> Result<Audit> {
    let entries = session.journal(None).await?;
    let mut audit = Audit {
        journal_rows: entries.len(),
        chain_broken_at: journal::first_break(&entries),
        failed_checks: Vec::new(),
        checks: 0,
        invalid_indexes: Vec::new(),
        unfinished: session.runs(Runs::Unfinished).await?.iter().filter(|run| !in_window(run)).count(),
    };
    let dialect = session.dialect();
    for applied in session.history().await?.iter().filter(|a| a.in_force()) {
        let Some(script) = &applied.bundle.check else { continue };
        let parsed = sql::read(dialect, script)?;
        for change in parsed.changes {
            audit.checks += 1;
            let (rows, error) = match session.rows(&change.text, 5).await {
                Ok(rows) if rows.rows.is_empty() => continue,
                Ok(rows) => (rows, None),
                Err(Fault::Refused(why)) if why.code == Code::StatementFailed => {
                    (Rows::default(), Some(why.what))
                }
                Err(fault) => return Err(fault),
            };
            audit.failed_checks.push(CheckOutcome {
                key: applied.key.clone(),
                query: change.text.into(),
                rows,
                error,
            });
        }
    }
    if !session.abilities().invalid_indexes {
        return Ok(audit);
    }
    let invalid = session
        .rows(
            "SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname)
             FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE NOT i.indisvalid AND c.relkind = 'i'",
            100,
        )
        .await?;
    audit.invalid_indexes = invalid.rows.into_iter().flatten().flatten().collect();
    Ok(audit)
}
