//! What the plan says of a step, held against what the step was seen to do. Pure.

use cofferdam_core::plan::{Act, Step};
use cofferdam_core::{Facts, facts::Table};
use cofferdam_dialects::postgres::locks::{Lock, REWRITE_BYTES_PER_SECOND, SCAN_BYTES_PER_SECOND};
use cofferdam_engines::Deed;

/// What is over in this time counts as instant whatever it does, in seconds: see the plan's own words.
const INSTANT: f64 = 0.05;

/// More and less than the plan says, a sentence each. `facts` are of the database itself: the copy is small, and what
/// is an instant there is none in a large table.
pub(super) fn judge(step: &Step, deed: &Deed, facts: &Facts) -> (Vec<String>, Vec<String>) {
    let (mut more, mut less) = (Vec::new(), Vec::new());
    if matches!(step.act, Act::Online { .. } | Act::Park { .. })
        || step.estimate == "not known" && step.lock.is_empty()
    {
        return (more, less);
    }
    locks(step, deed, (&mut more, &mut less));
    let text = step.act.text();
    let empties = text.trim_start().to_ascii_uppercase().starts_with("TRUNCATE");
    if step.estimate == "instant" {
        // Rows that are read under a lock that nobody feels hold nobody up.
        let felt = |name: &String| lock_on(deed, name).is_some_and(|lock| lock.blocks_writes());
        for name in deed.rewritten.iter().filter(|name| !empties && felt(name)) {
            if let Some(table) = large(facts, name, REWRITE_BYTES_PER_SECOND) {
                more.push(format!(
                    "{} writes {name} anew ({} rows), and the plan says instant",
                    step.title,
                    rows(table)
                ));
            }
        }
        for (name, _) in deed.read.iter().filter(|(name, _)| felt(name) && !deed.rewritten.contains(name)) {
            if let Some(table) = large(facts, name, SCAN_BYTES_PER_SECOND) {
                more.push(format!(
                    "{} reads all of {name} ({} rows), and the plan says instant",
                    step.title,
                    rows(table)
                ));
            }
        }
    }
    let blocks = Lock::named(&step.lock).is_some_and(Lock::blocks_writes);
    if takes_long(&step.estimate)
        && blocks
        && deed.rewritten.is_empty()
        && deed.read.is_empty()
        && deed.locks_seen
    {
        less.push(format!(
            "{}: the plan says {}, and nothing was written or read here; with --sample-rows the copy has rows",
            step.title, step.estimate
        ));
    }
    (more, less)
}

fn locks(step: &Step, deed: &Deed, (more, less): (&mut Vec<String>, &mut Vec<String>)) {
    if !deed.locks_seen {
        return;
    }
    let Some(said) = Lock::named(&step.lock) else { return };
    let strongest = deed.locks.iter().filter_map(|(name, lock)| Some((Lock::named(lock)?, name))).max();
    let held = deed.held.iter().filter_map(|(_, lock)| Lock::named(lock)).max().unwrap_or_default();
    match strongest {
        // The words say whom it blocks from all that it locks; the lock is that on its own table.
        Some((lock, name)) if lock > said && felt_more(said, lock, step) => {
            let said = if step.lock.is_empty() { "none" } else { &step.lock };
            more.push(format!("{} takes {} on {name}, and the plan says {said}", step.title, lock.name()));
        }
        Some((lock, _)) if lock < said && held < said => {
            less.push(format!("{} takes {}, and the plan says {}", step.title, lock.name(), step.lock));
        }
        _ => {}
    }
}

/// Somebody is blocked who by the plan's words is not.
fn felt_more(said: Lock, lock: Lock, step: &Step) -> bool {
    let whom = |lock: Lock| (lock.blocks_writes(), lock.blocks_reads());
    // `<10 ms` and the like are said of the strongest of all its locks.
    whom(lock) != whom(said) && (step.blocks == "nothing" || step.blocks == "the rows it changes")
}

/// The estimate says seconds, or that nobody knows of something that blocks.
pub(super) fn takes_long(estimate: &str) -> bool {
    estimate.starts_with("about ")
}

