//! Taking back what was applied.

use std::sync::Arc;

use cofferdam_core::bundle::Version;
use cofferdam_core::plan::Intent;
use cofferdam_core::{Code, Event, Fault, Phase, Plan, Script};
use cofferdam_engines::fake::{FakeFault, FakePlace};
use cofferdam_runner::{Back, Silent, Stop, Summary, baseline, rollback, rollback_plans};

use crate::disturbed::PLACES;
use crate::world::{World, code, pending, policy, timeless};

/// Three migrations that can be taken back without losing anything.
fn three() -> World {
    World::of(vec![
        pending("1", &["together: add column t.c; nothing one <- nothing un-one"]),
        pending("2", &["alone: create index t.i", "together: add column t.d"]),
        pending("3", &["together: nothing three <- nothing un-three, nothing un-three at last"]),
    ])
}

const BACK_TO_THE_FIRST: &[&str] =
    &["nothing un-three", "nothing un-three at last", "drop column t.d", "drop index t.i"];

async fn plans(world: &World, back: &Back) -> Result<Vec<Plan>, Fault> {
    rollback_plans(world.open().await?.as_mut(), back, &policy()).await
}

/// One `rollback` with a session of its own.
async fn take_back(world: &World, back: &Back) -> Result<Summary, Fault> {
    let mut session = world.open().await?;
    let plans = rollback_plans(session.as_mut(), back, &policy()).await?;
    rollback(session.as_mut(), plans, &policy(), Arc::new(Silent), &Stop::new()).await
}

fn keys(plans: &[Plan]) -> Vec<&str> {
    plans.iter().map(|p| p.key.as_str()).collect()
}

#[test]
fn it_goes_as_far_back_as_is_asked_newest_first() {
    timeless(async {
        let world = three();
        world.apply().await.unwrap();
        for (back, expected) in [
            (Back::To("1".into()), vec!["3", "2"]),
            (Back::To("1.0".into()), vec!["3", "2"]),
            (Back::To("3".into()), vec![]),
            (Back::To("0".into()), vec!["3", "2", "1"]),
            (Back::Steps(0), vec![]),
            (Back::Steps(1), vec!["3"]),
            (Back::Steps(2), vec!["3", "2"]),
            (Back::Steps(99), vec!["3", "2", "1"]),
        ] {
            let plans = plans(&world, &back).await.unwrap();
            assert_eq!(keys(&plans), expected, "{back:?}");
            assert!(plans.iter().all(|p| p.intent == Intent::Undo), "{back:?}");
        }
        assert_eq!(world.runs().await.len(), 3, "planning writes nothing");
    });
}

#[test]
fn what_was_taken_back_is_not_in_force_and_can_be_applied_again() {
    timeless(async {
        let world = three();
        world.apply().await.unwrap();
        let before = world.performed().len();
        let summary = take_back(&world, &Back::To("1".into())).await.unwrap();
        assert_eq!(summary.version.as_deref(), Some("1"));
        assert_eq!(summary.runs.len(), 2);
        assert_eq!(world.performed()[before..], *BACK_TO_THE_FIRST);
        world.assert_ended("back to 1", &["1"]).await;
        let history = world.history().await;
        assert_eq!(history.iter().map(|a| a.in_force()).collect::<Vec<_>>(), [true, false, false]);

        world.apply().await.unwrap();
        world.assert_ended("forth again", &["1", "2", "3"]).await;
        assert_eq!(world.history().await.len(), 5, "the rows taken back are kept");

        let summary = take_back(&world, &Back::To("0".into())).await.unwrap();
        assert_eq!(summary.version, None);
        world.assert_ended("back to nothing", &[]).await;
        assert_eq!(world.content().await, crate::refused::content_before().await);
    });
}

