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
