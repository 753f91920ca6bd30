//! Programs of the servers' own that write a whole database.

use std::process::Stdio;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

use cofferdam_core::fault::Result;
use cofferdam_core::{Code, Fault, Refusal};

use super::Rows;
use crate::visible::visible;

/// One of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Program {
    /// As it stands in the path.
    pub(crate) name: &'static str,
    /// What to install where it is missing.
    pub(crate) install: &'static str,
}

impl Program {
    /// What it says to these arguments, which ask for its version.
    ///
    /// # Errors
    /// It is not there, or does not run.
    pub(crate) async fn version(self, arguments: &[&str]) -> Result<String> {
        let output = Command::new(self.name).args(arguments).stdin(Stdio::null()).output().await;
        match output {
            Ok(output) if output.status.success() => Ok(visible(&String::from_utf8_lossy(&output.stdout))),
            Ok(output) => Err(self.missing(visible(&String::from_utf8_lossy(&output.stderr))).into()),
            Err(e) => Err(self.missing(e.to_string()).into()),
        }
    }

    /// Starts it, and gives what it writes to its standard output. Where it ends badly the last is an error with its own
    /// words. It is ended when nobody reads any more.
    pub(crate) fn rows(self, mut command: Command) -> Result<Rows> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().map_err(|e| self.missing(e.to_string()))?;
        let (Some(out), Some(err)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(Fault::Bug(format!("{} has no pipes", self.name)));
        };
        // Read beside, so that a full pipe does not hold it up.
        let said = tokio::spawn(said(err));
        let rows = futures::stream::unfold(Some((out, child, said)), move |state| async move {
            let (mut out, child, said) = state?;
            match piece(&mut out).await {
                Ok(Some(piece)) => Some((Ok(piece), Some((out, child, said)))),
                Ok(None) => self.ended(child, said).await.err().map(|fault| (Err(fault), None)),
                Err(e) => Some((Err(self.failed(e.to_string()).into()), None)),
            }
        });
        Ok(rows.boxed())
    }

    async fn ended(self, mut child: Child, said: tokio::task::JoinHandle<String>) -> Result<()> {
        let status = child.wait().await.map_err(|e| self.failed(e.to_string()))?;
        if status.success() {
            return Ok(());
        }
        let words = said.await.unwrap_or_default();
        Err(self.failed(if words.is_empty() { status.to_string() } else { words }).into())
    }

    fn failed(self, cause: String) -> Refusal {
        Refusal::new(Code::BackupNotTaken, format!("{} did not write the whole database", self.name))
            .cause(cause)
            .help(format!(
                "nothing was changed; --backup destructive saves the tables that are touched, without {}",
                self.name
            ))
    }

    /// The refusal of one that is not there.
    pub(crate) fn missing(self, cause: impl Into<String>) -> Refusal {
        Refusal::new(Code::BackupNotTaken, format!("the program {} is not there", self.name))
            .cause(cause)
            .help(format!("install {}, or leave --whole and --backup whole out", self.install))
    }
}

async fn piece(out: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Option<Bytes>> {
    let mut piece = BytesMut::with_capacity(64 * 1024);
    let read = out.read_buf(&mut piece).await?;
    Ok((read > 0).then(|| piece.freeze()))
}

async fn said(mut err: impl AsyncRead + Unpin) -> String {
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = err.read(&mut buffer).await {
        if text.len() < 4096 {
            text.extend_from_slice(&buffer[..read]);
        }
    }
    visible(&String::from_utf8_lossy(&text))
}
