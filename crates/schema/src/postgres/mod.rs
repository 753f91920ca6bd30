//! PostgreSQL's statements: how each kind of object is made, changed and dropped.

mod column;
mod constraint;
mod counter;
mod grants;
mod index;
mod rest;
mod table;
mod types;
mod view;

use std::collections::BTreeSet;

use cofferdam_core::QuotedLiteral;

use crate::key::{ident, qualified};
use crate::model::{Body, Object};
use crate::{Key, Kind, Schema};

pub(crate) use column::plain;
pub(crate) use constraint::inline;

/// A statement, and what it costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) sql: String,
    /// What is gone for good after it: `the rows of public.orders`.
    pub(crate) loses: Option<String>,
}

impl From<String> for Written {
    fn from(sql: String) -> Self {
        Self { sql, loses: None }
    }
}

/// What makes an object in a database that has nothing of it: itself, its comment, its grants.
///
/// `inline`: the defaults and constraints that are made with their table.
pub(crate) fn create(schema: &Schema, object: &Object, inline: &BTreeSet<Key>) -> Vec<String> {
    let key = &object.key;
    let mut out = match &object.body {
        Body::Schema {} => vec![format!("CREATE SCHEMA {}", ident(&key.name))],
        Body::Extension(extension) => vec![rest::extension(key, extension)],
        Body::Enum(_) | Body::Domain(_) | Body::Composite(_) | Body::Range(_) => vec![types::create(object)],
        Body::Sequence(counter) => vec![counter::create(key, counter)],
        Body::Routine(routine) => vec![routine.definition.trim_end().to_owned()],
        Body::Table(table) => table::create(schema, key, table, inline),
        Body::Column(column) => {
            let default = schema.objects.get(&key.beside(Kind::Default, key.name.clone()));
            let default = default.filter(|default| inline.contains(&default.key));
            column::add(object, column, default)
        }
        Body::Default(expression) => vec![format!(
            "ALTER TABLE ONLY {} ALTER COLUMN {} SET DEFAULT {expression}",
            key.on_sql(),
            ident(&key.name)
        )],
        Body::Ownership(owned) => vec![format!(
            "ALTER SEQUENCE {} OWNED BY {}.{}",
            key.sql(),
            qualified(&owned.schema, &owned.table),
            ident(&owned.column)
        )],
        Body::Constraint(constraint) => constraint::add(key, constraint),
        Body::Index(it) => index::create(key, it),
        Body::Attachment(it) => vec![index::attach(key, it)],
        Body::View(view) => vec![view::create(key, view, "CREATE VIEW")],
        Body::MaterializedView(view) => vec![view::create_materialized(key, view)],
        Body::Statistics(definition, target) => rest::statistics(key, definition, *target),
        Body::Rule(rule) => rest::rule(key, rule),
        Body::Trigger(trigger) => rest::trigger(key, trigger),
        Body::Policy(policy) => vec![rest::policy(key, policy)],
    };
    out.extend(dress(object, None, &object.given()));
    if key.kind == Kind::Table {
        // Parts that are made with their table are dressed with it.
        for (column, _) in schema.columns(key) {
            out.extend(dress(column, None, &column.given()));
        }
        let constraints = schema.parts(key, Kind::Constraint).filter(|c| inline.contains(&c.key));
        out.extend(constraints.flat_map(|constraint| dress(constraint, None, &constraint.given())));
    }
    out
}

/// Comment and grants, from what they are to what they are to be.
fn dress(object: &Object, comment: Option<&str>, grants: &BTreeSet<crate::model::Grant>) -> Vec<String> {
    let mut out = Vec::new();
    // The one that comes with it is its own.
    if object.comment.as_deref() != comment
        && object.key.kind != Kind::Extension
        && let Some(on) = commented(object)
    {
        let text = object.comment.as_deref().map_or("NULL".to_owned(), literal);
        out.push(format!("COMMENT ON {on} IS {text}"));
    }
    out.extend(grants::change(object, grants));
    out
}

