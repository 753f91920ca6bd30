//! Whether what the ledgers say is in the table, and nothing else. Pure: the table is data here.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::ledger::{Act, Entry, Outcome};
use super::shop::{Order, SHARED, filled};

/// What is in the table.
#[derive(Debug, Clone, Default)]
pub(super) struct Found {
    /// How many orders the beginning had.
    pub(super) filled: i64,
    /// Those of the beginning that are not there now.
    pub(super) missing: BTreeSet<i64>,
    /// Every row that is not exactly as the beginning had it, in the order of the numbers.
    pub(super) changed: Vec<(i64, Order)>,
}

/// What is wrong with one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) kind: Kind,
    /// How many writes are lost, or were made by nobody.
    pub(super) writes: u64,
    /// In a sentence.
    pub(super) what: String,
}

/// Of which of the two kinds it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// An acknowledged write is not in the table.
    Lost,
    /// The table holds what nobody wrote.
    Foreign,
}

/// Compares the table with the ledgers of all writers. No problem: every acknowledged write is there exactly
/// once, and every row is what a write or the beginning made it.
pub(super) fn check<'a>(entries: impl Iterator<Item = &'a Entry> + Clone, found: &Found) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut rows: BTreeMap<i64, &Order> = BTreeMap::new();
    for (id, order) in &found.changed {
        if rows.insert(*id, order).is_some() {
            problems.push(Problem::foreign(1, format!("order {id} is there twice")));
        }
    }
    let mut own: BTreeMap<i64, Own> = BTreeMap::new();
    let mut shared: BTreeMap<i64, Shared> = (1..=SHARED).map(|id| (id, Shared::default())).collect();
    let sent: HashSet<i64> = entries.clone().filter(|e| e.may_be_there()).map(|e| e.op).collect();
    for entry in entries {
        match shared.get_mut(&entry.id) {
            Some(shared) => shared.follows(entry),
            None => {
                own.entry(entry.id).or_insert_with(|| Own::beginning(entry.id, found.filled)).follows(entry)
            }
        }
    }
    let now = |id: i64| match rows.get(&id) {
        Some(order) => Some((*order).clone()),
        None => as_filled(id, found.filled).filter(|_| !found.missing.contains(&id)),
    };
    for (id, own) in &own {
        problems.extend(own.problem(*id, now(*id), &sent));
    }
    for (id, shared) in &shared {
        problems.extend(shared.problem(*id, now(*id), &sent));
    }
    let nobodys = |id: &i64| !own.contains_key(id) && !shared.contains_key(id);
    for id in found.missing.iter().filter(|id| nobodys(id)) {
        problems.push(Problem::foreign(1, format!("order {id} is gone, and nobody deleted it")));
    }
    for (id, order) in rows.iter().filter(|(id, _)| nobodys(id)) {
        problems.push(Problem::foreign(1, format!("order {id} is {order:?}, and nobody wrote that")));
    }
    problems
}

fn as_filled(id: i64, rows: i64) -> Option<Order> {
    (1..=rows).contains(&id).then(|| filled(id))
}

impl Problem {
    fn foreign(writes: u64, what: String) -> Self {
        Self { kind: Kind::Foreign, writes, what }
    }
}

/// An order of one writer: everything that it may be now. It is one thing only, unless a write is in doubt.
#[derive(Debug)]
struct Own {
    may_be: Vec<Option<Order>>,
    /// The writes that were acknowledged, in order.
    acknowledged: Vec<i64>,
}

impl Own {
    fn beginning(id: i64, rows: i64) -> Self {
        Self { may_be: vec![as_filled(id, rows)], acknowledged: Vec::new() }
    }

    fn follows(&mut self, entry: &Entry) {
        let after = match &entry.act {
            Act::Insert(order) | Act::Update(order) => Some(order.clone()),
            Act::Delete => None,
            Act::Raise => return,
        };
        match entry.outcome {
            Outcome::Acknowledged => {
                self.may_be = vec![after];
                self.acknowledged.push(entry.op);
            }
            Outcome::Sent | Outcome::InDoubt(_) => self.may_be.push(after),
            Outcome::Failed(_) => {}
        }
    }

