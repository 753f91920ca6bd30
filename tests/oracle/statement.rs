//! The statements, as data.

/// A statement, and what it is about.
#[derive(Debug, Clone)]
pub(crate) struct Statement {
    /// The relation whose lock is meant.
    pub(crate) on: String,
    /// It refuses a transaction.
    pub(crate) alone: bool,
    pub(crate) sql: String,
}

/// Those that a server of this version knows.
pub(crate) fn statements(major: u32) -> Vec<Statement> {
    include_str!("statements.txt").lines().filter_map(|line| parse(line, major)).collect()
}

fn parse(line: &str, major: u32) -> Option<Statement> {
    if line.starts_with('#') || line.trim().is_empty() {
        return None;
    }
    let (head, sql) = line.split_once(": ").unwrap();
    let words: Vec<&str> = head.split_whitespace().collect();
    let number = |word: &str| {
        let at = words.iter().position(|w| *w == word)?;
        Some(words[at + 1].parse::<u32>().unwrap())
    };
    let known = number("from").is_none_or(|from| major >= from) && number("to").is_none_or(|to| major <= to);
    known.then(|| Statement { on: words[0].to_owned(), alone: words.contains(&"alone"), sql: sql.to_owned() })
}
