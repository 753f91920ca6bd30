//! The connection, an answer or a lock is lost at every place where it can be: whoever comes next goes on, and the
//! end is the same as if nothing had been.

use cofferdam_core::journal::StepState;
use cofferdam_core::{Code, Event, Fault, Phase};
use cofferdam_engines::fake::{FakeFault, FakePlace};

use crate::shapes::{SHAPES, statements, undos};
use crate::world::{World, code, refusal, timeless};

pub(crate) const PLACES: &[FakePlace] = &[
    FakePlace::Open,
    FakePlace::Claim,
    FakePlace::Begin,
    FakePlace::Statement,
    FakePlace::Commit,
    FakePlace::Perform,
    FakePlace::Read,
];

/// What becomes of a statement whose session is gone.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Orphan {
    ComesToItsEnd,
    IsKilled,
}

/// Goes on until everything ended, and says what is true where a person is asked.
pub(crate) async fn go_on(world: &World, case: &str) {
    for _ in 0..10 {
        let Err(fault) = world.apply().await else { return };
        assert_eq!(refusal(&fault).code, Code::OutcomeUnknown, "{case}: {fault}");
        answer(world, case).await;
    }
    panic!("{case}: it does not end");
}

/// States the fact that is asked for, by what the database knows and its catalog does not.
pub(crate) async fn answer(world: &World, case: &str) {
    let run = world.run().await;
    let state = world.state(&run).await;
    let (stuck_in, question) = state.stuck.expect(case);
    assert!(question.is_some(), "{case}: there is a question");
    let open = state.steps.iter().find(|(_, s)| **s == StepState::Began);
    let (id, _) = open.unwrap_or_else(|| panic!("{case}: a step that began"));
    let step = run.plan.step(id).expect(case);
    // Earlier tries may have done and undone it.
    let performed = world.performed();
    let times = |statement: &str| performed.iter().filter(|s| *s == statement).count();
    let undo = undos(std::iter::once(step));
    let undone = undo.first().map_or(0, |undo| times(undo));
    let happened = times(&step.act.text()) > undone;
    let fact = match (stuck_in, happened) {
        (Phase::Expanding, true) => Event::SaysStepDone,
        (Phase::Expanding, false) => Event::SaysStepNotDone,
        (Phase::Contracting, false) => Event::SaysContractBegan,
        (Phase::Contracting, true) => Event::SaysContractStepDone,
        (Phase::RollingBack, _) => {
            // A person takes it back, and leaves the rest to the run.
            for statement in undo.iter().filter(|_| happened) {
                world.by_hand(statement);
            }
            Event::SaysNotSwapped
        }
        other => panic!("{case}: no fact fits {other:?}"),
    };
    world.says(fact).await.expect(case);
}

/// Every place that an undisturbed `apply` comes to, each time that it does, and what happens there.
pub(crate) async fn everywhere(
    units: &[&str],
    faults: &[FakeFault],
    mut then: impl AsyncFnMut(World, Result<(), Fault>, String),
) {
    for fault in faults {
        for place in PLACES {
            for nth in 1.. {
                let world = World::new(units);
                world.database.fail_nth(nth, *fault, *place);
                let outcome = world.apply().await.map(drop);
                if world.database.planned_faults() > 0 {
                    outcome.expect("undisturbed");
                    break;
                }
                then(world, outcome, format!("{units:?}: {fault:?} at {place:?}, time {nth}")).await;
            }
        }
    }
}

async fn assert_as_undisturbed(world: &World, content: &str, case: &str) {
    world.assert_ended(case, &["1"]).await;
    let plan = world.plan();
    let mut expected = statements(plan);
    expected.retain(|s| !s.starts_with("set "));
    let mut performed = world.performed();
    // What is the same when done twice may have been.
    performed.dedup_by(|again, before| again == before && may_be_done_again(again));
    assert_eq!(performed, expected, "{case}");
    assert_eq!(world.content().await, content, "{case}");
    assert_eq!(world.run().await.phase, Phase::Done, "{case}");
}

fn may_be_done_again(statement: &str) -> bool {
    statement.starts_with("nothing analysed")
        || statement.starts_with("nothing vacuumed")
        || statement.starts_with("select ")
}

fn world_has_steps_outside(units: &[&str]) -> bool {
    World::new(units).plan().units.iter().any(|unit| !unit.atomic)
}

async fn content_undisturbed(units: &[&str]) -> String {
    let world = World::new(units);
    world.apply().await.expect("undisturbed");
    world.content().await
}

#[test]
fn a_connection_that_breaks_anywhere_is_gone_on_from() {
    let faults = [FakeFault::ConnectionLost, FakeFault::Halfway, FakeFault::AnswerLost];
    for (name, units) in SHAPES {
        timeless(async {
            let content = content_undisturbed(units).await;
            let mut cases = 0;
            everywhere(units, &faults, async |world, outcome, case| {
                let fault = outcome.expect_err(&case);
                assert_eq!(code(&fault), Code::ConnectionLost, "{case}: {fault}");
                assert!(refusal(&fault).help.is_some(), "{case}");
                world.assert_sound(&case).await;
                go_on(&world, &case).await;
                assert_as_undisturbed(&world, &content, &case).await;
                cases += 1;
            })
            .await;
            assert!(cases > 20, "{name}: {cases}");
        });
    }
}

