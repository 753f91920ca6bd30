//! What a statement that stands in the binary log as a text means for whoever follows one table.
//!
//! With rows in the log, texts are about transactions and about definitions. A text that changes rows stands there only
//! because a session turned the format to STATEMENT, and nobody can tell which rows it changed.

/// What it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Means {
    /// A transaction begins.
    Begin,
    /// A transaction ends, or something that is one by itself was done.
    End,
    /// A place within a transaction.
    Nothing,
    /// `XA COMMIT`, `XA ROLLBACK` of what was prepared before.
    Prepared,
    /// Rows were changed, and it does not say which.
    Rows,
    /// The table is no longer what it was, or may not be.
    Changed,
    /// The table came to its place by our own statement.
    Turned,
}

/// The table that is followed, in lower case.
#[derive(Debug, Clone)]
pub(super) struct Followed {
    pub(super) database: String,
    pub(super) table: String,
    /// The words of the statement of ours by which it came to its place; empty: it was there all the time.
    pub(super) turn: Vec<String>,
    /// Triggers of ours, which change nothing of it.
    pub(super) triggers: Vec<String>,
}

impl Followed {
    pub(super) fn new(database: &str, table: &str, turn: &str, triggers: &[String]) -> Self {
        let turn = turn.to_lowercase();
        Self {
            database: database.to_lowercase(),
            table: table.to_lowercase(),
            turn: words(&turn).map(str::to_owned).collect(),
            triggers: triggers.iter().map(|name| name.to_lowercase()).collect(),
        }
    }
}

/// Reads a text; `database` is the one that its session had chosen.
pub(super) fn read(followed: &Followed, database: &str, text: &str) -> Means {
    let text = text.to_lowercase();
    // What MariaDB sends in place of events that an older replica would not know.
    if text.starts_with("# dummy") {
        return Means::Nothing;
    }
    let text = uncommented(&text);
    let mut words: Vec<&str> = words(text).collect();
    if words.starts_with(&["set", "statement"]) {
        // MariaDB's: settings for the statement behind FOR.
        let behind = words.iter().position(|word| *word == "for").map_or(words.len(), |at| at + 1);
        words.drain(..behind);
    }
    let word = |at: usize| words.get(at).copied().unwrap_or_default();
    match (word(0), word(1)) {
        ("begin", _) | ("start", "transaction") | ("xa", "start" | "begin") => Means::Begin,
        ("xa", "commit" | "rollback") => Means::Prepared,
        ("savepoint" | "release", _) | ("rollback", "to") | ("xa", _) => Means::Nothing,
        ("commit" | "rollback", _) => Means::End,
        // A table in memory is empty after a restart, and the server says so to replicas.
        ("delete", "from") if words.ends_with(&["generated", "by", "server"]) => {
            if words.contains(&followed.table.as_str()) { Means::Rows } else { Means::End }
        }
        ("insert" | "update" | "delete" | "replace" | "load" | "with" | "call", _) => Means::Rows,
        // A function that changes rows, and MariaDB's ANALYZE of a statement, which carries it out.
        ("select" | "do", _) => Means::Rows,
        ("analyze", second) if !matches!(second, "table" | "tables" | "local" | "no_write_to_binlog") => {
            Means::Rows
        }
        _ if !words.is_empty() && words == followed.turn => Means::Turned,
        _ if makes_ours(followed, &words) => Means::End,
        _ if concerns(followed, database, &words, text) => Means::Changed,
        _ => Means::End,
    }
}

/// One of our own triggers is made: the name is the first word behind TRIGGER that is not its database.
fn makes_ours(followed: &Followed, words: &[&str]) -> bool {
    let behind = words.iter().position(|word| *word == "trigger").and_then(|at| words.get(at + 1..));
    let name = behind.and_then(|rest| rest.iter().find(|word| **word != followed.database));
    words.first() == Some(&"create")
        && name.is_some_and(|name| followed.triggers.iter().any(|ours| ours == name))
}

