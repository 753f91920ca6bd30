//! What is seen and asked of online changes from outside, while another process is at work on them.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use cofferdam_core::online::{Gate, Part};
use cofferdam_core::{Code, Online, Refusal};

/// An online change that has begun and is not finished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OnlineState {
    /// What names it in the database: [`Online::id`].
    pub id: String,
    /// The run that carries it out.
    pub run: Option<Uuid>,
    /// What is changed, and how.
    pub change: Online,
    /// The last part that ended; `None`: the first one is not done yet.
    pub stage: Option<Part>,
    /// How far it is, as its runner last wrote it down.
    pub progress: Progress,
    /// Somebody asked it to pause.
    pub paused: bool,
    /// Somebody asked it to swap.
    pub cutover: bool,
    /// Somebody asked it to give up.
    pub abort: bool,
    /// At most so many connections, where somebody asked for a limit.
    pub workers_limit: Option<u32>,
    /// Somebody asked it not to go slower for others.
    pub full_speed: bool,
    /// Why it must not be swapped: a comparison failed.
    pub poisoned: Option<String>,
    /// When it began, RFC 3339 in UTC.
    pub began_at: String,
    /// When its runner last wrote.
    pub updated_at: String,
    /// How many seconds ago that was, by the server's clock.
    pub silent_seconds: u64,
    /// When the tables were swapped.
    pub swapped_at: Option<String>,
}

impl OnlineState {
    /// The tables were swapped, and the swap can be taken back.
    pub fn revertible(&self) -> bool {
        matches!(self.stage, Some(Part::Swap | Part::Settle))
    }

    /// Seconds until everything is copied, at the present rate.
    pub fn seconds_left(&self) -> Option<u64> {
        let progress = &self.progress;
        let copied = self.stage.is_some_and(|stage| stage >= Part::Copy);
        if copied || progress.rows_per_second == 0 || progress.total == 0 {
            return None;
        }
        Some(progress.total.saturating_sub(progress.rows).div_ceil(progress.rows_per_second))
    }
}

/// How far an online change is. Its runner writes it about once a second.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// What it does now: `copying rows`, `building indexes`.
    pub doing: String,
    /// Rows done by what it does now.
    pub rows: u64,
    /// Of so many, by the server's estimate; 0: not known.
    pub total: u64,
    /// Bytes of the leading table that were done, as the server counts its pages.
    pub bytes: u64,
    /// Rows a second, over the last seconds.
    pub rows_per_second: u64,
    /// Changed keys that were logged and are not yet brought over.
    pub lag: u64,
    /// Connections at work.
    pub workers: u32,
    /// Why it goes slower than it could: "standby replica1 is 12 s behind".
    pub throttled_by: Option<String>,
    /// Who holds what it waits for.
    pub blocked_by: Option<String>,
    /// Rows that cannot be brought back into the old table.
    pub quarantined: u64,
}

/// What a person asks of an online change that another process is at work on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Stop copying and comparing. Changed keys are still logged.
    Pause,
    /// Go on.
    Resume,
    /// Swap as soon as both sides are the same, whatever the gate says.
    Cutover,
    /// Give up and remove everything that the change made.
    Abort,
    /// Use at most so many connections; 0: no limit of ours.
    Throttle {
        /// So many.
        workers: u32,
    },
    /// Go at full speed also where others use the server, or give way to them again.
    Pace {
        /// At full speed.
        full: bool,
    },
}

impl Asked {
    /// In one word, for messages.
    pub fn word(&self) -> &'static str {
        match self {
            Asked::Pause => "pause",
            Asked::Resume => "resume",
            Asked::Cutover => "cutover",
            Asked::Abort => "abort",
            Asked::Throttle { .. } | Asked::Pace { .. } => "throttle",
        }
    }
}

/// The part of a word: see [`Part::word`].
pub(crate) fn part_of(word: &str) -> Option<Part> {
    Part::WAY.iter().copied().find(|part| part.word() == word)
}

