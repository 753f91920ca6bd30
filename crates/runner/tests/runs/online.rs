//! Online changes: parts in order, the revert window, its two ends, and everything that can come in between.

use std::sync::Arc;
use std::time::Duration;

use cofferdam_core::journal::What;
use cofferdam_core::online::{Capture, Examined, Gate, Online};
use cofferdam_core::{Code, Event, Fault, Name, Phase, Script};
use cofferdam_dialects::postgres;
use cofferdam_engines::fake::{FakeFault, FakePlace};
use cofferdam_engines::{Asked, Record, Run};
use cofferdam_runner::{
    Back, Pending, Policy, Relations, Silent, Stop, StopWhy, Summary, alter, finalize, look, open_changes,
    refuse_blocking, rollback_plans, take_back,
};
use uuid::Uuid;

use crate::disturbed::PLACES;
use crate::world::{World, code, pending, policy, refusal, timeless};

pub(crate) const UNTIL_SWAPPED: &[&str] =
    &["create t", "capture t", "copy t", "index t", "compare t", "gate t", "swap t", "settle t"];

/// What a try that is given up before the swap takes back.
pub(crate) const GIVEN_UP: &[&str] = &["release t", "discard t"];

fn wanted(clauses: &str) -> Online {
    Online {
        table: Name::plain("t"),
        clauses: clauses.into(),
        capture: Capture::Auto,
        gate: Gate::Auto,
        forward: vec![],
        backward: vec![],
        allow_loss: None,
        workers: 0,
        proof: Default::default(),
    }
}

pub(crate) fn change() -> Online {
    wanted("ALTER COLUMN a TYPE bigint")
}

pub(crate) fn online_policy() -> Policy {
    Policy { strategy: "shadow-table".into(), ..policy() }
}

pub(crate) fn world() -> World {
    World::of(vec![])
}

pub(crate) async fn alter_with(
    world: &World,
    change: &Online,
    policy: &Policy,
    stop: &Stop,
) -> Result<Summary, Fault> {
    let mut session = world.open().await?;
    let alteration = look(session.as_mut(), change, policy).await?;
    alter(session.as_mut(), &alteration, policy, Arc::new(Silent), stop).await
}

async fn altered(world: &World, change: &Online) -> Result<Summary, Fault> {
    alter_with(world, change, &online_policy(), &Stop::new()).await
}

pub(crate) async fn finalized(world: &World) -> Result<Summary, Fault> {
    let id = world.run().await.id;
    finalized_run(world, id).await
}

async fn finalized_run(world: &World, id: Uuid) -> Result<Summary, Fault> {
    finalize(world.open().await?.as_mut(), id, &policy(), Arc::new(Silent), &Stop::new()).await
}

pub(crate) async fn taken_back(world: &World) -> Result<Summary, Fault> {
    let id = world.run().await.id;
    taken_back_run(world, id).await
}

async fn taken_back_run(world: &World, id: Uuid) -> Result<Summary, Fault> {
    take_back(world.open().await?.as_mut(), id, &policy(), Arc::new(Silent), &Stop::new()).await
}

/// Swapped, and in the revert window.
async fn swapped() -> World {
    let world = world();
    let summary = altered(&world, &change()).await.unwrap();
    assert_eq!(summary.runs[0].phase, Phase::Watching);
    assert_eq!(world.performed(), UNTIL_SWAPPED);
    world
}

pub(crate) async fn events(world: &World, run: &Run) -> Vec<Event> {
    let entries = world.journal().await;
    let moves = entries.iter().filter(|e| e.run == run.id).filter_map(|e| match e.what {
        What::Moved { on, .. } => Some(on),
        _ => None,
    });
    moves.collect()
}

async fn asked(world: &World, asked: Asked) {
    world.session().await.control(&change().id(), &asked).await.unwrap();
}

/// Waits until this is what was done so far.
async fn until(world: &World, last: &str) {
    while world.performed().last().map(String::as_str) != Some(last) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) fn joined(parts: &[&[&str]]) -> Vec<String> {
    parts.iter().flat_map(|p| p.iter().map(|s| (*s).to_owned())).collect()
}

