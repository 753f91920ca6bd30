//! Directories and files that cannot be what they should be.

use cofferdam_core::Code;

use crate::refusal::{Expected, refused};
use crate::support::{Bench, each};

/// Files that are added to a directory whose version 1 is applied.
struct Input {
    name: &'static str,
    files: &'static [(&'static str, &'static [u8])],
    expected: Expected,
}

const fn one(
    name: &'static str,
    text: &'static [u8],
    code: Code,
    (line, column): (usize, usize),
    says: &'static [&'static str],
) -> (&'static str, &'static [u8], Expected) {
    (name, text, Expected::new(code, says).at("V2__bad.sql", line, column))
}

/// Texts of V2__bad.sql, each with the place that is to be blamed.
static TEXTS: &[(&str, &[u8], Expected)] = &[
    one("latin 1", b"SELECT 1;\nSELECT '\xe4';\n", Code::NotUtf8, (2, 9), &["0xe4", "iconv -f LATIN1"]),
    one("cut within a character", b"SELECT '\xc3", Code::NotUtf8, (1, 9), &["iconv"]),
    one("a NUL byte", b"SELECT 1;\n\0", Code::NulByte, (2, 1), &["NUL"]),
    one("an open text", b"SELECT 1;\nSELECT 'open;\n-- more\n", Code::NotSplit, (2, 8), &["never closed"]),
    one("an open escaped text", b"SELECT E'it\\'s;\n", Code::NotSplit, (1, 8), &["never closed"]),
    one("an open name", b"SELECT \"open;\n", Code::NotSplit, (1, 8), &["close it with \""]),
    one("an open dollar quote", b"DO $a$ BEGIN\nEND $A$;\n", Code::NotSplit, (1, 4), &["close it with $a$"]),
    one("an open comment", b"SELECT 1; /* /* */\nSELECT 2;\n", Code::NotSplit, (1, 11), &["comments nest"]),
    one(
        "an open parenthesis",
        b"CREATE TABLE a (id int;\nSELECT 1;\n",
        Code::NotSplit,
        (1, 16),
        &["close it with )"],
    ),
    one(
        "an open body",
        b"CREATE FUNCTION f() RETURNS int\nBEGIN ATOMIC SELECT 1;",
        Code::NotSplit,
        (2, 1),
        &["END"],
    ),
    one("rows without an end", b"COPY kept FROM stdin;\n1\n2\n", Code::NotSplit, (1, 1), &["`\\.`"]),
    one("a command of psql", b"SELECT 1;\n\\d kept\n", Code::PsqlCommand, (2, 1), &["`\\d`"]),
    one("an included file", b"\\i other.sql\n", Code::PsqlCommand, (1, 1), &["migration of its own"]),
    one(
        "a copy of psql's",
        b"\\copy kept FROM 'x.csv'\n",
        Code::PsqlCommand,
        (1, 1),
        &["COPY ... FROM stdin"],
    ),
    one(
        "a placeholder",
        b"CREATE TABLE ${prefix}a (id int);\n",
        Code::PlaceholderUnsupported,
        (1, 14),
        &["${prefix}"],
    ),
    one(
        "a directive with a typo",
        b"-- cofferdam:transacton none\nSELECT 1;\n",
        Code::BadDirective,
        (1, 1),
        &["transaction"],
    ),
    one(
        "a directive without a value",
        b"SELECT 1;\n-- cofferdam:transaction\nSELECT 2;\n",
        Code::BadDirective,
        (2, 1),
        &["none"],
    ),
    one(
        "an allowance until no day",
        b"-- cofferdam:allow drop-table reason=\"x\" until=2027-13-01\nDROP TABLE kept;\n",
        Code::BadDirective,
        (1, 1),
        &["until"],
    ),
];

