//! Files that carry a version: each version once, and the files that belong to a version beside it.

use std::collections::BTreeMap;

use cofferdam_core::bundle::Version;
use cofferdam_core::{Bundle, Code, Migration, Refusal};

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

/// Versions of a tool that compares them as texts. Where numbers come in the same order they are numbers, which is
/// what people write after `--to`.
pub(crate) fn of_names<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<Version> {
    let texts: Vec<&str> = texts.collect();
    let mut sorted = texts.clone();
    sorted.sort_unstable();
    let whole = |text: &&str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let numbers: Vec<_> =
        sorted.iter().filter(|text| whole(text)).filter_map(|text| Version::parse(text)).collect();
    let alike = numbers.len() == texts.len()
        && sorted
            .windows(2)
            .zip(numbers.windows(2))
            .all(|(texts, numbers)| texts[0].cmp(texts[1]) == numbers[0].cmp(&numbers[1]));
    match alike {
        true => texts.iter().filter_map(|text| Version::parse(text)).collect(),
        false => texts.into_iter().map(Version::of_text).collect(),
    }
}

/// A sentence for a directory whose versions come in another order as texts than as numbers.
pub(crate) fn mixed_widths(bundle: &Bundle) -> Option<String> {
    let versions = bundle.migrations.iter().filter_map(|migration| migration.version.as_ref());
    let mut versions: Vec<_> =
        versions.filter_map(|version| Some((version, Version::parse(&version.text)?))).collect();
    versions.sort_by_key(|(version, _)| *version);
    // Where any two are the wrong way round, some two neighbours are.
    let (low, high) =
        versions.windows(2).find(|pair| pair[0].1 > pair[1].1).map(|pair| (pair[0].0, pair[1].0))?;
    Some(format!(
        "{} compares versions as texts, so {low} comes before {high}: write all versions with the same number of digits",
        bundle.format
    ))
}

/// Refuses migrations of one version, in whatever order they are.
///
/// # Errors
/// `DuplicateVersion` with both paths.
pub(crate) fn each_once(migrations: &[Migration]) -> Result<(), Box<Refusal>> {
    let mut seen = BTreeMap::new();
    for migration in migrations {
        let Some(version) = &migration.version else { continue };
        if let Some(first) = seen.insert(version, &migration.up.path) {
            return Err(Box::new(
                Refusal::new(
                    Code::DuplicateVersion,
                    format!("{first} and {} both have version {version}", migration.up.path),
                )
                .cause("the history knows a migration by its version, so the second would never be applied")
                .help("give one of the two a version of its own"),
            ));
        }
    }
    Ok(())
}
