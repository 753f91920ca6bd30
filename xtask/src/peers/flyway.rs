//! Flyway, from the registry of Java artefacts.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use super::Peer;
use crate::machine::output;

pub(super) static FLYWAY: Peer = Peer {
    name: "flyway",
    version: "11.20.3",
    variable: "FLYWAY",
    note: "its library behind a small launcher, which starts with less than its own command line",
    needs: &["mvn", "javac", "java"],
    make,
};

/// The PostgreSQL driver for Java that goes with it.
const DRIVER: &str = "42.7.7";

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

fn make(peer: &Peer, folder: &Path) -> Result<(), String> {
    let write =
        |name: &str, text: &str| fs::write(folder.join(name), text).map_err(|e| format!("{name}: {e}"));
    write("pom.xml", &project(peer.version))?;
    write("Launcher.java", LAUNCHER)?;
    output(
        Command::new("mvn")
            .args(["--quiet", "--batch-mode", &format!("{DEPENDENCY_PLUGIN}:copy-dependencies")])
            .args(["-DincludeScope=runtime", "-DoutputDirectory=lib"])
            .current_dir(folder),
    )?;
    output(Command::new("javac").args(["-cp", "lib/*", "Launcher.java"]).current_dir(folder))?;
    // By the place of the script, because the folder is renamed once all is in it.
    write(peer.name, "#!/bin/sh\nhere=${0%/*}\nexec java -cp \"$here:$here/lib/*\" Launcher \"$@\"\n")?;
    fs::set_permissions(folder.join(peer.name), fs::Permissions::from_mode(0o755)).map_err(|e| e.to_string())
}

/// A Maven project that needs the library, its half for PostgreSQL and the driver.
fn project(version: &str) -> String {
    let needed = [
        ("org.flywaydb", "flyway-core", version),
        ("org.flywaydb", "flyway-database-postgresql", version),
        ("org.postgresql", "postgresql", DRIVER),
    ];
    let needed = needed.map(|(group, artefact, version)| {
        let dependency = tag("groupId", group) + &tag("artifactId", artefact) + &tag("version", version);
        tag("dependency", &dependency)
    });
    let own = tag("groupId", "peers") + &tag("artifactId", "peers") + &tag("version", "1");
    tag("project", &(tag("modelVersion", "4.0.0") + &own + &tag("dependencies", &needed.concat())))
}

fn tag(name: &str, inner: &str) -> String {
    format!("<{name}>{inner}</{name}>")
}
