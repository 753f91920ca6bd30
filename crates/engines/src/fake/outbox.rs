//! The marks of the fake.

use super::server::Server;
use crate::{Mark, Sent};

pub(super) fn marks(server: &Server) -> Vec<Mark> {
    server.own.iter().flat_map(|own| own.marks.values().cloned()).collect()
}

pub(super) fn take(server: &mut Server, pid: i32, sink: &str, since: &str) -> Option<Mark> {
    let own = server.own.as_mut()?;
    if *server.telling.entry(sink.to_owned()).or_insert(pid) != pid {
        return None;
    }
    let time = |text: &str| text.parse::<jiff::Timestamp>().ok();
    let before = own.journal.iter().filter(|row| time(&row.at) < time(since)).map(|row| row.seq).max();
    let new = || Mark { sink: sink.to_owned(), sent: before.unwrap_or(0), ..Mark::default() };
    Some(own.marks.entry(sink.to_owned()).or_insert_with(new).clone())
}

pub(super) fn set(server: &mut Server, sink: &str, sent: &Sent) {
    let Some(mark) = server.own.as_mut().and_then(|own| own.marks.get_mut(sink)) else { return };
    let now = jiff::Timestamp::now().to_string();
    match sent {
        Sent::Delivered(seq) | Sent::Passed(seq) => {
            mark.sent = mark.sent.max(*seq);
            (mark.attempts, mark.error, mark.failed_at) = (0, None, None);
            if matches!(sent, Sent::Delivered(_)) {
                mark.sent_at = Some(now);
            }
        }
        Sent::Failed(why) => {
            mark.attempts += 1;
            (mark.error, mark.failed_at) = (Some(why.clone()), Some(now));
        }
    }
}
