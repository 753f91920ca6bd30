//! The forms of output, held against the published shapes of what reads them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};

use cofferdam_core::{Findings, Script};
use cofferdam_dialects::postgres::read;
use cofferdam_lint::{OUTPUTS, Options, Report, lint};
use serde_json::Value;

/// What is nasty in every form at once.
const SCRIPT: &str = "-- é\nCREATE INDEX \"a<b&'c`\" ON users (id);\nALTER TABLE users\n  ADD CONSTRAINT \"@x]]>\" CHECK (id > 0);\n\
                      ALTER TABLE users\n  ADD CONSTRAINT \"@x]]>\" CHECK (id > 0);\nDROP TABLE \"old*_|\";\n\
                      ALTER TABLE t ADD b json;\n";

fn findings(path: &str) -> Findings {
    let script = Script::new(path, SCRIPT);
    let options = Options {
        facts: None,
        created: &BTreeSet::new(),
        only: &[],
        no_transaction: false,
        today: jiff::civil::date(2026, 11, 21),
        server_major: 15,
        naming: &[],
    };
    lint(&script, &read(&script).unwrap(), &options)
}

fn written(id: &str) -> (String, Findings) {
    let found = findings("db/a b:1,%.sql");
    let files = BTreeMap::from([
        ("db/a b:1,%.sql".to_owned(), SCRIPT.to_owned()),
        ("db/clean.sql".to_owned(), "SELECT 1;\n".to_owned()),
    ]);
    let output = OUTPUTS.iter().find(|output| output.id == id).unwrap();
    ((output.write)(&Report { findings: &found, files: &files, version: "1.2.3" }), found)
}

#[test]
fn the_table_is_in_order_and_each_has_its_words() {
    assert!(OUTPUTS.windows(2).all(|pair| pair[0].id < pair[1].id));
    assert!(OUTPUTS.iter().all(|output| !output.about.is_empty()));
}

/// Nothing found is a whole document, too.
#[test]
fn nothing_found_is_a_document() {
    let files = BTreeMap::from([("a.sql".to_owned(), String::new())]);
    for output in OUTPUTS {
        let text = (output.write)(&Report { findings: &[], files: &files, version: "1.2.3" });
        match output.id {
            "github" => assert_eq!(text, ""),
            "gitlab" => assert_eq!(text.trim(), "[]"),
            "sarif" => {
                let results = serde_json::from_str::<Value>(&text).unwrap()["runs"][0]["results"].clone();
                assert_eq!(results, Value::Array(Vec::new()));
            }
            _ => assert!(text.contains("a.sql") || text.contains("1 file"), "{}: {text}", output.id),
        }
    }
}

/// What the schema of SARIF 2.1.0 requires, and what GitHub asks for beyond it.
#[test]
fn sarif_has_the_published_shape() {
    let (text, found) = written("sarif");
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["version"], "2.1.0");
    assert!(document["$schema"].as_str().unwrap().ends_with("sarif-2.1.0.json"));
    let run = &document["runs"][0];
    let driver = &run["tool"]["driver"];
    assert_eq!(
        (driver["name"].as_str(), driver["semanticVersion"].as_str()),
        (Some("cofferdam"), Some("1.2.3"))
    );
    let rules = driver["rules"].as_array().unwrap();
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), found.len());
    let mut fingerprints = BTreeSet::new();
    for (result, finding) in results.iter().zip(&found) {
        let rule = &rules[usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()];
        assert_eq!((&rule["id"], result["ruleId"].as_str()), (&result["ruleId"], Some(finding.rule)));
        assert!(["error", "warning", "note"].contains(&result["level"].as_str().unwrap()));
        assert!(result["message"]["text"].as_str().unwrap().starts_with(&finding.message));
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "db/a%20b%3A1%2C%25.sql");
        let number = |key: &str| usize::try_from(place["region"][key].as_u64().unwrap()).unwrap();
        assert_eq!((number("startLine"), number("startColumn")), (finding.at.line, finding.at.column));
        // The place that is told is the one that is meant, counted in characters.
        let end = &SCRIPT[..finding.at.end];
        let column = end.rsplit('\n').next().unwrap().chars().count() + 1;
        assert_eq!((number("endLine"), number("endColumn")), (end.matches('\n').count() + 1, column));
        let print = result["partialFingerprints"]["cofferdam/v1"].as_str().unwrap();
        assert!(fingerprints.insert(print.to_owned()), "{print} stands twice");
    }
    for rule in rules {
        for key in ["shortDescription", "fullDescription", "help"] {
            assert!(!rule[key]["text"].as_str().unwrap().is_empty());
        }
    }
}

