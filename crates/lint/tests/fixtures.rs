//! What the rules say of the fixtures, and that their rewrites leave nothing to say.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod common;

use std::collections::BTreeMap;

use cofferdam_core::{Action, Finding, Script};
use cofferdam_lint::{RULES, created_tables};
use common::{Fixture, fixed, fixtures, own_file};

/// Findings as text, for a person who judges the snapshot.
fn render(script: &Script, findings: &[Finding]) -> String {
    let mut out = String::new();
    for f in findings {
        let place = script.text[f.at.start..f.at.end].split_whitespace().collect::<Vec<_>>().join(" ");
        out += &format!("{}[{}] {}: {}\n", f.severity.word(), f.code, f.rule, f.message);
        out += &format!("    {}:{} `{}`\n", f.at.line, f.at.column, shortened(&place));
        out += &f.live.iter().map(|live| format!("    live: {live}\n")).collect::<String>();
        out += &f.notes.iter().map(|note| format!("    note: {note}\n")).collect::<String>();
        out += &f.help.iter().map(|help| format!("    help: {help}\n")).collect::<String>();
        out += &f.fix.iter().map(|fix| format!("    fix: {}\n", fix.title)).collect::<String>();
        if f.handled {
            out += "    handled: apply takes the safe sequence by itself\n";
        }
    }
    out
}

fn shortened(text: &str) -> String {
    let cut: String = text.chars().take(90).collect();
    if cut.len() < text.len() { format!("{cut}...") } else { cut }
}

/// A fixture's findings, and its text after `--fix`.
fn account(fixture: &Fixture) -> String {
    let findings = fixture.lint(&fixture.script, &fixture.created);
    let mut out = format!("=== {}\n{}", fixture.file, render(&fixture.script, &findings));
    if let Some((text, moved)) = fixed(fixture) {
        out += &format!("--- fixed\n{text}");
        if !moved.is_empty() {
            out += &format!("--- and after it, a file of its own\n{}", own_file(&moved));
        }
    }
    out
}

#[test]
fn findings_of_the_fixtures() {
    let mut by_rule: BTreeMap<String, String> = BTreeMap::new();
    for fixture in fixtures() {
        by_rule.entry(fixture.rule.clone()).or_default().push_str(&account(&fixture));
    }
    for (rule, text) in by_rule {
        insta::with_settings!({omit_expression => true, prepend_module_to_snapshot => false}, {
            insta::assert_snapshot!(rule, text);
        });
    }
}

#[test]
fn every_rule_has_a_hit_and_a_miss_and_they_are_that() {
    let all = fixtures();
    for rule in RULES {
        let own: Vec<&Fixture> = all.iter().filter(|f| f.rule == rule.id).collect();
        assert!(own.iter().any(|f| f.hit()), "{} has no fixture hit*.sql", rule.id);
        assert!(own.iter().any(|f| f.file.starts_with("miss")), "{} has no fixture miss*.sql", rule.id);
        for fixture in own {
            let found = fixture.lint(&fixture.script, &fixture.created).iter().any(|f| f.rule == rule.id);
            assert_eq!(found, fixture.hit(), "{}/{}", rule.id, fixture.file);
        }
    }
    for fixture in &all {
        assert!(RULES.iter().any(|r| r.id == fixture.rule), "fixtures/{} is not a rule", fixture.rule);
    }
}

/// Rules about locks for which no sequence of statements does the same without harm, each with the reason. Every other
/// has a fixture in which it offers a rewrite.
const NO_REWRITE: &[(&str, &str)] = &[
    ("change-type-rewrite", "the table is changed online: cofferdam alter"),
    ("set-unlogged", "the table is changed online"),
    ("vacuum-full-cluster", "the table is changed online"),
    ("move-storage", "the table is changed online"),
    ("add-column-generated-stored", "the table is changed online"),
    ("add-column-serial-or-identity", "old rows need numbers: a person decides which"),
    ("add-column-domain", "old rows need a value: a person decides which"),
    ("add-exclusion", "the server has no way that does not block"),
    ("create-index-on-partitioned", "the partitions are not in the script: apply builds one by one"),
    ("attach-partition-scan", "the check that proves the bounds is the author's to write"),
    ("domain-constraint", "a constraint without a name cannot be validated by one"),
    ("add-column-volatile-default", "old rows are filled in batches, which is no statement of a script"),
];

#[test]
fn every_rule_about_locks_offers_a_rewrite_or_there_is_a_reason() {
    let mut offered: Vec<&str> = Vec::new();
    for fixture in fixtures() {
        let found = fixture.lint(&fixture.script, &fixture.created);
        offered.extend(found.iter().filter(|finding| finding.fix.is_some()).map(|finding| finding.rule));
    }
    for rule in cofferdam_lint::SPEAK_OF_LOCKS {
        let reason = NO_REWRITE.iter().any(|(without, _)| without == rule);
        assert_ne!(offered.contains(rule), reason, "{rule}");
        assert!(cofferdam_lint::rule(rule).is_some_and(|known| known.id == *rule), "{rule}");
    }
}

#[test]
fn after_a_fix_the_text_is_read_and_its_findings_are_gone() {
    let mut tried = 0;
    for fixture in fixtures() {
        let before = fixture.lint(&fixture.script, &fixture.created);
        let Some((text, moved)) = fixed(&fixture) else { continue };
        let place = format!("{}/{}", fixture.rule, fixture.file);
        let script = Script::new(&place, text);
        let own = Script::new(format!("{place} moved"), own_file(&moved));
        let mut created = fixture.created.clone();
        created.extend(created_tables(&fixture.parsed(&script)));
        let mut scripts = vec![(&script, fixture.created.clone())];
        if !moved.is_empty() {
            scripts.push((&own, created));
        }
        let unreadable = |s: &Script| {
            fixture.parsed(s).changes.iter().any(|change| matches!(change.action, Action::Unparsed { .. }))
        };
        let mut after = Vec::new();
        for (script, created) in scripts {
            assert!(!unreadable(script), "{}:\n{}", script.path, script.text);
            after.extend(fixture.lint(script, &created));
        }
        for rule in RULES {
            let count = |findings: &[Finding], fixable: bool| {
                findings.iter().filter(|f| f.rule == rule.id && f.fix.is_some() == fixable).count()
            };
            assert_eq!(count(&after, true), 0, "{place}: {} still has a fix", rule.id);
            if count(&before, true) > 0 {
                tried += 1;
                assert!(
                    count(&after, false) <= count(&before, false),
                    "{place}: {} is not silent\n{}",
                    rule.id,
                    script.text
                );
            }
        }
    }
    assert!(tried >= 15, "only {tried} rewrites were tried");
}
