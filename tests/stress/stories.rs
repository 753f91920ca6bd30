//! Changes of every kind under load, with a `kill -9` at random moments.

use std::time::Duration;

use crate::change::Change;
use crate::dice::Dice;
use crate::quiet::block_on;
use crate::stage::Stage;
use crate::story::{Ending, Outcome, Story};
use crate::support::each;
use crate::world::Traffic;

/// Changes of the table that the server rewrites it for, or that it must be read for.
pub const CLAUSES: &[(&str, &str)] = &[
    ("key_wider", "ALTER COLUMN id TYPE bigint"),
    ("text_to_varchar", "ALTER COLUMN note TYPE character varying(10000)"),
    ("scale", "ALTER COLUMN amount TYPE numeric(20,4)"),
    ("column_more", "ADD COLUMN extra integer DEFAULT 7 NOT NULL"),
    ("check", "ADD CONSTRAINT item_n_small CHECK (n < 2000000000)"),
    (
        "several",
        "ALTER COLUMN id TYPE bigint, ADD COLUMN extra text DEFAULT 'x', ALTER COLUMN note TYPE character varying(10000)",
    ),
];

fn case(number: u64, clauses: &'static str, flags: &[&'static str], kills: u32, ending: Ending) -> Story {
    Story {
        traffic: Traffic { seed: number, writers: 2 + number % 5, rows: 1500, pause: 4, truncate: 0 },
        change: Change { clauses, flags: flags.to_vec(), planted: String::new(), kills },
        ending,
        breath: Duration::from_millis(400),
    }
}

fn told(name: &str, story: &Story) -> Outcome {
    block_on(story.tell(&Stage::of(name, story).bench))
}

/// A short run of every kind. Long runs are `cargo xtask stress`.
#[test]
fn no_write_is_lost_in_a_change() {
    let stories = [
        ("bigint", case(11, CLAUSES[0].1, &["--capture", "rows"], 3, Ending::Rollback)),
        ("varchar", case(12, CLAUSES[1].1, &["--capture", "statements"], 2, Ending::Finalize)),
        ("decoded", case(15, CLAUSES[3].1, &["--capture", "logical"], 2, Ending::Rollback)),
        ("several", case(13, CLAUSES[5].1, &[], 2, Ending::Rollback)),
        ("truncated", {
            let mut story = case(14, CLAUSES[2].1, &[], 0, Ending::Rollback);
            story.traffic.truncate = 400;
            story
        }),
    ];
    each(
        &stories,
        |(name, _)| (*name).to_owned(),
        |(name, story)| assert_eq!(told(name, story), Outcome::Sound),
    );
}

/// Any story, by its number: what is changed, how, by how many writers, and how it ends.
pub fn any(seed: u64, number: u64) -> Story {
    let mut dice = Dice::of(seed, 10_000 + number);
    let (_, clauses) = *dice.pick(CLAUSES);
    let capture = *dice.pick(&["auto", "rows", "statements", "logical"]);
    let ending = *dice.pick(&[Ending::Rollback, Ending::Finalize]);
    Story {
        traffic: Traffic {
            seed: dice.next(),
            writers: dice.between(2, 8).unsigned_abs(),
            rows: dice.between(500, 6000).unsigned_abs() as usize,
            pause: dice.below(8),
            truncate: if dice.chance(20) { 2000 } else { 0 },
        },
        change: Change {
            clauses,
            flags: vec!["--capture", capture],
            // Not a mistake: some go as fast as a person would see them go.
            planted: String::from(if dice.chance(20) { "paced" } else { "" }),
            kills: dice.below(8) as u32,
        },
        ending,
        breath: Duration::from_millis(dice.below(5000)),
    }
}

/// Stories that nobody chose, until the time is over: `cargo xtask stress --minutes N --seed S`; else one.
#[test]
fn any_story_ends_well() {
    let number = |name: &str, usual: u64| {
        std::env::var(name).map_or(usual, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
    };
    let (minutes, seed) = (number("COFFERDAM_STRESS_MINUTES", 0), number("COFFERDAM_STRESS_SEED", 1));
    let from = number("COFFERDAM_STRESS_FROM", 0);
    let end = std::time::Instant::now() + Duration::from_secs(minutes * 60);
    let mut stories = 0;
    for number in from.. {
        if stories > 0 && std::time::Instant::now() > end {
            break;
        }
        let story = any(seed, number);
        eprintln!(
            "story {number} of seed {seed}: {:?} {:?}, {:?}",
            story.change, story.ending, story.traffic
        );
        let stage = Stage::of("long", &story);
        match block_on(story.tell(&stage.bench)) {
            Outcome::Sound => stage.clear(),
            outcome => {
                let kept = stage.bench.folder.path().to_owned();
                std::mem::forget(stage);
                panic!("story {number} of seed {seed}: {outcome:#?}\nits journal: {}", kept.display());
            }
        }
        stories += 1;
    }
    eprintln!("{stories} stories, nothing lost");
}
