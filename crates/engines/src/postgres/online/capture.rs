//! Learning which rows change: triggers that log the key of every row that is written.
//!
//! They log keys, never rows: what a row is, is read again when it is applied, in the snapshot that shows the logged
//! key. A trigger that wrote the row into the other table instead would leave rows behind that the application
//! deleted in a snapshot older than the copy (PostgreSQL 15, REPEATABLE READ, no error).
//!
//! The functions run with the rights of who made them, so that the application's roles need none, and hold nothing
//! that is looked up by a search path: no operator, no function, no unqualified name. The one comparison that is
//! needed (did the key change?) stands in a trigger's WHEN, which is resolved once, when the trigger is made.

use tokio_postgres::Client;

use cofferdam_core::QuotedIdent;
use cofferdam_core::fault::Result;
use cofferdam_core::online::Capture;

use super::flow::{FENCE, Flow, Key, SLOT, literal, own};
use super::{logical, worker};

/// Begins the names of our triggers and functions; what is of the change is told by it from what is the user's.
pub(super) const PREFIX: &str = "cofferdam capture";

/// The tables that the data path keeps its state in, for one direction.
pub(super) fn tables(flow: &Flow) -> Result<Vec<String>> {
    let column = |(n, k): (usize, &Key)| format!("k{} {}", n + 1, k.source_type);
    let columns: Vec<String> = flow.key.iter().enumerate().map(column).collect();
    Ok(vec![
        // Many rows come and go: it is cleaned early.
        format!(
            "CREATE {} {} (op \"char\" NOT NULL, {}) WITH (autovacuum_vacuum_scale_factor = 0.02, \
             autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0)",
            super::plant::log_kind(),
            flow.log,
            columns.join(", ")
        ),
        format!("CREATE INDEX ON {} ({})", flow.log, flow.key_names().join(", ")),
        // Each transaction of the data path asks whether the table was truncated: not by reading all that is logged.
        format!("CREATE INDEX ON {} (op) WHERE op = 'T'", flow.log),
        format!(
            "CREATE TABLE {} (no bigint PRIMARY KEY, low text[], high text[], copied boolean NOT NULL DEFAULT false, \
             compared boolean NOT NULL DEFAULT false, rows bigint NOT NULL DEFAULT 0) WITH (fillfactor = 70)",
            flow.chunk
        ),
        format!(
            "CREATE TABLE {} (key text PRIMARY KEY, why text NOT NULL, at timestamptz NOT NULL)",
            flow.quarantine
        ),
    ])
}

/// The fence of a change: its first epoch, in which file the table is, and what captures keys, see [`note`]. Another
/// file means that the table was rewritten, which fires no trigger, or truncated, which the log tells.
pub(super) fn fence(schema: &str, epoch: i64, table: u32) -> Result<Vec<String>> {
    let fence = own(schema, FENCE)?;
    Ok(vec![
        format!("CREATE TABLE {fence} (epoch bigint NOT NULL, node oid NOT NULL, capture text)"),
        format!(
            "INSERT INTO {fence} (epoch, node) VALUES ({epoch}, pg_catalog.pg_relation_filenode({table}))"
        ),
    ])
}

/// A query for our triggers on a table as they are. One that was dropped or disabled, for however short a time, let
/// writes pass that nobody logged: the text is another one then, also after it was enabled again.
pub(super) fn triggers_query(table: &str) -> Result<String> {
    Ok(format!(
        "SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', oid, xmin), ',' ORDER BY oid) FROM pg_catalog.pg_trigger
         WHERE tgrelid = pg_catalog.to_regclass({}) AND pg_catalog.starts_with(tgname::text, '{PREFIX} ')
           AND NOT pg_catalog.starts_with(tgname::text, '{PREFIX} guard')",
        literal(table)?
    ))
}

/// The statement that writes down what captures the keys of the leading table from now on, and the file that the table
/// is in: a TRUNCATE before this is in no log, and nothing is copied yet. Every transaction of the data path, and the
/// swap, looks whether both are still so.
pub(super) fn note(flow: &Flow, kind: Capture) -> Result<String> {
    let what = match kind {
        Capture::Logical => format!("'{SLOT}'"),
        _ => format!("({})", triggers_query(&flow.source)?),
    };
    let source = literal(&flow.source)?;
    Ok(format!(
        "UPDATE {} SET capture = {what}, node = pg_catalog.pg_relation_filenode(pg_catalog.to_regclass({source}))",
        flow.fence
    ))
}

