//! `CREATE TABLE` and its columns and constraints.

use cofferdam_core::Action;
use cofferdam_core::change::{Column, Constraint, ConstraintKind, CreateTable};
use squawk_syntax::{SyntaxKind as Kind, SyntaxNode as Node};

use super::tree::{
    child, children, columns_below, data_type, expression, has, name, name_in, plain, plain_in, words,
    written,
};

/// `CREATE TABLE`, also `PARTITION OF`, `OF type` and `AS`.
pub(super) fn create(node: &Node) -> Action {
    let list = child(node, Kind::TABLE_ARG_LIST);
    let arguments: Vec<Node> = list.iter().flat_map(Node::children).collect();
    Action::CreateTable(CreateTable {
        name: Some(name_in(node, Kind::TABLE_NAME)),
        if_not_exists: has(node, Kind::IF_NOT_EXISTS),
        temporary: has(node, Kind::TEMP),
        unlogged: has(node, Kind::UNLOGGED),
        columns: arguments.iter().filter(|a| a.kind() == Kind::COLUMN).map(column).collect(),
        constraints: arguments.iter().filter_map(constraint).collect(),
        partition_of: child(node, Kind::PARTITION_OF).map(|p| name(&p)),
        from_query: node.kind() == Kind::CREATE_TABLE_AS,
        copies_structure: has(node, Kind::INHERITS)
            || has(node, Kind::OF_TYPE)
            || arguments.iter().any(|a| a.kind() == Kind::LIKE_CLAUSE),
    })
}

/// `SELECT ... INTO table`; `into` is its INTO clause.
pub(super) fn select_into(into: &Node) -> Action {
    Action::CreateTable(CreateTable {
        name: Some(name_in(into, Kind::TABLE_NAME)),
        temporary: has(into, Kind::TEMP),
        unlogged: has(into, Kind::UNLOGGED),
        from_query: true,
        ..CreateTable::default()
    })
}

/// A column of `CREATE TABLE`, or of `ADD COLUMN`.
pub(super) fn column(node: &Node) -> Column {
    let mut column = Column {
        name: plain_in(node, Kind::COLUMN_NAME),
        ty: data_type(node).map(|t| words(&t)).unwrap_or_default(),
        ..Column::default()
    };
    for clause in node.children() {
        match clause.kind() {
            Kind::NOT_NULL_CONSTRAINT => column.not_null = true,
            Kind::DEFAULT_CONSTRAINT => column.default = expression(&clause).map(|e| written(&e)),
            Kind::CHECK_CONSTRAINT => {
                let new = expression(&clause).map(|e| written(&e)).unwrap_or_default();
                // A column may have several; together they are one condition.
                column.check = Some(match column.check.take() {
                    Some(first) => format!("({first}) AND ({new})"),
                    None => new,
                });
            }
            Kind::PRIMARY_KEY_CONSTRAINT => column.primary_key = true,
            Kind::UNIQUE_CONSTRAINT => column.unique = true,
            Kind::REFERENCES_CONSTRAINT => {
                let columns = children(&clause, Kind::COLUMN_NAME_REF).map(|c| plain(&c)).collect();
                column.references = Some((name_in(&clause, Kind::TABLE_NAME_REF), columns));
            }
            Kind::GENERATED_CONSTRAINT => {
                if let Some(expression) = child(&clause, Kind::GENERATED_STORED) {
                    // Without a word VIRTUAL is meant: PostgreSQL 18; older ones demand STORED.
                    column.generated_stored = has(&expression, Kind::STORED);
                    column.generated_virtual = !column.generated_stored;
                } else {
                    column.identity = true;
                }
            }
            _ => {}
        }
    }
    column
}

/// A table constraint; `None` for any other node.
pub(super) fn constraint(node: &Node) -> Option<Constraint> {
    let key_columns = || {
        let parameters = child(node, Kind::INDEX_PARAMETERS);
        let list = parameters.and_then(|p| child(&p, Kind::CONSTRAINT_COLUMN_REF_LIST));
        list.map(|l| columns_below(&l)).unwrap_or_default()
    };
    let using_index = || child(node, Kind::USING_INDEX_NAME).map(|i| plain(&i));
    let kind = match node.kind() {
        Kind::CHECK_CONSTRAINT => {
            ConstraintKind::Check { expression: expression(node).map(|e| written(&e)).unwrap_or_default() }
        }
        Kind::UNIQUE_CONSTRAINT => {
            ConstraintKind::Unique { columns: key_columns(), using_index: using_index() }
        }
        Kind::PRIMARY_KEY_CONSTRAINT => {
            ConstraintKind::PrimaryKey { columns: key_columns(), using_index: using_index() }
        }
        Kind::FOREIGN_KEY_CONSTRAINT => {
            let mut lists = children(node, Kind::FOREIGN_KEY_COLUMN_LIST).map(|l| columns_below(&l));
            ConstraintKind::ForeignKey {
                columns: lists.next().unwrap_or_default(),
                parent: name_in(node, Kind::TABLE_NAME_REF),
                parent_columns: lists.next().unwrap_or_default(),
            }
        }
        Kind::EXCLUDE_CONSTRAINT => ConstraintKind::Exclude,
        Kind::NOT_NULL_CONSTRAINT => {
            ConstraintKind::NotNull { column: plain_in(node, Kind::COLUMN_NAME_REF) }
        }
        _ => return None,
    };
    Some(Constraint {
        name: child(node, Kind::CONSTRAINT_NAME_CLAUSE).map(|c| plain_in(&c, Kind::CONSTRAINT_NAME)),
        kind,
        not_valid: has(node, Kind::NOT_VALID),
        not_enforced: has(node, Kind::NOT_ENFORCED),
        definition: definition(node),
    })
}

/// The text of a constraint without `CONSTRAINT name` and without `NOT VALID`.
fn definition(node: &Node) -> String {
    let text: String = node
        .children_with_tokens()
        .filter(|part| !matches!(part.kind(), Kind::CONSTRAINT_NAME_CLAUSE | Kind::NOT_VALID))
        .map(|part| part.to_string())
        .collect();
    text.trim().to_owned()
}
