//! pg_repack, the peer: it writes a table anew beside the old one, and verifies nothing. It changes no definition, so
//! that it does the same work as an ALTER that rewrites, without the ALTER.

use std::path::PathBuf;
use std::process::Command;

use super::ground::{DATABASE, Ground};
use crate::machine::output;
use crate::setup;

/// The program, with what it says it is.
pub(super) struct Repack {
    program: PathBuf,
    pub(super) version: String,
}

impl Repack {
    /// The one that belongs to the server; installed where that can be done without touching the server.
    pub(super) fn ready(ground: &Ground<'_>) -> Result<Self, String> {
        let program = ground.bin_dir().join("pg_repack");
        if !program.is_file() {
            setup::add(&format!("postgresql-{}-repack", ground.server.version() / 10_000))?;
        }
        if !program.is_file() {
            return Err(format!("{} is not there", program.display()));
        }
        let version = output(Command::new(&program).arg("--version"))?;
        Ok(Self { program, version: version.trim().trim_start_matches("pg_repack ").to_owned() })
    }

    /// Its command for a table of the database that is measured in.
    pub(super) fn command(&self, ground: &Ground<'_>, table: &str, jobs: u32) -> Result<Command, String> {
        ground.run(DATABASE, &["CREATE EXTENSION IF NOT EXISTS pg_repack"])?;
        let mut command = Command::new(&self.program);
        command.args(["-h", ground.server.host(), "-p", &ground.server.port().to_string()]);
        command.args(["-U", ground.server.superuser(), "-d", DATABASE, "-t", table, "--no-order"]);
        if jobs > 1 {
            command.args(["-j", &jobs.to_string()]);
        }
        Ok(command)
    }
}