#[test]
fn it_stops_in_its_window_and_gives_the_lock_back() {
    timeless(async {
        let world = swapped().await;
        let run = world.run().await;
        assert_eq!((run.phase, &run.record), (Phase::Watching, &Record::Nothing));
        assert_eq!(run.plan.key, "alter t");
        assert_eq!(world.session().await.holder().await, Ok(None));
        let open = open_changes(world.session().await.as_mut()).await.unwrap();
        assert_eq!(open.len(), 1);
        assert!(open[0].state.as_ref().unwrap().revertible());
        world.assert_sound("swapped").await;

        // The same command finds nothing to do, and says where the run is.
        let rows = world.journal().await.len();
        let again = altered(&world, &change()).await.unwrap();
        assert_eq!((again.runs[0].phase, again.runs[0].run), (Phase::Watching, run.id));
        assert_eq!(world.journal().await.len(), rows);
    });
}

#[test]
fn finalizing_ends_the_window_and_writes_no_history_for_a_change_without_a_migration() {
    timeless(async {
        let world = swapped().await;
        let summary = finalized(&world).await.unwrap();
        assert_eq!(summary.runs[0].phase, Phase::Done);
        assert_eq!(world.performed(), joined(&[UNTIL_SWAPPED, &["finish t"]]));
        world.assert_ended("finalized", &[]).await;
        assert!(finalized(&world).await.unwrap().runs.is_empty(), "nothing to do");
        assert_eq!(code(&taken_back(&world).await.unwrap_err()), Code::NoWayBack);
        assert!(open_changes(world.session().await.as_mut()).await.unwrap().is_empty());
    });
}

#[test]
fn without_a_window_it_goes_to_its_end() {
    timeless(async {
        let world = world();
        let policy = Policy { finalize: true, ..online_policy() };
        let summary = alter_with(&world, &change(), &policy, &Stop::new()).await.unwrap();
        assert_eq!(summary.runs[0].phase, Phase::Done);
        assert_eq!(world.performed(), joined(&[UNTIL_SWAPPED, &["finish t"]]));
        world.assert_ended("at once", &[]).await;

        // Asked for later, by the same command.
        let world = swapped().await;
        alter_with(&world, &change(), &policy, &Stop::new()).await.unwrap();
        world.assert_ended("later", &[]).await;
    });
}

#[test]
fn a_swap_is_taken_back_and_nothing_is_left() {
    timeless(async {
        let world = swapped().await;
        let summary = taken_back(&world).await.unwrap();
        assert_eq!(summary.runs[0].phase, Phase::RolledBack);
        assert_eq!(world.performed(), joined(&[UNTIL_SWAPPED, &["swap-back t"], GIVEN_UP]));
        let events = events(&world, &world.run().await).await;
        assert_eq!(events[events.len() - 2..], [Event::CancelAsked, Event::Reverted]);
        world.assert_ended("taken back", &[]).await;
        assert!(taken_back(&world).await.unwrap().runs.is_empty(), "nothing to do");
        assert_eq!(code(&finalized(&world).await.unwrap_err()), Code::NoSuchRun);
        // The table can be changed again.
        assert_eq!(altered(&world, &change()).await.unwrap().runs[0].phase, Phase::Watching);
    });
}

#[test]
fn a_way_back_that_would_lose_rows_leaves_the_window_open() {
    timeless(async {
        for ends_with_the_new_table in [true, false] {
            let world = swapped().await;
            for refused in [Code::RollbackUnsafe, Code::StatementFailed] {
                world.database.fail_next(FakeFault::Refused(refused), FakePlace::Perform);
                let fault = taken_back(&world).await.unwrap_err();
                assert_eq!(code(&fault), refused);
                assert!(refusal(&fault).notes.iter().any(|n| n.contains("stay swapped")), "{fault:?}");
                let run = world.run().await;
                assert_eq!(run.phase, Phase::Watching);
                assert_eq!(events(&world, &run).await.last(), Some(&Event::RevertRefused));
            }
            assert_eq!(world.performed(), UNTIL_SWAPPED);
            if ends_with_the_new_table {
                finalized(&world).await.unwrap();
                assert_eq!(world.run().await.phase, Phase::Done);
            } else {
                taken_back(&world).await.unwrap();
                assert_eq!(world.run().await.phase, Phase::RolledBack);
            }
            world.assert_ended("after all", &[]).await;
        }
    });
}

#[test]
fn both_sides_that_differ_are_never_swapped() {
    timeless(async {
        let world = world();
        world.database.fail_nth(5, FakeFault::Refused(Code::Mismatch), FakePlace::Perform);
        let fault = altered(&world, &change()).await.unwrap_err();
        assert_eq!((code(&fault), refusal(&fault).code.exit()), (Code::Mismatch, 6));
        assert_eq!(world.performed(), joined(&[&UNTIL_SWAPPED[..4], GIVEN_UP]));
        let run = world.run().await;
        assert_eq!(run.phase, Phase::RolledBack);
        assert!(events(&world, &run).await.contains(&Event::Diverged));
        world.assert_ended("differs", &[]).await;
    });
}

