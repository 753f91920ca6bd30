//! Texts with a form: how they are written, how the apiserver checks them, and what they mean.
//!
//! A field keeps what its author wrote, and `parse` reads it. The apiserver refuses what does not fit the pattern;
//! `parse` is stricter only where a pattern cannot say it, so an object that was stored under an older schema never
//! stops a watch.

mod clock;
mod digest;
mod number;
mod span;
mod volume;
mod words;

pub use clock::{Window, WindowOfDay};
pub use digest::Sha256;
pub use number::{Decimal, Percent};
pub use span::Span;
pub use volume::Volume;
pub use words::{
    AgeRecipient, AwsRegion, BackupUrl, ConfigMapKey, ConfigMapSource, DataKey, DatabaseName, EnvName, Host,
    ImageReference, ObjectName, RoleArn, ScriptName,
};

/// How a text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    /// What it is: "a duration".
    pub what: &'static str,
    /// What the apiserver checks, as RE2.
    pub pattern: &'static str,
    /// Longest in characters.
    pub longest: u32,
    /// How to write it, for a message: "write a number and a unit".
    pub write: &'static str,
    /// Texts that fit.
    pub examples: &'static [&'static str],
}

/// All forms that there are.
pub static FORMS: &[Form] = &[
    AgeRecipient::FORM,
    AwsRegion::FORM,
    BackupUrl::FORM,
    ConfigMapSource::FORM,
    DataKey::FORM,
    DatabaseName::FORM,
    Decimal::FORM,
    EnvName::FORM,
    Host::FORM,
    ImageReference::FORM,
    ObjectName::FORM,
    Percent::FORM,
    RoleArn::FORM,
    ScriptName::FORM,
    Sha256::FORM,
    Span::FORM,
    Volume::FORM,
    Window::FORM,
];

/// A text that does not have its form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {}: {}, for example {}", form.what, form.write, form.examples[0])]
pub struct Malformed {
    /// The text, cut at 80 characters.
    pub text: String,
    /// What it should be.
    pub form: Form,
}

impl Malformed {
    fn new(text: &str, form: Form) -> Self {
        Self { text: text.chars().take(80).collect(), form }
    }
}

/// A text of one form: a string in JSON, with its pattern in the schema.
macro_rules! text {
    ($(#[$meta:meta])+ $name:ident, $what:literal, pattern: $pattern:literal, longest: $longest:literal,
     write: $write:literal, examples: [$($example:literal),+ $(,)?]) => {
        $(#[$meta])+
        #[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            /// How it is written.
            pub const FORM: super::Form = super::Form {
                what: $what,
                pattern: $pattern,
                longest: $longest,
                write: $write,
                examples: &[$($example),+],
            };

            /// As it was written.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            #[allow(dead_code, reason = "texts that mean themselves are not parsed")]
            fn malformed(&self) -> super::Malformed {
                super::Malformed::new(&self.0, Self::FORM)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string",
                    "minLength": 1,
                    "maxLength": $longest,
                    "pattern": $pattern,
                })
            }
        }
    };
}
use text;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use regex::Regex;

    use super::*;

    #[test]
    fn every_form_fits_its_own_examples_and_refuses_nothing_and_white_space() {
        let mut seen = HashSet::new();
        for form in FORMS {
            assert!(seen.insert(form.what), "{} stands twice", form.what);
            assert!(form.pattern.starts_with('^') && form.pattern.ends_with('$'), "{}", form.what);
            let pattern = Regex::new(form.pattern).unwrap();
            for example in form.examples {
                assert!(pattern.is_match(example), "{}: {example}", form.what);
                assert!(example.len() <= form.longest as usize, "{}: {example}", form.what);
            }
            for bad in ["", "\n", "a\nb", "\u{0}"] {
                assert!(!pattern.is_match(bad), "{}: {bad:?}", form.what);
            }
        }
    }

    #[test]
    fn a_malformed_text_says_how_to_write_it() {
        assert_eq!(
            Span::from("30 minutes").parse().unwrap_err().to_string(),
            "\"30 minutes\" is not a duration: write numbers with the units d, h, m, s or ms, for example 30m"
        );
        assert!(Span("9".repeat(4000)).parse().unwrap_err().to_string().len() < 300);
    }

    /// What a parser takes, the apiserver takes, and the other way round for all that a table names.
    pub(crate) fn agrees(form: Form, text: &str, parses: bool) {
        let matches =
            Regex::new(form.pattern).unwrap().is_match(text) && text.chars().count() <= form.longest as usize;
        assert_eq!(matches, parses, "{}: {text:?}", form.what);
    }
}
