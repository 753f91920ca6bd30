//! Rust files, with what is code in them told apart from comments, literals and tests.

use std::fs;
use std::path::Path;

/// A Rust file.
#[derive(Debug)]
pub(super) struct Source {
    /// Its path from the root: `crates/core/src/run.rs`.
    pub(super) path: String,
    /// Its lines of code: comments and what stands in literals are blanks.
    pub(super) code: Vec<String>,
    /// Its lines of comments: all else is blanks.
    pub(super) comments: Vec<String>,
    /// For each line, whether it belongs to a test.
    pub(super) is_test: Vec<bool>,
}

impl Source {
    /// Reads a text.
    pub(super) fn new(path: impl Into<String>, text: &str) -> Self {
        let path = path.into();
        let (code, comments) = split(text);
        let code: Vec<String> = code.lines().map(str::to_owned).collect();
        let is_test = test_lines(&path, &code);
        Self { path, code, comments: comments.lines().map(str::to_owned).collect(), is_test }
    }

    /// The lines of code outside of tests, with their numbers from 1.
    pub(super) fn production(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.code.iter().zip(&self.is_test).enumerate();
        lines.filter(|(_, (_, test))| !**test).map(|(n, (line, _))| (n + 1, line.as_str()))
    }
}

/// Every Rust file of the crates and of this one, in the order of their paths.
pub(super) fn read_all(root: &Path) -> Result<Vec<Source>, String> {
    let mut sources = Vec::new();
    for (path, bytes) in files(root)? {
        if path.ends_with(".rs") && (path.starts_with("crates/") || path.starts_with("xtask/")) {
            sources.push(Source::new(path, &String::from_utf8_lossy(&bytes)));
        }
    }
    Ok(sources)
}

