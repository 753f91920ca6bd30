use cofferdam_core::Script;

use super::super::{Flavour, read_mariadb, read_mysql};
use super::*;

fn change(text: &str, flavour: Flavour) -> Change {
    let read = if flavour == Flavour::MySql { read_mysql } else { read_mariadb };
    read(&Script::new("x.sql", text)).unwrap().changes.remove(0)
}

fn facts() -> Facts {
    use cofferdam_core::facts::{ColumnFacts, IndexFacts, Table};
    let column = |name: &str, ty: &str, not_null| ColumnFacts {
        name: name.to_owned(),
        ty: ty.to_owned(),
        not_null,
        ..ColumnFacts::default()
    };
    let columns = vec![
        column("id", "int", true),
        column("name", "varchar(20)", false),
        column("note", "varchar(500)", false),
        column("kind", "enum('a','b')", false),
        column("total", "decimal(10,2)", true),
    ];
    let index = IndexFacts {
        name: "by_name".to_owned(),
        valid: true,
        columns: vec!["name".to_owned()],
        ..IndexFacts::default()
    };
    let table =
        Table { exists: true, kind: "table".to_owned(), columns, indexes: vec![index], ..Table::default() };
    let mut facts = Facts::default();
    facts.tables.insert("t".to_owned(), table);
    facts
}

fn words(text: &str, facts: Option<&Facts>, server: Server) -> String {
    let effect = effect(&change(text, server.flavour), facts, server);
    let Some(class) = effect.class else { return "nothing".to_owned() };
    let rebuilds = if class.rebuilds { " rebuilds" } else { "" };
    format!("{} {}{rebuilds}", class.algorithm.word(server.flavour), class.lock.word())
}

const MYSQL: Server = Server { flavour: Flavour::MySql, version: 80_400 };
const MARIADB: Server = Server { flavour: Flavour::MariaDb, version: 101_119 };