#[test]
fn a_look_that_is_refused_is_no_failure_of_the_step_that_may_have_taken_effect() {
    let lost = [FakeFault::ConnectionLost, FakeFault::AnswerLost];
    for (_, units) in SHAPES {
        timeless(async {
            let content = content_undisturbed(units).await;
            let mut refused = 0;
            for fault in lost {
                for (nth, look) in
                    (1..=units.len() as u32 * 3).flat_map(|n| (1..12).map(move |look| (n, look)))
                {
                    let case = format!("{units:?}: {fault:?}, {nth}; look {look} is refused");
                    let world = World::new(units);
                    world.database.fail_nth(nth, fault, FakePlace::Perform);
                    let Err(_) = world.apply().await else { break };
                    world.database.fail_nth(look, FakeFault::Refused(Code::StatementFailed), FakePlace::Read);
                    if world.apply().await.is_err() && world.database.planned_faults() == 0 {
                        refused += 1;
                    }
                    world.database.forget_planned_faults();
                    go_on(&world, &case).await;
                    assert_as_undisturbed(&world, &content, &case).await;
                }
            }
            let outside = world_has_steps_outside(units);
            assert!(!outside || refused > 2, "{units:?}: {refused}");
        });
    }
}

#[test]
fn a_setting_that_cannot_be_made_again_is_no_failure_of_the_run() {
    let units = ["together: set s on; nothing a", "alone: nothing n", "alone: nothing f !"];
    timeless(async {
        let content = content_undisturbed(&units).await;
        for nth in 1..=2 {
            for fault in [FakeFault::ConnectionLost, FakeFault::AnswerLost] {
                let case = format!("{fault:?}, {nth}");
                let world = World::new(&units);
                world.apply_failing(nth, fault, FakePlace::Perform).await;
                let before = world.run().await.phase;
                world.apply_failing(1, FakeFault::Refused(Code::StatementFailed), FakePlace::Perform).await;
                assert_eq!(world.run().await.phase, before, "{case}");
                go_on(&world, &case).await;
                assert_as_undisturbed(&world, &content, &case).await;
            }
        }
    });
}

#[test]
fn a_statement_that_outlives_its_runner_is_waited_for() {
    for (_, units) in SHAPES {
        for orphan in [Orphan::ComesToItsEnd, Orphan::IsKilled] {
            timeless(async {
                let content = content_undisturbed(units).await;
                everywhere(units, &[FakeFault::Orphaned], async |world, outcome, case| {
                    let fault = outcome.expect_err(&case);
                    assert_eq!(code(&fault), Code::ConnectionLost, "{case}: {fault}");
                    // It may still be working: as long as it does nobody else may.
                    let held = world.session().await.holder().await.expect(&case).is_some();
                    let before = world.journal().await.len();
                    if held {
                        let fault = world.apply().await.expect_err(&case);
                        assert_eq!(code(&fault), Code::LockHeldByOther, "{case}: {fault}");
                        assert_eq!(world.journal().await.len(), before, "{case}");
                    }
                    match orphan {
                        Orphan::ComesToItsEnd => world.database.finish_orphan(),
                        Orphan::IsKilled => world.database.kill_orphan(),
                    }
                    go_on(&world, &case).await;
                    assert_as_undisturbed(&world, &content, &case).await;
                })
                .await;
            });
        }
    }
}

#[test]
fn what_may_succeed_later_is_tried_again_or_gone_on_from() {
    for (_, units) in SHAPES {
        timeless(async {
            let content = content_undisturbed(units).await;
            everywhere(units, &[FakeFault::Again(Code::LockNotObtained)], async |world, outcome, case| {
                if let Err(fault) = outcome {
                    // Outside of a statement's own tries: the caller hears that it may succeed later.
                    assert!(matches!(fault, Fault::Again { .. }), "{case}: {fault}");
                    world.assert_sound(&case).await;
                }
                go_on(&world, &case).await;
                assert_as_undisturbed(&world, &content, &case).await;
            })
            .await;
        });
    }
}

#[test]
fn a_lock_that_is_not_obtained_at_a_statement_does_not_end_the_run() {
    for (_, units) in SHAPES {
        timeless(async {
            let again = FakeFault::Again(Code::LockNotObtained);
            everywhere(units, &[again], async |_, outcome, case| {
                if case.contains("at Statement") || case.contains("at Perform") {
                    outcome.expect(&case);
                }
            })
            .await;
        });
    }
}

#[test]
fn three_crashes_in_a_row_are_as_one() {
    const CRASHES: &[FakePlace] = &[FakePlace::Begin, FakePlace::Commit, FakePlace::Perform, FakePlace::Read];
    for (_, units) in SHAPES {
        timeless(async {
            let content = content_undisturbed(units).await;
            for places in CRASHES.iter().flat_map(|a| CRASHES.iter().map(move |b| [*a, *b, *a])) {
                for nth in 1..4 {
                    let world = World::new(units);
                    let case = format!("{units:?}: {places:?} {nth}");
                    for place in places {
                        world.database.fail_nth(nth, FakeFault::AnswerLost, place);
                        let outcome = world.apply().await;
                        world.database.forget_planned_faults();
                        match outcome {
                            Err(fault) if code(&fault) == Code::OutcomeUnknown => answer(&world, &case).await,
                            Err(fault) => assert_eq!(code(&fault), Code::ConnectionLost, "{case}: {fault}"),
                            Ok(_) => {}
                        }
                    }
                    go_on(&world, &case).await;
                    assert_as_undisturbed(&world, &content, &case).await;
                }
            }
        });
    }
}
