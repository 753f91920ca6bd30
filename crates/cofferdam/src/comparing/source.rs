//! What a schema is read from.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cofferdam_core::{Bundle, Code, Refusal, Result};
use cofferdam_engines::{Ability, Session};
use cofferdam_schema::Schema;

use super::record::{self, Record};
use crate::args::Common;
use crate::config::Settings;
use crate::context::Context;
use crate::output::mask;
use crate::wiring;

/// What a schema is read from.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// A database as it is.
    Database {
        /// As it was named, without a password.
        name: String,
        /// How it is reached.
        settings: Box<Settings>,
    },
    /// The migrations of a directory, all of them.
    Directory(PathBuf),
    /// These migrations.
    Migrations {
        /// What they are, for people.
        name: String,
        /// In order.
        bundle: Box<Bundle>,
    },
    /// An SQL file.
    Dump(PathBuf),
    /// A schema as it was.
    Recorded {
        /// The file.
        path: PathBuf,
        /// What is in it.
        record: Arc<Record>,
    },
}

impl Source {
    /// What a person names: a URL or a reference to one, an environment of cofferdam.yaml, a directory, a file.
    ///
    /// # Errors
    /// `NoSuchSource`, `NotRecorded`, and those of the settings.
    pub(crate) fn named(text: &str, context: &Context) -> Result<Self> {
        let common = &context.common;
        let with = |common: Common| -> Result<Self> {
            let settings = Settings::load(&common)?;
            Ok(Source::Database { name: mask::text(text), settings: Box::new(settings) })
        };
        let is_url = text.contains("://") || text.contains("host=") || text.contains("dbname=");
        if is_url || text.starts_with("env:") || text.starts_with("file:") {
            return with(Common { url: Some(text.to_owned()), ..common.clone() });
        }
        let path = Path::new(text);
        if path.is_dir() {
            return Ok(Source::Directory(path.to_owned()));
        }
        if path.is_file() {
            let file = path.to_owned();
            return Ok(match record::is_one(path) {
                true => Source::Recorded { record: Arc::new(record::read(path)?), path: file },
                false => Source::Dump(file),
            });
        }
        let known = Settings::load(&Common { env: None, url: None, ..common.clone() })?.environments;
        if known.iter().any(|name| name == text) {
            return with(Common { env: Some(text.to_owned()), url: None, ..common.clone() });
        }
        let refusal = Refusal::new(
            Code::NoSuchSource,
            format!("there is nothing named {} to compare", mask::text(text)),
        )
        .cause("it is no URL, no directory, no file, and no environment of cofferdam.yaml");
        Err(match cofferdam_formats::nearest(text, known.iter().map(String::as_str)) {
            Some(near) => refusal.help(format!("did you mean the environment {near}?")),
            None => refusal.help("cofferdam diff postgres://user@host:5432/database migrations/"),
        }
        .into())
    }

    /// The database that the common flags name.
    pub(crate) fn of_settings(settings: &Settings) -> Self {
        let named = settings.environment.clone();
        let name = named
            .or_else(|| settings.url.as_deref().map(mask::text))
            .unwrap_or_else(|| "the database".into());
        Source::Database { name, settings: Box::new(settings.clone()) }
    }

    /// What it is, for people.
    pub(crate) fn name(&self) -> String {
        match self {
            Source::Database { name, .. } | Source::Migrations { name, .. } => name.clone(),
            Source::Directory(path) | Source::Dump(path) | Source::Recorded { path, .. } => {
                path.display().to_string()
            }
        }
    }

    /// The schema of a database as it is, or of a file as it was.
    pub(super) async fn read(&self, context: &Context, fallback: &Settings) -> Result<Schema> {
        let settings = match self {
            Source::Recorded { record, .. } => return Ok(record.schema.clone()),
            Source::Database { settings, .. } => settings,
            _ => fallback,
        };
        open(context, settings).await?.inspect().await
    }
}

/// A session that only reads, with whichever database it is.
pub(crate) async fn open(context: &Context, settings: &Settings) -> Result<Box<dyn Session>> {
    settings.need_database()?;
    wiring::able(settings.url.as_deref(), Ability::Inspect)?;
    let engine = wiring::engine(settings.url.as_deref())?;
    let session = engine.open(&settings.target(format!("cofferdam {}", context.verb))).await?;
    for warning in session.warnings() {
        context.console.note(&format!("warning: {warning}"));
    }
    Ok(session)
}
