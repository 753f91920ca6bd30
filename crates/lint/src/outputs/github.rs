use cofferdam_core::{Finding, Severity};

use super::{Output, Report};

/// Workflow commands of GitHub Actions, which shows them beside the changed lines.
pub(super) static OUTPUT: Output =
    Output { id: "github", about: "annotations of GitHub Actions", write: |report| write(report) };

fn write(report: &Report) -> String {
    report.findings.iter().map(line).collect()
}

/// `::error file=...,line=...,title=...::message`, escaped as GitHub's own toolkit does.
fn line(finding: &Finding) -> String {
    let word = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "notice",
    };
    let message = match &finding.help {
        Some(help) => format!("{}\n{help}", finding.message),
        None => finding.message.clone(),
    };
    let data = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| data(text).replace(':', "%3A").replace(',', "%2C");
    format!(
        "::{word} file={},line={},col={},title={}::{}\n",
        property(&finding.path),
        finding.at.line,
        finding.at.column,
        property(&format!("{} {}", finding.code, finding.rule)),
        data(&message),
    )
}
