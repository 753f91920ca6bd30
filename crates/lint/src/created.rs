//! Which tables are so new that nobody uses them.

use std::collections::BTreeSet;

use cofferdam_core::{Action, Facts, Name, TableChange};
use cofferdam_dialects::Parsed;

/// The tables (and materialized views) that a script creates and keeps.
pub fn created_tables(parsed: &Parsed) -> BTreeSet<Name> {
    let mut created = BTreeSet::new();
    for change in &parsed.changes {
        follow(&change.action, None, &mut created);
    }
    created
}

/// What a name is kept as: a table without a schema is taken for one in `public`, where it almost always is.
pub(crate) fn key(name: &Name) -> Name {
    match name.schema.as_deref() {
        Some("public") => Name::plain(name.name.clone()),
        _ => name.clone(),
    }
}

/// Adds what a statement creates, and takes out what it drops or renames.
pub(crate) fn follow(action: &Action, facts: Option<&Facts>, created: &mut BTreeSet<Name>) {
    match action {
        Action::CreateTable(table) => {
            if let Some(name) = &table.name
                && !(table.if_not_exists && exists(facts, name))
            {
                created.insert(key(name));
            }
        }
        Action::CreateView { name, materialized: true, if_not_exists, .. }
            if !(*if_not_exists && exists(facts, name)) =>
        {
            created.insert(key(name));
        }
        Action::DropTable { names, .. } => {
            for name in names {
                created.remove(&key(name));
            }
        }
        Action::RenameTables { renames } => {
            for (from, to) in renames {
                let new = created.remove(&key(from));
                created.remove(&key(to));
                if new {
                    created.insert(key(to));
                }
            }
        }
        Action::AlterTable { table, changes, .. } => {
            for change in changes {
                let renamed = match change {
                    TableChange::RenameTo { to } => table.beside(to.clone()),
                    TableChange::SetSchema { schema } => Name::qualified(schema.clone(), table.name.clone()),
                    _ => continue,
                };
                if created.remove(&key(table)) {
                    created.insert(key(&renamed));
                } else {
                    // The old table now has a name that a new one had before.
                    created.remove(&key(&renamed));
                }
            }
        }
        _ => {}
    }
}

fn exists(facts: Option<&Facts>, name: &Name) -> bool {
    facts.and_then(|facts| facts.table(name)).is_some_and(|table| table.exists)
}
