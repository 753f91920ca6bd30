//! The command line on MySQL and MariaDB: the everyday commands, what dies in between, TLS, and what is refused. Each test
//! runs on both servers, and is noted as skipped where one is missing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests fail by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

/// Makes of each function two tests, one for each server, in modules of their own.
macro_rules! on_both {
    ($($name:ident,)*) => {
        mod mysql {
            $(#[test] fn $name() { super::$name(cofferdam_scratch::mysql::Kind::MySql); })*
        }
        mod mariadb {
            $(#[test] fn $name() { super::$name(cofferdam_scratch::mysql::Kind::MariaDb); })*
        }
    };
}

mod backup;
mod crash;
#[path = "../stress/dice.rs"]
#[allow(unreachable_pub, dead_code, reason = "it is the other harness's, too")]
mod dice;
mod everyday;
mod guarded;
mod kept;
mod online;
mod reached;
mod refused;
mod replicated;
mod site;
mod there;
mod tls;
mod together;
mod whole;
