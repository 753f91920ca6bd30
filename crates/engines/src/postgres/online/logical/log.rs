//! The connection on which decoded keys go into the log of keys.

use std::time::Duration;

use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

use cofferdam_core::fault::Result;

use super::super::{Work, apply, worker};
use super::decoder::Keys;
use crate::postgres::connect::{self, Connected};
use crate::postgres::errors;

/// Values are written by one session and read by another: both in these words, whatever the role's defaults say. A
/// server that was lost takes the slot with it, so nothing of ours waits for standbys.
pub(super) const WORDS: &str = "SELECT pg_catalog.set_config('search_path', '', false),
    pg_catalog.set_config('datestyle', 'ISO', false), pg_catalog.set_config('intervalstyle', 'postgres', false),
    pg_catalog.set_config('extra_float_digits', '1', false), pg_catalog.set_config('bytea_output', 'hex', false),
    pg_catalog.set_config('synchronous_commit', 'local', false)";

/// Where keys are logged.
pub(super) struct Log<'w> {
    work: &'w Work<'w>,
    pub(super) connected: Connected,
}

impl<'w> Log<'w> {
    pub(super) async fn open(work: &'w Work<'w>) -> Result<Self> {
        let mut options = work.session.watch_options();
        options.application_name = "cofferdam decode".to_owned();
        let connected = connect::connect(&options).await?;
        let doing = "setting up a connection";
        worker::run(&connected.client, worker::SETTINGS, doing).await?;
        worker::run(&connected.client, WORDS, doing).await?;
        Ok(Self { work, connected })
    }

    pub(super) fn client(&self) -> &Client {
        &self.connected.client
    }

    /// Fails where another runner has taken the change over.
    pub(super) async fn fenced(&self) -> Result<()> {
        let found = worker::run(self.client(), &self.work.fence(), "looking at the fence").await?;
        match worker::rows(&found)?.is_empty() {
            true => Err(worker::fenced()),
            false => Ok(()),
        }
    }

    /// Logs keys, once everybody who looks sees their changes. When it returns they are on the server's disk, and no
    /// other runner had taken over.
    pub(super) async fn add(&self, keys: &Keys) -> Result<()> {
        visible(self.client(), &keys.transactions).await?;
        let flow = &self.work.flow;
        let fence = format!("WITH fence AS MATERIALIZED ({})", self.work.fence());
        if keys.truncated {
            let insert =
                format!("{fence} INSERT INTO {} (op) SELECT 'T' WHERE EXISTS (SELECT FROM fence)", flow.log);
            self.insert(&insert, &[]).await?;
        }
        if keys.count() > 0 {
            let insert = format!(
                "{fence} INSERT INTO {} SELECT DISTINCT 'K'::\"char\", k.* FROM {} k
                 WHERE EXISTS (SELECT FROM fence)",
                flow.log,
                apply::given(flow, |k| &k.source_type)
            );
            let parameters: Vec<(&(dyn ToSql + Sync), Type)> =
                keys.columns.iter().map(|c| (c as &(dyn ToSql + Sync), Type::TEXT_ARRAY)).collect();
            self.insert(&insert, &parameters).await?;
        }
        Ok(())
    }

    async fn insert(&self, insert: &str, parameters: &[(&(dyn ToSql + Sync), Type)]) -> Result<()> {
        let logged = self.client().execute_typed(insert, parameters).await;
        match logged.map_err(|e| errors::fault(e, "logging keys"))? {
            0 => Err(worker::fenced()),
            _ => Ok(()),
        }
    }
}

/// Waits until a new snapshot sees these transactions as ended.
async fn visible(client: &Client, transactions: &[u32]) -> Result<()> {
    if transactions.is_empty() {
        return Ok(());
    }
    let transactions: Vec<String> = transactions.iter().map(u32::to_string).collect();
    // Numbers of 32 bits, as the slot says them: compared with those that are at work now.
    let query = format!(
        "SELECT count(*) FROM pg_catalog.unnest(ARRAY[{}]::bigint[]) x
         WHERE x IN (SELECT running % 4294967296 FROM pg_catalog.txid_snapshot_xip(pg_catalog.txid_current_snapshot()) running)
            OR (x - pg_catalog.txid_snapshot_xmax(pg_catalog.txid_current_snapshot()) % 4294967296 + 4294967296) % 4294967296 < 2147483648",
        transactions.join(", ")
    );
    loop {
        let running = worker::value(client, &query, "waiting for transactions to be visible").await?;
        if running.as_deref() == Some("0") {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
