//! Tests over the table of rules.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use cofferdam_lint::{RULES, page, rule};

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
    let mut pages: Vec<(String, String)> =
        RULES.iter().map(|rule| (rule.id.to_owned(), page(rule))).collect();
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
