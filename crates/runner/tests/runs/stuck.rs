//! What only a person knows: the question, the facts that fit and those that do not, and going on afterwards.

use cofferdam_core::run::FACTS;
use cofferdam_core::{Code, Event, Phase};
use cofferdam_engines::fake::{FakeFault, FakePlace};
use cofferdam_runner::{fact_word, says};

use crate::world::{World, code, pending, policy, refusal, timeless};

const IN_DOUBT: &[&str] =
    &["together: add column t.c", "alone: nothing called <- nothing uncalled", "together: add column t.d"];

const IN_DOUBT_WITHOUT_A_WAY_BACK: &[&str] =
    &["alone: nothing called !", "alone: nothing called again !", "together: add column t.d"];

/// It cannot be undone: there is no such index.
const NO_WAY_BACK_AFTER_ALL: &[&str] = &[
    "together: add column t.c",
    "together: nothing made <- drop index t.gone",
    "together: add column t.d",
    "alone: fail no luck",
];

/// What is to be dropped is not there.
const CONTRACTS: &[&str] =
    &["together: add column t.c", "alone: drop index t.gone !", "together: add column t.d"];

async fn stuck(units: &[&str], fault: Option<(FakeFault, FakePlace)>) -> World {
    let world = World::new(units);
    match fault {
        Some((fault, place)) => {
            world.apply_failing(1, fault, place).await;
            let fault = world.apply().await.unwrap_err();
            assert_eq!(code(&fault), Code::OutcomeUnknown, "{fault}");
        }
        None => {
            let fault = world.apply().await.unwrap_err();
            assert_eq!(code(&fault), Code::RollbackFailed, "{fault}");
        }
    }
    assert_eq!(world.run().await.phase, Phase::Stuck);
    world.assert_sound("stuck").await;
    world
}

async fn assert_stuck_in(world: &World, phase: Phase) {
    let state = world.state(&world.run().await).await;
    let (stuck_in, question) = state.stuck.unwrap();
    assert_eq!(stuck_in, phase);
    let question = question.unwrap();
    assert!(!question.what.is_empty() && !question.look_at.is_empty(), "{question:?}");

    // Whoever tries hears the question and the facts, and nothing is written or done.
    let (rows, performed) = (world.journal().await.len(), world.performed());
    let fault = world.apply().await.unwrap_err();
    let refusal = refusal(&fault);
    let known = if question.what.contains(" failed") { Code::RollbackFailed } else { Code::OutcomeUnknown };
    assert_eq!((refusal.code, refusal.code.exit()), (known, 7));
    assert_eq!(refusal.cause.as_ref(), Some(&question.what));
    let (_, facts) = FACTS.iter().find(|(p, _)| *p == phase).unwrap();
    for fact in *facts {
        assert!(refusal.help.as_ref().unwrap().contains(&fact_word(*fact)), "{refusal:?}");
    }
    assert_eq!((world.journal().await.len(), world.performed()), (rows, performed));

    // A fact that does not fit is refused and names those that do.
    for fact in FACTS.iter().filter(|(p, _)| *p != phase).flat_map(|(_, f)| *f) {
        if facts.contains(fact) {
            continue;
        }
        let fault = world.says(*fact).await.unwrap_err();
        assert_eq!(code(&fault), Code::WrongFact, "{fact:?}");
        assert_eq!(world.run().await.phase, Phase::Stuck, "{fact:?}");
    }
    assert_eq!(world.journal().await.len(), rows);
}

#[test]
fn a_step_in_doubt_is_asked_for_and_neither_repeated_nor_left_out() {
    for (fault, happened) in [(FakeFault::AnswerLost, true), (FakeFault::ConnectionLost, false)] {
        timeless(async {
            let world = stuck(IN_DOUBT, Some((fault, FakePlace::Perform))).await;
            assert_stuck_in(&world, Phase::Expanding).await;
            let fact = if happened { Event::SaysStepDone } else { Event::SaysStepNotDone };
            assert_eq!(world.says(fact).await, Ok(Phase::Expanding));
            let summary = world.apply().await.unwrap();
            assert!(summary.runs[0].resumed);
            assert_eq!(world.performed(), ["add column t.c", "nothing called", "add column t.d"]);
            world.assert_ended("told", &["1"]).await;
        });
    }
}

