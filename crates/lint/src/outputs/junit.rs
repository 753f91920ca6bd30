use cofferdam_core::Severity;

use super::{Output, Report, lines};

/// JUnit's report, which every build server shows: a suite for each file, a case for each finding. A file in which
/// nothing was found is one case that passes.
pub(super) static OUTPUT: Output =
    Output { id: "junit", about: "JUnit's XML, for build servers", write: |report| write(report) };

fn write(report: &Report) -> String {
    let mut suites = String::new();
    for path in report.files.keys() {
        let own: Vec<_> = report.findings.iter().filter(|finding| finding.path == *path).collect();
        let failures = own.iter().filter(|finding| finding.severity > Severity::Info).count();
        let name = escaped(path);
        suites += &format!(
            "  <testsuite name=\"{name}\" tests=\"{}\" failures=\"{failures}\" errors=\"0\" skipped=\"0\">\n",
            own.len().max(1)
        );
        if own.is_empty() {
            suites += &format!("    <testcase name=\"lint\" classname=\"{name}\" file=\"{name}\"/>\n");
        }
        for finding in own {
            let case = format!(
                "    <testcase name=\"{}:{} {}\" classname=\"{name}\" file=\"{name}\" line=\"{}\"",
                finding.at.line, finding.at.column, finding.rule, finding.at.line
            );
            let said = escaped(&lines(finding).join("\n"));
            suites += &match finding.severity {
                // What is good to know fails nothing.
                Severity::Info => {
                    format!("{case}>\n      <system-out>{said}</system-out>\n    </testcase>\n")
                }
                _ => format!(
                    "{case}>\n      <failure message=\"{}\" type=\"{} {}\">{said}</failure>\n    </testcase>\n",
                    escaped(&finding.message),
                    finding.severity.word(),
                    finding.code,
                ),
            };
        }
        suites += "  </testsuite>\n";
    }
    let tests: usize = report
        .files
        .keys()
        .map(|path| report.findings.iter().filter(|finding| finding.path == *path).count().max(1))
        .sum();
    let failures = report.findings.len() - report.count(Severity::Info);
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"cofferdam lint\" tests=\"{tests}\" \
         failures=\"{failures}\" errors=\"0\">\n{suites}</testsuites>\n"
    )
}

/// XML's own characters by their names; what XML 1.0 cannot hold at all is left out.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\n' => out += "&#10;",
            '\t' => out += "&#9;",
            c if c < ' ' || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => out.push(c),
        }
    }
    out
}
