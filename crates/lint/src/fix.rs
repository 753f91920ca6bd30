//! Carrying out the rewrites that findings offer.

use cofferdam_core::finding::{Edit, Fix};
use cofferdam_core::{Finding, Script};

/// A script after its rewrites.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixed {
    /// The script's text.
    pub text: String,
    /// Statements for a file of its own, in order, without `;`. That file is applied directly after this one
    /// and begins with `-- cofferdam:transaction none`. Empty: there is none.
    pub moved: Vec<String>,
}

/// Carries out the rewrites of the findings. Where two rewrites contend for a place, the first is taken; the
/// other is found again when the result is linted. `None`: there is nothing to fix.
pub fn fix(script: &Script, findings: &[Finding]) -> Option<Fixed> {
    let mut taken: Vec<&Fix> = Vec::new();
    let mut edits: Vec<&Edit> = Vec::new();
    for fix in findings.iter().filter_map(|finding| finding.fix.as_ref()) {
        let fresh: Vec<&Edit> = fix.edits.iter().filter(|edit| !edits.contains(edit)).collect();
        let same = taken.iter().any(|other| other.edits == fix.edits);
        if same || fresh.iter().any(|edit| edits.iter().any(|other| contend(edit, other))) {
            continue;
        }
        edits.extend(fresh);
        taken.push(fix);
    }
    if edits.is_empty() {
        return None;
    }
    edits.sort_by_key(|edit| (edit.start, edit.end));
    let mut text = String::with_capacity(script.text.len());
    let mut done = 0;
    for edit in edits {
        text += &script.text[done..edit.start];
        text += &edit.text;
        done = edit.end;
    }
    text += &script.text[done..];
    // What was taken out at the end may have left empty lines there.
    if text.ends_with("\n\n") && !script.text.ends_with("\n\n") {
        text.truncate(text.trim_end().len() + 1);
    }
    Some(Fixed { text, moved: taken.into_iter().flat_map(|fix| fix.moved.iter().cloned()).collect() })
}

/// Two edits change the same bytes, or put different texts at one place.
fn contend(a: &Edit, b: &Edit) -> bool {
    let overlap = a.start < b.end && b.start < a.end;
    let both_inserted = a.start == a.end && b.start == b.end && a.start == b.start;
    overlap || both_inserted
}