static INPUTS: &[Input] = &[
    Input {
        name: "UTF-16 with a mark",
        files: &[("V2__bad.sql", b"\xff\xfeS\0E\0L\0E\0C\0T\0 \x001\0;\0")],
        expected: Expected::new(Code::NotUtf8, &["UTF-16", "iconv -f UTF-16", "V2__bad.sql"]),
    },
    Input {
        name: "UTF-16 without a mark",
        files: &[("V2__bad.sql", b"S\0E\0L\0E\0C\0T\0 \x001\0;\0")],
        expected: Expected::new(Code::NotUtf8, &["UTF-16"]),
    },
    Input {
        name: "two files with one version",
        files: &[("V2__a.sql", b"SELECT 1;"), ("V2.0__b.sql", b"SELECT 2;")],
        expected: Expected::new(Code::DuplicateVersion, &["V2__a.sql", "V2.0__b.sql"]),
    },
    Input {
        name: "a version with leading zeros twice",
        files: &[("sub/V002__a.sql", b"SELECT 1;"), ("V2__b.sql", b"SELECT 2;")],
        expected: Expected::new(Code::DuplicateVersion, &["V002__a.sql", "V2__b.sql"]),
    },
    Input {
        name: "a callback",
        files: &[("beforeMigrate.sql", b"SELECT 1;")],
        expected: Expected::new(Code::CallbackUnsupported, &["beforeMigrate", "R__"]),
    },
    Input {
        name: "a callback with a description",
        files: &[("afterEachMigrate__note.sql", b"SELECT 1;")],
        expected: Expected::new(Code::CallbackUnsupported, &["afterEachMigrate"]),
    },
    Input {
        name: "two baseline migrations with one version",
        files: &[("B2__base.sql", b"SELECT 1;"), ("sub/B2.0__base.sql", b"SELECT 2;")],
        expected: Expected::new(Code::DuplicateVersion, &["B2__base.sql", "B2.0__base.sql"]),
    },
    Input {
        name: "a shell script",
        files: &[("V2__a.sh", b"rm -rf x")],
        expected: Expected::new(Code::BadFileName, &["V2__a.sh"]),
    },
    Input {
        name: "a way back without its migration",
        files: &[("U9__gone.sql", b"SELECT 1;")],
        expected: Expected::new(Code::MissingPair, &["U9__gone.sql"]),
    },
    Input {
        name: "two formats in one directory",
        files: &[("002_b.up.sql", b"SELECT 1;"), ("002_b.down.sql", b"SELECT 1;")],
        expected: Expected::new(Code::UnknownFormat, &["flyway", "plain"]),
    },
    Input {
        name: "an own transaction in the middle",
        files: &[("V2__bad.sql", b"CREATE TABLE a (id int);\nCOMMIT;\nCREATE TABLE b (id int);\n")],
        expected: Expected::new(Code::LintBlocked, &["V2__bad.sql:2:1", "transaction-in-file"]),
    },
    Input {
        name: "a rollback at the end",
        files: &[("V2__bad.sql", b"BEGIN;\nCREATE TABLE a (id int);\nROLLBACK;\n")],
        expected: Expected::new(Code::LintBlocked, &["V2__bad.sql:3:1", "transaction-in-file"]),
    },
    Input {
        name: "a transaction around what cannot be in one",
        files: &[("V2__bad.sql", b"BEGIN;\nCREATE INDEX CONCURRENTLY i ON kept (id);\nCOMMIT;\n")],
        expected: Expected::new(
            Code::LintBlocked,
            &["V2__bad.sql:2:1", "create-index-concurrently-in-tx", "lint --fix"],
        ),
    },
    Input {
        name: "a statement that needs no transaction beside one that does",
        files: &[("V2__bad.sql", b"CREATE TABLE a (id int);\nVACUUM kept;\n")],
        expected: Expected::new(Code::LintBlocked, &["V2__bad.sql:2:1", "mixed-transaction"]),
    },
    Input {
        name: "a table that would be gone",
        files: &[("V2__bad.sql", b"DROP TABLE kept;\n")],
        expected: Expected::new(Code::LintBlocked, &["V2__bad.sql:1:", "drop-table", "--allow drop-table="]),
    },
];

/// A table with a row, by an applied migration.
fn bench() -> Bench {
    let bench = Bench::new("files");
    bench.file("V1__kept.sql", "CREATE TABLE kept (id int PRIMARY KEY);\nINSERT INTO kept VALUES (1);\n");
    bench.must(&["apply"]);
    bench
}

