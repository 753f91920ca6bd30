//! What one statement takes: its lock, and whether it rewrites or reads the whole table.
//!
//! From a table that was measured on PostgreSQL 12 and 14 to 18. Where the text and the facts do not decide, the
//! heavier answer is given.

mod alter;
mod bounds;
mod expression;
mod types;
mod words;

use cofferdam_core::change::{Action, Change, ConstraintKind, CreateTable, ReindexTarget};
use cofferdam_core::{Facts, Name};

use super::sequence::text;
pub use bounds::proved as bounds_proved;
pub(super) use expression::{changing_call, sets_session};
pub(super) use types::printed;
pub use types::type_change_rewrites;
pub use words::{INDEX_BYTES_PER_SECOND, REWRITE_BYTES_PER_SECOND, SCAN_BYTES_PER_SECOND, words};

/// A lock on a table, from the weakest to the strongest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
#[allow(missing_docs, reason = "the names are PostgreSQL's")]
pub enum Lock {
    /// None on a table that others use.
    #[default]
    None,
    AccessShare,
    RowShare,
    RowExclusive,
    ShareUpdateExclusive,
    Share,
    ShareRowExclusive,
    Exclusive,
    AccessExclusive,
}

/// What real servers were seen to do, by statement and version: printed by `cargo xtask oracle`. [`effect`] is held
/// against the same servers. Lines of five columns with tabs between: the statement (about the tables of
/// `tests/oracle/schema.sql`), the locks that anybody feels, what is done meanwhile, whom it blocks, and the major
/// versions; lines that begin with `#` are none.
pub static MEASURED: &str = include_str!("locks/measured.tsv");

/// All locks, from the weakest to the strongest.
const LOCKS: &[Lock] = &[
    Lock::None,
    Lock::AccessShare,
    Lock::RowShare,
    Lock::RowExclusive,
    Lock::ShareUpdateExclusive,
    Lock::Share,
    Lock::ShareRowExclusive,
    Lock::Exclusive,
    Lock::AccessExclusive,
];

impl Lock {
    /// As PostgreSQL writes it, `ACCESS EXCLUSIVE`; empty for none.
    pub fn name(self) -> &'static str {
        match self {
            Lock::None => "",
            Lock::AccessShare => "ACCESS SHARE",
            Lock::RowShare => "ROW SHARE",
            Lock::RowExclusive => "ROW EXCLUSIVE",
            Lock::ShareUpdateExclusive => "SHARE UPDATE EXCLUSIVE",
            Lock::Share => "SHARE",
            Lock::ShareRowExclusive => "SHARE ROW EXCLUSIVE",
            Lock::Exclusive => "EXCLUSIVE",
            Lock::AccessExclusive => "ACCESS EXCLUSIVE",
        }
    }

    /// The lock of this name, as [`Lock::name`] writes it.
    pub fn named(name: &str) -> Option<Self> {
        LOCKS.iter().copied().find(|lock| lock.name() == name)
    }

    /// INSERT, UPDATE and DELETE of others wait for it.
    pub fn blocks_writes(self) -> bool {
        self >= Lock::Share
    }

    /// SELECT of others waits for it.
    pub fn blocks_reads(self) -> bool {
        self == Lock::AccessExclusive
    }
}

/// What one statement takes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Effect {
    /// The strongest lock on the table that it names.
    pub lock: Lock,
    /// It writes every row anew, and every index.
    pub rewrites: bool,
    /// It reads every row while it holds its lock.
    pub scans: bool,
    /// It builds an index.
    pub builds_index: bool,
    /// What else it locks: the parents of foreign keys and partitions, partitions, indexes.
    pub parents: Vec<(Name, Lock)>,
    /// What it does is not in its text (DO, CALL, a statement that could not be parsed).
    pub unread: bool,
}

impl Effect {
    /// Takes this lock for a moment.
    pub fn taking(lock: Lock) -> Self {
        Self { lock, ..Self::default() }
    }

    /// And reads every row.
    pub fn scanning(self) -> Self {
        Self { scans: true, ..self }
    }

    /// And builds an index, for which it reads every row.
    pub fn building(self) -> Self {
        Self { scans: true, builds_index: true, ..self }
    }

    /// And writes every row anew, with all indexes.
    pub fn rewriting(self) -> Self {
        Self { rewrites: true, scans: true, builds_index: true, ..self }
    }