#[test]
fn the_order_of_applying_counts_and_not_that_of_versions() {
    timeless(async {
        let world = World::of(vec![
            pending("1", &["together: nothing one <- nothing un-one"]),
            pending("3", &["together: nothing three <- nothing un-three"]),
            pending("2", &["together: nothing two <- nothing un-two"]),
        ]);
        world.apply().await.unwrap();
        assert_eq!(keys(&plans(&world, &Back::To("1".into())).await.unwrap()), ["2", "3"]);
        assert_eq!(keys(&plans(&world, &Back::To("2".into())).await.unwrap()), ["3"]);
        assert_eq!(keys(&plans(&world, &Back::Steps(1)).await.unwrap()), ["2"]);
    });
}

#[test]
fn a_version_that_is_not_in_force_is_refused() {
    timeless(async {
        let world = three();
        world.apply().await.unwrap();
        for unknown in ["4", "1.5", "none", ""] {
            let fault = plans(&world, &Back::To(unknown.into())).await.unwrap_err();
            assert_eq!(code(&fault), Code::NoSuchVersion, "{unknown}");
        }
        take_back(&world, &Back::Steps(1)).await.unwrap();
        let fault = plans(&world, &Back::To("3".into())).await.unwrap_err();
        assert_eq!(code(&fault), Code::NoSuchVersion, "it was taken back");
    });
}

#[test]
fn a_baseline_is_the_bottom() {
    timeless(async {
        let world = World::of(vec![pending("8", &["together: nothing eight <- nothing un-eight"])]);
        let version = Version::parse("7").unwrap();
        baseline(world.session().await.as_mut(), &version, "", &policy()).await.unwrap();
        world.apply().await.unwrap();
        for below in [Back::To("0".into()), Back::Steps(2)] {
            assert_eq!(code(&plans(&world, &below).await.unwrap_err()), Code::NoWayBack, "{below:?}");
        }
        assert_eq!(keys(&plans(&world, &Back::To("7".into())).await.unwrap()), ["8"]);
    });
}

#[test]
fn what_has_no_way_back_is_refused_before_anything_is_taken_back() {
    timeless(async {
        let world = World::of(vec![
            pending("1", &["together: nothing gone !"]),
            pending("2", &["together: nothing two <- nothing un-two"]),
        ]);
        world.apply().await.unwrap();
        let fault = take_back(&world, &Back::To("0".into())).await.unwrap_err();
        assert_eq!(code(&fault), Code::NoWayBack);
        world.assert_ended("untouched", &["1", "2"]).await;
        take_back(&world, &Back::Steps(1)).await.unwrap();
        world.assert_ended("one", &["1"]).await;
    });
}

#[test]
fn the_way_back_of_the_author_is_taken_where_there_is_one() {
    timeless(async {
        let mut world = World::of(vec![pending("1", &["together: create table n x !"])]);
        // SQL and the fake's language at once.
        world.pending[0].bundle.down = Some(Script::new("U1__x.sql", "drop table n;"));
        world.apply().await.unwrap();
        let before = world.performed().len();
        take_back(&world, &Back::Steps(1)).await.unwrap();
        assert_eq!(world.performed()[before..], ["drop table n"]);
        world.assert_ended("by script", &[]).await;
    });
}

#[test]
fn a_way_back_that_fails_leaves_the_migration_in_force() {
    timeless(async {
        let world = World::of(vec![pending(
            "1",
            &["together: nothing one <- fail no luck", "alone: create index t.i"],
        )]);
        world.apply().await.unwrap();
        let content = world.content().await;
        let fault = take_back(&world, &Back::Steps(1)).await.unwrap_err();
        assert_eq!(code(&fault), Code::RolledBack, "{fault}");
        world.assert_ended("taken back", &["1"]).await;
        assert_eq!(world.content().await, content);
    });
}

