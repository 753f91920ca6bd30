//! The order in which a server takes the actions.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use serde::Serialize;

use crate::lead::Statement;
use crate::{Key, Kind};

/// What an action does to its object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deed {
    /// Makes it.
    Create,
    /// Changes it where it is.
    Alter,
    /// Drops it.
    Drop,
}

/// What is done to an object at one time.
#[derive(Debug)]
pub(crate) struct Action {
    pub(crate) key: Key,
    pub(crate) deed: Deed,
    pub(crate) statements: Vec<Statement>,
    /// Objects of the second side that must be there before.
    pub(crate) needs: BTreeSet<Key>,
    /// Objects of the first side that can go only after it.
    pub(crate) frees: BTreeSet<Key>,
    /// Objects of the first side that go before it, where that can be.
    pub(crate) after: BTreeSet<Key>,
    /// Objects of the second side that are made after it.
    pub(crate) before: BTreeSet<Key>,
    /// Names that it takes, and that it gives up.
    pub(crate) takes: Vec<String>,
    /// See `takes`.
    pub(crate) gives: Vec<String>,
    /// It drops a type that was renamed: the new one is made before.
    pub(crate) aside: bool,
    /// What it drops does not come back.
    pub(crate) for_good: bool,
}

impl Action {
    pub(crate) fn new(key: Key, deed: Deed, statements: Vec<Statement>) -> Self {
        let none = BTreeSet::new;
        Self {
            key,
            deed,
            statements,
            needs: none(),
            frees: none(),
            after: none(),
            before: none(),
            takes: Vec::new(),
            gives: Vec::new(),
            aside: false,
            for_good: false,
        }
    }

    /// Where it stands if nothing else decides: what others are made of first, and what goes for good last.
    fn rank(&self) -> u8 {
        let kind = match self.key.kind {
            Kind::Schema => 0,
            Kind::Extension => 1,
            Kind::Type => 2,
            Kind::Sequence => 3,
            Kind::Routine => 4,
            Kind::Table => 5,
            Kind::Column => 6,
            Kind::Default => 7,
            Kind::Ownership => 8,
            Kind::Index => 9,
            Kind::Constraint => 10,
            Kind::Attachment => 11,
            Kind::View => 12,
            Kind::MaterializedView => 13,
            Kind::Statistics => 14,
            Kind::Rule => 15,
            Kind::Trigger => 16,
            Kind::Policy => 17,
        };
        match (self.deed, self.for_good) {
            (Deed::Drop, true) => 100 - kind,
            _ => kind,
        }
    }
}

/// Puts the actions into an order in which each finds what it needs. `makes` and `removes`: which action makes an
/// object what it is in the end, and which ends what it was. The notes say where there is no such order.
pub(crate) fn ordered(
    actions: Vec<Action>,
    makes: &BTreeMap<Key, usize>,
    removes: &BTreeMap<Key, usize>,
) -> (Vec<Action>, Vec<String>) {
    let mut after: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); actions.len()];
    let mut waits = vec![0usize; actions.len()];
    for (first, then) in edges(&actions, makes, removes) {
        if first != then && after.get_mut(first).is_some_and(|set| set.insert(then)) {
            waits[then] += 1;
        }
    }
    let place = |at: usize| (actions[at].rank(), &actions[at].key, at);
    let mut ready: BinaryHeap<Reverse<(u8, &Key, usize)>> =
        (0..actions.len()).filter(|at| waits[*at] == 0).map(|at| Reverse(place(at))).collect();
    let mut left: BTreeSet<usize> = (0..actions.len()).collect();
    let (mut order, mut notes) = (Vec::new(), Vec::new());
    while !left.is_empty() {
        let next = match ready.pop() {
            Some(Reverse((_, _, at))) => at,
            None => {
                // They wait for each other: the one that comes first by its kind goes first.
                let Some(at) = left.iter().copied().min_by_key(|at| place(*at)) else { break };
                notes.push(format!(
                    "{} and what it needs wait for each other: the order of their statements may have to be changed by hand",
                    actions[at].key
                ));
                at
            }
        };
        if !left.remove(&next) {
            continue;
        }
        order.push(next);
        for then in &after[next] {
            waits[*then] = waits[*then].saturating_sub(1);
            if waits[*then] == 0 && left.contains(then) {
                ready.push(Reverse(place(*then)));
            }
        }
    }
    let mut actions: Vec<Option<Action>> = actions.into_iter().map(Some).collect();
    let sorted = order.into_iter().filter_map(|at| actions.get_mut(at).and_then(Option::take)).collect();
    (sorted, notes)
}

/// Pairs of actions of which the first comes before the second.
fn edges(
    actions: &[Action],
    makes: &BTreeMap<Key, usize>,
    removes: &BTreeMap<Key, usize>,
) -> Vec<(usize, usize)> {
    let mut givers: BTreeMap<&str, usize> = BTreeMap::new();
    for (at, action) in actions.iter().enumerate() {
        givers.extend(action.gives.iter().map(|name| (name.as_str(), at)));
    }
    let mut edges = Vec::new();
    for (at, action) in actions.iter().enumerate() {
        edges.extend(action.after.iter().filter_map(|key| Some((*removes.get(key)?, at))));
        edges.extend(action.before.iter().filter_map(|key| Some((at, *makes.get(key)?))));
        if action.deed != Deed::Drop {
            edges.extend(action.needs.iter().filter_map(|need| Some((*makes.get(need)?, at))));
            edges.extend(action.takes.iter().filter_map(|name| Some((*givers.get(name.as_str())?, at))));
        }
        if action.deed != Deed::Create {
            for remover in action.frees.iter().filter_map(|need| removes.get(need).copied()) {
                // What is changed in place stands on what is changed in place before and after.
                if actions[remover].deed == Deed::Drop || action.deed == Deed::Drop {
                    edges.push((at, remover));
                }
            }
        }
        if action.deed == Deed::Drop
            && let Some(again) = makes.get(&action.key).copied()
        {
            edges.push(if action.aside { (again, at) } else { (at, again) });
        }
    }
    edges
}
