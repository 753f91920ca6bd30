//! Looking things up in a syntax tree.
//!
//! The tree keeps every byte; white space and comments are never the first or last part of a node.

use cofferdam_core::Name;
use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::{SyntaxKind as Kind, SyntaxNode as Node};

/// The first child of a kind.
pub(super) fn child(node: &Node, kind: Kind) -> Option<Node> {
    node.children().find(|c| c.kind() == kind)
}

/// The children of a kind, in order.
pub(super) fn children(node: &Node, kind: Kind) -> impl Iterator<Item = Node> {
    node.children().filter(move |c| c.kind() == kind)
}

/// It has a child or a word of this kind.
pub(super) fn has(node: &Node, kind: Kind) -> bool {
    node.children_with_tokens().any(|c| c.kind() == kind)
}

/// The first child that is an expression.
pub(super) fn expression(node: &Node) -> Option<Node> {
    node.children().find(|c| ast::Expr::can_cast(c.kind()))
}

/// The first child that is a type.
pub(super) fn data_type(node: &Node) -> Option<Node> {
    node.children().find(|c| ast::FuncType::can_cast(c.kind()))
}

/// The text of a node as written.
pub(super) fn written(node: &Node) -> String {
    node.text().to_string().trim().to_owned()
}

/// The name that a node is or holds, as the server stores it. Of `database.schema.name` the database is left
/// out: the server takes no other than its own.
pub(super) fn name(node: &Node) -> Name {
    let is_path = |n: &Node| matches!(n.kind(), Kind::PATH | Kind::PATH_REF);
    let Some(path) = node.descendants().find(is_path) else { return Name::plain(plain(node)) };
    let mut segments: Vec<String> = path
        .descendants()
        .filter(|n| matches!(n.kind(), Kind::PATH_SEGMENT | Kind::PATH_SEGMENT_REF))
        .map(|n| ast::normalize_name_node(&n))
        .collect();
    let own = segments.pop().unwrap_or_default();
    Name { schema: segments.pop(), name: own }
}

/// The last part of a name: for things that have no schema, and those whose schema is that of their table.
pub(super) fn plain(node: &Node) -> String {
    let is_path = |n: &Node| matches!(n.kind(), Kind::PATH | Kind::PATH_REF);
    match node.descendants().find(is_path) {
        Some(_) => name(node).name,
        None => ast::normalize_name_node(node),
    }
}

/// The name in the child of a kind; the empty name if there is none, which a tree without errors never has.
pub(super) fn name_in(node: &Node, kind: Kind) -> Name {
    child(node, kind).map(|c| name(&c)).unwrap_or_else(|| Name::plain(""))
}

/// As [`name_in`], without the schema.
pub(super) fn plain_in(node: &Node, kind: Kind) -> String {
    child(node, kind).map(|c| plain(&c)).unwrap_or_default()
}

/// The names in all children of a kind.
pub(super) fn names_in(node: &Node, kind: Kind) -> Vec<Name> {
    children(node, kind).map(|c| name(&c)).collect()
}

/// The names of the columns anywhere below a node.
pub(super) fn columns_below(node: &Node) -> Vec<String> {
    node.descendants()
        .filter(|n| matches!(n.kind(), Kind::COLUMN_NAME_REF | Kind::COLUMN_NAME))
        .map(|n| plain(&n))
        .collect()
}

/// The value of a string literal.
pub(super) fn string_value(literal: &Node) -> String {
    ast::Literal::cast(literal.clone()).and_then(|l| l.string_value()).unwrap_or_else(|| written(literal))
}

/// The words of a node in one way of writing: lower case outside quotes, no comments, one space between words
/// and none around punctuation, as the server prints types: `numeric(10,2)`, `timestamp(3) with time zone`.
pub(super) fn words(node: &Node) -> String {
    let mut text = String::new();
    for token in node.descendants_with_tokens().filter_map(|e| e.into_token()) {
        if token.kind().is_trivia() {
            continue;
        }
        let raw = token.text();
        let quoted = raw.contains(['"', '\'', '$']);
        let lower = if quoted { raw.to_owned() } else { raw.to_ascii_lowercase() };
        let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '"' | '\'' | '$');
        let after = text.chars().next_back();
        let before_word = lower.chars().next().is_some_and(is_word);
        if before_word && after.is_some_and(|c| is_word(c) || matches!(c, ')' | ']')) {
            text.push(' ');
        }
        text.push_str(&lower);
    }
    text
}
