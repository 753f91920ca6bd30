//! The outside that is not a database: sources of migrations, places for backups, what is looked at before a change,
//! those who are told of runs, metrics, and logins

pub mod backup;
pub mod checks;
pub mod credentials;
mod http;
pub mod metrics;
pub mod notify;
pub mod sources;
#[cfg(feature = "otlp")]
pub mod traces;