#[test]
fn statements_take_what_the_table_says() {
    let cases = [
        ("ALTER TABLE t ADD COLUMN c INT", "INSTANT NONE", "INSTANT NONE"),
        ("ALTER TABLE t ADD COLUMN c INT AFTER id", "INSTANT NONE", "INSTANT NONE"),
        ("ALTER TABLE t ADD COLUMN c DATETIME DEFAULT now()", "INSTANT NONE", "INSTANT NONE"),
        (
            "ALTER TABLE t ADD COLUMN c CHAR(36) DEFAULT (uuid())",
            "COPY SHARED rebuilds",
            "COPY SHARED rebuilds",
        ),
        ("ALTER TABLE t ADD COLUMN c INT DEFAULT (5)", "COPY SHARED rebuilds", "INSTANT NONE"),
        ("ALTER TABLE t ADD COLUMN c INT AS (id + 1) STORED", "COPY SHARED rebuilds", "COPY SHARED rebuilds"),
        ("ALTER TABLE t ADD COLUMN c INT AS (id + 1)", "INSTANT NONE", "INSTANT NONE"),
        ("ALTER TABLE t ADD COLUMN c INT UNIQUE", "INPLACE NONE", "NOCOPY NONE"),
        ("ALTER TABLE t ADD COLUMN c INT CHECK (c > 0)", "COPY SHARED rebuilds", "COPY SHARED rebuilds"),
        ("ALTER TABLE t DROP COLUMN total", "INSTANT NONE", "INSTANT NONE"),
        ("ALTER TABLE t DROP COLUMN name", "INPLACE NONE rebuilds", "NOCOPY NONE"),
        ("ALTER TABLE t DROP COLUMN NAME", "INPLACE NONE rebuilds", "NOCOPY NONE"),
        ("ALTER TABLE t RENAME COLUMN name TO label", "INSTANT NONE", "INSTANT NONE"),
        ("ALTER TABLE t CHANGE name label varchar(20)", "INSTANT NONE", "INSTANT NONE"),
        ("ALTER TABLE t CHANGE name label varchar(60)", "INPLACE NONE", "INSTANT NONE"),
        ("ALTER TABLE t MODIFY id bigint NOT NULL", "COPY SHARED rebuilds", "COPY SHARED rebuilds"),
        ("ALTER TABLE t MODIFY id int(11) NOT NULL COMMENT 'x'", "INSTANT NONE", "INSTANT NONE"),
        ("ALTER TABLE t MODIFY id int", "INPLACE NONE rebuilds", "INPLACE NONE rebuilds"),
        ("ALTER TABLE t MODIFY name varchar(20) NOT NULL", "INPLACE NONE rebuilds", "INPLACE NONE rebuilds"),
        ("ALTER TABLE t MODIFY name varchar(300)", "COPY SHARED rebuilds", "INSTANT NONE"),
        ("ALTER TABLE t MODIFY note varchar(900)", "INPLACE NONE", "INSTANT NONE"),
        ("ALTER TABLE t MODIFY note varchar(100)", "COPY SHARED rebuilds", "COPY SHARED rebuilds"),
        ("ALTER TABLE t MODIFY kind enum('a','b','c')", "INSTANT NONE", "INSTANT NONE"),
        ("ALTER TABLE t MODIFY kind enum('b','a')", "COPY SHARED rebuilds", "COPY SHARED rebuilds"),
        ("ALTER TABLE t MODIFY name varchar(20) FIRST", "INPLACE NONE rebuilds", "INSTANT NONE"),
        ("ALTER TABLE t MODIFY no_such int", "COPY SHARED rebuilds", "COPY SHARED rebuilds"),
        ("ALTER TABLE t ALTER name SET DEFAULT 'x'", "INSTANT NONE", "INSTANT NONE"),
        ("ALTER TABLE t ADD INDEX (total)", "INPLACE NONE", "NOCOPY NONE"),
        ("CREATE UNIQUE INDEX i ON t (total)", "INPLACE NONE", "NOCOPY NONE"),
        ("CREATE FULLTEXT INDEX i ON t (note)", "INPLACE SHARED rebuilds", "INPLACE SHARED rebuilds"),
        ("ALTER TABLE t ADD SPATIAL INDEX (p)", "INPLACE SHARED", "NOCOPY SHARED"),
        ("DROP INDEX by_name ON t", "INPLACE NONE", "NOCOPY NONE"),
        ("ALTER TABLE t RENAME INDEX by_name TO x", "INPLACE NONE", "INSTANT NONE"),
        ("ALTER TABLE t ADD PRIMARY KEY (id)", "INPLACE NONE rebuilds", "INPLACE NONE rebuilds"),
        ("ALTER TABLE t DROP PRIMARY KEY", "COPY SHARED rebuilds", "COPY SHARED rebuilds"),
        (
            "ALTER TABLE t DROP PRIMARY KEY, ADD PRIMARY KEY (total)",
            "INPLACE NONE rebuilds",
            "INPLACE NONE rebuilds",
        ),
        (
            "ALTER TABLE t ADD FOREIGN KEY (id) REFERENCES p (id)",
            "COPY SHARED rebuilds",
            "COPY SHARED rebuilds",
        ),
        ("ALTER TABLE t DROP FOREIGN KEY f", "INPLACE NONE", "INSTANT NONE"),
        ("ALTER TABLE t ADD CONSTRAINT x CHECK (id > 0)", "COPY SHARED rebuilds", "COPY SHARED rebuilds"),
        ("ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4", "COPY SHARED rebuilds", "COPY SHARED rebuilds"),
        ("ALTER TABLE t ENGINE = InnoDB", "INPLACE NONE rebuilds", "INPLACE NONE rebuilds"),
        ("ALTER TABLE t FORCE", "INPLACE NONE rebuilds", "INPLACE NONE rebuilds"),
        ("OPTIMIZE TABLE t", "INPLACE NONE rebuilds", "INPLACE NONE rebuilds"),
        ("ALTER TABLE t AUTO_INCREMENT = 5, COMMENT = 'x'", "INPLACE NONE", "INSTANT NONE"),
        ("RENAME TABLE t TO u", "INSTANT NONE", "INSTANT NONE"),
        ("ALTER TABLE t RENAME TO u", "INSTANT NONE", "INSTANT NONE"),
        ("ALTER TABLE t PARTITION BY HASH (id)", "COPY SHARED rebuilds", "COPY SHARED rebuilds"),
        (
            "ALTER TABLE t ADD COLUMN c INT, MODIFY id bigint NOT NULL",
            "COPY SHARED rebuilds",
            "COPY SHARED rebuilds",
        ),
        ("ALTER TABLE t SOMETHING NEW", "COPY SHARED rebuilds", "COPY SHARED rebuilds"),
        ("ALTER TABLE t ALGORITHM = INSTANT", "nothing", "nothing"),
        ("CREATE TABLE u (a INT)", "nothing", "nothing"),
        ("INSERT INTO t VALUES (1)", "nothing", "nothing"),
    ];
    for (text, mysql, mariadb) in cases {
        let facts = facts();
        assert_eq!(words(text, Some(&facts), MYSQL), mysql, "MySQL: {text}");
        assert_eq!(words(text, Some(&facts), MARIADB), mariadb, "MariaDB: {text}");
    }
}

