//! `cargo xtask oracle`: asks real servers what each statement takes, and prints the table of locks from it.

use crate::Outcome;
use crate::machine::{cargo, stream};
use crate::test::target_dir;

/// Runs it. The tests ask the versions that are here; with `--all-versions` the portable builds of all others are
/// fetched, too, about 15 MB each and once.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let (mut all, mut check) = (false, false);
    for argument in arguments {
        match argument.as_str() {
            "--all-versions" => all = true,
            "--check" => check = true,
            unexpected => return Err(format!("does not take `{unexpected}`")),
        }
    }
    let mut command = cargo();
    command
        .args(["test", "--package", "cofferdam-engines", "--test", "oracle", "--", "--nocapture"])
        .env("CARGO_TARGET_DIR", target_dir());
    if all {
        command.env("COFFERDAM_ORACLE", "all");
    }
    if !check {
        command.env("UPDATE_DOCS", "1");
    }
    stream(&mut command)
}
