//! The operator on a real Kubernetes with real Pods, and a real PostgreSQL that they reach.
//!
//! `cargo xtask test` brings the cluster up and says in the environment how it is reached. The chart is installed once;
//! each test has a namespace of its own, in which Pod Security is enforced as `restricted`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

#[cfg(feature = "failpoints")]
mod api;
mod cluster;
mod container;
#[cfg(feature = "failpoints")]
mod crash;
mod database;
mod disturbed;
#[cfg(feature = "failpoints")]
mod drills;
mod faults;
mod gates;
mod hook;
mod images;
mod leader;
mod manifests;
mod metrics;
mod mysql;
mod namespace;
mod plugin;
#[cfg(feature = "failpoints")]
mod proxy;
mod rights;
mod runs;
#[cfg(feature = "failpoints")]
mod shared;
mod webhook;

#[cfg(feature = "failpoints")]
use shared::{place, session, support};
