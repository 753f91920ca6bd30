//! An application that writes while a table is changed.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::ROWS;
use crate::site::Site;
use crate::support::until;

/// The application: writers with rows of their own each, and what the server acknowledged of them.
pub(super) struct Load {
    stop: AtomicBool,
    /// What each row must be; `None`: deleted.
    acknowledged: Mutex<BTreeMap<u32, Option<u32>>>,
    count: AtomicU32,
}

impl Load {
    pub(super) fn beside<T>(site: &Site, work: impl FnOnce(&Load) -> T) -> (T, Load) {
        let load =
            Load { stop: AtomicBool::new(false), acknowledged: Mutex::default(), count: AtomicU32::new(0) };
        load.again(site, work)
    }

    /// Once more, with what was acknowledged before.
    pub(super) fn again<T>(self, site: &Site, work: impl FnOnce(&Load) -> T) -> (T, Load) {
        let load = self;
        load.stop.store(false, Ordering::SeqCst);
        let done = std::thread::scope(|threads| {
            for writer in 0..3 {
                let load = &load;
                threads.spawn(move || load.write(site, writer));
            }
            // Also when it panics, or nobody ends.
            struct Stop<'a>(&'a AtomicBool);
            impl Drop for Stop<'_> {
                fn drop(&mut self) {
                    self.0.store(true, Ordering::SeqCst);
                }
            }
            let stop = Stop(&load.stop);
            let done = work(&load);
            drop(stop);
            done
        });
        (done, load)
    }

    fn write(&self, site: &Site, writer: u32) {
        let server = site.server();
        let mut round = 0_u32;
        while !self.stop.load(Ordering::SeqCst) {
            round += 1;
            // Rows that were there, rows that are new, and some again and again.
            let id = match round % 4 {
                0 => (round * 37 % 1_000) * 3 + writer + 1,
                1 => 100_000 + round * 3 + writer,
                2 => 100_000 + (round - 1) * 3 + writer,
                _ => 3 * 20 + writer + 1,
            };
            let deletes = round.is_multiple_of(11);
            let sql = match deletes {
                true => format!("DELETE FROM t WHERE id = {id}"),
                false => format!(
                    "INSERT INTO t (id, tag, n, note) VALUES ({id}, NULL, {round}, 'new') ON DUPLICATE KEY UPDATE n = {round}"
                ),
            };
            match server.query(Some(&site.database), &sql) {
                Ok(_) => {
                    let value = (!deletes).then_some(round);
                    self.acknowledged.lock().unwrap().insert(id, value);
                    self.count.fetch_add(1, Ordering::SeqCst);
                }
                // A deadlock is part of the load; a table that is not there, or a row that does not fit, is none.
                Err(e) => assert!(e.to_string().contains("40001"), "{sql}: {e}"),
            }
        }
    }

    /// Waits until so much more was written.
    pub(super) fn go_on(&self, more: u32) {
        let before = self.count.load(Ordering::SeqCst);
        until("the application has written more", || self.count.load(Ordering::SeqCst) >= before + more);
    }

    pub(super) fn assert_kept(&self, site: &Site) {
        let rows = site.query("SELECT id, n FROM t");
        let there: BTreeMap<u32, u32> =
            rows.iter().map(|row| (row[0].parse().unwrap(), row[1].parse().unwrap())).collect();
        let acknowledged = self.acknowledged.lock().unwrap();
        assert!(acknowledged.len() > 20, "only {} rows were written", acknowledged.len());
        let wrong: Vec<_> = acknowledged.iter().filter(|(id, n)| there.get(id) != n.as_ref()).collect();
        assert!(
            wrong.is_empty(),
            "{} acknowledged writes are not there: {:?}",
            wrong.len(),
            &wrong[..wrong.len().min(5)]
        );
        let untouched = (1..=ROWS).filter(|id| !acknowledged.contains_key(id));
        let lost: Vec<u32> = untouched.filter(|id| !there.contains_key(id)).collect();
        assert!(lost.is_empty(), "rows are lost: {:?}", &lost[..lost.len().min(5)]);
        let new = there.keys().filter(|id| **id > ROWS && !acknowledged.contains_key(id)).count();
        assert_eq!(new, 0, "rows that nobody wrote");
    }
}
