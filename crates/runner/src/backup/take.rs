//! Taking a backup, and reading it back.

use cofferdam_adapters::backup::{Keys, Place};
use cofferdam_core::backup::{FORMAT, Manifest, Shape, TableCopy, Taken, VERSION, WholeCopy};
use cofferdam_core::fault::Result;
use cofferdam_core::{Code, Fault, Refusal, failpoint};
use cofferdam_engines::copy::{Copier, Rows, Wanted};
use cofferdam_engines::{Session, Tick};
use futures::StreamExt;
use uuid::Uuid;

use super::Backups;
use crate::drive::{leaves_the_run_as_it_is, lost};
use crate::guard::Stop;
use crate::{News, SharedReporter};

/// What is to be saved, and for what.
#[derive(Debug, Clone)]
pub struct Order {
    /// The tables.
    pub wanted: Wanted,
    /// Also the whole database, by the server's own program.
    pub whole: bool,
    /// The run with its plan's digest and its migration.
    pub run: Option<(Uuid, String, String)>,
    /// Who wants it.
    pub who: String,
}

/// A backup that was taken.
#[derive(Debug, Clone)]
pub struct Made {
    /// What stands in it.
    pub manifest: Manifest,
    /// What is kept of it elsewhere.
    pub taken: Taken,
}

/// Takes a backup; `None`: none of the tables is there, so there is nothing to save. What was written of one that fails
/// is removed as far as the place allows; without a manifest it counts for nothing in any case.
///
/// # Errors
/// Those of the place and of the database; `BackupNotVerified` where it was read back and is not the same, or could not
/// be compared and nobody said that this will do.
pub async fn take(
    session: &mut dyn Session,
    order: &Order,
    backups: &Backups,
    reporter: &SharedReporter,
    stop: &Stop,
) -> Result<Option<Made>> {
    let place = backups.place()?;
    let mut copier = session.copier("backup").await?;
    let mut taking = Taking { place, order, backups, reporter, stop, id: String::new() };
    match taking.all(&mut *copier).await {
        Ok(made) => Ok(made),
        Err(fault) => {
            if !taking.id.is_empty() {
                let _ = place.remove(&taking.id).await;
            }
            Err(fault)
        }
    }
}

struct Taking<'a> {
    place: &'a Place,
    order: &'a Order,
    backups: &'a Backups,
    reporter: &'a SharedReporter,
    stop: &'a Stop,
    /// Its folder; empty as long as nothing is written.
    id: String,
}

