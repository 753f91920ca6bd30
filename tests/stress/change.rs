//! The program at work on the table: started, killed, started again.

use std::process::Stdio;
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

    pub fn start(&self, bench: &Bench, arguments: &[&str]) -> Child {
        let mut command = bench.command(arguments);
        if !self.planted.is_empty() {
            command.env("COFFERDAM_PLANTED", &self.planted);
        }
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Command::from(command).kill_on_drop(true).spawn().unwrap()
    }

    /// Runs a command until it ends by itself; before that it is killed at moments that the dice choose, so many
    /// times, and started again each time with the same words.
    pub async fn insist(&self, world: &World, bench: &Bench, arguments: &[&str], dice: &mut Dice) -> Ended {
        let mut kills = self.kills;
        let mut busy = 0;
        loop {
            let mut child = self.start(bench, arguments);
            if kills > 0 {
                kills -= 1;
                // Often early, now and then late.
                let longest = *dice.pick(&[150, 600, 2500]);
                let moment = Duration::from_millis(dice.below(longest));
                if tokio::time::timeout(moment, child.wait()).await.is_err() {
                    child.kill().await.unwrap();
                    world.journal.event(&format!("killed after {moment:?}: {}", arguments[0]));
                    continue;
                }
            }
            let ended = wait(child).await;
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

/// Waits for its end; three minutes are no measurement, but when waiting has become pointless.
pub async fn wait(child: Child) -> Ended {
    let output = tokio::time::timeout(Duration::from_secs(180), child.wait_with_output()).await;
    let Ok(output) = output else {
        return Ended { code: -1, stdout: String::new(), stderr: "it did not end in three minutes".into() };
    };
    let output = output.unwrap();
    Ended {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
