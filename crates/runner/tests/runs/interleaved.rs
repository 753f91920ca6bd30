//! Two runners at one database: exactly one executes.

use std::sync::Arc;
use std::time::Duration;

use cofferdam_core::{Code, Fault};
use cofferdam_runner::{Policy, Silent, Stop, Summary, apply};

use crate::shapes::{SHAPES, statements};
use crate::world::{World, code, policy, timeless};

const PATIENT: Duration = Duration::from_secs(3600);

/// An `apply` that was assessed before, with the patience to wait for the run lock.
async fn apply_patiently(world: &World, wait: Duration) -> Result<Summary, Fault> {
    let mut session = world.open().await?;
    let assessment = world.assessed(session.as_mut()).await?;
    // Both have looked before either begins.
    tokio::task::yield_now().await;
    let policy = Policy { lock_wait: wait, ..policy() };
    apply(session.as_mut(), &assessment, &policy, Arc::new(Silent), &Stop::new()).await
}

#[test]
fn the_one_that_comes_second_waits_and_finds_nothing_to_do() {
    for (name, units) in SHAPES {
        timeless(async {
            let world = World::new(units);
            world.database.hold_table("t");
            let (first, second, ()) =
                tokio::join!(apply_patiently(&world, PATIENT), apply_patiently(&world, PATIENT), async {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    world.database.let_go_of_table("t");
                });
            let runs = |summary: Result<Summary, Fault>| summary.unwrap().runs.len();
            let mut ran = [runs(first), runs(second)];
            ran.sort_unstable();
            assert_eq!(ran, [0, 1], "{name}");
            assert_eq!(world.database.performed(), statements(world.plan()), "{name}");
            world.assert_ended(name, &["1"]).await;
        });
    }
}

#[test]
fn the_one_that_will_not_wait_is_told_who_is_there() {
    timeless(async {
        let world = World::new(&["together: add column t.c"]);
        world.database.hold_table("t");
        let second = async {
            // The first one holds the lock, and waits for the table.
            tokio::time::sleep(Duration::from_millis(20)).await;
            let outcome = apply_patiently(&world, Duration::ZERO).await;
            world.database.let_go_of_table("t");
            outcome
        };
        let (first, second) = tokio::join!(apply_patiently(&world, PATIENT), second);
        first.unwrap();
        let fault = second.unwrap_err();
        assert_eq!((code(&fault), code(&fault).exit()), (Code::LockHeldByOther, 5));
        assert_eq!(world.performed(), ["add column t.c"]);
    });
}

/// The session loses its lock without knowing, and works on: the epoch tells.
#[test]
fn the_one_that_lost_its_lock_is_fenced_off() {
    for rest in ["together: add column t.c", "alone: create index t.i", "alone: add column t.c"] {
        timeless(async {
            let world = World::new(&["alone: forget lock =", rest, "together: add column t.z"]);
            world.database.hold_table("t");
            let second = async {
                tokio::time::sleep(Duration::from_millis(20)).await;
                // The first one waits for the table, and holds no lock any more.
                let mut session = world.session().await;
                let assessment = world.assessed(session.as_mut()).await.unwrap();
                assert_eq!(assessment.unfinished.len(), 1, "{rest}");
                let (policy, stop) = (policy(), Stop::new());
                let (outcome, ()) = tokio::join!(
                    apply(session.as_mut(), &assessment, &policy, Arc::new(Silent), &stop),
                    async {
                        tokio::task::yield_now().await;
                        world.database.let_go_of_table("t");
                    }
                );
                outcome
            };
            let (first, second) = tokio::join!(world.apply(), second);
            assert!(second.unwrap().runs[0].resumed, "{rest}");
            let fault = first.unwrap_err();
            assert_eq!(code(&fault), Code::Fenced, "{rest}: {fault}");
            let mut expected = statements(world.plan());
            expected.retain(|s| s != "forget lock");
            let mut performed = world.performed();
            performed.retain(|s| s != "forget lock");
            assert_eq!(performed, expected, "{rest}");
            world.assert_ended(rest, &["1"]).await;
        });
    }
}
