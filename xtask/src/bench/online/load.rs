//! Writers beside the change: pgbench, and what its log tells of each transaction.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::ground::{DATABASE, Ground};

/// What they do.
pub(in crate::bench) enum Script<'a> {
    /// pgbench's own, TPC-B-like.
    Tpcb,
    /// A script of ours.
    Own(&'a str),
}

/// How they do it.
pub(in crate::bench) struct Writers<'a> {
    /// Names their log.
    pub(in crate::bench) name: &'a str,
    pub(in crate::bench) script: Script<'a>,
    pub(in crate::bench) clients: usize,
    /// Transactions a second, all clients together; `None`: as many as can be. With a rate, a transaction that has to
    /// wait for its turn is late, and the time that it is late counts.
    pub(in crate::bench) rate: Option<f64>,
    /// They stop after so long; `None`: when [`Load::end`] says so.
    pub(in crate::bench) seconds: Option<u64>,
}

/// They run. Dropped, they are killed.
pub(in crate::bench) struct Load {
    child: Child,
    folder: PathBuf,
    name: String,
}

/// One that was committed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::bench) struct Transaction {
    /// Its end in seconds since 1970.
    pub(in crate::bench) at: f64,
    /// In milliseconds, from when it was its turn.
    pub(in crate::bench) took: f64,
    /// So much of that it waited for a client that was free; 0 without a rate.
    pub(in crate::bench) late: f64,
}

/// What they did.
#[derive(Debug, Default)]
pub(in crate::bench) struct Transactions {
    pub(in crate::bench) all: Vec<Transaction>,
    /// Ended by 40001 or 40P01, as may happen to any application.
    pub(in crate::bench) repeatable: usize,
    /// Clients that another error ended, in their own words.
    pub(in crate::bench) errors: Vec<String>,
}

impl Load {
    pub(in crate::bench) fn begin(ground: &Ground<'_>, writers: &Writers<'_>) -> Result<Self, String> {
        let folder = ground.folder.path().to_path_buf();
        let mut command = ground.client("pgbench")?;
        let prefix = folder.join(writers.name);
        command.args(["-n", "-M", "prepared", "-j", "1", "-l", "--log-prefix"]).arg(&prefix);
        command.args(["-c", &writers.clients.to_string(), "--failures-detailed"]);
        command.args(["-T", &writers.seconds.unwrap_or(86_400).to_string()]);
        match writers.script {
            Script::Tpcb => command.args(["-b", "tpcb-like"]),
            Script::Own(text) => {
                let path = folder.join(format!("{}.sql", writers.name));
                fs::write(&path, text).map_err(|e| e.to_string())?;
                command.arg("-f").arg(path)
            }
        };
        if let Some(rate) = writers.rate {
            command.args(["-R", &format!("{rate:.0}")]);
        }
        let said =
            fs::File::create(folder.join(format!("{}.err", writers.name))).map_err(|e| e.to_string())?;
        command.arg(DATABASE).stdin(Stdio::null()).stdout(Stdio::null()).stderr(said);
        let child = command.spawn().map_err(|e| format!("cannot run pgbench: {e}"))?;
        Ok(Self { child, folder, name: writers.name.to_owned() })
    }

    /// Waits until their time is over.
    pub(in crate::bench) fn wait(mut self) -> Result<Transactions, String> {
        self.child.wait().map_err(|e| e.to_string())?;
        self.read()
    }

    /// Tells them that their time is over.
    pub(in crate::bench) fn end(mut self) -> Result<Transactions, String> {
        // The signal that its own clock sends it: it ends as if its time were over, and completes its log.
        let _ = Command::new("kill").args(["-ALRM", &self.child.id().to_string()]).status();
        self.child.wait().map_err(|e| e.to_string())?;
        self.read()
    }

