//! `cargo xtask cluster`: a real Kubernetes of one node on this machine, for tests.
//!
//! The servers are processes of this machine: the control plane, a container runtime and a kubelet, a registry.
//! Debian's come from Debian, Kubernetes and Helm are built from their Go modules once. All of it listens on a
//! bridge of its own, lives in one folder and one control group, and is as new at every start.

mod cgroup;
mod component;
mod credentials;
mod existing;
mod guard;
mod image;
mod install;
mod lifecycle;
mod network;
mod oci;
mod packages;
mod place;
mod probe;
mod programs;

pub(crate) use guard::{Cluster, for_tests};

use crate::Outcome;

/// What was asked for.
#[derive(Debug, PartialEq)]
enum Asked {
    Up { install: bool },
    Down,
    Status,
    Env { existing: bool },
    With { command: Vec<String> },
    Keep,
}

impl Asked {
    fn read(arguments: &[String]) -> Result<Self, String> {
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        match words[..] {
            ["up"] => Ok(Self::Up { install: false }),
            ["up", "--install"] => Ok(Self::Up { install: true }),
            ["down"] => Ok(Self::Down),
            ["status"] => Ok(Self::Status),
            ["env"] => Ok(Self::Env { existing: false }),
            ["env", "--existing"] => Ok(Self::Env { existing: true }),
            ["with", _, ..] => Ok(Self::With { command: arguments[1..].to_vec() }),
            [guard::KEEP] => Ok(Self::Keep),
            _ => Err(format!("does not take `{}`; next: cargo xtask help", words.join(" "))),
        }
    }
}

/// Does it.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    match Asked::read(arguments)? {
        Asked::Up { install } => up(install),
        Asked::Down => {
            lifecycle::down()?;
            println!("cluster: down; its logs are in {}", place::path("logs"));
            Ok(0)
        }
        Asked::Status => Ok(u8::from(!lifecycle::status()?)),
        Asked::Env { existing: true } => Ok(print(&existing::variables()?)),
        Asked::Env { existing: false } => {
            lifecycle::needs_root()?;
            if !lifecycle::is_healthy() {
                return Err("it is not running, or not well; next: cargo xtask cluster up".into());
            }
            Ok(print(&variables()))
        }
        Asked::With { command } => guard::run_with(&command),
        Asked::Keep => guard::keep(),
    }
}

fn up(install: bool) -> Outcome {
    if lifecycle::up()? == lifecycle::Found::Running {
        println!("cluster: running");
    }
    if install {
        install::install(&image::push_ours(&image::build()?)?)?;
    }
    println!("cluster: next: export $(cargo xtask cluster env); $KUBECTL get nodes");
    Ok(0)
}

/// How the cluster is reached, and under which address Pods reach servers of this machine.
fn variables() -> Vec<(&'static str, String)> {
    vec![
        ("KUBECONFIG", place::kubeconfig().display().to_string()),
        ("HOST_ADDRESS", place::HOST.to_owned()),
        ("KUBECTL", place::program("kubectl")),
        ("HELM", place::program("helm")),
    ]
}

/// As assignments of a shell.
fn print(variables: &[(&'static str, String)]) -> u8 {
    for (name, value) in variables {
        println!("{name}={}", quoted(value));
    }
    0
}

/// A word of a shell; as it is where nothing in it means something to a shell.
fn quoted(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:".contains(c);
    if !value.is_empty() && value.chars().all(plain) {
        value.to_owned()
    } else {
        format!("'{}'", value.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_read_whole() {
        let read = |line: &str| Asked::read(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(read("up --install"), Ok(Asked::Up { install: true }));
        assert_eq!(read("env --existing"), Ok(Asked::Env { existing: true }));
        assert_eq!(read("with a -b"), Ok(Asked::With { command: vec!["a".into(), "-b".into()] }));
        for wrong in ["", "up --instal", "down now", "env --install", "with"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn values_are_quoted_for_a_shell_where_they_have_to_be() {
        for (value, expected) in [
            ("/a/b.c", "/a/b.c"),
            ("10.0.0.1", "10.0.0.1"),
            ("a b", "'a b'"),
            ("", "''"),
            ("it's", r"'it'\''s'"),
        ] {
            assert_eq!(quoted(value), expected);
        }
    }
}
