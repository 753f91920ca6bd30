//! The outside that is not a database: sources of migrations

pub mod sources;
