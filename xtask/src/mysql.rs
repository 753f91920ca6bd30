//! MySQL, which the stable distributions have no package of.
//!
//! Debian's unstable one has. Its packages are got by apt with a state of its own, checked against Debian's keys, and
//! unpacked without being installed, so this needs no root and changes nothing of the machine. The server runs with
//! the libraries that came with it: see the crate `cofferdam-scratch`.

use std::fs;
use std::path::Path;
use std::process::Command;

use cofferdam_scratch::mysql::{Kind, client, find, unpacked};

use crate::machine::{has_program, output};
use crate::shelf;

/// Which series is wanted: the folder's name, and how the version begins.
const SERIES: &str = "9";
/// The package that holds the server alone.
const SERVER: &str = "mysql-server-core";
/// The one that holds mysql and mysqldump.
const CLIENTS: &str = "mysql-client-core";
/// Debian's keys.
const KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Gets a server and the programs of its clients where there are none.
pub(crate) fn prepare() -> Result<(), String> {
    if client(Kind::MySql, "mysqldump").is_err() {
        unpack(CLIENTS, "mysql-client")?;
    }
    if find(Kind::MySql).is_ok() {
        return Ok(());
    }
    unpack(SERVER, "mysql")?;
    let found = find(Kind::MySql).map_err(|e| e.to_string())?;
    if !found.version_text.starts_with(&format!("{SERIES}.")) {
        println!("setup: the server is MySQL {}, and tests are for {SERIES}", found.version_text);
    }
    Ok(())
}

/// Makes a folder of this name, among those of the servers, of a package and all that it needs.
fn unpack(package: &str, name: &str) -> Result<(), String> {
    for program in ["apt-get", "dpkg-deb"] {
        if !has_program(program) {
            return Err(format!("there is no {program} to get {package} with"));
        }
    }
    let servers = unpacked().map_err(|e| e.to_string())?;
    println!("setup: fetching {package} of Debian sid into {}", servers.display());
    shelf::once_in(&servers, name, SERIES, |root| fetch(package, root)).map(drop)
}

fn fetch(package: &str, root: &Path) -> Result<(), String> {
    let apt = tempfile::tempdir().map_err(|e| format!("cannot create a temporary folder: {e}"))?;
    let file = |name: &str, text: &str| {
        let path = apt.path().join(name);
        fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))
    };
    for folder in ["lists/partial", "cache/archives/partial"] {
        let path = apt.path().join(folder);
        fs::create_dir_all(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    }
    file("sources.list", &format!("deb [signed-by={KEYS}] {} sid main\n", mirror()?))?;
    // Nothing is installed, so everything that the server needs comes with it, the C library too.
    file("status", "")?;
    run(apt.path(), &["update"])?;
    run(apt.path(), &["install", "--yes", "--no-install-recommends", "--download-only", package])?;
    let archives = apt.path().join("cache/archives");
    let entries = fs::read_dir(&archives).map_err(|e| format!("{}: {e}", archives.display()))?;
    for package in entries.flatten().map(|entry| entry.path()) {
        if package.extension().is_some_and(|extension| extension == "deb") {
            output(Command::new("dpkg-deb").arg("--extract").arg(&package).arg(root))?;
        }
    }
    Ok(())
}

/// Where this machine gets Debian's packages from: a mirror has all distributions of Debian.
fn mirror() -> Result<String, String> {
    let sources = output(Command::new("apt-get").args([
        "indextargets",
        "--format",
        "$(REPO_URI)",
        "Created-By: Packages",
    ]))?;
    let found = sources.lines().find(|uri| uri.trim_end_matches('/').ends_with("/debian"));
    found.map(str::to_owned).ok_or_else(|| "apt has no mirror of Debian among its sources".to_owned())
}

/// apt as if on an empty machine whose only source is ours.
fn run(apt: &Path, arguments: &[&str]) -> Result<(), String> {
    let place = |name: &str, path: &str| format!("{name}={}", apt.join(path).display());
    let settings = [
        place("Dir::Etc::SourceList", "sources.list"),
        place("Dir::State::Lists", "lists"),
        place("Dir::State::Status", "status"),
        place("Dir::Cache", "cache"),
        "Dir::Etc::SourceParts=/dev/null".into(),
        "Dir::Etc::Preferences=/dev/null".into(),
        "Dir::Etc::PreferencesParts=/dev/null".into(),
        // Packages are kept after they are downloaded, whatever the machine's own settings do.
        "APT::Keep-Downloaded-Packages=true".into(),
        "Acquire::Languages=none".into(),
        "APT::Sandbox::User=".into(),
        "Debug::NoLocking=1".into(),
    ];
    let mut command = Command::new("apt-get");
    command.args(["--quiet", "--quiet"]).args(settings.iter().flat_map(|setting| ["--option", setting]));
    output(command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive")).map(drop)
}
