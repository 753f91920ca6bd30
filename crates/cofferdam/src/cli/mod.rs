//! The commands: one file for each verb, and its line in [`COMMANDS`].

mod abort;
mod alter;
mod apply;
mod approve;
mod audit;
mod backup;
mod baseline;
mod completion;
mod cutover;
mod demo;
mod diff;
mod doctor;
mod drift;
mod explain;
mod finalize;
mod history;
mod import;
mod init;
mod install;
mod kube;
mod lint;
mod man;
mod new;
mod notify;
mod operator;
mod parked;
mod parse;
mod pause;
pub(crate) mod plan;
mod rehearse;
mod repair;
mod restore;
mod resume;
pub(crate) mod rollback;
mod runner;
mod status;
mod throttle;
mod undrop;
mod upgrade;
mod validate;
mod verify;
mod version;
mod wait;

use std::ffi::OsString;
use std::future::Future;
use std::pin::Pin;
use std::process::ExitCode;
use std::rc::Rc;

use clap::{ArgMatches, FromArgMatches};
use cofferdam_core::{Code, Fault, Refusal, Result};

use crate::args::Common;
use crate::args::common::Output;
use crate::context::Context;
use crate::output::{Console, error};
use crate::signals::Halt;
use crate::telling::Telling;

/// A verb.
pub(crate) struct Command {
    pub(crate) name: &'static str,
    /// What users of other tools type for it.
    pub(crate) aliases: &'static [&'static str],
    /// What it does, in one line.
    pub(crate) about: &'static str,
    /// What it does beyond that line; empty: nothing to add.
    pub(crate) more: &'static str,
    /// A command line, and what it does.
    pub(crate) examples: &'static [(&'static str, &'static str)],
    /// Adds its flags.
    pub(crate) arguments: fn(clap::Command) -> clap::Command,
    /// Does it.
    pub(crate) run: fn(Context, ArgMatches) -> Running,
}

/// A command at work.
pub(crate) type Running = Pin<Box<dyn Future<Output = Result<Exit>>>>;

/// Every verb, in the order of the help.
pub(crate) static COMMANDS: &[&Command] = &[
    &demo::COMMAND,
    &init::COMMAND,
    &new::COMMAND,
    &lint::COMMAND,
    &plan::COMMAND,
    &rehearse::COMMAND,
    &approve::COMMAND,
    &apply::COMMAND,
    &alter::COMMAND,
    &install::COMMAND,
    &upgrade::COMMAND,
    &status::COMMAND,
    &history::COMMAND,
    &rollback::COMMAND,
    &parked::COMMAND,
    &undrop::COMMAND,
    &finalize::COMMAND,
    &backup::COMMAND,
    &restore::COMMAND,
    &pause::COMMAND,
    &resume::COMMAND,
    &throttle::COMMAND,
    &cutover::COMMAND,
    &abort::COMMAND,
    &validate::COMMAND,
    &repair::COMMAND,
    &baseline::COMMAND,
    &import::COMMAND,
    &diff::COMMAND,
    &drift::COMMAND,
    &verify::COMMAND,
    &audit::COMMAND,
    &notify::COMMAND,
    &wait::COMMAND,
    &doctor::COMMAND,
    &kube::COMMAND,
    &operator::COMMAND,
    &runner::COMMAND,
    &explain::COMMAND,
    &completion::COMMAND,
    &man::COMMAND,
    &version::COMMAND,
];

/// The exit code of a command that was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exit(u8);

impl Exit {
    /// Done, or nothing to do.
    pub(crate) const DONE: Exit = Exit(0);
    /// Nothing more happens without a person: something failed, or is not known.
    pub(crate) const PERSON: Exit = Exit(7);
    /// It waits for a person's word.
    pub(crate) const WAITS: Exit = Exit(8);

    #[cfg(test)]
    pub(crate) fn of(code: u8) -> Exit {
        Exit(code)
    }
}

impl From<Code> for Exit {
    fn from(code: Code) -> Self {
        Exit(code.exit())
    }
}

/// The flags of a command as its struct.
pub(crate) fn flags<T: FromArgMatches>(matches: &ArgMatches) -> Result<T> {
    T::from_arg_matches(matches).map_err(|error| Fault::Bug(error.to_string()))
}

