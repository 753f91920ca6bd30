//! `kube`: DatabaseMigrations in a cluster. The same verbs are the plugin of kubectl, `kubectl cofferdam`, where the
//! program is called `kubectl-cofferdam`.

mod approve;
mod cleanup;
mod cutover;
mod describe;
mod finalize;
mod get;
mod logs;
mod pause;
mod plan;
mod resume;
mod retry;
mod rollback;
mod status;
mod verify;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::ValueParser;
use clap::{Arg, Args};
use cofferdam_core::Fault;

use super::{Command, parse};
use crate::args::Common;
use crate::plugin::reach::ReachFlags;
use crate::plugin::words;

/// Every verb, in the order of the help.
pub(crate) static VERBS: &[&Command] = &[
    &get::COMMAND,
    &describe::COMMAND,
    &plan::COMMAND,
    &approve::COMMAND,
    &status::COMMAND,
    &logs::COMMAND,
    &cutover::COMMAND,
    &pause::COMMAND,
    &resume::COMMAND,
    &rollback::COMMAND,
    &finalize::COMMAND,
    &retry::COMMAND,
    &verify::COMMAND,
    &cleanup::COMMAND,
];

const ABOUT: &str = "Look at DatabaseMigrations in a Kubernetes cluster, and steer them";

const MORE: &str = "Speaks to the cluster of the kubeconfig, as kubectl does, and never to a database. A link named \
                    kubectl-cofferdam to this program on PATH makes it a plugin: kubectl cofferdam VERB.";

pub(crate) static COMMAND: Command = Command {
    name: "kube",
    aliases: &[],
    about: ABOUT,
    more: MORE,
    examples: &[
        ("cofferdam kube get --all-namespaces", "every migration, and where it is"),
        ("cofferdam kube status orders --watch --timeout 10m", "follow one until its end"),
        ("cofferdam kube approve orders --reason CHG-1234", "agree to its plan"),
    ],
    arguments: with_verbs,
    run: |_, _| Box::pin(std::future::ready(Err(Fault::Bug("kube has no verb".to_owned())))),
};

/// Whether the process was called as the plugin.
pub(crate) fn is_plugin(arguments: &[OsString]) -> bool {
    arguments.first().is_some_and(words::is_plugin)
}

/// The command line of the plugin.
pub(crate) fn plugin() -> clap::Command {
    let root = clap::Command::new(words::PLUGIN)
        .bin_name("kubectl cofferdam")
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_flag(true)
        .arg(parse::help_flag().global(true));
    let root = Common::augment_args(with_verbs(root))
        .mut_args(parse::with_variable)
        .about(ABOUT)
        .after_help(parse::examples("", EXAMPLES));
    elsewhere()
        .fold(root, |root, argument| {
            let id = argument.get_id().clone();
            root.mut_arg(id, |_| argument)
        })
        .help_template(parse::TEMPLATE)
}

const EXAMPLES: &[(&str, &str)] = &[
    ("kubectl cofferdam get", "every migration of the namespace, and where it is"),
    ("kubectl cofferdam status orders --watch", "follow one until its end"),
    ("kubectl cofferdam approve orders", "agree to its plan"),
    ("kubectl cofferdam rollback orders", "take its change back"),
];

fn with_verbs(command: clap::Command) -> clap::Command {
    let command = ReachFlags::augment_args(command)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(VERBS.iter().map(|verb| parse::subcommand(verb)));
    match command.get_name() == COMMAND.name {
        true => command.args(elsewhere()),
        false => command,
    }
}

/// The common flags that mean something else here: those about a database, which no verb opens, are refused and not shown.
fn elsewhere() -> impl Iterator<Item = Arg> {
    let common = Common::augment_args(clap::Command::new(""));
    let all: Vec<Arg> = common.get_arguments().cloned().collect();
    all.into_iter().filter_map(|argument| {
        let no = |_: &str| Err::<String, _>("this is about the cluster; it opens no database");
        Some(match argument.get_id().as_str() {
            "url" | "env" | "format" => argument.hide(true).value_parser(ValueParser::new(no)),
            "dir" => argument.hide(true).value_parser(move |text: &str| no(text).map(PathBuf::from)),
            "timeout" => {
                argument.help("Wait no longer than this (exit code 124); what goes on in the cluster goes on")
            }
            _ => return None,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::parse::words as split;

    #[test]
    fn every_file_of_the_folder_is_in_the_table() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/cli/kube");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .filter_map(|f| Some(f.unwrap().file_name().to_str()?.strip_suffix(".rs")?.to_owned()))
            .collect();
        let mut names: Vec<&str> = VERBS.iter().map(|verb| verb.name).collect();
        files.sort();
        names.sort_unstable();
        assert_eq!(files, names);
    }

    #[test]
    fn every_verb_is_described_and_every_example_is_understood() {
        for verb in VERBS {
            assert!(!verb.about.is_empty() && !verb.about.ends_with('.'), "{}", verb.name);
            assert!(!verb.examples.is_empty(), "{}", verb.name);
            for (line, what) in verb.examples {
                let typed = line.strip_prefix("kubectl cofferdam ").unwrap_or_else(|| panic!("{line}"));
                for (root, line) in [
                    (plugin(), format!("kubectl-cofferdam {typed}")),
                    (parse::command(), format!("cofferdam kube {typed}")),
                ] {
                    let chosen =
                        root.try_get_matches_from(split(&line)).unwrap_or_else(|e| panic!("{line}: {e}"));
                    let mut leaf = chosen.subcommand().unwrap();
                    if leaf.0 == "kube" {
                        leaf = leaf.1.subcommand().unwrap();
                    }
                    assert_eq!(leaf.0, verb.name, "{line}");
                }
                assert!(!what.is_empty(), "{line}");
            }
        }
    }

    #[test]
    fn the_command_line_is_consistent_and_says_nothing_of_databases() {
        plugin().debug_assert();
        let mut root = plugin();
        root.build();
        let mut help = root.render_help().to_string();
        for verb in VERBS {
            let shown = root.find_subcommand_mut(verb.name).unwrap().render_help().to_string();
            assert!(shown.starts_with(verb.about), "{shown}");
            assert!(!shown.contains("--url") && !shown.contains("--dir"), "{shown}");
            assert!(shown.contains("--namespace") && shown.contains("--timeout"), "{shown}");
            if verb.name == "status" {
                help += &format!("\n{shown}");
            }
        }
        insta::assert_snapshot!(help);
    }

    #[test]
    fn the_flags_of_kubectl_may_stand_before_or_after_the_verb() {
        for line in ["kubectl-cofferdam -n shop get -o json", "kubectl-cofferdam -o json get -n shop"] {
            let matches = plugin().try_get_matches_from(split(line)).unwrap();
            let leaf = matches.subcommand().unwrap().1;
            assert_eq!(leaf.get_one::<String>("namespace").map(String::as_str), Some("shop"), "{line}");
            let common = <Common as clap::FromArgMatches>::from_arg_matches(leaf).unwrap();
            assert_eq!(common.output, crate::args::common::Output::Json, "{line}");
        }
    }

    #[test]
    fn the_plugin_opens_no_database() {
        for line in ["kubectl-cofferdam get --url postgres://h/d", "cofferdam kube get --dir x"] {
            let root = if line.starts_with("cofferdam") { parse::command() } else { plugin() };
            assert!(root.try_get_matches_from(split(line)).is_err(), "{line}");
        }
    }
}
