//! What a person does to the history: baseline and repair.

use cofferdam_core::bundle::Version;
use cofferdam_core::history::AppliedKind;
use cofferdam_core::{Bundle, Checksum, Code, Migration};
use cofferdam_runner::{baseline, repair};

use crate::world::{World, code, pending, policy, timeless};

fn bundle(migrations: Vec<Migration>) -> Bundle {
    Bundle { format: "plain", migrations, skipped: Vec::new() }
}

async fn applied() -> World {
    let world = World::of(vec![
        pending("1", &["together: add column t.c"]),
        pending("2", &["together: add column t.d"]),
        pending("3", &["together: add column t.e"]),
    ]);
    world.apply().await.unwrap();
    world
}

#[test]
fn a_baseline_is_in_force_without_having_been_run() {
    timeless(async {
        let world = World::new(&["together: add column t.c"]);
        let version = Version::parse("7").unwrap();
        baseline(world.session().await.as_mut(), &version, "as it was", &policy()).await.unwrap();
        let history = world.history().await;
        assert_eq!(history.len(), 1);
        let row = &history[0];
        assert_eq!((row.rank, row.kind, row.version.as_deref()), (1, AppliedKind::Baseline, Some("7")));
        assert_eq!(
            (row.description.as_str(), row.by.as_str(), &row.checksum),
            ("as it was", "tester", &None)
        );
        assert!(world.performed().is_empty() && world.runs().await.is_empty());
        assert!(format!("{:?}", world.journal().await).contains("baseline at 7"));
        world.assert_ended("baseline", &["7"]).await;
    });
}

#[test]
fn a_baseline_is_refused_where_something_is_in_force() {
    timeless(async {
        let world = applied().await;
        let version = Version::parse("9").unwrap();
        let outcome = baseline(world.session().await.as_mut(), &version, "late", &policy()).await;
        assert_eq!(code(&outcome.unwrap_err()), Code::NothingToBaseline);
        world.assert_ended("unchanged", &["1", "2", "3"]).await;
    });
}

#[test]
fn a_repair_of_what_fits_changes_nothing() {
    timeless(async {
        let world = applied().await;
        let (history, rows) = (world.history().await, world.journal().await.len());
        let files = world.pending.iter().map(|p| p.migration.clone()).collect();
        let said = repair(world.session().await.as_mut(), &bundle(files), &policy()).await.unwrap();
        assert_eq!(said, Vec::<String>::new());
        assert_eq!((world.history().await, world.journal().await.len()), (history, rows));
    });
}

#[test]
fn a_repair_takes_over_changed_files_and_forgets_those_that_are_gone() {
    timeless(async {
        let world = applied().await;
        let mut files: Vec<Migration> = world.pending.iter().map(|p| p.migration.clone()).collect();
        files[0].checksum = Checksum::Sha256("new".into());
        files[1].description = "renamed".into();
        files.truncate(2);
        let said = repair(world.session().await.as_mut(), &bundle(files), &policy()).await.unwrap();
        assert_eq!(said.len(), 3, "{said:?}");
        assert!(said[0].contains("is now sha256:new"), "{said:?}");
        assert!(said[2].contains("its file is gone"), "{said:?}");

        let history = world.history().await;
        assert_eq!(history[0].checksum, Some(Checksum::Sha256("new".into())));
        assert_eq!(history[1].description, "renamed");
        assert!(!history[2].in_force());
        world.assert_ended("repaired", &["1", "2"]).await;
        for sentence in &said {
            let noted = format!("repair: {sentence}");
            assert!(format!("{:?}", world.journal().await).contains(&noted), "{noted}");
        }
        assert_eq!(world.database.performed().len(), 3, "nothing was done to the tables");
    });
}

#[test]
fn a_second_person_waits_for_the_lock() {
    timeless(async {
        let world = applied().await;
        let mut first = world.session().await;
        first.claim(std::time::Duration::ZERO).await.unwrap();
        let mut second = world.session().await;
        let outcome = repair(second.as_mut(), &bundle(Vec::new()), &policy()).await;
        assert_eq!(code(&outcome.unwrap_err()), Code::LockHeldByOther);
    });
}