#[test]
fn what_fails_before_the_swap_is_taken_back_and_what_fails_after_it_is_tried_again() {
    timeless(async {
        for (at, part) in UNTIL_SWAPPED.iter().chain(&["finish t"]).enumerate() {
            let world = world();
            let nth = u32::try_from(at).unwrap() + 1;
            world.database.fail_nth(nth, FakeFault::Refused(Code::StatementFailed), FakePlace::Perform);
            let policy = Policy { finalize: true, ..online_policy() };
            let fault = alter_with(&world, &change(), &policy, &Stop::new()).await.unwrap_err();
            let phase = world.run().await.phase;
            match *part {
                "settle t" | "finish t" => {
                    let stays = if *part == "finish t" { Phase::Contracting } else { Phase::Watching };
                    assert_eq!((code(&fault), phase), (Code::StatementFailed, stays), "{part}");
                    finalized(&world).await.unwrap();
                    assert_eq!(world.performed(), joined(&[UNTIL_SWAPPED, &["finish t"]]), "{part}");
                }
                _ => {
                    assert_eq!((code(&fault), phase), (Code::RolledBack, Phase::RolledBack), "{part}");
                    let undone: &[&str] = match at {
                        0 => &["discard t"],
                        _ => GIVEN_UP,
                    };
                    assert_eq!(world.performed(), joined(&[&UNTIL_SWAPPED[..at], undone]), "{part}");
                }
            }
            world.assert_ended(part, &[]).await;
        }
    });
}

#[test]
fn a_lock_that_is_not_obtained_costs_no_copy() {
    timeless(async {
        let world = world();
        world.database.fail_nth(7, FakeFault::Again(Code::LockNotObtained), FakePlace::Perform);
        altered(&world, &change()).await.unwrap();
        assert_eq!(world.performed(), UNTIL_SWAPPED, "it is tried again by itself");

        let manual = Online { gate: Gate::Manual, ..change() };
        let world = self::world();
        let (fault, ()) = tokio::join!(altered(&world, &manual), async {
            until(&world, "compare t").await;
            world.database.hold_table("t");
            asked(&world, Asked::Cutover).await;
        });
        let fault = fault.unwrap_err();
        assert_eq!((code(&fault), refusal(&fault).code.exit()), (Code::LockNotObtained, 5));
        assert_eq!(world.run().await.phase, Phase::CuttingOver);
        assert_eq!(world.performed(), UNTIL_SWAPPED[..6]);
        world.database.let_go_of_table("t");
        altered(&world, &manual).await.unwrap();
        assert_eq!(world.performed(), UNTIL_SWAPPED);
        assert_eq!(world.runs().await.len(), 1);

        // Nor does a lock that the way back does not get.
        world.database.hold_table("t");
        assert_eq!(code(&taken_back(&world).await.unwrap_err()), Code::LockNotObtained);
        assert_eq!(world.run().await.phase, Phase::Watching);
        world.database.let_go_of_table("t");
        taken_back(&world).await.unwrap();
        world.assert_ended("back", &[]).await;
    });
}

#[test]
fn a_closed_gate_is_waited_at_until_somebody_opens_it() {
    let window = Gate::Window { from: "22:00".into(), until: "04:00".into() };
    for gate in [Gate::Manual, window] {
        timeless(async {
            let world = world();
            let change = Online { gate: gate.clone(), ..change() };
            let (summary, ()) = tokio::join!(altered(&world, &change), async {
                until(&world, "compare t").await;
                for _ in 0..10 {
                    tokio::time::sleep(Duration::from_secs(60)).await;
                    assert_eq!(world.performed().last().unwrap(), "compare t");
                    assert_eq!(world.run().await.phase, Phase::Ready);
                }
                asked(&world, Asked::Cutover).await;
            });
            assert_eq!(summary.unwrap().runs[0].phase, Phase::Watching);
        });
    }
}