/// What makes the one of the other without dropping it; `None`: nothing does.
pub(crate) fn change(from: &Schema, old: &Object, new: &Object) -> Option<Vec<Written>> {
    let key = &new.key;
    let mut out: Vec<Written> = match (&old.body, &new.body) {
        (old, new) if crate::compare::compared(old) == crate::compare::compared(new) => Vec::new(),
        (Body::Extension(old), Body::Extension(new)) => rest::change_extension(key, old, new),
        (Body::Enum(old), Body::Enum(new)) => types::change_enum(key, old, new)?,
        (Body::Domain(old), Body::Domain(new)) => types::change_domain(key, old, new)?,
        (Body::Composite(old), Body::Composite(new)) => types::change_composite(key, old, new)?,
        (Body::Sequence(old), Body::Sequence(new)) => counter::change(key, old, new),
        (Body::Routine(old), Body::Routine(new)) => rest::change_routine(old, new)?,
        (Body::Table(old), Body::Table(new)) => table::change(key, old, new)?,
        (Body::Column(old), Body::Column(new)) => column::change(from, key, old, new)?,
        (Body::Default(_), Body::Default(_)) => {
            create(from, new, &BTreeSet::new()).into_iter().take(1).map(Into::into).collect()
        }
        (Body::Ownership(_), Body::Ownership(_)) => {
            create(from, new, &BTreeSet::new()).into_iter().map(Into::into).collect()
        }
        (Body::Constraint(old), Body::Constraint(new)) => constraint::change(key, old, new)?,
        (Body::Index(old), Body::Index(new)) => index::change(key, old, new)?,
        (Body::View(old), Body::View(new)) => view::change(key, old, new)?,
        (Body::Statistics(old, _), Body::Statistics(new, target)) if old == new => {
            rest::statistics_target(key, *target).into_iter().map(Into::into).collect()
        }
        (Body::Rule(old), Body::Rule(new)) if old.definition == new.definition => {
            vec![rest::enabled(key, "RULE", &new.enabled).into()]
        }
        (Body::Trigger(old), Body::Trigger(new)) if old.definition == new.definition => {
            vec![rest::enabled(key, "TRIGGER", &new.enabled).into()]
        }
        _ => return None,
    };
    out.extend(dress(new, old.comment.as_deref(), &old.grants).into_iter().map(Into::into));
    Some(out)
}

/// What drops it. `set_aside`: it is a type that was renamed before.
pub(crate) fn remove(object: &Object, set_aside: bool) -> Written {
    let key = &object.key;
    let (name, part) = (ident(&key.name), format!("{} ON {}", ident(&key.name), key.on_sql()));
    let sql = match &object.body {
        Body::Schema {} => format!("DROP SCHEMA {name}"),
        Body::Extension(_) => format!("DROP EXTENSION {name}"),
        Body::Enum(_) | Body::Domain(_) | Body::Composite(_) | Body::Range(_) => {
            let name = if set_aside { qualified(&key.schema, &types::aside(&key.name)) } else { key.sql() };
            format!("DROP {} {name}", types::word(&object.body))
        }
        Body::Sequence(_) => format!("DROP SEQUENCE {}", key.sql()),
        Body::Routine(routine) => {
            let word = if routine.procedure { "PROCEDURE" } else { "FUNCTION" };
            format!("DROP {word} {}", routine.signature)
        }
        Body::Table(_) => format!("DROP TABLE {}", key.sql()),
        Body::Column(_) => format!("ALTER TABLE {} DROP COLUMN {name}", key.on_sql()),
        Body::Default(_) => format!("ALTER TABLE ONLY {} ALTER COLUMN {name} DROP DEFAULT", key.on_sql()),
        Body::Ownership(_) => format!("ALTER SEQUENCE {} OWNED BY NONE", key.sql()),
        Body::Constraint(_) => format!("ALTER TABLE {} DROP CONSTRAINT {name}", key.on_sql()),
        Body::Index(_) => format!("DROP INDEX {}", key.sql()),
        Body::Attachment(it) => index::detach(key, it),
        Body::View(_) => format!("DROP VIEW {}", key.sql()),
        Body::MaterializedView(_) => format!("DROP MATERIALIZED VIEW {}", key.sql()),
        Body::Statistics(..) => format!("DROP STATISTICS {}", key.sql()),
        Body::Rule(_) => format!("DROP RULE {part}"),
        Body::Trigger(_) => format!("DROP TRIGGER {part}"),
        Body::Policy(_) => format!("DROP POLICY {part}"),
    };
    let loses = match &object.body {
        Body::Table(table) if table.partition_by.is_some() => {
            Some(format!("the rows of {}.{} and its partitions", key.schema, key.name))
        }
        Body::Table(_) => Some(format!("the rows of {}.{}", key.schema, key.name)),
        Body::Column(column) if column.generated.is_none() => {
            Some(format!("the values of {}.{}.{}", key.schema, key.on, key.name))
        }
        Body::Sequence(_) => Some(format!("where {}.{} stands", key.schema, key.name)),
        _ => None,
    };
    Written { sql, loses }
}

/// Puts a type aside, so that its columns can move to the one that takes its name.
pub(crate) fn put_aside(key: &Key) -> String {
    format!("ALTER TYPE {} RENAME TO {}", key.sql(), ident(&types::aside(&key.name)))
}

/// Moves a column to the new type of the same name.
pub(crate) fn retype(key: &Key, ty: &str) -> String {
    column::retype(key, ty)
}

