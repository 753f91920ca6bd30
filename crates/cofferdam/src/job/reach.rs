//! The way to the database: found anew at every try, because the Secret may have changed meanwhile.

use std::path::PathBuf;
use std::time::Duration;

use cofferdam_api::Reason;
use cofferdam_api::database::Database;
use cofferdam_core::fault::Result;
use cofferdam_core::{Code, Fault};
use cofferdam_engines::{Logins, Session, Target};
use cofferdam_runner::Stop;

use super::credentials::{self, Found, Lacking};
use super::ending::message;
use super::reporter::Report;
use crate::output::error;
use crate::wiring;

/// How often it is looked for a key that is missing. The kubelet takes up to a minute to bring what was added.
pub(crate) const KEY: Duration = Duration::from_secs(2);

/// Pauses between tries, each longer than the one before.
#[derive(Debug)]
pub(crate) struct Pauses {
    next: Duration,
}

impl Pauses {
    /// The longest: who mends something wants to see it go on.
    const LONGEST: Duration = Duration::from_secs(20);

    pub(crate) fn new() -> Self {
        Self { next: Duration::from_millis(500) }
    }

    /// Waits, but not past a stop.
    ///
    /// # Errors
    /// `Interrupted` or `TimedOut`.
    pub(crate) async fn pause(&mut self, stop: &Stop) -> Result<()> {
        let now = self.next;
        self.next = (now * 2).min(Self::LONGEST);
        pause(now, stop).await
    }
}

/// Waits, but not past a stop.
///
/// # Errors
/// `Interrupted` or `TimedOut`.
pub(crate) async fn pause(time: Duration, stop: &Stop) -> Result<()> {
    let until = tokio::time::Instant::now() + time;
    loop {
        if stop.asked() {
            return Err(stop.refusal().into());
        }
        let now = tokio::time::Instant::now();
        if now >= until {
            return Ok(());
        }
        tokio::time::sleep((until - now).min(Duration::from_millis(50))).await;
    }
}

/// Ends with the refusal once somebody asks to stop.
pub(crate) async fn until_asked(stop: &Stop) -> Fault {
    while !stop.asked() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stop.refusal().into()
}

/// How the database is reached.
#[derive(Debug, Clone)]
pub(crate) struct Reach {
    pub(crate) database: Database,
    /// Where the Secret is mounted.
    pub(crate) folder: PathBuf,
    /// Where the authorities of AWS are mounted.
    pub(crate) authorities: PathBuf,
    /// Who acts, for the journal.
    pub(crate) who: String,
    /// Where the database takes tokens in place of a password. What makes them keeps the keys for them.
    pub(crate) logins: Option<Logins>,
}

impl Reach {
    /// One try, under the name of one purpose.
    pub(crate) async fn once(&self, application: &str) -> Result<Box<dyn Session>, Missed> {
        let found = credentials::read(&self.database, &self.folder, &self.authorities)?;
        self.open(&found, application).await.map_err(Missed::Fault)
    }

    async fn open(&self, found: &Found, application: &str) -> Result<Box<dyn Session>> {
        let target = Target {
            url: Some(found.url.clone()),
            application: application.to_owned(),
            who: self.who.clone(),
            logins: self.logins.clone(),
        };
        wiring::engine(Some(&found.url))?.open(&target).await
    }

    /// Host and port, where they are known apart from the URL.
    pub(crate) fn address(&self) -> Option<String> {
        credentials::read(&self.database, &self.folder, &self.authorities).ok()?.address
    }

