//! A writer: an application's connection that inserts, updates and deletes, and notes down what it is told.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::database::Session;
use super::ledger::{Act, Ledger, Outcome};
use super::shop::{CUSTOMERS, Order, SHARED, STATUSES, filled};

/// Between two writes, at most, in milliseconds. Four writers at this pace are a busy application, not a machine
/// at its limit.
const PAUSE: u64 = 3;

/// How often a connection that broke is tried again, and how long after.
const RECONNECTS: u32 = 50;
const RECONNECT_PAUSE: Duration = Duration::from_millis(100);

/// One writer with what it knows of its orders. Of those of the beginning it has every n-th.
#[derive(Debug)]
pub(super) struct Writer {
    number: i64,
    of: i64,
    rows: i64,
    random: StdRng,
    /// What it wrote.
    pub(super) ledger: Ledger,
    /// Its orders that it has written to, as they are now; none: deleted.
    orders: HashMap<i64, Option<Order>>,
    /// The orders that it inserted and that are there.
    inserted: Vec<i64>,
    /// Orders with a write in doubt, which it leaves alone: whatever came later would hide it.
    doubtful: HashSet<i64>,
    sent: i64,
    inserts: i64,
}

impl Writer {
    /// The writer of this number, from 0 on, of so many, in a table of so many rows.
    pub(super) fn new(number: u32, of: u32, rows: u32, seed: u64) -> Self {
        Self {
            number: i64::from(number),
            of: i64::from(of),
            rows: i64::from(rows),
            random: StdRng::seed_from_u64(seed ^ (u64::from(number) << 32)),
            ledger: Ledger::default(),
            orders: HashMap::new(),
            inserted: Vec::new(),
            doubtful: HashSet::new(),
            sent: 0,
            inserts: 0,
        }
    }

    /// Writes until it is told to stop, and counts what is acknowledged. Ends early where the server cannot be
    /// reached any more; the write that met this is in doubt.
    pub(super) async fn write(
        &mut self,
        url: &str,
        stop: &AtomicBool,
        acknowledged: &AtomicU64,
    ) -> cofferdam_core::Result<()> {
        let name = format!("shop writer {}", self.number + 1);
        let mut session = Session::open(url, &name).await?;
        while !stop.load(Ordering::SeqCst) {
            let (op, id, act) = self.choose();
            self.ledger.sends(op, id, act.clone());
            let outcome = session.send(op, id, &act).await;
            self.ledger.settles(outcome.clone());
            match outcome {
                Outcome::Acknowledged => {
                    self.learn(id, &act);
                    acknowledged.fetch_add(1, Ordering::SeqCst);
                }
                Outcome::InDoubt(_) | Outcome::Sent => {
                    self.doubtful.insert(id);
                    self.inserted.retain(|inserted| *inserted != id);
                    session = reopened(url, &name, stop).await?;
                }
                Outcome::Failed(_) => {}
            }
            tokio::time::sleep(Duration::from_millis(self.random.random_range(0..=PAUSE))).await;
        }
        Ok(())
    }

    /// The next write: three in ten insert, four update, one deletes, two raise a shared order.
    fn choose(&mut self) -> (i64, i64, Act) {
        self.sent += 1;
        let op = self.sent * self.of + self.number;
        match self.random.random_range(0..10) {
            0..3 => {
                self.inserts += 1;
                let id = self.rows + self.inserts * self.of + self.number;
                (op, id, Act::Insert(self.anything(0, op)))
            }
            3..7 => {
                let (id, order) = self.one_of_mine();
                (
                    op,
                    id,
                    Act::Update(Order { customer: order.customer, ..self.anything(order.version + 1, op) }),
                )
            }
            7 => (op, self.one_of_mine().0, Act::Delete),
            _ => (op, self.random.random_range(1..=SHARED), Act::Raise),
        }
    }

    fn anything(&mut self, version: i64, op: i64) -> Order {
        Order {
            customer: self.random.random_range(1..=CUSTOMERS),
            status: STATUSES[self.random.random_range(0..STATUSES.len())].to_owned(),
            amount: self.random.random_range(0..100_000),
            version,
            last_op: Some(op),
        }
    }

    /// One of its orders that is there: now one that it inserted, now one of the beginning.
    fn one_of_mine(&mut self) -> (i64, Order) {
        loop {
            let id = if !self.inserted.is_empty() && self.random.random_bool(0.5) {
                self.inserted[self.random.random_range(0..self.inserted.len())]
            } else {
                let any = self.random.random_range(SHARED + 1..=self.rows);
                any - any % self.of + self.number
            };
            let known = if id <= self.rows { Some(filled(id)) } else { None };
            let order = self.orders.get(&id).cloned().unwrap_or(known);
            if let Some(order) = order.filter(|_| id > SHARED && !self.doubtful.contains(&id)) {
                return (id, order);
            }
        }
    }

    fn learn(&mut self, id: i64, act: &Act) {
        match act {
            Act::Insert(order) => {
                self.inserted.push(id);
                self.orders.insert(id, Some(order.clone()));
            }
            Act::Update(order) => {
                self.orders.insert(id, Some(order.clone()));
            }
            Act::Delete => {
                self.inserted.retain(|inserted| *inserted != id);
                self.orders.insert(id, None);
            }
            Act::Raise => {}
        }
    }
}

async fn reopened(url: &str, name: &str, stop: &AtomicBool) -> cofferdam_core::Result<Session> {
    let mut tries = 0;
    loop {
        tries += 1;
        match Session::open(url, name).await {
            Err(_) if tries < RECONNECTS && !stop.load(Ordering::SeqCst) => {
                tokio::time::sleep(RECONNECT_PAUSE).await;
            }
            outcome => return outcome,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writers_share_no_order_but_the_shared_ones() {
        let mut owners: HashMap<i64, i64> = HashMap::new();
        let mut ops = HashSet::new();
        for number in 0..3 {
            let mut writer = Writer::new(number, 3, 1_000, 7);
            for _ in 0..5_000 {
                let (op, id, act) = writer.choose();
                assert!(ops.insert(op), "write {op} twice");
                writer.learn(id, &act);
                if act == Act::Raise {
                    assert!((1..=SHARED).contains(&id));
                    continue;
                }
                assert_eq!(*owners.entry(id).or_insert(writer.number), writer.number, "order {id}");
                assert!(id > SHARED);
            }
        }
    }

    #[test]
    fn the_same_seed_chooses_the_same_writes() {
        let writes = |seed| {
            let mut writer = Writer::new(1, 4, 1_000, seed);
            (0..100).map(|_| writer.choose()).collect::<Vec<_>>()
        };
        assert_eq!(writes(1), writes(1));
        assert_ne!(writes(1), writes(2));
    }
}
