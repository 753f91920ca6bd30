//! The bans of deny.toml, held against Cargo.lock.

use std::fs;

use super::deny::Deny;
use super::{Check, House};
use crate::machine::root;

pub(super) static CHECK: Check = Check {
    name: "lock file",
    about: "no crate that deny.toml bans, one version of rustls, crates from one registry only",
    problems: |_: &House| {
        let lock = fs::read_to_string(root().join("Cargo.lock")).map_err(|e| format!("Cargo.lock: {e}"))?;
        Ok(problems(&lock, &Deny::read()?))
    },
};

/// How a source begins that is cargo's own registry or a mirror that stands in its place.
const REGISTRY: &str = "registry+";

fn problems(lock: &str, deny: &Deny) -> Vec<String> {
    let names: Vec<String> = values(lock, "name");
    let mut problems = Vec::new();
    for banned in deny.banned.iter().filter(|banned| names.contains(banned)) {
        problems
            .push(format!("{banned} is banned by deny.toml; `cargo tree -i {banned}` says who brings it"));
    }
    for single in &deny.one_version {
        let count = names.iter().filter(|name| *name == single).count();
        if count > 1 {
            problems
                .push(format!("{single} is there in {count} versions; `cargo tree -d` says who brings them"));
        }
    }
    let mut sources = values(lock, "source");
    sources.sort();
    sources.dedup();
    problems.extend(
        sources.iter().filter(|s| !s.starts_with(REGISTRY)).map(|s| format!("a crate comes from {s}")),
    );
    if sources.iter().filter(|s| s.starts_with(REGISTRY)).count() > 1 {
        problems.push("crates come from more than one registry".into());
    }
    problems
}

/// The values of the lines `key = "value"`.
fn values(lock: &str, key: &str) -> Vec<String> {
    let prefix = format!("{key} = \"");
    let lines = lock.lines().filter_map(|line| line.strip_prefix(&prefix)?.strip_suffix('"'));
    lines.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_deny_toml_bans_is_found() {
        let deny = Deny {
            banned: vec!["openssl-sys".into()],
            one_version: vec!["rustls".into()],
            licences: Vec::new(),
        };
        let package = |name: &str, source: &str| {
            format!("[[package]]\nname = \"{name}\"\nversion = \"1.0.0\"\nsource = \"{source}\"\n")
        };
        let cases = [
            (vec![package("rustls", "registry+x")], 0),
            (vec![package("rustls", "registry+x"), package("rustls", "registry+x")], 1),
            (vec![package("openssl-sys", "registry+x")], 1),
            (vec![package("openssl-probe", "registry+x")], 0),
            (vec![package("a", "git+https://example.org/a")], 1),
            (vec![package("a", "registry+x"), package("b", "registry+y")], 1),
        ];
        for (packages, count) in cases {
            assert_eq!(problems(&packages.concat(), &deny).len(), count, "{packages:?}");
        }
    }
}
