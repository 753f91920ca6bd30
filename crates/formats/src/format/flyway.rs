//! Flyway's directories: `V1__name.sql`, `U1__name.sql`, `B1__name.sql`, `R__name.sql`, in any depth; and
//! `C1__name.sql`, which is ours: the check of version 1.
//!
//! What Flyway would do and Cofferdam does not (callbacks, placeholders without a value, files given to a shell) is
//! refused before anything runs. What Flyway skips silently is skipped and shown. Facts about names, order and
//! checksums were taken from runs of Flyway 11.20.

pub mod callback;
pub mod checksum;
mod name;
mod placeholder;
mod settings;

use std::collections::BTreeMap;

use cofferdam_core::{Bundle, Checksum, Code, Migration, MigrationKind, Refusal, Script};

use self::name::{Named, Prefix};
use self::settings::Settings;
use super::{Confidence, Format, NewFiles, Values, slug};
use crate::script::script;
use crate::tree::{File, Tree};
use crate::versions::{ByVersion, Versioned, by_version, each_has_its_migration};

/// The format's line in the table.
pub static FORMAT: Format = Format {
    id: "flyway",
    title: "V1__name.sql with U1__name.sql and C1__name.sql beside it, and R__name.sql",
    detect,
    read,
    name_new: Some(name_new),
    notes: |_| Vec::new(),
};

fn detect(tree: &Tree) -> Confidence {
    let of = |file: &File| match name::parse(file.name()) {
        Named::Versioned { prefix: Prefix::Migration | Prefix::Baseline, .. } | Named::Repeatable(_) => {
            Confidence::Yes
        }
        Named::Versioned { .. } | Named::Callback(_) | Named::Executed(_) | Named::Missed(_) => {
            Confidence::Near
        }
        Named::Settings | Named::Other(_) | Named::Unrelated => Confidence::No,
    };
    tree.files.iter().map(of).max().unwrap_or(Confidence::No)
}

fn read(tree: &Tree, values: &Values) -> Result<Bundle, Box<Refusal>> {
    let mut files = Files { values: values.clone(), ..Files::sort(tree) };
    files.refuse_what_is_not_run(tree)?;
    let repeatables = repeatables(tree, std::mem::take(&mut files.repeatables))?;
    let ups = by_version(tree, std::mem::take(&mut files.migrations))?;
    let baselines = by_version(tree, std::mem::take(&mut files.baselines))?;
    let undos = by_version(tree, std::mem::take(&mut files.undos))?;
    let checks = by_version(tree, std::mem::take(&mut files.checks))?;
    let wanted = |alone: &Versioned<'_>| name_new(&alone.version.text, &alone.description).up;
    each_has_its_migration(tree, &ups, &undos, "the undo script", wanted)?;
    // The check of a version proves it whichever of the two made it.
    let mut made = baselines.clone();
    made.extend(ups.clone());
    each_has_its_migration(tree, &made, &checks, "the check", wanted)?;

    let mut migrations = Vec::with_capacity(ups.len() + baselines.len() + repeatables.len());
    for (version, named) in &ups {
        let beside = |others: &ByVersion<'_>| -> Result<Option<Script>, Box<Refusal>> {
            others.get(version).map(|other| files.script_beside(tree, other.file)).transpose()
        };
        let (down, check) = (beside(&undos)?, beside(&checks)?);
        let migration = files.migration(tree, named.file, &named.description, MigrationKind::Versioned)?;
        migrations.push(Migration { version: Some(version.clone()), down, check, ..migration });
    }
    for (version, named) in &baselines {
        let check = checks.get(version).map(|other| files.script_beside(tree, other.file)).transpose()?;
        let migration = files.migration(tree, named.file, &named.description, MigrationKind::Baseline)?;
        migrations.push(Migration { version: Some(version.clone()), check, ..migration });
    }
    // Stable: a baseline comes after the migration with its version.
    migrations.sort_by(|one, other| one.version.cmp(&other.version));
    for (description, file) in &repeatables {
        migrations.push(files.migration(tree, file, description, MigrationKind::Repeatable)?);
    }
    Ok(Bundle { format: FORMAT.id, migrations, skipped: files.skipped })
}

fn name_new(version: &str, description: &str) -> NewFiles {
    let name = |prefix: &str| format!("{prefix}{version}__{}.sql", slug(description));
    NewFiles { up: name("V"), down: Some(name("U")), check: Some(name("C")), text: "" }
}

