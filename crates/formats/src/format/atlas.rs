//! Atlas' versioned directories: `20240101000000_name.sql` with `atlas.sum`.
//!
//! Files come in the order of the bytes of their names, and only those of the top level. The version is what stands
//! before the first `_`, compared as a text. Facts about sums, directives and order were taken from runs of Atlas
//! (June 2026).

mod directive;
pub mod statements;
pub mod sum;

use cofferdam_core::bundle::Version;
use cofferdam_core::{Bundle, Checksum, Migration, MigrationKind, Refusal, Script};

use self::directive::{Directives, TxMode};
use super::{Confidence, Format, top_level};
use crate::script::script;
use crate::tree::{File, Tree};
use crate::versions::{each_once, mixed_widths, of_names};

/// The format's line in the table.
pub static FORMAT: Format = Format {
    id: "atlas",
    title: "20240101000000_name.sql with atlas.sum beside it",
    detect: |tree| if tree.file(sum::NAME).is_some() { Confidence::Yes } else { Confidence::No },
    read: |tree, _| read(tree),
    name_new: None,
    notes,
};

fn read(tree: &Tree) -> Result<Bundle, Box<Refusal>> {
    let mut skipped = Vec::new();
    let mut files = top_level(tree, &mut skipped, |name| name.ends_with(".sql"));
    files.sort_by(|a, b| a.path.as_bytes().cmp(b.path.as_bytes()));
    let sums = sum::checked(tree, &files)?;
    let names: Vec<_> = files.iter().map(|file| parse(file)).collect();
    let versions = of_names(names.iter().map(|(version, _)| *version));
    let mut migrations = Vec::with_capacity(files.len());
    for (((file, sum), (_, description)), version) in files.into_iter().zip(sums).zip(&names).zip(versions) {
        let script = script(tree, file)?;
        migrations.push(migration(script, sum, description, version)?);
    }
    each_once(&migrations)?;
    Ok(Bundle { format: FORMAT.id, migrations, skipped })
}

fn migration(
    script: Script,
    sum: Option<String>,
    description: &str,
    version: Version,
) -> Result<Migration, Box<Refusal>> {
    let directives = Directives::read(&script)?;
    let checksum = match sum {
        Some(sum) => Checksum::Atlas { sum, sha256: Some(script.sha256.clone()) },
        None => Checksum::Sha256(script.sha256.clone()),
    };
    Ok(Migration {
        version: Some(version),
        description: description.to_owned(),
        kind: if directives.checkpoint { MigrationKind::Checkpoint } else { MigrationKind::Versioned },
        down: None,
        check: None,
        checksum,
        no_transaction: directives.tx_mode == TxMode::None,
        up: statements::ended(script, directives.delimiter.as_deref()),
    })
}

/// Version and description of a file; without `_` all of the name is the version.
fn parse(file: &File) -> (&str, &str) {
    let stem = file.name().strip_suffix(".sql").unwrap_or(file.name());
    stem.split_once('_').unwrap_or((stem, ""))
}

fn notes(bundle: &Bundle) -> Vec<String> {
    let directives = bundle.migrations.iter().flat_map(|migration| directive::notes(&migration.up));
    directives.chain(mixed_widths(bundle)).collect()
}
