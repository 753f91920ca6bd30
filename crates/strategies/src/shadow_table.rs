//! Strategy `shadow-table`: the changed table is made and filled beside the old one, and takes its place in a moment.
//!
//! It is for one `ALTER TABLE` that would rewrite a table. What that is worth depends on the table, so what looking
//! at it and trying the clauses on an empty copy found comes in as [`Examined`].

use cofferdam_core::change::{Action, Change};
use cofferdam_core::facts::{BUSY_WRITES_PER_SECOND, Table};
use cofferdam_core::online::{Examined, Online};
use cofferdam_core::plan::{Plan, Step, Undo, Unit};
use cofferdam_core::{Code, Phase, Refusal};
use cofferdam_dialects::mysql::Flavour;
use cofferdam_dialects::postgres::{locks, sequence};

use crate::clauses::clauses;
use crate::parts::{self, About, size};
use crate::transaction::{place, without_frame};
use crate::{Strategy, Subject, direct, mysql};

/// Its id.
pub const ID: &str = "shadow-table";

/// The strategy.
pub(crate) static STRATEGY: Strategy = Strategy {
    id: ID,
    about: "one ALTER TABLE on a new table beside the old one: copied, kept in sync, compared, swapped, and swapped \
            back on demand",
    fits,
    plan,
};

/// From this size on (with indexes) a rewrite takes so long that nobody wants to wait behind it.
pub const LARGE_BYTES: u64 = 256 << 20;
/// A busy table is worth it from this size on: below it a rewrite is done in well under a second.
pub const BUSY_BYTES: u64 = 16 << 20;

/// Rules of lint that warn of work under a lock, which this strategy does not do under one.
pub const TAKES_CARE_OF: &[&str] = &[
    "add-check-copy",
    "add-check-validating",
    "add-column-auto-increment",
    "add-column-domain",
    "add-column-expression-default",
    "add-column-generated-stored",
    "add-column-inline-check",
    "add-column-inline-references",
    "add-column-inline-unique-or-pk",
    "add-column-placed",
    "add-column-serial-or-identity",
    "add-column-volatile-default",
    "add-exclusion",
    "add-fk-validating",
    "add-primary-key",
    "add-unique-constraint",
    "algorithm-not-asked-for",
    "change-type-copy",
    "change-type-rewrite",
    "convert-charset",
    "mixed-instant-and-rebuild",
    "modify-nullability",
    "move-storage",
    "primary-key-change",
    "set-not-null",
    "table-rebuild",
    "work-under-lock",
];

/// The change that must be looked at before it can be planned: the only statement is an ALTER TABLE of a table that
/// is there, and the strategy asked for may make it online.
pub fn to_examine(strategy: &str, subject: &Subject<'_>) -> Option<Online> {
    let (change, online) = only_alteration(subject)?;
    // What these two servers rewrite without keeping writers out is theirs, unless somebody asks for the copy.
    if server(subject).is_some() {
        return (strategy == ID).then_some(online);
    }
    match strategy {
        "shadow-table" => Some(online),
        "auto" => (worth_it(table_of(subject, change)?, None) && !handled_directly(subject, change))
            .then_some(online),
        _ => None,
    }
}

/// Why the strategy was chosen, or why it was not; a sentence each. Empty where nobody would ask.
pub fn why(plan: &Plan, subject: &Subject<'_>) -> Vec<String> {
    if let Some(flavour) = server(subject) {
        return mysql::why::why(plan, subject, flavour);
    }
    let Some((change, online)) = only_alteration(subject) else { return not_alone(subject) };
    let Some(examined) = examined(subject, &online) else { return Vec::new() };
    let table = &online.table;
    let size = size_of(subject, change, examined);
    if plan.strategy == ID {
        let rewrite = direct_block(subject, change);
        let mut why = match examined.rewrites {
            true => vec![format!(
                "{table} ({size}) is changed online: by itself the statement would stop {rewrite}"
            )],
            false => vec![format!(
                "{table} ({size}) is changed online because it was asked for: the server would not rewrite it"
            )],
        };
        why.extend(examined.notes.iter().cloned());
        return why;
    }
    if !examined.rewrites {
        return vec![format!("{table} ({size}) is not rewritten by this: it was tried on an empty copy")];
    }
    examined.obstacles.iter().map(|o| format!("{table} ({size}) is not changed online: {o}")).collect()
}