#[test]
fn a_last_step_in_doubt_that_took_effect_ends_the_run() {
    timeless(async {
        let world =
            stuck(&["alone: nothing called <- nothing"], Some((FakeFault::AnswerLost, FakePlace::Perform)))
                .await;
        world.says(Event::SaysStepDone).await.unwrap();
        world.apply().await.unwrap();
        assert_eq!(world.performed(), ["nothing called"]);
        world.assert_ended("told", &["1"]).await;
    });
}

#[test]
fn a_contracting_step_in_doubt_is_neither_repeated_nor_left_out() {
    for (fault, fact) in [
        (FakeFault::AnswerLost, Event::SaysContractStepDone),
        (FakeFault::ConnectionLost, Event::SaysContractBegan),
    ] {
        timeless(async {
            let world = stuck(IN_DOUBT_WITHOUT_A_WAY_BACK, Some((fault, FakePlace::Perform))).await;
            assert_stuck_in(&world, Phase::Contracting).await;
            assert_eq!(world.says(fact).await, Ok(Phase::Contracting));
            world.apply().await.unwrap();
            assert_eq!(
                world.performed(),
                ["nothing called", "nothing called again", "add column t.d"],
                "{fact:?}"
            );
            world.assert_ended("told", &["1"]).await;
        });
    }
}

#[test]
fn a_way_back_that_fails_waits_until_its_cause_is_gone() {
    timeless(async {
        let mut world = stuck(NO_WAY_BACK_AFTER_ALL, None).await;
        assert_stuck_in(&world, Phase::RollingBack).await;
        // The last step was taken back before the one that failed, and the first was not reached.
        assert_eq!(world.performed()[3..], ["drop column t.d"]);

        // Said too early it fails again, and nothing is undone twice.
        assert_eq!(world.says(Event::SaysNotSwapped).await, Ok(Phase::RollingBack));
        assert_eq!(code(&world.apply().await.unwrap_err()), Code::RollbackFailed);
        assert_eq!(world.performed().len(), 4);

        world.database.by_hand("create index t.gone").unwrap();
        world.says(Event::SaysNotSwapped).await.unwrap();
        world.pending.clear();
        let summary = world.apply().await.unwrap();
        assert_eq!(summary.runs[0].phase, Phase::RolledBack);
        assert_eq!(world.performed()[3..], ["drop column t.d", "drop index t.gone", "drop column t.c"]);
        world.assert_ended("taken back", &[]).await;
    });
}

#[test]
fn what_was_taken_back_by_hand_is_not_taken_back_again() {
    timeless(async {
        let world = stuck(NO_WAY_BACK_AFTER_ALL, None).await;
        let performed = world.performed();
        assert_eq!(world.says(Event::SaysReverted).await, Ok(Phase::RolledBack));
        assert_eq!(world.performed(), performed);
        world.assert_ended("by hand", &[]).await;
    });
}

#[test]
fn a_failure_past_the_point_of_no_return_undoes_nothing_and_is_tried_again() {
    timeless(async {
        let world = stuck(CONTRACTS, None).await;
        assert_stuck_in(&world, Phase::Contracting).await;
        assert_eq!(world.performed(), ["add column t.c"]);
        world.database.by_hand("create index t.gone").unwrap();
        assert_eq!(world.says(Event::SaysContractBegan).await, Ok(Phase::Contracting));
        world.apply().await.unwrap();
        assert_eq!(world.performed(), ["add column t.c", "drop index t.gone", "add column t.d"]);
        world.assert_ended("tried again", &["1"]).await;
    });
}

#[test]
fn a_failure_in_a_transaction_past_the_point_of_no_return_is_tried_again() {
    timeless(async {
        // The column is there already.
        let world = stuck(&["alone: nothing gone !", "together: add column t.c; add column t.a"], None).await;
        assert_stuck_in(&world, Phase::Contracting).await;
        assert_eq!(world.performed(), ["nothing gone"]);
        world.database.by_hand("drop column t.a").unwrap();
        world.says(Event::SaysContractBegan).await.unwrap();
        world.apply().await.unwrap();
        assert_eq!(world.performed(), ["nothing gone", "add column t.c", "add column t.a"]);
        world.assert_ended("tried again", &["1"]).await;
    });
}

