//! Clauses to operations of the table.

use cofferdam_core::change::{Change, Column, ConstraintKind, MySqlClause, PartitionAction};
use cofferdam_core::facts::{ColumnFacts, Table};
use cofferdam_core::{Action, Facts, Name, TableChange};

use super::super::Flavour;
use super::super::read::assignments;
use super::operations::Operation as O;
use super::{Operation, TypeChange, type_change};

/// An operation of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What it is.
    pub operation: Operation,
    /// Which clause of an `ALTER TABLE`; 0 for other statements.
    pub clause: usize,
}

/// The operations that a statement consists of; nothing where it is about no table that others use, or is no DDL.
pub(super) fn found(change: &Change, facts: Option<&Facts>, flavour: Flavour) -> Vec<Found> {
    let one = |operation| vec![Found { operation, clause: 0 }];
    match &change.action {
        Action::AlterTable { table, changes, .. } => {
            let scene = Scene { table: known(facts, table), changes, flavour };
            let mut all = Vec::new();
            for (clause, change) in changes.iter().enumerate() {
                all.extend(scene.clause(change).into_iter().map(|operation| Found { operation, clause }));
            }
            all
        }
        Action::CreateIndex(index) => one(of_index(&index.method)),
        Action::RenameTables { .. } => one(O::RenameTable),
        Action::Optimize { .. } => one(O::Rebuild),
        _ => Vec::new(),
    }
}

/// A `SET` among these statements switched `foreign_key_checks` off, and no later one on again.
pub fn keys_unchecked(earlier: &[Change], flavour: Flavour) -> bool {
    let settings = earlier.iter().flat_map(|change| match change.action {
        Action::SetSession { .. } => assignments(&change.text, flavour),
        _ => Vec::new(),
    });
    let last = settings.rev().find(|(name, _)| name == "foreign_key_checks");
    last.is_some_and(|(_, value)| {
        ["0", "off", "false"].contains(&value.trim_matches('\'').to_ascii_lowercase().as_str())
    })
}

fn known<'a>(facts: Option<&'a Facts>, table: &Name) -> Option<&'a Table> {
    facts?.table(table).filter(|t| t.exists)
}

fn of_index(method: &str) -> Operation {
    match method {
        "fulltext" => O::AddFulltext,
        "spatial" | "rtree" => O::AddSpatial,
        "vector" => O::NotKnown,
        _ => O::AddIndex,
    }
}

/// The table that is altered, and what is known of it.
struct Scene<'a> {
    table: Option<&'a Table>,
    changes: &'a [TableChange],
    flavour: Flavour,
}

