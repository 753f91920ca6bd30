use cofferdam_core::{Finding, Severity};

use super::{Output, Report};

/// A comment for a pull request. It begins with a mark by which a later run finds its own and puts the new one in its
/// place.
pub(super) static OUTPUT: Output =
    Output { id: "markdown", about: "a comment for a pull request", write: |report| write(report) };

const MARK: &str = "<!-- cofferdam lint -->";

/// A comment that is longer than this (GitHub's limit is 65,536 characters) loses its last findings.
const LONGEST: usize = 60_000;

fn write(report: &Report) -> String {
    let (errors, warnings, infos) =
        (report.count(Severity::Error), report.count(Severity::Warning), report.count(Severity::Info));
    let verdict = match (errors, warnings) {
        (0, 0) => "nothing that blocks or loses data was found",
        (0, _) => "something may hurt",
        _ => "this would hurt",
    };
    let mut out = format!(
        "{MARK}\n### Migrations: {verdict}\n\n{} looked at: {errors} to correct, {warnings} to think about, {infos} \
         to know.\n",
        if report.files.len() == 1 { "1 file".to_owned() } else { format!("{} files", report.files.len()) },
    );
    for (severity, title) in [
        (Severity::Error, "To correct"),
        (Severity::Warning, "To think about"),
        (Severity::Info, "Good to know"),
    ] {
        let own: Vec<&Finding> =
            report.findings.iter().filter(|finding| finding.severity == severity).collect();
        if own.is_empty() {
            continue;
        }
        let mut part = String::new();
        for (shown, finding) in own.iter().enumerate() {
            let next = one(report, finding);
            if out.len() + part.len() + next.len() > LONGEST {
                part += &format!("- and {} more\n", own.len() - shown);
                break;
            }
            part += &next;
        }
        out += &match severity {
            Severity::Info => {
                format!("\n<details><summary>{title} ({})</summary>\n\n{part}\n</details>\n", own.len())
            }
            _ => format!("\n#### {title}\n\n{part}"),
        };
    }
    out
}

fn one(report: &Report, finding: &Finding) -> String {
    let mut out = format!(
        "- **{}** `{}:{}` ({}, `{}`)\n",
        text(&finding.message),
        code(&finding.path),
        finding.at.line,
        finding.code,
        finding.rule
    );
    let words: String = report.words_of(finding).chars().take(200).collect();
    if !words.is_empty() {
        out += &format!("  - `{}`\n", code(&words));
    }
    for line in finding.live.iter().chain(&finding.notes) {
        out += &format!("  - {}\n", text(line));
    }
    out += &finding.help.iter().map(|help| format!("  - **{}**\n", text(help))).collect::<String>();
    if finding.fix.is_some() {
        out += &format!("  - `cofferdam lint --fix {}` writes it\n", code(&finding.path));
    }
    out
}

/// Text in which no character is a sign of Markdown or HTML.
fn text(plain: &str) -> String {
    let mut out = String::with_capacity(plain.len());
    for c in plain.chars() {
        match c {
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '&' => out += "&amp;",
            // A mention would send mail to whoever has this name.
            '@' => out += "&#64;",
            '\n' | '\r' => out.push(' '),
            '*' | '_' | '`' | '[' | ']' | '\\' | '|' | '#' | '~' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

/// Text between backticks, which may hold none.
fn code(plain: &str) -> String {
    plain.replace('`', "'").replace(['\n', '\r'], " ")
}
