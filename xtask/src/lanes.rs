//! All tests in two lanes: the suite that mostly waits for a cluster runs beside the others.
//!
//! Cargo runs test programs one after the other. They are started here as cargo would: in the folder of their package,
//! with the package's variables. Documentation tests stay cargo's.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use serde_json::Value;

use crate::machine::{cargo, output, stream};

/// A variable of the environment.
pub(crate) type Variable = (&'static str, OsString);

/// A program with tests, as cargo built it.
#[derive(Debug, PartialEq)]
pub(crate) struct Program {
    /// The name of its target: a suite's, or the crate's for the tests inside it.
    pub(crate) name: String,
    source: PathBuf,
    executable: PathBuf,
    /// The folder of its package.
    folder: PathBuf,
}

impl Program {
    /// How it is started.
    fn command(&self, variables: &[Variable]) -> Command {
        let mut command = Command::new(&self.executable);
        command
            .current_dir(&self.folder)
            .env("CARGO", cargo().get_program())
            .env("CARGO_MANIFEST_DIR", &self.folder)
            .envs(variables.iter().cloned());
        command
    }

    fn title(&self) -> String {
        format!("     Running {} ({})", self.source.display(), self.executable.display())
    }
}

/// Builds, and what there is to run. The build's own words go to standard error.
pub(crate) fn build(command: &mut Command) -> Result<Vec<Program>, String> {
    let messages = output(command.args(["--no-run", "--message-format", "json-render-diagnostics"]))?;
    let mut programs: Vec<Program> = messages.lines().filter_map(program).collect();
    // They come in the order in which they were ready.
    programs.sort_by(|a, b| (&a.folder, &a.source).cmp(&(&b.folder, &b.source)));
    Ok(programs)
}

/// The program that a message of cargo tells of, if it has tests.
fn program(message: &str) -> Option<Program> {
    let message: Value = serde_json::from_str(message).ok()?;
    let tests = message["reason"] == "compiler-artifact" && message["profile"]["test"] == true;
    let manifest = Path::new(message["manifest_path"].as_str().filter(|_| tests)?);
    Some(Program {
        name: message["target"]["name"].as_str()?.to_owned(),
        source: message["target"]["src_path"].as_str()?.into(),
        executable: message["executable"].as_str()?.into(),
        folder: manifest.parent()?.to_path_buf(),
    })
}

/// Runs all, those called `beside` beside the others; the code of the first that failed. What runs beside is printed
/// when the others are through.
pub(crate) fn run(
    programs: &[Program],
    beside: &str,
    log: &Path,
    variables: &[Variable],
) -> Result<u8, String> {
    let (aside, others): (Vec<_>, Vec<_>) = programs.iter().partition(|program| program.name == beside);
    let mut started = Vec::new();
    for program in aside {
        println!("{}, beside the others", program.title());
        started.push((program, start(program, log, variables)?));
    }
    let mut worst = 0;
    let mut failed = Vec::new();
    let mut note = |program: &Program, code: u8| {
        if code != 0 {
            failed.push(program.name.clone());
            worst = code;
        }
    };
    for program in others {
        println!("{}", program.title());
        note(program, stream(&mut program.command(variables))?);
    }
    for (program, mut child) in started {
        let status = child.wait().map_err(|e| format!("cannot wait for {}: {e}", program.name))?;
        println!("{}", program.title());
        print!("{}", fs::read_to_string(log).unwrap_or_default());
        note(program, status.code().map_or(1, |code| u8::try_from(code).unwrap_or(1)));
    }
    if !failed.is_empty() {
        println!("\nfailed: {}", failed.join(", "));
    }
    Ok(worst)
}

/// Starts one whose words go to a file.
fn start(program: &Program, log: &Path, variables: &[Variable]) -> Result<Child, String> {
    let unable = |e| format!("cannot run {} with its words in {}: {e}", program.name, log.display());
    let file = File::create(log).map_err(unable)?;
    let errors = file.try_clone().map_err(unable)?;
    program.command(variables).stdout(file).stderr(errors).spawn().map_err(unable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_with_tests_are_found_among_the_messages_of_a_build() {
        let of = |tests: bool| {
            format!(
                r#"{{"reason":"compiler-artifact","manifest_path":"/r/crates/a/Cargo.toml","target":{{"name":"e2e","src_path":"/r/tests/e2e/main.rs"}},"profile":{{"test":{tests}}},"executable":"/t/e2e-1"}}"#
            )
        };
        let found = Program {
            name: "e2e".into(),
            source: "/r/tests/e2e/main.rs".into(),
            executable: "/t/e2e-1".into(),
            folder: "/r/crates/a".into(),
        };
        assert_eq!(program(&of(true)), Some(found));
        // The program itself is built, too.
        assert_eq!(program(&of(false)), None);
        assert_eq!(program("warning: something"), None);
    }

    #[test]
    fn what_runs_beside_is_waited_for_and_a_failure_anywhere_counts() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str, executable: &str| Program {
            name: name.into(),
            source: name.into(),
            executable: executable.into(),
            folder: folder.path().into(),
        };
        let log = folder.path().join("log");
        let run = |programs: &[Program]| run(programs, "beside", &log, &[]).unwrap();
        assert_eq!(run(&[at("beside", "true"), at("a", "true")]), 0);
        assert_eq!(run(&[at("beside", "false"), at("a", "true")]), 1);
        assert_eq!(run(&[at("beside", "true"), at("a", "false"), at("b", "true")]), 1);
    }
}