impl Scene<'_> {
    /// A name of a column is the same in any case of its letters.
    fn column(&self, name: &str) -> Option<&ColumnFacts> {
        self.table?.columns.iter().find(|c| c.name.eq_ignore_ascii_case(name))
    }

    fn indexed(&self, column: &str) -> bool {
        let over = |names: &[String]| names.iter().any(|n| n.eq_ignore_ascii_case(column));
        self.table.is_some_and(|t| t.indexes.iter().any(|i| over(&i.columns)))
    }

    fn has(&self, wanted: impl Fn(&TableChange) -> bool) -> bool {
        self.changes.iter().any(wanted)
    }

    fn clause(&self, change: &TableChange) -> Vec<Operation> {
        vec![match change {
            TableChange::AddColumn { column, .. } => return added(column, self.flavour),
            TableChange::DropColumn { name, .. } if self.indexed(name) => O::DropIndexedColumn,
            TableChange::DropColumn { .. } => O::DropColumn,
            TableChange::SetDefault { .. } | TableChange::DropDefault { .. } => O::SetDefault,
            TableChange::RenameTo { .. } => O::RenameTable,
            TableChange::RenameColumn { .. } => O::RenameColumn,
            TableChange::DropConstraint { .. } => O::DropConstraint,
            TableChange::AddConstraint(constraint) => match &constraint.kind {
                ConstraintKind::PrimaryKey { .. } if self.has(drops_key) => O::ReplacePrimaryKey,
                ConstraintKind::PrimaryKey { .. } => O::AddPrimaryKey,
                ConstraintKind::ForeignKey { .. } => O::AddForeignKey,
                // Nothing is looked at.
                ConstraintKind::Check { .. } if constraint.not_enforced => O::RedefineAlike,
                ConstraintKind::Check { .. } => O::AddCheck,
                ConstraintKind::Unique { .. } => O::AddIndex,
                ConstraintKind::Exclude | ConstraintKind::NotNull { .. } => O::NotKnown,
            },
            TableChange::MySql(clause) => return self.own(clause),
            _ => O::NotKnown,
        }]
    }

    fn own(&self, clause: &MySqlClause) -> Vec<Operation> {
        vec![match clause {
            MySqlClause::AddIndex(index) => of_index(&index.method),
            MySqlClause::DropIndex { .. } => O::DropIndex,
            MySqlClause::RenameIndex { .. } => O::RenameIndex,
            MySqlClause::IndexVisibility { .. } => O::IndexVisibility,
            MySqlClause::DropPrimaryKey if self.has(adds_key) => O::ReplacePrimaryKey,
            MySqlClause::DropPrimaryKey => O::DropPrimaryKey,
            MySqlClause::EnforceConstraint { enforced: true, .. } => O::EnforceCheck,
            MySqlClause::EnforceConstraint { enforced: false, .. } => O::DropConstraint,
            MySqlClause::ModifyColumn { column } => return self.redefined(&column.name, column),
            MySqlClause::ChangeColumn { from, column } => return self.redefined(from, column),
            MySqlClause::ColumnVisibility { .. } => O::ColumnVisibility,
            MySqlClause::ConvertCharset { .. } => O::ConvertCharset,
            MySqlClause::Option { name, value } => Self::option(name, value),
            MySqlClause::Force => O::Rebuild,
            MySqlClause::OrderBy => O::OrderBy,
            MySqlClause::Keys { .. } => O::Keys,
            MySqlClause::Tablespace { .. } => O::Tablespace,
            MySqlClause::Partition { action, .. } => partition(*action),
            MySqlClause::SystemVersioning { add: true } => O::AddSystemVersioning,
            MySqlClause::SystemVersioning { add: false } => O::DropSystemVersioning,
            // They ask for a way, and do nothing.
            MySqlClause::Algorithm { .. } | MySqlClause::Lock { .. } | MySqlClause::Validation { .. } => {
                return Vec::new();
            }
        }]
    }

    fn option(name: &str, value: &str) -> Operation {
        match name {
            "charset" | "collate" => O::DefaultCharset,
            "engine" if value.trim_matches(['\'', '"', '`']).eq_ignore_ascii_case("innodb") => O::Rebuild,
            "engine" => O::ChangeEngine,
            "row_format" | "key_block_size" | "page_compressed" | "page_compression_level" => O::Rebuild,
            "auto_increment" | "comment" | "stats_persistent" | "stats_auto_recalc"
            | "stats_sample_pages" | "max_rows" | "min_rows" | "avg_row_length" | "checksum"
            | "delay_key_write" => O::TableSetting,
            _ => O::NotKnown,
        }
    }

    /// MODIFY and CHANGE: by what is another than before. Without facts any of it may be, and the heaviest is taken.
    fn redefined(&self, from: &str, column: &Column) -> Vec<Operation> {
        let mut all = Vec::new();
        if !from.eq_ignore_ascii_case(&column.name) {
            all.push(O::RenameColumn);
        }
        let Some(old) = self.column(from) else {
            all.push(O::ChangeType);
            return all;
        };
        match type_change(&old.ty, &column.ty) {
            TypeChange::Same => {}
            TypeChange::Longer => all.push(O::LengthenVarchar),
            TypeChange::LongerPast255 => all.push(O::LengthenVarcharPast255),
            TypeChange::MoreValues => all.push(O::ExtendEnum),
            TypeChange::OtherValues => all.push(O::RedefineEnum),
            TypeChange::Other => all.push(O::ChangeType),
        }
        // The old one is not known: it is another, or it is not.
        if column.charset.is_some()
            || column.generated_stored
            || column.generated_virtual
            || column.check.is_some()
        {
            all.push(O::ChangeType);
        }
        if column.not_null != old.not_null && !column.primary_key {
            all.push(if column.not_null { O::SetNotNull } else { O::DropNotNull });
        }
        if column.unique {
            all.push(O::AddIndex);
        }
        if column.primary_key {
            all.push(O::AddPrimaryKey);
        }
        if column.position.is_some() {
            all.push(O::ReorderColumn);
        }
        if all.is_empty() {
            all.push(O::RedefineAlike);
        }
        all
    }
}

