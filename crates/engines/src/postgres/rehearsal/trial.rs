//! Trying steps out in a transaction that is taken back, in the database itself.

use std::time::Instant;

use cofferdam_core::fault::Result;
use cofferdam_core::plan::{Act, Step};
use cofferdam_core::{Code, Fault, Refusal};

use super::super::cells::AnswerCells;
use super::super::session::PostgresSession;
use super::super::{errors, inspect, perform};
use super::look::look;
use crate::rehearsal::{Round, Trial};

/// See [`crate::Session::try_out`]. Whatever happens, the transaction ends with ROLLBACK, or with its connection.
pub(in super::super) async fn try_out(
    session: &mut PostgresSession,
    trial: &Trial<'_>,
) -> Result<Vec<Round>> {
    for step in trial.rounds.iter().flatten() {
        refuse(step)?;
    }
    let begin = format!(
        "BEGIN; SET LOCAL lock_timeout = {}; SET LOCAL statement_timeout = {}; \
         SET LOCAL idle_in_transaction_session_timeout = '10s'",
        trial.lock.as_millis().max(1),
        trial.statement.as_millis().max(1)
    );
    session.unsettled = true;
    session.client.batch_execute(&begin).await.map_err(|e| errors::fault(e, "opening a transaction"))?;
    let tried = rounds(session, trial).await;
    let ended = session.client.batch_execute("ROLLBACK").await;
    session.pass_on_notices();
    let rounds = tried?;
    ended.map_err(|e| errors::fault(e, "taking the rehearsal back"))?;
    Ok(rounds)
}

/// What is no single statement cannot be taken back with a transaction.
fn refuse(step: &Step) -> Result<()> {
    match &step.act {
        Act::Sql { copy_rows: None, .. } | Act::Check { .. } => Ok(()),
        _ => Err(Refusal::new(
            Code::NotRehearsable,
            format!("{} cannot be tried out in a transaction", step.title),
        )
        .help("leave --in-transaction out: then it is rehearsed on a copy")
        .into()),
    }
}

async fn rounds(session: &PostgresSession, trial: &Trial<'_>) -> Result<Vec<Round>> {
    let client = &session.client;
    let fault = |e| errors::fault(e, "rehearsing in a transaction");
    let rows = client.query_typed("SELECT pg_catalog.pg_backend_pid()", &[]).await.map_err(fault)?;
    let pid: i32 = rows.first_cell()?.ok_or_else(|| Fault::Bug("the server gave no row of itself".into()))?;
    let mut all = Vec::new();
    for steps in &trial.rounds {
        let mut round = Round::default();
        for step in steps {
            let before = look(client, pid, false).await?;
            let began = Instant::now();
            perform::plainly(client, step).await?;
            let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            let after = look(client, pid, false).await?;
            round.deeds.push((before.until(&after), ms));
        }
        round.schema = inspect::inside(client, session.major).await?;
        all.push(round);
    }
    Ok(all)
}
