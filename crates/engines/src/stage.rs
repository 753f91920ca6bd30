//! A throw-away database: one of our own on a server, under a name of our own.

use async_trait::async_trait;
use serde::Serialize;

use cofferdam_core::fault::Result;
use cofferdam_core::{Facts, Name};
use cofferdam_schema::{Leaving, Schema};

use crate::{Session, Target};

/// What could not be carried over to a copy, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotCarried {
    /// What it is about: `table public.orders`.
    pub name: String,
    /// In the server's words, or ours.
    pub why: String,
}

/// A database that is ours alone. It stays empty until something is done in it, and goes with [`Stage::end`]; where the
/// process dies before, the next [`crate::Engine::stage`] on the server drops it.
#[async_trait]
pub trait Stage: Send {
    /// A session with it, as any other session.
    async fn open(&self, application: &str) -> Result<Box<dyn Session>>;

    /// Makes roles where they are not there, without a right to anything. They belong to the whole server and stay: of
    /// one that others use none should be named.
    async fn roles(&mut self, names: &[String]) -> Result<()>;

    /// Makes these objects, but for what is left out. What cannot be made is returned, and the rest is made all the
    /// same.
    async fn build(&mut self, schema: &Schema, leaving: Leaving) -> Result<Vec<NotCarried>>;

    /// Brings at most so many rows of each of these tables from the database at `from`, and those that they refer to,
    /// and where its sequences stand. Reads there in one snapshot, and for a bounded time. How many rows came.
    async fn sample(&mut self, from: &Target, tables: &[Name], most: u32) -> Result<u64>;

    /// Says in the catalog that the tables have as many rows and pages as these facts say. What could not be said, and
    /// why.
    async fn count(&mut self, facts: &Facts) -> Result<Vec<NotCarried>>;

    /// Drops the database. Nothing of it is left.
    async fn end(&mut self) -> Result<()>;
}