#[test]
fn a_pause_holds_it_and_a_resume_lets_it_go_on() {
    timeless(async {
        let world = world();
        let manual = Online { gate: Gate::Manual, ..change() };
        let (summary, ()) = tokio::join!(altered(&world, &manual), async {
            until(&world, "compare t").await;
            asked(&world, Asked::Pause).await;
            asked(&world, Asked::Cutover).await;
            tokio::time::sleep(Duration::from_secs(600)).await;
            assert_eq!(world.performed().last().unwrap(), "compare t");
            let open = open_changes(world.session().await.as_mut()).await.unwrap();
            assert!(open[0].state.as_ref().is_some_and(|state| state.paused && state.cutover));
            asked(&world, Asked::Throttle { workers: 1 }).await;
            asked(&world, Asked::Resume).await;
        });
        assert_eq!(summary.unwrap().runs[0].phase, Phase::Watching);
    });
}

#[test]
fn an_abort_takes_it_back() {
    timeless(async {
        let world = world();
        let manual = Online { gate: Gate::Manual, ..change() };
        let (outcome, ()) = tokio::join!(altered(&world, &manual), async {
            until(&world, "compare t").await;
            // Who is at work is asked, and not waited for.
            assert_eq!(code(&finalized(&world).await.unwrap_err()), Code::RunUnfinished);
            let fault = taken_back(&world).await.unwrap_err();
            assert_eq!(code(&fault), Code::LockHeldByOther);
            assert!(refusal(&fault).help.as_ref().unwrap().contains("cofferdam abort"), "{fault:?}");
            asked(&world, Asked::Abort).await;
        });
        let fault = outcome.unwrap_err();
        assert_eq!((code(&fault), refusal(&fault).code.exit()), (Code::Aborted, 6));
        assert_eq!(world.performed(), joined(&[&UNTIL_SWAPPED[..5], GIVEN_UP]));
        let run = world.run().await;
        assert!(events(&world, &run).await.contains(&Event::CancelAsked));
        world.assert_ended("aborted", &[]).await;
    });
}

#[test]
fn a_stop_leaves_it_as_it_is_and_the_same_command_goes_on() {
    timeless(async {
        let world = world();
        let manual = Online { gate: Gate::Manual, ..change() };
        let stop = Stop::new();
        let policy = online_policy();
        let (outcome, ()) = tokio::join!(alter_with(&world, &manual, &policy, &stop), async {
            until(&world, "compare t").await;
            stop.ask(StopWhy::Terminate);
        });
        assert_eq!(code(&outcome.unwrap_err()), Code::Interrupted);
        assert_eq!(world.run().await.phase, Phase::Ready);
        asked(&world, Asked::Cutover).await;
        let summary = altered(&world, &manual).await.unwrap();
        assert!(summary.runs[0].resumed);
        assert_eq!(world.performed(), UNTIL_SWAPPED);

        // One that was cut off before the swap can be given up as well.
        let world = self::world();
        world.database.fail_nth(3, FakeFault::ConnectionLost, FakePlace::Perform);
        altered(&world, &change()).await.unwrap_err();
        assert_eq!(code(&finalized(&world).await.unwrap_err()), Code::RunUnfinished);
        taken_back(&world).await.unwrap();
        assert_eq!(world.performed(), joined(&[&UNTIL_SWAPPED[..2], GIVEN_UP]));
        world.assert_ended("given up", &[]).await;
    });
}

#[test]
fn a_second_change_of_the_table_is_refused_and_told_which_is_first() {
    timeless(async {
        let cut_off = world();
        cut_off.database.fail_nth(3, FakeFault::ConnectionLost, FakePlace::Perform);
        altered(&cut_off, &change()).await.unwrap_err();
        for (world, way_out) in [(swapped().await, "cofferdam finalize"), (cut_off, "cofferdam abort")] {
            let run = world.run().await.id.to_string();
            let other = Online {
                forward: vec![cofferdam_core::online::Conversion {
                    column: "a".into(),
                    expression: "1".into(),
                }],
                ..change()
            };
            for second in [wanted("ADD COLUMN z int"), other] {
                let fault = altered(&world, &second).await.unwrap_err();
                let refusal = refusal(&fault);
                assert_eq!((refusal.code, refusal.code.exit()), (Code::ChangeInProgress, 5), "{fault}");
                assert!(refusal.cause.as_ref().unwrap().contains(&run), "{fault}");
                assert!(refusal.help.as_ref().unwrap().contains(way_out), "{fault}");
            }
            assert_eq!(world.runs().await.len(), 1);
        }
    });
}

/// A migration whose text names a table, and whose plan does something to it.
fn about(version: &str, sql: &str, unit: &str) -> Pending {
    written(pending(version, &[unit]), sql)
}

/// With this text.
fn written(mut pending: Pending, sql: &str) -> Pending {
    pending.migration.up = Script::new(pending.migration.up.path, sql);
    pending.relations = Relations::of(&postgres::read(&pending.migration.up).unwrap());
    pending
}

