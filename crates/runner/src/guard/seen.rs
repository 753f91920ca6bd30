//! What the watch has seen. Times count from its beginning, by a clock that only goes forward.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use cofferdam_core::Name;
use cofferdam_engines::vitals::{HostUse, StatementCount, Told};
use cofferdam_engines::{Holder, Touch, TouchEnd};
use serde::Serialize;

/// Shorter waits are not counted: statements of an application wait as long for each other.
pub(crate) const FLOOR: Duration = Duration::from_millis(100);
/// Means are taken over so long.
pub(crate) const MINUTE: Duration = Duration::from_secs(60);
/// Statements are compared over so long.
const WINDOW: Duration = Duration::from_secs(10);

/// A source: when it last gave a value, and what it said when it did not.
#[derive(Debug, Clone, Default)]
pub(crate) struct Source {
    /// What it is, for people: "the server", "Prometheus at http://prometheus:9090".
    pub(crate) name: String,
    /// When it last gave a value.
    pub(crate) last: Duration,
    /// Why there is none since.
    pub(crate) trouble: Option<String>,
}

impl Source {
    /// It gave a value.
    pub(crate) fn gave(&mut self, at: Duration) {
        (self.last, self.trouble) = (at, None);
    }

    /// It gave none.
    pub(crate) fn failed(&mut self, why: impl Into<String>) {
        self.trouble = Some(why.into());
    }

    /// What is to be said of a source that has been silent for longer than this: then the limit counts as breached.
    pub(crate) fn silent(&self, now: Duration, patience: Duration) -> Option<String> {
        let age = now.saturating_sub(self.last);
        if age <= patience {
            return None;
        }
        let why = self.trouble.as_deref().unwrap_or("no answer");
        Some(format!("{} has given no value for {}, which counts as breached: {why}", self.name, shown(age)))
    }
}

/// A value over time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Series {
    pub(crate) source: Source,
    /// When, and what. Older ones than a minute are forgotten.
    pub(crate) values: VecDeque<(Duration, f64)>,
    /// The highest ever.
    pub(crate) highest: Option<f64>,
}

impl Series {
    pub(crate) fn add(&mut self, at: Duration, value: Told<f64>) {
        match value {
            Ok(value) if value.is_finite() => {
                self.source.gave(at);
                self.values.push_back((at, value));
                self.highest = Some(self.highest.map_or(value, |highest| highest.max(value)));
                while self.values.front().is_some_and(|(then, _)| at.saturating_sub(*then) > MINUTE) {
                    self.values.pop_front();
                }
            }
            Ok(value) => self.source.failed(format!("it gave {value}")),
            Err(why) => self.source.failed(why),
        }
    }

    /// The mean over the last minute, once there are a few values.
    pub(crate) fn mean(&self) -> Option<f64> {
        let count = self.values.len();
        (count >= 3).then(|| self.values.iter().map(|(_, value)| value).sum::<f64>() / count as f64)
    }
}

/// For how long tables could not be used because of us, as the summary has it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Downtime {
    /// The longest time at a stretch, in milliseconds.
    pub longest_ms: u64,
    /// All stretches together, of the table that had most, in milliseconds.
    pub sum_ms: u64,
    /// The table with the longest stretch.
    pub table: Option<String>,
    /// Stretches that other sessions than ours were the cause of, together, in milliseconds. They count for no limit.
    pub by_others_ms: u64,
}

/// What the watch measured of a run, for its summary.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Guarded {
    /// Of the tables that the run is about; `None`: there was none to touch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub downtime: Option<Downtime>,
    /// The highest share of the processors that was busy at a look, from 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<f64>,
    /// The highest share of the memory in use at a look, from 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<f64>,
    /// The farthest that a standby was behind at a look, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lag_ms: Option<u64>,
    /// How many times as long as before statements took at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slowdown: Option<f64>,
}

/// What touching one table in one way met.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stretch {
    /// Since when it has waited in vain.
    pub(crate) since: Option<Duration>,
    /// Somebody looked and saw only others hold it.
    pub(crate) by_others: bool,
    pub(crate) held_by: Option<Holder>,
    sum: Duration,
}

/// What touching the tables met.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stalls {
    pub(crate) source: Source,
    /// By the table, and whether it was to be written.
    pub(crate) now: BTreeMap<(String, bool), Stretch>,
    /// The longest so far, with its words.
    pub(crate) longest: Duration,
    pub(crate) longest_text: String,
    longest_table: Option<String>,
    by_others: Duration,
}