    fn problem(&self, id: i64, now: Option<Order>, sent: &HashSet<i64>) -> Option<Problem> {
        if self.may_be.contains(&now) {
            return None;
        }
        let op = now.as_ref().and_then(|order| order.last_op);
        let should = self.may_be.first().and_then(Option::as_ref);
        let what = format!("order {id} is {} and should be {}", words(now.as_ref()), words(should));
        match self.acknowledged.last() {
            // What bears the number of no write was written by somebody else, whatever it covers.
            Some(last) if op.is_none_or(|op| sent.contains(&op)) => Some(Problem {
                kind: Kind::Lost,
                writes: self.acknowledged_after(op),
                what: format!("{what}: write {last} was acknowledged"),
            }),
            _ => Some(Problem::foreign(1, format!("{what}: nobody wrote that"))),
        }
    }

    /// How many acknowledged writes came after this one; at least one, since something is missing.
    fn acknowledged_after(&self, op: Option<i64>) -> u64 {
        let kept = self.acknowledged.iter().position(|acknowledged| Some(*acknowledged) == op);
        let after = self.acknowledged.len() - kept.map_or(0, |at| at + 1);
        u64::try_from(after).unwrap_or(u64::MAX).max(1)
    }
}

fn words(order: Option<&Order>) -> String {
    order.map_or_else(|| "gone".to_owned(), |order| format!("{order:?}"))
}

/// An order that everybody raises.
#[derive(Debug, Default)]
struct Shared {
    acknowledged: i64,
    in_doubt: i64,
    by: HashSet<i64>,
}

impl Shared {
    fn follows(&mut self, entry: &Entry) {
        match entry.outcome {
            Outcome::Acknowledged => self.acknowledged += 1,
            Outcome::Sent | Outcome::InDoubt(_) => self.in_doubt += 1,
            Outcome::Failed(_) => return,
        }
        self.by.insert(entry.op);
    }

