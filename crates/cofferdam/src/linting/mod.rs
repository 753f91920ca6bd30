//! Linting files: which scripts there are, what is known of the database, and what the rules say.

pub(crate) mod atlas;
mod between;
pub(crate) mod changed;
pub(crate) mod fixing;
mod found;
pub(crate) mod levels;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cofferdam_core::history::Applied;
use cofferdam_core::{Bundle, Facts, Fault, Finding, Migration, Name, Result, Script};
use cofferdam_dialects::Parsed;
use cofferdam_engines::{Runs, Session};
use cofferdam_formats::{Options, standing};
use cofferdam_lint::Convention;
use cofferdam_runner::with_windows;

use crate::config::Settings;
use crate::{files, wiring};
use found::Found;
use levels::LintKeys;

/// The major version that is assumed where no server says its own: the oldest that is still maintained.
const ASSUMED_MAJOR: u32 = 14;

/// What cofferdam.yaml says of lint, and beneath it the atlas.hcl of the current directory; and what of that is not
/// honoured.
pub(crate) fn keys(settings: &Settings) -> Result<(LintKeys, Vec<String>)> {
    settings.lint.check()?;
    let atlas = atlas::read(Path::new("."), settings.environment.as_deref());
    let mut keys = settings.lint.clone();
    for (name, level) in atlas.keys.rules {
        keys.rules.entry(name).or_insert(level);
    }
    keys.git_base = keys.git_base.or(atlas.keys.git_base);
    if keys.naming.is_empty() {
        keys.naming = atlas.keys.naming;
    }
    Ok((keys, atlas.ignored))
}

/// What is linted.
pub(crate) struct Sources {
    scripts: Vec<Source>,
    /// Files that look like migrations and are none, with the reason.
    pub(crate) skipped: Vec<(String, String)>,
    /// What the directory's own tool would do otherwise.
    pub(crate) notes: Vec<String>,
    facts: Option<Facts>,
    engine: &'static str,
    /// The files whose findings are wanted; `None`: all.
    wanted: Option<BTreeSet<PathBuf>>,
}

/// One script.
pub(crate) struct Source {
    script: Script,
    /// Its migration, with those before and after it; `None` of a file that was named by itself.
    place: Option<Place>,
    no_transaction: bool,
}

/// Where a migration stands in its directory.
pub(crate) struct Place {
    directory: PathBuf,
    format: &'static str,
    migration: Migration,
    /// The version after it.
    next: Option<String>,
}

impl Sources {
    /// Reads directories in their format and SQL files as they are.
    pub(crate) fn read(paths: &[PathBuf], settings: &Settings) -> Result<Self> {
        let engine = wiring::dialect_of_url(settings.url.as_deref())?.id;
        let mut sources = Self {
            scripts: Vec::new(),
            skipped: Vec::new(),
            notes: Vec::new(),
            facts: None,
            engine,
            wanted: None,
        };
        for path in paths {
            if path.is_file() { sources.file(path)? } else { sources.directory(path, settings)? }
        }
        Ok(sources)
    }

    /// The directory of the settings is the one that `apply` reads, as one; a folder that is named may hold several.
    fn directory(&mut self, path: &Path, settings: &Settings) -> Result<()> {
        if path == settings.dir {
            let (_, bundle) = files::read(path, settings)?;
            self.migrations(path.to_owned(), bundle);
            return Ok(());
        }
        let found = found::found(&files::tree(path)?, settings, self.engine)?;
        if found.len() > 1 {
            let what = format!("{} is read as {} directories of migrations", path.display(), found.len());
            self.notes.push(what);
        }
        for found in found {
            match found {
                Found::Directory(directory, bundle) => self.migrations(directory, bundle),
                Found::Project(scripts, notes) => {
                    self.notes.extend(notes);
                    let source = |script| Source { script, place: None, no_transaction: false };
                    self.scripts.extend(scripts.into_iter().map(source));
                }
            }
        }
        Ok(())
    }

    fn migrations(&mut self, directory: PathBuf, bundle: Bundle) {
        self.notes.extend(cofferdam_formats::notes(&bundle));
        self.skipped.extend(bundle.skipped);
        let versions: Vec<Option<String>> =
            bundle.migrations.iter().map(|m| m.version.as_ref().map(|v| v.text.clone())).collect();
        for (index, migration) in bundle.migrations.into_iter().enumerate() {
            self.scripts.push(Source {
                script: migration.up.clone(),
                no_transaction: migration.no_transaction,
                place: Some(Place {
                    directory: directory.clone(),
                    format: bundle.format,
                    next: versions.get(index + 1).cloned().flatten(),
                    migration,
                }),
            });
        }
    }

