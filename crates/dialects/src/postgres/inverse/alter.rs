//! The way back of an `ALTER TABLE`, clause by clause.

use cofferdam_core::change::{Constraint, ConstraintKind, TableChange};
use cofferdam_core::facts::{ColumnFacts, Table};
use cofferdam_core::plan::Act;
use cofferdam_core::{Facts, Name};

use super::{Back, Way, names, no_way, quoted, sequence, sql_name};
use crate::postgres::locks::{printed, type_change_rewrites};
use crate::postgres::sequence::{known, text};

/// The table that is altered, before it is.
struct Scene<'a> {
    table: &'a Name,
    facts: &'a Facts,
    /// Nothing of a table that does not exist yet.
    known: Option<&'a Table>,
    /// `ALTER TABLE ONLY "s"."t"`, as far as written.
    head: String,
}

/// What is known of a column before the statement.
enum Before<'a> {
    Known(&'a ColumnFacts),
    /// It is made earlier in the same run, or with the statement itself, and goes with it.
    New,
    NotKnown,
}

impl Scene<'_> {
    fn alter(&self, clause: impl std::fmt::Display) -> Back {
        Back::sql(format!("{} {clause}", self.head))
    }

    fn column(&self, name: &str) -> Before<'_> {
        match (self.known.and_then(|t| t.column(name)), self.facts.table(self.table)) {
            (Some(column), _) => Before::Known(column),
            (None, Some(_)) => Before::New,
            (None, None) => Before::NotKnown,
        }
    }

    /// Sets the default that the column had.
    fn default_before(&self, column: &str) -> Way {
        let name = quoted(column)?;
        match self.column(column) {
            Before::Known(ColumnFacts { default: Some(before), .. }) => {
                Ok(self.alter(format!("ALTER COLUMN {name} SET DEFAULT {before}")))
            }
            Before::Known(_) | Before::New => Ok(self.alter(format!("ALTER COLUMN {name} DROP DEFAULT"))),
            Before::NotKnown => no_way(format!("the default of {}.{column} before is not known", self.table)),
        }
    }
}

pub(super) fn way(sql: &str, table: &Name, changes: &[TableChange], facts: &Facts) -> Way {
    let only = if text::alter(sql).is_some_and(|cut| cut.only) { "ONLY " } else { "" };
    let scene = Scene {
        table,
        facts,
        known: facts.table(table).filter(|t| t.exists),
        head: format!("ALTER TABLE {only}{}", sql_name(table)?),
    };
    let mut used = names::Names::around(table, facts);
    for change in changes {
        match change {
            TableChange::DropConstraint { name, .. } => used.release(name),
            TableChange::AddConstraint(constraint) => constraint.name.iter().for_each(|n| used.take(n)),
            _ => {}
        }
    }
    let mut backs = Vec::new();
    for change in changes {
        backs.push((pass(change), clause(&scene, change, changes, &mut used)?));
    }
    // The server does the clauses in its own order; what it did last goes first.
    backs.sort_by_key(|(pass, _)| *pass);
    Ok(backs.into_iter().rev().fold(Back::nothing(), |all, (_, back)| all.then(back)))
}

/// The order in which the server does the clauses of one statement (`AlterTablePass` in
/// `src/backend/commands/tablecmds.c`).
fn pass(change: &TableChange) -> u8 {
    match change {
        TableChange::DropColumn { .. }
        | TableChange::DropConstraint { .. }
        | TableChange::DropNotNull { .. }
        | TableChange::DropDefault { .. } => 0,
        TableChange::AlterType { .. } => 1,
        TableChange::AddColumn { .. } => 2,
        TableChange::SetNotNull { .. }
        | TableChange::AddIdentity { .. }
        | TableChange::DropIdentity { .. }
        | TableChange::DropExpression { .. } => 3,
        TableChange::AddConstraint(Constraint { kind, .. }) => match kind {
            ConstraintKind::Check { .. } | ConstraintKind::ForeignKey { .. } => 5,
            _ => 4,
        },
        TableChange::SetDefault { .. } => 5,
        _ => 6,
    }
}

