//! An application that writes all the time and keeps a journal of what was acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::place::{App, Place};

/// So many acknowledged writes say something.
const ENOUGH: usize = 21;

/// Writes into `t`, on a thread of its own.
pub struct Writer {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Vec<u64>>>,
}

impl Writer {
    /// Begins, and has written when this returns. Statements of `also` are sent between two writes.
    pub fn begin(place: &Place, also: &'static str) -> Self {
        Self::at(place.bench.url.clone(), also)
    }

    /// The same for a database with this URL.
    pub fn at(url: String, also: &'static str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        let (enough, at_work) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let app = App::open(&url);
            let mut acknowledged = Vec::new();
            for number in 1_000_001.. {
                if asked.load(Ordering::SeqCst) {
                    break;
                }
                let written = format!(
                    "INSERT INTO t (id, note) VALUES ({number}, 'acknowledged {number}');
                     UPDATE t SET n = {number} WHERE id = 10"
                );
                // What is refused was not acknowledged: it may be there or not.
                if app.try_run(&written).is_ok() {
                    acknowledged.push(number);
                }
                if acknowledged.len() == ENOUGH {
                    // Nobody hears it again.
                    let _ = enough.send(());
                }
                if !also.is_empty() {
                    let _ = app.try_run(also);
                }
                std::thread::sleep(Duration::from_millis(2));
            }
            acknowledged
        });
        // What is drilled may keep it from writing until it is over.
        at_work.recv_timeout(Duration::from_secs(120)).expect("the application writes");
        Self { stop, thread: Some(thread) }
    }

    /// Ends, and fails the test if anything that was acknowledged is not there.
    pub fn nothing_lost(self, place: &Place) {
        self.all_there(&|sql| place.query(sql));
    }

    /// The same, with whatever asks the database.
    pub fn all_there(mut self, query: &dyn Fn(&str) -> Vec<Vec<String>>) {
        self.stop.store(true, Ordering::SeqCst);
        let acknowledged = self.thread.take().unwrap().join().unwrap();
        assert!(acknowledged.len() >= ENOUGH, "the application wrote {} times", acknowledged.len());
        let there = query("SELECT id FROM t WHERE id > 1000000 AND note = 'acknowledged ' || id");
        let there: std::collections::HashSet<u64> = there.iter().map(|row| row[0].parse().unwrap()).collect();
        let lost: Vec<&u64> = acknowledged.iter().filter(|number| !there.contains(number)).collect();
        assert!(
            lost.is_empty(),
            "{} acknowledged rows are lost: {:?}",
            lost.len(),
            &lost[..lost.len().min(5)]
        );
        let last: u64 = query("SELECT n FROM t WHERE id = 10")[0][0].parse().unwrap();
        assert!(last >= *acknowledged.last().unwrap(), "an acknowledged update is lost: {last}");
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}
