//! Who is told of runs: chat, mail, and programs.
//!
//! A sink takes one event and says whether it was taken; when, in which order and how often is the runner's. Nothing
//! that a sink says of a failure holds an address with its path, a key or a password: see [`secret`].

mod egress;
pub mod email;
mod http;
pub mod secret;
pub mod slack;
mod template;
pub mod webhook;

use async_trait::async_trait;
use cofferdam_core::{Code, Notice, Refusal};

pub use egress::{Egress, Network};
pub use email::{Email, Tls};
pub use secret::Secret;
pub use slack::Slack;
pub use webhook::Webhook;

/// Why an event was not taken: one line, without secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undelivered(pub String);

impl std::fmt::Display for Undelivered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A place that is told.
#[async_trait]
pub trait Sink: Send + Sync {
    /// `slack`, `email`, `webhook`.
    fn id(&self) -> &'static str;

    /// Where it leads, for people: a host or a mail address, never a path.
    fn place(&self) -> String;

    /// Tells it. Ends within a bounded time, however its receiver behaves.
    ///
    /// # Errors
    /// The receiver did not say that it took the event; it may have.
    async fn deliver(&self, notice: &Notice) -> Result<(), Undelivered>;
}

/// All that is configured, secrets resolved.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// A channel of Slack.
    pub slack: Option<Slack>,
    /// A mail.
    pub email: Option<Email>,
    /// A CloudEvent.
    pub webhook: Option<Webhook>,
    /// Where they may lead.
    pub egress: Egress,
}

/// A kind of place.
#[derive(Clone, Copy)]
pub struct SinkKind {
    /// Its id, which is its key in cofferdam.yaml.
    pub id: &'static str,
    /// What it is, for people.
    pub about: &'static str,
    /// Makes the sink; `None`: it is not configured.
    pub open: fn(&Settings) -> Option<Opened>,
}

/// A sink that can be used, or what is wrong with its settings.
pub type Opened = Result<Box<dyn Sink>, Box<Refusal>>;

/// Every kind.
pub static SINKS: &[&SinkKind] = &[&slack::KIND, &email::KIND, &webhook::KIND];

/// The sinks that are configured, and what is wrong with those that cannot be used. The one does not hold the other.
pub fn open(settings: &Settings) -> (Vec<Box<dyn Sink>>, Vec<Refusal>) {
    let (mut sinks, mut wrong) = (Vec::new(), Vec::new());
    for kind in SINKS {
        match (kind.open)(settings) {
            None => {}
            Some(Ok(sink)) => sinks.push(sink),
            Some(Err(refusal)) => wrong.push(*refusal),
        }
    }
    (sinks, wrong)
}

/// The refusal of what is configured for one.
fn bad(id: &str, why: impl std::fmt::Display) -> Box<Refusal> {
    Box::new(
        Refusal::new(Code::BadSink, format!("notifications.{id} cannot be used"))
            .cause(why.to_string())
            .help("correct it, and try it with cofferdam notify test"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folder_that_is_a_sink_is_in_the_table() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/notify");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|file| file.unwrap().path())
            .filter(|path| std::fs::read_to_string(path).unwrap().contains("static KIND: SinkKind ="))
            .filter(|path| !path.ends_with("mod.rs"))
            .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        let mut ids: Vec<&str> = SINKS.iter().map(|kind| kind.id).collect();
        files.sort();
        ids.sort_unstable();
        assert_eq!(files, ids);
    }
}