#[test]
fn what_somebody_else_took_back_meanwhile_is_left_out() {
    timeless(async {
        let world = three();
        world.apply().await.unwrap();
        let mut late = world.session().await;
        let plans = rollback_plans(late.as_mut(), &Back::To("1".into()), &policy()).await.unwrap();
        take_back(&world, &Back::Steps(1)).await.unwrap();
        let summary =
            rollback(late.as_mut(), plans, &policy(), Arc::new(Silent), &Stop::new()).await.unwrap();
        assert_eq!(summary.runs.len(), 1);
        drop(late);
        world.assert_ended("once", &["1"]).await;
        let times = world.performed().iter().filter(|s| *s == "nothing un-three").count();
        assert_eq!(times, 1);
    });
}

#[test]
fn an_unfinished_run_is_finished_before_anything_is_taken_back() {
    timeless(async {
        let mut world = three();
        world.pending.truncate(1);
        world.apply().await.unwrap();
        world.pending = three().pending;
        // Left within the second migration, whose index was built.
        world.apply_failing(1, FakeFault::AnswerLost, FakePlace::Perform).await;
        let summary = take_back(&world, &Back::To("0".into())).await.unwrap();
        let done: Vec<(&str, Phase)> = summary.runs.iter().map(|r| (r.key.as_str(), r.phase)).collect();
        // The plans were made of what was in force then.
        assert_eq!(done, [("2", Phase::Done), ("1", Phase::Done)]);
        world.assert_sound("finished").await;
    });
}

/// Taking back again, until nothing is left to do; a person answers what the catalog cannot.
async fn go_back(world: &World, case: &str) {
    for _ in 0..10 {
        let fault = match take_back(world, &Back::To("1".into())).await {
            Ok(_) => return,
            Err(fault) => fault,
        };
        assert_eq!(code(&fault), Code::OutcomeUnknown, "{case}: {fault}");
        crate::disturbed::answer(world, case).await;
    }
    panic!("{case}: it does not end");
}

#[test]
fn a_rollback_that_is_disturbed_anywhere_is_gone_on_from() {
    for fault in [FakeFault::ConnectionLost, FakeFault::AnswerLost, FakeFault::Halfway, FakeFault::Orphaned] {
        timeless(async {
            let undisturbed = three();
            undisturbed.apply().await.unwrap();
            take_back(&undisturbed, &Back::To("1".into())).await.unwrap();
            let content = undisturbed.content().await;
            for place in PLACES {
                for nth in 1.. {
                    let world = three();
                    world.apply().await.unwrap();
                    let before = world.performed().len();
                    world.database.fail_nth(nth, fault, *place);
                    let outcome = take_back(&world, &Back::To("1".into())).await;
                    if world.database.planned_faults() > 0 {
                        outcome.unwrap();
                        break;
                    }
                    let case = format!("{fault:?} at {place:?}, time {nth}");
                    assert_eq!(code(&outcome.expect_err(&case)), Code::ConnectionLost, "{case}");
                    world.assert_sound(&case).await;
                    world.database.finish_orphan();
                    go_back(&world, &case).await;
                    assert_eq!(world.performed()[before..], *BACK_TO_THE_FIRST, "{case}");
                    assert_eq!(world.content().await, content, "{case}");
                    world.assert_ended(&case, &["1"]).await;
                }
            }
        });
    }
}

#[test]
fn a_fact_about_an_undo_that_contracted_marks_its_row() {
    timeless(async {
        let world = World::of(vec![pending("1", &["together: nothing one <- nothing un-one"])]);
        world.apply().await.unwrap();
        // The author's way back drops what is not there: past the point of no return, outside of a transaction.
        let mut plans = plans(&world, &Back::Steps(1)).await.unwrap();
        plans[0].units =
            crate::shapes::plan("1", &["alone: nothing first !", "alone: drop index t.gone !"]).units;
        let mut session = world.session().await;
        let outcome = rollback(session.as_mut(), plans, &policy(), Arc::new(Silent), &Stop::new()).await;
        assert_eq!(code(&outcome.unwrap_err()), Code::RollbackFailed);
        drop(session);
        assert_eq!(world.says(Event::SaysContracted).await, Ok(Phase::Done));
        world.assert_ended("by hand", &[]).await;
    });
}