    /// And locks another relation.
    pub fn also(mut self, other: Name, lock: Lock) -> Self {
        match self.parents.iter_mut().find(|(name, _)| *name == other) {
            Some((_, known)) => *known = lock.max(*known),
            None => self.parents.push((other, lock)),
        }
        self
    }

    /// It builds an index beside those who write. At its end it waits for every transaction of the database that is
    /// older, whatever tables that is about, and blocks nobody meanwhile.
    pub fn waits(&self) -> bool {
        self.builds_index && self.lock == Lock::ShareUpdateExclusive
    }

    fn unread() -> Self {
        Self { unread: true, ..Self::default() }
    }

    /// Both in one statement.
    fn with(self, other: Effect) -> Self {
        let both = Self {
            lock: self.lock.max(other.lock),
            rewrites: self.rewrites || other.rewrites,
            scans: self.scans || other.scans,
            builds_index: self.builds_index || other.builds_index,
            parents: self.parents,
            unread: self.unread || other.unread,
        };
        other.parents.into_iter().fold(both, |all, (name, lock)| all.also(name, lock))
    }
}

/// What a statement takes. `facts` decide what the text cannot: the old type, a valid `CHECK (c IS NOT NULL)`,
/// the time zone, the server's version.
pub fn effect(change: &Change, facts: Option<&Facts>) -> Effect {
    use Lock::*;
    match &change.action {
        Action::CreateTable(table) => create_table(table, facts),
        Action::AlterTable { table, changes, .. } => {
            let scene = alter::Scene { table, facts, text: &change.text };
            changes.iter().map(|c| alter::clause(&scene, c)).fold(Effect::default(), Effect::with)
        }
        Action::CreateIndex(index) => {
            let effect = Effect::taking(if index.concurrently { ShareUpdateExclusive } else { Share });
            let known = facts.and_then(|f| f.table(&index.table));
            let there = index.if_not_exists
                && index.name.as_ref().is_some_and(|n| known.is_some_and(|t| t.index(n).is_some()));
            if there || index.only { effect } else { effect.building() }
        }
        Action::Reindex { target, name, concurrently } => {
            reindex(*target, name.as_ref(), *concurrently, facts)
        }
        Action::DropIndex { concurrently: true, .. } => Effect::taking(ShareUpdateExclusive),
        Action::Vacuum { full: true, .. } | Action::Cluster { .. } => {
            Effect::taking(AccessExclusive).rewriting()
        }
        Action::Vacuum { full: false, .. } => Effect::taking(ShareUpdateExclusive).scanning(),
        Action::RefreshView { concurrently: true, .. } => Effect::taking(Exclusive).scanning(),
        Action::RefreshView { concurrently: false, .. } => Effect::taking(AccessExclusive).rewriting(),
        Action::DropTable { names, .. } => names.iter().fold(Effect::taking(AccessExclusive), |all, name| {
            let known = facts.and_then(|f| f.table(name)).map(|t| t.constraints.as_slice());
            let keys = known.unwrap_or_default().iter().filter(|c| c.kind == "foreign key");
            // Its triggers on the parents go, too.
            let parents = keys.filter_map(|key| super::sequence::known::referenced(&key.definition));
            parents.filter(|parent| parent != name).fold(all, |all, parent| all.also(parent, AccessExclusive))
        }),
        // An existing view is replaced under the lock that keeps its readers out.
        Action::CreateView { or_replace: true, .. }
        | Action::DropIndex { .. }
        | Action::DropView { .. }
        | Action::DropSchema { .. }
        | Action::DropTrigger { .. }
        | Action::CreatePolicy { .. }
        | Action::Truncate { .. } => Effect::taking(AccessExclusive),
        Action::CreateTrigger { .. } => Effect::taking(ShareRowExclusive),
        Action::CreateStatistics { .. } | Action::Analyze | Action::Comment => {
            Effect::taking(ShareUpdateExclusive)
        }
        Action::DomainAddConstraint { not_valid: false, .. } => Effect::taking(Share).scanning(),
        Action::Insert { .. } | Action::CopyFrom { .. } => Effect::taking(RowExclusive),
        Action::Update { filtered, .. } | Action::Delete { filtered, .. } => {
            Effect { scans: !filtered, ..Effect::taking(RowExclusive) }
        }
        Action::Merge { .. } => Effect::taking(RowExclusive).scanning(),
        Action::Select => Effect::taking(if locks_rows(&change.text) { RowShare } else { AccessShare }),
        Action::CopyTo { .. } => Effect::taking(AccessShare),
        Action::LockTable { .. } => Effect::taking(mode(&change.text)),
        Action::Grant { .. } | Action::Revoke => {
            let major = facts.map_or(0, |f| f.server.major());
            Effect::taking(if major >= 18 { AccessShare } else { None })
        }
        Action::Do | Action::Call | Action::Other { .. } | Action::Unparsed { .. } => Effect::unread(),
        // Of other engines: no reader of PostgreSQL's SQL makes them.
        Action::RenameTables { .. }
        | Action::CreateObject { .. }
        | Action::DropObject { .. }
        | Action::Replace { .. }
        | Action::LoadData { .. }
        | Action::Optimize { .. } => Effect::unread(),
        Action::RenameIndex { name, .. } => Effect::default().also(name.clone(), ShareUpdateExclusive),
        Action::CreateView { .. }
        | Action::CreateSequence { .. }
        | Action::DropSequence { .. }
        | Action::CreateType { .. }
        | Action::DropType { .. }
        | Action::EnumAddValue { .. }
        | Action::EnumRenameValue { .. }
        | Action::CreateDomain { .. }
        | Action::DomainAddConstraint { .. }
        | Action::CreateRoutine { .. }
        | Action::DropRoutine { .. }
        | Action::CreateSchema { .. }
        | Action::CreateExtension { .. }
        | Action::DropExtension { .. }
        | Action::CreateDatabase { .. }
        | Action::DropDatabase { .. }
        | Action::SetSession { .. }
        | Action::SetRole
        | Action::Transaction(_) => Effect::default(),
    }
}

