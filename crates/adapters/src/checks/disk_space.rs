//! There is room for copies, indexes and the log.
//!
//! No SQL tells how much is free: it is seen where the server is on this machine. Where it is not, a plan that adds next
//! to nothing passes all the same, and it is said; one that adds much does not, unless somebody knows better.

use super::{Asked, Check, Found, Look, Takes, Value, Verdict, size};

/// A plan that adds less than this fits wherever a server still runs at all.
pub(super) const SMALL: u64 = 64_000_000;

pub(super) static CHECK: Check = Check {
    id: "disk-space",
    about: "so much is free where the server keeps its data, or else what the plan is estimated to need",
    takes: Takes::Bytes,
    asks: |_, _| vec![Look::Room],
    judge,
};

fn judge(asked: &Asked, found: &Found) -> Verdict {
    let threshold = match asked.value {
        Value::Bytes(bytes) => Some(bytes),
        _ => None,
    };
    let needs = match found.needs {
        0 => "the plan adds next to nothing".to_owned(),
        needs => format!("the plan is estimated to need {}", size(needs)),
    };
    if found.room.is_empty() {
        if found.needs < SMALL {
            return Verdict::Doubtful(format!("how much is free cannot be seen from here, but {needs}"));
        }
        return Verdict::unread(
            "how much disk is free cannot be seen from here",
            format!("no SQL tells it, and the server's folders are not on this machine; {needs}"),
            "look at the server, then agree with a reason: --allow disk-space=\"300 GB free\"; on the server's own \
             machine the role needs GRANT pg_read_all_settings",
        );
    }
    let wanted = threshold.unwrap_or(0).max(found.needs);
    let short = found.room.iter().filter(|room| room.free < wanted);
    let short: Vec<String> =
        short.map(|room| format!("{} are free in {}", size(room.free), room.folder)).collect();
    if short.is_empty() {
        let free = found.room.iter().map(|room| room.free).min().unwrap_or(0);
        return Verdict::Holds(format!("{} are free; {needs}", size(free)));
    }
    let why = match threshold {
        Some(threshold) if threshold >= found.needs => format!("{} are asked for; {needs}", size(threshold)),
        _ => needs,
    };
    Verdict::fails(short.join("; "), why, "make room there, then run the same command again")
}
