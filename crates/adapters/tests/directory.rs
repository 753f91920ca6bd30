//! Directories as they are found on machines.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;

use cofferdam_adapters::sources::directory::MAX_FILE_BYTES;
use cofferdam_adapters::sources::read_directory;
use cofferdam_core::{Code, Refusal};
use tempfile::TempDir;

fn directory(files: &[&str]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for file in files {
        let path = directory.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("SELECT '{file}';\n")).unwrap();
    }
    directory
}

fn paths(directory: &Path) -> Vec<String> {
    read_directory(directory).unwrap().files.into_iter().map(|file| file.path).collect()
}

fn refusal(directory: &Path) -> Box<Refusal> {
    let refusal = read_directory(directory).unwrap_err();
    assert!(refusal.help.is_some(), "{refusal}");
    refusal
}

#[test]
fn files_are_read_as_bytes_and_sorted_by_path() {
    let directory = directory(&["b.sql", "a/z.sql", "a.sql", "B.sql", "a/é.sql", "a-b.sql", "README.md"]);
    let bytes = b"\xef\xbb\xbfSELECT 1;\r\n\0\xff";
    fs::write(directory.path().join("b.sql"), bytes).unwrap();
    let tree = read_directory(directory.path()).unwrap();
    assert_eq!(tree.root, directory.path().to_str().unwrap());
    let paths: Vec<_> = tree.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["B.sql", "README.md", "a-b.sql", "a.sql", "a/z.sql", "a/é.sql", "b.sql"]);
    assert_eq!(tree.file("b.sql").unwrap().bytes, bytes);
}

#[test]
fn hidden_files_are_left_out_and_links_followed_as_in_a_mounted_config_map() {
    let directory =
        directory(&["..2026_01_31/V1__a.sql", ".git/x.sql", ".V2__b.sql.swp", "elsewhere/V3__c.sql"]);
    let at = |name: &str| directory.path().join(name);
    symlink("..2026_01_31", at("..data")).unwrap();
    symlink("..data/V1__a.sql", at("V1__a.sql")).unwrap();
    symlink("elsewhere", at("linked")).unwrap();
    assert_eq!(paths(directory.path()), ["V1__a.sql", "elsewhere/V3__c.sql"], "elsewhere is read once");
    let tree = read_directory(directory.path()).unwrap();
    assert_eq!(tree.files[0].bytes, b"SELECT '..2026_01_31/V1__a.sql';\n");
}

#[test]
fn a_loop_of_links_ends() {
    let directory = directory(&["V1__a.sql", "sub/V2__b.sql"]);
    symlink("..", directory.path().join("sub/up")).unwrap();
    symlink(".", directory.path().join("same")).unwrap();
    assert_eq!(paths(directory.path()), ["V1__a.sql", "sub/V2__b.sql"]);

    symlink("itself", directory.path().join("itself")).unwrap();
    assert_eq!(refusal(directory.path()).code, Code::UnreadableFile);
}

#[test]
fn a_directory_that_is_itself_a_link_is_read() {
    let directory = directory(&["real/V1__a.sql"]);
    symlink("real", directory.path().join("current")).unwrap();
    assert_eq!(paths(&directory.path().join("current")), ["V1__a.sql"]);
}

#[test]
fn thousands_of_files_are_read() {
    let directory = tempfile::tempdir().unwrap();
    for version in 1..=5_500 {
        fs::write(directory.path().join(format!("V{version}__x.sql")), "SELECT 1;").unwrap();
    }
    let tree = read_directory(directory.path()).unwrap();
    assert_eq!(tree.files.len(), 5_500);
    let bundle = cofferdam_formats::read(&tree, None).unwrap();
    assert!(bundle.migrations.windows(2).all(|pair| pair[0].version < pair[1].version));
}

#[test]
fn what_cannot_be_read_is_refused_with_the_reason() {
    let directory = directory(&["V1__a.sql"]);
    let at = |name: &str| directory.path().join(name);
    let cause_of = |name: &OsStr| {
        let refusal = refusal(directory.path());
        fs::remove_file(directory.path().join(name)).unwrap();
        (refusal.code, refusal.cause.unwrap())
    };

    symlink("nowhere", at("V2__b.sql")).unwrap();
    let dangling = (Code::UnreadableFile, "it is a link to something that is not there".to_owned());
    assert_eq!(cause_of(OsStr::new("V2__b.sql")), dangling);

    let _socket = UnixListener::bind(at("V2__b.sql")).unwrap();
    let socket = (Code::UnreadableFile, "it is a pipe, a socket or a device".to_owned());
    assert_eq!(cause_of(OsStr::new("V2__b.sql")), socket);

    let large = fs::File::create(at("V2__dump.sql")).unwrap();
    large.set_len(MAX_FILE_BYTES + 1).unwrap();
    let too_large = (Code::UnreadableFile, "a file of migrations has at most 64 MiB".to_owned());
    assert_eq!(cause_of(OsStr::new("V2__dump.sql")), too_large);

    let latin1 = OsStr::from_bytes(b"V2__gr\xfc\xdfe.sql");
    fs::write(directory.path().join(latin1), "SELECT 1;").unwrap();
    let name = (Code::BadFileName, "the name is recorded as text in the history".to_owned());
    assert_eq!(cause_of(latin1), name);

    assert_eq!(paths(directory.path()), ["V1__a.sql"], "nothing is left of the above");
}

#[test]
fn a_path_that_is_no_directory_is_refused_with_one_that_is() {
    let directory = directory(&[
        "aaa/V1__a.sql",
        "db/migrations/V1__a.sql",
        "src/main/resources/db/migration/V1__a.sql",
        "node_modules/x/y.sql",
        ".hidden/V1__a.sql",
        "docs/README.md",
    ]);
    let at = |name: &str| directory.path().join(name);
    let meant = |name: &str| format!("did you mean --dir {}?", at(name).display());
    for (asked, code, help) in [
        ("db/migrtions", Code::NoSuchDirectory, meant("db/migrations")),
        ("migratons", Code::NoSuchDirectory, meant("db/migrations")),
        ("db/typo/deeper", Code::NoSuchDirectory, meant("db/migrations")),
        ("unlike/anything", Code::NoSuchDirectory, meant("aaa")),
        ("aaa/V1__a.sql", Code::NoSuchDirectory, meant("aaa")),
        ("aaa/V1__a.sql/sub", Code::NoSuchDirectory, meant("aaa")),
        ("aaa/sub", Code::NoSuchDirectory, meant("aaa")),
        ("src/main/x", Code::NoSuchDirectory, meant("src/main/resources/db/migration")),
        ("docs/x", Code::NoSuchDirectory, "cofferdam init makes one; --dir names another".to_owned()),
    ] {
        let refusal = refusal(&at(asked));
        assert_eq!((refusal.code, refusal.help.unwrap()), (code, help), "{asked}");
        assert!(refusal.notes.iter().all(|note| !note.contains("node_modules") && !note.contains("hidden")));
    }
}

#[test]
fn a_directory_without_a_file_is_refused() {
    let directory = directory(&[".gitkeep"]);
    fs::create_dir_all(directory.path().join("empty/deeper")).unwrap();
    assert_eq!(refusal(directory.path()).code, Code::EmptyDirectory);
}