/// How a person reads what an object is: the statements that would make it.
pub fn define(schema: &Schema, object: &Object) -> String {
    let inline: BTreeSet<Key> = match &object.body {
        Body::Table(_) => schema
            .parts(&object.key, Kind::Default)
            .chain(schema.parts(&object.key, Kind::Constraint))
            .map(|part| part.key.clone())
            .collect(),
        Body::Column(_) => BTreeSet::from([object.key.beside(Kind::Default, object.key.name.clone())]),
        _ => BTreeSet::new(),
    };
    create(schema, object, &inline).join(";\n")
}

/// Names that no two objects may have at a time, where the key does not say it: those of relations, of types.
pub(crate) fn names(object: &Object) -> Vec<String> {
    let key = &object.key;
    let relation = |schema: &str, name: &str| format!("relation {schema}.{name}");
    match &object.body {
        Body::Table(_) | Body::View(_) | Body::MaterializedView(_) => {
            vec![relation(&key.schema, &key.name), format!("type {}.{}", key.schema, key.name)]
        }
        Body::Composite(_) | Body::Enum(_) | Body::Domain(_) | Body::Range(_) => {
            vec![format!("type {}.{}", key.schema, key.name)]
        }
        Body::Sequence(_) | Body::Index(_) => vec![relation(&key.schema, &key.name)],
        Body::Constraint(constraint) if matches!(constraint.sort, 'p' | 'u' | 'x') => {
            vec![relation(&key.schema, &key.name)]
        }
        Body::Column(column) => {
            column.identity.iter().map(|i| relation(&i.sequence.0, &i.sequence.1)).collect()
        }
        // A function and a procedure cannot have one name and the same arguments: that is the key.
        _ => Vec::new(),
    }
}

/// For COMMENT ON.
fn commented(object: &Object) -> Option<String> {
    let key = &object.key;
    let part = || format!("{} ON {}", ident(&key.name), key.on_sql());
    Some(match &object.body {
        Body::Schema {} => format!("SCHEMA {}", ident(&key.name)),
        Body::Extension(_) => format!("EXTENSION {}", ident(&key.name)),
        Body::Enum(_) | Body::Domain(_) | Body::Composite(_) | Body::Range(_) => {
            format!("{} {}", types::word(&object.body), key.sql())
        }
        Body::Sequence(_) => format!("SEQUENCE {}", key.sql()),
        Body::Routine(routine) => {
            format!("{} {}", if routine.procedure { "PROCEDURE" } else { "FUNCTION" }, routine.signature)
        }
        Body::Table(_) => format!("TABLE {}", key.sql()),
        Body::Column(_) => format!("COLUMN {}.{}", key.on_sql(), ident(&key.name)),
        Body::Constraint(_) => format!("CONSTRAINT {}", part()),
        Body::Index(_) => format!("INDEX {}", key.sql()),
        Body::View(_) => format!("VIEW {}", key.sql()),
        Body::MaterializedView(_) => format!("MATERIALIZED VIEW {}", key.sql()),
        Body::Statistics(..) => format!("STATISTICS {}", key.sql()),
        Body::Rule(_) => format!("RULE {}", part()),
        Body::Trigger(_) => format!("TRIGGER {}", part()),
        Body::Policy(_) => format!("POLICY {}", part()),
        Body::Default(_) | Body::Ownership(_) | Body::Attachment(_) => return None,
    })
}

/// A text as a literal. What a server printed has no NUL in it.
fn literal(text: &str) -> String {
    QuotedLiteral::new(text).map(|quoted| quoted.to_string()).unwrap_or_else(|_| "''".to_owned())
}

/// `fillfactor=70` as it stands in a list of options.
fn option(text: &str) -> String {
    let (name, value) = text.split_once('=').unwrap_or((text, "true"));
    format!("{} = {}", option_name(name), literal(value))
}

fn option_name(name: &str) -> String {
    match name.strip_prefix("toast.") {
        Some(rest) => format!("toast.{}", ident(rest)),
        None => ident(name),
    }
}

/// ` WITH (...)`, or nothing.
fn with(options: &BTreeSet<String>) -> String {
    if options.is_empty() {
        return String::new();
    }
    format!(" WITH ({})", options.iter().map(|o| option(o)).collect::<Vec<_>>().join(", "))
}

/// The options to SET and the names of those to RESET.
fn options(old: &BTreeSet<String>, new: &BTreeSet<String>) -> (Vec<String>, Vec<String>) {
    let name = |o: &String| o.split('=').next().unwrap_or_default().to_owned();
    let set = new.difference(old).map(|o| option(o)).collect();
    let kept: BTreeSet<String> = new.iter().map(name).collect();
    let reset = old.iter().map(name).filter(|n| !kept.contains(n)).map(|n| option_name(&n)).collect();
    (set, reset)
}
