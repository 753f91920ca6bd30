//! What is different between two schemas: screens and documents.

use std::path::Path;

use cofferdam_core::{Finding, Severity};
use cofferdam_schema::{Difference, Lead, State, Statement};
use serde::Serialize;

use super::table::Columns;
use super::words::count;
use crate::comparing::record::Record;

/// The document of kind `Diff`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DiffView {
    from: String,
    to: String,
    differences: Vec<DifferenceView<State>>,
    /// They lead from the one to the other, in this order.
    statements: Vec<Statement>,
    notes: Vec<String>,
}

/// The document of kind `Drift`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DriftView {
    database: String,
    expected: String,
    drift: Vec<DifferenceView<Drifted>>,
    notes: Vec<String>,
}

/// How an object is not as expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Drifted {
    Missing,
    Unexpected,
    Different,
}

/// An object that is not the same.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DifferenceView<S> {
    /// `table`, `index`.
    kind: &'static str,
    /// For people: `index public.orders_note`.
    pub(super) object: String,
    schema: String,
    /// The table or view that it is a part of; empty for what stands by itself.
    on: String,
    name: String,
    pub(super) state: S,
    /// The statements that would make it as it is on the first side, or as it is expected.
    pub(super) from: Option<String>,
    /// The same of the second side, or of the database.
    pub(super) to: Option<String>,
}

impl<S> DifferenceView<S> {
    pub(crate) fn new(difference: &Difference, state: S) -> Self {
        let key = &difference.key;
        Self {
            kind: key.kind.word(),
            object: key.to_string(),
            schema: key.schema.clone(),
            on: key.on.clone(),
            name: key.name.clone(),
            state,
            from: difference.from.clone(),
            to: difference.to.clone(),
        }
    }
}

impl DiffView {
    pub(crate) fn new(
        from: &str,
        to: &str,
        differences: &[Difference],
        way: Lead,
        notes: Vec<String>,
    ) -> Self {
        Self {
            from: from.to_owned(),
            to: to.to_owned(),
            differences: differences.iter().map(|d| DifferenceView::new(d, d.state)).collect(),
            statements: way.statements,
            notes,
        }
    }

    /// The lines at the beginning of a script.
    pub(crate) fn head(from: &str, to: &str, way: &Lead) -> Vec<String> {
        let mut lines =
            vec![format!("from {from}"), format!("to {to}"), count(way.statements.len(), "statement")];
        if way.held() > 0 {
            lines.push(format!("{} of them drop or lose something: see --allow-drop", way.held()));
        }
        lines
    }

    /// What the statements do to a database that is at work.
    pub(crate) fn advice(findings: &[Finding]) -> Option<String> {
        let blocking = findings.iter().filter(|finding| finding.severity != Severity::Info).count();
        (blocking > 0).then(|| {
            format!(
                "lint has {} of these statements: as they stand they may block a database that is at work. As a \
                 migration, cofferdam apply runs their safe sequences; cofferdam lint --fix FILE writes them down",
                count(blocking, "finding")
            )
        })
    }

    /// The screen.
    pub(crate) fn text(&self) -> String {
        if self.differences.is_empty() {
            return format!("no difference between {} and {}", self.from, self.to);
        }
        let mut table = Columns::new(&["", "KIND", "OBJECT"]);
        for one in &self.differences {
            let sign = match one.state {
                State::Added => "+",
                State::Removed => "-",
                State::Changed => "~",
            };
            table.row([sign, one.kind, &bare(&one.object, one.kind)]);
        }
        let number = |state: State| self.differences.iter().filter(|d| d.state == state).count();
        let mut out = table.text();
        out += &format!(
            "{} added, {} removed, {} changed from {} to {}; {} with --sql",
            number(State::Added),
            number(State::Removed),
            number(State::Changed),
            self.from,
            self.to,
            count(self.statements.len(), "statement")
        );
        out
    }
}

