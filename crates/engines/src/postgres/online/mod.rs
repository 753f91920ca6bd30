//! Online change of a table by a shadow table.
//!
//! The parts of a change in their order are [`Part::WAY`]; `docs/online-change.md` walks through them. This file says
//! what each part does; a sibling does it. All state is in the target database, so that each part can be performed
//! again by another process from wherever it was left.

use tokio_postgres::Client;

use cofferdam_core::fault::Result;
use cofferdam_core::online::{Online, Part};
use cofferdam_core::plan::Seen;
use cofferdam_core::{Code, Fault, Refusal};

use super::session::PostgresSession;

mod apply;
mod capture;
mod carry;
mod chunks;
mod clean;
mod compare;
mod copy;
mod disk;
mod flow;
mod gate;
mod guard;
mod index;
mod logical;
mod misfit;
mod outside;
mod pace;
mod plant;
mod snapshots;
mod state;
mod swap;
#[cfg(test)]
mod tests;
mod throttle;
mod work;
mod worker;

use carry::Blueprint;
use flow::{Direction, Flow};
use work::{Valve, Work};

pub(super) use carry::examine;
pub(super) use disk::rooms;
pub(super) use outside::{control, states};

/// A mistake that is made on purpose; see `plant`.
pub(super) fn planted(name: &str) -> bool {
    cofferdam_core::failpoint::planted(name)
}

/// Does a part, going on from where an earlier try left it. Done twice it is as if done once.
pub(super) async fn perform(session: &PostgresSession, change: &Online, part: Part) -> Result<()> {
    let client = &session.client;
    let epoch = session.claim.as_ref().map(|c| c.epoch).ok_or_else(|| {
        Fault::Bug("a part of an online change was to be performed without the run lock".into())
    })?;
    let stored = state::read(client, change).await?;
    match (part, stored) {
        (Part::Create, None) => create(session, change, epoch).await,
        // Another change of this table: there is nothing of ours to take back.
        (Part::Discard | Part::Release, Some(stored)) if stored.change != *change => Ok(()),
        (Part::Discard, _) => clean::discard(client, change).await,
        (Part::Release, _) => clean::release(client, change).await,
        (Part::Finish, None) => Ok(()),
        (_, None) => Err(Fault::Bug(format!("nothing is stored of the online change of {}", change.table))),
        (_, Some(stored)) if stored.change != *change => Err(state::in_progress(&stored).into()),
        (Part::Finish, Some(_)) => clean::finish(client, change).await,
        (Part::SwapBack, Some(stored)) if stored.stage < Some(Part::Swap) => Ok(()),
        (part, Some(stored)) if part != Part::SwapBack && stored.stage >= Some(part) => Ok(()),
        (part, Some(stored)) => Work::adopt(session, change, stored, epoch, part).await?.perform(part).await,
    }
}

/// Whether a part was done.
pub(super) async fn probe(client: &Client, change: &Online, part: Part) -> Result<Seen> {
    let stored = state::read(client, change).await?.filter(|stored| stored.change == *change);
    let stage = match stored {
        None => {
            let gone = matches!(part, Part::Discard | Part::Release | Part::Finish);
            return Ok(if gone { Seen::Done } else { Seen::NotDone });
        }
        Some(stored) => stored.stage,
    };
    let done = match part {
        Part::SwapBack => stage < Some(Part::Swap),
        Part::Release => stage <= Some(Part::Create),
        Part::Discard | Part::Finish => false,
        part => stage >= Some(part),
    };
    Ok(match part {
        _ if done => Seen::Done,
        // These leave something behind wherever they are stopped.
        Part::Copy | Part::Index | Part::Compare | Part::Settle | Part::Finish => {
            Seen::Partly(format!("{} has begun", part.word()))
        }
        _ => Seen::NotDone,
    })
}

/// The shadow table, empty and changed, and the tables of the change: in one transaction, or nothing of it.
async fn create(session: &PostgresSession, change: &Online, epoch: i64) -> Result<()> {
    let client = &session.client;
    let doing = "creating the new table";
    let examined = carry::examine(client, change).await?;
    refuse(change, &examined)?;
    worker::run(client, &format!("SET client_min_messages = warning; {}", outside::TABLES), doing).await?;
    // It looks in transactions of its own.
    let print = carry::blueprint(client, change).await?;
    worker::run(
        client,
        "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL search_path = ''; SET LOCAL lock_timeout = '500ms'",
        doing,
    )
    .await?;
    let created = install(client, change, &print, epoch).await;
    if created.is_err() {
        worker::rollback(client).await;
        return created;
    }
    worker::crash_at("online.create.before-commit")?;
    worker::run(client, "COMMIT", doing).await?;
    worker::crash_at("online.create.committed")?;
    Ok(())
}

async fn install(client: &Client, change: &Online, print: &Blueprint, epoch: i64) -> Result<()> {
    let doing = "creating the new table";
    let forward = Flow::new(change, print, Direction::Forward)?;
    let back = Flow::new(change, print, Direction::Back)?;
    let mut statements = print.create.clone();
    statements.extend(capture::fence(&change.new_schema(), epoch, print.table_oid)?);
    statements.extend(capture::tables(&forward)?);
    statements.extend(capture::tables(&back)?);
    statements.push(state::insert(change, print, epoch)?);
    for sql in statements {
        worker::run(client, &sql, doing).await?;
    }
    Ok(())
}

/// What cannot be done online, or would lose something that nobody agreed to lose.
fn refuse(change: &Online, examined: &cofferdam_core::online::Examined) -> Result<()> {
    let refusal = |what: String, reasons: &[String], help: &str| -> Fault {
        let refusal = Refusal::new(Code::NotOnline, what).help(help.to_owned());
        reasons.iter().fold(refusal, |r, why| r.note(why.clone())).into()
    };
    if !examined.obstacles.is_empty() {
        let what = format!("{} cannot be changed online", change.table);
        return Err(refusal(what, &examined.obstacles, "see the reasons; nothing was changed"));
    }
    if !examined.losses.is_empty() && change.allow_loss.is_none() {
        let what = format!("this change of {} would lose values", change.table);
        return Err(refusal(what, &examined.losses, "if that is wanted: --allow data-loss=\"reason\""));
    }
    Ok(())
}
