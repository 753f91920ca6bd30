//! One of the two histories is made to say what the other says.

use tokio_postgres::types::Type;
use uuid::Uuid;

use cofferdam_core::fault::Result;
use cofferdam_core::history::Applied;
use cofferdam_core::journal::What;
use cofferdam_core::{Fault, QuotedIdent};

use super::super::cells::RowCells;
use super::super::claim::Claim;
use super::super::record::{self, Writing};
use super::super::session::PostgresSession;
use super::super::{errors, history};
use crate::ledger::Book;
use crate::{Kept, Missing};

/// Takes over into our own history what the tool did since, in one transaction with a row of the journal. Nothing of
/// the data is touched, and nothing of the tool's table.
pub(super) async fn adopt(session: &mut PostgresSession) -> Result<()> {
    if session.ledger.as_ref().is_none_or(|ledger| ledger.kept == Kept::Tool) {
        return Ok(());
    }
    let (own, rows) = futures::join!(history::read_without_bundles(&session.client), super::rows(session));
    let (own, rows) = (own?, rows?);
    let Some(ledger) = &session.ledger else { return Ok(()) };
    let mut seen = ledger.beside(&rows, &own)?;
    let now = record::now();
    if let Some(adoption) = ledger.adoption(&mut seen, &own, now)? {
        let mut claim =
            session.claim.clone().ok_or_else(|| Fault::Bug("adopting without the lock".into()))?;
        let mut writing = Writing::default();
        let noted = vec![What::Noted { text: adoption.note }];
        writing.journal(record::chain(&mut claim, Uuid::nil(), &session.who, now, noted))?;
        writing.history(&Book::own(), adoption.writes)?;
        let written = session.client.query_typed(&writing.sql(), &writing.parameters()).await;
        written.map(drop).map_err(record::fault)?;
        session.claim = Some(claim);
    }
    if let Some(ledger) = &mut session.ledger {
        ledger.seen = Some(seen);
    }
    Ok(())
}

/// See [`crate::Session::tell_tool`].
pub(in super::super) async fn tell(
    session: &mut PostgresSession,
    rows: &[Applied],
    note: &str,
) -> Result<()> {
    if session.ledger.is_none() {
        return Ok(());
    }
    let doing = "writing the history of another tool";
    session.client.batch_execute("BEGIN").await.map_err(|e| errors::fault(e, doing))?;
    let result = tell_open(session, rows, note).await;
    if result.is_err() {
        let _ = session.client.batch_execute("ROLLBACK").await;
    }
    let claim = result?;
    session.client.batch_execute("COMMIT").await.map_err(|e| errors::fault(e, doing))?;
    session.claim = Some(claim);
    Ok(())
}

async fn tell_open(session: &PostgresSession, rows: &[Applied], note: &str) -> Result<Claim> {
    let (Some(ledger), Some(mut claim)) = (&session.ledger, session.claim.clone()) else {
        return Err(Fault::Bug("the history of a tool was to be written without the run lock".into()));
    };
    let writes = ledger.all_applied(session, rows).await?;
    ledger.write(session, writes).await?;
    let noted = vec![What::Noted { text: note.to_owned() }];
    let mut writing = Writing::default();
    writing.journal(record::chain(&mut claim, Uuid::nil(), &session.who, record::now(), noted))?;
    let written = session.client.query_typed(&writing.sql(), &writing.parameters()).await;
    written.map(drop).map_err(record::fault)?;
    Ok(claim)
}

/// What the role may not do with the tool's table, where it is there. The row number of some tools comes from a
/// sequence.
pub(in super::super) async fn missing_rights(session: &PostgresSession) -> Result<Vec<Missing>> {
    let Some(ledger) = session.ledger.as_ref().filter(|ledger| ledger.there) else { return Ok(Vec::new()) };
    let doing = "looking for missing rights";
    let sql = ledger.book.table.to_sql()?;
    let rows = session
        .client
        .query_typed(
            "SELECT w.wanted, current_user::pg_catalog.text FROM pg_catalog.unnest(
                 ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS w (wanted)
             WHERE NOT pg_catalog.has_table_privilege(pg_catalog.to_regclass($1)::pg_catalog.oid, w.wanted)",
            &[(&sql, Type::TEXT)],
        )
        .await
        .map_err(|e| errors::fault(e, doing))?;
    let mut missing = Vec::new();
    for row in rows {
        let (right, role): (String, String) = (row.cell(0)?, row.cell(1)?);
        missing.push(Missing {
            what: format!("{right} on {} of {}", ledger.book.table, ledger.book.codec.id),
            grant: format!("GRANT {right} ON {sql} TO {};", QuotedIdent::new(&role)?),
        });
    }
    Ok(missing)
}