/// A finding keeps its fingerprint when lines are put before it: else every tool counts it as a new one.
#[test]
fn a_fingerprint_stays_when_lines_move() {
    let prints = |text: &str| {
        let script = Script::new("a.sql", text);
        let options = Options {
            facts: None,
            created: &BTreeSet::new(),
            only: &[],
            no_transaction: false,
            today: jiff::civil::date(2026, 11, 21),
            server_major: 15,
            naming: &[],
        };
        let found = lint(&script, &read(&script).unwrap(), &options);
        let files = BTreeMap::from([("a.sql".to_owned(), text.to_owned())]);
        let output = OUTPUTS.iter().find(|output| output.id == "gitlab").unwrap();
        let text = (output.write)(&Report { findings: &found, files: &files, version: "1" });
        let issues: Vec<Value> = serde_json::from_str(&text).unwrap();
        issues.iter().map(|issue| issue["fingerprint"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let before = prints("DROP TABLE a;\n");
    assert_eq!(before, prints("-- why\n\nDROP  TABLE\n a;\n"));
    assert_ne!(before, prints("DROP TABLE b;\n"));
}

/// What GitLab documents of its report: these keys, these severities, a fingerprint for each.
#[test]
fn gitlab_has_the_published_shape() {
    let (text, found) = written("gitlab");
    let issues: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(issues.len(), found.len());
    let mut fingerprints = BTreeSet::new();
    for (issue, finding) in issues.iter().zip(&found) {
        assert_eq!(issue["check_name"], finding.rule);
        assert_eq!(issue["description"], finding.message);
        let severity = issue["severity"].as_str().unwrap();
        assert!(["info", "minor", "major", "critical", "blocker"].contains(&severity));
        assert_eq!(issue["location"]["path"], finding.path.as_str());
        assert_eq!(issue["location"]["lines"]["begin"], finding.at.line);
        assert!(fingerprints.insert(issue["fingerprint"].as_str().unwrap().to_owned()));
    }
}

/// Well formed, every number true, and nothing that ends an attribute or an element early.
#[test]
fn junit_is_well_formed_and_counts_right() {
    let (text, found) = written("junit");
    assert!(text.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"));
    let body = text.split_once("?>").unwrap().1;
    // Each tag is closed by its own, in order.
    let mut open: Vec<&str> = Vec::new();
    let mut elements: BTreeMap<&str, usize> = BTreeMap::new();
    for piece in body.split('<').skip(1) {
        let (tag, rest) = piece.split_once('>').unwrap();
        assert!(!rest.contains('>'), "a bare > in {rest:?}");
        let quotes = tag.matches('"').count();
        assert_eq!(quotes % 2, 0, "{tag}");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name));
        } else {
            let name = tag.split([' ', '/']).next().unwrap();
            *elements.entry(name).or_default() += 1;
            if !tag.ends_with('/') {
                open.push(name);
            }
        }
    }
    assert!(open.is_empty(), "{open:?}");
    for entity in body.split('&').skip(1) {
        let name = entity.split(';').next().unwrap();
        assert!(["amp", "lt", "gt", "quot", "#10", "#9"].contains(&name), "&{name}");
    }
    let failures = found.iter().filter(|f| f.severity > cofferdam_core::Severity::Info).count();
    assert_eq!((elements["testsuite"], elements["testcase"]), (2, found.len() + 1));
    assert_eq!(elements["failure"], failures);
    assert!(text.contains(&format!("tests=\"{}\" failures=\"{failures}\" errors=\"0\">", found.len() + 1)));
}

#[test]
fn github_lines_are_escaped() {
    let (text, found) = written("github");
    assert_eq!(text.lines().count(), found.len());
    for (line, finding) in text.lines().zip(&found) {
        let (head, message) = line[2..].split_once("::").unwrap();
        let (word, rest) = head.split_once(' ').unwrap();
        assert!(["error", "warning", "notice"].contains(&word));
        let keys: Vec<(&str, &str)> = rest.split(',').map(|pair| pair.split_once('=').unwrap()).collect();
        assert_eq!(keys[0], ("file", "db/a b%3A1%2C%25.sql"));
        assert_eq!(keys[1], ("line", finding.at.line.to_string().as_str()));
        assert!(message.starts_with(&finding.message.replace('%', "%25")));
    }
}

#[test]
fn markdown_is_a_comment_that_is_found_again_and_mentions_nobody() {
    let (text, found) = written("markdown");
    assert!(text.starts_with("<!-- cofferdam lint -->\n### Migrations: "));
    assert!(text.contains("2 files looked at"), "{text}");
    // Names of the script stand in code only, where @ and * are letters.
    for line in text.lines().filter(|line| !line.contains('`')) {
        assert!(!line.contains('@') && !line.contains("<b"), "{line}");
    }
    assert!(found.iter().all(|finding| text.contains(finding.code)));
    let many: Findings = (0..2_000).flat_map(|n| findings(&format!("{n}.sql"))).collect();
    let files = BTreeMap::from([("0.sql".to_owned(), SCRIPT.to_owned())]);
    let output = OUTPUTS.iter().find(|output| output.id == "markdown").unwrap();
    let long = (output.write)(&Report { findings: &many, files: &files, version: "1" });
    assert!(long.len() < 65_536 && long.contains(" more\n"), "{}", long.len());
}
