//! Which tables a plan destroys something of. Pure.

use cofferdam_core::change::{Action, Change, TableChange};
use cofferdam_core::fault::Result;
use cofferdam_core::journal::{State, StepState};
use cofferdam_core::park::Deed;
use cofferdam_core::plan::{Act, Step, Undo};
use cofferdam_core::{Code, Name, Plan, Refusal, Script};
use cofferdam_engines::copy::{Reach, Wanted};

use super::{Backups, When};

/// What must be saved before what is left of a plan, in the words of this dialect, is carried out; `None`: nothing.
pub(super) fn need(plan: &Plan, state: &State, backups: &Backups, dialect: &str) -> Result<Option<Wanted>> {
    if backups.when == When::Never {
        return Ok(None);
    }
    let mut found = Found::new(dialect);
    for step in plan.steps() {
        if state.steps.get(&step.id) != Some(&StepState::Ended) {
            found.step(step, backups.when == When::Always)?;
        }
    }
    if let Some(step) = found.blind
        && backups.tables.is_empty()
        && !backups.whole
    {
        return Err(Refusal::new(
            Code::BackupBlind,
            format!("what `{}` destroys cannot be read beforehand", step.title),
        )
        .cause(format!(
            "step {} of {} may change any table, and the policy wants a backup first",
            step.id, plan.key
        ))
        .help("name the tables: --backup-table NAME; or save everything: --backup whole")
        .into());
    }
    let nothing = found.wanted == Wanted::default() && found.blind.is_none();
    if nothing && backups.when == When::Destructive {
        return Ok(None);
    }
    let mut wanted = found.wanted;
    wanted.tables.extend(backups.tables.iter().map(|name| (name.clone(), Reach::Itself)));
    Ok((wanted != Wanted::default() || backups.whole).then_some(wanted))
}

/// The tables and schemas that a plan destroys something of, for people: a backup of them would save it.
///
/// # Errors
/// A statement of the plan that cannot be read any more.
pub fn destroyed(plan: &Plan, dialect: &str) -> Result<Vec<String>> {
    let mut found = Found::new(dialect);
    for step in plan.steps() {
        found.step(step, false)?;
    }
    let tables = found.wanted.tables.iter().map(|(name, _)| name.to_string());
    Ok(tables.chain(found.wanted.schemas.iter().map(|schema| format!("{schema}.*"))).collect())
}

/// Statements that destroy rows, of which no more is read than their kind.
const BLIND: &[&str] =
    &["DELETE FROM SEVERAL TABLES", "UPDATE OF SEVERAL TABLES", "DELETE HISTORY", "BINLOG", "CLONE"];

struct Found<'a> {
    dialect: &'a str,
    wanted: Wanted,
    /// The first step of which it cannot be told.
    blind: Option<&'a Step>,
    /// From here on a name without a schema may be another object than the one that we would look at.
    elsewhere: bool,
}

impl<'a> Found<'a> {
    fn new(dialect: &'a str) -> Self {
        Self { dialect, wanted: Wanted::default(), blind: None, elsewhere: false }
    }

    fn step(&mut self, step: &'a Step, all: bool) -> Result<()> {
        if step.id == crate::rider::VERSION {
            return Ok(());
        }
        match &step.act {
            Act::Online { change, .. } => {
                if all || change.allow_loss.is_some() {
                    self.table(&change.table, Reach::Itself, step);
                }
            }
            Act::Park { parking, deed } => {
                // What is put aside is there; what is dropped for good is named by where it is.
                if all || *deed == Deed::Discard {
                    self.tables(parking.object.tables(), Reach::Itself, step);
                }
            }
            Act::BuildIndex { .. } | Act::Check { .. } => {}
            Act::Sql { sql, .. } => {
                self.elsewhere |= sql.to_ascii_lowercase().contains("search_path");
                for change in &read(step, sql.clone(), self.dialect)? {
                    self.change(change, step, all);
                }
            }
        }
        Ok(())
    }

