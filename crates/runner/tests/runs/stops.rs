//! Somebody asks to stop, or kills the runner: what is done is done, and the same command goes on.

use std::sync::Arc;
use std::time::Duration;

use cofferdam_core::{Code, Phase};
use cofferdam_engines::fake::{FakeFault, FakePlace};
use cofferdam_runner::{News, Policy, Reporter, Silent, Stop, StopWhy, apply};

use crate::disturbed::go_on;
use crate::shapes::{SHAPES, statements};
use crate::world::{World, code, pending, policy, refusal, timeless};

/// Asks to stop as soon as a step begins, or has ended.
struct Asks {
    stop: Stop,
    at: &'static str,
}

impl Reporter for Asks {
    fn tell(&self, news: &News<'_>) {
        let heard = match news {
            News::StepBegan { step, .. } => format!("began {step}"),
            News::StepEnded { step, .. } => format!("ended {step}"),
            News::Retrying { step, .. } => format!("retrying {step}"),
            News::RunEnded(summary) => format!("run {}", summary.key),
            News::Tick(cofferdam_engines::Tick::LockedBy(_)) => "locked".to_owned(),
            _ => return,
        };
        if heard == self.at {
            self.stop.ask(StopWhy::Interrupt);
        }
    }
}

async fn stopped(world: &World, at: &'static str) {
    let stop = Stop::new();
    let fault = world.apply_with(&stop, Arc::new(Asks { stop: stop.clone(), at })).await.unwrap_err();
    assert_eq!((code(&fault), code(&fault).exit()), (Code::Interrupted, 130), "{at}: {fault}");
    assert!(refusal(&fault).what.contains("planned by the test") || refusal(&fault).help.is_some());
}

#[test]
fn a_stop_before_anything_leaves_nothing() {
    for (why, expected) in [
        (StopWhy::Interrupt, Code::Interrupted),
        (StopWhy::Terminate, Code::Interrupted),
        (StopWhy::Timeout, Code::TimedOut),
    ] {
        timeless(async {
            let world = World::new(&["together: add column t.c"]);
            let stop = Stop::new();
            stop.ask(why);
            let fault = world.apply_with(&stop, Arc::new(Silent)).await.unwrap_err();
            assert_eq!(code(&fault), expected);
            assert!(world.runs().await.is_empty() && world.performed().is_empty());
            world.assert_ended("stopped", &[]).await;
            world.apply().await.unwrap();
            world.assert_ended("gone on", &["1"]).await;
        });
    }
}

#[test]
fn a_stop_between_two_units_is_gone_on_from() {
    for first in ["together: add column t.c", "alone: create index t.i", "alone: nothing called <- nothing"] {
        timeless(async {
            let world = World::new(&[first, "together: add column t.d", "alone: create index t.j"]);
            stopped(&world, "ended 1").await;
            assert_eq!(world.run().await.phase, Phase::Expanding, "{first}");
            assert_eq!(world.performed().len(), 1, "{first}");
            world.assert_sound(first).await;
            let summary = world.apply().await.unwrap();
            assert!(summary.runs[0].resumed, "{first}");
            assert_eq!(world.performed(), statements(world.plan()), "{first}");
            world.assert_ended(first, &["1"]).await;
        });
    }
}

#[test]
fn a_stop_between_two_migrations_leaves_the_first() {
    timeless(async {
        let world = World::of(vec![
            pending("1", &["together: add column t.c"]),
            pending("2", &["together: add column t.d"]),
        ]);
        stopped(&world, "run 1").await;
        world.assert_ended("stopped", &["1"]).await;
        world.apply().await.unwrap();
        world.assert_ended("gone on", &["1", "2"]).await;
    });
}

#[test]
fn a_statement_that_does_not_end_is_cancelled_and_done_again() {
    for (unit, place) in
        [("together: add column t.c", FakePlace::Statement), ("alone: create index t.i", FakePlace::Perform)]
    {
        timeless(async {
            let world = World::new(&[unit]);
            world.database.fail_next(FakeFault::Hang, place);
            stopped(&world, "began 1").await;
            assert!(world.performed().is_empty(), "{unit}");
            go_on(&world, unit).await;
            assert_eq!(world.performed().len(), 1, "{unit}");
            world.assert_ended(unit, &["1"]).await;
        });
    }
}

#[test]
fn a_stop_while_waiting_to_try_again_is_heard() {
    for unit in ["together: add column t.c", "alone: create index t.i"] {
        timeless(async {
            let world = World::new(&[unit]);
            world.database.hold_table("t");
            stopped(&world, "retrying 1").await;
            world.database.let_go_of_table("t");
            world.apply().await.unwrap();
            world.assert_ended(unit, &["1"]).await;
        });
    }
}

#[test]
fn a_stop_while_waiting_for_the_run_lock_is_heard() {
    timeless(async {
        let world = World::new(&["together: add column t.c"]);
        let mut other = world.session().await;
        other.claim(Duration::ZERO).await.unwrap();
        let mut session = world.session().await;
        let assessment = world.assessed(session.as_mut()).await.unwrap();
        let patient = Policy { lock_wait: Duration::from_secs(3600), ..policy() };
        let stop = Stop::new();
        let asks = Arc::new(Asks { stop: stop.clone(), at: "locked" });
        let fault = apply(session.as_mut(), &assessment, &patient, asks, &stop).await.unwrap_err();
        assert_eq!(code(&fault), Code::Interrupted);
        assert!(world.runs().await.is_empty());
    });
}

#[test]
fn a_stop_while_taking_back_is_gone_on_from() {
    timeless(async {
        let mut world =
            World::new(&["together: add column t.c", "alone: create index t.i", "alone: fail no luck"]);
        // The second statement outside of a transaction is the one that fails, the third is the way back.
        world.database.fail_nth(3, FakeFault::Hang, FakePlace::Perform);
        stopped(&world, "began undo 2").await;
        assert_eq!(world.run().await.phase, Phase::RollingBack);
        world.pending.clear();
        let summary = world.apply().await.unwrap();
        assert_eq!(summary.runs[0].phase, Phase::RolledBack);
        assert_eq!(
            world.performed(),
            ["add column t.c", "create index t.i", "drop index t.i", "drop column t.c"]
        );
        world.assert_ended("taken back", &[]).await;
    });
}

#[test]
fn a_runner_that_is_killed_at_any_statement_is_gone_on_from() {
    for (name, units) in SHAPES {
        for (place, finished) in
            [(FakePlace::Perform, true), (FakePlace::Perform, false), (FakePlace::Statement, false)]
        {
            timeless(async {
                for nth in 1.. {
                    let world = World::new(units);
                    world.database.fail_nth(nth, FakeFault::Hang, place);
                    // Dropped in the middle of its work, as a process is that is killed.
                    let killed = tokio::time::timeout(Duration::from_secs(60), world.apply()).await;
                    let Err(_) = killed else { break };
                    let case = format!("{name}: {place:?} {nth}, finished: {finished}");
                    let fault = world.apply().await.expect_err(&case);
                    assert_eq!(code(&fault), Code::LockHeldByOther, "{case}");
                    if finished {
                        world.database.finish_orphan();
                    } else {
                        world.database.kill_orphan();
                    }
                    go_on(&world, &case).await;
                    world.assert_ended(&case, &["1"]).await;
                    let mut expected = statements(world.plan());
                    expected.retain(|s| !s.starts_with("set "));
                    let mut performed = world.performed();
                    performed.dedup();
                    assert_eq!(performed, expected, "{case}");
                }
            });
        }
    }
}
