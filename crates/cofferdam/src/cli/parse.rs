//! The command line as clap sees it, made from the table of commands.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::builder::FalseyValueParser;
use clap::error::{ContextKind, ErrorKind};
use clap::{Arg, ArgAction, Args};
use cofferdam_core::{Code, Refusal};

use super::{COMMANDS, Command, kube};
use crate::args::Common;
use crate::output::envelope::Envelope;
use crate::output::{error, mask};

const ABOUT: &str = "Changes the schema and data of a live database, proves that nothing was lost, and can take \
                     the change back";

const EXAMPLES: &[(&str, &str)] = &[
    ("cofferdam lint migrations", "what would they do to a live database?"),
    ("cofferdam plan --url postgres://localhost/shop", "what would apply do, step by step?"),
    ("cofferdam apply --url postgres://localhost/shop", "apply what is pending"),
    ("cofferdam rollback --steps 1", "take the last migration back"),
];

const FOOTER: &str = "
Every flag can be set by a variable: --lock-timeout by COFFERDAM_LOCK_TIMEOUT.
Exit codes: 0 done or nothing to do, 1 failed, 2 usage, 3 pending, 4 lint errors,
5 lock not obtained, 6 failed and taken back, 7 a person is needed, 8 waiting for consent,
9 drift, 124 timeout, 130 interrupted.";

/// What it does, then examples, then the flags. The examples are the help's end for clap, so that manual pages
/// have them, and its beginning for the reader.
pub(crate) const TEMPLATE: &str = "{about}{after-help}\n\n{usage-heading} {usage}\n\n{all-args}";

/// The widest line of the help.
const WIDTH: usize = 100;

/// The whole command line.
pub(crate) fn command() -> clap::Command {
    let root = clap::Command::new("cofferdam")
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_flag(true)
        .max_term_width(WIDTH)
        .subcommands(COMMANDS.iter().map(|c| subcommand(c)));
    // What a struct of flags says of itself is not what the command does: `about` comes after it.
    Common::augment_args(root)
        .arg(help_flag().global(true))
        .mut_args(with_variable)
        .about(ABOUT)
        .after_help(examples("", EXAMPLES))
        .help_template(format!("{TEMPLATE}\n{FOOTER}"))
}

pub(crate) fn subcommand(command: &Command) -> clap::Command {
    let base = clap::Command::new(command.name).visible_aliases(command.aliases.iter().copied());
    (command.arguments)(base)
        .hide(HIDDEN.contains(&command.name))
        .mut_args(with_variable)
        .about(command.about)
        .after_help(examples(command.more, command.examples))
        .help_template(TEMPLATE)
}

/// What nobody types is not among the commands of the main help; its own help says what it is.
const HIDDEN: &[&str] = &["runner"];

/// One help, whichever way it is asked for.
pub(crate) fn help_flag() -> Arg {
    Arg::new("help").short('h').long("help").action(ArgAction::HelpShort).help("Print help")
}

/// Gives a flag its variable. Values of variables are not shown in the help: one of them may be a password.
pub(crate) fn with_variable(argument: Arg) -> Arg {
    let takes = matches!(argument.get_action(), ArgAction::Set | ArgAction::Append | ArgAction::SetTrue);
    let Some(long) = argument.get_long().filter(|long| takes && !KEPT.contains(long)) else {
        return argument;
    };
    let variable = format!("COFFERDAM_{}", long.to_uppercase().replace('-', "_"));
    let switch = matches!(argument.get_action(), ArgAction::SetTrue);
    let argument = argument.env(variable).hide_env(true);
    if switch { argument.value_parser(FalseyValueParser::new()) } else { argument }
}

/// Flags without a variable: pipelines set COFFERDAM_VERSION to the release that they install, and `verify` of a
/// database must not become one of files because the shell of somebody names a project.
const KEPT: &[&str] =
    &["version", "project", "from-version", "stage", "database-type", "database", "environment", "template"];

pub(crate) fn examples(more: &str, examples: &[(&str, &str)]) -> String {
    let wide = examples.iter().map(|(line, _)| line.len()).max().unwrap_or_default();
    let mut lines: Vec<String> =
        examples.iter().map(|(line, what)| format!("  {line:wide$}  # {what}")).collect();
    if !more.is_empty() {
        lines.insert(0, String::new());
        lines.insert(0, more.to_owned());
    }
    let heading = lines.len() - examples.len();
    lines.insert(heading, "Examples:".to_owned());
    lines.join("\n")
}

/// Ends where clap stopped: with the help on stdout, or with a usage error.
pub(crate) fn stopped(stopped: &clap::Error, arguments: &[OsString]) -> ExitCode {
    match stopped.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // A reader that has gone is no failure.
            let _ = stopped.print();
            ExitCode::SUCCESS
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = stopped.print();
            ExitCode::from(Code::Usage.exit())
        }
        _ => {
            let program = if kube::is_plugin(arguments) { "kubectl cofferdam" } else { "cofferdam" };
            let usage = usage(stopped, program);
            if let Some(format) = document_wanted(arguments) {
                let view = error::view(&usage);
                let envelope = Envelope::new("Error", &view);
                let text = if format == "yaml" { envelope.yaml() } else { envelope.json() };
                let _ = std::io::Write::write_all(&mut std::io::stdout(), format!("{text}\n").as_bytes());
            } else {
                // clap quotes what it did not understand, which may be a URL.
                let text = mask::text(&error::text(&usage));
                let _ = std::io::Write::write_all(&mut anstream::stderr(), format!("{text}\n").as_bytes());
            }
            ExitCode::from(Code::Usage.exit())
        }
    }
}

