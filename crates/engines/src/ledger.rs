//! The histories of other tools, kept beside Cofferdam's own or in its place.

use std::sync::Arc;

use cofferdam_core::{Bundle, Code, Name, Refusal};
use cofferdam_formats::beside::{Difference, problems};
use cofferdam_formats::history::{History, HistoryCodec};

use crate::Holder;
use crate::holder::ended;

mod book;

pub(crate) use book::{Book, Ledger};

/// Where it is kept what is applied. Runs and journal are always Cofferdam's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// In Cofferdam's own history.
    Own,
    /// In the tool's table.
    Tool,
    /// In both, in one transaction.
    Both,
}

/// What is known of the directory, and what the user wants. See [`crate::Session::keep`].
#[derive(Debug, Clone)]
pub struct Keeping {
    /// `None`: in both where the tool's table is there, or the directory can only be that tool's; else in our own.
    pub kept: Option<Kept>,
    /// The tool, where the user names it.
    pub tool: Option<String>,
    /// Its table, where the user names it.
    pub table: Option<Name>,
    /// The directory; one without a format: there is none at hand.
    pub bundle: Arc<Bundle>,
    /// Its path, as in the paths of its scripts.
    pub root: String,
}

impl Default for Keeping {
    fn default() -> Self {
        let bundle = Bundle { format: "", migrations: Vec::new(), skipped: Vec::new() };
        Self { kept: None, tool: None, table: None, bundle: Arc::new(bundle), root: String::new() }
    }
}

/// What the last reading of the history found in the table of a tool.
#[derive(Clone)]
pub struct Beside {
    /// The tool.
    pub codec: &'static HistoryCodec,
    /// Its table.
    pub table: Name,
    /// The table is there; else it is made when the first record is written.
    pub there: bool,
    /// Where the history is kept.
    pub kept: Kept,
    /// What the table says.
    pub theirs: History,
    /// What differs from Cofferdam's own.
    pub difference: Difference,
    /// The directory.
    pub bundle: Arc<Bundle>,
    /// Who holds the tool's lock, where the table says that something is unfinished: then it is being done.
    pub at_work: Option<Holder>,
    /// The dialect of the server: see [`crate::Session::dialect`].
    pub dialect: &'static str,
}

impl std::fmt::Debug for Beside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Beside").field("tool", &self.codec.id).field("difference", &self.difference).finish()
    }
}

impl Beside {
    /// For who does not wait: the tool is at work on what its table says is unfinished.
    pub fn busy(&self) -> Option<Refusal> {
        self.at_work.as_ref().map(|holder| tool_at_work(self.codec.id, "", Some(holder), self.dialect))
    }

    /// What has to be settled before anything is applied. What a run of ours is at work on (its keys are given) is
    /// marked as unfinished by ourselves.
    pub fn problems(&self, ours: &[&str]) -> Vec<Refusal> {
        let mut difference = self.difference.clone();
        // Who goes on waits for the tool's lock, and looks again under it.
        if self.at_work.is_some() {
            difference.unfinished.clear();
        }
        difference.unfinished.retain(|what| !ours.contains(&what.key.as_str()));
        problems(self.codec, &self.table, &difference, &self.bundle)
    }
}

/// The tool holds its lock; `how` it does, where that is to be said.
pub(crate) fn tool_at_work(tool: &str, how: &str, holder: Option<&Holder>, dialect: &str) -> Refusal {
    let refusal = Refusal::new(Code::ToolAtWork, format!("{tool} is at work on this database"));
    match holder {
        Some(holder) => refusal.cause(format!("its lock is held{how} by {holder}")).help(format!(
            "wait for it (--lock-wait 10m), or, if its process is gone for good, end its session: {}",
            ended(dialect, holder.pid)
        )),
        None => refusal.cause("its lock was held until a moment ago").help("run the same command again"),
    }
}

/// The tool's table is locked, so that nobody can read it.
pub(crate) fn table_locked(tool: &str, table: &Name, holder: Option<&Holder>, dialect: &str) -> Refusal {
    let refusal = Refusal::new(Code::ToolAtWork, format!("{tool} is at work on this database"));
    match holder {
        Some(holder) => refusal.cause(format!("its table {table} is locked by {holder}")).help(format!(
            "run the same command again once that has ended; if its process is gone for good, end its session: {}",
            ended(dialect, holder.pid)
        )),
        None => refusal
            .cause(format!("its table {table} was locked until a moment ago"))
            .help("run the same command again"),
    }
}

/// A row of the tool's table was to be changed and is gone, or was to be new and is there.
pub(crate) fn tool_changed() -> Refusal {
    Refusal::new(Code::ToolAtWork, "another tool changed its history at this moment")
        .cause("a row that was to be changed is not there any more, so nothing was written")
        .help("let the other tool end, then run the same command again")
}