impl DriftView {
    /// `differences`: from what is expected to what is there.
    pub(crate) fn new(
        database: &str,
        expected: &str,
        differences: &[Difference],
        notes: Vec<String>,
    ) -> Self {
        let drift = differences.iter().map(|difference| {
            let state = match difference.state {
                State::Added => Drifted::Unexpected,
                State::Removed => Drifted::Missing,
                State::Changed => Drifted::Different,
            };
            DifferenceView::new(difference, state)
        });
        Self { database: database.to_owned(), expected: expected.to_owned(), drift: drift.collect(), notes }
    }

    /// The screen: each object with what is expected of it and what is there.
    pub(crate) fn text(&self) -> String {
        if self.drift.is_empty() {
            return format!("{} is what is expected by {}", self.database, self.expected);
        }
        let mut out = String::new();
        for one in &self.drift {
            let word = match one.state {
                Drifted::Missing => "missing",
                Drifted::Unexpected => "unexpected",
                Drifted::Different => "different",
            };
            out += &format!("{word}: {}\n", one.object);
            out += &lines("expected", one.from.as_deref());
            out += &lines("there", one.to.as_deref());
        }
        let number = |state: Drifted| self.drift.iter().filter(|d| d.state == state).count();
        out += &format!(
            "{} missing, {} unexpected, {} different in {}, by {}",
            number(Drifted::Missing),
            number(Drifted::Unexpected),
            number(Drifted::Different),
            self.database,
            self.expected
        );
        out
    }
}

/// The document of kind `Recorded`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RecordedView {
    database: String,
    file: String,
    objects: usize,
}

impl RecordedView {
    pub(crate) fn new(record: &Record, file: &Path) -> Self {
        Self {
            database: record.database.clone(),
            file: file.display().to_string(),
            objects: record.schema.objects.len(),
        }
    }

    /// The screen.
    pub(crate) fn text(&self) -> String {
        format!("recorded {} of {} in {}", count(self.objects, "object"), self.database, self.file)
    }
}

fn bare(object: &str, kind: &str) -> String {
    object.strip_prefix(kind).unwrap_or(object).trim_start().to_owned()
}

/// A definition, each line under the other.
pub(super) fn lines(side: &str, text: Option<&str>) -> String {
    let Some(text) = text else { return String::new() };
    let mut out = String::new();
    for (at, line) in text.lines().enumerate() {
        let label = if at == 0 { side } else { "" };
        out += &format!("  {label:<8}  {line}\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use cofferdam_schema::{Key, Kind};

    use super::*;

    fn difference(state: State) -> Difference {
        let text = |there: bool| there.then(|| "CREATE INDEX i\n  ON t (a)".to_owned());
        Difference {
            key: Key::on(Kind::Index, "public", "t", "i"),
            state,
            from: text(state != State::Added),
            to: text(state != State::Removed),
        }
    }

    #[test]
    fn each_object_has_its_line_and_the_numbers_are_told() {
        let all = [State::Added, State::Removed, State::Changed].map(difference);
        let view = DiffView::new("a", "b", &all, Lead::default(), vec![]);
        assert_eq!(
            view.text(),
            "   KIND   OBJECT\n+  index  public.i\n-  index  public.i\n~  index  public.i\n\
             1 added, 1 removed, 1 changed from a to b; 0 statements with --sql"
        );
        assert_eq!(
            DiffView::new("a", "b", &[], Lead::default(), vec![]).text(),
            "no difference between a and b"
        );
    }

    #[test]
    fn drift_is_told_with_both_definitions() {
        let view =
            DriftView::new("prod", "files", &[difference(State::Changed), difference(State::Added)], vec![]);
        assert_eq!(
            view.text(),
            "different: index public.i\n  expected  CREATE INDEX i\n              ON t (a)\n  \
             there     CREATE INDEX i\n              ON t (a)\nunexpected: index public.i\n  \
             there     CREATE INDEX i\n              ON t (a)\n\
             0 missing, 1 unexpected, 1 different in prod, by files"
        );
        let document = serde_json::to_value(&view).unwrap();
        assert_eq!(document["drift"][1]["state"], "unexpected");
    }
}
