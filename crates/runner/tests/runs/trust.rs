//! What somebody else wrote into the records is not gone on from; what is no longer wanted is taken back first.

use cofferdam_core::journal::What;
use cofferdam_core::plan::Act;
use cofferdam_core::{Code, Event, Limits, Phase};
use cofferdam_engines::fake::{FakeFault, FakePlace};
use cofferdam_engines::{Batch, Line, Run};

use crate::world::{World, code, pending, timeless};

const TWO_UNITS: &[&str] = &["alone: create index t.i", "together: add column t.c"];

/// A world whose run was left after its first unit.
async fn left() -> World {
    let world = World::new(TWO_UNITS);
    world.apply_failing(1, FakeFault::ConnectionLost, FakePlace::Statement).await;
    assert_eq!(world.performed(), ["create index t.i"]);
    world
}

async fn assert_refused(world: &World, case: &str) {
    let (performed, rows) = (world.performed(), world.journal().await.len());
    let fault = world.apply().await.expect_err(case);
    assert_eq!((code(&fault), code(&fault).exit()), (Code::JournalBroken, 7), "{case}: {fault}");
    assert_eq!(world.performed(), performed, "{case}");
    assert_eq!(world.journal().await.len(), rows, "{case}");
    let fault = world.says(Event::SaysStepDone).await.expect_err(case);
    assert_eq!(code(&fault), Code::JournalBroken, "{case}: {fault}");
}

/// Writes rows of a run as someone would who knows the tables.
async fn write(world: &World, run: &Run, open: bool, whats: Vec<What>) {
    let mut session = world.session().await;
    session.claim(std::time::Duration::ZERO).await.unwrap();
    let lines = whats.into_iter().map(Line::Write).collect();
    let batch = Batch { run, open, adopt: !open, lines, record: None, limits: Limits::default() };
    session.commit(&batch).await.unwrap();
}

fn moved(from: Phase, on: Event, to: Phase) -> What {
    What::Moved { from, on, to }
}

#[test]
fn a_plan_that_is_not_the_accepted_one_is_refused() {
    timeless(async {
        let world = World::new(TWO_UNITS);
        let mut run = {
            let other = left().await;
            other.run().await
        };
        std::sync::Arc::make_mut(&mut run.plan).units[1].steps[0].act = Act::sql("drop table t");
        let begun = vec![
            moved(Phase::Requested, Event::PlanAccepted, Phase::Planned),
            moved(Phase::Planned, Event::ChecksPassed, Phase::Expanding),
        ];
        write(&world, &run, true, begun).await;
        assert_refused(&world, "another act").await;
    });
}

#[test]
fn a_changed_row_of_the_journal_is_refused() {
    timeless(async {
        let rows = left().await.journal().await.len();
        for seq in 1..=rows {
            let world = left().await;
            world.database.forge_journal(i64::try_from(seq).unwrap(), "somebody else");
            assert_refused(&world, &format!("row {seq}")).await;
        }
    });
}

#[test]
fn a_changed_row_of_an_earlier_run_keeps_nobody_from_going_on() {
    timeless(async {
        let mut world = World::new(TWO_UNITS);
        world.apply().await.unwrap();
        world.pending.push(pending("2", &["alone: create index t.j", "together: add column t.d"]));
        world.apply_failing(1, FakeFault::ConnectionLost, FakePlace::Statement).await;
        world.database.forge_journal(2, "somebody else");
        world.apply().await.unwrap();
        assert_eq!(world.run().await.phase, Phase::Done);
        let broken = cofferdam_core::journal::first_break(&world.journal().await);
        assert_eq!(broken, Some(2), "it is for `verify` to tell");
    });
}

#[test]
fn rows_that_do_not_follow_are_refused() {
    for (case, phase, whats) in [
        ("a jump", Phase::Watching, vec![moved(Phase::Expanding, Event::Swapped, Phase::Watching)]),
        (
            "a row without its phase",
            Phase::Expanding,
            vec![moved(Phase::Expanding, Event::Expanded, Phase::Copying)],
        ),
        ("a phase without its row", Phase::Copying, vec![]),
    ] {
        timeless(async {
            let world = left().await;
            let mut run = world.run().await;
            run.phase = phase;
            write(&world, &run, false, whats).await;
            assert_refused(&world, case).await;
        });
    }
}

#[test]
fn a_run_whose_file_was_changed_is_taken_back_before_the_new_one_is_applied() {
    timeless(async {
        let mut world = left().await;
        world.pending = vec![pending("1", &["alone: create index t.j"])];
        let summary = world.apply().await.unwrap();
        let runs: Vec<(Phase, bool)> = summary.runs.iter().map(|r| (r.phase, r.resumed)).collect();
        assert_eq!(runs, [(Phase::RolledBack, true), (Phase::Done, false)]);
        assert_eq!(world.performed(), ["create index t.i", "drop index t.i", "create index t.j"]);
        world.assert_ended("changed", &["1"]).await;
        let checksum = world.history().await[0].checksum.clone();
        assert_eq!(checksum.as_ref(), Some(&world.pending[0].migration.checksum));
    });
}

#[test]
fn a_run_whose_file_was_changed_too_late_is_finished() {
    timeless(async {
        let mut world = World::new(&["alone: nothing gone !", "together: add column t.c"]);
        world.apply_failing(1, FakeFault::ConnectionLost, FakePlace::Statement).await;
        let old = world.pending[0].migration.checksum.clone();
        world.pending = vec![pending("1", &["together: add column t.d"])];
        world.apply().await.unwrap();
        assert_eq!(world.performed(), ["nothing gone", "add column t.c"]);
        world.assert_ended("finished", &["1"]).await;
        assert_eq!(world.history().await[0].checksum, Some(old), "what was done is what is recorded");
    });
}

#[test]
fn a_run_whose_file_is_as_it_was_is_finished_as_planned_then() {
    timeless(async {
        let mut world = left().await;
        // Planned anew it would be another plan: what was accepted and begun counts.
        world.pending[0].plan = pending("1", &["together: create index t.i; add column t.c"]).plan;
        world.apply().await.unwrap();
        assert_eq!(world.performed(), ["create index t.i", "add column t.c"]);
        assert_eq!(world.runs().await.len(), 1);
        world.assert_ended("as planned", &["1"]).await;
    });
}
