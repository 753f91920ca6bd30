//! Flyway, from the registry of Java artefacts.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{Peer, Use, executable};
use crate::machine::output;

pub(super) static FLYWAY: Peer = Peer {
    name: "flyway",
    version: "11.20.3",
    variable: "FLYWAY",
    with: "",
    note: "its library behind a small launcher, which starts with less than its own command line",
    uses: &[Use::Measured],
    needs: &["mvn", "javac", "java"],
    make: make_library,
};

pub(super) static COMMAND_LINE: Peer = Peer {
    name: "flyway-cli",
    version: "11.20.3",
    variable: "FLYWAY_CLI",
    with: "mysql",
    note: "its command line with PostgreSQL, MySQL and MariaDB only",
    uses: &[Use::Judge],
    needs: &["mvn", "java"],
    make: make_command_line,
};

/// The PostgreSQL driver for Java that goes with it.
const DRIVER: &str = "42.7.7";

/// The drivers of MariaDB and MySQL, without what they need for the clouds.
const MARIADB_DRIVER: &str = "3.5.3";
const MYSQL_DRIVER: &str = "9.3.0";

/// What its command line reads TOML and writes JSON with, at the version that goes with the rest.
const JACKSON: &str = "2.19.1";

/// Pinned, so that a cache that was made once stays enough.
const DEPENDENCY_PLUGIN: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1";

/// Takes the flags of Flyway's command line that a bench uses, so that the real one can stand in its place.
const LAUNCHER: &str = r#"import org.flywaydb.core.Flyway;

public final class Launcher {
    public static void main(String[] arguments) {
        String url = "", user = "", location = "";
        for (String argument : arguments) {
            if (argument.startsWith("-url=")) url = argument.substring(5);
            else if (argument.startsWith("-user=")) user = argument.substring(6);
            else if (argument.startsWith("-locations=")) location = argument.substring(11);
            else if (!argument.equals("migrate")) throw new IllegalArgumentException(argument);
        }
        Flyway.configure().dataSource(url, user, "").locations(location).load().migrate();
    }
}
"#;

fn make_library(peer: &Peer, folder: &Path) -> Result<(), String> {
    fetch(folder, &needed(peer.version))?;
    write(folder, "Launcher.java", LAUNCHER)?;
    output(Command::new("javac").args(["-cp", "lib/*", "Launcher.java"]).current_dir(folder))?;
    program(peer, folder, "Launcher")
}

fn make_command_line(peer: &Peer, folder: &Path) -> Result<(), String> {
    // Without what it is published with, all databases and their drivers: that is a hundred times as much.
    let alone = tag("exclusions", &tag("exclusion", &(tag("groupId", "*") + &tag("artifactId", "*"))));
    let own = artefact("org.flywaydb", "flyway-commandline", peer.version, &alone);
    // Without it a migration that fails ends with 0.
    let reports = artefact("org.flywaydb", "flyway-reports", peer.version, "");
    let jackson = "com.fasterxml.jackson";
    let toml = artefact(&format!("{jackson}.dataformat"), "jackson-dataformat-toml", JACKSON, "");
    let times = artefact(&format!("{jackson}.datatype"), "jackson-datatype-jsr310", JACKSON, "");
    let mysql = artefact("org.flywaydb", "flyway-mysql", peer.version, "")
        + &artefact("org.mariadb.jdbc", "mariadb-java-client", MARIADB_DRIVER, &alone)
        + &artefact("com.mysql", "mysql-connector-j", MYSQL_DRIVER, &alone);
    fetch(folder, &(own + &reports + &toml + &times + &mysql + &needed(peer.version)))?;
    program(peer, folder, "org.flywaydb.commandline.Main")
}

/// Fetches libraries and what they need.
fn fetch(folder: &Path, dependencies: &str) -> Result<(), String> {
    let own = tag("groupId", "peers") + &tag("artifactId", "peers") + &tag("version", "1");
    let inner = tag("modelVersion", "4.0.0") + &own + &tag("dependencies", dependencies);
    write(folder, "pom.xml", &tag("project", &inner))?;
    output(
        Command::new("mvn")
            .args(["--quiet", "--batch-mode", &format!("{DEPENDENCY_PLUGIN}:copy-dependencies")])
            .args(["-DincludeScope=runtime", "-DoutputDirectory=lib"])
            .current_dir(folder),
    )?;
    Ok(())
}

/// Writes the script that starts a class. By the place of the script, because the folder is renamed once all is in
/// it; with what makes a short life shorter.
fn program(peer: &Peer, folder: &Path, class: &str) -> Result<(), String> {
    let java = if peer.uses.contains(&Use::Measured) { "java" } else { QUICK };
    let text = format!("#!/bin/sh\nhere=${{0%/*}}\nexec {java} -cp \"$here:$here/lib/*\" {class} \"$@\"\n");
    write(folder, peer.name, &text)?;
    executable(&folder.join(peer.name))
}

/// For a program that lives for a second and is not measured.
const QUICK: &str = "java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xshare:auto";

fn write(folder: &Path, name: &str, text: &str) -> Result<(), String> {
    fs::write(folder.join(name), text).map_err(|e| format!("{name}: {e}"))
}

/// The library, its half for PostgreSQL and the driver.
fn needed(version: &str) -> String {
    let flyway = |name: &str| artefact("org.flywaydb", name, version, "");
    let driver = artefact("org.postgresql", "postgresql", DRIVER, "");
    flyway("flyway-core") + &flyway("flyway-database-postgresql") + &driver
}

fn artefact(group: &str, name: &str, version: &str, more: &str) -> String {
    let named = tag("groupId", group) + &tag("artifactId", name) + &tag("version", version);
    tag("dependency", &(named + more))
}

fn tag(name: &str, inner: &str) -> String {
    format!("<{name}>{inner}</{name}>")
}
