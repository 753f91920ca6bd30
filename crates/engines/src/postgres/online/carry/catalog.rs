//! Asking the catalog, within the transaction that is rolled back in the end.

use serde::de::DeserializeOwned;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use cofferdam_core::fault::Result;
use cofferdam_core::{Code, Fault, QuotedIdent, QuotedLiteral, Refusal};

use crate::postgres::cells::{AnswerCells, RowCells};
use crate::postgres::errors;

/// A connection in the transaction in which everything is looked at and tried.
pub(super) struct Catalog<'c> {
    pub(super) client: &'c Client,
    /// The server's major version.
    pub(super) major: u32,
    /// The session's own `search_path`: the clauses are the user's words and are read by it.
    path: String,
}

/// Nobody is to wait for us, and we wait for nobody for long.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = '2s';
    SET LOCAL statement_timeout = '60s'; SET LOCAL default_tablespace = '';
    SET LOCAL default_table_access_method = 'heap'; SET LOCAL row_security = off;
    SET LOCAL check_function_bodies = off; SET LOCAL client_min_messages = 'warning'";

impl<'c> Catalog<'c> {
    /// Begins the transaction. Names are printed with their schemas from now on.
    pub(super) async fn begin(client: &'c Client) -> Result<Self> {
        let doing = "reading the catalog";
        let known = client
            .query_typed(
                "SELECT pg_catalog.current_setting('server_version_num')::int4, \
                 pg_catalog.current_setting('search_path')",
                &[],
            )
            .await
            .map_err(|e| errors::fault(e, doing))?;
        let row = known.first().ok_or_else(|| Fault::Bug("the server gave no row of itself".into()))?;
        let (number, path): (i32, String) = (row.cell(0)?, row.cell(1)?);
        let catalog = Self { client, major: u32::try_from(number / 10_000).unwrap_or(0), path };
        catalog.run(BEGIN).await?;
        catalog.no_path().await?;
        Ok(catalog)
    }

    /// Ends it; nothing is left of it.
    pub(super) async fn end(&self) -> Result<()> {
        self.run("ROLLBACK").await
    }

    /// From here on the server prints all names with their schemas.
    pub(super) async fn no_path(&self) -> Result<()> {
        self.run("SET LOCAL search_path = ''").await
    }

    /// From here on names are read as the session reads them.
    pub(super) async fn own_path(&self) -> Result<()> {
        // As a value and not as a list of names: an empty path reads back as `""`, which is no name.
        let path = literal(&self.path)?;
        self.run(&format!("SELECT pg_catalog.set_config('search_path', {path}, true)")).await
    }

    /// From here on names are read and printed by these schemas.
    pub(super) async fn path(&self, schemas: &[&str]) -> Result<()> {
        let quoted = schemas.iter().map(|s| ident(s)).collect::<Result<Vec<_>>>()?;
        self.run(&format!("SET LOCAL search_path = {}", quoted.join(", "))).await
    }

    /// The rows of a query over `$1`, an OID.
    pub(super) async fn rows<T: DeserializeOwned>(&self, query: &str, oid: u32) -> Result<Vec<T>> {
        let text = format!("SELECT pg_catalog.to_json(x) FROM ({query}) x");
        let rows = self
            .client
            .query_typed(&text, &[(&oid, Type::OID)])
            .await
            .map_err(|e| errors::fault(e, "reading the catalog"))?;
        rows.iter()
            .map(|row| {
                let value: serde_json::Value = row.cell(0)?;
                serde_json::from_value(value)
                    .map_err(|e| Fault::Bug(format!("a row of the catalog is not as expected: {e}")))
            })
            .collect()
    }

    /// The first value of a query's first row, as a text.
    pub(super) async fn text(&self, query: &str) -> Result<Option<String>> {
        let rows =
            self.client.query_typed(query, &[]).await.map_err(|e| errors::fault(e, "reading the catalog"))?;
        Ok(rows.first_cell()?.flatten())
    }

    /// Statements without an answer.
    pub(super) async fn run(&self, sql: &str) -> Result<()> {
        self.client.batch_execute(sql).await.map_err(|e| errors::fault(e, sql))
    }

    /// Statements that may fail: what they did is undone then, and the transaction goes on.
    pub(super) async fn attempt(&self, sql: &str) -> Result<Result<(), tokio_postgres::Error>> {
        self.run("SAVEPOINT attempt").await?;
        let result = self.client.batch_execute(sql).await;
        self.run(if result.is_ok() { "RELEASE attempt" } else { "ROLLBACK TO attempt; RELEASE attempt" })
            .await?;
        Ok(result)
    }
}

/// A name, quoted.
pub(super) fn ident(name: &str) -> Result<String> {
    Ok(QuotedIdent::new(name)?.to_string())
}

/// A name in a schema, quoted.
pub(super) fn qualified(schema: &str, name: &str) -> Result<String> {
    Ok(format!("{}.{}", ident(schema)?, ident(name)?))
}

/// A value, quoted.
pub(super) fn literal(value: &str) -> Result<String> {
    Ok(QuotedLiteral::new(value)?.to_string())
}

/// `COMMENT ON ... IS ...`, where there is a comment.
pub(super) fn comment(out: &mut Vec<String>, on: &str, comment: Option<&str>) -> Result<()> {
    if let Some(text) = comment {
        out.push(format!("COMMENT ON {on} IS {}", literal(text)?));
    }
    Ok(())
}

/// What the server printed is not of the form that it is known to have.
pub(super) fn unreadable(what: &str, text: &str) -> Fault {
    Refusal::new(Code::StatementFailed, format!("the definition of {what} cannot be carried over"))
        .cause(format!("the server prints it in a form that is not known: {}", errors::visible(text)))
        .into()
}