    /// Tries for as long as it takes. A server that is down, and a login that it refuses, are waited for: somebody
    /// starts the one, and the Secret that the other is in can be mended.
    ///
    /// # Errors
    /// What waiting would not change, and a stop.
    pub(crate) async fn patiently(&self, report: &Report, stop: &Stop) -> Result<Box<dyn Session>> {
        let mut pauses = Pauses::new();
        loop {
            let tried = tokio::select! {
                tried = self.once("cofferdam runner") => tried,
                fault = until_asked(stop) => return Err(fault),
            };
            match tried {
                Ok(session) => {
                    report.with(|account, _| account.goes_on());
                    for warning in session.warnings() {
                        report.log.line(super::log::Level::Warn, warning);
                    }
                    return Ok(session);
                }
                Err(Missed::Key(what)) => {
                    report.waits(Reason::SecretKeyMissing, &what);
                    pause(KEY, stop).await?;
                }
                Err(Missed::Fault(fault)) if is_waited_for(&fault) => {
                    report.waits(Reason::ConnectFailed, &message(&error::refusal(&fault)));
                    pauses.pause(stop).await?;
                }
                Err(Missed::Fault(fault)) => return Err(fault),
            }
        }
    }
}

/// Why a try failed.
#[derive(Debug)]
pub(crate) enum Missed {
    Key(String),
    Fault(Fault),
}

impl From<Lacking> for Missed {
    fn from(lacking: Lacking) -> Self {
        match lacking {
            Lacking::Key(what) => Missed::Key(what),
            Lacking::Refused(refusal) => Missed::Fault(Fault::Refused(refusal)),
        }
    }
}

/// The server is not there, or does not let us in: outside of us something must change, and it can.
pub(crate) fn is_waited_for(fault: &Fault) -> bool {
    match fault {
        Fault::Again { .. } => true,
        Fault::Refused(refusal) => matches!(
            refusal.code,
            Code::ConnectFailed
                | Code::AuthFailed
                | Code::DatabaseMissing
                | Code::TlsFailed
                | Code::ConnectionLost
                | Code::ReadOnlyServer
                | Code::AwsNoCredentials
                | Code::AwsDenied
        ),
        Fault::Unknown(_) | Fault::Bug(_) => false,
    }
}

/// Why it is tried once more: nothing was refused for good, and what was done is kept.
pub(crate) fn goes_on(fault: &Fault) -> Option<Reason> {
    if is_waited_for(fault) {
        return match fault {
            Fault::Again { why, .. } => Some(Reason::from(why.code)),
            _ => Some(Reason::ConnectFailed),
        };
    }
    let code = fault.refusal()?.code;
    let waits = matches!(
        code,
        Code::LockHeldByOther
            | Code::ToolAtWork
            | Code::BegunOtherwise
            | Code::ChangeInProgress
            | Code::RunUnfinished
            | Code::LockNotObtained
            | Code::BlockedOthers
            | Code::Fenced
            | Code::PreCheckFailed
            | Code::PreCheckUnread
    );
    waits.then(|| Reason::from(code))
}

#[cfg(test)]
mod tests {
    use cofferdam_core::Refusal;

    use super::*;

    #[test]
    fn what_may_be_otherwise_later_is_tried_again_and_nothing_else() {
        for (code, expected) in [
            (Code::ConnectionLost, Some(Reason::ConnectFailed)),
            (Code::AuthFailed, Some(Reason::ConnectFailed)),
            (Code::LockHeldByOther, Some(Reason::LockHeldByOther)),
            (Code::ToolAtWork, Some(Reason::LockHeldByOther)),
            (Code::BegunOtherwise, Some(Reason::LockHeldByOther)),
            (Code::LockNotObtained, Some(Reason::WaitingForBlocker)),
            (Code::Fenced, Some(Reason::RunnerLost)),
            (Code::PreCheckFailed, Some(Reason::PreCheckFailed)),
            (Code::PreCheckUnread, Some(Reason::PreCheckFailed)),
            (Code::BadCheck, None),
            (Code::LintBlocked, None),
            (Code::RolledBack, None),
            (Code::OutcomeUnknown, None),
            (Code::Interrupted, None),
            (Code::BadUrl, None),
        ] {
            assert_eq!(goes_on(&Refusal::new(code, "what").into()), expected, "{code:?}");
        }
        assert_eq!(goes_on(&Fault::Bug("x".into())), None);
    }
}
