//! The steps of an online change: one for each part, and what the plan's screen says of each.

use cofferdam_core::online::{Capture, Examined, Gate, Online, Part};
use cofferdam_core::plan::{Act, Intent, Plan, Probe, Step, Undo, Unit};
use cofferdam_core::{Code, Limits, Phase, Refusal, Span};
use cofferdam_dialects::mysql::Flavour;

use crate::shadow_table::{ID, refuse};

/// Bytes a second, for the estimates: slower than measured on two cores and a fast disk (see the reference of the
/// direct estimates in `locks`).
const COPIED: f64 = 60e6;
const INDEXED: f64 = 80e6;
const COMPARED: f64 = 100e6;

/// What a plan is for.
#[derive(Debug, Clone)]
pub struct About {
    /// What identifies it: the migration's key, or `alter TABLE`.
    pub key: String,
    /// See [`Plan::description`].
    pub description: String,
    /// The script; empty: the change comes from the command line.
    pub path: String,
    /// Where in it.
    pub at: Span,
    /// Limits of every step.
    pub limits: Limits,
    /// Which of the servers that are not PostgreSQL it is for.
    pub server: Option<Flavour>,
}

/// The plan of an online change. Refuses what cannot be done online, and what would lose values that nobody agreed
/// to lose.
pub fn online_plan(change: &Online, examined: &Examined, about: About) -> Result<Plan, Box<Refusal>> {
    refuse(change, examined)?;
    let units = units(change, examined, &about);
    finished(about, examined, units)
}

pub(crate) fn finished(about: About, examined: &Examined, units: Vec<Unit>) -> Result<Plan, Box<Refusal>> {
    Plan {
        strategy: ID.into(),
        key: about.key,
        description: about.description,
        intent: Intent::Apply,
        units,
        losses: examined.losses.clone(),
    }
    .checked()
    .map_err(|malformed| Box::new(Refusal::new(Code::Bug, malformed.to_string())))
}

/// One unit for each part, in order.
pub(crate) fn units(change: &Online, examined: &Examined, about: &About) -> Vec<Unit> {
    Part::WAY
        .iter()
        .zip('a'..)
        .map(|(part, letter)| Unit {
            atomic: false,
            steps: vec![step(change, examined, about, *part, format!("1{letter}"))],
        })
        .collect()
}

fn step(change: &Online, examined: &Examined, about: &About, part: Part, id: String) -> Step {
    let act = |part| Act::Online { change: Box::new(change.clone()), part };
    let undo = match part {
        Part::Finish => Undo::Impossible { why: "the old table is gone".into() },
        _ => match part.opposite() {
            Some(back) => Undo::Acts { acts: vec![act(back)], atomic: false, loses: None },
            None => Undo::Nothing,
        },
    };
    let words = words(change, examined, part);
    let Words { title, lock, blocks, estimate } = match about.server {
        Some(flavour) => in_mysql(words, part, flavour),
        None => words,
    };
    Step {
        id,
        phase: phase(part),
        title,
        act: act(part),
        probe: Probe::OnlineDone { change: Box::new(change.clone()), part },
        undo,
        limits: about.limits,
        lock: lock.into(),
        blocks: blocks.into(),
        estimate,
        path: about.path.clone(),
        at: about.at,
    }
}

fn phase(part: Part) -> Phase {
    match part {
        Part::Create | Part::Capture => Phase::Expanding,
        Part::Copy | Part::Index => Phase::Copying,
        Part::Compare => Phase::Verifying,
        Part::Gate => Phase::Ready,
        Part::Swap => Phase::CuttingOver,
        Part::Settle => Phase::Watching,
        _ => Phase::Contracting,
    }
}

/// What the plan's screen says of a part.
struct Words {
    title: String,
    lock: &'static str,
    blocks: &'static str,
    estimate: String,
}

