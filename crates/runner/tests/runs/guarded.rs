//! What holds a run back before it begins: checks, and a person's word. Nothing is changed, and no run is there.

use std::sync::Arc;
use std::time::Duration;

use cofferdam_adapters::checks::parse;
use cofferdam_core::approval::Decision;
use cofferdam_core::facts::Room;
use cofferdam_core::{Code, Fault, Phase};
use cofferdam_engines::fake::{FakeFault, FakePlace};
use cofferdam_engines::{Missing, Rows};
use cofferdam_runner::approval::{self, Matter, Terms};
use cofferdam_runner::{Policy, Silent, Stop, Summary};

use crate::world::{World, code, pending, policy, refusal, timeless};

const UNITS: &[&str] = &["together: create table a; insert a 3", "together: insert a 2"];

async fn apply(world: &World, policy: &Policy) -> Result<Summary, Fault> {
    let mut session = world.open().await?;
    let assessment = world.assessed(session.as_mut()).await?;
    cofferdam_runner::apply(session.as_mut(), &assessment, policy, Arc::new(Silent), &Stop::new()).await
}

fn checked(checks: &[&str]) -> Policy {
    Policy { checks: checks.iter().map(|text| parse(text).unwrap()).collect(), ..policy() }
}

fn required(who: &str, two_persons: bool) -> Policy {
    let command = "cofferdam approve".to_owned();
    let approval = Terms { required: true, two_persons, command, ..Terms::default() };
    Policy { approval, who: who.into(), ..policy() }
}

async fn say(world: &World, who: &str, decision: Decision, lasts: Option<Duration>) -> bool {
    let mut session = world.session_of(who).await;
    let assessment = world.assessed(session.as_mut()).await.unwrap();
    let matter = Matter::pending(&assessment);
    let policy = Policy { who: who.into(), ..policy() };
    approval::decide(session.as_mut(), &matter, decision, lasts, None, &policy).await.unwrap().1
}

fn one(value: &str) -> Rows {
    Rows { columns: vec!["x".into()], rows: vec![vec![Some(value.into())]] }
}

#[test]
fn all_that_fails_is_said_at_once_and_nothing_is_changed() {
    timeless(async {
        let world = World::new(UNITS);
        world.database.deny(Missing { what: "drop".into(), grant: "GRANT drop".into() });
        world.database.has_room(vec![Room {
            folder: "/d".into(),
            free: 5_000_000_000,
            total: 9_000_000_000,
        }]);
        world.database.pool();
        world.database.answer("SELECT ready", Ok(one("f")));
        let policy = checked(&["pooler", "disk-space=20GB", "custom=SELECT ready"]);
        let fault = apply(&world, &policy).await.unwrap_err();
        let why = refusal(&fault);
        assert_eq!(why.code, Code::PreCheckFailed);
        assert_eq!(why.cause.as_deref(), Some("permissions, pooler, disk-space, custom"));
        assert!(why.notes.iter().any(|note| note == "GRANT drop;"), "{:?}", why.notes);
        assert!(why.notes.iter().any(|note| note.starts_with("disk-space: 5.0 GB are free in /d")));
        assert!(world.runs().await.is_empty() && world.journal().await.is_empty());
        assert_eq!(world.performed(), Vec::<String>::new());
    });
}

#[test]
fn one_failure_has_its_own_words_and_code() {
    timeless(async {
        let world = World::new(UNITS);
        world.database.has_room(vec![Room {
            folder: "/d".into(),
            free: 5_000_000_000,
            total: 9_000_000_000,
        }]);
        let fault = apply(&world, &checked(&["disk-space=20GB"])).await.unwrap_err();
        assert_eq!(
            refusal(&fault).to_string(),
            "CF3101: check disk-space: 5.0 GB are free in /d; nothing was changed: 20.0 GB are asked for; the plan \
             adds next to nothing"
        );
        world.database.pool();
        assert_eq!(code(&apply(&world, &checked(&["pooler"])).await.unwrap_err()), Code::PoolerNotSupported);
        let summary = apply(&world, &checked(&["disk-space=1GB"])).await.unwrap();
        assert_eq!(summary.runs[0].phase, Phase::Done);
    });
}

#[test]
fn what_cannot_be_read_is_no_pass_without_a_reason() {
    timeless(async {
        let world = World::new(UNITS);
        // The fake has no words for these queries.
        let mut policy = checked(&["replication"]);
        assert_eq!(code(&apply(&world, &policy).await.unwrap_err()), Code::PreCheckUnread);
        assert!(world.runs().await.is_empty());
        policy.checks[0].allow_unread = Some("there is no standby".into());
        let summary = apply(&world, &policy).await.unwrap();
        assert!(summary.notes[0].ends_with("allowed: there is no standby"), "{:?}", summary.notes);
    });
}

