//! What belongs to a table and must be on its successor: found, tried and written down before anything is changed.
//!
//! `reading` reads a table with all that belongs to it; `trial` tries the clauses on an empty copy (`dress` makes it,
//! `outcome` and `breakage` look at it afterwards); `shadow` writes the statements that make such a table beside the old one, and `swap` those that put
//! one in the place of the other.

use serde::Deserialize;
use tokio_postgres::Client;

use cofferdam_core::fault::Result;
use cofferdam_core::online::{Examined, Online};
use cofferdam_core::{Code, Fault, Refusal};

mod blueprint;
mod breakage;
mod catalog;
mod clauses;
mod columns;
mod compare;
mod constraints;
mod dress;
mod fingerprint;
mod foreign_keys;
mod grants;
mod indexes;
mod key;
mod losses;
mod mapping;
mod obstacles;
mod outcome;
mod policies;
mod publications;
mod reading;
mod sequences;
mod shadow;
mod statistics;
mod swap;
mod table;
#[cfg(test)]
mod tests;
mod trial;
mod triggers;
mod views;
mod words;
mod write;

pub(in crate::postgres) use blueprint::Blueprint;
#[cfg(test)]
pub(in crate::postgres) use blueprint::{Compared, KeyColumn, Mapped};
pub(in crate::postgres) use fingerprint::fingerprint_query;

use super::disk::{self, Room};
use catalog::{Catalog, literal, qualified};
use key::Key;
use reading::Reading;
use trial::Trial;

/// Looks at the table and tries the clauses on an empty copy of it, in a transaction that is rolled back.
///
/// Refused (`Code::StatementFailed`, at its place) is what the server refuses.
pub(in crate::postgres) async fn examine(client: &Client, change: &Online) -> Result<Examined> {
    let schema = format!("cofferdam_try_{}", change.id());
    let (mut examined, known) = look(client, change, &schema).await?;
    if let Some(known) = known {
        match disk::room(client, known.before.table.oid, examined.bytes).await? {
            Room::Enough => {}
            Room::Short(why) => examined.obstacles.push(why),
            Room::Unseen(what) => examined.notes.push(what),
        }
    }
    Ok(examined)
}

/// Everything that the change needs to know and to say to the server. Refused is what cannot be done online.
pub(in crate::postgres) async fn blueprint(client: &Client, change: &Online) -> Result<Blueprint> {
    let (examined, known) = look(client, change, &change.new_schema()).await?;
    let Some(known) = known.filter(|_| examined.obstacles.is_empty()) else {
        let what = format!("{} cannot be changed online", change.table);
        let refusal = Refusal::new(Code::StatementFailed, what);
        return Err(examined.obstacles.into_iter().fold(refusal, Refusal::note).into());
    };
    write::blueprint(change, &known)
}

/// All that is known of a change that can be done.
struct Known {
    before: Reading,
    trial: Trial,
    key: Key,
    fingerprint: String,
}

async fn look(client: &Client, change: &Online, schema: &str) -> Result<(Examined, Option<Known>)> {
    let catalog = Catalog::begin(client).await?;
    let looked = look_open(&catalog, change, schema).await;
    match (looked, catalog.end().await) {
        (Ok(looked), Ok(())) => Ok(looked),
        (Ok(_), Err(fault)) | (Err(fault), _) => Err(fault),
    }
}

async fn look_open(
    catalog: &Catalog<'_>,
    change: &Online,
    schema: &str,
) -> Result<(Examined, Option<Known>)> {
    let home = change.table.schema.as_deref().unwrap_or("public");
    let name = qualified(home, &change.table.name)?;
    let mut examined = Examined::default();
    let found = find(catalog, &name).await?;
    if let Some(obstacle) = obstacles::of_kind(&found.kind, &name) {
        examined.obstacles.push(obstacle);
        return Ok((examined, None));
    }
    catalog.run(&format!("LOCK TABLE ONLY {name} IN ACCESS SHARE MODE")).await?;
    let before = Reading::of(catalog, found.oid).await?;
    if before.table.printed.is_empty() || before.table.name != change.table.name {
        return Err(Refusal::new(
            Code::StatementFailed,
            format!("{name} was renamed while it was looked at"),
        )
        .into());
    }
    let fingerprint = catalog.text(&fingerprint_query(found.oid)).await?.unwrap_or_default();
    examined.rows = before.table.rows as u64;
    examined.bytes = u64::try_from(before.table.bytes).unwrap_or(0);
    examined.writes_per_second = writes(catalog, found.oid).await?;
    examined.notes = obstacles::notes(catalog, found.oid).await?;
    examined.obstacles = obstacles::of_table(catalog, &before).await?;
    let clauses = clauses::split(&change.clauses)?;
    examined.obstacles.extend(clauses.iter().filter_map(clauses::Clause::obstacle));
    if !examined.obstacles.is_empty() {
        return Ok((examined, None));
    }
    let trial = trial::run(catalog, &before, change, &clauses, schema).await?;
    examined.rewrites = trial.rewrites;
    examined.obstacles.clone_from(&trial.obstacles);
    examined.notes.extend(trial.notes.iter().cloned());
    examined.losses = losses::of(catalog, &before, &trial.after, &trial.pairs).await?;
    examined.obstacles.extend(losses::misfits(catalog, &before, &trial.after, &trial.pairs).await?);
    for sequence in before.sequences.iter().filter(|s| !s.used_elsewhere.is_empty()) {
        if trial.pairs.successor(&sequence.column).is_none() {
            examined.obstacles.push(format!(
                "the sequence {} goes with its column {} and is used by {}: give it to nobody first (ALTER SEQUENCE ... OWNED BY NONE)",
                sequence.name,
                sequence.column,
                sequence.used_elsewhere.join(", ")
            ));
        }
    }
    let key = match key::choose(&before, &trial.after, &trial.pairs) {
        Ok(key) => key,
        Err(obstacle) => {
            examined.obstacles.push(obstacle);
            return Ok((examined, None));
        }
    };
    examined.key = key.columns.iter().map(|k| k.name.clone()).collect();
    Ok((examined, Some(Known { before, trial, key, fingerprint })))
}

#[derive(Deserialize)]
struct Found {
    oid: u32,
    kind: String,
}

async fn find(catalog: &Catalog<'_>, name: &str) -> Result<Found> {
    let query = format!(
        "SELECT c.oid::int8 AS oid, c.relkind::text AS kind FROM pg_catalog.pg_class c \
         WHERE c.oid = pg_catalog.to_regclass({}) AND $1::oid IS NOT NULL",
        literal(name)?
    );
    let missing = || -> Fault {
        Refusal::new(Code::StatementFailed, format!("there is no table {name}"))
            .help("give it with its schema: --table schema.table (without one it is looked for in public)")
            .into()
    };
    catalog.rows(&query, 0).await?.into_iter().next().ok_or_else(missing)
}

/// Rows written per second since the statistics were last reset.
async fn writes(catalog: &Catalog<'_>, oid: u32) -> Result<u64> {
    let query = format!(
        "SELECT (coalesce(s.n_tup_ins + s.n_tup_upd + s.n_tup_del, 0)
            / greatest(extract(epoch FROM pg_catalog.now() - coalesce(d.stats_reset, pg_catalog.pg_postmaster_start_time())), 1))::int8::text
         FROM pg_catalog.pg_stat_database d LEFT JOIN pg_catalog.pg_stat_user_tables s ON s.relid = {oid}
         WHERE d.datname = pg_catalog.current_database()"
    );
    Ok(catalog.text(&query).await?.and_then(|t| t.parse().ok()).unwrap_or(0))
}
