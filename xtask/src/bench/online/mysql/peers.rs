//! The other tools that change a table online.

use std::path::{Path, PathBuf};
use std::process::Command;

use cofferdam_scratch::mysql::Kind;

use super::ground::{DATABASE, Ground, ORDERS, WIDER};
use crate::bench::product::without_settings;
use crate::machine::{has_program, output};
use crate::{peers, setup};

/// One that is measured where it can be had.
pub(super) struct Peer {
    pub(super) name: &'static str,
    /// What is to be known of the comparison.
    pub(super) note: &'static str,
    /// The servers that it is made for.
    pub(super) kinds: &'static [Kind],
    /// Its program and version.
    pub(super) ready: fn() -> Result<(PathBuf, String), String>,
    /// Changes the orders.
    pub(super) command: fn(&Path, &Ground<'_>) -> Command,
}

pub(super) static PEERS: &[Peer] = &[
    Peer {
        name: "spirit",
        note: "compares both tables, and keeps no way back",
        kinds: &[Kind::MySql],
        ready: || made("spirit"),
        command: |program, ground| {
            let mut command = without_settings(program, ground.folder.path());
            let statement = format!("ALTER TABLE {ORDERS} {WIDER}");
            command.args(["migrate", "--username", "root", "--password", "", "--database", DATABASE]);
            command.args(["--host", &address(ground), "--statement", &statement]);
            command
        },
    },
    Peer {
        name: "gh-ost",
        note: "compares nothing; chunks of 2000 rows",
        kinds: &[Kind::MySql],
        ready: || made("gh-ost"),
        command: |program, ground| {
            let mut command = without_settings(program, ground.folder.path());
            command.args(["--host", "127.0.0.1", "--port", &ground.server.port().to_string()]);
            command.args(["--user", "root", "--password", "", "--database", DATABASE, "--table", ORDERS]);
            command.args(["--alter", WIDER, "--allow-on-master", "--assume-rbr", "--chunk-size", "2000"]);
            command.args([
                "--initially-drop-old-table",
                "--initially-drop-ghost-table",
                "--ok-to-drop-table",
            ]);
            command.args(["--initially-drop-socket-file", "--execute"]);
            command
        },
    },
    Peer {
        name: "pt-online-schema-change",
        note: "triggers that write each row twice; compares nothing",
        kinds: &[Kind::MySql, Kind::MariaDb],
        ready: || {
            const PROGRAM: &str = "pt-online-schema-change";
            if !has_program(PROGRAM) {
                // Its Perl may have to be newer than the one that is here.
                setup::install_packages(&["percona-toolkit"])?;
            }
            let said = output(Command::new(PROGRAM).arg("--version"))?;
            let version = said.trim().rsplit(' ').next().unwrap_or_default().to_owned();
            Ok((PathBuf::from(PROGRAM), version))
        },
        command: |program, ground| {
            let mut command = without_settings(program, ground.folder.path());
            let port = ground.server.port();
            let place = format!("h=127.0.0.1,P={port},u=root,D={DATABASE},t={ORDERS}");
            command.args(["--alter", WIDER, "--execute", "--no-version-check", "--recursion-method", "none"]);
            command.arg(place);
            command
        },
    },
];

fn made(name: &str) -> Result<(PathBuf, String), String> {
    let peer = peers::of(peers::Use::Online).find(|peer| peer.name == name);
    let ready = peer.ok_or_else(|| format!("there is no peer {name}"))?.ready()?;
    Ok((ready.program, ready.version))
}

fn address(ground: &Ground<'_>) -> String {
    format!("127.0.0.1:{}", ground.server.port())
}
