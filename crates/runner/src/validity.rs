//! What a change leaves that holds for new rows only, or not at all.

use cofferdam_core::fault::Result;
use cofferdam_core::{Code, Fault, Name, QuotedLiteral};
use cofferdam_engines::Session;

/// Constraints of these tables that were never checked against the rows that are there, and indexes that are not
/// complete, each in a sentence. A migration may leave a constraint NOT VALID on purpose and validate it in the next one,
/// so it is said and not refused; an index that a step of a plan builds is proved by the step itself.
pub(crate) async fn not_valid(session: &mut dyn Session, tables: &[Name]) -> Result<Vec<String>> {
    if tables.is_empty() || !session.abilities().invalid_indexes {
        return Ok(Vec::new());
    }
    let mut names = Vec::new();
    for table in tables {
        names.push(format!("({})", QuotedLiteral::new(&table.to_sql()?)?));
    }
    let query = format!(
        "SELECT 'constraint ' || pg_catalog.quote_ident(c.conname) || ' of ' || c.conrelid::pg_catalog.regclass::text
                || ' is NOT VALID: rows that were there before were never checked; ALTER TABLE '
                || c.conrelid::pg_catalog.regclass::text || ' VALIDATE CONSTRAINT ' || pg_catalog.quote_ident(c.conname)
         FROM (VALUES {0}) t (name) JOIN pg_catalog.pg_constraint c ON c.conrelid = pg_catalog.to_regclass(t.name)
         WHERE NOT c.convalidated
         UNION ALL
         SELECT 'index ' || i.indexrelid::pg_catalog.regclass::text || ' of ' || i.indrelid::pg_catalog.regclass::text
                || ' is INVALID and used by nothing: drop it, or REINDEX INDEX CONCURRENTLY '
                || i.indexrelid::pg_catalog.regclass::text
         FROM (VALUES {0}) t (name) JOIN pg_catalog.pg_index i ON i.indrelid = pg_catalog.to_regclass(t.name)
         WHERE NOT i.indisvalid ORDER BY 1",
        names.join(", ")
    );
    match session.rows(&query, 20).await {
        Ok(rows) => Ok(rows.rows.into_iter().flatten().flatten().collect()),
        // The change is made; what a look at it is refused for is no failure of it.
        Err(Fault::Refused(why)) if why.code == Code::StatementFailed => Ok(Vec::new()),
        Err(Fault::Refused(why)) => Ok(vec![format!("whether all is valid could not be looked at: {why}")]),
        Err(_) => Ok(vec!["whether all is valid could not be looked at".into()]),
    }
}
