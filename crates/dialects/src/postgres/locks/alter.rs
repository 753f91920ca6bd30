//! What one clause of an `ALTER TABLE` takes.

use cofferdam_core::change::{Column, Constraint, ConstraintKind, TableChange};
use cofferdam_core::facts::{ConstraintFacts, Table};
use cofferdam_core::{Facts, Name};

use super::expression::volatile_call_but;
use super::types::type_change_rewrites;
use super::{Effect, Lock, bounds};
use crate::postgres::sequence::known;

/// The table that is altered, and what is known of it.
pub(super) struct Scene<'a> {
    pub(super) table: &'a Name,
    pub(super) facts: Option<&'a Facts>,
    /// The whole statement.
    pub(super) text: &'a str,
}

impl Scene<'_> {
    fn known(&self) -> Option<&Table> {
        self.facts.and_then(|f| f.table(self.table)).filter(|t| t.exists)
    }

    fn has_column(&self, name: &str) -> bool {
        self.known().is_some_and(|t| t.column(name).is_some())
    }

    /// Takes the strongest lock and writes every row anew, and what indexes there are.
    fn rewritten(&self) -> Effect {
        let indexes = self.known().is_none_or(|t| !t.indexes.is_empty());
        Effect { builds_index: indexes, ..Effect::taking(Lock::AccessExclusive).rewriting() }
    }

    /// No row holds NULL in the column, and the server can tell without looking.
    fn not_null(&self, column: &str) -> bool {
        self.known().is_some_and(|t| known::proves_not_null(t, column))
    }

    /// Every function of this name was declared not to be volatile.
    fn steady(&self, function: &str) -> bool {
        let of_name = |name: &&str| name.split_once('.').is_some_and(|(_, own)| own == function);
        let number = |kind| self.facts.map_or(0, |facts| facts.of_kind(kind).filter(of_name).count());
        let steady = number("steady function");
        steady > 0 && steady == number("function")
    }

    fn parent_of(&self, constraint: &ConstraintFacts) -> Option<Name> {
        (constraint.kind == "foreign key").then(|| known::referenced(&constraint.definition)).flatten()
    }
}

/// What one clause takes. Clauses of one statement take the strongest of their locks together.
pub(super) fn clause(scene: &Scene<'_>, change: &TableChange) -> Effect {
    use Lock::*;
    let moment = Effect::taking(AccessExclusive);
    match change {
        TableChange::AddColumn { column, if_not_exists } => {
            if *if_not_exists && scene.has_column(&column.name) { moment } else { add_column(scene, column) }
        }
        TableChange::DropColumn { name, .. } => {
            let constraints = scene.known().map(|t| t.constraints.as_slice()).unwrap_or_default();
            let of_column = constraints.iter().filter(|c| c.columns.contains(name));
            let parents = of_column.filter_map(|c| scene.parent_of(c));
            parents.fold(moment, |all, parent| all.also(parent, AccessExclusive))
        }
        TableChange::AlterType { column, ty, using, collate } => {
            alter_type(scene, column, ty, using.as_deref(), *collate)
        }
        TableChange::SetNotNull { column } => {
            if scene.not_null(column) {
                moment
            } else {
                moment.scanning()
            }
        }
        TableChange::AddConstraint(constraint) => add_constraint(scene, constraint),
        TableChange::DropConstraint { name, .. } => {
            let parent = scene.known().and_then(|t| t.constraint(name)).and_then(|c| scene.parent_of(c));
            parent.into_iter().fold(moment, |all, parent| all.also(parent, AccessExclusive))
        }
        TableChange::ValidateConstraint { name } => {
            let effect = Effect::taking(ShareUpdateExclusive);
            match scene.known().and_then(|t| t.constraint(name)) {
                Some(constraint) if constraint.validated => effect,
                Some(constraint) => {
                    let parent = scene.parent_of(constraint);
                    parent.into_iter().fold(effect.scanning(), |all, parent| all.also(parent, RowShare))
                }
                Option::None => effect.scanning(),
            }
        }
        TableChange::AttachPartition { partition, .. } => {
            let effect = Effect::taking(ShareUpdateExclusive).also(partition.clone(), AccessExclusive);
            let known = scene.facts.and_then(|f| f.table(partition));
            if known.is_some_and(|table| bounds::proved(scene.text, table)) {
                effect
            } else {
                effect.scanning()
            }
        }
        TableChange::DetachPartition { partition, concurrently: true } => {
            Effect::taking(ShareUpdateExclusive).also(partition.clone(), ShareUpdateExclusive)
        }
        TableChange::DetachPartition { partition, concurrently: false } => {
            // PostgreSQL 12 took the weaker lock; where the version is not known the stronger one counts.
            let old = scene.facts.is_some_and(|f| (1..14).contains(&f.server.major()));
            moment.also(partition.clone(), if old { ShareUpdateExclusive } else { AccessExclusive })
        }
        TableChange::SetLogged { .. } | TableChange::SetTablespace | TableChange::SetAccessMethod => {
            scene.rewritten()
        }
        TableChange::Triggers { .. } => Effect::taking(ShareRowExclusive),
        TableChange::SetStatistics { .. } | TableChange::StorageParameters | TableChange::ClusterOn => {
            Effect::taking(ShareUpdateExclusive)
        }
        TableChange::Inherit { parent, remove } => {
            moment.also(parent.clone(), if *remove { AccessShare } else { ShareUpdateExclusive })
        }
        TableChange::DropNotNull { .. }
        | TableChange::SetDefault { .. }
        | TableChange::DropDefault { .. }
        | TableChange::DropExpression { .. }
        | TableChange::AddIdentity { .. }
        | TableChange::DropIdentity { .. }
        | TableChange::RenameTo { .. }
        | TableChange::RenameColumn { .. }
        | TableChange::RenameConstraint { .. }
        | TableChange::SetSchema { .. }
        | TableChange::ReplicaIdentity
        | TableChange::OwnerTo { .. }
        | TableChange::RowSecurity
        | TableChange::ColumnStorage { .. }
        | TableChange::MySql(_)
        | TableChange::Other { .. } => moment,
    }
}

