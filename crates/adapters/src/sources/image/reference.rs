//! The names that a user writes: of an image, and of a directory in it.

use std::fmt;
use std::str::FromStr;

use cofferdam_core::{Code, Refusal};
use oci_client::{ParseError, Reference};

/// Longer than any registry takes: 255 for the repository, 128 for the tag, 71 for the digest, and the host.
const MAX_REFERENCE: usize = 512;

/// Longer than any path that a system takes.
const MAX_DIRECTORY: usize = 1024;

/// Characters that a shell, or a glob, reads as its own.
const SHELL: &str = ";|&$<>`\"'\\*?[](){}!#~^=%,";

/// The name of an image: `registry/repository:tag`, `registry/repository@sha256:...`, or both.
///
/// As everywhere with images, a name without a registry is one of Docker's hub, and one with neither tag nor
/// digest means `latest`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageReference {
    typed: String,
    parsed: Reference,
}

impl ImageReference {
    /// The registry's host, with the port where one is named.
    pub fn registry(&self) -> &str {
        self.parsed.registry()
    }

    /// The digest that it pins, where it does.
    pub fn digest(&self) -> Option<&str> {
        self.parsed.digest()
    }

    /// The same image by digest alone: `registry/repository@sha256:...`.
    pub fn pinned(&self, digest: &str) -> String {
        self.by_digest(digest).whole()
    }

    pub(super) fn parsed(&self) -> &Reference {
        &self.parsed
    }

    pub(super) fn by_digest(&self, digest: &str) -> Reference {
        self.parsed.clone_with_digest(digest.to_owned())
    }

    pub(super) fn by_tag(&self, tag: &str) -> Reference {
        let (registry, repository) = (self.parsed.registry(), self.parsed.repository());
        Reference::with_tag(registry.to_owned(), repository.to_owned(), tag.to_owned())
    }
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.typed)
    }
}

impl FromStr for ImageReference {
    type Err = Box<Refusal>;

    fn from_str(typed: &str) -> Result<Self, Self::Err> {
        const HELP: &str = "name it as registry/repository:tag or registry/repository@sha256:<64 hex digits>";
        let refuse = |cause: String| {
            let what = format!("`{}` is not the name of an image", shown(typed));
            Box::new(Refusal::new(Code::BadImageReference, what).cause(cause).help(HELP))
        };
        if let Some(cause) = bad_character(typed, MAX_REFERENCE) {
            return Err(refuse(cause));
        }
        if let Some((scheme, _)) = typed.split_once("://") {
            return Err(refuse(format!(
                "it begins with the scheme {scheme}://, which names of images have not"
            )));
        }
        let parsed = Reference::from_str(typed).map_err(|error| match error {
            ParseError::ReferenceInvalidFormat if typed.chars().any(char::is_uppercase) => {
                refuse("a repository is written in lower case".to_owned())
            }
            other => refuse(other.to_string()),
        })?;
        match parsed.digest() {
            Some(digest) if !is_digest(digest) => {
                Err(refuse("a digest is sha256: and 64 hexadecimal digits in lower case".to_owned()))
            }
            _ => Ok(Self { typed: typed.to_owned(), parsed }),
        }
    }
}

/// `sha256:` and 64 hexadecimal digits in lower case; no other digest is in use.
pub(super) fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(|hex| {
        hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    })
}

/// A directory in an image: `/db/migrations`, and the same without the first slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageDirectory {
    typed: String,
    parts: Vec<String>,
}

impl ImageDirectory {
    /// Its parts from the image's root.
    pub(super) fn parts(&self) -> &[String] {
        &self.parts
    }
}

impl fmt::Display for ImageDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.typed)
    }
}

impl FromStr for ImageDirectory {
    type Err = Box<Refusal>;

    fn from_str(typed: &str) -> Result<Self, Self::Err> {
        let refuse = |cause: String| {
            let what = format!("`{}` is not a directory of an image", shown(typed));
            let help = "name it as it is in the image: /db/migrations";
            Err(Box::new(Refusal::new(Code::BadImageReference, what).cause(cause).help(help)))
        };
        if let Some(cause) = bad_character(typed, MAX_DIRECTORY) {
            return refuse(cause);
        }
        let parts: Vec<String> =
            typed.split('/').filter(|part| !matches!(*part, "" | ".")).map(str::to_owned).collect();
        if parts.iter().any(|part| part == "..") {
            return refuse("a part of it is `..`".to_owned());
        }
        Ok(Self { typed: typed.to_owned(), parts })
    }
}

