//! What the fake's catalog says: probes and facts.

use std::collections::BTreeSet;

use cofferdam_core::fault::Question;
use cofferdam_core::plan::{Probe, Seen};
use cofferdam_core::{Facts, Name, facts};
use cofferdam_schema::{self as schema, Body, Key, Kind, Object, Schema};

use super::language::{Content, Index, Table};

/// See [`crate::Session::probe`]. The fake has no enums, no other databases and no partitions.
pub(super) fn probe(content: &Content, asked: &Probe) -> Seen {
    match asked {
        Probe::IndexValid { index } => match find_index(content, index) {
            None => Seen::NotDone,
            Some(Index { valid: true, .. }) => Seen::Done,
            Some(_) => Seen::Partly(format!("index {index} is there but invalid")),
        },
        Probe::IndexAbsent { index } => match find_index(content, index) {
            None => Seen::Done,
            Some(Index { valid: true, .. }) => Seen::NotDone,
            Some(_) => Seen::Partly(format!("index {index} is there but invalid")),
        },
        Probe::ColumnThere { table, column, ty } => done(
            find(content, table)
                .and_then(|t| t.columns.iter().find(|c| c.name == *column))
                .is_some_and(|c| ty.as_ref().is_none_or(|ty| *ty == c.ty)),
        ),
        Probe::ColumnAbsent { table, column } => {
            done(find(content, table).is_none_or(|t| t.columns.iter().all(|c| c.name != *column)))
        }
        Probe::ColumnNotNull { table, column, not_null } => done(
            find(content, table)
                .and_then(|t| t.columns.iter().find(|c| c.name == *column))
                .is_some_and(|c| c.not_null == *not_null),
        ),
        Probe::ConstraintThere { table, constraint, validated } => done(
            find(content, table)
                .and_then(|t| t.constraints.get(constraint))
                .is_some_and(|was_validated| *was_validated || !validated),
        ),
        Probe::ConstraintAbsent { table, constraint } => {
            done(find(content, table).is_none_or(|t| !t.constraints.contains_key(constraint)))
        }
        Probe::RelationThere { relation } => done(find(content, relation).is_some()),
        Probe::RelationAbsent { relation } => done(find(content, relation).is_none()),
        Probe::Session | Probe::Repeatable => Seen::NotDone,
        Probe::EnumValueThere { .. }
        | Probe::DatabaseThere { .. }
        | Probe::PartitionOf { .. }
        | Probe::IndexOf { .. }
        | Probe::OnlineDone { .. }
        | Probe::Nothing => Seen::Unclear(Question {
            what: "whether the statement took effect".into(),
            look_at: "FakeDatabase::performed".into(),
        }),
    }
}

/// See [`crate::Session::inspect`]. The fake has one schema.
pub(super) fn schema(content: &Content) -> Schema {
    let object = |key: Key, body: Body| Object {
        key,
        body,
        comment: None,
        owner: None,
        grants: BTreeSet::new(),
        needs: BTreeSet::new(),
    };
    let mut schema = Schema { version: 10_000, ..Schema::default() };
    for (name, table) in content {
        let body = schema::Table {
            unlogged: false,
            partition_by: None,
            parents: Vec::new(),
            partition: false,
            options: BTreeSet::new(),
            method: None,
            tablespace: None,
            row_security: false,
            force_row_security: false,
            replica_identity: "d".into(),
        };
        let key = Key::new(Kind::Table, "fake", name);
        let columns = (1..).zip(&table.columns).map(|(position, column)| {
            let body = schema::Column {
                position,
                ty: column.ty.clone(),
                collation: None,
                not_null: column.not_null,
                generated: None,
                identity: None,
                storage: None,
                compression: None,
                target: None,
                options: BTreeSet::new(),
                inherited: false,
            };
            object(Key::on(Kind::Column, "fake", name, &column.name), Body::Column(body))
        });
        let constraints = table.constraints.iter().map(|(constraint, valid)| {
            let definition = if *valid { "CHECK (true)" } else { "CHECK (true) NOT VALID" };
            let body = schema::Constraint {
                sort: 'c',
                definition: definition.into(),
                columns: Vec::new(),
                references: None,
                inherited: false,
                replica_identity: false,
                only: false,
            };
            object(Key::on(Kind::Constraint, "fake", name, constraint), Body::Constraint(body))
        });
        let indexes = table.indexes.iter().map(|(index, it)| {
            let unique = if it.unique { "UNIQUE " } else { "" };
            let body = schema::Index {
                definition: format!("CREATE {unique}INDEX {index} ON {name}"),
                invalid: !it.valid,
                replica_identity: false,
            };
            object(Key::on(Kind::Index, "fake", name, index), Body::Index(body))
        });
        let objects = columns.chain(constraints).chain(indexes).chain([object(key, Body::Table(body))]);
        schema.objects.extend(objects.map(|object| (object.key.clone(), object)));
    }
    schema
}

/// See [`crate::Session::facts`].
pub(super) fn facts(database: &str, content: &Content, of: &[Name]) -> Facts {
    let server = facts::Server {
        engine: "fake".into(),
        version: 10_000,
        version_text: "1.0".into(),
        identity: database.into(),
        database: database.into(),
        role: "fake".into(),
        read_only: false,
        time_zone: "UTC".into(),
        open_for_seconds: None,
    };
    let tables = of.iter().map(|name| (name.to_string(), table_facts(content, name))).collect();
    Facts { server, tables, ..Facts::default() }
}

fn table_facts(content: &Content, name: &Name) -> facts::Table {
    let Some(table) = find(content, name) else { return facts::Table::default() };
    let rows = u64::try_from(table.rows.len()).unwrap_or(u64::MAX);
    facts::Table {
        exists: true,
        resolved: Some(name.clone()),
        kind: "table".into(),
        owner: "fake".into(),
        rows: Some(rows),
        has_rows: Some(rows > 0),
        bytes: rows * 8,
        columns: table
            .columns
            .iter()
            .map(|c| facts::ColumnFacts {
                name: c.name.clone(),
                ty: c.ty.clone(),
                not_null: c.not_null,
                ..facts::ColumnFacts::default()
            })
            .collect(),
        constraints: table
            .constraints
            .iter()
            .map(|(name, validated)| facts::ConstraintFacts {
                name: name.clone(),
                kind: "check".into(),
                validated: *validated,
                ..facts::ConstraintFacts::default()
            })
            .collect(),
        indexes: table
            .indexes
            .iter()
            .map(|(name, index)| facts::IndexFacts {
                name: name.clone(),
                valid: index.valid,
                unique: index.unique,
                ..facts::IndexFacts::default()
            })
            .collect(),
        ..facts::Table::default()
    }
}

fn done(yes: bool) -> Seen {
    if yes { Seen::Done } else { Seen::NotDone }
}

fn find<'c>(content: &'c Content, name: &Name) -> Option<&'c Table> {
    content.get(&name.to_string())
}

/// An index lives in its table's schema; a name without a schema finds it anywhere.
fn find_index<'c>(content: &'c Content, index: &Name) -> Option<&'c Index> {
    content
        .iter()
        .filter(|(table, _)| match &index.schema {
            None => true,
            Some(schema) => table.strip_prefix(schema.as_str()).is_some_and(|rest| rest.starts_with('.')),
        })
        .find_map(|(_, table)| table.indexes.get(&index.name))
}