fn lock_on(deed: &Deed, name: &str) -> Option<Lock> {
    let all = deed.locks.iter().chain(&deed.held).filter(|(of, _)| of == name);
    all.filter_map(|(_, lock)| Lock::named(lock)).max()
}

/// The table of the database, where the work would take longer than an instant there.
fn large<'f>(facts: &'f Facts, name: &str, rate: u64) -> Option<&'f Table> {
    let resolved = |table: &&Table| table.resolved.as_ref().is_some_and(|own| own.to_string() == name);
    let table = facts.tables.values().find(resolved)?;
    (table.bytes as f64 / rate as f64 > INSTANT).then_some(table)
}

fn rows(table: &Table) -> String {
    table.rows.map_or_else(|| "how many is not known".to_owned(), |rows| rows.to_string())
}

#[cfg(test)]
mod tests {
    use cofferdam_core::plan::{Probe, Undo};
    use cofferdam_core::{Limits, Name, Phase, Span};

    use super::*;

    fn step(lock: &str, blocks: &str, estimate: &str) -> Step {
        Step {
            id: "1".into(),
            phase: Phase::Expanding,
            title: "do it".into(),
            act: Act::sql("ALTER TABLE t ADD COLUMN c int"),
            probe: Probe::Nothing,
            undo: Undo::Nothing,
            limits: Limits::default(),
            lock: lock.into(),
            blocks: blocks.into(),
            estimate: estimate.into(),
            path: String::new(),
            at: Span::default(),
        }
    }

    fn deed(lock: &str, rewritten: bool, read: bool) -> Deed {
        Deed {
            locks: vec![("public.t".into(), lock.into())],
            locks_seen: true,
            rewritten: if rewritten { vec!["public.t".into()] } else { Vec::new() },
            read: if read { vec![("public.t".into(), 100)] } else { Vec::new() },
            ..Deed::default()
        }
    }

    fn facts(bytes: u64) -> Facts {
        let table =
            Table { exists: true, resolved: Some(Name::qualified("public", "t")), bytes, ..Table::default() };
        Facts { tables: [("t".to_owned(), table)].into(), ..Facts::default() }
    }

    #[test]
    fn more_is_told_of_large_tables_and_of_locks_that_nobody_was_told_of() {
        let big = facts(5_000_000_000);
        let instant = step("ACCESS EXCLUSIVE", "<10 ms", "instant");
        let more = |step: &Step, deed: &Deed, facts: &Facts| judge(step, deed, facts).0.len();
        assert_eq!(more(&instant, &deed("ACCESS EXCLUSIVE", false, false), &big), 0);
        assert_eq!(more(&instant, &deed("ACCESS EXCLUSIVE", true, true), &big), 1);
        assert_eq!(more(&instant, &deed("ACCESS EXCLUSIVE", false, true), &big), 1);
        assert_eq!(more(&instant, &deed("SHARE UPDATE EXCLUSIVE", false, true), &big), 0);
        assert_eq!(more(&instant, &deed("ACCESS EXCLUSIVE", true, true), &facts(10_000)), 0);
        let quiet = step("SHARE UPDATE EXCLUSIVE", "nothing", "about 40 s");
        assert_eq!(more(&quiet, &deed("SHARE UPDATE EXCLUSIVE", false, true), &big), 0);
        assert_eq!(more(&quiet, &deed("SHARE", false, true), &big), 1);
        assert_eq!(more(&quiet, &Deed { locks_seen: false, ..deed("SHARE", false, true) }, &big), 0);
    }

    #[test]
    fn less_is_told_and_is_no_reason_to_refuse() {
        let scan = step("ACCESS EXCLUSIVE", "reads and writes for about 16 s", "about 16 s");
        let less = |deed: &Deed| judge(&scan, deed, &facts(1)).1.len();
        assert_eq!(less(&deed("ACCESS EXCLUSIVE", false, true)), 0);
        assert_eq!(less(&deed("ACCESS EXCLUSIVE", false, false)), 1);
        assert_eq!(less(&deed("SHARE", false, true)), 1);
        let held =
            Deed { held: vec![("public.t".into(), "ACCESS EXCLUSIVE".into())], ..deed("SHARE", false, true) };
        assert_eq!(less(&held), 0);
    }
}