    fn change(&mut self, change: &Change, step: &'a Step, all: bool) {
        let lost = match &step.undo {
            Undo::Impossible { .. } => true,
            Undo::Acts { loses, .. } => loses.is_some(),
            Undo::Nothing => false,
        };
        match &change.action {
            Action::DropTable { names, .. } => self.tables(names, Reach::Itself, step),
            Action::Truncate { tables, cascade: true } => self.tables(tables, Reach::References, step),
            Action::Truncate { tables, cascade: false } => self.tables(tables, Reach::Itself, step),
            Action::Delete { table, .. } | Action::Update { table, .. } | Action::Merge { table } => {
                self.table(table, Reach::Actions, step);
            }
            Action::Insert { table } if overwrites(change) => self.table(table, Reach::Actions, step),
            Action::Replace { table } | Action::LoadData { table, .. } => {
                self.table(table, Reach::Actions, step);
            }
            Action::AlterTable { table, changes, .. } => {
                let destroys = changes.iter().any(|clause| match clause {
                    TableChange::DropColumn { .. } => true,
                    TableChange::AlterType { using, .. } => lost || using.is_some(),
                    // What no statement takes back of a column, a partition or a character set may be rows.
                    TableChange::MySql(_) => matches!(step.undo, Undo::Impossible { .. }),
                    _ => false,
                });
                if destroys {
                    self.table(table, Reach::Itself, step);
                }
            }
            Action::DropSchema { names, .. } => self.wanted.schemas.extend(names.iter().cloned()),
            Action::DropType { cascade: true, .. }
            | Action::DropDatabase { .. }
            | Action::DropExtension { .. }
            | Action::Do
            | Action::Call
            | Action::Unparsed { .. } => self.blind = self.blind.or(Some(step)),
            // Which tables that are is not read (MySQL and MariaDB).
            Action::Other { kind } if BLIND.contains(&kind.as_str()) => {
                self.blind = self.blind.or(Some(step));
            }
            // A function that changes something.
            Action::Select if lost => self.blind = self.blind.or(Some(step)),
            _ => {}
        }
        // A statement within a statement (WITH ... DELETE) is one that reads by its kind.
        if matches!(change.action, Action::Select | Action::Insert { .. }) && changes_within(change) {
            self.blind = self.blind.or(Some(step));
        }
        if all {
            for table in change.action.tables() {
                self.table(table, Reach::Itself, step);
            }
        }
    }

    fn tables(&mut self, names: &[Name], reach: Reach, step: &'a Step) {
        names.iter().for_each(|name| self.table(name, reach, step));
    }

    fn table(&mut self, name: &Name, reach: Reach, step: &'a Step) {
        if self.elsewhere && name.schema.is_none() {
            self.blind = self.blind.or(Some(step));
            return;
        }
        let known = self.wanted.tables.iter_mut().find(|(known, _)| known == name);
        match known {
            Some((_, known)) => *known = reach.max(*known),
            None => self.wanted.tables.push((name.clone(), reach)),
        }
    }
}

fn overwrites(change: &Change) -> bool {
    let text = change.text.to_ascii_lowercase();
    (text.contains("conflict") || text.contains("duplicate")) && text.contains("update")
}

fn changes_within(change: &Change) -> bool {
    let text = change.text.to_ascii_lowercase();
    let mut words =
        text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty());
    words.next() == Some("with") && words.any(|word| matches!(word, "delete" | "update" | "merge"))
}

fn read(step: &Step, sql: cofferdam_core::Text, dialect: &str) -> Result<Vec<Change>> {
    Ok(crate::sql::read(dialect, &Script::new(step.path.clone(), sql))?.changes)
}

#[cfg(test)]
mod tests {
    use cofferdam_core::change::Span;
    use cofferdam_core::plan::{Intent, Probe, Unit};
    use cofferdam_core::{Limits, Phase};

    use super::*;

    fn plan(statements: &[&str]) -> Plan {
        let steps = statements.iter().enumerate().map(|(n, sql)| Step {
            id: (n + 1).to_string(),
            phase: Phase::Contracting,
            title: (*sql).to_owned(),
            act: Act::sql(*sql),
            probe: Probe::Nothing,
            undo: Undo::Impossible { why: "gone".into() },
            limits: Limits::default(),
            lock: String::new(),
            blocks: String::new(),
            estimate: String::new(),
            path: String::new(),
            at: Span::default(),
        });
        Plan {
            strategy: "direct".into(),
            key: "1".into(),
            description: String::new(),
            intent: Intent::Apply,
            units: vec![Unit { atomic: true, steps: steps.collect() }],
            losses: vec![],
        }
    }

    fn named(statement: &str) -> String {
        named_in("postgresql", statement)
    }

    fn named_in(dialect: &str, statement: &str) -> String {
        let backups = Backups { when: When::Destructive, ..Backups::default() };
        match need(&plan(&[statement]), &State::default(), &backups, dialect) {
            Ok(None) => "nothing".into(),
            Ok(Some(wanted)) => {
                let tables = wanted.tables.iter().map(|(name, reach)| format!("{name} {reach:?}"));
                tables.chain(wanted.schemas.iter().map(|s| format!("{s}.*"))).collect::<Vec<_>>().join(", ")
            }
            Err(fault) => fault.refusal().map(|r| r.code.id().to_owned()).unwrap_or_default(),
        }
    }

