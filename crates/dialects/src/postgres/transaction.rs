//! Which statements refuse to run inside a transaction block.

use cofferdam_core::change::{Action, ReindexTarget, TableChange};

use super::lex::{Lexer, Token};

/// The statement refuses to run inside a transaction block on this server major version (12 or later).
///
/// `text` is the statement as written, for what `action` does not tell. Facts from
/// `src/backend/tcop/utility.c` and the commands that call `PreventInTransactionBlock`.
pub fn refuses_transaction(action: &Action, text: &str, server_major: u32) -> bool {
    match action {
        Action::CreateIndex(index) => index.concurrently,
        Action::DropIndex { concurrently, .. } => *concurrently,
        Action::Reindex { target, concurrently, .. } => {
            *concurrently
                || matches!(target, ReindexTarget::Schema | ReindexTarget::Database | ReindexTarget::System)
        }
        Action::AlterTable { changes, .. } => changes
            .iter()
            .any(|change| matches!(change, TableChange::DetachPartition { concurrently: true, .. })),
        Action::Vacuum { .. } | Action::CreateDatabase { .. } | Action::DropDatabase { .. } => true,
        // Without a table it goes over all of them, a transaction each.
        Action::Cluster { table } => table.is_none(),
        Action::EnumAddValue { .. } => server_major < 12,
        Action::Other { .. } | Action::Unparsed { .. } | Action::Transaction(_) => {
            by_words(&first_words(text), server_major)
        }
        _ => false,
    }
}

/// By the words of statements that have no action of their own, or could not be parsed.
fn by_words(words: &[String], server_major: u32) -> bool {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let says = |word: &str| words.contains(&word);
    match words.as_slice() {
        ["create" | "drop", "tablespace" | "database", ..] | ["alter", "system", ..] => true,
        ["vacuum", ..] | ["discard", "all", ..] => true,
        ["repack", ..] => words.len() == 1 || says("concurrently"),
        ["commit" | "rollback", "prepared", ..] => true,
        ["alter", "database", _, "set", "tablespace", ..] => true,
        ["create" | "drop", "index", "concurrently", ..] => true,
        ["create", "unique", "index", "concurrently", ..] => true,
        ["reindex", ..] => says("concurrently") || says("schema") || says("database") || says("system"),
        ["alter", "table", ..] => says("detach") && says("concurrently"),
        // It makes a slot on the publisher unless told not to; a DROP removes it unless it has none, which
        // the text does not say.
        ["create", "subscription", ..] => !without_slot(&words),
        ["drop", "subscription", ..] => true,
        ["alter", "subscription", _, rest @ ..] => alters_subscription_outside(rest, server_major),
        _ => false,
    }
}

/// `WITH (connect = false)` or `WITH (create_slot = false)`.
fn without_slot(words: &[&str]) -> bool {
    words.windows(2).any(|pair| {
        matches!(pair[0], "connect" | "create_slot") && matches!(pair[1], "false" | "off" | "0" | "'false'")
    })
}

/// Since 14 whatever refreshes, and `SET`, `ADD` and `DROP PUBLICATION` do by default; since 17
/// `SET (failover)` and since 18 `SET (two_phase)`, which change the slot.
fn alters_subscription_outside(rest: &[&str], server_major: u32) -> bool {
    let off = |option: &str| {
        rest.windows(2).any(|p| p[0] == option && matches!(p[1], "false" | "off" | "0" | "'false'"))
    };
    match rest {
        ["refresh", ..] => server_major >= 14,
        ["set" | "add" | "drop", "publication", ..] => server_major >= 14 && !off("refresh"),
        ["set", options @ ..] => {
            server_major >= 17 && options.contains(&"failover")
                || server_major >= 18 && options.contains(&"two_phase")
        }
        _ => false,
    }
}

