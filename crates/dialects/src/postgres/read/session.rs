//! Statements about the session and its transactions.

use cofferdam_core::Action;
use cofferdam_core::change::TransactionControl;
use squawk_syntax::{SyntaxKind as Kind, SyntaxNode as Node};

use super::tree::{child, words};

/// `SET` and `RESET` of a parameter. The special forms get the name of the parameter that they set.
pub(super) fn set(node: &Node) -> Action {
    let parameter = node.descendants().find(|n| n.kind() == Kind::CONFIG_PARAMETER_REF);
    let special = [
        (Kind::SET_TIME_ZONE, "timezone"),
        (Kind::RESET_TIME_ZONE, "timezone"),
        (Kind::SET_SCHEMA_VALUE, "search_path"),
        (Kind::SET_XML_OPTION, "xmloption"),
        (Kind::RESET_TRANSACTION_ISOLATION, "transaction_isolation"),
        (Kind::ALL, "all"),
    ];
    let name = match parameter {
        Some(parameter) => words(&parameter),
        None => special
            .iter()
            .find(|(kind, _)| child(node, *kind).is_some())
            .map(|(_, name)| (*name).to_owned())
            .unwrap_or_default(),
    };
    Action::SetSession { name }
}

/// Statements that begin or end a transaction; `None` for anything else.
pub(super) fn transaction(node: &Node) -> Option<Action> {
    Some(Action::Transaction(match node.kind() {
        Kind::BEGIN => TransactionControl::Begin,
        Kind::COMMIT_TRANSACTION => TransactionControl::Commit,
        Kind::ROLLBACK_TRANSACTION => TransactionControl::Rollback,
        Kind::SAVEPOINT_CREATE | Kind::RELEASE_SAVEPOINT | Kind::ROLLBACK_TO_SAVEPOINT => {
            TransactionControl::Savepoint
        }
        Kind::PREPARE_TRANSACTION | Kind::COMMIT_PREPARED | Kind::ROLLBACK_PREPARED => {
            TransactionControl::TwoPhase
        }
        _ => return None,
    }))
}
