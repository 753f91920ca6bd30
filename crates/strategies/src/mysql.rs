//! Strategy `direct` on MySQL and MariaDB, where a statement that changes the schema commits by itself.
//!
//! Each such statement is a step of its own with a probe, between its *began* and its *ended*; statements that change
//! rows stand together in transactions. What a server can do without keeping others out is asked for by name, so that
//! it refuses in place of blocking.

use cofferdam_core::change::{Action, Change, TableChange, TransactionControl};
use cofferdam_core::plan::{Act, Intent, Plan, Step, Undo, Unit};
use cofferdam_core::{Code, Facts, Name, Phase, Refusal};
use cofferdam_dialects::mysql::Flavour;
use cofferdam_dialects::mysql::locks::{Lock, Server, asked_by_name, effect_after};

use crate::Subject;
use crate::direct::check_step;
use crate::transaction::{loose_by_wish, mixed, place, without_frame};

mod inverse;
mod probe;
pub(crate) mod why;

/// The plan of a migration in the SQL of this server.
pub(crate) fn plan(subject: &Subject<'_>, flavour: Flavour) -> Result<Plan, Box<Refusal>> {
    if subject.wishes.park.is_some() && subject.parsed.changes.iter().any(drops) {
        return Err(Box::new(not_here(flavour, "parking").help("leave --park out: what is dropped is gone")));
    }
    let server = Server::of(flavour, Some(subject.facts));
    let mut units: Vec<Unit> = Vec::new();
    let mut own: Vec<Name> = Vec::new();
    let mut phase = Phase::Expanding;
    let mut gone: Option<String> = None;
    let changes = without_frame(subject)?;
    for (index, change) in changes.iter().enumerate() {
        refuse_what_misleads(subject, change)?;
        let atomic = changes_rows(change, subject.facts);
        if !atomic
            && !loose_by_wish(subject)
            && let Some(why) = &gone
        {
            return Err(Box::new(mixed(subject, change, why)));
        }
        let mut step = step(subject, (index + 1).to_string(), &changes[..index], change, server, &own);
        if concerns_only(change, &own) {
            step.undo = Undo::Nothing;
        }
        if let Undo::Impossible { why } = &step.undo {
            phase = Phase::Contracting;
            gone.get_or_insert_with(|| why.clone());
        }
        step.phase = phase;
        if let Action::CreateTable(table) = &change.action {
            let there = |name: &Name| subject.facts.table(name).is_some_and(|t| t.exists);
            own.extend(table.name.clone().filter(|name| !table.temporary && !there(name)));
        }
        push(&mut units, atomic, step, loose_by_wish(subject));
    }
    if let Some(mut step) = check_step(subject) {
        step.phase = if phase == Phase::Contracting { phase } else { step.phase };
        push(&mut units, true, step, loose_by_wish(subject));
    }
    Plan {
        strategy: "direct".into(),
        key: subject.migration.key(),
        description: subject.migration.description.clone(),
        intent: Intent::Apply,
        units,
        losses: Vec::new(),
    }
    .checked()
    .map_err(|malformed| Box::new(Refusal::new(Code::Bug, malformed.to_string())))
}

/// What these servers are not served with.
pub(crate) fn not_here(flavour: Flavour, what: &str) -> Refusal {
    Refusal::new(Code::NotForThisEngine, format!("{} has no {what} here", flavour.name()))
        .cause("so far Cofferdam does this on PostgreSQL only")
}

fn push(units: &mut Vec<Unit>, atomic: bool, step: Step, alone: bool) {
    match units.last_mut() {
        Some(unit) if atomic && unit.atomic && !alone => unit.steps.push(step),
        _ => units.push(Unit { atomic, steps: vec![step] }),
    }
}

fn drops(change: &Change) -> bool {
    match &change.action {
        Action::DropTable { .. } | Action::Truncate { .. } | Action::DropDatabase { .. } => true,
        Action::AlterTable { changes, .. } => {
            changes.iter().any(|clause| matches!(clause, TableChange::DropColumn { .. }))
        }
        _ => false,
    }
}

