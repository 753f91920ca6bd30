//! Commands of Cofferdam as processes of their own: what a person would type, and what can be killed.

use std::process::{ExitStatus, Stdio};

use cofferdam_core::{Fault, Result};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::Command;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::stage::{Stage, command_failed};
use super::story::Story;

/// A command at work. Dropping it kills it.
#[derive(Debug)]
pub(super) struct Child {
    process: tokio::process::Child,
    command: String,
    lines: UnboundedReceiver<String>,
    /// The beginning of a step, held back: where its end follows at once, that says it all.
    held: Option<String>,
    said: Vec<String>,
}

impl Child {
    /// Starts `cofferdam ...` for the database and the directory of the stage.
    pub(super) fn start(stage: &Stage, arguments: &[&str]) -> Result<Self> {
        let bug = |e: std::io::Error| Fault::Bug(format!("cofferdam cannot start itself: {e}"));
        let mut command = Command::new(std::env::current_exe().map_err(bug)?);
        // What is set for the person's own databases must not reach this one; mistakes that are planted must.
        for (name, _) in std::env::vars_os() {
            let known = name.to_string_lossy();
            if known == "COFFERDAM_PLANTED" {
                continue;
            }
            if known.starts_with("COFFERDAM")
                || known.starts_with("PG")
                || known.starts_with("MYSQL_")
                || known == "DATABASE_URL"
            {
                command.env_remove(&name);
            }
        }
        let mut process = command
            .args(arguments)
            .args(["--progress", "plain", "--color", "never", "--verbose", "--yes"])
            .arg("--url")
            .arg(&stage.url)
            .arg("--dir")
            .arg(stage.directory())
            .current_dir(stage.directory())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(bug)?;
        let (sender, lines) = unbounded_channel();
        if let Some(stdout) = process.stdout.take() {
            tokio::spawn(relay(stdout, sender.clone()));
        }
        if let Some(stderr) = process.stderr.take() {
            tokio::spawn(relay(stderr, sender));
        }
        Ok(Self { process, command: arguments.join(" "), lines, held: None, said: Vec::new() })
    }

    /// Tells what it says while something else is done. `None`: it ended before that was done.
    pub(super) async fn told_while<T>(
        &mut self,
        story: &Story<'_>,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        tokio::pin!(work);
        loop {
            tokio::select! {
                biased;
                line = self.lines.recv() => match line {
                    Some(line) => self.tell(story, line),
                    None => return None,
                },
                done = &mut work => return Some(done),
            }
        }
    }

    /// Kills it with SIGKILL, and tells what it had said.
    pub(super) async fn kill(mut self, story: &Story<'_>) -> Result<()> {
        self.process.kill().await.map_err(|e| Fault::Bug(format!("the runner could not be killed: {e}")))?;
        self.told(story).await;
        Ok(())
    }

    /// Waits for its end, which must be a good one, and returns what it said.
    pub(super) async fn done(mut self, story: &Story<'_>) -> Result<Vec<String>> {
        self.told(story).await;
        let status: ExitStatus = self.process.wait().await.map_err(|e| Fault::Bug(e.to_string()))?;
        if status.success() {
            return Ok(self.said);
        }
        let last = self.said.iter().rev().map(|line| line.trim()).find(|line| line.starts_with("error"));
        Err(command_failed(&self.command, status.code(), last))
    }

    async fn told(&mut self, story: &Story<'_>) {
        while let Some(line) = self.lines.recv().await {
            self.tell(story, line);
        }
        if let Some(held) = self.held.take() {
            story.said(&held);
        }
    }

    fn tell(&mut self, story: &Story<'_>, line: String) {
        if let Some(held) = self.held.take()
            && !line.starts_with(&format!("{held}: done"))
        {
            story.said(&held);
        }
        self.said.push(line.clone());
        if line.starts_with("  step ") && !line.contains(": done in ") {
            self.held = Some(line);
        } else {
            story.said(&line);
        }
    }
}

async fn relay(from: impl AsyncRead + Unpin, to: UnboundedSender<String>) {
    let mut lines = BufReader::new(from).lines();
    // What is no text ends the telling, not the command: the pipe stays open until the command ends.
    while let Ok(Some(line)) = lines.next_line().await {
        if to.send(line).is_err() {
            return;
        }
    }
}