impl Stalls {
    /// Takes the touches of one round, which ended at `at`.
    pub(crate) fn add(&mut self, at: Duration, touches: &[Touch]) {
        self.source.gave(at);
        // Backwards from the end of the round: they were made one after the other.
        let mut end = at;
        let mut times = Vec::new();
        for touch in touches.iter().rev() {
            times.push((end.saturating_sub(touch.waited), end));
            end = end.saturating_sub(touch.waited);
        }
        for (touch, (began, ended)) in touches.iter().zip(times.into_iter().rev()) {
            self.one(touch, began, ended);
        }
    }

    fn one(&mut self, touch: &Touch, began: Duration, ended: Duration) {
        let stretch = self.now.entry((touch.table.to_string(), touch.writes)).or_default();
        if touch.end == TouchEnd::Absent {
            // It was dropped or renamed on purpose: nothing of ours holds it.
            *stretch = Stretch { sum: stretch.sum, ..Stretch::default() };
            return;
        }
        let since = *stretch.since.get_or_insert_with(|| {
            stretch.by_others = touch.ours == Some(false);
            began
        });
        // Once one of ours was seen, or nobody could look, it counts.
        stretch.by_others &= touch.ours == Some(false) || touch.waited < FLOOR;
        if let Some(holder) = touch.held_by.first() {
            stretch.held_by = Some(holder.clone());
        }
        if touch.end == TouchEnd::Passed {
            let length = ended.saturating_sub(since);
            let (by_others, held_by) = (stretch.by_others, stretch.held_by.take());
            (stretch.since, stretch.by_others) = (None, false);
            if length < FLOOR {
                return;
            }
            if by_others {
                self.by_others += length;
                return;
            }
            stretch.sum += length;
            self.longer(&touch.table, touch.writes, length, held_by.as_ref());
        }
    }

    fn longer(&mut self, table: &Name, writes: bool, length: Duration, held_by: Option<&Holder>) {
        if length > self.longest {
            self.longest = length;
            self.longest_text = words(&table.to_string(), writes, length, held_by);
            self.longest_table = Some(table.to_string());
        }
    }

    /// The longest stretch, those that still go on included, with its words.
    pub(crate) fn worst(&self, now: Duration) -> (Duration, String) {
        let mut worst = (self.longest, self.longest_text.clone());
        for ((table, writes), stretch) in &self.now {
            let length = stretch.since.map(|since| now.saturating_sub(since)).unwrap_or_default();
            if !stretch.by_others && length > worst.0 {
                worst = (length, words(table, *writes, length, stretch.held_by.as_ref()));
            }
        }
        worst
    }

    /// All stretches of the table that had most, those that still go on included, with its words.
    pub(crate) fn sum(&self, now: Duration) -> (Duration, String) {
        let each = self.now.iter().map(|((table, writes), stretch)| {
            let open = stretch.since.filter(|_| !stretch.by_others).map(|since| now.saturating_sub(since));
            let sum = stretch.sum + open.filter(|open| *open >= FLOOR).unwrap_or_default();
            let verb = if *writes { "written" } else { "read" };
            (sum, format!("{table} could not be {verb} for {} in all", shown(sum)))
        });
        each.max_by_key(|(sum, _)| *sum).unwrap_or_default()
    }

    fn report(&self, now: Duration) -> Option<Downtime> {
        if self.now.is_empty() {
            return None;
        }
        Some(Downtime {
            longest_ms: milliseconds(self.worst(now).0),
            sum_ms: milliseconds(self.sum(now).0),
            table: self.longest_table.clone(),
            by_others_ms: milliseconds(self.by_others),
        })
    }
}

/// `orders could not be written for 2.4 s (pid 7 (app), active for 3 s: ... held it)`.
fn words(table: &str, writes: bool, length: Duration, held_by: Option<&Holder>) -> String {
    let verb = if writes { "written" } else { "read" };
    let by = held_by.map(|holder| format!(" (held by {holder})")).unwrap_or_default();
    format!("{table} could not be {verb} for {}{by}", shown(length))
}

/// Calls and milliseconds of statements, by text.
type Counts = BTreeMap<String, (f64, f64)>;

/// How long statements took before, and take now.
#[derive(Debug, Clone, Default)]
pub(crate) struct Queries {
    pub(crate) source: Source,
    /// By text: calls and milliseconds when the watch began.
    pub(crate) before: Counts,
    looks: VecDeque<(Duration, Counts)>,
    pub(crate) highest: Option<f64>,
}

/// What statements took over the last seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Pace {
    /// So many calls.
    pub(crate) calls: f64,
    /// In milliseconds, all of them.
    pub(crate) took: f64,
    /// What the same calls would have taken before.
    pub(crate) expected: f64,
}

