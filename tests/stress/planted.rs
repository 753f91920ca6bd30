//! Mistakes that the program makes on purpose: each must be caught, by its own comparison before the swap or, where
//! that is switched off as well, by the oracle.

use std::sync::atomic::Ordering;
use std::time::Duration;

use cofferdam_scratch::{Options, Server};

use crate::change::Change;
use crate::dice::Dice;
use crate::oracle;
use crate::quiet::block_on;
use crate::session::Session;
use crate::story::{Ending, Outcome, Story};
use crate::support::{Bench, binaries, each};
use crate::world::{Traffic, World};

/// The mistakes. Those that need luck are tried with more than one seed.
const PLANTED: &[&str] = &[
    "range-delete-of-log",
    "source-before-log",
    "only-new-key",
    "skipped-chunk",
    "swap-before-drain",
    "truncated-value",
    "null-to-empty",
    "lost-delete",
    "missing-chunk-filter",
    "unapplied-back",
];

fn told(planted: &str, seed: u64) -> Outcome {
    let bench = Bench::new(&planted.replace([',', '-'], "_"));
    let story = Story {
        traffic: Traffic { seed, writers: 6, rows: 1500, pause: 1, truncate: 0 },
        change: Change {
            clauses: "ALTER COLUMN note TYPE character varying(10000)",
            flags: vec![],
            planted: planted.to_owned(),
            kills: 0,
        },
        ending: Ending::Rollback,
        breath: Duration::from_millis(300),
    };
    block_on(story.tell(&bench))
}

fn caught(planted: &str, seed: u64) -> Result<String, Outcome> {
    match told(planted, seed) {
        Outcome::Sound => Err(Outcome::Sound),
        // A mismatch, or rows that do not fit: it says itself that something is wrong.
        Outcome::Refused(why) if why.starts_with("CF2603") || why.starts_with("CF2604") => Ok(why),
        Outcome::Wrong(wrong) => Ok(wrong[0].clone()),
        outcome => Err(outcome),
    }
}

fn all(with: &str) {
    let each_planted: Vec<String> = PLANTED.iter().map(|name| format!("{with}{name}")).collect();
    each(&each_planted, Clone::clone, |planted| {
        let mut outcomes = Vec::new();
        for seed in 1..=4 {
            match caught(planted, seed) {
                Ok(why) => return eprintln!("{planted}: {}", why.lines().next().unwrap_or_default()),
                Err(outcome) => outcomes.push(outcome),
            }
        }
        panic!("not caught: {outcomes:?}");
    });
}

/// What catches a mistake must be silent without one.
#[test]
fn without_a_mistake_nothing_is_caught() {
    each(
        &["", "no-compare"],
        |planted| format!("{planted:?}"),
        |planted| {
            for seed in 1..=2 {
                assert_eq!(told(planted, seed), Outcome::Sound, "seed {seed}");
            }
        },
    );
}

/// The program's own comparison stands in the way.
#[test]
fn planted_mistakes_are_caught() {
    all("");
}

/// Only the oracle stands in the way.
#[test]
fn planted_mistakes_are_caught_without_the_comparison() {
    all("no-compare,");
}

/// A log that is not in the server's own log is empty after a crash: what was written and not yet applied is lost.
/// Without the mistake the same crash loses nothing.
#[test]
fn an_unlogged_log_is_caught_when_the_server_crashes() {
    assert_eq!(crashed(""), Vec::<String>::new());
    assert_ne!(crashed("no-compare,unlogged-log"), Vec::<String>::new());
}

/// The server crashes while the program stands still between the copy and the rest, and both start again.
fn crashed(planted: &str) -> Vec<String> {
    let mut server = Server::start(&binaries(), &Options { tcp: true, ..Options::default() }).unwrap();
    let url = server.create_database("crash").unwrap();
    let bench = Bench { database: "crash".into(), url, folder: tempfile::tempdir().unwrap() };
    std::fs::create_dir(bench.dir()).unwrap();
    let change = Change {
        clauses: "ALTER COLUMN note TYPE character varying(10000)",
        flags: vec![],
        planted: planted.to_owned(),
        kills: 0,
    };
    block_on(async {
        let traffic = Traffic { seed: 5, writers: 4, rows: 1500, pause: 2, truncate: 0 };
        let world = World::create(&bench.url, traffic, bench.folder.path()).await;
        world.shaky.store(true, Ordering::SeqCst);
        let writers = world.start();
        let held = change.held(&bench, "online.index.built").await;
        // Keys of rows that were copied before, and are not applied.
        tokio::time::sleep(Duration::from_millis(700)).await;
        server.stop_immediate().unwrap();
        server.start_again().unwrap();
        drop(held);
        let ended = change.insist(&world, &bench, &change.alter(), &mut Dice::new(5)).await;
        world.stop(writers).await;
        let mut wrong = world.accused();
        if ended.code != 0 {
            wrong.push(ended.stderr);
        }
        let owner = Session::open(&bench.url, "postgres").await.unwrap();
        wrong.extend(oracle::check(&world, &owner).await);
        wrong
    })
}
