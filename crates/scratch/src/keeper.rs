//! The shell between us and the server. It notices that we are gone, even if we were killed and could not say
//! so, because its end of our pipe closes; then it ends the server and removes its folder.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use crate::identity::Identity;
use crate::{Result, ScratchError};

/// The program of the keeper.
const SCRIPT: &str = include_str!("keeper.sh");

/// How a running server is ended.
#[derive(Debug, Clone, Copy)]
pub(crate) enum End {
    /// Sessions are broken off, then a clean shutdown.
    Fast,
    /// As a crash: the next start recovers.
    Immediate,
}

/// By which signals a server is ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Signals {
    fast: &'static str,
    immediate: &'static str,
}

/// PostgreSQL's.
pub(crate) const POSTGRES: Signals = Signals { fast: "INT", immediate: "QUIT" };

/// Those of MySQL and MariaDB, to which QUIT is a clean shutdown.
pub(crate) const MYSQL: Signals = Signals { fast: "TERM", immediate: "KILL" };

/// A running keeper. Dropping it ends the server and removes `base`.
#[derive(Debug)]
pub(crate) struct Keeper {
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    signals: Signals,
}

impl Keeper {
    /// Starts a keeper for the folder `base`, which must belong to the user. The program gets `-D` and the data
    /// directory.
    pub(crate) fn start(
        user: Identity,
        program: &Path,
        template: &Path,
        base: &Path,
        signals: Signals,
    ) -> Result<Self> {
        let mut child = user
            .command("/bin/sh")
            .args(["-c", SCRIPT, "cofferdam-keeper"])
            .args([program, template, base])
            .arg(signals.immediate)
            // Not ours, else an interrupt at the terminal would reach the server too.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Nothing of ours is inherited: whoever waits for the end of our output must not wait for the server.
            .stderr(Stdio::null())
            .spawn()
            .map_err(ScratchError::system("cannot run /bin/sh"))?;
        let (Some(orders), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(ScratchError::Keeper("has no pipes".into()));
        };
        Ok(Self { child, orders: Some(orders), answers: BufReader::new(answers), signals })
    }

    /// Fills the data directory.
    pub(crate) fn copy_template(&mut self) -> Result<()> {
        self.order("copy")
    }

    /// Starts the server and does not wait until it is ready.
    pub(crate) fn start_server(&mut self) -> Result<()> {
        self.order("start")
    }

    /// Ends the server, if it runs, and waits for its end.
    pub(crate) fn end_server(&mut self, how: End) -> Result<()> {
        let signal = match how {
            End::Fast => self.signals.fast,
            End::Immediate => self.signals.immediate,
        };
        self.order(&format!("end {signal}"))
    }

    fn order(&mut self, order: &str) -> Result<()> {
        let gone = |error: std::io::Error| ScratchError::Keeper(format!("is gone: {error}"));
        let orders = self.orders.as_mut().ok_or_else(|| ScratchError::Keeper("was dismissed".into()))?;
        orders.write_all(format!("{order}\n").as_bytes()).map_err(gone)?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer).map_err(gone)?;
        match answer.trim() {
            "done" => Ok(()),
            "" => Err(ScratchError::Keeper(format!("is gone; the order was `{order}`"))),
            other => Err(ScratchError::Keeper(format!("answered `{other}` to `{order}`"))),
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.orders = None;
        // Nothing can be done about a keeper that cannot be waited for.
        let _ = self.child.wait();
    }
}
