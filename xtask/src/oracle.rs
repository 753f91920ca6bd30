//! `cargo xtask oracle`: asks real servers what each statement takes, and prints the table of locks from it.

use crate::Outcome;
use crate::machine::{cargo, stream};
use crate::test::target_dir;

/// Runs it. The tests ask the versions that are here; with `--all-versions` the portable builds of all others are
/// fetched, too, about 15 MB each and once, and the schemas that `diff` leads from and to are held against each of them.
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
    command.args(["test", "--package", "cofferdam-engines", "--test", "oracle"]);
    if all {
        command.args(["--test", "schema"]).env("COFFERDAM_ORACLE", "all");
    }
    command.args(["--", "--nocapture"]).env("CARGO_TARGET_DIR", target_dir());
    if !check {
        command.env("UPDATE_DOCS", "1");
    }
    stream(&mut command)
}
