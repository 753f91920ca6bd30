//! Writers beside the change, each with a connection of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use cofferdam_scratch::mysql::Connection;

use super::super::change::now;
use super::super::load::{Transaction, Transactions};
use super::ground::{DATABASE, Ground, ORDERS};

/// They run until [`Load::end`].
pub(super) struct Load {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Transactions>>,
}

impl Load {
    /// So many clients change one of so many rows in each transaction: so often in a second, all together, or as often as
    /// they can.
    pub(super) fn begin(
        ground: &Ground<'_>,
        clients: u32,
        rows: u64,
        rate: Option<f64>,
    ) -> Result<Self, String> {
        let stop = Arc::new(AtomicBool::new(false));
        let pause = rate.map(|rate| Duration::from_secs_f64(f64::from(clients) / rate.max(1.0)));
        let client = |number: u32| {
            let connection = ground.connect(Some(DATABASE))?;
            let stop = Arc::clone(&stop);
            Ok(std::thread::spawn(move || write(connection, u64::from(number) + 1, rows, pause, &stop)))
        };
        let clients = (0..clients).map(client).collect::<Result<_, String>>()?;
        Ok(Self { stop, clients })
    }

    /// Tells them to stop, and gives what they did.
    pub(super) fn end(self) -> Result<Transactions, String> {
        self.stop.store(true, Ordering::SeqCst);
        let mut all = Transactions::default();
        for client in self.clients {
            let mut done = client.join().map_err(|_| "a client of the load panicked".to_owned())?;
            all.all.append(&mut done.all);
            all.errors.append(&mut done.errors);
            all.repeatable += done.repeatable;
        }
        if all.all.is_empty() { Err(format!("the load did nothing: {:?}", all.errors)) } else { Ok(all) }
    }
}

fn write(
    mut connection: Connection,
    seed: u64,
    rows: u64,
    pause: Option<Duration>,
    stop: &AtomicBool,
) -> Transactions {
    let mut done = Transactions::default();
    let mut dice = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut turn = Instant::now();
    while !stop.load(Ordering::SeqCst) {
        if let Some(pause) = pause {
            turn += pause;
            std::thread::sleep(turn.saturating_duration_since(Instant::now()));
        }
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        let id = dice % rows.max(1) + 1;
        let began = Instant::now();
        let late = pause.map_or(0.0, |_| began.saturating_duration_since(turn).as_secs_f64() * 1_000.0);
        match connection.query(&format!("UPDATE {ORDERS} SET total = total + 1 WHERE id = {id}")) {
            Ok(_) => {
                let took = began.elapsed().as_secs_f64() * 1_000.0 + late;
                done.all.push(Transaction { at: now(), took, late });
            }
            Err(e) if e.to_string().contains("40001") => done.repeatable += 1,
            Err(e) => {
                done.errors.push(e.to_string());
                return done;
            }
        }
    }
    done
}
