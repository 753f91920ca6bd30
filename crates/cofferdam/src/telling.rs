//! Notifications beside a command that changes something: begun with its session, ended with the command.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use cofferdam_adapters::notify;
use cofferdam_core::{Code, Refusal, Result};
use cofferdam_engines::{Engine, Target};
use cofferdam_runner::courier::{Account, Courier, Opener, Scope};

use crate::config::Settings;
use crate::output::Console;

/// How long a command that is over tells on.
const AT_THE_END: Duration = Duration::from_secs(15);

/// The verbs that tell: those that carry something out.
const VERBS: &[&str] = &["apply", "install", "upgrade", "alter", "rollback", "finalize", "abort", "repair"];

/// What tells beside a command, if anything does: one for each database that it changes, by its URL.
#[derive(Default)]
pub(crate) struct Telling(RefCell<Vec<(Option<String>, Courier)>>);

impl std::fmt::Debug for Telling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Telling")
    }
}

impl Telling {
    /// Begins, once for each database, where something is configured. What is wrong with that is said and holds nothing.
    pub(crate) fn begin(
        &self,
        verb: &str,
        settings: &Settings,
        (engine, target): (&'static dyn Engine, &Target),
        console: &Console,
    ) {
        if !VERBS.contains(&verb) || self.0.borrow().iter().any(|(url, _)| *url == target.url) {
            return;
        }
        let Some(configured) = &settings.notifications else { return };
        let (configured, wrong) = configured.resolved(&variable);
        let (sinks, unusable) = notify::open(&configured);
        for refusal in wrong.iter().chain(&unusable) {
            console.note(&format!(
                "warning: {}: {}",
                refusal.what,
                refusal.cause.as_deref().unwrap_or_default()
            ));
        }
        if !sinks.is_empty() {
            let courier = Courier::start(opener(engine, target), sinks, Scope::all());
            self.0.borrow_mut().push((target.url.clone(), courier));
        }
    }

    /// Tells what is left, for a while. What could not be told is said, and changes nothing else.
    pub(crate) async fn finish(&self, console: &Console) {
        let couriers = std::mem::take(&mut *self.0.borrow_mut());
        for (_, courier) in couriers {
            for account in courier.finish(AT_THE_END).await {
                if let Some(line) = complaint(&account) {
                    console.note(&line);
                }
            }
        }
    }
}

/// A variable of the process that is set and not empty.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Opens sessions beside that of the command.
pub(crate) fn opener(engine: &'static dyn Engine, target: &Target) -> Opener {
    let target = Target { application: "cofferdam notify".into(), ..target.clone() };
    Arc::new(move || {
        let target = target.clone();
        Box::pin(async move { engine.open(&target).await })
    })
}

/// What is said of a place that was not told everything.
pub(crate) fn complaint(account: &Account) -> Option<String> {
    let why = match (&account.error, account.held) {
        (Some(error), _) => error.as_str(),
        (None, true) => "another process is telling it",
        (None, false) => return None,
    };
    Some(format!(
        "warning: notifications to {} ({}) wait: {why}; the next command or cofferdam notify flush delivers them",
        account.sink, account.place
    ))
}

/// The sinks that are configured.
///
/// # Errors
/// `NoSinks`, and the first that is wrong.
pub(crate) fn configured(settings: &Settings) -> Result<Vec<Box<dyn notify::Sink>>> {
    let Some(configured) = &settings.notifications else {
        return Err(Refusal::new(Code::NoSinks, "no notifications are configured")
            .cause("cofferdam.yaml has no notifications, neither at its top nor in the environment")
            .help("notifications: {slack: {webhook: \"env:SLACK_WEBHOOK\"}}")
            .into());
    };
    let (configured, wrong) = configured.resolved(&variable);
    let (sinks, unusable) = notify::open(&configured);
    match wrong.into_iter().chain(unusable).next() {
        Some(refusal) => Err(refusal.into()),
        None if sinks.is_empty() => Err(Refusal::new(Code::NoSinks, "no notifications are configured")
            .cause("notifications of cofferdam.yaml names neither slack, email nor webhook")
            .help("notifications: {slack: {webhook: \"env:SLACK_WEBHOOK\"}}")
            .into()),
        None => Ok(sinks),
    }
}
