//! The beginning of a statement, eaten word by word: what its head says is the same on every engine, how comments and
//! names are written is not.

/// See the module.
pub(crate) struct Head<'a> {
    /// What was not eaten yet.
    pub(crate) rest: &'a str,
    comment: fn(&str) -> Option<&str>,
}

impl<'a> Head<'a> {
    /// Of a statement. `comment` gives what is behind the comment that a text begins with; `None`: it begins with none.
    pub(crate) fn of(sql: &'a str, comment: fn(&str) -> Option<&str>) -> Self {
        Self { rest: sql, comment }
    }

    /// What is left, without blanks and comments before it.
    pub(crate) fn trimmed(&mut self) -> &'a str {
        self.rest = self.rest.trim_start();
        while let Some(behind) = (self.comment)(self.rest) {
            self.rest = behind.trim_start();
        }
        self.rest
    }

    /// The next bare word in small letters; it is not eaten if it is none.
    pub(crate) fn word(&mut self) -> Option<String> {
        let text = self.trimmed();
        let end = text.find(|c: char| !is_word(c)).unwrap_or(text.len());
        if end == 0 || text.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        self.rest = &text[end..];
        Some(text[..end].to_ascii_lowercase())
    }

    /// Whether this word comes next.
    pub(crate) fn peek(&mut self, word: &str) -> bool {
        let before = self.rest;
        let found = self.word().as_deref() == Some(word);
        self.rest = before;
        found
    }

    /// Eats these words as long as they come, in any order: the server looks after the order.
    pub(crate) fn skip(&mut self, words: &[&str]) -> &mut Self {
        while words.iter().any(|w| self.peek(w)) {
            self.word();
        }
        self
    }

    /// Eats this word; `None`: another one comes next.
    pub(crate) fn expect(&mut self, word: &str) -> Option<&mut Self> {
        (self.word()? == word).then_some(self)
    }

    /// Eats a name in these quotes; `None`: none comes next.
    pub(crate) fn quoted(&mut self, quote: char) -> Option<String> {
        let (name, rest) = quoted(self.trimmed(), quote)?;
        self.rest = rest;
        Some(name)
    }
}

/// It may stand in a name without quotes.
pub(crate) fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '$' || !c.is_ascii()
}

/// The name in quotes that a text begins with, and what is behind it. Two quotes in it stand for one.
pub(crate) fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let inner = text.strip_prefix(quote)?;
    let mut name = String::new();
    let mut characters = inner.char_indices().peekable();
    while let Some((at, c)) = characters.next() {
        if c != quote || characters.next_if(|(_, next)| *next == quote).is_some() {
            name.push(c);
        } else {
            return Some((name, &inner[at + quote.len_utf8()..]));
        }
    }
    None
}
