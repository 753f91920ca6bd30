//! Nothing goes wrong.

use std::sync::Arc;

use cofferdam_core::Phase;
use cofferdam_core::journal::{StepState, What};
use cofferdam_engines::fake::{FakeFault, FakePlace};
use cofferdam_runner::{Pending, Silent, Stop};

use crate::shapes::{SHAPES, statements};
use crate::world::{Notes, World, pending, policy, timeless};

#[test]
fn every_shape_is_done_and_recorded() {
    for (name, units) in SHAPES {
        timeless(async {
            let world = World::new(units);
            let summary = world.apply().await.unwrap();
            assert_eq!(summary.version.as_deref(), Some("1"), "{name}");
            let [run] = summary.runs.as_slice() else { panic!("{name}: {summary:?}") };
            assert_eq!((run.phase, run.resumed), (Phase::Done, false), "{name}");
            assert_eq!(run.steps, world.plan().steps().count(), "{name}");

            assert_eq!(world.database.performed(), statements(world.plan()), "{name}");
            world.assert_ended(name, &["1"]).await;
            let history = world.history().await;
            assert_eq!((history.len(), history[0].rank), (1, 1), "{name}");
            assert_eq!(history[0].run, Some(run.run), "{name}");
            assert_eq!(history[0].checksum.as_ref(), Some(&world.pending[0].migration.checksum), "{name}");
            assert_eq!(history[0].bundle, world.pending[0].bundle, "{name}");
            assert_eq!(history[0].by, "tester", "{name}");

            let state = world.state(&world.run().await).await;
            assert!(state.stuck.is_none() && state.failure.is_none(), "{name}");
            for step in world.plan().steps() {
                assert_eq!(state.steps.get(&step.id), Some(&StepState::Ended), "{name}: {}", step.id);
            }
        });
    }
}

#[test]
fn began_and_ended_frame_each_step_in_order() {
    for (name, units) in SHAPES {
        timeless(async {
            let world = World::new(units);
            world.apply().await.unwrap();
            let rows: Vec<String> = world
                .journal()
                .await
                .iter()
                .filter_map(|e| match &e.what {
                    What::Began { step } => Some(format!("began {step}")),
                    What::Ended { step, how, .. } => Some(format!("ended {step}: {how}")),
                    What::Moved { .. } | What::Passed { .. } => None,
                    other => panic!("{name}: {other:?}"),
                })
                .collect();
            let expected: Vec<String> = world
                .plan()
                .steps()
                .flat_map(|s| [format!("began {}", s.id), format!("ended {}: performed", s.id)])
                .collect();
            assert_eq!(rows, expected, "{name}");
        });
    }
}

#[test]
fn a_plan_that_fits_one_transaction_is_one_in_all() {
    timeless(async {
        let world = World::new(&["together: add column t.c; add column t.d"]);
        world.database.fail_nth(2, FakeFault::ConnectionLost, FakePlace::Commit);
        world.apply().await.unwrap();
        assert_eq!(world.database.planned_faults(), 1, "there was no second COMMIT");
        let moves: usize = world.journal().await.iter().map(|e| e.what.moves().len()).sum();
        assert_eq!(moves, cofferdam_core::run::WAY.len());
    });
}

#[test]
fn each_migration_is_a_run_of_its_own_and_none_is_applied_twice() {
    timeless(async {
        let world = World::of(vec![
            pending("1", &["together: create table n x"]),
            pending("2", &["alone: create index n.i"]),
            pending("3", &["together: add column n.y"]),
        ]);
        let summary = world.apply().await.unwrap();
        assert_eq!(summary.runs.len(), 3);
        assert_eq!(summary.version.as_deref(), Some("3"));
        world.assert_ended("three", &["1", "2", "3"]).await;
        let before = world.database.performed();
        assert_eq!(before, ["create table n x", "create index n.i", "add column n.y"]);

        let again = world.apply().await.unwrap();
        assert!(again.runs.is_empty());
        assert_eq!(again.version.as_deref(), Some("3"));
        assert_eq!(world.database.performed(), before);
    });
}

#[test]
fn the_settings_of_one_migration_are_not_those_of_the_next() {
    timeless(async {
        let path_after = async |migrations: Vec<Pending>| {
            let world = World::of(migrations);
            let mut session = world.session().await;
            let assessment = world.assessed(session.as_mut()).await.unwrap();
            cofferdam_runner::apply(session.as_mut(), &assessment, &policy(), Arc::new(Silent), &Stop::new())
                .await
                .unwrap();
            session.rows("show path", 1).await.unwrap().rows
        };
        let first = pending("1", &["alone: set path elsewhere"]);
        assert_eq!(path_after(vec![first.clone()]).await, [[Some("elsewhere".to_owned())]]);
        let second = pending("2", &["together: nothing"]);
        assert_eq!(path_after(vec![first, second]).await, [[None]]);
    });
}

#[test]
fn a_repeatable_migration_is_applied_again_when_its_checksum_changed() {
    timeless(async {
        let repeatable = |units: &[&str]| {
            let mut pending = pending("1", units);
            pending.migration.version = None;
            pending.migration.kind = cofferdam_core::MigrationKind::Repeatable;
            Arc::make_mut(&mut pending.plan).key = pending.migration.key();
            pending
        };
        let mut world = World::of(vec![repeatable(&["together: nothing one"])]);
        world.apply().await.unwrap();
        world.apply().await.unwrap();
        world.pending = vec![repeatable(&["together: nothing two"])];
        world.apply().await.unwrap();
        assert_eq!(world.database.performed(), ["nothing one", "nothing two"]);
        world.assert_ended("repeatable", &["R:migration 1", "R:migration 1"]).await;
    });
}

#[test]
fn the_reporter_hears_of_everything_in_order() {
    timeless(async {
        let world = World::new(&["together: add column t.c", "alone: create index t.i"]);
        let notes = Arc::new(Notes::default());
        world.apply_with(&Stop::new(), notes.clone()).await.unwrap();
        assert_eq!(
            notes.taken(),
            [
                "planned 1 runs, 2 steps",
                "run 1 began",
                "began 1",
                "ended 1",
                "began 2",
                "ended 2",
                "run 1 ended Done",
            ]
        );
    });
}
