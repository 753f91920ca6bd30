//! Mistakes that the program makes on purpose: each must be caught, by its own comparison before the swap or, where
//! that is switched off as well, by the oracle.

use std::time::Duration;

use crate::change::Change;
use crate::quiet::block_on;
use crate::story::{Ending, Outcome, Story};
use crate::support::{Bench, each};
use crate::world::Traffic;

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
];

fn caught(planted: &str, seed: u64) -> Result<String, Outcome> {
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
    match block_on(story.tell(&bench)) {
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
                Ok(why) => return eprintln!("{planted}: {}", why.chars().take(1500).collect::<String>()),
                Err(outcome) => outcomes.push(outcome),
            }
        }
        panic!("not caught: {outcomes:?}");
    });
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