#[test]
fn an_open_window_stops_no_migration_of_another_table() {
    timeless(async {
        let mut world = swapped().await;
        world.pending =
            vec![about("1", "ALTER TABLE empty ADD COLUMN c int", "together: add column empty.c")];
        world.apply().await.unwrap();
        assert_eq!(world.history().await.len(), 1);
        assert_eq!(world.runs().await[0].phase, Phase::Watching);

        for sql in ["ALTER TABLE t ADD COLUMN c int", "UPDATE t SET a = 1", "DROP TABLE t"] {
            world.pending = vec![about("2", sql, "together: add column t.c")];
            let fault = world.apply().await.unwrap_err();
            assert_eq!(code(&fault), Code::ChangeInProgress, "{sql}: {fault}");
            let mut session = world.session().await;
            let assessment = world.assessed(session.as_mut()).await.unwrap();
            let fault = refuse_blocking(&assessment, &policy()).unwrap_err();
            assert_eq!(code(&fault), Code::ChangeInProgress, "{sql}: {fault}");
        }
        let first = world.runs().await.remove(0);
        finalized_run(&world, first.id).await.unwrap();
        world.apply().await.unwrap();
        world.assert_ended("both", &["1", "2"]).await;
    });
}

#[test]
fn apply_does_not_go_on_with_what_nobody_asked_it_for() {
    timeless(async {
        let mut world = world();
        world.database.fail_nth(3, FakeFault::ConnectionLost, FakePlace::Perform);
        altered(&world, &change()).await.unwrap_err();
        let before = world.performed();
        assert!(world.apply().await.unwrap().runs.is_empty());
        world.pending = vec![pending("1", &["together: add column empty.c"])];
        world.apply().await.unwrap();
        assert_eq!(world.performed()[before.len()..], ["add column empty.c"]);
        altered(&world, &change()).await.unwrap();
        assert_eq!(world.runs().await[0].phase, Phase::Watching);
    });
}

/// A migration that is made online.
async fn migration(world: &World) -> Pending {
    let mut session = world.session().await;
    let mut pending = pending("1", &["together: add column t.c"]);
    let plan = look(session.as_mut(), &change(), &online_policy()).await.unwrap().plan;
    let plan = cofferdam_core::Plan::clone(&plan);
    pending.plan = cofferdam_core::Plan { key: "1".into(), description: "migration 1".into(), ..plan }.into();
    written(pending, "ALTER TABLE t ALTER COLUMN a TYPE bigint")
}

#[test]
fn a_migration_counts_as_applied_while_its_window_is_open_and_is_recorded_when_it_ends() {
    timeless(async {
        let mut world = world();
        world.pending = vec![
            migration(&world).await,
            about("2", "ALTER TABLE empty ADD COLUMN c int", "together: add column empty.c"),
        ];
        let summary = world.apply().await.unwrap();
        let phases: Vec<Phase> = summary.runs.iter().map(|r| r.phase).collect();
        assert_eq!(phases, [Phase::Watching, Phase::Done]);
        assert_eq!(summary.version.as_deref(), Some("2"));
        assert!(world.apply().await.unwrap().runs.is_empty(), "nothing is applied twice");
        assert_eq!(world.history().await.len(), 1);

        // It is the newest that was changed, and has a way back of its own.
        let fault =
            rollback_plans(world.session().await.as_mut(), &Back::Steps(1), &policy()).await.unwrap_err();
        assert_eq!(code(&fault), Code::ChangeInProgress);
        assert!(refusal(&fault).help.as_ref().unwrap().contains("cofferdam rollback"), "{fault:?}");

        let first = world.runs().await.remove(0).id;
        finalized_run(&world, first).await.unwrap();
        world.assert_ended("recorded", &["2", "1"]).await;
    });
}

#[test]
fn a_migration_whose_swap_is_taken_back_is_pending_again() {
    timeless(async {
        let mut world = world();
        world.pending = vec![migration(&world).await];
        world.apply().await.unwrap();
        taken_back(&world).await.unwrap();
        world.assert_ended("taken back", &[]).await;
        world.apply().await.unwrap();
        finalized(&world).await.unwrap();
        world.assert_ended("again", &["1"]).await;
    });
}

