//! What becomes of each object: made, gone, changed in place, or dropped and made again.

use std::collections::{BTreeMap, BTreeSet};

use crate::compare::same;
use crate::model::{Body, Object};
use crate::postgres::{self, Written};
use crate::{Key, Kind, Schema};

/// What becomes of an object.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fate {
    /// It is on the second side only.
    Made,
    /// It is on the first side only.
    Gone,
    /// It is changed where it is.
    Changed(Vec<Written>),
    /// It is dropped and made again: it cannot be changed in place, or something that it needs cannot.
    Replaced,
}

/// The fates of all objects that have one.
#[derive(Debug, Default)]
pub(crate) struct Fates {
    pub(crate) of: BTreeMap<Key, Fate>,
    /// Types that are renamed, so that columns can move from them to the new ones.
    pub(crate) aside: BTreeSet<Key>,
}

impl Fates {
    /// Of the objects of two schemas.
    pub(crate) fn new(from: &Schema, to: &Schema) -> Self {
        let mut fates = Self::default();
        for key in from.objects.keys().chain(to.objects.keys()).collect::<BTreeSet<_>>() {
            let fate = match (from.objects.get(key), to.objects.get(key)) {
                (Some(old), Some(new)) if same(old, new) => continue,
                (Some(old), Some(new)) => match postgres::change(from, old, new) {
                    Some(written) => Fate::Changed(written),
                    None => Fate::Replaced,
                },
                (None, _) => Fate::Made,
                (_, None) => Fate::Gone,
            };
            fates.of.insert(key.clone(), fate);
        }
        fates.spread(from, to);
        fates
    }

    /// It is on the first side and goes, for good or to come back.
    pub(crate) fn leaves(&self, key: &Key) -> bool {
        matches!(self.of.get(key), Some(Fate::Gone | Fate::Replaced))
    }

    /// It is on the second side and is made, for the first time or again.
    pub(crate) fn comes(&self, key: &Key) -> bool {
        matches!(self.of.get(key), Some(Fate::Made | Fate::Replaced))
    }

    /// What stands on something that is replaced, or on a column that gets another type, must be replaced too where
    /// the server would else refuse.
    fn spread(&mut self, from: &Schema, to: &Schema) {
        let mut dependents: BTreeMap<&Key, Vec<&Key>> = BTreeMap::new();
        for (key, object) in &from.objects {
            object.needs.iter().for_each(|need| dependents.entry(need).or_default().push(key));
        }
        let retyped = |key: &Key| {
            let ty =
                |side: &Schema| side.objects.get(key).and_then(|o| o.body.column()).map(|c| c.ty.clone());
            ty(from) != ty(to)
        };
        let mut due: Vec<Key> = Vec::new();
        for (key, fate) in &self.of {
            let moved = key.kind == Kind::Column && matches!(fate, Fate::Changed(_)) && retyped(key);
            if matches!(fate, Fate::Replaced | Fate::Gone) || moved {
                due.push(key.clone());
            }
        }
        while let Some(key) = due.pop() {
            // Its parts go with it, the same or not.
            if matches!(key.kind, Kind::Table | Kind::View | Kind::MaterializedView) && self.leaves(&key) {
                for part in Kind::PARTS.iter().flat_map(|kind| from.parts(&key, *kind)) {
                    if to.objects.contains_key(&part.key) && !self.leaves(&part.key) {
                        self.of.insert(part.key.clone(), Fate::Replaced);
                        due.push(part.key.clone());
                    }
                }
            }
            for dependent in dependents.get(&key).into_iter().flatten().copied() {
                let (Some(was), Some(is)) = (from.objects.get(dependent), to.objects.get(dependent)) else {
                    continue;
                };
                if self.leaves(dependent) {
                    continue;
                }
                match self.consequence(&key, was, from, to) {
                    Consequence::None => continue,
                    Consequence::Replaced => {
                        self.of.insert(dependent.clone(), Fate::Replaced);
                    }
                    // It moves to a type that does not use this one any more.
                    Consequence::Retyped if !is.needs.contains(&key) => continue,
                    Consequence::Retyped => {
                        self.aside.insert(key.clone());
                        self.retype(dependent, was, is);
                    }
                }
                due.push(dependent.clone());
            }
        }
    }

    /// What it means for an object that is on both sides that something which it needs goes or gets another type.
    fn consequence(&self, key: &Key, object: &Object, from: &Schema, to: &Schema) -> Consequence {
        let kind = object.key.kind;
        let generated = object.body.column().is_some_and(|column| column.generated.is_some());
        // A table stays a partition whatever its indexes do.
        if kind == Kind::Attachment && object.key.name.is_empty() && key.kind != Kind::Table {
            return Consequence::None;
        }
        match self.of.get(key) {
            // It is another one by now, which does not need it; else the server has the last word.
            Some(Fate::Gone) if self.of.contains_key(&object.key) => Consequence::None,
            Some(Fate::Gone)
                if matches!(kind, Kind::Table | Kind::Column | Kind::Sequence | Kind::Schema) =>
            {
                Consequence::None
            }
            Some(Fate::Gone) => Consequence::Replaced,
            Some(Fate::Replaced) if key.kind == Kind::Type && kind == Kind::Column && !generated => {
                Consequence::Retyped
            }
            Some(Fate::Replaced) if kind == Kind::Column => {
                if generated {
                    Consequence::Replaced
                } else {
                    Consequence::None
                }
            }
            Some(Fate::Replaced) if matches!(kind, Kind::Sequence | Kind::Schema | Kind::Extension) => {
                Consequence::None
            }
            Some(Fate::Replaced) => Consequence::Replaced,
            Some(Fate::Changed(_)) => {
                let plain = |side: &Schema| {
                    let column = side.objects.get(key).and_then(|o| o.body.column());
                    column.map(|column| postgres::plain(&column.ty))
                };
                let another = plain(from) != plain(to);
                let refused = match (&object.body, kind) {
                    (
                        _,
                        Kind::View
                        | Kind::MaterializedView
                        | Kind::Rule
                        | Kind::Policy
                        | Kind::Trigger
                        | Kind::Routine,
                    ) => true,
                    (Body::Constraint(constraint), _) => constraint.sort == 'f' && another,
                    (_, Kind::Default) => another,
                    _ => generated,
                };
                if refused { Consequence::Replaced } else { Consequence::None }
            }
            Some(Fate::Made) | None => Consequence::None,
        }
    }

    /// The column moves to the new type that has the name of its old one.
    fn retype(&mut self, key: &Key, was: &Object, is: &Object) {
        let (Some(old), Some(new)) = (was.body.column(), is.body.column()) else { return };
        let mut written = match self.of.remove(key) {
            Some(Fate::Changed(written)) => written,
            _ => Vec::new(),
        };
        if old.ty == new.ty {
            written.insert(0, postgres::retype(key, &new.ty).into());
        }
        self.of.insert(key.clone(), Fate::Changed(written));
    }
}

enum Consequence {
    None,
    Replaced,
    Retyped,
}
