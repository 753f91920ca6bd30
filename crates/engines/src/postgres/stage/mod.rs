//! A throw-away database on a server. See [`Stage`].

use async_trait::async_trait;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use cofferdam_core::fault::Result;
use cofferdam_core::{Code, Facts, Name, QuotedIdent, Refusal};
use cofferdam_schema::{Leaving, Schema, Statement, lead, level};
use uuid::Uuid;

use super::cells::{AnswerCells, RowCells};
use super::options::ConnectOptions;
use super::session::{PostgresSession, resolved};
use super::{connect, errors, inspect};
use crate::{NotCarried, Session, Stage, Target};

mod sample;

/// How the names of these databases begin.
const PREFIX: &str = "cofferdam_throw_away_";

/// The advisory lock by which such a database is known to be in use, for its name.
const LOCK: &str = "pg_catalog.hashtext('cofferdam throw-away'), pg_catalog.hashtext($1)";

/// Nobody else has it. An advisory lock is one of the database in which it is taken, and somebody else may be connected
/// to another one of the server: only the list of all locks tells.
const ALONE: &str =
    "SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND objsubid = 2
           AND classid = pg_catalog.hashtext('cofferdam throw-away')::pg_catalog.oid
           AND objid = pg_catalog.hashtext($1)::pg_catalog.oid AND pid <> pg_catalog.pg_backend_pid())";

/// See [`Stage`].
pub(super) struct PostgresStage {
    /// On the database that the target names: makes and drops the other, and holds its lock.
    keeper: Client,
    /// The way to the database itself.
    options: ConnectOptions,
    name: String,
    who: String,
    client: Client,
    major: u32,
}

impl PostgresStage {
    pub(super) async fn open(target: &Target) -> Result<Self> {
        let mut options = resolved(target)?;
        let keeper = connect::connect(&options).await?.client;
        let doing = "making a throw-away database";
        clean(&keeper).await?;
        let name = format!("{PREFIX}{}", Uuid::now_v7().simple());
        lock(&keeper, &name).await?;
        let create = format!("CREATE DATABASE {} TEMPLATE template0", QuotedIdent::new(&name)?);
        if let Err(e) = keeper.batch_execute(&create).await {
            return Err(Refusal::new(Code::NoThrowAway, "no throw-away database could be made")
                .cause(errors::fault(e, doing).to_string())
                .help("name a role that may: ALTER ROLE ... CREATEDB; or leave --dev-url out")
                .into());
        }
        options.database.clone_from(&name);
        match connect::connect(&options).await {
            Ok(connected) => Ok(Self {
                keeper,
                options,
                name,
                who: target.who.clone(),
                client: connected.client,
                major: connected.major,
            }),
            Err(fault) => {
                drop_database(&keeper, &name).await?;
                Err(fault)
            }
        }
    }

    async fn run(&self, sql: &str) -> Result<(), tokio_postgres::Error> {
        self.client.batch_execute(sql).await
    }
}

/// Takes the lock of a name. `false`: somebody has it, or is about to take it.
async fn lock(keeper: &Client, name: &str) -> Result<bool> {
    if !ask(keeper, &format!("SELECT pg_catalog.pg_try_advisory_lock({LOCK})"), name).await? {
        return Ok(false);
    }
    let alone = ask(keeper, ALONE, name).await?;
    if !alone {
        unlock(keeper, name).await?;
    }
    Ok(alone)
}

async fn unlock(keeper: &Client, name: &str) -> Result<()> {
    ask(keeper, &format!("SELECT pg_catalog.pg_advisory_unlock({LOCK})"), name).await.map(drop)
}

async fn ask(keeper: &Client, query: &str, name: &str) -> Result<bool> {
    let rows = keeper.query_typed(query, &[(&name, Type::TEXT)]).await;
    let rows = rows.map_err(|e| errors::fault(e, "looking who uses a throw-away database"))?;
    Ok(rows.first_cell()?.unwrap_or(false))
}

/// Drops what a process left behind that was killed: nobody holds its lock.
async fn clean(keeper: &Client) -> Result<()> {
    let fault = |e| errors::fault(e, "looking for what an earlier command left");
    let query = "SELECT datname::pg_catalog.text FROM pg_catalog.pg_database WHERE datname ~ $1
                   AND pg_catalog.pg_has_role(datdba, 'USAGE')";
    let begins = format!("^{PREFIX}[0-9a-f]{{32}}$");
    let rows = keeper.query_typed(query, &[(&begins, Type::TEXT)]).await.map_err(fault)?;
    for row in rows {
        let name: String = row.cell(0)?;
        if lock(keeper, &name).await? {
            drop_database(keeper, &name).await?;
            unlock(keeper, &name).await?;
        }
    }
    Ok(())
}

