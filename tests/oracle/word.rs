//! What was said, held against what was done.

use cofferdam_core::{Finding, Severity};
use cofferdam_dialects::postgres::locks::Lock;
use cofferdam_lint::SPEAK_OF_LOCKS;

use crate::ask::{Answer, Deed};

/// Everything that was said of a statement and is not so.
pub(crate) fn judge(answer: &Answer) -> Vec<String> {
    let sql = &answer.statement.sql;
    let mut wrong = Vec::new();
    let main = answer.truth.get(&answer.statement.on).cloned().unwrap_or_default();
    wrong.extend(lock(answer, &main));
    if answer.statement.alone {
        wrong.extend(rewrite(answer));
    } else {
        wrong.extend(work(answer));
        wrong.extend(rules(answer));
    }
    wrong.into_iter().map(|why| format!("{sql}: {why}")).collect()
}

/// The lock on the relation that the statement is about, and the locks on others.
fn lock(answer: &Answer, main: &Deed) -> Vec<String> {
    let on = &answer.statement.on;
    let said_of = |name: &str| {
        let other = answer.said.parents.iter().find(|(parent, _)| parent.name == name).map(|(_, lock)| *lock);
        let own = answer.said.parents.iter().all(|(parent, _)| parent.name != name) && name == on;
        if own { answer.said.lock } else { other.unwrap_or_default() }
    };
    let mut wrong = Vec::new();
    // What the statement only reads is no lock that anybody feels, nor said of one that is only looked into.
    let felt = |lock: Lock| if lock > Lock::AccessShare { lock } else { Lock::None };
    if felt(said_of(on)) != felt(main.lock) {
        wrong.push(format!("said {:?} on {on}, and it is {:?}", said_of(on), main.lock));
    }
    for (name, deed) in
        answer.truth.iter().filter(|(name, deed)| *name != on && deed.lock > Lock::RowExclusive)
    {
        if said_of(name) != deed.lock {
            wrong.push(format!("said {:?} on {name}, and it is {:?}", said_of(name), deed.lock));
        }
    }
    wrong
}

/// Whether something is rewritten, read, or indexed.
fn work(answer: &Answer) -> Vec<String> {
    let any = |deed: fn(&Deed) -> bool| answer.truth.values().any(|d| d.lock > Lock::AccessShare && deed(d));
    let (said, mut wrong) = (&answer.said, Vec::new());
    // A sample, and what a query or a write reads, are its own affair.
    let reads = matches!(said.lock, Lock::AccessShare | Lock::RowShare | Lock::RowExclusive | Lock::None);
    let judged: [(&str, bool, bool); 3] = [
        ("rewrite", said.rewrites, any(|d| d.rewritten)),
        ("scan", said.scans, any(|d| d.scanned || d.rewritten)),
        ("index", said.builds_index, any(|d| d.indexed)),
    ];
    for (what, said, is) in judged {
        if said != is && !(reads && said_nothing_of_others(answer)) {
            wrong.push(format!("said {what}: {said}, and it is {is}"));
        }
    }
    wrong
}

/// Of a statement outside of a transaction the counters of rows are another session's; its files are everybody's.
fn rewrite(answer: &Answer) -> Option<String> {
    let is = answer.truth.values().any(|deed| deed.rewritten);
    (answer.said.rewrites != is).then(|| format!("said rewrite: {}, and it is {is}", answer.said.rewrites))
}

fn said_nothing_of_others(answer: &Answer) -> bool {
    answer.truth.values().all(|deed| deed.lock <= Lock::RowExclusive)
}

/// A rule speaks where a table is blocked while it is worked on, and nowhere else.
fn rules(answer: &Answer) -> Vec<String> {
    // Nobody writes to a materialized view.
    let blocks =
        |name: &str, lock: Lock| if name == "mv" { lock.blocks_reads() } else { lock.blocks_writes() };
    let blocked = answer.truth.iter().any(|(name, d)| blocks(name, d.lock) && (d.rewritten || d.scanned));
    // It speaks of two locks; that rows are looked up meanwhile makes it more than a hint.
    let looks_up = |finding: &Finding| {
        finding.rule == "add-column-inline-references" && finding.severity > Severity::Info
    };
    let speaks = |finding: &&Finding| SPEAK_OF_LOCKS.contains(&finding.rule) || looks_up(finding);
    let spoken: Vec<&str> = answer.findings.iter().filter(speaks).map(|finding| finding.rule).collect();
    match (blocked, spoken.is_empty()) {
        (true, true) => vec!["no rule says that it blocks a table while it works".to_owned()],
        (false, false) => vec![format!("a false alarm of {}", spoken.join(", "))],
        _ => Vec::new(),
    }
}