/// Whether the gate lets the tables be swapped now; `asked`: a person said so.
pub(crate) fn gate_is_open(gate: &Gate, asked: bool, now: jiff::Timestamp) -> bool {
    match gate {
        Gate::Auto => true,
        Gate::Manual => asked,
        Gate::Window { from, until } => {
            let now = now.strftime("%H:%M").to_string();
            // A window over midnight is what lies outside of the day's part between its end and its beginning.
            let inside =
                if from <= until { *from <= now && now < *until } else { now >= *from || now < *until };
            asked || inside
        }
    }
}

/// The refusal for a change that is not there to be asked.
pub(crate) fn no_such_change(id: &str) -> Refusal {
    Refusal::new(Code::NoSuchRun, format!("no online change {id} is at work"))
        .cause("it has not begun, or it is finished or taken back")
        .help("cofferdam status")
}

#[cfg(test)]
mod tests {
    use super::*;
    use cofferdam_core::Name;
    use cofferdam_core::online::Capture;

    fn at(stage: Option<Part>, rows: u64, total: u64, rate: u64) -> OnlineState {
        OnlineState {
            id: String::new(),
            run: None,
            change: Online {
                table: Name::plain("t"),
                clauses: String::new(),
                capture: Capture::Auto,
                gate: Gate::Auto,
                forward: vec![],
                backward: vec![],
                allow_loss: None,
                workers: 0,
                proof: Default::default(),
            },
            stage,
            progress: Progress { rows, total, rows_per_second: rate, ..Progress::default() },
            paused: false,
            cutover: false,
            abort: false,
            workers_limit: None,
            full_speed: false,
            poisoned: None,
            began_at: String::new(),
            updated_at: String::new(),
            silent_seconds: 0,
            swapped_at: None,
        }
    }

    #[test]
    fn the_time_that_is_left_follows_from_the_rate() {
        for (stage, rows, total, rate, left) in [
            (Some(Part::Capture), 500, 1_000, 100, Some(5)),
            (Some(Part::Capture), 501, 1_000, 100, Some(5)),
            (Some(Part::Capture), 1_200, 1_000, 100, Some(0)),
            (Some(Part::Capture), 0, 1_000, 0, None),
            (Some(Part::Capture), 500, 0, 100, None),
            (Some(Part::Copy), 500, 1_000, 100, None),
        ] {
            assert_eq!(at(stage, rows, total, rate).seconds_left(), left, "{stage:?} {rows}/{total} {rate}");
        }
    }

    #[test]
    fn only_between_the_swap_and_the_end_it_can_be_swapped_back() {
        for part in Part::WAY {
            let expected = matches!(part, Part::Swap | Part::Settle);
            assert_eq!(at(Some(*part), 0, 0, 0).revertible(), expected, "{part:?}");
        }
        assert!(!at(None, 0, 0, 0).revertible());
    }

    #[test]
    fn progress_of_another_version_is_read() {
        let read: Progress = serde_json::from_str(r#"{"rows": 5, "speed": 9}"#).unwrap();
        assert_eq!(read, Progress { rows: 5, ..Progress::default() });
    }

    #[test]
    fn a_window_may_lie_over_midnight() {
        let at = |time: &str| format!("2026-11-21T{time}:00Z").parse::<jiff::Timestamp>().unwrap();
        let gate = |from: &str, until: &str| Gate::Window { from: from.into(), until: until.into() };
        assert!(gate_is_open(&gate("02:00", "04:00"), false, at("02:00")));
        assert!(!gate_is_open(&gate("02:00", "04:00"), false, at("04:00")));
        assert!(gate_is_open(&gate("23:00", "01:00"), false, at("00:30")));
        assert!(!gate_is_open(&gate("23:00", "01:00"), false, at("12:00")));
        assert!(gate_is_open(&gate("02:00", "04:00"), true, at("12:00")));
        assert!(!gate_is_open(&Gate::Manual, false, at("12:00")));
    }
}
