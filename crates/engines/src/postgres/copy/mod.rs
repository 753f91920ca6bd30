//! Rows out of tables and into them, by COPY.

mod batches;
mod dump;
mod rehearse;
mod restore;
mod shape;

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt};
use tokio_postgres::Client;

use cofferdam_core::backup::{Encoding, Origin, Shape, Sum};
use cofferdam_core::fault::Result;
use cofferdam_core::{Code, Fault, Name, Refusal};

use super::cells::RowCells;
use super::options::ConnectOptions;
use super::session::PostgresSession;
use super::{connect, errors};
use crate::copy::{Copier, Existing, Moment, Rows, Wanted};

/// What a text means must not depend on the role's settings, and row security must not hide rows: where it would, it
/// fails.
const SETTINGS: &str = "SET row_security = off; SET statement_timeout = 0; SET lock_timeout = '10s';
    SET idle_in_transaction_session_timeout = 0; SET client_min_messages = warning; SET datestyle = 'ISO, MDY';
    SET intervalstyle = 'postgres'; SET extra_float_digits = 3; SET bytea_output = 'hex'; SET timezone = 'UTC';
    SET xmloption = 'content'; SET default_transaction_read_only = off; SET default_transaction_deferrable = off";

pub(super) struct PostgresCopier {
    client: Client,
    options: ConnectOptions,
}

impl PostgresCopier {
    pub(super) async fn open(session: &PostgresSession, purpose: &str) -> Result<Self> {
        let mut options = session.watch_options();
        options.application_name = format!("cofferdam {purpose}");
        let client = connect::connect(&options).await?.client;
        let settings = format!("{SETTINGS}; {}", rehearse::MEMORY);
        client.batch_execute(&settings).await.map_err(|e| errors::fault(e, "setting up a connection"))?;
        Ok(Self { client, options })
    }

    async fn run(&self, sql: &str, doing: &str) -> Result<()> {
        self.client.batch_execute(sql).await.map_err(|e| errors::fault(e, doing))
    }

    async fn sum_of(&self, from: &str, shape: &Shape) -> Result<Sum> {
        let doing = format!("counting the rows of {}", shape.table);
        let hash = shape::hash(shape)?;
        let sql = format!(
            "SELECT pg_catalog.count(*), (coalesce(pg_catalog.sum({hash}), 0))::pg_catalog.text FROM {from} t"
        );
        let row = self.client.query_typed(&sql, &[]).await.map_err(|e| errors::fault(e, &doing))?;
        let row = row.first().map(|row| Ok::<(i64, String), Fault>((row.cell(0)?, row.cell(1)?)));
        let (rows, hash) = row.transpose()?.unwrap_or_default();
        Ok(Sum { rows: u64::try_from(rows).unwrap_or_default(), hash })
    }
}

#[async_trait]
impl Copier for PostgresCopier {
    async fn begin(&mut self) -> Result<Moment> {
        let doing = "beginning a snapshot";
        self.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", doing).await?;
        let time = super::reading::time("pg_catalog.clock_timestamp()");
        let sql = format!(
            "SELECT {time}, (CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
             ELSE pg_catalog.pg_current_wal_lsn() END)::pg_catalog.text"
        );
        let rows = self.client.query_typed(&sql, &[]).await.map_err(|e| errors::fault(e, doing))?;
        let row = rows.first();
        let cell = |n: usize| row.map(|row| row.cell::<Option<String>>(n)).transpose();
        let text = |n: usize| Ok::<_, Fault>(cell(n)?.flatten().unwrap_or_default());
        Ok(Moment { at: text(0)?, lsn: text(1)? })
    }

    async fn shapes(&mut self, wanted: &Wanted) -> Result<Vec<Shape>> {
        shape::wanted(&self.client, wanted).await
    }

    async fn sum(&mut self, shape: &Shape) -> Result<Sum> {
        let from = shape::source(&self.client, shape).await?;
        self.sum_of(&from, shape).await
    }

    async fn out(&mut self, shape: &Shape) -> Result<Rows> {
        let from = shape::source(&self.client, shape).await?;
        let columns = shape::columns(shape, |_| true)?;
        let sql = format!("COPY (SELECT {columns} FROM {from} t) TO STDOUT (FORMAT {})", format(shape));
        let doing = format!("reading the rows of {}", shape.table);
        let stream = self.client.copy_out(&sql).await.map_err(|e| errors::fault(e, &doing))?;
        Ok(stream.map_err(move |e| errors::fault(e, &doing)).boxed())
    }

    async fn end(&mut self) -> Result<()> {
        self.run("ROLLBACK", "ending a snapshot").await
    }

    async fn rehearse(&mut self, shape: &Shape, rows: Rows) -> Result<Sum> {
        refuse_other_encoding(shape)?;
        rehearse::rehearse(self, shape, rows).await
    }

    async fn restore(
        &mut self,
        shape: &Shape,
        rows: Rows,
        into: &Name,
        existing: Existing,
        expected: &Sum,
    ) -> Result<()> {
        refuse_other_encoding(shape)?;
        restore::restore(self, shape, rows, (into, existing), expected).await
    }

    async fn whole(&mut self) -> Result<(String, Rows)> {
        dump::whole(&self.options).await
    }

    async fn origin(&mut self) -> Result<Origin> {
        let server = super::facts::facts(&self.client, &[]).await?.server;
        Ok(Origin {
            server_version: server.version_text,
            server: server.identity,
            database: server.database,
            lsn: String::new(),
        })
    }
}

/// A backup of another kind of database cannot be read here.
fn refuse_other_encoding(shape: &Shape) -> Result<()> {
    if shape.encoding != Encoding::LoadData {
        return Ok(());
    }
    Err(Refusal::new(Code::RestoreRefused, format!("{} cannot be restored here", shape.table))
        .cause("its rows were saved on MySQL or MariaDB")
        .help("restore it into a database of these")
        .into())
}

fn format(shape: &Shape) -> &'static str {
    match shape.encoding {
        Encoding::Binary => "binary",
        Encoding::Text | Encoding::LoadData => "text",
    }
}