/// The files of a directory, by what their names say.
#[derive(Default)]
struct Files<'t> {
    migrations: Vec<Versioned<'t>>,
    undos: Vec<Versioned<'t>>,
    checks: Vec<Versioned<'t>>,
    baselines: Vec<Versioned<'t>>,
    repeatables: Vec<(String, &'t File)>,
    callbacks: Vec<(&'t File, &'static str)>,
    executed: Vec<(&'t File, String)>,
    /// By the path of the script that they are for.
    settings: BTreeMap<&'t str, &'t File>,
    /// What placeholders are replaced by.
    values: Values,
    skipped: Vec<(String, String)>,
}

impl<'t> Files<'t> {
    fn sort(tree: &'t Tree) -> Self {
        let mut files = Files::default();
        let by_path = tree.by_path();
        for file in &tree.files {
            match name::parse(file.name()) {
                Named::Versioned { prefix, version, description } => {
                    let versioned = Versioned { version, description, file };
                    match prefix {
                        Prefix::Migration => files.migrations.push(versioned),
                        Prefix::Undo => files.undos.push(versioned),
                        Prefix::Check => files.checks.push(versioned),
                        Prefix::Baseline => files.baselines.push(versioned),
                    }
                }
                Named::Repeatable(description) => files.repeatables.push((description, file)),
                Named::Callback(callback) if callback.refused => files.callbacks.push((file, callback.event)),
                Named::Callback(callback) => {
                    let reason =
                        format!("{} is a callback of a Flyway command that is not here", callback.event);
                    files.skipped.push((tree.typed(&file.path), reason));
                }
                Named::Executed(reason) => files.executed.push((file, reason)),
                Named::Settings => match file.path.get(..file.path.len() - name::SETTINGS.len()) {
                    Some(script) if by_path.contains_key(script) => {
                        files.settings.insert(script, file);
                    }
                    _ => {
                        let reason = "the settings of a script that is not there".to_owned();
                        files.skipped.push((tree.typed(&file.path), reason));
                    }
                },
                Named::Missed(reason) | Named::Other(reason) => {
                    files.skipped.push((tree.typed(&file.path), reason));
                }
                Named::Unrelated => {}
            }
        }
        files
    }

    /// Refuses files that Flyway would run and Cofferdam does not: leaving them out silently would give another
    /// database than the one that the directory has always given.
    fn refuse_what_is_not_run(&self, tree: &Tree) -> Result<(), Box<Refusal>> {
        let listed = |refusal: Refusal, more: Vec<String>| {
            Err(Box::new(more.into_iter().fold(refusal, |refusal, line| refusal.note(line))))
        };
        if let Some(((file, reason), others)) = self.executed.split_first() {
            let path = tree.typed(&file.path);
            let refusal = Refusal::new(Code::BadFileName, format!("{path} is not a SQL script"))
                .cause(format!("{reason}; Cofferdam never runs anything but SQL"))
                .help(format!(
                    "add .sql to the name if it is SQL, else move it out of the directory: mv {path} .."
                ));
            let more = others.iter().map(|(file, reason)| format!("{}: {reason}", tree.typed(&file.path)));
            return listed(refusal, more.collect());
        }
        if let Some(((file, event), others)) = self.callbacks.split_first() {
            let path = tree.typed(&file.path);
            let refusal = Refusal::new(
                Code::CallbackUnsupported,
                format!("{path} is a callback of Flyway ({event})"),
            )
            .cause("Cofferdam runs what its plan shows, and nothing around it")
            .help(
                "move its statements into a repeatable migration (R__name.sql) or, if they only look, \
                     into the check of a version (C1__name.sql)",
            );
            let more =
                others.iter().map(|(file, event)| format!("{} is one too ({event})", tree.typed(&file.path)));
            return listed(refusal, more.collect());
        }
        Ok(())
    }

    fn migration(
        &self,
        tree: &Tree,
        file: &File,
        description: &str,
        kind: MigrationKind,
    ) -> Result<Migration, Box<Refusal>> {
        let settings = self.settings(tree, file)?;
        let mut up = script(tree, file)?;
        let mut checksum = checksum::crc32(&up.text);
        if settings.replaces_placeholders {
            // A repeatable one's checksum is taken after replacement, so that even a comment matters there.
            let repeatable = kind == MigrationKind::Repeatable;
            up = placeholder::replaced(up, repeatable, &self.values)?;
            checksum = if repeatable { checksum::crc32(&up.text) } else { checksum };
        }
        Ok(Migration {
            version: None,
            description: description.to_owned(),
            kind,
            down: None,
            check: None,
            checksum: Checksum::FlywayCrc32(checksum),
            no_transaction: !settings.in_transaction,
            up,
        })
    }

    /// An undo or check script.
    fn script_beside(&self, tree: &Tree, file: &File) -> Result<Script, Box<Refusal>> {
        let settings = self.settings(tree, file)?;
        let mut script = script(tree, file)?;
        if settings.replaces_placeholders {
            script = placeholder::replaced(script, false, &self.values)?;
        }
        if settings.in_transaction {
            return Ok(script);
        }
        Err(Box::new(
            Refusal::new(
                Code::BadDirective,
                format!("executeInTransaction=false is not read for {}", script.path),
            )
            .cause("that setting is read for migrations (V and R) only")
            .help(format!("begin {} with the line: -- cofferdam:transaction none", script.path)),
        ))
    }

    fn settings(&self, tree: &Tree, file: &File) -> Result<Settings, Box<Refusal>> {
        match self.settings.get(file.path.as_str()) {
            Some(settings) => Settings::read(&script(tree, settings)?),
            None => Ok(Settings::default()),
        }
    }
}

/// Repeatable migrations in the order in which Flyway applies them: by description, compared as Java compares
/// strings (UTF-16 units, capitals before small letters).
fn repeatables<'t>(
    tree: &Tree,
    mut files: Vec<(String, &'t File)>,
) -> Result<Vec<(String, &'t File)>, Box<Refusal>> {
    files.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
    for pair in files.windows(2) {
        if pair[0].0 == pair[1].0 {
            let (one, other) = (tree.typed(&pair[0].1.path), tree.typed(&pair[1].1.path));
            return Err(Box::new(
                Refusal::new(
                    Code::DuplicateVersion,
                    format!("{one} and {other} are one repeatable migration"),
                )
                .cause("a repeatable migration is known by its description")
                .help("give one of the two files a description of its own"),
            ));
        }
    }
    Ok(files)
}
