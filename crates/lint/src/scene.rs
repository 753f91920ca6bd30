//! What a rule sees: one statement and what is around it.

use std::collections::BTreeSet;

use cofferdam_core::facts::{DataAnswer, DataQuestion, Table};
use cofferdam_core::{Action, Change, Facts, Finding, Name, Script, Severity, Span, TableChange};
use cofferdam_dialects::postgres::locks::{Effect, Lock, effect, words};

use crate::rewrite::Found;
use crate::{Convention, Rule, clauses, created, mysql, rewrite};

/// One statement, the statements around it, and what is known of the database.
pub struct Scene<'a> {
    /// The script.
    pub script: &'a Script,
    /// All its statements.
    pub changes: &'a [Change],
    /// Which of them is meant.
    pub index: usize,
    /// It runs inside a transaction.
    pub in_transaction: bool,
    /// Each statement of the script commits by itself, because the script or its format says so.
    pub transaction_none: bool,
    /// What the live database says.
    pub facts: Option<&'a Facts>,
    /// Tables created earlier in this script or in pending ones before it: nobody uses them yet.
    pub created: &'a BTreeSet<Name>,
    /// The server's major version, of PostgreSQL.
    pub server_major: u32,
    /// How names are to be.
    pub naming: &'a [Convention],
    /// The id of the engine whose SQL it is.
    pub engine: &'static str,
    /// What the rules have found out of each statement by itself.
    pub(crate) found: &'a [Found],
}

