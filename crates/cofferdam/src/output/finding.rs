//! Findings of lint: screen and document.

use std::collections::BTreeMap;

use annotate_snippets::Level;
use cofferdam_core::{Finding, Severity};
use serde::Serialize;

use super::frame::Frame;
use super::words::count;

/// The document of kind `Findings`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FindingsView {
    pub(crate) findings: Vec<Finding>,
    pub(crate) errors: usize,
    pub(crate) warnings: usize,
    pub(crate) files: usize,
    /// The texts of the scripts by path, for the frames.
    #[serde(skip)]
    pub(crate) sources: BTreeMap<String, String>,
    #[serde(skip)]
    pub(crate) seconds: f64,
}

impl FindingsView {
    /// Counts what was found.
    pub(crate) fn new(findings: Vec<Finding>, sources: BTreeMap<String, String>, seconds: f64) -> Self {
        let of = |severity| findings.iter().filter(|f| f.severity == severity).count();
        Self {
            errors: of(Severity::Error),
            warnings: of(Severity::Warning),
            files: sources.len(),
            seconds,
            findings,
            sources,
        }
    }

    /// The screen: a frame for each finding, and the closing line.
    pub(crate) fn text(&self) -> String {
        let mut out = String::new();
        for finding in &self.findings {
            out += &frame(finding, self.sources.get(&finding.path).map(String::as_str));
            out += "\n\n";
        }
        out + &self.closing()
    }

    fn closing(&self) -> String {
        let infos = self.findings.len() - self.errors - self.warnings;
        let mut parts: Vec<String> = [(self.errors, "error"), (self.warnings, "warning"), (infos, "info")]
            .iter()
            .filter(|(number, _)| *number > 0)
            .map(
                |(number, word)| {
                    if *word == "info" { format!("{number} info") } else { count(*number, word) }
                },
            )
            .collect();
        if parts.is_empty() {
            parts.push("nothing found".to_owned());
        }
        format!("{}, {}, {:.1} s", parts.join(", "), count(self.files, "file"), self.seconds)
    }
}

/// One finding for people.
pub(crate) fn frame(finding: &Finding, source: Option<&str>) -> String {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Info => Level::INFO,
    };
    let mut lines: Vec<(&'static str, &str)> = Vec::new();
    lines.extend(finding.live.as_deref().map(|live| ("live", live)));
    lines.extend(finding.notes.iter().map(|note| ("note", note.as_str())));
    lines.extend(finding.handled.then_some(("note", "apply runs a safe sequence instead")));
    let fix = finding.fix.as_ref().map(|fix| format!("cofferdam lint --fix: {}", fix.title));
    lines.extend(finding.help.as_deref().map(|help| ("help", help)));
    lines.extend(fix.as_deref().map(|fix| ("fix", fix)));
    let title = format!("{} [{}]", finding.message, finding.rule);
    Frame { level, id: finding.code, title: &title, place: Some((&finding.path, source, finding.at)), lines }
        .render()
}

#[cfg(test)]
mod tests {
    use cofferdam_core::Span;

    use super::*;

    const SCRIPT: &str = "-- plans\nALTER TABLE users ADD COLUMN plan_id bigint NOT NULL;\nCREATE INDEX ix ON users (plan_id);\n";

    fn findings() -> Vec<Finding> {
        let (start, end) = (9, 9 + "ALTER TABLE users ADD COLUMN plan_id bigint NOT NULL".len());
        let first = Finding {
            rule: "add-not-null-without-default",
            code: "CF1104",
            severity: Severity::Error,
            message: "NOT NULL without default on a table that has rows".into(),
            path: "migrations/V1.6__users.sql".into(),
            at: Span { start: start + 18, end, line: 2, column: 19 },
            live: Some("users has 2418311 rows (analysed 6 min ago), 340 writes/s".into()),
            notes: vec!["fails at once with SQLSTATE 23502".into()],
            help: Some("add it nullable, backfill, then VALIDATE a CHECK".into()),
            fix: None,
            handled: false,
        };
        let second = Finding {
            rule: "index-not-concurrent",
            code: "CF1021",
            severity: Severity::Warning,
            message: "index build blocks writes".into(),
            at: Span { start: end + 2, end: end + 36, line: 3, column: 1 },
            live: None,
            notes: vec![],
            help: None,
            fix: Some(cofferdam_core::finding::Fix {
                title: "CREATE INDEX CONCURRENTLY in a file of its own".into(),
                edits: vec![],
                moved: vec![],
            }),
            handled: true,
            ..first.clone()
        };
        vec![first, second]
    }

    fn view(findings: Vec<Finding>) -> FindingsView {
        let sources = BTreeMap::from([("migrations/V1.6__users.sql".to_owned(), SCRIPT.to_owned())]);
        FindingsView::new(findings, sources, 0.2)
    }

    #[test]
    fn the_screen() {
        insta::assert_snapshot!(anstream::adapter::strip_str(&view(findings()).text()).to_string());
        assert_eq!(view(vec![]).text(), "nothing found, 1 file, 0.2 s");
    }
}
