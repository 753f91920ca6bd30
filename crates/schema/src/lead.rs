//! The statements that lead from one schema to another.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::fate::{Fate, Fates};
use crate::model::{Body, Object};
use crate::order::{Action, Deed, ordered};
use crate::postgres::{self, Written};
use crate::{Key, Kind, Schema};

/// The way from one schema to another.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lead {
    /// In an order that the server takes.
    pub statements: Vec<Statement>,
    /// What a person should know.
    pub notes: Vec<String>,
}

/// A statement of the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Statement {
    /// Without `;`.
    pub sql: String,
    /// What it is about.
    pub object: String,
    /// `create`, `alter` or `drop`.
    pub does: Deed,
    /// It drops something for good, or loses something. A person has to want it.
    pub held: bool,
    /// What is gone after it: `the rows of public.orders`.
    pub loses: Option<String>,
}

/// The statements that lead from one schema to the other. Nothing is guessed to be a rename: what has another name is
/// another object.
pub fn lead(from: &Schema, to: &Schema) -> Lead {
    let fates = Fates::new(from, to);
    let mut way = Way {
        from,
        to,
        fates: &fates,
        actions: Vec::new(),
        makes: BTreeMap::new(),
        removes: BTreeMap::new(),
    };
    for key in fates.of.keys() {
        way.add(key);
    }
    way.inherit();
    let (actions, notes) = ordered(way.actions, &way.makes, &way.removes);
    Lead { statements: actions.into_iter().flat_map(|action| action.statements).collect(), notes }
}

struct Way<'s> {
    from: &'s Schema,
    to: &'s Schema,
    fates: &'s Fates,
    actions: Vec<Action>,
    /// Which action makes an object what it is on the second side.
    makes: BTreeMap<Key, usize>,
    /// Which action ends what it is on the first side.
    removes: BTreeMap<Key, usize>,
}

