//! A picture of the tables and their foreign keys, in the words of Mermaid.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::Body;
use crate::{Difference, Key, Kind, Schema, State};

/// An ER diagram of a schema. Columns and tables that are different say so.
pub fn er(schema: &Schema, differences: &[Difference]) -> String {
    let mut out = "erDiagram\n".to_owned();
    let states: BTreeMap<&Key, State> = differences.iter().map(|d| (&d.key, d.state)).collect();
    let state = |key: &Key| states.get(key).copied();
    let tables =
        schema.objects.values().filter(|object| object.body.table().is_some_and(|table| !table.partition));
    for table in tables.clone() {
        let (mark, key) = (mark(state(&table.key)), &table.key);
        out += &format!(
            "    {}[\"{}.{}{mark}\"] {{\n",
            id(&key.schema, &key.name),
            shown(&key.schema),
            shown(&key.name)
        );
        let keys = keys(schema, key);
        for (object, column) in schema.columns(key) {
            let name = &object.key.name;
            let roles: Vec<&str> = ["PK", "FK", "UK"]
                .into_iter()
                .zip(&keys)
                .filter(|(_, columns)| columns.contains(name.as_str()))
                .map(|(role, _)| role)
                .collect();
            let roles = if roles.is_empty() { String::new() } else { format!(" {}", roles.join(", ")) };
            let note = match (state(&object.key), column.not_null) {
                (Some(State::Added), _) => " \"new\"",
                (Some(_), _) => " \"changed\"",
                (None, false) => " \"null\"",
                (None, true) => "",
            };
            out += &format!("        {} {}{roles}{note}\n", word(&column.ty), word(name));
        }
        out += "    }\n";
    }
    for table in tables {
        for object in schema.parts(&table.key, Kind::Constraint) {
            let Body::Constraint(constraint) = &object.body else { continue };
            let Some((to_schema, to)) = &constraint.references else { continue };
            // One that may be NULL leads to one row or none; each row may be led to by many.
            let optional = schema
                .columns(&table.key)
                .iter()
                .any(|(object, column)| constraint.columns.contains(&object.key.name) && !column.not_null);
            let end = if optional { "o|" } else { "||" };
            out += &format!(
                "    {} }}o--{end} {} : \"{}\"\n",
                id(&table.key.schema, &table.key.name),
                id(to_schema, to),
                shown(&constraint.columns.join(", "))
            );
        }
    }
    out
}

fn mark(state: Option<State>) -> &'static str {
    match state {
        Some(State::Added) => " (new)",
        Some(_) => " (changed)",
        None => "",
    }
}

/// The columns of the primary key, of foreign keys, and of unique constraints.
fn keys<'s>(schema: &'s Schema, table: &Key) -> [BTreeSet<&'s str>; 3] {
    let of = |sort: char| {
        schema
            .parts(table, Kind::Constraint)
            .filter_map(|object| object.body.constraint())
            .filter(|constraint| constraint.sort == sort)
            .flat_map(|constraint| constraint.columns.iter().map(String::as_str))
            .collect()
    };
    [of('p'), of('f'), of('u')]
}

/// The name of a box: letters, digits and underscores.
fn id(schema: &str, table: &str) -> String {
    word(&format!("{schema}_{table}"))
}

/// What stands for itself, as far as Mermaid can read it.
fn word(text: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() || c == '_' { c } else { '_' };
    let word: String = text.chars().map(plain).collect();
    let word = word.trim_end_matches('_');
    match word.chars().next() {
        Some(first) if first.is_alphabetic() => word.to_owned(),
        _ => format!("x{word}"),
    }
}

/// A text between quotes.
fn shown(text: &str) -> String {
    text.replace('"', "'").replace(['\n', '\r'], " ")
}
