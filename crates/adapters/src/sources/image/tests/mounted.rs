//! Images that the kubelet mounted: a folder whose content comes from somebody else.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use cofferdam_core::{Code, Refusal};

use super::super::{Limits, MountedImage, read_mounted};

const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// The image `root` with what the test puts into its `/db/migrations`, beside one good file.
fn read(limits: &Limits, put: impl Fn(&Path, &Path)) -> Result<MountedImage, Box<Refusal>> {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("db/migrations");
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("V1__a.sql"), "SELECT 1;").unwrap();
    put(root.path(), &directory);
    let reference = format!("r.example/app:v2@{DIGEST}").parse().unwrap();
    read_mounted(root.path(), &reference, &"/db/migrations".parse().unwrap(), limits)
}

#[test]
fn the_files_of_the_directory_are_read_and_the_image_is_pinned() {
    let found = read(&Limits::default(), |root, directory| {
        fs::create_dir(directory.join("b")).unwrap();
        fs::write(directory.join("b/V2__b.sql"), "SELECT 2;").unwrap();
        fs::write(directory.join(".hidden"), "no").unwrap();
        fs::write(root.join("secret.sql"), "outside").unwrap();
        // How a node keeps its files is its own affair.
        fs::hard_link(directory.join("V1__a.sql"), directory.join("V3__c.sql")).unwrap();
    })
    .unwrap();
    let paths: Vec<&str> = found.tree.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["V1__a.sql", "V3__c.sql", "b/V2__b.sql"]);
    assert_eq!(found.tree.files[0].bytes, b"SELECT 1;");
    assert_eq!(found.digest, DIGEST);
    assert_eq!(found.pinned, format!("r.example/app@{DIGEST}"));
}

#[test]
fn nothing_that_leads_out_is_followed() {
    let canary = tempfile::NamedTempFile::new().unwrap();
    fs::write(canary.path(), "canary").unwrap();
    let (file, folder) = (canary.path(), canary.path().parent().unwrap());
    type Put<'a> = Box<dyn Fn(&Path, &Path) + 'a>;
    let cases: Vec<(Put<'_>, Code, &str)> = vec![
        (Box::new(|_, d| symlink(file, d.join("V2__b.sql")).unwrap()), Code::ImageHostile, "a symbolic link"),
        (Box::new(|_, d| symlink(folder, d.join("more")).unwrap()), Code::ImageHostile, "a symbolic link"),
        (
            Box::new(|_, d| symlink("V1__a.sql", d.join("V2.sql")).unwrap()),
            Code::ImageHostile,
            "link to V1__a",
        ),
        (Box::new(|_, d| symlink("gone", d.join("V2.sql")).unwrap()), Code::ImageHostile, "a symbolic link"),
        (
            Box::new(|_, d| {
                fs::remove_dir_all(d).unwrap();
                symlink(folder, d).unwrap();
            }),
            Code::ImageNoDirectory,
            "/db/migrations in",
        ),
        (
            Box::new(|r, _| {
                fs::rename(r.join("db"), r.join("really")).unwrap();
                symlink("really", r.join("db")).unwrap();
            }),
            Code::ImageNoDirectory,
            "/db in",
        ),
        (
            Box::new(|_, d| {
                let made = Command::new("mkfifo").arg(d.join("V2.sql")).status().unwrap();
                assert!(made.success());
            }),
            Code::ImageHostile,
            "a pipe",
        ),
        (
            Box::new(|_, d| {
                let rights = fs::Permissions::from_mode(0o4755);
                fs::set_permissions(d.join("V1__a.sql"), rights).unwrap();
            }),
            Code::ImageHostile,
            "set-user-id",
        ),
        (Box::new(|_, d| fs::write(d.join("a\u{1b}[0m.sql"), "").unwrap()), Code::BadFileName, "control"),
        (Box::new(|_, d| fs::remove_dir_all(d).unwrap()), Code::ImageNoDirectory, "there is no directory"),
        (
            Box::new(|_, d| fs::remove_file(d.join("V1__a.sql")).unwrap()),
            Code::EmptyDirectory,
            "holds no file",
        ),
    ];
    for (put, code, words) in cases {
        let refusal = read(&Limits::default(), put).unwrap_err();
        let text = format!("{} {:?}", refusal.what, refusal.cause);
        assert_eq!(refusal.code, code, "{text}");
        assert!(text.contains(words) && !text.contains("canary"), "{words}: {text}");
    }
}

#[test]
fn the_caps_are_those_of_a_pulled_image() {
    let usual = Limits::default();
    for (limits, words) in [
        (Limits { file_bytes: 8, ..usual }, "too large"),
        (Limits { kept_bytes: 12, ..usual }, "holds too much"),
        (Limits { entries: 1, ..usual }, "too many entries"),
        (Limits { path_depth: 3, ..usual }, "at most 3 parts"),
        (Limits { path_bytes: 8, ..usual }, "at most 8 bytes"),
    ] {
        let refusal = read(&limits, |_, directory| {
            fs::create_dir_all(directory.join("b/c")).unwrap();
            fs::write(directory.join("b/c/V2__b.sql"), "").unwrap();
        })
        .unwrap_err();
        assert_eq!(refusal.code, Code::ImageHostile);
        assert!(format!("{} {:?}", refusal.what, refusal.cause).contains(words), "{words}: {refusal}");
    }
}

#[test]
fn a_tag_alone_says_not_what_was_mounted() {
    let reference = "r.example/app:v2".parse().unwrap();
    let refused =
        read_mounted(Path::new("/"), &reference, &"/etc".parse().unwrap(), &Limits::default()).unwrap_err();
    assert_eq!(refused.code, Code::ImageDigest);
}