/// The usage error as a refusal: clap's first paragraph, its line of usage, and the nearest word.
fn usage(stopped: &clap::Error, program: &str) -> Refusal {
    let rendered = stopped.render().to_string();
    let first: Vec<&str> = rendered.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    let first = first.join(" ");
    let mut refusal = Refusal::new(Code::Usage, first.trim_start_matches("error: "));
    if let Some(line) = rendered.lines().find_map(|line| line.strip_prefix("Usage: ")) {
        refusal = refusal.note(format!("usage: {line}"));
    }
    let near = [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand, ContextKind::SuggestedValue]
        .iter()
        .find_map(|kind| stopped.get(*kind));
    match near {
        Some(near) => refusal.help(format!("did you mean {near}?")),
        None => refusal.help(format!("see {program} --help")),
    }
}

/// `-o json` or `-o yaml`, looked for by hand because the command line as a whole is not understood.
fn document_wanted(arguments: &[OsString]) -> Option<&'static str> {
    let words: Vec<&str> = arguments.iter().filter_map(|a| a.to_str()).collect();
    ["json", "yaml"].into_iter().find(|format| {
        words.windows(2).any(|pair| matches!(pair[0], "-o" | "--output") && pair[1] == *format)
            || words.iter().any(|w| *w == format!("-o{format}") || *w == format!("--output={format}"))
    })
}

/// The words of an example, quotes taken off.
#[cfg(test)]
pub(crate) fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            _ => words.last_mut().unwrap().push(c),
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn the_help_says_what_a_command_does_and_fits_a_terminal() {
        for command in COMMANDS {
            let mut shown = command_line(command.name);
            let help = shown.render_help().to_string();
            assert!(help.starts_with(command.about), "{help}");
            for (line, _) in command.examples {
                let found = help.lines().find(|l| l.trim_start().starts_with(line));
                assert!(
                    found.is_some_and(|l| l.chars().count() <= WIDTH && l.contains('#')),
                    "{line}\n{help}"
                );
            }
        }
        insta::assert_snapshot!(command().render_help().to_string());
    }

    fn command_line(name: &str) -> clap::Command {
        let mut root = command();
        root.build();
        root.find_subcommand(name).unwrap().clone()
    }

    #[test]
    fn every_flag_has_a_variable_but_those_that_are_kept() {
        for sub in command().get_subcommands() {
            for argument in sub.get_arguments().filter(|a| a.get_action().takes_values()) {
                let Some(long) = argument.get_long() else { continue };
                assert_eq!(
                    argument.get_env().is_some(),
                    !KEPT.contains(&long),
                    "{} --{long}",
                    sub.get_name()
                );
            }
        }
    }

    #[test]
    fn a_common_flag_may_stand_before_or_after_the_command() {
        for line in ["cofferdam -o json status", "cofferdam status -o json"] {
            let matches = command().try_get_matches_from(words(line)).unwrap();
            let common =
                <Common as clap::FromArgMatches>::from_arg_matches(matches.subcommand().unwrap().1).unwrap();
            assert_eq!(common.output, crate::args::common::Output::Json, "{line}");
        }
    }

    #[test]
    fn a_typo_is_answered_with_the_nearest_word() {
        for (line, near) in [("cofferdam aply", "apply"), ("cofferdam apply --dry-rum", "--dry-run")] {
            let stopped = command().try_get_matches_from(words(line)).unwrap_err();
            assert!(stopped.to_string().contains(near), "{stopped}");
            assert!(usage(&stopped, "cofferdam").help.unwrap().contains(near), "{line}");
        }
    }

    #[test]
    fn a_url_in_the_wrong_place_is_not_repeated_with_its_password() {
        let line = "cofferdam apply postgres://u:canary@h/d";
        let stopped = command().try_get_matches_from(words(line)).unwrap_err();
        assert!(!mask::text(&error::text(&usage(&stopped, "cofferdam"))).contains("canary"));
        assert!(!format!("{:?}", error::view(&usage(&stopped, "cofferdam"))).contains("canary"));
    }

    #[test]
    fn a_wanted_document_is_found_by_hand() {
        for (line, format) in [
            ("cofferdam x -o json", Some("json")),
            ("cofferdam x --output=yaml", Some("yaml")),
            ("cofferdam x -ojson", Some("json")),
            ("cofferdam json", None),
        ] {
            let arguments: Vec<OsString> = words(line).into_iter().map(Into::into).collect();
            assert_eq!(document_wanted(&arguments), format, "{line}");
        }
    }
}
