//! What is to be carried out: the scripts or the directory of `spec.migration`, as the kubelet mounted them. That of an
//! image is in `image`.

use std::collections::BTreeMap;
use std::path::Path;

use sha2::{Digest, Sha256 as Hasher};

use cofferdam_api::Reason;
use cofferdam_api::source::{self, Format, Migration as Source, Script as Named, Strategy};
use cofferdam_api::value::Sha256;
use cofferdam_core::bundle::{Bundle, Checksum, Migration, MigrationKind, Version};
use cofferdam_core::{Code, Refusal};
use cofferdam_formats::{File, Tree, standing};

/// Migrations with the digest of what they were read from.
#[derive(Debug, Clone)]
pub(crate) struct Read {
    pub(crate) bundle: Bundle,
    /// The directory's path, as in the paths of its scripts.
    pub(crate) root: String,
    pub(crate) digest: Sha256,
}

/// Why there are none.
#[derive(Debug)]
pub(crate) enum Unreadable {
    /// A key of a ConfigMap is not there. It may come: the kubelet brings what is changed into the mount.
    Missing(String),
    /// It must not be carried out, for a reason that no code of an error says as well.
    Because(Reason, Box<Refusal>),
    /// It must not be carried out.
    Refused(Box<Refusal>),
}

impl From<Box<Refusal>> for Unreadable {
    fn from(refusal: Box<Refusal>) -> Self {
        Unreadable::Refused(refusal)
    }
}

/// Reads the migrations of an object. `scripts` and `directory` are where the kubelet mounts the ConfigMaps.
pub(crate) fn read(
    object: &str,
    source: &Source,
    scripts: &Path,
    directory: &Path,
) -> Result<Read, Unreadable> {
    if matches!(source.strategy, Strategy::Rolling | Strategy::BlueGreen) {
        let what = format!("spec.migration.strategy: {} is not carried out by this version", source.strategy);
        return Err(usage(&what, "write auto, direct or shadow-table").into());
    }
    match source {
        Source { scripts: Some(list), .. } => listed(object, list, scripts),
        Source { config_maps: Some(maps), .. } => {
            let names: Vec<&str> = maps.iter().map(|map| map.name.0.as_str()).collect();
            together(&names, directory, source.format)
        }
        _ => Err(usage("spec.migration: nothing is given to carry out", "give scripts or configMaps").into()),
    }
}

fn usage(what: &str, help: &str) -> Box<Refusal> {
    Box::new(Refusal::new(Code::Usage, what).help(help))
}

/// Scripts of a list, in the order in which they run.
///
/// The version of a script is `OBJECT/SCRIPT`. Its place in the list is no part of it, so that a script that is put
/// before another one does not make that one new; the object's name is, because the scripts of every release tend to
/// have the same names. The namespace is not: a database that was restored elsewhere has what was applied to it.
fn listed(object: &str, list: &[Named], folder: &Path) -> Result<Read, Unreadable> {
    let mut digest = Hasher::new();
    let mut migrations = Vec::new();
    let wrong = |why: String| {
        usage(&format!("spec.migration.scripts: {why}"), "kubectl explain dbm.spec.migration.scripts")
    };
    let validations = source::validations(list).map_err(wrong)?;
    let mut checks = BTreeMap::new();
    for named in ordered(list)? {
        let name = &named.name.0;
        let key = named.source.0.strip_prefix("configmap://").unwrap_or(&named.source.0);
        let path = folder.join(format!("{name}.sql"));
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Err(Unreadable::Missing(format!("script {name}: ConfigMap {key} is not there")));
            }
            Err(e) => {
                let refusal = Refusal::new(Code::UnreadableFile, format!("script {name} cannot be read"));
                return Err(Box::new(refusal.cause(e.to_string())).into());
            }
        };
        let found = Sha256(format!("sha256:{}", hex::encode(Hasher::digest(&bytes))));
        if let Some(wanted) = named.checksum.as_ref().filter(|wanted| **wanted != found) {
            return Err(mismatch(name, key, wanted, &found));
        }
        digest.update(format!("{name} {}\n", found.0));
        let up = cofferdam_formats::script(&Tree::default(), &File { path: key.to_owned(), bytes })?;
        if let Some((_, about)) = validations.iter().find(|(script, _)| script.name == named.name) {
            checks.insert(about.name.0.clone(), up);
            continue;
        }
        let version = Version::of_list(object, name).ok_or_else(|| {
            usage(&format!("{object}/{name} is no name of a script"), "write small letters, digits and -")
        })?;
        migrations.push(Migration {
            version: Some(version),
            description: name.replace('-', " "),
            kind: MigrationKind::Versioned,
            checksum: Checksum::Sha256(up.sha256.clone()),
            up,
            down: None,
            check: None,
            no_transaction: false,
        });
    }
    for migration in &mut migrations {
        let version = migration.version.as_ref().map(|version| version.text.as_str()).unwrap_or_default();
        migration.check = version.split_once('/').and_then(|(_, name)| checks.remove(name));
    }
    let bundle = Bundle { format: standing::LIST, migrations, skipped: Vec::new() };
    Ok(Read { bundle, root: String::new(), digest: shown(digest) })
}

