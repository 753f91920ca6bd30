//! Peers from the registry of Go modules.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{Peer, Use, succeed};
use crate::machine::output;

pub(super) static GOOSE: Peer = Peer {
    name: "goose",
    version: "v3.29.0",
    variable: "GOOSE",
    with: "mysql",
    note: "built with PostgreSQL and MySQL only, which makes it smaller than the published one",
    uses: &[Use::Measured, Use::Judge],
    needs: &["go"],
    make: |peer, folder| {
        install(peer, folder, "github.com/pressly/goose/v3/cmd/goose", GOOSE_WITHOUT)?;
        Ok(())
    },
};

/// Some modules of its drivers for other databases cannot be had from every mirror, and none of them is measured.
const GOOSE_WITHOUT: &str = "no_azuresql no_clickhouse no_libsql no_mssql no_sqlite3 no_vertica no_ydb";

pub(super) static MIGRATE: Peer = Peer {
    name: "golang-migrate",
    version: "v4.20.1",
    variable: "MIGRATE",
    with: "mysql",
    note: "built with PostgreSQL and MySQL only, as its documentation has it",
    uses: &[Use::Measured, Use::Judge],
    needs: &["go"],
    make: |peer, folder| {
        install(peer, folder, "github.com/golang-migrate/migrate/v4/cmd/migrate", "postgres mysql")?;
        fs::rename(folder.join("migrate"), folder.join(peer.name)).map_err(|e| e.to_string())
    },
};

pub(super) static DBMATE: Peer = Peer {
    name: "dbmate",
    version: "v2.28.0",
    variable: "DBMATE",
    with: "",
    note: "built without cgo, thus without SQLite",
    uses: &[Use::Measured, Use::Judge],
    needs: &["go"],
    make: |peer, folder| build(peer, folder, "github.com/amacneil/dbmate/v2", &[]),
};

pub(super) static ATLAS: Peer = Peer {
    name: "atlas",
    // The latest of its community command that every mirror has.
    version: "v0.13.1",
    variable: "ATLAS",
    with: "",
    note: "its community command, built without cgo, thus without SQLite",
    uses: &[Use::Judge],
    needs: &["go"],
    // What it pins itself does not build with today's Go.
    make: |peer, folder| {
        build(peer, folder, "ariga.io/atlas/cmd/atlas", &[("golang.org/x/tools", "v0.35.0")])
    },
};

pub(super) static SPIRIT: Peer = Peer {
    name: "spirit",
    version: "v0.12.0",
    variable: "SPIRIT",
    with: "",
    note: "its command",
    uses: &[Use::Online],
    needs: &["go"],
    make: |peer, folder| command(peer, folder, "github.com/block/spirit", "cmd/spirit"),
};

pub(super) static GH_OST: Peer = Peer {
    name: "gh-ost",
    version: "v1.1.8",
    variable: "GH_OST",
    with: "",
    note: "its command",
    uses: &[Use::Online],
    needs: &["go"],
    make: |peer, folder| command(peer, folder, "github.com/github/gh-ost", "go/cmd/gh-ost"),
};

pub(super) static VERSITYGW: Peer = Peer {
    name: "versitygw",
    version: "v1.8.0",
    variable: "VERSITYGW",
    with: "",
    note: "an S3 server over a folder, which checks signatures",
    uses: &[Use::Store],
    needs: &["go"],
    make: |peer, folder| install(peer, folder, "github.com/versity/versitygw/cmd/versitygw", ""),
};

pub(super) static FAKE_GCS: Peer = Peer {
    name: "fake-gcs-server",
    version: "v1.56.1",
    variable: "FAKE_GCS",
    with: "",
    note: "an emulator of Google's storage, behind a door of ours that adds PUT and checks who asks",
    uses: &[Use::Store],
    needs: &["go"],
    make: |peer, folder| {
        let door = ("main.go", include_str!("gcs.go"));
        make(peer, folder, "github.com/fsouza/fake-gcs-server", &[], door, ".")
    },
};

/// Where it builds, cgo would need a C compiler.
fn go(folder: &Path) -> Command {
    let mut command = Command::new("go");
    command.current_dir(folder).env("CGO_ENABLED", "0");
    command
}

/// `go install` of one command with build tags, its program going into the folder.
fn install(peer: &Peer, folder: &Path, command: &str, tags: &str) -> Result<(), String> {
    let module = format!("{command}@{}", peer.version);
    succeed(
        go(folder)
            .args(["install", "-trimpath", "-ldflags", "-s -w", "-tags", tags, &module])
            .env("GOBIN", folder),
    )
}

/// Builds a command that is a module's root, pinned in a module of our own, with newer releases of what it needs:
/// `go install` asks for the list of its versions, which not every mirror has, and a `require` does not.
fn build(peer: &Peer, folder: &Path, import: &str, newer: &[(&str, &str)]) -> Result<(), String> {
    let tools = tools(import);
    make(peer, folder, import, newer, ("tools.go", &tools), import)
}

/// The same of a command that is a folder of its module.
fn command(peer: &Peer, folder: &Path, module: &str, place: &str) -> Result<(), String> {
    let import = format!("{module}/{place}");
    let tools = tools(&import);
    make(peer, folder, module, &[], ("tools.go", &tools), &import)
}

/// A file that needs a command, so that what it is made of is in the module.
fn tools(import: &str) -> String {
    format!("//go:build tools\n\npackage peers\n\nimport _ \"{import}\"\n")
}

/// Builds a program in a module of our own that needs this one, and has one file.
fn make(
    peer: &Peer,
    folder: &Path,
    module: &str,
    newer: &[(&str, &str)],
    (name, text): (&str, &str),
    program: &str,
) -> Result<(), String> {
    let source = folder.join("source");
    fs::create_dir(&source).map_err(|e| e.to_string())?;
    let go_version = output(go(folder).args(["env", "GOVERSION"]))?;
    let go_version = go_version.trim().trim_start_matches("go");
    let require = |module: &str, version: &str| format!("require {module} {version}\n");
    let required = newer.iter().fold(require(module, peer.version), |text, (m, v)| text + &require(m, v));
    let module = format!("module peers\n\ngo {go_version}\n\n{required}");
    for (name, text) in [("go.mod", module.as_str()), (name, text)] {
        fs::write(source.join(name), text).map_err(|e| format!("{name}: {e}"))?;
    }
    let mut build = go(&source);
    build.args(["build", "-trimpath", "-ldflags", "-s -w", "-o"]).arg(folder.join(peer.name)).arg(program);
    succeed(build.env("GOFLAGS", "-mod=mod"))
}
