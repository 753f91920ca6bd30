//! The server refuses: what was done is taken back, last first, and nothing of it is left.

use std::sync::Arc;

use cofferdam_core::journal::{StepState, What};
use cofferdam_core::{Code, Event, Fault, Phase};
use cofferdam_engines::fake::{FakeDatabase, FakeFault, FakePlace};
use cofferdam_runner::{News, Reporter, Silent, Stop};

use crate::disturbed::{PLACES, everywhere, go_on};
use crate::shapes::{SHAPES, statements, undos};
use crate::world::{Notes, World, code, refusal, timeless};

/// The shapes that can be taken back whole, each with a statement at its end that fails. Where there is a check it
/// comes last, as strategies have it.
fn failing() -> Vec<Vec<String>> {
    let mut all = Vec::new();
    let any = |units: &[&str], word: &str| units.iter().any(|u| u.contains(word));
    for (_, units) in SHAPES.iter().filter(|(_, units)| !any(units, " !") && !any(units, "check")) {
        for end in ["together: fail no luck", "alone: fail no luck", "together: nothing; check select t"] {
            all.push(units.iter().map(|u| (*u).to_owned()).chain([end.to_owned()]).collect());
        }
    }
    all
}

pub(crate) async fn content_before() -> String {
    World::new(&[]).content().await
}

/// Some steps from the first on were done, and then undone from the last one back; a last one may have left half
/// an index behind, which was removed.
fn assert_taken_back(world: &World, performed: &[String], case: &str) {
    let steps: Vec<_> = world.plan().steps().collect();
    let session = |s: &&String| !s.starts_with("set ");
    let all = statements(world.plan());
    let fits = (0..=steps.len()).any(|done| {
        [done, done + 1].into_iter().filter(|begun| *begun <= steps.len()).any(|begun| {
            let forward = all[..done].iter().filter(session).cloned();
            let back = undos(steps[..begun].iter().copied());
            performed == forward.chain(back).collect::<Vec<_>>()
        })
    });
    assert!(fits, "{case}: {performed:?}");
}

#[test]
fn a_statement_that_fails_is_taken_back_with_all_before_it() {
    for units in failing() {
        timeless(async {
            let units: Vec<&str> = units.iter().map(String::as_str).collect();
            let case = format!("{units:?}");
            let world = World::new(&units);
            let fault = world.apply().await.expect_err(&case);
            assert_eq!(code(&fault).exit(), 6, "{case}: {fault}");
            assert_eq!(world.run().await.phase, Phase::RolledBack, "{case}");
            world.assert_ended(&case, &[]).await;
            assert_eq!(world.content().await, content_before().await, "{case}");

            // All units but the last were committed, and undone from the last step back.
            let committed: Vec<_> =
                world.plan().units.iter().take(units.len() - 1).flat_map(|u| &u.steps).collect();
            let mut expected: Vec<String> = committed.iter().map(|s| s.act.text()).collect();
            expected.extend(undos(committed.into_iter()));
            expected.retain(|s| !s.starts_with("set "));
            assert_eq!(world.performed(), expected, "{case}");
        });
    }
}

/// What somebody else makes.
const THEIRS: &[&str] = &["create table n x", "insert n 3"];

/// Makes it when the second step has begun and its statement was not sent.
struct IsFirst(FakeDatabase);

impl Reporter for IsFirst {
    fn tell(&self, news: &News<'_>) {
        if let News::StepBegan { step: "2", .. } = news {
            THEIRS.iter().for_each(|statement| self.0.by_hand(statement).expect("a statement of the fake"));
        }
    }
}

#[test]
fn what_somebody_else_made_is_not_dropped_to_take_ours_back() {
    for is_there in [true, false] {
        timeless(async {
            let world = World::new(&["alone: create index t.i", "alone: create table n x"]);
            let reporter: Arc<dyn Reporter> = match is_there {
                true => {
                    THEIRS.iter().for_each(|statement| world.database.by_hand(statement).unwrap());
                    Arc::new(Silent)
                }
                false => Arc::new(IsFirst(world.database.clone())),
            };
            let fault = world.apply_with(&Stop::new(), reporter).await.unwrap_err();
            assert_eq!(code(&fault).exit(), 6, "{is_there}: {fault}");
            assert!(fault.to_string().contains("there already"), "{is_there}: {fault}");
            assert_eq!(world.performed(), ["create index t.i", "drop index t.i"], "{is_there}");
            world.assert_ended("theirs", &[]).await;
            let expected = World::new(&[]);
            THEIRS.iter().for_each(|statement| expected.database.by_hand(statement).unwrap());
            assert_eq!(world.content().await, expected.content().await, "{is_there}");
        });
    }
}

