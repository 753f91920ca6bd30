//! `cargo xtask test`: every test of the workspace, against real databases.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use crate::machine::{cargo, on_build_server, root, stream, user_cache};
use crate::{Outcome, setup};

/// Failpoints are compiled in, because the crash tests are made of them; a release never has them.
pub(crate) const FEATURES: &str = "cofferdam/failpoints";

/// Runs it.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let asked = Asked::read(arguments)?;
    setup::prepare();

    let target = target_dir();
    fs::create_dir_all(&target).map_err(|e| format!("cannot create {}: {e}", target.display()))?;
    let skips = target.join(format!("skips-{}.txt", std::process::id()));
    let _ = fs::remove_file(&skips);

    let mut command = cargo();
    command
        .args(["test", "--workspace", "--no-fail-fast", "--features", FEATURES])
        .args((!asked.words.is_empty()).then_some("--"))
        .args(&asked.words)
        .env("CARGO_TARGET_DIR", &target)
        .env("COFFERDAM_SKIPS", &skips);
    if asked.require_all || on_build_server() {
        command.env("COFFERDAM_REQUIRE_ALL", "1");
    }
    let code = stream(&mut command)?;
    let skipped = fs::read_to_string(&skips).unwrap_or_default();
    // After a failure an empty list says nothing: perhaps no test ran at all.
    if code == 0 || !skipped.is_empty() {
        print!("{}", summary(&skipped));
    }
    let _ = fs::remove_file(&skips);
    Ok(code)
}

/// What was typed.
#[derive(Debug, PartialEq)]
struct Asked {
    require_all: bool,
    words: Vec<String>,
}

impl Asked {
    fn read(arguments: &[String]) -> Result<Self, String> {
        let mut asked = Self { require_all: false, words: Vec::new() };
        for argument in arguments {
            match argument.as_str() {
                "--require-all" => asked.require_all = true,
                flag if flag.starts_with('-') => return Err(format!("does not take `{flag}`")),
                word => asked.words.push(word.to_owned()),
            }
        }
        Ok(asked)
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
        assert_eq!(read(&["crash", "--require-all", "lint"]), Ok(Asked { require_all: true, words }));
        assert!(read(&["--requireall"]).is_err());
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
