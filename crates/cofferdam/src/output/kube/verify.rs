//! Whether a DatabaseMigration is as it says.

use serde::Serialize;

use crate::output::table::Columns;
use crate::output::words;
use crate::plugin::trial::{Finding, Verdict};

/// The document of kind `Verification`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VerifyView {
    pub(crate) namespace: String,
    pub(crate) migration: String,
    /// Nothing was found that does not fit.
    pub(crate) fits: bool,
    pub(crate) findings: Vec<Finding>,
}

impl VerifyView {
    pub(crate) fn new(namespace: &str, migration: &str, findings: Vec<Finding>) -> Self {
        let fits = findings.iter().all(|one| one.verdict != Verdict::Wrong);
        Self { namespace: namespace.to_owned(), migration: migration.to_owned(), fits, findings }
    }

    pub(crate) fn wrong(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|one| one.verdict == Verdict::Wrong)
    }

    /// The screen.
    pub(crate) fn text(&self) -> String {
        let mut table = Columns::new(&["", "WHAT", "IS"]);
        for one in &self.findings {
            let sign = match one.verdict {
                Verdict::Fits => "✔",
                Verdict::Wrong => "✖",
                Verdict::Unknown => "?",
            };
            table.row([sign, &one.about, &one.says]);
        }
        let wrong = self.wrong().count();
        let unknown = self.findings.iter().filter(|one| one.verdict == Verdict::Unknown).count();
        let unseen = match unknown {
            0 => String::new(),
            _ => format!(", {} could not be looked at", words::count(unknown, "thing")),
        };
        let end = match wrong {
            0 => format!("{} is as it says{unseen}", self.migration),
            1 => format!("1 thing does not fit{unseen}"),
            _ => format!("{wrong} things do not fit{unseen}"),
        };
        format!("{}{end}\n", table.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_screen() {
        let finding = |about: &str, verdict: Verdict, says: &str| Finding {
            about: about.into(),
            verdict,
            says: says.into(),
        };
        let mut view = VerifyView {
            namespace: "shop".into(),
            migration: "users".into(),
            fits: false,
            findings: vec![
                finding("operator", Verdict::Fits, "has looked at generation 3"),
                finding("Secret db", Verdict::Wrong, "is not there"),
                finding("ConfigMap migrations", Verdict::Unknown, "may not be looked at: forbidden"),
            ],
        };
        let first = view.text();
        view.findings.truncate(1);
        insta::assert_snapshot!(format!("{first}\n{}", view.text()));
    }
}
