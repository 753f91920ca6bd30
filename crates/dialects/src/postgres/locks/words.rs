//! Whom a statement blocks and how long it takes, in words for the plan's screen.

use cofferdam_core::facts::{Server, Table};

use super::{Effect, Lock};

/// Bytes of a table that are read and checked in a second.
///
/// This rate and the other two are defaults, slower than a cloud disk of the usual size, until runs on the same
/// database have measured better ones. They are for a person who decides whether to wait, not for a limit.
pub const SCAN_BYTES_PER_SECOND: u64 = 200_000_000;
/// Bytes of a table of which an index is built in a second.
pub const INDEX_BYTES_PER_SECOND: u64 = 80_000_000;
/// Bytes of a table and of its indexes that are written anew in a second.
pub const REWRITE_BYTES_PER_SECOND: u64 = 30_000_000;

/// Below this a statement counts as instant: 10 ms, in seconds.
const INSTANT: f64 = 0.01;

const NOT_KNOWN: &str = "not known";

/// Whom the statement blocks, and how long it takes: `("<10 ms", "instant")`, `("writes for about 40 s",
/// "about 40 s")`, `("nothing", "about 4 min, and until a transaction ends that is open for 12 min")`. Waiting for the
/// lock itself is not counted. `table` is the one that the statement changes; without it, what depends on its size is
/// `not known`. `server` says which transactions are open.
pub fn words(effect: &Effect, table: Option<&Table>, server: Option<&Server>) -> (String, String) {
    let (blocks, estimate) = by_itself(effect, table);
    let open = server.filter(|_| effect.waits()).and_then(Server::long_open);
    match open.map(|seconds| format!("until a transaction ends that is open for {}", whole(seconds))) {
        Some(until) if estimate == "instant" => (blocks, until),
        Some(until) => (blocks, format!("{estimate}, and {until}")),
        None => (blocks, estimate),
    }
}

/// As if nobody else were there.
fn by_itself(effect: &Effect, table: Option<&Table>) -> (String, String) {
    if effect.unread {
        return (NOT_KNOWN.to_owned(), NOT_KNOWN.to_owned());
    }
    let strongest = effect.parents.iter().map(|(_, lock)| *lock).max().unwrap_or(Lock::None).max(effect.lock);
    let seconds = seconds(effect, table);
    let estimate = match seconds {
        None => NOT_KNOWN.to_owned(),
        Some(s) if s < INSTANT => "instant".to_owned(),
        Some(s) => duration(s),
    };
    let whom = match strongest {
        lock if lock.blocks_reads() => "reads and writes",
        lock if lock.blocks_writes() => "writes",
        Lock::RowExclusive => return ("the rows it changes".to_owned(), estimate),
        _ => return ("nothing".to_owned(), estimate),
    };
    let blocks = match seconds {
        None => format!("{whom}, not known how long"),
        Some(s) if s < INSTANT => "<10 ms".to_owned(),
        Some(s) => format!("{whom} for {}", duration(s)),
    };
    (blocks, estimate)
}

/// How long it takes; `None`: not known.
fn seconds(effect: &Effect, table: Option<&Table>) -> Option<f64> {
    match effect.lock {
        // A query or a write: its time is that of its own plan.
        Lock::AccessShare | Lock::RowShare | Lock::RowExclusive => return None,
        _ if !(effect.rewrites || effect.scans || effect.builds_index) => return Some(0.0),
        _ => {}
    }
    // What is read under another table's stronger lock is that table (ATTACH PARTITION), and not this one.
    if !effect.builds_index && effect.parents.iter().any(|(_, lock)| *lock > effect.lock) {
        return None;
    }
    let table = table?;
    let per = |bytes: u64, rate: u64| bytes as f64 / rate as f64;
    if effect.rewrites {
        return Some(per(table.total_bytes(), REWRITE_BYTES_PER_SECOND));
    }
    let scan = per(table.bytes, SCAN_BYTES_PER_SECOND);
    if !effect.builds_index {
        return Some(scan);
    }
    let build = per(table.bytes, INDEX_BYTES_PER_SECOND);
    // CONCURRENTLY reads the table a second time.
    Some(if effect.waits() { build + scan } else { build })
}

/// `<1 s`, `about 40 s`, `about 4 min`, `about 3 h`.
fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 1.0 => "<1 s".to_owned(),
        s if s < 90.0 => format!("about {} s", s.round()),
        s if s < 90.0 * 60.0 => format!("about {} min", (s / 60.0).round()),
        s => format!("about {} h", (s / 3600.0).round()),
    }
}

/// `40 s`, `12 min`, `3 h`.
fn whole(seconds: u64) -> String {
    match seconds {
        0..90 => format!("{seconds} s"),
        90..5_400 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_screen_says_whom_and_how_long() {
        let table = |megabytes: u64| Table { exists: true, bytes: megabytes * 1_000_000, ..Table::default() };
        let (empty, orders, big) = (table(0), table(3_200), table(900_000));
        let quick = Effect::taking(Lock::AccessExclusive);
        let build = Effect::taking(Lock::Share).building();
        let online = Effect::taking(Lock::ShareUpdateExclusive).building();
        let scan = Effect::taking(Lock::AccessExclusive).scanning();
        let part = cofferdam_core::Name::plain("orders_2025");
        let attach = Effect::taking(Lock::ShareUpdateExclusive).scanning().also(part, Lock::AccessExclusive);
        let cases: &[(&Effect, Option<&Table>, &str, &str)] = &[
            (&quick, None, "<10 ms", "instant"),
            (&build, Some(&orders), "writes for about 40 s", "about 40 s"),
            (&online, Some(&orders), "nothing", "about 56 s"),
            (&online, Some(&table(20_000)), "nothing", "about 6 min"),
            (&online, None, "nothing", "not known"),
            (&scan, Some(&orders), "reads and writes for about 16 s", "about 16 s"),
            (&scan, Some(&empty), "<10 ms", "instant"),
            (&scan, Some(&table(20)), "reads and writes for <1 s", "<1 s"),
            (&scan, None, "reads and writes, not known how long", "not known"),
            (
                &Effect::taking(Lock::AccessExclusive).rewriting(),
                Some(&big),
                "reads and writes for about 8 h",
                "about 8 h",
            ),
            (&attach, Some(&orders), "reads and writes, not known how long", "not known"),
            (&Effect::taking(Lock::RowExclusive), Some(&orders), "the rows it changes", "not known"),
            (&Effect::default(), None, "nothing", "instant"),
            (&Effect { unread: true, ..Effect::default() }, None, "not known", "not known"),
        ];
        for (effect, table, blocks, estimate) in cases {
            let told = words(effect, *table, None);
            assert_eq!(told, ((*blocks).to_owned(), (*estimate).to_owned()), "{effect:?}");
        }
        let open = |seconds| Server { open_for_seconds: Some(seconds), ..Server::default() };
        let told = |effect, table, seconds| words(effect, Some(table), Some(&open(seconds))).1;
        assert_eq!(told(&online, &orders, 9), "about 56 s");
        assert_eq!(
            told(&online, &orders, 725),
            "about 56 s, and until a transaction ends that is open for 12 min"
        );
        assert_eq!(told(&online, &empty, 40), "until a transaction ends that is open for 40 s");
        // These wait for their lock, which is not counted.
        assert_eq!(told(&build, &orders, 725), "about 40 s");
    }
}
