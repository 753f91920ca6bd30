//! Words that must not stand anywhere in the repository.

use super::source::{files, has_word};
use super::{Check, House};
use crate::machine::root;

pub(super) static CHECK: Check = Check {
    name: "words",
    about: "no hosts of package registries, no paths of one person's machine",
    problems: |_: &House| {
        Ok(files(&root())?
            .iter()
            .filter(|(path, _)| !EXEMPT.contains(&path.as_str()))
            .flat_map(|(path, bytes)| problems(path, bytes))
            .collect())
    },
};

/// Files that others write: cargo names its registry in the lock file.
const EXEMPT: &[&str] = &["Cargo.lock"];

/// The words, each in two halves so that this file has none of them. Where a registry is, is the machine's
/// configuration: a mirror may stand in its place.
const WORDS: &[(&str, &str, &str)] = &[
    ("crates", ".io", "a host of a package registry"),
    ("repo1.", "maven.org", "a host of a package registry"),
    ("repo.maven", ".apache.org", "a host of a package registry"),
    ("registry.", "npmjs.org", "a host of a package registry"),
    ("pypi", ".org", "a host of a package registry"),
    ("pythonhosted", ".org", "a host of a package registry"),
    ("proxy.", "golang.org", "a host of a package registry"),
    ("deb.", "debian.org", "a host of a package registry"),
    ("security.", "debian.org", "a host of a package registry"),
    ("/wo", "rk/", "a path of one machine"),
    ("/ro", "ot/", "a path of one machine"),
];

fn problems(path: &str, bytes: &[u8]) -> Vec<String> {
    let Ok(text) = std::str::from_utf8(bytes) else { return Vec::new() };
    let mut problems = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for (half, other, what) in WORDS {
            let word = format!("{half}{other}");
            if has_word(line, &word) {
                problems.push(format!("{path}:{}: `{word}` is {what}", number + 1));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_and_this_file_has_none() {
        for (half, other, _) in WORDS {
            assert_eq!(
                problems("a.md", format!("see {half}{other}x\n").as_bytes()).len(),
                1,
                "{half}{other}"
            );
        }
        assert!(problems("words.rs", include_bytes!("words.rs")).is_empty());
    }

    #[test]
    fn a_longer_path_that_ends_alike_is_fine() {
        let text = format!("home{}{}x", "/wo", "rk/");
        assert!(problems("a.md", text.as_bytes()).is_empty());
    }
}
