//! The process in the Job of a DatabaseMigration: the real program on a real server, with its object in a file in place
//! of a cluster, and the Secret and the ConfigMaps in folders in place of mounts.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]
#![allow(unreachable_pub, dead_code, reason = "nothing of a test is seen from outside")]

#[path = "../support/store.rs"]
mod store;
#[path = "../support/mod.rs"]
mod support;

mod consent;
mod container;
mod end;
mod guard;
mod history;
mod images;
mod mysql;
mod online;
mod park;
mod pod;
mod restore;
mod scripts;
mod server_pods;
mod waits;