fn clause(scene: &Scene<'_>, change: &TableChange, all: &[TableChange], used: &mut names::Names<'_>) -> Way {
    let table = scene.table;
    match change {
        TableChange::AddColumn { column, if_not_exists } => {
            let name = &column.name;
            match scene.column(name) {
                Before::Known(_) if *if_not_exists => return Ok(Back::nothing()),
                Before::NotKnown if *if_not_exists => {
                    return no_way(format!("whether {table}.{name} was there before is not known"));
                }
                _ => {}
            }
            let drop = scene.alter(format!("DROP COLUMN {}", quoted(name)?));
            Ok(drop.losing(format!("the values of {table}.{name}")))
        }
        TableChange::DropColumn { name, if_exists, .. } => match scene.column(name) {
            Before::New if *if_exists => Ok(Back::nothing()),
            _ => no_way(format!("the values of {table}.{name} would be gone")),
        },
        TableChange::AlterType { column, ty, using, collate } => {
            alter_type(scene, column, ty, using.as_deref(), *collate)
        }
        TableChange::SetNotNull { column } => match scene.column(column) {
            Before::Known(ColumnFacts { not_null: true, .. }) => Ok(Back::nothing()),
            Before::Known(_) | Before::New => {
                Ok(scene.alter(format!("ALTER COLUMN {} DROP NOT NULL", quoted(column)?)))
            }
            Before::NotKnown => no_way(format!("whether {table}.{column} took NULL before is not known")),
        },
        TableChange::DropNotNull { column } => match scene.column(column) {
            Before::Known(ColumnFacts { not_null: false, .. }) => Ok(Back::nothing()),
            Before::Known(_) => Ok(scene.alter(format!("ALTER COLUMN {} SET NOT NULL", quoted(column)?))),
            Before::New | Before::NotKnown => {
                no_way(format!("whether {table}.{column} took NULL before is not known"))
            }
        },
        TableChange::SetDefault { column, .. } => scene.default_before(column),
        TableChange::DropDefault { column } => match scene.column(column) {
            Before::Known(ColumnFacts { default: None, .. }) => Ok(Back::nothing()),
            Before::Known(_) => scene.default_before(column),
            Before::New | Before::NotKnown => {
                no_way(format!("the default of {table}.{column} before is not known"))
            }
        },
        TableChange::AddIdentity { column } => {
            Ok(scene.alter(format!("ALTER COLUMN {} DROP IDENTITY", quoted(column)?)))
        }
        TableChange::DropIdentity { column } => {
            no_way(format!("the sequence behind {table}.{column} and its position would be gone"))
        }
        TableChange::DropExpression { column } => {
            no_way(format!("the expression of {table}.{column} is not known"))
        }
        TableChange::AddConstraint(constraint) => add_constraint(scene, constraint, all, used),
        TableChange::DropConstraint { name, if_exists, cascade } => {
            drop_constraint(scene, name, *if_exists, *cascade)
        }
        TableChange::ValidateConstraint { .. } => Ok(Back::nothing()),
        TableChange::RenameTo { to } => Ok(Back::sql(format!(
            "ALTER TABLE {} RENAME TO {}",
            sql_name(&table.beside(to.as_str()))?,
            quoted(&table.name)?
        ))),
        TableChange::RenameColumn { from, to } => {
            Ok(scene.alter(format!("RENAME COLUMN {} TO {}", quoted(to)?, quoted(from)?)))
        }
        TableChange::RenameConstraint { from, to } => {
            Ok(scene.alter(format!("RENAME CONSTRAINT {} TO {}", quoted(to)?, quoted(from)?)))
        }
        TableChange::SetSchema { schema } => match names::schema_of(table, scene.facts) {
            Some(before) => Ok(Back::sql(format!(
                "ALTER TABLE {} SET SCHEMA {}",
                sql_name(&Name::qualified(schema.as_str(), table.name.as_str()))?,
                quoted(&before)?
            ))),
            None => no_way(format!("the schema of {table} before is not known")),
        },
        TableChange::AttachPartition { partition, .. } => {
            Ok(scene.alter(format!("DETACH PARTITION {}", sql_name(partition)?)))
        }
        TableChange::DetachPartition { partition, .. } => {
            no_way(format!("the bounds of partition {partition} are not known"))
        }
        // Should it have been logged already, this does nothing; the other way round data would be at risk.
        TableChange::SetLogged { logged: false } => Ok(scene.alter("SET LOGGED")),
        TableChange::SetLogged { logged: true } => {
            no_way(format!("whether {table} was unlogged before is not known"))
        }
        TableChange::OwnerTo { .. } => {
            match scene.known.map(|t| t.owner.as_str()).filter(|o| !o.is_empty()) {
                Some(owner) => Ok(scene.alter(format!("OWNER TO {}", quoted(owner)?))),
                None => no_way(format!("the owner of {table} before is not known")),
            }
        }
        TableChange::Inherit { parent, remove } => {
            let again = if *remove { "INHERIT" } else { "NO INHERIT" };
            Ok(scene.alter(format!("{again} {}", sql_name(parent)?)))
        }
        TableChange::SetTablespace => no_way(format!("the tablespace of {table} before is not known")),
        TableChange::SetAccessMethod => no_way(format!("the access method of {table} before is not known")),
        TableChange::ReplicaIdentity => {
            no_way(format!("the replica identity of {table} before is not known"))
        }
        TableChange::Triggers { .. } => {
            no_way(format!("which triggers of {table} were on before is not known"))
        }
        TableChange::RowSecurity => no_way(format!("the row level security of {table} before is not known")),
        TableChange::SetStatistics { .. }
        | TableChange::StorageParameters
        | TableChange::ColumnStorage { .. }
        | TableChange::ClusterOn => no_way(format!("the setting of {table} before is not known")),
        // No reader of PostgreSQL's SQL makes one.
        TableChange::MySql(_) => no_way("how the clause is taken back is not known"),
        TableChange::Other { text } => no_way(format!("how {text} is taken back is not known")),
    }
}

