//! Cofferdam's own tables, in the target database.
//!
//! Not in a database of their own: a server has one of each name, which all its databases would share, and a dump or
//! a move of the one would part it from its history.

use cofferdam_core::fault::Result;
use cofferdam_core::{Code, Refusal};

use super::link::{self, Link};
use super::{errors, names};

/// The names of all of them begin so.
pub(super) const PREFIX: &str = "_cofferdam_";

/// The tables, as they are written in SQL.
#[derive(Debug, Clone)]
pub(super) struct Tables {
    pub(super) run: String,
    pub(super) journal: String,
    pub(super) history: String,
    pub(super) outbox: String,
    pub(super) recall: String,
    /// Who the connections are that want the run lock: MariaDB shows no application's name.
    pub(super) claim: String,
}

impl Tables {
    pub(super) fn of(database: &str) -> Result<Self> {
        let schema = names::quoted(database)?;
        let own = |name: &str| format!("{schema}.`{PREFIX}{name}`");
        Ok(Self {
            run: own("run"),
            journal: own("journal"),
            history: own("history"),
            outbox: own("outbox"),
            recall: own("recall"),
            claim: own("claim"),
        })
    }

    /// What makes them. The history is the last, so that it stands for all: these statements commit one by one.
    ///
    /// Times are `DATETIME` in UTC, which no session's time zone moves. What is JSON is kept as a text: MySQL would
    /// write the keys of its own JSON in another order.
    fn create(&self) -> Vec<String> {
        vec![
            table(
                &self.run,
                "id CHAR(36) PRIMARY KEY, `key` TEXT NOT NULL, intent VARCHAR(20) NOT NULL,
                 phase VARCHAR(30) NOT NULL, epoch BIGINT NOT NULL, digest VARCHAR(100) NOT NULL,
                 plan LONGTEXT NOT NULL, record LONGTEXT NOT NULL, started_at DATETIME(6) NOT NULL,
                 ended_at DATETIME(6), started_by TEXT NOT NULL, KEY run_ended (ended_at)",
            ),
            table(
                &self.journal,
                "seq BIGINT PRIMARY KEY, run CHAR(36) NOT NULL, epoch BIGINT NOT NULL, at DATETIME(6) NOT NULL,
                 who TEXT NOT NULL, entry LONGTEXT NOT NULL, previous VARCHAR(64) NOT NULL,
                 hash VARCHAR(64) NOT NULL, KEY journal_run (run)",
            ),
            table(
                &self.outbox,
                "sink VARCHAR(190) PRIMARY KEY, sent BIGINT NOT NULL, attempts INT NOT NULL DEFAULT 0, error TEXT,
                 failed_at DATETIME(6), sent_at DATETIME(6)",
            ),
            table(
                &self.recall,
                "run CHAR(36) PRIMARY KEY, why TEXT NOT NULL, `by` TEXT NOT NULL, at DATETIME(6) NOT NULL",
            ),
            self.create_claim(),
            table(
                &self.history,
                "`rank` BIGINT PRIMARY KEY, `key` TEXT NOT NULL, version TEXT, description TEXT NOT NULL,
                 kind VARCHAR(20) NOT NULL, algorithm VARCHAR(20), checksum TEXT, applied_at DATETIME(6) NOT NULL,
                 applied_by TEXT NOT NULL, ms BIGINT NOT NULL, run_id CHAR(36), bundle LONGTEXT NOT NULL,
                 undone_at DATETIME(6)",
            ),
        ]
    }

    /// The one that is written to before the run lock is taken.
    pub(super) fn create_claim(&self) -> String {
        table(
            &self.claim,
            "connection BIGINT PRIMARY KEY, application TEXT NOT NULL, `by` TEXT NOT NULL, at DATETIME(6) NOT NULL",
        )
    }

    /// Creates what is missing.
    pub(super) async fn ensure(&self, link: &mut Link) -> Result<()> {
        for sql in self.create() {
            link.run(&sql).await.map_err(|e| errors::fault(e, "creating Cofferdam's own tables"))?;
        }
        Ok(())
    }
}

/// Refuses tables of ours that no transaction takes back: somebody made or changed them, or the server put another
/// engine in the place of InnoDB.
pub(super) async fn refuse_other_engines(link: &mut Link, database: &str) -> Result<()> {
    let sql = "SELECT TABLE_NAME, ENGINE FROM information_schema.TABLES
               WHERE TABLE_SCHEMA = ? AND LEFT(TABLE_NAME, ?) = ? AND NOT ENGINE <=> 'InnoDB' ORDER BY 1";
    let values = vec![database.into(), PREFIX.len().into(), PREFIX.into()];
    let rows =
        link.rows(sql, values).await.map_err(|e| errors::fault(e, "looking for Cofferdam's tables"))?;
    let Some(row) = rows.first() else { return Ok(()) };
    let cell = |at| link::text(row, at).unwrap_or_else(|| "no engine".into());
    Err(Refusal::new(Code::JournalNotTransactional, format!("{} is a table of {}", cell(0), cell(1)))
        .cause("what is written to it is not taken back with the transaction that wrote it")
        .help(format!(
            "ALTER TABLE {}.{} ENGINE = InnoDB",
            names::quoted(database)?,
            names::quoted(&cell(0))?
        ))
        .into())
}

fn table(name: &str, columns: &str) -> String {
    let options = "ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";
    format!("CREATE TABLE IF NOT EXISTS {name} ({columns}) {options}")
}

/// The tables are there.
pub(super) async fn exist(link: &mut Link, database: &str) -> Result<bool> {
    let sql = "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?";
    let values = vec![database.into(), format!("{PREFIX}history").into()];
    let rows =
        link.rows(sql, values).await.map_err(|e| errors::fault(e, "looking for Cofferdam's tables"))?;
    Ok(rows.first().and_then(|row| link::number(row, 0)).is_some_and(|n| n > 0))
}