#[test]
fn versions_decide() {
    let cases = [
        ("ALTER TABLE t ADD COLUMN c INT", Flavour::MySql, 80_012, "INPLACE NONE rebuilds", "INSTANT NONE"),
        (
            "ALTER TABLE t ADD COLUMN c INT FIRST",
            Flavour::MySql,
            80_029,
            "INPLACE NONE rebuilds",
            "INSTANT NONE",
        ),
        ("ALTER TABLE t DROP COLUMN c", Flavour::MySql, 80_029, "INPLACE NONE rebuilds", "INSTANT NONE"),
        ("ALTER TABLE t RENAME COLUMN c TO d", Flavour::MySql, 80_028, "INPLACE NONE", "INSTANT NONE"),
        (
            "ALTER TABLE t MODIFY c BIGINT",
            Flavour::MariaDb,
            110_200,
            "COPY SHARED rebuilds",
            "COPY NONE rebuilds",
        ),
    ];
    for (text, flavour, version, before, from) in cases {
        assert_eq!(
            words(text, None, Server { flavour, version: version - 1 }),
            before,
            "{text} before {version}"
        );
        assert_eq!(words(text, None, Server { flavour, version }), from, "{text} from {version}");
    }
    // Where nobody was asked it is the oldest that is maintained.
    assert_eq!(Server::of(Flavour::MySql, None).version, 80_400);
    let mut known = Facts::default();
    known.server.version = 80_011;
    assert_eq!(Server::of(Flavour::MySql, Some(&known)).version, 80_011);
}

#[test]
fn a_foreign_key_is_cheap_where_nobody_looks_at_the_rows() {
    let script = |text: &str| read_mysql(&Script::new("x.sql", text)).unwrap().changes;
    let add = "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES p (id)";
    for (before, algorithm) in [
        ("SET foreign_key_checks = 0;", Algorithm::InPlace),
        ("SET SESSION foreign_key_checks = OFF, sql_mode = '';", Algorithm::InPlace),
        ("SET @@foreign_key_checks = 0; SET foreign_key_checks = 1;", Algorithm::Copy),
        ("SET GLOBAL foreign_key_checks = 0;", Algorithm::Copy),
        ("", Algorithm::Copy),
    ] {
        let changes = script(&format!("{before}{add};"));
        let (last, earlier) = changes.split_last().unwrap();
        let effect = effect_after(earlier, last, None, MYSQL);
        assert_eq!(effect.class.unwrap().algorithm, algorithm, "{before}");
    }
}