/// What stands in the way of the journal, or gives the statements behind it another meaning than was read.
fn refuse_what_misleads(subject: &Subject<'_>, change: &Change) -> Result<(), Box<Refusal>> {
    let why = match &change.action {
        Action::LockTable { .. } => {
            "the journal could not be written, and its transaction would let go of the lock"
        }
        Action::LoadData { local: true, .. } => "a server may ask for any file of the client's by it",
        Action::Transaction(TransactionControl::Savepoint) => "Cofferdam opens the transactions itself",
        Action::SetSession { name } if name == "autocommit" => "Cofferdam opens the transactions itself",
        Action::Other { kind } if begins(kind, &["USE"]) => {
            "names without a database would be others than were read"
        }
        Action::Other { kind } if begins(kind, &["UNLOCK", "LOCK"]) => "it ends what others rely on",
        _ => return Ok(()),
    };
    Err(Box::new(
        Refusal::new(Code::StatementNotForEngine, format!("{} is not carried out", crate::title(change)))
            .cause(why)
            .help("remove it from the script: cofferdam explain CF3767")
            .at(place(subject, change)),
    ))
}

fn begins(kind: &str, words: &[&str]) -> bool {
    let first = kind.split_whitespace().next().unwrap_or_default();
    words.iter().any(|word| first.eq_ignore_ascii_case(word))
}

/// A transaction takes it back: it changes rows of tables that have transactions, or nothing but the session.
fn changes_rows(change: &Change, facts: &Facts) -> bool {
    let transactional = |name: &Name| {
        let kind = facts.table(name).map(|t| t.kind.as_str()).unwrap_or_default();
        !kind.starts_with("table of ")
    };
    match &change.action {
        Action::Insert { .. }
        | Action::Update { .. }
        | Action::Delete { .. }
        | Action::Replace { .. }
        | Action::LoadData { .. } => change.action.tables().into_iter().all(transactional),
        Action::CreateTable(table) => table.temporary,
        Action::Select | Action::Call | Action::Do | Action::SetSession { .. } | Action::SetRole => true,
        _ => false,
    }
}

/// It is about tables that this very migration makes: dropping them takes it back too.
fn concerns_only(change: &Change, own: &[Name]) -> bool {
    let moves = matches!(
        change.action,
        Action::CreateTable(_) | Action::DropTable { .. } | Action::RenameTables { .. }
    ) || inverse::renames(change);
    let tables = change.action.tables();
    !moves && !tables.is_empty() && tables.iter().all(|table| own.contains(table))
}

fn step(
    subject: &Subject<'_>,
    id: String,
    earlier: &[Change],
    change: &Change,
    server: Server,
    own: &[Name],
) -> Step {
    let effect = effect_after(earlier, change, Some(subject.facts), server);
    let as_written = subject.as_written || change.action.tables().iter().any(|table| own.contains(table));
    let asked = if as_written { None } else { asked_by_name(change, Some(subject.facts), server) };
    let (lock, blocks, estimate) = match effect.class {
        _ if effect.unread => (String::new(), "not known".to_owned(), "not known".to_owned()),
        None => (String::new(), "nothing".to_owned(), "not known".to_owned()),
        Some(class) => {
            let blocks = match class.lock {
                Lock::None => "<1 s, at its beginning and its end",
                Lock::Shared => "writes while it runs",
                Lock::Exclusive => "reads and writes while it runs",
            };
            let instant = class.online() && !class.rebuilds && !class.builds;
            let estimate = if instant { "instant" } else { "not known" };
            (class.words(server.flavour), blocks.to_owned(), estimate.to_owned())
        }
    };
    Step {
        id,
        phase: Phase::Expanding,
        title: crate::title(change),
        act: Act::sql(asked.unwrap_or_else(|| change.text.to_string())),
        probe: probe::probe(change),
        undo: inverse::undo(change, subject.facts, server.flavour),
        limits: subject.limits,
        lock,
        blocks,
        estimate,
        path: subject.migration.up.path.clone(),
        at: change.at,
    }
}

#[cfg(test)]
mod tests {
    use cofferdam_core::plan::Probe;

    use super::*;

