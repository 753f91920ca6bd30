//! Online changes of the fake: which part was done last, and what somebody asked. No rows are moved: what stands
//! above the engines sees parts that are done in order, each once, and can be lost at every place.

use std::collections::BTreeMap;
use std::time::Duration;

use cofferdam_core::fault::Result;
use cofferdam_core::online::{Examined, Gate, Online, Part};
use cofferdam_core::plan::Seen;
use cofferdam_core::{Code, Fault, Refusal};

use super::server::Server;
use super::session::{FakeSession, refused};
use crate::online::{Asked, OnlineState, Progress, no_such_change};

/// How often an open gate, or the end of a pause, is looked for.
const POLL: Duration = Duration::from_millis(2);

/// Online changes and what the test says of their tables.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// By [`Online::id`]. One that was finished or discarded is not here.
    by_id: BTreeMap<String, Change>,
    /// Those whose last part is done, by their id.
    finished: BTreeMap<String, Online>,
    /// What `examine` answers, by the table as it is displayed.
    pub(super) examined: BTreeMap<String, Examined>,
}

#[derive(Debug, Clone)]
struct Change {
    online: Online,
    stage: Option<Part>,
    /// This part was begun and did not end; something of it is there.
    halfway: Option<Part>,
    asked: Control,
}

#[derive(Debug, Clone, Default)]
struct Control {
    paused: bool,
    cutover: bool,
    abort: bool,
    workers: Option<u32>,
    full_speed: bool,
}

/// Waits while the change is paused or its gate is closed.
pub(super) async fn wait(session: &mut FakeSession, change: &Online, part: Part) -> Result<()> {
    loop {
        let asked = {
            let server = session.database.server();
            server.online.by_id.get(&change.id()).map(|c| c.asked.clone()).unwrap_or_default()
        };
        let forward = Part::WAY.contains(&part) && part <= Part::Swap;
        if forward && asked.abort {
            return Err(refused(Code::Aborted));
        }
        let closed = part == Part::Gate && change.gate != Gate::Auto && !asked.cutover;
        if !(closed || (forward && asked.paused)) {
            return Ok(());
        }
        if (session.stop)().asked() {
            return Err(refused(Code::Interrupted));
        }
        tokio::time::sleep(POLL).await;
    }
}

/// A part that takes a lock on the table does not get it while somebody else holds the table.
pub(super) fn table_lock(server: &Server, change: &Online, part: Part) -> Result<()> {
    let locks = matches!(part, Part::Capture | Part::Swap | Part::SwapBack);
    if !locks || !server.held_tables.contains(&change.table.to_string()) {
        return Ok(());
    }
    Err(Fault::Again {
        after: Duration::ZERO,
        why: Box::new(Refusal::new(
            Code::LockNotObtained,
            format!("{} was not locked in time", change.table),
        )),
    })
}

/// Does the part. The error is the server's own words: it was done before, or one before it was not.
pub(super) fn perform(server: &mut Server, change: &Online, part: Part) -> Result<(), String> {
    let id = change.id();
    let changes = &mut server.online;
    if part == Part::Create {
        let begun = Change { online: change.clone(), stage: None, halfway: None, asked: Control::default() };
        let found = changes.by_id.entry(id).or_insert(begun);
        if found.stage.is_some() {
            return Err(format!("{} was done before", part.word()));
        }
        *found = Change { stage: Some(Part::Create), halfway: None, ..found.clone() };
        return Ok(());
    }
    let Some(found) = changes.by_id.get_mut(&id) else {
        return Err(format!("{} is not being changed", change.table));
    };
    let from = match part {
        Part::SwapBack => found.stage.filter(|stage| matches!(stage, Part::Swap | Part::Settle)),
        Part::Release => found.stage.filter(|stage| *stage < Part::Swap && *stage >= Part::Capture),
        Part::Discard => found.stage.filter(|stage| *stage == Part::Create),
        _ => {
            let before = Part::WAY.iter().rev().find(|before| **before < part).copied();
            found.stage.filter(|stage| Some(*stage) == before)
        }
    };
    let halfway_created = part == Part::Discard && found.halfway == Some(Part::Create);
    let halfway_captured = part == Part::Release && found.halfway == Some(Part::Capture);
    if from.is_none() && !halfway_created && !halfway_captured {
        let stage = found.stage.map_or("nothing", Part::word);
        return Err(format!("{} cannot be done after {stage}", part.word()));
    }
    found.halfway = None;
    match part {
        Part::SwapBack => found.stage = Some(Part::Gate),
        Part::Release => found.stage = Some(Part::Create),
        Part::Discard => {
            changes.by_id.remove(&id);
        }
        Part::Finish => {
            let done = changes.by_id.remove(&id);
            changes.finished.extend(done.map(|done| (id, done.online)));
        }
        _ => found.stage = Some(part),
    }
    Ok(())
}

