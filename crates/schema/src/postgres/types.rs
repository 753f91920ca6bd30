//! Enums, domains, composite types, ranges.

use super::{Written, ident, literal};
use crate::Key;
use crate::model::{Attribute, Body, Check, Domain, Object};

/// `DOMAIN`, or `TYPE` of all others.
pub(super) fn word(body: &Body) -> &'static str {
    if matches!(body, Body::Domain(_)) { "DOMAIN" } else { "TYPE" }
}

/// The name of a type whose name another takes.
pub(super) fn aside(name: &str) -> String {
    cofferdam_core::ident::with_suffix(name, "__old")
}

pub(super) fn create(object: &Object) -> String {
    let name = object.key.sql();
    match &object.body {
        Body::Enum(labels) => {
            let labels: Vec<String> = labels.iter().map(|l| literal(l)).collect();
            format!("CREATE TYPE {name} AS ENUM ({})", labels.join(", "))
        }
        Body::Composite(composite) => {
            let attributes: Vec<String> = composite.attributes.iter().map(attribute).collect();
            format!("CREATE TYPE {name} AS ({})", attributes.join(", "))
        }
        Body::Range(definition) => format!("CREATE TYPE {name} AS RANGE ({definition})"),
        Body::Domain(domain) => create_domain(&name, domain),
        _ => String::new(),
    }
}

fn create_domain(name: &str, domain: &Domain) -> String {
    let mut out = format!("CREATE DOMAIN {name} AS {}", domain.base);
    if let Some(collation) = &domain.collation {
        out += &format!(" COLLATE {collation}");
    }
    if let Some(default) = &domain.default {
        out += &format!(" DEFAULT {default}");
    }
    if domain.not_null {
        out += " NOT NULL";
    }
    for check in domain.checks.iter().filter(|check| !check.definition.ends_with(" NOT VALID")) {
        out += &format!(" CONSTRAINT {} {}", ident(&check.name), check.definition);
    }
    for check in domain.checks.iter().filter(|check| check.definition.ends_with(" NOT VALID")) {
        out += &format!(";\nALTER DOMAIN {name} ADD CONSTRAINT {} {}", ident(&check.name), check.definition);
    }
    out
}

fn attribute(attribute: &Attribute) -> String {
    let collation = attribute.collation.as_ref().map(|c| format!(" COLLATE {c}")).unwrap_or_default();
    format!("{} {}{collation}", ident(&attribute.name), attribute.ty)
}

/// New labels between the old ones. An old one cannot be taken away or moved.
pub(super) fn change_enum(key: &Key, old: &[String], new: &[String]) -> Option<Vec<Written>> {
    let kept: Vec<&String> = new.iter().filter(|label| old.contains(label)).collect();
    if kept != old.iter().collect::<Vec<_>>() {
        return None;
    }
    let mut out = Vec::new();
    for (at, label) in new.iter().enumerate().filter(|(_, label)| !old.contains(label)) {
        let place = match (at.checked_sub(1).and_then(|before| new.get(before)), old.first()) {
            (Some(before), _) => format!(" AFTER {}", literal(before)),
            (None, Some(first)) => format!(" BEFORE {}", literal(first)),
            (None, None) => String::new(),
        };
        out.push(format!("ALTER TYPE {} ADD VALUE {}{place}", key.sql(), literal(label)).into());
    }
    Some(out)
}

pub(super) fn change_domain(key: &Key, old: &Domain, new: &Domain) -> Option<Vec<Written>> {
    if (&old.base, &old.collation) != (&new.base, &new.collation) {
        return None;
    }
    let alter = |what: String| Written::from(format!("ALTER DOMAIN {} {what}", key.sql()));
    let mut out = Vec::new();
    if old.default != new.default {
        let set = |default: &String| format!("SET DEFAULT {default}");
        out.push(alter(new.default.as_ref().map_or("DROP DEFAULT".to_owned(), set)));
    }
    let gone = |check: &&Check| !new.checks.contains(check);
    for check in old.checks.iter().filter(gone) {
        out.push(alter(format!("DROP CONSTRAINT {}", ident(&check.name))));
    }
    for check in new.checks.iter().filter(|check| !old.checks.contains(check)) {
        out.push(alter(format!("ADD CONSTRAINT {} {}", ident(&check.name), check.definition)));
    }
    if old.not_null != new.not_null {
        out.push(alter(format!("{} NOT NULL", if new.not_null { "SET" } else { "DROP" })));
    }
    Some(out)
}

/// Attributes go from anywhere and come at the end.
pub(super) fn change_composite(
    key: &Key,
    old: &crate::model::Composite,
    new: &crate::model::Composite,
) -> Option<Vec<Written>> {
    let (old, new) = (&old.attributes, &new.attributes);
    let among = |list: &[Attribute], name: &str| list.iter().any(|a| a.name == name);
    let kept: Vec<&Attribute> = old.iter().filter(|a| among(new, &a.name)).collect();
    let (begin, added) = new.split_at_checked(kept.len())?;
    if begin.iter().map(|a| &a.name).ne(kept.iter().map(|a| &a.name)) {
        return None;
    }
    let alter = |what: String| Written::from(format!("ALTER TYPE {} {what}", key.sql()));
    let mut out = Vec::new();
    for attribute in old.iter().filter(|a| !among(new, &a.name)) {
        let loses = Some(format!("the values of {} in {}.{}", attribute.name, key.schema, key.name));
        out.push(Written { loses, ..alter(format!("DROP ATTRIBUTE {}", ident(&attribute.name))) });
    }
    for (was, is) in kept.iter().zip(begin).filter(|(was, is)| *was != is) {
        let collation = is.collation.as_ref().map(|c| format!(" COLLATE {c}")).unwrap_or_default();
        out.push(alter(format!("ALTER ATTRIBUTE {} TYPE {}{collation}", ident(&was.name), is.ty)));
    }
    out.extend(added.iter().map(|new| alter(format!("ADD ATTRIBUTE {}", attribute(new)))));
    Some(out)
}