    /// One file, whatever its name.
    fn file(&mut self, path: &Path) -> Result<()> {
        self.scripts.push(Source { script: files::script(path)?, place: None, no_transaction: false });
        Ok(())
    }

    /// Leaves out what is applied already, and reads the facts of the tables that the rest is about.
    pub(crate) async fn look_at(&mut self, session: &mut dyn Session) -> Result<()> {
        // What answers behind mysql:// may be a MariaDB.
        self.engine = session.dialect();
        let unfinished = session.runs(Runs::Unfinished).await?;
        let history = with_windows(session.history().await?, &unfinished);
        self.leave_out_applied(&history);
        let mut names: Vec<Name> = Vec::new();
        for source in &self.scripts {
            names.extend(self.parsed(&source.script)?.changes.iter().flat_map(|c| c.action.relations()));
        }
        names.sort();
        names.dedup();
        let mut facts = session.facts(&names).await?;
        let (mut questions, mut created) = (Vec::new(), BTreeSet::new());
        for source in &self.scripts {
            let parsed = self.parsed(&source.script)?;
            if self.is_wanted(source) {
                questions.extend(cofferdam_lint::questions(&parsed, &facts, &created));
            }
            created.extend(cofferdam_lint::created_tables(&parsed));
        }
        questions.sort();
        questions.dedup();
        let answers = session.answers(&facts, &questions).await?;
        facts.answers = questions.into_iter().zip(answers).collect();
        self.facts = Some(facts);
        Ok(())
    }

    /// Leaves out what is applied. Each directory is held against the history once, as a whole.
    fn leave_out_applied(&mut self, history: &[Applied]) {
        let mut directories: BTreeMap<PathBuf, (Bundle, Vec<usize>)> = BTreeMap::new();
        for (index, source) in self.scripts.iter().enumerate() {
            let Some(place) = &source.place else { continue };
            let empty = || Bundle { format: place.format, migrations: Vec::new(), skipped: Vec::new() };
            let (bundle, places) =
                directories.entry(place.directory.clone()).or_insert_with(|| (empty(), Vec::new()));
            bundle.migrations.push(place.migration.clone());
            places.push(index);
        }
        let options = Options { out_of_order: true, target: None };
        let mut kept = vec![true; self.scripts.len()];
        for (bundle, places) in directories.values() {
            let pending: BTreeSet<usize> = standing(bundle, history, &options).pending.into_iter().collect();
            for (index, place) in places.iter().enumerate() {
                kept[*place] = pending.contains(&index);
            }
        }
        let mut kept = kept.into_iter();
        self.scripts.retain(|_| kept.next().unwrap_or(true));
    }

    /// Leaves the findings of other files out. They are read all the same: what an earlier one creates is new.
    pub(crate) fn want(&mut self, files: BTreeSet<PathBuf>) {
        self.wanted = Some(files);
    }

    fn is_wanted(&self, source: &Source) -> bool {
        let real = || Path::new(&source.script.path).canonicalize();
        self.wanted.as_ref().is_none_or(|wanted| real().is_ok_and(|path| wanted.contains(&path)))
    }

    /// What the rules find, script by script.
    pub(crate) fn findings(&self, only: &[String], naming: &[Convention]) -> Result<Vec<Finding>> {
        let today = jiff::Zoned::now().date();
        let mut findings = Vec::new();
        let mut created = BTreeSet::new();
        for source in &self.scripts {
            let parsed = self.parsed(&source.script)?;
            if self.is_wanted(source) {
                let options = cofferdam_lint::Options {
                    facts: self.facts.as_ref(),
                    created: &created,
                    only,
                    no_transaction: source.no_transaction,
                    today,
                    server_major: ASSUMED_MAJOR,
                    naming,
                };
                findings.extend(cofferdam_lint::lint(&source.script, &parsed, &options));
            }
            // Without a database nobody knows which of the files are applied: a table of an earlier file may
            // be the largest there is.
            if self.facts.is_some() {
                created.extend(cofferdam_lint::created_tables(&parsed));
            }
        }
        Ok(findings)
    }

    /// The text of every script by its path.
    pub(crate) fn texts(&self) -> BTreeMap<String, String> {
        let wanted = self.scripts.iter().filter(|source| self.is_wanted(source));
        wanted.map(|s| (s.script.path.clone(), s.script.text.to_string())).collect()
    }

    fn parsed(&self, script: &Script) -> Result<Parsed> {
        (wiring::dialect(Some(self.engine))?.read)(script).map_err(Fault::Refused)
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
