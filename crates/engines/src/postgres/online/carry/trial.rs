//! The clauses are tried on an empty copy of the table that has all that the table has. What the copy is afterwards is
//! what the new table must be: the server's own answer, and nobody's reading of the clauses.
//!
//! All of it happens in a transaction that is rolled back. On the table itself it holds ACCESS SHARE; tables at the
//! other end of a foreign key have stand-ins, so that they are not locked either.

use cofferdam_core::fault::{Place as At, Result};
use cofferdam_core::{Code, Fault, Online, Refusal, Span};

use super::breakage::{changed_columns_in_use, lost_readers, taken_names};
use super::catalog::{Catalog, ident, literal};
use super::clauses::Clause;
use super::dress::dress;
use super::grants::{Grantee, default_grantees};
use super::mapping::Pairs;
use super::outcome::{come_home, lineage, rewrites};
use super::reading::Reading;
use super::shadow::Place;
use super::words::Words;
use crate::postgres::errors;

/// What came of it.
pub(super) struct Trial {
    /// The table as it must become, read where it was tried, and with the true tables at the other ends of its foreign
    /// keys.
    pub(super) after: Reading,
    pub(super) pairs: Pairs,
    /// The server would write or read all of the table, or of an index, under a lock that stops writers.
    pub(super) rewrites: bool,
    pub(super) obstacles: Vec<String>,
    pub(super) notes: Vec<String>,
    pub(super) leaked: Vec<Grantee>,
    pub(super) leaked_sequences: Vec<Grantee>,
    pub(super) user: String,
}

/// Makes the copy in `schema`, and tries.
pub(super) async fn run(
    catalog: &Catalog<'_>,
    before: &Reading,
    change: &Online,
    clauses: &[Clause<'_>],
    schema: &str,
) -> Result<Trial> {
    let leaked = catalog.rows(&default_grantees('r'), before.table.oid).await?;
    let leaked_sequences = catalog.rows(&default_grantees('S'), before.table.oid).await?;
    let user = catalog.text("SELECT current_user::text").await?.unwrap_or_default();
    let place = Place { schema, leaked: &leaked, leaked_sequences: &leaked_sequences, user: &user };
    let stand_ins = dress(catalog, before, &place).await?;
    let table = place.table(before)?;
    let oid = catalog.text(&format!("SELECT {}::pg_catalog.regclass::oid::text", literal(&table)?)).await?;
    let oid: u32 =
        oid.and_then(|o| o.parse().ok()).ok_or_else(|| Fault::Bug("the copy has no OID".into()))?;
    let dressed = Reading::of(catalog, oid).await?;

    own_words(catalog, before, schema).await?;
    alter(catalog, before, change, &table).await?;
    catalog.no_path().await?;

    let mut after = Reading::of(catalog, oid).await?;
    let rewrites = rewrites(&dressed, &after);
    let mut obstacles = lost_readers(catalog, before, schema).await?;
    let mut pairs = Pairs { from: lineage(before, &dressed, &after), ..Pairs::default() };
    come_home(before, &mut after, &stand_ins, &pairs)?;
    obstacles.extend(changed_columns_in_use(before, &after, &pairs));
    obstacles.extend(taken_names(catalog, before, &after).await?);
    let mut words = Words::begin(catalog, before, schema).await?;
    words.expressions(change, clauses, &after, &mut pairs).await?;
    words.casts(before, &after, &mut pairs).await?;
    words.try_out(before, &after, &pairs).await?;
    Ok(Trial { after, pairs, rewrites, obstacles, notes: words.notes, leaked, leaked_sequences, user })
}

/// From here on names are the user's, but for the table's own, which means the copy where it meant the table.
async fn own_words(catalog: &Catalog<'_>, before: &Reading, schema: &str) -> Result<()> {
    catalog.own_path().await?;
    let plain = literal(&ident(&before.table.name)?)?;
    let found = catalog.text(&format!("SELECT pg_catalog.to_regclass({plain})::oid::text")).await?;
    if found.and_then(|o| o.parse().ok()) == Some(before.table.oid) {
        let first = literal(&ident(schema)?)?;
        let set = format!(
            "SELECT pg_catalog.set_config('search_path', {first} || ', ' || pg_catalog.current_setting('search_path'), true)"
        );
        catalog.text(&set).await?;
    }
    Ok(())
}

/// The ALTER itself. What the server says against it is shown at its place in the user's text.
async fn alter(catalog: &Catalog<'_>, before: &Reading, change: &Online, table: &str) -> Result<()> {
    let head = format!("ALTER TABLE {table} ");
    // Not as a simple query: that could hold a second statement.
    let Err(e) = catalog.client.query_typed(&format!("{head}{}", change.clauses), &[]).await else {
        return Ok(());
    };
    let shown = format!("ALTER TABLE {} {}", before.table.printed, change.clauses);
    let position = errors::position(&e);
    let Fault::Refused(mut refusal) = errors::fault(e, "ALTER TABLE") else {
        return Err(Refusal::new(
            Code::LockNotObtained,
            "ALTER TABLE: a table that the clauses name is locked by somebody else",
        )
        .help("run the same command again at a quieter time")
        .into());
    };
    let shift = head.chars().count();
    let own = "ALTER TABLE ".len() + before.table.printed.chars().count() + 1;
    let at = position.map_or(0, |p| (p - 1).saturating_sub(shift) + own);
    let line = shown.chars().take(at).filter(|c| *c == '\n').count() + 1;
    let column =
        shown.chars().take(at).collect::<Vec<_>>().iter().rev().take_while(|c| **c != '\n').count() + 1;
    let start: usize = shown.chars().take(at).map(char::len_utf8).sum();
    let span = Span { start, end: shown.len(), line, column };
    let home = |text: &str| named_home(text, table, before);
    refusal.what = home(&refusal.what);
    refusal.notes = refusal.notes.iter().map(|n| home(n)).collect();
    if refusal.code == Code::StatementFailed || refusal.code == Code::BadIdentifier {
        refusal.code = Code::StatementFailed;
    }
    Err(refusal.at(At::new("ALTER TABLE", shown, span)).into())
}

/// A message of the server's about the copy, as though it were about the table.
fn named_home(text: &str, table: &str, before: &Reading) -> String {
    let schema = table.split('.').next().unwrap_or_default();
    let mut out = text
        .replace(&format!("{schema}."), &format!("{}.", before.table.schema))
        .replace(&format!("{}.", schema.trim_matches('"')), &format!("{}.", before.table.schema));
    for reader in before.readers() {
        let there = format!("\"cofferdam view {}\"", reader.oid);
        out = out
            .replace(&format!("{}.{there}", before.table.schema), &reader.on)
            .replace(&there, &reader.on)
            .replace(there.trim_matches('"'), &reader.on);
    }
    out
}
