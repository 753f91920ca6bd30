//! Versions of a project: three numbers, as Semantic Versioning has them.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

/// A version of a project. `v1.1.0` and `1.1.0` are one; the text is kept, because directories have it.
#[derive(Debug, Clone)]
pub struct Release {
    text: String,
    numbers: [u64; 3],
}

impl Release {
    /// Reads `v1.1.0` or `1.1.0`.
    ///
    /// # Errors
    /// Why it is none, for a sentence.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let plain = text.strip_prefix('v').unwrap_or(text);
        if plain.contains('+') {
            return Err("build metadata has no place in the names of scripts");
        }
        if plain.contains('-') {
            return Err(
                "a pre-release has no place in the names of scripts, which are compared number by number",
            );
        }
        let mut numbers = [0; 3];
        let mut parts = plain.split('.');
        for number in &mut numbers {
            let part = parts.next().unwrap_or_default();
            if part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err("three numbers with points between them are needed, such as v1.4.0");
            }
            if part.len() > 1 && part.starts_with('0') {
                return Err("a number must not begin with 0");
            }
            *number = part.parse().map_err(|_| "a number is too large")?;
        }
        match parts.next() {
            Some(_) => Err("three numbers with points between them are needed, such as v1.4.0"),
            None => Ok(Self { text: text.to_owned(), numbers }),
        }
    }

    /// As it is written in the names of scripts: `1.1.0`.
    pub fn plain(&self) -> String {
        let [major, minor, patch] = self.numbers;
        format!("{major}.{minor}.{patch}")
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for Release {
    fn eq(&self, other: &Self) -> bool {
        self.numbers == other.numbers
    }
}

impl Eq for Release {}

impl Hash for Release {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.numbers.hash(state);
    }
}

impl PartialOrd for Release {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Release {
    fn cmp(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_three_numbers() {
        let v = |text: &str| Release::parse(text).unwrap();
        assert!(v("v1.9.0") < v("v1.10.0") && v("1.1.0") == v("v1.1.0"));
        assert_eq!((v("v1.1.0").plain(), v("v1.1.0").to_string()), ("1.1.0".into(), "v1.1.0".into()));
        for text in [
            "",
            "v",
            "1",
            "1.1",
            "1.1.0.0",
            "v1.x.0",
            "V1.0.0",
            "v01.0.0",
            "1.0.0-rc.1",
            "1.0.0+7",
            "1..0",
            " 1.0.0",
            "vv1.0.0",
            "1.0.-1",
            "99999999999999999999999.0.0",
        ] {
            assert!(Release::parse(text).is_err(), "{text}");
        }
    }
}
