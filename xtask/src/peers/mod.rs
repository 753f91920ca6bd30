//! `cargo xtask peers`: the tools that Cofferdam is measured against, those that judge what it wrote, and the servers that
//! its backups go to.
//!
//! A peer is fetched or built once by the client of its own registry, at a pinned version, into the test cache.
//! Nothing of it lies in the repository.

mod crates;
mod flyway;
mod go;
mod npm;

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::machine::stream;
use crate::{Outcome, shelf};

/// What a peer is for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Use {
    /// Cofferdam is measured against it.
    Measured,
    /// It says in tests/interop whether it agrees with what Cofferdam left.
    Judge,
    /// It changes tables online, as Cofferdam does.
    Online,
    /// A server of an object store, to which tests take backups.
    Store,
}

/// A program of others that a test or a bench needs.
pub(crate) struct Peer {
    /// What it is called.
    pub(crate) name: &'static str,
    /// The version that is fetched, as its registry writes it.
    pub(crate) version: &'static str,
    /// The variable that names a program to be used in its place.
    pub(crate) variable: &'static str,
    /// The names of databases that it was made for, where it was made for others before: a cache that was made then is not
    /// enough.
    pub(crate) with: &'static str,
    /// How it was made, where that differs from what its users have.
    pub(crate) note: &'static str,
    /// What it is for.
    pub(crate) uses: &'static [Use],
    /// What has to be on the machine to make it.
    needs: &'static [&'static str],
    /// Makes it in an empty folder, as a program with the peer's name.
    make: fn(&Peer, &Path) -> Result<(), String>,
}

/// Every peer.
pub(crate) static PEERS: &[&Peer] = &[
    &go::GOOSE,
    &go::MIGRATE,
    &go::DBMATE,
    &go::ATLAS,
    &go::SPIRIT,
    &go::GH_OST,
    &flyway::FLYWAY,
    &flyway::COMMAND_LINE,
    &npm::DRIZZLE,
    &crates::SQLX,
    &go::VERSITYGW,
    &npm::AZURITE,
    &go::FAKE_GCS,
];

/// Those for one use.
pub(crate) fn of(wanted: Use) -> impl Iterator<Item = &'static Peer> {
    PEERS.iter().copied().filter(move |peer| peer.uses.contains(&wanted))
}

/// The programs for one use, each under its variable. One that cannot be made is left out and said to be: the tests that
/// need it say so, too.
pub(crate) fn programs(wanted: Use) -> Vec<(&'static str, PathBuf)> {
    let ready = |peer: &'static Peer| match peer.ready() {
        Ok(ready) => Some((peer.variable, ready.program)),
        Err(why) => {
            println!("peers: {} {} is not here: {why}", peer.name, peer.version);
            None
        }
    };
    of(wanted).filter_map(ready).collect()
}

/// A peer that can be run.
pub(crate) struct Ready {
    /// The program.
    pub(crate) program: PathBuf,
    /// The version; the variable's name if the environment named the program.
    pub(crate) version: String,
    /// The environment named it, so that nothing is known of how it was made.
    pub(crate) named: bool,
}

impl Peer {
    /// The program that the environment names; else the one in the cache, made if it is not there yet.
    pub(crate) fn ready(&self) -> Result<Ready, String> {
        if let Some(named) = env::var_os(self.variable).filter(|v| !v.is_empty()).map(PathBuf::from) {
            if !named.is_file() {
                return Err(format!("{}={} is no file", self.variable, named.display()));
            }
            let version = format!("${}", self.variable);
            return Ok(Ready { program: named, version, named: true });
        }
        let key = if self.with.is_empty() { "" } else { "+" };
        let key = format!("{}{key}{}", self.version, self.with);
        let folder = shelf::once("peers", self.name, &key, |folder| {
            if let Some(missing) = self.needs.iter().find(|need| !crate::machine::has_program(need)) {
                return Err(format!("`{missing}` is not on this machine; it makes {}", self.name));
            }
            println!("peers: making {} {}", self.name, self.version);
            (self.make)(self, folder)
        })?;
        Ok(Ready { program: folder.join(self.name), version: self.version.to_owned(), named: false })
    }
}

/// Makes the peers, or those that are named.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    if let Some(unknown) = arguments.iter().find(|name| PEERS.iter().all(|peer| peer.name != **name)) {
        let names: Vec<&str> = PEERS.iter().map(|peer| peer.name).collect();
        return Err(format!("there is no peer `{unknown}`; there are {}", names.join(", ")));
    }
    let mut failed = 0;
    for peer in PEERS.iter().filter(|peer| arguments.is_empty() || arguments.iter().any(|a| a == peer.name)) {
        match peer.ready() {
            Ok(ready) => println!("peers: {} {}: {}", peer.name, ready.version, ready.program.display()),
            Err(why) => {
                failed += 1;
                println!("peers: {} {} is not here: {why}", peer.name, peer.version);
            }
        }
    }
    Ok(u8::from(failed > 0))
}

fn succeed(command: &mut Command) -> Result<(), String> {
    match stream(command)? {
        0 => Ok(()),
        code => {
            Err(format!("{} ended with {code}; what it said stands above", command.get_program().display()))
        }
    }
}

fn executable(path: &Path) -> Result<(), String> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_peer_of_the_folder_is_in_the_table() {
        let sources = [
            include_str!("crates.rs"),
            include_str!("flyway.rs"),
            include_str!("go.rs"),
            include_str!("npm.rs"),
        ];
        let written: usize = sources.iter().map(|text| text.matches(": Peer =").count()).sum();
        assert_eq!(written, PEERS.len());
    }

    #[test]
    fn a_peer_has_names_of_its_own() {
        for (index, peer) in PEERS.iter().enumerate() {
            assert!(
                !peer.version.is_empty() && !peer.needs.is_empty() && !peer.uses.is_empty(),
                "{}",
                peer.name
            );
            for other in &PEERS[..index] {
                assert!(other.name != peer.name && other.variable != peer.variable, "{}", peer.name);
            }
        }
    }

    #[test]
    fn a_name_that_is_no_peer_is_refused() {
        let why = run(&["gooose".to_owned()]).unwrap_err();
        assert!(why.contains("gooose") && why.contains("golang-migrate"), "{why}");
    }
}
