//! The client's journal: each transaction with its statements and its end, as a line of JSON, in the order in which
//! the ends became known. What the end state must be is kept in the books; the file is for the person who looks
//! for what happened to a row.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Instant;

use serde_json::json;

/// What a transaction ended with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The server acknowledged it: every row must be there.
    Acknowledged,
    /// The server refused something (the SQLSTATE), or the client took it back: nothing of it may be there.
    Failed(String),
    /// The connection broke before the answer. The receipt told afterwards whether it had committed.
    InDoubt { committed: bool },
}

/// One transaction.
#[derive(Debug)]
pub struct Entry {
    pub writer: u64,
    pub number: i64,
    pub isolation: &'static str,
    pub began: Instant,
    pub statements: Vec<String>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    pub acknowledged: u64,
    pub failed: u64,
    pub in_doubt: u64,
}

#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    start: Instant,
    written: Mutex<(BufWriter<File>, Counts)>,
}

impl Journal {
    pub fn create(path: &Path) -> Self {
        let file = BufWriter::new(File::create(path).unwrap());
        Self { path: path.into(), start: Instant::now(), written: Mutex::new((file, Counts::default())) }
    }

    pub fn end(&self, entry: &Entry, end: &End) {
        let micros = |at: Instant| at.duration_since(self.start).as_micros();
        let word = match end {
            End::Acknowledged => "acknowledged".to_owned(),
            End::Failed(why) => format!("failed: {why}"),
            End::InDoubt { committed } => format!("in doubt, committed: {committed}"),
        };
        let line = json!({
            "writer": entry.writer, "number": entry.number, "isolation": entry.isolation,
            "began": micros(entry.began) as u64, "ended": micros(Instant::now()) as u64,
            "end": word, "statements": entry.statements,
        });
        let (file, counts) = &mut *self.written.lock().unwrap();
        match end {
            End::Acknowledged => counts.acknowledged += 1,
            End::Failed(_) => counts.failed += 1,
            End::InDoubt { .. } => counts.in_doubt += 1,
        }
        writeln!(file, "{line}").unwrap();
    }

    /// Something that happened around the writers: a kill, a swap.
    pub fn event(&self, what: &str) {
        let line = json!({ "at": self.start.elapsed().as_micros() as u64, "event": what });
        writeln!(self.written.lock().unwrap().0, "{line}").unwrap();
    }

    pub fn counts(&self) -> Counts {
        self.written.lock().unwrap().1
    }

    /// The last lines that speak of a key, and of events. Statements quote keys or not.
    pub fn about(&self, id: &str) -> Vec<String> {
        self.written.lock().unwrap().0.flush().unwrap();
        let text = std::fs::read_to_string(&self.path).unwrap();
        let bounds = |c: Option<char>| c.is_none_or(|c| !c.is_ascii_alphanumeric() && c != '-');
        let names = |line: &str| {
            line.match_indices(id).any(|(at, _)| {
                bounds(line[..at].chars().next_back()) && bounds(line[at + id.len()..].chars().next())
            })
        };
        let lines: Vec<&str> =
            text.lines().filter(|line| line.contains("\"event\"") || names(line)).collect();
        lines[lines.len().saturating_sub(8)..].iter().map(|line| line.chars().take(1500).collect()).collect()
    }

    /// Begins the file anew: what was checked needs no explaining any more.
    pub fn checked(&self) {
        let file = BufWriter::new(File::create(&self.path).unwrap());
        self.written.lock().unwrap().0 = file;
    }
}

#[test]
fn the_journal_finds_what_happened_to_a_key() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::create(&folder.path().join("journal"));
    let entry = |number, sql: &str| Entry {
        writer: 1,
        number,
        isolation: "READ COMMITTED",
        began: Instant::now(),
        statements: vec![sql.to_owned()],
    };
    journal.end(&entry(1, "DELETE FROM item WHERE id = 65"), &End::Acknowledged);
    journal.end(&entry(2, "DELETE FROM item WHERE id = 650"), &End::Failed("40001".into()));
    journal.end(&entry(3, "DELETE FROM item WHERE id IN (-65, 7)"), &End::InDoubt { committed: true });
    journal.event("killed");
    assert_eq!(journal.about("65").len(), 2);
    assert_eq!(journal.about("-65").len(), 2);
    assert_eq!(journal.about("6").len(), 1);
    assert_eq!(journal.counts(), Counts { acknowledged: 1, failed: 1, in_doubt: 1 });
}