/// A part that moves more than one transaction can hold is left halfway; the swaps are one transaction each.
pub(super) fn leave_halfway(server: &mut Server, change: &Online, part: Part) {
    let id = change.id();
    let changes = &mut server.online;
    match part {
        Part::Create if !changes.by_id.contains_key(&id) => {
            let halfway = Some(Part::Create);
            let begun = Change { online: change.clone(), stage: None, halfway, asked: Control::default() };
            changes.by_id.insert(id, begun);
        }
        Part::Capture | Part::Copy | Part::Index => {
            if let Some(found) = changes.by_id.get_mut(&id) {
                found.halfway = Some(part);
            }
        }
        _ => {}
    }
}

/// See [`crate::Session::probe`].
pub(super) fn probe(server: &Server, change: &Online, part: Part) -> Seen {
    if !Part::WAY.contains(&part) {
        return match part.opposite().map(|taken_back| probe(server, change, taken_back)) {
            Some(Seen::NotDone) => Seen::Done,
            Some(Seen::Partly(what)) => Seen::Partly(what),
            _ => Seen::NotDone,
        };
    }
    match server.online.by_id.get(&change.id()) {
        None if server.online.finished.contains_key(&change.id()) => Seen::Done,
        None => Seen::NotDone,
        Some(found) if found.stage.is_some_and(|stage| stage >= part) => Seen::Done,
        Some(found) if found.halfway == Some(part) => Seen::Partly(format!("{} began", part.word())),
        Some(_) => Seen::NotDone,
    }
}

/// See [`crate::Session::examine`]. What no test said something else of is rewritten and has a key.
pub(super) fn examine(server: &Server, change: &Online) -> Examined {
    let known = server.online.examined.get(&change.table.to_string()).cloned();
    known.unwrap_or_else(|| Examined { rewrites: true, key: vec!["id".into()], ..Examined::default() })
}

/// See [`crate::Session::online`].
pub(super) fn states(server: &Server) -> Vec<OnlineState> {
    let state = |(id, change): (&String, &Change)| OnlineState {
        id: id.clone(),
        run: None,
        change: change.online.clone(),
        stage: change.stage,
        progress: Progress::default(),
        paused: change.asked.paused,
        cutover: change.asked.cutover,
        abort: change.asked.abort,
        workers_limit: change.asked.workers,
        full_speed: change.asked.full_speed,
        poisoned: None,
        began_at: String::new(),
        updated_at: String::new(),
        silent_seconds: 0,
        swapped_at: None,
    };
    server.online.by_id.iter().map(state).collect()
}

/// See [`crate::Session::control`].
pub(super) fn control(server: &mut Server, id: &str, asked: &Asked) -> Result<()> {
    let Some(change) = server.online.by_id.get_mut(id) else { return Err(no_such_change(id).into()) };
    match asked {
        Asked::Pause => change.asked.paused = true,
        Asked::Resume => change.asked.paused = false,
        Asked::Cutover => change.asked.cutover = true,
        Asked::Abort => change.asked.abort = true,
        Asked::Throttle { workers } => change.asked.workers = Some(*workers).filter(|n| *n > 0),
        Asked::Pace { full } => change.asked.full_speed = *full,
    }
    Ok(())
}
