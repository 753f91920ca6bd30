//! Errors, sorted by what the caller does next and never by the library that raised them.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::change::Span;
use crate::code::Code;

/// A result whose error says what comes next.
pub type Result<T, E = Fault> = std::result::Result<T, E>;

/// What went wrong, by what comes next.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// Nothing happened, and the same may succeed later: a lock that was not obtained, a deadlock, a server
    /// that is starting. The caller retries within its budget; when that is spent it reports the refusal.
    Again {
        /// Wait at least this long.
        after: Duration,
        /// What is reported when the budget is spent.
        why: Box<Refusal>,
    },
    /// Nothing happened, and trying again would not help. It says what a person can do.
    Refused(Box<Refusal>),
    /// It may have happened or not, and the answer was lost. Never retried blindly: first the catalog is asked.
    Unknown(Question),
    /// A state that the program says cannot be. Reported as ours.
    Bug(String),
}

/// Something that a person must answer, because the database cannot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// What is not known: "did `VACUUM FULL orders` end?".
    pub what: String,
    /// How to find out.
    pub look_at: String,
}

/// A refusal: what happened, why, and the next command.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// The documented code; it also decides the exit code.
    pub code: Code,
    /// What happened, in one sentence without a full stop.
    pub what: String,
    /// Where, if it is about a place in a script.
    pub place: Option<Place>,
    /// Why, where it is known.
    pub cause: Option<String>,
    /// What to do: a command to paste, or a sentence that ends in one.
    pub help: Option<String>,
    /// Facts that a person needs, a line each (blockers, missing rights).
    pub notes: Vec<String>,
}

/// A place in a script, with the text to show it.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// The file.
    pub path: String,
    /// The whole text of the file, where it is at hand: shown as a frame with a caret.
    pub source: Option<String>,
    /// Where in it.
    pub at: Span,
}

impl Refusal {
    /// A refusal with its code and what happened; the rest is added by the methods below.
    pub fn new(code: Code, what: impl Into<String>) -> Self {
        Self { code, what: what.into(), place: None, cause: None, help: None, notes: Vec::new() }
    }

    /// Adds why.
    pub fn cause(mut self, cause: impl Into<String>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// Adds what to do next.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds where.
    pub fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    /// Adds a line that a person needs.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }
}

impl Place {
    /// A place in a file whose text is at hand.
    pub fn new(path: impl Into<String>, source: impl Into<String>, at: Span) -> Self {
        Self { path: path.into(), source: Some(source.into()), at }
    }
}

impl Fault {
    /// The refusal in it, where there is one.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Fault::Again { why, .. } => Some(why),
            Fault::Refused(refusal) => Some(refusal),
            Fault::Unknown(_) | Fault::Bug(_) => None,
        }
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Fault::Refused(Box::new(refusal))
    }
}

impl From<Box<Refusal>> for Fault {
    fn from(refusal: Box<Refusal>) -> Self {
        Fault::Refused(refusal)
    }
}

impl From<crate::ident::IdentError> for Fault {
    fn from(error: crate::ident::IdentError) -> Self {
        Refusal::new(Code::BadIdentifier, error.to_string()).into()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.id(), self.what)?;
        if let Some(place) = &self.place {
            write!(f, " ({}:{}:{})", place.path, place.at.line, place.at.column)?;
        }
        if let Some(cause) = &self.cause {
            write!(f, ": {cause}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Again { why, .. } => write!(f, "{why} (may succeed later)"),
            Fault::Refused(refusal) => write!(f, "{refusal}"),
            Fault::Unknown(question) => write!(f, "not known: {}", question.what),
            Fault::Bug(text) => write!(f, "this is a bug of Cofferdam: {text}"),
        }
    }
}

impl std::error::Error for Fault {}