impl<'a> Scene<'a> {
    /// The statement.
    pub fn change(&self) -> &'a Change {
        &self.changes[self.index]
    }

    /// What it does.
    pub fn action(&self) -> &'a Action {
        &self.change().action
    }

    /// The statements before it, the first first.
    pub fn earlier(&self) -> &'a [Change] {
        &self.changes[..self.index]
    }

    /// The statements after it.
    pub fn later(&self) -> &'a [Change] {
        &self.changes[self.index + 1..]
    }

    /// A finding about the whole statement, with the rule's usual severity.
    pub fn finding(&self, rule: &Rule, message: impl Into<String>) -> Finding {
        Finding {
            rule: rule.id,
            code: rule.code,
            severity: rule.severity,
            message: message.into(),
            path: self.script.path.clone(),
            at: self.change().at,
            live: None,
            notes: Vec::new(),
            help: None,
            fix: None,
            handled: false,
        }
    }

    /// The clauses of an `ALTER TABLE` on a table that is not new: the table, the clause's place in order, and
    /// the clause. Nothing for other statements.
    pub fn alterations(&self) -> impl Iterator<Item = (&'a Name, usize, &'a TableChange)> + use<'a> {
        let found = match self.action() {
            Action::AlterTable { table, changes, .. } if !self.is_new(table) => Some((table, changes)),
            _ => None,
        };
        found.into_iter().flat_map(|(table, changes)| {
            changes.iter().enumerate().map(move |(clause, change)| (table, clause, change))
        })
    }

    /// Where a clause of an `ALTER TABLE` stands; the whole statement where its text cannot be cut into as many
    /// clauses as were read.
    pub fn clause(&self, clause: usize) -> Span {
        let change = self.change();
        let Action::AlterTable { changes, .. } = &change.action else { return change.at };
        let places = match self.engine {
            "postgresql" => clauses::clauses(&change.text),
            engine => mysql::clauses(engine, &change.text),
        };
        match places {
            Some(ranges) if ranges.len() == changes.len() => {
                let (start, end) = ranges[clause];
                inside(change, start, end)
            }
            _ => change.at,
        }
    }

    /// Where a name first stands inside the parentheses of the statement; the whole statement where it does not.
    pub fn name_inside(&self, name: &str) -> Span {
        let change = self.change();
        let open = change.text.find('(').unwrap_or(0);
        match clauses::word(&change.text[open..], name) {
            Some(at) => inside(change, open + at, open + at + name.len()),
            None => change.at,
        }
    }

    /// Where a name first stands in the statement; the whole statement where it does not.
    pub fn word(&self, name: &str) -> Span {
        let change = self.change();
        match clauses::word(&change.text, name) {
            Some(at) => inside(change, at, at + name.len()),
            None => change.at,
        }
    }

    /// What one clause of an `ALTER TABLE` takes, by itself.
    pub fn clause_effect(&self, table: &Name, clause: &TableChange) -> Effect {
        let action =
            Action::AlterTable { table: table.clone(), if_exists: false, changes: vec![clause.clone()] };
        let alone = Change {
            text: Default::default(),
            at: self.change().at,
            copy_rows: None,
            comments: Vec::new(),
            action,
        };
        effect(&alone, self.facts)
    }

    /// The table was created so recently that nobody uses it.
    pub fn is_new(&self, table: &Name) -> bool {
        self.created.contains(&created::key(table))
    }

    /// What the live database says of a table that exists.
    pub fn table(&self, table: &Name) -> Option<&'a Table> {
        self.facts?.table(table).filter(|facts| facts.exists)
    }

    /// Whether a table holds rows; `None`: not known.
    pub fn holds_rows(&self, table: &Name) -> Option<bool> {
        let facts = self.table(table)?;
        facts.has_rows.or_else(|| facts.rows.filter(|rows| *rows > 0).map(|_| true))
    }

    /// The live numbers of a table in words: `users has 2418311 rows (analysed 6 min ago), 340 writes/s`.
    pub fn live(&self, table: &Name) -> Option<String> {
        let facts = self.table(table)?;
        let mut text = match (facts.has_rows, facts.rows, facts.analysed_seconds_ago) {
            (Some(false), ..) => format!("{table} is empty"),
            (_, Some(rows), Some(ago)) => {
                let stale = facts.stale().map(|why| format!(", {why}")).unwrap_or_default();
                format!("{table} has {rows} rows (analysed {} ago{stale})", age(ago))
            }
            (_, Some(rows), None) => format!("{table} has about {rows} rows"),
            (Some(true), None, _) => format!("{table} has rows, how many is not known (never analysed)"),
            (None, None, _) => format!("how many rows {table} has is not known (never analysed)"),
        };
        match facts.writes_per_second {
            Some(writes) if writes >= 10.0 || writes == 0.0 => text += &format!(", {writes:.0} writes/s"),
            Some(writes) => text += &format!(", {writes:.1} writes/s"),
            None => text += ", write rate not known",
        }
        Some(text)
    }

    /// What the rows hold, where it was asked.
    pub fn answer(&self, question: &DataQuestion) -> Option<&'a DataAnswer> {
        self.facts?.answer(question)
    }

    /// A statement before this one may have changed the table's rows, so that what was seen of them no longer holds.
    pub fn written_before(&self, table: &Name) -> bool {
        self.earlier().iter().any(|change| match &change.action {
            Action::Update { table: written, .. }
            | Action::Delete { table: written, .. }
            | Action::Merge { table: written } => written == table,
            Action::Truncate { tables, .. } => tables.contains(table),
            Action::Do | Action::Call => true,
            _ => false,
        })
    }

    /// The lock of the statement and what it blocks for how long, in a line: `takes SHARE on users and reads all of it:
    /// blocks writes for about 40 s`. `None` where nothing is known of the table, or it blocks nobody.
    pub fn lock_words(&self) -> Option<String> {
        if let Some(server) = mysql::server(self) {
            let class = mysql::effect(self, self.change(), server).class.filter(|class| !class.online())?;
            return mysql::words(self, class, self.action().tables().first()?);
        }
        let effect = effect(self.change(), self.facts);
        let tables = self.action().tables();
        let name = tables.first()?;
        let table = self.table(name)?;
        let work = match (effect.rewrites, effect.builds_index, effect.scans) {
            (true, ..) => " and writes all of it anew",
            (_, true, _) => " and builds an index",
            (_, _, true) => " and reads all of it",
            _ => "",
        };
        if !effect.lock.blocks_writes() {
            return None;
        }
        let (blocks, _) = words(&effect, Some(table), None);
        // Less than an instant is not said of whom.
        let blocks = match blocks.strip_prefix('<') {
            Some(_) => format!("nobody for more than {}", blocks.trim_start_matches('<')),
            None => blocks,
        };
        Some(format!("takes {} on {name}{work}: blocks {blocks}", effect.lock.name()))
    }

    /// How long an index takes that is built beside those who write: `CONCURRENTLY blocks nobody, and takes about 56 s`.
    /// `None` where that is not known, or an instant.
    pub fn beside_writers(&self, table: &Name) -> Option<String> {
        let build = Effect::taking(Lock::ShareUpdateExclusive).building();
        let (_, estimate) = words(&build, self.table(table), self.facts.map(|facts| &facts.server));
        let long = estimate.contains("about ") || estimate.contains("until ");
        long.then(|| format!("CONCURRENTLY blocks nobody, and takes {estimate}"))
    }

    /// How bad it is to block a table: an error where it is large or busy, only good to know where it is empty.
    pub fn blocking(&self, table: &Name) -> Severity {
        match self.table(table) {
            Some(facts) if facts.large() || facts.busy() => Severity::Error,
            Some(facts) if facts.has_rows == Some(false) => Severity::Info,
            _ => Severity::Warning,
        }
    }

    /// As [`Scene::blocking`], but says nothing of a table of which nothing is known.
    pub fn blocking_if_known(&self, table: &Name) -> Severity {
        if self.table(table).is_some() { self.blocking(table) } else { Severity::Info }
    }

    /// How bad it is to lose what a table holds: an error where it surely holds rows.
    pub fn losing(&self, table: &Name) -> Severity {
        match self.holds_rows(table) {
            Some(true) => Severity::Error,
            _ => Severity::Warning,
        }
    }

    /// Adds the native safe sequence, where there is one for this statement: strategy `direct` takes it by
    /// itself, and `lint --fix` writes it into the script.
    pub fn with_safe_sequence(&self, finding: Finding) -> Finding {
        match rewrite::safe_parts(self) {
            Some(parts) => Finding {
                handled: rewrite::handled(self),
                fix: rewrite::instead(self, "the safe sequence", &parts),
                ..finding
            },
            None => finding,
        }
    }
}

/// A part of a statement's text as a place in its script.
fn inside(change: &Change, start: usize, end: usize) -> Span {
    let before = &change.text[..start];
    let (line, column) = match before.rfind('\n') {
        Some(newline) => {
            (change.at.line + before.matches('\n').count(), before[newline + 1..].chars().count() + 1)
        }
        None => (change.at.line, change.at.column + before.chars().count()),
    };
    Span { start: change.at.start + start, end: change.at.start + end, line, column }
}

/// Seconds as a person says them.
fn age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}