fn words(change: &Online, examined: &Examined, part: Part) -> Words {
    let table = &change.table;
    let said = |title: String, lock, blocks, estimate: String| Words { title, lock, blocks, estimate };
    let per = |rate: f64| about_seconds(examined.bytes as f64 / rate);
    match part {
        Part::Create => said(
            format!("create the new {table} beside the old one"),
            "ACCESS SHARE",
            "nothing",
            "instant".into(),
        ),
        Part::Capture if change.capture == Capture::Logical => {
            said("read the keys of changed rows from a logical slot".into(), "", "nothing", "instant".into())
        }
        Part::Capture => said(
            "log the keys of changed rows from here on".into(),
            "SHARE ROW EXCLUSIVE",
            "<10 ms",
            "instant".into(),
        ),
        Part::Copy => said(
            format!("copy {} ({})", rows(examined.rows), size(examined.bytes)),
            "ACCESS SHARE",
            "nothing",
            per(COPIED),
        ),
        Part::Index => {
            said("build indexes and constraints of the new one".into(), "", "nothing", per(INDEXED))
        }
        Part::Compare => {
            let title = match change.proof.is_whole() {
                true => "bring changes over, compare both".to_owned(),
                false => format!("bring changes over, compare {}", change.proof.words()),
            };
            said(title, "ACCESS SHARE", "nothing", per(COMPARED))
        }
        Part::Gate => {
            let (title, estimate) = match &change.gate {
                Gate::Auto => ("keep both the same until the swap".into(), "instant".into()),
                Gate::Manual => ("wait for cofferdam cutover".into(), "until you say so".into()),
                Gate::Window { from, until } => {
                    (format!("wait until it is between {from} and {until} UTC"), "until then".into())
                }
            };
            said(title, "ACCESS SHARE", "nothing", estimate)
        }
        Part::Swap => said(
            "swap the tables".into(),
            "ACCESS EXCLUSIVE",
            "reads and writes for <100 ms",
            "instant".into(),
        ),
        Part::Settle => {
            said("validate foreign keys again".into(), "SHARE UPDATE EXCLUSIVE", "nothing", per(INDEXED))
        }
        _ => said("drop the old table".into(), "", "nothing", "on cofferdam finalize".into()),
    }
}

/// The same of MySQL and MariaDB, where keys come from the binary log and locks have other names.
fn in_mysql(words: Words, part: Part, flavour: Flavour) -> Words {
    let title = match part {
        Part::Capture => "read the keys of changed rows from the binary log from here on".to_owned(),
        Part::Index => "nothing: the new one has its indexes".to_owned(),
        Part::Settle => "nothing: there are no foreign keys".to_owned(),
        _ => words.title,
    };
    let (lock, blocks) = match (part, flavour) {
        (Part::Swap, Flavour::MySql) => ("LOCK TABLES ... WRITE", words.blocks),
        (Part::Swap, Flavour::MariaDb) => ("LOCK TABLES ... WRITE, then RENAME TABLE", words.blocks),
        _ => ("", "nothing"),
    };
    let instant = matches!(part, Part::Index | Part::Settle);
    Words { title, lock, blocks, estimate: if instant { "instant".into() } else { words.estimate } }
}

/// `782 MB`, `3.2 GB`.
pub(crate) fn size(bytes: u64) -> String {
    match bytes as f64 {
        b if b < 1e6 => format!("{:.0} kB", (b / 1e3).ceil()),
        b if b < 1e9 => format!("{:.0} MB", b / 1e6),
        b if b < 1e12 => format!("{:.1} GB", b / 1e9),
        b => format!("{:.1} TB", b / 1e12),
    }
}

/// `about 4.0 million rows`.
fn rows(rows: u64) -> String {
    match rows as f64 {
        r if r < 1e4 => format!("about {r} rows"),
        r if r < 1e6 => format!("about {:.0} thousand rows", r / 1e3),
        r if r < 1e9 => format!("about {:.1} million rows", r / 1e6),
        r => format!("about {:.1} billion rows", r / 1e9),
    }
}

/// As the estimates of `locks`.
fn about_seconds(seconds: f64) -> String {
    match seconds {
        s if s < 1.0 => "<1 s".to_owned(),
        s if s < 90.0 => format!("about {} s", s.round()),
        s if s < 90.0 * 60.0 => format!("about {} min", (s / 60.0).round()),
        s => format!("about {} h", (s / 3600.0).round()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_numbers_are_words() {
        for (bytes, said) in
            [(0, "0 kB"), (8_192, "9 kB"), (782_000_000, "782 MB"), (3_200_000_000, "3.2 GB")]
        {
            assert_eq!(size(bytes), said);
        }
        for (count, said) in
            [(7, "about 7 rows"), (40_400, "about 40 thousand rows"), (4_000_000, "about 4.0 million rows")]
        {
            assert_eq!(rows(count), said);
        }
        assert_eq!(about_seconds(0.2), "<1 s");
        assert_eq!(about_seconds(600.0), "about 10 min");
    }
}
