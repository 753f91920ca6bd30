//! Touching tables as the application would, to measure how long they cannot be used.

use std::time::{Duration, Instant};

use cofferdam_core::Name;
use cofferdam_core::fault::Result;

use super::session::MySqlSession;
use super::{claim, connect, errors, names, watch};
use crate::{Holder, Touch, TouchEnd};

/// First look at who holds a touch up, and every look after it.
const LOOK: Duration = Duration::from_millis(40);

pub(super) async fn touch(
    session: &mut MySqlSession,
    tables: &[Name],
    patience: Duration,
) -> Result<Vec<Touch>> {
    session.second().await?;
    // In whole seconds, so that others may stand behind it for a little longer than was asked for.
    connect::lock_wait(&mut session.link, patience.max(Duration::from_millis(1)))
        .await
        .map_err(|e| errors::fault(e, "touching tables"))?;
    let mut touches = Vec::new();
    for table in tables {
        for writes in [false, true] {
            touches.push(one(session, table, writes).await?);
        }
    }
    Ok(touches)
}

/// No row is read: what is taken is the lock of the table alone. The alias tells it from statements of the application.
async fn one(session: &mut MySqlSession, table: &Name, writes: bool) -> Result<Touch> {
    let lock = if writes { " FOR UPDATE" } else { "" };
    let sql = format!(
        "SELECT 1 AS cofferdam_touch FROM {} LIMIT 0{lock}",
        names::qualified(&session.database, table)?
    );
    let runner = claim::lock_owner(&mut session.link, &session.lock).await?;
    let (mut held_by, mut ours): (Vec<Holder>, Option<bool>) = (Vec::new(), None);
    let began = Instant::now();
    let MySqlSession { link, watch, .. } = session;
    let (id, flavour) = (link.id, link.flavour);
    let result = {
        let touched = link.run(&sql);
        tokio::pin!(touched);
        loop {
            tokio::select! {
                result = &mut touched => break result,
                () = tokio::time::sleep(LOOK) => {
                    let Some(watch) = watch.as_mut() else { continue };
                    if let Ok(around) = watch::around(watch, id, flavour).await {
                        held_by = around.before;
                    }
                    if let Some(seen) = of_the_runner(watch, runner, &held_by).await {
                        ours = Some(seen);
                    }
                }
            }
        }
    };
    let waited = began.elapsed();
    let end = match result {
        Ok(_) => TouchEnd::Passed,
        Err(e) => match errors::code(&e) {
            Some(code) if errors::NO_LOCK.contains(&code) || code == 1213 => TouchEnd::GaveUp,
            // No such table, none of a database, a view that is none any more.
            Some(code) if errors::NO_TABLE.contains(&code) || code == 1356 => TouchEnd::Absent,
            _ => return Err(errors::fault(e, &format!("touching {table}"))),
        },
    };
    Ok(Touch { table: table.clone(), writes, waited, end, held_by, ours })
}

/// Whether the session that holds the run lock is what holds a touch up: by name, or, where the server does not say who
/// holds a table, because it does nothing that could. `None`: it cannot be told.
async fn of_the_runner(
    watch: &mut super::link::Link,
    runner: Option<u32>,
    held_by: &[Holder],
) -> Option<bool> {
    let Some(runner) = runner else { return Some(false) };
    if held_by.iter().any(|holder| i64::from(holder.pid) == i64::from(runner)) {
        return Some(true);
    }
    let seen = watch::holders(watch, &[runner]).await.ok()?;
    let idle = seen.first()?.state == "idle";
    (idle || !held_by.is_empty()).then_some(false)
}
