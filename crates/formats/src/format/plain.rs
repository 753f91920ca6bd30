//! Plain pairs: `001_name.up.sql`, `001_name.down.sql`, and `001_name.check.sql` if you like.
//!
//! Numbers may have any width, so timestamps are versions too. Files of one version belong together whatever
//! their descriptions say. Only the top level is read: a pair in a subdirectory is more often an example or an
//! archive than a migration, and is shown as skipped.
//!
//! The directories of golang-migrate have these names and no mark of their own, so they are read here: what they
//! say is the same. That such a directory is golang-migrate's shows in the database only, by its history.

use cofferdam_core::bundle::Version;
use cofferdam_core::{Bundle, Checksum, Migration, MigrationKind, Refusal};

use super::{Confidence, Format, NewFiles, is_sql, only_top_level, slug};
use crate::script::script;
use crate::tree::Tree;
use crate::versions::{Versioned, by_version, each_has_its_migration};

/// The format's line in the table.
pub static FORMAT: Format = Format {
    id: "plain",
    title: "001_name.up.sql with 001_name.down.sql and 001_name.check.sql beside it",
    detect,
    read: |tree, _| read(tree),
    name_new: Some(name_new),
    notes: |_| Vec::new(),
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Up,
    Down,
    Check,
}

const ROLES: [(Role, &str); 3] =
    [(Role::Up, ".up.sql"), (Role::Down, ".down.sql"), (Role::Check, ".check.sql")];

fn detect(tree: &Tree) -> Confidence {
    let of = |path: &str, name: &str| match parse(name) {
        Ok((Role::Up, ..)) if !path.contains('/') => Confidence::Yes,
        Ok(_) => Confidence::Near,
        Err(_) if begins_with_number(name) => Confidence::Near,
        Err(_) => Confidence::No,
    };
    tree.files
        .iter()
        .filter(|file| is_sql(file.name()))
        .map(|file| of(&file.path, file.name()))
        .max()
        .unwrap_or(Confidence::No)
}

fn read(tree: &Tree) -> Result<Bundle, Box<Refusal>> {
    let mut roles: [Vec<Versioned<'_>>; 3] = Default::default();
    let mut skipped = Vec::new();
    for file in tree.files.iter().filter(|file| is_sql(file.name())) {
        match parse(file.name()) {
            Ok((role, version, description)) if file.is_top_level() => {
                roles[role as usize].push(Versioned { version, description, file });
            }
            Ok(_) => {
                skipped.push((tree.typed(&file.path), only_top_level(tree, file)));
            }
            Err(reason) => skipped.push((tree.typed(&file.path), reason)),
        }
    }
    let [ups, downs, checks] = roles;
    let (ups, downs) = (by_version(tree, ups)?, by_version(tree, downs)?);
    let checks = by_version(tree, checks)?;
    let wanted = |alone: &Versioned<'_>| name_new(&alone.version.text, &alone.description).up;
    each_has_its_migration(tree, &ups, &downs, "the way back", wanted)?;
    each_has_its_migration(tree, &ups, &checks, "the check", wanted)?;

    let mut migrations = Vec::with_capacity(ups.len());
    for (version, named) in &ups {
        let up = script(tree, named.file)?;
        let beside = |others: &crate::versions::ByVersion<'_>| {
            others.get(version).map(|other| script(tree, other.file)).transpose()
        };
        migrations.push(Migration {
            version: Some(version.clone()),
            description: named.description.clone(),
            kind: MigrationKind::Versioned,
            down: beside(&downs)?,
            check: beside(&checks)?,
            checksum: Checksum::Sha256(up.sha256.clone()),
            no_transaction: false,
            up,
        });
    }
    Ok(Bundle { format: FORMAT.id, migrations, skipped })
}

fn name_new(version: &str, description: &str) -> NewFiles {
    let name = |suffix: &str| format!("{version}_{}{suffix}", slug(description));
    NewFiles { up: name(".up.sql"), down: Some(name(".down.sql")), check: Some(name(".check.sql")), text: "" }
}

/// The parts of a name that ends in `.sql`, or why it is not that of a migration.
fn parse(name: &str) -> Result<(Role, Version, String), String> {
    let found = ROLES.iter().find_map(|(role, suffix)| Some((*role, name.strip_suffix(suffix)?)));
    let Some((role, stem)) = found else { return Err(no_role(name)) };
    let number = stem.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    let rest = &stem[number.len()..];
    if number.is_empty() {
        return Err("it does not begin with a number, as 001_name.up.sql does".to_owned());
    }
    let Some(description) = rest.strip_prefix('_') else {
        return Err(format!("an underscore must follow the number {number}"));
    };
    let version = Version::parse(number).ok_or_else(|| format!("{number} is too large a number"))?;
    Ok((role, version, description.replace('_', " ")))
}

/// Why a name without one of the three endings is none, with the name that was probably meant.
fn no_role(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    if let Some((_, suffix)) = ROLES.iter().find(|(_, suffix)| lower.ends_with(suffix)) {
        let stem = &name[..name.len() - suffix.len()];
        return format!("the ending is written in small letters; write {stem}{suffix}");
    }
    let stem = &name[..name.len() - ".sql".len()];
    if begins_with_number(name) {
        format!(
            "it does not say whether it goes up or down; write {stem}.up.sql, or name the tool that it is for: --format sqlx"
        )
    } else {
        "it is not named as 001_name.up.sql".to_owned()
    }
}

fn begins_with_number(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_digit())
}