async fn drop_database(keeper: &Client, name: &str) -> Result<()> {
    let doing = "dropping a throw-away database";
    // WITH (FORCE) is of PostgreSQL 13.
    let end =
        "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE datname = $1";
    for last in [false, true] {
        let _ = keeper.query_typed(end, &[(&name, Type::TEXT)]).await;
        let drop = format!("DROP DATABASE IF EXISTS {}", QuotedIdent::new(name)?);
        match keeper.batch_execute(&drop).await {
            Ok(()) => break,
            Err(e) if last => return Err(errors::fault(e, doing)),
            // A session that was ended takes a moment to be gone.
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(300)).await,
        }
    }
    Ok(())
}

#[async_trait]
impl Stage for PostgresStage {
    async fn open(&self, application: &str) -> Result<Box<dyn Session>> {
        let mut options = self.options.clone();
        options.application_name = application.to_owned();
        Ok(Box::new(PostgresSession::with(options, self.who.clone()).await?))
    }

    async fn roles(&mut self, names: &[String]) -> Result<()> {
        for role in names {
            // One that is there is as good.
            let _ = self.run(&format!("CREATE ROLE {} NOLOGIN", QuotedIdent::new(role)?)).await;
        }
        if self.client.is_closed() { Err(errors::lost("making roles")) } else { Ok(()) }
    }

    async fn build(&mut self, schema: &Schema, leaving: Leaving) -> Result<Vec<NotCarried>> {
        let doing = "making the copy of the schema";
        let mut empty = inspect::inspect(&self.client, self.major).await?.without(leaving);
        let mut wanted = schema.clone().without(leaving);
        let _ = level(&mut empty, &mut wanted);
        let way = lead(&empty, &wanted);
        let set = "SET check_function_bodies = off; SET client_min_messages = error";
        self.run(set).await.map_err(|e| errors::fault(e, doing))?;
        let mut left: Vec<(&Statement, String)> =
            way.statements.iter().map(|statement| (statement, String::new())).collect();
        // What needs something that comes later is made on the next way through.
        loop {
            let before = left.len();
            let mut again = Vec::new();
            for (statement, _) in left {
                if let Err(e) = self.run(&statement.sql).await {
                    if self.client.is_closed() {
                        return Err(errors::lost(doing));
                    }
                    let why = e.as_db_error().map_or_else(|| e.to_string(), |db| db.message().to_owned());
                    again.push((statement, why));
                }
            }
            left = again;
            if left.is_empty() || left.len() == before {
                break;
            }
        }
        let unknown = wanted.left_out.into_iter().map(|one| NotCarried {
            name: format!("{} {}", one.what, one.name),
            why: one.why.unwrap_or_else(|| "it is of a kind that is not copied".into()),
        });
        let failed =
            left.into_iter().map(|(statement, why)| NotCarried { name: statement.object.clone(), why });
        Ok(unknown.chain(failed).collect())
    }

    async fn sample(&mut self, from: &Target, tables: &[Name], most: u32) -> Result<u64> {
        let live = connect::connect(&resolved(from)?).await?.client;
        sample::sample(&live, &self.client, tables, most).await
    }

    async fn count(&mut self, facts: &Facts) -> Result<Vec<NotCarried>> {
        let mut missing = Vec::new();
        for (asked, table) in &facts.tables {
            let (Some(name), Some(rows)) = (&table.resolved, table.rows) else { continue };
            if table.kind != "table" {
                continue;
            }
            let pages = i32::try_from(table.bytes / 8192).unwrap_or(i32::MAX);
            let (schema, relation, tuples) =
                (name.schema.clone().unwrap_or_default(), name.name.clone(), rows as f32);
            // Since 18 there is a function for it; before, the catalog itself is written, which a superuser may.
            let sql = if self.major >= 18 {
                "SELECT pg_catalog.pg_restore_relation_stats('schemaname', $1::text, 'relname', $2::text,
                    'relpages', $3::int4, 'reltuples', $4::float4)"
            } else {
                "UPDATE pg_catalog.pg_class SET relpages = $3, reltuples = $4 WHERE relname = $2 AND relnamespace =
                    (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = $1)"
            };
            let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 4] = [
                (&schema, Type::TEXT),
                (&relation, Type::TEXT),
                (&pages, Type::INT4),
                (&tuples, Type::FLOAT4),
            ];
            if let Err(e) = self.client.query_typed(sql, &parameters).await {
                let why = e.as_db_error().map_or_else(|| e.to_string(), |db| db.message().to_owned());
                missing.push(NotCarried { name: format!("rows of {asked}"), why });
            }
        }
        Ok(missing)
    }

    async fn end(&mut self) -> Result<()> {
        let _ = self.run("ROLLBACK").await;
        drop_database(&self.keeper, &self.name).await
    }
}