impl Way<'_> {
    fn add(&mut self, key: &Key) {
        let Some(fate) = self.fates.of.get(key) else { return };
        if let (Fate::Changed(written), Some(old), Some(new)) =
            (fate, self.from.objects.get(key), self.to.objects.get(key))
        {
            return self.alter(old, new, written);
        }
        if self.fates.leaves(key)
            && let Some(object) = self.from.objects.get(key)
            && !self.goes_along(key)
        {
            self.drop(object, *fate == Fate::Gone);
        }
        if self.fates.comes(key)
            && let Some(object) = self.to.objects.get(key)
            && !self.comes_along(key)
        {
            self.create(object, *fate == Fate::Replaced);
        }
    }

    fn create(&mut self, object: &Object, again: bool) {
        let key = &object.key;
        let mut along = vec![object];
        if key.kind == Kind::Table {
            for kind in [Kind::Column, Kind::Default, Kind::Constraint] {
                along.extend(self.to.parts(key, kind).filter(|part| self.comes_along(&part.key)));
            }
        }
        if key.kind == Kind::Column {
            let default = self.to.objects.get(&key.beside(Kind::Default, &key.name));
            along.extend(default.filter(|default| self.comes_along(&default.key)));
        }
        let inline: BTreeSet<Key> = along.iter().map(|part| part.key.clone()).collect();
        // What was lost to make room for it.
        let held = again && loses_all(object);
        let sql = postgres::create(self.to, object, &inline);
        let mut statements: Vec<Statement> =
            sql.into_iter().map(|sql| statement(sql.into(), key, Deed::Create, held)).collect();
        if self.fates.aside.contains(key) {
            statements.insert(0, statement(postgres::put_aside(key).into(), key, Deed::Alter, false));
        }
        let mut action = Action::new(key.clone(), Deed::Create, statements);
        for part in &along {
            action.needs.extend(part.needs.iter().cloned());
            action.takes.extend(postgres::names(part));
        }
        if let Some(old) = self.from.objects.get(key) {
            // Else it could come to stand on what goes once more.
            let gone = |need: &&Key| self.fates.of.get(*need) == Some(&Fate::Gone);
            action.after.extend(old.needs.iter().filter(gone).cloned());
        }
        let at = self.actions.len();
        self.makes.extend(along.iter().map(|part| (part.key.clone(), at)));
        self.actions.push(action);
    }

    fn drop(&mut self, object: &Object, for_good: bool) {
        let key = &object.key;
        let mut along = vec![object];
        if matches!(key.kind, Kind::Table | Kind::View | Kind::MaterializedView) {
            for kind in Kind::PARTS {
                along.extend(self.from.parts(key, *kind).filter(|part| self.fates.leaves(&part.key)));
            }
        }
        let aside = self.fates.aside.contains(key);
        // A default, an owner and a place in a partitioned table are no things of their own.
        let thing = !matches!(key.kind, Kind::Default | Kind::Ownership | Kind::Attachment);
        let held = thing && for_good || !for_good && loses_all(object);
        let mut written = postgres::remove(object, aside);
        if !held {
            written.loses = None;
        }
        let mut action =
            Action::new(key.clone(), Deed::Drop, vec![statement(written, key, Deed::Drop, held)]);
        for part in &along {
            action.frees.extend(part.needs.iter().cloned());
            if !aside {
                action.gives.extend(postgres::names(part));
            }
        }
        action.aside = aside;
        action.for_good = for_good;
        // As long as the type has the name by which the statement names it.
        action
            .before
            .extend(object.needs.iter().filter(|need| !aside && self.fates.aside.contains(*need)).cloned());
        let at = self.actions.len();
        self.removes.extend(along.iter().map(|part| (part.key.clone(), at)));
        self.actions.push(action);
    }

    fn alter(&mut self, old: &Object, new: &Object, written: &[Written]) {
        let key = &new.key;
        // What a parent is changed to its children are changed to with it.
        let follows = self.parent_of(self.to, key).is_some_and(|parent| self.fates.of.contains_key(&parent))
            && inherited(old)
            && inherited(new);
        let own = |sql: &str| {
            ["ALTER TABLE ONLY", "COMMENT", "GRANT", "REVOKE"].iter().any(|begin| sql.starts_with(begin))
        };
        let statements = written
            .iter()
            .filter(|written| !follows || own(&written.sql))
            .map(|written| statement(written.clone(), key, Deed::Alter, written.loses.is_some()))
            .collect();
        let mut action = Action::new(key.clone(), Deed::Alter, statements);
        action.needs.extend(new.needs.iter().cloned());
        action.frees.extend(old.needs.iter().cloned());
        if follows {
            action.needs.extend(self.parent_of(self.to, key));
        }
        let (had, has) = (postgres::names(old), postgres::names(new));
        action.takes.extend(has.iter().filter(|name| !had.contains(name)).cloned());
        action.gives.extend(had.iter().filter(|name| !has.contains(name)).cloned());
        self.makes.insert(key.clone(), self.actions.len());
        self.removes.insert(key.clone(), self.actions.len());
        self.actions.push(action);
    }

    /// Dropping something else drops it too.
    fn goes_along(&self, key: &Key) -> bool {
        let leaves = |other: &Key| self.fates.leaves(other);
        let Some(object) = self.from.objects.get(key) else { return false };
        let holder = self.from.holder(key).filter(|_| key.kind.is_part());
        if holder.is_some_and(|holder| leaves(&holder)) {
            // Of tables that refer to each other in a circle none can be the first to go.
            return !self.in_circle(object);
        }
        let parent = || self.parent_of(self.from, key).is_some_and(|parent| leaves(&parent));
        match &object.body {
            Body::Table(table) if table.partition => {
                table.parents.iter().any(|(schema, name)| leaves(&Key::new(Kind::Table, schema, name)))
            }
            Body::Column(column) => column.inherited && parent(),
            Body::Constraint(constraint) if constraint.inherited => parent(),
            Body::Default(_) => leaves(&key.beside(Kind::Column, &key.name)),
            Body::Ownership(_) => leaves(&Key::new(Kind::Sequence, &key.schema, &key.name)),
            // The index of a partition cannot be detached; it goes with that of the whole table, or by itself.
            Body::Attachment(it) => it.bound.is_none(),
            Body::Constraint(_) | Body::Index(_) => {
                self.attached_to(key).is_some_and(|parent| leaves(&parent))
            }
            Body::Sequence(_) => {
                match self
                    .from
                    .objects
                    .get(&Key::new(Kind::Ownership, &key.schema, &key.name))
                    .map(|o| &o.body)
                {
                    Some(Body::Ownership(owned)) => {
                        leaves(&Key::new(Kind::Table, &owned.schema, &owned.table))
                            || leaves(&Key::on(Kind::Column, &owned.schema, &owned.table, &owned.column))
                    }
                    _ => false,
                }
            }
            _ => false,
        }
    }

    /// It is a foreign key by which tables that go refer to each other in a circle.
    fn in_circle(&self, object: &Object) -> bool {
        let leads_to = |object: &Object| {
            let (schema, table) = object.body.constraint()?.references.as_ref()?;
            let table = Key::new(Kind::Table, schema, table);
            self.fates.leaves(&table).then_some(table)
        };
        let own = object.key.table();
        let Some(first) = leads_to(object).filter(|table| *table != own) else { return false };
        let (mut due, mut seen) = (vec![first.clone()], BTreeSet::from([first]));
        while let Some(table) = due.pop() {
            if table == own {
                return true;
            }
            let next = self.from.parts(&table, Kind::Constraint).filter_map(leads_to);
            due.extend(next.filter(|table| seen.insert(table.clone())));
        }
        false
    }

    /// The index or constraint of the whole table that this one of a partition belongs to.
    fn attached_to(&self, key: &Key) -> Option<Key> {
        let attachment = self.from.objects.get(&key.beside(Kind::Attachment, &key.name))?;
        let parent = |need: &&Key| matches!(need.kind, Kind::Index | Kind::Constraint) && *need != key;
        attachment.needs.iter().find(parent).cloned()
    }

    /// Making something else makes it too.
    fn comes_along(&self, key: &Key) -> bool {
        let Some(object) = self.to.objects.get(key) else { return false };
        let table = key.table();
        let with_table = self.fates.comes(&table) && !key.on.is_empty();
        match &object.body {
            Body::Column(_) if with_table => true,
            Body::Column(column) => column.inherited && self.parent_of(self.to, key).is_some(),
            Body::Default(_) => {
                let column = key.beside(Kind::Column, &key.name);
                let stands = match self.to.objects.get(&column).and_then(|object| object.body.column()) {
                    // It is made with the parent's, which may have another default.
                    Some(it) if it.inherited => {
                        with_table && self.to.table(key).is_some_and(|table| table.partition)
                    }
                    _ => with_table || self.fates.comes(&column),
                };
                stands && self.unbound(object, &table)
            }
            Body::Constraint(constraint) if with_table => {
                postgres::inline(constraint) && self.unbound(object, &table)
            }
            Body::Constraint(constraint) => constraint.inherited,
            _ => false,
        }
    }

    /// Nothing that it needs needs the table.
    fn unbound(&self, object: &Object, table: &Key) -> bool {
        let part = |key: &Key| key == table || !key.on.is_empty() && key.table() == *table;
        let mut due: Vec<&Key> = object.needs.iter().filter(|key| !part(key)).collect();
        let mut seen: BTreeSet<&Key> = due.iter().copied().collect();
        while let Some(key) = due.pop() {
            if part(key) {
                return false;
            }
            let needs = self.to.objects.get(key).into_iter().flat_map(|o| &o.needs);
            due.extend(needs.filter(|key| seen.insert(key)));
        }
        true
    }

    /// The column, or constraint, of a parent from which this one came.
    fn parent_of(&self, side: &Schema, key: &Key) -> Option<Key> {
        if !matches!(key.kind, Kind::Column | Kind::Constraint) {
            return None;
        }
        let parents = &side.table(key)?.parents;
        parents
            .iter()
            .map(|(schema, name)| Key::on(key.kind, schema, name, &key.name))
            .find(|parent| side.objects.contains_key(parent))
    }

    /// What comes or goes with a parent's is made or removed where that is.
    fn inherit(&mut self) {
        for key in self.fates.of.keys() {
            let mut up = key.clone();
            while !self.makes.contains_key(key)
                && let Some(parent) = self.parent_of(self.to, &up)
            {
                if let Some(at) = self.makes.get(&parent).copied() {
                    self.makes.insert(key.clone(), at);
                }
                up = parent;
            }
            let mut up = key.clone();
            while !self.removes.contains_key(key)
                && let Some(parent) = self.parent_of(self.from, &up)
            {
                if let Some(at) = self.removes.get(&parent).copied() {
                    self.removes.insert(key.clone(), at);
                }
                up = parent;
            }
            // A default that is made with its column.
            let column = key.beside(Kind::Column, key.name.clone());
            if key.kind == Kind::Default
                && let Some(at) = self.makes.get(&column).copied()
            {
                self.makes.entry(key.clone()).or_insert(at);
            }
        }
    }
}

/// Rows or values go with it that making it again does not bring back.
fn loses_all(object: &Object) -> bool {
    match &object.body {
        Body::Table(_) => true,
        Body::Column(column) => column.generated.is_none(),
        _ => false,
    }
}

fn inherited(object: &Object) -> bool {
    match &object.body {
        Body::Column(column) => column.inherited,
        Body::Constraint(constraint) => constraint.inherited,
        _ => false,
    }
}

fn statement(written: Written, key: &Key, does: Deed, held: bool) -> Statement {
    Statement { sql: written.sql, object: key.to_string(), does, held, loses: written.loses }
}
