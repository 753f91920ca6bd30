//! Peers from the registry of Rust's crates.

use std::fs;
use std::path::Path;

use super::{Peer, Use, succeed};
use crate::machine::cargo;

pub(super) static SQLX: Peer = Peer {
    name: "sqlx",
    version: "0.8.6",
    variable: "SQLX",
    with: "",
    note: "its command line with PostgreSQL only and without TLS, not optimised",
    uses: &[Use::Judge],
    needs: &["cargo"],
    make,
};

fn make(peer: &Peer, folder: &Path) -> Result<(), String> {
    let target = folder.join("target");
    let mut command = cargo();
    command
        // Not in this workspace: its settings are not the peer's.
        .current_dir(folder)
        .args(["install", "sqlx-cli", "--version", peer.version, "--locked", "--debug", "--quiet"])
        .args(["--no-default-features", "--features", "postgres", "--bin", "sqlx", "--root"])
        .arg(folder)
        .env("CARGO_TARGET_DIR", &target)
        .env("CARGO_PROFILE_DEV_DEBUG", "0");
    // Flags for the workspace's own code.
    command.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    succeed(&mut command)?;
    fs::remove_dir_all(&target).map_err(|e| e.to_string())?;
    fs::rename(folder.join("bin").join("sqlx"), folder.join(peer.name)).map_err(|e| e.to_string())
}