/// The statements that begin to log the keys of the leading table. They need SHARE ROW EXCLUSIVE on it.
pub(super) fn begin(flow: &Flow, schema: &str, kind: Capture) -> Result<Vec<String>> {
    let mut out = Vec::new();
    let of =
        |row: &str| flow.key.iter().map(|k| format!("{row}.{}", k.source)).collect::<Vec<_>>().join(", ");
    let log = &flow.log;
    let mut trigger = |name: &str, body: &str, event: &str, rest: &str| -> Result<()> {
        let function = own(schema, &format!("{PREFIX} {name}"))?;
        let quoted = QuotedIdent::new(&format!("{PREFIX} {name}"))?;
        out.push(format!(
            "CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS \
             $cofferdam$ BEGIN {body}; RETURN NULL; END $cofferdam$"
        ));
        out.push(format!("REVOKE ALL ON FUNCTION {function}() FROM PUBLIC"));
        out.push(format!(
            "CREATE TRIGGER {quoted} AFTER {event} ON {} {rest} EXECUTE FUNCTION {function}()",
            flow.source
        ));
        // Also for what a subscription applies, and for sessions that say they are replicas.
        out.push(format!("ALTER TABLE {} ENABLE ALWAYS TRIGGER {quoted}", flow.source));
        Ok(())
    };
    let add = |row: &str| format!("INSERT INTO {log} VALUES ('K', {})", of(row));
    if kind == Capture::Statements {
        let from = |table: &str| format!("SELECT 'K', {} FROM {table}", of(table));
        let each = "FOR EACH STATEMENT";
        trigger(
            "insert",
            &format!("INSERT INTO {log} {}", from("n")),
            "INSERT",
            &format!("REFERENCING NEW TABLE AS n {each}"),
        )?;
        trigger(
            "delete",
            &format!("INSERT INTO {log} {}", from("o")),
            "DELETE",
            &format!("REFERENCING OLD TABLE AS o {each}"),
        )?;
        let both = format!("INSERT INTO {log} {} UNION {}", from("o"), from("n"));
        let both = match crate::postgres::online::planted("only-new-key") {
            true => format!("INSERT INTO {log} {}", from("n")),
            false => both,
        };
        trigger("update", &both, "UPDATE", &format!("REFERENCING OLD TABLE AS o NEW TABLE AS n {each}"))?;
    } else {
        trigger("insert", &add("NEW"), "INSERT", "FOR EACH ROW")?;
        trigger("update", &add("NEW"), "UPDATE", "FOR EACH ROW")?;
        trigger("delete", &add("OLD"), "DELETE", "FOR EACH ROW")?;
        let changed: Vec<String> =
            flow.key.iter().map(|k| format!("OLD.{0} IS DISTINCT FROM NEW.{0}", k.source)).collect();
        let changed = format!("FOR EACH ROW WHEN ({})", changed.join(" OR "));
        if !crate::postgres::online::planted("only-new-key") {
            trigger("move", &add("OLD"), "UPDATE", &changed)?;
        }
    }
    trigger("truncate", &format!("INSERT INTO {log} (op) VALUES ('T')"), "TRUNCATE", "FOR EACH STATEMENT")?;
    Ok(out)
}

/// The statements that end it. The functions go with the schema that they are in.
pub(super) fn end(table: &str) -> Result<Vec<String>> {
    let mut out = Vec::new();
    for name in ["insert", "update", "delete", "move", "truncate", "guard"] {
        let quoted = QuotedIdent::new(&format!("{PREFIX} {name}"))?;
        out.push(format!("DROP TRIGGER IF EXISTS {quoted} ON {table}"));
    }
    Ok(out)
}

/// How keys are to be captured, where nobody says how: from the write-ahead log where the table is written very often
/// and that is possible, else by triggers.
pub(super) async fn kind(client: &Client, asked: Capture, flow: &Flow, table: u32) -> Result<Capture> {
    let possible = asked == Capture::Auto && logical::obstacle(client, flow, table).await?.is_none();
    if possible && logical::busy(client, table).await? {
        return Ok(Capture::Logical);
    }
    match asked {
        Capture::Logical => Ok(Capture::Logical),
        _ => kind_of_triggers(client, asked, flow, table).await,
    }
}

/// Statements that touch fewer rows than this on average are followed row by row.
const MANY_ROWS: u32 = 10;

/// The kind of triggers that the table's statistics ask for.
pub(super) async fn kind_of_triggers(
    client: &Client,
    asked: Capture,
    flow: &Flow,
    table: u32,
) -> Result<Capture> {
    if matches!(asked, Capture::Rows | Capture::Statements) {
        return Ok(asked);
    }
    let doing = "reading statistics";
    // What a subscription applies fires no trigger for statements.
    let subscribed =
        format!("SELECT EXISTS (SELECT FROM pg_catalog.pg_subscription_rel WHERE srrelid = {table})");
    if worker::value(client, &subscribed, doing).await?.as_deref() != Some("f") {
        return Ok(Capture::Rows);
    }
    let there = "SELECT n.nspname FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
                 WHERE e.extname = 'pg_stat_statements'";
    let Some(schema) = worker::value(client, there, doing).await? else { return Ok(Capture::Rows) };
    let name = flow.source.rsplit('.').next().unwrap_or_default().trim_matches('"').to_lowercase();
    let query = format!(
        "SELECT coalesce(sum(rows) / nullif(sum(calls), 0), 0) >= {MANY_ROWS} FROM {}
         WHERE query ~* '^\\s*(insert|update|delete|merge|copy)\\y' AND pg_catalog.strpos(pg_catalog.lower(query), {}) > 0",
        own(&schema, "pg_stat_statements")?,
        literal(&name)?
    );
    // Statistics that cannot be read ask for nothing.
    let many = worker::value(client, &query, doing).await.ok().flatten();
    Ok(if many.as_deref() == Some("t") { Capture::Statements } else { Capture::Rows })
}
