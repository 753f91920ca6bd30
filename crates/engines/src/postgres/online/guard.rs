//! Refusing what a transaction does, after a swap, whose snapshot is older than the swap.
//!
//! Such a snapshot does not show what was applied after it was taken, so an UPDATE would pass over rows without a
//! word, and the check of a foreign key would not find a row that is there. PostgreSQL's own rewriting ALTER TABLE
//! has the same fault ("MVCC Caveats" in its manual). Here these transactions get SQLSTATE 40001, which says what is
//! true: again, and it will work. At READ COMMITTED each statement has a snapshot of its own, and none is refused.

use tokio_postgres::Client;

use cofferdam_core::QuotedIdent;
use cofferdam_core::fault::Result;
use cofferdam_core::online::Online;

use super::capture::PREFIX;
use super::flow::{literal, own};
use super::{clean, worker};

/// The statements that begin it on the table that the swap puts in place, and on those that refer to it. They belong
/// into the transaction that swaps: its number becomes part of the function. Everything is locked by it already.
pub(super) fn begin(change: &Online, schema: &str) -> Result<Vec<String>> {
    let table = change.table.to_sql()?;
    let function = own(schema, &format!("{PREFIX} guard"))?;
    let on_child = literal(&on_children(change))?;
    Ok(vec![
        format!(
            "DO $do$ BEGIN EXECUTE pg_catalog.format($f$CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS \
             $cofferdam$ BEGIN IF NOT pg_catalog.txid_visible_in_snapshot(%s, pg_catalog.txid_current_snapshot()) THEN \
             RAISE EXCEPTION 'could not serialize access: the table was changed online after this transaction began' \
             USING ERRCODE = '40001'; END IF; RETURN NULL; END $cofferdam$$f$, pg_catalog.txid_current()); END $do$"
        ),
        format!(
            "CREATE TRIGGER {} BEFORE INSERT OR UPDATE OR DELETE ON {table} FOR EACH STATEMENT \
             EXECUTE FUNCTION {function}()",
            QuotedIdent::new(&format!("{PREFIX} guard"))?
        ),
        format!(
            "DO $do$ DECLARE child pg_catalog.regclass; BEGIN FOR child IN SELECT DISTINCT conrelid \
             FROM pg_catalog.pg_constraint WHERE contype = 'f' AND confrelid = {}::pg_catalog.regclass \
             AND conrelid <> confrelid LOOP \
             EXECUTE pg_catalog.format('DROP TRIGGER IF EXISTS %I ON %s', {on_child}, child); \
             EXECUTE pg_catalog.format('CREATE TRIGGER %I BEFORE INSERT OR UPDATE ON %s FOR EACH STATEMENT \
             EXECUTE FUNCTION {function}()', {on_child}, child); END LOOP; END $do$",
            literal(&table)?
        ),
    ])
}

/// The trigger on a table that refers to ours. Each change has a name of its own: one such table may refer to several
/// that are changed.
fn on_children(change: &Online) -> String {
    format!("{PREFIX} guard {}", change.id())
}

/// Ends it on the tables that refer to ours, each in a transaction of its own.
pub(super) async fn end(client: &Client, change: &Online) -> Result<()> {
    let doing = "ending the guard";
    let name = on_children(change);
    let query = format!(
        "SELECT pg_catalog.format('DROP TRIGGER IF EXISTS %I ON %I.%I', tgname, n.nspname, c.relname)
         FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE tgname = {} AND tgparentid = 0 ORDER BY c.oid",
        literal(&name)?
    );
    for row in worker::rows(&worker::run(client, &query, doing).await?)? {
        if let Some(Some(drop)) = row.first() {
            clean::alone(client, drop, doing).await?;
        }
        worker::crash_at("online.guard.ended")?;
    }
    Ok(())
}

/// Whether a table has one.
pub(super) async fn is_there(client: &Client) -> Result<bool> {
    let query = format!("SELECT EXISTS (SELECT FROM pg_catalog.pg_trigger WHERE tgname = '{PREFIX} guard')");
    Ok(worker::value(client, &query, "looking for the guard").await?.as_deref() == Some("t"))
}
