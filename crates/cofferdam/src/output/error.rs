//! Errors: `error[CF2301]: what`, the place, the cause, the next command.

use annotate_snippets::Level;
use cofferdam_core::{Code, Fault, Refusal, Severity};
use serde::Serialize;

use super::frame::Frame;
use super::mask;

/// The document of kind `Error`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ErrorView {
    code: &'static str,
    title: &'static str,
    what: String,
    cause: Option<String>,
    help: Option<String>,
    place: Option<PlaceView>,
    notes: Vec<String>,
    exit_code: u8,
}

#[derive(Debug, Serialize)]
struct PlaceView {
    path: String,
    line: usize,
    column: usize,
}

/// What is reported of a fault.
pub(crate) fn refusal(fault: &Fault) -> Refusal {
    match fault {
        Fault::Again { why, .. } => (**why).clone(),
        Fault::Refused(refusal) => (**refusal).clone(),
        Fault::Unknown(question) => {
            Refusal::new(Code::OutcomeUnknown, format!("not known: {}", question.what))
                .cause("the answer was lost, and the catalog cannot tell")
                .help(question.look_at.clone())
        }
        Fault::Bug(text) => Refusal::new(Code::Bug, text.clone())
            .cause("this is a bug of Cofferdam")
            .help("please report it with the output of the same command under -vv"),
    }
}

/// The document of a refusal, passwords masked.
pub(crate) fn view(refusal: &Refusal) -> ErrorView {
    let masked = |text: &Option<String>| text.as_deref().map(mask::text);
    let doc = refusal.code.doc();
    ErrorView {
        code: doc.id,
        title: doc.title,
        what: mask::text(&refusal.what),
        cause: masked(&refusal.cause),
        help: masked(&refusal.help),
        place: refusal.place.as_ref().map(|p| PlaceView {
            path: p.path.clone(),
            line: p.at.line,
            column: p.at.column,
        }),
        notes: refusal.notes.iter().map(|n| mask::text(n)).collect(),
        exit_code: doc.exit,
    }
}

/// The refusal for people.
pub(crate) fn text(refusal: &Refusal) -> String {
    finding(refusal, Severity::Error)
}

/// The same for a finding that need not be an error.
pub(crate) fn finding(refusal: &Refusal, severity: Severity) -> String {
    let mut lines: Vec<(&'static str, &str)> = Vec::new();
    lines.extend(refusal.cause.as_deref().map(|cause| ("cause", cause)));
    lines.extend(refusal.notes.iter().map(|note| ("note", note.as_str())));
    lines.extend(refusal.help.as_deref().map(|help| ("help", help)));
    Frame {
        level: match severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
            Severity::Info => Level::INFO,
        },
        id: refusal.code.id(),
        title: &refusal.what,
        place: refusal.place.as_ref().map(|p| (p.path.as_str(), p.source.as_deref(), p.at)),
        lines,
    }
    .render()
}

#[cfg(test)]
mod tests {
    use cofferdam_core::{Place, Question, Span};

    use super::*;

    fn plain(refusal: &Refusal) -> String {
        anstream::adapter::strip_str(&text(refusal)).to_string()
    }

    fn failed_statement() -> Refusal {
        let source = "-- users\n\nALTER TABLE users\n  ADD COLUMN plan text,\n  DROP COLUMN nme;\n";
        let start = source.find("nme").unwrap();
        Refusal::new(Code::StatementFailed, "column \"nme\" of relation \"users\" does not exist")
            .cause("SQLSTATE 42703")
            .note("the transaction was rolled back")
            .help("cofferdam rollback --steps 1")
            .at(Place::new(
                "migrations/V2__users.sql",
                source,
                Span { start, end: start + 3, line: 5, column: 15 },
            ))
    }

    #[test]
    fn a_place_is_shown_with_its_line_and_a_caret() {
        insta::assert_snapshot!(plain(&failed_statement()));
    }

    #[test]
    fn without_a_place_the_lines_stand_alone() {
        let refusal = Refusal::new(Code::ConnectFailed, "db.prod:5432 cannot be reached")
            .cause("connection refused")
            .help("cofferdam wait --timeout 60s");
        insta::assert_snapshot!(plain(&refusal));
    }

    #[test]
    fn a_place_without_text_or_outside_of_it_is_named() {
        let mut refusal = failed_statement();
        refusal.place.as_mut().unwrap().source = None;
        let without = plain(&refusal);
        refusal.place.as_mut().unwrap().source = Some("short".into());
        assert_eq!(without, plain(&refusal));
        assert!(without.contains("migrations/V2__users.sql:5:15"), "{without}");
    }

    #[test]
    fn a_long_statement_is_marked_on_its_first_line_only() {
        let mut refusal = failed_statement();
        let place = refusal.place.as_mut().unwrap();
        place.at = Span { start: 10, end: place.source.as_ref().unwrap().len(), line: 3, column: 1 };
        let shown = plain(&refusal);
        assert!(shown.contains("ALTER TABLE users") && !shown.contains("nme;"), "{shown}");
    }

    #[test]
    fn every_fault_has_a_code_and_its_exit() {
        let question = Question { what: "did VACUUM end?".into(), look_at: "the server's log".into() };
        let again = Fault::Again {
            after: std::time::Duration::ZERO,
            why: Box::new(Refusal::new(Code::LockNotObtained, "no lock")),
        };
        for (fault, id, exit) in [
            (again, "CF2302", 5),
            (Fault::Unknown(question), "CF2310", 7),
            (Fault::Bug("x".into()), "CF2901", 1),
            (failed_statement().into(), "CF2301", 1),
        ] {
            let view = view(&refusal(&fault));
            assert_eq!((view.code, view.exit_code), (id, exit));
        }
    }

    #[test]
    fn the_document_has_no_password() {
        let refusal = Refusal::new(Code::ConnectFailed, "cannot reach postgres://u:canary@h/d")
            .cause("password=canary")
            .help("--url postgres://u:canary@h/d")
            .note("postgres://u:canary@h/d");
        let json = serde_json::to_string(&view(&refusal)).unwrap();
        assert!(!json.contains("canary"), "{json}");
    }
}
