//! Findings in the forms that other programs read: one file each, one line here.
//!
//! Each is a pure function of the findings. What people read on a screen is not here: it needs the width of the screen.

use std::collections::BTreeMap;

use cofferdam_core::{Finding, Severity};

mod github;
mod gitlab;
mod junit;
mod markdown;
mod sarif;

/// A form of output.
pub struct Output {
    /// What users write: `--format-out sarif`.
    pub id: &'static str,
    /// What reads it, in a few words.
    pub about: &'static str,
    /// The whole document.
    pub write: fn(&Report) -> String,
}

/// What is to be written.
pub struct Report<'a> {
    /// All findings, in the order of the files and of their places.
    pub findings: &'a [Finding],
    /// The text of every file that was looked at, by its path.
    pub files: &'a BTreeMap<String, String>,
    /// The version of this program.
    pub version: &'a str,
}

/// All forms, by their ids.
pub static OUTPUTS: &[&Output] =
    &[&github::OUTPUT, &gitlab::OUTPUT, &junit::OUTPUT, &markdown::OUTPUT, &sarif::OUTPUT];

impl Report<'_> {
    /// What is meant, in the words of the script; spaces and line ends are one space each.
    fn words_of(&self, finding: &Finding) -> String {
        let text = self.files.get(&finding.path).and_then(|text| text.get(finding.at.start..finding.at.end));
        text.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Says which finding it is, whatever line it moves to: a digest of the rule, the path and the words that are meant.
    /// The `n`th of those that are the same has its number in it.
    fn fingerprints(&self) -> Vec<String> {
        let mut seen: BTreeMap<u64, u64> = BTreeMap::new();
        self.findings
            .iter()
            .map(|finding| {
                let same = digest(&[finding.rule, &finding.path, &self.words_of(finding)]);
                let nth = seen.entry(same).or_default();
                *nth += 1;
                format!("{:016x}{:02x}", same, *nth)
            })
            .collect()
    }

    fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }
}

/// FNV-1a of 64 bits: it must stay the same for ever, and be no secret.
fn digest(parts: &[&str]) -> u64 {
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// What a finding says, in lines: what, the live numbers, notes, and what to do.
fn lines(finding: &Finding) -> Vec<String> {
    let mut all = vec![finding.message.clone()];
    all.extend(finding.live.clone());
    all.extend(finding.notes.iter().cloned());
    all.extend(finding.help.as_ref().map(|help| format!("help: {help}")));
    all.extend(finding.fix.as_ref().map(|fix| format!("cofferdam lint --fix: {}", fix.title)));
    all
}
