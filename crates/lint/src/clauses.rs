//! Where the clauses of an `ALTER TABLE` stand in its text.

/// The byte ranges of the comma-separated clauses of an `ALTER TABLE` statement, in order.
///
/// Commas inside parentheses, brackets, quotes, dollar quotes and comments do not count. The first clause
/// begins behind the table's name. `None` where the text is not of that form.
pub(crate) fn clauses(text: &str) -> Option<Vec<(usize, usize)>> {
    let mut words = Tokens { text, pos: 0 };
    words.expect("alter")?;
    let mut word = words.next()?;
    if words.is(word, "materialized") || words.is(word, "foreign") {
        word = words.next()?;
    }
    if !["table", "view"].iter().any(|kind| words.is(word, kind)) {
        return None;
    }
    let mut name = words.next()?;
    if words.is(name, "if") {
        words.expect("exists")?;
        name = words.next()?;
    }
    if words.is(name, "only") {
        words.next()?;
    }
    let mut token = words.next()?;
    while words.is(token, ".") || words.is(token, "*") {
        if words.is(token, ".") {
            words.next()?;
        }
        token = words.next()?;
    }

    let mut all = Vec::new();
    let (mut start, mut end, mut depth) = (token.0, token.1, 0usize);
    let mut next = Some(token);
    while let Some(token) = next {
        match &text[token.0..token.1] {
            "(" | "[" => depth += 1,
            ")" | "]" => depth = depth.saturating_sub(1),
            "," if depth == 0 => {
                all.push((start, end));
                next = words.next();
                start = next?.0;
                continue;
            }
            _ => {}
        }
        end = token.1;
        next = words.next();
    }
    all.push((start, end));
    Some(all)
}

/// Tokens as far as clauses need them: words, quoted things, and single characters. Comments are skipped.
struct Tokens<'a> {
    text: &'a str,
    pos: usize,
}

impl Tokens<'_> {
    fn expect(&mut self, word: &str) -> Option<()> {
        let token = self.next()?;
        self.is(token, word).then_some(())
    }

    fn is(&self, token: (usize, usize), word: &str) -> bool {
        self.text[token.0..token.1].eq_ignore_ascii_case(word)
    }

    fn next(&mut self) -> Option<(usize, usize)> {
        self.pos = skip_space(self.text, self.pos);
        let rest = self.text.get(self.pos..)?;
        let first = rest.chars().next()?;
        let length = match first {
            '\'' | '"' => quoted(rest, first),
            '$' => dollar(rest).unwrap_or(1),
            c if is_word(c) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        let start = self.pos;
        self.pos += length;
        Some((start, self.pos))
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The first byte at or after `pos` that is neither white space nor part of a comment.
pub(crate) fn skip_space(text: &str, mut pos: usize) -> usize {
    loop {
        let rest = &text[pos..];
        let trimmed = rest.trim_start();
        pos += rest.len() - trimmed.len();
        if trimmed.starts_with("--") {
            pos += trimmed.find(['\n', '\r']).unwrap_or(trimmed.len());
        } else if trimmed.starts_with("/*") {
            pos += comment(trimmed);
        } else {
            return pos;
        }
    }
}

/// Where `name` stands in `text` as a whole word, in any case of its letters.
pub(crate) fn word(text: &str, name: &str) -> Option<usize> {
    if name.is_empty() {
        return None;
    }
    let bytes = text.as_bytes();
    (0..(text.len() + 1).saturating_sub(name.len())).find(|&at| {
        text.is_char_boundary(at)
            && text.is_char_boundary(at + name.len())
            && bytes[at..at + name.len()].eq_ignore_ascii_case(name.as_bytes())
            && !text[..at].ends_with(is_word)
            && !text[at + name.len()..].starts_with(is_word)
    })
}

/// The length of the `/* */` comment, which may hold others, that `text` begins with.
fn comment(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut depth, mut i) = (0usize, 0);
    while i + 1 < bytes.len() {
        match &bytes[i..i + 2] {
            b"/*" => (depth, i) = (depth + 1, i + 2),
            b"*/" => (depth, i) = (depth - 1, i + 2),
            _ => i += 1,
        }
        if depth == 0 {
            return i;
        }
    }
    text.len()
}

/// The length of the quoted text that `text` begins with; a doubled quote is part of it.
fn quoted(text: &str, quote: char) -> usize {
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((i, c)) = chars.next() {
        if c == quote && chars.next_if(|(_, next)| *next == quote).is_none() {
            return i + 1;
        }
    }
    text.len()
}

/// The length of the `$tag$ ... $tag$` that `text` begins with.
fn dollar(text: &str) -> Option<usize> {
    let tag = text[1..].find('$')? + 2;
    text[1..tag - 1].chars().all(is_word).then_some(())?;
    Some(text[tag..].find(&text[..tag])? + 2 * tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clauses_are_cut_at_outer_commas_only() {
        let cases: &[(&str, &[&str])] = &[
            ("ALTER TABLE t ADD COLUMN a int", &["ADD COLUMN a int"]),
            (
                "alter table if exists only public.\"a,b\" * add a numeric(10, 2), drop column b",
                &["add a numeric(10, 2)", "drop column b"],
            ),
            (
                "ALTER TABLE t -- , \n ADD a text DEFAULT 'x,''y', /* , /* , */ */ ADD b text DEFAULT $q$,$q$",
                &["ADD a text DEFAULT 'x,''y'", "ADD b text DEFAULT $q$,$q$"],
            ),
            (
                "ALTER TABLE t ADD a int[] DEFAULT ARRAY[1,2] , ADD b int",
                &["ADD a int[] DEFAULT ARRAY[1,2]", "ADD b int"],
            ),
        ];
        for (text, wanted) in cases {
            let got: Vec<&str> = clauses(text).unwrap().into_iter().map(|(s, e)| &text[s..e]).collect();
            assert_eq!(&got, wanted);
        }
        assert_eq!(word("(idx int, ID bigint)", "id"), Some(10));
        assert_eq!(word("(é_id int)", "id"), None);
        assert_eq!(clauses("CREATE TABLE t ()"), None);
        assert_eq!(clauses("ALTER TABLE t"), None);
    }
}
