//! `cargo xtask tidy`: the invariants that neither compiler nor clippy holds.
//!
//! Each check is a file with its table and a function from what is there to the problems in it, so that a test
//! can show it something wrong.

mod arrows;
mod deny;
mod dependencies;
mod length;
mod licences;
mod lockfile;
mod packages;
mod printing;
mod shelves;
mod source;
mod unfinished;
mod words;

use packages::Package;
use source::Source;

use crate::machine::root;
use crate::{Outcome, no_arguments};

/// What the checks look at.
struct House {
    /// The packages of the workspace.
    packages: Vec<Package>,
    /// Every Rust file.
    sources: Vec<Source>,
}

/// A check.
struct Check {
    /// Its name in the output.
    name: &'static str,
    /// What it holds.
    about: &'static str,
    /// The problems, each with the place and what to do; or why it could not look.
    problems: fn(&House) -> Result<Vec<String>, String>,
}

/// Every check, the fast ones first.
static CHECKS: &[&Check] = &[
    &arrows::CHECK,
    &dependencies::CHECK,
    &printing::CHECK,
    &shelves::CHECK,
    &length::CHECK,
    &unfinished::CHECK,
    &words::CHECK,
    &lockfile::CHECK,
    &licences::CHECK,
];

/// Runs every check, also after one that found something.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    no_arguments(arguments)?;
    let house = House { packages: packages::read()?, sources: source::read_all(&root())? };
    let mut bad = 0;
    for check in CHECKS {
        let problems = (check.problems)(&house).map_err(|why| format!("{}: {why}", check.name))?;
        let verdict = if problems.is_empty() { "ok" } else { "FAILED" };
        println!("tidy: {}: {verdict} ({})", check.name, check.about);
        problems.iter().for_each(|problem| println!("  {problem}"));
        bad += problems.len();
    }
    if bad > 0 {
        println!("tidy: {bad} problems");
    }
    Ok(u8::from(bad > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_of_the_folder_is_in_the_table() {
        let sources = source::read_all(&root()).unwrap();
        let with_check = sources
            .iter()
            .filter(|s| s.path.starts_with("xtask/src/tidy/"))
            .filter(|s| s.production().any(|(_, line)| line.contains("static CHECK: Check =")))
            .count();
        assert_eq!(with_check, CHECKS.len());
    }
}
