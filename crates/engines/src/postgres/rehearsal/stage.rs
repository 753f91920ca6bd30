//! A database of its own on a server, made from the schema of another.

use async_trait::async_trait;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use cofferdam_core::fault::Result;
use cofferdam_core::{Code, Facts, Name, QuotedIdent, Refusal};
use uuid::Uuid;

use super::super::options::ConnectOptions;
use super::super::session::{PostgresSession, resolved};
use super::super::{connect, errors};
use super::sample;
use crate::rehearsal::{NotCarried, Object, Stage};
use crate::{Session, Target};

/// How the names of these databases begin.
const PREFIX: &str = "cofferdam_rehearsal_";

/// The class of the advisory locks by which such a database is known to be in use, as `hashtext` of its name follows.
const LOCK: &str = "pg_catalog.hashtext('cofferdam rehearsal'), pg_catalog.hashtext($1)";

/// See [`Stage`].
pub(in super::super) struct PostgresStage {
    /// On the database that the target names: makes and drops the other, and holds its lock.
    keeper: Client,
    /// The way to the database itself.
    options: ConnectOptions,
    name: String,
    who: String,
    client: Client,
}

impl PostgresStage {
    pub(in super::super) async fn open(target: &Target) -> Result<Self> {
        let mut options = resolved(target)?;
        let keeper = connect::connect(&options).await?.client;
        let doing = "making a database for the rehearsal";
        clean(&keeper).await?;
        let name = format!("{PREFIX}{}", Uuid::now_v7().simple());
        let taken = format!("SELECT pg_catalog.pg_try_advisory_lock({LOCK})");
        keeper.query_typed(&taken, &[(&name, Type::TEXT)]).await.map_err(|e| errors::fault(e, doing))?;
        let create = format!("CREATE DATABASE {} TEMPLATE template0", QuotedIdent::new(&name)?);
        if let Err(e) = keeper.batch_execute(&create).await {
            return Err(Refusal::new(Code::NotRehearsable, "no database could be made for the rehearsal")
                .cause(errors::fault(e, doing).to_string())
                .help("name a role that may: ALTER ROLE ... CREATEDB; or leave --dev-url out")
                .into());
        }
        options.database.clone_from(&name);
        let client = match connect::connect(&options).await {
            Ok(connected) => connected.client,
            Err(fault) => {
                drop_database(&keeper, &name).await?;
                return Err(fault);
            }
        };
        Ok(Self { keeper, options, name, who: target.who.clone(), client })
    }

    async fn run(&self, sql: &str) -> Result<(), tokio_postgres::Error> {
        self.client.batch_execute(sql).await
    }

    /// Makes an object, or nothing of it.
    async fn make(&self, object: &Object) -> Result<(), String> {
        let sql = format!("BEGIN; {}; COMMIT", object.make.join(";\n"));
        match self.run(&sql).await {
            Ok(()) => Ok(()),
            Err(e) => {
                let _ = self.run("ROLLBACK").await;
                Err(e.as_db_error().map_or_else(|| e.to_string(), |db| db.message().to_owned()))
            }
        }
    }
}

/// Drops what a process left behind that was killed: nobody holds its lock.
async fn clean(keeper: &Client) -> Result<()> {
    let doing = "looking for what an earlier rehearsal left";
    let query = "SELECT datname::pg_catalog.text FROM pg_catalog.pg_database WHERE datname ~ $1
                   AND pg_catalog.pg_has_role(datdba, 'USAGE')";
    let begins = format!("^{PREFIX}[0-9a-f]{{32}}$");
    let rows =
        keeper.query_typed(query, &[(&begins, Type::TEXT)]).await.map_err(|e| errors::fault(e, doing))?;
    for row in rows {
        let name: String = row.get(0);
        let take = format!("SELECT pg_catalog.pg_try_advisory_lock({LOCK})");
        let taken =
            keeper.query_typed(&take, &[(&name, Type::TEXT)]).await.map_err(|e| errors::fault(e, doing))?;
        if taken.first().is_some_and(|row| row.get(0)) {
            drop_database(keeper, &name).await?;
            let free = format!("SELECT pg_catalog.pg_advisory_unlock({LOCK})");
            keeper.query_typed(&free, &[(&name, Type::TEXT)]).await.map_err(|e| errors::fault(e, doing))?;
        }
    }
    Ok(())
}

async fn drop_database(keeper: &Client, name: &str) -> Result<()> {
    let doing = "dropping the database of the rehearsal";
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

    async fn build(&mut self, schema: &[Object], roles: &[String]) -> Result<Vec<NotCarried>> {
        let doing = "making the copy of the schema";
        let fault = |e| errors::fault(e, doing);
        self.run("SET check_function_bodies = off; SET client_min_messages = error").await.map_err(fault)?;
        for role in roles {
            // One that is there is as good.
            let _ = self.run(&format!("CREATE ROLE {} NOLOGIN", QuotedIdent::new(role)?)).await;
        }
        let mut missing: Vec<NotCarried> = Vec::new();
        let mut left: Vec<(&Object, String)> = Vec::new();
        for object in schema {
            if object.foreign {
                missing.push(NotCarried {
                    name: object.name.clone(),
                    why: "it is of a kind that is not copied".into(),
                });
            } else if !object.make.is_empty() {
                left.push((object, String::new()));
            }
        }
        // What needs something that comes later is made on the next way through.
        loop {
            let before = left.len();
            let mut again = Vec::new();
            for (object, _) in left {
                if let Err(why) = self.make(object).await {
                    if self.client.is_closed() {
                        return Err(errors::lost(doing));
                    }
                    again.push((object, why));
                }
            }
            left = again;
            if left.is_empty() || left.len() == before {
                break;
            }
        }
        missing.extend(left.into_iter().map(|(object, why)| NotCarried { name: object.name.clone(), why }));
        Ok(missing)
    }

    async fn sample(&mut self, from: &Target, tables: &[Name], most: u32) -> Result<u64> {
        let live = connect::connect(&resolved(from)?).await?.client;
        sample::sample(&live, &self.client, tables, most).await
    }

    async fn count(&mut self, facts: &Facts) -> Result<Vec<NotCarried>> {
        let version = self
            .client
            .query_typed("SELECT pg_catalog.current_setting('server_version_num')::pg_catalog.int4", &[]);
        let rows = version.await.map_err(|e| errors::fault(e, "asking for the version"))?;
        let major = rows.first().map_or(0, |row| row.get::<_, i32>(0)) / 10_000;
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
            let sql = if major >= 18 {
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