fn drops_key(change: &TableChange) -> bool {
    matches!(change, TableChange::MySql(MySqlClause::DropPrimaryKey))
}

fn adds_key(change: &TableChange) -> bool {
    matches!(change, TableChange::AddConstraint(c) if matches!(c.kind, ConstraintKind::PrimaryKey { .. }))
}

fn added(column: &Column, flavour: Flavour) -> Vec<Operation> {
    let mut all = vec![if column.identity {
        O::AddAutoIncrement
    } else if column.generated_stored {
        O::AddStored
    } else if column.generated_virtual {
        O::AddVirtual
    } else if column.default.as_deref().is_some_and(|default| computed(default, flavour)) {
        O::AddExpressionDefault
    } else if column.position.is_some() {
        O::AddColumnPlaced
    } else {
        O::AddColumn
    }];
    if column.primary_key {
        all.push(O::AddPrimaryKey);
    } else if column.unique {
        all.push(O::AddIndex);
    }
    if column.check.is_some() {
        all.push(O::AddCheck);
    }
    // MySQL since 9 and MariaDB take it for a foreign key; before, it was read and forgotten.
    if column.references.is_some() {
        all.push(O::AddForeignKey);
    }
    all
}

/// The default is computed for each row: an expression in parentheses or a call, other than the time of the statement.
/// MySQL takes anything in parentheses for an expression, also `(5)`; MariaDB sees that it is always the same.
fn computed(default: &str, flavour: Flavour) -> bool {
    let text: String = default.chars().filter(|c| !c.is_whitespace()).collect();
    if flavour == Flavour::MySql {
        return text.starts_with('(');
    }
    let text = text.to_ascii_lowercase();
    let plain = text.trim_start_matches('(').trim_end_matches(')');
    let of_statement = ["now", "current_timestamp", "localtime", "localtimestamp"]
        .iter()
        .any(|call| plain == *call || plain.strip_prefix(call).is_some_and(|rest| rest.starts_with('(')));
    text.contains('(') && !of_statement && !plain.starts_with(['\'', '"']) && plain.parse::<f64>().is_err()
}

fn partition(action: PartitionAction) -> Operation {
    match action {
        PartitionAction::By | PartitionAction::Remove => O::PartitionBy,
        PartitionAction::Add => O::AddPartition,
        PartitionAction::Drop => O::DropPartition,
        PartitionAction::Truncate => O::TruncatePartition,
        PartitionAction::Coalesce | PartitionAction::Reorganize | PartitionAction::Rebuild => {
            O::ReorganizePartition
        }
        PartitionAction::Exchange | PartitionAction::Convert => O::ExchangePartition,
        PartitionAction::Analyze | PartitionAction::Check => O::LookAtPartition,
        // OPTIMIZE writes the whole table anew, whatever partition it names.
        PartitionAction::Optimize | PartitionAction::Repair => O::PartitionBy,
        PartitionAction::Discard | PartitionAction::Import => O::Tablespace,
    }
}

#[cfg(test)]
mod tests {
    use super::{Flavour, computed};

    #[test]
    fn a_default_is_computed_if_each_row_may_get_another() {
        use Flavour::{MariaDb, MySql};
        let both = [
            ("(UUID())", true),
            ("(a + 1)", true),
            ("( rand() )", true),
            ("5", false),
            ("-1", false),
            ("'(x)'", false),
            ("NULL", false),
            ("CURRENT_TIMESTAMP", false),
            ("now(6)", false),
            ("TRUE", false),
            ("current_timestamp()", false),
        ];
        for (default, expected) in both {
            assert_eq!(computed(default, MySql), expected, "{default}");
            assert_eq!(computed(default, MariaDb), expected, "{default}");
        }
        for (default, mysql, mariadb) in
            [("(5)", true, false), ("('x')", true, false), ("(now())", true, false), ("uuid()", false, true)]
        {
            assert_eq!((computed(default, MySql), computed(default, MariaDb)), (mysql, mariadb), "{default}");
        }
    }
}