/// Whether a definition that was changed may be that of the table. Rather once too often.
fn concerns(followed: &Followed, database: &str, words: &[&str], text: &str) -> bool {
    let word = |at: usize| words.get(at).copied().unwrap_or_default();
    // Within double quotes a name may be several words.
    let several = !followed.table.chars().all(in_word);
    let table = words.contains(&followed.table.as_str()) || several && text.contains(&followed.table);
    let qualified = words.contains(&followed.database.as_str());
    let here = database.to_lowercase() == followed.database || qualified;
    // It stands before the name, and no word of a comment is it.
    let told = without_comments(text);
    let sort = self::words(&told).skip(1).find(|word| SORTS.contains(word)).unwrap_or_default();
    match (word(0), sort) {
        // Of these tables may be called like a sort of thing.
        ("truncate" | "rename", _) => table && here,
        ("drop" | "alter", "database" | "schema") => qualified,
        // Of one session alone.
        ("create" | "drop", _) if words.contains(&"temporary") => false,
        ("analyze" | "check" | "checksum" | "optimize" | "grant" | "revoke" | "flush" | "set", _) => false,
        // They read it, or are called.
        (_, "view" | "procedure" | "function" | "event" | "user" | "role" | "server" | "package") => false,
        // A new table that is made like it changes nothing; one that refers to it does.
        ("create", "table") if !words.contains(&"references") && word(1) != "or" => false,
        _ => table && here,
    }
}

const SORTS: &[&str] = &[
    "table",
    "index",
    "trigger",
    "view",
    "procedure",
    "function",
    "event",
    "user",
    "role",
    "server",
    "database",
    "schema",
    "package",
    "sequence",
];

/// The text without its comments that no server carries out.
fn without_comments(text: &str) -> String {
    let (mut kept, mut rest) = (String::new(), text);
    while let Some((before, comment)) = rest.split_once("/*") {
        kept.push_str(before);
        let carried_out = comment.starts_with('!') || comment.starts_with("m!");
        rest = match comment.split_once("*/") {
            Some((inner, behind)) => {
                if carried_out {
                    kept.push_str(inner);
                }
                kept.push(' ');
                behind
            }
            None => comment,
        };
    }
    kept.push_str(rest);
    kept
}

/// The text from its first word on; what only some servers carry out counts.
fn uncommented(text: &str) -> &str {
    let text = text.trim_start();
    let behind = match text.strip_prefix("/*") {
        Some(comment) if comment.starts_with('!') => {
            return comment.trim_start_matches(|c: char| c == '!' || c.is_ascii_digit()).trim_start();
        }
        Some(comment) => comment.split_once("*/"),
        None if text.starts_with('#') || text.starts_with("--") => text.split_once('\n'),
        None => None,
    };
    behind.map_or(text, |(_, rest)| uncommented(rest))
}

/// Words and names, in order; quotes stand for nothing, so that a name in a text counts as one, too. Comments are words
/// as well, since the server carries some of them out.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(|c: char| c != '`' && !in_word(c));
        if let Some(quoted) = rest.strip_prefix('`') {
            let (name, behind) = quoted.split_once('`').unwrap_or((quoted, ""));
            rest = behind;
            return Some(name);
        }
        let end = rest.find(|c: char| !in_word(c)).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(end);
        rest = behind;
        (!word.is_empty()).then_some(word)
    })
}

