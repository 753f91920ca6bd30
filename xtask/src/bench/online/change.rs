//! A command of the program that runs, most often `cofferdam alter`, and what it told of itself.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use cofferdam_core::online::Part;
use serde_json::Value;

use super::super::measure::resident_peak;
use super::ground::Ground;

/// A line of its progress.
#[derive(Debug, Clone)]
pub(in crate::bench) struct Event {
    /// When it was read, in seconds since 1970: the clock of pgbench's log.
    pub(in crate::bench) at: f64,
    pub(in crate::bench) value: Value,
}

/// When a part was at work.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::bench) struct Stretch {
    pub(in crate::bench) part: Part,
    pub(in crate::bench) from: f64,
    pub(in crate::bench) to: f64,
}

/// One that runs. Dropped, it is killed.
pub(in crate::bench) struct Change {
    child: Child,
    program: String,
    began: Instant,
    lines: Receiver<(f64, String)>,
    events: Vec<Event>,
    /// What is no JSON: why it failed.
    said: Vec<String>,
    peak: u64,
    /// It was killed because it had not ended in [`LONGEST`].
    overdue: bool,
}

/// One that ended well.
#[derive(Debug)]
pub(in crate::bench) struct Done {
    /// From before it was started until it was gone.
    pub(in crate::bench) took: Duration,
    pub(in crate::bench) events: Vec<Event>,
    /// The most memory that it had resident, in KiB.
    pub(in crate::bench) peak: u64,
}

/// Its exit code after `abort`: taken back, and nothing is left.
const GIVEN_UP: i32 = 6;

/// One that has not ended after this will not: others write faster than it works. A bench that waits for it measures
/// nothing.
const LONGEST: Duration = Duration::from_secs(20 * 60);

/// How often the memory is looked at.
const LOOK: Duration = Duration::from_millis(20);

impl Change {
    /// Starts an online change.
    pub(in crate::bench) fn begin(
        ground: &Ground<'_>,
        table: &str,
        clauses: &str,
        flags: &[&str],
    ) -> Result<Self, String> {
        let mut command = ground.cofferdam("alter");
        command.args(["--table", table, "--progress", "json"]).args(flags).arg(clauses);
        Self::follow(command)
    }

    /// Starts a command; with `--progress json` it tells of itself.
    pub(in crate::bench) fn follow(mut command: Command) -> Result<Self, String> {
        let program = command.get_program().display().to_string();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let began = Instant::now();
        let mut child = command.spawn().map_err(|e| format!("cannot run {program}: {e}"))?;
        let stderr = child.stderr.take().ok_or("no pipe")?;
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if sender.send((now(), line)).is_err() {
                    break;
                }
            }
        });
        Ok(Self {
            child,
            program,
            began,
            lines,
            events: Vec::new(),
            said: Vec::new(),
            peak: 0,
            overdue: false,
        })
    }

    /// Waits until it tells what is asked for.
    pub(in crate::bench) fn until(&mut self, wanted: impl Fn(&Event) -> bool) -> Result<Event, String> {
        let mut seen = 0;
        loop {
            if let Some(found) = self.events[seen..].iter().find(|event| wanted(event)) {
                return Ok(found.clone());
            }
            seen = self.events.len();
            if !self.read() {
                return Err(self.failed("before it was where it was waited for"));
            }
        }
    }

    /// Waits until a part begins.
    pub(in crate::bench) fn until_begun(&mut self, part: Part) -> Result<Event, String> {
        self.until(|event| event.value["event"] == "stepBegan" && part_of(&event.value) == Some(part))
    }

    /// Waits until it has done so much of what it is doing.
    pub(in crate::bench) fn until_done(&mut self, doing: &str, share: f64) -> Result<Event, String> {
        self.until(|event| {
            let number = |name: &str| event.value[name].as_f64().unwrap_or(0.0);
            event.value["doing"] == doing
                && number("total") > 0.0
                && number("done") >= share * number("total")
        })
    }

    /// Waits for its end.
    pub(in crate::bench) fn wait(self) -> Result<Done, String> {
        self.wait_ending(0)
    }

    /// Waits until it has given up, as somebody asked it to, or has taken back what it did.
    pub(in crate::bench) fn wait_given_up(self) -> Result<Done, String> {
        self.wait_ending(GIVEN_UP)
    }

    fn wait_ending(mut self, code: i32) -> Result<Done, String> {
        while self.read() {}
        let end = self.child.wait().map_err(|e| e.to_string())?;
        let took = self.began.elapsed();
        if end.code() != Some(code) {
            return Err(self.failed(&format!("with {end}")));
        }
        Ok(Done { took, events: std::mem::take(&mut self.events), peak: self.peak })
    }

    /// What the system calls it.
    pub(in crate::bench) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills it where it is, and says how long it had run and what it told.
    pub(in crate::bench) fn kill(mut self) -> Result<(Duration, Vec<Event>), String> {
        self.child.kill().map_err(|e| e.to_string())?;
        let ran = self.began.elapsed();
        while self.read() {}
        Ok((ran, std::mem::take(&mut self.events)))
    }

    /// Reads what it said meanwhile; `false`: it will say no more.
    fn read(&mut self) -> bool {
        self.peak = self.peak.max(resident_peak(self.child.id(), &self.program).unwrap_or(0));
        if !self.overdue && self.began.elapsed() > LONGEST {
            self.overdue = true;
            let last = self.events.last().map(|event| event.value.to_string()).unwrap_or_default();
            self.said.push(format!(
                "it had not ended after {} s and was killed; its last word: {last}",
                LONGEST.as_secs()
            ));
            // Its lines end with it, and so does everything that waits for them.
            let _ = self.child.kill();
        }
        let (at, line) = match self.lines.recv_timeout(LOOK) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
        };
        match serde_json::from_str(&line) {
            Ok(value) => self.events.push(Event { at, value }),
            Err(_) => self.said.push(line),
        }
        true
    }

    fn failed(&self, how: &str) -> String {
        format!("{} ended {how}:\n{}", self.program, self.said.join("\n"))
    }
}

