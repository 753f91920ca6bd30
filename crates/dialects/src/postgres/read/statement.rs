//! One statement's tree to its [`Action`].

use cofferdam_core::Action;
use squawk_syntax::{SyntaxKind as Kind, SyntaxNode as Node};

use super::tree::{child, has, name, name_in, plain_in};
use super::{alter_table, data, index, object, session, table};

/// What a statement does.
pub(super) fn action(node: &Node) -> Action {
    known(node).unwrap_or_else(|| Action::Other { kind: kind_in_words(node.kind()) })
}

/// The statements that have an action of their own.
fn known(node: &Node) -> Option<Action> {
    let if_not_exists = has(node, Kind::IF_NOT_EXISTS);
    Some(match node.kind() {
        Kind::CREATE_TABLE | Kind::CREATE_TABLE_AS => table::create(node),
        Kind::ALTER_TABLE => return alter_table::alter(node),
        Kind::CREATE_INDEX => index::create(node),
        Kind::DROP_INDEX => index::drop(node),
        Kind::ALTER_INDEX => return index::rename(node),
        Kind::REINDEX => return index::reindex(node),
        Kind::CREATE_VIEW | Kind::CREATE_MATERIALIZED_VIEW => object::create_view(node),
        Kind::REFRESH => object::refresh_view(node),
        Kind::CREATE_SEQUENCE => {
            Action::CreateSequence { name: name_in(node, Kind::SEQUENCE), if_not_exists }
        }
        Kind::CREATE_TYPE => Action::CreateType { name: name_in(node, Kind::TYPE_NAME) },
        Kind::ALTER_TYPE => return object::alter_type(node),
        Kind::CREATE_DOMAIN => Action::CreateDomain { name: name_in(node, Kind::DOMAIN) },
        Kind::ALTER_DOMAIN => return object::alter_domain(node),
        Kind::CREATE_FUNCTION | Kind::CREATE_PROCEDURE => object::create_routine(node),
        Kind::DROP_FUNCTION | Kind::DROP_PROCEDURE | Kind::DROP_ROUTINE => object::drop_routine(node),
        Kind::CREATE_TRIGGER => object::create_trigger(node),
        Kind::DROP_TRIGGER => object::drop_trigger(node),
        Kind::CREATE_POLICY => {
            Action::CreatePolicy { name: plain_in(node, Kind::POLICY), table: name_in(node, Kind::ON_TABLE) }
        }
        Kind::CREATE_SCHEMA => object::create_schema(node),
        Kind::CREATE_EXTENSION => {
            Action::CreateExtension { name: plain_in(node, Kind::EXTENSION), if_not_exists }
        }
        Kind::CREATE_DATABASE => Action::CreateDatabase { name: plain_in(node, Kind::DATABASE) },
        Kind::CREATE_STATISTICS => {
            Action::CreateStatistics { name: child(node, Kind::STATISTICS).map(|s| name(&s)) }
        }
        Kind::SELECT
        | Kind::SELECT_INTO
        | Kind::COMPOUND_SELECT
        | Kind::PAREN_SELECT
        | Kind::VALUES
        | Kind::TABLE => data::query(node),
        Kind::TRUNCATE => data::truncate(node),
        Kind::LOCK => data::lock(node),
        Kind::COPY => data::copy(node),
        Kind::VACUUM => data::vacuum(node),
        Kind::ANALYZE => Action::Analyze,
        Kind::CLUSTER => data::cluster(node),
        Kind::GRANT => data::grant(node),
        Kind::REVOKE => Action::Revoke,
        Kind::COMMENT_ON => Action::Comment,
        Kind::SET | Kind::RESET => session::set(node),
        Kind::SET_TRANSACTION => Action::SetSession { name: "transaction".to_owned() },
        Kind::SET_CONSTRAINTS => Action::SetSession { name: "constraints".to_owned() },
        Kind::SET_ROLE | Kind::RESET_ROLE | Kind::SET_SESSION_AUTH | Kind::RESET_SESSION_AUTH => {
            Action::SetRole
        }
        Kind::DO => Action::Do,
        Kind::CALL => Action::Call,
        _ => return object::drop(node).or_else(|| data::write(node)).or_else(|| session::transaction(node)),
    })
}

/// `ALTER_TEXT_SEARCH_PARSER` as `ALTER TEXT SEARCH PARSER`.
fn kind_in_words(kind: Kind) -> String {
    format!("{kind:?}").replace('_', " ")
}
