//! Indexes: CREATE, DROP, ALTER, REINDEX.

use cofferdam_core::Action;
use cofferdam_core::change::{CreateIndex, ReindexTarget};
use squawk_syntax::ast::{AstNode, Reindex};
use squawk_syntax::{SyntaxKind as Kind, SyntaxNode as Node};

use super::tree::{child, children, expression, has, name, name_in, names_in, plain, plain_in};

pub(super) fn create(node: &Node) -> Action {
    let relation = child(node, Kind::TABLE_RELATION_NAME);
    let items = child(node, Kind::PARTITION_ITEM_LIST);
    Action::CreateIndex(CreateIndex {
        name: child(node, Kind::INDEX).map(|i| plain(&i)),
        table: name_in(node, Kind::TABLE_RELATION_NAME),
        unique: has(node, Kind::UNIQUE_KW),
        concurrently: has(node, Kind::CONCURRENTLY_KW),
        if_not_exists: has(node, Kind::IF_NOT_EXISTS),
        only: relation.is_some_and(|r| has(&r, Kind::ONLY_KW)),
        method: child(node, Kind::USING_METHOD)
            .map(|m| plain_in(&m, Kind::ACCESS_METHOD_REF))
            .unwrap_or_else(|| "btree".to_owned()),
        columns: items.iter().flat_map(|i| children(i, Kind::PARTITION_ITEM)).map(|i| key_part(&i)).collect(),
        partial: has(node, Kind::WHERE_CLAUSE),
        on: on(node),
    })
}

/// The column of a key part; `None` for an expression.
fn key_part(item: &Node) -> Option<String> {
    let mut part = expression(item)?;
    if part.kind() == Kind::COLLATE {
        part = expression(&part)?;
    }
    (part.kind() == Kind::NAME_REF).then(|| plain(&part))
}

/// The text from `ON` on, without a `;`.
fn on(node: &Node) -> String {
    let parts = node.children_with_tokens().skip_while(|p| p.kind() != Kind::ON_KW);
    let text: String = parts.filter(|p| p.kind() != Kind::SEMICOLON).map(|p| p.to_string()).collect();
    text.trim().to_owned()
}

pub(super) fn drop(node: &Node) -> Action {
    Action::DropIndex {
        names: names_in(node, Kind::INDEX_REF),
        concurrently: has(node, Kind::CONCURRENTLY_KW),
        if_exists: has(node, Kind::IF_EXISTS),
        cascade: has(node, Kind::CASCADE),
    }
}

/// `ALTER INDEX ... RENAME TO`; `None` for its other forms.
pub(super) fn rename(node: &Node) -> Option<Action> {
    let to = child(node, Kind::INDEX_RENAME_TO)?;
    Some(Action::RenameIndex { name: name_in(node, Kind::INDEX_REF), to: plain_in(&to, Kind::INDEX) })
}

pub(super) fn reindex(node: &Node) -> Option<Action> {
    let targets = [
        (Kind::REINDEX_TARGET_INDEX, ReindexTarget::Index),
        (Kind::REINDEX_TARGET_TABLE, ReindexTarget::Table),
        (Kind::REINDEX_TARGET_SCHEMA, ReindexTarget::Schema),
        (Kind::REINDEX_TARGET_DATABASE, ReindexTarget::Database),
        (Kind::REINDEX_TARGET_SYSTEM, ReindexTarget::System),
    ];
    let (what, target) = targets.iter().find_map(|(kind, t)| Some((child(node, *kind)?, *t)))?;
    let concurrently = Reindex::cast(node.clone()).is_some_and(|r| r.is_concurrently());
    Some(Action::Reindex { target, name: what.children().next().map(|n| name(&n)), concurrently })
}