fn write(bench: &Bench, name: &str, bytes: &[u8]) {
    let path = bench.dir().join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn texts() {
    each(
        TEXTS,
        |t| t.0.to_owned(),
        |(_, text, expected)| {
            let bench = bench();
            write(&bench, "V2__bad.sql", text);
            refused(&bench, &["apply"], expected);
            // What looks and what writes say the same.
            refused(&bench, &["plan"], expected);
        },
    );
}

#[test]
fn inputs() {
    each(
        INPUTS,
        |i| i.name.to_owned(),
        |input| {
            let bench = bench();
            for (name, bytes) in input.files {
                write(&bench, name, bytes);
            }
            refused(&bench, &["apply"], &input.expected);
        },
    );
}

#[test]
fn directories() {
    let bench = bench();
    let missing = bench.folder.path().join("migratons");
    let expected = Expected::new(Code::NoSuchDirectory, &["did you mean --dir", "migrations"]);
    refused(&bench, &["apply", "--dir", missing.to_str().unwrap()], &expected);
    let file = bench.dir().join("V1__kept.sql");
    let expected = Expected::new(Code::NoSuchDirectory, &["is not a directory", "did you mean --dir"]);
    refused(&bench, &["apply", "--dir", file.to_str().unwrap()], &expected);
    let empty = bench.folder.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let expected = Expected::new(Code::EmptyDirectory, &["cofferdam new"]);
    refused(&bench, &["apply", "--dir", empty.to_str().unwrap()], &expected);
    refused(&bench, &["status", "--dir", empty.to_str().unwrap()], &expected);
    // Files, but none that is a migration.
    std::fs::write(empty.join("notes.txt"), "x").unwrap();
    refused(&bench, &["apply", "--dir", empty.to_str().unwrap()], &Expected::new(Code::EmptyDirectory, &[]));
}

#[test]
fn files_that_cannot_be_read() {
    let gone = bench();
    std::os::unix::fs::symlink("nowhere.sql", gone.dir().join("V2__bad.sql")).unwrap();
    refused(&gone, &["apply"], &Expected::new(Code::UnreadableFile, &["V2__bad.sql", "a link"]));
    let pipe = bench();
    let made = std::process::Command::new("mkfifo").arg(pipe.dir().join("V2__bad.sql")).status().unwrap();
    assert!(made.success());
    refused(&pipe, &["apply"], &Expected::new(Code::UnreadableFile, &["V2__bad.sql", "is not a file"]));
    let secret = bench();
    write(&secret, "V2__bad.sql", b"SELECT 1;");
    let path = secret.dir().join("V2__bad.sql");
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
    // The superuser of the system reads what nobody may.
    if std::fs::read(&path).is_err() {
        refused(&secret, &["apply"], &Expected::new(Code::UnreadableFile, &["V2__bad.sql", "ls -ld"]));
    }
}

/// What looks odd and is fine.
#[test]
fn odd_files_that_are_applied() {
    let bench = bench();
    write(&bench, "V2__bom.sql", b"\xef\xbb\xbfINSERT INTO kept VALUES (2);\n");
    write(&bench, "V4__crlf.sql", b"INSERT INTO kept\r\nVALUES (4);\r\n-- the end\r\n");
    write(&bench, "V7__lone_cr.sql", b"INSERT INTO kept\rVALUES (7);\r");
    write(&bench, "V8__empty.sql", b"");
    write(&bench, "V9__comments.sql", b"-- nothing\n/* at all; */\n");
    write(&bench, "V10__no_end.sql", b"INSERT INTO kept VALUES (10)");
    write(&bench, "V11__bom_only.sql", b"\xef\xbb\xbf");
    bench.must(&["apply"]);
    assert_eq!(bench.one("SELECT string_agg(id::text, ' ' ORDER BY id) FROM kept"), "1 2 4 7 10");
    assert_eq!(bench.history().len(), 8, "the gaps are no error, and empty files count as applied");
    bench.must(&["plan", "--exit-code"]);
    bench.assert_sound();
}
