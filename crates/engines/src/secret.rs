//! A text that must not be shown.

/// A password. It has neither `Debug` nor `Display`, so that it cannot get into a message by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the one place that sends it to the server.
    pub fn expose(&self) -> &str {
        &self.0
    }
}