/// Runs the command line and returns its exit code.
pub(crate) fn main(arguments: Vec<OsString>) -> ExitCode {
    let plugin = kube::is_plugin(&arguments);
    let root = if plugin { kube::plugin() } else { parse::command() };
    let matches = match root.try_get_matches_from(&arguments) {
        Ok(matches) => matches,
        Err(error) => return parse::stopped(&error, &arguments),
    };
    let Some(Chosen { command, matches, of_the_cluster }) = chosen(&matches, plugin) else {
        return ExitCode::from(Code::Usage.exit());
    };
    let Ok(common) = Common::from_arg_matches(&matches) else { return ExitCode::from(Code::Bug.exit()) };
    let console = Rc::new(Console::new(&common));
    let limits_itself = of_the_cluster || command.name == "wait";
    let outcome = match common.output {
        Output::Wide | Output::Name if !of_the_cluster => Err(only_of_the_cluster().into()),
        Output::Csv if command.name != "audit" => Err(only_of_the_audit().into()),
        _ => run(command, &common, matches, &console, limits_itself),
    };
    let exit = match outcome {
        Ok(exit) => exit,
        Err(fault) => fail(&console, &error::refusal(&fault)),
    };
    match exit {
        Exit::DONE if console.lost() => ExitCode::FAILURE,
        Exit(code) => ExitCode::from(code),
    }
}

/// The verb that was typed, with its flags.
struct Chosen {
    command: &'static Command,
    matches: ArgMatches,
    /// It is one of those of the plugin.
    of_the_cluster: bool,
}

fn chosen(matches: &ArgMatches, plugin: bool) -> Option<Chosen> {
    let (name, matches) = matches.subcommand()?;
    if name == kube::COMMAND.name && !plugin {
        return chosen(matches, true);
    }
    let commands = if plugin { kube::VERBS } else { COMMANDS };
    let command = commands.iter().find(|command| command.name == name)?;
    Some(Chosen { command, matches: matches.clone(), of_the_cluster: plugin })
}

fn only_of_the_cluster() -> Refusal {
    Refusal::new(Code::Usage, "-o wide and -o name are not for this command")
        .cause("they list objects of a cluster")
        .help("cofferdam kube get -o wide; here it is -o table, json or yaml")
}

fn only_of_the_audit() -> Refusal {
    Refusal::new(Code::Usage, "-o csv is not for this command")
        .cause("only the rows of the audit are a table for other programs")
        .help("cofferdam audit -o csv; here it is -o table, json or yaml")
}

fn run(
    command: &Command,
    common: &Common,
    matches: ArgMatches,
    console: &Rc<Console>,
    limits_itself: bool,
) -> Result<Exit> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Fault::Bug(format!("no runtime: {error}")))?;
    let halt = Halt::default();
    let limit = if limits_itself { None } else { common.timeout };
    let telling = Rc::new(Telling::default());
    let outcome = runtime.block_on(async {
        let context = Context {
            verb: command.name,
            common: common.clone(),
            console: Rc::clone(console),
            halt: halt.clone(),
            telling: Rc::clone(&telling),
        };
        let outcome = tokio::select! {
            outcome = (command.run)(context, matches) => outcome,
            () = halt.overdue(limit) => {
                Err(Refusal::new(Code::TimedOut, "the time given with --timeout is over")
                    .cause("nothing was changed")
                    .help("give it more time, or look at cofferdam doctor")
                    .into())
            }
        };
        telling.finish(console).await;
        outcome
    });
    // Not dropped: a thread that still waits for the keyboard would hold the process.
    runtime.shutdown_background();
    outcome
}

/// Reports a refusal and returns its exit code.
fn fail(console: &Console, refusal: &Refusal) -> Exit {
    if console.wants_document() && !console.shown() {
        console.show("Error", &error::view(refusal), |_| String::new());
    } else {
        console.complain(&error::text(refusal));
    }
    Exit::from(refusal.code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folder_is_in_the_table() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/cli");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .filter_map(|f| Some(f.unwrap().file_name().to_str()?.strip_suffix(".rs")?.to_owned()))
            .filter(|name| name != "mod" && name != "parse")
            .collect();
        let mut names: Vec<&str> = COMMANDS.iter().map(|c| c.name).collect();
        files.sort();
        names.sort_unstable();
        assert_eq!(files, names);
    }

    #[test]
    fn every_command_is_described_and_every_example_is_understood() {
        for command in COMMANDS {
            assert!(!command.about.is_empty() && !command.about.ends_with('.'), "{}", command.name);
            assert!(!command.examples.is_empty(), "{}", command.name);
            for (line, what) in command.examples {
                let words: Vec<String> = parse::words(line);
                assert_eq!(words[0], "cofferdam", "{line}");
                let chosen =
                    parse::command().try_get_matches_from(&words).unwrap_or_else(|e| panic!("{line}: {e}"));
                assert_eq!(chosen.subcommand_name(), Some(command.name), "{line}");
                assert!(!what.is_empty(), "{line}");
            }
        }
    }

    #[test]
    fn names_and_aliases_are_unique() {
        let mut seen = std::collections::HashSet::new();
        for name in COMMANDS.iter().flat_map(|c| c.aliases.iter().chain([&c.name])) {
            assert!(seen.insert(name), "{name}");
        }
    }
}