/// Every file below `root`, but for version control's and what is built, with its path from there.
pub(super) fn files(root: &Path) -> Result<Vec<(String, Vec<u8>)>, String> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let cannot = |e: std::io::Error| format!("cannot read {}: {e}", folder.display());
        for entry in fs::read_dir(&folder).map_err(cannot)? {
            let entry = entry.map_err(cannot)?;
            let (path, kind) = (entry.path(), entry.file_type().map_err(cannot)?);
            let name = entry.file_name();
            if kind.is_dir() && name != ".git" && name != "target" {
                folders.push(path);
            } else if kind.is_file() {
                let bytes = fs::read(&path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
                let relative = path.strip_prefix(root).unwrap_or(&path);
                found.push((relative.to_string_lossy().into_owned(), bytes));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Where `word` stands in `line` with no letter, digit or underscore before it.
pub(super) fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word)
        .any(|(at, _)| !line[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_'))
}

/// Which lines are tests: all of a file in a folder `tests` or `benches` or named `tests.rs`, and each item
/// below `#[cfg(test)]`. Relies on rustfmt: an item at the left margin ends with a brace at the left margin.
fn test_lines(path: &str, code: &[String]) -> Vec<bool> {
    let parts: Vec<&str> = path.split('/').collect();
    if parts.iter().any(|part| matches!(*part, "tests" | "benches" | "tests.rs")) {
        return vec![true; code.len()];
    }
    let mut in_test = false;
    let mut lines = Vec::with_capacity(code.len());
    for line in code {
        let begins = line.starts_with("#[cfg(test)]");
        in_test |= begins;
        lines.push(in_test);
        let ends = line.starts_with('}') || (line.ends_with(';') && !line.starts_with(' '));
        if in_test && !begins && ends {
            in_test = false;
        }
    }
    lines
}

/// What the next characters are.
#[derive(Clone, Copy, PartialEq)]
enum In {
    Code,
    LineComment,
    /// Nested so deep.
    BlockComment(u32),
    /// A string; with so many `#`, where it is raw.
    Text(Option<usize>),
}

/// The text with comments and literals blanked, and the text with all but comments blanked. Line breaks stay.
fn split(text: &str) -> (String, String) {
    let chars: Vec<char> = text.chars().collect();
    let (mut code, mut comments) = (String::new(), String::new());
    let mut state = In::Code;
    let mut at = 0;
    while at < chars.len() {
        let rest = &chars[at..];
        let (length, next) = step(state, rest, at.checked_sub(1).map(|before| chars[before]));
        for c in &rest[..length] {
            let blank = if *c == '\n' { '\n' } else { ' ' };
            let comment = matches!(state, In::LineComment | In::BlockComment(_))
                || matches!(next, In::LineComment | In::BlockComment(_));
            let plain = state == In::Code && next == In::Code;
            code.push(if plain { *c } else { blank });
            comments.push(if comment { *c } else { blank });
        }
        state = next;
        at += length;
    }
    (code, comments)
}

/// How many characters belong together, and what comes after them.
fn step(state: In, rest: &[char], before: Option<char>) -> (usize, In) {
    let starts = |text: &str| text.chars().enumerate().all(|(n, c)| rest.get(n) == Some(&c));
    match state {
        In::LineComment => (1, if rest[0] == '\n' { In::Code } else { state }),
        In::BlockComment(depth) if starts("/*") => (2, In::BlockComment(depth + 1)),
        In::BlockComment(depth) if starts("*/") => {
            (2, if depth == 1 { In::Code } else { In::BlockComment(depth - 1) })
        }
        In::Text(None) if starts("\\") => (rest.len().min(2), state),
        In::Text(None) if starts("\"") => (1, In::Code),
        In::Text(Some(hashes)) if starts(&format!("\"{}", "#".repeat(hashes))) => (1 + hashes, In::Code),
        In::BlockComment(_) | In::Text(_) => (1, state),
        In::Code if starts("//") => (2, In::LineComment),
        In::Code if starts("/*") => (2, In::BlockComment(1)),
        In::Code if starts("\"") => (1, In::Text(None)),
        In::Code if starts("'") => (character(rest), In::Code),
        In::Code => {
            raw(rest, before).map_or((1, In::Code), |(length, hashes)| (length, In::Text(Some(hashes))))
        }
    }
}

/// The length of a character literal, or 1 for the quote of a lifetime.
fn character(rest: &[char]) -> usize {
    match rest {
        // '\n', '\'', '\u{1F600}'
        ['\'', '\\', _, more @ ..] => more.iter().position(|c| *c == '\'').map_or(1, |end| end + 4),
        ['\'', _, '\'', ..] => 3,
        _ => 1,
    }
}

/// The beginning of a raw string: `r"`, `r#"`, `br##"`, not the end of another name.
fn raw(rest: &[char], before: Option<char>) -> Option<(usize, usize)> {
    if rest[0] != 'r' || before.is_some_and(|c| (c.is_alphanumeric() && c != 'b' && c != 'c') || c == '_') {
        return None;
    }
    let hashes = rest[1..].iter().take_while(|c| **c == '#').count();
    (rest.get(1 + hashes) == Some(&'"')).then_some((2 + hashes, hashes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_told_from_comments_and_literals() {
        let cases = [
            ("a(); // b", "a();"),
            (r#"a("b // \" c"); d"#, "a( ); d"),
            (r##"a(r#"b " c"#); d"##, "a( ); d"),
            ("/* a /* b */ c */ d", "d"),
            ("let q = '\"'; e", "let q = '\"'; e"),
            (r"let q = '\''; e", r"let q = '\''; e"),
            (r"let q = ['\n', '\u{22}', '\\']; e", r"let q = ['\n', '\u{22}', '\\']; e"),
            ("fn f<'a>(x: &'a str) {}", "fn f<'a>(x: &'a str) {}"),
            ("for r in \"x\" {}", "for r in {}"),
        ];
        for (text, expected) in cases {
            let code = split(text).0;
            assert_eq!(code.chars().count(), text.chars().count(), "{text}");
            assert_eq!(code.split_whitespace().collect::<Vec<_>>().join(" "), expected, "{text}");
        }
        assert_eq!(split("a /* b */ c // d").1.trim(), "/* b */   // d");
    }

    #[test]
    fn items_for_tests_are_told_from_the_rest() {
        let text = "fn a() {\n}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\nfn c() {\n}\n#[cfg(test)]\nmod more;\nfn d() {\n}\n";
        let source = Source::new("crates/x/src/lib.rs", text);
        let production: String = source.production().map(|(_, line)| line).collect();
        assert_eq!(production, "fn a() {}fn c() {}fn d() {}");
        for path in ["crates/x/tests/a.rs", "crates/x/src/y/tests.rs", "crates/x/src/tests/z.rs"] {
            assert_eq!(Source::new(path, text).production().count(), 0, "{path}");
        }
    }

    #[test]
    fn a_word_begins_where_no_name_goes_on() {
        assert!(has_word("  print!(x)", "print!") && has_word("std::print!(x)", "print!"));
        assert!(!has_word("eprint!(x)", "print!"));
    }
}
