//! Out of a backup again.

use cofferdam_adapters::backup::{Found, Keys, Place};
use cofferdam_core::backup::{Manifest, TableCopy};
use cofferdam_core::fault::Result;
use cofferdam_core::journal::What;
use cofferdam_core::{Code, Name, Refusal};
use cofferdam_engines::copy::Existing;
use cofferdam_engines::{Runs, Session, Tick};

use super::take::compared;
use crate::guard::Stop;
use crate::{News, SharedReporter};

/// A table that was restored.
#[derive(Debug, Clone, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Restored {
    /// As it was saved.
    pub table: String,
    /// Where its rows are now.
    pub into: String,
    /// How many.
    pub rows: u64,
}

/// Restores tables, each in a transaction of its own that ends well only where it became what was saved.
///
/// # Errors
/// `NoSuchBackup` for a table that the backup does not have, `RestoreRefused` for one that is in the way, and what
/// makes a backup unusable.
pub async fn restore(
    session: &mut dyn Session,
    place: &Place,
    found: &Found,
    tables: &[Name],
    (into, existing): (Option<&str>, Existing),
    keys: &Keys,
    (reporter, stop): (&SharedReporter, &Stop),
) -> Result<Vec<Restored>> {
    let manifest = &found.manifest;
    refuse_another_manifest(session, place, found).await?;
    refuse_without_key(place, manifest, keys)?;
    let chosen = chosen(place, manifest, tables)?;
    let mut copier = session.copier("restore").await?;
    let mut restored = Vec::new();
    for table in chosen {
        stop.check()?;
        let own = &table.shape.table;
        let to =
            Name { schema: into.map(str::to_owned).or_else(|| own.schema.clone()), name: own.name.clone() };
        let doing = format!("restoring {to}");
        reporter.tell(&News::Tick(Tick::Progress { doing, done: 0, total: 0 }));
        let rows = place.rows(manifest, &table.parts, keys);
        copier.restore(&table.shape, rows, &to, existing, &table.sum).await?;
        restored.push(Restored { table: own.to_string(), into: to.to_string(), rows: table.sum.rows });
    }
    Ok(restored)
}

fn chosen<'a>(place: &Place, manifest: &'a Manifest, tables: &[Name]) -> Result<Vec<&'a TableCopy>> {
    if tables.is_empty() {
        return Ok(manifest.tables.iter().collect());
    }
    let find = |name: &Name| {
        manifest.table(name).ok_or_else(|| {
            let known: Vec<String> =
                manifest.tables.iter().map(|copy| copy.shape.table.to_string()).collect();
            Refusal::new(Code::NoSuchBackup, format!("{} has no table {name}", place.location(&manifest.id)))
                .cause(format!("its tables: {}", known.join(", ")))
                .help("name one of them, with its schema where two have the same name")
                .into()
        })
    };
    tables.iter().map(find).collect()
}

/// Reads a backup back and compares it, as when it was taken: every part with its digest and, where there is a key,
/// every table restored where nobody sees it. Returns why it is not verified, where it could not be.
///
/// # Errors
/// `BackupDamaged` and `BackupNotVerified`.
pub async fn verify_backup(
    session: Option<&mut dyn Session>,
    place: &Place,
    found: &Found,
    keys: &Keys,
) -> Result<Option<String>> {
    let manifest = &found.manifest;
    place.check(manifest).await?;
    let Some(session) = session else {
        return Ok(Some("the parts have their digests; no database was named to restore them in".into()));
    };
    refuse_another_manifest(session, place, found).await?;
    if !manifest.encrypted_to.is_empty() && keys.is_empty() {
        return Ok(Some("the parts have their digests; without --identity they cannot be opened".into()));
    }
    let mut copier = session.copier("backup verify").await?;
    for table in &manifest.tables {
        if let Err(why) = compared(place, &mut *copier, manifest, table, keys).await? {
            return Ok(Some(why));
        }
    }
    let only_whole = manifest.tables.is_empty() && manifest.whole.is_some();
    Ok(only_whole.then(|| "the copy of the whole database was not restored to try it".into()))
}

/// The journal of the database that a backup is from has the digest of its manifest, which has those of all parts: who
/// can write to the place cannot put something else there unseen.
async fn refuse_another_manifest(session: &mut dyn Session, place: &Place, found: &Found) -> Result<()> {
    let Some(run) = found.manifest.run else { return Ok(()) };
    let ending = format!("/{}", found.manifest.id);
    for entry in session.journal(Some(run)).await? {
        let What::BackedUp { backup } = entry.what else { continue };
        if backup.location.ends_with(&ending) && backup.sha256 != found.sha256 {
            return Err(Refusal::new(
                Code::BackupDamaged,
                format!("{} is not the backup that was taken", place.location(&found.manifest.id)),
            )
            .cause(format!(
                "its manifest has the SHA-256 {}, and the journal of this database says {}",
                found.sha256, backup.sha256
            ))
            .help("nothing was restored; find out who wrote to the place")
            .into());
        }
    }
    Ok(())
}

pub(super) fn refuse_without_key(place: &Place, manifest: &Manifest, keys: &Keys) -> Result<()> {
    if manifest.encrypted_to.is_empty() || !keys.is_empty() {
        return Ok(());
    }
    Err(Refusal::new(Code::BackupLocked, format!("{} is encrypted", place.location(&manifest.id)))
        .cause(format!("it was written for {}", manifest.encrypted_to.join(", ")))
        .help("--identity FILE, with the identity of one of these keys")
        .into())
}

/// Why a backup must not be removed; `None`: it may.
///
/// # Errors
/// Those of the database.
pub async fn protected(session: &mut dyn Session, manifest: &Manifest) -> Result<Option<String>> {
    let server = session.facts(&[]).await?.server;
    let origin = &manifest.origin;
    if origin.database != server.database || origin.server != server.identity {
        return Ok(Some(format!(
            "it is of the database {} of server {}, and only that knows whether it is needed",
            origin.database, origin.server
        )));
    }
    let Some(run) = manifest.run else { return Ok(None) };
    let unfinished = session.runs(Runs::Unfinished).await?;
    Ok(unfinished
        .iter()
        .find(|open| open.id == run)
        .map(|open| format!("run {run} is in {:?}, and can still be taken back", open.phase)))
}
