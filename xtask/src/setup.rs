//! What the tests need from the machine, and how it gets there.

use std::path::Path;
use std::process::Command;

use cofferdam_scratch::mysql::{Kind, find};

use crate::machine::{has_program, is_root, output, stream};
use crate::{Outcome, mysql, no_arguments};

/// Something that tests need.
struct Need {
    /// What it is.
    what: &'static str,
    /// Whether it is here already.
    here: fn() -> bool,
    /// The Debian packages that bring it; the first that the distribution has is taken.
    packages: &'static [&'static str],
    /// What happens without it.
    without: &'static str,
}

static NEEDS: &[Need] = &[
    Need {
        what: "PostgreSQL server",
        here: postgres_is_here,
        // `postgresql` is whatever version the distribution carries.
        packages: &["postgresql-15", "postgresql"],
        without: "tests use the portable build, which is fetched once, or are skipped",
    },
    Need {
        what: "MariaDB server",
        here: || find(Kind::MariaDb).is_ok() && has_program("mariadb-install-db"),
        // Without the service that the package above it would start.
        packages: &["mariadb-server-core"],
        without: "tests against MariaDB are skipped",
    },
    Need {
        what: "programs of MariaDB",
        here: || has_program("my_print_defaults"),
        packages: &["mariadb-client-core"],
        without: "tests against MariaDB are skipped",
    },
    Need {
        what: "mariadb-dump",
        here: || has_program("mariadb-dump"),
        packages: &["mariadb-client"],
        without: "backups of whole databases of MariaDB are not tried",
    },
    Need {
        what: "Lua 5.1",
        here: || has_program("lua5.1"),
        packages: &["lua5.1"],
        without: "the health script for Argo CD is not tried",
    },
    Need {
        what: "PgBouncer",
        here: || has_program("pgbouncer"),
        packages: &["pgbouncer"],
        without: "tests of connections through a pooler are skipped",
    },
    Need {
        what: "Docker registry",
        here: || has_program("docker-registry"),
        packages: &["docker-registry"],
        without: "tests that pull images from a real registry are skipped",
    },
    Need {
        what: "Pushgateway",
        here: || has_program("prometheus-pushgateway"),
        packages: &["prometheus-pushgateway"],
        without: "what runners push is tried against no real Pushgateway",
    },
    Need {
        what: "aiosmtpd",
        here: || has_program("aiosmtpd"),
        packages: &["python3-aiosmtpd"],
        without: "tests of mail to a real server are skipped",
    },
    Need {
        what: "Maven",
        here: || has_program("mvn") && has_program("java"),
        packages: &["maven"],
        without: "tests that ask Flyway itself are skipped",
    },
    Need {
        what: "npm",
        here: || has_program("npm") && has_program("node"),
        packages: &["npm"],
        without: "tests that ask Drizzle itself are skipped",
    },
];

/// Only the setting up.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    no_arguments(arguments)?;
    prepare();
    Ok(0)
}

/// Installs what is missing where that can be done, and says what it does. A need that stays open is no error
/// here: the tests that have it say so, each with its own reason.
pub(crate) fn prepare() {
    if let Err(why) = mysql::prepare() {
        println!("setup: MySQL is not here: tests against it are skipped: {why}");
    }
    let missing: Vec<&Need> = NEEDS.iter().filter(|need| !(need.here)()).collect();
    if missing.is_empty() {
        println!("setup: everything that tests need is here");
        return;
    }
    if !has_program("apt-get") {
        return report(&missing);
    }
    if !is_root() {
        report(&missing);
        let packages: Vec<&str> = missing.iter().map(|need| need.packages[need.packages.len() - 1]).collect();
        println!("setup: to install: sudo apt-get install {}", packages.join(" "));
        return;
    }
    if let Err(why) = install(&missing) {
        println!("setup: {why}");
    }
    let still: Vec<&Need> = missing.into_iter().filter(|need| !(need.here)()).collect();
    report(&still);
}

fn report(missing: &[&Need]) {
    for need in missing {
        println!("setup: {} is not here: {}", need.what, need.without);
    }
}

