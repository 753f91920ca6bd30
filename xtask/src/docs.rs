//! `cargo xtask docs`: the pages that are printed from the code.

use std::fs;

use cofferdam_core::code::ERRORS;
use cofferdam_core::run::{FACTS, diagram};

use crate::Outcome;
use crate::machine::{cargo, root, stream};

/// A page and what prints it.
struct Page {
    path: &'static str,
    text: fn() -> String,
}

static PAGES: &[Page] =
    &[Page { path: "docs/run-states.md", text: run_states }, Page { path: "docs/errors.md", text: errors }];

/// First line of every page, so that nobody edits one in vain.
const NOTE: &str = "<!-- Printed by `cargo xtask docs`; edit the code that it is printed from. -->\n\n";

/// Runs it.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    match arguments {
        [] => write(),
        [flag] if flag == "--check" => Ok(check()),
        _ => Err("takes --check or nothing".into()),
    }
}

fn write() -> Outcome {
    for page in PAGES {
        let path = root().join(page.path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|e| format!("cannot create {}: {e}", folder.display()))?;
        }
        fs::write(&path, (page.text)()).map_err(|e| format!("cannot write {}: {e}", path.display()))?;
        println!("docs: {}", page.path);
    }
    // The rules' pages, those of the kinds in Kubernetes with their CustomResourceDefinitions, the schema of
    // project-config.yaml, and what is printed from the charts are checked by tests of the crates that have them; asked so, the tests write them.
    let of_tests = ["cofferdam-lint", "cofferdam-api", "cofferdam-operator", "cofferdam-project"];
    let packages = of_tests.iter().flat_map(|package| ["--package", package]);
    stream(cargo().args(["test", "--quiet"]).args(packages).arg("docs").env("UPDATE_DOCS", "1"))
}

/// The pages of the rules, the kinds and the charts are not among them: their own tests compare them.
fn check() -> u8 {
    let stale: Vec<&Page> = PAGES
        .iter()
        .filter(|page| !fs::read_to_string(root().join(page.path)).is_ok_and(|text| text == (page.text)()))
        .collect();
    for page in &stale {
        println!("docs: {} is stale; run `cargo xtask docs`", page.path);
    }
    u8::from(!stale.is_empty())
}

fn run_states() -> String {
    let mut text = format!(
        "{NOTE}# The life of a run\n\nEvery transition that there is. One that is not drawn is refused.\n\n\
         ```mermaid\n{}```\n\n\
         A run that is `Stuck` waits for a person to state a fact, never a command. Which facts fit depends on \
         where it got stuck:\n\n| stuck in | facts |\n|---|---|\n",
        diagram()
    );
    for (phase, facts) in FACTS {
        let facts: Vec<String> = facts.iter().map(|fact| format!("`{fact:?}`")).collect();
        text += &format!("| `{phase:?}` | {} |\n", facts.join(", "));
    }
    text
}

fn errors() -> String {
    let mut text = format!(
        "{NOTE}# Errors\n\nEvery error has a code that is never used for another. \
         `cofferdam explain CODE` shows the same text offline.\n\n| code | exit code | what |\n|---|---|---|\n"
    );
    for error in ERRORS {
        let anchor = error.id.to_lowercase();
        text += &format!("| [{}](#{anchor}) | {} | {} |\n", error.id, error.exit, error.title);
    }
    for error in ERRORS {
        let (id, title, exit) = (error.id, error.title, error.exit);
        text += &format!("\n## {id}\n\n**{title}** (exit code {exit})\n\n{}\n", error.explanation);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_has_its_note_and_its_items() {
        for page in PAGES {
            assert!((page.text)().starts_with(NOTE), "{}", page.path);
        }
        let text = errors();
        for error in ERRORS {
            assert!(text.contains(&format!("\n## {}\n", error.id)), "{}", error.id);
        }
        assert!(run_states().contains("Requested --> Planned: PlanAccepted"));
    }
}
