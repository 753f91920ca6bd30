//! Everything that is made and dropped and is neither a table nor an index.

use cofferdam_core::Action;
use squawk_syntax::{SyntaxKind as Kind, SyntaxNode as Node};

use super::tree::{
    child, children, data_type, has, name, name_in, names_in, plain, plain_in, string_value, words,
};

pub(super) fn create_view(node: &Node) -> Action {
    Action::CreateView {
        name: name_in(node, Kind::VIEW),
        or_replace: has(node, Kind::OR_REPLACE),
        materialized: node.kind() == Kind::CREATE_MATERIALIZED_VIEW,
        if_not_exists: has(node, Kind::IF_NOT_EXISTS),
    }
}

pub(super) fn refresh_view(node: &Node) -> Action {
    Action::RefreshView {
        name: name_in(node, Kind::VIEW_REF),
        concurrently: has(node, Kind::CONCURRENTLY_KW),
    }
}

/// `ALTER TYPE ... ADD VALUE` and `RENAME VALUE`; `None` for its other forms.
pub(super) fn alter_type(node: &Node) -> Option<Action> {
    let type_name = name_in(node, Kind::TYPE_NAME_REF);
    if let Some(add) = child(node, Kind::ADD_VALUE) {
        return Some(Action::EnumAddValue {
            name: type_name,
            value: string_value(&child(&add, Kind::LITERAL)?),
            if_not_exists: has(&add, Kind::IF_NOT_EXISTS),
        });
    }
    let rename = child(node, Kind::RENAME_VALUE)?;
    let mut values = children(&rename, Kind::LITERAL).map(|l| string_value(&l));
    Some(Action::EnumRenameValue { name: type_name, from: values.next()?, to: values.next()? })
}

/// `ALTER DOMAIN ... ADD CONSTRAINT`; `None` for its other forms.
pub(super) fn alter_domain(node: &Node) -> Option<Action> {
    let add = child(node, Kind::ADD_CONSTRAINT)?;
    Some(Action::DomainAddConstraint {
        name: name_in(node, Kind::DOMAIN_REF),
        not_valid: add.descendants().any(|n| n.kind() == Kind::NOT_VALID),
    })
}

pub(super) fn create_routine(node: &Node) -> Action {
    let procedure = node.kind() == Kind::CREATE_PROCEDURE;
    let own = child(node, if procedure { Kind::PROCEDURE_NAME } else { Kind::FUNCTION_NAME });
    let arguments = child(node, Kind::PARAM_LIST).map(|l| argument_types(&l)).unwrap_or_default();
    Action::CreateRoutine {
        name: own.as_ref().map(name).unwrap_or_else(|| cofferdam_core::Name::plain("")),
        signature: format!("{}({arguments})", own.as_ref().map(words).unwrap_or_default()),
        or_replace: has(node, Kind::OR_REPLACE),
        procedure,
    }
}

/// The types by which the server tells routines of one name apart: those of the arguments that go in.
fn argument_types(list: &Node) -> String {
    let input = children(list, Kind::PARAM).filter(|p| !has(p, Kind::PARAM_OUT));
    let types: Vec<String> = input.filter_map(|p| data_type(&p)).map(|t| words(&t)).collect();
    types.join(", ")
}

/// `DROP FUNCTION`, `PROCEDURE`, `ROUTINE`.
pub(super) fn drop_routine(node: &Node) -> Action {
    let is_signature =
        |n: &Node| matches!(n.kind(), Kind::FUNCTION_SIG | Kind::PROCEDURE_SIG | Kind::ROUTINE_SIG);
    let names = node.descendants().filter(is_signature).map(|signature| {
        let own = signature.children().find(|c| c.kind() != Kind::PARAM_LIST);
        let own = own.map(|n| words(&n)).unwrap_or_default();
        match child(&signature, Kind::PARAM_LIST) {
            Some(list) => format!("{own}({})", argument_types(&list)),
            None => own,
        }
    });
    Action::DropRoutine {
        names: names.collect(),
        procedure: node.kind() == Kind::DROP_PROCEDURE,
        if_exists: has(node, Kind::IF_EXISTS),
    }
}

pub(super) fn create_trigger(node: &Node) -> Action {
    Action::CreateTrigger {
        name: plain_in(node, Kind::TRIGGER),
        table: name_in(node, Kind::ON_RELATION),
        or_replace: has(node, Kind::OR_REPLACE),
    }
}

pub(super) fn drop_trigger(node: &Node) -> Action {
    Action::DropTrigger {
        name: plain_in(node, Kind::TRIGGER_REF),
        table: name_in(node, Kind::ON_RELATION),
        if_exists: has(node, Kind::IF_EXISTS),
    }
}

/// `CREATE SCHEMA`; without a name it has that of its owner.
pub(super) fn create_schema(node: &Node) -> Action {
    let named = node.descendants().find(|n| matches!(n.kind(), Kind::SCHEMA | Kind::ROLE));
    Action::CreateSchema {
        name: named.map(|n| plain(&n)).unwrap_or_default(),
        if_not_exists: has(node, Kind::IF_NOT_EXISTS),
    }
}

/// The `DROP`s that differ in nothing but the kind of the object.
pub(super) fn drop(node: &Node) -> Option<Action> {
    let if_exists = has(node, Kind::IF_EXISTS);
    let cascade = has(node, Kind::CASCADE);
    let plain_names = |kind| children(node, kind).map(|n| plain(&n)).collect();
    Some(match node.kind() {
        Kind::DROP_TABLE => {
            Action::DropTable { names: names_in(node, Kind::TABLE_NAME_REF), if_exists, cascade }
        }
        Kind::DROP_VIEW | Kind::DROP_MATERIALIZED_VIEW => Action::DropView {
            names: names_in(node, Kind::VIEW_REF),
            materialized: node.kind() == Kind::DROP_MATERIALIZED_VIEW,
            if_exists,
            cascade,
        },
        Kind::DROP_SEQUENCE => {
            Action::DropSequence { names: names_in(node, Kind::SEQUENCE_REF), if_exists, cascade }
        }
        Kind::DROP_TYPE => {
            Action::DropType { names: names_in(node, Kind::TYPE_NAME_REF), if_exists, cascade }
        }
        // A domain is a type, and what is lost with it is the same.
        Kind::DROP_DOMAIN => Action::DropType { names: names_in(node, Kind::DOMAIN_REF), if_exists, cascade },
        Kind::DROP_SCHEMA => Action::DropSchema { names: plain_names(Kind::SCHEMA_REF), if_exists, cascade },
        Kind::DROP_EXTENSION => Action::DropExtension { names: plain_names(Kind::EXTENSION_REF), if_exists },
        Kind::DROP_DATABASE => Action::DropDatabase { name: plain_in(node, Kind::DATABASE_REF), if_exists },
        _ => return None,
    })
}
