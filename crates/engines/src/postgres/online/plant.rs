//! Mistakes on purpose, so that the checkers can be shown to find them. Without the feature `failpoints` nothing of
//! this is done.

use tokio_postgres::Client;

use cofferdam_core::fault::Result;

use super::chunks::Chunk;
use super::flow::Flow;
use super::planted;

/// Mistakes of the copy, in the text of a chunk's transaction.
pub(super) fn in_copy(flow: &Flow, chunk: &Chunk, text: &mut String) -> Result<()> {
    if planted("skipped-chunk") && chunk.no == 2 {
        *text = format!(
            "DELETE FROM {} WHERE false; DELETE FROM {} WHERE false; UPDATE {} SET copied = true WHERE no = {} AND NOT copied",
            flow.log, flow.log, flow.chunk, chunk.no
        );
    }
    if planted("missing-chunk-filter") {
        // The keys of all chunks are discarded, not only those of this one.
        *text = text.replacen(&format!("l WHERE {}", flow.log_range(&chunk.range)?), "l WHERE true", 1);
    }
    if planted("source-before-log") {
        let range = flow.log_range(&chunk.range)?;
        let (_, insert) = text.split_once("; ").unwrap_or_default();
        let (insert, mark) = insert.split_once("; UPDATE ").unwrap_or_default();
        *text = format!(
            "{insert}; COMMIT; SELECT pg_catalog.pg_sleep(0.1); BEGIN; DELETE FROM {} l WHERE {range}; UPDATE {mark}",
            flow.log
        );
    }
    Ok(())
}

/// Mistakes of reading the log: its rows go by a range, in a later snapshot than the one they were read in.
pub(super) fn in_take(flow: &Flow, texts: &[String], text: String) -> String {
    if planted("range-delete-of-log") {
        return format!("SELECT {} FROM {}", texts.join(", "), flow.log);
    }
    text
}

/// The other half of [`in_take`]: everything that is in the log now goes.
pub(super) async fn after_apply(client: &Client, flow: &Flow) -> Result<()> {
    if planted("range-delete-of-log") {
        let text = format!("SELECT pg_catalog.pg_sleep(0.05); DELETE FROM {} WHERE op = 'K'", flow.log);
        super::worker::run(client, &text, "a planted mistake").await?;
    }
    Ok(())
}

/// Mistakes in the values that are copied: those of a column of texts called `note`.
pub(super) fn in_value(column: &str, expression: String) -> String {
    if column == "note" && planted("truncated-value") {
        return format!("pg_catalog.left({expression}, 3)");
    }
    if column == "note" && planted("null-to-empty") {
        return format!("coalesce({expression}, '')");
    }
    expression
}

/// The kind of table that the log is: one that a crash of the server empties.
pub(super) fn log_kind() -> &'static str {
    if planted("unlogged-log") { "UNLOGGED TABLE" } else { "TABLE" }
}
