//! What the caller can choose, and scripts that are not as usual.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;

use cofferdam_core::{Findings, Name, Script};
use cofferdam_dialects::Parsed;
use cofferdam_dialects::postgres::read;
use cofferdam_lint::{Options, created_tables, fix, lint};

fn parsed(script: &Script) -> Parsed {
    read(script).unwrap()
}

fn found(text: &str, only: &[&str], no_transaction: bool) -> Findings {
    let script = Script::new("001_a.sql", text);
    let only: Vec<String> = only.iter().map(|id| (*id).to_owned()).collect();
    let options = Options {
        facts: None,
        created: &BTreeSet::new(),
        only: &only,
        no_transaction,
        today: jiff::civil::date(2026, 11, 21),
        server_major: 15,
        naming: &[],
    };
    lint(&script, &parsed(&script), &options)
}

fn ids(findings: &Findings) -> Vec<&str> {
    findings.iter().map(|finding| finding.rule).collect()
}

#[test]
fn only_the_chosen_rules_speak() {
    let text = "DROP TABLE a;\nCREATE INDEX i ON b (c);\n";
    assert_eq!(ids(&found(text, &[], false)), ["drop-table", "create-index-blocking"]);
    assert_eq!(ids(&found(text, &["drop-table"], false)), ["drop-table"]);
    assert_eq!(ids(&found(text, &["PG101", "CF1071"], false)), ["drop-table", "create-index-blocking"]);
    assert!(found(text, &["rename-table"], false).is_empty());
}

#[test]
fn an_allow_of_a_rule_that_was_not_asked_is_not_unused() {
    let text = "-- cofferdam:allow drop-table reason=\"nobody reads it\"\nSELECT 1;\n";
    assert_eq!(ids(&found(text, &[], false)), ["allow-unused"]);
    assert!(found(text, &["drop-column", "allow-unused"], false).is_empty());
    assert!(found(text, &["drop-table"], false).is_empty());
}

#[test]
fn a_format_may_run_each_statement_by_itself() {
    let text = "ALTER TABLE t ADD COLUMN a int;\nCREATE INDEX CONCURRENTLY i ON t (a);\n";
    assert_eq!(ids(&found(text, &[], false)), ["create-index-concurrently-in-tx"]);
    assert!(found(text, &[], true).is_empty());
}

#[test]
fn findings_come_in_the_order_of_the_text() {
    let text = "ALTER TABLE t DROP COLUMN b,\n  DROP COLUMN a;\nDROP TABLE t;\n";
    let findings = found(text, &[], false);
    let places: Vec<(usize, usize)> = findings.iter().map(|f| (f.at.line, f.at.column)).collect();
    assert_eq!(places, [(1, 15), (2, 3), (3, 1)]);
    for finding in &findings {
        assert!(
            ["DROP COLUMN a", "DROP COLUMN b", "DROP TABLE t"]
                .contains(&&text[finding.at.start..finding.at.end])
        );
    }
}

#[test]
fn created_tables_are_those_that_are_there_at_the_end() {
    let script = Script::new(
        "001_a.sql",
        "CREATE TABLE a (); CREATE TABLE public.b (); CREATE TABLE s.c (); CREATE MATERIALIZED VIEW m AS SELECT 1;
         DROP TABLE a; ALTER TABLE b RENAME TO d; ALTER TABLE s.c SET SCHEMA t;",
    );
    let wanted = [Name::plain("d"), Name::plain("m"), Name::qualified("t", "c")];
    assert_eq!(created_tables(&parsed(&script)), BTreeSet::from(wanted));
}

#[test]
fn a_script_with_crlf_is_fixed_in_place() {
    let text = "BEGIN;\r\n\r\n-- look up by mail\r\nCREATE INDEX i ON t (a);\r\n\r\nCOMMIT;\r\n";
    let findings = found(text, &[], false);
    assert_eq!((findings[0].at.line, findings[0].at.column), (4, 1));
    let fixed = fix(&Script::new("001_a.sql", text), &findings).unwrap();
    assert_eq!(fixed.text, "-- look up by mail\r\nCREATE INDEX CONCURRENTLY \"i\" ON t (a);\r\n\r\n");
    assert!(fixed.moved.is_empty());
}

#[test]
fn nothing_to_fix_is_none() {
    let text = "DROP TABLE a;\n";
    assert_eq!(fix(&Script::new("001_a.sql", text), &found(text, &[], false)), None);
    assert!(found("", &[], false).is_empty());
}
