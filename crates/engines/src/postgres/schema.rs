//! Cofferdam's own tables in the target database.

use tokio_postgres::Client;

use cofferdam_core::fault::Result;

use super::cells::AnswerCells;
use super::{errors, outbox, parked};

/// Everything is `IF NOT EXISTS`, so that it may run again at any time; it runs under the run lock.
///
/// `journal.entry` is `json`, not `jsonb`, because the hash covers the text. `journal.seq` is a primary key that
/// the writer chooses: a second writer that believes it may write collides there, whatever else failed.
const TABLES: &str = r#"
CREATE SCHEMA IF NOT EXISTS cofferdam;
CREATE TABLE IF NOT EXISTS cofferdam.run (
    id uuid PRIMARY KEY,
    key text NOT NULL,
    intent text NOT NULL,
    phase text NOT NULL,
    epoch bigint NOT NULL,
    digest text NOT NULL,
    plan json NOT NULL,
    record json NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at timestamptz,
    started_by text NOT NULL
);
CREATE INDEX IF NOT EXISTS run_unfinished ON cofferdam.run (epoch) WHERE ended_at IS NULL;
CREATE TABLE IF NOT EXISTS cofferdam.journal (
    seq bigint PRIMARY KEY,
    run uuid NOT NULL,
    epoch bigint NOT NULL,
    at timestamptz NOT NULL,
    who text NOT NULL,
    entry json NOT NULL,
    previous text NOT NULL,
    hash text NOT NULL
);
CREATE TABLE IF NOT EXISTS cofferdam.history (
    rank bigint PRIMARY KEY,
    key text NOT NULL,
    version text,
    description text NOT NULL,
    kind text NOT NULL,
    algorithm text,
    checksum text,
    applied_at timestamptz NOT NULL,
    applied_by text NOT NULL,
    ms bigint NOT NULL,
    run_id uuid,
    bundle jsonb NOT NULL,
    undone_at timestamptz
);
COMMENT ON SCHEMA cofferdam IS 'What Cofferdam did here. The journal is append-only: see cofferdam verify.';
"#;

/// Creates what is missing.
pub(super) async fn ensure(client: &Client) -> Result<()> {
    client
        .batch_execute(&format!(
            "BEGIN; SET LOCAL client_min_messages = warning; {TABLES} {} {} COMMIT;",
            outbox::TABLE,
            parked::TABLE
        ))
        .await
        .map_err(|e| errors::fault(e, "creating schema cofferdam"))
}

/// The tables are there. The history is the last that is created, so it stands for all. Sent when it is polled for
/// the first time.
pub(super) async fn exists(client: &Client) -> Result<bool> {
    let row = client
        .query_typed("SELECT pg_catalog.to_regclass('cofferdam.history') IS NOT NULL", &[])
        .await
        .map_err(|e| errors::fault(e, "looking for schema cofferdam"))?;
    Ok(row.first_cell()?.unwrap_or(false))
}
