//! What is different.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::Serialize;

use crate::model::{Body, Grant, Object};
use crate::postgres::define;
use crate::{Key, Kind, Schema};

/// What is not compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Leaving {
    /// Who may do what.
    pub grants: bool,
    /// Comments.
    pub comments: bool,
    /// Extensions.
    pub extensions: bool,
}

impl Schema {
    /// Without what is not to be compared.
    pub fn without(mut self, leaving: Leaving) -> Self {
        if leaving.extensions {
            self.objects.retain(|key, _| key.kind != Kind::Extension);
        }
        for object in self.objects.values_mut() {
            if leaving.grants {
                object.grants = object.given();
            }
            if leaving.comments {
                object.comment = None;
            }
        }
        self
    }
}

/// Takes away what differs because of the places: what one side's owner was given on the other, which cannot be seen where
/// it is the owner's own; and what differs because the servers' versions do. Says what may still differ for these.
pub fn level(from: &mut Schema, to: &mut Schema) -> Option<String> {
    for (key, one) in &mut from.objects {
        let Some(other) = to.objects.get_mut(key) else { continue };
        let owners = [one.owner.clone(), other.owner.clone()];
        let others = |grant: &Grant| grant.to.is_none() || !owners.contains(&grant.to);
        one.grants.retain(others);
        other.grants.retain(others);
    }
    let (old, new) = (from.major(), to.major());
    // Since 15 not everybody may create in schema public.
    if (old < 15) != (new < 15) {
        let public = Key::new(Kind::Schema, "", "public");
        for side in [&mut *from, &mut *to] {
            if let Some(schema) = side.objects.get_mut(&public) {
                schema.grants.retain(|grant| grant.to.is_some() || grant.privilege != "CREATE");
            }
        }
    }
    (old != new).then(|| {
        format!("the servers are PostgreSQL {old} and {new}, which may print the same view or function differently")
    })
}

/// On which side an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// On the second only.
    Added,
    /// On the first only.
    Removed,
    /// On both, and not the same.
    Changed,
}

/// An object that is not the same on both sides.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Which.
    pub key: Key,
    /// How.
    pub state: State,
    /// What the first side says of it.
    pub from: Option<String>,
    /// What the second side says of it.
    pub to: Option<String>,
}

/// Every object that is not the same, in the order of their kinds and names. What stands on a table that is on one
/// side only is not listed beside the table.
pub fn compare(from: &Schema, to: &Schema) -> Vec<Difference> {
    let mut all = Vec::new();
    for key in from.objects.keys().chain(to.objects.keys()).collect::<BTreeSet<_>>() {
        let (old, new) = (from.objects.get(key), to.objects.get(key));
        let state = match (old, new) {
            (Some(old), Some(new)) if same(old, new) => continue,
            (Some(_), Some(_)) => State::Changed,
            (Some(_), None) if goes_along(key, from, to) => continue,
            (None, Some(_)) if goes_along(key, to, from) => continue,
            (Some(_), None) => State::Removed,
            (None, Some(_)) => State::Added,
            (None, None) => continue,
        };
        all.push(Difference {
            key: key.clone(),
            state,
            from: old.map(|object| define(from, object)),
            to: new.map(|object| define(to, object)),
        });
    }
    all
}

/// What it stands on is not on the other side, either; or it is no object that a person would name.
fn goes_along(key: &Key, here: &Schema, there: &Schema) -> bool {
    let gone = |holder: &Key| !there.objects.contains_key(holder);
    match key.kind {
        kind if kind.is_part() => {
            let column = key.beside(Kind::Column, key.name.clone());
            here.holder(key).is_some_and(|holder| gone(&holder)) || kind == Kind::Default && gone(&column)
        }
        Kind::Ownership => gone(&Key::new(Kind::Sequence, &key.schema, &key.name)),
        _ => false,
    }
}

/// Whether two objects of one key are the same.
pub(crate) fn same(old: &Object, new: &Object) -> bool {
    (&old.comment, &old.grants) == (&new.comment, &new.grants) && compared(&old.body) == compared(&new.body)
}

/// What counts of it.
pub(crate) fn compared(body: &Body) -> Cow<'_, Body> {
    match body {
        // Where it stands and whether it came from a parent cannot be changed once it is there.
        Body::Column(column) => {
            let mut column = column.clone();
            (column.position, column.inherited) = (0, false);
            Cow::Owned(Body::Column(column))
        }
        Body::Constraint(constraint) if constraint.inherited => {
            let mut constraint = constraint.clone();
            constraint.inherited = false;
            Cow::Owned(Body::Constraint(constraint))
        }
        Body::MaterializedView(view) if view.populated => {
            let mut view = view.clone();
            view.populated = false;
            Cow::Owned(Body::MaterializedView(view))
        }
        body => Cow::Borrowed(body),
    }
}