/// Back to the old type only where both ways keep every byte: then no value of the new type is none of the old.
fn alter_type(scene: &Scene<'_>, column: &str, ty: &str, using: Option<&str>, collate: bool) -> Way {
    let table = scene.table;
    let Before::Known(ColumnFacts { ty: old, .. }) = scene.column(column) else {
        return no_way(format!("the type of {table}.{column} before is not known"));
    };
    if using.is_some_and(|u| !known::is_plain_cast(u, column, ty)) {
        return no_way(format!("the values of {table}.{column} before USING are not kept"));
    }
    if collate {
        return no_way(format!("the collation of {table}.{column} before is not known"));
    }
    if printed(old).is_some() && printed(old) == printed(ty) {
        return Ok(Back::nothing());
    }
    let time_zone = &scene.facts.server.time_zone;
    let kept = !type_change_rewrites(old, ty, time_zone) && !type_change_rewrites(ty, old, time_zone);
    if kept {
        return Ok(scene.alter(format!("ALTER COLUMN {} TYPE {old}", quoted(column)?)));
    }
    let length = old.strip_prefix("character varying(").or_else(|| old.strip_prefix("character("));
    match length.and_then(|l| l.strip_suffix(')')) {
        Some(length) => no_way(format!("values of {table}.{column} longer than {length} may have come")),
        None => no_way(format!("values of {table}.{column} that {old} cannot hold may have come")),
    }
}

