//! A statement's words, for what its [`Action`](cofferdam_core::Action) leaves in the text.

use super::super::lex::{Lexer, Token};

/// One token that is neither white space nor a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::postgres) struct Word<'a> {
    pub(in crate::postgres) token: Token,
    pub(in crate::postgres) text: &'a str,
    /// Its first byte in the statement.
    pub(in crate::postgres) start: usize,
}

impl Word<'_> {
    /// It is this key word (lower case) or this mark.
    pub(in crate::postgres) fn is(&self, word: &str) -> bool {
        !matches!(self.token, Token::QuotedName | Token::Text | Token::EscapedText | Token::DollarText)
            && self.text.eq_ignore_ascii_case(word)
    }

    /// The name that the server takes it for.
    pub(in crate::postgres) fn identifier(&self) -> Option<String> {
        match self.token {
            Token::Word => Some(self.text.to_ascii_lowercase()),
            Token::QuotedName => {
                let inner = self.text.strip_prefix('"')?.strip_suffix('"')?;
                Some(inner.replace("\"\"", "\""))
            }
            _ => None,
        }
    }

    /// One past its last byte in the statement.
    pub(in crate::postgres) fn end(&self) -> usize {
        self.start + self.text.len()
    }
}

/// The words of a text, as far as they can be told apart.
pub(in crate::postgres) fn words(text: &str) -> Vec<Word<'_>> {
    let mut lexer = Lexer::new(text, 0);
    let mut all = Vec::new();
    while let Ok(Some((token, at))) = lexer.next() {
        if !matches!(token, Token::Space | Token::LineComment | Token::BlockComment) {
            all.push(Word { token, start: at.start, text: &text[at] });
        }
    }
    all
}

/// How deep in parentheses and brackets each word stands; an opening and its closing one stand outside.
pub(in crate::postgres) fn depths(words: &[Word<'_>]) -> Vec<usize> {
    let mut depth = 0usize;
    let mut all = Vec::with_capacity(words.len());
    for word in words {
        let (opens, closes) = (word.is("(") || word.is("["), word.is(")") || word.is("]"));
        if closes {
            depth = depth.saturating_sub(1);
        }
        all.push(depth);
        if opens {
            depth += 1;
        }
    }
    all
}

/// The text from the first to the last of these words, as written.
pub(in crate::postgres) fn slice<'a>(text: &'a str, words: &[Word<'_>]) -> &'a str {
    match (words.first(), words.last()) {
        (Some(first), Some(last)) => &text[first.start..last.end()],
        _ => "",
    }
}

/// The words between commas that stand outside parentheses.
pub(in crate::postgres) fn parts<'w, 'a>(words: &'w [Word<'a>]) -> Vec<&'w [Word<'a>]> {
    let depths = depths(words);
    let (mut all, mut from) = (Vec::new(), 0);
    for (index, word) in words.iter().enumerate() {
        if depths[index] == 0 && word.is(",") {
            all.push(&words[from..index]);
            from = index + 1;
        }
    }
    all.push(&words[from..]);
    all
}

/// The index of the parenthesis that closes the one at `open`.
pub(in crate::postgres) fn closing(words: &[Word<'_>], open: usize) -> Option<usize> {
    let depths = depths(words);
    (open + 1..words.len()).find(|&i| depths[i] == depths[open] && words[i].is(")"))
}

/// How many words at the beginning are a name with or without a schema: `s.t` is three.
pub(in crate::postgres) fn name_length(words: &[Word<'_>]) -> usize {
    let mut length = 1;
    while words.get(length).is_some_and(|w| w.is(".")) {
        length += 2;
    }
    length.min(words.len())
}

/// An `ALTER TABLE` in parts.
pub(in crate::postgres) struct Alter<'a> {
    /// `ONLY` was written: not its children.
    pub(in crate::postgres) only: bool,
    /// Its clauses, as written.
    pub(in crate::postgres) clauses: Vec<&'a str>,
}

/// Cuts an `ALTER TABLE`; `None` for anything else.
pub(in crate::postgres) fn alter(text: &str) -> Option<Alter<'_>> {
    let words = words(text);
    let mut rest = words.strip_prefix_words(&["alter", "table"])?;
    rest = rest.strip_prefix_words(&["if", "exists"]).unwrap_or(rest);
    let after_only = rest.strip_prefix_words(&["only"]);
    let only = after_only.is_some();
    rest = after_only.unwrap_or(rest);
    let after = if rest.first()?.is("(") { closing(rest, 0)? + 1 } else { name_length(rest) };
    rest = &rest[after..];
    rest = rest.strip_prefix_words(&["*"]).unwrap_or(rest);
    Some(Alter { only, clauses: parts(rest).into_iter().map(|part| slice(text, part)).collect() })
}

/// Taking key words off the front.
pub(in crate::postgres) trait StripWords {
    /// What is left after these key words; `None` if it does not begin with them.
    fn strip_prefix_words(&self, words: &[&str]) -> Option<&Self>;
}

impl StripWords for [Word<'_>] {
    fn strip_prefix_words(&self, words: &[&str]) -> Option<&Self> {
        let begins = self.len() >= words.len() && self.iter().zip(words).all(|(have, want)| have.is(want));
        begins.then(|| &self[words.len()..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clauses_are_cut_at_commas_outside_of_parentheses_and_texts() {
        let cases: &[(&str, bool, &[&str])] = &[
            ("ALTER TABLE t ADD a int, DROP b", false, &["ADD a int", "DROP b"]),
            (
                "alter table if exists only \"a,b\".t * add c numeric(10, 2) default 'x,y' /* , */ , -- ,\n drop d",
                true,
                &["add c numeric(10, 2) default 'x,y'", "drop d"],
            ),
            ("ALTER TABLE ONLY (t) ADD CHECK (a IN (1,2))", true, &["ADD CHECK (a IN (1,2))"]),
            (
                "ALTER TABLE t ALTER a SET DEFAULT ARRAY[1,2], ADD b int",
                false,
                &["ALTER a SET DEFAULT ARRAY[1,2]", "ADD b int"],
            ),
        ];
        for (sql, only, clauses) in cases {
            let cut = alter(sql).unwrap();
            assert_eq!((cut.only, cut.clauses.as_slice()), (*only, *clauses), "{sql}");
        }
        assert!(alter("ALTER VIEW v RENAME TO w").is_none());
    }
}
