//! Versions in the tags of images, compared by their numbers.

use std::cmp::Ordering;

/// What begins with one of these is from before the release that its numbers name. Whatever else stands behind the
/// numbers (`-alpine`, `-20261121`, `_1`) says how it was built, and not what it is.
const BEFORE: &[&str] = &[
    "alpha",
    "beta",
    "rc",
    "cr",
    "pre",
    "preview",
    "dev",
    "snapshot",
    "canary",
    "nightly",
    "next",
    "ea",
    "milestone",
    "m",
    "a",
    "b",
    "test",
    "wip",
    "pr",
];

/// A version: `v2.1.0-rc.1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    numbers: Vec<u64>,
    /// Of what comes before the release: its words and numbers.
    before: Option<Vec<Part>>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Number(u64),
    Word(String),
}

impl Version {
    /// Reads one; `None`: no version can be told from it.
    pub fn read(text: &str) -> Option<Self> {
        let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
        let mut numbers = Vec::new();
        let mut rest = text;
        loop {
            let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            numbers.push(rest[..end].parse().ok()?);
            rest = &rest[end..];
            match rest.strip_prefix('.') {
                Some(next) if next.starts_with(|c: char| c.is_ascii_digit()) => rest = next,
                _ => break,
            }
        }
        let suffix = match rest.chars().next() {
            None => return Some(Self { numbers, before: None }),
            Some('-' | '_' | '.' | '+') => &rest[1..],
            // As Python writes it: `2.0rc1`. Anything else that is glued to a number is none, as `12ab9f` of a commit.
            Some(_) => rest,
        };
        let parts = parts(&suffix.to_ascii_lowercase());
        let early = matches!(parts.first(), Some(Part::Word(word)) if BEFORE.contains(&word.as_str()));
        let glued = suffix.len() == rest.len();
        if suffix.is_empty() || (glued && !early) {
            return None;
        }
        let is_build = rest.starts_with('+');
        Some(Self { numbers, before: (early && !is_build).then_some(parts) })
    }

    /// How many numbers it has.
    pub fn precision(&self) -> usize {
        self.numbers.len()
    }
}

/// `rc.1`, `rc1` and `rc-1` are the same.
fn parts(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    for word in text.split(['.', '-', '_', '+']).filter(|word| !word.is_empty()) {
        let mut rest = word;
        while !rest.is_empty() {
            let digits = rest.starts_with(|c: char| c.is_ascii_digit());
            let end = rest.find(|c: char| c.is_ascii_digit() != digits).unwrap_or(rest.len());
            parts.push(match rest[..end].parse() {
                Ok(number) if digits => Part::Number(number),
                _ => Part::Word(rest[..end].to_owned()),
            });
            rest = &rest[end..];
        }
    }
    parts
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let longest = self.numbers.len().max(other.numbers.len());
        let at = |version: &Self, n: usize| version.numbers.get(n).copied().unwrap_or(0);
        let numbers = (0..longest).map(|n| at(self, n).cmp(&at(other, n))).find(|o| o.is_ne());
        numbers.unwrap_or_else(|| match (&self.before, &other.before) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(a), Some(b)) => a.cmp(b),
        })
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The tag of an image. `None`: it has none, and then it is `latest`, or a digest alone.
pub fn tag(image: &str) -> Option<&str> {
    let named = image.split_once('@').map_or(image, |(named, _)| named);
    let (_, last) = named.rsplit_once('/').unwrap_or(("", named));
    last.split_once(':').map(|(_, tag)| tag).filter(|tag| !tag.is_empty())
}

/// Whether an image is of at least this version.
///
/// # Errors
/// It cannot be told, and why; for people, behind the image's name.
pub fn reaches(image: &str, least: &str) -> Result<bool, String> {
    let wanted = Version::read(least).ok_or_else(|| format!("cannot be compared with {least}"))?;
    let Some(tag) = tag(image) else {
        return Err(match image.contains('@') {
            true => "has a digest and no tag, which says no version".into(),
            false => "has no tag, which says no version".into(),
        });
    };
    let has = Version::read(tag).ok_or_else(|| format!("has the tag {tag}, which is no version"))?;
    // A number alone is a date, a build or a commit as well.
    if has.precision() == 1 && wanted.precision() > 1 {
        return Err(format!("has the tag {tag}, a number alone, which need not be a version"));
    }
    Ok(has >= wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_of_an_image_is_found() {
        for (image, expected) in [
            ("myapp:1.2", Some("1.2")),
            ("registry.example:5000/team/myapp:v2.0.0", Some("v2.0.0")),
            ("registry.example:5000/team/myapp", None),
            ("localhost:5000/myapp", None),
            ("myapp:1.2@sha256:abc", Some("1.2")),
            ("myapp@sha256:abc", None),
            ("myapp", None),
            ("myapp:", None),
            ("", None),
        ] {
            assert_eq!(tag(image), expected, "{image}");
        }
    }

    #[test]
    fn versions_are_compared_by_their_numbers() {
        for (tag, least, reached) in [
            ("2.0.0", "2.0.0", true),
            ("v2.0.0", "2.0.0", true),
            ("2.0.0", "v2.0.0", true),
            ("1.9.9", "2.0.0", false),
            ("1.10.0", "1.9.0", true),
            ("2.0", "2.0.0", true),
            ("2.0", "2.0.1", false),
            ("2.0.0.1", "2.0.0", true),
            ("2.0.0-alpine", "2.0.0", true),
            ("2.0.0-3f2a1bc", "2.0.0", true),
            ("2.0.0_1", "2.0.0", true),
            ("2.0.0.Final", "2.0.0", true),
            ("2.0.0-rc.1", "2.0.0", false),
            ("2.0.0-rc1-alpine", "2.0.0", false),
            ("2.0.0rc1", "2.0.0", false),
            ("2.0.0-SNAPSHOT", "2.0.0", false),
            ("2.0.0-M3", "2.0.0", false),
            ("2.0.0-main", "2.0.0", true),
            ("2.0.1-rc.1", "2.0.0", true),
            ("2.0.0-rc.2", "2.0.0-rc.1", true),
            ("2.0.0-rc.10", "2.0.0-rc.9", true),
            ("2.0.0-beta", "2.0.0-rc.1", false),
            ("2.0.0", "2.0.0-rc.1", true),
            ("42", "41", true),
            ("1.9.0", "2", false),
        ] {
            assert_eq!(reaches(&format!("myapp:{tag}"), least), Ok(reached), "{tag} {least}");
        }
    }

    #[test]
    fn what_says_no_version_is_not_taken_for_one() {
        for (image, why) in [
            ("myapp@sha256:0011", "a digest and no tag"),
            ("myapp", "no tag"),
            ("myapp:latest", "the tag latest"),
            ("myapp:main", "the tag main"),
            ("myapp:release-2.0.0", "which is no version"),
            ("myapp:4711", "a number alone"),
            ("myapp:20261121", "a number alone"),
            ("myapp:12ab9f", "which is no version"),
            ("myapp:99999999999999999999.0", "which is no version"),
            ("myapp:2.", "which is no version"),
            ("myapp:2.0-", "which is no version"),
            ("myapp:-", "which is no version"),
        ] {
            let said = reaches(image, "2.0.0").unwrap_err();
            assert!(said.contains(why), "{image}: {said}");
        }
    }
}
