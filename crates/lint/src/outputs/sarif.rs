use cofferdam_core::{Finding, Severity};
use serde_json::{Value, json};

use super::{Output, Report, lines};
use crate::RULES;

/// SARIF 2.1.0, which GitHub's code scanning and most editors read.
pub(super) static OUTPUT: Output =
    Output { id: "sarif", about: "SARIF 2.1.0, for code scanning", write: |report| write(report) };

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// How many results one run may hold; GitHub refuses a file with more.
const MOST: usize = 25_000;

fn write(report: &Report) -> String {
    let used: Vec<_> =
        RULES.iter().filter(|rule| report.findings.iter().any(|finding| finding.rule == rule.id)).collect();
    let rules = used.iter().map(|rule| {
        json!({
            "id": rule.id,
            "name": rule.code,
            "shortDescription": { "text": rule.title },
            "fullDescription": { "text": rule.why },
            "help": { "text": rule.instead },
            "defaultConfiguration": { "level": level(rule.severity) },
            "properties": { "tags": ["database", "migration"] },
        })
    });
    let rules: Vec<Value> = rules.collect();
    // Those at the end are the least: errors come first when there are too many.
    let mut chosen: Vec<(&Finding, String)> = report.findings.iter().zip(report.fingerprints()).collect();
    if chosen.len() > MOST {
        chosen.sort_by_key(|(finding, _)| std::cmp::Reverse(finding.severity));
        chosen.truncate(MOST);
    }
    let results: Vec<Value> = chosen
        .iter()
        .map(|(finding, fingerprint)| {
            let index = used.iter().position(|rule| rule.id == finding.rule);
            result(report, finding, index, fingerprint)
        })
        .collect();
    let document = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "cofferdam", "semanticVersion": report.version, "rules": rules } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    format!("{document:#}\n")
}

fn result(report: &Report, finding: &Finding, index: Option<usize>, fingerprint: &str) -> Value {
    let text = report.files.get(&finding.path).and_then(|text| text.get(finding.at.start..finding.at.end));
    let meant = text.unwrap_or_default();
    let lines_meant = meant.matches('\n').count();
    let last = meant.rsplit('\n').next().unwrap_or_default().chars().count();
    let end = if lines_meant == 0 { finding.at.column + last } else { last + 1 };
    let mut result = json!({
        "ruleId": finding.rule,
        "level": level(finding.severity),
        "message": { "text": lines(finding).join("\n") },
        "locations": [{
            "physicalLocation": {
                "artifactLocation": { "uri": uri(&finding.path) },
                "region": {
                    "startLine": finding.at.line,
                    "startColumn": finding.at.column,
                    "endLine": finding.at.line + lines_meant,
                    "endColumn": end,
                },
            },
        }],
        "partialFingerprints": { "cofferdam/v1": fingerprint },
    });
    if let Some(index) = index {
        result["ruleIndex"] = json!(index);
    }
    result
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

/// A path as a URI: relative ones stay relative, so that they fit wherever the repository lies.
fn uri(path: &str) -> String {
    let mut out = if path.starts_with('/') { "file://".to_owned() } else { String::new() };
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                out.push(char::from(byte))
            }
            b'\\' => out.push('/'),
            _ => out += &format!("%{byte:02X}"),
        }
    }
    out
}