fn add_constraint(
    scene: &Scene<'_>,
    constraint: &Constraint,
    all: &[TableChange],
    used: &mut names::Names<'_>,
) -> Way {
    let table = &scene.table.name;
    let given = constraint.name.clone();
    let name = match &constraint.kind {
        ConstraintKind::Check { expression } => given.unwrap_or_else(|| {
            let columns = columns(scene, all);
            used.check(table, &known::columns_in(expression, columns.as_deref()))
        }),
        ConstraintKind::ForeignKey { columns, .. } => {
            given.unwrap_or_else(|| used.foreign_key(table, columns))
        }
        ConstraintKind::Unique { using_index: Some(index), .. } => {
            return key_dropped(scene.table, &given.unwrap_or_else(|| index.clone()), index, scene.facts);
        }
        ConstraintKind::PrimaryKey { using_index: Some(index), .. } => {
            let name = given.unwrap_or_else(|| index.clone());
            let columns = scene.known.and_then(|t| t.index(index)).map(|i| i.columns.clone());
            let back = key_dropped(scene.table, &name, index, scene.facts)?;
            return Ok(back.then(nullable_again(scene, &columns.unwrap_or_default(), all)?));
        }
        ConstraintKind::PrimaryKey { columns, .. } => {
            let name = given.unwrap_or_else(|| used.primary_key(table));
            let back = scene.alter(format!("DROP CONSTRAINT {}", quoted(&name)?));
            return Ok(back.then(nullable_again(scene, columns, all)?));
        }
        ConstraintKind::Unique { .. } => {
            given.unwrap_or_else(|| used.unique(table, &names::part_names(&constraint.definition)))
        }
        ConstraintKind::Exclude => {
            given.unwrap_or_else(|| used.exclusion(table, &names::part_names(&constraint.definition)))
        }
        ConstraintKind::NotNull { column } => {
            return match scene.column(column) {
                Before::Known(ColumnFacts { not_null: true, .. }) => Ok(Back::nothing()),
                _ => Ok(scene.alter(format!("ALTER COLUMN {} DROP NOT NULL", quoted(column)?))),
            };
        }
    };
    Ok(scene.alter(format!("DROP CONSTRAINT {}", quoted(&name)?)))
}

/// A primary key makes its columns NOT NULL, and they stay so when it goes.
fn nullable_again(scene: &Scene<'_>, columns: &[String], all: &[TableChange]) -> Way {
    let mut back = Back::nothing();
    for column in columns {
        let said = all.iter().any(|c| matches!(c, TableChange::SetNotNull { column: c } if c == column));
        if let (Before::Known(ColumnFacts { not_null: false, .. }), false) = (scene.column(column), said) {
            back = back.then(scene.alter(format!("ALTER COLUMN {} DROP NOT NULL", quoted(column)?)));
        }
    }
    Ok(back)
}

/// The columns of the table with those that the statement adds.
fn columns(scene: &Scene<'_>, all: &[TableChange]) -> Option<Vec<String>> {
    let added = all.iter().filter_map(|c| match c {
        TableChange::AddColumn { column, .. } => Some(column.name.clone()),
        _ => None,
    });
    Some(scene.known?.columns.iter().map(|c| c.name.clone()).chain(added).collect())
}

/// The server drops the index of the constraint with it; one that stood by itself before is built again.
pub(super) fn key_dropped(table: &Name, constraint: &str, index: &str, facts: &Facts) -> Way {
    let drop = format!("ALTER TABLE {} DROP CONSTRAINT IF EXISTS {}", sql_name(table)?, quoted(constraint)?);
    let home = Name { schema: names::schema_of(table, facts), name: index.to_owned() };
    if sequence::found_index(&home, facts).is_none() {
        // It was made in the same run, whose way back drops it IF EXISTS.
        return Ok(Back::sql(drop));
    }
    let mut acts = vec![Act::sql(drop)];
    acts.extend(sequence::rebuilt_index(&home, facts)?);
    Ok(Back::loose(acts))
}

fn drop_constraint(scene: &Scene<'_>, name: &str, if_exists: bool, cascade: bool) -> Way {
    match scene.known.and_then(|t| t.constraint(name)) {
        None if if_exists && scene.known.is_some() => Ok(Back::nothing()),
        Some(_) if cascade => no_way(format!("what CASCADE drops with {name} is not known")),
        Some(constraint) if !constraint.definition.is_empty() => {
            Ok(scene.alter(format!("ADD CONSTRAINT {} {}", quoted(name)?, constraint.definition)))
        }
        _ => no_way(format!("the definition of constraint {name} of {} is not known", scene.table)),
    }
}
