//! What the change would lose, and values that it would not take.

use cofferdam_core::fault::Result;

use super::catalog::{Catalog, ident, qualified};
use super::columns::Column;
use super::mapping::{Pairs, loses};
use super::reading::Reading;
use crate::postgres::errors;

/// A look into the table is given up after this: it must never be felt.
const LOOK: &str = "SET LOCAL statement_timeout = '2s'";
const LOOKED: &str = "SET LOCAL statement_timeout = '60s'";

/// What is lost, a line each.
pub(super) async fn of(
    catalog: &Catalog<'_>,
    before: &Reading,
    after: &Reading,
    pairs: &Pairs,
) -> Result<Vec<String>> {
    let mut out = Vec::new();
    let table = qualified(&before.table.schema, &before.table.name)?;
    catalog.run(LOOK).await?;
    for old in &before.columns {
        let name = format!("{}.{}", before.table.printed, old.name);
        let Some(new) = pairs.successor(&old.name).and_then(|n| after.column(n)) else {
            let rescued = pairs.forward.values().any(|e| e.contains(&format!("o.{}", old.name)));
            if old.stored() && !rescued && may_hold(catalog, &table, &ident(&old.name)?).await? {
                out.push(format!("{name}: all its values"));
            }
            continue;
        };
        if let (Some(what), false, true) = (loses(old, new), pairs.converted(&new.name), new.stored()) {
            out.push(format!("{name}: {what} (from {} to {})", old.ty, new.ty));
        }
    }
    catalog.run(LOOKED).await?;
    Ok(out)
}

/// Whether the column has a value in any row, as far as that can be seen at once.
async fn may_hold(catalog: &Catalog<'_>, table: &str, column: &str) -> Result<bool> {
    // In a savepoint, because the look may time out; the division tells by its error that there is one.
    let look = format!(
        "DO $$ BEGIN IF EXISTS (SELECT FROM ONLY {table} WHERE {column} IS NOT NULL) THEN RAISE EXCEPTION 'x'; END IF; END $$"
    );
    Ok(catalog.attempt(&look).await?.is_err())
}

/// Values that the new types do not take, as far as that can be seen at once.
pub(super) async fn misfits(
    catalog: &Catalog<'_>,
    before: &Reading,
    after: &Reading,
    pairs: &Pairs,
) -> Result<Vec<String>> {
    let mut out = Vec::new();
    let table = qualified(&before.table.schema, &before.table.name)?;
    catalog.run(LOOK).await?;
    for new in after.columns.iter().filter(|c| c.stored()) {
        let Some(old) = pairs.from.get(&new.name).and_then(|n| before.column(n)) else { continue };
        let name = format!("{}.{}", before.table.printed, old.name);
        let value = match pairs.forward.get(&new.name) {
            Some(expression) => expression.clone(),
            None => format!("o.{}", ident(&old.name)?),
        };
        if new.not_null && (!old.not_null || pairs.converted(&new.name)) {
            let nulls = format!("SELECT FROM ONLY {table} o WHERE ({value}) IS NULL LIMIT 1");
            if found(catalog, &nulls).await? {
                out.push(format!(
                    "{name}: some rows hold NULL, and the new column takes none: give them a value first"
                ));
            }
        }
        if !pairs.converted(&new.name) && (new.ty == old.ty || takes_all(old, new)) {
            continue;
        }
        let text = matches!(new.base.as_deref(), Some("varchar" | "bpchar")) && new.modifier > 4;
        let longest = new.modifier - 4;
        let query = match text {
            // A cast would cut where the change itself refuses.
            true => format!(
                "SELECT FROM ONLY {table} o WHERE pg_catalog.length(pg_catalog.rtrim(({value})::pg_catalog.text)) > {longest} LIMIT 1"
            ),
            false => format!("SELECT pg_catalog.count(({value})::{}) FROM ONLY {table} o", new.ty),
        };
        match catalog.attempt(&query).await? {
            Ok(()) if text && found(catalog, &query).await? => {
                out.push(format!("{name}: some values are longer than {longest} characters: shorten them first, or say how with USING"));
            }
            Err(e) if e.as_db_error().is_some_and(|d| d.code().code().starts_with("22")) => {
                let said = e.as_db_error().map(|d| errors::visible(d.message())).unwrap_or_default();
                out.push(format!("{name}: not every value becomes {}: {}", new.ty, redacted(&said)));
            }
            _ => {}
        }
    }
    catalog.run(LOOKED).await?;
    Ok(out)
}

/// Every value of the one type is one of the other's, so that nothing has to be looked for.
fn takes_all(old: &Column, new: &Column) -> bool {
    let (Some(from), Some(to)) = (old.base.as_deref(), new.base.as_deref()) else { return false };
    let whole = ["int2", "int4", "int8"];
    let place = |of: &str| whole.iter().position(|known| *known == of);
    match (from, to) {
        (_, "int4" | "int8") => place(from).is_some_and(|a| place(to).is_some_and(|b| a <= b)),
        (_, "numeric") => place(from).is_some() && new.modifier < 0,
        ("text" | "varchar" | "bpchar" | "name", "text" | "varchar") => new.modifier < 0,
        _ => false,
    }
}

/// A message of the server's without the value that it quotes.
fn redacted(message: &str) -> String {
    match message.split_once(": \"") {
        Some((before, _)) => before.to_owned(),
        None => message.to_owned(),
    }
}

/// The query gives a row; `false` too where it did not end in time.
async fn found(catalog: &Catalog<'_>, query: &str) -> Result<bool> {
    let raise = format!("DO $$ BEGIN IF EXISTS ({query}) THEN RAISE EXCEPTION 'x'; END IF; END $$");
    let result = catalog.attempt(&raise).await?;
    Ok(result.err().is_some_and(|e| e.code().is_some_and(|c| c.code() == "P0001")))
}
