//! Mistakes that the program makes on purpose, each of which loses or spoils rows. Its own comparison finds them: before
//! the swap, or where the swap itself is wrong, before the tables are swapped back.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests")]

use std::cell::Cell;

use cofferdam_core::Code;
use cofferdam_core::fault::Result;

use super::super::state::{Direction, Places};
use super::super::{Change, swap};
use super::changing::{Load, fill, online};
use super::support::{World, code, on_both};

on_both! {
    on_mysql_planted_mistakes_are_found / on_mariadb_planted_mistakes_are_found = all;
    on_mysql_without_a_mistake_nothing_is_found / on_mariadb_without_a_mistake_nothing_is_found = none;
}

/// The mistakes. Those that need luck are tried more than once.
const PLANTED: &[&str] = &[
    "skipped-chunk",
    "source-before-log",
    "missing-chunk-filter",
    "only-new-key",
    "lost-delete",
    "range-delete-of-log",
    "truncated-value",
    "null-to-empty",
    "swap-before-drain",
    "swap-without-mark",
];
const TRIES: u32 = 5;

thread_local! {
    /// The one that is made in this thread: other tests run beside it.
    static MADE: Cell<Option<&'static str>> = const { Cell::new(None) };
}

/// Whether this mistake is to be made here.
pub(in super::super) fn here(name: &str) -> bool {
    MADE.get() == Some(name)
}

/// A whole change under load, with the way back up to its comparison.
async fn told(world: &mut World<'_>, mistake: Option<&'static str>) -> Result<()> {
    fill(world, 6_000).await;
    world.run("UPDATE t SET note = NULL WHERE id % 100 = 0").await;
    let wanted = online("MODIFY n bigint, ADD COLUMN extra int NOT NULL DEFAULT 5");
    let change = Change::begin(&mut world.ground, &wanted, 1).await?;
    change.capture().await?;
    let load = Load::begin(world, 4);
    MADE.set(mistake);
    let done = async {
        change
            .following(async |mut reached| {
                change.copy(2).await?;
                change.catch_up(&mut reached, 2_000).await?;
                change.compare(&reached, 2).await
            })
            .await?;
        let mut link = change.worker("swap").await?;
        change.swap(&mut link).await?;
        let forward = Places::of(&world.database, &wanted, Direction::Forward)?;
        let stored = forward.stored(&mut link, &wanted).await?.unwrap();
        let back = Change::back(&mut world.ground, &wanted, 1).await?;
        swap::settle(&back, stored.turned_at.unwrap(), &mut link).await?;
        back.following(async |mut reached| back.catch_up(&mut reached, 1_000).await).await?;
        back.cut_all().await?;
        back.following(async |reached| back.compare(&reached, 2).await.map(drop)).await
    }
    .await;
    MADE.set(None);
    assert!(load.end().await > 10);
    done
}

async fn all(world: World<'_>) {
    for mistake in PLANTED {
        let mut found = false;
        for n in 0..TRIES {
            let name = format!("{}_{n}", mistake.replace('-', "_"));
            let mut place = World::new(world.server, world.kind, &name).await;
            match told(&mut place, Some(mistake)).await {
                Ok(()) => continue,
                // Rows that differ, or that fit nowhere.
                Err(fault) if matches!(code(&fault), Code::Mismatch | Code::RowMisfit) => found = true,
                Err(fault) => panic!("{mistake}: {fault}"),
            }
            break;
        }
        assert!(found, "{mistake} is not found");
    }
}

async fn none(world: World<'_>) {
    for n in 0..2 {
        let mut place = World::new(world.server, world.kind, &format!("sound_{n}")).await;
        if let Err(fault) = told(&mut place, None).await {
            panic!("{fault} {:?}", fault.refusal().map(|refusal| &refusal.notes));
        }
    }
}