    fn probes(sql: &str) -> Vec<Probe> {
        let script = cofferdam_core::Script::new("x.sql", sql);
        let parsed = cofferdam_dialects::mysql::read_mysql(&script).unwrap();
        parsed.changes.iter().map(probe::probe).collect()
    }

    #[test]
    fn a_probe_tells_of_a_statement_that_leaves_a_mark() {
        let t = || Name::plain("t");
        let index = |there| Probe::IndexOf { table: t(), index: "i".into(), there };
        let column = |name: &str| Probe::ColumnThere { table: t(), column: name.into(), ty: None };
        for (sql, expected) in [
            ("CREATE TABLE t (id int)", Probe::RelationThere { relation: t() }),
            ("CREATE TABLE IF NOT EXISTS t (id int)", Probe::Repeatable),
            ("CREATE TABLE t AS SELECT 1 AS a", Probe::Nothing),
            ("DROP TABLE a, t", Probe::RelationAbsent { relation: t() }),
            ("ALTER TABLE t ADD COLUMN a int", column("a")),
            ("ALTER TABLE t ADD INDEX i (a)", index(true)),
            ("CREATE INDEX i ON t (a)", index(true)),
            ("DROP INDEX i ON t", index(false)),
            ("ALTER TABLE t DROP COLUMN a, ADD COLUMN a bigint", Probe::Nothing),
            ("ALTER TABLE t MODIFY COLUMN a bigint", Probe::Repeatable),
            ("ALTER TABLE t MODIFY COLUMN a bigint, ADD COLUMN b int", column("b")),
            ("ALTER TABLE t CHANGE COLUMN a b bigint", column("b")),
            ("ALTER TABLE t RENAME COLUMN a TO b", column("b")),
            ("ALTER TABLE t RENAME COLUMN a TO A", Probe::Nothing),
            ("ALTER TABLE t ADD COLUMN a int, RENAME COLUMN a TO b", column("b")),
            ("RENAME TABLE a TO t", Probe::RelationThere { relation: t() }),
            ("RENAME TABLE a TO x, t TO a, x TO t", Probe::Nothing),
            ("TRUNCATE TABLE t", Probe::Nothing),
            ("ANALYZE TABLE t", Probe::Repeatable),
            ("SET NAMES utf8mb4", Probe::Session),
            ("INSERT INTO t VALUES (1)", Probe::Nothing),
        ] {
            assert_eq!(probes(sql), [expected], "{sql}");
        }
    }

    #[test]
    fn a_way_back_is_written_or_there_is_none() {
        let facts = Facts::default();
        for (sql, expected) in [
            ("CREATE TABLE t (id int)", Some("DROP TABLE `t`")),
            (
                "ALTER TABLE s.t ADD COLUMN a int, ADD INDEX i (a)",
                Some("ALTER TABLE `s`.`t` DROP INDEX `i`, DROP COLUMN `a`"),
            ),
            ("CREATE INDEX i ON t (a)", Some("DROP INDEX `i` ON `t`")),
            ("ALTER TABLE t RENAME COLUMN a TO b", Some("ALTER TABLE `t` RENAME COLUMN `b` TO `a`")),
            ("ALTER TABLE t RENAME TO u", Some("ALTER TABLE `u` RENAME TO `t`")),
            ("RENAME TABLE a TO b", Some("RENAME TABLE `b` TO `a`")),
            ("CREATE VIEW v AS SELECT 1", Some("DROP VIEW `v`")),
            ("ALTER TABLE t MODIFY COLUMN a bigint", None),
            ("ALTER TABLE t ADD INDEX (a)", None),
            ("DROP TABLE t", None),
            ("UPDATE t SET a = 1", None),
        ] {
            let script = cofferdam_core::Script::new("x.sql", sql);
            let parsed = cofferdam_dialects::mysql::read_mysql(&script).unwrap();
            let found = match inverse::undo(&parsed.changes[0], &facts, Flavour::MySql) {
                Undo::Acts { acts, atomic: false, .. } => Some(acts[0].text()),
                Undo::Impossible { .. } => None,
                other => Some(format!("{other:?}")),
            };
            assert_eq!(found.as_deref(), expected, "{sql}");
        }
    }
}