#[test]
fn a_refusal_anywhere_ends_clean_and_can_be_applied_again() {
    for (_, units) in SHAPES {
        timeless(async {
            let before = content_before().await;
            everywhere(units, &[FakeFault::Refused(Code::StatementFailed)], async |world, outcome, case| {
                let fault = outcome.expect_err(&case);
                world.assert_sound(&case).await;
                match &fault {
                    // A row of the journal was refused, or a look at the catalog: that fails no statement.
                    Fault::Again { .. } => {
                        let other = ["at Begin", "at Commit", "at Read"].iter().any(|p| case.contains(p));
                        assert!(other, "{case}");
                    }
                    other if code(other) == Code::RolledBack => {
                        assert_eq!(world.run().await.phase, Phase::RolledBack, "{case}");
                        assert_eq!(world.content().await, before, "{case}");
                        assert_taken_back(&world, &world.performed(), &case);
                        world.assert_ended(&case, &[]).await;
                        assert!(refusal(&fault).cause.is_some(), "{case}");
                    }
                    other if code(other) == Code::RollbackFailed => {
                        let state = world.state(&world.run().await).await;
                        assert_eq!(state.stuck.expect(&case).0, Phase::Contracting, "{case}");
                        world.says(Event::SaysContractBegan).await.expect(&case);
                    }
                    other => {
                        assert_eq!(code(other), Code::StatementFailed, "{case}");
                        let nothing = ["at Open", "at Claim", "at Read"].iter().any(|p| case.contains(p));
                        assert!(nothing, "{case}: {fault}");
                    }
                }
                let taken_back = world.performed().len();
                go_on(&world, &case).await;
                world.assert_ended(&case, &["1"]).await;
                if code_of(&fault) == Some(Code::RolledBack) {
                    // The second run does everything, as if the first had not been.
                    let mut expected = statements(world.plan());
                    expected.retain(|s| !s.starts_with("set "));
                    assert_eq!(world.performed()[taken_back..], expected, "{case}");
                }
            })
            .await;
        });
    }
}

fn code_of(fault: &Fault) -> Option<Code> {
    fault.refusal().map(|r| r.code)
}

/// The way back is gone on from wherever this fault left it.
fn the_way_back_is_gone_on_after(fault: FakeFault) {
    for units in failing() {
        timeless(async {
            let units: Vec<&str> = units.iter().map(String::as_str).collect();
            let before = content_before().await;
            for place in PLACES {
                for nth in 1.. {
                    let case = format!("{units:?}: {fault:?} at {place:?}, time {nth}");
                    let world = World::new(&units);
                    world.database.fail_nth(nth, fault, *place);
                    let outcome = world.apply().await.expect_err(&case);
                    if world.database.planned_faults() > 0 {
                        break;
                    }
                    // Where the statement failed by itself there was no answer to lose.
                    let lost = code(&outcome) == Code::ConnectionLost;
                    assert!(lost || code(&outcome).exit() == 6, "{case}: {outcome}");
                    world.database.finish_orphan();
                    until_taken_back(&world, &case).await;
                    world.assert_ended(&case, &[]).await;
                    assert_eq!(world.content().await, before, "{case}");
                    assert_each_effect_was_undone(&world, &case);
                }
            }
        });
    }
}

#[test]
fn the_way_back_is_gone_on_after_a_lost_connection() {
    the_way_back_is_gone_on_after(FakeFault::ConnectionLost);
}

#[test]
fn the_way_back_is_gone_on_after_a_lost_answer() {
    the_way_back_is_gone_on_after(FakeFault::AnswerLost);
}

#[test]
fn the_way_back_is_gone_on_after_half_a_statement() {
    the_way_back_is_gone_on_after(FakeFault::Halfway);
}

#[test]
fn the_way_back_is_gone_on_after_a_statement_outlived_its_runner() {
    the_way_back_is_gone_on_after(FakeFault::Orphaned);
}