fn add_column(scene: &Scene<'_>, column: &Column) -> Effect {
    let moment = Effect::taking(Lock::AccessExclusive);
    // A domain may have constraints, for which each row gets its value at once.
    let of_name = |name: &str| name == column.ty || name.rsplit('.').next() == Some(column.ty.as_str());
    let domain = scene.facts.is_some_and(|facts| facts.of_kind("domain").any(of_name));
    let volatile =
        column.default.as_ref().is_some_and(|d| volatile_call_but(d, &|name| scene.steady(name)).is_some());
    let mut effect = if column.serial() || column.identity || column.generated_stored || domain || volatile {
        scene.rewritten()
    } else {
        moment
    };
    if column.unique || column.primary_key {
        effect = effect.building();
    } else if column.check.is_some() {
        effect = effect.scanning();
    }
    if let Some((parent, _)) = &column.references {
        // Without a default all rows are NULL, and there is nothing to look up.
        effect.scans |= column.default.as_ref().is_some_and(|d| !d.eq_ignore_ascii_case("null"));
        if parent != scene.table {
            effect = effect.also(parent.clone(), Lock::ShareRowExclusive);
        }
    }
    effect
}

fn alter_type(scene: &Scene<'_>, column: &str, ty: &str, using: Option<&str>, collate: bool) -> Effect {
    let moment = Effect::taking(Lock::AccessExclusive);
    let Some(table) = scene.known() else { return scene.rewritten() };
    let time_zone = scene.facts.map(|f| f.server.time_zone.as_str()).unwrap_or_default();
    let rewrites = match table.column(column) {
        Some(old) => type_change_rewrites(&old.ty, ty, time_zone),
        Option::None => true,
    };
    let computed = using.is_some_and(|u| !known::is_plain_cast(u, column, ty));
    if rewrites || computed {
        return scene.rewritten();
    }
    let same = table.column(column).is_some_and(|old| super::printed(&old.ty) == super::printed(ty));
    // An index keeps its order only under the same collation and operators: that of a citext or a timestamptz is
    // another than that of a text or a timestamp. One with expressions or WHERE is built anew in any case.
    let reordered = collate || !known::same_order(table.column(column).map(|c| c.ty.as_str()), ty);
    let rebuilt = table.indexes.iter().any(|i| {
        let computed = i.partial || i.columns.iter().any(String::is_empty);
        let on_column = i.columns.iter().any(|c| c == column);
        on_column && reordered || computed && known::mentions(&i.definition, column)
    });
    if rebuilt && (collate || !same) {
        return moment.building();
    }
    // Each CHECK on the column is parsed anew for the new type, and validated again.
    let checked =
        table.constraints.iter().any(|c| c.kind == "check" && c.columns.iter().any(|n| n == column));
    if checked && !same { moment.scanning() } else { moment }
}

fn add_constraint(scene: &Scene<'_>, constraint: &Constraint) -> Effect {
    let moment = Effect::taking(Lock::AccessExclusive);
    let unchecked = constraint.not_valid || constraint.not_enforced;
    let scanning = |effect: Effect, yes: bool| if yes { effect.scanning() } else { effect };
    match &constraint.kind {
        ConstraintKind::Check { .. } => scanning(moment, !unchecked),
        ConstraintKind::ForeignKey { parent, .. } => {
            let effect = scanning(Effect::taking(Lock::ShareRowExclusive), !unchecked);
            if parent == scene.table { effect } else { effect.also(parent.clone(), Lock::ShareRowExclusive) }
        }
        ConstraintKind::Unique { using_index: Some(_), .. } => moment,
        ConstraintKind::PrimaryKey { using_index: Some(index), .. } => {
            let columns = scene.known().and_then(|t| t.index(index)).map(|i| i.columns.as_slice());
            scanning(moment, !columns.is_some_and(|all| all.iter().all(|c| scene.not_null(c))))
        }
        ConstraintKind::Unique { .. } | ConstraintKind::PrimaryKey { .. } | ConstraintKind::Exclude => {
            moment.building()
        }
        ConstraintKind::NotNull { column } => scanning(moment, !unchecked && !scene.not_null(column)),
    }
}
