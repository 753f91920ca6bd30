//! The program that is measured.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::machine::{cargo, output, stream};
use crate::test::target_dir;

/// The release build.
pub(super) struct Product {
    pub(super) program: PathBuf,
    /// What it says it is, in one line.
    pub(super) version: String,
}

impl Product {
    /// The program that `COFFERDAM` names; else the release, built from what the sources are now: numbers of an
    /// older build would mislead.
    pub(super) fn ready() -> Result<Self, String> {
        let program = match env::var_os("COFFERDAM").filter(|v| !v.is_empty()) {
            Some(named) => PathBuf::from(named),
            None => build()?,
        };
        let said = output(Command::new(&program).arg("--version"))?;
        let version = said.trim().trim_start_matches("cofferdam ").to_owned();
        Ok(Self { program, version })
    }

    /// A command of it that reads no configuration of the machine, in a folder.
    pub(super) fn command(&self, folder: &Path) -> Command {
        without_settings(&self.program, folder)
    }
}

fn build() -> Result<PathBuf, String> {
    let target = target_dir();
    let mut command = cargo();
    command.args(["build", "--release", "--package", "cofferdam"]).env("CARGO_TARGET_DIR", &target);
    match stream(&mut command)? {
        0 => Ok(target.join("release/cofferdam")),
        _ => Err("the release does not build; COFFERDAM=PATH measures another program".to_owned()),
    }
}

/// A command in a folder, without what a variable could tell it about databases.
pub(super) fn without_settings(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder);
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        let foreign =
            ["PG", "COFFERDAM_", "GOOSE_", "FLYWAY_", "DBMATE_"].iter().any(|p| text.starts_with(p));
        if foreign || text == "DATABASE_URL" {
            command.env_remove(&name);
        }
    }
    command
}
