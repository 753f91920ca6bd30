//! The migrations that every tool is given, each in the form of its own.

/// One migration. Each statement is without its semicolon.
#[derive(Clone, Copy)]
pub(crate) struct Migration {
    pub(crate) number: usize,
    pub(crate) name: &'static str,
    pub(crate) up: &'static [&'static str],
    pub(crate) down: &'static [&'static str],
}

/// In order. Their text has what splitters trip over, because a checksum or a number of statements is kept of it.
pub(crate) const MIGRATIONS: &[Migration] = &[
    Migration {
        number: 1,
        name: "create_authors",
        up: &["CREATE TABLE authors (id bigint PRIMARY KEY, name text NOT NULL)"],
        down: &["DROP TABLE authors"],
    },
    Migration {
        number: 2,
        name: "create_books",
        up: &[
            "-- Books; each has an author.\nCREATE TABLE books (\n  id bigint PRIMARY KEY,\n  \
             author bigint NOT NULL REFERENCES authors,\n  title text NOT NULL\n)",
            "INSERT INTO authors VALUES (1, 'Ångström; it''s -- no comment')",
        ],
        down: &["DROP TABLE books", "DELETE FROM authors"],
    },
    Migration {
        number: 3,
        name: "add_price",
        up: &[
            "INSERT INTO authors VALUES (2, 'Ψ')",
            "ALTER TABLE books ADD COLUMN price numeric(10, 2)",
            "CREATE FUNCTION cheap(books) RETURNS boolean LANGUAGE plpgsql AS $body$\n\
             BEGIN\n  RETURN $1.price < 10; -- in euros\nEND;\n$body$",
        ],
        down: &[
            "DROP FUNCTION cheap(books)",
            "ALTER TABLE books DROP COLUMN price",
            "DELETE FROM authors WHERE id = 2",
        ],
    },
    Migration {
        number: 4,
        name: "create_loans",
        up: &[
            "CREATE TABLE loans (book bigint NOT NULL REFERENCES books, until date NOT NULL)",
            "CREATE INDEX loans_until ON loans (until)",
        ],
        down: &["DROP TABLE loans"],
    },
    Migration {
        number: 5,
        name: "add_isbn",
        up: &["ALTER TABLE books ADD COLUMN isbn text"],
        down: &["ALTER TABLE books DROP COLUMN isbn"],
    },
];

/// The same in the words of MySQL and MariaDB: without a body with semicolons, which needs another delimiter, and
/// with what commits by itself before what does not, so that it can be taken back.
pub(crate) static ON_MYSQL: &[Migration] = &[
    Migration {
        up: &["CREATE TABLE authors (id bigint PRIMARY KEY, name text NOT NULL) CHARACTER SET utf8mb4"],
        ..MIGRATIONS[0]
    },
    Migration {
        up: &[
            "-- Books; each has an author.\nCREATE TABLE books (\n  id bigint PRIMARY KEY,\n  \
             author bigint NOT NULL,\n  title text NOT NULL\n)",
            "INSERT INTO authors VALUES (1, 'Ångström; it''s -- no comment')",
        ],
        ..MIGRATIONS[1]
    },
    Migration {
        up: &["ALTER TABLE books ADD COLUMN price numeric(10, 2)", "INSERT INTO authors VALUES (2, 'Ψ')"],
        down: &["ALTER TABLE books DROP COLUMN price", "DELETE FROM authors WHERE id = 2"],
        ..MIGRATIONS[2]
    },
    Migration {
        up: &[
            "CREATE TABLE loans (book bigint NOT NULL, until date NOT NULL)",
            "CREATE INDEX loans_until ON loans (until)",
        ],
        ..MIGRATIONS[3]
    },
    MIGRATIONS[4],
];

/// The first half, which the tool applies before Cofferdam comes.
pub(crate) const HALF: usize = 2;
/// Up to here Cofferdam goes.
pub(crate) const MOST: usize = 4;
/// With the one that the tool applies after it.
pub(crate) const ALL: usize = 5;

/// Statements as a script.
pub(crate) fn script(statements: &[&str]) -> String {
    statements.iter().map(|statement| format!("{statement};\n")).collect()
}
