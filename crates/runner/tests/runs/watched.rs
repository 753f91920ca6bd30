//! The watch finds that a limit is breached, at every moment: the run is taken back and leaves nothing, or it is too
//! late for that and the run goes on; never anything in between.

use std::sync::Arc;
use std::time::Duration;

use cofferdam_core::journal::What;
use cofferdam_core::{Code, Event, Fault, Phase};
use cofferdam_engines::Asked;
use cofferdam_engines::fake::{FakeFault, FakePlace, Health};
use cofferdam_runner::{
    Breach, Condition, Guarding, News, Policy, Reporter, Silent, Stop, StopWhy, Summary, Thresholds, Way,
    apply, take_back,
};

use crate::online::{
    GIVEN_UP, UNTIL_SWAPPED, alter_with, change, events, finalized, joined, online_policy, taken_back,
};
use crate::shapes::SHAPES;
use crate::world::{World, code, policy, refusal, timeless};

/// A standby that is too far behind: what is breached as soon as somebody looks.
fn behind() -> Health {
    Health { lag: Some(Duration::from_secs(60)), ..Health::default() }
}

fn keeps_up() -> Health {
    Health { lag: Some(Duration::ZERO), ..Health::default() }
}

fn limited(world: &World) -> Guarding {
    let thresholds = Thresholds { max_lag: Some(Duration::from_secs(10)), ..Thresholds::default() };
    Guarding { thresholds, outside: Some(world.outside()), ..Guarding::default() }
}

async fn applied(
    world: &World,
    guarding: Guarding,
    stop: &Stop,
    reporter: Arc<dyn Reporter>,
) -> Result<Summary, Fault> {
    let mut session = world.open().await?;
    let assessment = world.assessed(session.as_mut()).await?;
    let policy = Policy { guarding, ..policy() };
    apply(session.as_mut(), &assessment, &policy, reporter, stop).await
}

/// As `applied`, and somebody presses Ctrl-C when it does not come to an end.
async fn applied_for_a_while(world: &World, guarding: Guarding) -> Result<Summary, Fault> {
    let stop = Stop::new();
    let asked = stop.clone();
    let patience = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(300)).await;
        asked.ask(StopWhy::Interrupt);
    });
    let result = applied(world, guarding, &stop, Arc::new(Silent)).await;
    patience.abort();
    result
}

async fn notes(world: &World) -> Vec<String> {
    let entries = world.journal().await;
    let notes = entries.iter().filter_map(|entry| match &entry.what {
        What::Noted { text } => Some(text.clone()),
        _ => None,
    });
    notes.collect()
}

#[test]
fn what_is_found_at_any_statement_takes_the_run_back_or_comes_too_late() {
    let (mut back, mut late) = (0, 0);
    for (shape, units) in SHAPES {
        for place in [FakePlace::Statement, FakePlace::Perform] {
            for nth in 1.. {
                let case = format!("{shape}: {place:?} {nth}");
                let over = timeless(async {
                    let world = World::new(units);
                    let before = world.content().await;
                    world.database.health(behind());
                    world.database.fail_nth(nth, FakeFault::Hang, place);
                    let result = applied_for_a_while(&world, limited(&world)).await;
                    if world.database.planned_faults() > 0 {
                        return true;
                    }
                    let fault = result.expect_err(&case);
                    match code(&fault) {
                        Code::LimitBreached => {
                            back += 1;
                            assert_eq!(refusal(&fault).code.exit(), 6);
                            let cause = refusal(&fault).cause.clone().unwrap_or_default();
                            assert_eq!(
                                cause, "maxReplicationLag 10.0 s: standby standby was 60.0 s behind",
                                "{case}"
                            );
                            assert_eq!(world.run().await.phase, Phase::RolledBack, "{case}");
                            assert_eq!(world.content().await, before, "{case}: something is left");
                            let notes = notes(&world).await;
                            assert!(
                                notes.iter().any(|n| n.contains("to be taken back: maxReplicationLag")),
                                "{case}"
                            );
                            assert!(
                                notes.iter().any(|n| n.contains("the old version served again")),
                                "{case}"
                            );
                            world.assert_ended(&case, &[]).await;
                        }
                        Code::Interrupted => {
                            late += 1;
                            let phase = world.run().await.phase;
                            assert_eq!(phase, Phase::Contracting, "{case}: {fault}");
                            world.assert_sound(&case).await;
                        }
                        other => panic!("{case}: {other:?} {fault}"),
                    }
                    false
                });
                if over {
                    break;
                }
            }
        }
    }
    assert!(back > 20 && late > 0, "{back} {late}");
}

