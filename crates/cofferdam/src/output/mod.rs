//! What is written: results to stdout, everything else to stderr.
//!
//! A command makes a view (plain data, serialised in camelCase) and a text from it; [`Console::show`] writes the
//! one or the other. No command prints by itself.

pub(crate) mod alter;
pub(crate) mod audit;
pub(crate) mod backup;
pub(crate) mod console;
pub(crate) mod diff;
pub(crate) mod envelope;
pub(crate) mod error;
pub(crate) mod finding;
pub(crate) mod frame;
pub(crate) mod guard;
pub(crate) mod history;
pub(crate) mod import;
pub(crate) mod kube;
pub(crate) mod mask;
pub(crate) mod online;
pub(crate) mod parked;
pub(crate) mod plan;
pub(crate) mod progress;
pub(crate) mod rehearsal;
pub(crate) mod report;
pub(crate) mod rollback;
pub(crate) mod run;
pub(crate) mod status;
pub(crate) mod table;
pub(crate) mod words;

pub(crate) use console::Console;