impl Pace {
    /// So many times as long, where that is worth a word: enough calls, and each slower by something that is felt.
    pub(crate) fn slowdown(&self) -> Option<f64> {
        let felt = self.took - self.expected >= 0.5 * self.calls;
        (self.calls >= 20.0 && self.expected > 0.0)
            .then(|| if felt { self.took / self.expected } else { 1.0 })
    }
}

impl Queries {
    pub(crate) fn begin(&mut self, at: Duration, counts: Vec<StatementCount>) {
        self.source.gave(at);
        self.before = by_text(counts);
        self.before.retain(|_, (calls, _)| *calls > 0.0);
        self.looks.push_back((at, self.before.clone()));
    }

    pub(crate) fn add(&mut self, at: Duration, told: Told<Vec<StatementCount>>) {
        match told {
            Ok(counts) => {
                self.source.gave(at);
                self.looks.push_back((at, by_text(counts)));
                while self.looks.get(1).is_some_and(|(then, _)| at.saturating_sub(*then) >= WINDOW) {
                    self.looks.pop_front();
                }
                let slowdown = self.pace().and_then(|pace| pace.slowdown());
                self.highest = self.highest.into_iter().chain(slowdown).reduce(f64::max);
            }
            Err(why) => self.source.failed(why),
        }
    }

    /// Over the last seconds, of the statements that were there before. One whose counters were reset is left out.
    pub(crate) fn pace(&self) -> Option<Pace> {
        let ((_, first), (_, last)) = (self.looks.front()?, self.looks.back()?);
        let mut pace = Pace { calls: 0.0, took: 0.0, expected: 0.0 };
        for (text, (calls, ms)) in &self.before {
            let (then, now) = (first.get(text).copied().unwrap_or_default(), last.get(text));
            let Some((more, took)) = now.map(|now| (now.0 - then.0, now.1 - then.1)) else { continue };
            if more > 0.0 && took >= 0.0 {
                pace.calls += more;
                pace.took += took;
                pace.expected += more * ms / calls;
            }
        }
        Some(pace)
    }
}

fn by_text(counts: Vec<StatementCount>) -> Counts {
    counts.into_iter().map(|count| (count.text, (count.calls, count.ms))).collect()
}

/// Everything.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    /// Now.
    pub(crate) now: Duration,
    /// How old the run is now.
    pub(crate) age: Duration,
    /// The tables are swapped.
    pub(crate) swapped: bool,
    pub(crate) stalls: Stalls,
    pub(crate) cpu: Series,
    pub(crate) memory: Series,
    pub(crate) lag: Series,
    /// The standby that was farthest behind at the last look.
    pub(crate) standby: String,
    pub(crate) queries: Queries,
    pub(crate) checks: Checks,
    pub(crate) last_host: Option<HostUse>,
}

/// Queries that must return no row.
#[derive(Debug, Clone, Default)]
pub(crate) struct Checks {
    pub(crate) source: Source,
    /// All of them were run so often, from the swap on.
    pub(crate) rounds: u64,
    /// One returned rows: the query and the first of them.
    pub(crate) failed: Option<String>,
}

impl Seen {
    /// Takes what the server's kernel counts.
    pub(crate) fn host(&mut self, told: Told<HostUse>, (cpu, memory): (bool, bool)) {
        let now = self.now;
        match told {
            Ok(host) => {
                if memory {
                    self.memory.add(now, Ok(host.memory));
                }
                let busy = self.last_host.replace(host).and_then(|last| {
                    (host.of > last.of)
                        .then(|| ((host.busy - last.busy) / (host.of - last.of)).clamp(0.0, 1.0))
                });
                if let Some(busy) = busy.filter(|_| cpu) {
                    self.cpu.add(now, Ok(busy));
                }
            }
            Err(why) => {
                for series in
                    [cpu.then_some(&mut self.cpu), memory.then_some(&mut self.memory)].into_iter().flatten()
                {
                    series.source.failed(why.clone());
                }
            }
        }
    }

    /// What was measured.
    pub(crate) fn report(&self) -> Guarded {
        Guarded {
            downtime: self.stalls.report(self.now),
            cpu: self.cpu.highest,
            memory: self.memory.highest,
            lag_ms: self.lag.highest.map(|seconds| milliseconds(Duration::from_secs_f64(seconds.max(0.0)))),
            slowdown: self.queries.highest,
        }
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// `2.4 s`, `850 ms`, `31m`.
pub(crate) fn shown(duration: Duration) -> String {
    match duration.as_millis() {
        ms @ 0..1_000 => format!("{ms} ms"),
        ms @ 1_000..120_000 => format!("{:.1} s", ms as f64 / 1_000.0),
        ms => format!("{}m{:02}s", ms / 60_000, ms / 1_000 % 60),
    }
}