#[test]
fn what_was_contracted_by_hand_is_recorded() {
    timeless(async {
        let world = stuck(CONTRACTS, None).await;
        assert_eq!(world.says(Event::SaysContracted).await, Ok(Phase::Done));
        assert_eq!(world.performed(), ["add column t.c"]);
        world.assert_ended("by hand", &["1"]).await;
        assert!(world.apply().await.unwrap().runs.is_empty());
    });
}

#[test]
fn a_step_in_doubt_of_a_run_that_is_given_up_is_asked_for() {
    for fault in [FakeFault::AnswerLost, FakeFault::ConnectionLost] {
        timeless(async {
            let mut world = World::new(IN_DOUBT);
            world.apply_failing(1, fault, FakePlace::Perform).await;
            world.pending = vec![pending("1", &["together: add column t.e"])];
            let fault = world.apply().await.unwrap_err();
            assert_eq!(code(&fault), Code::OutcomeUnknown, "{fault}");
            assert_stuck_in(&world, Phase::RollingBack).await;
            // Whoever is asked has looked, and taken it back where it was there.
            world.says(Event::SaysNotSwapped).await.unwrap();
            let before = world.performed().len();
            let summary = world.apply().await.unwrap();
            let phases: Vec<Phase> = summary.runs.iter().map(|r| r.phase).collect();
            assert_eq!(phases, [Phase::RolledBack, Phase::Done]);
            assert_eq!(world.performed()[before..], ["drop column t.c", "add column t.e"]);
            world.assert_ended("given up", &["1"]).await;
        });
    }
}

#[test]
fn being_stuck_that_cannot_be_written_is_found_again() {
    for units in [IN_DOUBT, IN_DOUBT_WITHOUT_A_WAY_BACK] {
        timeless(async {
            let world = World::new(units);
            world.apply_failing(1, FakeFault::AnswerLost, FakePlace::Perform).await;
            // The second COMMIT of the next runner, after that of its taking over, says that the run is stuck.
            let fault = world.apply_failing(2, FakeFault::ConnectionLost, FakePlace::Commit).await;
            assert_eq!(code(&fault), Code::ConnectionLost);
            assert!(refusal(&fault).notes.iter().any(|n| n.contains("could not be journalled")), "{fault:?}");
            assert_eq!(code(&world.apply().await.unwrap_err()), Code::OutcomeUnknown);
            assert_eq!(world.run().await.phase, Phase::Stuck);
        });
    }
}

#[test]
fn being_stuck_whose_record_is_refused_is_no_failure_of_the_step() {
    timeless(async {
        let world = World::new(IN_DOUBT);
        world.apply_failing(1, FakeFault::AnswerLost, FakePlace::Perform).await;
        let refused = FakeFault::Refused(Code::StatementFailed);
        // After the batch of its taking over.
        world.apply_failing(2, refused, FakePlace::Begin).await;
        assert_eq!(world.run().await.phase, Phase::Expanding, "it was done, so nothing is taken back");
        assert_eq!(code(&world.apply().await.unwrap_err()), Code::OutcomeUnknown);
        world.says(Event::SaysStepDone).await.unwrap();
        world.apply().await.unwrap();
        assert_eq!(world.performed(), ["add column t.c", "nothing called", "add column t.d"]);
        world.assert_ended("found again", &["1"]).await;
    });
}

#[test]
fn a_fact_about_no_run_or_one_that_is_not_stuck_is_refused() {
    timeless(async {
        let world = World::new(&["together: add column t.c"]);
        world.apply().await.unwrap();
        assert_eq!(code(&world.says(Event::SaysStepDone).await.unwrap_err()), Code::WrongFact);
        let mut session = world.session().await;
        let fault =
            says(session.as_mut(), uuid::Uuid::nil(), Event::SaysStepDone, &policy()).await.unwrap_err();
        assert_eq!(code(&fault), Code::NoSuchRun);
        drop(session);
        world.assert_ended("nothing changed", &["1"]).await;
    });
}

#[test]
fn a_stuck_run_keeps_everything_else_from_beginning() {
    timeless(async {
        let mut world = stuck(IN_DOUBT, Some((FakeFault::AnswerLost, FakePlace::Perform))).await;
        world.pending = vec![pending("2", &["together: add column t.z"])];
        assert_eq!(code(&world.apply().await.unwrap_err()), Code::OutcomeUnknown);
        assert!(!world.performed().contains(&"add column t.z".to_owned()));
    });
}
