//! Who may do what.

use std::collections::BTreeSet;

use super::ident;
use crate::Kind;
use crate::model::{Body, Grant, Object};

/// The statements that lead from some grants to those of the object.
pub(super) fn change(object: &Object, from: &BTreeSet<Grant>) -> Vec<String> {
    let Some((on, column)) = target(object) else { return Vec::new() };
    let mut out = Vec::new();
    let privilege = |grant: &Grant| match &column {
        Some(column) => format!("{} ({column})", grant.privilege),
        None => grant.privilege.clone(),
    };
    // What only loses its grant option loses it with the privilege, which is then given anew.
    let gone: Vec<&Grant> = from.difference(&object.grants).collect();
    let mut come: Vec<&Grant> = object.grants.difference(from).collect();
    come.sort_by_key(|g| (&g.to, g.grantable));
    for group in gone.chunk_by(|a, b| a.to == b.to) {
        let Some(first) = group.first() else { continue };
        let list: Vec<String> = group.iter().map(|g| privilege(g)).collect();
        out.push(format!("REVOKE {} ON {on} FROM {}", list.join(", "), role(first)));
    }
    for group in come.chunk_by(|a, b| (&a.to, a.grantable) == (&b.to, b.grantable)) {
        let Some(first) = group.first() else { continue };
        let list: Vec<String> = group.iter().map(|g| privilege(g)).collect();
        let option = if first.grantable { " WITH GRANT OPTION" } else { "" };
        out.push(format!("GRANT {} ON {on} TO {}{option}", list.join(", "), role(first)));
    }
    out
}

fn role(grant: &Grant) -> String {
    grant.to.as_deref().map_or("PUBLIC".to_owned(), ident)
}

/// What the grants are on, and the column that they are about.
fn target(object: &Object) -> Option<(String, Option<String>)> {
    let key = &object.key;
    let on = match (&object.body, key.kind) {
        (_, Kind::Schema) => format!("SCHEMA {}", ident(&key.name)),
        (_, Kind::Type) => format!("TYPE {}", key.sql()),
        (_, Kind::Sequence) => format!("SEQUENCE {}", key.sql()),
        (Body::Routine(routine), _) => {
            format!("{} {}", if routine.procedure { "PROCEDURE" } else { "FUNCTION" }, routine.signature)
        }
        (_, Kind::Table | Kind::View | Kind::MaterializedView) => format!("TABLE {}", key.sql()),
        (_, Kind::Column) => return Some((format!("TABLE {}", key.on_sql()), Some(ident(&key.name)))),
        _ => return None,
    };
    Some((on, None))
}