    fn problem(&self, id: i64, now: Option<Order>, sent: &HashSet<i64>) -> Option<Problem> {
        let Some(now) = now else {
            let what = format!("shared order {id} is gone, and nobody deleted it");
            return Some(Problem { kind: Kind::Lost, writes: self.acknowledged.max(1).unsigned_abs(), what });
        };
        let most = self.acknowledged + self.in_doubt;
        let counts = format!("{} raises were acknowledged", self.acknowledged);
        if now.version < self.acknowledged {
            let what = format!("shared order {id} is at version {}: {counts}", now.version);
            let writes = (self.acknowledged - now.version).unsigned_abs();
            return Some(Problem { kind: Kind::Lost, writes, what });
        }
        if now.version > most {
            let what = format!("shared order {id} is at version {}: only {counts}", now.version);
            return Some(Problem::foreign((now.version - most).unsigned_abs(), what));
        }
        let last_is_known = match now.last_op {
            Some(op) => self.by.contains(&op) && sent.contains(&op),
            None => now.version == 0,
        };
        let rest = Order { version: 0, last_op: None, ..now.clone() };
        (!last_is_known || rest != filled(id))
            .then(|| Problem::foreign(1, format!("shared order {id} is {now:?}, and nobody wrote that")))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    const ROWS: i64 = 100;

    fn order(version: i64, op: i64) -> Order {
        Order { status: "paid".into(), version, last_op: Some(op), ..filled(20) }
    }

    fn entry(op: i64, id: i64, act: Act, outcome: Outcome) -> Entry {
        Entry { op, id, act, outcome, sent: Instant::now(), took: Duration::ZERO }
    }

    fn ack(op: i64, id: i64, act: Act) -> Entry {
        entry(op, id, act, Outcome::Acknowledged)
    }

    /// An update and a later one of order 20, a delete of 30, an insert of 101, two raises of order 1.
    fn ledgers() -> Vec<Entry> {
        vec![
            ack(1, 20, Act::Update(order(1, 1))),
            ack(2, 20, Act::Update(order(2, 2))),
            ack(3, 30, Act::Delete),
            ack(4, 101, Act::Insert(order(0, 4))),
            ack(5, 1, Act::Raise),
            ack(6, 1, Act::Raise),
            entry(7, 40, Act::Delete, Outcome::Failed("no".into())),
        ]
    }

    /// The table that these make.
    fn table() -> Found {
        let raised = Order { version: 2, last_op: Some(6), ..filled(1) };
        Found {
            filled: ROWS,
            missing: BTreeSet::from([30]),
            changed: vec![(1, raised), (20, order(2, 2)), (101, order(0, 4))],
        }
    }

    #[test]
    fn what_the_ledgers_say_is_no_problem() {
        assert_eq!(check(ledgers().iter(), &table()), []);
        let untouched = Found { filled: ROWS, ..Found::default() };
        assert_eq!(check([].iter(), &untouched), []);
    }

    /// What is done to the table behind the writers' back.
    type Sabotage = fn(&mut Found);

    #[test]
    fn every_sabotage_is_caught() {
        let cases: &[(&str, Kind, u64, Sabotage)] = &[
            ("an insert is undone", Kind::Lost, 1, |t| t.changed.retain(|(id, _)| *id != 101)),
            ("an updated row is deleted", Kind::Lost, 2, |t| {
                t.missing.insert(20);
                t.changed.retain(|(id, _)| *id != 20);
            }),
            ("an update is undone", Kind::Lost, 1, |t| t.changed[1].1 = order(1, 1)),
            ("both updates are undone", Kind::Lost, 2, |t| t.changed.retain(|(id, _)| *id != 20)),
            ("an update is half there", Kind::Lost, 1, |t| t.changed[1].1.amount += 1),
            ("a delete is undone", Kind::Lost, 1, |t| {
                t.missing.remove(&30);
            }),
            ("a raise is undone", Kind::Lost, 1, |t| t.changed[0].1.version = 1),
            ("both raises are undone", Kind::Lost, 2, |t| t.changed.retain(|(id, _)| *id != 1)),
            ("a shared order is gone", Kind::Lost, 2, |t| {
                t.missing.insert(1);
                t.changed.retain(|(id, _)| *id != 1);
            }),
            ("a raise is there twice", Kind::Foreign, 1, |t| t.changed[0].1.version = 3),
            ("a shared order has another amount", Kind::Foreign, 1, |t| t.changed[0].1.amount += 1),
            ("a row is there twice", Kind::Foreign, 1, |t| {
                let again = t.changed[2].clone();
                t.changed.push(again);
            }),
            ("a row that nobody wrote", Kind::Foreign, 1, |t| t.changed.push((102, order(0, 9)))),
            ("a write with no known number", Kind::Foreign, 1, |t| t.changed[1].1.last_op = Some(99)),
            ("an untouched row is changed", Kind::Foreign, 1, |t| t.changed.push((50, order(0, 2)))),
            ("an untouched row is gone", Kind::Foreign, 1, |t| {
                t.missing.insert(50);
            }),
            ("a refused delete happened", Kind::Foreign, 1, |t| {
                t.missing.insert(40);
            }),
        ];
        for (name, kind, writes, sabotage) in cases {
            let mut found = table();
            sabotage(&mut found);
            let problems = check(ledgers().iter(), &found);
            assert_eq!(problems.len(), 1, "{name}: {problems:?}");
            assert_eq!((problems[0].kind, problems[0].writes), (*kind, *writes), "{name}: {problems:?}");
        }
    }

    #[test]
    fn a_write_in_doubt_may_be_there_or_not() {
        let doubt = || Outcome::InDoubt("closed".into());
        let mut entries = ledgers();
        entries.push(entry(8, 20, Act::Update(order(3, 8)), doubt()));
        entries.push(entry(9, 1, Act::Raise, doubt()));
        entries.push(entry(10, 102, Act::Insert(order(0, 10)), Outcome::Sent));
        assert_eq!(check(entries.iter(), &table()), []);
        let mut there = table();
        there.changed[0].1 = Order { version: 3, last_op: Some(9), ..filled(1) };
        there.changed[1].1 = order(3, 8);
        there.changed.push((102, order(0, 10)));
        assert_eq!(check(entries.iter(), &there), []);
        there.changed[0].1.version = 4;
        assert_eq!(check(entries.iter(), &there).len(), 1);
        // The one before the one in doubt was acknowledged: it cannot be gone.
        there = table();
        there.changed[1].1 = order(1, 1);
        assert_eq!(check(entries.iter(), &there).len(), 1);
    }
}