impl Taking<'_> {
    async fn all(&mut self, copier: &mut dyn Copier) -> Result<Option<Made>> {
        // Before anything is written: the program may not be there.
        let whole = match self.order.whole {
            true => Some(copier.whole().await?),
            false => None,
        };
        let mut origin = copier.origin().await?;
        let moment = copier.begin().await?;
        origin.lsn = moment.lsn;
        let shapes = copier.shapes(&self.order.wanted).await?;
        if shapes.is_empty() && whole.is_none() {
            copier.end().await?;
            return Ok(None);
        }
        self.place.probe().await?;
        let (recipients, own) = self.backups.recipients.clone().and_oneself();
        self.id = backup_id(&origin.database, &moment.at, self.order.run.as_ref().map(|(run, ..)| *run));
        let mut manifest = Manifest {
            format: FORMAT.into(),
            version: VERSION,
            id: self.id.clone(),
            taken_at: moment.at,
            by: self.order.who.clone(),
            origin,
            run: self.order.run.as_ref().map(|(run, ..)| *run),
            plan: self.order.run.as_ref().map(|(_, plan, _)| plan.clone()),
            migration: self.order.run.as_ref().map(|(.., key)| key.clone()),
            encrypted_to: recipients.texts(),
            verified: false,
            unverified: None,
            tables: Vec::new(),
            whole: None,
        };
        for (number, shape) in shapes.into_iter().enumerate() {
            let table = self.table(copier, &recipients, number + 1, shape).await?;
            manifest.tables.push(table);
            if failpoint::hit("backup.table") {
                return Err(lost("backup.table"));
            }
        }
        copier.end().await?;
        if let Some((written_by, rows)) = whole {
            let parts = self.parts(&recipients, "whole", "saving the whole database", rows).await?;
            manifest.whole = Some(WholeCopy { written_by, parts });
        }
        self.verify(copier, &mut manifest, &own).await?;
        if failpoint::hit("backup.before-manifest") {
            return Err(lost("backup.before-manifest"));
        }
        let sha256 = self.place.seal(&manifest).await?;
        let back = self.place.manifest(&self.id).await?;
        if back.sha256 != sha256 {
            return Err(Refusal::new(Code::BackupNotVerified, "the manifest is not what was written")
                .cause("it was read back and has another SHA-256")
                .help("choose another place for backups")
                .into());
        }
        let taken = manifest.taken(self.place.location(&self.id), sha256);
        Ok(Some(Made { manifest, taken }))
    }

    async fn table(
        &self,
        copier: &mut dyn Copier,
        recipients: &cofferdam_adapters::backup::Recipients,
        number: usize,
        shape: Shape,
    ) -> Result<TableCopy> {
        self.stop.check()?;
        let sum = copier.sum(&shape).await?;
        let rows = copier.out(&shape).await?;
        let doing = format!("saving {}", shape.table);
        let parts = self.parts(recipients, &format!("tables/{number:04}"), &doing, rows).await?;
        Ok(TableCopy { shape, sum, parts })
    }

    async fn parts(
        &self,
        recipients: &cofferdam_adapters::backup::Recipients,
        folder: &str,
        doing: &str,
        rows: Rows,
    ) -> Result<Vec<cofferdam_core::backup::Part>> {
        let stop = self.stop.clone();
        let rows = rows.map(move |piece| stop.check().and(piece)).boxed();
        let reporter = self.reporter.clone();
        let mut told = |done: u64| {
            let doing = format!("{doing}: {} MiB", done >> 20);
            reporter.tell(&News::Tick(Tick::Progress { doing, done, total: 0 }));
        };
        self.place.write(&self.id, folder, recipients, rows, &mut told).await
    }

    /// Reads every table back from the place, restores it where nobody sees it, and compares.
    async fn verify(&self, copier: &mut dyn Copier, manifest: &mut Manifest, own: &Keys) -> Result<()> {
        let mut why_not = None;
        for table in &manifest.tables {
            self.stop.check()?;
            let doing = format!("verifying the copy of {}", table.shape.table);
            self.reporter.tell(&News::Tick(Tick::Progress { doing, done: 0, total: 0 }));
            match compared(self.place, copier, manifest, table, own).await? {
                Ok(()) => {}
                Err(why) => {
                    why_not = Some(why);
                    break;
                }
            }
        }
        if why_not.is_none() && manifest.whole.is_some() {
            self.place.check(manifest).await?;
            if manifest.tables.is_empty() {
                // What the server's own program wrote is read by that alone, which would carry out what is in it.
                manifest.unverified =
                    Some("the copy of the whole database was not restored to try it".into());
                return Ok(());
            }
        }
        match (why_not, &self.backups.unverified) {
            (None, _) => manifest.verified = true,
            (Some(why), Some(reason)) => manifest.unverified = Some(format!("{why} (allowed: {reason})")),
            (Some(why), None) => {
                return Err(Refusal::new(Code::BackupNotVerified, "the backup was taken and could not be verified")
                    .cause(why)
                    .help("give the role the right to make temporary tables (TEMPORARY; CREATE TEMPORARY TABLES on MySQL and MariaDB), or go on without: --allow unverified-backup=\"reason\"")
                    .into());
            }
        }
        Ok(())
    }
}

/// Whether the parts of a table restore to what was saved. The inner error says why it could not be found out; that
/// they do not is the outer one.
pub(super) async fn compared(
    place: &Place,
    copier: &mut dyn Copier,
    manifest: &Manifest,
    table: &TableCopy,
    keys: &Keys,
) -> Result<Result<(), String>> {
    let rows = place.rows(manifest, &table.parts, keys);
    match copier.rehearse(&table.shape, rows).await {
        Ok(sum) if sum == table.sum => Ok(Ok(())),
        Ok(sum) => Err(Refusal::new(
            Code::BackupNotVerified,
            format!("the copy of {} is not what was saved", table.shape.table),
        )
        .cause(format!(
            "{} rows with the sum {} were saved, and {} with {} came back",
            table.sum.rows, table.sum.hash, sum.rows, sum.hash
        ))
        .help("please report this, with the types of the table's columns")
        .into()),
        Err(Fault::Refused(why)) if ours(why.code) || leaves_the_run_as_it_is(why.code) => Err(why.into()),
        Err(Fault::Refused(why)) => Ok(Err(match &why.cause {
            Some(cause) => format!("{}: {cause}", why.what),
            None => why.what.clone(),
        })),
        Err(fault) => Err(fault),
    }
}

/// It is about the place or its bytes, not about where they are to be restored.
fn ours(code: Code) -> bool {
    code.id().starts_with("CF32") && code != Code::RestoreRefused
}

/// `shop-20260101T120000Z-1a2b3c4d`: sorted by database and time, and never twice.
fn backup_id(database: &str, at: &str, run: Option<Uuid>) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' };
    let database: String = database.chars().take(60).map(plain).collect();
    let time: String =
        at.split('.').next().unwrap_or(at).chars().filter(char::is_ascii_alphanumeric).collect();
    let time = time.trim_end_matches('Z');
    let end = run.unwrap_or_else(Uuid::now_v7).simple().to_string();
    format!("{database}-{time}Z-{}", &end[end.len() - 8..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_has_a_name_that_sorts() {
        let run = Uuid::from_u128(0x1234_5678);
        let id = backup_id("my shop/ü", "2026-11-21T20:30:00.123456Z", Some(run));
        assert_eq!(id, "my_shop__-20261121T203000Z-12345678");
        assert!(cofferdam_core::backup::is_id(&id));
    }
}
