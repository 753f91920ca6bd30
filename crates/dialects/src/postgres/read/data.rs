//! Statements that read and write rows, and the upkeep of tables.

use cofferdam_core::Action;
use squawk_syntax::{SyntaxKind as Kind, SyntaxNode as Node};

use super::table;
use super::tree::{child, children, has, name, name_in, names_in, plain, words};

/// INSERT, UPDATE, DELETE, MERGE; `None` for anything else.
pub(super) fn write(node: &Node) -> Option<Action> {
    let filtered = has(node, Kind::WHERE_CLAUSE) || has(node, Kind::WHERE_CURRENT_OF);
    Some(match node.kind() {
        Kind::INSERT => Action::Insert { table: name_in(node, Kind::RELATION_NAME_REF) },
        Kind::UPDATE => Action::Update { table: name_in(node, Kind::RELATION_NAME), filtered },
        Kind::DELETE => Action::Delete { table: name_in(node, Kind::RELATION_NAME), filtered },
        Kind::MERGE => Action::Merge { table: name_in(node, Kind::TABLE_RELATION_NAME) },
        _ => return None,
    })
}

/// A query. It can write too: `SELECT ... INTO table` makes a table, and `WITH x AS (DELETE ...) SELECT`
/// does what stands in the parentheses. Of several such the first is told.
pub(super) fn query(node: &Node) -> Action {
    if let Some(into) = node.descendants().find(|n| n.kind() == Kind::INTO_CLAUSE) {
        return table::select_into(&into);
    }
    let with = child(node, Kind::WITH_CLAUSE);
    let parts = with
        .iter()
        .flat_map(|w| children(w, Kind::WITH_TABLE))
        .flat_map(|t| t.children().collect::<Vec<_>>());
    parts.into_iter().find_map(|part| write(&part)).unwrap_or(Action::Select)
}

pub(super) fn truncate(node: &Node) -> Action {
    let list = child(node, Kind::TABLE_LIST);
    Action::Truncate {
        tables: list.map(|l| names_in(&l, Kind::TABLE_RELATION_NAME)).unwrap_or_default(),
        cascade: has(node, Kind::CASCADE),
    }
}

pub(super) fn lock(node: &Node) -> Action {
    let list = child(node, Kind::RELATION_LIST);
    Action::LockTable { tables: list.map(|l| names_in(&l, Kind::RELATION_NAME)).unwrap_or_default() }
}

pub(super) fn copy(node: &Node) -> Action {
    let program =
        |direction: &Node| child(direction, Kind::COPY_PROGRAM).is_some_and(|p| has(&p, Kind::PROGRAM_KW));
    match child(node, Kind::COPY_FROM) {
        Some(from) => Action::CopyFrom {
            table: child(node, Kind::COPY_TABLE).map(|t| name(&t)),
            // The server takes STDOUT for STDIN here.
            stdin: has(&from, Kind::COPY_STDIN) || has(&from, Kind::COPY_STDOUT),
            program: program(&from),
        },
        None => Action::CopyTo { program: child(node, Kind::COPY_TO).is_some_and(|to| program(&to)) },
    }
}

pub(super) fn vacuum(node: &Node) -> Action {
    let list = child(node, Kind::TABLE_AND_COLUMNS_LIST);
    let tables = list.iter().flat_map(|l| children(l, Kind::TABLE_AND_COLUMNS)).map(|t| name(&t)).collect();
    let options = child(node, Kind::VACUUM_OPTION_LIST);
    let full = options.iter().flat_map(|o| children(o, Kind::VACUUM_OPTION)).any(|option| {
        let words = words(&option);
        let mut words = words.split_whitespace();
        words.next() == Some("full") && !matches!(words.next(), Some("false" | "off" | "0" | "no"))
    });
    Action::Vacuum { full: full || has(node, Kind::FULL_KW), tables }
}

pub(super) fn cluster(node: &Node) -> Action {
    let legacy = child(node, Kind::CLUSTER_LEGACY).and_then(|l| child(&l, Kind::ON_PATH));
    Action::Cluster { table: child(node, Kind::TABLE_NAME_REF).or(legacy).map(|t| name(&t)) }
}

pub(super) fn grant(node: &Node) -> Action {
    let objects = child(node, Kind::ON_PRIVILEGE_OBJECTS_CLAUSE);
    let roles = child(node, Kind::ROLE_REF_LIST);
    Action::Grant {
        on_all: objects.is_some_and(|o| o.children().any(|c| has(&c, Kind::ALL_KW))),
        // PUBLIC is no key word: the server compares the name, quoted or not.
        to_public: roles.is_some_and(|r| {
            r.descendants().any(|n| n.kind() == Kind::ROLE_NAME_REF && plain(&n) == "public")
        }),
    }
}
