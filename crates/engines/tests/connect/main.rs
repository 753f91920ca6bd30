//! The PostgreSQL engine's way to a server, against real servers: options, logins, TLS, errors, facts, rights.

#![cfg(feature = "postgres")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "helpers of tests are tests"
)]

mod facts;
mod logins;
mod quoting;
mod rights;
mod statements;
mod support;
mod tls;

#[test]
fn every_file_of_the_folder_is_a_module() {
    let source = include_str!("main.rs");
    for file in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/connect")).unwrap() {
        let name = file.unwrap().file_name().to_string_lossy().replace(".rs", "");
        assert!(name == "main" || source.contains(&format!("mod {name};")), "{name}");
    }
}
