//! What a runner leaves behind: the message that its Pod ends with.
//!
//! Kubernetes keeps up to 4096 bytes of `/dev/termination-log` in the Pod's status, also where the API could not be
//! reached by the runner itself. The journal in the database is the truth; this is how the operator learns of it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use cofferdam_api::Reason;
use cofferdam_api::status::RunResult;
use cofferdam_api::value::Sha256;
use cofferdam_core::figures::Figures;

/// Where the kubelet reads it.
pub const PATH: &str = "/dev/termination-log";
/// Kubernetes keeps no more of it.
const LIMIT: usize = 4096;
/// The longest message in it, in bytes.
const MESSAGE: usize = 2048;

/// How a runner ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ended {
    /// The change is there, or what was asked was done.
    Succeeded,
    /// It stopped at a safe point, because it was asked to; the next one goes on.
    Stopped,
    /// A person must agree to the plan first.
    WaitsForApproval,
    /// All is ready for the container of the user.
    Prepared,
    /// Nothing was changed, and nothing would be by another try.
    Refused,
    /// It failed, and what was done was taken back.
    RolledBack,
    /// A person must say what is so.
    Stuck,
    /// It failed in another way.
    Failed,
}

impl Ended {
    /// The result of the run, if it is over.
    pub fn result(self) -> Option<RunResult> {
        match self {
            Ended::Succeeded => Some(RunResult::Succeeded),
            Ended::RolledBack => Some(RunResult::RolledBack),
            Ended::Refused | Ended::Stuck | Ended::Failed => Some(RunResult::Failed),
            Ended::Stopped | Ended::WaitsForApproval | Ended::Prepared => None,
        }
    }
}

/// What a runner leaves behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// How it ended.
    pub ended: Ended,
    /// Why: the word of a [`Reason`].
    pub reason: String,
    /// Why, for people; where a person is needed it ends with the next command.
    pub message: String,
    /// The id of the last run in the journal; absent where none began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    /// The newest version before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_version: Option<String>,
    /// The newest version after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_version: Option<String>,
    /// What a MigrationApproval agrees to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_digest: Option<Sha256>,
    /// An online change is in its revert window until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revertible_until: Option<Timestamp>,
    /// What the run measured of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub figures: Option<Figures>,
    /// The image that a container of the user is started from, by its digest: the one that the signature is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// What the Secret has for a container of the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<Box<Login>>,
}

/// What a Secret has for a container of the user: names of keys and what they are fit for, nothing of their values. The
/// operator cannot read Secrets, and a Pod must not ask for a key that is not there.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Login {
    /// The key with the whole URL; absent: there are parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The keys that it has, of those that mean something.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// User and password mean in a URL what they are: none of their characters has a meaning there.
    #[serde(default)]
    pub plain_login: bool,
    /// And so does the name of the database.
    #[serde(default)]
    pub plain_database: bool,
    /// The host is an address of IPv6, which stands in brackets in a URL.
    #[serde(default)]
    pub brackets: bool,
}

impl Outcome {
    /// One without particulars.
    pub fn new(ended: Ended, reason: Reason, message: impl Into<String>) -> Self {
        Self {
            ended,
            reason: reason.word().to_owned(),
            message: message.into(),
            run_id: None,
            from_version: None,
            to_version: None,
            plan_digest: None,
            revertible_until: None,
            figures: None,
            image: None,
            login: None,
        }
    }

    /// Why. A word that a newer runner wrote is a failure that needs a person.
    pub fn reason(&self) -> Reason {
        Reason::named(&self.reason).unwrap_or(Reason::JobFailed)
    }

    /// As the kubelet gets it: at most 4096 bytes.
    pub fn text(&self) -> String {
        let mut short = self.clone();
        short.message = cut(&self.message, MESSAGE);
        match serde_json::to_string(&short) {
            Ok(text) if text.len() <= LIMIT => text,
            // Escapes made it longer.
            _ => {
                short.message = cut(&self.message, MESSAGE / 6);
                serde_json::to_string(&short).unwrap_or_default()
            }
        }
    }

    /// Reads it; `None` for a message of something else, or none.
    pub fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

/// The beginning of a text, at most so many bytes long.
pub(crate) fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let mark = "...";
    let end = (0..=most - mark.len()).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    format!("{}{mark}", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_fits_and_is_read_again() {
        for message in ["short".to_owned(), "long ".repeat(2000), "\u{1}".repeat(9000), "ä".repeat(3000)] {
            let outcome = Outcome::new(Ended::Failed, Reason::JobFailed, message);
            let text = outcome.text();
            assert!(text.len() <= LIMIT, "{}", text.len());
            let read = Outcome::read(&text).unwrap();
            assert!(outcome.message.starts_with(read.message.trim_end_matches("...")));
        }
        assert_eq!(Outcome::read("panicked at main.rs"), None);
        assert_eq!(Outcome::read(""), None);
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcdefg", 6), "abc...");
        assert_eq!(cut("ääää", 7), "ää...");
        assert_eq!(cut("ääää", 6), "ä...");
    }
}
