//! `cargo xtask test`: every test of the workspace, against real databases.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::machine::{cargo, on_build_server, root, stream, user_cache};
use crate::{Outcome, cluster, lanes, peers, setup};

/// Failpoints are compiled in, because the crash tests are made of them; a release never has them.
pub(crate) const FEATURES: &str = "cofferdam/failpoints";

/// The suite that needs a cluster.
const E2E: &str = "e2e";

/// The suite that needs the tools of others.
const INTEROP: &str = "interop";

/// The suite of the command line on MySQL and MariaDB.
const MYSQL: &str = "mysql";

/// The suite that takes backups, to the servers of others too.
const STORES: &str = "backup";

/// Runs it.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let asked = Asked::read(arguments)?;
    setup::prepare();

    let target = target_dir();
    fs::create_dir_all(&target).map_err(|e| format!("cannot create {}: {e}", target.display()))?;
    let skips = target.join(format!("skips-{}.txt", std::process::id()));
    let _ = fs::remove_file(&skips);

    let mut variables = vec![("COFFERDAM_SKIPS", OsString::from(&skips))];
    if asked.require_all || on_build_server() {
        variables.push(("COFFERDAM_REQUIRE_ALL", "1".into()));
    }
    let programs_of =
        |used| peers::programs(used).into_iter().map(|(name, program)| (name, OsString::from(program)));
    // The program that Pods run is the one that the tests run.
    let programs = lanes::build(&mut tests(&target))?;
    if asked.wants(INTEROP) {
        variables.extend(programs_of(peers::Use::Judge));
    }
    if asked.wants_stores() {
        variables.extend(programs_of(peers::Use::Store));
    }
    let cluster = match asked.wants(E2E) {
        true => {
            cluster::for_tests(&target.join("debug/cofferdam")).map_err(|why| println!("cluster: {why}")).ok()
        }
        false => None,
    };
    if let Some(cluster) = &cluster {
        variables.extend(cluster.variables().into_iter().map(|(name, value)| (name, value.into())));
    }
    let of_cargo = |arguments: &[&str]| {
        let mut command = tests(&target);
        stream(command.args(arguments).envs(variables.iter().cloned()))
    };
    let words = asked.words.iter().map(String::as_str);
    let code = match asked.suite {
        Some(suite) => of_cargo(
            &["--package", "cofferdam", "--test", suite, "--"].into_iter().chain(words).collect::<Vec<_>>(),
        )?,
        None if !asked.words.is_empty() => of_cargo(&["--"].into_iter().chain(words).collect::<Vec<_>>())?,
        None => {
            let code = lanes::run(&programs, &[E2E, INTEROP, MYSQL], &target, &variables)?;
            code.max(of_cargo(&["--doc"])?)
        }
    };
    drop(cluster);
    let skipped = fs::read_to_string(&skips).unwrap_or_default();
    // After a failure an empty list says nothing: perhaps no test ran at all.
    if code == 0 || !skipped.is_empty() {
        print!("{}", summary(&skipped));
    }
    let _ = fs::remove_file(&skips);
    Ok(code)
}

/// All tests, before the words that choose among them.
fn tests(target: &Path) -> Command {
    let mut command = cargo();
    command
        .args(["test", "--workspace", "--no-fail-fast", "--features", FEATURES])
        .env("CARGO_TARGET_DIR", target);
    command
}

/// What was typed.
#[derive(Debug, PartialEq)]
struct Asked {
    require_all: bool,
    /// The word `e2e`, `interop` or `backup`: only that suite.
    suite: Option<&'static str>,
    words: Vec<String>,
}

impl Asked {
    fn read(arguments: &[String]) -> Result<Self, String> {
        let mut asked = Self { require_all: false, suite: None, words: Vec::new() };
        for argument in arguments {
            match argument.as_str() {
                "--require-all" => asked.require_all = true,
                E2E => asked.suite = Some(E2E),
                INTEROP => asked.suite = Some(INTEROP),
                STORES => asked.suite = Some(STORES),
                flag if flag.starts_with('-') => return Err(format!("does not take `{flag}`")),
                word => asked.words.push(word.to_owned()),
            }
        }
        Ok(asked)
    }