/// The words, numbers and texts of a statement in lower case, without comments and punctuation.
fn first_words(text: &str) -> Vec<String> {
    let mut lexer = Lexer::new(text, 0);
    let mut words = Vec::new();
    while let Ok(Some((token, at))) = lexer.next() {
        if matches!(token, Token::Word | Token::Number | Token::Text | Token::QuotedName) {
            words.push(text[at].to_ascii_lowercase());
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::super::read::action;
    use super::*;

    fn refuses(text: &str, server_major: u32) -> bool {
        refuses_transaction(&action(text), text, server_major)
    }

    #[test]
    fn statements_that_commit_by_themselves_refuse_a_transaction() {
        for text in [
            "CREATE INDEX CONCURRENTLY i ON t (a)",
            "create unique index /* x */ concurrently on t (a)",
            "DROP INDEX CONCURRENTLY IF EXISTS i",
            "REINDEX TABLE CONCURRENTLY t",
            "REINDEX (CONCURRENTLY) INDEX i",
            "REINDEX SCHEMA s",
            "REINDEX DATABASE d",
            "REINDEX SYSTEM d",
            "VACUUM",
            "VACUUM (ANALYZE) t",
            "CREATE DATABASE d",
            "DROP DATABASE IF EXISTS d",
            "ALTER DATABASE d SET TABLESPACE x",
            "CREATE TABLESPACE x LOCATION '/x'",
            "DROP TABLESPACE x",
            "ALTER SYSTEM SET work_mem = '1GB'",
            "ALTER SYSTEM RESET ALL",
            "CLUSTER",
            "CLUSTER VERBOSE",
            "ALTER TABLE m DETACH PARTITION p CONCURRENTLY",
            "DISCARD ALL",
            "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p",
            "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p WITH (enabled = false)",
            "DROP SUBSCRIPTION s",
            "ALTER SUBSCRIPTION s REFRESH PUBLICATION",
            "ALTER SUBSCRIPTION s SET PUBLICATION p",
            "COMMIT PREPARED 'x'",
            "ROLLBACK PREPARED 'x'",
            // Newer than the grammar: by their words.
            "CREATE INDEX CONCURRENTLY i ON t USING newer (a) WITH NEW SYNTAX",
            "REINDEX NEW (x) TABLE CONCURRENTLY t",
            "VACUUM NEW SYNTAX HERE",
        ] {
            assert!(refuses(text, 17), "{text}");
        }
    }

    #[test]
    fn others_do_not() {
        for text in [
            "CREATE INDEX i ON t (a)",
            "CREATE INDEX \"concurrently\" ON t (a)",
            "DROP INDEX i",
            "REINDEX TABLE t",
            "REINDEX (CONCURRENTLY false) TABLE t",
            "CLUSTER t USING i",
            "ALTER TABLE m DETACH PARTITION p",
            "ALTER TABLE m DETACH PARTITION p FINALIZE",
            "ALTER DATABASE d SET timezone = 'UTC'",
            "REFRESH MATERIALIZED VIEW CONCURRENTLY v",
            "ALTER TYPE m ADD VALUE 'x'",
            "DISCARD TEMP",
            "ANALYZE",
            "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p WITH (create_slot = false, slot_name = NONE)",
            "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p WITH (connect = 'false')",
            "ALTER SUBSCRIPTION s SET PUBLICATION p WITH (refresh = false)",
            "ALTER SUBSCRIPTION s DISABLE",
            "COMMIT",
            "PREPARE TRANSACTION 'x'",
            "CREATE TABLE t (a int)",
            "SELECT 'CREATE INDEX CONCURRENTLY'",
        ] {
            assert!(!refuses(text, 17), "{text}");
        }
    }

    #[test]
    fn some_depend_on_the_version() {
        for (text, since) in [
            ("ALTER SUBSCRIPTION s REFRESH PUBLICATION", 14),
            ("ALTER SUBSCRIPTION s SET (failover = true)", 17),
            ("ALTER SUBSCRIPTION s SET (two_phase = true)", 18),
        ] {
            assert!(refuses(text, since) && !refuses(text, since - 1), "{text}");
        }
        assert!(refuses("ALTER TYPE m ADD VALUE 'x'", 11));
    }
}