/// The failing migration is tried, and what is in doubt is answered, until a try ends with everything taken back.
async fn until_taken_back(world: &World, case: &str) {
    for _ in 0..10 {
        let fault = world.apply().await.expect_err(case);
        match code(&fault) {
            Code::OutcomeUnknown => crate::disturbed::answer(world, case).await,
            code => {
                assert_eq!(code.exit(), 6, "{case}: {fault}");
                return;
            }
        }
    }
    panic!("{case}: it does not end");
}

/// By the database's own count, over all tries: whatever was done was undone as often.
fn assert_each_effect_was_undone(world: &World, case: &str) {
    let performed = world.performed();
    let times = |statement: &str| performed.iter().filter(|s| *s == statement).count();
    for step in world.plan().steps() {
        for undo in undos(std::iter::once(step)) {
            let (done, undone) = (times(&step.act.text()), times(&undo));
            // An index that was left half built is removed too.
            let half = usize::from(undo.starts_with("drop index"));
            assert!(undone >= done && undone <= done + half, "{case}: {undo}: {done} done, {undone} undone");
        }
    }
}

#[test]
fn the_reason_is_told_with_the_place_and_is_in_the_journal() {
    timeless(async {
        let world = World::new(&["alone: create index t.i", "together: add column t.c; fail no luck"]);
        let notes = Arc::new(Notes::default());
        let fault = world.apply_with(&Stop::new(), notes.clone()).await.unwrap_err();
        let refusal = refusal(&fault);
        assert_eq!(refusal.code, Code::RolledBack);
        assert_eq!(refusal.cause.as_deref(), Some("fail no luck: step 3 failed: fail no luck: no luck"));
        assert_eq!(refusal.place.as_ref().unwrap().path, "V1__x.sql");
        assert!(notes.taken().contains(&"failed 3 fail no luck".to_owned()), "{:?}", notes.taken());

        let run = world.run().await;
        let state = world.state(&run).await;
        assert!(state.failure.unwrap().contains("no luck"));
        assert_eq!(state.steps.get("3"), Some(&StepState::Failed));
        let undone = world.journal().await.iter().any(
            |e| matches!(&e.what, What::Ended { step, how, .. } if step == "undo 1" && how == "performed"),
        );
        assert!(undone);
    });
}

#[test]
fn a_step_that_ended_is_never_said_to_have_failed() {
    for (_, units) in SHAPES {
        timeless(async {
            everywhere(units, &[FakeFault::Refused(Code::StatementFailed)], async |world, _, case| {
                for run in world.runs().await {
                    let mut ended = Vec::new();
                    for entry in world.journal().await.into_iter().filter(|e| e.run == run.id) {
                        match entry.what {
                            What::Ended { step, .. } => ended.push(step),
                            What::Failed { step, .. } => assert!(!ended.contains(&step), "{case}: {step}"),
                            _ => {}
                        }
                    }
                }
            })
            .await;
        });
    }
}

#[test]
fn the_first_statement_of_a_run_can_fail_too() {
    for unit in ["together: fail at once", "alone: fail at once"] {
        timeless(async {
            let world = World::new(&[unit]);
            let fault = world.apply().await.unwrap_err();
            assert_eq!(code(&fault), Code::RolledBack);
            assert!(world.performed().is_empty());
            world.assert_ended(unit, &[]).await;
            let why = world.state(&world.run().await).await.failure;
            assert!(why.is_some_and(|why| why.contains("at once")), "that it was tried is recorded");
        });
    }
}

#[test]
fn codes_that_have_an_exit_code_of_their_own_keep_it() {
    for (given, expected) in [
        (Code::StatementFailed, Code::RolledBack),
        (Code::TransactionInFile, Code::RolledBack),
        (Code::CheckFailed, Code::CheckFailed),
        (Code::LockNotObtained, Code::LockNotObtained),
        (Code::BlockedOthers, Code::BlockedOthers),
    ] {
        timeless(async {
            let world = World::new(&["alone: create index t.i", "together: add column t.c"]);
            let fault = world.apply_failing(1, FakeFault::Refused(given), FakePlace::Statement).await;
            assert_eq!(code(&fault), expected);
            let told = format!("{:?}", refusal(&fault));
            assert!(told.contains("nothing of it is left"), "{told}");
            assert_eq!(world.performed(), ["create index t.i", "drop index t.i"]);
        });
    }
}
