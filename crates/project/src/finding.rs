//! What the quality gate says.

use cofferdam_core::{Code, Refusal, Severity};

/// Something that is wrong with a project.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// `Error`: it must not be deployed. `Warning`: somebody should know.
    pub severity: Severity,
    /// The file or directory that it is about, as the user would type it.
    pub path: String,
    /// What, why, where and what to do.
    pub refusal: Refusal,
}

impl Finding {
    /// An error about a file or directory.
    pub(crate) fn error(path: impl Into<String>, code: Code, what: impl Into<String>) -> Self {
        Self { severity: Severity::Error, path: path.into(), refusal: Refusal::new(code, what) }
    }

    /// The same as a warning.
    pub(crate) fn lessened(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    pub(crate) fn cause(mut self, cause: impl Into<String>) -> Self {
        self.refusal = self.refusal.cause(cause);
        self
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.refusal = self.refusal.help(help);
        self
    }

    pub(crate) fn at(mut self, place: cofferdam_core::Place) -> Self {
        self.refusal = self.refusal.at(place);
        self
    }
}

impl From<Refusal> for Finding {
    fn from(refusal: Refusal) -> Self {
        let path = refusal.place.as_ref().map(|place| place.path.clone()).unwrap_or_default();
        Self { severity: Severity::Error, path, refusal }
    }
}
