//! Backups: screens and documents.

use cofferdam_adapters::backup::Listed;
use cofferdam_core::backup::{Manifest, Taken};
use cofferdam_runner::backup::Restored;
use serde::Serialize;

use super::table::Columns;
use super::words;

/// The document of kind `Backup`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BackupView {
    pub(crate) id: String,
    pub(crate) location: String,
    pub(crate) taken_at: String,
    pub(crate) database: String,
    pub(crate) run: Option<String>,
    pub(crate) bytes: u64,
    pub(crate) rows: u64,
    pub(crate) encrypted: bool,
    pub(crate) whole: bool,
    pub(crate) verified: bool,
    pub(crate) unverified: Option<String>,
    pub(crate) tables: Vec<String>,
}

impl BackupView {
    pub(crate) fn new(manifest: &Manifest, location: &str) -> Self {
        Self {
            id: manifest.id.clone(),
            location: location.to_owned(),
            taken_at: manifest.taken_at.clone(),
            database: manifest.origin.database.clone(),
            run: manifest.run.map(|run| run.to_string()),
            bytes: manifest.bytes(),
            rows: manifest.tables.iter().map(|table| table.sum.rows).sum(),
            encrypted: !manifest.encrypted_to.is_empty(),
            whole: manifest.whole.is_some(),
            verified: manifest.verified,
            unverified: manifest.unverified.clone(),
            tables: manifest.tables.iter().map(|table| table.shape.table.to_string()).collect(),
        }
    }

    pub(crate) fn text(&self) -> String {
        let mut out = format!(
            "{}\n  {} of {}, {}, {}\n",
            self.location,
            what(&self.tables, self.rows, self.whole),
            self.database,
            size(self.bytes),
            if self.encrypted { "encrypted" } else { "not encrypted" },
        );
        out += &match &self.unverified {
            _ if self.verified => "  verified: restored beside, with the same count and hash\n".to_owned(),
            Some(why) => format!("  taken, not verified: {why}\n"),
            None => "  taken, not verified\n".to_owned(),
        };
        out
    }
}

fn what(tables: &[String], rows: u64, whole: bool) -> String {
    let counted = format!("{} with {rows} rows", words::count(tables.len(), "table"));
    match (tables, whole) {
        ([], true) => "the whole database".to_owned(),
        (_, true) => format!("{counted}, and the whole database"),
        ([one], false) => format!("{one} with {rows} rows"),
        (_, false) => counted,
    }
}

/// The document of kind `Backups`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BackupsView {
    pub(crate) place: String,
    pub(crate) backups: Vec<BackupView>,
    /// Folders that are no backups, and why.
    pub(crate) others: Vec<OtherView>,
}

/// A folder that is no backup.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OtherView {
    pub(crate) id: String,
    pub(crate) why: String,
}

impl BackupsView {
    pub(crate) fn new(place: &str, listed: Vec<Listed>) -> Self {
        let mut view = Self { place: place.to_owned(), backups: Vec::new(), others: Vec::new() };
        for one in listed {
            match one.found {
                Ok(found) => {
                    view.backups.push(BackupView::new(&found.manifest, &format!("{place}/{}", one.id)));
                }
                Err(why) => view.others.push(OtherView { id: one.id, why }),
            }
        }
        view
    }

    pub(crate) fn text(&self) -> String {
        if self.backups.is_empty() && self.others.is_empty() {
            return format!("no backups in {}\n", self.place);
        }
        let mut table = Columns::new(&["BACKUP", "TAKEN", "DATABASE", "SIZE", "ROWS", "VERIFIED", "TABLES"])
            .right(3)
            .right(4);
        for one in &self.backups {
            table.row([
                one.id.clone(),
                words::minute(&one.taken_at),
                one.database.clone(),
                size(one.bytes),
                one.rows.to_string(),
                if one.verified { "yes" } else { "no" }.to_owned(),
                if one.whole { "(whole)".to_owned() } else { words::cut(&one.tables.join(" "), 60) },
            ]);
        }
        for other in &self.others {
            let id = format!("{} (no backup: {})", other.id, other.why);
            table.row([id.as_str(), "", "", "", "", "", ""]);
        }
        table.text()
    }
}

/// The document of kind `Pruned`.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PrunedView {
    pub(crate) removed: Vec<String>,
    /// What else would have gone, and why it stays.
    pub(crate) kept: Vec<(String, String)>,
}

impl PrunedView {
    pub(crate) fn text(&self) -> String {
        let mut out: String = self.removed.iter().map(|id| format!("removed {id}\n")).collect();
        out.extend(self.kept.iter().map(|(id, why)| format!("kept {id}: {why}\n")));
        if out.is_empty() { "nothing to remove\n".to_owned() } else { out }
    }
}

/// The document of kind `Restored`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RestoredView {
    pub(crate) backup: String,
    pub(crate) taken_at: String,
    pub(crate) tables: Vec<Restored>,
}

impl RestoredView {
    pub(crate) fn text(&self) -> String {
        let mut out = String::new();
        for table in &self.tables {
            out += &format!("restored {} into {}: {} rows\n", table.table, table.into, table.rows);
        }
        out += &format!("as of {}; what was written later is not in this backup\n", self.taken_at);
        out
    }
}

/// A backup in one line, for progress and journal.
pub(crate) fn told(taken: &Taken) -> String {
    let tables: Vec<String> = taken.tables.iter().map(ToString::to_string).collect();
    let verified = match (&taken.unverified, taken.verified) {
        (_, true) => "verified".to_owned(),
        (Some(why), false) => format!("taken, not verified: {why}"),
        (None, false) => "taken, not verified".to_owned(),
    };
    format!("backup of {} in {} ({}, {verified})", tables.join(", "), taken.location, size(taken.bytes))
}

/// `1.4 GB`, as a person reads it.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: &[&str] = &["B", "kB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_as_people_read_them() {
        assert_eq!(
            [size(0), size(999), size(1_000), size(2_500_000_000)],
            ["0 B", "999 B", "1.0 kB", "2.5 GB"]
        );
    }

    #[test]
    fn a_backup_that_is_not_verified_says_so() {
        let taken = |verified: bool, unverified: Option<&str>| Taken {
            location: "s3://b/x".into(),
            bytes: 5,
            sha256: String::new(),
            verified,
            unverified: unverified.map(str::to_owned),
            tables: vec![],
        };
        assert!(told(&taken(true, None)).contains("(5 B, verified)"));
        assert!(told(&taken(false, Some("no room"))).contains("taken, not verified: no room"));
    }
}
