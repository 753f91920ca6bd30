//! Flags that several commands share, and how their values are read.

pub(crate) mod allow;
pub(crate) mod backup;
pub(crate) mod before;
pub(crate) mod common;
pub(crate) mod duration;
pub(crate) mod guard;
pub(crate) mod ledger;
pub(crate) mod limits;
pub(crate) mod name;
pub(crate) mod online;
pub(crate) mod park;
pub(crate) mod policy;

pub(crate) use common::Common;
