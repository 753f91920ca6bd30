//! What a run says on stderr: an object of JSON a line.

use std::io::Write;
use std::sync::{Mutex, PoisonError};

use serde_json::json;

use crate::output::mask;

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Info,
    Warn,
    Error,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        }
    }
}

/// Writes lines, each with the object and the run that it is about.
pub(crate) struct Log {
    object: String,
    run: Mutex<Option<String>>,
    sink: fn(&str),
}

impl Log {
    /// For an object, as `NAMESPACE/NAME`.
    pub(crate) fn new(object: String) -> Self {
        Self { object, run: Mutex::default(), sink: stderr }
    }

    /// The run that lines are about from now on.
    pub(crate) fn set_run(&self, run: &str) {
        *self.run.lock().unwrap_or_else(PoisonError::into_inner) = Some(run.to_owned());
    }

    /// Writes a line.
    pub(crate) fn line(&self, level: Level, message: &str) {
        let run = self.run.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (self.sink)(&line(level, &self.object, run.as_deref(), message));
    }
}

fn line(level: Level, object: &str, run: Option<&str>, message: &str) -> String {
    let mut line = json!({
        "time": jiff::Timestamp::now().to_string(),
        "level": level.word(),
        "migration": object,
        "message": mask::text(message.trim()),
    });
    if let Some(run) = run {
        line["runId"] = json!(run);
    }
    line.to_string()
}

fn stderr(line: &str) {
    // A run does not end because nobody reads its log any more.
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_an_object_and_holds_no_password() {
        let text = line(Level::Warn, "shop/orders", Some("0198"), "  no way to postgres://u:canary@h/d \"\n");
        assert!(!text.contains('\n') && !text.contains("canary"), "{text}");
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&read["level"], &read["runId"], &read["migration"]),
            (&json!("warn"), &json!("0198"), &json!("shop/orders"))
        );
        assert!(read["time"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
        assert!(
            serde_json::from_str::<serde_json::Value>(&line(Level::Info, "a/b", None, "x")).unwrap()["runId"]
                .is_null()
        );
    }
}
