//! What the cluster takes from Debian.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::machine::has_program;
use crate::setup;

/// Programs, each with the Debian package that brings it.
static PROGRAMS: &[(&str, &str)] = &[
    ("etcd", "etcd-server"),
    ("containerd", "containerd"),
    ("runc", "runc"),
    ("docker-registry", "docker-registry"),
    ("skopeo", "skopeo"),
    // What gates ask in tests.
    ("prometheus", "prometheus"),
    ("ip", "iproute2"),
    ("iptables", "iptables"),
    ("nft", "nftables"),
    ("conntrack", "conntrack"),
    ("strip", "binutils"),
];

/// Files that are no programs on the search path, likewise.
static FILES: &[(&str, &str)] = &[
    ("/usr/lib/cni/bridge", "containernetworking-plugins"),
    ("/etc/ssl/certs/ca-certificates.crt", "ca-certificates"),
];

/// Installs what is missing. What has a service is not started: the cluster has servers of its own.
pub(super) fn install() -> Result<(), String> {
    let missing = missing();
    if missing.is_empty() {
        return Ok(());
    }
    println!("cluster: installing {} with apt-get, about half a minute", missing.join(" "));
    let _quiet = NoServices::hold()?;
    setup::install_packages(&missing)
        .map_err(|why| format!("{why}; next: apt-get install {}", missing.join(" ")))?;
    match self::missing()[..] {
        [] => Ok(()),
        ref still => Err(format!("apt-get installed them, but something of {} is not here", still.join(" "))),
    }
}

fn missing() -> Vec<&'static str> {
    let programs = PROGRAMS.iter().filter(|(program, _)| !has_program(program));
    let files = FILES.iter().filter(|(file, _)| !Path::new(file).exists());
    programs.chain(files).map(|(_, package)| *package).collect()
}

/// Debian asks this program whether a service may start; without one, installing a server starts it.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// While it lives no installed service is started. A policy that is there already is left alone.
struct NoServices {
    ours: bool,
}

impl NoServices {
    fn hold() -> Result<Self, String> {
        match fs::File::options().write(true).create_new(true).mode(0o755).open(POLICY) {
            Ok(mut file) => {
                file.write_all(b"#!/bin/sh\nexit 101\n").map_err(|e| format!("{POLICY}: {e}"))?;
                Ok(Self { ours: true })
            }
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Ok(Self { ours: false }),
            Err(e) => Err(format!("{POLICY}: {e}")),
        }
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if self.ours {
            let _ = fs::remove_file(POLICY);
        }
    }
}
