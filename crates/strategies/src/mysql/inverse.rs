//! How a statement is taken back. What cannot be written from the statement alone has no way back, and says why.

use cofferdam_core::change::{Action, Change, ConstraintKind, MySqlClause, TableChange};
use cofferdam_core::plan::{Act, Undo};
use cofferdam_core::{Facts, Name, QuotedIdent};
use cofferdam_dialects::mysql::Flavour;

/// How a statement is taken back once it has happened. `facts` are those from before it.
pub(super) fn undo(change: &Change, facts: &Facts, flavour: Flavour) -> Undo {
    match way(change, facts, flavour) {
        Err(why) => Undo::Impossible { why },
        Ok(None) => Undo::Nothing,
        Ok(Some((sql, loses))) => Undo::Acts { acts: vec![Act::sql(sql)], atomic: false, loses },
    }
}

/// It gives a table another name.
pub(super) fn renames(change: &Change) -> bool {
    match &change.action {
        Action::AlterTable { changes, .. } => {
            changes.iter().any(|c| matches!(c, TableChange::RenameTo { .. } | TableChange::SetSchema { .. }))
        }
        _ => false,
    }
}

/// The statement that takes it back, and what is lost by that.
type Way = Result<Option<(String, Option<String>)>, String>;

fn way(change: &Change, facts: &Facts, flavour: Flavour) -> Way {
    let there = |name: &Name| facts.table(name).is_some_and(|t| t.exists);
    let plain = |sql: String| Ok(Some((sql, None)));
    match &change.action {
        Action::CreateTable(table) if table.temporary => Ok(None),
        Action::CreateTable(table) => match &table.name {
            Some(name) if table.if_not_exists && there(name) => Ok(None),
            Some(name) => {
                Ok(Some((format!("DROP TABLE {}", sql_name(name)?), Some(format!("the rows of {name}")))))
            }
            None => Err("the table has no name".into()),
        },
        Action::AlterTable { table, changes, .. } => altered(table, changes, flavour),
        Action::CreateIndex(index) => match &index.name {
            Some(_) if index.if_not_exists => Err("whether the index was there before is not known".into()),
            Some(name) => plain(format!("DROP INDEX {} ON {}", quoted(name)?, sql_name(&index.table)?)),
            None => Err("the server names the index".into()),
        },
        Action::CreateView { name, or_replace: false, if_not_exists: false, .. } => {
            plain(format!("DROP VIEW {}", sql_name(name)?))
        }
        Action::CreateView { name, .. } => Err(format!("the view {name} before it is not kept")),
        Action::RenameTables { renames } => {
            let back = renames.iter().rev();
            let back: Result<Vec<String>, String> =
                back.map(|(from, to)| Ok(format!("{} TO {}", sql_name(to)?, sql_name(from)?))).collect();
            plain(format!("RENAME TABLE {}", back?.join(", ")))
        }
        Action::SetSession { .. }
        | Action::SetRole
        | Action::Select
        | Action::Analyze
        | Action::Optimize { .. }
        | Action::Transaction(_) => Ok(None),
        Action::DropTable { names, if_exists: true, .. } if !names.iter().any(there) => Ok(None),
        Action::DropTable { names, .. } => Err(format!("the rows of {} would be gone", list(names))),
        Action::Truncate { tables, .. } => Err(format!("the rows of {} would be gone", list(tables))),
        Action::Delete { table, .. } => Err(format!("the rows deleted from {table} would be gone")),
        Action::Update { table, .. } => Err(format!("the values of {table} before the update are not kept")),
        Action::Insert { table } => Err(format!("which rows of {table} were inserted is not kept")),
        Action::Replace { table } => Err(format!("the rows of {table} that were replaced are not kept")),
        Action::LoadData { table, .. } => Err(format!("which rows of {table} were loaded is not kept")),
        Action::Grant { .. } | Action::Revoke => Err("the rights before are not known".into()),
        Action::Call => Err("what the procedure changes cannot be read from the text".into()),
        Action::Do => Err("what it changes cannot be read from the text".into()),
        Action::Other { kind } => Err(format!("how {kind} is taken back is not known")),
        Action::Unparsed { .. } => Err("what the statement changes could not be read".into()),
        _ => Err("how it is taken back is not known".into()),
    }
}