fn shown(digest: Hasher) -> Sha256 {
    Sha256(format!("sha256:{}", hex::encode(digest.finalize())))
}

fn mismatch(name: &str, key: &str, wanted: &Sha256, found: &Sha256) -> Unreadable {
    let refusal =
        Refusal::new(Code::ChecksumChanged, format!("script {name} ({key}) is not the one of the spec"))
            .cause(format!(
                "spec.migration.scripts wants {}, and it has {}; nothing was changed",
                wanted.0, found.0
            ));
    Unreadable::Because(Reason::DigestMismatch, Box::new(refusal))
}

/// In the order in which they run.
fn ordered(list: &[Named]) -> Result<Vec<&Named>, Box<Refusal>> {
    source::in_order(list).map_err(|left| {
        Box::new(Refusal::new(Code::Usage, format!("spec.migration.scripts: {}", source::knotted(&left))))
    })
}

/// The keys of several ConfigMaps as the files of one directory.
fn together(names: &[&str], folder: &Path, format: Option<Format>) -> Result<Read, Unreadable> {
    let mut tree = Tree { root: names.join(", "), files: Vec::new() };
    for (number, name) in names.iter().enumerate() {
        let folder = folder.join(number.to_string());
        if !folder.is_dir() {
            return Err(Unreadable::Missing(format!("ConfigMap {name} is not there")));
        }
        let found = match cofferdam_adapters::sources::read_directory(&folder) {
            Ok(found) => found,
            // Another one may have the files.
            Err(refusal) if refusal.code == Code::EmptyDirectory => continue,
            Err(refusal) => return Err(refusal.into()),
        };
        for file in found.files {
            if tree.files.iter().any(|other| other.path == file.path) {
                let refusal = Refusal::new(
                    Code::DuplicateVersion,
                    format!("{} is in two of the ConfigMaps", file.path),
                )
                .cause(format!("{name} has it, and one before it in spec.migration.configMaps"))
                .help("remove one of the two");
                return Err(Box::new(refusal).into());
            }
            tree.files.push(file);
        }
    }
    if tree.files.is_empty() {
        return Err(Unreadable::Missing(format!("no key is in {}", tree.root)));
    }
    tree.files.sort_by(|a, b| a.path.cmp(&b.path));
    let mut digest = Hasher::new();
    for file in &tree.files {
        digest.update(format!("{} {}\n", file.path, hex::encode(Hasher::digest(&file.bytes))));
    }
    let format = format.filter(|format| *format != Format::Auto).map(Format::word);
    let bundle = cofferdam_formats::read(&tree, format)?;
    Ok(Read { bundle, root: tree.root, digest: shown(digest) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str, after: &[&str]) -> Named {
        serde_json::from_value(serde_json::json!({
            "name": name, "source": format!("configmap://scripts/{name}.sql"), "dependsOn": after,
        }))
        .unwrap()
    }

    fn source(json: serde_json::Value) -> Source {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn scripts_run_in_their_order_but_none_before_those_that_it_needs() {
        // Names with what each waits for, and the order in which they run.
        type Case<'a> = (&'a [(&'a str, &'a [&'a str])], Option<&'a [&'a str]>);
        let cases: &[Case<'_>] = &[
            (&[("a", &[]), ("b", &[]), ("c", &[])], Some(&["a", "b", "c"])),
            (&[("c", &["b"]), ("b", &["a"]), ("a", &[])], Some(&["a", "b", "c"])),
            (&[("d", &["b", "c"]), ("c", &[]), ("b", &[]), ("a", &[])], Some(&["c", "b", "d", "a"])),
            (&[("a", &["b"]), ("b", &["a"])], None),
            (&[("a", &["a"])], None),
            (&[("a", &["gone"])], None),
        ];
        for (list, expected) in cases {
            let list: Vec<Named> = list.iter().map(|(name, after)| named(name, after)).collect();
            let found =
                ordered(&list).map(|list| list.iter().map(|one| one.name.0.clone()).collect::<Vec<_>>());
            assert_eq!(
                found.ok().as_deref(),
                expected.map(|names| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>()).as_deref()
            );
        }
    }

    #[test]
    fn a_list_has_the_object_in_its_versions_and_a_digest_of_all() {
        let folder = tempfile::tempdir().unwrap();
        let list = source(serde_json::json!({ "scripts": [
            { "name": "b", "source": "configmap://s/b.sql", "dependsOn": ["a"] }, { "name": "a", "source": "configmap://s/a.sql" },
        ] }));
        let read = || read("orders", &list, folder.path(), folder.path());
        std::fs::write(folder.path().join("a.sql"), "SELECT 1;").unwrap();
        assert!(matches!(read(), Err(Unreadable::Missing(what)) if what.contains("s/b.sql")));
        std::fs::write(folder.path().join("b.sql"), "SELECT 2;").unwrap();
        let first = read().unwrap();
        let keys: Vec<String> = first.bundle.migrations.iter().map(Migration::key).collect();
        assert_eq!(keys, ["orders/a", "orders/b"]);
        assert_eq!(first.bundle.migrations[0].up.path, "s/a.sql");
        assert!(first.digest.parse().is_ok());
        std::fs::write(folder.path().join("b.sql"), "SELECT 3;").unwrap();
        assert_ne!(read().unwrap().digest, first.digest);
    }

    #[test]
    fn a_validation_is_the_check_of_the_script_that_it_is_about() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a", "b", "c", "v", "w"] {
            std::fs::write(folder.path().join(format!("{name}.sql")), format!("SELECT '{name}';")).unwrap();
        }
        let script = |name: &str, after: &[&str], validates: bool| {
            serde_json::json!({
                "name": name, "source": format!("configmap://s/{name}.sql"), "dependsOn": after,
                "type": if validates { "validation" } else { "schema" },
            })
        };
        type Case<'a> = (Vec<serde_json::Value>, Result<&'a [(&'a str, &'a str)], &'a str>);
        let cases: Vec<Case<'_>> = vec![
            (
                vec![script("a", &[], false), script("v", &[], true), script("b", &[], false)],
                Ok(&[("a", "v")]),
            ),
            // The last of them in the order in which they run.
            (
                vec![script("b", &["a"], false), script("v", &["a", "b"], true), script("a", &[], false)],
                Ok(&[("b", "v")]),
            ),
            (
                vec![
                    script("a", &[], false),
                    script("b", &[], false),
                    script("v", &["a"], true),
                    script("w", &["b"], true),
                ],
                Ok(&[("a", "v"), ("b", "w")]),
            ),
            (vec![script("v", &[], true), script("a", &[], false)], Err("v validates nothing")),
            (
                vec![script("a", &[], false), script("v", &[], true), script("w", &["a"], true)],
                Err("a is validated by v and by w"),
            ),
            (
                vec![script("a", &[], false), script("v", &[], true), script("w", &["v"], true)],
                Err("w depends on v, which changes nothing"),
            ),
        ];
        for (scripts, expected) in cases {
            let shown = serde_json::json!(scripts).to_string();
            let read =
                read("o", &source(serde_json::json!({ "scripts": scripts })), folder.path(), folder.path());
            match (read, expected) {
                (Ok(read), Ok(expected)) => {
                    let found: Vec<(String, String)> = read
                        .bundle
                        .migrations
                        .iter()
                        .filter_map(|one| Some((one.key(), one.check.as_ref()?.path.clone())))
                        .collect();
                    let expected: Vec<(String, String)> = expected
                        .iter()
                        .map(|(of, check)| (format!("o/{of}"), format!("s/{check}.sql")))
                        .collect();
                    assert_eq!(found, expected, "{shown}");
                }
                (Err(Unreadable::Refused(refusal)), Err(words)) => {
                    assert!(refusal.what.contains(words), "{}", refusal.what);
                }
                (read, _) => panic!("{shown}: {read:?}"),
            }
        }
    }

    #[test]
    fn a_checksum_is_compared_and_both_are_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.sql"), "SELECT 1;").unwrap();
        let right = format!("sha256:{}", hex::encode(Hasher::digest("SELECT 1;")));
        let wrong = format!("sha256:{}", "0".repeat(64));
        for (checksum, fine) in [(&right, true), (&wrong, false)] {
            let list = source(serde_json::json!({ "scripts": [
                { "name": "a", "source": "configmap://s/a.sql", "checksum": checksum },
            ] }));
            match read("orders", &list, folder.path(), folder.path()) {
                Ok(_) => assert!(fine),
                Err(Unreadable::Because(Reason::DigestMismatch, refusal)) => {
                    let text = format!("{} {:?}", refusal.what, refusal.cause);
                    assert!(
                        !fine && text.contains(&right) && text.contains(&wrong) && text.contains("script a")
                    );
                }
                Err(other) => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn config_maps_are_one_directory() {
        let folder = tempfile::tempdir().unwrap();
        let maps = source(serde_json::json!({ "configMaps": [{ "name": "one" }, { "name": "two" }] }));
        let read = || read("orders", &maps, folder.path(), folder.path());
        std::fs::create_dir(folder.path().join("0")).unwrap();
        assert!(matches!(read(), Err(Unreadable::Missing(what)) if what.contains("two")));
        std::fs::create_dir(folder.path().join("1")).unwrap();
        assert!(matches!(read(), Err(Unreadable::Missing(_))));
        std::fs::write(folder.path().join("1/V1__a.sql"), "SELECT 1;").unwrap();
        std::fs::write(folder.path().join("0/V2__b.sql"), "SELECT 2;").unwrap();
        let keys: Vec<String> = read().unwrap().bundle.migrations.iter().map(Migration::key).collect();
        assert_eq!(keys, ["1", "2"]);
        std::fs::write(folder.path().join("0/V1__a.sql"), "SELECT 1;").unwrap();
        assert!(matches!(read(), Err(Unreadable::Refused(refusal)) if refusal.what.contains("V1__a.sql")));
    }

    #[test]
    fn what_is_not_carried_out_is_said() {
        for (json, field) in [
            (serde_json::json!({ "scripts": [], "strategy": "rolling" }), "spec.migration.strategy"),
            (serde_json::json!({}), "spec.migration: nothing"),
        ] {
            match read("orders", &source(json), Path::new("/"), Path::new("/")) {
                Err(Unreadable::Refused(refusal)) => {
                    assert!(refusal.what.starts_with(field), "{}", refusal.what);
                    assert_eq!(Reason::from(refusal.code), Reason::SpecInvalid);
                }
                other => panic!("{other:?}"),
            }
        }
    }
}
