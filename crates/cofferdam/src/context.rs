//! What every command gets: the common flags, the console, and the ways to the directory and the database.

use std::time::Duration;

use cofferdam_core::bundle::Bundle;
use cofferdam_core::{Code, Fault, Result};
use cofferdam_engines::{Ability, Session};

use crate::args::Common;
use crate::config::Settings;
use crate::output::{Console, mask};
use crate::signals::Halt;
use crate::telling::Telling;
use crate::{files, wiring};

/// What a command needs of the database's engine that not every engine has. What only some ways of calling a command need
/// is refused there.
const NEEDS: &[(&str, Ability)] = &[
    ("alter", Ability::Alter),
    ("pause", Ability::Alter),
    ("resume", Ability::Alter),
    ("throttle", Ability::Alter),
    ("cutover", Ability::Alter),
    ("abort", Ability::Alter),
    ("finalize", Ability::Alter),
    ("parked", Ability::Park),
    ("undrop", Ability::Park),
    ("restore", Ability::Copy),
    ("rehearse", Ability::Rehearse),
    ("drift", Ability::Inspect),
];

/// Between two tries to reach a server that is not there yet.
const KNOCK: Duration = Duration::from_millis(250);

/// What every command gets.
#[derive(Debug)]
pub(crate) struct Context {
    /// The name of the command, for the server's list of sessions.
    pub(crate) verb: &'static str,
    pub(crate) common: Common,
    pub(crate) console: std::rc::Rc<Console>,
    pub(crate) halt: Halt,
    /// Who is told of what the command does.
    pub(crate) telling: std::rc::Rc<Telling>,
}

impl Context {
    /// Flags, variables and cofferdam.yaml. Refuses a command that the engine of the database has not.
    pub(crate) fn settings(&self) -> Result<Settings> {
        let settings = Settings::load(&self.common)?;
        if let Some((_, ability)) = NEEDS.iter().find(|(verb, _)| *verb == self.verb) {
            wiring::able(settings.url.as_deref(), *ability)?;
        }
        Ok(settings)
    }

    /// The migrations of the directory. Files that look like migrations and are none are named on stderr.
    pub(crate) fn bundle(&self, settings: &Settings) -> Result<Bundle> {
        let bundle = files::bundle(settings)?;
        self.name_skipped(&bundle);
        Ok(bundle)
    }

    /// A session with the database that the settings name.
    pub(crate) async fn open(&self, settings: &Settings) -> Result<Box<dyn Session>> {
        settings.need_database()?;
        let engine = wiring::engine(settings.url.as_deref())?;
        self.heed_signals();
        let target = settings.target(format!("cofferdam {}", self.verb));
        let session = engine.open(&target).await?;
        self.telling.begin(self.verb, settings, (engine, &target), &self.console);
        for warning in session.warnings() {
            self.console.note(&format!("warning: {warning}"));
        }
        Ok(session)
    }

    /// As [`Context::open`], but waits for a server that cannot be reached yet. `--timeout` bounds the wait.
    pub(crate) async fn open_patiently(&self, settings: &Settings) -> Result<Box<dyn Session>> {
        let mut told = false;
        loop {
            match self.open(settings).await {
                Err(fault) if worth_waiting(&fault) => {
                    if !std::mem::replace(&mut told, true) {
                        self.console.note(&format!("waiting: {fault}"));
                    }
                    tokio::time::sleep(KNOCK).await;
                }
                outcome => return outcome,
            }
        }
    }

    /// The migrations of the directory, and a session with the database: the files are read while the server makes
    /// the session. What is wrong with the directory is said first.
    pub(crate) async fn bundle_and_session(
        &self,
        settings: &Settings,
        patiently: bool,
    ) -> Result<(Bundle, Box<dyn Session>)> {
        let directory = settings.clone();
        let mut reading = tokio::task::spawn_blocking(move || files::bundle(&directory));
        let opening =
            async { if patiently { self.open_patiently(settings).await } else { self.open(settings).await } };
        let mut opening = std::pin::pin!(opening);
        // A session is waited for only where there is something to apply.
        let (read, opened) = tokio::select! {
            read = &mut reading => (read, None),
            opened = &mut opening => (reading.await, Some(opened)),
        };
        let bundle = read.map_err(|e| Fault::Bug(format!("reading the directory: {e}")))??;
        self.name_skipped(&bundle);
        let session = match opened {
            Some(opened) => opened,
            None => opening.await,
        };
        let mut session = session?;
        session.keep(settings.keeping(Some(&bundle))).await?;
        Ok((bundle, session))
    }

    /// As [`Context::open`], with the history of the directory's tool kept beside our own. Without a bundle that of
    /// the settings is read, where there is one: a command that needs none is not to fail for it.
    pub(crate) async fn open_keeping(
        &self,
        settings: &Settings,
        bundle: Option<&Bundle>,
    ) -> Result<Box<dyn Session>> {
        let mut session = self.open(settings).await?;
        let found = if bundle.is_none() { files::bundle(settings).ok() } else { None };
        session.keep(settings.keeping(bundle.or(found.as_ref()))).await?;
        Ok(session)
    }

    fn name_skipped(&self, bundle: &Bundle) {
        for note in cofferdam_formats::notes(bundle) {
            self.console.note(&format!("note: {note}"));
        }
        for (path, reason) in &bundle.skipped {
            self.console.note(&format!("note: {path} is skipped: {reason}"));
        }
    }

    pub(crate) fn heed_signals(&self) {
        let quiet = self.common.quiet;
        self.halt.heed_signals(move |line| {
            if !quiet {
                let mut stderr = std::io::stderr();
                let _ =
                    std::io::Write::write_all(&mut stderr, format!("\n{}\n", mask::text(line)).as_bytes());
            }
        });
    }
}

/// A server that is starting, or not there yet: not a wrong password.
fn worth_waiting(fault: &Fault) -> bool {
    match fault {
        Fault::Again { .. } => true,
        Fault::Refused(refusal) => refusal.code == Code::ConnectFailed,
        Fault::Unknown(_) | Fault::Bug(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::NEEDS;
    use crate::cli::COMMANDS;

    #[test]
    fn what_needs_an_ability_is_a_command() {
        for (verb, _) in NEEDS {
            assert!(COMMANDS.iter().any(|command| command.name == *verb), "{verb}");
        }
    }
}
