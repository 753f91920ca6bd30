//! Tables.

use std::collections::BTreeSet;

use super::{Written, column, ident, option, options, qualified, with};
use crate::model::{Body, Table};
use crate::{Key, Kind, Schema};

/// The table with its columns, and with the defaults and constraints that are made with it.
pub(super) fn create(schema: &Schema, key: &Key, table: &Table, inline: &BTreeSet<Key>) -> Vec<String> {
    let columns = schema.columns(key);
    // A partition is made by itself and attached afterwards, so it needs them all.
    let own = columns.iter().filter(|(_, column)| table.partition || !column.inherited);
    let mut lines: Vec<String> = own
        .map(|(object, it)| {
            let default = key.beside(Kind::Default, object.key.name.clone());
            let default = schema.objects.get(&default).filter(|default| inline.contains(&default.key));
            column::line(object, it, default)
        })
        .collect();
    for object in schema.parts(key, Kind::Constraint).filter(|object| inline.contains(&object.key)) {
        if let Body::Constraint(constraint) = &object.body
            && (table.partition || !constraint.inherited)
        {
            lines.push(format!("CONSTRAINT {} {}", ident(&object.key.name), constraint.definition));
        }
    }
    let mut sql = format!("CREATE {}TABLE {} (", if table.unlogged { "UNLOGGED " } else { "" }, key.sql());
    if !lines.is_empty() {
        sql += &format!("\n    {}\n", lines.join(",\n    "));
    }
    sql += ")";
    if !table.partition && !table.parents.is_empty() {
        let parents: Vec<String> = table.parents.iter().map(|(s, n)| qualified(s, n)).collect();
        sql += &format!(" INHERITS ({})", parents.join(", "));
    }
    if let Some(by) = &table.partition_by {
        sql += &format!(" PARTITION BY {by}");
    }
    if let Some(method) = &table.method {
        sql += &format!(" USING {}", ident(method));
    }
    sql += &with(&table.options);
    if let Some(tablespace) = &table.tablespace {
        sql += &format!(" TABLESPACE {}", ident(tablespace));
    }
    let mut out = vec![sql];
    for (object, it) in &columns {
        out.extend(column::settings(&object.key, None, it));
    }
    out.extend(replica_identity(key, "d", &table.replica_identity));
    let alter = |what: &str| format!("ALTER TABLE {} {what}", key.sql());
    if table.row_security {
        out.push(alter("ENABLE ROW LEVEL SECURITY"));
    }
    if table.force_row_security {
        out.push(alter("FORCE ROW LEVEL SECURITY"));
    }
    out
}

pub(super) fn change(key: &Key, old: &Table, new: &Table) -> Option<Vec<Written>> {
    if old.partition_by != new.partition_by {
        return None;
    }
    let alter = |what: String| format!("ALTER TABLE {} {what}", key.sql());
    let mut out = Vec::new();
    // Whose partition it is, is an object of its own.
    if !old.partition && !new.partition {
        let names = |list: &[(String, String)], other: &[(String, String)]| -> Vec<String> {
            list.iter().filter(|p| !other.contains(p)).map(|(s, n)| qualified(s, n)).collect()
        };
        out.extend(names(&old.parents, &new.parents).iter().map(|p| alter(format!("NO INHERIT {p}"))));
        out.extend(names(&new.parents, &old.parents).iter().map(|p| alter(format!("INHERIT {p}"))));
    }
    if old.unlogged != new.unlogged {
        out.push(alter(format!("SET {}", if new.unlogged { "UNLOGGED" } else { "LOGGED" })));
    }
    if old.method != new.method {
        let method = new.method.as_deref().map_or("DEFAULT".to_owned(), ident);
        out.push(alter(format!("SET ACCESS METHOD {method}")));
    }
    if old.tablespace != new.tablespace {
        let tablespace = new.tablespace.as_deref().unwrap_or("pg_default");
        out.push(alter(format!("SET TABLESPACE {}", ident(tablespace))));
    }
    let (set, reset) = options(&old.options, &new.options);
    if !reset.is_empty() {
        out.push(alter(format!("RESET ({})", reset.join(", "))));
    }
    if !set.is_empty() {
        out.push(alter(format!("SET ({})", set.join(", "))));
    }
    out.extend(replica_identity(key, &old.replica_identity, &new.replica_identity));
    for (was, is, what) in [
        (old.row_security, new.row_security, ["DISABLE", "ENABLE"]),
        (old.force_row_security, new.force_row_security, ["NO FORCE", "FORCE"]),
    ] {
        if was != is {
            let what = if is { what[1] } else { what[0] };
            out.push(alter(format!("{what} ROW LEVEL SECURITY")));
        }
    }
    Some(out.into_iter().map(Into::into).collect())
}

/// An index as identity is said by the index.
fn replica_identity(key: &Key, old: &str, new: &str) -> Option<String> {
    let how = match new {
        _ if old == new => return None,
        "f" => "FULL",
        "n" => "NOTHING",
        "d" => "DEFAULT",
        _ => return None,
    };
    Some(format!("ALTER TABLE {} REPLICA IDENTITY {how}", key.sql()))
}

/// Options of a column: `ALTER COLUMN c SET (...)`.
pub(super) fn column_options(prefix: &str, old: &BTreeSet<String>, new: &BTreeSet<String>) -> Vec<String> {
    let (_, reset) = options(old, new);
    let set: Vec<String> = new.difference(old).map(|o| option(o)).collect();
    let mut out = Vec::new();
    if !reset.is_empty() {
        out.push(format!("{prefix} RESET ({})", reset.join(", ")));
    }
    if !set.is_empty() {
        out.push(format!("{prefix} SET ({})", set.join(", ")));
    }
    out
}
