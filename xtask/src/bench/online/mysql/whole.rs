//! The whole time of a change, from start to swapped, verification included, and the most memory; beside a plain ALTER,
//! which keeps all writers out meanwhile, and the peers.

use std::process::Command;
use std::time::{Duration, Instant};

use cofferdam_scratch::mysql::Kind;
use serde_json::{Value, json};

use super::super::change::Change;
use super::super::whole::{Parts, account, parts_as_json, rounds, spread, tell_parts};
use super::ground::{DATABASE, Ground, ORDERS, WIDER};
use super::peers::PEERS;
use crate::bench::Asked;
use crate::bench::measure::Times;
use crate::bench::product::Product;
use crate::bench::report::{goal, seconds, table};

/// As many as the anchors of earlier days had.
const ROWS: u64 = 2_000_000;

/// In KiB.
const MEMORY: u64 = 128 * 1024;

const OURS: &str = "cofferdam alter";
const PLAIN: &str = "plain ALTER";

/// How somebody changes the table.
enum Way<'g> {
    Statement(String),
    Ours,
    Program(Box<dyn Fn() -> Command + 'g>),
}

/// Who is measured.
struct Contender<'g> {
    name: &'static str,
    way: Way<'g>,
    times: Times,
    /// In KiB, of all rounds; 0: of the server alone, or not known.
    peak: u64,
}

pub(super) fn run(asked: &Asked, product: &Product, kind: Kind) -> Result<Value, String> {
    let rows = asked.rows.unwrap_or(ROWS);
    let ground = Ground::start(product, kind, rows)?;
    let size = ground.size()?;
    let mut contenders = contenders(&ground, kind);
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
    let memory = |kib: u64| if kib == 0 { "-".to_owned() } else { format!("{:.0}", kib as f64 / 1024.0) };
    let row = |c: &Contender<'_>| vec![c.name.to_owned(), seconds(c.times.summary()), memory(c.peak)];
    println!(
        "{}",
        table(&["who", "seconds", "most memory, MiB"], &contenders.iter().map(row).collect::<Vec<_>>())
    );
    tell_parts(&parts);
    goals(&contenders);
    let who: Vec<Value> = contenders
        .iter()
        .map(|c| json!({ "who": c.name, "took": spread(&c.times), "peak_kib": c.peak }))
        .collect();
    Ok(json!({ "server": ground.title(), "rows": rows, "size": size, "rounds": asked.runs, "whole": who,
               "parts": parts_as_json(&parts) }))
}

fn contenders<'g>(ground: &'g Ground<'g>, kind: Kind) -> Vec<Contender<'g>> {
    let of = |name, way| Contender { name, way, times: Times::default(), peak: 0 };
    let plain = format!("ALTER TABLE {DATABASE}.{ORDERS} {WIDER}");
    let mut all = vec![of(PLAIN, Way::Statement(plain)), of(OURS, Way::Ours)];
    for peer in PEERS.iter().filter(|peer| peer.kinds.contains(&kind)) {
        match (peer.ready)() {
            Err(why) => println!("{} is not measured: {why}", peer.name),
            Ok((program, version)) => {
                println!("{} {version}: {}", peer.name, peer.note);
                let command = move || (peer.command)(&program, ground);
                all.push(of(peer.name, Way::Program(Box::new(command))));
            }
        }
    }
    all
}

/// One turn, on a fresh copy.
fn measure(
    ground: &Ground<'_>,
    contender: &mut Contender<'_>,
    parts: Option<&mut Parts>,
) -> Result<Duration, String> {
    ground.copy()?;
    let (took, peak) = match &contender.way {
        Way::Statement(sql) => {
            let began = Instant::now();
            ground.run(sql)?;
            (began.elapsed(), 0)
        }
        Way::Ours => {
            let done = Change::follow(ground.alter(&[]))?.wait()?;
            account(&done, parts.unwrap_or(&mut Parts::new()))?;
            (done.took, done.peak)
        }
        Way::Program(command) => {
            let done = Change::follow(command())?.wait()?;
            (done.took, done.peak)
        }
    };
    // Fast because it did nothing is not fast.
    if !ground.widened()? {
        return Err("the column is not wider afterwards".to_owned());
    }
    contender.peak = contender.peak.max(peak);
    Ok(took)
}

fn goals(contenders: &[Contender<'_>]) {
    let median = |contender: &Contender<'_>| contender.times.summary().map(|s| s.median / 1_000.0);
    let Some(ours) = contenders.iter().find(|c| c.name == OURS) else { return };
    for peer in contenders.iter().filter(|c| matches!(c.way, Way::Program(_))) {
        if let (Some(ours), Some(theirs)) = (median(ours), median(peer)) {
            let what = format!("whole time under that of {} ({ours:.1} s against {theirs:.1})", peer.name);
            goal(&what, ours < theirs);
        }
    }
    let what = format!("memory within {} MiB", MEMORY / 1024);
    goal(&what, ours.peak > 0 && ours.peak <= MEMORY);
}
