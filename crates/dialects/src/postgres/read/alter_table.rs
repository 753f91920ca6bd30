//! `ALTER TABLE`.

use cofferdam_core::{Action, TableChange};
use squawk_syntax::{SyntaxKind as Kind, SyntaxNode as Node};

use super::table::{column, constraint};
use super::tree::{child, data_type, expression, has, name, name_in, plain_in, words, written};

/// `ALTER TABLE`; `None` for `ALTER TABLE ALL IN TABLESPACE`, which names no table.
pub(super) fn alter(node: &Node) -> Option<Action> {
    let table = child(node, Kind::TABLE_RELATION_NAME)?;
    let not_a_change = |kind| matches!(kind, Kind::TABLE_RELATION_NAME | Kind::IF_EXISTS);
    Some(Action::AlterTable {
        table: name(&table),
        if_exists: has(node, Kind::IF_EXISTS),
        changes: node.children().filter(|c| !not_a_change(c.kind())).map(|c| change(&c)).collect(),
    })
}

fn change(node: &Node) -> TableChange {
    let other = || TableChange::Other { text: written(node) };
    match node.kind() {
        Kind::ADD_COLUMN => {
            TableChange::AddColumn { column: column(node), if_not_exists: has(node, Kind::IF_NOT_EXISTS) }
        }
        Kind::DROP_COLUMN => TableChange::DropColumn {
            name: plain_in(node, Kind::COLUMN_NAME_REF),
            if_exists: has(node, Kind::IF_EXISTS),
            cascade: has(node, Kind::CASCADE),
        },
        Kind::ALTER_COLUMN => alter_column(node),
        Kind::ADD_CONSTRAINT => {
            node.children().find_map(|c| constraint(&c)).map_or_else(other, TableChange::AddConstraint)
        }
        Kind::DROP_CONSTRAINT => TableChange::DropConstraint {
            name: plain_in(node, Kind::CONSTRAINT_NAME_REF),
            if_exists: has(node, Kind::IF_EXISTS),
            cascade: has(node, Kind::CASCADE),
        },
        Kind::VALIDATE_CONSTRAINT => {
            TableChange::ValidateConstraint { name: plain_in(node, Kind::CONSTRAINT_NAME_REF) }
        }
        Kind::TABLE_RENAME_TO => TableChange::RenameTo { to: plain_in(node, Kind::TABLE_NAME) },
        Kind::RENAME_COLUMN => TableChange::RenameColumn {
            from: plain_in(node, Kind::COLUMN_NAME_REF),
            to: plain_in(node, Kind::COLUMN_NAME),
        },
        Kind::RENAME_CONSTRAINT => TableChange::RenameConstraint {
            from: plain_in(node, Kind::CONSTRAINT_NAME_REF),
            to: plain_in(node, Kind::CONSTRAINT_NAME),
        },
        Kind::SET_SCHEMA => TableChange::SetSchema { schema: plain_in(node, Kind::SCHEMA_REF) },
        Kind::ATTACH_PARTITION => TableChange::AttachPartition {
            partition: name_in(node, Kind::TABLE_NAME_REF),
            default: has(node, Kind::PARTITION_DEFAULT),
        },
        // FINALIZE ends a detach that was begun with CONCURRENTLY: another thing than a detach.
        Kind::DETACH_PARTITION if !has(node, Kind::DETACH_FINALIZE) => TableChange::DetachPartition {
            partition: name_in(node, Kind::TABLE_NAME_REF),
            concurrently: has(node, Kind::DETACH_CONCURRENTLY),
        },
        Kind::SET_LOGGED => TableChange::SetLogged { logged: true },
        Kind::SET_UNLOGGED => TableChange::SetLogged { logged: false },
        Kind::SET_TABLESPACE => TableChange::SetTablespace,
        Kind::SET_ACCESS_METHOD => TableChange::SetAccessMethod,
        Kind::REPLICA_IDENTITY => TableChange::ReplicaIdentity,
        Kind::OWNER_TO => TableChange::OwnerTo { role: role(node) },
        Kind::ENABLE_TRIGGER | Kind::ENABLE_ALWAYS_TRIGGER | Kind::ENABLE_REPLICA_TRIGGER => {
            TableChange::Triggers { enable: true }
        }
        Kind::DISABLE_TRIGGER => TableChange::Triggers { enable: false },
        Kind::ENABLE_RLS | Kind::DISABLE_RLS | Kind::FORCE_RLS | Kind::NO_FORCE_RLS => {
            TableChange::RowSecurity
        }
        Kind::SET_OPTIONS | Kind::RESET_OPTIONS => TableChange::StorageParameters,
        Kind::CLUSTER_ON | Kind::SET_WITHOUT_CLUSTER => TableChange::ClusterOn,
        Kind::INHERIT_TABLE | Kind::NO_INHERIT_TABLE => TableChange::Inherit {
            parent: name_in(node, Kind::TABLE_NAME_REF),
            remove: node.kind() == Kind::NO_INHERIT_TABLE,
        },
        _ => other(),
    }
}

fn alter_column(node: &Node) -> TableChange {
    let column = plain_in(node, Kind::COLUMN_NAME_REF);
    let text = |e: Option<Node>| e.map(|e| written(&e));
    let named = |kind: Kind| kind != Kind::COLUMN_NAME_REF;
    let Some(option) = node.children().find(|c| named(c.kind())) else {
        return TableChange::Other { text: written(node) };
    };
    match option.kind() {
        Kind::SET_TYPE => TableChange::AlterType {
            column,
            ty: data_type(&option).map(|t| words(&t)).unwrap_or_default(),
            using: text(child(&option, Kind::USING_EXPR).and_then(|u| expression(&u))),
            collate: has(&option, Kind::COLLATE),
        },
        Kind::SET_NOT_NULL => TableChange::SetNotNull { column },
        Kind::DROP_NOT_NULL => TableChange::DropNotNull { column },
        Kind::SET_DEFAULT => {
            TableChange::SetDefault { column, expression: text(expression(&option)).unwrap_or_default() }
        }
        Kind::DROP_DEFAULT => TableChange::DropDefault { column },
        Kind::DROP_EXPRESSION => TableChange::DropExpression { column },
        Kind::ADD_GENERATED => TableChange::AddIdentity { column },
        Kind::DROP_IDENTITY => TableChange::DropIdentity { column },
        Kind::SET_STATISTICS => TableChange::SetStatistics { column: Some(column) },
        Kind::SET_STORAGE | Kind::SET_COMPRESSION => TableChange::ColumnStorage { column },
        Kind::SET_OPTIONS | Kind::RESET_OPTIONS => TableChange::StorageParameters,
        _ => TableChange::Other { text: written(node) },
    }
}

/// The role of `OWNER TO`: its name, or the words CURRENT_USER and the like in lower case.
fn role(node: &Node) -> String {
    match node.descendants().find(|n| n.kind() == Kind::ROLE_NAME_REF) {
        Some(name) => super::tree::plain(&name),
        None => child(node, Kind::ROLE_REF).map(|r| words(&r)).unwrap_or_default(),
    }
}
