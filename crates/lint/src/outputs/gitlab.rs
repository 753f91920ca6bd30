use cofferdam_core::Severity;
use serde_json::json;

use super::{Output, Report, lines};

/// The report of GitLab's code quality: `artifacts: reports: codequality`.
pub(super) static OUTPUT: Output =
    Output { id: "gitlab", about: "GitLab's code quality report", write: |report| write(report) };

fn write(report: &Report) -> String {
    let fingerprints = report.fingerprints();
    let issues = report.findings.iter().zip(fingerprints).map(|(finding, fingerprint)| {
        json!({
            "description": finding.message,
            "check_name": finding.rule,
            "fingerprint": fingerprint,
            "severity": match finding.severity {
                Severity::Error => "critical",
                Severity::Warning => "major",
                Severity::Info => "info",
            },
            "content": { "body": lines(finding).join("\n\n") },
            "location": { "path": finding.path, "lines": { "begin": finding.at.line } },
        })
    });
    let all = serde_json::Value::Array(issues.collect());
    format!("{all:#}\n")
}
