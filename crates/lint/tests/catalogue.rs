//! Tests over the table of rules, and their pages: the example of each is a fixture, and what is told of it is what is
//! found in it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use cofferdam_lint::{RULES, Rule, page, rule};
use common::{Fixture, fixed, fixtures, own_file};

fn manifest() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn stems(folder: PathBuf, extension: &str) -> BTreeSet<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter_map(|name| name.strip_suffix(extension).map(str::to_owned)).collect()
}

#[test]
fn every_file_of_the_folder_is_in_the_table() {
    let mut files = stems(manifest().join("src/rules"), ".rs");
    files.remove("mod");
    let rules: BTreeSet<String> = RULES.iter().map(|rule| rule.id.replace('-', "_")).collect();
    assert_eq!(files, rules);
}

#[test]
fn ids_are_kebab_and_codes_are_unique_and_in_order() {
    let mut last = "";
    for rule in RULES {
        let kebab =
            rule.id.split('-').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase()));
        assert!(kebab, "{}", rule.id);
        assert!(rule.code.len() == 6 && rule.code.starts_with("CF1"), "{}", rule.code);
        assert!(rule.code > last, "{} stands after {last}", rule.code);
        last = rule.code;
    }
    assert_eq!(RULES.iter().map(|rule| rule.id).collect::<BTreeSet<_>>().len(), RULES.len());
}

#[test]
fn texts_are_sentences() {
    for rule in RULES {
        assert!(!rule.title.is_empty() && !rule.title.ends_with('.'), "{}", rule.id);
        assert!(!rule.engines.is_empty(), "{}", rule.id);
        for text in [rule.why, rule.instead] {
            assert!(text.len() > 10 && text.ends_with('.'), "{}: {text}", rule.id);
            assert!(text.starts_with(|c: char| c.is_uppercase() || c == '`'), "{}: {text}", rule.id);
            assert!(!text.contains("  ") && !text.contains('\n'), "{}: {text}", rule.id);
        }
    }
}

#[test]
fn an_alias_is_nobodys_id_and_leads_to_a_rule() {
    for listed in RULES {
        for alias in listed.aliases {
            assert!(RULES.iter().all(|other| other.id != *alias), "{alias}");
            assert!(rule(alias).is_some_and(|found| found.aliases.contains(alias)), "{alias}");
        }
    }
}

/// `UPDATE_DOCS=1 cargo test -p cofferdam-lint` writes them.
#[test]
fn the_pages_of_the_docs_are_those_of_the_rules() {
    let folder = manifest().join("../../docs/rules");
    let all = fixtures();
    let mut pages: Vec<(String, String)> =
        RULES.iter().map(|rule| (rule.id.to_owned(), page(rule, &example(rule, &all)))).collect();
    pages.push(("README".to_owned(), index()));
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::create_dir_all(&folder).unwrap();
        for (name, text) in &pages {
            fs::write(folder.join(format!("{name}.md")), text).unwrap();
        }
    }
    for (name, text) in &pages {
        let committed = fs::read_to_string(folder.join(format!("{name}.md"))).unwrap_or_default();
        assert!(committed == *text, "docs/rules/{name}.md is not up to date: run with UPDATE_DOCS=1");
    }
    let known: BTreeSet<String> = pages.into_iter().map(|(name, _)| name).collect();
    assert_eq!(stems(folder, ".md"), known);
}

/// The first fixture in which the rule finds something: what it finds there, and what `--fix` makes of it.
fn example(rule: &Rule, fixtures: &[Fixture]) -> String {
    let fixture = fixtures.iter().find(|fixture| fixture.rule == rule.id && fixture.hit()).unwrap();
    let found = fixture.lint(&fixture.script, &fixture.created);
    let own: Vec<_> = found.iter().filter(|finding| finding.rule == rule.id).collect();
    assert!(!own.is_empty(), "{}: nothing is found in {}", rule.id, fixture.file);
    let created: Vec<String> = fixture.created.iter().map(|name| format!("`{name}`")).collect();
    let mut out = match created.as_slice() {
        [] => String::new(),
        some => format!("After a pending file that creates {}:\n\n", some.join(", ")),
    };
    out += &sql(&fixture.script.text);
    out += match (&fixture.facts, fixture.naming.is_empty()) {
        (Some(_), _) => "\nWith live numbers, `cofferdam lint` says:\n\n```text\n",
        (None, true) => "\n`cofferdam lint` says:\n\n```text\n",
        (None, false) => "\nWhere names are to be otherwise, `cofferdam lint` says:\n\n```text\n",
    };
    for finding in &own {
        out += &format!("{}[{}]: {}\n", finding.severity.word(), finding.code, finding.message);
        out += &finding.live.iter().map(|live| format!("  live: {live}\n")).collect::<String>();
        out += &finding.notes.iter().map(|note| format!("  note: {note}\n")).collect::<String>();
        out += &finding.help.iter().map(|help| format!("  help: {help}\n")).collect::<String>();
    }
    out += "```\n";
    if let Some((text, moved)) = fixed(fixture).filter(|_| own.iter().any(|finding| finding.fix.is_some())) {
        out += &match without_header(&text).is_empty() {
            true => String::new(),
            false => format!("\n`cofferdam lint --fix` makes of it:\n\n{}", sql(&text)),
        };
        if !moved.is_empty() {
            out += &format!(
                "\nand puts into a file of its own, applied directly after:\n\n{}",
                sql(&own_file(&moved))
            );
        }
    }
    out
}

fn sql(text: &str) -> String {
    format!("```sql\n{}\n```\n", without_header(text))
}

/// Without the lines that tell the test what is known beside it.
fn without_header(text: &str) -> String {
    let header = ["facts", "created", "server", "naming", "engine"].map(|key| format!("-- {key}:"));
    let lines = text.lines().filter(|line| !header.iter().any(|start| line.starts_with(start)));
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}

/// The list of all pages.
fn index() -> String {
    let mut out = String::from("# Rules\n\n| code | rule | what | usual severity |\n|---|---|---|---|\n");
    for rule in RULES {
        out += &format!(
            "| {} | [{}]({}.md) | {} | {} |\n",
            rule.code,
            rule.id,
            rule.id,
            rule.title,
            rule.severity.word()
        );
    }
    out
}
