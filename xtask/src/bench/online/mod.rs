//! `online`: how fast a table is changed online, and what it costs those who use the table meanwhile.
//!
//! Each measure has a server and data of its own. What a number should be stands in the `goal:` lines.

mod application;
pub(super) mod change;
pub(super) mod cutover;
pub(super) mod ground;
pub(super) mod load;
mod mariadb;
mod memory;
mod mysql;
mod repack;
mod restart;
pub(super) mod tables;
mod whole;

use super::measures::Measure;

/// Every measure.
pub(super) static MEASURES: &[Measure] = &[
    Measure {
        name: "whole",
        about: "from start to swapped, beside a plain ALTER and pg_repack",
        run: whole::run,
    },
    Measure { name: "cutover", about: "how long the table was locked, under load", run: cutover::run },
    Measure { name: "application", about: "what the application notices", run: application::run },
    Measure { name: "memory", about: "the most memory that the program had", run: memory::run },
    Measure {
        name: "mysql",
        about: "the same on MySQL: whole time beside the peers, memory, cutover under load",
        run: mysql::run,
    },
    Measure { name: "mariadb", about: "the same on MariaDB", run: mariadb::run },
    Measure { name: "restart", about: "what is done twice after a kill", run: restart::run },
];

/// Files that measure nothing by themselves.
pub(super) static HELPERS: &[&str] = &["change", "ground", "load", "repack", "tables"];
