//! What the author of a script has agreed to: `-- cofferdam:allow`, and the marks of other linters.

use cofferdam_core::{Change, Finding, Findings, Script, Span};
use cofferdam_dialects::{Allow, Parsed};

use crate::rules::{allow_expired, allow_unknown_rule, allow_unused, allow_without_reason};
use crate::{Options, Rule, catalogue};

/// Takes away what is allowed, and adds what is wrong with the allows themselves.
pub(crate) fn settle(
    script: &Script,
    parsed: &Parsed,
    found: Vec<(usize, Findings)>,
    options: &Options,
) -> Findings {
    let mut left = Findings::new();
    let mut allows: Vec<State> = parsed
        .directives
        .allows
        .iter()
        .map(|allow| State { allow, verdict: judge(allow, options), used: false })
        .collect();
    let file_marks: Vec<Mark> = parsed
        .changes
        .iter()
        .enumerate()
        .flat_map(|(i, c)| marks(c, i == 0))
        .filter(|m| m.whole_file)
        .collect();

    for (index, findings) in found {
        if findings.is_empty() {
            continue;
        }
        let change = &parsed.changes[index];
        let own_marks = marks(change, index == 0);
        for finding in findings {
            let mut allowed = file_marks.iter().chain(&own_marks).any(|mark| mark.covers(finding.rule));
            for state in &mut allows {
                let there = state.allow.whole_file || stands_above(state.allow, change);
                if there && named(&state.allow.rule, finding.rule) {
                    state.used = true;
                    allowed |= state.verdict == Verdict::Good;
                }
            }
            if !allowed {
                left.push(finding);
            }
        }
    }
    for state in allows {
        left.extend(complaint(script, &state, options));
    }
    left
}

struct State<'a> {
    allow: &'a Allow,
    verdict: Verdict,
    used: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Good,
    UnknownRule,
    NoReason,
    Expired,
}

fn judge(allow: &Allow, options: &Options) -> Verdict {
    if catalogue::rule(&allow.rule).is_none() {
        return Verdict::UnknownRule;
    }
    if allow.reason.as_ref().is_none_or(|reason| reason.trim().is_empty()) {
        return Verdict::NoReason;
    }
    // The reader takes dates only; what is none all the same does not hold for ever.
    let holds = |until: &String| until.parse::<jiff::civil::Date>().is_ok_and(|last| last >= options.today);
    if allow.until.as_ref().is_none_or(holds) { Verdict::Good } else { Verdict::Expired }
}

/// What is wrong with an allow, if anything is.
fn complaint(script: &Script, state: &State, options: &Options) -> Option<Finding> {
    let allow = state.allow;
    let name = &allow.rule;
    let until = allow.until.as_deref().unwrap_or_default();
    let (rule, message, help): (&Rule, _, _) = match state.verdict {
        Verdict::UnknownRule => (
            &allow_unknown_rule::RULE,
            format!("there is no rule {name}, so nothing is allowed here"),
            catalogue::suggest(name).map_or_else(
                || "cofferdam explain lists the rules".into(),
                |near| format!("did you mean {near}?"),
            ),
        ),
        Verdict::NoReason => (
            &allow_without_reason::RULE,
            format!("{name} is allowed without a reason, so it is not allowed"),
            format!("-- cofferdam:allow {name} reason=\"why it does no harm here\""),
        ),
        Verdict::Expired => (
            &allow_expired::RULE,
            format!("{name} was allowed until {until}, which is past"),
            "take the allow out, or give it a new last day".into(),
        ),
        // Whether it would have been used is not known when its rule was not asked.
        Verdict::Good
            if !state.used && catalogue::rule(name).is_some_and(|r| catalogue::chosen(r, options.only)) =>
        {
            (
                &allow_unused::RULE,
                format!("{name} is allowed here, but nothing was found that needs it"),
                "take the allow out".into(),
            )
        }
        Verdict::Good => return None,
    };
    if !catalogue::chosen(rule, options.only) {
        return None;
    }
    Some(Finding {
        rule: rule.id,
        code: rule.code,
        severity: rule.severity,
        message,
        path: script.path.clone(),
        at: line(script, allow.line),
        live: None,
        notes: Vec::new(),
        help: Some(help),
        fix: None,
        handled: false,
    })
}

/// The allow stands directly above the statement, or inside it.
fn stands_above(allow: &Allow, change: &Change) -> bool {
    let last_line = change.at.line + change.text.matches('\n').count();
    change.comments.iter().any(|(line, _)| *line == allow.line)
        || (change.at.line..=last_line).contains(&allow.line)
}

/// A mark of another linter.
struct Mark {
    /// Empty: everything.
    names: Vec<String>,
    whole_file: bool,
}

impl Mark {
    fn covers(&self, rule_id: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|name| named(name, rule_id))
    }
}

/// The rule of this id goes by this name.
fn named(name: &str, rule_id: &str) -> bool {
    catalogue::rule(rule_id).is_some_and(|rule| catalogue::called(rule, name))
}

/// The marks of other linters in the comments above a statement.
fn marks(change: &Change, first: bool) -> Vec<Mark> {
    change.comments.iter().filter_map(|(line, text)| mark(change, first, *line, text)).collect()
}

fn mark(change: &Change, first: bool, line: usize, text: &str) -> Option<Mark> {
    let body = text.trim();
    let body = body.strip_prefix("--").or_else(|| body.strip_prefix("/*")?.strip_suffix("*/"))?.trim();
    // A second `--` begins a remark on the mark.
    let body = body.split("--").next()?.trim_end();
    if let Some(names) = body.strip_prefix("squawk-ignore-file") {
        return Some(Mark { names: list(names), whole_file: true });
    }
    if let Some(names) = body.strip_prefix("squawk-ignore") {
        return Some(Mark { names: list(names), whole_file: false });
    }
    let names = body.strip_prefix("atlas:nolint")?;
    // Atlas takes a mark for the whole file where it heads the file and an empty line follows.
    let attached =
        (line + 1..change.at.line).all(|between| change.comments.iter().any(|(at, _)| *at == between));
    Some(Mark { names: list(names), whole_file: first && !attached })
}

fn list(names: &str) -> Vec<String> {
    names.split([',', ' ', '\t']).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// The place of a line, without the white space around its text.
fn line(script: &Script, number: usize) -> Span {
    let mut start = 0;
    for (i, line) in script.text.split_inclusive('\n').enumerate() {
        if i + 1 == number {
            let text = line.trim();
            let indent = line.len() - line.trim_start().len();
            let column = line[..indent].chars().count() + 1;
            return Span { start: start + indent, end: start + indent + text.len(), line: number, column };
        }
        start += line.len();
    }
    Span { start, end: start, line: number, column: 1 }
}
