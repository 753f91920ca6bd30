//! Files that carry a version: each version once, and the files that belong to a version beside it.

use std::collections::BTreeMap;

use cofferdam_core::bundle::Version;
use cofferdam_core::{Code, Refusal};

use crate::tree::{File, Tree};

/// A file whose name says a version and a description.
#[derive(Debug, Clone)]
pub(crate) struct Versioned<'t> {
    pub(crate) version: Version,
    pub(crate) description: String,
    pub(crate) file: &'t File,
}

/// Files by version; `1`, `1.0` and `01` are one.
pub(crate) type ByVersion<'t> = BTreeMap<Version, Versioned<'t>>;

/// Sorts files by version.
///
/// # Errors
/// `DuplicateVersion` with both paths; further pairs are notes.
pub(crate) fn by_version<'t>(tree: &Tree, files: Vec<Versioned<'t>>) -> Result<ByVersion<'t>, Box<Refusal>> {
    let mut sorted = ByVersion::new();
    let mut pairs = Vec::new();
    for next in files {
        match sorted.get(&next.version) {
            Some(first) => pairs.push((first.clone(), next)),
            None => drop(sorted.insert(next.version.clone(), next)),
        }
    }
    let sentence = |first: &Versioned<'_>, second: &Versioned<'_>| {
        let (one, other) = (tree.typed(&first.file.path), tree.typed(&second.file.path));
        match first.version.text == second.version.text {
            true => format!("{one} and {other} both have version {}", first.version),
            false => {
                format!("{one} and {other} have one version: {} is {}", first.version, second.version)
            }
        }
    };
    let Some(((first, second), others)) = pairs.split_first() else { return Ok(sorted) };
    let refusal = Refusal::new(Code::DuplicateVersion, sentence(first, second))
        .cause("versions are compared as numbers, and each is applied once")
        .help("give one of the two files a version of its own");
    Err(Box::new(others.iter().fold(refusal, |refusal, (one, two)| refusal.note(sentence(one, two)))))
}

/// Refuses files (`role`: "an undo script") whose version no migration has.
///
/// # Errors
/// `MissingPair`, naming the first such file; `wanted` makes the name of the file that it belongs to.
pub(crate) fn each_has_its_migration(
    tree: &Tree,
    ups: &ByVersion<'_>,
    others: &ByVersion<'_>,
    role: &str,
    wanted: impl Fn(&Versioned<'_>) -> String,
) -> Result<(), Box<Refusal>> {
    let mut alone = others.values().filter(|other| !ups.contains_key(&other.version));
    let Some(first) = alone.next() else { return Ok(()) };
    let refusal = Refusal::new(
        Code::MissingPair,
        format!(
            "{} is {role} of version {}, which has no migration",
            tree.typed(&first.file.path),
            first.version
        ),
    )
    .cause(format!("there is no file such as {}", tree.typed(&wanted(first))))
    .help("restore the migration from version control, or correct the version in the file's name");
    Err(Box::new(alone.fold(refusal, |refusal, other| {
        refusal.note(format!("{} has none either", tree.typed(&other.file.path)))
    })))
}