/// The process dies after it was written down, and before the run is in `RollingBack`: whoever comes next knows.
#[test]
fn what_was_found_is_not_forgotten_when_the_process_dies() {
    for (shape, units) in SHAPES {
        for place in [FakePlace::Statement, FakePlace::Perform] {
            for nth in 1.. {
                let case = format!("{shape}: {place:?} {nth}");
                let over = timeless(async {
                    let world = World::new(units);
                    let before = world.content().await;
                    world.database.fail_nth(nth, FakeFault::ConnectionLost, place);
                    let _ = world.apply().await;
                    if world.database.planned_faults() > 0 {
                        return true;
                    }
                    let Some(run) = world.runs().await.pop() else { return false };
                    let breach = Breach {
                        limit: "maxDowntime 2s".into(),
                        condition: Condition::PerformanceDegradation,
                        text: "orders could not be written".into(),
                        automatic: true,
                        at: jiff::Timestamp::now(),
                    };
                    let text = serde_json::to_string(&breach).unwrap();
                    world.session().await.ask_back(run.id, &text).await.unwrap();
                    let next = world.apply().await;
                    match run.phase {
                        Phase::Contracting => {
                            // Too late: it goes on, or asks what became of its statement.
                            assert!(
                                !matches!(&next, Err(fault) if code(fault) == Code::LimitBreached),
                                "{case}"
                            );
                        }
                        _ => match next.map_err(|fault| code(&fault)) {
                            Err(Code::LimitBreached) => {
                                assert_eq!(world.run().await.phase, Phase::RolledBack, "{case}");
                                assert_eq!(world.content().await, before, "{case}");
                            }
                            // Of a statement that cannot be looked for a person is asked, and then it goes on back.
                            Err(Code::OutcomeUnknown) => {
                                assert_eq!(world.run().await.phase, Phase::Stuck, "{case}")
                            }
                            other => panic!("{case}: {other:?}"),
                        },
                    }
                    world.assert_sound(&case).await;
                    false
                });
                if over {
                    break;
                }
            }
        }
    }
}

#[test]
fn a_deadline_counts_from_the_beginning_of_the_run_also_after_a_crash() {
    timeless(async {
        let world = World::new(&["alone: create index t.i", "alone: create index t.j"]);
        let thresholds = Thresholds { max_time: Some(Duration::from_secs(30)), ..Thresholds::default() };
        let guarding = Guarding { thresholds, outside: Some(world.outside()), ..Guarding::default() };
        world.database.fail_next(FakeFault::Hang, FakePlace::Perform);
        let fault = applied_for_a_while(&world, guarding).await.unwrap_err();
        assert_eq!(code(&fault), Code::OverTime);
        assert!(
            refusal(&fault).cause.as_deref().unwrap().starts_with("maxMigrationTime 30.0 s: the run began")
        );
        let run = world.run().await;
        assert_eq!(run.phase, Phase::RolledBack);
        assert!(events(&world, &run).await.contains(&Event::DeadlinePassed));
        world.assert_ended("over", &[]).await;
    });
}

