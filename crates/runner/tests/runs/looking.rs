//! Looking first: what `assess` says is what `apply` does, and what must not be done is refused before anything is.

use std::sync::Arc;

use cofferdam_core::bundle::Version;
use cofferdam_core::{Bundle, Checksum, Code, Migration, MigrationKind, Script};
use cofferdam_engines::Missing;
use cofferdam_formats::State;
use cofferdam_runner::{Policy, Silent, Stop, apply, assess, refuse_blocking};

use crate::world::{World, code, pending, policy, refusal, timeless};

fn migration(version: &str, sql: &str) -> Migration {
    let up = Script::new(format!("V{version}__x.sql"), sql);
    Migration {
        version: Version::parse(version),
        description: "x".into(),
        kind: MigrationKind::Versioned,
        checksum: Checksum::Sha256(up.sha256.clone()),
        up,
        down: None,
        check: None,
        no_transaction: false,
    }
}

/// Statements that are SQL and the fake's language at once.
fn bundle() -> Bundle {
    let migrations = vec![migration("1", "drop table empty;"), migration("2", "drop table t;")];
    Bundle { format: "plain", migrations, skipped: Vec::new() }
}

fn allowing() -> Policy {
    Policy { allow: vec![("drop-table".into(), "nobody reads it".into())], ..policy() }
}

#[test]
fn what_was_assessed_is_applied_and_pending_no_more() {
    timeless(async {
        let world = World::of(Vec::new());
        let mut session = world.session().await;
        let assessment = assess(session.as_mut(), &bundle(), &allowing()).await.unwrap();
        assert_eq!(assessment.pending.len(), 2);
        assert!(assessment.history.is_empty() && assessment.unfinished.is_empty());
        refuse_blocking(&assessment, &allowing()).unwrap();
        assert!(world.runs().await.is_empty(), "looking writes nothing");

        let reporter = Arc::new(Silent);
        let summary =
            apply(session.as_mut(), &assessment, &allowing(), reporter, &Stop::new()).await.unwrap();
        assert_eq!(summary.version.as_deref(), Some("2"));
        assert_eq!(world.performed(), ["drop table empty", "drop table t"]);
        let again = assess(session.as_mut(), &bundle(), &allowing()).await.unwrap();
        assert!(again.pending.is_empty());
        assert!(again.standing.rows.iter().all(|row| row.state == State::Applied));
        drop(session);
        world.assert_ended("applied", &["1", "2"]).await;
    });
}

#[test]
fn a_target_and_a_number_bound_what_is_pending() {
    timeless(async {
        let world = World::of(Vec::new());
        let mut session = world.session().await;
        for (policy, expected) in [
            (Policy { to: Version::parse("1"), ..allowing() }, vec!["1"]),
            (Policy { most: Some(1), ..allowing() }, vec!["1"]),
            (Policy { most: Some(0), ..allowing() }, vec![]),
            (allowing(), vec!["1", "2"]),
        ] {
            let assessment = assess(session.as_mut(), &bundle(), &policy).await.unwrap();
            let keys: Vec<&str> = assessment.pending.iter().map(|p| p.plan.key.as_str()).collect();
            assert_eq!(keys, expected);
        }
    });
}

#[test]
fn what_lint_refuses_and_nobody_allowed_is_not_applied() {
    timeless(async {
        let world = World::of(Vec::new());
        let policy = policy();
        let assessment = assess(world.session().await.as_mut(), &bundle(), &policy).await.unwrap();
        let blocking = assessment.pending.iter().flat_map(|p| p.blocking(&policy)).count();
        let fault = refuse_blocking(&assessment, &policy).unwrap_err();
        assert_eq!(code(&fault), Code::LintBlocked);
        assert_eq!(refusal(&fault).notes.len(), blocking);
        refuse_blocking(&assessment, &allowing()).unwrap();
    });
}

#[test]
fn files_that_do_not_fit_the_history_are_refused() {
    timeless(async {
        let world = World::of(Vec::new());
        let mut session = world.session().await;
        let assessment = assess(session.as_mut(), &bundle(), &allowing()).await.unwrap();
        apply(session.as_mut(), &assessment, &allowing(), Arc::new(Silent), &Stop::new()).await.unwrap();

        let mut changed = bundle();
        changed.migrations[0] = migration("1", "drop table empty; -- later");
        let assessment = assess(session.as_mut(), &changed, &allowing()).await.unwrap();
        assert_eq!(code(&refuse_blocking(&assessment, &allowing()).unwrap_err()), Code::ChecksumChanged);

        let mut gone = bundle();
        gone.migrations.remove(0);
        let assessment = assess(session.as_mut(), &gone, &allowing()).await.unwrap();
        assert_eq!(code(&refuse_blocking(&assessment, &allowing()).unwrap_err()), Code::FileGone);
    });
}

#[test]
fn missing_rights_are_told_all_at_once_before_anything_is_written() {
    timeless(async {
        let world = World::new(&["together: add column t.c"]);
        for what in ["create schema cofferdam", "alter table t"] {
            world.database.deny(Missing { what: what.into(), grant: format!("GRANT {what};") });
        }
        let fault = world.apply().await.unwrap_err();
        assert_eq!(code(&fault), Code::PermissionMissing);
        let refusal = refusal(&fault);
        assert_eq!(refusal.cause.as_deref(), Some("create schema cofferdam; alter table t"));
        assert_eq!(refusal.notes, ["GRANT create schema cofferdam;", "GRANT alter table t;"]);
        assert!(world.runs().await.is_empty() && world.performed().is_empty());
        assert_eq!(world.session().await.holder().await, Ok(None));
    });
}

#[test]
fn what_another_runner_applied_since_the_assessment_is_not_applied_again() {
    timeless(async {
        let world = World::of(vec![
            pending("1", &["together: add column t.c"]),
            pending("2", &["together: add column t.d"]),
        ]);
        let mut late = world.session().await;
        let assessment = world.assessed(late.as_mut()).await.unwrap();
        world.apply().await.unwrap();
        let summary =
            apply(late.as_mut(), &assessment, &policy(), Arc::new(Silent), &Stop::new()).await.unwrap();
        assert!(summary.runs.is_empty());
        assert_eq!(summary.version.as_deref(), Some("2"));
        assert_eq!(world.performed().len(), 2);
    });
}
