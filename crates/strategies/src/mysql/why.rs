//! Why a change is made in the way that is planned on MySQL and MariaDB, or how it would keep nobody out.

use cofferdam_core::Name;
use cofferdam_core::change::Change;
use cofferdam_core::online::Examined;
use cofferdam_core::plan::Plan;
use cofferdam_dialects::mysql::Flavour;
use cofferdam_dialects::mysql::locks::{Lock, Server, effect_after};

use crate::Subject;
use crate::parts::size;
use crate::shadow_table::{ID, alteration, examined, only_alteration, size_of, table_of, worth_it};
use crate::transaction::without_frame;

/// A sentence for each reason; empty where nobody would ask.
pub(crate) fn why(plan: &Plan, subject: &Subject<'_>, flavour: Flavour) -> Vec<String> {
    let alone = only_alteration(subject);
    let looked =
        alone.as_ref().and_then(|(change, online)| Some((change, online, examined(subject, online)?)));
    let Some((change, online, examined)) = looked else {
        return offers(subject, flavour, alone.is_some());
    };
    let (table, size) = (&online.table, size_of(subject, change, examined));
    if plan.strategy == ID { chosen(table, &size, examined) } else { not_chosen(table, &size, examined) }
}

fn chosen(table: &Name, size: &str, examined: &Examined) -> Vec<String> {
    let why = match examined.rewrites {
        true => "by itself the server would keep writers out, as was seen on an empty copy",
        false => {
            "it was asked for: the server would do it without keeping writers out (ALGORITHM=INPLACE, LOCK=NONE)"
        }
    };
    let mut all = vec![format!("{table} ({size}) is changed online: {why}")];
    all.extend(examined.notes.iter().cloned());
    all
}

fn not_chosen(table: &Name, size: &str, examined: &Examined) -> Vec<String> {
    if !examined.rewrites {
        let how = "ALGORITHM=INPLACE, LOCK=NONE, as was tried on an empty copy";
        return vec![format!("{table} ({size}) is changed without keeping writers out ({how})")];
    }
    examined.obstacles.iter().map(|o| format!("{table} ({size}) is not changed online: {o}")).collect()
}

/// What each statement that stops writers for long would be done by.
fn offers(subject: &Subject<'_>, flavour: Flavour, alone: bool) -> Vec<String> {
    let offer = match alone {
        true => "--strategy shadow-table changes it online",
        false => "in a migration of its own, --strategy shadow-table changes it online",
    };
    let said = |(change, lock): (&Change, Lock)| {
        let whom = if lock == Lock::Exclusive { "readers and writers wait" } else { "writers wait" };
        let table = table_of(subject, change)?;
        let name = table.resolved.as_ref()?;
        Some(format!("{name} ({}) is written anew while {whom}: {offer}", size(table.total_bytes())))
    };
    stopping(subject, flavour).into_iter().filter_map(said).collect()
}

/// Statements that keep others out of a large table until it is written anew.
pub(crate) fn stopping<'a>(subject: &Subject<'a>, flavour: Flavour) -> Vec<(&'a Change, Lock)> {
    let Ok(changes) = without_frame(subject) else { return Vec::new() };
    let server = Server::of(flavour, Some(subject.facts));
    let stops = |(at, change): (usize, &'a Change)| {
        alteration(subject, change)?;
        let large = table_of(subject, change).is_some_and(|table| worth_it(table, None));
        let class = effect_after(&changes[..at], change, Some(subject.facts), server).class?;
        (large && class.rebuilds && class.lock != Lock::None).then_some((change, class.lock))
    };
    changes.iter().enumerate().filter_map(stops).collect()
}