/// All clauses back in one statement, the last first.
fn altered(table: &Name, changes: &[TableChange], flavour: Flavour) -> Way {
    let (mut clauses, mut loses, mut now) = (Vec::new(), Vec::new(), table.clone());
    for change in changes.iter().rev() {
        let back = match change {
            TableChange::AddColumn { if_not_exists: true, .. } => {
                return Err("whether the column was there before is not known".into());
            }
            TableChange::AddColumn { column, .. } => {
                loses.push(format!("the values of {table}.{}", column.name));
                format!("DROP COLUMN {}", quoted(&column.name)?)
            }
            TableChange::RenameColumn { from, to } => {
                format!("RENAME COLUMN {} TO {}", quoted(to)?, quoted(from)?)
            }
            TableChange::RenameTo { to } => {
                now = table.beside(to.as_str());
                format!("RENAME TO {}", sql_name(table)?)
            }
            TableChange::AddConstraint(constraint) => match (&constraint.name, &constraint.kind) {
                (_, ConstraintKind::PrimaryKey { .. }) => "DROP PRIMARY KEY".to_owned(),
                (Some(name), ConstraintKind::ForeignKey { .. }) => {
                    format!("DROP FOREIGN KEY {}", quoted(name)?)
                }
                (Some(name), ConstraintKind::Check { .. }) => format!("DROP CONSTRAINT {}", quoted(name)?),
                (Some(name), ConstraintKind::Unique { .. }) => format!("DROP INDEX {}", quoted(name)?),
                _ => return Err("the server names the constraint".into()),
            },
            TableChange::MySql(clause) => match clause {
                MySqlClause::AddIndex(index) => match (&index.name, index.if_not_exists) {
                    (Some(name), false) => format!("DROP INDEX {}", quoted(name)?),
                    _ => return Err("which index it made is not known".into()),
                },
                MySqlClause::RenameIndex { from, to } => {
                    format!("RENAME INDEX {} TO {}", quoted(to)?, quoted(from)?)
                }
                MySqlClause::IndexVisibility { name, visible } => {
                    let word = match (flavour, visible) {
                        (Flavour::MySql, true) => "INVISIBLE",
                        (Flavour::MySql, false) => "VISIBLE",
                        (Flavour::MariaDb, true) => "IGNORED",
                        (Flavour::MariaDb, false) => "NOT IGNORED",
                    };
                    format!("ALTER INDEX {} {word}", quoted(name)?)
                }
                MySqlClause::Algorithm { .. } | MySqlClause::Lock { .. } | MySqlClause::Force => continue,
                MySqlClause::DropIndex { name, .. } => {
                    return Err(format!("what index {name} was made of is not kept"));
                }
                MySqlClause::ModifyColumn { column } | MySqlClause::ChangeColumn { column, .. } => {
                    return Err(format!("how {table}.{} was declared before is not kept", column.name));
                }
                _ => return Err(format!("how {table} was before is not kept")),
            },
            TableChange::DropColumn { name, .. } => {
                return Err(format!("the values of {table}.{name} would be gone"));
            }
            _ => return Err(format!("how {table} was before is not kept")),
        };
        clauses.push(back);
    }
    if clauses.is_empty() {
        return Ok(None);
    }
    // A new name is taken back last, whatever stands before it: the servers do so in any order.
    let loses = (!loses.is_empty()).then(|| loses.join(", "));
    Ok(Some((format!("ALTER TABLE {} {}", sql_name(&now)?, clauses.join(", ")), loses)))
}

fn list(names: &[Name]) -> String {
    names.iter().map(Name::to_string).collect::<Vec<_>>().join(", ")
}

fn quoted(name: &str) -> Result<QuotedIdent, String> {
    QuotedIdent::backticked(name).map_err(|e| e.to_string())
}

fn sql_name(name: &Name) -> Result<String, String> {
    name.to_mysql().map_err(|e| e.to_string())
}
