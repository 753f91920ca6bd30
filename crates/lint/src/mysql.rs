//! What the rules for MySQL and MariaDB share: the operations of a statement and how heavy each is on this server.

use cofferdam_core::{Change, Finding, Name, Severity, Span, TableChange};
use cofferdam_dialects::mysql::locks::{Class, Effect, Lock, Operation, Server, effect_after};
use cofferdam_dialects::mysql::{self, Flavour};
use cofferdam_dialects::postgres::locks as times;

use crate::{Rule, Scene};

/// Said wherever that way is named to somebody who has another server.
pub(crate) const NO_ALTER_YET: &str =
    "`cofferdam alter` changes tables of PostgreSQL; of MySQL and MariaDB not yet";

/// Whether a text sends its reader that way.
pub(crate) fn names_alter(text: &str) -> bool {
    text.contains("cofferdam alter")
}

/// Rules for both.
pub(crate) const BOTH: &[&str] = &["mysql", "mariadb"];

/// The server of a scene, where its SQL is MySQL's or MariaDB's.
pub(crate) fn server(scene: &Scene) -> Option<Server> {
    Flavour::of(scene.engine).map(|flavour| Server::of(flavour, scene.facts))
}

/// What a statement of the scene takes there.
pub(crate) fn effect(scene: &Scene, change: &Change, server: Server) -> Effect {
    effect_after(scene.earlier(), change, scene.facts, server)
}

/// One operation on a table that is not new.
pub(crate) struct Heavy<'a> {
    pub(crate) table: &'a Name,
    /// The clause of an ALTER TABLE.
    pub(crate) change: Option<&'a TableChange>,
    pub(crate) at: Span,
    pub(crate) operation: Operation,
    pub(crate) class: Class,
}

/// The operations of the scene's statement. Empty for other engines, and for tables that nobody uses yet.
pub(crate) fn operations<'a>(scene: &Scene<'a>) -> Vec<Heavy<'a>> {
    let Some(server) = server(scene) else { return Vec::new() };
    let change = scene.change();
    let clauses: &[TableChange] = match &change.action {
        cofferdam_core::Action::AlterTable { changes, .. } => changes,
        _ => &[],
    };
    let Some(table) = change.action.tables().into_iter().next().filter(|table| !scene.is_new(table)) else {
        return Vec::new();
    };
    let found = effect(scene, change, server).found;
    let known = found.into_iter().filter_map(|found| {
        let class = found.operation.class(server)?;
        let clause = clauses.get(found.clause);
        let at = if clause.is_some() { scene.clause(found.clause) } else { change.at };
        Some(Heavy { table, change: clause, at, operation: found.operation, class })
    });
    known.collect()
}

impl Heavy<'_> {
    /// How bad it is: as bad as blocking the table where it does, less where it only takes long.
    pub(crate) fn severity(&self, scene: &Scene) -> Severity {
        let blocking = scene.blocking(self.table);
        if self.class.online() { blocking.min(Severity::Warning) } else { blocking }
    }

    /// A finding about it.
    pub(crate) fn finding(&self, scene: &Scene, rule: &Rule, message: impl Into<String>) -> Finding {
        Finding {
            at: self.at,
            severity: self.severity(scene),
            live: scene.live(self.table),
            notes: words(scene, self.class, self.table).into_iter().collect(),
            ..scene.finding(rule, message)
        }
    }
}

/// What a class means for a table, in a line: `needs ALGORITHM=COPY, LOCK=SHARED on t and writes all of it anew: blocks writes
/// for about 40 s`.
pub(crate) fn words(scene: &Scene, class: Class, table: &Name) -> Option<String> {
    let flavour = server(scene)?.flavour;
    let work = if class.rebuilds { " and writes all of it anew" } else { "" };
    let mut text = format!("needs {} on {table}{work}", class.words(flavour));
    let known = scene.table(table)?;
    let lock = match class.lock {
        Lock::None => times::Lock::None,
        Lock::Shared => times::Lock::Share,
        Lock::Exclusive => times::Lock::AccessExclusive,
    };
    let taking = times::Effect::taking(lock);
    let taking = match class {
        Class { rebuilds: true, .. } => taking.rewriting(),
        Class { builds: true, .. } => taking.building(),
        _ => taking,
    };
    let (blocks, estimate) = times::words(&taking, Some(known), None);
    text += &match class.lock {
        Lock::None if estimate.starts_with("about") => {
            format!(": {estimate} on the server, and as long again on each replica")
        }
        Lock::None => format!(": {estimate}"),
        _ => format!(": blocks {blocks}"),
    };
    Some(text)
}

/// The places of an ALTER TABLE's clauses.
pub(crate) fn clauses(scene_engine: &str, text: &str) -> Option<Vec<(usize, usize)>> {
    let found = mysql::clauses(text, Flavour::of(scene_engine)?)?;
    Some(found.into_iter().map(|range| (range.start, range.end)).collect())
}
