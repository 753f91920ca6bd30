//! Texts that are parts of a larger one.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::{Deref, Range};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A text that shares its bytes with those it was cut from and with its clones: the statements of a script of fifty
/// megabytes need no fifty megabytes more. Otherwise like a `String` that nobody changes.
#[derive(Clone)]
pub struct Text {
    whole: Arc<str>,
    start: usize,
    end: usize,
}

impl Text {
    /// A part of it, by bytes, without a copy. Empty where there is no such part.
    pub fn part(&self, range: Range<usize>) -> Text {
        let there = range.start <= range.end && self.get(range.clone()).is_some();
        let Range { start, end } = if there { range } else { 0..0 };
        Text { whole: Arc::clone(&self.whole), start: self.start + start, end: self.start + end }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        self
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        // `part` is the only place that makes a range, and asked for this one before.
        self.whole.get(self.start..self.end).unwrap_or_default()
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self
    }
}

impl From<Arc<str>> for Text {
    fn from(whole: Arc<str>) -> Self {
        Self { start: 0, end: whole.len(), whole }
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Arc::<str>::from(text).into()
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Arc::<str>::from(text).into()
    }
}

impl From<&String> for Text {
    fn from(text: &String) -> Self {
        text.as_str().into()
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.to_string()
    }
}

impl Default for Text {
    fn default() -> Self {
        "".into()
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Text {}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        **self == *other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        **self == **other
    }
}

impl PartialEq<Text> for str {
    fn eq(&self, other: &Text) -> bool {
        *self == **other
    }
}

impl PartialEq<Text> for &str {
    fn eq(&self, other: &Text) -> bool {
        **self == **other
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Cow::<'de, str>::deserialize(deserializer)?.into_owned().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_cut_by_bytes_and_share_them() {
        let whole = Text::from("één; twee");
        let second = whole.part(7..11);
        assert_eq!(second, "twee");
        assert_eq!(second.part(1..3), "we");
        assert!(Arc::ptr_eq(&whole.whole, &second.whole));
        for nowhere in [Range { start: 1, end: 2 }, Range { start: 5, end: 2 }, Range { start: 0, end: 99 }] {
            assert_eq!(whole.part(nowhere.clone()), "", "{nowhere:?}");
        }
    }

    #[test]
    fn it_is_stored_as_a_string() {
        let text = Text::from("a \"b\"\n");
        let json = serde_json::to_string(&text).unwrap();
        assert_eq!(json, r#""a \"b\"\n""#);
        assert_eq!(serde_json::from_str::<Text>(&json).unwrap(), text);
        assert_eq!(serde_json::from_value::<Text>(serde_json::Value::from("x")).unwrap(), "x");
    }
}