#[test]
fn two_migrations_of_one_table_wait_for_the_end_of_the_first_ones_window() {
    timeless(async {
        let mut world = world();
        let second = about("2", "ALTER TABLE t ADD COLUMN c int", "together: add column t.c");
        world.pending = vec![migration(&world).await, second];
        assert_eq!(code(&world.apply().await.unwrap_err()), Code::ChangeInProgress);
        assert_eq!(world.performed(), UNTIL_SWAPPED);
        finalized(&world).await.unwrap();
        world.apply().await.unwrap();
        world.assert_ended("both", &["1", "2"]).await;
    });
}

#[test]
fn what_cannot_be_or_was_not_agreed_to_is_refused_before_anything_is_written() {
    timeless(async {
        let world = world();
        let examined = |obstacles: &[&str], losses: &[&str]| Examined {
            rewrites: true,
            obstacles: obstacles.iter().map(|o| (*o).to_owned()).collect(),
            losses: losses.iter().map(|l| (*l).to_owned()).collect(),
            ..Examined::default()
        };
        world.database.examined("t", examined(&["it has no key"], &["t.b"]));
        assert_eq!(code(&altered(&world, &change()).await.unwrap_err()), Code::NotOnline);
        world.database.examined("t", examined(&[], &["t.b: all of it"]));
        let fault = altered(&world, &change()).await.unwrap_err();
        assert_eq!(code(&fault), Code::WouldLose);
        assert_eq!(refusal(&fault).notes, ["lost: t.b: all of it"]);
        for text in ["", "ADD COLUMN x int; DROP TABLE t"] {
            assert_eq!(code(&altered(&world, &wanted(text)).await.unwrap_err()), Code::Usage, "{text}");
        }
        let absent = Online { table: Name::plain("absent"), ..change() };
        assert_eq!(code(&altered(&world, &absent).await.unwrap_err()), Code::NotOnline);
        assert!(world.runs().await.is_empty());

        let agreed = Online { allow_loss: Some("unused".into()), ..change() };
        altered(&world, &agreed).await.unwrap();
    });
}

/// Commands that are each disturbed at every place, and what the database went through when all is done.
#[derive(Debug, Clone, Copy)]
enum Story {
    Swap,
    Finalize,
    TakeBack,
}

async fn told(world: &World, story: Story, run: Uuid) -> Result<(), Fault> {
    match story {
        Story::Swap => altered(world, &change()).await.map(drop),
        Story::Finalize => finalized_run(world, run).await.map(drop),
        Story::TakeBack => taken_back_run(world, run).await.map(drop),
    }
}

#[test]
fn whatever_is_lost_wherever_the_same_command_comes_to_the_same_end() {
    let faults = [FakeFault::ConnectionLost, FakeFault::Halfway, FakeFault::AnswerLost, FakeFault::Orphaned];
    for (story, expected) in [
        (Story::Swap, joined(&[UNTIL_SWAPPED])),
        (Story::Finalize, joined(&[UNTIL_SWAPPED, &["finish t"]])),
        (Story::TakeBack, joined(&[UNTIL_SWAPPED, &["swap-back t"], GIVEN_UP])),
    ] {
        timeless(async {
            let mut cases = 0;
            for fault in faults {
                for place in PLACES {
                    for nth in 1.. {
                        let case = format!("{story:?}: {fault:?} at {place:?}, time {nth}");
                        let (world, run) = match story {
                            Story::Swap => (world(), Uuid::nil()),
                            _ => {
                                let world = swapped().await;
                                let run = world.run().await.id;
                                (world, run)
                            }
                        };
                        world.database.fail_nth(nth, fault, *place);
                        let outcome = told(&world, story, run).await;
                        if world.database.planned_faults() > 0 {
                            outcome.expect(&case);
                            break;
                        }
                        cases += 1;
                        world.database.finish_orphan();
                        world.assert_sound(&case).await;
                        for try_ in 0.. {
                            assert!(try_ < 3, "{case}: it does not end");
                            if told(&world, story, run).await.is_ok() {
                                break;
                            }
                        }
                        assert_eq!(world.performed(), expected, "{case}");
                        assert_eq!(world.runs().await.len(), 1, "{case}");
                        world.assert_sound(&case).await;
                        assert_eq!(world.session().await.holder().await, Ok(None), "{case}");
                    }
                }
            }
            assert!(cases >= 40, "{story:?}: {cases}");
        });
    }
}

#[test]
fn rules_that_the_strategy_takes_care_of_are_rules() {
    for rule in cofferdam_strategies::shadow_table::TAKES_CARE_OF {
        assert!(cofferdam_lint::rule(rule).is_some_and(|r| r.id == *rule), "{rule}");
    }
}
