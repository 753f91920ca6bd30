//! The whole time of a change, from start to swapped, verification included; beside a plain ALTER, which blocks
//! everybody meanwhile, and pg_repack.
//!
//! They take turns within each round, in another order each time, each on a fresh copy of the same data. The first
//! round does not count.

use std::time::Duration;

use serde_json::{Value, json};

use cofferdam_core::online::Part;

use super::super::Asked;
use super::super::measure::{Times, timed};
use super::super::product::Product;
use super::super::report::{goal, seconds, table};
use super::change::{Change, Done};
use super::ground::{DATABASE, Ground};
use super::repack::Repack;
use super::tables::{ORDERS, TEMPLATE, WIDER, orders, size};

/// As many as the anchors of earlier days had.
const ROWS: u64 = 4_000_000;

/// Verification included, so many times the plain ALTER.
const GOAL: f64 = 1.3;

/// Who is measured.
struct Contender<'g> {
    name: &'static str,
    /// Runs on the copy that is there.
    run: Way<'g>,
    /// Writes the table with the key's new type.
    widens: bool,
    times: Times,
}

/// Changes the table, and says how long that took.
type Way<'g> = Box<dyn Fn(&mut Parts) -> Result<Duration, String> + 'g>;

/// How long each part of a change took, and the lock of the swap.
pub(super) type Parts = Vec<(&'static str, Times)>;

const OURS: &str = "cofferdam alter";
const PLAIN: &str = "plain ALTER";

pub(super) fn run(asked: &Asked, product: &Product) -> Result<Value, String> {
    let ground = Ground::start(product, "replica")?;
    let rows = asked.rows.unwrap_or(ROWS);
    orders(&ground, rows)?;
    let size = size(&ground, ORDERS)?;
    let mut contenders = contenders(&ground);
    let mut parts = Parts::new();
    rounds(asked.runs, &mut contenders, |contender, counts| {
        let took = measure(&ground, contender, if counts { Some(&mut parts) } else { None })
            .map_err(|why| format!("{}: {why}", contender.name))?;
        if counts {
            contender.times.add(took);
        }
        Ok(())
    })?;

    println!(
        "{}, {rows} rows ({size}), a key and one index, median of {} rounds",
        ground.title(),
        asked.runs
    );
    let row = |c: &Contender<'_>| vec![c.name.to_owned(), seconds(c.times.summary())];
    println!("{}", table(&["who", "seconds"], &contenders.iter().map(row).collect::<Vec<_>>()));
    tell_parts(&parts);
    goals(&contenders);
    let who: Vec<Value> =
        contenders.iter().map(|c| json!({ "who": c.name, "took": spread(&c.times) })).collect();
    Ok(json!({ "server": ground.binaries.version_text, "rows": rows, "size": size, "rounds": asked.runs,
               "whole": who, "parts": parts_as_json(&parts) }))
}

/// They take turns within each round, in another order each time. The first round does not count.
pub(super) fn rounds<C>(
    runs: usize,
    contenders: &mut [C],
    mut turn: impl FnMut(&mut C, bool) -> Result<(), String>,
) -> Result<(), String> {
    let count = contenders.len();
    for round in 0..=runs {
        for at in 0..count {
            turn(&mut contenders[(round + at) % count], round > 0)?;
        }
    }
    Ok(())
}

pub(super) fn tell_parts(parts: &Parts) {
    let row = |(name, times): &(&'static str, Times)| vec![(*name).to_owned(), seconds(times.summary())];
    println!(
        "{}",
        table(&["part of cofferdam alter", "seconds"], &parts.iter().map(row).collect::<Vec<_>>())
    );
}

pub(super) fn parts_as_json(parts: &Parts) -> Vec<Value> {
    parts.iter().map(|(name, times)| json!({ "part": name, "took": spread(times) })).collect()
}

pub(super) fn spread(times: &Times) -> Option<Value> {
    times.summary().map(|s| json!({ "median_ms": s.median, "least_ms": s.least, "most_ms": s.most }))
}

fn contenders<'g>(ground: &'g Ground<'g>) -> Vec<Contender<'g>> {
    let mut all = vec![
        Contender {
            name: PLAIN,
            run: Box::new(|_| {
                timed(&mut ground.psql(DATABASE, &[&format!("ALTER TABLE {ORDERS} {WIDER}")])?, &[0])
            }),
            widens: true,
            times: Times::default(),
        },
        Contender {
            name: OURS,
            run: Box::new(|parts| ours(ground, parts)),
            widens: true,
            times: Times::default(),
        },
    ];
    match Repack::ready(ground) {
        Err(why) => println!("pg_repack is not measured: {why}"),
        Ok(repack) => {
            println!("pg_repack {}: changes no definition, and verifies nothing", repack.version);
            let repack = std::rc::Rc::new(repack);
            for (name, jobs) in [("pg_repack", 1), ("pg_repack -j 2", 2)] {
                let repack = std::rc::Rc::clone(&repack);
                let run = move |_: &mut Parts| timed(&mut repack.command(ground, ORDERS, jobs)?, &[0]);
                all.push(Contender { name, run: Box::new(run), widens: false, times: Times::default() });
            }
        }
    }
    all
}

fn ours(ground: &Ground<'_>, parts: &mut Parts) -> Result<Duration, String> {
    let done = Change::begin(ground, ORDERS, WIDER, &[])?.wait()?;
    account(&done, parts)?;
    Ok(done.took)
}

/// Adds how long each part of a change took.
pub(super) fn account(done: &Done, parts: &mut Parts) -> Result<(), String> {
    let mut add =
        |name: &'static str, time: Duration| match parts.iter_mut().find(|(known, _)| *known == name) {
            Some((_, times)) => times.add(time),
            None => {
                let mut times = Times::default();
                times.add(time);
                parts.push((name, times));
            }
        };
    let stretches = done.stretches();
    for stretch in &stretches {
        add(stretch.part.word(), Duration::from_secs_f64((stretch.to - stretch.from).max(0.0)));
    }
    let within: f64 = stretches.iter().map(|s| s.to - s.from).sum();
    add("all else", Duration::from_secs_f64((done.took.as_secs_f64() - within).max(0.0)));
    if stretches.iter().all(|stretch| stretch.part != Part::Compare) {
        return Err("it did not compare".to_owned());
    }
    Ok(())
}

/// One turn, on a fresh copy.
fn measure(
    ground: &Ground<'_>,
    contender: &Contender<'_>,
    parts: Option<&mut Parts>,
) -> Result<Duration, String> {
    ground.copy_of(TEMPLATE)?;
    let file = format!("SELECT pg_relation_filenode('{ORDERS}')");
    let before = ground.ask(DATABASE, &file)?;
    let took = (contender.run)(parts.unwrap_or(&mut Parts::new()))?;
    // Fast because it did nothing is not fast.
    if ground.ask(DATABASE, &file)? == before {
        return Err("it did not write the table anew".to_owned());
    }
    let ty = "SELECT atttypid::regtype FROM pg_attribute WHERE attname = 'id' AND attrelid = ";
    let ty = ground.ask(DATABASE, &format!("{ty}'{ORDERS}'::regclass"))?;
    if (ty == "bigint") != contender.widens {
        return Err(format!("the key is {ty} afterwards"));
    }
    Ok(took)
}

fn goals(contenders: &[Contender<'_>]) {
    let median = |contender: &Contender<'_>| contender.times.summary().map(|s| s.median / 1_000.0);
    let of = |name: &str| contenders.iter().find(|c| c.name == name).and_then(median);
    let Some(ours) = of(OURS) else { return };
    let repacks = contenders.iter().filter(|c| !c.widens);
    match repacks.filter_map(|c| Some((median(c)?, c.name))).min_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((theirs, name)) => {
            let what = format!("whole time under pg_repack's ({ours:.1} s against {theirs:.1} of {name})");
            goal(&what, ours < theirs);
        }
        None => println!("goal: whole time under pg_repack's: unknown, it is not here"),
    }
    if let Some(plain) = of(PLAIN) {
        let ratio = ours / plain;
        goal(&format!("whole time within {GOAL} of the plain ALTER ({ratio:.2})"), ratio <= GOAL);
    }
}
