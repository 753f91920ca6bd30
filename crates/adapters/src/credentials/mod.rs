//! Logins that somebody else vouches for, in place of a password that is kept.

mod aws;
pub mod rds_iam;
mod sigv4;
mod sts;

pub use rds_iam::RdsIam;
