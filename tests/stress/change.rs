//! The program at work on the table: started, killed, started again.

use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::process::{Child, Command};

use crate::dice::Dice;
use crate::support::{Bench, Ended};
use crate::world::World;

/// What is done to `item`, and how.
#[derive(Debug, Clone)]
pub struct Change {
    /// What stands after `ALTER TABLE item`.
    pub clauses: &'static str,
    /// Further flags.
    pub flags: Vec<&'static str>,
    /// Mistakes that the program is to make on purpose, with commas between them.
    pub planted: String,
    /// How often it is killed on its way to the swap, and on its way back.
    pub kills: u32,
}

impl Change {
    pub fn alter(&self) -> Vec<&str> {
        let mut arguments = vec!["alter", "--table", "public.item", "--lock-wait", "30s", "--yes"];
        arguments.extend(&self.flags);
        arguments.push(self.clauses);
        arguments
    }

    /// What it says goes to files: of a process that hangs, that is the first thing one wants to read.
    pub fn start(&self, bench: &Bench, arguments: &[&str], environment: &[(&str, &str)]) -> Process {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::SeqCst);
        let path = |what: &str| bench.folder.path().join(format!("{what}-{number}"));
        let (stdout, stderr) = (path("stdout"), path("stderr"));
        let mut command = bench.command(arguments);
        command.envs(environment.iter().copied());
        if !self.planted.is_empty() {
            let pace = if self.planted == "paced" { "" } else { "unpaced," };
            command.env("COFFERDAM_PLANTED", format!("{pace}{}", self.planted));
        }
        command.stdout(File::create(&stdout).unwrap()).stderr(File::create(&stderr).unwrap());
        let child = Command::from(command).kill_on_drop(true).spawn().unwrap();
        Process { child, stdout, stderr }
    }

    /// Starts the change so that it stands still at a failpoint, and waits until it is there. It ends with the value.
    pub async fn held(&self, bench: &Bench, failpoint: &str) -> Process {
        let mark = bench.folder.path().join("reached");
        let (hang, reached) = (format!("{failpoint}=hang"), mark.display().to_string());
        let environment = [("COFFERDAM_FAILPOINT", hang.as_str()), ("COFFERDAM_FAILPOINT_REACHED", &reached)];
        let mut process = self.start(bench, &self.alter(), &environment);
        while !mark.exists() {
            assert!(
                process.child.try_wait().unwrap().is_none(),
                "it ended before {failpoint}: {:?}",
                process.end().await
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        process
    }

    /// Runs a command until it ends by itself; before that it is killed at moments that the dice choose, so many
    /// times, and started again each time with the same words.
    pub async fn insist(&self, world: &World, bench: &Bench, arguments: &[&str], dice: &mut Dice) -> Ended {
        let mut kills = self.kills;
        let mut busy = 0;
        loop {
            let mut process = self.start(bench, arguments, &[]);
            if kills > 0 {
                kills -= 1;
                // Often early, now and then late.
                let longest = *dice.pick(&[150, 600, 2500]);
                let moment = Duration::from_millis(dice.below(longest));
                if tokio::time::timeout(moment, process.child.wait()).await.is_err() {
                    process.child.kill().await.unwrap();
                    world.journal.event(&format!("killed after {moment:?}: {}", arguments[0]));
                    continue;
                }
            }
            let ended = process.end().await;
            world.journal.event(&format!("{} ended with {}", arguments[0], ended.code));
            // Somebody held the lock for too long: whoever starts it tries again.
            if ended.code == 5 && busy < 5 {
                busy += 1;
                continue;
            }
            return ended;
        }
    }
}

/// The program at work, and where its words go.
pub struct Process {
    pub child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Process {
    /// Waits for its end; ten minutes are no measurement: a change that gives way to others may take long where there is nothing to spare.
    pub async fn end(mut self) -> Ended {
        let status = tokio::time::timeout(Duration::from_secs(600), self.child.wait()).await;
        let text = |path: &PathBuf| std::fs::read_to_string(path).unwrap();
        let (stdout, mut stderr) = (text(&self.stdout), text(&self.stderr));
        let Ok(status) = status else {
            stderr += "it did not end in ten minutes";
            return Ended { code: -1, stdout, stderr };
        };
        Ended { code: status.unwrap().code().unwrap_or(-1), stdout, stderr }
    }
}