    #[test]
    fn what_a_statement_destroys_is_named() {
        for (statement, expected) in [
            ("DROP TABLE a, s.b", "a Itself, s.b Itself"),
            ("DROP TABLE IF EXISTS a CASCADE", "a Itself"),
            ("ALTER TABLE a DROP COLUMN c, ADD COLUMN d int", "a Itself"),
            ("ALTER TABLE a ALTER COLUMN c TYPE int USING 0", "a Itself"),
            ("ALTER TABLE a ADD COLUMN d int", "nothing"),
            ("TRUNCATE a", "a Itself"),
            ("TRUNCATE a CASCADE", "a References"),
            ("DELETE FROM a WHERE x", "a Actions"),
            ("UPDATE a SET x = 1", "a Actions"),
            ("INSERT INTO a VALUES (1)", "nothing"),
            ("INSERT INTO a VALUES (1) ON CONFLICT (i) DO UPDATE SET x = 1", "a Actions"),
            ("INSERT INTO a VALUES (1) ON CONFLICT DO NOTHING", "nothing"),
            ("DROP SCHEMA s CASCADE", "s.*"),
            ("CREATE INDEX i ON a (b)", "nothing"),
            ("DO $$ BEGIN DELETE FROM a; END $$", "CF3209"),
            ("CALL p()", "CF3209"),
            ("WITH gone AS (DELETE FROM a RETURNING *) SELECT * FROM gone", "a Actions"),
            ("WITH gone AS (DELETE FROM a RETURNING *) INSERT INTO b SELECT * FROM gone", "CF3209"),
        ] {
            assert_eq!(named(statement), expected, "{statement}");
        }
    }

    #[test]
    fn what_a_statement_of_mysql_and_mariadb_destroys_is_named() {
        for (statement, expected) in [
            ("DROP TABLE a, s.b", "a Itself, s.b Itself"),
            ("DROP TEMPORARY TABLE a", "nothing"),
            ("ALTER TABLE a DROP COLUMN c, ADD COLUMN d int", "a Itself"),
            ("ALTER TABLE a MODIFY COLUMN c int", "a Itself"),
            ("ALTER TABLE a CONVERT TO CHARACTER SET latin1", "a Itself"),
            ("ALTER TABLE a DROP PARTITION p", "a Itself"),
            ("ALTER TABLE a TRUNCATE PARTITION p", "a Itself"),
            ("ALTER TABLE a ADD COLUMN d int", "nothing"),
            ("TRUNCATE TABLE a", "a Itself"),
            ("DELETE FROM a WHERE x", "a Actions"),
            ("UPDATE a SET x = 1", "a Actions"),
            ("REPLACE INTO a VALUES (1)", "a Actions"),
            ("INSERT INTO a VALUES (1)", "nothing"),
            ("INSERT INTO a VALUES (1) ON DUPLICATE KEY UPDATE x = 1", "a Actions"),
            ("CREATE INDEX i ON a (b)", "nothing"),
            ("DELETE a, b FROM a JOIN b ON a.i = b.i", "CF3209"),
            ("DELETE FROM a USING a JOIN b ON a.i = b.i", "CF3209"),
            ("UPDATE a JOIN b ON a.i = b.i SET a.x = 1", "CF3209"),
            ("DROP DATABASE s", "s.*"),
            ("CALL p()", "CF3209"),
            ("EXECUTE s", "CF3209"),
        ] {
            for dialect in ["mysql", "mariadb"] {
                assert_eq!(named_in(dialect, statement), expected, "{dialect}: {statement}");
            }
        }
        assert_eq!(named_in("mariadb", "CREATE OR REPLACE TABLE a (i int)"), "CF3209");
        assert_eq!(named_in("mariadb", "DELETE HISTORY FROM a"), "CF3209");
    }

    #[test]
    fn a_name_after_a_change_of_the_path_is_not_believed() {
        let backups = Backups { when: When::Destructive, ..Backups::default() };
        let both = plan(&["SET search_path = s", "DROP TABLE a"]);
        assert!(need(&both, &State::default(), &backups, "postgresql").is_err());
        let with_schema = plan(&["SET search_path = s", "DROP TABLE s.a"]);
        assert!(need(&with_schema, &State::default(), &backups, "postgresql").unwrap().is_some());
    }

    #[test]
    fn what_is_done_already_and_what_nobody_wants_needs_none() {
        let dropped = plan(&["DROP TABLE a"]);
        let with = |when, tables: &[&str], state: &State| {
            let name = |name: &&str| Name { schema: None, name: (*name).to_owned() };
            let tables = tables.iter().map(name).collect();
            need(&dropped, state, &Backups { when, tables, ..Backups::default() }, "postgresql").unwrap()
        };
        let mut ended = State::default();
        ended.steps.insert("1".into(), StepState::Ended);
        assert_eq!(with(When::Never, &[], &State::default()), None);
        assert_eq!(with(When::Destructive, &[], &ended), None);
        assert_eq!(with(When::Destructive, &["b"], &State::default()).unwrap().tables.len(), 2);
    }
}