/// Which of the servers that are not PostgreSQL the script is for.
fn server(subject: &Subject<'_>) -> Option<Flavour> {
    Flavour::of(subject.parsed.engine)
}

fn fits(subject: &Subject<'_>) -> bool {
    let Some((change, online)) = only_alteration(subject) else { return false };
    let Some(examined) = examined(subject, &online) else { return false };
    let Some(table) = table_of(subject, change) else { return false };
    examined.rewrites
        && examined.obstacles.is_empty()
        && worth_it(table, Some(examined))
        // What these two servers do without keeping writers out is no rewrite.
        && (server(subject).is_some() || !handled_directly(subject, change))
}

fn plan(subject: &Subject<'_>) -> Result<Plan, Box<Refusal>> {
    let Some((change, online)) = only_alteration(subject) else {
        if let Some(flavour) = server(subject) {
            return match mysql::why::stopping(subject, flavour).first() {
                Some((change, _)) => Err(Box::new(several(subject, change))),
                None => mysql::plan(subject, flavour),
            };
        }
        return match rewriting(subject) {
            Some(change) => Err(Box::new(several(subject, change))),
            None => (direct::STRATEGY.plan)(subject),
        };
    };
    let Some(examined) = examined(subject, &online) else {
        return Err(Box::new(Refusal::new(Code::Bug, format!("{} was not examined", online.table))));
    };
    refuse(&online, examined).map_err(|refusal| Box::new(refusal.at(place(subject, change))))?;
    let about = About {
        key: subject.migration.key(),
        description: subject.migration.description.clone(),
        path: subject.migration.up.path.clone(),
        at: change.at,
        limits: subject.limits,
        server: server(subject),
    };
    let mut planned = parts::units(&online, examined, &about);
    if let Some(check) = direct::check_step(subject) {
        // The queries name the table, which is the new one only after the swap.
        let check = Step { phase: Phase::Watching, ..check };
        let finish = planned.len().saturating_sub(1);
        planned.insert(finish, Unit { atomic: false, steps: vec![check] });
    }
    parts::finished(about, examined, planned)
}

/// Refuses losses that nobody agreed to, whatever the strategy.
pub fn refuse_losses(change: &Online, examined: &Examined) -> Result<(), Box<Refusal>> {
    if examined.losses.is_empty() || change.allow_loss.is_some() {
        return Ok(());
    }
    let refusal = Refusal::new(Code::WouldLose, format!("the change of {} would lose values", change.table))
        .cause("nobody agreed to lose them; nothing was changed")
        .help("agree to it and say why: --allow data-loss=\"reason\"");
    Err(Box::new(examined.losses.iter().fold(refusal, |r, loss| r.note(format!("lost: {loss}")))))
}

pub(crate) fn refuse(change: &Online, examined: &Examined) -> Result<(), Box<Refusal>> {
    if !examined.obstacles.is_empty() {
        let refusal = Refusal::new(Code::NotOnline, format!("{} cannot be changed online", change.table))
            .cause(examined.obstacles.join("; "))
            .help("remove what stands in the way, or do it under a lock in a quiet hour: --strategy direct");
        return Err(Box::new(refusal));
    }
    refuse_losses(change, examined)
}

/// The migration's only statement, when it is an ALTER TABLE of a table that is there.
pub(crate) fn only_alteration<'a>(subject: &Subject<'a>) -> Option<(&'a Change, Online)> {
    let [change] = without_frame(subject).ok()? else { return None };
    let online = alteration(subject, change)?;
    Some((change, online))
}

