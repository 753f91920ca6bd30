//! What the cluster takes from the registry of Go modules: built once, kept in the test cache.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

use super::place;
use crate::machine::{has_program, output};
use crate::shelf;

/// The version of Kubernetes: the last that takes containerd 1.6 and cgroup v1.
const KUBERNETES: &str = "v1.35.4";

/// The version of Helm.
const HELM: &str = "v3.22.0";

/// The module of ours that makes the Kubernetes binary.
static MODULE: &[(&str, &str)] = &[
    ("go.mod", include_str!("go/kubernetes/go.mod")),
    ("go.sum", include_str!("go/kubernetes/go.sum")),
    ("main.go", include_str!("go/kubernetes/main.go")),
    ("pause/main.go", include_str!("go/kubernetes/pause/main.go")),
];

/// The names under which that binary is called.
static NAMES: &[&str] = &[
    "coredns",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-proxy",
    "kube-scheduler",
    "kubectl",
    "kubelet",
];

/// What was built.
pub(super) struct Programs {
    kubernetes: PathBuf,
    helm: PathBuf,
}

impl Programs {
    /// Builds what the cache lacks.
    pub(super) fn ready() -> Result<Self, String> {
        let version = format!("{KUBERNETES}-{}", fingerprint());
        let kubernetes = shelf::once("cluster", "kubernetes", &version, build_kubernetes)?;
        let helm = shelf::once("cluster", "helm", HELM, build_helm)?;
        Ok(Self { kubernetes, helm })
    }

    /// The program that every Pod begins with.
    pub(super) fn pause(&self) -> PathBuf {
        self.kubernetes.join("pause")
    }

    /// Puts them into the state folder under their names.
    pub(super) fn link(&self) -> Result<(), String> {
        let link = |from: PathBuf, name: &str| {
            symlink(from, place::program(name)).map_err(|e| format!("{}: {e}", place::program(name)))
        };
        link(self.helm.join("helm"), "helm")?;
        NAMES.iter().try_for_each(|name| link(self.kubernetes.join("kubernetes"), name))
    }
}

/// Changes with the module, so that a binary made from another one is not taken for it.
fn fingerprint() -> String {
    let mut hash = Sha256::new();
    for (name, text) in MODULE {
        hash.update(name);
        hash.update(text);
    }
    hex::encode(&hash.finalize()[..6])
}

fn build_kubernetes(folder: &Path) -> Result<(), String> {
    println!(
        "cluster: building Kubernetes {KUBERNETES}, once; about 6 minutes on 2 idle cores, 12 on busy ones"
    );
    let source = folder.join("source");
    for (name, text) in MODULE {
        let file = source.join(name);
        let at = |e: std::io::Error| format!("{}: {e}", file.display());
        fs::create_dir_all(file.parent().unwrap_or(&source)).map_err(at)?;
        fs::write(&file, text).map_err(at)?;
    }
    let numbers: Vec<&str> = KUBERNETES.trim_start_matches('v').split('.').collect();
    let variable = |name: &str, value: &str| format!("-X k8s.io/component-base/version.{name}={value}");
    let flags = [
        "-s -w".to_owned(),
        variable("gitVersion", KUBERNETES),
        variable("gitMajor", numbers[0]),
        variable("gitMinor", numbers[1]),
    ];
    let build = |output: &str, package: &str| {
        let mut command = go(&source)?;
        command.args(["build", "-trimpath", "-ldflags", &flags.join(" "), "-o"]);
        succeed(command.arg(folder.join(output)).arg(package).env("GOFLAGS", "-mod=readonly -buildvcs=false"))
    };
    build("kubernetes", ".")?;
    build("pause", "./pause")
}

fn build_helm(folder: &Path) -> Result<(), String> {
    println!("cluster: building Helm {HELM}, once; about 2 minutes");
    let module = format!("helm.sh/helm/v3/cmd/helm@{HELM}");
    let mut command = go(folder)?;
    succeed(command.args(["install", "-trimpath", "-ldflags", "-s -w", &module]).env("GOBIN", folder))
}

fn go(folder: &Path) -> Result<Command, String> {
    if !has_program("go") {
        return Err(
            "`go` is not on this machine; it builds Kubernetes and Helm. Next: install Go 1.25 or later (1.21 and \
             later fetch that themselves)"
                .into(),
        );
    }
    let mut command = Command::new("go");
    command.current_dir(folder).env("CGO_ENABLED", "0");
    Ok(command)
}

/// What it says, hundreds of lines, is shown only if it fails.
fn succeed(command: &mut Command) -> Result<(), String> {
    output(command).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_one_that_the_binary_knows() {
        let main = include_str!("go/kubernetes/main.go");
        for name in NAMES {
            assert!(main.contains(&format!("\"{name}\"")), "{name}");
        }
    }

    #[test]
    fn the_module_requires_the_version_that_is_named() {
        let module = include_str!("go/kubernetes/go.mod");
        assert!(module.contains(&format!("k8s.io/kubernetes {KUBERNETES}\n")));
    }
}