    /// Whether tests run that take backups to the servers of object stores.
    fn wants_stores(&self) -> bool {
        self.suite == Some(STORES) || self.wants(E2E)
    }

    /// Whether tests of a suite run that needs more than the rest; one that a word chooses among all does without.
    fn wants(&self, suite: &str) -> bool {
        match self.suite {
            Some(only) => only == suite,
            None => self.words.is_empty(),
        }
    }
}

/// `CARGO_TARGET_DIR`; else on a build server a folder that outlives the checkout; else cargo's usual one.
pub(crate) fn target_dir() -> PathBuf {
    let named = env::var_os("CARGO_TARGET_DIR").filter(|v| !v.is_empty()).map(PathBuf::from);
    let kept = || user_cache().filter(|_| on_build_server()).map(|cache| cache.join("cofferdam/target"));
    let folder = named.or_else(kept).unwrap_or_else(|| Path::new("target").to_path_buf());
    // Cargo takes a relative one as relative to where it runs, which is the root.
    root().join(folder)
}

/// The tests that did not run, with their reasons; a test that says so twice is listed once.
fn summary(skips: &str) -> String {
    let mut lines: Vec<&str> = skips.lines().filter(|line| line.starts_with("SKIPPED ")).collect();
    lines.sort_unstable();
    lines.dedup();
    if lines.is_empty() {
        return "\nno test was skipped\n".to_owned();
    }
    let count =
        if lines.len() == 1 { "1 test was".to_owned() } else { format!("{} tests were", lines.len()) };
    format!("\n{count} skipped:\n  {}\n", lines.join("\n  "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_words_and_one_flag() {
        let read =
            |arguments: &[&str]| Asked::read(&arguments.iter().map(|a| (*a).to_owned()).collect::<Vec<_>>());
        let words = vec!["crash".to_owned(), "lint".to_owned()];
        let expected = Asked { require_all: true, suite: None, words };
        assert_eq!(read(&["crash", "--require-all", "lint"]), Ok(expected));
        let expected = Asked { require_all: false, suite: Some(E2E), words: vec!["quota".into()] };
        assert_eq!(read(&["e2e", "quota"]), Ok(expected));
        let wants =
            |arguments: &[&str]| read(arguments).map(|asked| (asked.wants(E2E), asked.wants(INTEROP)));
        assert_eq!(wants(&[]), Ok((true, true)));
        assert_eq!(wants(&["lint"]), Ok((false, false)));
        assert_eq!(wants(&["e2e", "quota"]), Ok((true, false)));
        assert_eq!(wants(&["interop", "flyway"]), Ok((false, true)));
        assert!(read(&["--requireall"]).is_err());
        let stores = |arguments: &[&str]| read(arguments).map(|asked| asked.wants_stores());
        assert_eq!(stores(&[]), Ok(true));
        assert_eq!(stores(&["lint"]), Ok(false));
        assert_eq!(stores(&["backup", "stores"]), Ok(true));
        assert_eq!(stores(&["e2e"]), Ok(true));
        assert_eq!(stores(&["interop"]), Ok(false));
    }

    #[test]
    fn skipped_tests_are_listed_once_with_their_reason() {
        let cases = [
            ("", "\nno test was skipped\n"),
            ("SKIPPED b: no x\n", "\n1 test was skipped:\n  SKIPPED b: no x\n"),
            (
                "SKIPPED b: no x\nSKIPPED a: no y\nSKIPPED b: no x\n",
                "\n2 tests were skipped:\n  SKIPPED a: no y\n  SKIPPED b: no x\n",
            ),
        ];
        for (skips, expected) in cases {
            assert_eq!(summary(skips), expected);
        }
    }
}