pub(crate) fn alteration(subject: &Subject<'_>, change: &Change) -> Option<Online> {
    let Action::AlterTable { table, .. } = &change.action else { return None };
    let facts = subject.facts.table(table).filter(|facts| facts.exists)?;
    if subject.as_written || subject.created.contains(table) || subject.migration.version.is_none() {
        return None;
    }
    let wishes = subject.wishes;
    Some(Online {
        table: facts.resolved.clone().unwrap_or_else(|| table.clone()),
        clauses: clauses(&change.text)?.to_owned(),
        capture: wishes.capture,
        gate: wishes.gate.clone(),
        forward: Vec::new(),
        backward: Vec::new(),
        allow_loss: wishes.allow_loss.clone(),
        workers: wishes.workers,
        proof: wishes.proof.clone(),
    })
}

pub(crate) fn examined<'a>(subject: &Subject<'a>, online: &Online) -> Option<&'a Examined> {
    subject.examined.iter().find(|(table, _)| *table == online.table).map(|(_, examined)| examined)
}

pub(crate) fn table_of<'a>(subject: &Subject<'a>, change: &Change) -> Option<&'a Table> {
    change.action.tables().first().and_then(|table| subject.facts.table(table))
}

/// Large, or busy and not small.
pub(crate) fn worth_it(table: &Table, examined: Option<&Examined>) -> bool {
    let bytes = table.total_bytes().max(examined.map_or(0, |e| e.bytes));
    let written = examined.map_or(0.0, |e| e.writes_per_second as f64);
    bytes >= LARGE_BYTES || (bytes >= BUSY_BYTES && (table.busy() || written >= BUSY_WRITES_PER_SECOND))
}

/// The server has a sequence of statements for it that blocks nobody, and that costs no copy.
fn handled_directly(subject: &Subject<'_>, change: &Change) -> bool {
    sequence::safe_sequence(change, subject.facts)
        .is_some_and(|steps| !steps.iter().any(|step| matches!(step.undo, Undo::Impossible { .. })))
}

/// A statement among several that rewrites a large table that is there.
fn rewriting<'a>(subject: &Subject<'a>) -> Option<&'a Change> {
    without_frame(subject).ok()?.iter().find(|change| {
        alteration(subject, change).is_some()
            && locks::effect(change, Some(subject.facts)).rewrites
            && table_of(subject, change).is_some_and(|table| worth_it(table, None))
    })
}

fn not_alone(subject: &Subject<'_>) -> Vec<String> {
    let Some(change) = rewriting(subject) else { return Vec::new() };
    let Some(table) = change.action.tables().first().map(ToString::to_string) else { return Vec::new() };
    let size = table_of(subject, change).map(|t| size(t.total_bytes())).unwrap_or_default();
    vec![format!(
        "{table} ({size}) is rewritten under a lock: in a migration of its own the statement would be done online"
    )]
}

fn several(subject: &Subject<'_>, change: &Change) -> Refusal {
    Refusal::new(Code::NotOnline, "the migration has other statements beside the one that rewrites a table")
        .cause("an online change is one ALTER TABLE: it commits many times, and the others would be left half done")
        .help("move the ALTER TABLE to a migration of its own, or leave --strategy out")
        .at(place(subject, change))
}

/// Whom the statement would stop by itself, and for how long.
fn direct_block(subject: &Subject<'_>, change: &Change) -> String {
    let effect = locks::effect(change, Some(subject.facts));
    let (blocks, _) = locks::words(&effect, table_of(subject, change), None);
    if effect.rewrites || effect.scans || effect.builds_index { blocks } else { "reads and writes".into() }
}

pub(crate) fn size_of(subject: &Subject<'_>, change: &Change, examined: &Examined) -> String {
    let written = table_of(subject, change).and_then(|t| t.writes_per_second).unwrap_or(0.0);
    let written = written.max(examined.writes_per_second as f64);
    match written.round() {
        w if w >= 1.0 => format!("{}, {w:.0} rows written a second", size(examined.bytes)),
        _ => size(examined.bytes),
    }
}
