//! That plans wait for a person's word is a row of the journal where somebody is to be told of it: before a run begins
//! there is no other row that could say so.

use std::time::Duration;

use cofferdam_core::approval::Awaited;
use cofferdam_core::fault::Result;
use cofferdam_core::journal::{Entry, What};
use cofferdam_core::{Code, Refusal, failpoint};
use cofferdam_engines::Session;
use uuid::Uuid;

use super::{Matter, Terms};
use crate::drive::lost;

/// So many rows are read at once.
const ROWS: u32 = 200;

/// What the refusal of a matter says to those who could approve it; `None`: it does not wait for an approval.
pub(super) fn of(refusal: &Refusal, matter: &Matter, terms: &Terms) -> Option<Awaited> {
    let waits = matches!(
        refusal.code,
        Code::ApprovalNeeded | Code::ApprovalOther | Code::ApprovalExpired | Code::TwoPersons
    );
    waits.then(|| Awaited {
        digest: matter.digest(),
        keys: matter.plans.iter().map(|plan| plan.key.clone()).collect(),
        code: refusal.code.id().to_owned(),
        why: match &refusal.cause {
            Some(cause) => format!("{}: {cause}", refusal.what),
            None => refusal.what.clone(),
        },
        next: terms.command.clone(),
    })
}

/// Writes that plans wait, unless that was said already and nothing happened since. Returns whether it was written.
///
/// # Errors
/// The run lock is held by another runner, or the role may not write: whoever asked is refused all the same.
pub async fn announce(session: &mut dyn Session, awaited: Awaited) -> Result<bool> {
    let words = session.journal(Some(Uuid::nil())).await?;
    let before = words.iter().rev().find_map(|row| match &row.what {
        What::Awaited { awaited } => Some((row.seq, awaited)),
        _ => None,
    });
    if let Some((seq, before)) = before
        && (&before.digest, &before.code) == (&awaited.digest, &awaited.code)
        && nothing_since(session, seq, &awaited.digest).await?
    {
        return Ok(false);
    }
    // One that is at work tells its own story, and whoever waits for it comes again.
    session.claim(Duration::ZERO).await?;
    let written = session.append(What::Awaited { awaited: Box::new(awaited) }).await;
    if written.is_ok() && failpoint::hit("notify.awaited") {
        return Err(lost("notify.awaited"));
    }
    session.release().await?;
    written.map(|()| true)
}

/// Since that row nobody carried anything out, and nobody spoke of this plan.
async fn nothing_since(session: &mut dyn Session, mut seq: i64, digest: &str) -> Result<bool> {
    loop {
        let rows = session.journal_after(seq, ROWS).await?;
        let Some(last) = rows.last().map(|row| row.seq) else { return Ok(true) };
        if rows.iter().any(|row| means_another_wait(row, digest)) {
            return Ok(false);
        }
        seq = last;
    }
}

fn means_another_wait(row: &Entry, digest: &str) -> bool {
    match &row.what {
        What::Approved { approval } => approval.digest == digest,
        _ => !row.run.is_nil(),
    }
}