    fn read(&self) -> Result<Transactions, String> {
        let mut read = Transactions::default();
        // One file: there is one thread.
        let log = self.folder.join(format!("{}.{}", self.name, self.child.id()));
        read.log(&text(&log)?);
        let _ = fs::remove_file(&log);
        let said = text(&self.folder.join(format!("{}.err", self.name)))?;
        read.errors = said.lines().filter(|line| line.contains("aborted")).map(str::to_owned).collect();
        if read.all.is_empty() {
            return Err(format!("pgbench did nothing: {said}"));
        }
        Ok(read)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))
}

impl Transactions {
    /// `client number microseconds script end-second end-microsecond late-microseconds`.
    fn log(&mut self, text: &str) {
        for line in text.lines() {
            let cells: Vec<&str> = line.split(' ').collect();
            let number = |n: usize| cells.get(n).and_then(|cell| cell.parse::<f64>().ok());
            match (number(2), number(4), number(5)) {
                (Some(took), Some(second), Some(fraction)) => {
                    let late = number(6).unwrap_or(0.0) / 1_000.0;
                    self.all.push(Transaction { at: second + fraction / 1e6, took: took / 1_000.0, late });
                }
                _ => self.repeatable += 1,
            }
        }
    }

    /// How long those took that ended in this time, in milliseconds, the shortest first.
    pub(in crate::bench) fn between(&self, from: f64, to: f64) -> Vec<f64> {
        self.sorted(from, to, |transaction| transaction.took)
    }

    /// The same, from when it was sent.
    pub(in crate::bench) fn statements_between(&self, from: f64, to: f64) -> Vec<f64> {
        self.sorted(from, to, |transaction| transaction.took - transaction.late)
    }

    fn sorted(&self, from: f64, to: f64, of: fn(&Transaction) -> f64) -> Vec<f64> {
        let there = self.all.iter().filter(|transaction| (from..to).contains(&transaction.at));
        let mut values: Vec<f64> = there.map(of).collect();
        values.sort_by(f64::total_cmp);
        values
    }

    /// Transactions a second, without the first seconds.
    pub(in crate::bench) fn rate_after(&self, warm_up: f64) -> f64 {
        let ends = self.all.iter().map(|transaction| transaction.at);
        let (first, last) = ends.fold((f64::MAX, f64::MIN), |(low, high), at| (low.min(at), high.max(at)));
        let from = first + warm_up;
        self.between(from, last).len() as f64 / (last - from).max(0.001)
    }
}

/// The value below which so many of a hundred are; `sorted`: the least first.
pub(in crate::bench) fn percentile(sorted: &[f64], percent: f64) -> Option<f64> {
    let rank = (percent / 100.0 * sorted.len() as f64).ceil().max(1.0) as usize;
    sorted.get(rank.min(sorted.len()).checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_read() {
        let mut read = Transactions::default();
        read.log(
            "0 1 2500 0 100 500000 12 0\n3 9 failed 0 100 600000\n0 2 1000 0 101 0\n0 3 4000 0 103 0 1\n",
        );
        let all: Vec<(f64, f64)> = read.all.iter().map(|t| (t.at, t.took)).collect();
        assert_eq!(all, [(100.5, 2.5), (101.0, 1.0), (103.0, 4.0)]);
        assert_eq!(read.repeatable, 1);
        assert_eq!(read.between(100.0, 102.0), [1.0, 2.5]);
        assert_eq!(read.statements_between(100.0, 102.0), [1.0, 2.488]);
        assert_eq!(read.rate_after(0.5), 1.0 / 2.0);
    }

    #[test]
    fn a_percentile_is_a_value_that_was_measured() {
        let sorted: Vec<f64> = (1..=60).map(f64::from).collect();
        assert_eq!(percentile(&sorted, 50.0), Some(30.0));
        assert_eq!(percentile(&sorted, 99.0), Some(60.0));
        assert_eq!(percentile(&sorted[..1], 50.0), Some(1.0));
        assert_eq!(percentile(&[], 50.0), None);
    }
}