/// Nobody uses a new table; but a foreign key puts triggers on its parent, and a partition changes the
/// partitioned table.
fn create_table(table: &CreateTable, facts: Option<&Facts>) -> Effect {
    let known = table.name.as_ref().and_then(|n| facts?.table(n));
    if table.if_not_exists && known.is_some_and(|t| t.exists) {
        return Effect::default();
    }
    let inline = table.columns.iter().filter_map(|c| c.references.as_ref().map(|(parent, _)| parent));
    let listed = table.constraints.iter().filter_map(|c| match &c.kind {
        ConstraintKind::ForeignKey { parent, .. } => Some(parent),
        _ => Option::None,
    });
    let mut effect = Effect { scans: table.from_query, ..Effect::default() };
    for parent in inline.chain(listed).filter(|p| Some(*p) != table.name.as_ref()) {
        effect = effect.also(parent.clone(), Lock::ShareRowExclusive);
    }
    match &table.partition_of {
        Some(whole) => effect.also(whole.clone(), Lock::AccessExclusive),
        Option::None => effect,
    }
}

/// Reading the table is not blocked by its own lock, but planning any query opens each of its indexes, which
/// are locked against that one after the other.
fn reindex(target: ReindexTarget, name: Option<&Name>, concurrently: bool, facts: Option<&Facts>) -> Effect {
    if concurrently {
        return Effect::taking(Lock::ShareUpdateExclusive).building();
    }
    let effect = Effect::taking(Lock::Share).building();
    match (target, name) {
        (ReindexTarget::Index, Some(index)) => effect.also(index.clone(), Lock::AccessExclusive),
        (ReindexTarget::Table, Some(table)) => {
            let known = facts.and_then(|f| f.table(table));
            let indexes = known.map(|t| t.indexes.as_slice()).unwrap_or_default();
            indexes
                .iter()
                .fold(effect, |all, index| all.also(table.beside(index.name.as_str()), Lock::AccessExclusive))
        }
        _ => effect,
    }
}

/// `SELECT ... FOR UPDATE` and its weaker forms.
fn locks_rows(select: &str) -> bool {
    text::words(select).windows(2).any(|pair| {
        pair[0].is("for") && ["update", "share", "no", "key"].iter().any(|strength| pair[1].is(strength))
    })
}

/// The mode of `LOCK TABLE`: the strongest where none is written.
fn mode(lock_table: &str) -> Lock {
    let words = text::words(lock_table);
    let Some(from) = words.iter().rposition(|w| w.is("in")) else { return Lock::AccessExclusive };
    let said: Vec<String> = words[from + 1..].iter().map(|w| w.text.to_ascii_uppercase()).collect();
    let said = said.join(" ");
    let found =
        LOCKS.iter().copied().find(|l| *l != Lock::None && said.starts_with(&format!("{} MODE", l.name())));
    found.unwrap_or(Lock::AccessExclusive)
}

#[cfg(test)]
mod tests;