fn in_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$' || !c.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_text_means_one_thing() {
        let turn = "RENAME TABLE `shop`.`orders` TO `shop`.`ours_old`, `shop`.`ours_new` TO `shop`.`orders`";
        let followed = Followed::new("shop", "orders", turn, &["ours_insert".to_owned()]);
        for (database, text, expected) in [
            ("shop", "BEGIN", Means::Begin),
            ("shop", "/* of a tool */\n-- and a person\nbegin", Means::Begin),
            ("shop", "XA START X'61',X'',1", Means::Begin),
            ("shop", "XA END X'61',X'',1", Means::Nothing),
            ("shop", "SAVEPOINT `orders`", Means::Nothing),
            ("shop", "ROLLBACK TO `orders`", Means::Nothing),
            ("shop", "RELEASE SAVEPOINT a", Means::Nothing),
            ("shop", "COMMIT", Means::End),
            ("shop", "ROLLBACK", Means::End),
            ("shop", "XA COMMIT X'61',X'',1", Means::Prepared),
            ("shop", "XA ROLLBACK X'61',X'',1", Means::Prepared),
            ("shop", "# Dummy event replacing event type 160, orders", Means::Nothing),
            ("other", "INSERT INTO x VALUES (1)", Means::Rows),
            ("other", "/* a */ update x set a = 1", Means::Rows),
            ("other", "DELETE FROM `other`.`m` /* generated by server */", Means::End),
            ("other", "DELETE FROM m", Means::Rows),
            ("shop", "TRUNCATE TABLE orders", Means::Changed),
            ("shop", "truncate `Orders`", Means::Changed),
            ("other", "TRUNCATE `shop`.`orders`", Means::Changed),
            ("other", "TRUNCATE orders", Means::End),
            ("shop", "TRUNCATE orders_old", Means::End),
            ("shop", "ALTER TABLE orders ADD x int", Means::Changed),
            ("shop", "ALTER TABLE x RENAME TO y, EXCHANGE PARTITION p WITH TABLE orders", Means::Changed),
            ("shop", "RENAME TABLE orders TO o, n TO orders", Means::Changed),
            ("shop", "DROP TABLE IF EXISTS `x`,`orders` /* generated by server */", Means::Changed),
            ("shop", "/*!80000 DROP TABLE orders */", Means::Changed),
            ("shop", "DROP /*!40005 TEMPORARY */ TABLE IF EXISTS `orders`", Means::End),
            ("shop", "SAVEPOINT commit", Means::Nothing),
            ("shop", "CREATE UNIQUE INDEX i ON orders (a)", Means::Changed),
            (
                "shop",
                "CREATE DEFINER=`root`@`%` TRIGGER x AFTER INSERT ON orders FOR EACH ROW SET @a = 1",
                Means::Changed,
            ),
            ("shop", "CREATE TABLE child (o int, FOREIGN KEY (o) REFERENCES orders (id))", Means::Changed),
            ("shop", "CREATE OR REPLACE TABLE orders (id int)", Means::Changed),
            ("shop", "CREATE TABLE o2 LIKE orders", Means::End),
            ("shop", "CREATE VIEW v AS SELECT * FROM orders", Means::End),
            ("shop", "CREATE PROCEDURE p() DELETE FROM orders", Means::End),
            ("shop", "ANALYZE TABLE orders", Means::End),
            ("shop", "ANALYZE UPDATE orders SET a = 1", Means::Rows),
            ("other", "SELECT `shop`.`f`(1)", Means::Rows),
            ("shop", "SET STATEMENT lock_wait_timeout=5 FOR TRUNCATE TABLE orders", Means::Changed),
            ("shop", "SET STATEMENT max_statement_time=1 FOR UPDATE orders SET a = 1", Means::Rows),
            ("shop", "SET STATEMENT lock_wait_timeout=5 FOR TRUNCATE TABLE others", Means::End),
            ("shop", "TRUNCATE /* by event */ orders", Means::Changed),
            ("shop", "ALTER /* by event */ TABLE orders TRUNCATE PARTITION p0", Means::Changed),
            ("shop", "ALTER /*!50000 EVENT */ e RENAME TO orders", Means::End),
            ("shop", "GRANT SELECT ON orders TO a", Means::End),
            ("other", "DROP DATABASE shop", Means::Changed),
            ("other", "DROP DATABASE other", Means::End),
            ("shop", turn, Means::Turned),
            (
                "shop",
                "RENAME TABLE `shop`.`orders` TO `shop`.`ours_old`, `shop`.`x` TO `shop`.`orders`",
                Means::Changed,
            ),
            (
                "shop",
                "CREATE DEFINER=`a`@`b` TRIGGER `shop`.`ours_insert` AFTER INSERT ON `orders` FOR EACH ROW SET @a = 1",
                Means::End,
            ),
            (
                "shop",
                "CREATE TRIGGER theirs AFTER INSERT ON orders FOR EACH ROW FOLLOWS ours_insert SET @a = 1",
                Means::Changed,
            ),
            ("shop", "DROP TRIGGER IF EXISTS `shop`.`ours_insert`", Means::End),
            ("shop", "", Means::End),
            ("shop", "`", Means::End),
        ] {
            assert_eq!(read(&followed, database, text), expected, "{text}");
        }
        for (table, text) in [
            ("user", "TRUNCATE user"),
            ("event", "TRUNCATE TABLE event"),
            ("event", "RENAME TABLE event TO e"),
            ("order items", "TRUNCATE \"order items\""),
            ("order items", "TRUNCATE `order items`"),
        ] {
            let followed = Followed::new("shop", table, "", &[]);
            assert_eq!(read(&followed, "shop", text), Means::Changed, "{text}");
        }
    }
}
