//! The licence of every crate that is built, held against the list in deny.toml.

use std::process::Command;

use serde_json::Value;

use super::deny::Deny;
use super::packages::{items, text};
use super::{Check, House};
use crate::machine::{cargo, output, root};

pub(super) static CHECK: Check = Check {
    name: "licences",
    about: "every crate can be used under a licence of deny.toml",
    problems: |_: &House| {
        // Only what this machine builds: crates of other systems may not be downloaded.
        let said = output(Command::new("rustc").arg("-vV").current_dir(root()))?;
        let host = said.lines().find_map(|line| line.strip_prefix("host: ")).ok_or("rustc names no host")?;
        let mut command = cargo();
        command.args(["metadata", "--format-version", "1", "--all-features", "--filter-platform", host]);
        let metadata =
            serde_json::from_str(&output(&mut command)?).map_err(|e| format!("cargo metadata: {e}"))?;
        Ok(problems(&metadata, &Deny::read()?.licences))
    },
};

fn problems(metadata: &Value, allowed: &[String]) -> Vec<String> {
    let built: Vec<String> = items(&metadata["resolve"]["nodes"]).map(|node| text(&node["id"])).collect();
    items(&metadata["packages"])
        .filter(|package| built.contains(&text(&package["id"])))
        .filter(|package| !fits(&text(&package["license"]), allowed))
        .map(|package| {
            let licence = package["license"].as_str().unwrap_or("no licence");
            format!("{} {}: {licence} is not in deny.toml", text(&package["name"]), text(&package["version"]))
        })
        .collect()
}

/// Whether an SPDX expression can be fulfilled with the allowed licences: OR needs one side, AND both. An
/// exception (WITH) only adds rights. `/` is how OR was written before.
fn fits(expression: &str, allowed: &[String]) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let fits = any_of(&words, &mut at, allowed);
    fits && at == words.len()
}

fn any_of(words: &[&str], at: &mut usize, allowed: &[String]) -> bool {
    let mut fits = all_of(words, at, allowed);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        // Not `||`: the right side must be read in any case.
        fits |= all_of(words, at, allowed);
    }
    fits
}

fn all_of(words: &[&str], at: &mut usize, allowed: &[String]) -> bool {
    let mut fits = one(words, at, allowed);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        fits &= one(words, at, allowed);
    }
    fits
}

fn one(words: &[&str], at: &mut usize, allowed: &[String]) -> bool {
    let Some(word) = words.get(*at) else { return false };
    *at += 1;
    if *word == "(" {
        let fits = any_of(words, at, allowed);
        let closed = words.get(*at) == Some(&")");
        *at += 1;
        return fits && closed;
    }
    if words.get(*at) == Some(&"WITH") {
        *at += 2;
    }
    allowed.iter().any(|licence| licence == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_weighed() {
        let allowed = ["MIT", "Apache-2.0", "ISC"].map(str::to_owned);
        let cases = [
            ("MIT", true),
            ("GPL-3.0", false),
            ("", false),
            ("MIT OR GPL-3.0", true),
            ("GPL-3.0 OR MIT", true),
            ("MIT AND GPL-3.0", false),
            ("MIT AND ISC", true),
            ("(MIT OR GPL-3.0) AND ISC", true),
            ("MIT OR (GPL-3.0 AND ISC)", true),
            ("GPL-3.0 AND MIT OR GPL-3.0", false),
            ("GPL-3.0/MIT", true),
            ("Apache-2.0 WITH LLVM-exception", true),
            ("GPL-3.0 WITH GCC-exception OR MIT", true),
            ("(MIT", false),
            ("MIT)", false),
        ];
        for (expression, fine) in cases {
            assert_eq!(fits(expression, &allowed), fine, "{expression}");
        }
    }

    #[test]
    fn only_what_is_built_counts_and_no_licence_is_none() {
        let metadata = serde_json::json!({
            "resolve": {"nodes": [{"id": "a"}, {"id": "b"}]},
            "packages": [
                {"id": "a", "name": "a", "version": "1.0.0", "license": "GPL-3.0"},
                {"id": "b", "name": "b", "version": "1.0.0", "license": null},
                {"id": "c", "name": "c", "version": "1.0.0", "license": "GPL-3.0"},
            ],
        });
        assert_eq!(problems(&metadata, &["MIT".to_owned()]).len(), 2);
    }
}
