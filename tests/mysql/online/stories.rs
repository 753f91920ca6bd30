//! Changes that nobody chose: of what, how often and where their runner dies, what is asked of them meanwhile and how they
//! end, while the application writes and values of a unique index move between rows. `cargo xtask stress --engine mysql`
//! tells them for as long as one likes; else it is one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cofferdam_scratch::mysql::Kind;

use super::crash::{disturbed, points};
use super::load::Load;
use super::{FINALIZE, ROLLBACK, alter, assert_clean, place};
use crate::dice::Dice;
use crate::site::Site;

on_both! {
    any_story_ends_well,
}

const CLAUSES: &[&str] = &[
    "MODIFY COLUMN id bigint NOT NULL AUTO_INCREMENT",
    "MODIFY COLUMN n bigint NOT NULL DEFAULT 0",
    "MODIFY COLUMN note varchar(1000) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    "ADD COLUMN extra int NOT NULL DEFAULT 7 FIRST",
    "DROP KEY n, ADD KEY several (note, n)",
    "MODIFY COLUMN id bigint NOT NULL AUTO_INCREMENT, ADD COLUMN extra text, MODIFY COLUMN tag varchar(60)",
];

#[derive(Debug)]
struct Story {
    clauses: &'static str,
    /// Where the runner dies, and the how-manieth time it comes by: on the way there, and at its end.
    deaths: [Vec<(&'static str, u64)>; 2],
    workers: Option<u64>,
    values_move: bool,
    back: bool,
}

impl Story {
    fn of(seed: u64, number: u64) -> Self {
        let mut dice = Dice::of(seed, 10_000 + number);
        // The order is that in which a change comes by them.
        const END: &[&str] = &["online.finish", "online.release", "online.removed"];
        let of_end = |name: &&str| END.iter().any(|end| name.starts_with(end));
        let mut deaths = |of: &mut dyn Iterator<Item = &'static str>, percent: u64| {
            of.filter_map(|point| {
                let time = if dice.chance(80) { 1 } else { 2 };
                dice.chance(percent).then_some((point, time))
            })
            .collect()
        };
        let deaths = [
            deaths(&mut points().filter(|name| !of_end(name)), 20),
            deaths(&mut points().filter(|name| of_end(name) || name.starts_with("online.swap.")), 30),
        ];
        Self {
            deaths,
            clauses: *dice.pick::<&str>(CLAUSES),
            workers: dice.chance(30).then(|| 1 + dice.below(3)),
            values_move: dice.chance(50),
            back: dice.chance(50),
        }
    }

    fn tell(&self, site: &Site) {
        let before = definition(site);
        let stop = AtomicBool::new(false);
        let ((), load) = Load::beside(site, |load| {
            std::thread::scope(|threads| {
                if self.values_move {
                    threads.spawn(|| move_values(site, &stop));
                }
                let _stop = Stop(&stop);
                load.go_on(20);
                let workers = self.workers.map(|n| n.to_string());
                let flags = workers.as_ref().map_or(Vec::new(), |n| vec!["--workers", n.as_str()]);
                self.go(site, load, &alter(&flags, self.clauses), &self.deaths[0]);
                assert_ne!(definition(site), before, "{self:?}");
                load.go_on(20);
                self.go(site, load, if self.back { ROLLBACK } else { FINALIZE }, &self.deaths[1]);
                load.go_on(20);
            });
        });
        assert_eq!(definition(site) == before, self.back, "{self:?}");
        load.assert_kept(site);
        assert_clean(site);
        site.assert_sound();
    }

    /// A command whose runner dies at these places. The same command goes on, and whatever is left of it at the end.
    fn go(&self, site: &Site, load: &Load, command: &[&str], deaths: &[(&str, u64)]) {
        for (point, time) in deaths {
            let (hit, ended) = disturbed(site, command, &format!("{point}=kill@{time}"));
            if !hit {
                assert!(
                    over(ended.code, &ended.stderr),
                    "{self:?} {point}: {}\n{}",
                    ended.stdout,
                    ended.stderr
                );
                return;
            }
            load.go_on(5);
        }
        let last = site.run(command);
        assert!(over(last.code, &last.stderr), "{self:?}: {}\n{}", last.stdout, last.stderr);
    }
}

/// Without the number that the next row gets.
fn definition(site: &Site) -> String {
    let text = site.schema().concat();
    let (before, behind) = text.split_once(" AUTO_INCREMENT=").unwrap_or((&text, ""));
    format!("{before}{}", behind.trim_start_matches(|c: char| c.is_ascii_digit()))
}

/// It is done, or was done when the last runner died.
fn over(code: i32, said: &str) -> bool {
    code == 0 || code == 2 && said.contains("CF2502")
}

/// Also when something panics.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn move_values(site: &Site, stop: &AtomicBool) {
    let mut n = 0;
    while !stop.load(Ordering::SeqCst) {
        n += 1;
        let (a, b) = (n * 7 % 1_900 + 1, n * 11 % 1_900 + 2_000);
        let sql = format!(
            "START TRANSACTION; SELECT tag INTO @a FROM t WHERE id = {a}; SELECT tag INTO @b FROM t WHERE id = {b};
             UPDATE t SET tag = NULL WHERE id = {a}; UPDATE t SET tag = @a WHERE id = {b};
             UPDATE t SET tag = @b WHERE id = {a}; COMMIT"
        );
        // A deadlock takes all of it back.
        let _ = site.server().query(Some(&site.database), &sql);
    }
}

fn any_story_ends_well(kind: Kind) {
    let number = |name: &str, usual: u64| {
        std::env::var(name).map_or(usual, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
    };
    let (minutes, seed) = (number("COFFERDAM_STRESS_MINUTES", 0), number("COFFERDAM_STRESS_SEED", 1));
    let end = Instant::now() + Duration::from_secs(minutes * 60);
    let mut stories = 0;
    for number in number("COFFERDAM_STRESS_FROM", 0).. {
        if stories > 0 && Instant::now() > end {
            break;
        }
        let Some(site) = place(kind, "story") else { return };
        let story = Story::of(seed, number);
        eprintln!("story {number} of seed {seed}: {story:?}");
        story.tell(&site);
        site.query(&format!("DROP DATABASE `{}`", site.database));
        stories += 1;
    }
    eprintln!("{stories} stories, nothing lost");
}