#[test]
fn without_automatic_rollback_the_run_stands_and_a_person_decides() {
    let ways = [
        Guarding { automatic: false, ..Guarding::default() },
        Guarding { conditions: vec![Condition::Timeout], ..Guarding::default() },
    ];
    for way in ways {
        for goes_on in [true, false] {
            timeless(async {
                let world = World::new(&["together: add column t.c", "alone: create index t.i"]);
                let before = world.content().await;
                world.database.health(behind());
                world.database.fail_next(FakeFault::Hang, FakePlace::Perform);
                let guarding = Guarding {
                    automatic: way.automatic,
                    conditions: way.conditions.clone(),
                    ..limited(&world)
                };
                let fault = applied_for_a_while(&world, guarding).await.unwrap_err();
                assert_eq!((code(&fault), code(&fault).exit()), (Code::LeftToAPerson, 7));
                let run = world.run().await;
                assert!(
                    refusal(&fault)
                        .help
                        .as_deref()
                        .unwrap()
                        .contains(&format!("cofferdam rollback {}", run.id))
                );
                assert_eq!(run.phase, Phase::Expanding);
                assert!(
                    notes(&world)
                        .await
                        .iter()
                        .any(|n| n.starts_with("stopped for a person: maxReplicationLag"))
                );
                if goes_on {
                    world.apply().await.unwrap();
                    world.assert_ended("gone on", &["1"]).await;
                } else {
                    let mut session = world.session().await;
                    take_back(session.as_mut(), run.id, &policy(), Arc::new(Silent), &Stop::new())
                        .await
                        .unwrap();
                    drop(session);
                    assert_eq!(world.content().await, before);
                    world.assert_ended("taken back", &[]).await;
                }
            });
        }
    }
}

#[test]
fn a_limit_that_nobody_can_watch_is_refused_before_anything() {
    timeless(async {
        let world = World::new(&["together: add column t.c"]);
        for thresholds in [
            Thresholds { max_lag: Some(Duration::from_secs(1)), ..Thresholds::default() },
            Thresholds { max_cpu: Some(0.8), ..Thresholds::default() },
            Thresholds { max_memory: Some(0.8), ..Thresholds::default() },
        ] {
            let guarding = Guarding { thresholds, outside: Some(world.outside()), ..Guarding::default() };
            let fault = applied_for_a_while(&world, guarding).await.unwrap_err();
            assert_eq!(code(&fault), Code::NoSource);
            assert!(refusal(&fault).help.is_some());
        }
        assert!(world.runs().await.is_empty() && world.performed().is_empty());
    });
}

fn online(world: &World, guarding: Guarding) -> Policy {
    let _ = world;
    Policy { guarding, ..online_policy() }
}

#[test]
fn an_online_change_is_taken_back_from_every_part() {
    for nth in 1..=UNTIL_SWAPPED.len() {
        timeless(async {
            let world = World::of(vec![]);
            world.database.health(behind());
            world.database.fail_nth(u32::try_from(nth).unwrap(), FakeFault::Hang, FakePlace::Perform);
            let fault = alter_with(&world, &change(), &online(&world, limited(&world)), &Stop::new())
                .await
                .unwrap_err();
            let case = UNTIL_SWAPPED[nth - 1];
            assert_eq!((code(&fault), code(&fault).exit()), (Code::LimitBreached, 6), "{case}: {fault}");
            let done = &UNTIL_SWAPPED[..nth - 1];
            let undone: &[&str] = match nth {
                1 => &[],
                // What it was at had not begun to be captured.
                2 => &["discard t"],
                8 => &["swap-back t", "release t", "discard t"],
                _ => GIVEN_UP,
            };
            let performed = world.performed();
            assert!(performed.starts_with(&joined(&[done])), "{case}: {performed:?}");
            assert!(performed.ends_with(&joined(&[undone])), "{case}: {performed:?}");
            assert_eq!(world.run().await.phase, Phase::RolledBack, "{case}");
            world.assert_ended(case, &[]).await;
        });
    }
}

