//! Whether what is said of a statement is what a real server does: its lock, and whether it rewrites, reads, or builds
//! an index. The table of locks that ships is printed from this, never typed.
//!
//! `cargo xtask oracle` asks every version that can be had and writes the table anew; in the tests the installed server
//! and the portable build, where one is there, are asked, and must say what stands in the table.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed"
)]

mod ask;
mod statement;
mod table;
mod word;

use cofferdam_scratch::{Binaries, EVERY, Options, Server, fetch, find, skipped};

use statement::statements;
use table::Table;

/// What this run asks: with `COFFERDAM_ORACLE=all` every version that can be had, else what is here already.
fn servers() -> Vec<Binaries> {
    let all = std::env::var_os("COFFERDAM_ORACLE").is_some_and(|value| value == "all");
    let mut found: Vec<Binaries> = Vec::new();
    if all {
        for version in EVERY {
            match fetch(version, &mut |_| {}) {
                Ok(binaries) => found.push(binaries),
                Err(why) => skipped(&format!("the oracle on PostgreSQL {version}"), &why.to_string()),
            }
        }
        return found;
    }
    found.extend(find());
    found.extend(fetch(cofferdam_scratch::PORTABLE, &mut |_| {}).ok());
    found.dedup_by_key(|binaries| binaries.version / 10_000);
    found
}

#[test]
fn what_is_said_of_a_statement_is_what_the_server_does() {
    let servers = servers();
    if servers.is_empty() {
        return skipped("what_is_said_of_a_statement_is_what_the_server_does", "no PostgreSQL here");
    }
    let writes = std::env::var_os("UPDATE_DOCS").is_some();
    let mut table = Table::read();
    let mut wrong = Vec::new();
    for binaries in &servers {
        let major = binaries.version / 10_000;
        let server = Server::start(binaries, &Options::default()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let asked = runtime.block_on(ask::ask_all(&server, &statements(major)));
        for answer in &asked {
            wrong.extend(word::judge(answer).into_iter().map(|why| format!("PostgreSQL {major}: {why}")));
            if writes {
                table.put(answer, major);
            } else if let Some(why) = table.compare(answer, major) {
                wrong.push(why);
            }
        }
    }
    if writes {
        table.write();
    }
    assert!(!Table::page_is_stale(), "docs/locks.md is not that of the table: run cargo xtask oracle");
    assert!(wrong.is_empty(), "{} words are not the server's:\n{}", wrong.len(), wrong.join("\n"));
}
