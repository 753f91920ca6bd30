//! The flags of backups: `apply`, `alter` and `rollback` share those that say what is saved before something is
//! destroyed.

use std::path::{Path, PathBuf};

use cofferdam_adapters::backup::{Credentials, Keys, Place, Recipients};
use cofferdam_core::{Code, Name, Refusal, Result};
use cofferdam_runner::backup::{Backups, When};
use serde::Deserialize;

use super::name;
use crate::config::Settings;

/// What is allowed with `--allow` beside the rules of lint: a backup that is taken and not verified.
pub(crate) const UNVERIFIED: &str = "unverified-backup";

/// What is saved before something is destroyed.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Backups")]
pub(crate) struct BackupFlags {
    /// Where backups go: a folder, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix
    #[arg(long, value_name = "URL")]
    pub(crate) backup_to: Option<String>,
    /// Encrypt backups to this public key of age; may be repeated
    #[arg(long, value_name = "age1...")]
    pub(crate) encrypt_to: Vec<String>,
    /// When one is taken [default: destructive, where there is a place for it]
    #[arg(long, value_enum, value_name = "WHEN")]
    pub(crate) backup: Option<BackupWhen>,
    /// Save this table too; may be repeated
    #[arg(long, value_name = "TABLE", value_parser = name::parse)]
    pub(crate) backup_table: Vec<Name>,
}

/// When a backup is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum BackupWhen {
    /// Of the tables that something is destroyed of
    Destructive,
    /// Of every table that is changed
    Always,
    /// As always, and of the whole database, by pg_dump, mysqldump or mariadb-dump
    Whole,
    /// None
    Never,
}

/// `backup` of an environment in cofferdam.yaml.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct BackupSettings {
    /// `--backup-to`.
    pub(crate) to: Option<String>,
    /// `--encrypt-to`.
    #[serde(default)]
    pub(crate) encrypt_to: Vec<String>,
    /// `--backup`.
    pub(crate) when: Option<BackupWhen>,
    /// `--backup-table`.
    #[serde(default)]
    pub(crate) tables: Vec<String>,
    /// `rollback --restore`.
    #[serde(default)]
    pub(crate) restore_on_rollback: bool,
}

impl BackupFlags {
    /// What is wanted: flag, then environment of cofferdam.yaml. `allow` may say that an unverified one will do.
    ///
    /// # Errors
    /// A place that is none, and a key that is none.
    pub(crate) fn backups(&self, settings: &Settings, allow: &[(String, String)]) -> Result<Backups> {
        let set = &settings.backup;
        let url = self.backup_to.as_ref().or(set.to.as_ref());
        let usual = if url.is_some() { BackupWhen::Destructive } else { BackupWhen::Never };
        let when = self.backup.or(set.when).unwrap_or(usual);
        if when == BackupWhen::Never {
            return Ok(Backups::default());
        }
        let keys = if self.encrypt_to.is_empty() { &set.encrypt_to } else { &self.encrypt_to };
        let mut tables = self.backup_table.clone();
        if tables.is_empty() {
            for text in &set.tables {
                tables.push(name::parse(text).map_err(|why| {
                    Refusal::new(Code::BadConfig, format!("{text:?} under backup.tables is no table"))
                        .cause(why)
                        .help("correct cofferdam.yaml")
                })?);
            }
        }
        Ok(Backups {
            when: match when {
                BackupWhen::Destructive => When::Destructive,
                _ => When::Always,
            },
            whole: when == BackupWhen::Whole,
            to: url.map(|url| Place::open(url, &Credentials::of_environment())).transpose()?,
            recipients: Recipients::of(keys)?,
            tables,
            restore: None,
            unverified: allow.iter().find(|(what, _)| what == UNVERIFIED).map(|(_, reason)| reason.clone()),
        })
    }
}

/// The place that a command about backups is told, or that of the environment.
///
/// # Errors
/// `Usage` where nobody names one, and those of [`Place::open`].
pub(crate) fn place(to: Option<&String>, settings: &Settings) -> Result<Place> {
    let url = to.or(settings.backup.to.as_ref()).ok_or_else(|| {
        Refusal::new(Code::Usage, "no place for backups is named")
            .cause("neither --to is given, nor backup: {to: URL} in the environment of cofferdam.yaml")
            .help("--to /var/backups/shop, or --to s3://bucket/prefix")
    })?;
    Place::open(url, &Credentials::of_environment())
}

/// The identities of a file; none where no file is named.
///
/// # Errors
/// `UnreadableFile`, and `BackupLocked` for a file that holds none.
pub(crate) fn keys(file: Option<&PathBuf>) -> Result<Keys> {
    let Some(file) = file else { return Ok(Keys::default()) };
    Keys::of(&read(file)?)
}

fn read(file: &Path) -> Result<String> {
    std::fs::read_to_string(file).map_err(|error| {
        Refusal::new(Code::UnreadableFile, format!("{} cannot be read", file.display()))
            .cause(error.to_string())
            .help("check the path and its rights")
            .into()
    })
}