#[test]
fn a_graceful_way_back_ends_at_the_next_safe_point() {
    timeless(async {
        let world = World::of(vec![]);
        world.database.health(behind());
        let manual = cofferdam_core::Online { gate: cofferdam_core::online::Gate::Manual, ..change() };
        let guarding = Guarding { way: Way::Graceful, ..limited(&world) };
        let fault = alter_with(&world, &manual, &online(&world, guarding), &Stop::new()).await.unwrap_err();
        assert_eq!(code(&fault), Code::LimitBreached);
        world.assert_ended("graceful", &[]).await;
    });
}

/// Makes the database ill as soon as the application is watched after the swap.
struct IllAfterTheSwap(cofferdam_engines::fake::FakeDatabase);

impl Reporter for IllAfterTheSwap {
    fn tell(&self, news: &News<'_>) {
        if matches!(news, News::Baking { .. }) {
            self.0.health(behind());
        }
    }
}

async fn baked(world: &World, guarding: Guarding, reporter: Arc<dyn Reporter>) -> Result<Summary, Fault> {
    let policy = Policy { guarding, ..online_policy() };
    let mut session = world.open().await?;
    let alteration = cofferdam_runner::look(session.as_mut(), &change(), &policy).await?;
    cofferdam_runner::alter(session.as_mut(), &alteration, &policy, reporter, &Stop::new()).await
}

fn baking(world: &World) -> Guarding {
    Guarding { bake: Duration::from_secs(60), ..limited(world) }
}

#[test]
fn what_is_found_after_the_swap_swaps_back() {
    for finalizes in [false, true] {
        timeless(async {
            let world = World::of(vec![]);
            world.database.health(keeps_up());
            let ill = Arc::new(IllAfterTheSwap(world.database.clone()));
            let policy = Policy { guarding: baking(&world), finalize: finalizes, ..online_policy() };
            let mut session = world.open().await.unwrap();
            let alteration = cofferdam_runner::look(session.as_mut(), &change(), &policy).await.unwrap();
            let fault = cofferdam_runner::alter(session.as_mut(), &alteration, &policy, ill, &Stop::new())
                .await
                .unwrap_err();
            drop(session);
            assert_eq!((code(&fault), code(&fault).exit()), (Code::LimitBreached, 6));
            assert_eq!(world.performed(), joined(&[UNTIL_SWAPPED, &["swap-back t"], GIVEN_UP]));
            assert!(events(&world, &world.run().await).await.contains(&Event::Regressed));
            world.assert_ended("regressed", &[]).await;
        });
    }
}

#[test]
fn a_healthy_change_stays_swapped_after_the_bake() {
    timeless(async {
        let world = World::of(vec![]);
        world.database.health(keeps_up());
        let summary = baked(
            &world,
            Guarding { checks: vec!["select empty".into()], ..baking(&world) },
            Arc::new(Silent),
        )
        .await
        .unwrap();
        assert_eq!(summary.runs[0].phase, Phase::Watching);
        assert!(summary.runs[0].guard.as_ref().is_some_and(|guard| guard.lag_ms == Some(0)));
        assert_eq!(world.performed(), UNTIL_SWAPPED);
        finalized(&world).await.unwrap();
        world.assert_ended("finalized", &[]).await;
    });
}

#[test]
fn a_check_that_does_not_hold_after_the_swap_swaps_back() {
    timeless(async {
        let world = World::of(vec![]);
        world.database.health(keeps_up());
        let guarding = Guarding { checks: vec!["select empty".into(), "select t".into()], ..baking(&world) };
        let fault = baked(&world, guarding, Arc::new(Silent)).await.unwrap_err();
        assert_eq!((code(&fault), code(&fault).exit()), (Code::PostCheckFailed, 6));
        assert!(refusal(&fault).cause.as_deref().unwrap().starts_with("checks: select t must return no row"));
        assert_eq!(world.run().await.phase, Phase::RolledBack);
        world.assert_ended("check", &[]).await;
    });
}

