//! The table of locks that ships.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use cofferdam_dialects::postgres::locks::Lock;

use crate::ask::{Answer, Deed};
use crate::statement::statements;

/// By statement and by what was seen: the versions that did so.
pub(crate) struct Table(BTreeMap<String, BTreeMap<String, BTreeSet<u32>>>);

const HEAD: &str = "# Printed by `cargo xtask oracle` from what real servers do; never edited.
# statement\tlocks\twork\tblocks\tversions
";

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../dialects/src/postgres/locks/measured.tsv")
}

fn docs() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/locks.md")
}

/// The table as a page.
fn page(tsv: &str) -> String {
    let mut out = "<!-- Printed by `cargo xtask oracle`; never edited. -->\n\n# What a statement locks\n\n\
        Each row was seen on a real server of the versions at its end: the statement ran on small tables \
        ([schema](../tests/oracle/schema.sql)), and the server's own list of locks, its files and its counters were \
        read. *Meanwhile* is what it does while it holds the lock: on a large table that is what takes long. Waiting \
        for the lock is not in it. `cofferdam lint --locks` shows the same.\n\n\
        | statement | locks | meanwhile | blocks | seen on |\n|---|---|---|---|---|\n"
        .to_owned();
    for line in tsv.lines().filter(|line| !line.starts_with('#')) {
        let cells: Vec<String> = line.split('\t').map(|cell| cell.replace('|', "\\|")).collect();
        out += &format!("| `{}` | {} | {} | {} | {} |\n", cells[0], cells[1], cells[2], cells[3], cells[4]);
    }
    out
}

impl Table {
    pub(crate) fn read() -> Self {
        let text = std::fs::read_to_string(path()).unwrap_or_default();
        let mut rows: BTreeMap<String, BTreeMap<String, BTreeSet<u32>>> = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (rest, versions) = line.rsplit_once('\t').unwrap();
            let (sql, seen) = rest.split_once('\t').unwrap();
            let versions = versions.split(' ').map(|major| major.parse().unwrap()).collect();
            rows.entry(sql.to_owned()).or_default().insert(seen.to_owned(), versions);
        }
        Self(rows)
    }

    /// What a version did takes the place of what stood there of it.
    pub(crate) fn put(&mut self, answer: &Answer, major: u32) {
        let rows = self.0.entry(answer.statement.sql.clone()).or_default();
        rows.values_mut().for_each(|versions| {
            versions.remove(&major);
        });
        rows.entry(seen(answer)).or_default().insert(major);
        rows.retain(|_, versions| !versions.is_empty());
    }

    /// The page is that of the table.
    pub(crate) fn page_is_stale() -> bool {
        let text = std::fs::read_to_string(path()).unwrap_or_default();
        std::fs::read_to_string(docs()).unwrap_or_default() != page(&text)
    }

    /// How a version does something else than the table says.
    pub(crate) fn compare(&self, answer: &Answer, major: u32) -> Option<String> {
        let rows = self.0.get(&answer.statement.sql);
        let told = rows.and_then(|rows| rows.iter().find(|(_, versions)| versions.contains(&major)));
        let (sql, seen) = (&answer.statement.sql, seen(answer));
        match told {
            Some((told, _)) if *told == seen => None,
            Some((told, _)) => {
                Some(format!("PostgreSQL {major}: {sql}: the table says {told:?}, and it is {seen:?}"))
            }
            None => Some(format!("PostgreSQL {major}: {sql} is not in the table: run cargo xtask oracle")),
        }
    }

    /// In the order of the statements.
    pub(crate) fn write(&self) {
        let mut text = HEAD.to_owned();
        let mut written = BTreeSet::new();
        for sql in statements(99).into_iter().map(|statement| statement.sql) {
            if !written.insert(sql.clone()) {
                continue;
            }
            for (seen, versions) in self.0.get(&sql).into_iter().flatten() {
                let versions: Vec<String> = versions.iter().map(u32::to_string).collect();
                text += &format!("{sql}\t{seen}\t{}\n", versions.join(" "));
            }
        }
        std::fs::write(docs(), page(&text)).unwrap();
        std::fs::write(path(), text).unwrap();
    }
}

/// `t ACCESS EXCLUSIVE, parent SHARE ROW EXCLUSIVE`, `t scan`, and whom it blocks, with tabs between. Locks that only
/// readers and writers take are left out: they block nobody but such statements.
fn seen(answer: &Answer) -> String {
    let strong: Vec<(&String, &Deed)> =
        answer.truth.iter().filter(|(_, deed)| deed.lock > Lock::AccessShare).collect();
    let locks: Vec<String> =
        strong.iter().map(|(name, deed)| format!("{name} {}", deed.lock.name())).collect();
    let work = strong.iter().flat_map(|(name, deed)| {
        let done = match deed {
            // What is done beside others is not seen from outside.
            _ if answer.statement.alone && !deed.rewritten => return None,
            Deed { rewritten: true, .. } => "rewrite",
            Deed { scanned: true, indexed: true, .. } => "scan and index",
            Deed { scanned: true, .. } => "scan",
            Deed { indexed: true, .. } => "index",
            _ => return None,
        };
        Some(format!("{name} {done}"))
    });
    let work: Vec<String> = work.collect();
    let strongest = strong.iter().map(|(_, deed)| deed.lock).max().unwrap_or_default();
    let blocks = match strongest {
        lock if lock.blocks_reads() => "reads and writes",
        lock if lock.blocks_writes() => "writes",
        _ => "nobody",
    };
    format!("{}\t{}\t{blocks}", locks.join(", "), work.join(", "))
}