impl Drop for Change {
    fn drop(&mut self) {
        // It has ended in most cases, and then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Done {
    pub(in crate::bench) fn stretches(&self) -> Vec<Stretch> {
        stretches(&self.events)
    }

    pub(in crate::bench) fn stretch(&self, part: Part) -> Option<Stretch> {
        self.stretches().into_iter().find(|stretch| stretch.part == part)
    }

    /// How long the tables were locked, in milliseconds, as it told.
    pub(in crate::bench) fn locked(&self) -> Option<f64> {
        self.events.iter().find_map(|event| locked(event.value["text"].as_str()?))
    }
}

/// The parts that ended, in order.
pub(in crate::bench) fn stretches(events: &[Event]) -> Vec<Stretch> {
    let begun = |part: Part, before: f64| {
        let begins = |event: &&Event| {
            event.at <= before && event.value["event"] == "stepBegan" && part_of(&event.value) == Some(part)
        };
        events.iter().rev().find(begins).map(|event| event.at)
    };
    let ended = |event: &Event| {
        let part = part_of(&event.value).filter(|_| event.value["event"] == "stepEnded")?;
        Some(Stretch { part, from: begun(part, event.at)?, to: event.at })
    };
    events.iter().filter_map(ended).collect()
}

/// Steps are lettered as the parts are: `1c` is the third part of the only unit.
fn part_of(value: &Value) -> Option<Part> {
    let letter = value["step"].as_str()?.strip_prefix('1')?.bytes().next()?;
    Part::WAY.get(usize::from(letter.checked_sub(b'a')?)).copied()
}

/// `the tables were locked for 12 ms`.
fn locked(text: &str) -> Option<f64> {
    text.strip_prefix("the tables were locked for ")?.strip_suffix(" ms")?.parse().ok()
}

/// Seconds since 1970.
pub(in crate::bench) fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_part_lasts_from_its_last_beginning_to_its_end() {
        let event =
            |at: f64, event: &str, step: &str| Event { at, value: json!({"event": event, "step": step}) };
        let events = [
            event(1.0, "stepBegan", "1a"),
            event(2.0, "stepEnded", "1a"),
            event(3.0, "stepBegan", "1c"),
            event(4.0, "retrying", "1c"),
            event(5.0, "stepBegan", "1c"),
            event(9.0, "stepEnded", "1c"),
            event(9.5, "stepBegan", "1d"),
        ];
        let found: Vec<_> = stretches(&events).iter().map(|s| (s.part, s.from, s.to)).collect();
        assert_eq!(found, [(Part::Create, 1.0, 2.0), (Part::Copy, 5.0, 9.0)]);
    }

    #[test]
    fn the_time_of_the_lock_is_read() {
        assert_eq!(locked("the tables were locked for 12 ms"), Some(12.0));
        assert_eq!(locked("relation \"x\" does not exist, skipping"), None);
    }
}
