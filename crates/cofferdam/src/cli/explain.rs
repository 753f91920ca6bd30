//! `explain`: what a code or a rule means.

use cofferdam_core::code::ERRORS;
use cofferdam_core::{Code, Refusal, Result};
use serde::Serialize;

use super::{Command, Exit, flags};
use crate::context::Context;
use crate::output::words::wrapped;

/// The widest line of an explanation.
const WIDTH: usize = 100;

#[derive(Debug, clap::Args)]
struct Flags {
    /// A code (CF2301), or a rule of lint (drop-column)
    #[arg(value_name = "CODE|RULE")]
    name: Option<String>,
}

pub(crate) static COMMAND: Command = Command {
    name: "explain",
    aliases: &[],
    about: "Say what an error code or a lint rule means, and what to do",
    more: "",
    examples: &[
        ("cofferdam explain CF2302", "an error code"),
        ("cofferdam explain drop-column", "a rule of lint"),
        ("cofferdam explain", "all of them"),
    ],
    arguments: <Flags as clap::Args>::augment_args,
    run: |context, matches| Box::pin(async move { explain(&context, &flags(&matches)?) }),
};

/// The document of kind `Explanations`, and of kind `Explanation` its one entry.
#[derive(Debug, Serialize)]
struct ExplanationsView {
    explanations: Vec<ExplanationView>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ExplanationView {
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'static str>,
    title: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<u8>,
    text: String,
}

fn explain(context: &Context, flags: &Flags) -> Result<Exit> {
    match &flags.name {
        None => {
            let view = ExplanationsView { explanations: all().collect() };
            context.console.show("Explanations", &view, list);
        }
        Some(name) => {
            let found = find(name).ok_or_else(|| no_such(name))?;
            context.console.show("Explanation", &found, |e| wrapped(&e.text, WIDTH));
        }
    }
    Ok(Exit::DONE)
}

fn all() -> impl Iterator<Item = ExplanationView> {
    let rules = cofferdam_lint::RULES.iter().map(|rule| ExplanationView {
        code: rule.code,
        rule: Some(rule.id),
        title: rule.title,
        exit_code: None,
        text: cofferdam_lint::page(rule, ""),
    });
    let errors = ERRORS.iter().map(|error| ExplanationView {
        code: error.id,
        rule: None,
        title: error.title,
        exit_code: Some(error.exit),
        text: format!("{}: {}\n\n{}\n\nExit code: {}", error.id, error.title, error.explanation, error.exit),
    });
    rules.chain(errors)
}

fn find(name: &str) -> Option<ExplanationView> {
    let rule = cofferdam_lint::rule(name).map(|rule| rule.id);
    all().find(|e| e.code.eq_ignore_ascii_case(name) || (rule.is_some() && e.rule == rule))
}

fn list(view: &ExplanationsView) -> String {
    let line = |e: &ExplanationView| match e.rule {
        Some(rule) => format!("{}  {rule}: {}\n", e.code, e.title),
        None => format!("{}  {}\n", e.code, e.title),
    };
    view.explanations.iter().map(line).collect()
}

fn no_such(name: &str) -> Refusal {
    let refusal = Refusal::new(Code::NoSuchCode, format!("there is no code or rule {name}"));
    let names = all().flat_map(|e| [Some(e.code), e.rule]).flatten().collect::<Vec<_>>();
    match cofferdam_formats::nearest(name, names) {
        Some(near) => refusal.help(format!("did you mean cofferdam explain {near}?")),
        None => refusal.help("cofferdam explain lists them"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_rules_are_found_in_any_case() {
        let rule = cofferdam_lint::RULES[0];
        for (name, code) in [("cf2301", "CF2301"), (rule.id, rule.code), (rule.code, rule.code)] {
            assert_eq!(find(name).unwrap().code, code, "{name}");
        }
    }

    #[test]
    fn a_code_that_is_not_there_is_answered_with_the_nearest() {
        let refusal = no_such("CF230x");
        assert_eq!(refusal.code, Code::NoSuchCode);
        assert!(refusal.help.unwrap().contains("CF230"));
    }

    #[test]
    fn codes_are_unique_over_rules_and_errors() {
        let mut seen = std::collections::HashSet::new();
        assert!(all().all(|e| seen.insert(e.code)));
    }
}
