//! All tests in two lanes: the suites that mostly wait, for a cluster, for tools of others and for servers that go on
//! after somebody died, run beside the others.
//!
//! Cargo runs test programs one after the other. They are started here as cargo would: in the folder of their package,
//! with the package's variables. Documentation tests stay cargo's.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{self, File};
use std::iter;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread;

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

/// Runs all in two lanes and gives the code of one that failed. Those called by a name of `beside` go one after the
/// other, in that order, in a lane of their own; once the others are through, both lanes take what is left of them. What
/// runs beside the others writes to files in `logs`, which are printed when the others are through.
pub(crate) fn run(
    programs: &[Program],
    beside: &[&str],
    logs: &Path,
    variables: &[Variable],
) -> Result<u8, String> {
    let place = |program: &Program| beside.iter().position(|name| *name == program.name);
    let (mut aside, others): (Vec<&Program>, Vec<_>) =
        programs.iter().partition(|program| place(program).is_some());
    aside.sort_by_key(|program| place(program));
    for program in &aside {
        println!("{}, beside the others", program.title());
    }
    let mut ended = Vec::new();
    let waiting = Mutex::new(VecDeque::from(aside));
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let rest = || -> Result<Vec<_>, String> {
        iter::from_fn(next).map(|program| Ok((program, logged(program, logs, variables)?))).collect()
    };
    let aside = thread::scope(|scope| {
        let beside = scope.spawn(rest);
        for program in others {
            println!("{}", program.title());
            ended.push((program, stream(&mut program.command(variables))?));
        }
        // Whoever is through first takes what is left.
        let mut done = rest()?;
        done.extend(beside.join().unwrap_or_else(|_| Err("the lane beside the others panicked".into()))?);
        Ok::<_, String>(done)
    })?;
    for (program, (code, words)) in aside {
        println!("{}", program.title());
        print!("{words}");
        ended.push((program, code));
    }
    ended.retain(|(_, code)| *code != 0);
    if !ended.is_empty() {
        let failed: Vec<&str> = ended.iter().map(|(program, _)| program.name.as_str()).collect();
        println!("\nfailed: {}", failed.join(", "));
    }
    Ok(ended.last().map_or(0, |(_, code)| *code))
}

/// Runs one whose words go to a file, so that they can be looked at meanwhile; its code and its words.
fn logged(program: &Program, logs: &Path, variables: &[Variable]) -> Result<(u8, String), String> {
    let log = logs.join(format!("{}-{}.log", program.name, std::process::id()));
    let unable = |e| format!("cannot run {} with its words in {}: {e}", program.name, log.display());
    let file = File::create(&log).map_err(unable)?;
    let errors = file.try_clone().map_err(unable)?;
    let code = stream(program.command(variables).stdout(file).stderr(errors))?;
    let words = fs::read_to_string(&log).map_err(unable)?;
    let _ = fs::remove_file(&log);
    Ok((code, words))
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
        let run = |programs: &[Program]| run(programs, &["later", "beside"], folder.path(), &[]).unwrap();
        assert_eq!(run(&[at("beside", "true"), at("a", "true")]), 0);
        assert_eq!(run(&[at("beside", "true"), at("a", "true"), at("later", "false")]), 1);
        assert_eq!(run(&[at("beside", "false"), at("a", "true")]), 1);
        assert_eq!(run(&[at("beside", "true"), at("a", "false"), at("b", "true")]), 1);
    }
}