fn install(missing: &[&Need]) -> Result<(), String> {
    apt(&["update", "--quiet", "--quiet"])?;
    let packages: Vec<&str> = missing.iter().filter_map(|need| first_known(need.packages)).collect();
    println!("setup: installing {} with apt-get", packages.join(" "));
    apt_install(&packages)
}

/// Installs packages.
pub(crate) fn install_packages(packages: &[&str]) -> Result<(), String> {
    if !has_program("apt-get") {
        return Err(format!("{} is not here, and there is no apt-get", packages.join(" ")));
    }
    apt(&["update", "--quiet", "--quiet"])?;
    apt_install(packages)
}

fn apt_install(packages: &[&str]) -> Result<(), String> {
    apt(&[&["install", "--yes", "--quiet", "--quiet", "--no-install-recommends"], packages].concat())
}

/// Installs a package beside what is there: a version of it for which nothing else has to change.
pub(crate) fn add(package: &str) -> Result<(), String> {
    if !has_program("apt-get") {
        return Err(format!("{package} is not here, and there is no apt-get"));
    }
    if !is_root() {
        return Err(format!("{package} is not here; to install: sudo apt-get install {package}"));
    }
    apt(&["update", "--quiet", "--quiet"])?;
    let versions = output(Command::new("apt-cache").args(["madison", package]))?;
    for version in versions.lines().filter_map(version_of) {
        let wanted = format!("{package}={version}");
        let install = ["install", "--yes", "--no-install-recommends", "--quiet", "--quiet", wanted.as_str()];
        let simulated = output(Command::new("apt-get").arg("--simulate").args(install));
        if simulated.is_ok_and(|text| !text.lines().any(changes_what_is_there)) {
            println!("setup: installing {wanted} with apt-get");
            return apt(&install);
        }
    }
    Err(format!("{package} is not here, and none of its versions goes with the packages that are"))
}

/// ` postgresql-15-repack | 1.4.8-1+b1 | http://... Packages`.
fn version_of(line: &str) -> Option<&str> {
    line.split('|').nth(1).map(str::trim)
}

/// `Inst libpq5 [15.18] (15.20 ...)` and `Remv ...`, where `Inst new (1.0 ...)` adds.
fn changes_what_is_there(line: &str) -> bool {
    line.starts_with("Remv ")
        || (line.starts_with("Inst ") && line.split(' ').nth(2).is_some_and(|w| w.starts_with('[')))
}

fn first_known(packages: &[&'static str]) -> Option<&'static str> {
    packages.iter().copied().find(|package| {
        // It prints nothing, and succeeds, for a package that it does not know.
        output(Command::new("apt-cache").args(["policy", package]))
            .is_ok_and(|text| text.contains("Candidate:") && !text.contains("Candidate: (none)"))
    })
}

fn apt(arguments: &[&str]) -> Result<(), String> {
    // Nobody is there to answer questions.
    let code = stream(Command::new("apt-get").args(arguments).env("DEBIAN_FRONTEND", "noninteractive"))?;
    if code == 0 { Ok(()) } else { Err(format!("apt-get {} failed", arguments[0])) }
}

/// The places that the crate `cofferdam-scratch` looks at first; it looks at more.
fn postgres_is_here() -> bool {
    std::env::var_os("COFFERDAM_PG_BIN").is_some()
        || has_program("postgres")
        || std::fs::read_dir("/usr/lib/postgresql").is_ok_and(|versions| {
            versions.flatten().any(|version| version.path().join("bin/postgres").is_file())
        })
        || Path::new("/opt/homebrew/opt/postgresql/bin/postgres").is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_apt_would_change_is_seen() {
        assert_eq!(
            version_of(" tool | 1.4.8-1+b1 | http://mirror bookworm/main amd64 Packages"),
            Some("1.4.8-1+b1")
        );
        for (line, changes) in [
            ("Inst tool (1.4.8-1+b1 Debian:12 [amd64])", false),
            ("Conf tool (1.4.8-1+b1 Debian:12 [amd64])", false),
            ("Inst server [15.18] (15.20 Debian-Security:12 [amd64])", true),
            ("Remv other [1.0]", true),
        ] {
            assert_eq!(changes_what_is_there(line), changes, "{line}");
        }
    }
}