#[test]
fn a_check_that_cannot_be_run_after_the_swap_swaps_back_too() {
    timeless(async {
        let world = World::of(vec![]);
        world.database.health(keeps_up());
        let guarding = Guarding { checks: vec!["what is this".into()], ..baking(&world) };
        let fault = baked(&world, guarding, Arc::new(Silent)).await.unwrap_err();
        assert_eq!(code(&fault), Code::PostCheckFailed);
        assert!(refusal(&fault).cause.as_deref().unwrap().contains("has given no value for"));
        world.assert_ended("check", &[]).await;
    });
}

#[test]
fn a_swap_that_cannot_be_taken_back_stands_and_nobody_tries_again_by_himself() {
    timeless(async {
        let world = World::of(vec![]);
        world.database.health(keeps_up());
        world.database.fail_nth(9, FakeFault::Refused(Code::RollbackUnsafe), FakePlace::Perform);
        let ill = Arc::new(IllAfterTheSwap(world.database.clone()));
        let fault = baked(&world, baking(&world), ill).await.unwrap_err();
        assert_eq!((code(&fault), code(&fault).exit()), (Code::RollbackUnsafe, 7));
        assert!(refusal(&fault).notes.iter().any(|n| n.contains("maxReplicationLag")), "{fault:?}");
        let run = world.run().await;
        assert_eq!(run.phase, Phase::Watching);
        assert_eq!(world.session().await.asked_back(run.id).await, Ok(None));
        let again = baked(&world, baking(&world), Arc::new(Silent)).await.unwrap();
        assert_eq!((again.runs[0].phase, again.runs[0].steps), (Phase::Watching, 0));
        taken_back(&world).await.unwrap();
        world.assert_ended("by a person", &[]).await;
    });
}

/// The process died between the finding and `RollingBack` while the application was watched after the swap.
#[test]
fn a_swapped_change_that_was_to_be_taken_back_is_so_by_whoever_comes_next() {
    timeless(async {
        for finalizes in [false, true] {
            let world = World::of(vec![]);
            alter_with(&world, &change(), &online_policy(), &Stop::new()).await.unwrap();
            let run = world.run().await;
            let breach = r#"{"limit":"checks","condition":"check-failed","text":"a row","automatic":true,"at":"2026-01-01T00:00:00Z"}"#;
            world.session().await.ask_back(run.id, breach).await.unwrap();
            if finalizes {
                // A person's word is newer.
                finalized(&world).await.unwrap();
                assert_eq!(world.run().await.phase, Phase::Done);
                continue;
            }
            let fault = alter_with(&world, &change(), &online_policy(), &Stop::new()).await.unwrap_err();
            assert_eq!(code(&fault), Code::PostCheckFailed);
            assert_eq!(world.performed(), joined(&[UNTIL_SWAPPED, &["swap-back t"], GIVEN_UP]));
            world.assert_ended("next", &[]).await;
        }
    });
}

/// Ctrl-C and the watch at once: what was found is written down first, and the run is taken back.
#[test]
fn somebody_stops_a_run_that_is_to_be_taken_back() {
    timeless(async {
        let world = World::of(vec![]);
        world.database.health(behind());
        let manual = cofferdam_core::Online { gate: cofferdam_core::online::Gate::Manual, ..change() };
        let stop = Stop::new();
        let asked = stop.clone();
        let policy = online(&world, limited(&world));
        let (result, ()) = tokio::join!(alter_with(&world, &manual, &policy, &stop), async {
            while world.performed().last().map(String::as_str) != Some("compare t") {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            world.session().await.control(&change().id(), &Asked::Pause).await.unwrap();
            asked.ask(StopWhy::Interrupt);
        });
        let _ = result.unwrap_err();
        let phase = world.run().await.phase;
        if !phase.terminal() {
            let _ = alter_with(&world, &manual, &online_policy(), &Stop::new()).await;
        }
        assert_eq!(world.run().await.phase, Phase::RolledBack);
    });
}
