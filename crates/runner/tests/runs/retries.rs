//! A lock that is not obtained: tried again within the budget, then refused with nothing left.

use std::sync::Arc;

use cofferdam_core::{Code, Event, Phase};
use cofferdam_engines::fake::{FakeDatabase, FakeFault, FakePlace};
use cofferdam_runner::{News, Reporter, Stop};

use crate::world::{Notes, World, code, refusal, timeless};

/// How often a statement is tried; see `shapes::step`.
const TRIES: u32 = 3;

#[test]
fn a_spent_budget_is_refused_and_nothing_is_left() {
    for unit in ["together: add column empty.c", "alone: create index empty.k", "alone: add column empty.c"] {
        timeless(async {
            let world = World::new(&["alone: create index t.i", "together: add column t.c", unit]);
            world.database.hold_table("empty");
            let notes = Arc::new(Notes::default());
            let fault = world.apply_with(&Stop::new(), notes.clone()).await.unwrap_err();
            let refusal = refusal(&fault);
            assert_eq!((refusal.code, refusal.code.exit()), (Code::LockNotObtained, 5), "{unit}: {fault}");
            assert!(refusal.notes.contains(&"tried 3 times".to_owned()), "{refusal:?}");
            assert!(refusal.notes.iter().any(|n| n.contains("nothing of it is left")), "{refusal:?}");
            assert_eq!(
                world.performed(),
                ["create index t.i", "add column t.c", "drop column t.c", "drop index t.i"],
                "{unit}"
            );
            world.assert_ended(unit, &[]).await;
            let retries: Vec<String> =
                notes.taken().into_iter().filter(|note| note.starts_with("retrying")).collect();
            assert_eq!(retries, ["retrying 3: 2 of 3", "retrying 3: 3 of 3"], "{unit}");

            world.database.let_go_of_table("empty");
            world.apply().await.unwrap();
            world.assert_ended(unit, &["1"]).await;
        });
    }
}

/// Lets the table go once the step has been tried so often.
struct LetsGo {
    database: FakeDatabase,
    after: u32,
}

impl Reporter for LetsGo {
    fn tell(&self, news: &News<'_>) {
        if let News::Retrying { try_, .. } = news
            && *try_ > self.after
        {
            self.database.let_go_of_table("t");
        }
    }
}

#[test]
fn a_lock_that_comes_free_within_the_budget_is_taken() {
    for unit in ["together: add column t.c", "alone: create index t.i"] {
        for after in 1..TRIES {
            timeless(async {
                let world = World::new(&[unit]);
                world.database.hold_table("t");
                let reporter = LetsGo { database: world.database.clone(), after };
                world.apply_with(&Stop::new(), Arc::new(reporter)).await.unwrap();
                assert_eq!(world.performed().len(), 1, "{unit}");
                world.assert_ended(unit, &["1"]).await;
            });
        }
    }
}

#[test]
fn a_way_back_is_tried_as_often() {
    for (unit, place) in
        [("together: add column t.c", FakePlace::Statement), ("alone: create index t.i", FakePlace::Perform)]
    {
        for again in 1..=TRIES {
            timeless(async {
                let mut world = World::new(&[unit, "together: fail no luck"]);
                // Faults at the way back: the statement of `unit` itself comes first, and in a transaction the
                // one that fails.
                let before = if place == FakePlace::Statement { 2 } else { 1 };
                for n in 1..=again {
                    world.database.fail_nth(before + n, FakeFault::Again(Code::LockNotObtained), place);
                }
                let fault = world.apply().await.unwrap_err();
                assert_eq!(world.database.planned_faults(), 0, "{unit}");
                if again < TRIES {
                    assert_eq!(code(&fault), Code::RolledBack, "{unit}: {fault}");
                } else {
                    assert_eq!(code(&fault), Code::RollbackFailed, "{unit}: {fault}");
                    world.says(Event::SaysNotSwapped).await.unwrap();
                    world.pending.clear();
                    assert_eq!(world.apply().await.unwrap().runs[0].phase, Phase::RolledBack, "{unit}");
                }
                world.assert_ended(unit, &[]).await;
                assert_eq!(world.performed().len(), 2, "{unit}");
            });
        }
    }
}
