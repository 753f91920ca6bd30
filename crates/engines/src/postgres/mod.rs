//! PostgreSQL 12 and later, on tokio-postgres with rustls.

use async_trait::async_trait;

use cofferdam_core::fault::Result;

use crate::{Engine, Session, Stage, Target};

pub mod cells;
mod claim;
mod commit;
pub mod connect;
mod copy;
pub mod errors;
pub mod facts;
mod history;
mod inspect;
mod large;
mod ledger;
mod online;
pub mod options;
mod others;
mod outbox;
mod parked;
mod passfile;
mod perform;
mod probe;
mod reading;
mod recall;
mod record;
mod rehearsal;
mod replication;
pub mod rights;
mod schema;
mod service;
mod session;
mod stage;
mod statements;
mod tls;
mod touch;
mod vitals;
mod watch;

/// The engine.
#[derive(Debug, Clone, Copy)]
pub struct Postgres;

#[async_trait]
impl Engine for Postgres {
    fn id(&self) -> &'static str {
        "postgresql"
    }

    fn schemes(&self) -> &'static [&'static str] {
        &["postgres", "postgresql"]
    }

    async fn open(&self, target: &Target) -> Result<Box<dyn Session>> {
        Ok(Box::new(session::PostgresSession::open(target).await?))
    }

    async fn stage(&self, target: &Target) -> Result<Box<dyn Stage>> {
        Ok(Box::new(stage::PostgresStage::open(target).await?))
    }
}