#[test]
fn statements_ask_by_name_for_what_the_server_can_do() {
    let cases = [
        ("ALTER TABLE t ADD COLUMN c INT", MYSQL, Some("ALTER TABLE t ADD COLUMN c INT, ALGORITHM=INSTANT")),
        (
            "ALTER TABLE t ADD INDEX (c)",
            MYSQL,
            Some("ALTER TABLE t ADD INDEX (c), ALGORITHM=INPLACE, LOCK=NONE"),
        ),
        (
            "ALTER TABLE t ADD INDEX (c)",
            MARIADB,
            Some("ALTER TABLE t ADD INDEX (c), ALGORITHM=NOCOPY, LOCK=NONE"),
        ),
        ("CREATE INDEX i ON t (c)", MYSQL, Some("CREATE INDEX i ON t (c) ALGORITHM=INPLACE LOCK=NONE")),
        ("drop index i on t", MYSQL, Some("drop index i on t ALGORITHM=INPLACE LOCK=NONE")),
        ("drop index i on t", MARIADB, None),
        ("ALTER TABLE t FORCE", MYSQL, Some("ALTER TABLE t FORCE, ALGORITHM=INPLACE, LOCK=NONE")),
        (
            "ALTER TABLE t MODIFY c BIGINT",
            Server { version: 110_809, ..MARIADB },
            Some("ALTER TABLE t MODIFY c BIGINT, ALGORITHM=COPY, LOCK=NONE"),
        ),
        // It says it already, cannot say it, or would keep others out whatever it says.
        ("ALTER TABLE t ADD COLUMN c INT, ALGORITHM=INPLACE", MYSQL, None),
        ("CREATE INDEX i ON t (c) LOCK=SHARED", MYSQL, None),
        ("ALTER TABLE t DROP PARTITION p", MYSQL, None),
        ("ALTER TABLE t MODIFY c BIGINT", MYSQL, None),
        ("ALTER TABLE t SOMETHING NEW", MYSQL, None),
        ("ALTER TABLE t", MYSQL, None),
        ("RENAME TABLE t TO u", MYSQL, None),
        ("OPTIMIZE TABLE t", MYSQL, None),
    ];
    for (text, server, expected) in cases {
        assert_eq!(asked_by_name(&change(text, server.flavour), None, server).as_deref(), expected, "{text}");
    }
    // What is asked for is read again, and asked for once.
    for (text, server, _) in cases {
        let Some(asked) = asked_by_name(&change(text, server.flavour), None, server) else { continue };
        assert_eq!(asked_by_name(&change(&asked, server.flavour), None, server), None, "{asked}");
    }
}

#[test]
fn the_table_is_in_order() {
    let mut seen = std::collections::BTreeSet::new();
    for row in OPERATIONS {
        assert!(seen.insert(row.operation), "{:?} stands twice", row.operation);
        assert!(!row.example.is_empty() && !row.since.is_empty(), "{:?}", row.operation);
        for flavour in [Flavour::MySql, Flavour::MariaDb] {
            let versions: Vec<u32> =
                row.since.iter().filter(|s| s.flavour == flavour).map(|s| s.version).collect();
            assert!(versions.windows(2).all(|pair| pair[0] < pair[1]), "{:?}: {versions:?}", row.operation);
        }
        for since in row.since {
            // A copy writes everything anew, and what is instant writes nothing and keeps nobody out.
            assert!(since.class.algorithm != Algorithm::Copy || since.class.rebuilds, "{:?}", row.operation);
            assert!(
                since.class.algorithm != Algorithm::Instant || !since.class.rebuilds && since.class.online(),
                "{:?}",
                row.operation
            );
        }
    }
    // Every operation that a clause can be has a row.
    assert_eq!(Operation::NotKnown as usize + 1, OPERATIONS.len());
}

/// `UPDATE_DOCS=1 cargo test -p cofferdam-dialects` writes it.
#[test]
fn the_page_of_the_docs_is_that_of_the_table() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/locks-mysql.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, page()).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == page(), "docs/locks-mysql.md is not up to date: run with UPDATE_DOCS=1");
}
