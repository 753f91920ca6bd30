//! sqlx: `1_name.sql`, or `1_name.up.sql` with `1_name.down.sql`.
//!
//! Its names say nothing of the tool: the first kind is anybody's, the second is that of plain pairs. So a
//! directory is read as one of sqlx only where somebody says so. Only the top level is read. Facts were taken from
//! runs of sqlx 0.8.6.

use cofferdam_core::bundle::Version;
use cofferdam_core::{Bundle, Checksum, Migration, MigrationKind, Refusal, Script};
use sha2::{Digest, Sha384};

use super::{Confidence, Format, NewFiles, slug, top_level};
use crate::script::script;
use crate::tree::{File, Tree};
use crate::versions::{Versioned, by_version, each_has_its_migration};

/// The format's line in the table.
pub static FORMAT: Format = Format {
    id: "sqlx",
    title: "1_name.sql, or 1_name.up.sql with 1_name.down.sql; only with --format sqlx",
    detect: |_| Confidence::No,
    read: |tree, _| read(tree),
    name_new: Some(|version, description| {
        let name = |suffix: &str| format!("{version}_{}{suffix}", slug(description));
        NewFiles { up: name(".up.sql"), down: Some(name(".down.sql")), check: None, text: "" }
    }),
    notes: |_| Vec::new(),
};

/// A script that begins with this is run outside of a transaction.
const ALONE: &str = "-- no-transaction";

fn read(tree: &Tree) -> Result<Bundle, Box<Refusal>> {
    let mut skipped = Vec::new();
    let (mut ups, mut downs) = (Vec::new(), Vec::new());
    for file in top_level(tree, &mut skipped, |name| name.ends_with(".sql")) {
        match parse(file) {
            Ok((true, named)) => downs.push(named),
            Ok((false, named)) => ups.push(named),
            Err(reason) => skipped.push((tree.typed(&file.path), reason)),
        }
    }
    let (ups, downs) = (by_version(tree, ups)?, by_version(tree, downs)?);
    let wanted = |alone: &Versioned<'_>| format!("{}_{}.up.sql", alone.version, slug(&alone.description));
    each_has_its_migration(tree, &ups, &downs, "the way back", wanted)?;
    let mut migrations = Vec::with_capacity(ups.len());
    for (version, named) in &ups {
        let up = in_its_way(script(tree, named.file)?);
        let down = downs.get(version).map(|down| script(tree, down.file)).transpose()?;
        migrations.push(Migration {
            version: Some(version.clone()),
            description: named.description.clone(),
            kind: MigrationKind::Versioned,
            checksum: Checksum::Sha384(sha384_hex(&named.file.bytes)),
            no_transaction: up.no_transaction,
            up,
            down: down.map(in_its_way),
            check: None,
        });
    }
    Ok(Bundle { format: FORMAT.id, migrations, skipped })
}

fn in_its_way(script: Script) -> Script {
    Script { no_transaction: script.text.starts_with(ALONE), ..script }
}

/// Whether it is a way back, and what it is for.
fn parse(file: &File) -> Result<(bool, Versioned<'_>), String> {
    let Some((number, rest)) = file.name().split_once('_') else {
        return Err("it has no underscore behind its version, as 1_name.sql has".to_owned());
    };
    let version = number.parse::<i64>().ok().and_then(|_| Version::parse(number));
    let Some(version) = version.filter(|_| number.bytes().all(|b| b.is_ascii_digit())) else {
        return Err(format!("{number} is not a version of sqlx, which is a number of 64 bits"));
    };
    let is_down = rest.ends_with(".down.sql");
    let endings = [".down.sql", ".up.sql", ".sql"];
    let stem = endings.iter().find_map(|ending| rest.strip_suffix(ending)).unwrap_or(rest);
    Ok((is_down, Versioned { version, description: stem.replace('_', " "), file }))
}

/// SHA-384 in hex.
pub fn sha384_hex(bytes: &[u8]) -> String {
    hex::encode(Sha384::digest(bytes))
}
