//! A table with all that belongs to it, as the catalog has it.

use cofferdam_core::Fault;
use cofferdam_core::fault::Result;

use super::catalog::Catalog;
use super::columns::Column;
use super::constraints::Check;
use super::foreign_keys::ForeignKey;
use super::indexes::Index;
use super::policies::Policy;
use super::publications::Publication;
use super::sequences::Sequence;
use super::statistics::Statistics;
use super::table::Table;
use super::triggers::Trigger;
use super::views::{Function, Rule};

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reading {
    pub(super) table: Table,
    pub(super) columns: Vec<Column>,
    pub(super) indexes: Vec<Index>,
    pub(super) checks: Vec<Check>,
    pub(super) foreign_keys: Vec<ForeignKey>,
    pub(super) triggers: Vec<Trigger>,
    pub(super) policies: Vec<Policy>,
    pub(super) statistics: Vec<Statistics>,
    pub(super) sequences: Vec<Sequence>,
    pub(super) publications: Vec<Publication>,
    /// Views and rules that read it; with those on the table itself.
    pub(super) rules: Vec<Rule>,
    /// Policies on other tables that read it.
    pub(super) policies_elsewhere: Vec<Policy>,
    pub(super) functions: Vec<Function>,
}

impl Reading {
    pub(super) async fn of(catalog: &Catalog<'_>, oid: u32) -> Result<Self> {
        let gone = || Fault::Bug(format!("the relation {oid} is gone while it is locked"));
        let table = Table::read(catalog, oid).await?.ok_or_else(gone)?;
        // Sent together, answered in order.
        let (columns, indexes, checks, foreign_keys, triggers, policies) = futures::try_join!(
            Column::read(catalog, oid),
            Index::read(catalog, oid),
            Check::read(catalog, oid),
            ForeignKey::read(catalog, oid),
            Trigger::read(catalog, oid),
            Policy::read(catalog, oid),
        )?;
        let (statistics, sequences, publications, rules, policies_elsewhere, functions) = futures::try_join!(
            Statistics::read(catalog, oid),
            Sequence::read(catalog, oid),
            Publication::read(catalog, oid),
            Rule::read(catalog, oid),
            Policy::elsewhere(catalog, oid),
            Function::read(catalog, oid),
        )?;
        Ok(Self {
            table,
            columns,
            indexes,
            checks,
            foreign_keys,
            triggers,
            policies,
            statistics,
            sequences,
            publications,
            rules,
            policies_elsewhere,
            functions,
        })
    }

    /// A column by its name.
    pub(super) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|c| c.name == name)
    }

    /// Foreign keys of this table, those to itself with them.
    pub(super) fn references(&self) -> impl Iterator<Item = &ForeignKey> {
        self.foreign_keys.iter().filter(|f| f.child == self.table.oid)
    }

    /// Foreign keys of other tables to this one.
    pub(super) fn referrers(&self) -> impl Iterator<Item = &ForeignKey> {
        self.foreign_keys.iter().filter(|f| f.child != self.table.oid)
    }

    /// Views and rules elsewhere that read it.
    pub(super) fn readers(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().filter(|r| r.on_oid != self.table.oid)
    }
}