#[test]
fn what_was_cut_off_is_finished_and_only_what_comes_next_is_held_back() {
    timeless(async {
        let world = World::of(vec![pending("1", UNITS), pending("2", &["together: insert a 1"])]);
        world.database.fail_nth(2, FakeFault::ConnectionLost, FakePlace::Commit);
        apply(&world, &policy()).await.unwrap_err();
        assert_eq!(world.run().await.phase, Phase::Expanding);
        world.database.answer("SELECT ready", Ok(one("f")));
        let fault = apply(&world, &checked(&["custom=SELECT ready"])).await.unwrap_err();
        assert_eq!(code(&fault), Code::PreCheckFailed);
        let phases: Vec<_> = world.runs().await.iter().map(|run| run.phase).collect();
        assert_eq!(phases, [Phase::Done]);
    });
}

#[test]
fn nothing_begins_without_a_word_and_with_one_it_says_whose() {
    timeless(async {
        let world = World::new(UNITS);
        let bob = required("bob@work", true);
        assert_eq!(code(&apply(&world, &bob).await.unwrap_err()), Code::ApprovalNeeded);
        assert!(world.runs().await.is_empty() && world.journal().await.is_empty());
        assert!(say(&world, "bob@home", Decision::Approve, None).await);
        assert_eq!(code(&apply(&world, &bob).await.unwrap_err()), Code::TwoPersons);
        assert!(say(&world, "alice@home", Decision::Reject, None).await);
        assert_eq!(code(&apply(&world, &bob).await.unwrap_err()), Code::ApprovalRejected);
        assert!(say(&world, "alice@home", Decision::Approve, None).await);
        assert!(!say(&world, "alice@home", Decision::Approve, None).await, "said twice it stands once");
        assert_eq!(world.journal().await.len(), 3);
        let summary = apply(&world, &bob).await.unwrap();
        assert_eq!(summary.runs[0].phase, Phase::Done);
        assert_eq!(world.run().await.by, "bob@work, approved by alice@home");
        assert_eq!(world.history().await[0].by, "bob@work, approved by alice@home");
        assert_eq!(cofferdam_core::journal::first_break(&world.journal().await), None);
    });
}

#[test]
fn a_word_is_over_in_time_and_another_plan_needs_another() {
    timeless(async {
        let world = World::new(UNITS);
        say(&world, "alice@home", Decision::Approve, Some(Duration::ZERO)).await;
        let bob = required("bob@work", false);
        assert_eq!(code(&apply(&world, &bob).await.unwrap_err()), Code::ApprovalExpired);
        say(&world, "alice@home", Decision::Approve, Some(Duration::from_secs(3_600))).await;
        let mut world = world;
        world.pending = vec![pending("1", &["together: create table a"])];
        let fault = apply(&world, &bob).await.unwrap_err();
        let (why, agreed) = (
            refusal(&fault),
            Matter::pending(&world.assessed(world.session().await.as_mut()).await.unwrap()),
        );
        assert_eq!(why.code, Code::ApprovalOther);
        assert!(why.notes[0].contains(&agreed.digest()) && why.cause.as_ref().unwrap().contains("sha256:"));
        assert!(world.runs().await.is_empty());
    });
}

#[test]
fn a_run_that_was_agreed_to_goes_on_and_what_was_taken_back_is_asked_anew() {
    timeless(async {
        let world = World::of(vec![pending("1", UNITS), pending("2", &["together: insert a 1"])]);
        let bob = required("bob@work", false);
        say(&world, "alice@home", Decision::Approve, None).await;
        world.database.fail_nth(2, FakeFault::ConnectionLost, FakePlace::Commit);
        apply(&world, &bob).await.unwrap_err();
        // The first goes on, and the second is the rest of what was agreed to.
        let summary = apply(&world, &bob).await.unwrap();
        assert_eq!(summary.runs.iter().map(|run| run.phase).collect::<Vec<_>>(), [Phase::Done, Phase::Done]);
        let mut session = world.session().await;
        let back = cofferdam_runner::Back::Steps(1);
        let plans = cofferdam_runner::rollback_plans(session.as_mut(), &back, &policy()).await.unwrap();
        cofferdam_runner::rollback(session.as_mut(), plans, &policy(), Arc::new(Silent), &Stop::new())
            .await
            .unwrap();
        drop(session);
        assert_eq!(code(&apply(&world, &bob).await.unwrap_err()), Code::ApprovalExpired);
    });
}