/// Why the text cannot be a name, whatever it would name.
fn bad_character(text: &str, longest: usize) -> Option<String> {
    if text.is_empty() {
        return Some("it is empty".to_owned());
    }
    if text.len() > longest {
        return Some(format!("it has {} bytes; at most {longest} are allowed", text.len()));
    }
    let bad = text.chars().find_map(|c| match c {
        c if c.is_control() => Some(format!("it holds the control character {}", c.escape_unicode())),
        c if c.is_whitespace() => Some("it holds a blank".to_owned()),
        c if SHELL.contains(c) => Some(format!("it holds `{c}`")),
        _ => None,
    });
    // An option of some command, were it ever given to one.
    bad.or_else(|| text.starts_with('-').then(|| "it begins with `-`".to_owned()))
}

/// Short, and without control characters: what is refused must not be able to spoil the message that refuses it.
fn shown(text: &str) -> String {
    super::text::shown(text.as_bytes(), 80)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn names_of_images_are_read() {
        let pinned = format!("r.example:5000/a/b:1@{DIGEST}");
        let cases = [
            ("myapp", "docker.io", "docker.io/library/myapp:latest"),
            ("myapp:v2.0.0", "docker.io", "docker.io/library/myapp:v2.0.0"),
            ("localhost:5000/a/b_c:V1", "localhost:5000", "localhost:5000/a/b_c:V1"),
            (pinned.as_str(), "r.example:5000", pinned.as_str()),
        ];
        for (typed, registry, whole) in cases {
            let read: ImageReference = typed.parse().unwrap();
            assert_eq!(read.to_string(), typed);
            assert_eq!((read.registry(), read.parsed().whole().as_str()), (registry, whole));
        }
        let read: ImageReference = pinned.parse().unwrap();
        assert_eq!(read.digest(), Some(DIGEST));
        assert_eq!(read.pinned(DIGEST), format!("r.example:5000/a/b@{DIGEST}"));
    }

    #[test]
    fn what_is_no_image_is_refused_with_its_own_reason() {
        let long = format!("a/{}", "b".repeat(600));
        let upper = format!("a@{}", DIGEST.to_uppercase().replace("SHA", "sha"));
        let short = format!("a@{}", &DIGEST[..60]);
        let sha512 = format!("a@sha512:{}", "0".repeat(128));
        let cases = [
            ("", "it is empty"),
            ("a;rm -rf /", "it holds `;`"),
            ("a;id", "it holds `;`"),
            ("a$(id)", "it holds `$`"),
            ("a|id", "it holds `|`"),
            ("a`id`", "it holds ``"),
            ("a\nb", "control character \\u{a}"),
            ("a b", "it holds a blank"),
            ("a\u{a0}b", "it holds a blank"),
            ("-a", "it begins with `-`"),
            ("https://r.example/a", "the scheme https://"),
            ("r.example/App", "lower case"),
            ("r.example/a/../b", "invalid reference format"),
            ("r.example/a:", "invalid reference format"),
            ("r.example/ä", "invalid reference format"),
            (long.as_str(), "at most 512"),
            (upper.as_str(), "64 hexadecimal digits in lower case"),
            (short.as_str(), "digest"),
            (sha512.as_str(), "sha256"),
        ];
        for (typed, reason) in cases {
            let refusal = typed.parse::<ImageReference>().unwrap_err();
            assert_eq!(refusal.code, Code::BadImageReference);
            assert!(refusal.cause.as_deref().unwrap().contains(reason), "{typed:?}: {refusal}");
            assert!(refusal.help.is_some() && !refusal.what.contains('\n') && refusal.what.len() < 200);
        }
    }

    #[test]
    fn directories_are_read_or_refused() {
        let cases: &[(&str, Result<&[&str], &str>)] = &[
            ("/", Ok(&[])),
            ("/db/migrations", Ok(&["db", "migrations"])),
            ("db//./migrations/", Ok(&["db", "migrations"])),
            ("/app/@scope/größe_1.2", Ok(&["app", "@scope", "größe_1.2"])),
            ("", Err("it is empty")),
            ("/a/../b", Err("`..`")),
            ("/a b", Err("a blank")),
            ("/a;b", Err("`;`")),
            ("/a/$(id)", Err("`$`")),
            ("/a|b", Err("`|`")),
            ("/a*", Err("`*`")),
            ("/a\0", Err("control character")),
        ];
        for (typed, expected) in cases {
            match (typed.parse::<ImageDirectory>(), expected) {
                (Ok(read), Ok(parts)) => assert_eq!(read.parts(), *parts, "{typed}"),
                (Err(refusal), Err(reason)) => {
                    assert_eq!(refusal.code, Code::BadImageReference);
                    assert!(refusal.cause.as_deref().unwrap().contains(reason), "{typed}: {refusal}");
                }
                (read, _) => panic!("{typed}: {read:?}"),
            }
        }
    }
}
