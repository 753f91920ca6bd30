//! The whole database, by the program that belongs to the server.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cofferdam_scratch::mysql::{Kind, client};

use crate::backup::{Place, apply};
use crate::support::{Ended, ended};

on_both! {
    it_is_written_by_its_own_program_and_comes_back,
    what_the_program_does_not_write_whole_is_refused,
}

const SHOP: &str = "
CREATE TABLE items (id int PRIMARY KEY, name varchar(20) CHARACTER SET utf8mb4, raw varbinary(8)) COMMENT 'kept';
INSERT INTO items VALUES (1, 'ü😀', x'00ff0a'), (2, NULL, x'');
CREATE TABLE notes (id int AUTO_INCREMENT PRIMARY KEY, item int, FOREIGN KEY (item) REFERENCES items (id)) AUTO_INCREMENT = 7;
CREATE VIEW named AS SELECT id, name FROM items WHERE name IS NOT NULL;
CREATE PROCEDURE add_note (i int) INSERT INTO notes (item) VALUES (i);
CREATE TRIGGER noted AFTER INSERT ON items FOR EACH ROW INSERT INTO notes (item) VALUES (NEW.id);
CREATE EVENT yearly ON SCHEDULE EVERY 1 YEAR DISABLE DO DELETE FROM notes;
";

fn shop(kind: Kind, name: &str) -> Option<Place> {
    let place = Place::new(kind, name, "SET NAMES utf8mb4")?;
    // One by one: MySQL keeps a trigger that others follow in the same text with a semicolon that its mysqldump writes down.
    for sql in SHOP.split(";\n").filter(|sql| !sql.trim().is_empty()) {
        place.site.query(&format!("SET NAMES utf8mb4; {sql}"));
    }
    Some(place)
}

/// The program that a server of this kind has for it.
fn program(kind: Kind) -> &'static str {
    match kind {
        Kind::MySql => "mysqldump",
        Kind::MariaDb => "mariadb-dump",
    }
}

/// A path with this one program in it.
fn path_with(name: &str, script: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(name);
    fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn shell(words: &[PathBuf]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("'{}'", word.display())).collect();
    format!("exec {} \"$@\"", words.join(" "))
}

/// The real one.
fn real(kind: Kind) -> tempfile::TempDir {
    path_with(program(kind), &shell(&client(kind, program(kind)).unwrap()))
}

fn whole(place: &Place, path: &Path, url: &str) -> Ended {
    let mut command = place.site.elsewhere(url, &["backup", "--whole", "--to", place.to()]);
    ended(command.env("PATH", path).stdin(Stdio::null()))
}

/// The database, or the one beside, without what tells them apart.
fn there(place: &Place, database: &str) -> Vec<String> {
    let rows = |sql: &str| {
        let rows = place.site.server.query(Some(database), sql).unwrap();
        rows.into_iter().map(|row| format!("{row:?}").replace(database, "DATABASE")).collect::<Vec<_>>()
    };
    [
        "SHOW CREATE TABLE items",
        "SHOW CREATE TABLE notes",
        "SHOW CREATE VIEW named",
        "SHOW CREATE PROCEDURE add_note",
        "SHOW CREATE EVENT yearly",
        "SELECT TRIGGER_NAME, ACTION_STATEMENT FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE()",
        "SELECT id, name, HEX(raw) FROM items ORDER BY id",
        "SELECT id, item FROM notes ORDER BY id",
    ]
    .iter()
    .flat_map(|sql| rows(sql))
    .collect()
}

fn it_is_written_by_its_own_program_and_comes_back(kind: Kind) {
    let Some(place) = shop(kind, "whole") else { return };
    let path = real(kind);
    let done = whole(&place, path.path(), &place.site.url);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let id = place.backups().remove(0);
    let manifest = place.manifest(&id);
    assert!(manifest["whole"]["writtenBy"].as_str().unwrap().starts_with(program(kind)), "{manifest}");
    // What a table of ours holds is verified as always; of the whole it is not said.
    assert_eq!((&manifest["verified"], manifest["tables"].as_array().unwrap().len()), (&true.into(), 2));
    let mut sql = Vec::new();
    for part in manifest["whole"]["parts"].as_array().unwrap() {
        let file = place.store.path().join(&id).join(part["object"].as_str().unwrap());
        sql.extend(zstd::stream::decode_all(&fs::read(file).unwrap()[..]).unwrap());
    }
    assert!(String::from_utf8_lossy(&sql).contains("-- Dump completed"));

    let words = client(kind, if kind == Kind::MySql { "mysql" } else { "mariadb" }).unwrap();
    let file = place.site.folder.path().join("whole.sql");
    fs::write(&file, sql).unwrap();
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).args(["--no-defaults", "--user=root"]);
    command.arg(format!("--socket={}", place.site.server.socket().display())).arg(&place.rescue);
    let back = ended(command.stdin(fs::File::open(&file).unwrap()));
    assert_eq!(back.code, 0, "{}", back.stderr);
    assert_eq!(there(&place, &place.rescue), there(&place, &place.site.database));

    // It saves, too, what a statement destroys that cannot be read.
    place
        .site
        .file("V1__gone.sql", "DELETE notes, items FROM items LEFT JOIN notes ON notes.item = items.id;");
    let mut command = place.site.command(&apply(&place, &["--backup", "whole"]));
    let applied = ended(command.env("PATH", path.path()).stdin(Stdio::null()));
    assert_eq!(applied.code, 0, "{}", applied.stderr);
    assert_eq!((place.rows("items").len(), place.backups().len()), (0, 2));
}

fn what_the_program_does_not_write_whole_is_refused(kind: Kind) {
    let Some(place) = shop(kind, "half") else { return };
    let refused = |path: &Path, url: &str, words: &str| {
        let refused = whole(&place, path, url);
        let said = &refused.stderr;
        assert!(refused.code == 1 && said.contains("CF3204") && said.contains(words), "{words}: {said}");
        assert_eq!(place.backups().len(), 0, "{words}");
    };
    let url = &place.site.url;
    let empty = tempfile::tempdir().unwrap();
    refused(empty.path(), url, "install the client programs");
    if kind == Kind::MySql {
        let other = path_with("mysqldump", "echo 'mysqldump  Ver 10.19 Distrib 10.11.19-MariaDB'");
        refused(other.path(), url, "10.11.19-MariaDB");
    }
    // It ends in the middle, and says why.
    let version = format!("[ \"$2\" = --version ] && echo '{}  Ver 1' && exit", program(kind));
    let cut = format!("{version}\necho 'CREATE TABLE half'\necho 'the connection was lost' >&2\nexit 3");
    refused(path_with(program(kind), &cut).path(), url, "the connection was lost");

    let path = real(kind);
    // Less than all of it: the routines are not shown to everybody.
    let (database, server) = (&place.site.database, place.site.server);
    let user = format!(
        "CREATE USER {database}_u@'%' IDENTIFIED BY 'u';
         GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, CREATE TEMPORARY TABLES, DROP ON {database}.* TO {database}_u@'%'"
    );
    server.query(None, &user).unwrap();
    let (scheme, rest) = url.split_once("://").unwrap();
    let at = rest.rsplit_once('@').map_or(rest, |(_, at)| at);
    refused(path.path(), &format!("{scheme}://{database}_u:u@{at}"), "did not write the whole database");

    place.site.query("CREATE TABLE loose (id int PRIMARY KEY) ENGINE = MyISAM");
    refused(path.path(), url, "MyISAM");
}
